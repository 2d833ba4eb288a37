//! The flat evaluator against a naive one: random rules and statements, facts that arrive in any order.
//!
//! The naive one below is recursive, two-valued and knows all facts from the start. Whatever the flat one decides, at
//! whatever moment, must be what the naive one says: stopping early changes no decision.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that is wrong about its plan has failed"
)]

mod toy;

use std::collections::BTreeSet;
use std::fmt::Write;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use toy::facts::{Known, plan, slot};
use weir_lang::plan::{Ending, Plan, Step};
use weir_lang::score::Score;
use weir_lang::value::Value;

const RCPT: usize = 1;
const NAMES: [&str; 4] = ["fact.a", "fact.b", "fact.c", "fact.d"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fact {
    No,
    Yes,
    Missing,
    Failed,
}

/// A condition; indices are taken modulo what there is.
#[derive(Clone, Debug)]
enum Cond {
    Fact(usize),
    Failed(usize),
    Present(usize),
    Rule(usize),
    Score(usize, &'static str, i32),
    Not(Box<Cond>),
    And(Box<Cond>, Box<Cond>),
    Or(Box<Cond>, Box<Cond>),
}

#[derive(Clone, Debug)]
struct Rule {
    weight: Option<(i32, usize)>,
    shadow: bool,
    off: bool,
    cond: Cond,
}

#[derive(Clone, Debug)]
enum Stmt {
    Reject(Option<Cond>),
    Accept(Cond),
    Note(Option<Cond>, usize),
    If(Cond, Vec<Stmt>, Vec<Stmt>),
}

#[derive(Clone, Debug)]
struct Program {
    groups: Vec<(Option<i32>, i32)>,
    rules: Vec<Rule>,
    stmts: Vec<Stmt>,
}

fn cond(scores: bool) -> impl Strategy<Value = Cond> {
    let leaf = prop_oneof![
        3 => (0..4_usize).prop_map(Cond::Fact),
        1 => (0..4_usize).prop_map(Cond::Failed),
        1 => (0..4_usize).prop_map(Cond::Present),
        3 => (0..8_usize).prop_map(Cond::Rule),
        if scores { 4 } else { 1 } => (0..2_usize, prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]), -300..600_i32)
            .prop_map(move |(group, op, bound)| if scores { Cond::Score(group, op, bound) } else { Cond::Fact(group) }),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            inner.prop_map(|cond| Cond::Not(Box::new(cond))),
            pair.clone().prop_map(|(left, right)| Cond::And(Box::new(left), Box::new(right))),
            pair.prop_map(|(left, right)| Cond::Or(Box::new(left), Box::new(right))),
        ]
    })
}

fn stmt() -> impl Strategy<Value = Stmt> {
    let leaf = prop_oneof![
        3 => option::weighted(0.9, cond(true)).prop_map(Stmt::Reject),
        1 => cond(true).prop_map(Stmt::Accept),
        2 => (option::of(cond(true)), 0..2_usize).prop_map(|(guard, group)| Stmt::Note(guard, group)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        (cond(true), vec(inner.clone(), 0..3), vec(inner, 0..3))
            .prop_map(|(guard, then, otherwise)| Stmt::If(guard, then, otherwise))
    })
}

fn program() -> impl Strategy<Value = Program> {
    let rule = (
        option::weighted(0.7, (-300..400_i32, 0..2_usize)),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        cond(false),
    )
        .prop_map(|(weight, shadow, off, cond)| Rule { weight, shadow, off, cond });
    let group = (option::of(0..500_i32), prop_oneof![Just(0), -100..200_i32]);
    (vec(group, 2), vec(rule, 0..8), vec(stmt(), 1..6)).prop_map(|(groups, rules, stmts)| Program {
        groups,
        rules,
        stmts,
    })
}

/// The program as text.
struct Writer(String);

impl Writer {
    fn program(program: &Program) -> String {
        let mut out = Self(String::from("weir 1\n"));
        for (index, (cap, failed)) in program.groups.iter().enumerate() {
            let cap = cap.map_or_else(String::new, |cap| format!("cap {}", Score::from_hundredths(cap)));
            let failed = Score::from_hundredths(*failed);
            writeln!(out.0, "group g{index} {{ {cap} failed_lookup counts {failed} }}").unwrap();
        }
        for (index, rule) in program.rules.iter().enumerate() {
            write!(out.0, "rule R{index} {}", if rule.shadow { "shadow " } else { "" }).unwrap();
            if let Some((weight, group)) = rule.weight {
                write!(out.0, "{} \"r\" in g{group} ", Score::from_hundredths(weight)).unwrap();
            }
            out.0.push_str("= ");
            out.cond(&rule.cond, index);
            out.0.push('\n');
            if rule.off {
                writeln!(out.0, "scores {{ R{index} = off }}").unwrap();
            }
        }
        out.0.push_str("on rcpt {\n");
        out.stmts(&program.stmts, program.rules.len());
        out.0.push_str("}\non message { discard }\n");
        out.0
    }

    fn cond(&mut self, cond: &Cond, rules: usize) {
        match cond {
            Cond::Fact(fact) => self.0.push_str(NAMES[fact % 4]),
            Cond::Failed(fact) => write!(self.0, "{} is unknown", NAMES[fact % 4]).unwrap(),
            Cond::Present(fact) => write!(self.0, "{} is present", NAMES[fact % 4]).unwrap(),
            Cond::Rule(_) if rules == 0 => self.0.push_str("false"),
            Cond::Rule(rule) => write!(self.0, "R{}", rule % rules).unwrap(),
            Cond::Score(group, op, bound) => {
                write!(self.0, "score(g{group}) {op} {}", Score::from_hundredths(*bound)).unwrap();
            }
            Cond::Not(inner) => {
                self.0.push_str("not (");
                self.cond(inner, rules);
                self.0.push(')');
            }
            Cond::And(left, right) | Cond::Or(left, right) => {
                self.0.push('(');
                self.cond(left, rules);
                self.0.push_str(if matches!(cond, Cond::And(..)) { ") and (" } else { ") or (" });
                self.cond(right, rules);
                self.0.push(')');
            }
        }
    }

    fn guard(&mut self, guard: Option<&Cond>, rules: usize) {
        if let Some(guard) = guard {
            self.0.push_str(" if ");
            self.cond(guard, rules);
        }
        self.0.push('\n');
    }

    fn stmts(&mut self, stmts: &[Stmt], rules: usize) {
        for stmt in stmts {
            match stmt {
                Stmt::Reject(guard) => {
                    self.0.push_str("reject 550 5.7.1 \"no\"");
                    self.guard(guard.as_ref(), rules);
                }
                Stmt::Accept(guard) => {
                    self.0.push_str("accept");
                    self.guard(Some(guard), rules);
                }
                Stmt::Note(guard, group) => {
                    write!(self.0, "note \"{{score(g{group})}} {{hits(g{group})}}\"").unwrap();
                    self.guard(guard.as_ref(), rules);
                }
                Stmt::If(guard, then, otherwise) => {
                    self.0.push_str("if ");
                    self.cond(guard, rules);
                    self.0.push_str(" {\n");
                    self.stmts(then, rules);
                    self.0.push_str("} else {\n");
                    self.stmts(otherwise, rules);
                    self.0.push_str("}\n");
                }
            }
        }
    }
}

/// How a phase ended, and what was noted on the way.
#[derive(Debug, PartialEq)]
enum End {
    Rejected,
    Accepted,
    Fell,
}

/// The naive evaluator: all facts, no memory, plain recursion.
struct Naive<'a> {
    program: &'a Program,
    facts: [Fact; 4],
}

impl Naive<'_> {
    fn cond(&self, cond: &Cond, rules: usize) -> bool {
        match cond {
            Cond::Fact(fact) => self.facts[fact % 4] == Fact::Yes,
            Cond::Failed(fact) => self.facts[fact % 4] == Fact::Failed,
            Cond::Present(fact) => matches!(self.facts[fact % 4], Fact::Yes | Fact::No),
            Cond::Rule(_) if rules == 0 => false,
            Cond::Rule(rule) => {
                let rule = rule % rules;
                let spec = &self.program.rules[rule];
                !spec.off && !spec.shadow && self.cond(&spec.cond, rule)
            }
            Cond::Score(group, op, bound) => {
                let score = self.score(*group);
                match *op {
                    "==" => score == *bound,
                    "!=" => score != *bound,
                    "<" => score < *bound,
                    "<=" => score <= *bound,
                    ">" => score > *bound,
                    _ => score >= *bound,
                }
            }
            Cond::Not(inner) => !self.cond(inner, rules),
            Cond::And(left, right) => self.cond(left, rules) && self.cond(right, rules),
            Cond::Or(left, right) => self.cond(left, rules) || self.cond(right, rules),
        }
    }

    /// The rules of a group that count, with whether each hits.
    fn counting(&self, group: usize) -> impl Iterator<Item = (usize, i32, bool)> + '_ {
        self.program.rules.iter().enumerate().filter_map(move |(index, rule)| {
            let (weight, _) = rule.weight.filter(|(_, of)| *of == group && !rule.off && !rule.shadow)?;
            Some((index, weight, self.cond(&rule.cond, index)))
        })
    }

    fn score(&self, group: usize) -> i32 {
        let (cap, failed) = self.program.groups[group];
        let sum = self.counting(group).map(|(rule, weight, hit)| match hit {
            true => weight,
            false if self.asks(rule).iter().any(|fact| self.facts[*fact] == Fact::Failed) => failed,
            false => 0,
        });
        sum.sum::<i32>().min(cap.unwrap_or(i32::MAX))
    }

    /// The facts of a rule's own condition and of its signals.
    fn asks(&self, rule: usize) -> BTreeSet<usize> {
        let mut facts = BTreeSet::new();
        self.asked(&self.program.rules[rule].cond, rule, &mut facts);
        facts
    }

    fn asked(&self, cond: &Cond, rules: usize, facts: &mut BTreeSet<usize>) {
        match cond {
            Cond::Fact(fact) | Cond::Failed(fact) | Cond::Present(fact) => {
                facts.insert(fact % 4);
            }
            Cond::Rule(rule) if rules > 0 && self.program.rules[rule % rules].weight.is_none() => {
                facts.extend(self.asks(rule % rules));
            }
            Cond::Rule(_) | Cond::Score(..) => {}
            Cond::Not(inner) => self.asked(inner, rules, facts),
            Cond::And(left, right) | Cond::Or(left, right) => {
                self.asked(left, rules, facts);
                self.asked(right, rules, facts);
            }
        }
    }

    fn note(&self, group: usize) -> String {
        let hits = self.counting(group).filter(|(.., hit)| *hit);
        let hits: Vec<String> =
            hits.map(|(rule, weight, _)| format!("R{rule}({})", Score::from_hundredths(weight))).collect();
        format!("{} {}", Score::from_hundredths(self.score(group)), hits.join(","))
    }

    fn run(&self, stmts: &[Stmt], notes: &mut Vec<String>) -> End {
        let rules = self.program.rules.len();
        let holds = |guard: &Option<Cond>| guard.as_ref().is_none_or(|guard| self.cond(guard, rules));
        for stmt in stmts {
            match stmt {
                Stmt::Reject(guard) if holds(guard) => return End::Rejected,
                Stmt::Accept(guard) if self.cond(guard, rules) => return End::Accepted,
                Stmt::Note(guard, group) if holds(guard) => notes.push(self.note(*group)),
                Stmt::If(guard, then, otherwise) => {
                    let block = if self.cond(guard, rules) { then } else { otherwise };
                    match self.run(block, notes) {
                        End::Fell => {}
                        end => return end,
                    }
                }
                _ => {}
            }
        }
        End::Fell
    }
}

/// Runs the plan, giving it one wanted fact at a time: the one that `order` picks.
fn flat(plan: &Plan, facts: [Fact; 4], order: &[usize]) -> (End, Vec<String>) {
    let mut known = Known::default();
    let mut scratch = plan.scratch();
    let mut order = order.iter().cycle();
    for _ in 0..=plan.slots().len() {
        match plan.evaluate(RCPT, &known, &mut scratch) {
            Step::Needs => {
                let wanted = scratch.wanted();
                let pick = wanted[order.next().unwrap() % wanted.len()];
                let name = *NAMES
                    .iter()
                    .find(|name| plan_has(plan, name) && slot(plan, name) == pick)
                    .expect("a slot of a fact");
                let value = match facts[NAMES.iter().position(|known| *known == name).unwrap()] {
                    Fact::Yes => Value::Bool(true),
                    Fact::No => Value::Bool(false),
                    Fact::Missing => Value::Missing,
                    Fact::Failed => Value::Unknown,
                };
                known.answer(plan, name, value);
            }
            Step::Decided(ending) => {
                let end = match ending {
                    Ending::Final(_) => End::Rejected,
                    Ending::Accepted(Some(_)) => End::Accepted,
                    Ending::Accepted(None) => End::Fell,
                };
                let notes = scratch.actions().iter().map(|action| {
                    let mut out = Vec::new();
                    plan.render(&plan.statement(*action).args[0], &known, &scratch, &mut out);
                    String::from_utf8(out).unwrap()
                });
                return (end, notes.collect());
            }
        }
    }
    panic!("each round settles a slot");
}

fn plan_has(plan: &Plan, name: &str) -> bool {
    plan.slots().iter().any(|slot| match slot.target {
        weir_lang::plan::Target::Field(index) => toy::TOY.fields[index].name == name,
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flat_and_naive_decide_alike(
        program in program(),
        facts in prop::array::uniform4(prop_oneof![
            2 => Just(Fact::Yes), 2 => Just(Fact::No), 1 => Just(Fact::Missing), 1 => Just(Fact::Failed)
        ]),
        order in vec(0..4_usize, 1..8),
    ) {
        let text = Writer::program(&program);
        let plan = plan(&text);
        let naive = Naive { program: &program, facts };
        let mut notes = Vec::new();
        let end = naive.run(&program.stmts, &mut notes);
        prop_assert_eq!(flat(&plan, facts, &order), (end, notes), "{}", text);
    }
}
