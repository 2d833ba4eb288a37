//! The figures of an outcome by server: one value for each round.

use std::collections::{BTreeMap, BTreeSet};

use super::number::{Scale, alone};
use crate::figures::{Good, Shown, Unit, owner};
use crate::result::{Outcome, Run, Spread};

/// The server whose cost is looked at when it is among them; else it is the first.
const SUBJECT: &str = "weir";

/// Values by server and figure.
#[derive(Debug)]
pub(crate) struct FigureTable {
    /// In the order in which they first ran.
    pub(crate) servers: Vec<String>,
    /// Keys of the figures of the run as a whole, in the order in which they are shown. Of what is only counted, those of which
    /// there were any.
    pub(crate) figures: Vec<String>,
    /// Loads and nodes, and the keys of their figures, in their order; a scenario with one load has those of nodes only.
    pub(crate) parts: BTreeMap<String, Vec<String>>,
    /// By server and figure, then by round.
    values: BTreeMap<(String, String), BTreeMap<u32, f64>>,
}

impl FigureTable {
    /// All figures of an outcome. Values that are no numbers are left out.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        let mut table = Self {
            servers: Vec::new(),
            figures: Vec::new(),
            parts: BTreeMap::new(),
            values: BTreeMap::new(),
        };
        let mut names = BTreeSet::new();
        for run in &outcome.runs {
            if !table.servers.contains(&run.server) {
                table.servers.push(run.server.clone());
            }
            for (name, value) in &run.figures {
                if !value.is_finite() {
                    continue;
                }
                let is_only_counted =
                    Shown::of(name).unit == Unit::Count && Shown::of(name).good != Good::Zero;
                if *value > 0.0 || !is_only_counted {
                    names.insert(name);
                }
                table.values.entry((run.server.clone(), name.clone())).or_default().insert(run.round, *value);
            }
        }
        let mut names: Vec<&String> = names.into_iter().collect();
        names.sort_by_key(|name| (Shown::of(name).place, *name));
        for name in names {
            match owner(name).0 {
                None => table.figures.push(name.clone()),
                Some(part) => table.parts.entry(part.to_owned()).or_default().push(name.clone()),
            }
        }
        table
    }

    /// A figure of a server, by round.
    pub(crate) fn rounds(&self, server: &str, figure: &str) -> Vec<f64> {
        self.by_round(server, figure).map(|(_, value)| value).collect()
    }

    fn by_round(&self, server: &str, figure: &str) -> impl Iterator<Item = (u32, f64)> {
        let found = self.values.get(&(server.to_owned(), figure.to_owned()));
        found.into_iter().flatten().map(|(round, value)| (*round, *value))
    }

    /// Median and extremes; `None` when no round has it.
    pub(crate) fn spread(&self, server: &str, figure: &str) -> Option<Spread> {
        let rounds = self.rounds(server, figure);
        (!rounds.is_empty()).then(|| Spread::of(rounds.into_iter()))
    }

    /// One scale for a figure of all servers.
    pub(crate) fn scale(&self, figure: &str) -> Scale {
        let shown = Shown::of(figure);
        let spreads = self.servers.iter().filter_map(|server| self.spread(server, figure));
        Scale::of(shown.unit, spreads.map(|spread| spread.median))
    }

    /// The server that the others are compared with.
    pub(crate) fn subject(&self) -> Option<&str> {
        let named = self.servers.iter().find(|server| *server == SUBJECT);
        named.or(self.servers.first()).map(String::as_str)
    }

    /// All but that one.
    pub(crate) fn others(&self) -> Vec<&str> {
        let subject = self.subject();
        self.servers.iter().map(String::as_str).filter(|server| Some(*server) != subject).collect()
    }

    /// How much of `other`'s figure the subject has: one quotient for each round that both have, since what slows one down
    /// at that time slows down the other. Counts have none: they follow from the load.
    pub(crate) fn ratio(&self, figure: &str, other: &str) -> Option<Spread> {
        let shown = Shown::of(figure);
        if shown.unit == Unit::Count || shown.good == Good::Neither {
            return None;
        }
        let subject: BTreeMap<u32, f64> = self.by_round(self.subject()?, figure).collect();
        let quotients: Vec<f64> = self
            .by_round(other, figure)
            .filter(|(_, value)| *value > 0.0)
            .filter_map(|(round, value)| Some(subject.get(&round)? / value))
            .collect();
        (!quotients.is_empty()).then(|| Spread::of(quotients.into_iter()))
    }
}

/// The figures of parts that are shown beside each other, where they have them.
const OF_PARTS: [&str; 8] = [
    "accepted",
    "refused",
    "attempts_per_second",
    "latency_p50_us",
    "latency_p99_us",
    "cpu_us_per_message",
    "cpu_cores",
    "rss_peak_bytes",
];

impl FigureTable {
    /// A table of the parts of a run: titles, and a row for each server and part. Empty when no part was measured.
    pub(crate) fn of_parts(&self) -> Vec<Vec<String>> {
        let columns: Vec<&str> = OF_PARTS
            .into_iter()
            .filter(|figure| self.parts.values().flatten().any(|name| owner(name).1 == *figure))
            .collect();
        let mut rows = Vec::new();
        for (server, part) in
            self.servers.iter().flat_map(|server| self.parts.keys().map(move |part| (server, part)))
        {
            let found = |figure: &&str| {
                let found = self.spread(server, &format!("{part}.{figure}"));
                found.map_or("-".into(), |found| alone(Shown::of(figure).unit, found.median))
            };
            let cells: Vec<String> = columns.iter().map(found).collect();
            if cells.iter().any(|cell| cell != "-") {
                let name = if self.servers.len() > 1 { format!("{server}, {part}") } else { part.clone() };
                rows.push([vec![name], cells].concat());
            }
        }
        if !rows.is_empty() {
            let titles = columns.iter().map(|figure| Shown::of(figure).label);
            rows.insert(0, ["load or server".to_owned()].into_iter().chain(titles).collect());
        }
        rows
    }
}

/// The runs of a server.
pub(crate) fn runs_of<'a>(outcome: &'a Outcome, server: &str) -> Vec<&'a Run> {
    outcome.runs.iter().filter(|run| run.server == server).collect()
}

/// Rounds of the outcome.
pub(crate) fn rounds(outcome: &Outcome) -> usize {
    let mut rounds: Vec<u32> = outcome.runs.iter().map(|run| run.round).collect();
    rounds.sort_unstable();
    rounds.dedup();
    rounds.len()
}

/// An expectation of a server over all rounds.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) server: String,
    pub(crate) text: String,
    /// Smallest and largest of what was found.
    pub(crate) found: (f64, f64),
    pub(crate) rounds: usize,
    pub(crate) failed: usize,
}

/// Expectations, each once for each server.
pub(crate) fn expectations(outcome: &Outcome) -> Vec<Expected> {
    let mut all: Vec<Expected> = Vec::new();
    for run in &outcome.runs {
        for expectation in &run.expectations {
            let failed = usize::from(!expectation.met);
            let found = expectation.found.unwrap_or(f64::NAN);
            let known =
                all.iter_mut().find(|known| known.server == run.server && known.text == expectation.text);
            if let Some(known) = known {
                known.found = (known.found.0.min(found), known.found.1.max(found));
                known.rounds += 1;
                known.failed += failed;
            } else {
                let (server, text) = (run.server.clone(), expectation.text.clone());
                all.push(Expected { server, text, found: (found, found), rounds: 1, failed });
            }
        }
    }
    all
}

/// What was done while the servers ran, by time: each once, with the servers and the number of rounds in which it was.
pub(crate) fn events(outcome: &Outcome) -> Vec<(f64, String)> {
    /// Times of one event of a time line differ by less than this between rounds.
    const SAME_WITHIN_SECONDS: f64 = 0.75;
    let mut all: Vec<(f64, String)> = Vec::new();
    for event in outcome.runs.iter().flat_map(|run| &run.events) {
        let same = |known: &(f64, String)| {
            known.1 == event.what && (known.0 - event.seconds).abs() < SAME_WITHIN_SECONDS
        };
        if !all.iter().any(same) {
            all.push((event.seconds, event.what.clone()));
        }
    }
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    all
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn figures_are_collected_by_server_and_round() {
        let outcome = sample::outcome();
        let table = FigureTable::of(&outcome);
        assert_eq!(table.servers, ["haproxy", "weir"]);
        assert_eq!((table.subject(), table.others()), (Some("weir"), vec!["haproxy"]));
        assert_eq!(table.figures.first().map(String::as_str), Some("attempts_per_second"));
        assert!(!table.figures.iter().any(|name| name == "refused"), "none was");
        assert_eq!(table.parts["scan1"], ["scan1.cpu_us_per_message", "scan1.rss_peak_bytes"]);
        let parts = table.of_parts();
        assert_eq!(parts[0], ["load or server", "CPU per message", "peak memory"]);
        assert_eq!((parts.len(), parts[2][0].as_str()), (3, "weir, scan1"));
        assert_eq!(table.rounds("weir", "lost"), [0.0; 5]);
        assert!(table.spread("weir", "colour").is_none());
        let ratio = table.ratio("cpu_us_per_message", "haproxy").unwrap();
        assert!(ratio.min < ratio.median && ratio.median < ratio.max && ratio.max < 1.0, "{ratio:?}");
        assert!(table.ratio("lost", "haproxy").is_none(), "nothing is not divided by");
    }

    #[test]
    fn expectations_and_events_are_told_once() {
        let outcome = sample::outcome();
        let expected = expectations(&outcome);
        assert_eq!(expected.len(), 4);
        assert!(expected.iter().all(|expected| expected.rounds == 5));
        assert_eq!(expected.iter().map(|expected| expected.failed).sum::<usize>(), 4);
        let whats: Vec<String> = events(&outcome).into_iter().map(|(_, what)| what).collect();
        assert_eq!(whats, ["reload balancer", "kill -9 scan1", "start scan1"]);
    }
}
