//! What can still be asked from each place at which a phase can wait.
//!
//! Jumps go forward only, so one pass from the end of a phase to its beginning knows what follows each operation.

use std::collections::HashMap;
use std::rc::Rc;

use super::slots::{Closures, Slots};
use crate::hir::Hir;
use crate::plan::op::{Address, Op};
use crate::plan::test::Test;
use crate::value::Slot;

/// By site the index of its set. Many statements share a set, which is kept once.
pub(super) struct Reaches {
    pub(super) sites: Vec<u32>,
    pub(super) sets: Vec<Box<[Slot]>>,
}

pub(super) fn reaches(
    ops: &[Op],
    phases: &[Option<Address>],
    sites: u32,
    tests: &[Test],
    closures: &Closures,
) -> Reaches {
    let mut reaches = Reaches { sites: vec![0; sites as usize], sets: vec![Box::default()] };
    let mut known = HashMap::new();
    for start in phases.iter().flatten() {
        let after = follow(ops, *start, tests, closures);
        for (op, reach) in ops.iter().skip(*start as usize).zip(after) {
            let Op::Begin(site) = op else { continue };
            let set = *known.entry(Rc::clone(&reach)).or_insert_with(|| {
                reaches.sets.push(reach.iter().copied().collect());
                u32::try_from(reaches.sets.len() - 1).unwrap_or(0)
            });
            if let Some(place) = reaches.sites.get_mut(*site as usize) {
                *place = set;
            }
        }
    }
    reaches
}

/// Slots that phases behind each phase can ask for and whose inputs are known in it.
pub(super) fn prefetch(
    hir: &Hir,
    ops: &[Op],
    phases: &[Option<Address>],
    tests: &[Test],
    closures: &Closures,
) -> Vec<Box<[Slot]>> {
    let mut later = Slots::new();
    let mut prefetch: Vec<Box<[Slot]>> = Vec::with_capacity(phases.len());
    for (phase, start) in phases.iter().enumerate().rev() {
        let known = |slot: &&Slot| {
            let spec = hir.slots.get(usize::from(slot.0)).map(|slot| &slot.spec);
            spec.is_some_and(|spec| spec.since <= phase && !spec.late)
        };
        prefetch.push(later.iter().filter(known).copied().collect());
        if let Some(reach) = start.and_then(|start| follow(ops, start, tests, closures).into_iter().next()) {
            later.extend(reach.iter());
        }
    }
    prefetch.reverse();
    prefetch
}

/// By operation from `start` to the end of its phase: the slots that can be asked from there on.
fn follow(ops: &[Op], start: Address, tests: &[Test], closures: &Closures) -> Vec<Rc<Slots>> {
    let start = start as usize;
    let phase = ops.get(start..).unwrap_or_default();
    let length = phase.iter().position(|op| matches!(op, Op::End)).map_or(phase.len(), |end| end + 1);
    let mut after: Vec<Rc<Slots>> = vec![Rc::default(); length];
    for (at, op) in phase.iter().enumerate().take(length).rev() {
        let place = |address: Address| after.get((address as usize).saturating_sub(start)).cloned();
        let next = || after.get(at + 1).cloned();
        let mut reach = match op {
            Op::End | Op::Final(_) | Op::Leave(_) => Rc::default(),
            Op::Jump(target) => place(*target).unwrap_or_default(),
            Op::Branch(target)
            | Op::JumpIfFalse(target)
            | Op::JumpIfTrue(target)
            | Op::Ask { kept: target, .. } => union(next(), place(*target)),
            _ => next().unwrap_or_default(),
        };
        let own = own(op, tests, closures);
        if !own.is_subset(&reach) {
            Rc::make_mut(&mut reach).extend(own);
        }
        if let Some(place) = after.get_mut(at) {
            *place = reach;
        }
    }
    after
}

fn union(one: Option<Rc<Slots>>, other: Option<Rc<Slots>>) -> Rc<Slots> {
    let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
    if other.is_subset(&one) {
        one
    } else if one.is_subset(&other) {
        other
    } else {
        Rc::new(one.union(&other).copied().collect())
    }
}

/// What an operation itself can ask for.
fn own(op: &Op, tests: &[Test], closures: &Closures) -> Slots {
    let of = |sets: &[Slots], index: u32| sets.get(index as usize).cloned().unwrap_or_default();
    match op {
        Op::Test(test) => tests.get(*test as usize).map(|test| closures.test(test)).unwrap_or_default(),
        Op::Rule(rule) => of(&closures.rules, *rule),
        Op::Group(group) | Op::AwaitGroup(group) | Op::Score { group, .. } => of(&closures.groups, *group),
        Op::Await(slot) => closures.slot(*slot).copied().collect(),
        _ => Slots::new(),
    }
}
