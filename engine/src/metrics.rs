//! Counters, gauges and histograms, in Prometheus text.
//!
//! Layer 0. A metric is one entry of [`names`]. Whoever counts asks the [`Registry`] once, when a shard starts or a
//! generation is loaded, and gets a cell that is its own: shards never write to the same memory. The page adds the
//! cells up. Label values come from rule files (names of rules, listeners, pools), never from peers.

mod cell;
pub mod names;
mod render;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram as Quantiles;

use cell::{Buckets, Number};
pub use cell::{Counter, Gauge, Histogram, Timer};

use crate::limits::METRIC_SERIES_MAX;

/// A metric's entry.
#[derive(Debug)]
pub struct Metric {
    /// Its name, with the unit, `_total` when it counts.
    pub name: &'static str,
    /// What it says, in one sentence.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it is.
    pub kind: Kind,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down; the sum of its cells.
    Gauge,
    /// Counts values in buckets with these upper bounds, of which `scale` are 1 on the page.
    Histogram {
        /// The upper bounds, rising.
        bounds: &'static [i64],
        /// The number of units that is shown as 1.
        scale: u32,
    },
    /// A histogram of times; also keeps exact quantiles for [`Registry::quantiles`].
    Timer,
}

/// All metrics of the process.
#[derive(Default)]
pub struct Registry {
    families: Mutex<BTreeMap<&'static str, Family>>,
}

struct Family {
    metric: &'static Metric,
    series: BTreeMap<Vec<String>, Series>,
}

/// What has been counted under one set of labels.
enum Series {
    Numbers {
        /// What cells counted that are no more.
        past: i64,
        cells: Vec<Arc<Number>>,
    },
    Buckets {
        past: Box<Buckets>,
        cells: Vec<Arc<Buckets>>,
    },
    /// Asked for when the page is made.
    Pulled(Box<dyn Fn() -> f64 + Send>),
}

/// Quantiles of a timer, over all shards, since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The metric's name.
    pub name: &'static str,
    /// Its labels' values.
    pub labels: Vec<String>,
    /// How many times were measured.
    pub count: u64,
    /// The median.
    pub p50: Duration,
    /// 90 of 100 were at most this.
    pub p90: Duration,
    /// 99 of 100 were at most this.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Registry {
    /// A cell of a counter for one thread.
    ///
    /// # Panics
    /// When the entry is no counter, or the labels are not as many as it names.
    pub fn counter(&self, metric: &'static Metric, labels: &[&str]) -> Counter {
        assert_eq!(metric.kind, Kind::Counter, "{}", metric.name);
        Counter(self.number(metric, labels))
    }

    /// A cell of a gauge for one thread; the page shows the sum of all cells, and a cell that is dropped counts no more.
    ///
    /// # Panics
    /// When the entry is no gauge, or the labels are not as many as it names.
    pub fn gauge(&self, metric: &'static Metric, labels: &[&str]) -> Gauge {
        assert_eq!(metric.kind, Kind::Gauge, "{}", metric.name);
        Gauge(self.number(metric, labels))
    }

    /// A cell of a histogram for one thread.
    ///
    /// # Panics
    /// When the entry is no histogram, or the labels are not as many as it names.
    pub fn histogram(&self, metric: &'static Metric, labels: &[&str]) -> Histogram {
        assert!(matches!(metric.kind, Kind::Histogram { .. }), "{}", metric.name);
        Histogram(self.buckets(metric, labels))
    }

    /// A cell of a timer for one thread.
    ///
    /// # Panics
    /// When the entry is no timer, or the labels are not as many as it names.
    pub fn timer(&self, metric: &'static Metric, labels: &[&str]) -> Timer {
        assert_eq!(metric.kind, Kind::Timer, "{}", metric.name);
        Timer(self.buckets(metric, labels))
    }

    /// A counter or gauge whose value is asked for when the page is made. Replaces what was there.
    ///
    /// # Panics
    /// When the entry is no counter or gauge, or the labels are not as many as it names.
    pub fn pulled(&self, metric: &'static Metric, labels: &[&str], value: impl Fn() -> f64 + Send + 'static) {
        assert!(matches!(metric.kind, Kind::Counter | Kind::Gauge), "{}", metric.name);
        self.in_series(metric, labels, |series| *series = Series::Pulled(Box::new(value)));
    }

    /// Forgets what a metric has under all its labels: another generation of the rules has others.
    pub fn forget(&self, metric: &'static Metric) {
        self.lock().remove(metric.name);
    }

    fn number(&self, metric: &'static Metric, labels: &[&str]) -> Arc<Number> {
        let cell = Arc::new(Number::default());
        self.in_series(metric, labels, |series| {
            if let Series::Numbers { cells, .. } = series {
                cells.push(Arc::clone(&cell));
            }
        });
        cell
    }

    fn buckets(&self, metric: &'static Metric, labels: &[&str]) -> Arc<Buckets> {
        let cell = Arc::new(Buckets::new(metric.kind));
        self.in_series(metric, labels, |series| {
            if let Series::Buckets { cells, .. } = series {
                cells.push(Arc::clone(&cell));
            }
        });
        cell
    }

    /// Finds or makes the series. Does nothing when the metric has too many: the cell counts then for nobody.
    fn in_series(&self, metric: &'static Metric, labels: &[&str], change: impl FnOnce(&mut Series)) {
        assert_eq!(metric.labels.len(), labels.len(), "labels of {}", metric.name);
        let mut families = self.lock();
        let family =
            families.entry(metric.name).or_insert_with(|| Family { metric, series: BTreeMap::new() });
        let labels: Vec<String> = labels.iter().map(|&value| value.to_owned()).collect();
        if family.series.len() < METRIC_SERIES_MAX || family.series.contains_key(&labels) {
            change(family.series.entry(labels).or_insert_with(|| Series::new(metric.kind)));
        }
    }

    /// Nothing that holds this lock can panic half-way through a change, so a poisoned lock guards sound data.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page: Prometheus text format 0.0.4, sorted by name and labels.
    pub fn render(&self) -> String {
        let mut families = self.lock();
        let mut page = String::new();
        for family in families.values_mut() {
            family.fold();
            render::family(family, &mut page);
        }
        page
    }

    /// The quantiles of all timers, for `weir ctl show stat`.
    pub fn quantiles(&self) -> Vec<Summary> {
        let mut families = self.lock();
        let timers = families.values_mut().filter(|family| family.metric.kind == Kind::Timer);
        timers
            .flat_map(|family| {
                family.fold();
                family.series.iter().filter_map(|(labels, series)| series.summary(family.metric.name, labels))
            })
            .collect()
    }
}

impl Family {
    /// Adds what finished cells have counted to the past, and forgets them.
    fn fold(&mut self) {
        for series in self.series.values_mut() {
            series.fold(self.metric.kind);
        }
        if self.metric.kind == Kind::Gauge {
            self.series
                .retain(|_, series| !matches!(series, Series::Numbers { cells, .. } if cells.is_empty()));
        }
    }
}

impl Series {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Counter | Kind::Gauge => Self::Numbers { past: 0, cells: Vec::new() },
            Kind::Histogram { .. } | Kind::Timer => {
                Self::Buckets { past: Box::new(Buckets::new(kind)), cells: Vec::new() }
            }
        }
    }

    fn fold(&mut self, kind: Kind) {
        match self {
            Self::Pulled(_) => {}
            Self::Numbers { past, cells } => cells.retain(|cell| {
                let alive = Arc::strong_count(cell) > 1;
                if !alive && kind == Kind::Counter {
                    *past += cell.value();
                }
                alive
            }),
            Self::Buckets { past, cells } => cells.retain(|cell| {
                let alive = Arc::strong_count(cell) > 1;
                if !alive {
                    past.add(cell);
                }
                alive
            }),
        }
    }

    fn summary(&self, name: &'static str, labels: &[String]) -> Option<Summary> {
        let Self::Buckets { past, cells } = self else { return None };
        let mut all: Quantiles<u64> = past.quantiles()?;
        for cell in cells {
            // All have the same bounds, so adding can't fail.
            let _same_bounds = cell.quantiles().map(|part| all.add(part));
        }
        let at = |quantile| Duration::from_micros(all.value_at_quantile(quantile));
        let (p50, p90, p99, max) = (at(0.5), at(0.9), at(0.99), Duration::from_micros(all.max()));
        Some(Summary { name, labels: labels.to_vec(), count: all.len(), p50, p90, p99, max })
    }
}

#[cfg(test)]
mod tests;
