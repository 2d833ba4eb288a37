//! IPv6: networks by the length of their prefixes, each length sorted; the longest that has an address counts.

use std::net::Ipv6Addr;

use super::line::shown;
use super::{Entry, Values};

/// Networks, the longest prefixes first.
#[derive(Debug)]
pub(super) struct Table {
    lengths: Box<[Length]>,
}

/// All networks of one length of prefix.
#[derive(Debug)]
struct Length {
    bits: u8,
    prefixes: Prefixes,
    /// The numbers of answers, or [`EXCLUDED`]: as many as prefixes, or one for all.
    entries: Box<[u32]>,
}

/// Sorted, and in the upper half of an address when that holds them.
#[derive(Debug)]
enum Prefixes {
    Upper(Box<[u64]>),
    Whole(Box<[u128]>),
}

impl Table {
    /// The number of an address's answer.
    pub(super) fn find(&self, address: Ipv6Addr) -> Option<u32> {
        let address = u128::from(address);
        self.lengths.iter().find_map(|length| length.find(address)).filter(|entry| *entry != EXCLUDED)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let of = |length: &Length| {
            let prefixes = match &length.prefixes {
                Prefixes::Upper(prefixes) => size_of_val(&**prefixes),
                Prefixes::Whole(prefixes) => size_of_val(&**prefixes),
            };
            prefixes + size_of_val(&*length.entries)
        };
        size_of_val(&*self.lengths) + self.lengths.iter().map(of).sum::<usize>()
    }
}

impl Length {
    fn find(&self, address: u128) -> Option<u32> {
        let prefix = address & mask(self.bits);
        let at = match &self.prefixes {
            Prefixes::Upper(prefixes) => prefixes.binary_search(&upper(prefix)).ok()?,
            Prefixes::Whole(prefixes) => prefixes.binary_search(&prefix).ok()?,
        };
        match &*self.entries {
            [one] => Some(*one),
            entries => entries.get(at).copied(),
        }
    }
}

/// What is said of a network that is not listed.
const EXCLUDED: u32 = u32::MAX;

fn upper(address: u128) -> u64 {
    u64::try_from(address >> 64).unwrap_or(u64::MAX)
}

fn mask(bits: u8) -> u128 {
    !u128::MAX.checked_shr(bits.into()).unwrap_or(0)
}

/// Entries that come in.
#[derive(Default)]
pub(super) struct Builder {
    networks: Vec<(u8, u128, u32)>,
}

impl Builder {
    /// An entry and what stands behind it.
    pub(super) fn line(&mut self, text: &[u8], values: &mut Values<'_>) -> Result<(), String> {
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'#' | b';');
        let (network, rest) = text.split_at(text.iter().position(is_end).unwrap_or(text.len()));
        let expected = || format!("`{}` is no network of IPv6 such as 2001:db8::/32", shown(network));
        let (prefix, bits) = parse(network).ok_or_else(expected)?;
        let entry = match values.entry(rest)? {
            Entry::Excluded => EXCLUDED,
            Entry::Value(number) => number,
        };
        self.networks.push((bits, prefix, entry));
        Ok(())
    }

    pub(super) fn finish(mut self) -> Table {
        // Stable, so that of two equal ones the first counts.
        self.networks.sort_by_key(|(bits, prefix, _)| (std::cmp::Reverse(*bits), *prefix));
        self.networks.dedup_by_key(|(bits, prefix, _)| (*bits, *prefix));
        let lengths = self.networks.chunk_by(|one, other| one.0 == other.0).map(length).collect();
        Table { lengths }
    }
}

fn length(networks: &[(u8, u128, u32)]) -> Length {
    let bits = networks.first().map_or(0, |(bits, ..)| *bits);
    let prefixes = networks.iter().map(|(_, prefix, _)| *prefix);
    let prefixes = if bits <= 64 {
        Prefixes::Upper(prefixes.map(upper).collect())
    } else {
        Prefixes::Whole(prefixes.collect())
    };
    let mut entries: Vec<u32> = networks.iter().map(|(.., entry)| *entry).collect();
    if entries.first().is_some_and(|first| entries.iter().all(|entry| entry == first)) {
        entries.truncate(1);
    }
    Length { bits, prefixes, entries: entries.into() }
}

/// `2001:db8::/32`, `2001:db8` (as many words as are there), `::1`.
fn parse(text: &[u8]) -> Option<(u128, u8)> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok().filter(|bits| *bits <= 128)?)),
        None => (text, None),
    };
    let (address, own_bits) = if address.contains("::") {
        (u128::from(address.parse::<Ipv6Addr>().ok()?), 128)
    } else {
        words(address)?
    };
    let bits = bits.unwrap_or(own_bits);
    (address & !mask(bits) == 0).then_some((address, bits))
}

/// One to eight words from the left.
fn words(text: &str) -> Option<(u128, u8)> {
    let (mut address, mut bits) = (0_u128, 0_u8);
    for word in text.split(':') {
        let plain = (1..=4).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let word = u16::from_str_radix(word, 16).ok().filter(|_| plain && bits < 128)?;
        bits += 16;
        address |= u128::from(word) << (128 - u32::from(bits));
    }
    Some((address, bits))
}
