//! What a file set means: names are indices, types are known, every fault has been reported.
//!
//! [`crate::check`] makes it of the tree, [`crate::lower`] makes a plan of it. It holds no name that is not bound
//! and no value before its phase.

use crate::list;
use crate::pattern;
use crate::plan::test::{Order, Test};
use crate::plan::{
    Arg, Declared, Expression, GroupSpec, ListSpec, MapSpec, RuleSpec, SlotSpec, Term, TestCase,
};
use crate::scheme::{AnswerSpec, Scheme};
use crate::score::Score;
use crate::source::{Location, Span};

/// A checked file set.
#[derive(Debug)]
pub struct Hir {
    pub(crate) scheme: &'static Scheme,
    pub(crate) role: Option<String>,
    pub(crate) declarations: Vec<Declared>,
    pub(crate) groups: Vec<GroupSpec>,
    pub(crate) lists: Vec<List>,
    pub(crate) maps: Vec<Map>,
    /// Named rules first, then the conditions of `let`.
    pub(crate) rules: Vec<Rule>,
    /// How many of them are named.
    pub(crate) named: usize,
    /// Rules and groups, each behind those that it refers to.
    pub(crate) order: Vec<Node>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) scans: Vec<Scan>,
    /// By phase of the scheme.
    pub(crate) phases: Vec<Option<Vec<Statement>>>,
    pub(crate) tests: Vec<TestCase>,
    pub(crate) digest: u64,
}

/// What a condition can refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// A rule, or the condition of a `let`.
    Rule(usize),
    /// All rules of a group.
    Group(usize),
}

/// A list with its entries.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) spec: ListSpec,
    pub(crate) entries: list::List,
}

/// A map with its entries.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) spec: MapSpec,
    pub(crate) entries: list::Map,
}

/// A rule with its condition.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) spec: RuleSpec,
    pub(crate) condition: Condition,
}

/// A slot, and what its states are called when it has any.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) spec: SlotSpec,
    pub(crate) answer: Option<&'static AnswerSpec>,
}

/// All patterns that look at one value.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) text: Expression,
    /// The first phase in which the text is known: when it begins anew the hits are forgotten.
    pub(crate) since: usize,
    pub(crate) patterns: pattern::Builder,
}

/// A condition. Nested no deeper than the parser allows, since names are calls and not copies.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Constant(bool),
    Test(Test),
    Rule(usize),
    Score { group: usize, order: Order, bound: Score },
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

/// A statement.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    Verb {
        guard: Option<Condition>,
        action: Action,
    },
    If {
        arms: Vec<(Condition, Vec<Statement>)>,
        otherwise: Option<Vec<Statement>>,
        span: Span,
    },
    /// A `do` with its check's statements in its place.
    Do {
        guard: Option<Condition>,
        body: Vec<Statement>,
        span: Span,
    },
}

/// A verb with what it takes.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) verb: usize,
    pub(crate) shadow: bool,
    pub(crate) operands: Vec<Operand>,
    pub(crate) location: Location,
    pub(crate) span: Span,
}

/// What follows a verb.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Arg(Arg),
    Value(Expression),
    Template(Vec<Expression>),
    Statement(Box<Action>),
}

/// The values in an operand.
pub(crate) fn expressions(operand: &Operand) -> &[Expression] {
    match operand {
        Operand::Value(value) => std::slice::from_ref(value),
        Operand::Template(values) => values,
        Operand::Arg(_) | Operand::Statement(_) => &[],
    }
}

/// The terms in an expression.
pub(crate) fn terms(expression: &Expression) -> &[Term] {
    match expression {
        Expression::Term(term) | Expression::Time { base: Some(term), .. } => std::slice::from_ref(term),
        Expression::Compute { arguments, .. } | Expression::Told { arguments, .. } => arguments,
        Expression::Time { base: None, .. }
        | Expression::Score(_)
        | Expression::Hits(_)
        | Expression::SpamStatus { .. } => &[],
    }
}

impl Condition {
    /// Calls `visit` for this condition and all in it.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        match self {
            Self::Not(inner) => inner.walk(visit),
            Self::And(left, right) | Self::Or(left, right) => {
                left.walk(visit);
                right.walk(visit);
            }
            Self::Constant(_) | Self::Test(_) | Self::Rule(_) | Self::Score { .. } => {}
        }
    }

    /// The rules and groups that it refers to itself.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        let mut nodes = Vec::new();
        self.walk(&mut |condition| match condition {
            Self::Rule(rule) => nodes.push(Node::Rule(*rule)),
            Self::Score { group, .. } => nodes.push(Node::Group(*group)),
            _ => {}
        });
        nodes
    }
}
