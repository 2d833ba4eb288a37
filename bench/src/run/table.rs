//! A run for a human.

use std::fmt::Write as _;

use crate::result::{Outcome, Run};
use crate::scenario::{Figures, Scenario};
use crate::value::real;

/// Most events that are shown; of more, only the number is.
const EVENTS_SHOWN_MAX: usize = 20;

/// All of it.
pub(super) fn of_run(scenario: &Scenario, outcome: &Outcome) -> String {
    let mut text = format!("{}: {}\n", outcome.scenario, scenario.about);
    let versions: Vec<&str> = outcome.place.versions.values().map(String::as_str).collect();
    let (seconds, warm_up) = (scenario.lasts().as_secs_f64(), scenario.warm_up.as_secs_f64());
    // Writing to a string does not fail, here and below.
    _ = writeln!(text, "{seconds:.1} s after {warm_up:.1} s of warm-up; {}", versions.join(", "));
    _ = writeln!(text, "{}; {}\n", outcome.place.machine, outcome.place.date);
    for run in &outcome.runs {
        loads(&mut text, scenario, run);
        nodes(&mut text, scenario, run);
        fates(&mut text, scenario, run);
        events(&mut text, run);
        expectations(&mut text, run);
    }
    text
}

fn figure(figures: &Figures, name: &str) -> f64 {
    figures.get(name).copied().unwrap_or(f64::NAN)
}

/// A latency in microseconds, readable.
pub(crate) fn latency(us: f64) -> String {
    match us {
        us if us.is_nan() => "-".into(),
        us if us < 1000.0 => format!("{us:.0} us"),
        us if us < 1e6 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

fn loads(text: &mut String, scenario: &Scenario, run: &Run) {
    let titles = ["load", "accepted", "messages/s", "refused", "p50", "p90", "p99", "p99.9", "max"];
    let mut rows = vec![titles.map(str::to_owned)];
    let mut prefixes: Vec<(&str, String)> = match scenario.loads.as_slice() {
        [load] => vec![(load.name.as_str(), String::new())],
        loads => loads.iter().map(|load| (load.name.as_str(), format!("{}.", load.name))).collect(),
    };
    if scenario.loads.len() > 1 {
        prefixes.push(("all", String::new()));
    }
    for (name, prefix) in prefixes {
        let of = |figure_name: &str| figure(&run.figures, &format!("{prefix}{figure_name}"));
        let [p50, p90, p99, p999, max] = ["p50", "p90", "p99", "p999", "max"]
            .map(|quantile| latency(of(&format!("latency_{quantile}_us"))));
        let [accepted, rate, refused] =
            ["accepted", "messages_per_second", "refused"].map(|name| format!("{:.0}", of(name)));
        rows.push([name.to_owned(), accepted, rate, refused, p50, p90, p99, p999, max]);
    }
    columns(text, &rows);
}

fn nodes(text: &mut String, scenario: &Scenario, run: &Run) {
    let mut rows =
        vec![["node", "CPU us/message", "user", "cores busy", "memory peak MiB"].map(str::to_owned)];
    for node in &scenario.nodes {
        let of = |name: &str| figure(&run.figures, &format!("{}.{name}", node.name));
        let peak = of("rss_peak_bytes");
        if peak > 0.0 {
            let user = of("cpu_user_percent");
            rows.push([
                node.name.clone(),
                format!("{:.1}", of("cpu_us_per_message")),
                if user.is_nan() { "-".into() } else { format!("{user:.0} %") },
                format!("{:.2}", of("cpu_cores")),
                format!("{:.1}", peak / real(1 << 20)),
            ]);
        }
    }
    columns(text, &rows);
}

/// What became of the messages: whatever is not nothing, and what must be nothing.
fn fates(text: &mut String, scenario: &Scenario, run: &Run) {
    let sum = |name: &str| run.figures.get(name).copied().unwrap_or_default();
    let mut fates = Vec::new();
    if scenario.has_sinks() {
        for name in ["lost", "doubled", "altered", "out_of_envelope"] {
            fates.push(format!("{} {}", name.replace('_', " "), sum(name)));
        }
    }
    let names =
        ["unsure", "not_taken", "dropped", "talkers", "talkers_refused", "unknown_sent", "unknown_refused"];
    let also = names.into_iter().chain(["slow_accepted", "unmarked", "foreign", "fate_unsure"]);
    let codes = run.figures.keys().map(String::as_str).filter(|name| name.starts_with("refused_"));
    for name in also.chain(codes).filter(|name| sum(name) > 0.0) {
        fates.push(format!("{} {}", name.replace('_', " "), sum(name)));
    }
    if !fates.is_empty() {
        _ = writeln!(text, "{}\n", fates.join(", "));
    }
}

fn events(text: &mut String, run: &Run) {
    for event in run.events.iter().take(EVENTS_SHOWN_MAX) {
        _ = writeln!(text, "{:8.2} s  {}", event.seconds, event.what);
    }
    if run.events.len() > EVENTS_SHOWN_MAX {
        _ = writeln!(text, "... {} events in all", run.events.len());
    }
    if !run.events.is_empty() {
        text.push('\n');
    }
}

fn expectations(text: &mut String, run: &Run) {
    let width = run.expectations.iter().map(|one| one.text.len()).max().unwrap_or_default();
    for one in &run.expectations {
        let word = if one.met { "ok  " } else { "FAIL" };
        // Whole numbers without a point.
        let digits = usize::from(one.found.fract().abs() > 0.0);
        _ = writeln!(text, "{word}  {:width$}  found {:.digits$}", one.text, one.found);
    }
}

/// Rows in columns: the first to the left, numbers to the right.
pub(crate) fn columns<const N: usize>(text: &mut String, rows: &[[String; N]]) {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let mut line = String::new();
        for (index, (width, cell)) in widths.iter().zip(row).enumerate() {
            _ = if index == 0 { write!(line, "{cell:width$}") } else { write!(line, "  {cell:>width$}") };
        }
        _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut text = String::new();
        columns(&mut text, &[["a", "b"], ["long", "7"], ["c", "100"]].map(|row| row.map(str::to_owned)));
        assert_eq!(text, "a       b\nlong    7\nc     100\n\n");
        assert_eq!([0.5, 999.0, 1500.0, 2e6].map(latency), ["0 us", "999 us", "1.50 ms", "2.00 s"]);
    }
}
