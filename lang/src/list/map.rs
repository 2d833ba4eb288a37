//! Maps: a value for a mailbox, a domain, a text or an address of a client.

use std::collections::HashMap;
use std::net::IpAddr;

use super::fold::TextSet;
use super::{Fault, Of, address, domain, fold, idn, lines, net, read};
use crate::value::Value;

/// A map, ready for look-ups; shared by all threads.
#[derive(Debug)]
pub struct Map {
    keys: Keys,
    values: Vec<Box<[u8]>>,
}

/// The keys; a key's number is that of its value.
#[derive(Debug)]
enum Keys {
    /// Mailboxes and `@domain` alike, as texts.
    Address(TextSet),
    /// Domains, with the leading dot for those with all below.
    Domain(TextSet),
    Text(TextSet),
    Net(Nets),
}

/// Networks by address and prefix length, and the lengths in use, the longest first.
#[derive(Debug, Default)]
struct Nets {
    numbers: HashMap<(IpAddr, u8), usize>,
    v4: Vec<u8>,
    v6: Vec<u8>,
}

impl Map {
    /// A map of pairs in place. Keys of [`Of::Pattern`] and [`Of::Phrase`] are refused.
    pub fn from_entries<'e>(
        key: Of,
        entries: impl IntoIterator<Item = (&'e str, &'e str)>,
    ) -> Result<Self, Vec<Fault>> {
        let mut map = Self::new(key)?;
        let mut faults = Vec::new();
        for (line, (key, value)) in (1..).zip(entries) {
            if let Err(message) = map.add(key, value) {
                faults.push(Fault { line, message });
            }
        }
        if faults.is_empty() { Ok(map) } else { Err(faults) }
    }

    /// A map of a file's lines: a key, white space, and the value up to the end of the line. Comments as in a list.
    pub fn from_file(key: Of, text: &str) -> Result<Self, Vec<Fault>> {
        let mut map = Self::new(key)?;
        read(lines(text), |line| match line.split_once([' ', '\t']) {
            Some((key, value)) => map.add(key, value.trim_start()),
            None => Err(format!("`{line}` has no value: a line is a key, white space and a value")),
        })?;
        Ok(map)
    }

    /// The value for a key, the nearest first: a mailbox before its `@domain`, a domain before `.domain` and that
    /// before those above it, a small network before a large one.
    pub fn value(&self, key: Value<'_>) -> Option<&[u8]> {
        let number = match (&self.keys, key) {
            (Keys::Address(keys), Value::Text(address)) => find_address(keys, address),
            (Keys::Domain(keys), Value::Text(domain)) => find_domain(keys, domain),
            (Keys::Text(keys), Value::Text(text)) => keys.find(text),
            (Keys::Net(nets), Value::Ip(ip)) => nets.find(ip),
            _ => None,
        };
        self.values.get(number?).map(|value| &**value)
    }

    /// Whether there is a value for a key.
    pub fn contains(&self, key: Value<'_>) -> bool {
        self.value(key).is_some()
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn new(key: Of) -> Result<Self, Vec<Fault>> {
        let keys = match key {
            Of::Address => Keys::Address(TextSet::default()),
            Of::Domain => Keys::Domain(TextSet::default()),
            Of::Text => Keys::Text(TextSet::default()),
            Of::Net => Keys::Net(Nets::default()),
            Of::Pattern | Of::Phrase => {
                let message = format!("keys of a map are address, domain, text or net, not {}", key.name());
                return Err(vec![Fault { line: 0, message }]);
            }
        };
        Ok(Self { keys, values: Vec::new() })
    }

    fn add(&mut self, key: &str, value: &str) -> Result<(), String> {
        if key.len().max(value.len()) > super::ENTRY_BYTES_MAX {
            return Err(format!("the entry has more than {} bytes", super::ENTRY_BYTES_MAX));
        }
        let (_, new) = match &mut self.keys {
            Keys::Address(keys) => keys.insert(&idn::address(address::parse_entry(key)?.as_bytes()))?,
            Keys::Domain(keys) => keys.insert(&idn::domain(domain::parse_entry(key)?.as_bytes()))?,
            Keys::Text(keys) => keys.insert(fold::parse_entry(key)?.as_bytes())?,
            Keys::Net(nets) => nets.insert(net::parse_entry(key)?, self.values.len()),
        };
        if !new {
            return Err(format!("`{key}` is there twice"));
        }
        self.values.push(value.as_bytes().into());
        Ok(())
    }
}

impl Nets {
    /// As [`TextSet::insert`]: the number of the network and whether it is new.
    fn insert(&mut self, (ip, prefix): (IpAddr, u8), number: usize) -> (usize, bool) {
        let (ip, prefix) = net::canonical(ip, prefix);
        let lengths = if ip.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        if let Err(place) = lengths.binary_search_by(|length| prefix.cmp(length)) {
            lengths.insert(place, prefix);
        }
        let known = *self.numbers.entry((ip, prefix)).or_insert(number);
        (known, known == number)
    }

    fn find(&self, ip: IpAddr) -> Option<usize> {
        let ip = ip.to_canonical();
        let lengths = if ip.is_ipv4() { &self.v4 } else { &self.v6 };
        lengths.iter().find_map(|prefix| self.numbers.get(&(net::network(ip, *prefix), *prefix)).copied())
    }
}

fn find_address(keys: &TextSet, address: &[u8]) -> Option<usize> {
    let address = &*idn::address(address.strip_suffix(b".").unwrap_or(address));
    if let Some(number) = keys.find(if address.is_empty() { b"<>" } else { address }) {
        return Some(number);
    }
    let at = memchr::memrchr(b'@', address)?;
    let (_, whole) = address.split_at_checked(at)?;
    let domain = whole.get(1..)?;
    keys.find(whole).or_else(|| domain::above(domain).find_map(|parent| find_behind(keys, b"@.", parent)))
}

fn find_domain(keys: &TextSet, domain: &[u8]) -> Option<usize> {
    let domain = &*idn::domain(domain.strip_suffix(b".").unwrap_or(domain));
    let exact = keys.find(domain);
    exact.or_else(|| domain::above(domain).find_map(|parent| find_behind(keys, b".", parent)))
}

/// Finds a domain that has a sign before it in its key.
fn find_behind(keys: &TextSet, sign: &[u8], domain: &[u8]) -> Option<usize> {
    let mut key = [0; 2 + domain::DOMAIN_BYTES_MAX];
    let end = sign.len() + domain.len();
    key.get_mut(..sign.len())?.copy_from_slice(sign);
    key.get_mut(sign.len()..end)?.copy_from_slice(domain);
    keys.find(key.get(..end)?)
}
