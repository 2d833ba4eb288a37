//! What became of the load: counts, latencies, and the serials whose fate matters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::samples::Sample;
use crate::figures::Unit;
use crate::report::alone;
use crate::value::real;

/// Longest latency that is told apart, in microseconds: an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;
/// Into how many steps each halving of the distance to 100 % is cut, and where the curve of latencies ends.
const CURVE_STEPS: f64 = 4.0;
const CURVE_END: f64 = 0.9999;
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
    /// Of messages since the last sample; not yet in `latency`.
    recent: Histogram<u64>,
    /// Accepted and failed when the last sample was read.
    sampled: (u64, u64),
    codes: BTreeMap<u16, u64>,
    /// Serials that no server has: the next attempts use them again.
    free: BTreeSet<u64>,
    unsure: Vec<u64>,
    next_serial: u64,
    pub(super) attempts: u64,
    pub(super) accepted: u64,
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

    /// Attempts that failed, but for those that we dropped on purpose.
    pub(super) fn failed(&self) -> u64 {
        self.refused + self.not_taken + self.unsure.len() as u64
    }

    /// What happened since the last call, `since` ago and `at` after the beginning.
    pub(super) fn sample(&mut self, at: Duration, since: Duration) -> Sample {
        let (accepted, failed) = (self.accepted - self.sampled.0, self.failed() - self.sampled.1);
        self.sampled = (self.accepted, self.failed());
        let latency_p99_us = real(self.recent.value_at_quantile(0.99));
        self.fold();
        let per_second = |count| real(count) / since.as_secs_f64().max(1e-9);
        Sample {
            seconds: at.as_secs_f64(),
            rate: per_second(accepted),
            latency_p99_us,
            failure_rate: per_second(failed),
        }
    }

    /// Adds the latencies of this interval to the others: once an interval, not once a message.
    fn fold(&mut self) {
        self.latency.add(&self.recent).expect("both have the same bounds");
        self.recent.reset();
    }

    /// Points of the curve of latencies, percentile and microseconds: each distance to 100 is halved in [`CURVE_STEPS`] steps, down to
    /// that of 99.99.
    fn curve(&self) -> Vec<(f64, f64)> {
        let quantile = |step: u32| 1.0 - 0.5_f64.powf(f64::from(step) / CURVE_STEPS);
        let steps = (0..).map(quantile).take_while(|quantile| *quantile < CURVE_END).chain([CURVE_END]);
        if self.latency.is_empty() {
            return Vec::new();
        }
        steps.map(|quantile| (quantile * 100.0, real(self.latency.value_at_quantile(quantile)))).collect()
    }

    /// The steps of the histogram that are not empty, and their counts: several sources can be added up by them.
    fn steps(&self) -> Vec<(u64, u64)> {
        self.latency.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }

    /// What is told at the end.
    pub(super) fn summary(&mut self, run: u64, started: Instant, samples: &[Sample]) -> Summary {
        self.fold();
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
            "latency_curve_us": self.curve(), "latency_histogram_us": self.steps(), "samples": samples, "serials": self.next_serial, "serials_undelivered": listed(self.free.iter().copied().collect()),
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
            let us = self.0.pointer(&format!("/latency_us/{name}")).and_then(Value::as_f64);
            alone(Unit::Micros, us.unwrap_or(0.0))
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
        let Summary(summary) = tally.summary(1, Instant::now(), &[]);
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
        let Summary(summary) = tally.summary(1, Instant::now(), &[]);
        assert_eq!(
            (summary["accepted"].as_u64(), summary["latency_us"]["count"].as_u64()),
            (Some(1), Some(0))
        );
    }

    #[test]
    fn samples_and_the_curve_have_every_message_once() {
        let mut tally = Tally::new();
        let second = Duration::from_secs(1);
        for ms in 1..=100 {
            tally.book(0, Kind::Plain, &Fate::Accepted, Duration::from_millis(ms));
        }
        tally.book(0, Kind::Plain, &Fate::Refused(450), second);
        let first = tally.sample(second * 2, second * 2);
        assert_eq!((first.seconds, first.rate, first.failure_rate), (2.0, 50.0, 0.5));
        assert!((98_900.0..99_200.0).contains(&first.latency_p99_us), "{first:?}");
        let second = tally.sample(second * 3, second);
        assert_eq!((second.rate, second.latency_p99_us, second.failure_rate), (0.0, 0.0, 0.0));
        tally.book(0, Kind::Plain, &Fate::Accepted, Duration::from_millis(200));
        let Summary(summary) = tally.summary(1, Instant::now(), &[first, second]);
        assert_eq!(summary["latency_us"]["count"], 101);
        assert_eq!(summary["samples"][0]["rate"], 50.0);
        let curve: Vec<(f64, f64)> = serde_json::from_value(summary["latency_curve_us"].clone()).unwrap();
        assert!(curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{curve:?}");
        let [first, last] = [curve[0], curve[curve.len() - 1]];
        assert_eq!((first.0, last.0), (0.0, 99.99));
        assert!((199_000.0..201_000.0).contains(&last.1), "{last:?}");
        let median = curve.iter().find(|point| point.0 >= 50.0).unwrap();
        assert!((49_000.0..53_000.0).contains(&median.1), "{median:?}");
    }
}
