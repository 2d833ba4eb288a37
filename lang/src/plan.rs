//! How to run a file set: the flat form that [`crate::lower()`] makes and [`Plan::evaluate`] runs.
//!
//! A plan is immutable and shared by all shards; what one evaluation remembers is in its
//! [`crate::eval::Scratch`]. Every index in it (rules, groups, lists, slots, statements, declarations) is the
//! identity of that thing for as long as the plan lives.

mod cost;
mod declared;
pub(crate) mod op;
mod operand;
pub(crate) mod test;

pub use cost::{CostReport, PhaseCost, ScanCost};
pub use declared::{
    Arg, Clause, Declared, GroupSpec, ListSpec, MapSpec, Origin, RuleSpec, Setting, TestCase,
};
pub use operand::{ARGUMENTS_MAX, Constant, Expression, Operand, Term};

use crate::eval::{Scratch, Weight};
use crate::list::{List, Map};
use crate::pattern;
use crate::scheme::{AnswerSpec, Scheme};
use crate::source::Location;
use crate::value::{Facts, Slot, StatementId, Value};
use op::{Address, Op};
use test::Test;

/// A checked file set in the form in which it runs.
#[derive(Debug)]
pub struct Plan {
    pub(crate) scheme: &'static Scheme,
    pub(crate) role: Option<String>,
    pub(crate) digest: u64,
    pub(crate) declarations: Vec<Declared>,
    pub(crate) groups: Vec<GroupSpec>,
    pub(crate) lists: Vec<(ListSpec, List)>,
    pub(crate) maps: Vec<(MapSpec, Map)>,
    pub(crate) rules: Vec<RuleSpec>,
    pub(crate) cases: Vec<TestCase>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) slots: Vec<SlotSpec>,
    pub(crate) answers: Vec<Option<&'static AnswerSpec>>,
    pub(crate) scans: Vec<Scan>,
    pub(crate) tests: Vec<Test>,
    pub(crate) ops: Vec<Op>,
    /// Where each phase begins.
    pub(crate) phases: Vec<Option<Address>>,
    /// Where the code begins that settles every rule.
    pub(crate) survey: Address,
    /// Where each rule's code begins: the named ones, then the conditions of `let`.
    pub(crate) rule_code: Vec<Address>,
    pub(crate) rule_slots: Vec<Box<[Slot]>>,
    pub(crate) group_code: Vec<Address>,
    /// Shared with every [`Scratch`](crate::eval::Scratch): tests alone override some.
    pub(crate) weights: std::sync::Arc<[Weight]>,
    /// What can be reached from each place at which a phase can wait: an index in `reaches`.
    pub(crate) sites: Vec<u32>,
    pub(crate) reaches: Vec<Box<[Slot]>>,
    pub(crate) prefetch: Vec<Box<[Slot]>>,
    pub(crate) stack_max: usize,
    pub(crate) frames_max: usize,
    pub(crate) cost: CostReport,
}

/// All patterns that look at one value.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) text: Expression,
    pub(crate) since: usize,
    pub(crate) set: pattern::Set,
}

impl Plan {
    /// Whether the file set has this phase.
    pub fn has_phase(&self, phase: usize) -> bool {
        self.phases.get(phase).is_some_and(Option::is_some)
    }

    /// A phase behind the last one, to be evaluated when a score sheet is wanted: it settles every named rule, whatever the
    /// verdict needed of them, and decides nothing.
    pub fn survey_phase(&self) -> usize {
        self.phases.len()
    }

    /// The memory of evaluations of this plan: made once for a session, used for all its phases.
    pub fn scratch(&self) -> Scratch {
        Scratch::new(self)
    }

    /// A statement.
    ///
    /// # Panics
    /// When the id is of another plan.
    pub fn statement(&self, id: StatementId) -> &Statement {
        self.statements.get(id.0 as usize).expect("ids of statements come from their own plan")
    }

    /// All statements, by id.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// All slots, by [`Slot`].
    pub fn slots(&self) -> &[SlotSpec] {
        &self.slots
    }

    /// Slots that later phases can reach and whose inputs are known when `phase` has begun: worth asking early.
    pub fn prefetch(&self, phase: usize) -> &[Slot] {
        self.prefetch.get(phase).map_or(&[], |slots| slots)
    }

    /// Everything that was declared with a kind of the scheme, in text order.
    pub fn declarations(&self) -> &[Declared] {
        &self.declarations
    }

    /// The declarations of one kind, with their indices.
    pub fn declared<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (usize, &'a Declared)> + 'a {
        let is_kind = move |declared: &Declared| {
            self.scheme.kinds.get(declared.kind).is_some_and(|spec| spec.name == kind)
        };
        self.declarations.iter().enumerate().filter(move |(_, declared)| is_kind(declared))
    }

    /// All named rules.
    pub fn rules(&self) -> &[RuleSpec] {
        &self.rules
    }

    /// All groups.
    pub fn groups(&self) -> &[GroupSpec] {
        &self.groups
    }

    /// All lists by index, those written in place included, with what they held when the set was read.
    pub fn lists(&self) -> impl Iterator<Item = (&ListSpec, &List)> {
        self.lists.iter().map(|(spec, entries)| (spec, entries))
    }

    /// The index of a list.
    pub fn list(&self, name: &str) -> Option<usize> {
        self.lists.iter().position(|(spec, _)| !name.is_empty() && spec.name == name)
    }

    /// All maps by index, with what they held when the set was read.
    pub fn maps(&self) -> impl Iterator<Item = (&MapSpec, &Map)> {
        self.maps.iter().map(|(spec, entries)| (spec, entries))
    }

    /// The index of a map.
    pub fn map(&self, name: &str) -> Option<usize> {
        self.maps.iter().position(|(spec, _)| spec.name == name)
    }

    /// The `test` blocks.
    pub fn tests(&self) -> &[TestCase] {
        &self.cases
    }

    /// The label of logs and metrics.
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// The scheme for which it was made.
    pub fn scheme(&self) -> &'static Scheme {
        self.scheme
    }

    /// What a phase can cost at worst.
    pub fn cost(&self) -> &CostReport {
        &self.cost
    }

    /// A digest of all texts of the file set, lists and scores included: equal texts under equal names have equal digests.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// What the states and members of a slot are; `None` for a gathered field that is no answer.
    pub fn answer_of(&self, slot: Slot) -> Option<&'static AnswerSpec> {
        self.answers.get(usize::from(slot.0)).copied().flatten()
    }

    /// Whether a list has a value: in the host's current entries, or in those that the file set was read with.
    pub fn list_has<F: Facts>(&self, list: usize, value: Value<'_>, facts: &F) -> bool {
        let entries = facts.list(list).or_else(|| self.lists.get(list).map(|(_, entries)| entries));
        entries.is_some_and(|entries| entries.contains(value))
            || facts.added(list).is_some_and(|added| added.contains(value))
    }

    /// Whether a map has a key.
    pub fn map_has<F: Facts>(&self, map: usize, key: Value<'_>, facts: &F) -> bool {
        let entries = facts.map(map).or_else(|| self.maps.get(map).map(|(_, entries)| entries));
        entries.is_some_and(|entries| entries.contains(key))
    }

    /// Whether a slot is asked only when nothing else can decide.
    pub(crate) fn is_late(&self, slot: Slot) -> bool {
        self.slots.get(usize::from(slot.0)).is_some_and(|slot| slot.late)
    }

    pub(crate) fn start(&self, phase: usize) -> Address {
        if phase == self.survey_phase() {
            return self.survey;
        }
        // Lowering puts an `End` at address 0: a phase that is not there has nothing to say.
        self.phases.get(phase).copied().flatten().unwrap_or(0)
    }

    pub(crate) fn reach(&self, site: u32) -> &[Slot] {
        let reach = self.sites.get(site as usize).and_then(|&index| self.reaches.get(index as usize));
        reach.map_or(&[], |slots| slots)
    }

    /// The lookups of a rule's own condition and of the signals that it refers to.
    pub(crate) fn rule_slots(&self, rule: usize) -> &[Slot] {
        self.rule_slots.get(rule).map_or(&[], |slots| slots)
    }
}

/// A statement as it stands in a plan. The host carries out what [`Scratch::actions`] names.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Index in [`crate::scheme::Scheme::verbs`].
    pub verb: usize,
    /// Computed and logged, not done.
    pub shadow: bool,
    /// Where it was written.
    pub location: Location,
    /// The same as text, `mx.weir:58`: it goes into every line of the log.
    pub place: Box<str>,
    /// What follows the verb, in the order of its form; the words of the form are kept.
    pub args: Vec<Operand>,
    /// Rules named in the guards around it, by index in [`Plan::rules`]: why it ran.
    pub rules: Vec<usize>,
}

/// What has to be gathered to fill a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A call of a declared thing (`zen(client.ip)`): index in [`Plan::declarations`].
    Declaration(usize),
    /// A call of a host function that answers: index in [`crate::scheme::Scheme::functions`].
    Function(usize),
    /// A gathered field: index in [`crate::scheme::Scheme::fields`].
    Field(usize),
}

/// A slot: one distinct lookup or gathered field.
#[derive(Clone, Debug)]
pub struct SlotSpec {
    /// What to ask.
    pub target: Target,
    /// The first phase in which it can be asked. When that phase begins anew (the next `rcpt`), its answer is to
    /// be forgotten.
    pub since: usize,
    /// With what; [`Plan::slot_argument`] gives the values.
    pub arguments: Vec<Term>,
    /// The constant argument of a gathered field.
    pub name: Option<String>,
    /// It is asked only when nothing else can decide: [`crate::scheme::CallSpec::late`].
    pub late: bool,
}

/// Where an evaluation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The phase is decided.
    Decided(Ending),
    /// Slots in [`Scratch::wanted`] have to be gathered; after any of them evaluate again.
    Needs,
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By a final verb.
    Final(StatementId),
    /// By a verb that ends the phase (`accept`), or, with `None`, by running out of statements.
    Accepted(Option<StatementId>),
}
