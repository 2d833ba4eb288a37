//! Values at run time, and the interface by which the host gives them.

use std::net::IpAddr;

use crate::list::{List, Map};
use crate::score::Score;

/// A value that a rule sees. Borrowed: evaluation copies nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// There is none: no such header, no reverse name.
    Missing,
    /// It was asked for and could not be had.
    Unknown,
    /// It has to be gathered first.
    Pending,
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
    /// Seconds since 1970.
    Time(i64),
    /// An address.
    Ip(IpAddr),
    /// A network.
    Net(IpAddr, u8),
    /// A text, a domain or a mailbox: bytes, since a peer may send any.
    Text(&'a [u8]),
    /// Several texts.
    Texts(&'a [Box<[u8]>]),
    /// Several addresses.
    Ips(&'a [IpAddr]),
    /// The state of an answer, by its index in [`crate::scheme::AnswerSpec::states`].
    State(u8),
    /// The message, as an argument.
    Message,
}

/// A lookup's place in a plan: each distinct call with its arguments, and each gathered field, has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u16);

/// A statement's place in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatementId(pub u32);

/// What the host knows of the session, transaction or message under judgement.
pub trait Facts {
    /// The value of a held field: `spec` is its index in [`crate::scheme::Scheme::fields`].
    /// `Missing` when there is none. Never `Pending`.
    fn field(&self, spec: usize, argument: Option<&str>) -> Value<'_>;

    /// What a slot has: `Pending` until it was gathered; `State` for lookups; for a gathered field its value or
    /// `Unknown`.
    fn answer(&self, slot: Slot) -> Value<'_>;

    /// A member of a settled lookup, by its index in [`crate::scheme::AnswerSpec::members`].
    fn member(&self, slot: Slot, member: usize) -> Value<'_>;

    /// A host function that is computed at once: `spec` is its index in [`crate::scheme::Scheme::functions`].
    /// The result lives as long as the facts.
    fn compute(&self, spec: usize, arguments: &[Value<'_>]) -> Value<'_>;

    /// Appends a text that is made of lookups: `spec` is its index in [`crate::scheme::Scheme::texts`], `slots` are
    /// settled. One line: neither CR nor LF.
    fn tell(
        &self,
        _spec: usize,
        _head: Value<'_>,
        _slots: &mut dyn Iterator<Item = Slot>,
        _out: &mut Vec<u8>,
    ) {
    }

    /// Whether the bound of an [`crate::scheme::Flow::Asks`] statement (`limit`) is kept. Called once per evaluation.
    fn ask(&self, statement: StatementId) -> bool;

    /// The time, in seconds since 1970.
    fn now(&self) -> i64;

    /// The entries of a list that was reloaded since the plan was made, by its index in the plan; `None` for one that
    /// was not. Phrases are part of the plan's patterns: a list of them changes only with a new plan.
    fn list(&self, _list: usize) -> Option<&List> {
        None
    }

    /// Entries that an operator has put into a list beside those that it has; `None` when there are none.
    fn added(&self, _list: usize) -> Option<&List> {
        None
    }

    /// The entries of a map that was reloaded since the plan was made; `None` for one that was not.
    fn map(&self, _map: usize) -> Option<&Map> {
        None
    }
}
