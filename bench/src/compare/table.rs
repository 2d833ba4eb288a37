//! A comparison for a human.

use std::fmt::Write as _;

use crate::result::{Outcome, Run, Spread};
use crate::run::table::{columns, latency};
use crate::scenario::Scenario;
use crate::value::real;

/// Figures whose ratio is told: name and title.
const RATIOS: &[(&str, &str)] = &[
    ("cpu_us_per_attempt", "CPU/message"),
    ("attempts_per_second", "messages/s"),
    ("latency_p50_us", "p50"),
    ("latency_p99_us", "p99"),
    ("rss_peak_bytes", "memory peak"),
    ("syscalls_per_message", "syscalls/message"),
];

fn of(run: &Run, name: &str) -> f64 {
    run.figures.get(name).copied().unwrap_or(f64::NAN)
}

/// A line about one round, as it ends.
pub(super) fn of_round(run: &Run) -> String {
    format!(
        "round {:<3} {:14} {:9.1} us/message {:9.0} messages/s   p99 {}",
        run.round,
        run.server,
        of(run, "cpu_us_per_attempt"),
        of(run, "attempts_per_second"),
        latency(of(run, "latency_p99_us"))
    )
}

/// All rounds: a table of medians, and one of ratios.
pub(super) fn of_all(scenario: &Scenario, outcome: &Outcome) -> String {
    let mut text = format!("{}: {}\n", outcome.scenario, scenario.about);
    let rounds = outcome.runs.iter().map(|run| run.round).max().unwrap_or_default();
    let loads: Vec<String> = scenario.loads.iter().map(|load| load.options.join(" ")).collect();
    // Writing to a string does not fail, here and below.
    _ = writeln!(
        text,
        "{rounds} rounds in turns of {:.1} s after {:.1} s of warm-up; load: {}",
        scenario.lasts().as_secs_f64(),
        scenario.warm_up.as_secs_f64(),
        loads.join(" | ")
    );
    let versions: Vec<String> =
        outcome.place.versions.iter().map(|(server, version)| format!("{server}: {version}")).collect();
    _ = writeln!(text, "{}\n{}; {}\n", versions.join("; "), outcome.place.machine, outcome.place.date);
    servers(&mut text, outcome);
    ratios(&mut text, outcome);
    text
}

/// The servers in the order in which they ran.
fn names(outcome: &Outcome) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for run in &outcome.runs {
        if !names.contains(&run.server.as_str()) {
            names.push(&run.server);
        }
    }
    names
}

fn spread(outcome: &Outcome, server: &str, figure: &str) -> Spread {
    let runs = outcome.runs.iter().filter(|run| run.server == server);
    Spread::of(runs.map(|run| of(run, figure)).filter(|value| !value.is_nan()))
}

fn servers(text: &mut String, outcome: &Outcome) {
    let titles = [
        "median of rounds",
        "CPU us/message",
        "min..max",
        "user",
        "messages/s",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "memory peak MiB",
        "syscalls/message",
    ];
    let mut rows = vec![titles.map(str::to_owned)];
    for server in names(outcome) {
        let median = |figure: &str| spread(outcome, server, figure).median;
        let cpu = spread(outcome, server, "cpu_us_per_attempt");
        let [p50, p90, p99, p999] =
            ["p50", "p90", "p99", "p999"].map(|quantile| latency(median(&format!("latency_{quantile}_us"))));
        rows.push([
            server.to_owned(),
            format!("{:.1}", cpu.median),
            format!("{:.1}..{:.1}", cpu.min, cpu.max),
            number(median("cpu_user_percent"), 0) + " %",
            number(median("attempts_per_second"), 0),
            p50,
            p90,
            p99,
            p999,
            number(median("rss_peak_bytes") / real(1 << 20), 1),
            number(median("syscalls_per_message"), 1),
        ]);
    }
    columns(text, &rows);
}

fn number(value: f64, digits: usize) -> String {
    if value.is_nan() { "-".into() } else { format!("{value:.digits$}") }
}

/// weir's share of each other server's figure, round by round.
fn ratios(text: &mut String, outcome: &Outcome) {
    let names = names(outcome);
    let Some((weir, others)) = names.split_first() else { return };
    let mut rows = vec![
        ["ratio: median (min..max)".to_owned()]
            .into_iter()
            .chain(RATIOS.iter().map(|(_, title)| (*title).to_owned()))
            .collect::<Vec<_>>(),
    ];
    for other in others {
        let ratio = |figure: &str| match ratio(outcome, weir, other, figure) {
            Some(Spread { min, median, max }) => format!("{median:.2} ({min:.2}..{max:.2})"),
            None => "-".into(),
        };
        let cells = RATIOS.iter().map(|(figure, _)| ratio(figure));
        rows.push([format!("{weir} / {other}")].into_iter().chain(cells).collect());
    }
    if rows.len() > 1 {
        let rows: Vec<[String; RATIOS.len() + 1]> =
            rows.into_iter().filter_map(|row| row.try_into().ok()).collect();
        columns(text, &rows);
    }
}

/// The ratio of one figure of two servers in each round.
fn ratio(outcome: &Outcome, one: &str, other: &str, figure: &str) -> Option<Spread> {
    let value = |server: &str, round: u32| {
        let run = outcome.runs.iter().find(|run| run.server == server && run.round == round)?;
        run.figures.get(figure).copied()
    };
    let rounds = outcome.runs.iter().filter(|run| run.server == one).map(|run| run.round);
    let ratios: Vec<f64> = rounds
        .filter_map(|round| Some(value(one, round)? / value(other, round)?))
        .filter(|ratio| ratio.is_finite())
        .collect();
    (!ratios.is_empty()).then(|| Spread::of(ratios.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{FORMAT, Place};
    use std::collections::BTreeMap;

    fn run(server: &str, round: u32, cpu_us: f64) -> Run {
        Run {
            server: server.into(),
            round,
            figures: BTreeMap::from([("cpu_us_per_attempt".to_owned(), cpu_us)]),
            latency_us: Vec::new(),
            samples: Vec::new(),
            events: Vec::new(),
            expectations: Vec::new(),
        }
    }

    #[test]
    fn ratios_are_of_rounds_and_not_of_medians() {
        let runs = vec![run("weir", 1, 10.0), run("a", 1, 20.0), run("weir", 2, 30.0), run("a", 2, 40.0)];
        let place =
            Place { date: String::new(), commit: None, machine: String::new(), versions: BTreeMap::new() };
        let outcome = Outcome { format: FORMAT, scenario: "x".into(), place, runs };
        let spread = ratio(&outcome, "weir", "a", "cpu_us_per_attempt").unwrap();
        assert_eq!(format!("{} {} {}", spread.min, spread.median, spread.max), "0.5 0.625 0.75");
        assert!(ratio(&outcome, "weir", "a", "rss_peak_bytes").is_none());
        let mut text = String::new();
        ratios(&mut text, &outcome);
        assert!(text.contains("weir / a") && text.contains("0.62 (0.50..0.75)"), "{text}");
    }
}
