//! One client's session.
//!
//! One loop waits for the client, and every reason to wait is one arm of it. The SMTP machine says what is needed next; the
//! rules say what becomes of it.
//!
//! ```text
//! connect -> helo -> mail -> rcpt ... -> data -> message -> (mail ...) -> quit
//!                     |  the transaction takes the newest generation here, and keeps it
//! ```

mod edits;
mod held;
mod identity;
mod letter;
mod message;
pub mod proxied;
mod report;
mod ruling;
mod seat;
mod secure;
mod transaction;

use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use weir_lang::eval::Scratch;
use weir_smtp::{Answer, Enhanced, Input, Need, Reply, Server, Stage};

pub use edits::Edits;
pub use seat::{Room, Seat};

use crate::decide::decide;
use crate::facts::Facts;
use crate::id::Id;
use crate::limits::RECEIVE_BUFFER_BYTES;
use crate::local::Local;
use crate::lookups::Lookups;
use crate::ring::{Due, Stream, Watched};
use crate::scheme::Phase;
use crate::tls::Link;
use held::Held;
use identity::Own;
use ruling::Ruling;
use transaction::Transaction;

/// A session.
pub struct Session {
    local: Rc<Local>,
    link: Link,
    watched: Watched,
    seat: Seat,
    id: Id,
    input: Input,
    server: Server,
    facts: Facts,
    scratch: Scratch,
    lookups: Lookups,
    transaction: Transaction,
    /// A refusal that waits for RCPT.
    held: Option<Box<Held>>,
    /// Who has connected, if it may be that the session is another's.
    own: Option<Box<Own>>,
    /// When what the client is sending must be here.
    due: Option<Due>,
    /// When the next message must have begun.
    patience: Due,
    began: Instant,
}

const TIMED_OUT: Reply<'static> = Reply::new(421, Enhanced::new(4, 4, 2), "timed out, closing");
const NO_ROOM: Reply<'static> =
    Reply::new(452, Enhanced::new(4, 3, 1), "no room for another message now, try again later");
const SHUTTING_DOWN: Reply<'static> =
    Reply::new(421, Enhanced::new(4, 3, 2), "shutting down, try again later");

impl Session {
    /// A session on a connection that has its seat.
    pub fn new(local: Rc<Local>, stream: Stream, seat: Seat, facts: Facts) -> Self {
        let watched = stream.watch(&local.watch);
        let link = Link::plain(stream);
        let scratch = facts.generation.plan.scratch();
        Self {
            id: local.next_id(),
            server: Server::new(Arc::clone(&facts.listener.server)),
            lookups: Lookups::new(Rc::clone(&local.sources), Some(Rc::clone(link.stream()))),
            input: Input::default(),
            transaction: Transaction::new(&local.store),
            held: None,
            own: None,
            due: None,
            patience: watched.due(facts.listener.timeouts.whole),
            began: Instant::now(),
            local,
            link,
            watched,
            seat,
            facts,
            scratch,
        }
    }

    /// Serves the client until it or we have had enough; `open` is dropped then. In a box, because a future holds its arguments twice.
    pub async fn serve(mut self: Box<Self>, open: impl Sized) {
        self.log_connect();
        if self.is_implicit() && !Box::pin(self.secure()).await {
            self.log_disconnect();
            return;
        }
        loop {
            let need = self.server.next(&mut self.input);
            if self.facts.conduct != self.server.conduct() {
                self.note_conduct();
            }
            match need {
                // Replies to pipelined commands leave together, when nothing is left but to wait.
                Need::Bytes => {
                    if !self.exchange().await {
                        break;
                    }
                }
                Need::Verdict(stage) => self.judge(stage).await,
                Need::Body(range) => self.transaction.take(&mut self.input, range),
                Need::Spoiled(fault) => {
                    self.transaction.drop_message();
                    self.log_spoiled(fault);
                }
                // In a box, because it is done once, and the room for it would be held ever after.
                Need::Secure => {
                    if !self.flush().await || !Box::pin(self.secure()).await {
                        break;
                    }
                }
                Need::Close => {
                    self.say_last().await;
                    break;
                }
            }
        }
        self.facts.count_errors(self.server.errors());
        self.log_disconnect();
        drop(open);
    }

    /// Writes what is to be said and reads; false when the client is gone.
    async fn exchange(&mut self) -> bool {
        if !self.server.in_message() && self.transaction.wire.bytes() > 0 {
            // Given up between its chunks.
            self.transaction.drop_message();
        }
        let answers = !self.server.output().is_empty();
        if !self.flush().await {
            return false;
        }
        let is_stressed = self.seat.room().sessions() >= self.facts.listener.stressed_above;
        let timeouts = self.facts.listener.timeouts.when(is_stressed);
        let in_message = self.server.in_message();
        let within = if self.server.in_body() { timeouts.data } else { timeouts.command };
        let whole_within = if in_message { timeouts.whole } else { timeouts.command };
        // What follows our last reply has a bound as a whole too, or a byte now and then would hold a seat for ever; and so has a
        // message in chunks, each of which is answered.
        let due = match self.due.filter(|_| !answers || in_message) {
            Some(due) => due,
            None => *self.due.insert(self.watched.due(whole_within)),
        };
        // And all commands without a message have one.
        let due = if in_message { due } else { due.min(self.patience) };
        self.watched.arm_read_until(within, due);
        self.watched.set_interruptible(!self.server.in_transaction());
        let (read, buffer) = self.link.read(self.input.lend(0), RECEIVE_BUFFER_BYTES).await;
        self.watched.set_interruptible(false);
        self.watched.disarm();
        self.input.restore(buffer);
        match read {
            Ok(0) if self.watched.woken() => self.server.close(&SHUTTING_DOWN),
            Ok(0) if self.watched.expired() => self.server.close(&TIMED_OUT),
            Ok(0) => {
                // It may have closed its own direction only: what was said last is still on its way.
                self.say_last().await;
                return false;
            }
            Err(_) => return false,
            Ok(_) => {}
        }
        true
    }

    /// Writes what is to be said in one write; false when the client does not take it.
    async fn flush(&mut self) -> bool {
        if self.server.output().is_empty() {
            return true;
        }
        let output = std::mem::take(self.server.output());
        self.watched.arm_write(self.facts.listener.timeouts.write);
        // The client's answer tells that it has come; the next reply waits for this one.
        let (written, spare) = self.link.post(output).await;
        self.watched.disarm();
        *self.server.output() = spare;
        written.is_ok()
    }

    /// Writes the last that is to be said, to its end.
    async fn say_last(&mut self) {
        let output = std::mem::take(self.server.output());
        self.watched.arm_write(self.facts.listener.timeouts.write);
        // One that does not listen any more is gone all the same.
        let (_gone, _) = self.link.write_last(output).await;
        self.watched.disarm();
    }

    /// Judges what the machine asks about, and answers it.
    async fn judge(&mut self, stage: Stage) {
        let phase = phase_of(stage);
        if stage == Stage::Data {
            // The message has its own time.
            self.due = None;
        }
        self.lookups.settle_found(&mut self.facts);
        self.learn(stage);
        if stage == Stage::Connect && self.server.client().is_some() && !self.begin_as_client() {
            let reply = self.facts.listener.full.reply();
            self.log_refusal(phase, &reply, "full");
            return self.server.answer(Answer::Close(&reply));
        }
        self.facts.count_errors(self.server.errors());
        if stage == Stage::Connect && self.facts.find_passed().is_none() {
            // In a box, because it is rare.
            Box::pin(self.facts.recall_passed()).await;
        }
        if stage == Stage::Data && self.local.store.is_full() {
            self.log_refusal(phase, &NO_ROOM, "no room");
            return self.server.answer(Answer::Reply(&NO_ROOM));
        }
        if self.answer_held(phase) {
            return;
        }
        if phase != Phase::Message && !self.facts.generation.plan.has_phase(phase.index()) {
            return self.accept(phase);
        }
        let began = Instant::now();
        self.facts.now = self.local.unix_seconds();
        self.watched.set_interruptible(phase == Phase::Connect);
        match phase {
            // In a box, because an idle session should not hold the room that this wants.
            Phase::Message => Box::pin(self.judge_message()).await,
            _ => self.judge_command(phase).await,
        }
        self.watched.set_interruptible(false);
        self.local.counts().phase_took(phase, began.elapsed());
    }

    async fn judge_command(&mut self, phase: Phase) {
        let ending = decide(phase, &mut self.facts, &mut self.scratch, &mut self.lookups).await;
        self.carry_out(phase).await;
        let ruling = Ruling::of(ending, &self.facts, &self.scratch);
        let Some(ruling) = self.hold(phase, ruling, ending) else { return self.accept(phase) };
        self.log_ruling(phase, &ruling, ending);
        match ruling {
            Ruling::Accept => self.accept(phase),
            Ruling::Deliver(statement) => {
                self.transaction.decided = Some(statement);
                self.accept(phase);
            }
            Ruling::Refuse { closes: true, reply } => self.server.answer(Answer::Close(&reply)),
            Ruling::Refuse { reply, .. } => {
                if phase == Phase::Rcpt && reply.code >= 500 {
                    self.facts.unknown_rcpts += 1;
                }
                self.server.answer(Answer::Reply(&reply));
            }
        }
    }

    /// The command goes on with its standard reply.
    fn accept(&mut self, phase: Phase) {
        match phase {
            Phase::Mail => self.transaction.id = Some(self.local.next_id()),
            Phase::Rcpt => {
                self.local.counts().recipient(&self.facts.listener.label, "accepted");
                self.facts.rcpts.push(&self.facts.rcpt.address);
            }
            _ => {}
        }
        self.server.answer(Answer::Accept);
        // Who is refused already, or has gone, needs no more judgement.
        if self.held.is_none() && !self.link.has_ended() {
            self.lookups.prefetch(phase, &mut self.facts, &self.scratch);
        }
    }

    /// Takes into the facts what the machine has learnt for this stage.
    fn learn(&mut self, stage: Stage) {
        match stage {
            Stage::Connect | Stage::Data | Stage::Message => {}
            Stage::Helo => {
                self.facts.helo.clear();
                self.facts.helo.extend_from_slice(self.server.helo().as_bytes());
                self.begin_anew(Phase::Helo);
                self.forget_held(Phase::Helo);
                self.identify(stage);
            }
            Stage::Mail => {
                self.end_transaction();
                self.forget_held(Phase::Mail);
                self.adopt_newest();
                self.identify(stage);
                let envelope = self.server.envelope();
                transaction::set_sender(&mut self.facts.sender, envelope.sender());
                self.facts.declared_size = envelope.declared_bytes;
            }
            Stage::Rcpt => {
                if let Some(recipient) = self.server.recipient() {
                    transaction::set_mailbox(&mut self.facts.rcpt, recipient);
                }
                self.begin_anew(Phase::Rcpt);
            }
        }
    }

    /// This phase and those after it have not been judged yet.
    fn begin_anew(&mut self, phase: Phase) {
        self.facts.forget_from(phase);
        self.lookups.forget_from(phase, &self.facts.generation.plan);
    }

    /// Leaves the transaction that was, if any.
    fn end_transaction(&mut self) {
        self.lookups.forget_from(Phase::Mail, &self.facts.generation.plan);
        self.scratch.reset_transaction();
        self.facts.end_transaction();
        self.transaction.clear();
    }

    /// A new transaction is judged by the newest generation.
    fn adopt_newest(&mut self) {
        self.facts.reread = self.local.reread();
        let newest = self.local.generation();
        if newest.number == self.facts.generation.number {
            return;
        }
        // A listener that is gone keeps its sessions: they finish by what they were told.
        if let Some(listener) = newest.listener(&self.facts.listener.label) {
            self.facts.listener = Arc::clone(listener);
            self.server.reconfigure(Arc::clone(&listener.server));
        }
        self.scratch = newest.plan.scratch();
        self.lookups.forget_all();
        self.facts.adopt(newest);
    }
}

/// The phase at which a stage is judged.
const fn phase_of(stage: Stage) -> Phase {
    match stage {
        Stage::Connect => Phase::Connect,
        Stage::Helo => Phase::Helo,
        Stage::Mail => Phase::Mail,
        Stage::Rcpt => Phase::Rcpt,
        Stage::Data => Phase::Data,
        Stage::Message => Phase::Message,
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    /// Most room that a session takes, in bytes, beside what its facts and streams hold: many thousands wait to be greeted. What is
    /// rare belongs into a box.
    const SESSION_BYTES_MAX: usize = 1536;
    const FUTURE_BYTES_MAX: usize = 512;

    fn future_bytes<F: Future>(_: impl Fn(Box<Session>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn who_waits_holds_little() {
        assert!(size_of::<Session>() <= SESSION_BYTES_MAX, "{}", size_of::<Session>());
        let future = future_bytes(|session| session.serve(()));
        assert!(future <= FUTURE_BYTES_MAX, "{future}");
    }
}
