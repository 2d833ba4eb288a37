//! What a session says in the log and counts: one line an event, `rule=file:line` with every verdict.

use weir_lang::eval::{RuleState, Scratch};
use weir_lang::plan::Ending;
use weir_lang::value::StatementId;
use weir_smtp::body::BodyFault;
use weir_smtp::{Reply, Stage};

use super::Session;
use super::held::Held;
use super::ruling::Ruling;
use crate::facts::Facts;
use crate::generation::Generation;
use crate::log::Event;
use crate::scheme::Phase;
use crate::scheme::verbs::Verb;

impl Session {
    pub(super) fn event(&self, name: &'static str) -> Event<'_> {
        let event = self.local.log.event(name).field("sid", self.id);
        let event = match self.transaction.id {
            Some(id) => event.field("qid", id),
            None => event.field("qid", "NOQUEUE"),
        };
        event.field("gen", self.facts.generation.number).field("client_ip", self.facts.client)
    }

    pub(super) fn log_connect(&self) {
        self.event("connect")
            .field("client_port", self.facts.port)
            .maybe("proxy_ip", self.facts.proxy.as_ref().map(|proxy| proxy.ip()))
            .field("listener", &self.facts.listener.label)
            .field("stressed", self.facts.stressed)
            .emit();
    }

    /// The client sent this before the greeting.
    pub(super) fn log_pregreet(&self, said: &[u8]) {
        self.local.counts().protocol_error(&self.facts.listener.label, "pregreet");
        let after = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.event("pregreet").field("after_ms", after).field("said", said).emit();
    }

    /// Counts and logs what the client did that a mail server does not do, each kind once.
    pub(super) fn note_conduct(&mut self) {
        let before = std::mem::replace(&mut self.facts.conduct, self.server.conduct());
        let now = self.facts.conduct;
        let said = self.server.take_odd();
        for (kind, is_new, is_first) in [
            ("not_smtp", now.not_smtp > before.not_smtp, before.not_smtp == 0),
            ("unknown_command", now.unknown_commands > before.unknown_commands, before.unknown_commands == 0),
            ("pipelined_early", now.pipelined_early && !before.pipelined_early, true),
        ] {
            if !is_new {
                continue;
            }
            self.local.counts().protocol_error(&self.facts.listener.label, kind);
            if is_first {
                self.event("misconduct").field("kind", kind).maybe("said", said.as_deref()).emit();
            }
        }
    }

    /// Whom the peer speaks for from this stage on.
    pub(super) fn log_identity(&self, stage: Stage) {
        let (how, identity) = match stage {
            Stage::Connect => ("xclient", self.server.client()),
            Stage::Mail => ("xforward", self.server.forwarded()),
            _ => return,
        };
        let Some(identity) = identity else { return };
        self.event(how)
            .field("client_port", self.facts.port)
            .field("helo", &self.facts.helo)
            .maybe("proxy_ip", self.facts.proxy.as_ref().map(|proxy| proxy.ip()))
            .maybe("name", identity.name.as_deref())
            .maybe("login", identity.login.as_deref())
            .maybe("ident", identity.ident.as_deref())
            .emit();
    }

    pub(super) fn log_disconnect(&self) {
        self.local.counts().session_took(&self.facts.listener.label, self.began.elapsed());
        self.event("disconnect")
            .field("helo", &self.facts.helo)
            .field("messages", self.facts.messages)
            .emit();
    }

    pub(super) fn log_spoiled(&self, fault: BodyFault) {
        self.local.counts().protocol_error(&self.facts.listener.label, fault.word());
        self.event("spoiled").field("reason", fault.word()).emit();
    }

    /// A refusal that no rule made.
    pub(super) fn log_refusal(&self, phase: Phase, reply: &Reply<'_>, reason: &'static str) {
        self.local.counts().reject(phase, reason, reply.code);
        self.count_message("refused");
        self.envelope(self.event("verdict"))
            .field("phase", phase.name())
            .field("verdict", "refuse")
            .field("code", reply.code)
            .field("reason", reason)
            .emit();
    }

    /// A refusal by a rule. Where a message goes is logged when it has gone.
    pub(super) fn log_ruling(&self, phase: Phase, ruling: &Ruling, ending: Ending) {
        let (Ruling::Refuse { reply, .. }, Ending::Final(statement)) = (ruling, ending) else { return };
        let verb = verb_of(&self.facts.generation, statement);
        self.local.counts().reject(phase, &rule_label(&self.facts, &self.scratch, statement), reply.code);
        match phase {
            Phase::Message => self.count_message(verb),
            Phase::Rcpt => self.local.counts().recipient(&self.facts.listener.label, verb),
            _ => {}
        }
        self.verdict(phase, statement, verb)
            .field("code", reply.code)
            .maybe("enh", reply.enhanced.map(|enhanced| enhanced.to_string()))
            .field("text", &*reply.text)
            .emit();
    }

    /// A refusal as it is held for RCPT.
    pub(super) fn held_of(&self, phase: Phase, reply: Reply<'static>, statement: StatementId) -> Held {
        let hits = hits(&self.facts.generation, &self.scratch);
        Held {
            phase,
            reply,
            verb: verb_of(&self.facts.generation, statement),
            rule: self.facts.generation.place(statement).to_owned(),
            label: rule_label(&self.facts, &self.scratch, statement),
            hits: (!hits.is_empty()).then_some(hits),
        }
    }

    /// A refusal waits for RCPT; who never gets so far is found by this line.
    pub(super) fn log_held(&self, held: &Held) {
        self.event("held")
            .field("phase", held.phase.name())
            .field("verdict", held.verb)
            .field("rule", &*held.rule)
            .field("code", held.reply.code)
            .emit();
    }

    /// A recipient is refused by what was held.
    pub(super) fn log_held_verdict(&self, held: &Held) {
        self.local.counts().reject(held.phase, &held.label, held.reply.code);
        self.local.counts().recipient(&self.facts.listener.label, held.verb);
        self.envelope(self.event("verdict"))
            .field("phase", held.phase.name())
            .field("verdict", held.verb)
            .field("rule", &*held.rule)
            .maybe("hits", held.hits.as_deref())
            .field("code", held.reply.code)
            .maybe("enh", held.reply.enhanced.map(|enhanced| enhanced.to_string()))
            .field("text", &*held.reply.text)
            .emit();
    }

    fn verdict(&self, phase: Phase, statement: StatementId, verb: &'static str) -> Event<'_> {
        let event = self
            .envelope(self.event("verdict"))
            .field("phase", phase.name())
            .field("verdict", verb)
            .field("rule", self.facts.generation.place(statement));
        let hits = hits(&self.facts.generation, &self.scratch);
        let hits = (!hits.is_empty()).then_some(hits);
        let event = event.maybe("hits", hits);
        self.facts.findings().fold(event, |event, found| event.field(found.method().word(), found.word()))
    }

    fn envelope<'a>(&self, event: Event<'a>) -> Event<'a> {
        let rcpt = if self.facts.rcpt.address.is_empty() { None } else { Some(&*self.facts.rcpt.address) };
        event.field("helo", &self.facts.helo).field("from", &*self.facts.sender.address).maybe("rcpt", rcpt)
    }

    /// What a shadow statement would have done.
    pub(super) fn log_shadow(&self, phase: Phase, statement: StatementId) {
        let generation = &self.facts.generation;
        self.local.counts().shadow(&rule_label(&self.facts, &self.scratch, statement));
        self.envelope(self.event("shadow"))
            .field("phase", phase.name())
            .field("would", verb_of(generation, statement))
            .field("rule", generation.place(statement))
            .emit();
    }

    pub(super) fn log_note(&self, phase: Phase, statement: StatementId, text: &str) {
        let place = self.facts.generation.place(statement);
        self.event("note").field("phase", phase.name()).field("text", text).field("rule", place).emit();
    }

    /// Where a message went, to which server and with which version of TLS, and the reply to it.
    pub(super) fn log_delivery(
        &self,
        statement: StatementId,
        to: &str,
        server: Option<(&str, Option<&'static str>)>,
        reply: &Reply<'_>,
    ) {
        let verb = verb_of(&self.facts.generation, statement);
        let verdict = match reply.code / 100 {
            2 if verb == "discard" => "discard",
            2 => "sent",
            4 => "deferred",
            _ => "refused",
        };
        self.count_message(verdict);
        let phase = if self.transaction.decided.is_some() { Phase::Data } else { Phase::Message };
        self.verdict(phase, statement, verb)
            .field("status", verdict)
            .field("to", to)
            .maybe("server", server.map(|(name, _)| name))
            .maybe("tls", server.and_then(|(_, tls)| tls))
            .field("rcpts", self.facts.rcpts.len())
            .field("size", self.transaction.wire.bytes())
            .field("code", reply.code)
            .field("reply", &*reply.text)
            .emit();
    }

    pub(super) fn log_storage(&self, reason: &str) {
        self.event("storage_failed").field("reason", reason).emit();
    }

    fn count_message(&self, verdict: &str) {
        let counts = self.local.counts();
        counts.message(&self.facts.listener.label, verdict, self.transaction.wire.bytes());
        if self.facts.message.is_some() {
            counts.judged(&self.facts, &self.scratch);
        }
    }
}

/// The verb of a statement, as rule files name it.
fn verb_of(generation: &Generation, statement: StatementId) -> &'static str {
    Verb::at(generation.plan.statement(statement).verb).map_or("?", Verb::word)
}

/// A statement as a label: the rules that its guard names, else its place.
fn rule_label(facts: &Facts, scratch: &Scratch, statement: StatementId) -> String {
    let plan = &facts.generation.plan;
    let statement = plan.statement(statement);
    let hit = |index: &&usize| scratch.rule(**index) == RuleState::Hit;
    let named = statement.rules.iter().find(hit).and_then(|&index| plan.rules().get(index));
    named.map_or_else(|| statement.location.to_string(), |rule| rule.name.clone())
}

/// The rules that hit, with their weights.
pub(super) fn hits(generation: &Generation, scratch: &Scratch) -> String {
    let rules = generation.plan.rules().iter().enumerate();
    let hit = rules.filter(|(index, _)| scratch.rule(*index) == RuleState::Hit);
    let named = hit.map(|(_, rule)| match rule.weight {
        Some(weight) => format!("{}({weight})", rule.name),
        None => rule.name.clone(),
    });
    named.collect::<Vec<_>>().join(",")
}
