//! Lists and maps: typed values that rules test membership of, from inline entries or from a file of their own.
//!
//! ```text
//! "lists/deny-nets.txt" --read by the host--> List::from_file(Of::Net, text) --> List --contains(value)--> bool
//! ```
//! A look-up takes bounded time and no memory, however many entries there are. An entry that is not of the list's type
//! makes the whole list fail, with all faults said at once, so that a host can keep the list it has.

mod address;
mod domain;
mod fold;
mod glob;
mod idn;
mod map;
mod net;
mod phrase;
#[cfg(test)]
mod tests;

use std::fmt;

pub use address::AddressSet;
pub use domain::DomainSet;
pub use fold::TextSet;
pub use glob::{GlobSet, fits as glob_fits};
pub use map::Map;
pub use net::NetSet;
pub use phrase::PhraseSet;

use crate::value::Value;

/// Entries of one list or map.
pub const ENTRIES_MAX: usize = 10_000_000;
/// Bytes of one entry.
pub const ENTRY_BYTES_MAX: usize = 4096;
/// Faults of one file that are said; more help nobody.
pub const FAULTS_MAX: usize = 20;

/// What a list has entries of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    /// Addresses and networks: `192.0.2.7`, `2001:db8::/32`.
    Net,
    /// Domains; `.example.org` is the domain and all below it.
    Domain,
    /// Mailboxes; `@example.org` is every mailbox of that domain.
    Address,
    /// Texts, compared as a whole.
    Text,
    /// Globs over addresses: `*-subscribe@*`.
    Pattern,
    /// Phrases, to be found in a longer text.
    Phrase,
}

impl Of {
    /// The type with this name in a rule file.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Net, Self::Domain, Self::Address, Self::Text, Self::Pattern, Self::Phrase]
            .into_iter()
            .find(|of| of.name() == name)
    }

    /// Its name in a rule file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Domain => "domain",
            Self::Address => "address",
            Self::Text => "text",
            Self::Pattern => "pattern",
            Self::Phrase => "phrase",
        }
    }

    /// Whether `entry` is one of this type; if not, what is wrong with it.
    pub fn check_entry(self, entry: &str) -> Result<(), String> {
        Gathered::new(self).add(entry)
    }
}

/// A bad entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its line in the file or its place among the inline entries, from 1.
    pub line: usize,
    /// What is wrong with it, lower case and without a full stop.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.message)
    }
}

/// A list, ready for look-ups; shared by all threads.
#[derive(Debug)]
pub enum List {
    /// Of networks.
    Net(NetSet),
    /// Of domains.
    Domain(DomainSet),
    /// Of mailboxes.
    Address(AddressSet),
    /// Of texts.
    Text(TextSet),
    /// Of globs.
    Pattern(GlobSet),
    /// Of phrases.
    Phrase(PhraseSet),
}

impl List {
    /// A list of entries in place.
    pub fn from_entries<'e>(of: Of, entries: impl IntoIterator<Item = &'e str>) -> Result<Self, Vec<Fault>> {
        let mut gathered = Gathered::new(of);
        read((1..).zip(entries), |entry| gathered.add(entry))?;
        Ok(gathered.finish())
    }

    /// A list of a file's lines: one entry each; empty lines and what follows a `#` (at the begin of the line or behind
    /// white space) are skipped.
    pub fn from_file(of: Of, text: &str) -> Result<Self, Vec<Fault>> {
        let mut gathered = Gathered::new(of);
        read(lines(text), |entry| gathered.add(entry))?;
        Ok(gathered.finish())
    }

    /// Whether the value is in the list: an address or network within one of its networks, a domain, a mailbox, a text,
    /// a text that a glob fits, or one that holds a phrase. Of several values, whether any is. A value of another type
    /// is not.
    pub fn contains(&self, value: Value<'_>) -> bool {
        match value {
            Value::Ip(ip) => self.contains_net(ip, None),
            Value::Net(ip, prefix) => self.contains_net(ip, Some(prefix)),
            Value::Ips(ips) => ips.iter().any(|ip| self.contains_net(*ip, None)),
            Value::Text(text) => self.contains_text(text),
            Value::Texts(texts) => texts.iter().any(|text| self.contains_text(text)),
            _ => false,
        }
    }

    /// How many entries it has; of networks, after overlapping ones were merged.
    pub fn len(&self) -> usize {
        match self {
            Self::Net(set) => set.len(),
            Self::Domain(set) => set.len(),
            Self::Address(set) => set.len(),
            Self::Text(set) => set.len(),
            Self::Pattern(set) => set.len(),
            Self::Phrase(set) => set.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn contains_net(&self, ip: std::net::IpAddr, prefix: Option<u8>) -> bool {
        match (self, prefix) {
            (Self::Net(set), None) => set.contains(ip),
            (Self::Net(set), Some(prefix)) => set.contains_net(ip, prefix),
            _ => false,
        }
    }

    fn contains_text(&self, text: &[u8]) -> bool {
        match self {
            Self::Net(_) => false,
            Self::Domain(set) => set.contains(text),
            Self::Address(set) => set.contains(text),
            Self::Text(set) => set.contains(text),
            Self::Pattern(set) => set.contains(text),
            Self::Phrase(set) => set.is_in(text),
        }
    }
}

/// A list that is still being filled.
#[derive(Debug)]
enum Gathered {
    Net(Vec<(std::net::IpAddr, u8)>),
    Domain(DomainSet),
    Address(AddressSet),
    Text(TextSet),
    Pattern(GlobSet),
    Phrase(PhraseSet),
}

impl Gathered {
    fn new(of: Of) -> Self {
        match of {
            Of::Net => Self::Net(Vec::new()),
            Of::Domain => Self::Domain(DomainSet::default()),
            Of::Address => Self::Address(AddressSet::default()),
            Of::Text => Self::Text(TextSet::default()),
            Of::Pattern => Self::Pattern(GlobSet::default()),
            Of::Phrase => Self::Phrase(PhraseSet::default()),
        }
    }

    fn add(&mut self, entry: &str) -> Result<(), String> {
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(format!("the entry has {} bytes, at most {ENTRY_BYTES_MAX}", entry.len()));
        }
        match self {
            Self::Net(nets) => nets.push(net::parse_entry(entry)?),
            Self::Domain(set) => set.insert(domain::parse_entry(entry)?)?,
            Self::Address(set) => set.insert(address::parse_entry(entry)?)?,
            Self::Text(set) => set.insert(fold::parse_entry(entry)?.as_bytes()).map(drop)?,
            Self::Pattern(set) => set.insert(glob::parse_entry(entry)?)?,
            Self::Phrase(set) => set.insert(phrase::parse_entry(entry)?),
        }
        Ok(())
    }

    fn finish(self) -> List {
        match self {
            Self::Net(nets) => List::Net(NetSet::new(nets)),
            Self::Domain(set) => List::Domain(set),
            Self::Address(set) => List::Address(set),
            Self::Text(set) => List::Text(set),
            Self::Pattern(set) => List::Pattern(set),
            Self::Phrase(set) => List::Phrase(set),
        }
    }
}

/// The lines of a file that hold an entry, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let entry = |line: &'_ str| {
        let comment = line.match_indices('#').map(|(at, _)| at).find(|at| {
            let before = line.get(..*at).unwrap_or_default();
            before.is_empty() || before.ends_with([' ', '\t'])
        });
        comment.unwrap_or(line.len())
    };
    (1..)
        .zip(text.lines())
        .map(move |(number, line)| (number, line.get(..entry(line)).unwrap_or_default().trim()))
        .filter(|(_, line)| !line.is_empty())
}

/// Adds all entries, or says what is wrong with the first of the bad ones.
fn read<'e>(
    entries: impl Iterator<Item = (usize, &'e str)>,
    mut add: impl FnMut(&'e str) -> Result<(), String>,
) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    for (count, (line, entry)) in entries.enumerate() {
        let added =
            if count < ENTRIES_MAX { add(entry) } else { Err(format!("more than {ENTRIES_MAX} entries")) };
        if let Err(message) = added {
            faults.push(Fault { line, message });
            if faults.len() == FAULTS_MAX || count >= ENTRIES_MAX {
                break;
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
