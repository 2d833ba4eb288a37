//! Atoms against the forms of the scheme: what a verb, a setting or a line of a test takes.
//!
//! The scheme is the host's and static, so the depth of its forms bounds the recursion here.

use super::Checker;
use super::kind::{describe, is_like, word};
use crate::ast::{Atom, AtomKind};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::hir::Operand;
use crate::plan::Arg;
use crate::scheme::{Form, Kind, Part};
use crate::source::Span;

/// Why atoms do not fit.
pub(super) enum Mismatch {
    /// This was expected where the cursor stands.
    Expected(String),
    /// It was said already.
    Reported,
}

/// Atoms, read from the front.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [Atom],
    /// Where the carets go when nothing is left.
    pub(super) end: Span,
    /// Whether values may be fields and calls: in statements, not in settings and tests.
    pub(super) values: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn peek(&self) -> Option<&'a Atom> {
        self.rest.first()
    }

    pub(super) fn next(&mut self) -> Option<&'a Atom> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn ahead(&self, count: usize) -> Self {
        Self { rest: self.rest.get(count..).unwrap_or_default(), ..*self }
    }

    fn at_comma(&self) -> bool {
        matches!(self.peek(), Some(Atom { kind: AtomKind::Comma, .. }))
    }

    /// A line may go on behind a comma.
    fn skip_comma(&mut self) {
        self.next();
        while matches!(self.peek(), Some(Atom { kind: AtomKind::Newline, .. })) {
            self.next();
        }
    }

    pub(super) fn place(&self) -> Span {
        match self.peek() {
            Some(Atom { kind: AtomKind::Newline, .. }) | None => self.end,
            Some(atom) => atom.span,
        }
    }
}

/// Whether the first of some parts fits what comes; behind a comma the one after it.
fn fits(parts: &[Part], at: Cursor<'_>) -> bool {
    let Some((first, rest)) = parts.split_first() else { return true };
    match first {
        Part::Word(expected) => at.peek().and_then(word) == Some(expected),
        Part::Comma => at.at_comma() && fits(rest, at.ahead(1)),
        Part::Value(kind) => at.peek().is_some_and(|atom| is_like(*kind, atom)),
        Part::Maybe(inner) => fits(inner, at) || fits(rest, at),
        Part::Repeat(inner) => fits(inner, at),
        Part::OneOf(choices) => choices.iter().any(|choice| fits(choice, at)),
        Part::AnyOrder(choices) => choices.iter().any(|choice| fits(choice, at)) || fits(rest, at),
        Part::Statement => at.peek().is_some_and(|atom| word(atom).is_some()),
        Part::Block(_) => matches!(at.peek(), Some(Atom { kind: AtomKind::Block(_), .. })),
    }
}

impl<'a> Checker<'a> {
    /// Reads what follows the word of a form. After a fault nothing more of the line is to be read.
    pub(super) fn form(
        &mut self,
        form: &'static Form,
        at: &mut Cursor<'a>,
        out: &mut Vec<Operand>,
    ) -> Option<()> {
        let Err(mismatch) = self.parts(form.parts, at, out) else { return Some(()) };
        if let Mismatch::Expected(what) = mismatch {
            self.misfit(form, at.place(), &what);
        }
        None
    }

    /// A fault that shows the whole form.
    pub(super) fn misfit(&mut self, form: &'static Form, place: Span, expected: &str) {
        let written = self.set.sources.text(place).lines().next().unwrap_or_default();
        let message = match written {
            "" => format!("`{}` ends too early", form.word),
            written => format!("`{}` does not take `{written}` here", form.word),
        };
        let fault = Diagnostic::new(&meaning::FORM, place, message)
            .with_label(format!("expected {expected}"))
            .with_help(format!("it is written `{}`", show(form)))
            .with_help(format!("for example `{}`", form.example));
        self.fault(fault);
    }

    fn parts(
        &mut self,
        parts: &'static [Part],
        at: &mut Cursor<'a>,
        out: &mut Vec<Operand>,
    ) -> Result<(), Mismatch> {
        for part in parts {
            self.part(part, at, out)?;
        }
        Ok(())
    }

    fn part(
        &mut self,
        part: &'static Part,
        at: &mut Cursor<'a>,
        out: &mut Vec<Operand>,
    ) -> Result<(), Mismatch> {
        match part {
            Part::Word(expected) => {
                if at.peek().and_then(word) != Some(expected) {
                    return Err(Mismatch::Expected(format!("`{expected}`")));
                }
                at.next();
                out.push(Operand::Arg(Arg::Word((*expected).to_owned())));
                Ok(())
            }
            Part::Comma => {
                if !at.at_comma() {
                    return Err(Mismatch::Expected(String::from("`,`")));
                }
                at.skip_comma();
                out.push(Operand::Arg(Arg::Comma));
                Ok(())
            }
            Part::Value(kind) => self.atom(*kind, at, out),
            Part::Maybe(inner) => {
                if fits(inner, *at) {
                    self.parts(inner, at, out)
                } else {
                    Ok(())
                }
            }
            Part::Repeat(inner) => {
                self.parts(inner, at, out)?;
                while at.at_comma() && fits(inner, behind_comma(*at)) {
                    at.skip_comma();
                    out.push(Operand::Arg(Arg::Comma));
                    self.parts(inner, at, out)?;
                }
                Ok(())
            }
            Part::OneOf(choices) => match choices.iter().find(|choice| fits(choice, *at)) {
                Some(choice) => self.parts(choice, at, out),
                None => Err(Mismatch::Expected(one_of(choices))),
            },
            Part::AnyOrder(choices) => self.any_order(choices, at, out),
            Part::Statement => self.nested(at, out),
            Part::Block(forms) => match at.peek() {
                Some(Atom { kind: AtomKind::Block(atoms), span }) => {
                    at.next();
                    let lines = self.lines(atoms, forms, *span);
                    out.push(Operand::Arg(Arg::Block(lines)));
                    Ok(())
                }
                _ => Err(Mismatch::Expected(String::from("`{ ... }`"))),
            },
        }
    }

    fn any_order(
        &mut self,
        choices: &'static [&'static [Part]],
        at: &mut Cursor<'a>,
        out: &mut Vec<Operand>,
    ) -> Result<(), Mismatch> {
        let mut taken = vec![false; choices.len()];
        loop {
            let next = if at.at_comma() { behind_comma(*at) } else { *at };
            let found = choices.iter().zip(&mut taken).find(|(choice, _)| fits(choice, next));
            let Some((choice, taken)) = found else { return Ok(()) };
            if std::mem::replace(taken, true) {
                let word = self.set.sources.text(next.place());
                self.report(&meaning::SETTING_TWICE, next.place(), format!("`{word}` is given twice"), "");
                return Err(Mismatch::Reported);
            }
            *at = next;
            self.parts(choice, at, out)?;
        }
    }

    fn atom(&mut self, kind: Kind, at: &mut Cursor<'a>, out: &mut Vec<Operand>) -> Result<(), Mismatch> {
        let Some(atom) = at.peek() else { return Err(Mismatch::Expected(describe(kind))) };
        let operand = match (kind, &atom.kind) {
            (Kind::Template | Kind::Expr, AtomKind::Value(expr)) if at.values => {
                self.operand(kind, expr).ok_or(Mismatch::Reported)?
            }
            _ => Operand::Arg(self.constant(kind, atom)?),
        };
        at.next();
        out.push(operand);
        Ok(())
    }
}

fn behind_comma(mut at: Cursor<'_>) -> Cursor<'_> {
    at.skip_comma();
    at
}

fn one_of(choices: &[&[Part]]) -> String {
    let firsts: Vec<String> = choices.iter().filter_map(|choice| choice.first()).map(first).collect();
    firsts.join(" or ")
}

fn first(part: &Part) -> String {
    match part {
        Part::Word(word) => format!("`{word}`"),
        Part::Comma => String::from("`,`"),
        Part::Value(kind) => describe(*kind),
        Part::Maybe(parts) | Part::Repeat(parts) => parts.first().map(first).unwrap_or_default(),
        Part::OneOf(choices) | Part::AnyOrder(choices) => one_of(choices),
        Part::Statement => String::from("a verb"),
        Part::Block(_) => String::from("`{`"),
    }
}

/// A form as one line: `limit INT per DURATION by VALUE, else STATEMENT`.
pub(super) fn show(form: &Form) -> String {
    let mut out = form.word.to_owned();
    show_parts(form.parts, &mut out);
    out
}

fn show_parts(parts: &[Part], out: &mut String) {
    for part in parts {
        if !matches!(part, Part::Comma) && !out.ends_with(['[', '(']) {
            out.push(' ');
        }
        match part {
            Part::Word(word) => out.push_str(word),
            Part::Comma => out.push(','),
            Part::Value(kind) => out.push_str(capitals(*kind)),
            Part::Maybe(inner) => {
                out.push('[');
                show_parts(inner, out);
                out.push(']');
            }
            Part::Repeat(inner) => {
                out.push('(');
                show_parts(inner, out);
                out.push_str("), ...");
            }
            Part::OneOf(choices) => show_choices(choices, "(", " | ", ")", out),
            Part::AnyOrder(choices) => show_choices(choices, "[", "] [", "]", out),
            Part::Statement => out.push_str("STATEMENT"),
            Part::Block(_) => out.push_str("{ ... }"),
        }
    }
}

fn show_choices(choices: &[&[Part]], open: &str, between: &str, close: &str, out: &mut String) {
    out.push_str(open);
    for (index, choice) in choices.iter().enumerate() {
        if index > 0 {
            out.push_str(between);
        }
        let mut shown = String::new();
        show_parts(choice, &mut shown);
        out.push_str(shown.trim_start());
    }
    out.push_str(close);
}

fn capitals(kind: Kind) -> &'static str {
    match kind {
        Kind::Int(..) => "INT",
        Kind::Score => "SCORE",
        Kind::Duration => "DURATION",
        Kind::Size => "SIZE",
        Kind::Percent => "PERCENT",
        Kind::Text => "TEXT",
        Kind::Template => "TEXT-OR-VALUE",
        Kind::Expr => "VALUE",
        Kind::Code | Kind::CodeIn(..) => "CODE",
        Kind::Enhanced => "ENHANCED",
        Kind::Ip => "IP",
        Kind::Net => "NET",
        Kind::Socket => "IP:PORT",
        Kind::Quad => "IP-PATTERN",
        Kind::Word => "WORD",
        Kind::Name(kind) => match kind {
            "pool" => "POOL",
            "list" => "LIST",
            "map" => "MAP",
            "group" => "GROUP",
            "rule" => "RULE",
            _ => "NAME",
        },
        Kind::Field => "FIELD",
    }
}
