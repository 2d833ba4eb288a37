//! Which slots a test, a rule or a group can ask for, all that these ask for in turn included.

use std::collections::BTreeSet;

use crate::hir::{self, Condition, Hir, Node};
use crate::plan::test::{Kind, Test};
use crate::plan::{Expression, Term};
use crate::value::Slot;

/// A set of slots.
pub(super) type Slots = BTreeSet<Slot>;

/// The slots that things can ask for.
pub(super) struct Closures {
    /// A slot, and those whose answers are its arguments.
    slots: Vec<Slots>,
    scans: Vec<Slots>,
    pub(super) rules: Vec<Slots>,
    pub(super) groups: Vec<Slots>,
    /// By rule: the slots whose failure is the rule's failure, those of its own condition and of its signals.
    pub(super) failing: Vec<Box<[Slot]>>,
}

impl Closures {
    pub(super) fn of(hir: &Hir) -> Self {
        let mut closures = Self {
            slots: Vec::with_capacity(hir.slots.len()),
            scans: Vec::new(),
            rules: vec![Slots::new(); hir.rules.len()],
            groups: vec![Slots::new(); hir.groups.len()],
            failing: Vec::new(),
        };
        // A slot stands behind those of its arguments.
        for (index, slot) in (0..).map(Slot).zip(&hir.slots) {
            let mut slots = closures.terms(&slot.spec.arguments);
            slots.insert(index);
            closures.slots.push(slots);
        }
        closures.scans = hir.scans.iter().map(|scan| closures.expression(&scan.text)).collect();
        let mut failing = vec![Slots::new(); hir.rules.len()];
        for node in &hir.order {
            match *node {
                Node::Rule(rule) => {
                    let Some(condition) = hir.rules.get(rule).map(|rule| &rule.condition) else { continue };
                    let slots = closures.condition(condition);
                    let mut fails = closures.failing(hir, condition, &failing);
                    // To know that a late lookup fails it would have to be asked where no rule needs it.
                    fails
                        .retain(|slot| hir.slots.get(usize::from(slot.0)).is_none_or(|slot| !slot.spec.late));
                    replace(&mut closures.rules, rule, slots);
                    replace(&mut failing, rule, fails);
                }
                Node::Group(group) => {
                    let rules = hir.groups.get(group).map_or(&[][..], |spec| &spec.rules);
                    let slots = rules.iter().filter_map(|rule| closures.rules.get(*rule)).flatten().copied();
                    let slots = slots.collect();
                    replace(&mut closures.groups, group, slots);
                }
            }
        }
        closures.failing = failing.into_iter().map(|slots| slots.into_iter().collect()).collect();
        closures
    }

    fn failing(&self, hir: &Hir, condition: &Condition, known: &[Slots]) -> Slots {
        let mut slots = Slots::new();
        condition.walk(&mut |condition| match condition {
            Condition::Test(test) => slots.extend(self.test(test)),
            Condition::Rule(rule) if hir.rules.get(*rule).is_some_and(is_signal) => {
                slots.extend(known.get(*rule).into_iter().flatten());
            }
            _ => {}
        });
        slots
    }

    fn condition(&self, condition: &Condition) -> Slots {
        let mut slots = Slots::new();
        condition.walk(&mut |condition| match condition {
            Condition::Test(test) => slots.extend(self.test(test)),
            Condition::Rule(rule) => slots.extend(self.rules.get(*rule).into_iter().flatten()),
            Condition::Score { group, .. } => slots.extend(self.groups.get(*group).into_iter().flatten()),
            _ => {}
        });
        slots
    }

    pub(super) fn test(&self, test: &Test) -> Slots {
        match &test.kind {
            Kind::State { of, .. } => self.terms(std::slice::from_ref(of)),
            Kind::Match { scan, .. } | Kind::Phrase { scan, .. } => {
                self.scans.get(*scan).cloned().unwrap_or_default()
            }
            kind => kind.expressions().into_iter().flat_map(|value| self.expression(value)).collect(),
        }
    }

    fn expression(&self, expression: &Expression) -> Slots {
        self.terms(hir::terms(expression))
    }

    fn terms(&self, terms: &[Term]) -> Slots {
        let slots = terms.iter().filter_map(Term::slot);
        slots.flat_map(|slot| self.slot(slot)).copied().collect()
    }

    pub(super) fn slot(&self, slot: Slot) -> impl Iterator<Item = &Slot> {
        self.slots.get(usize::from(slot.0)).into_iter().flatten()
    }
}

fn is_signal(rule: &hir::Rule) -> bool {
    rule.spec.weight.is_none()
}

fn replace(sets: &mut [Slots], at: usize, slots: Slots) {
    if let Some(set) = sets.get_mut(at) {
        *set = slots;
    }
}
