//! The figures of a run: the one table that the text, the page and the README's list are made of.

use std::fmt::Write as _;

/// Which way a figure should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Good {
    /// More is better.
    Up,
    /// Less is better.
    Down,
    /// It counts what must not happen: any at all is too many, and one more is worse, however many rounds there were.
    Zero,
    /// It tells what was done, not how well.
    Neither,
}

impl Good {
    /// As it is written in tables.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Zero => "0",
            Self::Neither => "-",
        }
    }
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Microseconds; shown as us, ms or s.
    Micros,
    /// Bytes; shown as B, KiB, MiB or GiB.
    Bytes,
    /// Bytes per second; shown as the like.
    BytesPerSecond,
    /// So many per second.
    PerSecond,
    /// Something for each message.
    PerMessage,
    /// Cores that are kept busy.
    Cores,
    /// A plain count.
    Count,
}

/// What is known of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Its key in the results.
    pub(crate) name: &'static str,
    /// Its name for people.
    pub(crate) label: &'static str,
    pub(crate) unit: Unit,
    pub(crate) good: Good,
    /// What it is, in one sentence without its end.
    pub(crate) doc: &'static str,
    /// Whether it stands at the top of a page.
    pub(crate) is_headline: bool,
}

const fn figure(
    name: &'static str,
    label: &'static str,
    unit: Unit,
    good: Good,
    doc: &'static str,
) -> Figure {
    Figure { name, label, unit, good, doc, is_headline: false }
}

const fn headline(figure: Figure) -> Figure {
    Figure { is_headline: true, ..figure }
}

/// All figures, in the order in which they are shown. One that is not here is shown behind them, by its bare name.
pub(crate) const FIGURES: &[Figure] = &[
    headline(figure(
        "messages_per_second",
        "messages per second",
        Unit::PerSecond,
        Good::Up,
        "accepted messages per second of the load",
    )),
    figure(
        "bytes_per_second",
        "bytes per second",
        Unit::BytesPerSecond,
        Good::Up,
        "bytes of accepted messages",
    ),
    figure(
        "connections_per_second",
        "connections per second",
        Unit::PerSecond,
        Good::Up,
        "connections that were made and greeted",
    ),
    figure(
        "latency_p50_us",
        "latency p50",
        Unit::Micros,
        Good::Down,
        "half of the messages were answered within it, from their intended start to the reply to the dot",
    ),
    figure(
        "latency_p90_us",
        "latency p90",
        Unit::Micros,
        Good::Down,
        "9 of 10 messages were answered within it",
    ),
    headline(figure(
        "latency_p99_us",
        "latency p99",
        Unit::Micros,
        Good::Down,
        "99 of 100 messages were answered within it",
    )),
    figure(
        "latency_p999_us",
        "latency p99.9",
        Unit::Micros,
        Good::Down,
        "999 of 1000 messages were answered within it",
    ),
    figure(
        "latency_p9999_us",
        "latency p99.99",
        Unit::Micros,
        Good::Down,
        "9999 of 10000 messages were answered within it",
    ),
    figure("latency_max_us", "latency, longest", Unit::Micros, Good::Down, "the longest answer"),
    headline(figure(
        "cpu_us_per_message",
        "CPU per message",
        Unit::Micros,
        Good::Down,
        "user and system time of all threads of all processes of the server, for each accepted message",
    )),
    figure("cpu_cores", "cores busy", Unit::Cores, Good::Neither, "cores that the server kept busy"),
    headline(figure(
        "rss_peak_bytes",
        "peak memory",
        Unit::Bytes,
        Good::Down,
        "most resident memory of all processes of the server at once",
    )),
    figure(
        "rss_bytes_per_session",
        "memory per session",
        Unit::Bytes,
        Good::Down,
        "resident memory above that of the idle server, for each open connection",
    ),
    figure(
        "syscalls_per_message",
        "system calls per message",
        Unit::PerMessage,
        Good::Down,
        "system calls of all processes of the server, for each accepted message",
    ),
    figure(
        "allocations_per_message",
        "allocations per message",
        Unit::PerMessage,
        Good::Down,
        "blocks of memory asked for, for each accepted message",
    ),
    figure(
        "messages",
        "messages accepted",
        Unit::Count,
        Good::Neither,
        "messages that were answered with 2xx",
    ),
    figure("refused", "refused", Unit::Count, Good::Neither, "messages that were answered with 4xx or 5xx"),
    figure(
        "failed",
        "failed",
        Unit::Count,
        Good::Down,
        "attempts that broke off or timed out before the dot",
    ),
    figure("unsure", "unsure", Unit::Count, Good::Down, "messages whose reply never came after the dot"),
    figure("lost", "lost", Unit::Count, Good::Zero, "accepted messages that the sink never saw"),
    figure("doubled", "doubled", Unit::Count, Good::Zero, "messages that the sink saw more than once"),
    figure(
        "altered",
        "altered",
        Unit::Count,
        Good::Zero,
        "messages whose body was not the one that was sent",
    ),
    figure(
        "out_of_envelope",
        "out of envelope",
        Unit::Count,
        Good::Zero,
        "messages whose sender or recipients were not those that were sent",
    ),
];

/// What is known of the figure of this name. `_` between digits makes no difference: `p99_9` is `p999`.
pub(crate) fn known(name: &str) -> Option<&'static Figure> {
    let same = |known: &str| {
        known.bytes().filter(|byte| *byte != b'_').eq(name.bytes().filter(|byte| *byte != b'_'))
    };
    FIGURES.iter().find(|figure| same(figure.name))
}

/// A figure as it is shown: from the table, or from its name alone.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) label: String,
    pub(crate) unit: Unit,
    pub(crate) good: Good,
    pub(crate) doc: &'static str,
    /// Its place in the order of the table.
    pub(crate) place: usize,
    pub(crate) is_headline: bool,
}

impl Shown {
    /// By its key in the results.
    pub(crate) fn of(name: &str) -> Self {
        let place = known(name)
            .and_then(|found| FIGURES.iter().position(|figure| figure.name == found.name))
            .unwrap_or(FIGURES.len());
        match known(name) {
            Some(&Figure { label, unit, good, doc, is_headline, .. }) => {
                Self { label: label.to_owned(), unit, good, doc, place, is_headline }
            }
            None => Self {
                label: name.to_owned(),
                unit: unit_of(name),
                good: Good::Neither,
                doc: "not in the table of figures",
                place,
                is_headline: false,
            },
        }
    }
}

/// The unit that a name ends in.
fn unit_of(name: &str) -> Unit {
    let endings = [
        ("bytes_per_second", Unit::BytesPerSecond),
        ("_per_second", Unit::PerSecond),
        ("_us_per_message", Unit::Micros),
        ("_per_message", Unit::PerMessage),
        ("_us", Unit::Micros),
        ("_bytes", Unit::Bytes),
        ("_cores", Unit::Cores),
    ];
    endings.iter().find(|(ending, _)| name.ends_with(ending)).map_or(Unit::Count, |(_, unit)| *unit)
}

/// The table of figures, as the README has it.
pub(crate) fn table() -> String {
    let mut text = String::from("| figure | key | good | what it is |\n| --- | --- | --- | --- |\n");
    for Figure { name, label, good, doc, .. } in FIGURES {
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {label} | `{name}` | {} | {doc} |", good.word());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_units_follow_from_them() {
        assert_eq!(known("latency_p99_9_us").map(|figure| figure.name), Some("latency_p999_us"));
        assert!(known("colour").is_none());
        let shown = Shown::of("wait_us");
        assert_eq!((shown.label.as_str(), shown.unit, shown.good), ("wait_us", Unit::Micros, Good::Neither));
        assert!(shown.place > Shown::of("out_of_envelope").place);
        for figure in FIGURES {
            let of_name = unit_of(figure.name);
            assert!(
                of_name == figure.unit || of_name == Unit::Count || figure.unit == Unit::Bytes,
                "{}",
                figure.name
            );
        }
    }

    #[test]
    fn the_readme_has_the_table() {
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&table()), "bench/README.md should have\n{}", table());
    }
}
