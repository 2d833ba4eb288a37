//! Counters and memories of keys: what `limit` and `remember` keep.
//!
//! One table for all shards, of a fixed size, made of atomic words alone: no lock, no allocation, no growth whatever a
//! peer sends. A key has four places that it may take; when all are taken, the entry that ends first makes room.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Places of one key.
const WAYS: usize = 4;

/// Sets of places: 2^16 * 4 keys in 2 MiB.
const SETS: usize = 1 << 16;

/// An entry in one word: 20 bits of the key's hash, 28 bits of the second in which it ends, 16 bits of count.
#[derive(Clone, Copy)]
struct Entry {
    tag: u64,
    ends: u64,
    count: u64,
}

const TAG_BITS: u32 = 20;
const ENDS_BITS: u32 = 28;
const COUNT_BITS: u32 = 16;
const _: () = assert!(TAG_BITS + ENDS_BITS + COUNT_BITS == 64);

/// The largest count that an entry holds; above it a key stays at the bound.
pub const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// The longest time that an entry lasts, in seconds: eight years from the start of the process.
pub const SECONDS_MAX: u64 = (1 << ENDS_BITS) - 1;

impl Entry {
    const fn pack(self) -> u64 {
        self.tag << (ENDS_BITS + COUNT_BITS) | self.ends << COUNT_BITS | self.count
    }

    const fn unpack(word: u64) -> Self {
        Self {
            tag: word >> (ENDS_BITS + COUNT_BITS),
            ends: (word >> COUNT_BITS) & SECONDS_MAX,
            count: word & COUNT_MAX,
        }
    }
}

/// A table of keys with an end and a count.
#[derive(Debug)]
pub struct Table {
    words: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for Table {
    fn default() -> Self {
        Self { words: (0..SETS * WAYS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

impl Table {
    /// Counts the key once more in its window of `window` seconds, which begins with its first count; returns the count,
    /// this one included, at most [`COUNT_MAX`]. `now` is in seconds since the process began.
    pub fn count(&self, key: impl Hash, now: u64, window: u64) -> u64 {
        self.change(key, now, |entry| match entry {
            Some(entry) => Entry { count: (entry.count + 1).min(COUNT_MAX), ..entry },
            None => Entry { tag: 0, ends: ends(now, window), count: 1 },
        })
    }

    /// Keeps the key for `seconds` from now.
    pub fn remember(&self, key: impl Hash, now: u64, seconds: u64) {
        self.change(key, now, |_| Entry { tag: 0, ends: ends(now, seconds), count: 1 });
    }

    /// Whether the key is kept.
    pub fn knows(&self, key: impl Hash, now: u64) -> bool {
        let (tag, places) = self.places(key);
        places
            .iter()
            .map(|word| Entry::unpack(word.load(Relaxed)))
            .any(|entry| entry.tag == tag && entry.ends > now)
    }

    fn places(&self, key: impl Hash) -> (u64, &[AtomicU64]) {
        let hash = self.hasher.hash_one(key);
        let first = usize::try_from(hash & (SETS as u64 - 1)).unwrap_or(0) * WAYS;
        // Zero is an empty place, so no key has it for its tag.
        let tag = (hash >> (64 - TAG_BITS)).max(1);
        (tag, self.words.get(first..first + WAYS).unwrap_or_default())
    }

    fn change(&self, key: impl Hash, now: u64, next: impl Fn(Option<Entry>) -> Entry) -> u64 {
        let (tag, places) = self.places(key);
        loop {
            let entries = places.iter().map(|word| (word, Entry::unpack(word.load(Relaxed))));
            let live = |entry: &Entry| entry.tag == tag && entry.ends > now;
            // Our own place, else the one that ends (or ended) first.
            let Some((word, old)) = entries.min_by_key(|(_, entry)| (!live(entry), entry.ends)) else {
                return 0;
            };
            let new = Entry { tag, ..next(live(&old).then_some(old)) };
            if word.compare_exchange_weak(old.pack(), new.pack(), Relaxed, Relaxed).is_ok() {
                return new.count;
            }
        }
    }
}

fn ends(now: u64, seconds: u64) -> u64 {
    now.saturating_add(seconds.max(1)).min(SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_within_a_window_and_begins_anew_after_it() {
        let table = Table::default();
        assert_eq!((1..=3).map(|_| table.count("a", 100, 60)).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(table.count("b", 100, 60), 1);
        assert_eq!(table.count("a", 159, 60), 4);
        assert_eq!(table.count("a", 160, 60), 1);
    }

    #[test]
    fn a_count_stops_at_its_bound() {
        let table = Table::default();
        for _ in 0..COUNT_MAX + 10 {
            table.count(1, 0, 60);
        }
        assert_eq!(table.count(1, 0, 60), COUNT_MAX);
    }

    #[test]
    fn remembers_until_the_end() {
        let table = Table::default();
        table.remember(("net", 7), 10, 5);
        assert!(table.knows(("net", 7), 14));
        assert!(!table.knows(("net", 8), 14));
        assert!(!table.knows(("net", 7), 15));
    }

    #[test]
    fn a_flood_of_keys_takes_no_more_memory_and_keeps_the_latest() {
        let table = Table::default();
        for key in 0..(SETS * WAYS * 2) as u64 {
            table.remember(key, key / 1000, 100_000);
        }
        let last = (SETS * WAYS * 2) as u64 - 1;
        assert!(table.knows(last, last / 1000));
    }

    #[test]
    fn shards_count_together() {
        let table = Table::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| _ = table.count("k", 1, 60)));
            }
        });
        assert_eq!(table.count("k", 1, 60), 2001);
    }
}
