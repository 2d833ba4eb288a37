//! The worst case of each phase, counted from its code.

use std::collections::BTreeSet;

use crate::plan::op::Op;
use crate::plan::test::Kind;
use crate::plan::{CostReport, Expression, PhaseCost, Plan, ScanCost, Term};

pub(super) fn report(plan: &Plan) -> CostReport {
    let phases = plan.scheme.phases.iter().zip(&plan.phases);
    CostReport {
        phases: phases.filter_map(|(spec, start)| Some(phase(plan, spec.name, (*start)? as usize))).collect(),
        operations: plan.ops.len(),
        entries: plan.lists.iter().map(|(_, entries)| entries.len()).sum::<usize>()
            + plan.maps.iter().map(|(_, entries)| entries.len()).sum::<usize>(),
    }
}

/// What a run of a phase can touch.
#[derive(Default)]
struct Touched {
    statements: usize,
    rules: BTreeSet<u32>,
    groups: BTreeSet<u32>,
    scans: BTreeSet<usize>,
    /// Addresses of code still to be looked through.
    open: Vec<usize>,
}

fn phase(plan: &Plan, name: &'static str, start: usize) -> PhaseCost {
    let mut touched = Touched { open: vec![start], ..Touched::default() };
    while let Some(start) = touched.open.pop() {
        for op in plan.ops.iter().skip(start) {
            if touched.add(plan, op) {
                break;
            }
        }
    }
    let lookups = match plan.ops.get(start) {
        Some(Op::Begin(site)) => plan.reach(*site).len(),
        _ => 0,
    };
    let groups = touched.groups.iter().filter_map(|group| plan.groups.get(*group as usize));
    PhaseCost {
        phase: name,
        statements: touched.statements,
        rules: touched.rules.iter().filter(|rule| (**rule as usize) < plan.rules.len()).count(),
        lookups,
        deadline: groups.filter_map(|group| group.deadline).max(),
        scans: touched.scans.iter().filter_map(|scan| scan_cost(plan, *scan)).collect(),
    }
}

impl Touched {
    /// Counts an operation; true at the end of the code.
    fn add(&mut self, plan: &Plan, op: &Op) -> bool {
        match op {
            Op::Test(test) => {
                if let Some(Kind::Match { scan, .. } | Kind::Phrase { scan, .. }) =
                    plan.tests.get(*test as usize).map(|test| &test.kind)
                {
                    self.scans.insert(*scan);
                }
            }
            Op::Rule(rule) if self.rules.insert(*rule) => {
                self.open.extend(plan.rule_code.get(*rule as usize).map(|code| *code as usize));
            }
            Op::Group(group) if self.groups.insert(*group) => {
                self.open.extend(plan.group_code.get(*group as usize).map(|code| *code as usize));
            }
            Op::Act(_) | Op::Final(_) | Op::Leave(_) | Op::Ask { .. } => self.statements += 1,
            Op::End | Op::EndRule(_) | Op::EndGroup(_) => return true,
            _ => {}
        }
        false
    }
}

fn scan_cost(plan: &Plan, scan: usize) -> Option<ScanCost> {
    let scan = plan.scans.get(scan)?;
    Some(ScanCost {
        field: plan.name_of(&scan.text),
        patterns: scan.set.len(),
        without_literal: scan.set.without_literal().count(),
    })
}

impl Plan {
    /// A value as rules write it.
    fn name_of(&self, value: &Expression) -> String {
        let field = |spec: usize| self.scheme.fields.get(spec).map_or("", |field| field.name);
        match value {
            Expression::Term(Term::Held { spec, argument: None }) => field(*spec).to_owned(),
            Expression::Term(Term::Held { spec, argument: Some(argument) }) => {
                let (name, member) = field(*spec).split_once('.').unwrap_or((field(*spec), ""));
                let dot = if member.is_empty() { "" } else { "." };
                format!("{name}(\"{argument}\"){dot}{member}")
            }
            Expression::Term(Term::Member { slot, member }) => {
                let member = self.answer_of(*slot).and_then(|answer| answer.members.get(*member));
                format!("answer.{}", member.map_or("", |member| member.name))
            }
            Expression::Compute { spec, .. } => {
                self.scheme.functions.get(*spec).map_or("", |function| function.name).to_owned()
            }
            Expression::Told { spec, .. } => {
                self.scheme.texts.get(*spec).map_or("", |text| text.name).to_owned()
            }
            _ => String::from("value"),
        }
    }
}
