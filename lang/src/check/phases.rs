//! Phases: each once, in wire order, and one of them decides.

use super::ends::Way;
use super::names::Symbol;
use super::{Checker, ends};
use crate::ast::{self, Item};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::hir::Statement;
use crate::source::Span;

impl Checker<'_> {
    pub(super) fn check_phases(&mut self) {
        self.phases = self.scheme.phases.iter().map(|_| None).collect();
        let mut places: Vec<Option<Span>> = vec![None; self.phases.len()];
        let mut last: Option<(usize, Span)> = None;
        for item in self.items() {
            let Item::Phase(written) = item else { continue };
            let Some(phase) = self.phase_index(written) else { continue };
            if let Some(before) = places.get(phase).copied().flatten() {
                let message = format!("phase `{}` stands twice", written.name.text);
                let fault = Diagnostic::new(&meaning::PHASE_TWICE, written.name.span, message)
                    .with_label("again here")
                    .with_related(before, "first here")
                    .with_help("write all its statements in one block: their order is what counts");
                self.fault(fault);
                continue;
            }
            if let Some((_, before)) = last.filter(|(before, _)| *before > phase) {
                let order = self.scheme.phases.iter().map(|phase| phase.name);
                let message = format!("phase `{}` stands behind a later one", written.name.text);
                let fault = Diagnostic::new(&meaning::PHASE_ORDER, written.name.span, message)
                    .with_label("runs earlier than it stands")
                    .with_related(before, "this phase runs later")
                    .with_note(format!("phases run in this order: {}", order.collect::<Vec<_>>().join(", ")));
                self.fault(fault);
            }
            last = Some((phase, written.name.span));
            if let Some(place) = places.get_mut(phase) {
                *place = Some(written.name.span);
            }
            self.phase = Some(phase);
            let statements = self.block(&written.body);
            self.warn_of_unreachable(&statements);
            if let Some(place) = self.phases.get_mut(phase) {
                *place = Some(statements);
            }
        }
        self.check_uncalled();
        self.phase = None;
        self.check_decides(&places);
    }

    fn phase_index(&mut self, written: &ast::Phase) -> Option<usize> {
        let name = &written.name;
        let found = self.scheme.phases.iter().position(|phase| phase.name == name.text);
        if found.is_none() {
            let names = self.scheme.phases.iter().map(|phase| phase.name);
            let message = format!("there is no phase `{}`", name.text);
            let fault = Diagnostic::new(&meaning::PHASE, name.span, message)
                .with_note(format!("phases are {}", super::member::quoted(names.clone())));
            let fault = self.suggest(fault, &name.text, names);
            self.fault(fault);
        }
        found
    }

    /// Checks that nothing calls are looked at as well, as the last phase would see them.
    fn check_uncalled(&mut self) {
        self.phase = self.scheme.phases.len().checked_sub(1);
        for (index, check) in self.names.checks.clone().into_iter().enumerate() {
            if !self.used.contains(&Symbol::Check(index)) {
                self.calls.push(index);
                self.block(&check.body);
                self.calls.pop();
            }
        }
    }

    /// The last of the phases that decide must decide on every path.
    fn check_decides(&mut self, places: &[Option<Span>]) {
        let deciding = self.scheme.phases.iter().enumerate().filter(|(_, phase)| phase.decides);
        let deciding: Vec<usize> = deciding.map(|(index, _)| index).collect();
        if deciding.is_empty() {
            return;
        }
        let last = deciding.iter().rev().find_map(|phase| {
            let statements = self.phases.get(*phase)?.as_ref()?;
            Some((*phase, places.get(*phase).copied().flatten()?, ends::way(self.scheme, statements)))
        });
        let Some((phase, place, way)) = last else {
            self.nothing_decides(&deciding, places);
            return;
        };
        let (path, how) = match way {
            Way::Ends => return,
            Way::Through(path) => (path, "the end of the phase"),
            Way::Leaves(path) => (path, "the phase is left without a verdict"),
        };
        // An earlier phase that always decides leaves nothing for this one.
        let earlier = deciding.iter().take_while(|earlier| **earlier < phase);
        let decided = earlier
            .filter_map(|earlier| self.phases.get(*earlier)?.as_ref())
            .any(|statements: &Vec<Statement>| matches!(ends::way(self.scheme, statements), Way::Ends));
        if decided {
            return;
        }
        let name = self.phase_name(phase);
        let verbs = self.scheme.verbs.iter().filter(|verb| verb.flow == crate::scheme::Flow::Final);
        let verbs = super::member::either(verbs.map(|verb| verb.form.word));
        let mut steps: Vec<String> =
            path.iter().map(|span| self.set.sources.location(*span).to_string()).collect();
        steps.push(how.to_owned());
        let fault =
            Diagnostic::new(&meaning::NO_END, place, format!("phase `{name}` can end without a final verb"))
                .with_label("not every path of it decides")
                .with_note(format!("path: {}", steps.join(" -> ")))
                .with_help(format!("end it with one of {verbs}, without a guard"));
        self.fault(fault);
    }

    fn nothing_decides(&mut self, deciding: &[usize], places: &[Option<Span>]) {
        let served = self.declarations.iter().zip(&self.names.declarations).find_map(|(declared, item)| {
            let kind = self.scheme.kinds.get(declared.kind)?;
            kind.call.is_none().then_some(item.name.span)
        });
        // Facts alone are a part of a set: nothing has to be decided there.
        let Some(place) = places.iter().flatten().next_back().copied().or(served) else { return };
        let names = deciding.iter().map(|phase| self.phase_name(*phase));
        let names = super::member::either(names.collect::<Vec<_>>());
        let fault = Diagnostic::new(&meaning::NOTHING_DECIDES, place, "no phase says where mail goes")
            .with_help(format!("add the phase {names}, ending in a final verb"));
        self.fault(fault);
    }
}
