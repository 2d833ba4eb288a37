//! The words of the rule files: every phase, field, verb, declaration and test clause that this engine knows.
//!
//! One entry is one word, with its type, doc and example; the checker, `weir doc` and the tests read these tables. What
//! a held field's value is at run time stands in [`crate::facts`], in the same order, checked by a test there.

pub mod answers;
pub mod auth;
pub mod clauses;
pub mod codes;
pub mod fields;
pub mod functions;
pub mod kinds;
pub mod verbs;

use weir_lang::scheme::{PhaseSpec, Scheme};

/// Everything that rule files can say on this engine.
pub static SCHEME: Scheme = Scheme {
    phases: PHASES,
    fields: fields::FIELDS,
    functions: functions::FUNCTIONS,
    texts: &[auth::AUTH_RESULTS],
    verbs: verbs::VERBS,
    kinds: kinds::KINDS,
    clauses: clauses::CLAUSES,
    codes: codes::ALL,
};

/// A step of the SMTP session at which rules decide, in wire order. Its value is its index in `PHASES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// The client connected; nothing was sent yet.
    Connect = 0,
    /// EHLO or HELO.
    Helo = 1,
    /// MAIL FROM.
    Mail = 2,
    /// Each RCPT TO.
    Rcpt = 3,
    /// DATA, before the 354.
    Data = 4,
    /// The whole message, before its reply.
    Message = 5,
}

impl Phase {
    /// All, in wire order.
    pub const ALL: [Self; 6] = [Self::Connect, Self::Helo, Self::Mail, Self::Rcpt, Self::Data, Self::Message];

    /// As rule files and logs name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Helo => "helo",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Message => "message",
        }
    }

    /// Its index in the scheme.
    pub const fn index(self) -> usize {
        self as usize
    }
}

const PHASES: &[PhaseSpec] = &[
    PhaseSpec {
        name: "connect",
        decides: false,
        doc: "The client has connected and has not been greeted. A refusal here is the greeting (RFC 5321, 3.1).",
    },
    PhaseSpec { name: "helo", decides: false, doc: "The client has said EHLO or HELO (RFC 5321, 4.1.1.1)." },
    PhaseSpec { name: "mail", decides: false, doc: "The client has named the sender (RFC 5321, 4.1.1.2)." },
    PhaseSpec {
        name: "rcpt",
        decides: false,
        doc: "The client has named a recipient (RFC 5321, 4.1.1.3). Runs once for each.",
    },
    PhaseSpec {
        name: "data",
        decides: true,
        doc: "The client has said DATA; the message has not arrived (RFC 5321, 4.1.1.4). A `send` here decides without \
              looking at the message, which then is passed on without being parsed.",
    },
    PhaseSpec {
        name: "message",
        decides: true,
        doc: "The whole message is here and has not been answered. Every path ends in a final verb.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_stand_where_their_index_says() {
        for phase in Phase::ALL {
            assert_eq!(SCHEME.phases[phase.index()].name, phase.name());
        }
    }
}
