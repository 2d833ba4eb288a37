//! Values as a plan writes them. None of these forms nests in itself, so that to compute one needs no recursion.

use std::net::IpAddr;

use super::Arg;
use crate::score::Score;
use crate::value::{Slot, StatementId};

/// A constant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Constant {
    /// Yes or no.
    Bool(bool),
    /// A number.
    Int(i64),
    /// Hundredths.
    Score(Score),
    /// Milliseconds.
    Duration(u64),
    /// Bytes.
    Size(u64),
    /// An address.
    Ip(IpAddr),
    /// A network.
    Net(IpAddr, u8),
    /// A text.
    Text(Box<[u8]>),
    /// Several texts.
    Texts(Box<[Box<[u8]>]>),
}

/// A value that is had without computing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// As written.
    Constant(Constant),
    /// A held field.
    Held {
        /// Index in [`crate::scheme::Scheme::fields`].
        spec: usize,
        /// `Subject` in `header("Subject")`.
        argument: Option<Box<str>>,
    },
    /// The state of a lookup or the value of a gathered field.
    Slot(Slot),
    /// A member of a lookup's answer.
    Member {
        /// The lookup.
        slot: Slot,
        /// Index in [`crate::scheme::AnswerSpec::members`].
        member: usize,
    },
    /// The message, as an argument of a service.
    Message,
}

impl Term {
    /// The slot whose answer it reads.
    pub fn slot(&self) -> Option<Slot> {
        match self {
            Self::Slot(slot) | Self::Member { slot, .. } => Some(*slot),
            Self::Constant(_) | Self::Held { .. } | Self::Message => None,
        }
    }
}

/// A value, computed from terms if need be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expression {
    /// A term.
    Term(Term),
    /// A host function that is computed at once.
    Compute {
        /// Index in [`crate::scheme::Scheme::functions`].
        spec: usize,
        /// Its arguments, at most [`ARGUMENTS_MAX`].
        arguments: Box<[Term]>,
    },
    /// A text that the host makes of lookups when it is written.
    Told {
        /// Index in [`crate::scheme::Scheme::texts`].
        spec: usize,
        /// A text, then slots; at most [`ARGUMENTS_MAX`].
        arguments: Box<[Term]>,
    },
    /// A point in time: now, or that of a term, and so many seconds more.
    Time {
        /// `None` is now.
        base: Option<Term>,
        /// What is added.
        seconds: i64,
    },
    /// `score(group)`
    Score(usize),
    /// `hits(group)`
    Hits(usize),
    /// `spam_status(group, required)`
    SpamStatus {
        /// The group.
        group: usize,
        /// From which score on the answer is `Yes`.
        required: Score,
    },
}

/// Arguments that a call may have.
pub const ARGUMENTS_MAX: usize = 8;

/// What follows a verb.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A constant or a word.
    Arg(Arg),
    /// A value.
    Value(Expression),
    /// A text with values in it.
    Template(Box<[Expression]>),
    /// The statement behind `else` in a `limit`.
    Statement(StatementId),
}
