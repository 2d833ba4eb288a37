//! What is read of a load while it runs: rate, p99 and failures in each interval, for the progress line and for plots over time.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};

use super::Load;
use crate::Result;
use crate::figures::Unit;
use crate::report::alone;

/// Most samples that a summary has; later ones are only written to the file.
const SAMPLES_MAX: usize = 100_000;
/// An interval that the end cuts short gives a sample if it has at least this part of its length.
const LAST_INTERVAL_MIN: f64 = 0.1;

/// One reading. The names are those of the harness's results.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Since the load began.
    pub(crate) seconds: f64,
    /// Accepted messages per second since the reading before.
    pub(crate) rate: f64,
    /// Of the messages since the reading before, microseconds.
    pub(crate) latency_p99_us: f64,
    /// Refused and failed attempts per second since then.
    pub(crate) failure_rate: f64,
}

/// Where samples go.
pub(super) struct Samples {
    pub(super) list: Vec<Sample>,
    file: Option<Box<dyn Write>>,
    bar: ProgressBar,
}

impl Samples {
    /// With a progress line on a terminal, for a run of `messages` messages if that is known.
    pub(super) fn new(to: Option<&Path>, messages: Option<u64>) -> Result<Self> {
        let file: Option<Box<dyn Write>> = match to {
            None => None,
            Some(path) if path == Path::new("-") => Some(Box::new(io::stderr())),
            Some(path) => {
                let fault = |error| format!("{}: {error}", path.display());
                Some(Box::new(File::create(path).map_err(fault)?))
            }
        };
        // Two lines at the end of a terminal would draw over each other.
        let is_shown = io::stderr().is_terminal() && to.is_none_or(|path| path != Path::new("-"));
        let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(messages, target);
        let form = if messages.is_some() {
            "{elapsed_precise} {bar:24} {pos}/{len}, {msg}"
        } else {
            "{elapsed_precise} {pos} accepted, {msg}"
        };
        bar.set_style(ProgressStyle::with_template(form)?);
        Ok(Self { list: Vec::new(), file, bar })
    }

    fn add(&mut self, sample: Sample, accepted: u64, failed: u64) {
        self.bar.set_position(accepted);
        let p99 = alone(Unit::Micros, sample.latency_p99_us);
        self.bar.set_message(format!("{:.0}/s, p99 {p99}, {failed} not accepted", sample.rate));
        if let Some(file) = &mut self.file {
            let line = serde_json::to_string(&sample).unwrap_or_default();
            if let Err(error) = writeln!(file, "{line}") {
                eprintln!("weir-bench: samples are no longer written: {error}");
                self.file = None;
            }
        }
        if self.list.len() < SAMPLES_MAX {
            self.list.push(sample);
        }
    }

    /// Takes the progress line away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Load {
    /// Reads a sample in each interval, until it is aborted.
    pub(super) async fn sample_always(self: Rc<Self>) {
        let mut ticks = tokio::time::interval(self.options.sample_every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first tick comes at once.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            self.sample();
        }
    }

    fn sample(&self) {
        let since = self.sampled.replace(Instant::now()).elapsed();
        let mut tally = self.tally.borrow_mut();
        let sample = tally.sample(self.began.elapsed(), since);
        self.samples.borrow_mut().add(sample, tally.accepted, tally.failed());
    }

    /// The last interval, if there is enough of it or no other.
    pub(super) fn last_sample(&self) {
        let part = self.sampled.get().elapsed().as_secs_f64() / self.options.sample_every.as_secs_f64();
        if part >= LAST_INTERVAL_MIN || self.samples.borrow().list.is_empty() {
            self.sample();
        }
        self.samples.borrow().finish();
    }
}
