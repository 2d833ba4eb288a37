//! Code of conditions, rules, groups and phases.

use super::address;
use crate::hir::{self, Action, Condition, Hir, Node};
use crate::plan::op::{Address, Op};
use crate::plan::test::Test;
use crate::plan::{Expression, Operand, Statement, Term};
use crate::scheme::Flow;
use crate::value::{Slot, StatementId};

/// How deep code goes: on the stack of truths, and in calls.
#[derive(Clone, Copy, Default)]
struct Depth {
    stack: usize,
    frames: usize,
}

impl Depth {
    fn max(self, other: Self) -> Self {
        Self { stack: self.stack.max(other.stack), frames: self.frames.max(other.frames) }
    }
}

/// The code so far.
pub(super) struct Code<'a> {
    hir: &'a Hir,
    ops: Vec<Op>,
    tests: Vec<Test>,
    statements: Vec<Statement>,
    rules: Vec<Address>,
    groups: Vec<Address>,
    rule_depths: Vec<Depth>,
    group_depths: Vec<Depth>,
    depth: Depth,
    sites: u32,
    /// Rules named in the guards around the current statement.
    guards: Vec<usize>,
}

/// The whole code.
pub(super) struct Finished {
    pub(super) ops: Vec<Op>,
    pub(super) tests: Vec<Test>,
    pub(super) statements: Vec<Statement>,
    pub(super) rules: Vec<Address>,
    pub(super) groups: Vec<Address>,
    pub(super) sites: u32,
    pub(super) stack_max: usize,
    pub(super) frames_max: usize,
}

impl<'a> Code<'a> {
    pub(super) fn new(hir: &'a Hir) -> Self {
        Self {
            hir,
            // Address 0 is the end of every phase that a file set does not have.
            ops: vec![Op::End],
            tests: Vec::new(),
            statements: Vec::new(),
            rules: vec![0; hir.rules.len()],
            groups: vec![0; hir.groups.len()],
            rule_depths: vec![Depth::default(); hir.rules.len()],
            group_depths: vec![Depth::default(); hir.groups.len()],
            depth: Depth::default(),
            sites: 0,
            guards: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> Finished {
        Finished {
            ops: self.ops,
            tests: self.tests,
            statements: self.statements,
            rules: self.rules,
            groups: self.groups,
            sites: self.sites,
            stack_max: self.depth.stack,
            frames_max: self.depth.frames,
        }
    }

    /// The code of a rule; those that it refers to have theirs.
    pub(super) fn rule(&mut self, rule: usize) {
        let hir = self.hir;
        let Some(condition) = hir.rules.get(rule).map(|rule| &rule.condition) else { return };
        set(&mut self.rules, rule, address(&self.ops));
        let depth = self.condition(condition);
        set(&mut self.rule_depths, rule, Depth { frames: depth.frames + 1, ..depth });
        self.ops.push(Op::EndRule(index(rule)));
    }

    /// The code of a group: each of its rules once.
    pub(super) fn group(&mut self, group: usize) {
        let hir = self.hir;
        let Some(spec) = hir.groups.get(group) else { return };
        set(&mut self.groups, group, address(&self.ops));
        let mut depth = Depth { stack: 1, frames: 1 };
        for &rule in &spec.rules {
            let inner = self.rule_depths.get(rule).copied().unwrap_or_default();
            depth = depth.max(Depth { frames: inner.frames + 1, ..inner });
            self.ops.extend([Op::Rule(index(rule)), Op::Drop]);
        }
        set(&mut self.group_depths, group, depth);
        self.ops.push(Op::EndGroup(index(group)));
    }

    /// The code of a phase, and where it begins.
    pub(super) fn phase(&mut self, statements: &[hir::Statement]) -> Address {
        let start = address(&self.ops);
        self.block(statements);
        self.ops.push(Op::End);
        start
    }

    /// Code that settles every named rule, whatever a verdict needed of them.
    pub(super) fn survey(&mut self) -> Address {
        let start = address(&self.ops);
        self.begin();
        for rule in 0..self.hir.named {
            let depth = self.rule_depths.get(rule).copied().unwrap_or_default();
            self.depth = self.depth.max(Depth { frames: depth.frames + 1, ..depth });
            // Both ways of the branch go on; what is pending waits there.
            let next = address(&self.ops) + 2;
            self.ops.extend([Op::Rule(index(rule)), Op::Branch(next)]);
        }
        self.ops.push(Op::End);
        start
    }

    fn condition(&mut self, condition: &Condition) -> Depth {
        let one = Depth { stack: 1, frames: 0 };
        match condition {
            Condition::Constant(truth) => {
                self.ops.push(Op::Constant(*truth));
                one
            }
            Condition::Test(test) => {
                self.ops.push(Op::Test(index(self.tests.len())));
                self.tests.push(test.clone());
                one
            }
            Condition::Rule(rule) => {
                self.ops.push(Op::Rule(index(*rule)));
                one.max(self.rule_depths.get(*rule).copied().unwrap_or_default())
            }
            Condition::Score { group, order, bound } => {
                let group = index(*group);
                self.ops.extend([Op::Group(group), Op::Score { group, order: *order, bound: *bound }]);
                one.max(self.group_depths.get(group as usize).copied().unwrap_or_default())
            }
            Condition::Not(inner) => {
                let depth = self.condition(inner);
                self.ops.push(Op::Not);
                depth
            }
            Condition::And(left, right) => self.join(left, right, Op::JumpIfFalse, Op::And),
            Condition::Or(left, right) => self.join(left, right, Op::JumpIfTrue, Op::Or),
        }
    }

    fn join(&mut self, left: &Condition, right: &Condition, jump: fn(Address) -> Op, op: Op) -> Depth {
        let left = self.condition(left);
        let place = self.hole();
        let right = self.condition(right);
        self.ops.push(op);
        self.fill(place, jump);
        left.max(Depth { stack: right.stack + 1, ..right })
    }

    fn block(&mut self, statements: &[hir::Statement]) {
        for statement in statements {
            match statement {
                hir::Statement::Verb { guard, action } => {
                    self.begin();
                    let place = self.guard(guard.as_ref());
                    self.action(action);
                    self.end_guard(place);
                }
                hir::Statement::If { arms, otherwise, .. } => self.arms(arms, otherwise.as_deref()),
                hir::Statement::Do { guard, body, .. } => {
                    self.begin();
                    let place = self.guard(guard.as_ref());
                    self.block(body);
                    self.end_guard(place);
                }
            }
        }
    }

    fn arms(&mut self, arms: &[(Condition, Vec<hir::Statement>)], otherwise: Option<&[hir::Statement]>) {
        let mut ends = Vec::with_capacity(arms.len());
        let depth = self.guards.len();
        for (condition, body) in arms {
            self.begin();
            let place = self.guard(Some(condition));
            self.block(body);
            ends.push(self.hole());
            if let Some((place, _)) = place {
                self.fill(place, Op::Branch);
            }
        }
        // The guards of all arms before it are why an `else` runs.
        self.block(otherwise.unwrap_or_default());
        self.guards.truncate(depth);
        for end in ends {
            self.fill(end, Op::Jump);
        }
    }

    /// A guard's code; gives the place of its branch and how many rules were named around it.
    fn guard(&mut self, guard: Option<&Condition>) -> Option<(usize, usize)> {
        let guard = guard?;
        let depth = self.condition(guard);
        self.depth = self.depth.max(depth);
        let named = self.guards.len();
        self.name_rules(guard);
        Some((self.hole(), named))
    }

    fn end_guard(&mut self, place: Option<(usize, usize)>) {
        if let Some((place, named)) = place {
            self.guards.truncate(named);
            self.fill(place, Op::Branch);
        }
    }

    /// Notes the named rules of a guard, seen through the names of `let`.
    fn name_rules(&mut self, guard: &Condition) {
        let hir = self.hir;
        for node in guard.nodes() {
            match node {
                Node::Rule(rule) if rule < hir.named => self.guards.push(rule),
                Node::Rule(rule) => {
                    // A `let` refers only to those before it, and one level of them is enough to say why.
                    let inner = hir.rules.get(rule).map(|rule| rule.condition.nodes()).unwrap_or_default();
                    let named = inner.into_iter().filter_map(|node| match node {
                        Node::Rule(rule) if rule < hir.named => Some(rule),
                        _ => None,
                    });
                    self.guards.extend(named);
                }
                Node::Group(_) => {}
            }
        }
    }

    fn action(&mut self, action: &Action) {
        let flow = self.hir.scheme.verbs.get(action.verb).map_or(Flow::Continues, |verb| verb.flow);
        self.awaits(action, flow);
        let nested = action.operands.iter().find_map(|operand| match operand {
            hir::Operand::Statement(nested) => Some(&**nested),
            _ => None,
        });
        let nested_id = nested.map(|nested| self.statement(nested, None));
        let id = self.statement(action, nested_id);
        match (flow, nested, nested_id) {
            (Flow::Asks, Some(nested), Some(nested_id)) => {
                let place = self.hole();
                // A new place to resume: waiting for the values of the reply must not count the key again.
                self.begin();
                let flow = self.hir.scheme.verbs.get(nested.verb).map_or(Flow::Continues, |verb| verb.flow);
                self.awaits(nested, flow);
                self.run(nested, nested_id, flow);
                self.fill(place, |kept| Op::Ask { statement: id, kept });
            }
            _ => self.run(action, id, flow),
        }
    }

    fn run(&mut self, action: &Action, id: StatementId, flow: Flow) {
        self.ops.push(match flow {
            _ if action.shadow => Op::Act(id),
            Flow::Final => Op::Final(id),
            Flow::EndsPhase => Op::Leave(id),
            Flow::Continues | Flow::Asks => Op::Act(id),
        });
    }

    /// Waits for the values of a statement. A verdict does not wait for open lookups just to list more hits.
    fn awaits(&mut self, action: &Action, flow: Flow) {
        let mut slots: Vec<Slot> = Vec::new();
        for expression in action.operands.iter().flat_map(hir::expressions) {
            match expression {
                Expression::Score(group) | Expression::Hits(group) | Expression::SpamStatus { group, .. } => {
                    let group = index(*group);
                    self.ops.push(Op::Group(group));
                    let depth = self.group_depths.get(group as usize).copied().unwrap_or_default();
                    self.depth = self.depth.max(depth);
                    if flow != Flow::Final {
                        self.ops.push(Op::AwaitGroup(group));
                    }
                }
                _ => slots.extend(hir::terms(expression).iter().filter_map(Term::slot)),
            }
        }
        slots.sort_unstable();
        slots.dedup();
        self.ops.extend(slots.into_iter().map(Op::Await));
    }

    fn statement(&mut self, action: &Action, nested: Option<StatementId>) -> StatementId {
        let args = action.operands.iter().filter_map(|operand| {
            Some(match operand {
                hir::Operand::Arg(arg) => Operand::Arg(arg.clone()),
                hir::Operand::Value(value) => Operand::Value(value.clone()),
                hir::Operand::Template(values) => Operand::Template(values.clone().into()),
                hir::Operand::Statement(_) => Operand::Statement(nested?),
            })
        });
        let mut rules = self.guards.clone();
        rules.sort_unstable();
        rules.dedup();
        let statement = Statement {
            verb: action.verb,
            shadow: action.shadow,
            place: action.location.to_string().into(),
            location: action.location.clone(),
            args: args.collect(),
            rules,
        };
        let id = StatementId(index(self.statements.len()));
        self.statements.push(statement);
        id
    }

    fn begin(&mut self) {
        self.ops.push(Op::Begin(self.sites));
        self.sites += 1;
    }

    /// A place for a jump whose target is not known yet.
    fn hole(&mut self) -> usize {
        self.ops.push(Op::End);
        self.ops.len() - 1
    }

    fn fill(&mut self, place: usize, jump: impl FnOnce(Address) -> Op) {
        let target = address(&self.ops);
        set(&mut self.ops, place, jump(target));
    }
}

fn set<T>(items: &mut [T], at: usize, value: T) {
    if let Some(item) = items.get_mut(at) {
        *item = value;
    }
}

/// The checker bounds every count far below this.
fn index(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
