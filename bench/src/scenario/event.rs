//! What is done to the servers while the load runs: `4s kill -9 scan1`, `1s every 1s reload lb`.

use std::time::Duration;

use crate::value::duration;

/// Something that is done at a time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Since the clock started.
    pub(crate) at: Duration,
    /// Again after each such time, until the last load has ended.
    pub(crate) every: Option<Duration>,
    pub(crate) action: Action,
    /// As it was written, without its times.
    pub(crate) text: String,
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// `weir ctl` with these words.
    Ctl {
        node: String,
        words: Vec<String>,
    },
    Kill {
        node: String,
    },
    Restart {
        node: String,
    },
    Stop {
        node: String,
    },
    Continue {
        node: String,
    },
    /// A line for a stand-in's standard input.
    Tell {
        node: String,
        line: String,
    },
    /// The wall clock, which from now on is so far ahead.
    Clock {
        node: String,
        ahead: Duration,
    },
}

impl Action {
    pub(crate) fn node(&self) -> &str {
        match self {
            Self::Ctl { node, .. }
            | Self::Kill { node }
            | Self::Restart { node }
            | Self::Stop { node }
            | Self::Continue { node }
            | Self::Tell { node, .. }
            | Self::Clock { node, .. } => node,
        }
    }
}

/// How each is written.
const FORMS: &str = "reload NODE, drain NODE POOL/SERVER, ready NODE POOL/SERVER, ctl NODE WORDS, kill -9 NODE, restart NODE, \
                     blackhole NODE, cont NODE, tell NODE LINE, clock NODE +TIME";

impl std::str::FromStr for Event {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (at, rest) = word(line);
        let at = duration(at).map_err(|_| {
            format!(
                "`{line}` does not begin with a time: write `4s kill -9 NODE`, or `1s every 1s reload NODE`"
            )
        })?;
        let (every, text) = match rest.strip_prefix("every ") {
            Some(rest) => {
                let (every, rest) = word(rest);
                (Some(duration(every)?), rest)
            }
            None => (None, rest),
        };
        if every.is_some_and(|every| every < Duration::from_millis(1)) {
            return Err(format!("`{line}` repeats without a pause: write at least `every 1ms`"));
        }
        Ok(Self { at, every, action: action(text)?, text: text.to_owned() })
    }
}

fn action(text: &str) -> Result<Action, String> {
    let (verb, rest) = word(text);
    let (node, more) = word(rest);
    let owned = |text: &str| text.to_owned();
    let node = owned(node);
    let words = |first: &[&str]| -> Vec<String> {
        first.iter().copied().chain(more.split_whitespace()).map(owned).collect()
    };
    let action = match (verb, more) {
        ("reload", "") => Action::Ctl { node, words: words(&["reload"]) },
        ("drain" | "ready", server) if server.contains('/') => Action::Ctl { node, words: words(&[verb]) },
        ("ctl", _) if !more.is_empty() => Action::Ctl { node, words: words(&[]) },
        ("kill", killed) if node == "-9" => Action::Kill { node: owned(killed) },
        ("restart", "") => Action::Restart { node },
        ("stop" | "blackhole", "") => Action::Stop { node },
        ("cont", "") => Action::Continue { node },
        ("tell", _) if !more.is_empty() => Action::Tell { node, line: owned(more) },
        ("clock", _) => match more.strip_prefix('+').map(duration) {
            Some(Ok(ahead)) => Action::Clock { node, ahead },
            _ => return Err(format!("`{text}`: a clock goes forward by a time, such as `clock mx +1h`")),
        },
        _ => return Err(format!("`{text}` is no event; there are: {FORMS}")),
    };
    if action.node().is_empty() || action.node().contains(' ') {
        return Err(format!("`{text}` names no node; the form of events is: {FORMS}"));
    }
    Ok(action)
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        text.parse().unwrap_or_else(|fault| panic!("{fault}"))
    }

    #[test]
    fn each_form_is_read() {
        let kill = event("4s kill -9 scan1");
        assert_eq!((kill.at, kill.every), (Duration::from_secs(4), None));
        assert_eq!(
            (kill.action, kill.text.as_str()),
            (Action::Kill { node: "scan1".into() }, "kill -9 scan1")
        );
        let reload = event("1s  every 500ms  reload lb");
        assert_eq!(reload.every, Some(Duration::from_millis(500)));
        assert_eq!(reload.action, Action::Ctl { node: "lb".into(), words: vec!["reload".into()] });
        let words = |text: &str| match event(text).action {
            Action::Ctl { words, .. } => words.join(" "),
            other => panic!("{other:?}"),
        };
        assert_eq!(words("1s drain lb scanners/scan1"), "drain scanners/scan1");
        assert_eq!(words("1s ctl mx list add deny 127.0.0.9 ttl 1h"), "list add deny 127.0.0.9 ttl 1h");
        assert_eq!(
            event("1s tell dns fail 10%").action,
            Action::Tell { node: "dns".into(), line: "fail 10%".into() }
        );
        assert_eq!(event("0s blackhole sink").action, Action::Stop { node: "sink".into() });
        let ahead = Duration::from_hours(1);
        assert_eq!(event("0s clock mx +1h").action, Action::Clock { node: "mx".into(), ahead });
    }

    #[test]
    fn what_is_none_is_explained() {
        for (text, part) in [
            ("kill -9 scan1", "does not begin with a time"),
            ("4s kil -9 scan1", "`kil -9 scan1` is no event; there are: reload NODE"),
            ("4s kill -9", "names no node"),
            ("4s drain lb", "is no event"),
            ("4s reload", "names no node"),
            ("4s every 0s reload lb", "without a pause"),
            ("4s every x reload lb", "no time"),
            ("4s clock mx -1h", "goes forward"),
        ] {
            let fault = text.parse::<Event>().unwrap_err();
            assert!(fault.contains(part), "{text}: {fault}");
        }
    }
}
