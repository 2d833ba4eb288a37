//! A greylist: whoever is new waits, and passes when he comes again; most senders of spam do not.
//!
//! ```text
//! new -> waiting (for `after`) -> comes again within `within` -> passed, kept for `keep` from the last time that he came
//! ```

use crate::table::Entry;

/// Its times, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greylist {
    /// Its name in the rule file.
    pub name: String,
    /// Who comes again earlier still waits.
    pub after: u64,
    /// Who comes again later is new.
    pub within: u64,
    /// How long one is known that has passed.
    pub keep: u64,
}

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grey {
    /// He shall come again.
    Waiting,
    /// He came again.
    Passed,
}

/// The count of an entry that waits, until the end of `within`.
const WAITING: u64 = 1;

/// The count of one that has passed.
pub(super) const PASSED: u64 = 2;

impl Greylist {
    /// The entry of one who is new.
    pub(super) fn first(&self, now: u64) -> Entry {
        Entry::lasting(now, self.within, WAITING)
    }

    /// What the entry means now.
    pub(super) fn judge(&self, kept: Option<Entry>, now: u64) -> Grey {
        match kept {
            Some(entry) if entry.count == PASSED => Grey::Passed,
            Some(entry) if self.knows(kept, now) && now + self.within >= entry.ends + self.after => {
                Grey::Passed
            }
            _ => Grey::Waiting,
        }
    }

    /// Whether the entry is one of this list as it is declared now: one that waits for longer than `within` is of another.
    pub(super) fn knows(&self, kept: Option<Entry>, now: u64) -> bool {
        kept.is_some_and(|entry| entry.ends <= now.saturating_add(self.within.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_again_in_time_passes() {
        let list = Greylist { name: String::new(), after: 300, within: 7200, keep: 86_400 };
        let first = Some(list.first(1000));
        assert_eq!(list.judge(None, 1000), Grey::Waiting);
        for (now, grey) in
            [(1000, Grey::Waiting), (1299, Grey::Waiting), (1300, Grey::Passed), (8199, Grey::Passed)]
        {
            assert_eq!(list.judge(first, now), grey, "{now}");
        }
        assert_eq!(list.judge(Some(Entry::lasting(0, 1, PASSED)), 0), Grey::Passed);
    }

    #[test]
    fn another_window_begins_anew() {
        let list = Greylist { name: String::new(), after: 300, within: 7200, keep: 86_400 };
        let longer = Greylist { within: 200_000, ..list.clone() };
        let first = Some(longer.first(1000));
        assert!(!list.knows(first, 1000));
        assert_eq!(list.judge(first, 2000), Grey::Waiting);
    }
}
