//! Whether a DNS list can be believed: what its probe found, read by every shard, and what shards see that calls for a probe.
//!
//! A list that has died answers nothing or errors; one that was given up may list the whole world (RFC 5782, 5). Either is
//! switched off by its probe: its answers are unknown then, without a question.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::{Answer, Failure, Listed, Listing, Question};
use crate::limits::{DNSBL_FAILURES_IN_A_ROW, DNSBL_LISTED_PERCENT, DNSBL_WINDOW};

/// The health of a list. Until a probe has said otherwise it is good.
#[derive(Debug, Default)]
pub struct Health {
    /// Why it is off; the switch itself is `off`, which shards read.
    reason: Mutex<Option<String>>,
    off: std::sync::atomic::AtomicBool,
    failures: AtomicU32,
    /// Answers that came in, in the upper half, and how many of them said listed, in the lower.
    window: AtomicU64,
    suspicion: Notify,
}

impl Health {
    /// Whether its answers are unknown without asking.
    pub fn is_off(&self) -> bool {
        self.off.load(Relaxed)
    }

    /// Why it is off; `None` when it is not.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what a probe found; true when that is a change.
    pub fn set(&self, found: Result<(), String>) -> bool {
        let off = found.is_err();
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = found.err();
        self.failures.store(0, Relaxed);
        self.window.store(0, Relaxed);
        self.off.swap(off, Relaxed) != off
    }

    /// Counts an answer that came over the wire.
    pub fn count(&self, is_listed: Option<bool>) {
        let Some(is_listed) = is_listed else {
            if self.failures.fetch_add(1, Relaxed) + 1 == DNSBL_FAILURES_IN_A_ROW {
                self.suspicion.notify_one();
            }
            return;
        };
        self.failures.store(0, Relaxed);
        let step = (1 << 32) + u64::from(is_listed);
        let window = self.window.fetch_add(step, Relaxed) + step;
        let (asked, listed) = (window >> 32, window & u64::from(u32::MAX));
        if asked >= DNSBL_WINDOW {
            self.window.store(0, Relaxed);
            if listed * 100 >= asked * DNSBL_LISTED_PERCENT {
                self.suspicion.notify_one();
            }
        }
    }

    /// Whether enough questions in a row went without an answer to say that more than one packet was lost.
    pub fn has_failed(&self) -> bool {
        self.failures.load(Relaxed) >= DNSBL_FAILURES_IN_A_ROW
    }

    /// Waits until what shards see calls for a probe, and no longer than this.
    pub async fn suspicion(&self, within: Duration) {
        // When the time is over, the probe is due anyway.
        let _elapsed = timeout(within, self.suspicion.notified()).await;
    }
}

/// What a probe asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// What the list must have.
    pub listed: Vec<Question>,
    /// What it must not have.
    pub clean: Vec<Question>,
}

/// What is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has not answered: that may have been a lost packet.
    Silent(String),
    /// It has answered, and wrongly.
    Wrong(String),
}

impl Points {
    /// Judges the answers to all points.
    pub fn judge(&self, listing: &Listing, answer: impl Fn(&Question) -> Answer) -> Result<(), Unfit> {
        for question in &self.clean {
            let answer = answer(question);
            if let Listed::Listed(codes) = listing.read(&answer) {
                let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
                return Err(Unfit::Wrong(format!(
                    "it lists {}, which no list may ({}): it lists everything",
                    question.name(),
                    codes.join(" ")
                )));
            }
            has_answered(listing, question, &answer)?;
        }
        for question in &self.listed {
            let answer = answer(question);
            has_answered(listing, question, &answer)?;
            if answer == Answer::None {
                return Err(Unfit::Wrong(format!(
                    "it does not list {}, which every list must: it lists nothing, or has another test point",
                    question.name()
                )));
            }
        }
        Ok(())
    }
}

fn has_answered(listing: &Listing, question: &Question, answer: &Answer) -> Result<(), Unfit> {
    let name = question.name();
    match answer {
        Answer::Failed(Failure::Timeout) => Err(Unfit::Silent(format!("no answer for {name}"))),
        Answer::Failed(_) => Err(Unfit::Silent(format!("the name server fails for {name}"))),
        _ if listing.read(answer) == Listed::Unknown => {
            Err(Unfit::Wrong(format!("it answers {name} with an error: {}", answer.shown())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::dns::{Kind, Records};

    fn question(name: &str) -> Question {
        Question::new(Kind::A, name).unwrap()
    }

    fn check(listed: &[&str], clean: &[&str], expected: &str) {
        let points = Points {
            listed: vec![question("2.0.0.127.zen.example.org")],
            clean: vec![question("1.0.0.127.zen.example.org")],
        };
        let answer = |codes: &[&str]| match codes {
            [] => Answer::None,
            ["silent"] => Answer::Failed(Failure::Timeout),
            codes => {
                let codes = codes.iter().map(|code| code.parse().unwrap()).collect();
                Answer::Found(Rc::new(Records::Addresses(codes)))
            }
        };
        let judged = points.judge(&Listing::default(), |question| {
            answer(if question.name().starts_with('2') { listed } else { clean })
        });
        let shown = match judged {
            Ok(()) => String::from("fit"),
            Err(Unfit::Silent(reason)) => format!("silent: {reason}"),
            Err(Unfit::Wrong(reason)) => format!("wrong: {reason}"),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_list_has_one_test_point_and_not_the_other() {
        check(&["127.0.0.2"], &[], "fit");
        check(&["127.0.0.2", "127.0.0.10"], &[], "fit");
        check(&["silent"], &[], "silent: no answer for 2.0.0.127.zen.example.org");
        check(&["127.0.0.2"], &["silent"], "silent: no answer for 1.0.0.127.zen.example.org");
        check(
            &["127.0.0.2"],
            &["127.0.0.2"],
            "wrong: it lists 1.0.0.127.zen.example.org, which no list may (127.0.0.2): it lists everything",
        );
        check(
            &[],
            &[],
            "wrong: it does not list 2.0.0.127.zen.example.org, which every list must: it lists nothing, or has another test point",
        );
        check(
            &["127.255.255.254"],
            &["127.255.255.254"],
            "wrong: it answers 1.0.0.127.zen.example.org with an error: 127.255.255.254",
        );
        // A domain that was parked: every name leads to a host that shows advertisements.
        check(
            &["192.0.2.80"],
            &["192.0.2.80"],
            "wrong: it answers 1.0.0.127.zen.example.org with an error: 192.0.2.80",
        );
    }

    fn is_suspected(health: &Health) -> bool {
        let mut waiting = std::pin::pin!(health.suspicion.notified());
        waiting.as_mut().enable()
    }

    #[test]
    fn what_shards_see_calls_for_a_probe() {
        let health = Health::default();
        for _ in 1..DNSBL_WINDOW {
            health.count(Some(true));
        }
        assert!(!is_suspected(&health));
        health.count(Some(true));
        assert!(is_suspected(&health), "nearly all are listed");
        for number in 0..DNSBL_WINDOW {
            health.count(Some(number % 2 == 0));
        }
        assert!(!is_suspected(&health), "half are listed");
        for _ in 0..DNSBL_FAILURES_IN_A_ROW {
            assert!(!health.has_failed());
            health.count(None);
        }
        assert!(is_suspected(&health) && health.has_failed(), "nothing is answered");
        health.count(Some(false));
        assert!(!health.has_failed(), "an answer");
    }

    #[test]
    fn a_change_is_told_once() {
        let health = Health::default();
        assert!(!health.set(Ok(())), "it was good from the start");
        assert!(health.set(Err(String::from("dead"))));
        assert!(!health.set(Err(String::from("still dead"))));
        assert!(health.is_off());
        assert_eq!(health.reason().as_deref(), Some("still dead"));
        assert!(health.set(Ok(())));
        assert_eq!((health.is_off(), health.reason()), (false, None));
    }
}
