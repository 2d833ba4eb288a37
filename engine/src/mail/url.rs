//! Links: found in text and HTML, made comparable, and reduced to the domains that somebody registered.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::{memchr_iter, memmem};

use super::text::Texts;
use crate::limits::{URL_BYTES_MAX, URLS_MAX};

/// Bytes of an attribute's name that is looked at.
const ATTRIBUTE_BYTES_MAX: usize = 10;
/// White space around the `=` of an attribute that is passed over.
const BLANKS_MAX: usize = 64;

/// The links of a message.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Scheme and host in lower case; each once, in the order in which they were found.
    pub(super) urls: Vec<Box<[u8]>>,
    /// Registered domains of the hosts, each once.
    pub(super) domains: Vec<Box<[u8]>>,
}

impl Links {
    pub(super) fn of(texts: &Texts) -> Self {
        let mut links = Self::default();
        let (mut seen, mut seen_domains) = (HashSet::new(), HashSet::new());
        let written = texts.links.iter().map(|link| &link[..]);
        for link in written.chain(in_text(&texts.text)) {
            if links.urls.len() >= URLS_MAX {
                break;
            }
            let Some((url, host)) = normal(link) else { continue };
            if let Some(domain) = registered(&host).filter(|domain| seen_domains.insert(domain.clone())) {
                links.domains.push(domain);
            }
            if seen.insert(url.clone()) {
                links.urls.push(url);
            }
        }
        links
    }
}

/// Texts that look like links: `scheme://...`, or `www.` at the begin of a word.
fn in_text(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let schemes = memmem::find_iter(text, b"://").filter_map(move |at| {
        let before = text.get(at.saturating_sub(5)..at)?;
        let letters = before.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
        (letters > 0).then_some(at - letters)
    });
    let bare = memmem::find_iter(text, b"www.").filter(move |at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'/' | b'.' | b'-' | b'@'))
    });
    schemes.chain(bare).filter_map(move |start| {
        let rest = text.get(start..)?;
        let rest = rest.get(..URL_BYTES_MAX).unwrap_or(rest);
        let end = rest.iter().position(|byte| is_outside(*byte)).unwrap_or(rest.len());
        rest.get(..end).map(trim_sentence)
    })
}

/// Bytes that no link in running text holds.
fn is_outside(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'<' | b'>' | b'"' | b'`' | b'{' | b'}' | b'|' | b'^' | 0x7f)
}

/// A sentence's signs behind a link are not of it.
fn trim_sentence(link: &[u8]) -> &[u8] {
    let is_sign =
        |byte: &u8| matches!(byte, b'.' | b',' | b';' | b':' | b'!' | b'?' | b')' | b']' | b'\'' | b'*');
    let signs = link.iter().rev().take_while(|byte| is_sign(byte)).count();
    link.get(..link.len() - signs).unwrap_or_default()
}

/// Values of attributes that hold links, added to `links` until there are `links_max`.
pub(super) fn in_html(html: &[u8], links: &mut Vec<Vec<u8>>, links_max: usize) {
    for equals in memchr_iter(b'=', html) {
        if links.len() >= links_max {
            return;
        }
        let (Some(before), Some(after)) = (html.get(..equals), html.get(equals + 1..)) else { return };
        if is_link(before) {
            let value = attribute_value(after);
            if value.contains(&b':') || value.starts_with(b"//") {
                links.push(resolve(value));
            }
        }
    }
}

/// Whether the text ends with the name of an attribute that holds a link.
fn is_link(before: &[u8]) -> bool {
    let blanks = before.iter().rev().take(BLANKS_MAX).take_while(|byte| byte.is_ascii_whitespace()).count();
    let before = before.get(..before.len() - blanks).unwrap_or_default();
    let letters =
        before.iter().rev().take(ATTRIBUTE_BYTES_MAX + 1).take_while(|byte| byte.is_ascii_alphabetic());
    let name = before.get(before.len() - letters.count()..).unwrap_or_default();
    [&b"href"[..], b"src", b"action", b"background", b"poster"]
        .iter()
        .any(|link| name.eq_ignore_ascii_case(link))
}

/// The value of an attribute, without its quotes.
fn attribute_value(after: &[u8]) -> &[u8] {
    let blanks = after.iter().take(BLANKS_MAX).take_while(|byte| byte.is_ascii_whitespace()).count();
    let value = after.get(blanks..).unwrap_or_default();
    let value = value.get(..URL_BYTES_MAX).unwrap_or(value);
    let (value, end) = match value.split_first() {
        Some((quote @ (b'"' | b'\''), value)) => (value, value.iter().position(|byte| byte == quote)),
        _ => (value, value.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'>')),
    };
    value.get(..end.unwrap_or(value.len())).unwrap_or_default()
}

/// A link as a browser reads it: without line ends and tabs, character references resolved.
fn resolve(value: &[u8]) -> Vec<u8> {
    let mut link = Vec::with_capacity(value.len());
    let mut rest = value.trim_ascii();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'\r' | b'\n' | b'\t' => {}
            b'&' => match reference(behind) {
                Some((char, length)) => {
                    link.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = behind.get(length..).unwrap_or_default();
                }
                None => link.push(byte),
            },
            _ => link.push(byte),
        }
    }
    link
}

/// The character that a reference stands for, and its length behind the `&`: `amp;`, `#47;`, `#x2F;`.
fn reference(text: &[u8]) -> Option<(char, usize)> {
    if text.starts_with(b"amp;") {
        return Some(('&', 4));
    }
    let digits = text.strip_prefix(b"#")?;
    let (digits, radix, sign) = match digits {
        [b'x' | b'X', hex @ ..] => (hex, 16, 2),
        _ => (digits, 10, 1),
    };
    let length = digits.iter().take(8).take_while(|digit| char::from(**digit).is_digit(radix)).count();
    let number = std::str::from_utf8(digits.get(..length)?).ok()?;
    let char = char::from_u32(u32::from_str_radix(number, radix).ok()?)?;
    let end = usize::from(digits.get(length) == Some(&b';'));
    Some((char, sign + length + end))
}

/// A link with its scheme and host in lower case, and the host. `None` for what leads to no host of the web.
fn normal(link: &[u8]) -> Option<(Box<[u8]>, String)> {
    let link = link.get(..URL_BYTES_MAX).unwrap_or(link);
    let (scheme, rest) = split_scheme(link)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let host = host(authority)?;
    let url = [scheme.as_bytes(), b"://", host.as_bytes(), path].concat();
    Some((url.into_boxed_slice(), host))
}

/// The scheme, and what is behind its slashes; browsers take backslashes and missing slashes too.
fn split_scheme(link: &[u8]) -> Option<(&'static str, &[u8])> {
    let behind = |length: usize| {
        let rest = link.get(length..)?;
        let slashes = rest.iter().take_while(|byte| matches!(byte, b'/' | b'\\')).count();
        rest.get(slashes..)
    };
    let begins =
        |prefix: &[u8]| link.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    if begins(b"https:") {
        Some(("https", behind(6)?))
    } else if begins(b"http:") {
        Some(("http", behind(5)?))
    } else if begins(b"ftp:") {
        Some(("ftp", behind(4)?))
    } else if begins(b"//") {
        Some(("https", behind(2)?))
    } else if begins(b"www.") {
        Some(("http", link))
    } else {
        None
    }
}

/// The host of `user:password@host:port`, in ASCII and lower case; it has a dot or is a literal.
fn host(authority: &[u8]) -> Option<String> {
    let host = authority.rsplit(|byte| *byte == b'@').next()?;
    if host.starts_with(b"[") {
        let literal = host.get(..=host.iter().position(|byte| *byte == b']')?)?;
        return Some(String::from_utf8_lossy(literal).to_ascii_lowercase());
    }
    let host = host.split(|byte| *byte == b':').next()?;
    let host = unescape(host);
    let host = String::from_utf8_lossy(&host);
    let host = host.trim_end_matches('.');
    let ascii = if host.is_ascii() { host.to_ascii_lowercase() } else { idna::domain_to_ascii(host).ok()? };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (ascii.contains('.') && ascii.len() <= 253 && ascii.bytes().all(fits)).then_some(ascii)
}

/// `%41` is `A`, in hosts too.
fn unescape(host: &[u8]) -> Cow<'_, [u8]> {
    if !host.contains(&b'%') {
        return Cow::Borrowed(host);
    }
    let digit = |at: usize| host.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let mut plain = Vec::with_capacity(host.len());
    let mut at = 0;
    while let Some(&byte) = host.get(at) {
        let code = digit(at + 1).zip(digit(at + 2)).filter(|_| byte == b'%');
        let code = code.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        plain.push(code.unwrap_or(byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    Cow::Owned(plain)
}

/// The domain that somebody registered, by the public suffix list; none for addresses. A public suffix stands for
/// itself: whoever gives out names below it shows pages there too.
fn registered(host: &str) -> Option<Box<[u8]>> {
    if host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() {
        return None;
    }
    Some(psl::domain_str(host).unwrap_or(host).as_bytes().into())
}
