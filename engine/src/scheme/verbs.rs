//! What statements can do.

use weir_lang::scheme::Kind::{CodeIn, Duration, Enhanced, Expr, Int, Name, Template, Text, Word as AnyWord};
use weir_lang::scheme::Part::{Comma, Maybe, OneOf, Repeat, Statement, Value, Word};
use weir_lang::scheme::{Flow, Form, Part, VerbSpec};

use super::Phase;

/// A verb, by its place in [`VERBS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Verb {
    /// Ends the phase in the client's favour.
    Accept,
    /// 5yz.
    Reject,
    /// 4yz.
    Defer,
    /// A reply, then the connection is closed.
    Drop,
    /// 250, and the message is gone.
    Discard,
    /// To a pool or a maildir.
    Send,
    /// A copy into a box.
    Quarantine,
    /// A header line.
    Add,
    /// Header lines by name.
    Remove,
    /// Wait before the greeting.
    Greet,
    /// Count and compare.
    Limit,
    /// Keep a key for a time.
    Remember,
    /// Wait before the reply.
    Delay,
    /// A line in the log.
    Note,
}

impl Verb {
    /// In the order of [`VERBS`].
    pub const ALL: [Self; 14] = [
        Self::Accept,
        Self::Reject,
        Self::Defer,
        Self::Drop,
        Self::Discard,
        Self::Send,
        Self::Quarantine,
        Self::Add,
        Self::Remove,
        Self::Greet,
        Self::Limit,
        Self::Remember,
        Self::Delay,
        Self::Note,
    ];

    /// The verb at this place of [`VERBS`].
    pub fn at(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// As rule files name it.
    pub fn word(self) -> &'static str {
        VERBS.get(self as usize).map_or("", |spec| spec.form.word)
    }
}

const CONNECT: usize = Phase::Connect.index();
const DATA: usize = Phase::Data.index();
const MESSAGE: usize = Phase::Message.index();

/// `CODE ENHANCED TEXT`: what `reject`, `defer` and `drop` must carry, each with codes of its own class.
const REFUSAL: &[Part] = &[Value(CodeIn(500, 599)), Value(Enhanced), Value(Template)];
const DEFERRAL: &[Part] = &[Value(CodeIn(400, 499)), Value(Enhanced), Value(Template)];
const FAREWELL: &[Part] = &[Value(CodeIn(400, 599)), Value(Enhanced), Value(Template)];

/// Longest `greet after` and `delay` in milliseconds: below the 5 minutes for which clients wait (RFC 5321, 4.5.3.2).
pub const WAIT_MS_MAX: u64 = 120_000;

/// All verbs; the order is that of [`Verb`].
pub const VERBS: &[VerbSpec] = &[
    VerbSpec {
        form: Form {
            word: "accept",
            parts: &[],
            doc: "Ends this phase in the client's favour: later statements of the phase do not run. Later phases do.",
            example: r#"accept if rcpt.local in [ "postmaster", "abuse" ]"#,
        },
        flow: Flow::EndsPhase,
        phases: &[],
    },
    VerbSpec {
        form: Form {
            word: "reject",
            parts: REFUSAL,
            doc: "Refuses for good with a 5yz reply: the command, or the message. In `connect` the session then answers every \
                  command with this reply until QUIT.",
            example: r#"reject 550 5.7.1 "relaying denied" if rcpt.domain not in local_domains"#,
        },
        flow: Flow::Final,
        phases: &[],
    },
    VerbSpec {
        form: Form {
            word: "defer",
            parts: DEFERRAL,
            doc: "Refuses for now with a 4yz reply: the client keeps the message and tries again.",
            example: r#"defer 451 4.7.1 "virus scanner unavailable, try again" if virus is unknown"#,
        },
        flow: Flow::Final,
        phases: &[],
    },
    VerbSpec {
        form: Form {
            word: "drop",
            parts: FAREWELL,
            doc: "Replies, then closes the connection. The code is 421, 521, 554 or another 4yz or 5yz.",
            example: r#"drop 554 5.7.1 "{client.ip} is on the site deny list" if client.ip in deny_nets"#,
        },
        flow: Flow::Final,
        phases: &[],
    },
    VerbSpec {
        form: Form {
            word: "discard",
            parts: &[],
            doc: "Answers 250 and lets the message go. Meant for viruses of which a copy was kept by `quarantine`; the log line \
                  says `discard`.",
            example: "discard if virus is infected",
        },
        flow: Flow::Final,
        phases: &[DATA, MESSAGE],
    },
    VerbSpec {
        form: Form {
            word: "send",
            parts: &[Word("to"), OneOf(&[&[Word("maildir"), Value(Text)], &[Value(Name("pool"))]])],
            doc: "Hands the message to a server of the pool, whose reply the client gets, or writes it to a maildir, fsynced \
                  before the 250. With several recipients the next hop takes all or none.",
            example: "send to scanners",
        },
        flow: Flow::Final,
        phases: &[DATA, MESSAGE],
    },
    VerbSpec {
        form: Form {
            word: "quarantine",
            parts: &[Value(Text)],
            doc: "Keeps a copy of the message and its score sheet in the box of this name below the state folder, fsynced before \
                  the reply, and goes on.",
            example: r#"quarantine "virus""#,
        },
        flow: Flow::Continues,
        phases: &[MESSAGE],
    },
    VerbSpec {
        form: Form {
            word: "add",
            parts: &[Word("header"), Value(Text), Value(Template)],
            doc: "Puts a header line in front of the message when it is sent on. Line breaks in values are taken out.",
            example: r#"add header "X-Spam-Flag" "YES" if score(content) >= 10"#,
        },
        flow: Flow::Continues,
        phases: &[DATA, MESSAGE],
    },
    VerbSpec {
        form: Form {
            word: "remove",
            parts: &[Word("header"), Repeat(&[Value(Text)])],
            doc: "Takes header lines out of the message that is sent on; `*` in a name stands for any characters. Lines that this \
                  host adds are not touched. White space at the very top of a message, which would continue the last of them, is taken \
                  out whether anything is removed or not.",
            example: r#"remove header "X-Spam-*", "X-Virus-*""#,
        },
        flow: Flow::Continues,
        phases: &[MESSAGE],
    },
    VerbSpec {
        form: Form {
            word: "greet",
            parts: &[
                Word("after"),
                Value(Duration),
                Maybe(&[Comma, Word("stressed"), Value(Duration)]),
                Maybe(&[Comma, Word("remembered"), Value(Duration)]),
                Maybe(&[Comma, Word("teaser"), Value(Text)]),
            ],
            doc: "Waits before the 220. At once the client gets a first line of a greeting that has more lines (`220-`), as postscreen \
                  sends it: who takes it for the whole and talks is no mail server, has `client.spoke_early`, and its wait is over. \
                  `stressed` is the wait when the listener is stressed, `remembered` that for a client kept by `remember ... as \
                  passed`; both are the first wait when not given. At most 120s. `teaser` is the text of that line; by default that of \
                  the greeting, and with `\"\"` there is none. Without a wait there is none either.",
            example: "greet after 6s, stressed 2s, remembered 0s",
        },
        flow: Flow::Continues,
        phases: &[CONNECT],
    },
    VerbSpec {
        form: Form {
            word: "limit",
            parts: &[
                Value(Int(1, 65_000)),
                Maybe(&[Word("errors")]),
                Word("per"),
                Value(Duration),
                Word("by"),
                Value(Expr),
                Comma,
                Word("else"),
                Statement,
            ],
            doc: "Counts this key, and runs the statement behind `else` when it was counted more often than that in the window, which \
                  begins with the first count. Where it stands says what is counted: connections in `connect`, messages in `mail` \
                  or `message`, recipients in `rcpt`. With `errors` it counts the refused commands of all sessions with that key, \
                  and asking does not count. With a shared store it is the count of all hosts that have the same `limit` in a \
                  file of the same name: what others counted within the last moment may still be missing, and a store that is \
                  down leaves each host its own count. The table is bounded, one for all cores; an old key makes room for a new one.",
            example: r#"limit 20 errors per 10m by client.net, else drop 421 4.7.0 "too many errors""#,
        },
        flow: Flow::Asks,
        phases: &[],
    },
    VerbSpec {
        form: Form {
            word: "remember",
            parts: &[Value(Expr), Word("for"), Value(Duration), Word("as"), Value(AnyWord)],
            doc: "Keeps the key for a time under a name, for `remembered(KEY, NAME)`. `client.net ... as passed` is what `client.passed` \
                  and `greet` ask. It is kept over a restart, and with a shared `store` known to all hosts.",
            example: "remember client.net for 7d as passed",
        },
        flow: Flow::Continues,
        phases: &[],
    },
    VerbSpec {
        form: Form {
            word: "delay",
            parts: &[Value(Duration)],
            doc: "Waits before this phase's reply, at most 120s. Costs a timer.",
            example: "delay 5s if session.unknown_rcpts > 3",
        },
        flow: Flow::Continues,
        phases: &[],
    },
    VerbSpec {
        form: Form {
            word: "note",
            parts: &[Value(Template)],
            doc: "Writes a `note` line with this text to the log.",
            example: r#"note "odd HELO {helo.name}" if not helo.fqdn"#,
        },
        flow: Flow::Continues,
        phases: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_enum_and_the_table_agree() {
        assert_eq!(Verb::ALL.len(), VERBS.len());
        for verb in Verb::ALL {
            assert_eq!(format!("{verb:?}").to_lowercase(), verb.word());
        }
    }
}
