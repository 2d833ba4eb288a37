//! Runs a plan: conditions on a stack of truths, statements in order, until the phase is decided or facts are missing.
//!
//! Nothing here allocates, recurses or waits. The stacks were sized when the plan was lowered; jumps go forward only
//! and each rule runs at most once in an evaluation, so an evaluation takes no more steps than the plan has operations.

mod render;
mod score;
mod scratch;
mod test;
mod value;

pub use render::show;
pub(crate) use scratch::Weight;
pub use scratch::{Coverage, RuleState, Scratch};

use crate::plan::op::{Address, Op};
use crate::plan::{Ending, Plan, Step};
use crate::value::{Facts, Slot, Value};

/// What a condition says. Kleene's logic: what is pending may still become either. `Late` is pending too, but nothing else
/// than this one lookup can decide it, so that now is the time to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    False,
    True,
    Pending,
    Late(Slot),
}

impl Truth {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, left) | (left, Self::True) => left,
            // One after the other: what the first one says may spare the second.
            (Self::Late(first), Self::Late(_)) => Self::Late(first),
            _ => Self::Pending,
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::True => Self::False,
            waiting => waiting,
        }
    }
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

impl Plan {
    /// Decides a phase as far as the facts go. `Needs`: gather what [`Scratch::wanted`] names and evaluate again;
    /// the run goes on at the statement that waits. After `Decided` the next call begins the phase anew.
    pub fn evaluate<F: Facts>(&self, phase: usize, facts: &F, scratch: &mut Scratch) -> Step {
        let start = scratch.begin(self, phase);
        Run { plan: self, facts, scratch }.from(start)
    }
}

/// One call of `evaluate`.
struct Run<'a, F> {
    plan: &'a Plan,
    facts: &'a F,
    scratch: &'a mut Scratch,
}

/// What follows an operation.
enum Next {
    /// The one behind it.
    On,
    /// This one.
    To(Address),
    /// The statement cannot go on yet. With a slot: nothing but that can let it go on.
    Blocked(Option<Slot>),
    /// The phase is over.
    Over(Ending),
}

impl<F: Facts> Run<'_, F> {
    fn from(mut self, start: Address) -> Step {
        let plan = self.plan;
        let mut at = start;
        loop {
            let Some(op) = plan.ops.get(at as usize) else {
                debug_assert!(false, "a phase ends with `End`");
                return self.over(Ending::Accepted(None));
            };
            at = match self.step(at, op) {
                Next::On => at + 1,
                Next::To(address) => address,
                Next::Blocked(late) => {
                    self.block(late);
                    return Step::Needs;
                }
                Next::Over(ending) => return self.over(ending),
            };
        }
    }

    fn step(&mut self, at: Address, op: &Op) -> Next {
        match *op {
            Op::Test(test) => {
                let truth = self.test(test as usize);
                self.scratch.stack.push(truth);
                Next::On
            }
            Op::Constant(truth) => {
                self.scratch.stack.push(truth.into());
                Next::On
            }
            Op::Not => {
                let top = self.pop();
                self.scratch.stack.push(top.not());
                Next::On
            }
            Op::And | Op::Or => {
                let (right, left) = (self.pop(), self.pop());
                let joined = if matches!(op, Op::And) { left.and(right) } else { left.or(right) };
                self.scratch.stack.push(joined);
                Next::On
            }
            Op::JumpIfFalse(target) => self.jump_if(Truth::False, target),
            Op::JumpIfTrue(target) => self.jump_if(Truth::True, target),
            Op::Rule(rule) => self.rule(at, rule as usize),
            Op::EndRule(rule) => self.end_rule(rule as usize),
            Op::Group(group) => self.group(at, group as usize),
            Op::EndGroup(group) => {
                self.scratch.group_done(group as usize);
                self.back()
            }
            Op::Drop => {
                self.pop();
                Next::On
            }
            Op::Score { group, order, bound } => {
                let truth = self.compare_score(group as usize, order, bound);
                self.scratch.stack.push(truth);
                Next::On
            }
            _ => self.flow(at, op),
        }
    }

    /// Operations of statements.
    fn flow(&mut self, at: Address, op: &Op) -> Next {
        match *op {
            Op::Begin(site) => {
                self.scratch.resume_at(at, site);
                Next::On
            }
            Op::Branch(target) => match self.pop() {
                Truth::True => Next::On,
                Truth::False => Next::To(target),
                waiting => blocked(waiting),
            },
            Op::Jump(target) => Next::To(target),
            Op::Await(slot) if self.facts.answer(slot) == Value::Pending => blocked(self.waits_for(slot)),
            Op::AwaitGroup(group) => match self.group_waits(group as usize) {
                Truth::False | Truth::True => Next::On,
                waiting => blocked(waiting),
            },
            Op::Act(statement) => {
                self.scratch.actions.push(statement);
                Next::On
            }
            Op::Final(statement) => Next::Over(Ending::Final(statement)),
            Op::Leave(statement) => Next::Over(Ending::Accepted(Some(statement))),
            Op::Ask { statement, kept } => {
                self.scratch.actions.push(statement);
                if self.facts.ask(statement) { Next::To(kept) } else { Next::On }
            }
            Op::End => Next::Over(Ending::Accepted(None)),
            _ => Next::On,
        }
    }

    fn jump_if(&self, truth: Truth, target: Address) -> Next {
        if self.scratch.stack.last() == Some(&truth) { Next::To(target) } else { Next::On }
    }

    fn pop(&mut self) -> Truth {
        let top = self.scratch.stack.pop();
        debug_assert!(top.is_some(), "lowering pairs each use of the stack with a push");
        top.unwrap_or(Truth::Pending)
    }

    /// Pushes what a rule says, or goes to its code, which comes back here.
    fn rule(&mut self, at: Address, rule: usize) -> Next {
        if let Some(truth) = self.scratch.remembered(rule) {
            self.scratch.stack.push(truth);
            return Next::On;
        }
        let Some(code) = self.plan.rule_code.get(rule) else { return Next::On };
        self.scratch.frames.push(at + 1);
        Next::To(*code)
    }

    fn end_rule(&mut self, rule: usize) -> Next {
        let truth = self.pop();
        let seen = self.scratch.remember(rule, truth);
        self.scratch.stack.push(seen);
        self.back()
    }

    fn group(&mut self, at: Address, group: usize) -> Next {
        if self.scratch.group_is_done(group) {
            return Next::On;
        }
        let Some(code) = self.plan.group_code.get(group) else { return Next::On };
        self.scratch.frames.push(at + 1);
        Next::To(*code)
    }

    fn back(&mut self) -> Next {
        let frame = self.scratch.frames.pop();
        debug_assert!(frame.is_some(), "code of rules and groups is only entered by a call");
        frame.map_or(Next::Over(Ending::Accepted(None)), Next::To)
    }

    /// How one waits for a slot that is not answered.
    fn waits_for(&self, slot: Slot) -> Truth {
        if self.plan.is_late(slot) && self.plan.can_ask(slot, self.facts) {
            Truth::Late(slot)
        } else {
            Truth::Pending
        }
    }

    /// Lists what can still be reached from the statement that waits, is not answered, and can be asked; of the late ones only
    /// that for which nothing else is left to ask.
    fn block(&mut self, late: Option<Slot>) {
        self.scratch.stack.clear();
        self.scratch.frames.clear();
        self.scratch.wanted.clear();
        let reach = self.plan.reach(self.scratch.site);
        for &slot in reach {
            let is_open = self.facts.answer(slot) == Value::Pending && self.plan.can_ask(slot, self.facts);
            if is_open && (!self.plan.is_late(slot) || late == Some(slot)) {
                self.scratch.wanted.push(slot);
            }
        }
        debug_assert!(!self.scratch.wanted.is_empty(), "what waits, waits for a slot that can be asked");
    }

    fn over(self, ending: Ending) -> Step {
        self.scratch.end();
        Step::Decided(ending)
    }
}

fn blocked(by: Truth) -> Next {
    Next::Blocked(if let Truth::Late(slot) = by { Some(slot) } else { None })
}
