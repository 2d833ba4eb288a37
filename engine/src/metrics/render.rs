//! The text of the page.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use super::{Family, Kind, Metric, Series};

/// Writes one metric with all its series. A metric without series is left out.
pub(super) fn family(family: &Family, page: &mut String) {
    if family.series.is_empty() {
        return;
    }
    let Metric { name, help, kind, .. } = family.metric;
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram { .. } | Kind::Timer => "histogram",
    };
    // Writing to a String cannot fail; so below.
    let _infallible = write!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    for (values, series) in &family.series {
        let labels = labels(family.metric.labels, values);
        match series {
            Series::Numbers { past, cells } => {
                let sum = cells.iter().map(|cell| cell.value()).fold(*past, i64::wrapping_add);
                line(page, name, "", &labels, "", sum);
            }
            Series::Pulled(value) => line(page, name, "", &labels, "", value()),
            Series::Buckets { .. } => histogram(page, name, &labels, series),
        }
    }
}

/// One sample; `extra` is a label more.
fn line(
    page: &mut String,
    name: &str,
    suffix: &str,
    labels: &str,
    extra: &str,
    value: impl std::fmt::Display,
) {
    let comma = if labels.is_empty() || extra.is_empty() { "" } else { "," };
    let _infallible = if labels.is_empty() && extra.is_empty() {
        writeln!(page, "{name}{suffix} {value}")
    } else {
        writeln!(page, "{name}{suffix}{{{labels}{comma}{extra}}} {value}")
    };
}

fn histogram(page: &mut String, name: &str, labels: &str, series: &Series) {
    let Series::Buckets { past, cells } = series else { return };
    let parts = || std::iter::once(&**past).chain(cells.iter().map(|cell| &**cell));
    let mut total = 0;
    for place in 0..=past.bounds.len() {
        total += parts()
            .filter_map(|part| part.counts.get(place))
            .map(|count| count.load(Ordering::Relaxed))
            .sum::<u64>();
        let bound =
            past.bounds.get(place).map_or_else(|| "+Inf".to_owned(), |bound| scaled(*bound, past.scale));
        line(page, name, "_bucket", labels, &format!("le=\"{bound}\""), total);
    }
    let sum = parts().map(|part| part.sum.load(Ordering::Relaxed)).fold(0, i64::wrapping_add);
    line(page, name, "_sum", labels, "", scaled(sum, past.scale));
    line(page, name, "_count", labels, "", total);
}

/// A fixed-point number in full, without the rounding of floats: 2500 of scale 1000 is `2.5`.
fn scaled(value: i64, scale: u32) -> String {
    let (whole, part) = (value.unsigned_abs() / u64::from(scale), value.unsigned_abs() % u64::from(scale));
    let sign = if value < 0 { "-" } else { "" };
    if part == 0 {
        return format!("{sign}{whole}");
    }
    let digits = usize::try_from(scale.ilog10()).unwrap_or_default();
    let part = format!("{part:0digits$}");
    format!("{sign}{whole}.{}", part.trim_end_matches('0'))
}

/// `listener="mx",rule="ZEN"`, escaped as the format wants it.
fn labels(names: &[&str], values: &[String]) -> String {
    let mut text = String::new();
    for (name, value) in names.iter().zip(values) {
        let comma = if text.is_empty() { "" } else { "," };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _infallible = write!(text, "{comma}{name}=\"{value}\"");
    }
    text
}
