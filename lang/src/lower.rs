//! From what a file set means to how it runs. Cannot fail: every fault was reported by [`crate::check`].
//!
//! Conditions become code for a stack of truths, statements become code with jumps forward only. The depths of the
//! stacks and the slots that each place can still reach are worked out here, so that evaluation only looks them up.

mod code;
mod cost;
mod reach;
mod slots;

use crate::eval::Weight;
use crate::hir::{self, Hir, Node};
use crate::plan::op::Op;
use crate::plan::{CostReport, Plan, Scan};
use code::Code;
use slots::Closures;

/// Makes the plan of a checked file set.
pub fn lower(hir: Hir) -> Plan {
    let closures = Closures::of(&hir);
    let mut code = Code::new(&hir);
    for node in &hir.order {
        match *node {
            Node::Rule(rule) => code.rule(rule),
            Node::Group(group) => code.group(group),
        }
    }
    let phases: Vec<_> = hir
        .phases
        .iter()
        .map(|statements| statements.as_ref().map(|statements| code.phase(statements)))
        .collect();
    let survey = code.survey();
    let code = code.finish();
    let waiting: Vec<_> = phases.iter().copied().chain([Some(survey)]).collect();
    let reaches = reach::reaches(&code.ops, &waiting, code.sites, &code.tests, &closures);
    let prefetch = reach::prefetch(&hir, &code.ops, &phases, &code.tests, &closures);
    let mut plan = Plan {
        scheme: hir.scheme,
        role: hir.role,
        digest: hir.digest,
        declarations: hir.declarations,
        groups: hir.groups,
        lists: hir.lists.into_iter().map(|list| (list.spec, list.entries)).collect(),
        maps: hir.maps.into_iter().map(|map| (map.spec, map.entries)).collect(),
        weights: hir.rules.iter().map(weight).collect(),
        rules: hir.rules.into_iter().take(hir.named).map(|rule| rule.spec).collect(),
        cases: hir.tests,
        statements: code.statements,
        answers: hir.slots.iter().map(|slot| slot.answer).collect(),
        slots: hir.slots.into_iter().map(|slot| slot.spec).collect(),
        scans: hir.scans.into_iter().map(scan).collect(),
        tests: code.tests,
        ops: code.ops,
        phases,
        survey,
        rule_code: code.rules,
        rule_slots: closures.failing,
        group_code: code.groups,
        sites: reaches.sites,
        reaches: reaches.sets,
        prefetch,
        stack_max: code.stack_max,
        frames_max: code.frames_max,
        cost: CostReport::default(),
    };
    plan.cost = cost::report(&plan);
    plan
}

fn weight(rule: &hir::Rule) -> Weight {
    Weight { score: rule.spec.weight, off: rule.spec.off, shadow: rule.spec.shadow }
}

fn scan(scan: hir::Scan) -> Scan {
    Scan { text: scan.text, since: scan.since, set: scan.patterns.build() }
}

/// The address behind the last operation.
fn address(ops: &[Op]) -> u32 {
    u32::try_from(ops.len()).unwrap_or(u32::MAX)
}
