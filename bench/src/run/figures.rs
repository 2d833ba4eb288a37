//! What nodes cost while loads ran, and the curve of latencies.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sources::{Source, of_summaries};
use super::stage::Stage;
use crate::cpu::Cpu;
use crate::scenario::{Figures, Load, Scenario};
use crate::source;
use crate::value::real;

/// Percentiles of the curve: the nearer to 100, the closer together.
const CURVE: &[f64] = &[
    0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 55.0, 60.0, 65.0, 70.0, 75.0, 80.0, 85.0, 90.0, 92.5, 95.0, 96.0,
    97.0, 98.0, 99.0, 99.3, 99.5, 99.7, 99.9, 99.95, 99.99, 99.999, 100.0,
];

/// A connection that carries so many messages is a kept one.
const KEPT_MIN: f64 = 10.0;

/// What the nodes used while one load ran.
#[derive(Debug)]
pub(super) struct Cost {
    /// By node, in the order of the scenario.
    began: Vec<Began>,
    used: Option<Vec<Used>>,
}

#[derive(Debug)]
struct Began {
    cpu: Cpu,
    threads: Threads,
    rss_bytes: u64,
}

/// CPU by thread.
type Threads = BTreeMap<u32, Duration>;

#[derive(Clone, Copy, Debug)]
struct Used {
    cpu: Cpu,
    /// Of the thread that used most.
    busiest: Duration,
    rss_before_bytes: u64,
    rss_peak_bytes: u64,
    rss_after_bytes: u64,
}

impl Cost {
    /// From here on.
    pub(super) fn begin(stage: &mut Stage<'_>) -> Self {
        let began = stage.standing.iter_mut().map(|standing| {
            let cpu = standing.meter.read();
            let rss_bytes = standing.meter.rss_bytes;
            standing.meter.rss_peak_bytes = rss_bytes;
            Began { cpu, threads: standing.meter.threads(), rss_bytes }
        });
        Self { began: began.collect(), used: None }
    }

    /// The load has ended; once.
    pub(super) fn end(&mut self, stage: &mut Stage<'_>) {
        if self.used.is_some() {
            return;
        }
        let used = stage.standing.iter_mut().zip(&self.began).map(|(standing, began)| Used {
            cpu: standing.meter.read().since(&began.cpu),
            busiest: busiest(&began.threads, &standing.meter.threads()),
            rss_before_bytes: began.rss_bytes,
            rss_peak_bytes: standing.meter.rss_peak_bytes,
            rss_after_bytes: standing.meter.rss_bytes,
        });
        self.used = Some(used.collect());
    }
}

fn busiest(before: &Threads, after: &Threads) -> Duration {
    let used =
        after.iter().map(|(id, used)| used.saturating_sub(before.get(id).copied().unwrap_or_default()));
    used.max().unwrap_or_default()
}

/// Adds the costs of each node over the `whole` time, and of the measured one for each load.
pub(super) fn add_costs<'a>(
    whole: &Cost,
    costs: &[Cost],
    sources: &(impl Iterator<Item = &'a Source> + Clone),
    scenario: &Scenario,
    figures: &mut Figures,
) {
    let measured = scenario.measured.as_ref().map(|measured| measured.node.as_str());
    let names = || scenario.nodes.iter().map(|node| node.name.as_str());
    for (cost, source) in costs.iter().zip(sources.clone()) {
        let of_load = source.figures();
        for (name, used) in names().zip(cost.used.iter().flatten()) {
            if measured == Some(name) {
                used.put(&of_load, &format!("{}.", source.name), figures);
            }
        }
    }
    let of_all = figures.clone();
    for (index, (name, used)) in names().zip(whole.used.iter().flatten()).enumerate() {
        let own = own_figures(name, sources.clone(), scenario);
        // Each load watched for its own peak.
        let peaks = costs.iter().filter_map(|cost| Some(cost.used.as_ref()?.get(index)?.rss_peak_bytes));
        let used = Used { rss_peak_bytes: peaks.max().unwrap_or_default().max(used.rss_peak_bytes), ..*used };
        if measured == Some(name) {
            used.put(own.as_ref().unwrap_or(&of_all), "", figures);
        }
        used.put(own.as_ref().unwrap_or(&of_all), &format!("{name}."), figures);
    }
}

/// The figures of the loads that go to this node, where others go elsewhere; a node to which none goes works for all.
fn own_figures<'a>(
    name: &str,
    sources: impl Iterator<Item = &'a Source> + Clone,
    scenario: &Scenario,
) -> Option<Figures> {
    let goes_there = |load: &&Load| load.to == name;
    let loads = || scenario.loads.iter();
    if loads().all(|load| goes_there(&load)) || !loads().any(|load| goes_there(&load)) {
        return None;
    }
    let own: Vec<&str> = loads().filter(goes_there).map(|load| load.name.as_str()).collect();
    Some(of_summaries(sources.filter(|source| own.contains(&source.name.as_str()))))
}

impl Used {
    /// Adds it to the figures, with this before each name.
    fn put(&self, of_load: &Figures, prefix: &str, figures: &mut Figures) {
        let of = |name: &str| of_load.get(name).copied().unwrap_or_default();
        let (answered, connections) = (of("accepted") + of("refused"), of("connections"));
        let mut put = |name: &str, value: f64| figures.insert(format!("{prefix}{name}"), value);
        let total = self.cpu.total.as_secs_f64();
        if answered > 0.0 {
            put("cpu_us_per_message", total * 1e6 / answered);
        }
        let ticks = self.cpu.user_ticks + self.cpu.system_ticks;
        if ticks > 0 {
            put("cpu_user_percent", 100.0 * real(self.cpu.user_ticks) / real(ticks));
        }
        if total > 0.0 {
            put("cpu_busiest_thread_percent", 100.0 * self.busiest.as_secs_f64() / total);
        }
        if of("seconds") > 0.0 {
            put("cpu_cores", total / of("seconds"));
        }
        put("rss_before_bytes", real(self.rss_before_bytes));
        put("rss_peak_bytes", real(self.rss_peak_bytes));
        put("rss_after_bytes", real(self.rss_after_bytes));
        // Of connections that come and go, none has memory of its own.
        if connections > 0.0 && (answered <= 0.0 || answered >= KEPT_MIN * connections) {
            let more = self.rss_peak_bytes.saturating_sub(self.rss_before_bytes);
            put("rss_bytes_per_connection", real(more) / connections);
        }
    }
}

/// Latencies of all sources by percentile.
pub(super) fn curve<'a>(sources: impl Iterator<Item = &'a Source>) -> Vec<(f64, f64)> {
    let mut latency = source::histogram();
    for source in sources {
        // Both have the same bounds.
        let _same = latency.add(source.latency());
    }
    if latency.is_empty() {
        return Vec::new();
    }
    CURVE.iter().map(|percentile| (*percentile, real(latency.value_at_percentile(*percentile)))).collect()
}
