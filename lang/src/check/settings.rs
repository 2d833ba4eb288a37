//! Bodies of declarations and tests: which atoms are which setting.
//!
//! Several settings may share a line: one begins where the form of the one before is complete and its word comes next.

use super::Checker;
use super::form::{Cursor, show};
use super::kind::word;
use crate::ast::{Atom, AtomKind};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::hir::Operand;
use crate::plan::{Clause, Setting};
use crate::scheme::{Form, SettingSpec};
use crate::source::Span;

/// What is declared, for messages.
pub(super) struct Body<'b> {
    pub(super) what: &'b str,
    pub(super) settings: &'static [SettingSpec],
    /// The name of what is declared.
    pub(super) span: Span,
}

impl<'a> Checker<'a> {
    /// The settings of a declaration.
    pub(super) fn settings(&mut self, atoms: &'a [Atom], body: &Body<'_>) -> Vec<Setting> {
        let forms: Vec<&'static Form> = body.settings.iter().map(|setting| &setting.form).collect();
        let mut seen: Vec<Option<Span>> = vec![None; body.settings.len()];
        let mut settings = Vec::new();
        self.each_line(atoms, &forms, body.what, &mut |checker, index, span, setting| {
            let many = body.settings.get(index).is_some_and(|setting| setting.many);
            if let Some(place) = seen.get_mut(index) {
                match *place {
                    Some(before) if !many => {
                        let message = format!("`{}` is given twice", setting.word);
                        let fault = Diagnostic::new(&meaning::SETTING_TWICE, span, message)
                            .with_label("given again here")
                            .with_related(before, "first given here");
                        checker.fault(fault);
                    }
                    _ => *place = Some(span),
                }
            }
            settings.push(setting);
        });
        for (setting, seen) in body.settings.iter().zip(&seen) {
            if setting.required && seen.is_none() {
                let message = format!("this {} has no `{}`", body.what, setting.form.word);
                let fault = Diagnostic::new(&meaning::SETTING_MISSING, body.span, message)
                    .with_label(format!("`{}` must be set", setting.form.word))
                    .with_help(format!("for example `{}`", setting.form.example));
                self.fault(fault);
            }
        }
        settings
    }

    /// Lines of a test or of a block in one.
    pub(super) fn lines(&mut self, atoms: &'a [Atom], forms: &'static [Form], _span: Span) -> Vec<Clause> {
        let forms: Vec<&'static Form> = forms.iter().collect();
        let mut lines = Vec::new();
        self.each_line(atoms, &forms, "test", &mut |_, _, _, line| lines.push(line));
        lines
    }

    /// Reads settings one after the other; `found` gets the index of the form, the place of its word, and what follows.
    fn each_line(
        &mut self,
        atoms: &'a [Atom],
        forms: &[&'static Form],
        what: &str,
        found: &mut dyn FnMut(&mut Self, usize, Span, Setting),
    ) {
        let mut at = Cursor {
            rest: atoms,
            end: Span { file: crate::source::FileId(0), start: 0, end: 0 },
            values: false,
        };
        while let Some(atom) = at.next() {
            at.end = after(atom.span);
            if matches!(atom.kind, AtomKind::Newline) {
                continue;
            }
            let form = word(atom).and_then(|word| forms.iter().position(|form| form.word == word));
            let Some((index, form)) = form.and_then(|index| Some((index, *forms.get(index)?))) else {
                self.unknown_setting(atom, forms, what);
                skip_line(&mut at);
                continue;
            };
            let mut operands = Vec::new();
            let last = at.rest.iter().position(|atom| matches!(atom.kind, AtomKind::Newline));
            let line = at.rest.get(..last.unwrap_or(at.rest.len())).unwrap_or_default();
            at.end = after(line.last().unwrap_or(atom).span);
            // After a fault the setting was given all the same.
            if self.form(form, &mut at, &mut operands).is_none() || !self.line_ends(form, forms, &mut at) {
                skip_line(&mut at);
            }
            let args = operands.into_iter().filter_map(|operand| match operand {
                Operand::Arg(arg) => Some(arg),
                _ => None,
            });
            let location = self.set.sources.location(atom.span);
            let setting = Setting { word: form.word.to_owned(), args: args.collect(), location };
            found(self, index, atom.span, setting);
        }
    }

    /// Behind a complete setting the line ends or another setting begins.
    fn line_ends(&mut self, form: &'static Form, forms: &[&'static Form], at: &mut Cursor<'a>) -> bool {
        let Some(atom) = at.peek() else { return true };
        if matches!(atom.kind, AtomKind::Newline) {
            return true;
        }
        let known = word(atom).is_some_and(|word| forms.iter().any(|form| form.word == word));
        if known {
            return true;
        }
        let written = self.set.sources.text(atom.span).lines().next().unwrap_or_default();
        let fault = Diagnostic::new(
            &meaning::FORM,
            atom.span,
            format!("`{}` does not take `{written}` here", form.word),
        )
        .with_label("expected the end of the line or another setting")
        .with_help(format!("it is written `{}`", show(form)));
        let fault = match word(atom) {
            Some(word) => self.suggest(fault, word, forms.iter().map(|form| form.word)),
            None => fault,
        };
        self.fault(fault);
        false
    }

    fn unknown_setting(&mut self, atom: &Atom, forms: &[&'static Form], what: &str) {
        let written = self.set.sources.text(atom.span).lines().next().unwrap_or_default();
        let words = forms.iter().map(|form| form.word);
        let fault = Diagnostic::new(&meaning::SETTING, atom.span, format!("a {what} has no `{written}`"));
        let near = crate::diagnostic::did_you_mean(written, words.clone());
        let fault = match near {
            Some(_) => self.suggest(fault, written, words),
            None => fault.with_help(format!("it has {}", super::member::quoted(words))),
        };
        self.fault(fault);
    }
}

fn after(span: Span) -> Span {
    Span { start: span.end, ..span }
}

fn skip_line(at: &mut Cursor<'_>) {
    while at.next().is_some_and(|atom| !matches!(atom.kind, AtomKind::Newline)) {}
}
