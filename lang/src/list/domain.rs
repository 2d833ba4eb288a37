//! Domains: exact ones, and `.example.org` for a domain and all below it.

use super::fold::TextSet;
use super::idn;

/// Bytes of a domain without its last dot (RFC 1035, 2.3.4).
pub(super) const DOMAIN_BYTES_MAX: usize = 253;
/// Bytes of one of its labels (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Domains, compared without case; a last dot does not matter. Names in other scripts are compared in the form that DNS knows:
/// `bücher.example` is `xn--bcher-kva.example`.
#[derive(Debug, Default)]
pub struct DomainSet {
    exact: TextSet,
    /// Domains with all below them, without the dot that said so.
    below: TextSet,
}

impl DomainSet {
    /// Whether the domain, or for entries with a leading dot one above it, is in the set.
    pub fn contains(&self, domain: &[u8]) -> bool {
        let domain = &*idn::domain(domain.strip_suffix(b".").unwrap_or(domain));
        self.exact.contains(domain) || above(domain).any(|parent| self.below.contains(parent))
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.exact.len() + self.below.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts in an entry that [`parse_entry`] made.
    pub(super) fn insert(&mut self, entry: &str) -> Result<(), String> {
        let entry = &*idn::domain(entry.as_bytes());
        match entry.strip_prefix(b".") {
            Some(domain) => self.below.insert(domain)?,
            None => self.exact.insert(entry)?,
        };
        Ok(())
    }
}

/// A domain and those above it, the longest first. No longer name is a domain: its parents are not looked for, so that
/// a peer's long text costs nothing.
pub(super) fn above(domain: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = (domain.len() <= DOMAIN_BYTES_MAX).then_some(domain);
    let dots = memchr::memchr_iter(b'.', whole.unwrap_or_default());
    whole.into_iter().chain(dots.filter_map(|dot| domain.get(dot + 1..)))
}

/// A domain, with a leading dot for all below it too; its last dot is taken off.
pub(super) fn parse_entry(entry: &str) -> Result<&str, String> {
    let entry = entry.strip_suffix('.').unwrap_or(entry);
    let name = entry.strip_prefix('.').unwrap_or(entry);
    if let Some(name) = name.strip_prefix("*.") {
        return Err(format!("`{entry}` is no domain: write `.{name}` for it and all below"));
    }
    if name.len() > DOMAIN_BYTES_MAX {
        return Err(format!("`{entry}` is no domain: it has more than {DOMAIN_BYTES_MAX} bytes"));
    }
    for label in name.split('.') {
        let fits =
            |char: char| !char.is_ascii() || char.is_ascii_alphanumeric() || char == '-' || char == '_';
        if let Some(char) = label.chars().find(|char| !fits(*char)) {
            return Err(format!("`{entry}` is no domain: it has a `{}`", char.escape_default()));
        }
        if label.is_empty() {
            return Err(format!("`{entry}` is no domain: a label is empty"));
        }
        if label.len() > LABEL_BYTES_MAX {
            return Err(format!("`{entry}` is no domain: a label has more than {LABEL_BYTES_MAX} bytes"));
        }
    }
    Ok(entry)
}
