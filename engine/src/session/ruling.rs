//! What an ending of the rules means to a session, and carrying out what they said on the way.

use weir_lang::eval::Scratch;
use weir_lang::plan::Ending;
use weir_lang::value::StatementId;
use weir_smtp::Reply;

use super::Session;
use crate::facts::Facts;
use crate::facts::shown;
use crate::generation::{Act, Greet, Refusal};
use crate::lookups::early;
use crate::scheme::Phase;

/// What becomes of a command or a message.
pub(super) enum Ruling {
    /// It goes on.
    Accept,
    /// It is refused.
    Refuse {
        /// The connection ends behind the reply.
        closes: bool,
        /// The reply.
        reply: Reply<'static>,
    },
    /// The message goes where this statement says.
    Deliver(StatementId),
}

impl Ruling {
    /// What an ending means.
    pub(super) fn of(ending: Ending, facts: &Facts, scratch: &Scratch) -> Self {
        let Ending::Final(statement) = ending else { return Self::Accept };
        match facts.generation.act(statement) {
            Act::Refuse { how, code, enhanced, text } => Self::Refuse {
                closes: *how == Refusal::Drop,
                reply: Reply {
                    code: *code,
                    enhanced: Some(*enhanced),
                    text: shown(statement, *text, facts, scratch).into(),
                },
            },
            Act::SendPool(_) | Act::SendMaildir(_) | Act::Discard => Self::Deliver(statement),
            _ => Self::Accept,
        }
    }
}

impl Session {
    /// Does what the statements said that ran before the end of this phase.
    pub(super) async fn carry_out(&mut self, phase: Phase) {
        let mut greeted = None;
        for index in 0..self.scratch.actions().len() {
            let Some(&statement) = self.scratch.actions().get(index) else { break };
            if self.facts.generation.plan.statement(statement).shadow {
                self.log_shadow(phase, statement);
                continue;
            }
            let generation = std::sync::Arc::clone(&self.facts.generation);
            match generation.act(statement) {
                Act::AddHeader { name, value } => {
                    let value = shown(statement, *value, &self.facts, &self.scratch);
                    self.transaction.edits.add(name, value.as_bytes());
                }
                Act::RemoveHeader(names) => names.iter().for_each(|name| self.transaction.edits.remove(name)),
                Act::Remember { .. } => self.facts.remember(statement),
                Act::Note { text } => {
                    let text = shown(statement, *text, &self.facts, &self.scratch);
                    self.log_note(phase, statement, &text);
                }
                Act::Delay(wait) => self.pause(*wait).await,
                Act::Greet(greet) => greeted = Some(greet.clone()),
                // In a box, because it is rare, and whoever waits to be greeted holds the room for all that is done here.
                Act::Quarantine(folder) => Box::pin(self.quarantine(folder)).await,
                _ => {}
            }
        }
        if let Some(greet) = greeted {
            // In a box for the same reason: most have waited for `client.spoke_early`.
            Box::pin(self.greet(greet)).await;
        }
    }

    /// Waits before the greeting, unless `client.spoke_early` has had it done, and says who did not.
    async fn greet(&self, greet: Greet) {
        let wait = greet.wait(&self.facts);
        if wait.is_zero() {
            return;
        }
        let said = if self.lookups.has_waited() {
            self.facts.said_early().map(<[u8]>::to_vec)
        } else {
            early(self.link.stream(), greet.teaser(&self.facts), wait).await
        };
        if let Some(said) = said {
            self.log_pregreet(&said);
        }
    }

    /// Waits before the reply, or until the client is gone or, outside of a transaction, the process ends.
    async fn pause(&self, wait: std::time::Duration) {
        self.watched.set_interruptible(!self.server.in_transaction());
        tokio::select! {
            biased;
            () = self.link.stream().is_gone() => {}
            () = tokio::time::sleep(wait) => {}
        }
        self.watched.set_interruptible(false);
    }
}
