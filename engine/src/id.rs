//! Ids of sessions and transactions: short, sorted by time, unique over hosts and shards.
//!
//! Layer 0. The shape is that of Postfix's long queue ids: seconds, microseconds, then who made it, in base 52.

use std::fmt;

use crate::clock::Clock;
use crate::limits::SHARDS_MAX;

/// Sorted as ASCII; without what is read wrongly (`0 O o`, `1 I i l`, `U u`) and without `e`.
const ALPHABET: &[u8; 52] = b"23456789ABCDEFGHJKLMNPQRSTVWXYZabcdfghjkmnpqrstvwxyz";

/// Digits of seconds since 1970: enough for 600 years.
const SECONDS_DIGITS: usize = 6;
const MICROS_DIGITS: usize = 4;
/// Digits of a host byte and a shard number.
const ORIGIN_DIGITS: usize = 3;
const ID_BYTES: usize = SECONDS_DIGITS + MICROS_DIGITS + ORIGIN_DIGITS;

const _: () = assert!(52_u64.pow(4) >= 1_000_000);
const _: () = assert!(256 * (SHARDS_MAX as u64) <= 52_u64.pow(3));

/// An id, always 13 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; ID_BYTES]);

impl Id {
    /// The id as it is logged and given to the client.
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The same in bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// When it was made, in seconds since 1970.
    pub fn unix_s(&self) -> u64 {
        let digits = self.0.iter().take(SECONDS_DIGITS);
        let places = digits.filter_map(|digit| ALPHABET.binary_search(digit).ok());
        places.fold(0, |value, place| value * 52 + u64::try_from(place).unwrap_or_default())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Makes the ids of one shard.
#[derive(Debug)]
pub struct IdSource {
    clock: Clock,
    origin: u64,
    last_unix_us: u64,
}

impl IdSource {
    /// A source for `shard` of the host that `host` stands for, see [`host_byte`].
    ///
    /// # Panics
    /// When the shard's number is not below [`SHARDS_MAX`].
    pub fn new(clock: Clock, host: u8, shard: u16) -> Self {
        assert!(shard < SHARDS_MAX, "shard {shard} does not fit an id");
        let origin = u64::from(host) * u64::from(SHARDS_MAX) + u64::from(shard);
        Self { clock, origin, last_unix_us: 0 }
    }

    /// The next id. Each is a microsecond later than the one before at least, even when the clock goes back.
    pub fn next_id(&mut self) -> Id {
        let unix_us = self.clock.unix_us().max(self.last_unix_us + 1);
        self.last_unix_us = unix_us;
        let mut id = [0; ID_BYTES];
        let (seconds, rest) = id.split_at_mut(SECONDS_DIGITS);
        let (micros, origin) = rest.split_at_mut(MICROS_DIGITS);
        write_base52(unix_us / 1_000_000, seconds);
        write_base52(unix_us % 1_000_000, micros);
        write_base52(self.origin, origin);
        Id(id)
    }
}

/// Fills `digits` with the lowest digits of `value`.
fn write_base52(mut value: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        let place = usize::try_from(value % 52).unwrap_or_default();
        *digit = ALPHABET.get(place).copied().unwrap_or_default();
        value /= 52;
    }
}

/// The byte that tells hosts apart in ids: a hash (FNV-1a, folded) of the host's name.
pub fn host_byte(name: &str) -> u8 {
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.to_le_bytes().iter().fold(0, |folded, byte| folded ^ byte)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;

    #[test]
    fn ids_are_unique_and_sorted_while_the_clock_stands() {
        let mut source = IdSource::new(Clock::frozen(1_795_474_670_000_000), 7, 0);
        let ids: Vec<Id> = (0..10_000).map(|_| source.next_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b && a.as_str() < b.as_str()));
    }

    #[test]
    fn an_id_knows_its_second() {
        let mut source = IdSource::new(Clock::frozen(1_795_474_670_999_999), 7, 0);
        assert_eq!(
            [source.next_id(), source.next_id()].map(|id| id.unix_s()),
            [1_795_474_670, 1_795_474_671]
        );
    }

    #[test]
    fn ids_sort_by_time_over_shards() {
        let clock = Clock::frozen(1_795_474_670_999_999);
        let (mut first, mut second) =
            (IdSource::new(clock.clone(), 255, 511), IdSource::new(clock.clone(), 0, 0));
        let earlier = first.next_id();
        clock.advance(Duration::from_micros(1));
        assert!(earlier.as_str() < second.next_id().as_str());
    }

    #[test]
    fn every_origin_differs_in_the_same_microsecond() {
        let clock = Clock::frozen(1_795_474_670_000_000);
        let origins = (0..=255).flat_map(|host| (0..SHARDS_MAX).map(move |shard| (host, shard)));
        let ids: HashSet<Id> =
            origins.map(|(host, shard)| IdSource::new(clock.clone(), host, shard).next_id()).collect();
        assert_eq!(ids.len(), 256 * usize::from(SHARDS_MAX));
    }

    #[test]
    fn the_alphabet_has_no_lookalikes_and_is_sorted() {
        assert!(ALPHABET.is_sorted_by(|a, b| a < b));
        assert!(!ALPHABET.iter().any(|letter| b"0Oo1IilUu".contains(letter)));
        let id =
            IdSource::new(Clock::frozen(1_795_474_670_000_000), host_byte("mx1.example.org"), 3).next_id();
        assert_eq!(id.to_string().len(), 13);
        assert!(id.as_str().bytes().all(|byte| ALPHABET.contains(&byte)), "{id}");
    }

    #[test]
    fn hosts_of_one_site_get_different_bytes() {
        let bytes: HashSet<u8> = (1..=6).map(|n| host_byte(&format!("mx{n}.example.org"))).collect();
        assert_eq!(bytes.len(), 6);
    }
}
