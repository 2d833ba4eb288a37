//! Counters and memories of keys: what `limit`, `remember` and greylists keep.
//!
//! One table for all shards, of a fixed size, made of atomic words alone: no lock, no allocation, no growth whatever a
//! peer sends. A key has four places that it may take; when all are taken, the entry that ends first makes room.
//! A key is known by 36 bits of its digest: of the keys that a full table does not have it takes 4 in 2^20 for one that it has.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Places of one key.
const WAYS: usize = 4;

/// Sets of places: 2^16 * 4 keys in 2 MiB.
const SETS: usize = 1 << 16;

/// Most entries that it holds.
pub const ENTRIES_MAX: usize = SETS * WAYS;

/// What a key is known by: the same on all hosts that share a store, and not to be aimed by peers, since a secret goes into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub u128);

/// What is kept of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The second in which it ends, at most [`SECONDS_MAX`].
    pub ends: u64,
    /// How often it was counted, or in which state it is; from 1 to [`COUNT_MAX`].
    pub count: u64,
}

/// An entry in one word: 20 bits of the key's digest, 28 bits of the second in which it ends, 16 bits of count.
#[derive(Clone, Copy)]
struct Word {
    tag: u64,
    entry: Entry,
}

const TAG_BITS: u32 = 20;
const ENDS_BITS: u32 = 28;
const COUNT_BITS: u32 = 16;
const _: () = assert!(TAG_BITS + ENDS_BITS + COUNT_BITS == 64);

/// The largest count that an entry holds; above it a key stays at the bound.
pub const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// The last second in which an entry can end: eight years from the start of the process.
pub const SECONDS_MAX: u64 = (1 << ENDS_BITS) - 1;

impl Entry {
    /// One that lasts for so many seconds from `now`, at least one.
    pub fn lasting(now: u64, seconds: u64, count: u64) -> Self {
        Self { ends: now.saturating_add(seconds.max(1)).min(SECONDS_MAX), count: count.min(COUNT_MAX) }
    }
}

impl Word {
    const fn pack(self) -> u64 {
        self.tag << (ENDS_BITS + COUNT_BITS) | self.entry.ends << COUNT_BITS | self.entry.count
    }

    const fn unpack(word: u64) -> Self {
        let entry = Entry { ends: (word >> COUNT_BITS) & SECONDS_MAX, count: word & COUNT_MAX };
        Self { tag: word >> (ENDS_BITS + COUNT_BITS), entry }
    }
}

/// A table of keys with an end and a count. `now` is in seconds of a clock that begins with the process.
#[derive(Debug)]
pub struct Table {
    words: Box<[AtomicU64]>,
    evicted: AtomicU64,
}

impl Default for Table {
    fn default() -> Self {
        Self { words: (0..ENTRIES_MAX).map(|_| AtomicU64::new(0)).collect(), evicted: AtomicU64::new(0) }
    }
}

impl Table {
    /// What is kept of the key and has not ended.
    pub fn get(&self, key: Digest, now: u64) -> Option<Entry> {
        let (tag, places) = self.places(key);
        let words = places.iter().map(|word| Word::unpack(word.load(Relaxed)));
        words.filter(|word| word.tag == tag && word.entry.ends > now).map(|word| word.entry).next()
    }

    /// Makes what is kept of the key what `next` says of what is kept now; gives what is kept then. `None` changes nothing.
    /// `next` is called again when another thread has changed the entry meanwhile.
    pub fn change(
        &self,
        key: Digest,
        now: u64,
        next: impl Fn(Option<Entry>) -> Option<Entry>,
    ) -> Option<Entry> {
        let (tag, places) = self.places(key);
        loop {
            let words = places.iter().map(|word| (word, Word::unpack(word.load(Relaxed))));
            let is_own = |word: &Word| word.tag == tag && word.entry.ends > now;
            // Our own place, else the one that ends (or ended) first.
            let (place, old) = words.min_by_key(|(_, word)| (!is_own(word), word.entry.ends))?;
            let kept = is_own(&old).then_some(old.entry);
            let Some(entry) = next(kept) else { return kept };
            let new = Word { tag, entry };
            if place.compare_exchange_weak(old.pack(), new.pack(), Relaxed, Relaxed).is_ok() {
                if kept.is_none() && old.entry.ends > now {
                    self.evicted.fetch_add(1, Relaxed);
                }
                return Some(entry);
            }
        }
    }

    /// Keeps nothing of the key any more.
    pub fn forget(&self, key: Digest, now: u64) {
        let (tag, places) = self.places(key);
        for place in places {
            let word = place.load(Relaxed);
            if Word::unpack(word).tag == tag && Word::unpack(word).entry.ends > now {
                // One that was changed meanwhile is another entry.
                let _changed = place.compare_exchange(word, 0, Relaxed, Relaxed);
            }
        }
    }

    /// Keeps nothing at all any more.
    pub fn clear(&self) {
        self.words.iter().for_each(|word| word.store(0, Relaxed));
    }

    /// How many entries have not ended.
    pub fn entries(&self, now: u64) -> usize {
        self.words.iter().filter(|word| Word::unpack(word.load(Relaxed)).entry.ends > now).count()
    }

    /// How many entries made room for others before their end.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    fn places(&self, key: Digest) -> (u64, &[AtomicU64]) {
        let first = usize::try_from(key.0 & (SETS as u128 - 1)).unwrap_or(0) * WAYS;
        // Zero is an empty place, so no key has it for its tag.
        let tag = u64::try_from(key.0 >> (128 - TAG_BITS)).unwrap_or(0).max(1);
        (tag, self.words.get(first..first + WAYS).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// A digest as a keyed hash would have it: all bits of the number count in all places.
    fn key(number: u64) -> Digest {
        let mixed = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Digest(mixed ^ mixed.rotate_right(61))
    }

    fn keep(table: &Table, number: u64, now: u64, seconds: u64) {
        table.change(key(number), now, |_| Some(Entry::lasting(now, seconds, 1)));
    }

    fn count(table: &Table, number: u64, now: u64) -> u64 {
        let counted = table.change(key(number), now, |kept| {
            let before = kept.unwrap_or(Entry::lasting(now, 60, 0));
            Some(Entry { count: (before.count + 1).min(COUNT_MAX), ..before })
        });
        counted.unwrap().count
    }

    #[test]
    fn an_entry_lasts_until_its_end() {
        let table = Table::default();
        keep(&table, 7, 10, 5);
        assert_eq!(table.get(key(7), 14), Some(Entry { ends: 15, count: 1 }));
        assert_eq!((table.get(key(8), 14), table.get(key(7), 15)), (None, None));
        assert_eq!((table.entries(14), table.entries(15), table.evicted()), (1, 0, 0));
        keep(&table, 7, 20, 5);
        table.forget(key(7), 20);
        assert_eq!((table.get(key(7), 20), table.entries(20)), (None, 0));
    }

    #[test]
    fn a_count_stops_at_its_bound() {
        let table = Table::default();
        for _ in 0..COUNT_MAX + 10 {
            count(&table, 1, 0);
        }
        assert_eq!(count(&table, 1, 0), COUNT_MAX);
    }

    #[test]
    fn a_change_that_is_none_leaves_all_as_it_is() {
        let table = Table::default();
        assert_eq!(table.change(key(1), 0, |_| None), None);
        keep(&table, 1, 0, 60);
        let kept = table.get(key(1), 0);
        assert_eq!(table.change(key(1), 0, |_| None), kept);
        assert_eq!((table.get(key(1), 0), table.entries(0)), (kept, 1));
    }

    #[test]
    fn a_flood_of_keys_takes_no_more_memory_and_keeps_the_latest() {
        let table = Table::default();
        let last = (ENTRIES_MAX * 2) as u64 - 1;
        for number in 0..=last {
            keep(&table, number, number / 1000, 100_000);
        }
        assert!(table.get(key(last), last / 1000).is_some());
        let (entries, evicted) = (table.entries(last / 1000) as u64, table.evicted());
        assert!(entries > 200_000, "{entries}");
        // But for the few that are taken for one another.
        assert!((last - 20..=last + 1).contains(&(entries + evicted)), "each is there or made room");
    }

    #[test]
    fn shards_count_together() {
        let table = Table::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| _ = count(&table, 5, 1)));
            }
        });
        assert_eq!(count(&table, 5, 1), 2001);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// As long as no four keys share a set, the table is a map whose entries end.
        #[test]
        fn it_is_a_map_whose_entries_end(steps in prop::collection::vec((0..40_u64, 0..4_u8, 1..50_u64), 1..200)) {
            let table = Table::default();
            let mut map: HashMap<u64, Entry> = HashMap::new();
            for (now, (number, step, seconds)) in (0..).zip(steps) {
                map.retain(|_, entry| entry.ends > now);
                match step {
                    0 => {
                        table.forget(key(number), now);
                        map.remove(&number);
                    }
                    1 => {
                        keep(&table, number, now, seconds);
                        map.insert(number, Entry::lasting(now, seconds, 1));
                    }
                    2 => {
                        let entry = map.entry(number).or_insert(Entry::lasting(now, 60, 0));
                        entry.count += 1;
                        prop_assert_eq!(count(&table, number, now), entry.count);
                    }
                    _ => prop_assert_eq!(table.get(key(number), now), map.get(&number).copied()),
                }
            }
            map.retain(|_, entry| entry.ends > 200);
            prop_assert_eq!((table.entries(200), table.evicted()), (map.len(), 0));
        }
    }
}
