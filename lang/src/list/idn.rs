//! Domains of other scripts in the one form that DNS knows (RFC 5890: the A-label), so that an entry finds a domain however either is
//! written. What is ASCII already, or is no such domain, stays as it is.

use std::borrow::Cow;

use super::domain::DOMAIN_BYTES_MAX;

/// Longest text that is converted, in bytes: a domain of four bytes for each character.
const TEXT_BYTES_MAX: usize = 4 * DOMAIN_BYTES_MAX;

/// A domain; a dot in front stays.
pub(super) fn domain(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() || text.len() > TEXT_BYTES_MAX {
        return text.into();
    }
    let (dot, name) = match text.strip_prefix(b".") {
        Some(name) => (&b"."[..], name),
        None => (&b""[..], text),
    };
    match idna::domain_to_ascii_cow(name, idna::AsciiDenyList::EMPTY) {
        Ok(ascii) => [dot, ascii.as_bytes()].concat().into(),
        Err(_) => text.into(),
    }
}

/// A mailbox, or `@` and a domain. Its local part stays.
pub(super) fn address(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return text.into();
    }
    let Some(at) = memchr::memrchr(b'@', text) else { return text.into() };
    let (local, name) = text.split_at(at + 1);
    match domain(name) {
        Cow::Borrowed(_) => text.into(),
        Cow::Owned(name) => [local, &name].concat().into(),
    }
}
