//! What became of the load: counts, latencies, and the serials whose fate matters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::sample::Sample;
use crate::value::real;

/// Longest latency that is told apart, in microseconds: an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;
/// Significant digits of a latency.
const LATENCY_DIGITS: u8 = 3;
/// Most serials of each kind that the summary lists; more are only counted.
const SERIALS_LISTED_MAX: usize = 1000;

/// An empty histogram of latencies in microseconds.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_US_MAX, LATENCY_DIGITS).expect("the bounds are constants")
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Accepted,
    /// With this code; the server does not have the message.
    Refused(u16),
    /// We closed on purpose, before the dot.
    Dropped,
    /// The connection failed before the dot, or never came to be.
    NotTaken,
    /// No reply after the dot: the server may have the message or not.
    Unsure,
}

/// What an attempt was meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Slow,
    Unknown,
    Drop,
}

/// The book of a run.
pub(super) struct Tally {
    latency: Histogram<u64>,
    /// Of messages in this second, for the progress line and for samples.
    recent: Histogram<u64>,
    /// Accepted and failed when the last sample was taken.
    sampled: (u64, u64),
    codes: BTreeMap<u16, u64>,
    /// Serials that no server has: the next attempts use them again.
    free: BTreeSet<u64>,
    unsure: Vec<u64>,
    next_serial: u64,
    pub(super) attempts: u64,
    accepted: u64,
    refused: u64,
    dropped: u64,
    not_taken: u64,
    slow_accepted: u64,
    unknown_sent: u64,
    unknown_refused: u64,
    pub(super) connections: u64,
    pub(super) talkers: u64,
    pub(super) talkers_refused: u64,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            latency: histogram(),
            recent: histogram(),
            sampled: (0, 0),
            codes: BTreeMap::new(),
            free: BTreeSet::new(),
            unsure: Vec::new(),
            next_serial: 0,
            attempts: 0,
            accepted: 0,
            refused: 0,
            dropped: 0,
            not_taken: 0,
            slow_accepted: 0,
            unknown_sent: 0,
            unknown_refused: 0,
            connections: 0,
            talkers: 0,
            talkers_refused: 0,
        }
    }

    /// The serial of the next attempt: one that came to nothing before, or a new one. So serials have no gaps but those that the
    /// summary names.
    pub(super) fn serial(&mut self) -> u64 {
        if let Some(serial) = self.free.pop_first() {
            return serial;
        }
        self.next_serial += 1;
        self.next_serial - 1
    }

    /// Enters an attempt that took so long. Slow writers do not count for latencies: theirs is of their own making.
    pub(super) fn book(&mut self, serial: u64, kind: Kind, fate: &Fate, took: Duration) {
        self.unknown_sent += u64::from(kind == Kind::Unknown);
        match fate {
            Fate::Accepted => {
                self.accepted += 1;
                self.slow_accepted += u64::from(kind == Kind::Slow);
                if kind != Kind::Slow {
                    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                    self.latency.saturating_record(us);
                    self.recent.saturating_record(us);
                }
                return;
            }
            Fate::Unsure => return self.unsure.push(serial),
            Fate::Refused(code) => {
                self.refused += 1;
                self.unknown_refused += u64::from(kind == Kind::Unknown);
                *self.codes.entry(*code).or_default() += 1;
            }
            Fate::Dropped => self.dropped += 1,
            Fate::NotTaken => self.not_taken += 1,
        }
        self.free.insert(serial);
    }

    /// One line about the time since the last call.
    pub(super) fn progress(&mut self, since: Duration) -> String {
        let rate = real(self.recent.len()) / since.as_secs_f64();
        let p99 = self.recent.value_at_quantile(0.99);
        self.recent.reset();
        format!("{} accepted, {rate:.0}/s, p99 {}, {} not accepted", self.accepted, shown(p99), self.failed())
    }

    /// Attempts that were meant to be accepted and were not.
    fn failed(&self) -> u64 {
        self.refused + self.not_taken + self.unsure.len() as u64
    }

    /// What came since the last call.
    pub(super) fn sample(&mut self, seconds: f64) -> Sample {
        let (accepted, failed) = (self.accepted, self.failed());
        let (accepted_before, failed_before) = std::mem::replace(&mut self.sampled, (accepted, failed));
        let latency_us = self
            .recent
            .iter_recorded()
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect();
        self.recent.reset();
        Sample { seconds, accepted: accepted - accepted_before, failed: failed - failed_before, latency_us }
    }

    /// What is told at the end.
    pub(super) fn summary(&self, run: u64, started: Instant) -> Summary {
        let seconds = started.elapsed().as_secs_f64();
        let quantile = |q: f64| self.latency.value_at_quantile(q);
        let latency = json!({
            "p50": quantile(0.5), "p90": quantile(0.9), "p99": quantile(0.99), "p99.9": quantile(0.999),
            "max": self.latency.max(), "count": self.latency.len(),
        });
        let codes: BTreeMap<String, u64> =
            self.codes.iter().map(|(code, n)| (code.to_string(), *n)).collect();
        let listed = |serials: Vec<u64>| serials.into_iter().take(SERIALS_LISTED_MAX).collect::<Vec<_>>();
        Summary(json!({
            "run": format!("{run:016x}"), "attempts": self.attempts, "accepted": self.accepted,
            "refused": self.refused, "codes": codes, "unsure": self.unsure.len(), "not_taken": self.not_taken,
            "dropped": self.dropped, "slow_accepted": self.slow_accepted,
            "unknown_sent": self.unknown_sent, "unknown_refused": self.unknown_refused,
            "talkers": self.talkers, "talkers_refused": self.talkers_refused, "connections": self.connections,
            "seconds": seconds, "accepted_per_second": real(self.accepted) / seconds, "latency_us": latency,
            "serials": self.next_serial, "serials_undelivered": listed(self.free.iter().copied().collect()),
            "serials_unsure": listed(self.unsure.clone()),
        }))
    }
}

/// The end of a run, as JSON or for a human.
pub(super) struct Summary(pub(super) Value);

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = |name: &str| self.0.get(name).and_then(Value::as_u64).unwrap_or_default();
        let real = |name: &str| self.0.get(name).and_then(Value::as_f64).unwrap_or_default();
        let latency = |name: &str| {
            shown(self.0.pointer(&format!("/latency_us/{name}")).and_then(Value::as_u64).unwrap_or(0))
        };
        writeln!(
            f,
            "attempts {}, accepted {}, connections {}",
            number("attempts"),
            number("accepted"),
            number("connections")
        )?;
        writeln!(f, "{:.3} s, {:.0} accepted/s", real("seconds"), real("accepted_per_second"))?;
        let [p50, p90, p99, p999, max] = ["p50", "p90", "p99", "p99.9", "max"].map(latency);
        writeln!(f, "latency p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}, max {max}")?;
        let [refused, unsure, not_taken, dropped] = ["refused", "unsure", "not_taken", "dropped"].map(number);
        let codes = self.0.get("codes").map(Value::to_string).unwrap_or_default();
        write!(
            f,
            "refused {refused} {codes}, unsure {unsure}, not taken {not_taken}, dropped on purpose {dropped}"
        )?;
        if number("talkers") + number("unknown_sent") + number("slow_accepted") > 0 {
            let [talkers, refused] = ["talkers", "talkers_refused"].map(number);
            write!(f, "\ntalked before the greeting {talkers}, of which refused {refused}")?;
            let [sent, refused, slow] = ["unknown_sent", "unknown_refused", "slow_accepted"].map(number);
            write!(f, "\nunknown recipients {sent}, of which refused {refused}; slow and accepted {slow}")?;
        }
        Ok(())
    }
}

/// Microseconds, readable.
fn shown(us: u64) -> String {
    if us < 1000 { format!("{us} us") } else { format!("{:.2} ms", real(us) / 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_that_nobody_has_is_used_again_and_an_unsure_one_never() {
        let mut tally = Tally::new();
        let fates =
            [Fate::Accepted, Fate::Refused(450), Fate::Unsure, Fate::Dropped, Fate::Accepted, Fate::NotTaken];
        let serials: Vec<u64> = fates
            .iter()
            .map(|fate| {
                let serial = tally.serial();
                tally.book(serial, Kind::Plain, fate, Duration::from_millis(2));
                serial
            })
            .collect();
        assert_eq!(serials, [0, 1, 1, 2, 2, 3]);
        let Summary(summary) = tally.summary(1, Instant::now());
        assert_eq!(summary["serials_undelivered"], json!([3]));
        assert_eq!(summary["serials_unsure"], json!([1]));
        assert_eq!(summary["codes"], json!({ "450": 1 }));
        let p50 = summary["latency_us"]["p50"].as_u64().unwrap();
        assert!((1995..=2005).contains(&p50), "{p50}");
    }

    #[test]
    fn slow_writers_are_counted_apart() {
        let mut tally = Tally::new();
        tally.book(0, Kind::Slow, &Fate::Accepted, Duration::from_secs(9));
        let Summary(summary) = tally.summary(1, Instant::now());
        assert_eq!(
            (summary["accepted"].as_u64(), summary["latency_us"]["count"].as_u64()),
            (Some(1), Some(0))
        );
    }
}
