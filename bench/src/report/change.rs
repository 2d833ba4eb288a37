//! Before and after: each figure of each server in two outcomes, and what can be said of it.

use std::fmt;

use super::figure_table::{FigureTable, rounds};
use super::statistics::{Shift, has_bounds, shift};
use crate::figures::{Good, Shown};
use crate::result::{Outcome, Spread};
use crate::value::real;

/// What can be said of a figure's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Better,
    Worse,
    /// It went up or down, and neither is good or bad.
    Changed,
    /// None that these rounds show, or one too small to matter.
    NoDifference,
    TooFewRounds,
}

impl Verdict {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Changed => "changed",
            Self::NoDifference => "no difference seen",
            Self::TooFewRounds => "too few rounds",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

/// One figure of one server, before and after.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) server: String,
    pub(crate) figure: String,
    pub(crate) before: Spread,
    pub(crate) after: Spread,
    /// As parts of the value before if `is_relative`, else in the figure's own unit.
    pub(crate) shift: Shift,
    pub(crate) is_relative: bool,
    pub(crate) verdict: Verdict,
}

/// All figures that both outcomes have, by server, the one that is looked at first, then in the order of figures. A change below `least`, a part of the value
/// before, is no difference.
pub(crate) fn changes(before: &Outcome, after: &Outcome, least: f64) -> Vec<Change> {
    let (before, after) = (FigureTable::of(before), FigureTable::of(after));
    let mut all = Vec::new();
    for server in after.subject().into_iter().chain(after.others()) {
        for figure in after.figures.iter().chain(after.parts.values().flatten()) {
            all.extend(change(
                server,
                figure,
                &before.rounds(server, figure),
                &after.rounds(server, figure),
                least,
            ));
        }
    }
    all
}

fn change(server: &str, figure: &str, before: &[f64], after: &[f64], least: f64) -> Option<Change> {
    let is_relative = before.iter().chain(after).all(|value| *value > 0.0);
    let shift = if is_relative {
        // On the scale of logarithms a change is a factor, which holds for a small value as for a large one.
        let logarithms = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<_>>();
        let Shift { middle, bounds } = shift(&logarithms(before), &logarithms(after))?;
        Shift { middle: middle.exp_m1(), bounds: bounds.map(|(low, high)| (low.exp_m1(), high.exp_m1())) }
    } else {
        shift(before, after)?
    };
    let good = Shown::of(figure).good;
    let least = if is_relative { least } else { 0.0 };
    let verdict = if good == Good::Zero { counted(before, after) } else { judged(good, &shift, least) };
    Some(Change {
        server: server.to_owned(),
        figure: figure.to_owned(),
        before: Spread::of(before.iter().copied()),
        after: Spread::of(after.iter().copied()),
        shift,
        is_relative,
        verdict,
    })
}

/// What must not happen needs no statistics: once is too often. Counts are compared for each round, since there may be more
/// rounds after than before.
fn counted(before: &[f64], after: &[f64]) -> Verdict {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / real(values.len() as u64);
    match mean(after).total_cmp(&mean(before)) {
        std::cmp::Ordering::Greater => Verdict::Worse,
        std::cmp::Ordering::Less => Verdict::Better,
        std::cmp::Ordering::Equal => Verdict::NoDifference,
    }
}

fn judged(good: Good, shift: &Shift, least: f64) -> Verdict {
    let Some((low, high)) = shift.bounds else { return Verdict::TooFewRounds };
    let (is_up, is_down) = (low > 0.0 && shift.middle >= least, high < 0.0 && shift.middle <= -least);
    match good {
        _ if !is_up && !is_down => Verdict::NoDifference,
        Good::Neither => Verdict::Changed,
        Good::Up if is_up => Verdict::Better,
        Good::Down | Good::Zero if is_down => Verdict::Better,
        Good::Up | Good::Down | Good::Zero => Verdict::Worse,
    }
}

/// What makes two outcomes hard to compare.
pub(crate) fn warnings(before: &Outcome, after: &Outcome) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut differs = |what: &str, before: &str, after: &str| {
        if before != after {
            warnings.push(format!("{what} differs: {before} before, {after} after"));
        }
    };
    differs("the scenario", &before.scenario, &after.scenario);
    differs("the machine", &before.place.machine, &after.place.machine);
    let (old, new) = (&before.place.versions, &after.place.versions);
    for (server, version) in old {
        if let Some(now) = new.get(server) {
            differs(&format!("the version of {server}"), version, now);
        }
    }
    let (servers_before, servers_after) = (FigureTable::of(before).servers, FigureTable::of(after).servers);
    for (only, others, when) in
        [(&servers_before, &servers_after, "before"), (&servers_after, &servers_before, "after")]
    {
        for server in only.iter().filter(|server| !others.contains(server)) {
            warnings.push(format!("{server} ran only {when}: it is not compared"));
        }
    }
    let fewest = rounds(before).min(rounds(after));
    if !has_bounds(rounds(before), rounds(after)) {
        warnings.push(format!(
            "{fewest} rounds are too few to tell a difference from noise: 4 on both sides, or 3 and 5, are the fewest"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn verdict(figure: &str, before: &[f64], after: &[f64]) -> Verdict {
        change("weir", figure, before, after, 0.01).unwrap().verdict
    }

    #[test]
    fn a_verdict_knows_which_way_is_good() {
        let (low, high) = ([40.0, 41.0, 42.0, 43.0], [50.0, 51.0, 52.0, 53.0]);
        assert_eq!(verdict("cpu_us_per_message", &low, &high), Verdict::Worse);
        assert_eq!(verdict("cpu_us_per_message", &high, &low), Verdict::Better);
        assert_eq!(verdict("messages_per_second", &low, &high), Verdict::Better);
        assert_eq!(verdict("messages_per_second", &high, &low), Verdict::Worse);
        assert_eq!(verdict("messages", &high, &low), Verdict::Changed);
        assert_eq!(verdict("messages", &high, &high), Verdict::NoDifference);
        assert_eq!(verdict("cpu_us_per_message", &low[..3], &high[..3]), Verdict::TooFewRounds);
        let by_little = low.map(|value| value * 1.000_1);
        assert_eq!(verdict("cpu_us_per_message", &[40.0; 4], &[40.1; 4]), Verdict::NoDifference, "under 1 %");
        assert_eq!(verdict("cpu_us_per_message", &low, &by_little), Verdict::NoDifference);
    }

    #[test]
    fn one_lost_message_is_worse() {
        assert_eq!(verdict("lost", &[0.0], &[1.0]), Verdict::Worse);
        assert_eq!(verdict("lost", &[0.0, 0.0], &[0.0, 0.0, 1.0]), Verdict::Worse);
        assert_eq!(verdict("doubled", &[2.0], &[0.0]), Verdict::Better);
        assert_eq!(verdict("doubled", &[0.0], &[0.0]), Verdict::NoDifference);
    }

    #[test]
    fn changes_are_parts_of_the_value_before() {
        let change = change("weir", "cpu_us_per_message", &[40.0; 5], &[44.0; 5], 0.0).unwrap();
        assert!((change.shift.middle - 0.1).abs() < 1e-9 && change.is_relative);
        let (before, after) = (sample::outcome(), sample::better());
        let all = changes(&before, &after, 0.01);
        let of = |figure: &str| {
            all.iter().find(|change| change.server == "weir" && change.figure == figure).unwrap().verdict
        };
        assert_eq!([of("cpu_us_per_message"), of("lost")], [Verdict::Better, Verdict::NoDifference]);
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let (before, mut after) = (sample::outcome(), sample::better());
        assert_eq!(
            warnings(&before, &after),
            ["the version of weir differs: 0.1.0 (58c7c6b) before, 0.1.0 (0a1b2c3) after"]
        );
        after.scenario = "drain".into();
        after.place.machine = "another".into();
        after.runs.retain(|run| run.server != "haproxy" && run.round < 3);
        let said = warnings(&before, &after);
        assert_eq!(said.len(), 5, "{said:?}");
        assert!(said.iter().any(|line| line.contains("haproxy ran only before")));
        assert!(said.iter().any(|line| line.starts_with("2 rounds are too few")));
    }
}
