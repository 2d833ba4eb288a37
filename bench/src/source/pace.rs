//! When messages are meant to start in an open loop, whatever the server does.
//!
//! A thread sleeps until each intended start, more exactly than the timers of the ring's runtime, and sends a byte for each
//! message through a pair of sockets.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::value::{duration, real};

/// Most arrivals in a second.
const RATE_MAX: f64 = 1_000_000.0;
/// Most steps of a schedule.
const STEPS_MAX: usize = 1000;
/// Arrivals that were missed together are told in stretches of so many.
const BURST: usize = 1024;

/// A rate that may rise or fall in steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rate {
    /// Arrivals per second, and for how long; the last step of a fixed rate has no end.
    steps: Vec<(f64, Option<Duration>)>,
}

impl std::str::FromStr for Rate {
    type Err = String;

    /// `500` or `100..1000/100:10s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || {
            format!(
                "`{text}` is no rate: write messages per second, such as 500, or steps FROM..TO/STEP:TIME, such as 100..1000/100:10s"
            )
        };
        let number = |text: &str| {
            let rate = text.parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate <= RATE_MAX);
            rate.ok_or_else(wanted)
        };
        let Some((from, rest)) = text.split_once("..") else {
            return Ok(Self { steps: vec![(number(text)?, None)] });
        };
        let (to, rest) = rest.split_once('/').ok_or_else(wanted)?;
        let (step, time) = rest.split_once(':').ok_or_else(wanted)?;
        let (from, to, step, time) = (number(from)?, number(to)?, number(step)?, duration(time)?);
        if time.is_zero() {
            return Err(wanted());
        }
        let direction = if from < to { step } else { -step };
        // With a tolerance for what does not divide evenly in binary.
        let is_within = |rate: &f64| (rate - from).abs() < (to - from).abs() + step * 1e-6 && *rate > 0.0;
        let rates = (0_u64..).map(|n| from + direction * real(n)).take_while(is_within);
        let steps: Vec<_> = rates.take(STEPS_MAX + 1).map(|rate| (rate, Some(time))).collect();
        if steps.len() > STEPS_MAX {
            return Err(format!("`{text}` has more than {STEPS_MAX} steps"));
        }
        Ok(Self { steps })
    }
}

impl Rate {
    /// The intended starts, counted from the beginning.
    pub(super) fn starts(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let mut begin = 0.0;
        self.steps.clone().into_iter().flat_map(move |(rate, time)| {
            let from = begin;
            let length = time.map_or(f64::INFINITY, |time| time.as_secs_f64());
            begin += length;
            (0_u64..)
                .map(move |n| real(n) / rate)
                .take_while(move |at| *at < length)
                .map(move |at| Duration::try_from_secs_f64(from + at).unwrap_or(Duration::MAX))
        })
    }
}

/// Sends a byte for each start that has come, until there are no more, or nobody listens.
pub(super) fn tick(
    starts: impl Iterator<Item = Duration> + Send + 'static,
    began: Instant,
) -> std::io::Result<UnixStream> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let pace = move || {
        let mut starts = starts.peekable();
        while let Some(next) = starts.peek() {
            if let Some(wait) = next.checked_sub(began.elapsed()) {
                thread::sleep(wait);
            }
            let now = began.elapsed();
            let due = std::iter::from_fn(|| starts.next_if(|start| *start <= now)).take(BURST).count();
            if ours.write_all(&vec![0; due]).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name(String::from("pace")).spawn(pace)?;
    Ok(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn starts(text: &str, count: usize) -> Vec<u128> {
        text.parse::<Rate>().unwrap().starts().take(count).map(|start| start.as_millis()).collect()
    }

    #[test]
    fn starts_follow_the_rate() {
        assert_eq!(starts("500", 4), [0, 2, 4, 6]);
        assert_eq!(starts("10..20/10:200ms", 9), [0, 100, 200, 250, 300, 350]);
        assert_eq!(starts("10..29/10:100ms", 9), [0, 100, 150], "10 and 20");
        assert_eq!(starts("20..10/10:100ms", 9), [0, 50, 100]);
        for wrong in ["0", "-1", "fast", "10..20", "10..20/5", "10..20/0:1s", "1..100000/1:1s", "10..20/5:5"]
        {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_byte_for_each_start() {
        let rate: Rate = "2000".parse().unwrap();
        let began = Instant::now();
        let mut ticks = tick(rate.starts().take(50), began).unwrap();
        let mut bytes = Vec::new();
        ticks.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 50);
        assert!(began.elapsed() >= Duration::from_micros(24_500), "not before they were meant to");
    }
}
