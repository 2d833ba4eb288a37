//! The figures of a run: the one table that scenario files, the text, the page and the README's list are made of.

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
    /// So many per second.
    PerSecond,
    /// Something for each message.
    PerMessage,
    /// Cores that are kept busy.
    Cores,
    /// Hundredths of a whole.
    Percent,
    /// A plain count.
    Count,
}

/// What has a figure, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Loads: a number in the summary of each source, which is summed up.
    Count,
    /// Loads: calculated from their summaries.
    Load,
    /// Servers.
    Node,
    /// What sinks prove about the run as a whole.
    Sinks,
    /// The run as a whole.
    Run,
    /// A comparison, in a pass of its own.
    Compare,
}

/// What is known of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Its key in the results.
    pub(crate) name: &'static str,
    pub(crate) of: Of,
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
    of: Of,
    name: &'static str,
    label: &'static str,
    (unit, good): (Unit, Good),
    doc: &'static str,
) -> Figure {
    Figure { name, of, label, unit, good, doc, is_headline: false }
}

const fn headline(figure: Figure) -> Figure {
    Figure { is_headline: true, ..figure }
}

/// All figures, in the order in which they are shown. One that is not here is shown behind them, by its bare name.
pub(crate) const FIGURES: &[Figure] = &[
    headline(figure(
        Of::Load,
        "attempts_per_second",
        "messages answered per second",
        (Unit::PerSecond, Good::Up),
        "messages per second that were accepted or refused",
    )),
    figure(
        Of::Load,
        "messages_per_second",
        "messages accepted per second",
        (Unit::PerSecond, Good::Up),
        "messages per second that were answered with 2xx",
    ),
    figure(
        Of::Load,
        "latency_p50_us",
        "latency p50",
        (Unit::Micros, Good::Down),
        "half of the messages were answered within it, from their intended start to the reply to the dot",
    ),
    figure(
        Of::Load,
        "latency_p90_us",
        "latency p90",
        (Unit::Micros, Good::Down),
        "9 of 10 messages were answered within it",
    ),
    headline(figure(
        Of::Load,
        "latency_p99_us",
        "latency p99",
        (Unit::Micros, Good::Down),
        "99 of 100 messages were answered within it",
    )),
    figure(
        Of::Load,
        "latency_p999_us",
        "latency p99.9",
        (Unit::Micros, Good::Down),
        "999 of 1000 messages were answered within it",
    ),
    figure(Of::Load, "latency_max_us", "latency, longest", (Unit::Micros, Good::Down), "the longest answer"),
    headline(figure(
        Of::Node,
        "cpu_us_per_message",
        "CPU per message",
        (Unit::Micros, Good::Down),
        "user and system time of all threads of all processes of the server, for each message that was accepted or refused",
    )),
    figure(
        Of::Node,
        "cpu_user_percent",
        "user part of CPU",
        (Unit::Percent, Good::Neither),
        "the part of the server's CPU that is not the kernel's, in steps of 10 ms",
    ),
    figure(
        Of::Node,
        "cpu_cores",
        "cores busy",
        (Unit::Cores, Good::Neither),
        "cores that the server kept busy",
    ),
    figure(
        Of::Node,
        "cpu_busiest_thread_percent",
        "busiest thread",
        (Unit::Percent, Good::Neither),
        "the busiest thread's part of the server's CPU: 100 % is one thread, 50 % two that do the same",
    ),
    figure(
        Of::Node,
        "rss_before_bytes",
        "memory before",
        (Unit::Bytes, Good::Down),
        "resident memory of all processes of the server when the load began, after the warm-up",
    ),
    headline(figure(
        Of::Node,
        "rss_peak_bytes",
        "peak memory",
        (Unit::Bytes, Good::Down),
        "most resident memory of all processes of the server at once",
    )),
    figure(
        Of::Node,
        "rss_after_bytes",
        "memory after",
        (Unit::Bytes, Good::Down),
        "resident memory when the load had ended and the scenario's rest was over",
    ),
    figure(
        Of::Node,
        "rss_bytes_per_connection",
        "memory per connection",
        (Unit::Bytes, Good::Down),
        "peak memory above that before, for each connection, where connections are idle or carry many messages",
    ),
    figure(
        Of::Compare,
        "syscalls_per_message",
        "system calls per message",
        (Unit::PerMessage, Good::Down),
        "system calls of all processes of the server, for each message that was accepted or refused",
    ),
    figure(
        Of::Load,
        "seconds",
        "seconds",
        (Unit::Count, Good::Neither),
        "from the start of the first load to the end of the last",
    ),
    figure(Of::Count, "attempts", "attempts", (Unit::Count, Good::Neither), "messages that were begun"),
    figure(
        Of::Count,
        "accepted",
        "accepted",
        (Unit::Count, Good::Neither),
        "messages that were answered with 2xx",
    ),
    figure(
        Of::Count,
        "refused",
        "refused",
        (Unit::Count, Good::Neither),
        "messages that were answered with 4xx or 5xx; `refused_421` and the like are of one code",
    ),
    figure(
        Of::Count,
        "connections",
        "connections",
        (Unit::Count, Good::Neither),
        "connections that were made and greeted",
    ),
    figure(
        Of::Count,
        "connections_lost",
        "connections lost",
        (Unit::Count, Good::Zero),
        "held connections that were gone at their end",
    ),
    figure(
        Of::Count,
        "unsure",
        "unsure",
        (Unit::Count, Good::Down),
        "messages whose reply never came after the dot",
    ),
    figure(
        Of::Count,
        "not_taken",
        "not taken",
        (Unit::Count, Good::Down),
        "attempts that broke off or timed out before the dot, and connections that were not to be had",
    ),
    figure(
        Of::Count,
        "dropped",
        "dropped on purpose",
        (Unit::Count, Good::Neither),
        "connections that the load dropped, as it was told",
    ),
    figure(
        Of::Count,
        "slow_accepted",
        "written slowly",
        (Unit::Count, Good::Neither),
        "accepted messages that were written slowly, as the load was told",
    ),
    figure(
        Of::Count,
        "unknown_sent",
        "unknown recipients",
        (Unit::Count, Good::Neither),
        "messages to nobody, as the load was told",
    ),
    figure(
        Of::Count,
        "unknown_refused",
        "of them refused",
        (Unit::Count, Good::Neither),
        "messages to nobody that were refused",
    ),
    figure(
        Of::Count,
        "talkers",
        "early talkers",
        (Unit::Count, Good::Neither),
        "clients that talked before the greeting, as the load was told",
    ),
    figure(
        Of::Count,
        "talkers_refused",
        "of them refused",
        (Unit::Count, Good::Neither),
        "early talkers that were refused",
    ),
    figure(
        Of::Sinks,
        "arrived",
        "arrived",
        (Unit::Count, Good::Neither),
        "messages that sinks have, those of the warm-up too",
    ),
    figure(Of::Sinks, "lost", "lost", (Unit::Count, Good::Zero), "accepted messages that no sink has"),
    figure(
        Of::Sinks,
        "doubled",
        "doubled",
        (Unit::Count, Good::Zero),
        "copies that sinks have of messages that they had",
    ),
    figure(
        Of::Sinks,
        "doubled_beyond_unsure",
        "doubled without a reason",
        (Unit::Count, Good::Zero),
        "copies beyond those that a relay said it was unsure of",
    ),
    figure(
        Of::Sinks,
        "altered",
        "altered",
        (Unit::Count, Good::Zero),
        "messages whose body was not the one that was sent",
    ),
    figure(
        Of::Sinks,
        "out_of_envelope",
        "out of envelope",
        (Unit::Count, Good::Zero),
        "messages whose sender or recipients were not those that were sent",
    ),
    figure(
        Of::Sinks,
        "unmarked",
        "unmarked",
        (Unit::Count, Good::Neither),
        "messages without a mark, which prove nothing",
    ),
    figure(
        Of::Sinks,
        "foreign",
        "foreign",
        (Unit::Count, Good::Neither),
        "messages of other runs than the sink can tell apart",
    ),
    figure(
        Of::Run,
        "fate_unsure",
        "said to be unsure",
        (Unit::Count, Good::Neither),
        "log lines of weir about a server that was lost between the dot and its reply",
    ),
    figure(Of::Run, "events", "events", (Unit::Count, Good::Neither), "events that happened"),
];

/// What is known of the figure of this name.
pub(crate) fn known(name: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|figure| figure.name == name)
}

/// The load or node whose figure it is, if it is not the run's, and the bare name.
pub(crate) fn owner(name: &str) -> (Option<&str>, &str) {
    name.split_once('.').map_or((None, name), |(owner, figure)| (Some(owner), figure))
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
        let (owner, bare) = owner(name);
        let place = FIGURES.iter().position(|figure| figure.name == bare).unwrap_or(FIGURES.len());
        let label = |label: &str| owner.map_or(label.to_owned(), |owner| format!("{owner}: {label}"));
        match FIGURES.get(place) {
            Some(&Figure { label: known, unit, good, doc, is_headline, .. }) => Self {
                label: label(known),
                unit,
                good,
                doc,
                place,
                is_headline: is_headline && owner.is_none(),
            },
            None => Self {
                label: label(bare),
                unit: unit_of(bare),
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
        ("_per_second", Unit::PerSecond),
        ("_us_per_message", Unit::Micros),
        ("_per_message", Unit::PerMessage),
        ("_us", Unit::Micros),
        ("_bytes", Unit::Bytes),
        ("_cores", Unit::Cores),
        ("_percent", Unit::Percent),
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
        assert!(known("colour").is_none() && known("lost").is_some());
        assert_eq!(Shown::of("mx.cpu_cores").label, "mx: cores busy");
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
        let readme = include_str!("../README.md");
        assert!(readme.contains(&table()), "bench/README.md should have\n{}", table());
    }
}
