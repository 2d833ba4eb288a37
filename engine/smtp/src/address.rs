//! Paths, mailboxes and domains (RFC 5321, 4.1.2, with UTF-8 by RFC 6531, 3.3), read without copying.
//!
//! Two things are taken although the grammar has no room for them, because honest hosts send them: an underscore in a domain,
//! and a recipient `<postmaster>` in any case of letters. Everything else is taken as it is written there.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest local part, quotes included (RFC 5321, 4.5.3.1.1).
pub const LOCAL_BYTES_MAX: usize = 64;
/// Longest domain or address literal (RFC 5321, 4.5.3.1.2).
pub const DOMAIN_BYTES_MAX: usize = 255;
/// Longest path, with its angle brackets and source route (RFC 5321, 4.5.3.1.3).
pub const PATH_BYTES_MAX: usize = 256;
/// Longest label of a domain (RFC 1035, 2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressFault {
    /// The angle brackets are missing or do not match.
    Brackets,
    /// The local part is empty or has characters that need quotes.
    Local,
    /// The domain is missing, or is neither a domain nor an address literal.
    Domain,
    /// The source route in front of the mailbox is malformed.
    Route,
    /// The local part is longer than [`LOCAL_BYTES_MAX`].
    LocalTooLong,
    /// The domain is longer than [`DOMAIN_BYTES_MAX`].
    DomainTooLong,
    /// The path is longer than [`PATH_BYTES_MAX`].
    PathTooLong,
}

impl fmt::Display for AddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Brackets => "address without matching angle brackets",
            Self::Local => "malformed local part",
            Self::Domain => "malformed domain",
            Self::Route => "malformed source route",
            Self::LocalTooLong => "local part over 64 bytes",
            Self::DomainTooLong => "domain over 255 bytes",
            Self::PathTooLong => "path over 256 bytes",
        })
    }
}

impl std::error::Error for AddressFault {}

/// A mailbox as it was written: quotes and case are kept, since only the host of the domain may interpret the local part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailbox<'a> {
    local: &'a str,
    domain: Option<&'a str>,
}

impl<'a> Mailbox<'a> {
    /// Reads `local@domain`, or `postmaster` alone (RFC 5321, 4.1.1.3).
    pub fn parse(text: &'a str) -> Result<Self, AddressFault> {
        let (mailbox, rest) = Self::parse_front(text)?;
        if rest.is_empty() { Ok(mailbox) } else { Err(AddressFault::Domain) }
    }

    /// Reads the mailbox in front of a text, up to `>` or the end.
    fn parse_front(text: &'a str) -> Result<(Self, &'a str), AddressFault> {
        let (local, rest) = split_local(text)?;
        let Some(rest) = rest.strip_prefix('@') else {
            let ends = rest.is_empty() || rest.starts_with('>');
            if !ends {
                return Err(AddressFault::Local);
            }
            let alone = local.eq_ignore_ascii_case("postmaster");
            return if alone { Ok((Self { local, domain: None }, rest)) } else { Err(AddressFault::Domain) };
        };
        let (domain, rest) = split_domain(rest)?;
        Ok((Self { local, domain: Some(domain) }, rest))
    }

    /// A mailbox of parts that were parsed before.
    pub(crate) const fn from_parts(local: &'a str, domain: Option<&'a str>) -> Self {
        Self { local, domain }
    }

    /// The local part as it was written, quotes included.
    pub const fn local(&self) -> &'a str {
        self.local
    }

    /// The local part with its quotes taken off: `"a\"b"` and `a"b` name the same mailbox.
    pub fn local_unquoted(&self) -> Cow<'a, str> {
        let Some(inner) = self.local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return Cow::Borrowed(self.local);
        };
        if !inner.contains('\\') {
            return Cow::Borrowed(inner);
        }
        let mut escaped = false;
        let unescape = |&letter: &char| {
            escaped = letter == '\\' && !escaped;
            !escaped
        };
        Cow::Owned(inner.chars().filter(unescape).collect())
    }

    /// The domain or address literal as it was written; `None` for `postmaster` alone.
    pub const fn domain(&self) -> Option<&'a str> {
        self.domain
    }

    /// Whether any part is outside ASCII, so that SMTPUTF8 is needed.
    pub fn is_utf8(&self) -> bool {
        !(self.local.is_ascii() && self.domain.is_none_or(str::is_ascii))
    }

    /// Whether both name the same mailbox: the domain in any case of letters, the local part exactly (RFC 5321, 2.4),
    /// but `postmaster` alone in any case.
    pub fn is_same(&self, other: &Mailbox<'_>) -> bool {
        match (self.domain, other.domain) {
            (None, None) => true,
            (Some(own), Some(others)) => {
                own.eq_ignore_ascii_case(others) && self.local_unquoted() == other.local_unquoted()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Mailbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.domain {
            Some(domain) => write!(f, "{}@{domain}", self.local),
            None => f.write_str(self.local),
        }
    }
}

/// The argument of MAIL or RCPT without its source route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path<'a> {
    /// `<>`: the sender of a bounce, to whom none must be sent.
    Null,
    /// `<local@domain>`.
    Mailbox(Mailbox<'a>),
}

impl<'a> Path<'a> {
    /// Reads a path in angle brackets; a source route is read and dropped (RFC 5321, C). Returns what follows the bracket.
    pub fn parse(text: &'a str) -> Result<(Self, &'a str), AddressFault> {
        let inner = text.strip_prefix('<').ok_or(AddressFault::Brackets)?;
        if let Some(rest) = inner.strip_prefix('>') {
            return Ok((Self::Null, rest));
        }
        let mailbox = if inner.starts_with('@') { skip_route(inner)? } else { inner };
        let (mailbox, rest) = Mailbox::parse_front(mailbox)?;
        let rest = rest.strip_prefix('>').ok_or(AddressFault::Brackets)?;
        if text.len() - rest.len() > PATH_BYTES_MAX {
            return Err(AddressFault::PathTooLong);
        }
        Ok((Self::Mailbox(mailbox), rest))
    }

    /// The mailbox, unless the path is null.
    pub const fn mailbox(&self) -> Option<Mailbox<'a>> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(*mailbox),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

/// Whether a text is a domain: labels of letters, digits, hyphens and underscores, or of UTF-8, separated by dots.
pub fn is_domain(text: &str) -> bool {
    text.len() <= DOMAIN_BYTES_MAX && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | 0x80..))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether a text is an address literal in square brackets (RFC 5321, 4.1.3).
pub fn is_literal(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return false;
    };
    let Some((tag, content)) = inner.split_once(':') else {
        return inner.parse::<Ipv4Addr>().is_ok();
    };
    if tag.eq_ignore_ascii_case("IPv6") {
        return content.parse::<Ipv6Addr>().is_ok();
    }
    let tag_ok = !tag.ends_with('-') && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_content = |byte| matches!(byte, b'!'..=b'Z' | b'^'..=b'~');
    tag_ok && !tag.is_empty() && !content.is_empty() && content.bytes().all(is_content)
}

/// Splits off the local part. What follows starts with `@`, or with whatever cannot be part of it.
fn split_local(text: &str) -> Result<(&str, &str), AddressFault> {
    let bytes = if text.starts_with('"') { quoted_bytes(text)? } else { dotted_bytes(text)? };
    if bytes > LOCAL_BYTES_MAX {
        return Err(AddressFault::LocalTooLong);
    }
    text.split_at_checked(bytes).ok_or(AddressFault::Local)
}

/// The length of a quoted string, quotes included. It may be empty: `""` is a local part.
fn quoted_bytes(text: &str) -> Result<usize, AddressFault> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b' '..=b'~' if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(at + 1),
            b' '..=b'~' => {}
            0x80.. if !escaped => {}
            _ => break,
        }
    }
    Err(AddressFault::Local)
}

/// The length of a dot-string: atoms between single dots.
fn dotted_bytes(text: &str) -> Result<usize, AddressFault> {
    let end = text.bytes().position(|byte| byte != b'.' && !is_atom(byte)).unwrap_or(text.len());
    let dotted = text.get(..end).unwrap_or_default();
    if dotted.split('.').any(str::is_empty) { Err(AddressFault::Local) } else { Ok(end) }
}

/// `atext` (RFC 5322, 3.2.3), with UTF-8 (RFC 6531, 3.3).
const fn is_atom(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | 0x80..)
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~')
}

/// Splits off a domain or address literal.
fn split_domain(text: &str) -> Result<(&str, &str), AddressFault> {
    let literal = text.starts_with('[');
    let end = if literal {
        text.find(']').map(|at| at + 1)
    } else {
        text.bytes().position(|byte| matches!(byte, b'>' | b',' | b':' | b' '))
    };
    let (domain, rest) = text.split_at_checked(end.unwrap_or(text.len())).ok_or(AddressFault::Domain)?;
    if domain.len() > DOMAIN_BYTES_MAX {
        return Err(AddressFault::DomainTooLong);
    }
    if is_domain(domain) || literal && is_literal(domain) {
        Ok((domain, rest))
    } else {
        Err(AddressFault::Domain)
    }
}

/// Skips `@a.example,@b.example:` and returns the mailbox behind it.
fn skip_route(text: &str) -> Result<&str, AddressFault> {
    let mut rest = text;
    loop {
        let domain = rest.strip_prefix('@').ok_or(AddressFault::Route)?;
        let (_, after) = split_domain(domain).map_err(|_| AddressFault::Route)?;
        match after.split_at_checked(1) {
            Some((",", next)) => rest = next,
            Some((":", mailbox)) => return Ok(mailbox),
            _ => return Err(AddressFault::Route),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressFault, Mailbox, Path};

    fn check(text: &str, expected: Result<&str, AddressFault>) {
        let found = Path::parse(text).map(|(path, rest)| format!("{path}{rest}"));
        assert_eq!(found, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn paths_are_read_as_they_are_written() {
        for path in [
            "<>",
            "<a@example.org>",
            "<A.b+c@Example.ORG>",
            "<postmaster>",
            "<PostMaster>",
            r#"<"a b"@example.org>"#,
            r#"<"a\"b>"@example.org>"#,
            r#"<""@example.org>"#,
            "<a@[192.0.2.1]>",
            "<a@[IPv6:2001:db8::1]>",
            "<a@[x-tag:content]>",
            "<ü@bücher.example>",
            "<a@under_score.example.org>",
        ] {
            check(path, Ok(path));
        }
    }

    #[test]
    fn source_routes_are_dropped() {
        check("<@a.example,@b.example:c@example.org> SIZE=1", Ok("<c@example.org> SIZE=1"));
        check("<@a.example;c@example.org>", Err(AddressFault::Route));
        check("<@a.example,b@example.org>", Err(AddressFault::Route));
    }

    #[test]
    fn what_is_no_path_is_refused_with_the_reason() {
        for (text, fault) in [
            ("a@example.org", AddressFault::Brackets),
            ("<a@example.org", AddressFault::Brackets),
            ("<a", AddressFault::Domain),
            ("<a>", AddressFault::Domain),
            ("<@>", AddressFault::Route),
            ("<a@>", AddressFault::Domain),
            ("<a@b@c>", AddressFault::Domain),
            ("<a@-b.example>", AddressFault::Domain),
            ("<a@b-.example>", AddressFault::Domain),
            ("<a@b..example>", AddressFault::Domain),
            ("<a@b.example.>", AddressFault::Domain),
            ("<.a@example.org>", AddressFault::Local),
            ("<a..b@example.org>", AddressFault::Local),
            ("<a b@example.org>", AddressFault::Local),
            ("<\"a@example.org>", AddressFault::Local),
            ("<a@[192.0.2.256]>", AddressFault::Domain),
            ("<a@[IPv6:192.0.2.1]>", AddressFault::Domain),
            ("<a@[192.0.2.1>", AddressFault::Domain),
        ] {
            check(text, Err(fault));
        }
    }

    #[test]
    fn lengths_are_bounded_on_both_sides() {
        let local = |bytes| format!("<{}@example.org>", "l".repeat(bytes));
        check(&local(64), Ok(&local(64)));
        check(&local(65), Err(AddressFault::LocalTooLong));
        let label = "d".repeat(63);
        let domain = |last: usize| format!("<a@{label}.{label}.{label}.{}>", "d".repeat(last));
        check(&domain(60), Ok(&domain(60)));
        check(&domain(61), Err(AddressFault::PathTooLong));
        check(&domain(64), Err(AddressFault::DomainTooLong));
        check(&format!("<a@{label}d>"), Err(AddressFault::Domain));
    }

    #[test]
    fn mailboxes_are_compared_by_what_they_name() {
        let same = |a, b| Mailbox::parse(a).unwrap().is_same(&Mailbox::parse(b).unwrap());
        assert!(same("a@Example.Org", "a@example.org"));
        assert!(!same("A@example.org", "a@example.org"));
        assert!(same(r#""a\b"@example.org"#, "ab@example.org"));
        assert!(same("postmaster", "POSTMASTER"));
        assert!(!same("postmaster", "postmaster@example.org"));
    }

    #[test]
    fn an_address_outside_ascii_says_so() {
        let is_utf8 = |text| Mailbox::parse(text).unwrap().is_utf8();
        assert!(is_utf8("ü@example.org"));
        assert!(is_utf8("u@bücher.example"));
        assert!(!is_utf8("u@example.org"));
        assert!(!is_utf8("postmaster"));
    }
}
