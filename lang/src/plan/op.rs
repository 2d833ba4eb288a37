//! The flat code of conditions and phases. Jumps go forward only, so a run ends after as many operations as there are.

use super::test::Order;
use crate::score::Score;
use crate::value::{Slot, StatementId};

/// A place in the code.
pub(crate) type Address = u32;

/// One operation. "The top" is the top of the stack of truths.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Pushes what a test says.
    Test(u32),
    /// Pushes a truth.
    Constant(bool),
    /// Pushes what a rule says; runs its code when that is not known yet.
    Rule(u32),
    /// Negates the top.
    Not,
    /// Joins the two on top.
    And,
    /// Joins the two on top.
    Or,
    /// Jumps, leaving the top, when the top is false: the rest of an `and` cannot change it.
    JumpIfFalse(Address),
    /// Jumps, leaving the top, when the top is true: the rest of an `or` cannot change it.
    JumpIfTrue(Address),
    /// The end of a rule's code: keeps the top as its state and returns.
    EndRule(u32),
    /// Runs all rules of a group, once in an evaluation.
    Group(u32),
    /// Takes the top away.
    Drop,
    /// The end of a group's code.
    EndGroup(u32),
    /// Pushes how a group's score compares.
    Score {
        /// The group.
        group: u32,
        /// How.
        order: Order,
        /// With what.
        bound: Score,
    },
    /// A statement begins: the place to resume. Index in the plan's sites.
    Begin(u32),
    /// Takes the top: goes on when true, jumps when false, waits when pending.
    Branch(Address),
    /// Jumps.
    Jump(Address),
    /// Waits until this slot has an answer.
    Await(Slot),
    /// Waits until all rules of this group are settled.
    AwaitGroup(u32),
    /// Notes that a statement ran.
    Act(StatementId),
    /// Ends the phase with a verdict.
    Final(StatementId),
    /// Ends the phase without one.
    Leave(StatementId),
    /// Asks the host whether a bound is kept: notes the statement and jumps when it is, goes on when it is not.
    Ask {
        /// The statement.
        statement: StatementId,
        /// Behind the statement of its `else`.
        kept: Address,
    },
    /// The end of a phase.
    End,
}
