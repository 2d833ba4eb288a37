//! Mailboxes: `user@example.org`, `@example.org` for a whole domain, `postmaster` for a mailbox without one.

use super::domain::{self, DomainSet};
use super::fold::TextSet;
use super::idn;

/// Mailboxes. Both parts are compared without case, as Postfix does: hosts that tell `Info` from `info` are not met.
#[derive(Debug, Default)]
pub struct AddressSet {
    whole: TextSet,
    domains: DomainSet,
}

impl AddressSet {
    /// Whether the mailbox, or its whole domain, is in the set. An empty one is the null sender, `<>`.
    pub fn contains(&self, address: &[u8]) -> bool {
        let address = &*idn::address(address.strip_suffix(b".").unwrap_or(address));
        if self.whole.contains(if address.is_empty() { b"<>" } else { address }) {
            return true;
        }
        // A quoted local part may have an `@`; a domain has none.
        let at = memchr::memrchr(b'@', address);
        at.and_then(|at| address.get(at + 1..)).is_some_and(|domain| self.domains.contains(domain))
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.whole.len() + self.domains.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts in an entry that [`parse_entry`] made.
    pub(super) fn insert(&mut self, entry: &str) -> Result<(), String> {
        match entry.strip_prefix('@') {
            Some(domain) => self.domains.insert(domain),
            None => self.whole.insert(&idn::address(entry.as_bytes())).map(drop),
        }
    }
}

/// A mailbox, `@domain` (`@.domain` with all below), a local part alone, or `<>`; a domain's last dot is taken off.
pub(super) fn parse_entry(entry: &str) -> Result<&str, String> {
    if entry == "<>" {
        return Ok(entry);
    }
    if let Some(char) = entry.chars().find(|char| char.is_control() || *char == '<' || *char == '>') {
        return Err(format!("`{entry}` is no address: it has a `{}`", char.escape_default()));
    }
    let Some((local, name)) = entry.rsplit_once('@') else {
        return bare(entry);
    };
    let quoted = local.starts_with('"') && local.ends_with('"') && local.len() > 1;
    if !quoted && local.contains([' ', '\t', '@', '"', ',']) {
        return Err(format!("`{entry}` is no address: `{local}` is no local part"));
    }
    if name.starts_with('.') && !local.is_empty() {
        return Err(format!("`{entry}` is no address: a domain with all below is written `@{name}`"));
    }
    // Literals (`user@[192.0.2.7]`) are compared as they are.
    if !(name.starts_with('[') && name.ends_with(']')) {
        domain::parse_entry(name).map_err(|_| format!("`{entry}` is no address: `{name}` is no domain"))?;
    }
    Ok(entry.strip_suffix('.').unwrap_or(entry))
}

/// A local part without a domain. One with a dot is more likely a domain whose `@` was forgotten.
fn bare(entry: &str) -> Result<&str, String> {
    if entry.is_empty() {
        return Err(String::from("the address is empty; the null sender is written `<>`"));
    }
    if entry.contains(['.', ' ', '\t', ',', '"']) {
        return Err(format!(
            "`{entry}` is no address: it has no `@`; a whole domain is written `@example.org`"
        ));
    }
    Ok(entry)
}
