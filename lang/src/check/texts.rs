//! Calls of texts that the host makes of lookups: `auth_results("mx.example.org", spf, dkim)`.

use super::Checker;
use super::member::either;
use super::typed::{Since, Typed, is_textual};
use crate::ast::{Expr, Name};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::plan::{ARGUMENTS_MAX, Expression, Term};
use crate::scheme::{AnswerSpec, TextSpec, Type};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// The first argument is a text, each further one a lookup that the text can tell of.
    pub(super) fn told(
        &mut self,
        spec: usize,
        name: &'a Name,
        arguments: &'a [Expr],
        span: Span,
    ) -> Option<Typed> {
        let text = self.scheme.texts.get(spec)?;
        let (head, rest) = match arguments {
            [head, rest @ ..] if !rest.is_empty() && arguments.len() <= ARGUMENTS_MAX => (head, rest),
            _ => {
                let message = format!("`{}` takes a text and at least one lookup", name.text);
                let fault = Diagnostic::new(&meaning::ARGUMENTS, span, message);
                self.fault(fault.with_help(format!("for example `{}`", text.example)));
                return None;
            }
        };
        let (term, mut since) = self.head(head, name)?;
        let mut terms = vec![term];
        let mut told: Vec<&AnswerSpec> = Vec::new();
        for argument in rest {
            let typed = self.value(argument)?;
            let known = typed.answer().filter(|answer| text.tells_of(answer));
            let (Some(answer), Expression::Term(slot @ Term::Slot(_))) = (known, &typed.value) else {
                self.not_told(text, argument, &typed);
                return None;
            };
            if told.contains(&answer) {
                let message = format!("`{}` is named twice", self.set.sources.text(argument.span));
                self.report(&meaning::ARGUMENTS, argument.span, message, "once is enough");
                return None;
            }
            told.push(answer);
            since = since.later(&typed.since);
            terms.push(slot.clone());
        }
        let value = Expression::Told { spec, arguments: terms.into() };
        Some(Typed { value, ty: Type::Text, since, tainted: true, gathered: false, literal: false })
    }

    fn head(&mut self, head: &'a Expr, name: &'a Name) -> Option<(Term, Since)> {
        let typed = self.value(head)?;
        let written = self.set.sources.text(head.span);
        if !is_textual(typed.ty) {
            let message = format!("`{}` takes a text here", name.text);
            let label = format!("this is of type {}", typed.ty.name());
            self.report(&meaning::ARGUMENTS, head.span, message, &label);
            return None;
        }
        match typed.value {
            Expression::Term(term) if !typed.tainted && !typed.gathered => Some((term, typed.since)),
            _ => {
                let message = format!("`{written}` is not ours to say: it comes from elsewhere");
                self.report(
                    &meaning::TAINT,
                    head.span,
                    message,
                    "expected a text in quotes or a field of this host",
                );
                None
            }
        }
    }

    fn not_told(&mut self, text: &TextSpec, argument: &Expr, typed: &Typed) {
        let fields = self.scheme.fields.iter();
        let known = fields.filter(|field| matches!(field.ty, Type::Answer(answer) if text.tells_of(answer)));
        let label = format!("expected {}", either(known.map(|field| field.name)));
        let message = format!("`{}` does not tell of a value of type {}", text.name, typed.ty.name());
        self.report(&meaning::ARGUMENTS, argument.span, message, &label);
    }

    /// Whether a value may be compared or kept as a key: a text that is made when it is written is no value before.
    pub(super) fn is_value(&mut self, typed: &Typed, span: Span) -> bool {
        let is_value = !matches!(typed.value, Expression::Told { .. });
        if !is_value {
            let message = format!("`{}` is made when it is written", self.set.sources.text(span));
            self.report(
                &meaning::OPERATOR,
                span,
                message,
                "it can stand in a header, a note or a reply, and nowhere else",
            );
        }
        is_value
    }
}
