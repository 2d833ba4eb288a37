//! A bounded memory of answers that are good for a time.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::time::Duration;

use crate::clock::Clock;

/// A cache in two halves. When the young half is full, it becomes the old half, and what was in the old half and has
/// not been asked for since then is forgotten: bounded, without a search for what to throw out.
pub struct Cache<K, V> {
    clock: Clock,
    entries_max: usize,
    young: HashMap<K, Entry<V>>,
    old: HashMap<K, Entry<V>>,
}

struct Entry<V> {
    value: V,
    until_ms: u64,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// An empty one for at most `entries_max` entries.
    pub fn new(clock: Clock, entries_max: usize) -> Self {
        Self { clock, entries_max, young: HashMap::new(), old: HashMap::new() }
    }

    /// What is known of a key, if it is still good.
    pub fn find<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let now_ms = self.clock.monotonic_ms();
        if let Some(entry) = self.young.get(key) {
            return (entry.until_ms > now_ms).then(|| entry.value.clone());
        }
        let (key, entry) = self.old.remove_entry(key)?;
        if entry.until_ms <= now_ms {
            return None;
        }
        let value = entry.value.clone();
        self.insert(key, entry);
        Some(value)
    }

    /// Keeps a value for a time.
    pub fn keep(&mut self, key: K, value: V, time: Duration) {
        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let until_ms = self.clock.monotonic_ms().saturating_add(time_ms);
        self.old.remove(&key);
        self.insert(key, Entry { value, until_ms });
    }

    fn insert(&mut self, key: K, entry: Entry<V>) {
        if self.young.len() >= self.entries_max / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_until_its_time_is_over() {
        let clock = Clock::frozen(0);
        let mut cache = Cache::new(clock.clone(), 100);
        cache.keep(1, "one", Duration::from_secs(5));
        clock.advance(Duration::from_millis(4999));
        assert_eq!(cache.find(&1), Some("one"));
        assert_eq!(cache.find(&2), None);
        clock.advance(Duration::from_millis(1));
        assert_eq!(cache.find(&1), None);
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_asked_for() {
        let mut cache = Cache::new(Clock::frozen(0), 1000);
        for n in 0..3000 {
            cache.keep(n, (), Duration::from_secs(5));
            assert!(cache.find(&0).is_some(), "{n}");
            assert!(cache.young.len() + cache.old.len() <= 1000);
        }
        assert!(cache.find(&1).is_none());
    }
}
