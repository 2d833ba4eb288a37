//! The lines of a zone file: comments, directives, defaults, entries and their values.

use std::net::Ipv4Addr;

/// A line, without what stands before and behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Empty, or a comment.
    Nothing,
    Directive(Directive<'a>),
    /// `:127.0.0.4:text`, the value of entries that have none.
    Default(&'a [u8]),
    /// All else, without the `!` of an exclusion.
    Entry {
        is_excluded: bool,
        text: &'a [u8],
    },
}

/// `$...`
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Directive<'a> {
    /// `$0` to `$9`, and 10 for `$=`.
    Template(usize, &'a [u8]),
    /// `$MAXRANGE4`: the most addresses of an entry that counts.
    MaxRange(u64),
    /// What is about the name server: `$SOA`, `$NS`, `$TTL`, `$TIMESTAMP`.
    Ignored,
}

/// A text of a value: none, or one with variables in it.
type Text<'a> = Option<&'a [u8]>;

/// `is_ip6` tells that a line may begin with the two colons of an address.
pub(super) fn read(line: &[u8], is_ip6: bool) -> Result<Line<'_>, String> {
    let line = line.trim_ascii_start();
    let directive = match line {
        [b'$', rest @ ..] | [b'#' | b';' | b':', b'$', rest @ ..] => Some(rest),
        _ => None,
    };
    if let Some(rest) = directive {
        return self::directive(rest).map(Line::Directive);
    }
    Ok(match line {
        [] | [b'#' | b';', ..] => Line::Nothing,
        [b':', next, ..] if *next != b':' || !is_ip6 => Line::Default(line),
        [b'!', text @ ..] => Line::Entry { is_excluded: true, text: text.trim_ascii_start() },
        text => Line::Entry { is_excluded: false, text },
    })
}

fn directive(text: &[u8]) -> Result<Directive<'_>, String> {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, b""));
    let rest = rest.trim_ascii_start();
    match word {
        [digit @ b'0'..=b'9'] => Ok(Directive::Template(usize::from(digit - b'0'), rest)),
        b"=" => Ok(Directive::Template(super::answers::BASE, rest)),
        _ if word.eq_ignore_ascii_case(b"MAXRANGE4") => max_range(rest).map(Directive::MaxRange),
        _ if [&b"SOA"[..], b"NS", b"TTL", b"TIMESTAMP"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known)) =>
        {
            Ok(Directive::Ignored)
        }
        _ if word.eq_ignore_ascii_case(b"DATASET") => Err(String::from(
            "`$DATASET` is of a combined file; write each of its parts to a file of its own",
        )),
        _ => Err(format!("no directive `${}`", shown(word))),
    }
}

/// `/24` or a number of addresses.
fn max_range(text: &[u8]) -> Result<u64, String> {
    let fault = || format!("`{}` is no size of a range, such as `/24` or `256`", shown(text));
    let number =
        |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
    match text {
        [b'/', bits @ ..] => {
            number(bits).filter(|bits| *bits <= 32).map(|bits| 1 << (32 - bits)).ok_or_else(fault)
        }
        size => number(size).filter(|size| *size > 0).ok_or_else(fault),
    }
}

/// What stands for what a line leaves out.
pub(super) struct Defaults {
    address: Ipv4Addr,
    text: Option<Box<[u8]>>,
    /// The most addresses of an entry of IPv4 that counts.
    pub(super) range_max: u64,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { address: ADDRESS, text: None, range_max: u64::MAX }
    }
}

/// The address of an entry when nothing else says one.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

impl Defaults {
    /// A line that begins with a colon. What it leaves out does not come from the line before it.
    pub(super) fn set(&mut self, line: &[u8]) -> Result<(), String> {
        let plain = Self { range_max: self.range_max, ..Self::default() };
        let (address, text) = plain.value(line)?;
        let text = text.map(Box::from);
        *self = Self { address, text, ..plain };
        Ok(())
    }

    /// A further bound only narrows the first.
    pub(super) fn narrow(&mut self, most: u64) {
        self.range_max = self.range_max.min(most);
    }

    /// What stands behind an entry: nothing, a comment, `:A`, `:A:`, `:A:text`, `::text` or a text.
    pub(super) fn value<'a>(&'a self, rest: &'a [u8]) -> Result<(Ipv4Addr, Text<'a>), String> {
        let rest = rest.trim_ascii_start();
        match rest {
            [] | [b'#' | b';', ..] => Ok((self.address, self.text.as_deref())),
            [b':', rest @ ..] => {
                let end = rest.iter().position(|byte| *byte == b':' || byte.is_ascii_whitespace());
                let (digits, rest) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, b""));
                let address = if digits.is_empty() { self.address } else { address(digits)? };
                match rest.trim_ascii_start() {
                    [] | [b'#' | b';', ..] => Ok((address, self.text.as_deref())),
                    [b':', text @ ..] => {
                        Ok((address, Some(text.trim_ascii_start()).filter(|text| !text.is_empty())))
                    }
                    other => {
                        Err(format!("`{}` behind an address: a text has a colon in front", shown(other)))
                    }
                }
            }
            text => Ok((self.address, Some(text))),
        }
    }
}

/// An address, or the last octet of one in 127.0.0.0/24.
fn address(digits: &[u8]) -> Result<Ipv4Addr, String> {
    let text = std::str::from_utf8(digits).unwrap_or_default();
    let short = text.parse::<u8>().ok().map(|last| Ipv4Addr::new(127, 0, 0, last));
    let whole = || text.parse::<Ipv4Addr>().ok();
    short.or_else(whole).ok_or_else(|| format!("`{}` is no address to answer with", shown(digits)))
}

/// Bytes of a file in a message.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(60).flat_map(char::escape_debug).collect()
}
