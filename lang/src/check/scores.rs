//! `scores`: the only place where weights are overridden.

use std::collections::HashMap;

use super::Checker;
use super::names::Symbol;
use crate::ast::{Item, Name, Scores};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::score::Score;
use crate::source::Span;

impl Checker<'_> {
    pub(super) fn check_scores(&mut self) {
        let mut given: HashMap<usize, Span> = HashMap::new();
        for item in self.items() {
            // Score files that could be read stand in the tree as entries.
            let Item::Scores(Scores::Inline(entries)) = item else { continue };
            for entry in entries {
                let Some(rule) = self.overridden(&entry.rule, entry.weight) else { continue };
                if let Some(before) = given.insert(rule, entry.rule.span) {
                    let message = format!("the score of `{}` is overridden twice", entry.rule.text);
                    let fault = Diagnostic::new(&meaning::SCORE_TWICE, entry.rule.span, message)
                        .with_label("overridden again here")
                        .with_related(before, "first overridden here");
                    self.fault(fault);
                    continue;
                }
                if let Some(rule) = self.rules.get_mut(rule) {
                    rule.spec.off = entry.weight.is_none();
                    rule.spec.weight = entry.weight.or(rule.spec.weight);
                }
            }
        }
    }

    /// The rule of an override, when it can be overridden so.
    pub(super) fn overridden(&mut self, name: &Name, weight: Option<Score>) -> Option<usize> {
        let Some((Symbol::Rule(rule), place)) = self.names.find(&name.text) else {
            let near = self.names.like(|symbol| matches!(symbol, Symbol::Rule(_)));
            let message = format!("scores: no rule is called `{}`", name.text);
            let fault = Diagnostic::new(&meaning::SCORE_RULE, name.span, message);
            let fault = self.suggest(fault, &name.text, near);
            self.fault(fault);
            return None;
        };
        let signal = self.rules.get(rule).is_some_and(|rule| rule.spec.weight.is_none());
        if signal && weight.is_some() {
            let message = format!("rule `{}` has no weight that could be overridden", name.text);
            let fault = Diagnostic::new(&meaning::SCORE_SIGNAL, name.span, message)
                .with_label("expected `off`")
                .with_related(place, "it is a signal for other rules");
            self.fault(fault);
            return None;
        }
        Some(rule)
    }
}
