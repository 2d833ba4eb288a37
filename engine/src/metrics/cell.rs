//! What one thread counts.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram as Quantiles;

use super::Kind;

/// A number on a cache line of its own, so that threads that count don't disturb each other.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Number(AtomicI64);

impl Number {
    pub(super) fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One thread's part of a counter.
#[derive(Debug)]
pub struct Counter(pub(super) Arc<Number>);

impl Counter {
    /// Counts one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts `by` at once, such as bytes.
    pub fn add(&self, by: u64) {
        self.0.0.fetch_add(i64::try_from(by).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

/// One thread's part of a gauge.
#[derive(Debug)]
pub struct Gauge(pub(super) Arc<Number>);

impl Gauge {
    /// Sets this thread's part.
    pub fn set(&self, value: i64) {
        self.0.0.store(value, Ordering::Relaxed);
    }

    /// Moves this thread's part up, or down.
    pub fn add(&self, by: i64) {
        self.0.0.fetch_add(by, Ordering::Relaxed);
    }
}

/// Upper bounds of a timer's buckets in microseconds: from what a local pass takes to what RFC 5321 lets a peer take.
const TIMER_BOUNDS_US: &[i64] = &[
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
];
const TIMER_SCALE: u32 = 1_000_000;
/// The longest time that quantiles know, in microseconds: an hour.
const QUANTILE_US_MAX: u64 = 3_600_000_000;
/// Quantiles are exact to two digits.
const QUANTILE_DIGITS: u8 = 2;

/// Counts per bucket.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Buckets {
    pub(super) bounds: &'static [i64],
    pub(super) scale: u32,
    /// One for each bound, and one for what is above all.
    pub(super) counts: Box<[AtomicU64]>,
    pub(super) sum: AtomicI64,
    /// Locked by one thread, but for a moment when someone asks for quantiles.
    quantiles: Option<Mutex<Quantiles<u64>>>,
}

impl Buckets {
    pub(super) fn new(kind: Kind) -> Self {
        let (bounds, scale) = match kind {
            Kind::Histogram { bounds, scale } => (bounds, scale),
            Kind::Timer => (TIMER_BOUNDS_US, TIMER_SCALE),
            Kind::Counter | Kind::Gauge => (&[][..], 1),
        };
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        let quantiles = (kind == Kind::Timer)
            .then(|| Quantiles::new_with_bounds(1, QUANTILE_US_MAX, QUANTILE_DIGITS).ok().map(Mutex::new))
            .flatten();
        Self { bounds, scale, counts, sum: AtomicI64::new(0), quantiles }
    }

    fn observe(&self, value: i64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Adds what a finished cell has counted.
    pub(super) fn add(&self, other: &Self) {
        for (mine, theirs) in self.counts.iter().zip(&other.counts) {
            mine.fetch_add(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.sum.fetch_add(other.sum.load(Ordering::Relaxed), Ordering::Relaxed);
        if let (Some(mine), Some(theirs)) = (&self.quantiles, other.quantiles()) {
            // All have the same bounds, so adding can't fail.
            let _same_bounds = mine.lock().unwrap_or_else(PoisonError::into_inner).add(theirs);
        }
    }

    pub(super) fn quantiles(&self) -> Option<Quantiles<u64>> {
        let quantiles = self.quantiles.as_ref()?;
        Some(quantiles.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// One thread's part of a histogram.
#[derive(Debug)]
pub struct Histogram(pub(super) Arc<Buckets>);

impl Histogram {
    /// Counts a value, in the unit of the metric's bounds.
    pub fn observe(&self, value: i64) {
        self.0.observe(value);
    }
}

/// One thread's part of a histogram of times.
#[derive(Debug)]
pub struct Timer(pub(super) Arc<Buckets>);

impl Timer {
    /// Counts a time.
    pub fn observe(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).min(QUANTILE_US_MAX);
        self.0.observe(us.cast_signed());
        if let Some(quantiles) = &self.0.quantiles {
            quantiles.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(us);
        }
    }
}
