//! Calls: fields with an argument, lookups, functions of the host and of the language.

use super::names::Symbol;
use super::typed::{Since, Typed, is_textual};
use super::{Checker, dotted};
use crate::ast::{Expr, ExprKind, Literal, Name};
use crate::builtins::{self, Builtin};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::plan::{ARGUMENTS_MAX, Expression, SlotSpec, Target, Term};
use crate::scheme::{AnswerSpec, Type};
use crate::score::Score;
use crate::source::Span;

impl<'a> Checker<'a> {
    pub(super) fn call(
        &mut self,
        name: &'a Name,
        arguments: &'a [Expr],
        members: &'a [Name],
        span: Span,
    ) -> Option<Typed> {
        if let Some(builtin) = builtins::ALL.iter().find(|builtin| builtin.name == name.text) {
            return self.builtin(builtin, name, arguments, span);
        }
        if self
            .scheme
            .fields
            .iter()
            .any(|field| field.argument.is_some() && field.name.split('.').next() == Some(name.text.as_str()))
        {
            return self.field_with_argument(name, arguments, members, span);
        }
        if let Some(spec) = self.scheme.functions.iter().position(|function| function.name == name.text) {
            let typed = self.function(spec, name, arguments, span)?;
            return self.members(typed, members);
        }
        if let Some(spec) = self.scheme.texts.iter().position(|text| text.name == name.text) {
            let typed = self.told(spec, name, arguments, span)?;
            return self.members(typed, members);
        }
        if let Some((Symbol::Declared(index), _)) = self.names.find(&name.text) {
            self.used.insert(Symbol::Declared(index));
            let typed = self.lookup(index, name, arguments, span)?;
            return self.members(typed, members);
        }
        self.unknown_function(name);
        None
    }

    fn unknown_function(&mut self, name: &Name) {
        if let Some((symbol, place)) = self.names.find(&name.text) {
            let kind = self.kind_of(symbol);
            let fault = Diagnostic::new(
                &meaning::CALL,
                name.span,
                format!("the {kind} `{}` cannot be called", name.text),
            )
            .with_related(place, "defined here");
            self.fault(fault);
            return;
        }
        let mut near: Vec<&str> = builtins::ALL.iter().map(|builtin| builtin.name).collect();
        near.extend(self.scheme.functions.iter().map(|function| function.name));
        near.extend(self.scheme.texts.iter().map(|text| text.name));
        near.extend(self.scheme.fields.iter().filter(|f| f.argument.is_some()).map(|field| field.name));
        near.extend(self.names.like(|symbol| self.call_spec(symbol).is_some()));
        let fault = Diagnostic::new(
            &meaning::UNKNOWN_NAME,
            name.span,
            format!("no function or lookup is called `{}`", name.text),
        );
        let fault = self.suggest(fault, &name.text, near);
        self.fault(fault);
    }

    /// What a call of a declared thing means, if it can be called.
    pub(super) fn call_spec(&self, symbol: Symbol) -> Option<&'static crate::scheme::CallSpec> {
        let Symbol::Declared(index) = symbol else { return None };
        let item = self.names.declarations.get(index)?;
        self.scheme.kinds.get(self.kind_index(item)?)?.call.as_ref()
    }

    /// `header("Date").time`
    fn field_with_argument(
        &mut self,
        name: &'a Name,
        arguments: &'a [Expr],
        members: &'a [Name],
        span: Span,
    ) -> Option<Typed> {
        let argument = match arguments {
            [Expr { kind: ExprKind::Literal(Literal::Text(pieces)), span }] => {
                self.plain_text(pieces, *span, "a name of a field")?
            }
            [other] => {
                let tainted = self.value(other).is_some_and(|typed| typed.tainted);
                let text = self.set.sources.text(other.span);
                let message = if tainted {
                    format!("`{text}` is written by the peer and cannot name a field")
                } else {
                    format!("the argument of `{}` is a constant text", name.text)
                };
                self.report(&meaning::TAINT, other.span, message, "expected a text in quotes");
                return None;
            }
            _ => {
                self.argument_count(name, 1, arguments.len(), span);
                return None;
            }
        };
        // `header.time` before the member `time` of `header`.
        for length in (0..=members.len()).rev() {
            let (head, rest) = members.split_at(length);
            let dot = if head.is_empty() { "" } else { "." };
            let field = format!("{}{dot}{}", name.text, dotted(head));
            if let Some(typed) = self.field(&field, Some(&argument), span) {
                return self.members(typed, rest);
            }
        }
        None
    }

    pub(super) fn argument_count(&mut self, name: &Name, expected: usize, found: usize, span: Span) {
        let plural = if expected == 1 { "" } else { "s" };
        let message = format!("`{}` takes {expected} argument{plural}, not {found}", name.text);
        self.report(&meaning::ARGUMENTS, span, message, "");
    }

    /// A call of a declared thing: a slot.
    fn lookup(&mut self, index: usize, name: &'a Name, arguments: &'a [Expr], span: Span) -> Option<Typed> {
        let Some(spec) = self.call_spec(Symbol::Declared(index)) else {
            // A kind that is unknown has its own fault.
            let item = self.names.declarations.get(index)?;
            if self.kind_index(item).is_some() {
                self.unknown_function(name);
            }
            return None;
        };
        if spec.takes.len() != arguments.len() {
            self.argument_count(name, spec.takes.len(), arguments.len(), span);
            return None;
        }
        let mut terms = Vec::with_capacity(arguments.len());
        let mut since = Since::default();
        for (argument, takes) in arguments.iter().zip(spec.takes) {
            let typed = self.value(argument)?;
            let is_sole = arguments.len() == 1;
            let fits = |ty: &Type| {
                typed.ty == *ty || is_sole && matches!(typed.ty, Type::List(inner) if inner == ty)
            };
            if !takes.iter().any(fits) {
                let message =
                    format!("`{}` cannot be asked for a value of type {}", name.text, typed.ty.name());
                self.report(
                    &meaning::ARGUMENTS,
                    argument.span,
                    message,
                    &format!("expected {}", names(takes)),
                );
                return None;
            }
            since = since.later(&typed.since);
            terms.push(self.argument_term(typed.value, argument.span)?);
        }
        let asked = SlotSpec { late: spec.late, ..slot_of(Target::Declaration(index), terms, &since) };
        Some(self.asked(asked, spec.returns, since, span))
    }

    /// The value of a lookup.
    fn asked(&mut self, spec: SlotSpec, answer: &'static AnswerSpec, since: Since, span: Span) -> Typed {
        let slot = self.slot(spec, Some(answer), since.clone(), span);
        Typed {
            value: Expression::Term(Term::Slot(slot)),
            ty: Type::Answer(answer),
            since,
            tainted: false,
            gathered: true,
            literal: false,
        }
    }

    /// Arguments are had without computing, so that a call needs no recursion.
    fn argument_term(&mut self, value: Expression, span: Span) -> Option<Term> {
        if let Expression::Term(term) = value {
            return Some(term);
        }
        let fault = Diagnostic::new(&meaning::ARGUMENTS, span, "an argument cannot be a computed value")
            .with_label("expected a field, a constant, a lookup or a member of one");
        self.fault(fault);
        None
    }

    fn function(&mut self, spec: usize, name: &'a Name, arguments: &'a [Expr], span: Span) -> Option<Typed> {
        let function = self.scheme.functions.get(spec)?;
        if function.parameters.len() != arguments.len() || arguments.len() > ARGUMENTS_MAX {
            self.argument_count(name, function.parameters.len(), arguments.len(), span);
            return None;
        }
        let mut terms = Vec::with_capacity(arguments.len());
        let (mut since, mut tainted, mut gathered) = (Since::default(), false, false);
        for (argument, parameter) in arguments.iter().zip(function.parameters) {
            let typed = self.value(argument)?;
            let fits = |ty: &Type| {
                typed.ty == *ty
                    || is_textual(typed.ty) && *ty == Type::Text
                    || typed.literal && typed.ty == Type::Text && is_textual(*ty)
            };
            if !parameter.iter().any(fits) {
                let message = format!("`{}` takes {} here", name.text, names(parameter));
                let label = format!("this is of type {}", typed.ty.name());
                self.report(&meaning::ARGUMENTS, argument.span, message, &label);
                return None;
            }
            since = since.later(&typed.since);
            tainted |= typed.tainted;
            gathered |= typed.gathered;
            terms.push(self.argument_term(typed.value, argument.span)?);
        }
        if let Type::Answer(answer) = function.returns {
            return Some(self.asked(slot_of(Target::Function(spec), terms, &since), answer, since, span));
        }
        let value = Expression::Compute { spec, arguments: terms.into() };
        Some(Typed { value, ty: function.returns, since, tainted, gathered, literal: false })
    }

    fn builtin(
        &mut self,
        builtin: &'static Builtin,
        name: &'a Name,
        arguments: &'a [Expr],
        span: Span,
    ) -> Option<Typed> {
        let (group, required) = match (builtin.name, arguments) {
            ("score" | "hits", [group]) => (group, None),
            ("spam_status", [group, required]) => (group, Some(required)),
            _ => {
                let fault = Diagnostic::new(
                    &meaning::ARGUMENTS,
                    span,
                    format!("`{}` is written `{}`", name.text, builtin.signature),
                )
                .with_help(format!("for example `{}`", builtin.example));
                self.fault(fault);
                return None;
            }
        };
        let group = self.group_argument(group)?;
        let since = self.group_since.get(group).cloned().unwrap_or_default();
        let what = format!("`{}({})`", name.text, self.groups.get(group).map_or("", |spec| &spec.name));
        self.ask_since(&since, span, &what);
        let (value, ty) = match (builtin.name, required) {
            ("score", _) => (Expression::Score(group), Type::Score),
            ("hits", _) => (Expression::Hits(group), Type::Text),
            (_, Some(required)) => {
                let required = self.score_constant(required)?;
                (Expression::SpamStatus { group, required }, Type::Text)
            }
            _ => return None,
        };
        Some(Typed { value, ty, since, tainted: false, gathered: false, literal: false })
    }

    fn group_argument(&mut self, argument: &'a Expr) -> Option<usize> {
        let name = match &argument.kind {
            ExprKind::Path(path) => path.first().filter(|_| path.len() == 1),
            _ => None,
        };
        let Some(name) = name else {
            self.report(&meaning::ARGUMENTS, argument.span, "expected the name of a group", "");
            return None;
        };
        match self.named(name, "group")? {
            Symbol::Group(group) => Some(group),
            _ => None,
        }
    }

    /// A constant score; a whole number is one.
    pub(super) fn score_constant(&mut self, expr: &Expr) -> Option<Score> {
        let score = match &expr.kind {
            ExprKind::Literal(Literal::Score(score)) => Some(*score),
            ExprKind::Literal(Literal::Int(number)) => whole(*number),
            _ => None,
        };
        if score.is_none() {
            self.report(&meaning::TYPE, expr.span, "expected a score", "such as `3` or `2.5`");
        }
        score
    }
}

fn slot_of(target: Target, arguments: Vec<Term>, since: &Since) -> SlotSpec {
    SlotSpec { target, since: since.phase, arguments, name: None, late: false }
}

/// The names of types in a message.
fn names(types: &[Type]) -> String {
    types.iter().map(|ty| ty.name()).collect::<Vec<_>>().join(" or ")
}

/// A whole number as a score, when it is small enough.
pub(super) fn whole(number: i64) -> Option<Score> {
    let hundredths = i32::try_from(number.checked_mul(100)?).ok()?;
    Some(Score::from_hundredths(hundredths))
}
