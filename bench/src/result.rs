//! What a scenario or a comparison found, as `--json` prints it and `report` reads it.
//!
//! One [`Outcome`] a command; in it one [`Run`] for each server and round. Times are microseconds unless a name says otherwise,
//! sizes are bytes, and `BTreeMap`s keep the keys in one order, so that two files can be compared by eye.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of this form; another one is refused by its readers.
pub(crate) const FORMAT: u32 = 1;

/// All that one command found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// [`FORMAT`].
    pub(crate) format: u32,
    /// The scenario's name.
    pub(crate) scenario: String,
    /// What it shows, in a line.
    #[serde(default)]
    pub(crate) about: String,
    /// How it was run: time, load and cores.
    #[serde(default)]
    pub(crate) setup: Vec<String>,
    /// Where and when.
    pub(crate) place: Place,
    /// In the order in which they ran.
    pub(crate) runs: Vec<Run>,
}

/// The machine, the day and the program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    /// When it began, RFC 3339 in UTC.
    pub(crate) date: String,
    /// The commit of the source tree it was run in, with `+` for uncommitted changes; `None` outside of one.
    pub(crate) commit: Option<String>,
    /// Processor, cores, memory, kernel: one line.
    pub(crate) machine: String,
    /// The versions of the programs that were measured, by server.
    pub(crate) versions: BTreeMap<String, String>,
}

/// One server under one load, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// `weir`, or the peer's name.
    pub(crate) server: String,
    /// From 1 on; rounds of all servers alternate.
    pub(crate) round: u32,
    /// Single numbers by name; the name ends in its unit: `messages_per_second`, `cpu_us_per_message`, `latency_p99_us`,
    /// `rss_peak_bytes`, `syscalls_per_message`, `lost`, `doubled`, ...
    pub(crate) figures: BTreeMap<String, f64>,
    /// Latency by percentile (0 to 100), rising: points of the curve.
    pub(crate) latency_us: Vec<(f64, f64)>,
    /// What was read each second or so, for plots over time.
    pub(crate) samples: Vec<Sample>,
    /// What was done to the servers meanwhile.
    pub(crate) events: Vec<Event>,
    /// What was expected, and whether it was so.
    pub(crate) expectations: Vec<Expectation>,
}

/// One reading.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Since the load began.
    pub(crate) seconds: f64,
    /// Accepted messages per second since the reading before.
    pub(crate) rate: f64,
    /// Of the messages since the reading before.
    pub(crate) latency_p99_us: f64,
    /// Refused and failed attempts per second since then.
    pub(crate) failure_rate: f64,
    /// Cores that the server kept busy since then: 1.0 is one whole core.
    pub(crate) cpu_cores: f64,
    /// Resident memory of all its processes.
    pub(crate) rss_bytes: f64,
}

/// Something that was done at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Since the load began.
    pub(crate) seconds: f64,
    /// `reload mx`, `kill -9 scan1`.
    pub(crate) what: String,
}

/// A line of `expect` in a scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Expectation {
    /// As it was written: `lost = 0`.
    pub(crate) text: String,
    /// What was found; nothing when there was no such figure, as the latency of no message.
    pub(crate) found: Option<f64>,
    /// Whether it holds.
    pub(crate) met: bool,
}

/// Median and extremes of one figure over the rounds of one server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The smallest.
    pub(crate) min: f64,
    /// The middle one, or the mean of the two in the middle.
    pub(crate) median: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// Of these values; NaN if there is none.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let (below, above) = (at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2));
        Self { min: at(0), median: f64::midpoint(below, above), max: at(sorted.len().saturating_sub(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let spread = Spread::of([4.0, 1.0, 2.0, 10.0].into_iter());
        assert_eq!(spread, Spread { min: 1.0, median: 3.0, max: 10.0 });
    }
}
