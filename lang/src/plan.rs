//! How to run a file set: the flat form to which a checked set is lowered, and what evaluation gives back.
//!
//! A plan is immutable and shared by all shards; what one evaluation remembers is kept apart.
//! Every index in it (rules, groups, lists, slots, statements, declarations) is the
//! identity of that thing for as long as the plan lives.

mod declared;
mod operand;

pub use declared::{
    Arg, Clause, Declared, GroupSpec, ListSpec, MapSpec, Origin, RuleSpec, Setting, TestCase,
};
pub use operand::{ARGUMENTS_MAX, Constant, Expression, Operand, Term};

use crate::source::Location;

/// A statement as it stands in a plan. The host carries out those that an evaluation names.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Index in [`crate::scheme::Scheme::verbs`].
    pub verb: usize,
    /// Computed and logged, not done.
    pub shadow: bool,
    /// Where it was written.
    pub location: Location,
    /// What follows the verb, in the order of its form; the words of the form are kept.
    pub args: Vec<Operand>,
    /// Rules named in the guards around it, by index in the plan's rules: why it ran.
    pub rules: Vec<usize>,
}

/// What has to be gathered to fill a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A call of a declared thing (`zen(client.ip)`): index in the plan's declarations.
    Declaration(usize),
    /// A call of a host function that answers: index in [`crate::scheme::Scheme::functions`].
    Function(usize),
    /// A gathered field: index in [`crate::scheme::Scheme::fields`].
    Field(usize),
}

/// A slot: one distinct lookup or gathered field.
#[derive(Clone, Debug)]
pub struct SlotSpec {
    /// What to ask.
    pub target: Target,
    /// The first phase in which it can be asked. When that phase begins anew (the next `rcpt`), its answer is to
    /// be forgotten.
    pub since: usize,
    /// With what.
    pub arguments: Vec<Term>,
    /// The constant argument of a gathered field.
    pub name: Option<String>,
}

/// Where an evaluation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The phase is decided.
    Decided(Ending),
    /// Slots have to be gathered; after any of them evaluate again.
    Needs,
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By a final verb.
    Final(crate::value::StatementId),
    /// By a verb that ends the phase (`accept`), or, with `None`, by running out of statements.
    Accepted(Option<crate::value::StatementId>),
}
