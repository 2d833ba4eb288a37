//! The memory of a scan: taken once, used for message after message.

use regex_automata::meta::Cache;

use super::PatternId;
use super::window::Window;

/// Bytes that the automata's caches of one scratch may hold after a scan; over it they are dropped and made again as
/// needed. A pattern that was run takes some 30 KB, so this holds the patterns that a host's mail really meets.
const CACHE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a scan found, and the memory it needs. One for each thread and [`super::Set`].
#[derive(Debug)]
pub struct Scratch {
    /// The set it was made for: caches of another set's automata are of no use.
    pub(super) set: u64,
    /// One bit for each pattern.
    hits: Vec<u64>,
    /// The window of each pattern that is still to be searched.
    pub(super) pending: Vec<Option<Window>>,
    /// Patterns with a pending window; never more than there are patterns.
    pub(super) candidates: Vec<PatternId>,
    caches: Vec<Option<Box<Cache>>>,
    cache_bytes: usize,
}

impl Scratch {
    pub(super) fn new(set: u64, patterns: usize) -> Self {
        Self {
            set,
            hits: vec![0; patterns.div_ceil(64)],
            pending: vec![None; patterns],
            candidates: Vec::with_capacity(patterns),
            caches: (0..patterns).map(|_| None).collect(),
            cache_bytes: 0,
        }
    }

    /// Whether the pattern hit since the last [`super::Set::scan`] began.
    pub fn hit(&self, pattern: PatternId) -> bool {
        let word = self.hits.get(pattern.index() / 64).copied().unwrap_or(0);
        word >> (pattern.0 % 64) & 1 == 1
    }

    /// Whether any pattern hit from `first` to before `end`: the phrases of one list.
    pub fn hit_any(&self, first: PatternId, end: PatternId) -> bool {
        let mut at = first.0;
        while at < end.0 {
            let word = self.hits.get(at as usize / 64).copied().unwrap_or(0) >> (at % 64);
            let span = (end.0 - at).min(64 - at % 64);
            // A span of 64 takes the whole word, which a shift by 64 could not say.
            if word & (u64::MAX >> (64 - span)) != 0 {
                return true;
            }
            at += span;
        }
        false
    }

    /// Forgets all hits.
    pub fn clear(&mut self) {
        self.hits.fill(0);
    }

    pub(super) fn set_hit(&mut self, pattern: PatternId) {
        if let Some(word) = self.hits.get_mut(pattern.index() / 64) {
            *word |= 1 << (pattern.0 % 64);
        }
    }

    /// The pattern's cache, made by `make` when it has none yet. It is given back by [`Scratch::put_cache`].
    pub(super) fn take_cache(&mut self, pattern: PatternId, make: impl FnOnce() -> Cache) -> Box<Cache> {
        let kept = self.caches.get_mut(pattern.index()).and_then(Option::take);
        match kept {
            Some(cache) => {
                self.cache_bytes = self.cache_bytes.saturating_sub(cache.memory_usage());
                cache
            }
            None => Box::new(make()),
        }
    }

    /// Keeps a cache for the next text.
    pub(super) fn put_cache(&mut self, pattern: PatternId, cache: Box<Cache>) {
        if let Some(place) = self.caches.get_mut(pattern.index()) {
            self.cache_bytes += cache.memory_usage();
            *place = Some(cache);
        }
        if self.cache_bytes > CACHE_BYTES_MAX {
            self.caches.fill_with(|| None);
            self.cache_bytes = 0;
        }
    }
}
