//! Which plots a page has, and what is drawn in them.

use super::super::figure_table::{FigureTable, events, runs_of};
use super::super::number::{Scale, alone};
use super::axis::{Axis, nines, percentile_of};
use super::plot::{Inside, Plot, Style};
use super::strip::{Row, strip};
use crate::figures::{Good, Shown, Unit};
use crate::result::{Outcome, Run, Sample, Spread};
use crate::value::real;

/// Points of a line over time; longer ones are drawn by the means of their parts.
const POINTS_MAX: usize = 240;
/// Steps of a latency curve.
const CURVE_STEPS: u32 = 90;
/// An event that came more often has its number at its first mark only.
const NUMBERED_MAX: usize = 4;
/// Events with a number.
const EVENTS_MAX: usize = 24;
/// Marks of one event.
const MARKS_MAX: usize = 400;

/// A drawing with its words.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) note: String,
    pub(super) svg: String,
}

/// One outcome in the drawings.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) outcome: &'a Outcome,
    pub(super) is_before: bool,
}

/// A server in the drawings.
pub(super) struct Series<'a> {
    pub(super) style: Style,
    pub(super) name: String,
    runs: Vec<&'a Run>,
}

/// All servers of all sides; each server has one colour, and what was before is dashed.
pub(super) fn series<'a>(sides: &[Side<'a>]) -> Vec<Series<'a>> {
    let mut servers: Vec<String> = Vec::new();
    for side in sides {
        let table = FigureTable::of(side.outcome);
        let in_order = table.subject().into_iter().chain(table.others()).map(str::to_owned);
        for server in in_order.collect::<Vec<_>>() {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
    }
    let mut all = Vec::new();
    for (colour, server) in servers.iter().enumerate() {
        for side in sides {
            let runs = runs_of(side.outcome, server);
            if !runs.is_empty() {
                let when = match (sides.len(), side.is_before) {
                    (1, _) => "",
                    (_, true) => " before",
                    (_, false) => " after",
                };
                all.push(Series {
                    style: Style { colour, is_before: side.is_before, is_faint: false },
                    name: format!("{server}{when}"),
                    runs,
                });
            }
        }
    }
    all
}

impl Series<'_> {
    /// The round whose throughput is the middle one, which stands for all where only one can be drawn.
    fn middle(&self) -> Option<&Run> {
        let rate = |run: &Run| run.figures.get("messages_per_second").copied().unwrap_or(f64::NAN);
        let mut runs = self.runs.clone();
        runs.sort_by(|one, other| rate(one).total_cmp(&rate(other)));
        runs.get(runs.len().saturating_sub(1) / 2).copied()
    }
}

/// Events as they are marked: number, text, times.
pub(super) struct Marked {
    pub(super) what: String,
    pub(super) times: Vec<f64>,
}

/// The events of all sides, those of one text together, by their first time; and how many there was no place for.
pub(super) fn marked(sides: &[Side<'_>]) -> (Vec<Marked>, usize) {
    let mut all: Vec<Marked> = Vec::new();
    let mut left_out = 0;
    for (seconds, what) in sides.iter().rev().flat_map(|side| events(side.outcome)) {
        let is_full = all.len() >= EVENTS_MAX;
        match all.iter_mut().find(|marked| marked.what == what) {
            Some(marked) if marked.times.iter().any(|time| (time - seconds).abs() < 0.75) => {}
            Some(marked) if marked.times.len() < MARKS_MAX => marked.times.push(seconds),
            Some(_) => left_out += 1,
            None if is_full => left_out += 1,
            None => all.push(Marked { what, times: vec![seconds] }),
        }
    }
    (all, left_out)
}

/// Marks with their numbers, in the order of time.
fn marks(marked: &[Marked], factor: f64) -> Vec<(f64, Option<usize>, String)> {
    let mut all = Vec::new();
    for (index, event) in marked.iter().enumerate() {
        for (place, seconds) in event.times.iter().enumerate() {
            let has_number = place == 0 || event.times.len() <= NUMBERED_MAX;
            let text = format!("{} at {}", event.what, alone(Unit::Micros, seconds * 1e6));
            all.push((seconds / factor, has_number.then_some(index + 1), text));
        }
    }
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    all
}

/// Latency by percentile: the median over the rounds, and the rounds' extremes as a band.
pub(super) fn latency(series: &[Series<'_>]) -> Option<Chart> {
    let points = || series.iter().flat_map(|series| &series.runs).flat_map(|run| &run.latency_us);
    let inside = points().filter(|(percentile, latency)| *percentile < 100.0 && *latency > 0.0);
    let highest = inside.clone().map(|(percentile, _)| *percentile).fold(f64::NAN, f64::max);
    let (low, high) = inside
        .clone()
        .fold((f64::INFINITY, 0.0_f64), |(low, high), (_, latency)| (low.min(*latency), high.max(*latency)));
    if !highest.is_finite() {
        return None;
    }
    // The unit of the geometric middle, of which both ends are a handful away.
    let scale = Scale::of(Unit::Micros, std::iter::once((low * high).sqrt()));
    let frame = Inside::with_marks(false);
    let x = Axis::percentile(highest, frame.left, frame.right);
    let y = Axis::logarithmic(low / scale.factor, high / scale.factor, frame.bottom, frame.top);
    let mut plot = Plot::new(x, y, "latency by percentile");
    for series in series {
        let steps = (0..=CURVE_STEPS).map(|step| nines(highest) * f64::from(step) / f64::from(CURVE_STEPS));
        let spreads: Vec<(f64, Spread)> = steps
            .map(|at| (at, Spread::of(series.runs.iter().filter_map(|run| latency_at(run, at)))))
            .filter(|(_, spread)| spread.median.is_finite())
            .map(|(at, spread)| (percentile_of(at), spread))
            .collect();
        let line = |of: fn(&Spread) -> f64| -> Vec<(f64, f64)> {
            spreads.iter().map(|(x, spread)| (*x, of(spread) / scale.factor)).collect()
        };
        if series.runs.len() > 1 {
            plot.band(&line(|spread| spread.min), &line(|spread| spread.max), series.style);
        }
        plot.line(&line(|spread| spread.median), series.style, &series.name);
        for percentile in [50.0, 90.0, 99.0, 99.9, 99.99].into_iter().filter(|p| *p <= highest) {
            let at =
                Spread::of(series.runs.iter().filter_map(|run| latency_at(run, nines(percentile)))).median;
            if at.is_finite() {
                let name = format!("{}: {percentile} % within {}", series.name, alone(Unit::Micros, at));
                plot.dot(percentile, at / scale.factor, series.style, &name);
            }
        }
    }
    let note = format!("{}, by percent of the messages; log scales", scale.unit);
    Some(Chart { title: "Latency".into(), note, svg: plot.finish() })
}

/// The latency of a run at a percentile with so many nines, between its points on the scales of the plot.
fn latency_at(run: &Run, at: f64) -> Option<f64> {
    let points: Vec<(f64, f64)> = run
        .latency_us
        .iter()
        .filter(|(percentile, latency)| *percentile < 100.0 && *latency > 0.0)
        .map(|(percentile, latency)| (nines(*percentile), latency.ln()))
        .collect();
    let after = points.iter().position(|(x, _)| *x >= at - 1e-9)?;
    let (x1, y1) = points.get(after).copied()?;
    let Some((x0, y0)) = after.checked_sub(1).and_then(|before| points.get(before).copied()) else {
        return ((x1 - at).abs() < 1e-6).then(|| y1.exp());
    };
    let part = if x1 > x0 { (at - x0) / (x1 - x0) } else { 1.0 };
    Some((y0 + part * (y1 - y0)).exp())
}

/// A reading over time.
struct Reading {
    title: &'static str,
    unit: Unit,
    of: fn(&Sample) -> f64,
}

const READINGS: [Reading; 5] = [
    Reading { title: "Rate", unit: Unit::PerSecond, of: |sample| sample.rate },
    Reading { title: "p99 over time", unit: Unit::Micros, of: |sample| sample.latency_p99_us },
    Reading { title: "CPU", unit: Unit::Cores, of: |sample| sample.cpu_cores },
    Reading { title: "Memory", unit: Unit::Bytes, of: |sample| sample.rss_bytes },
    Reading { title: "Refused and failed", unit: Unit::PerSecond, of: |sample| sample.failure_rate },
];

/// What was read over time, with events marked. A reading that is 0 all the time is left out.
pub(super) fn over_time(series: &[Series<'_>], events: &[Marked]) -> Vec<Chart> {
    READINGS.iter().filter_map(|reading| time_chart(reading, series, events)).collect()
}

fn time_chart(reading: &Reading, series: &[Series<'_>], events: &[Marked]) -> Option<Chart> {
    let samples = || series.iter().flat_map(|series| &series.runs).flat_map(|run| &run.samples);
    let most =
        |of: fn(&Sample) -> f64| samples().map(of).filter(|value| value.is_finite()).fold(0.0, f64::max);
    let (high, long) = (most(reading.of), most(|sample| sample.seconds));
    if high <= 0.0 || long <= 0.0 {
        return None;
    }
    let scale = Scale::of(reading.unit, std::iter::once(high));
    let (time_factor, time_unit) = if long > 600.0 { (60.0, "minutes") } else { (1.0, "seconds") };
    let frame = Inside::with_marks(!events.is_empty());
    let x = Axis::linear(0.0, long / time_factor, frame.left, frame.right, 6);
    let y = Axis::from_zero(high / scale.factor, frame.bottom, frame.top, 4);
    let mut plot = Plot::new(x, y, reading.title);
    plot.marks(&marks(events, time_factor));
    for (series, is_faint) in series.iter().flat_map(|series| [(series, true), (series, false)]) {
        let middle = series.middle().map(|run| run.round);
        for run in series.runs.iter().filter(|run| (Some(run.round) == middle) != is_faint) {
            let points = thinned(run, reading.of);
            let points: Vec<(f64, f64)> =
                points.into_iter().map(|(x, y)| (x / time_factor, y / scale.factor)).collect();
            let name = format!("{}, round {}", series.name, run.round);
            plot.line(&points, Style { is_faint, ..series.style }, &name);
        }
    }
    let note = format!("{}; time in {time_unit}", words(reading.unit, &scale));
    Some(Chart { title: reading.title.into(), note, svg: plot.finish() })
}

/// The unit of a plot in words; empty for a count.
fn words(unit: Unit, scale: &Scale) -> &'static str {
    match unit {
        Unit::PerSecond => "per second",
        Unit::PerMessage => "per message",
        _ => scale.unit,
    }
}

/// A run's readings, at most [`POINTS_MAX`]. What is no number is left out.
fn thinned(run: &Run, of: fn(&Sample) -> f64) -> Vec<(f64, f64)> {
    let all: Vec<(f64, f64)> = run
        .samples
        .iter()
        .map(|sample| (sample.seconds, of(sample)))
        .filter(|(_, y)| y.is_finite())
        .collect();
    let part = all.len().div_ceil(POINTS_MAX).max(1);
    let mean = |part: &[(f64, f64)]| {
        let count = real(part.len() as u64);
        (part.iter().map(|(x, _)| x).sum::<f64>() / count, part.iter().map(|(_, y)| y).sum::<f64>() / count)
    };
    all.chunks(part).map(mean).collect()
}

/// Each figure that has a good side and is not the same in all rounds, by round.
pub(super) fn by_round(series: &[Series<'_>], figures: &[String]) -> Vec<Chart> {
    let worth = |figure: &&String| !matches!(Shown::of(figure).good, Good::Neither | Good::Zero);
    figures.iter().filter(worth).filter_map(|figure| round_chart(series, figure)).collect()
}

fn round_chart(series: &[Series<'_>], figure: &str) -> Option<Chart> {
    let values = |series: &Series<'_>| -> Vec<f64> {
        series
            .runs
            .iter()
            .filter_map(|run| run.figures.get(figure))
            .copied()
            .filter(|value| value.is_finite())
            .collect()
    };
    let all: Vec<f64> = series.iter().flat_map(values).collect();
    let (low, high) = all
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    if low >= high {
        return None;
    }
    let shown = Shown::of(figure);
    let scale = Scale::of(shown.unit, all.iter().copied());
    let rows: Vec<Row> = series
        .iter()
        .map(|series| Row {
            name: series.name.clone(),
            colour: series.style.colour,
            is_before: series.style.is_before,
            values: values(series).into_iter().map(|value| value / scale.factor).collect(),
        })
        .collect();
    let number = |value: f64| alone(shown.unit, value * scale.factor);
    let good = match shown.good {
        Good::Up => "more is better",
        _ => "less is better",
    };
    let unit = words(shown.unit, &scale);
    let comma = if unit.is_empty() { "" } else { ", " };
    Some(Chart {
        title: shown.label.clone(),
        note: format!("{unit}{comma}{good}"),
        svg: strip(&rows, &shown.label, number),
    })
}
