//! Delayed rejection: what a phase before RCPT refused, kept until there is a recipient to say it to.

use weir_lang::plan::Ending;
use weir_smtp::{Answer, Reply};

use super::Session;
use super::ruling::Ruling;
use crate::scheme::Phase;

/// A refusal that waits for RCPT. It names its rule in words, since the generation of rules may change until then.
pub(super) struct Held {
    pub(super) phase: Phase,
    pub(super) reply: Reply<'static>,
    pub(super) verb: &'static str,
    pub(super) rule: String,
    /// The rule as a label of metrics.
    pub(super) label: String,
    pub(super) hits: Option<String>,
}

impl Session {
    /// Keeps the refusal of a phase for RCPT, if this listener wants that; gives it back otherwise.
    pub(super) fn hold(&mut self, phase: Phase, ruling: Ruling, ending: Ending) -> Option<Ruling> {
        let delays = self.facts.listener.delayed_rejection && phase < Phase::Rcpt;
        match (ruling, ending) {
            (Ruling::Refuse { closes: false, reply }, Ending::Final(statement)) if delays => {
                let held = self.held_of(phase, reply, statement);
                self.log_held(&held);
                self.held = Some(Box::new(held));
                None
            }
            (ruling, _) => Some(ruling),
        }
    }

    /// Answers a phase by what is held, without asking its rules; false when they are to be asked.
    pub(super) fn answer_held(&mut self, phase: Phase) -> bool {
        let Some(held) = self.held.take() else { return false };
        match phase {
            Phase::Helo | Phase::Mail => self.accept(phase),
            Phase::Rcpt if !self.facts.rcpt.is_postmaster_or_abuse() => {
                self.log_held_verdict(&held);
                self.server.answer(Answer::Reply(&held.reply));
            }
            _ => {
                self.held = Some(held);
                return false;
            }
        }
        self.held = Some(held);
        true
    }

    /// This phase begins anew: what it and later ones refused is forgotten.
    pub(super) fn forget_held(&mut self, phase: Phase) {
        self.held = self.held.take().filter(|held| held.phase < phase);
    }
}
