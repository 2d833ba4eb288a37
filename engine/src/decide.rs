//! One decision: the rules of a phase against the facts, with what is missing gathered in between.
//!
//! ```text
//! evaluate -> decided
//!          -> needs -> gather starts all that can still be reached, together -> first answer -> evaluate
//! ```
//! A decision that needs nothing more waits for nothing, whatever else is still open.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;
use weir_lang::eval::Scratch;
use weir_lang::plan::{Ending, Step};
use weir_lang::value::{Facts as _, Slot, Value};
use weir_smtp::{Enhanced, Reply};

use crate::auth::{Client, Finding};
use crate::facts::{Answer, Facts};
use crate::mail::Message;
use crate::scheme::Phase;

/// What a message is told whose header has more fields than rules can see: they would judge another than its reader has.
pub const TOO_MANY_FIELDS: Reply<'static> =
    Reply::new(552, Enhanced::new(5, 3, 4), "Message header has too many fields");

/// Finds out what slots ask.
pub trait Gather {
    /// Begins to find out; what is known at once is given back, all else comes by [`Self::next`]. A slot that is under
    /// way already is not begun again.
    fn start(&mut self, facts: &Facts, scratch: &Scratch, slot: Slot) -> Option<Answer>;

    /// The next answer; `None` when nothing is under way or `until` has come.
    fn next(&mut self, until: Option<Instant>) -> impl Future<Output = Option<(Slot, Answer)>>;

    /// Authenticates a message by all methods, whatever the rules ask; nothing where there is no way to ask.
    fn authenticate(
        &mut self,
        _client: Client,
        _message: &Rc<Message>,
    ) -> impl Future<Output = Vec<Finding>> {
        std::future::ready(Vec::new())
    }

    /// How long a slot took that was not answered at once.
    fn took(&self, _slot: Slot) -> Option<Duration> {
        None
    }
}

/// Decides a phase.
pub async fn decide<G: Gather>(
    phase: Phase,
    facts: &mut Facts,
    scratch: &mut Scratch,
    gather: &mut G,
) -> Ending {
    settle(phase.index(), facts, scratch, gather).await
}

/// Settles every rule, whatever the verdict needed of them: for a score sheet.
pub async fn survey<G: Gather>(facts: &mut Facts, scratch: &mut Scratch, gather: &mut G) {
    let phase = facts.generation.plan.survey_phase();
    let _decides_nothing = settle(phase, facts, scratch, gather).await;
}

#[expect(
    clippy::manual_async_fn,
    reason = "an async fn holds its arguments twice, and very many sessions wait in this one"
)]
fn settle<G: Gather>(
    phase: usize,
    facts: &mut Facts,
    scratch: &mut Scratch,
    gather: &mut G,
) -> impl Future<Output = Ending> {
    async move {
        let began = Instant::now();
        loop {
            if let Step::Decided(ending) = evaluate(phase, facts, scratch) {
                return ending;
            }
            // Each round settles at least one of the wanted slots, failed look-ups included, so the loop is bounded by
            // the plan's slots.
            if start_wanted(facts, scratch, gather) {
                continue;
            }
            let until = scratch.deadline().map(|milliseconds| began + Duration::from_millis(milliseconds));
            match gather.next(until).await {
                Some((slot, answer)) => facts.settle(slot, answer),
                None => give_up(facts, scratch),
            }
        }
    }
}

fn evaluate(phase: usize, facts: &Facts, scratch: &mut Scratch) -> Step {
    let generation = std::sync::Arc::clone(&facts.generation);
    generation.plan.evaluate(phase, facts, scratch)
}

/// Starts what is wanted; true when something was answered at once.
fn start_wanted<G: Gather>(facts: &mut Facts, scratch: &Scratch, gather: &mut G) -> bool {
    let mut settled = false;
    for &slot in scratch.wanted() {
        if facts.answer(slot) != Value::Pending {
            continue;
        }
        if let Some(answer) = gather.start(facts, scratch, slot) {
            facts.settle(slot, answer);
            settled = true;
        }
    }
    settled
}

/// The deadline has come: what is still open is unknown.
fn give_up(facts: &mut Facts, scratch: &Scratch) {
    for &slot in scratch.wanted() {
        if facts.answer(slot) == Value::Pending {
            facts.settle(slot, unknown(facts, slot));
        }
    }
}

/// The answer of a slot whose look-up failed: the state that its kind has for that.
pub fn unknown(facts: &Facts, slot: Slot) -> Answer {
    let spec = facts.generation.plan.answer_of(slot);
    match (spec, facts.generation.question(slot)) {
        (_, crate::generation::Question::Auth(method)) => Answer::Auth(Rc::new(method.unknown())),
        (Some(spec), _) => Answer::State(u8::try_from(spec.unknown).unwrap_or_default()),
        (None, crate::generation::Question::SpokeEarly) => Answer::Bool(false),
        (None, _) => Answer::Unknown,
    }
}
