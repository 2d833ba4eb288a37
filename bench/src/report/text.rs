//! The report as text: tables in Markdown that stand straight in a terminal too.

use std::fmt::Write as _;

use super::change::{Change, Verdict, changes, warnings};
use super::figure_table::{FigureTable, events, expectations, rounds};
use super::number::{Scale, percent, plain, ratio};
use crate::figures::{Good, Shown, Unit};
use crate::result::{Outcome, Spread};

/// Most events that are listed; of more, only the number is.
const EVENTS_SHOWN_MAX: usize = 20;

/// A table whose columns are as wide as their widest cell; numbers stand to the right.
#[derive(Default)]
struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// All rows; columns from `right` on stand to the right.
    fn print(&self, right: usize, text: &mut String) {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let width =
            |column: usize| self.rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..count).map(|column| width(column).max(3)).collect();
        for (index, row) in self.rows.iter().enumerate() {
            for (column, width) in widths.iter().copied().enumerate() {
                let cell = cell(row, column);
                // Writing to a string does not fail, here and below.
                let _ = if column < right {
                    write!(text, "| {cell:width$} ")
                } else {
                    write!(text, "| {cell:>width$} ")
                };
            }
            text.push_str("|\n");
            if index == 0 {
                for (column, width) in widths.iter().copied().enumerate() {
                    let colon = if column < right { "-" } else { ":" };
                    let _ = write!(text, "| {}{colon} ", "-".repeat(width - 1));
                }
                text.push_str("|\n");
            }
        }
    }
}

/// `45.3 (44.6..46.4)`; a single number when all are one.
pub(crate) fn spread(spread: &Spread, number: impl Fn(f64) -> String) -> String {
    let [min, median, max] = [spread.min, spread.median, spread.max].map(number);
    if min == max { median } else { format!("{median} ({min}..{max})") }
}

/// The report of one outcome, or of what has changed since `before`.
pub(crate) fn text(outcome: &Outcome, before: Option<&Outcome>, least: f64) -> String {
    let mut text = String::new();
    match before {
        None => alone(outcome, &mut text),
        Some(before) => compared(before, outcome, least, &mut text),
    }
    text
}

/// Scenario, day and commit.
fn heading(outcome: &Outcome, text: &mut String) {
    let place = &outcome.place;
    let commit = place.commit.as_deref().map(|commit| format!(", commit {commit}")).unwrap_or_default();
    let _ = writeln!(text, "{}, {}{commit}", outcome.scenario, place.date);
}

/// The machine and the programs.
fn place(outcome: &Outcome, text: &mut String) {
    let _ = writeln!(text, "{}", outcome.place.machine);
    let programs = programs(outcome);
    if !programs.is_empty() {
        let _ = writeln!(text, "{programs}");
    }
}

/// What was measured, with its version: `haproxy: HAProxy version 2.6.12; weir 0.1.0`.
pub(crate) fn programs(outcome: &Outcome) -> String {
    let program = |(server, version): (&String, &String)| {
        if version.starts_with(server.as_str()) { version.clone() } else { format!("{server}: {version}") }
    };
    outcome.place.versions.iter().map(program).collect::<Vec<_>>().join("; ")
}

/// `1 round`, `5 rounds`.
pub(crate) fn counted(rounds: usize) -> String {
    if rounds == 1 { "1 round".into() } else { format!("{rounds} rounds") }
}

fn alone(outcome: &Outcome, text: &mut String) {
    let table = FigureTable::of(outcome);
    heading(outcome, text);
    let about = Some(&outcome.about).filter(|about| !about.is_empty());
    for line in about.into_iter().chain(&outcome.setup) {
        let _ = writeln!(text, "{line}");
    }
    place(outcome, text);
    let _ = writeln!(text, "\nFigures: median (min..max) of {}\n", counted(rounds(outcome)));
    let mut columns = Columns::default();
    columns.row(["figure".into(), "unit".into()].into_iter().chain(table.servers.iter().cloned()));
    for figure in &table.figures {
        let scale = table.scale(figure);
        let cells = table.servers.iter().map(|server| {
            table
                .spread(server, figure)
                .map_or("-".into(), |found| spread(&found, |value| scale.number(value)))
        });
        columns.row([Shown::of(figure).label, scale.unit.into()].into_iter().chain(cells));
    }
    columns.print(2, text);
    ratios(&table, text);
    let parts = table.of_parts();
    if !parts.is_empty() {
        text.push_str("\nLoads and servers, median of the rounds\n\n");
        Columns { rows: parts }.print(1, text);
    }
    expected(outcome, text);
    let events = events(outcome);
    if !events.is_empty() {
        text.push_str("\nEvents, seconds after the load began\n\n");
        for (seconds, what) in events.iter().take(EVENTS_SHOWN_MAX) {
            let _ = writeln!(text, "{:>8} {what}", plain(*seconds, 1));
        }
        if events.len() > EVENTS_SHOWN_MAX {
            let _ = writeln!(text, "{:>8} events in all", events.len());
        }
    }
}

fn ratios(table: &FigureTable, text: &mut String) {
    let (others, Some(subject)) = (table.others(), table.subject()) else { return };
    if others.is_empty() {
        return;
    }
    text.push_str("\nRatios: median (min..max) of the rounds' quotients\n\n");
    let mut columns = Columns::default();
    columns.row(
        std::iter::once("figure".into()).chain(others.iter().map(|other| format!("{subject} / {other}"))),
    );
    for figure in &table.figures {
        let quotients: Vec<Option<Spread>> = others.iter().map(|other| table.ratio(figure, other)).collect();
        if quotients.iter().any(Option::is_some) {
            let cells =
                quotients.iter().map(|found| found.as_ref().map_or("-".into(), |found| spread(found, ratio)));
            columns.row(std::iter::once(Shown::of(figure).label).chain(cells));
        }
    }
    columns.print(1, text);
}

fn expected(outcome: &Outcome, text: &mut String) {
    let expectations = expectations(outcome);
    if expectations.is_empty() {
        return;
    }
    text.push_str("\nExpectations\n\n");
    let mut columns = Columns::default();
    columns.row(["server", "expected", "result", "found"].map(String::from));
    for expected in &expectations {
        let result = match expected.failed {
            0 => "met".to_owned(),
            failed => format!("FAILED in {failed} of {}", expected.rounds),
        };
        let (low, high) = expected.found;
        let found = Scale::of(Unit::Count, [low, high].into_iter());
        let found = if low.total_cmp(&high).is_eq() {
            found.number(low)
        } else {
            format!("{}..{}", found.number(low), found.number(high))
        };
        columns.row([expected.server.clone(), expected.text.clone(), result, found]);
    }
    columns.print(3, text);
}

/// A change and its bounds as they are written.
pub(crate) fn change_cells(change: &Change) -> (String, String) {
    let scale = Scale::of(Shown::of(&change.figure).unit, [change.before.max, change.after.max].into_iter());
    let number = |value: f64| {
        if change.is_relative {
            percent(value)
        } else {
            let sign = if value > 0.0 { "+" } else { "" };
            format!("{sign}{}", scale.number(value))
        }
    };
    let bounds = match change.shift.bounds {
        // What must not happen is counted, not estimated.
        Some((low, high)) if Shown::of(&change.figure).good != Good::Zero => {
            format!("{}..{}", number(low).trim_end_matches(" %"), number(high))
        }
        _ => "-".into(),
    };
    (number(change.shift.middle), bounds)
}

/// One scale for both sides of a change.
pub(crate) fn change_scale(change: &Change) -> Scale {
    Scale::of(Shown::of(&change.figure).unit, [change.before.median, change.after.median].into_iter())
}

/// What the columns of a comparison mean.
pub(crate) const METHOD: &str = "\
Change: the median of all differences between a round after and a round before (Hodges-Lehmann), on a scale of logarithms where \
all values are above 0. Interval: 95 %, from the exact Mann-Whitney distribution. Of 20 figures that are the same, one \
will by chance be said to differ.";

fn compared(before: &Outcome, after: &Outcome, least: f64, text: &mut String) {
    for (when, outcome) in [("before:", before), ("after:", after)] {
        let _ = write!(text, "{when:8}");
        heading(outcome, text);
    }
    // What differs is among the warnings.
    place(after, text);
    for warning in warnings(before, after) {
        let _ = writeln!(text, "\nWARNING: {warning}");
    }
    let changes = changes(before, after, least);
    let mut servers: Vec<&str> = changes.iter().map(|change| change.server.as_str()).collect();
    servers.dedup();
    for server in servers {
        let _ = writeln!(
            text,
            "\n{server}: median (min..max) of {} and {} rounds\n",
            rounds(before),
            rounds(after)
        );
        let mut columns = Columns::default();
        columns.row(
            ["figure", "unit", "verdict", "before", "after", "change", "95 % interval"].map(String::from),
        );
        for change in changes.iter().filter(|change| change.server == server) {
            let scale = change_scale(change);
            let number = |value: f64| scale.number(value);
            let (middle, bounds) = change_cells(change);
            columns.row([
                Shown::of(&change.figure).label,
                scale.unit.into(),
                change.verdict.to_string(),
                spread(&change.before, number),
                spread(&change.after, number),
                middle,
                bounds,
            ]);
        }
        columns.print(3, text);
    }
    let count = |verdict| changes.iter().filter(|change| change.verdict == verdict).count();
    let _ = writeln!(
        text,
        "\n{} better, {} worse, {} no difference seen, {} with too few rounds; a change below {} is no difference",
        count(Verdict::Better),
        count(Verdict::Worse),
        count(Verdict::NoDifference),
        count(Verdict::TooFewRounds),
        percent(least).trim_start_matches('+')
    );
    let _ = writeln!(text, "\n{METHOD}");
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[track_caller]
    fn golden(name: &str, found: &str) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report").join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(expected == found, "{name} should be (set UPDATE_GOLDEN=1 to write it)\n{found}");
    }

    #[test]
    fn one_outcome() {
        golden("one.txt", &text(&sample::outcome(), None, 0.01));
    }

    #[test]
    fn before_and_after() {
        golden("two.txt", &text(&sample::better(), Some(&sample::outcome()), 0.01));
    }

    #[test]
    fn an_outcome_of_nothing_is_no_fault() {
        let mut empty = sample::outcome();
        empty.runs.clear();
        assert!(text(&empty, None, 0.01).contains("of 0 rounds"));
        assert!(text(&empty, Some(&empty), 0.01).contains("0 better, 0 worse"));
        let mut single = sample::outcome();
        single.runs.truncate(1);
        assert!(!text(&single, None, 0.01).contains("Ratios"));
        assert!(text(&single, Some(&single), 0.01).contains("too few rounds"));
    }
}
