//! Scores of groups: what the sum is, and between which bounds it still moves while rules wait for lookups.

use super::{Facts, RuleState, Run, Scratch, Truth};
use crate::plan::Plan;
use crate::plan::test::Order;
use crate::score::Score;
use crate::value::{Slot, Value};

/// The least and the most that a score can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    least: i64,
    most: i64,
}

impl Bounds {
    const NONE: Self = Self { least: 0, most: 0 };

    /// A rule that waits adds one of these.
    fn either(self, values: [i64; 3]) -> Self {
        let least = values.iter().min().copied().unwrap_or(0);
        let most = values.iter().max().copied().unwrap_or(0);
        Self { least: self.least + least, most: self.most + most }
    }

    fn sure(self, value: i64) -> Self {
        self.either([value; 3])
    }

    /// Never above `cap`, which for both bounds means the same as for the sum.
    fn capped(self, cap: Option<Score>) -> Self {
        let cap = cap.map_or(i64::MAX, |cap| i64::from(cap.hundredths()));
        Self { least: self.least.min(cap), most: self.most.min(cap) }
    }

    fn compare(self, order: Order, bound: Score) -> Truth {
        let bound = i64::from(bound.hundredths());
        let Self { least, most } = self;
        match order {
            Order::Ge => decide(least >= bound, most < bound),
            Order::Gt => decide(least > bound, most <= bound),
            Order::Lt => decide(most < bound, least >= bound),
            Order::Le => decide(most <= bound, least > bound),
            Order::Eq => decide(least == bound && most == bound, most < bound || least > bound),
            Order::Ne => decide(most < bound || least > bound, least == bound && most == bound),
        }
    }
}

fn decide(surely: bool, never: bool) -> Truth {
    match (surely, never) {
        (true, _) => Truth::True,
        (_, true) => Truth::False,
        _ => Truth::Pending,
    }
}

impl Plan {
    /// The bounds of a group's score. Sums of 64 bits: no number of rules wraps them.
    pub(super) fn bounds<F: Facts>(&self, group: usize, facts: &F, scratch: &Scratch) -> Bounds {
        let Some(spec) = self.groups.get(group) else { return Bounds::NONE };
        let failed = i64::from(spec.failed_counts.hundredths());
        let mut bounds = Bounds::NONE;
        for &rule in &spec.rules {
            let Some(weight) = scratch.weight(rule) else { continue };
            let Some(score) = weight.score.filter(|_| !weight.off && !weight.shadow) else { continue };
            let score = i64::from(score.hundredths());
            let fails = failed != 0 && !self.rule_slots(rule).is_empty();
            let failure = if fails { self.has_failed(rule, facts) } else { Truth::False };
            bounds = match scratch.current(rule) {
                RuleState::Hit => bounds.sure(score),
                RuleState::Miss => match failure {
                    Truth::True => bounds.sure(failed),
                    Truth::False => bounds,
                    // It missed whatever that lookup says, but a failure would still count.
                    Truth::Pending | Truth::Late(_) => bounds.either([failed, 0, 0]),
                },
                RuleState::Unrun | RuleState::Pending if fails => bounds.either([score, 0, failed]),
                RuleState::Unrun | RuleState::Pending => bounds.either([score, 0, 0]),
            };
        }
        bounds.capped(spec.cap)
    }

    /// The score as far as it is known: rules that wait add nothing.
    pub(super) fn score_so_far<F: Facts>(&self, group: usize, facts: &F, scratch: &Scratch) -> Score {
        let Some(spec) = self.groups.get(group) else { return Score::ZERO };
        let failed = i64::from(spec.failed_counts.hundredths());
        let mut sum = 0_i64;
        for &rule in &spec.rules {
            let Some(weight) = scratch.weight(rule).filter(|weight| !weight.off && !weight.shadow) else {
                continue;
            };
            sum += match scratch.rule(rule) {
                RuleState::Hit => i64::from(weight.score.unwrap_or_default().hundredths()),
                RuleState::Miss if failed != 0 && self.has_failed(rule, facts) == Truth::True => failed,
                _ => 0,
            };
        }
        let cap = spec.cap.map_or(i64::from(i32::MAX), |cap| i64::from(cap.hundredths()));
        let sum = sum.min(cap).max(i64::from(i32::MIN));
        Score::from_hundredths(i32::try_from(sum).unwrap_or(i32::MAX))
    }

    /// Whether one of the lookups of the rule has failed; pending while one still may.
    fn has_failed<F: Facts>(&self, rule: usize, facts: &F) -> Truth {
        let slots = self.rule_slots(rule);
        if slots.iter().any(|slot| self.is_unknown(*slot, facts)) {
            return Truth::True;
        }
        let open = slots.iter().any(|slot| facts.answer(*slot) == Value::Pending);
        if open { Truth::Pending } else { Truth::False }
    }

    fn is_unknown<F: Facts>(&self, slot: Slot, facts: &F) -> bool {
        match facts.answer(slot) {
            Value::Unknown => true,
            Value::State(state) => {
                self.answer_of(slot).is_some_and(|answer| answer.unknown == usize::from(state))
            }
            _ => false,
        }
    }
}

impl<F: Facts> Run<'_, F> {
    /// Whether the score compares so; pending only while open lookups can still change that.
    pub(super) fn compare_score(&mut self, group: usize, order: Order, bound: Score) -> Truth {
        match self.plan.bounds(group, self.facts, self.scratch).compare(order, bound) {
            Truth::Pending => match self.group_waits(group) {
                Truth::Late(slot) => Truth::Late(slot),
                _ => Truth::Pending,
            },
            decided => decided,
        }
    }

    /// `False` when no rule that counts in the group waits; else how it waits: `Late` when all of them wait for nothing but late
    /// lookups.
    pub(super) fn group_waits(&mut self, group: usize) -> Truth {
        let (plan, facts) = (self.plan, self.facts);
        let Some(spec) = plan.groups.get(group) else { return Truth::False };
        let scratch = &*self.scratch;
        let counts = |rule: usize| scratch.weight(rule).is_some_and(|weight| !weight.off && !weight.shadow);
        let fails = spec.failed_counts != Score::ZERO;
        let waits = |rule: usize| match scratch.current(rule) {
            RuleState::Pending => scratch.late(rule).map_or(Truth::Pending, Truth::Late),
            RuleState::Miss if fails => plan.has_failed(rule, facts),
            RuleState::Hit | RuleState::Miss | RuleState::Unrun => Truth::False,
        };
        let open = spec.rules.iter().filter(|rule| counts(**rule)).map(|&rule| waits(rule));
        let open = open.filter(|truth| !matches!(truth, Truth::False | Truth::True));
        // Of two late ones the first, and any other wait before it: what `and` says of what waits.
        let waits = open.fold(Truth::True, Truth::and);
        if waits == Truth::Pending {
            self.scratch.wait_at_most(spec.deadline);
        }
        if waits == Truth::True { Truth::False } else { waits }
    }
}
