//! What evaluation remembers: all its memory, taken once, used for every message.

use std::sync::Arc;

use super::Truth;
use crate::pattern;
use crate::plan::op::Address;
use crate::plan::{Ending, Plan};
use crate::score::Score;
use crate::value::{Slot, StatementId};

/// What a rule is known to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleState {
    /// Nothing has asked it, or it is switched off.
    #[default]
    Unrun,
    /// It does not hit.
    Miss,
    /// It hits.
    Hit,
    /// It waits for a lookup.
    Pending,
}

/// A rule's last state and when it was found.
#[derive(Clone, Copy, Debug, Default)]
struct Memo {
    state: RuleState,
    /// The evaluation that found it.
    evaluation: u32,
    /// The beginning of a phase since which it holds.
    beginning: u32,
    /// It waits for this late lookup alone.
    late: Option<Slot>,
}

/// A rule as it counts for one scratch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    /// `None` for a signal.
    pub(crate) score: Option<Score>,
    pub(crate) off: bool,
    pub(crate) shadow: bool,
}

/// The memory of evaluations of one plan for one session: sized by [`Plan::scratch`], never grown (the caches of
/// patterns grow to their bound while patterns are met for the first time).
#[derive(Debug)]
pub struct Scratch {
    pub(super) stack: Vec<Truth>,
    pub(super) frames: Vec<Address>,
    pub(super) actions: Vec<StatementId>,
    pub(super) wanted: Vec<Slot>,
    pub(super) site: u32,
    pub(super) scans: Vec<Scan>,
    resume: Address,
    /// The phase that waits for facts.
    waiting: Option<usize>,
    deadline: Option<u64>,
    /// Counts calls of `evaluate`; 0 is none.
    evaluation: u32,
    /// Counts phases begun; 0 is none.
    beginning: u32,
    rules: Vec<Memo>,
    /// Those of the plan, unless some are overridden.
    weights: Arc<[Weight]>,
    /// The evaluation in which all rules of the group ran.
    groups: Vec<u32>,
}

/// The hits of a pattern set on its text.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) patterns: pattern::Scratch,
    /// The hits are those of the text as it is.
    pub(super) fresh: bool,
    /// The first phase in which the text is known.
    since: usize,
}

impl Scratch {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            stack: Vec::with_capacity(plan.stack_max),
            frames: Vec::with_capacity(plan.frames_max),
            actions: Vec::with_capacity(plan.statements.len()),
            wanted: Vec::with_capacity(plan.slots.len()),
            site: 0,
            scans: plan
                .scans
                .iter()
                .map(|scan| Scan { patterns: scan.set.scratch(), fresh: false, since: scan.since })
                .collect(),
            resume: 0,
            waiting: None,
            deadline: None,
            evaluation: 0,
            beginning: 0,
            rules: vec![Memo::default(); plan.weights.len()],
            weights: Arc::clone(&plan.weights),
            groups: vec![0; plan.groups.len()],
        }
    }

    /// Forgets the transaction: rule states, hits, actions.
    pub fn reset_transaction(&mut self) {
        self.waiting = None;
        self.deadline = None;
        self.actions.clear();
        self.wanted.clear();
        self.rules.fill(Memo::default());
        self.groups.fill(0);
        for scan in &mut self.scans {
            scan.fresh = false;
        }
    }

    /// Forgets the session: what a transaction forgets, and overrides of weights.
    pub fn reset_session(&mut self, plan: &Plan) {
        self.reset_transaction();
        self.weights = Arc::clone(&plan.weights);
    }

    /// Overrides a rule's weight until [`Scratch::reset_session`], as `scores` in a test does; `None` switches it off.
    pub fn set_score(&mut self, rule: usize, score: Option<Score>) {
        if let Some(weight) = Arc::make_mut(&mut self.weights).get_mut(rule) {
            weight.off = score.is_none();
            weight.score = score.or(weight.score);
        }
    }

    /// Statements that ran in this phase so far, in order, shadow ones included; the final one is in
    /// [`crate::plan::Step::Decided`].
    pub fn actions(&self) -> &[StatementId] {
        &self.actions
    }

    /// After `Needs`: all slots that can still be reached in this phase, have no answer, and whose arguments are known.
    /// Those that were wanted before are named again until they have an answer.
    pub fn wanted(&self) -> &[Slot] {
        &self.wanted
    }

    /// After `Needs`, when a group's score is waited for: the group's `deadline` in milliseconds from the first time the
    /// decision waited. When it has passed, the host settles all of [`Scratch::wanted`] as unknown.
    pub fn deadline(&self) -> Option<u64> {
        self.deadline
    }

    /// The last known state of a rule.
    pub fn rule(&self, rule: usize) -> RuleState {
        self.rules.get(rule).map_or(RuleState::Unrun, |memo| memo.state)
    }

    /// Takes up the phase where it waits, or begins it anew.
    pub(super) fn begin(&mut self, plan: &Plan, phase: usize) -> Address {
        // A transaction, after which nothing is remembered, has far fewer than there are numbers.
        self.evaluation = self.evaluation.checked_add(1).unwrap_or(1);
        self.deadline = None;
        self.wanted.clear();
        if self.waiting != Some(phase) {
            self.waiting = Some(phase);
            self.beginning = self.beginning.checked_add(1).unwrap_or(1);
            self.actions.clear();
            self.stack.clear();
            self.frames.clear();
            // What is known since this phase may be another value than the last time: the next recipient.
            for scan in &mut self.scans {
                scan.fresh &= scan.since < phase;
            }
            self.resume = plan.start(phase);
        }
        self.resume
    }

    pub(super) fn end(&mut self) {
        self.waiting = None;
    }

    pub(super) fn resume_at(&mut self, at: Address, site: u32) {
        self.resume = at;
        self.site = site;
    }

    /// A group's decision waits: the soonest deadline of all counts.
    pub(super) fn wait_at_most(&mut self, deadline: Option<u64>) {
        self.deadline = match (self.deadline, deadline) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// What a rule says, if that holds in this evaluation.
    pub(super) fn remembered(&self, rule: usize) -> Option<Truth> {
        let (memo, weight) = (self.rules.get(rule)?, self.weights.get(rule)?);
        if weight.off {
            return Some(Truth::False);
        }
        match memo.state {
            RuleState::Pending if memo.evaluation != self.evaluation => None,
            RuleState::Unrun => None,
            _ if memo.beginning != self.beginning => None,
            // A shadow rule is computed and counted; whoever asks it hears that it does not hit.
            _ if weight.shadow => Some(Truth::False),
            RuleState::Hit => Some(Truth::True),
            RuleState::Miss => Some(Truth::False),
            RuleState::Pending => Some(memo.late.map_or(Truth::Pending, Truth::Late)),
        }
    }

    /// Keeps what a rule's code found and gives what the one who asked may see of it.
    pub(super) fn remember(&mut self, rule: usize, truth: Truth) -> Truth {
        let state = match truth {
            Truth::True => RuleState::Hit,
            Truth::False => RuleState::Miss,
            Truth::Pending | Truth::Late(_) => RuleState::Pending,
        };
        let late = if let Truth::Late(slot) = truth { Some(slot) } else { None };
        if let Some(memo) = self.rules.get_mut(rule) {
            *memo = Memo { state, evaluation: self.evaluation, beginning: self.beginning, late };
        }
        let shadow = self.weights.get(rule).is_some_and(|weight| weight.shadow);
        if shadow { Truth::False } else { truth }
    }

    /// The state that counts in this evaluation: one from before the phase began is none.
    pub(super) fn current(&self, rule: usize) -> RuleState {
        match self.rules.get(rule) {
            Some(memo) if memo.beginning == self.beginning => memo.state,
            _ => RuleState::Unrun,
        }
    }

    /// The late lookup for which alone a rule waits that does.
    pub(super) fn late(&self, rule: usize) -> Option<Slot> {
        self.rules.get(rule).and_then(|memo| memo.late)
    }

    pub(super) fn weight(&self, rule: usize) -> Option<Weight> {
        self.weights.get(rule).copied()
    }

    pub(super) fn group_is_done(&self, group: usize) -> bool {
        self.groups.get(group) == Some(&self.evaluation)
    }

    pub(super) fn group_done(&mut self, group: usize) {
        if let Some(evaluation) = self.groups.get_mut(group) {
            *evaluation = self.evaluation;
        }
    }
}

/// What a run of tests has touched.
#[derive(Clone, Debug)]
pub struct Coverage {
    rules: Vec<bool>,
    statements: Vec<bool>,
}

impl Coverage {
    /// Nothing yet.
    pub fn new(plan: &Plan) -> Self {
        Self { rules: vec![false; plan.rules.len()], statements: vec![false; plan.statements.len()] }
    }

    /// Adds what an evaluation that decided has touched.
    pub fn record(&mut self, scratch: &Scratch, ending: Ending) {
        for (index, hit) in self.rules.iter_mut().enumerate() {
            *hit |= scratch.rule(index) == RuleState::Hit;
        }
        let last = match ending {
            Ending::Final(statement) => Some(statement),
            Ending::Accepted(statement) => statement,
        };
        for statement in scratch.actions.iter().copied().chain(last) {
            if let Some(run) = self.statements.get_mut(statement.0 as usize) {
                *run = true;
            }
        }
    }

    /// Rules that never hit, by index in [`Plan::rules`].
    pub fn rules_never_hit(&self) -> impl Iterator<Item = usize> {
        self.rules.iter().enumerate().filter(|(_, hit)| !**hit).map(|(index, _)| index)
    }

    /// Statements that never ran.
    pub fn statements_never_run(&self) -> impl Iterator<Item = StatementId> {
        (0..).map(StatementId).zip(&self.statements).filter(|(_, run)| !**run).map(|(id, _)| id)
    }
}
