//! A shard's cells of the metrics, by label. Labels come from rule files, so there are as many as these name.

use std::cell::RefCell;
use std::time::Duration;

use weir_lang::eval::{RuleState, Scratch};
use weir_lang::value::Slot;

use crate::facts::{Answer, Facts};
use crate::generation::Generation;
use crate::metrics::{Counter, Histogram, Metric, Registry, Timer, names};
use crate::scheme::Phase;

/// The values of labels.
type Labels = Box<[Box<str>]>;

/// The cells of one metric, found by their labels: few, so a walk is the fastest way.
struct Cells<T> {
    metric: &'static Metric,
    made: RefCell<Vec<(Labels, T)>>,
}

impl<T> Cells<T> {
    const fn new(metric: &'static Metric) -> Self {
        Self { metric, made: RefCell::new(Vec::new()) }
    }

    fn with(&self, labels: &[&str], make: impl FnOnce(&'static Metric) -> T, count: impl FnOnce(&T)) {
        let mut cells = self.made.borrow_mut();
        let same = |have: &[Box<str>]| have.iter().map(|label| &**label).eq(labels.iter().copied());
        if let Some((_, cell)) = cells.iter().find(|(have, _)| same(have)) {
            return count(cell);
        }
        let cell = make(self.metric);
        count(&cell);
        cells.push((labels.iter().map(|&label| label.into()).collect(), cell));
    }
}

/// The cells of a shard.
pub struct Counts {
    registry: std::sync::Arc<Registry>,
    connections: Cells<Counter>,
    refused: Cells<Counter>,
    proxy_errors: Cells<Counter>,
    messages: Cells<Counter>,
    sizes: Cells<Histogram>,
    phases: Cells<Timer>,
    protocol_errors: Cells<Counter>,
    rejects: Cells<Counter>,
    hits: Cells<Counter>,
    shadows: Cells<Counter>,
    scores: Cells<Histogram>,
    lookups: Cells<Counter>,
    lookup_durations: Cells<Timer>,
    server_durations: Cells<Timer>,
    quarantined: Cells<Counter>,
    deliveries: Cells<Counter>,
    recipients: Cells<Counter>,
    sessions: Cells<Timer>,
    handshakes: Cells<Counter>,
}

impl Counts {
    /// None counted yet.
    pub fn new(registry: &std::sync::Arc<Registry>) -> Self {
        Self {
            registry: std::sync::Arc::clone(registry),
            connections: Cells::new(&names::CONNECTIONS),
            refused: Cells::new(&names::CONNECTIONS_REFUSED),
            proxy_errors: Cells::new(&names::PROXY_ERRORS),
            messages: Cells::new(&names::MESSAGES),
            sizes: Cells::new(&names::MESSAGE_SIZE),
            phases: Cells::new(&names::PHASE_DURATION),
            protocol_errors: Cells::new(&names::PROTOCOL_ERRORS),
            rejects: Cells::new(&names::REJECTS),
            hits: Cells::new(&names::RULE_HITS),
            shadows: Cells::new(&names::RULE_SHADOW),
            scores: Cells::new(&names::SCORE),
            lookups: Cells::new(&names::LOOKUPS),
            lookup_durations: Cells::new(&names::LOOKUP_DURATION),
            server_durations: Cells::new(&names::SERVER_DURATION),
            quarantined: Cells::new(&names::QUARANTINED),
            deliveries: Cells::new(&names::DELIVERIES),
            recipients: Cells::new(&names::RECIPIENTS),
            sessions: Cells::new(&names::SESSION_DURATION),
            handshakes: Cells::new(&names::TLS_HANDSHAKES),
        }
    }

    fn count(&self, cells: &Cells<Counter>, labels: &[&str]) {
        cells.with(labels, |metric| self.registry.counter(metric, labels), Counter::increment);
    }

    fn time(&self, cells: &Cells<Timer>, labels: &[&str], took: Duration) {
        cells.with(labels, |metric| self.registry.timer(metric, labels), |timer| timer.observe(took));
    }

    fn measure(&self, cells: &Cells<Histogram>, labels: &[&str], value: i64) {
        cells.with(labels, |metric| self.registry.histogram(metric, labels), |cell| cell.observe(value));
    }

    /// A connection was accepted.
    pub fn connection(&self, listener: &str) {
        self.count(&self.connections, &[listener]);
    }

    /// A client has come into TLS, or not.
    pub fn handshake(&self, listener: &str, result: &str, version: &str) {
        self.count(&self.handshakes, &[listener, result, version]);
    }

    /// A connection was turned away.
    pub fn refused(&self, listener: &str, reason: &str) {
        self.count(&self.refused, &[listener, reason]);
    }

    /// A connection whose PROXY header was wrong or did not come.
    pub fn proxy_error(&self, listener: &str, reason: &str) {
        self.count(&self.proxy_errors, &[listener, reason]);
    }

    /// A message was answered for.
    pub fn message(&self, listener: &str, verdict: &str, bytes: usize) {
        self.count(&self.messages, &[listener, verdict]);
        self.measure(&self.sizes, &[listener], i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A recipient was answered for.
    pub fn recipient(&self, listener: &str, verdict: &str) {
        self.count(&self.recipients, &[listener, verdict]);
    }

    /// A session has ended.
    pub fn session_took(&self, listener: &str, took: Duration) {
        self.time(&self.sessions, &[listener], took);
    }

    /// A phase was judged.
    pub fn phase_took(&self, phase: Phase, took: Duration) {
        self.time(&self.phases, &[phase.name()], took);
    }

    /// A client broke the protocol.
    pub fn protocol_error(&self, listener: &str, kind: &str) {
        self.count(&self.protocol_errors, &[listener, kind]);
    }

    /// A rule refused.
    pub fn reject(&self, phase: Phase, rule: &str, code: u16) {
        self.count(&self.rejects, &[phase.name(), rule, itoa::Buffer::new().format(code)]);
    }

    /// A shadow statement would have acted.
    pub fn shadow(&self, rule: &str) {
        self.count(&self.shadows, &[rule]);
    }

    /// The rules that hit and the scores of a message that was judged.
    pub fn judged(&self, facts: &Facts, scratch: &Scratch) {
        let generation = &facts.generation;
        for (index, rule) in generation.plan.rules().iter().enumerate() {
            if scratch.rule(index) == RuleState::Hit {
                self.count(&self.hits, &[&rule.name]);
            }
        }
        for (index, group) in generation.plan.groups().iter().enumerate() {
            self.measure(
                &self.scores,
                &[&group.name],
                generation.plan.score(index, facts, scratch).hundredths().into(),
            );
        }
    }

    /// A look-up was answered.
    pub fn lookup(&self, generation: &Generation, slot: Slot, answer: &Answer, from_cache: bool) {
        let cache = if from_cache { "hit" } else { "miss" };
        self.count(
            &self.lookups,
            &[generation.lookup_name(slot), result_word(generation, slot, answer), cache],
        );
    }

    /// A look-up that was not in the cache took this long.
    pub fn lookup_took(&self, lookup: &str, took: Duration) {
        self.time(&self.lookup_durations, &[lookup], took);
    }

    /// A pool took this long for a message.
    pub fn server_took(&self, pool: &str, took: Duration) {
        self.time(&self.server_durations, &[pool], took);
    }

    /// A copy was kept.
    pub fn quarantined(&self, folder: &str) {
        self.count(&self.quarantined, &[folder]);
    }

    /// A message was written to a maildir, or could not be.
    pub fn delivery(&self, result: &str) {
        self.count(&self.deliveries, &[result]);
    }
}

/// A look-up's answer in a word.
pub fn result_word(generation: &Generation, slot: Slot, answer: &Answer) -> &'static str {
    let Some(spec) = generation.plan.answer_of(slot) else { return plain_word(answer) };
    match (answer, answer.state()) {
        (_, Some(state)) => spec.states.get(usize::from(state)).map_or("unknown", |state| state.name),
        (Answer::Auth(found), _) => found.word(),
        _ => plain_word(answer),
    }
}

fn plain_word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Pending => "pending",
        Answer::Unknown => "unknown",
        Answer::Missing => "missing",
        Answer::Text(_) | Answer::State(_) | Answer::Listed(..) | Answer::Named(..) | Answer::Auth(_) => {
            "found"
        }
        Answer::Bool(true) | Answer::Said(_) => "true",
        Answer::Bool(false) => "false",
    }
}
