//! Answers that are still good.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use super::{Answer, Question};
use crate::clock::Clock;
use crate::limits::DNS_CACHE_ENTRIES_MAX;

/// A cache in two halves. When the young half is full, it becomes the old half, and what was in the old half and has
/// not been asked for since then is forgotten: bounded, without a search for what to throw out.
pub(super) struct Cache {
    clock: Clock,
    young: HashMap<Question, Entry>,
    old: HashMap<Question, Entry>,
}

struct Entry {
    answer: Answer,
    until_ms: u64,
}

impl Cache {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, young: HashMap::new(), old: HashMap::new() }
    }

    pub(super) fn find(&mut self, question: &Question) -> Option<Answer> {
        let now_ms = self.clock.monotonic_ms();
        if let Some(entry) = self.young.get(question) {
            return (entry.until_ms > now_ms).then(|| entry.answer.clone());
        }
        let (question, entry) = self.old.remove_entry(question)?;
        if entry.until_ms <= now_ms {
            return None;
        }
        let answer = entry.answer.clone();
        self.insert(question, entry);
        Some(answer)
    }

    pub(super) fn keep(&mut self, question: Question, answer: Answer, time: Duration) {
        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let until_ms = self.clock.monotonic_ms().saturating_add(time_ms);
        self.old.remove(&question);
        self.insert(question, Entry { answer, until_ms });
    }

    fn insert(&mut self, question: Question, entry: Entry) {
        if self.young.len() >= DNS_CACHE_ENTRIES_MAX / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(question, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Kind;

    fn question(n: usize) -> Question {
        Question::new(Kind::A, &format!("{n}.example.org")).unwrap()
    }

    #[test]
    fn an_answer_holds_until_its_time_is_over() {
        let clock = Clock::frozen(0);
        let mut cache = Cache::new(clock.clone());
        cache.keep(question(1), Answer::None, Duration::from_secs(5));
        clock.advance(Duration::from_millis(4999));
        assert_eq!(cache.find(&question(1)), Some(Answer::None));
        assert_eq!(cache.find(&question(2)), None);
        clock.advance(Duration::from_millis(1));
        assert_eq!(cache.find(&question(1)), None);
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_asked_for() {
        let mut cache = Cache::new(Clock::frozen(0));
        for n in 0..3 * DNS_CACHE_ENTRIES_MAX {
            cache.keep(question(n), Answer::None, Duration::from_secs(5));
            assert!(cache.find(&question(0)).is_some(), "{n}");
            assert!(cache.young.len() + cache.old.len() <= DNS_CACHE_ENTRIES_MAX);
        }
        assert!(cache.find(&question(1)).is_none());
    }
}
