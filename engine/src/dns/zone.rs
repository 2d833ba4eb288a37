//! Zone files of rbldnsd, held in memory: a DNS list without a name server.
//!
//! ```text
//! file --line by line--> entry + value --collect--> Ip4 | Ip6 | Domains     numbers of answers
//!                                      \--intern--> Answers                 addresses and texts behind the numbers
//! ```
//! The formats and what they mean are those of rbldnsd(8): `ip4set`, `ip4trie`, `ip6trie` and `dnset`. A line that says nothing
//! of these is a fault of the whole file, where rbldnsd leaves it out with a warning.
//!
//! Memory, for entries that all have one value: 4 bytes for a single IPv4 address and 256 KiB for the table, 8 bytes for an IPv6
//! network of up to 64 bits (16 for a longer one), the name and 8 bytes for a domain. With several values 2 or 4 bytes more.

mod answers;
mod domains;
mod ip4;
mod ip6;
mod line;

use std::fmt;
use std::io::BufRead;
use std::net::{IpAddr, Ipv4Addr};

use crate::limits::{ZONE_ENTRIES_MAX, ZONE_LINE_BYTES_MAX};
use answers::Answers;
use line::Directive;

/// How the lines of a zone file are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// IPv4 addresses, networks and ranges; all values of the narrowest kind of entry (address, /24, /16, /8) count.
    Ip4Set,
    /// IPv4 networks; the longest prefix counts.
    Ip4Trie,
    /// IPv6 networks; the longest prefix counts.
    Ip6Trie,
    /// Domains, with wildcards.
    DnSet,
}

impl Format {
    /// All.
    pub const ALL: [Self; 4] = [Self::Ip4Set, Self::Ip4Trie, Self::Ip6Trie, Self::DnSet];

    /// As rbldnsd and rule files name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip4Set => "ip4set",
            Self::Ip4Trie => "ip4trie",
            Self::Ip6Trie => "ip6trie",
            Self::DnSet => "dnset",
        }
    }
}

/// A line that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number, from 1; 0 for the file as a whole.
    pub line: u64,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(out, "line {}: ", self.line)?;
        }
        out.write_str(&self.message)
    }
}

/// The entries of a zone file.
#[derive(Debug)]
pub struct Zone {
    set: Set,
    answers: Answers,
    entries: usize,
    is_ended: bool,
}

#[derive(Debug)]
enum Set {
    Ip4(ip4::Table),
    Ip6(ip6::Table),
    Domains(domains::Table),
}

/// Entries that come in.
enum Building {
    Ip4(ip4::Builder),
    Ip6(ip6::Builder),
    Domains(domains::Builder),
}

/// What an entry stands for: the number of a value, or that what it names is not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Excluded,
    Value(u32),
}

/// What the value of an entry is made of.
struct Values<'a> {
    is_excluded: bool,
    defaults: &'a line::Defaults,
    answers: &'a mut answers::Builder,
}

impl Values<'_> {
    /// What an entry stands for that has this behind it.
    fn entry(&mut self, rest: &[u8]) -> Result<Entry, String> {
        if self.is_excluded {
            return Ok(Entry::Excluded);
        }
        let (address, text) = self.defaults.value(rest)?;
        Ok(Entry::Value(self.answers.value(address, text)))
    }
}

impl Zone {
    /// Reads a whole file.
    ///
    /// # Errors
    /// At the first line that is no entry of the format, comment, default value or directive, or when the file is over a limit.
    pub fn read(format: Format, mut source: impl BufRead) -> Result<Self, Fault> {
        let mut building = match format {
            Format::Ip4Set => Building::Ip4(ip4::Builder::new(ip4::Rule::Together)),
            Format::Ip4Trie => Building::Ip4(ip4::Builder::new(ip4::Rule::Longest)),
            Format::Ip6Trie => Building::Ip6(ip6::Builder::default()),
            Format::DnSet => Building::Domains(domains::Builder::default()),
        };
        let mut answers = answers::Builder::default();
        let mut defaults = line::Defaults::default();
        let (mut number, mut entries) = (0, 0);
        let mut text = Vec::new();
        let mut is_ended = true;
        while read_line(&mut source, &mut text, number)? {
            number += 1;
            is_ended = text.ends_with(b"\n");
            let fault = |message| Fault { line: number, message };
            let read = line::read(text.trim_ascii_end(), format == Format::Ip6Trie).map_err(fault)?;
            match read {
                line::Line::Nothing => {}
                line::Line::Directive(directive) => match directive {
                    Directive::Template(index, text) => answers.template(index, text),
                    Directive::MaxRange(most) => defaults.narrow(most),
                    Directive::Ignored => {}
                },
                line::Line::Default(value) => defaults.set(value).map_err(fault)?,
                line::Line::Entry { is_excluded, text } => {
                    entries += 1;
                    if entries > ZONE_ENTRIES_MAX {
                        return Err(fault(format!("more than {ZONE_ENTRIES_MAX} entries")));
                    }
                    let mut values = Values { is_excluded, defaults: &defaults, answers: &mut answers };
                    match &mut building {
                        Building::Ip4(table) => table.line(text, &mut values),
                        Building::Ip6(table) => table.line(text, &mut values),
                        Building::Domains(table) => table.line(text, &mut values),
                    }
                    .map_err(fault)?;
                }
            }
        }
        let set = match building {
            Building::Ip4(table) => Set::Ip4(table.finish(&mut answers)),
            Building::Ip6(table) => Set::Ip6(table.finish()),
            Building::Domains(table) => Set::Domains(table.finish()),
        };
        Ok(Self { set, answers: answers.finish(), entries, is_ended })
    }

    /// How many entries the file has.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Whether its last line has an end. One without may have been cut off, and then says another thing: `45` is 45.0.0.0/8.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// What it holds, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let set = match &self.set {
            Set::Ip4(table) => table.memory_bytes(),
            Set::Ip6(table) => table.memory_bytes(),
            Set::Domains(table) => table.memory_bytes(),
        };
        set + self.answers.memory_bytes()
    }

    /// What a name server would answer about an address; `None` when it is not listed.
    pub fn of_address(&self, address: IpAddr) -> Option<Found<'_>> {
        let answer = match (&self.set, address.to_canonical()) {
            (Set::Ip4(table), IpAddr::V4(address)) => table.find(address),
            (Set::Ip6(table), IpAddr::V6(address)) => table.find(address),
            // A dnset can hold addresses as they stand in DNS.
            (Set::Domains(_), address) => {
                return self.of_domain(&super::address_name(address, ""));
            }
            (Set::Ip4(_), IpAddr::V6(_)) | (Set::Ip6(_), IpAddr::V4(_)) => None,
        };
        Some(Found { answers: &self.answers, answer: answer?, before: 0 })
    }

    /// The same for a domain, whose case and final dot do not count.
    pub fn of_domain(&self, domain: &str) -> Option<Found<'_>> {
        let Set::Domains(table) = &self.set else { return None };
        let (answer, before) = table.find(domain.strip_suffix('.').unwrap_or(domain))?;
        Some(Found { answers: &self.answers, answer, before })
    }
}

/// The answer about what is listed.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    answers: &'a Answers,
    answer: u32,
    /// Bytes of the domain before the name that is listed.
    before: usize,
}

impl<'a> Found<'a> {
    /// Its addresses.
    pub fn addresses(self) -> impl Iterator<Item = Ipv4Addr> + 'a {
        self.answers.addresses(self.answer)
    }

    /// Its text, if it has one, with what is listed of `asked` in the place of each `$`.
    pub fn text(self, asked: &str) -> Option<Vec<u8>> {
        self.answers.text(self.answer, asked.get(self.before..).unwrap_or(asked))
    }
}

/// Reads a line into `text`; false at the end of the file.
fn read_line(source: &mut impl BufRead, text: &mut Vec<u8>, before: u64) -> Result<bool, Fault> {
    let fault = |message| Fault { line: before + 1, message };
    text.clear();
    let most = ZONE_LINE_BYTES_MAX as u64 + 1;
    let read = std::io::Read::take(&mut *source, most).read_until(b'\n', text);
    let read = read.map_err(|error| fault(error.to_string()))?;
    if read > ZONE_LINE_BYTES_MAX {
        return Err(fault(format!("longer than {ZONE_LINE_BYTES_MAX} bytes")));
    }
    Ok(read > 0)
}

#[cfg(test)]
mod tests;
