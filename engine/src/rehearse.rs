//! A session without a wire: the phases of one message decided in order, for `test` blocks and for `weir explain`.
//!
//! The same facts, plan and look-up results as in a live session; what a session would do (wait, send, write) is put down
//! instead of done.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_lang::eval::{Coverage, RuleState, Scratch};
use weir_lang::plan::Ending;
use weir_lang::value::{Facts as _, Slot, StatementId, Value};

use weir_smtp::{Conduct, Reply};

use crate::auth::{Client, Finding};
use crate::counts::result_word;
use crate::decide::{Gather, TOO_MANY_FIELDS, decide, survey};
use crate::facts::{Facts, Mailbox, shown};
use crate::generation::{Act, Generation, ListenerTls, Refusal};
use crate::mail::{self, Message};
use crate::process::Process;
use crate::scheme::Phase;
use crate::scheme::verbs::Verb;
use crate::tls::{Agreed, Mode};

/// What is sent and by whom.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The client's address.
    pub client: IpAddr,
    /// The peer that connects and speaks for it, if it does not connect itself.
    pub via: Option<IpAddr>,
    /// What its handshake of TLS has agreed on; in plain when there is none, unless the listener takes nobody so.
    pub tls: Option<Agreed>,
    /// What it says in EHLO.
    pub helo: String,
    /// The sender; empty for `<>`.
    pub sender: String,
    /// The recipients.
    pub rcpts: Vec<String>,
    /// The message, with any line breaks, not dot-stuffed.
    pub content: Vec<u8>,
    /// The listener is stressed.
    pub stressed: bool,
    /// How the client behaves.
    pub conduct: Conduct,
    /// How many commands of the client were refused before.
    pub errors: u32,
}

impl Mail {
    /// A message from a host without a fault, for nobody yet.
    pub fn of(client: IpAddr, content: Vec<u8>) -> Self {
        Self {
            client,
            via: None,
            tls: None,
            helo: String::from("client.example.net"),
            sender: String::from("sender@example.net"),
            rcpts: Vec::new(),
            content,
            stressed: false,
            conduct: Conduct::default(),
            errors: 0,
        }
    }

    /// The message as it comes over the wire.
    fn message(&self) -> Rc<Message> {
        let wire = Rc::new(stuff(&self.content));
        Rc::new(Message::of_wire(&wire, 0..wire.len()))
    }
}

/// A phase's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The phase.
    pub phase: Phase,
    /// Its code.
    pub code: u16,
    /// Its enhanced code.
    pub enhanced: Option<(u8, u16, u16)>,
    /// Its text.
    pub text: String,
    /// Where the statement stands that made it; none for the standard reply.
    pub at: Option<String>,
    /// How long the rules took, look-ups included.
    pub took: Duration,
}

/// Something that a statement did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Did {
    /// The phase.
    pub phase: Phase,
    /// The verb.
    pub verb: &'static str,
    /// With what.
    pub what: String,
    /// Only computed.
    pub shadow: bool,
    /// Where the statement stands.
    pub at: String,
}

/// Where a message would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To a pool.
    Pool(String),
    /// To a maildir.
    Maildir(String),
    /// Nowhere.
    Discard,
}

/// A look-up's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Its name.
    pub name: String,
    /// What it was asked.
    pub argument: String,
    /// What it answered.
    pub result: &'static str,
    /// How long that took; nothing when it was known.
    pub took: Option<Duration>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The replies, in order.
    pub said: Vec<Said>,
    /// What statements did, in order.
    pub did: Vec<Did>,
    /// Where the message goes, if it got so far.
    pub destination: Option<Destination>,
    /// The connection was closed.
    pub closed: bool,
    /// The rules that hit, with their weight in text.
    pub hits: Vec<String>,
    /// The scores of all groups.
    pub scores: Vec<(String, weir_lang::score::Score)>,
    /// The look-ups that were made.
    pub looked: Vec<Looked>,
    /// What SPF, DKIM, DMARC and ARC say of the message; only of a survey.
    pub findings: Vec<Finding>,
}

/// A run of the phases.
pub struct Rehearsal<G> {
    /// What is known.
    pub facts: Facts,
    /// What evaluation remembers.
    pub scratch: Scratch,
    /// Where look-ups go.
    pub gather: G,
    /// A refusal that waits for RCPT.
    held: Option<Said>,
    outcome: Outcome,
    /// Commands that were refused.
    refused: u32,
}

/// How a phase ended for the session.
enum Next {
    GoOn,
    Decided,
    Refused,
    Closed,
}

impl<G: Gather> Rehearsal<G> {
    /// A client that connects to the first listener.
    pub fn new(process: &Arc<Process>, generation: &Arc<Generation>, mail: &Mail, gather: G) -> Option<Self> {
        let listener = generation.listeners.first()?;
        let mut facts = Facts::new(
            Arc::clone(process),
            Arc::clone(generation),
            Arc::clone(listener),
            mail.client,
            40_000,
        );
        facts.stressed = mail.stressed;
        facts.proxy = mail.via.map(|via| Box::new(SocketAddr::new(via, 40_000)));
        let scratch = generation.plan.scratch();
        Some(Self { facts, scratch, gather, held: None, outcome: Outcome::default(), refused: mail.errors })
    }

    /// Runs all phases; `now` is the clock of rules. Each phase's ending goes into `coverage`.
    pub async fn run(mut self, mail: &Mail, now: i64, coverage: &mut Coverage) -> (Outcome, Facts, Scratch) {
        self.facts.now = now;
        self.phases(mail, coverage).await;
        self.facts.count_errors(self.refused);
        self.gather_results();
        (self.outcome, self.facts, self.scratch)
    }

    /// As [`run`](Self::run), and then settles the rules that the verdict did not need, for a whole score sheet.
    pub async fn survey(mut self, mail: &Mail, now: i64) -> (Outcome, Facts, Scratch) {
        self.facts.now = now;
        let mut coverage = Coverage::new(&self.facts.generation.plan);
        self.phases(mail, &mut coverage).await;
        // Rules about a message that was not looked at would speak of nothing.
        if self.facts.message.is_some() {
            survey(&mut self.facts, &mut self.scratch, &mut self.gather).await;
        }
        self.gather_results();
        self.outcome.findings = self.authenticate(mail).await;
        (self.outcome, self.facts, self.scratch)
    }

    /// Also of a message that was refused before it was looked at.
    async fn authenticate(&mut self, mail: &Mail) -> Vec<Finding> {
        let message = self.facts.message.clone().unwrap_or_else(|| mail.message());
        let client = Client { ip: mail.client, helo: mail.helo.clone(), sender: mail.sender.clone() };
        self.gather.authenticate(client, &message).await
    }

    async fn phases(&mut self, mail: &Mail, coverage: &mut Coverage) {
        // No store is shared here, so all is known at once.
        let _known = self.facts.find_passed();
        if !self.early_phase(Phase::Connect, coverage).await {
            return;
        }
        self.facts.conduct = mail.conduct;
        let is_offered = |tls: &ListenerTls| tls.mode == Mode::Offered;
        let must_be = !self.facts.listener.tls.as_ref().is_none_or(is_offered);
        self.facts.tls = mail.tls.clone().or_else(|| must_be.then(Agreed::usual)).map(Box::new);
        self.facts.helo = mail.helo.clone().into_bytes();
        if !self.early_phase(Phase::Helo, coverage).await {
            return;
        }
        self.facts.sender = Mailbox::new(mail.sender.as_bytes());
        if !self.early_phase(Phase::Mail, coverage).await {
            return;
        }
        for rcpt in &mail.rcpts {
            self.facts.forget_from(Phase::Rcpt);
            self.facts.rcpt = Mailbox::new(rcpt.as_bytes());
            if let Some(held) = self.held.clone().filter(|_| !self.facts.rcpt.is_postmaster_or_abuse()) {
                self.outcome.said.push(Said { phase: Phase::Rcpt, ..held });
                continue;
            }
            match self.phase(Phase::Rcpt, coverage).await {
                Next::GoOn => self.facts.rcpts.push(&self.facts.rcpt.address),
                Next::Refused | Next::Decided => {}
                Next::Closed => return,
            }
        }
        if self.facts.rcpts.is_empty() {
            return;
        }
        if matches!(self.phase(Phase::Data, coverage).await, Next::GoOn) {
            let message = mail.message();
            if message.has_too_many_fields() {
                let Reply { code, enhanced, text } = TOO_MANY_FIELDS;
                let enhanced = enhanced.map(|it| (it.class, it.subject, it.detail));
                return self.say(Phase::Message, (code, enhanced, &text), None, Duration::ZERO);
            }
            self.facts.message = Some(message);
            self.phase(Phase::Message, coverage).await;
        }
    }

    /// A phase before RCPT, whose refusal may wait for that; true when the session goes on.
    async fn early_phase(&mut self, phase: Phase, coverage: &mut Coverage) -> bool {
        if self.held.is_some() {
            self.say_standard(phase, Duration::ZERO);
            return true;
        }
        match self.phase(phase, coverage).await {
            Next::GoOn => true,
            Next::Refused if self.facts.listener.delayed_rejection => {
                self.held = self.outcome.said.pop();
                self.say_standard(phase, Duration::ZERO);
                true
            }
            _ => false,
        }
    }

    async fn phase(&mut self, phase: Phase, coverage: &mut Coverage) -> Next {
        let began = Instant::now();
        self.facts.count_errors(self.refused);
        if !self.facts.generation.plan.has_phase(phase.index()) {
            self.say_standard(phase, began.elapsed());
            return Next::GoOn;
        }
        let ending = decide(phase, &mut self.facts, &mut self.scratch, &mut self.gather).await;
        coverage.record(&self.scratch, ending);
        self.put_down(phase);
        self.conclude(phase, ending, began.elapsed())
    }

    fn conclude(&mut self, phase: Phase, ending: Ending, took: Duration) -> Next {
        let Ending::Final(statement) = ending else {
            self.say_standard(phase, took);
            return Next::GoOn;
        };
        let generation = Arc::clone(&self.facts.generation);
        let destination = match generation.act(statement) {
            Act::Refuse { how, code, enhanced, text } => {
                let closes = *how == Refusal::Drop;
                let text = self.shown(statement, *text);
                let enhanced = Some((enhanced.class, enhanced.subject, enhanced.detail));
                self.outcome.said.push(Said {
                    phase,
                    code: *code,
                    enhanced,
                    text,
                    at: Some(self.place(statement)),
                    took,
                });
                self.refused += 1;
                self.outcome.closed |= closes;
                self.facts.unknown_rcpts += u32::from(phase == Phase::Rcpt && *code >= 500);
                return if closes { Next::Closed } else { Next::Refused };
            }
            Act::SendPool(pool) => Destination::Pool(pool.spec.name.clone()),
            Act::SendMaildir(folder) => Destination::Maildir(folder.display().to_string()),
            _ => Destination::Discard,
        };
        self.say(phase, phase_reply(Phase::Message), Some(self.place(statement)), took);
        self.outcome.destination = Some(destination);
        Next::Decided
    }

    fn say_standard(&mut self, phase: Phase, took: Duration) {
        self.say(phase, phase_reply(phase), None, took);
    }

    fn say(
        &mut self,
        phase: Phase,
        reply: (u16, Option<(u8, u16, u16)>, &str),
        at: Option<String>,
        took: Duration,
    ) {
        let (code, enhanced, text) = reply;
        self.outcome.said.push(Said { phase, code, enhanced, text: text.to_owned(), at, took });
    }

    fn put_down(&mut self, phase: Phase) {
        for index in 0..self.scratch.actions().len() {
            let Some(&statement) = self.scratch.actions().get(index) else { break };
            let generation = Arc::clone(&self.facts.generation);
            let written = generation.plan.statement(statement);
            let what = match generation.act(statement) {
                Act::AddHeader { name, value } => format!("{name}: {}", self.shown(statement, *value)),
                Act::RemoveHeader(names) => names.join(", "),
                Act::Quarantine(folder) => folder.clone(),
                Act::Note { text } => self.shown(statement, *text),
                Act::Greet(greet) => format!("{} ms", greet.wait(&self.facts).as_millis()),
                Act::Delay(wait) => format!("{} ms", wait.as_millis()),
                Act::Remember { key, seconds, name } => {
                    if !written.shadow {
                        self.facts.remember(statement);
                    }
                    format!("{} for {seconds} s as {name}", self.shown(statement, *key))
                }
                Act::Refuse { code, text, .. } => format!("{code} {}", self.shown(statement, *text)),
                _ => String::new(),
            };
            let verb = Verb::at(written.verb).map_or("?", Verb::word);
            let (shadow, at) = (written.shadow, self.place(statement));
            let takes_over =
                matches!(generation.act(statement), Act::AddHeader { .. }) && self.takes_over(&what);
            self.outcome.did.push(Did { phase, verb, what, shadow, at: at.clone() });
            if takes_over {
                let (verb, what) = (Verb::Remove.word(), mail::RESULTS.to_owned());
                self.outcome.did.push(Did { phase, verb, what, shadow, at });
            }
        }
    }

    /// Whether a line that is added takes one out that speaks in our name.
    fn takes_over(&self, line: &str) -> bool {
        let value = line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case(mail::RESULTS));
        let id = value.and_then(|(_, value)| mail::results_id(value.as_bytes()));
        let content = self.facts.message.as_ref().map_or(&[][..], |message| message.content());
        id.is_some_and(|id| !mail::results_ranges(content, &[id]).is_empty())
    }

    fn shown(&self, statement: StatementId, operand: usize) -> String {
        shown(statement, operand, &self.facts, &self.scratch)
    }

    fn place(&self, statement: StatementId) -> String {
        self.facts.generation.plan.statement(statement).location.to_string()
    }

    fn gather_results(&mut self) {
        let plan = &self.facts.generation.plan;
        for (index, rule) in plan.rules().iter().enumerate() {
            if self.scratch.rule(index) == RuleState::Hit {
                self.outcome.hits.push(rule.name.clone());
            }
        }
        for (index, group) in plan.groups().iter().enumerate() {
            self.outcome.scores.push((group.name.clone(), plan.score(index, &self.facts, &self.scratch)));
        }
        for index in 0..plan.slots().len() {
            let slot = Slot(u16::try_from(index).unwrap_or(u16::MAX));
            if self.facts.answer(slot) == Value::Pending {
                continue;
            }
            let answer = self.facts.answer_of(slot);
            let mut argument = Vec::new();
            weir_lang::eval::show(plan.slot_argument(slot, 0, &self.facts), &mut argument);
            self.outcome.looked.push(Looked {
                name: self.facts.generation.lookup_name(slot).to_owned(),
                argument: String::from_utf8_lossy(&argument).into_owned(),
                result: result_word(&self.facts.generation, slot, answer),
                took: self.gather.took(slot),
            });
        }
    }
}

/// What a phase says when no rule says otherwise.
const fn phase_reply(phase: Phase) -> (u16, Option<(u8, u16, u16)>, &'static str) {
    match phase {
        Phase::Connect => (220, None, "ready"),
        Phase::Helo => (250, None, "hello"),
        Phase::Mail => (250, Some((2, 1, 0)), "sender ok"),
        Phase::Rcpt => (250, Some((2, 1, 5)), "recipient ok"),
        Phase::Data => (354, None, "go ahead"),
        Phase::Message => (250, Some((2, 0, 0)), "ok"),
    }
}

/// Text with any line breaks in wire form: CRLF, dot-stuffed, CRLF.CRLF at its end.
pub fn stuff(text: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(text.len() + text.len() / 16 + 5);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    for line in text.split(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_wire_form() {
        assert_eq!(stuff(b"a\n.b\r\n"), b"a\r\n..b\r\n.\r\n");
        assert_eq!(stuff(b"no end"), b"no end\r\n.\r\n");
        assert_eq!(stuff(b""), b"\r\n.\r\n");
    }
}
