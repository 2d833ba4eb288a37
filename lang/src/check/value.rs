//! Values: constants, fields, members and names of `let`.

use super::typed::{Binding, Since, Typed};
use super::{Checker, dotted, stretch};
use crate::ast::{Expr, ExprKind, Literal, Name, Piece};
use crate::builtins;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::plan::{Constant, Expression, SlotSpec, Target, Term};
use crate::scheme::{FieldSource, Type};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// The value of an expression; `None` when a fault was reported.
    pub(super) fn value(&mut self, expr: &'a Expr) -> Option<Typed> {
        match &expr.kind {
            ExprKind::Literal(literal) => self.literal(literal, expr.span),
            ExprKind::Path(path) => self.path(path, expr.span),
            ExprKind::Call { name, arguments, members } => self.call(name, arguments, members, expr.span),
            ExprKind::Offset { base, milliseconds } => self.offset(base, *milliseconds),
            ExprKind::List(_) => {
                self.report(&meaning::TYPE, expr.span, "a list cannot stand here", "expected one value");
                None
            }
            ExprKind::Not(_) | ExprKind::And(..) | ExprKind::Or(..) | ExprKind::Compare { .. } => {
                self.report(&meaning::TYPE, expr.span, "a condition is no value", "expected a value");
                None
            }
        }
    }

    fn literal(&mut self, literal: &'a Literal, span: Span) -> Option<Typed> {
        let (constant, ty) = match literal {
            Literal::Int(number) => (Constant::Int(*number), Type::Int),
            Literal::Score(score) => (Constant::Score(*score), Type::Score),
            Literal::Duration(milliseconds) => (Constant::Duration(*milliseconds), Type::Duration),
            Literal::Size(bytes) => (Constant::Size(*bytes), Type::Size),
            Literal::Ip(ip) => (Constant::Ip(*ip), Type::Ip),
            Literal::Net(ip, length) => (Constant::Net(*ip, *length), Type::Net),
            Literal::Bool(truth) => (Constant::Bool(*truth), Type::Bool),
            Literal::Text(pieces) => {
                let text = self.plain_text(pieces, span, "a text that is compared")?;
                (Constant::Text(text.into_bytes().into()), Type::Text)
            }
            Literal::Regex(_) => {
                let fault = Diagnostic::new(&meaning::TYPE, span, "a pattern is no value")
                    .with_label("expected a value")
                    .with_help("patterns stand behind `~` and `!~`");
                self.fault(fault);
                return None;
            }
            Literal::Percent(_) | Literal::Socket(_) | Literal::Quad(_) | Literal::Enhanced(..) => {
                self.report(&meaning::TYPE, span, "this constant is no value of a rule", "expected a value");
                return None;
            }
        };
        Some(Typed {
            value: Expression::Term(Term::Constant(constant)),
            ty,
            since: Since::default(),
            tainted: false,
            gathered: false,
            literal: true,
        })
    }

    /// A text that must be a constant.
    pub(super) fn plain_text(&mut self, pieces: &'a [Piece], span: Span, what: &str) -> Option<String> {
        let text = constant_text(pieces);
        if text.is_none() {
            self.not_constant(pieces, span, what);
        }
        text
    }

    /// A text with values in it where only a constant may stand.
    fn not_constant(&mut self, pieces: &'a [Piece], span: Span, what: &str) {
        let mut tainted = None;
        for piece in pieces {
            let Piece::Value(expr) = piece else { continue };
            if self.value(expr).is_some_and(|value| value.tainted) {
                tainted = Some(self.set.sources.text(expr.span));
            }
        }
        let message = match tainted {
            Some(field) => format!("`{field}` is written by the peer and cannot be part of {what}"),
            None => format!("{what} is a constant"),
        };
        self.report(&meaning::TAINT, span, message, "expected a text without `{...}`");
    }

    /// A dotted name that is a value.
    fn path(&mut self, path: &'a [Name], span: Span) -> Option<Typed> {
        let (first, rest) = path.split_first()?;
        if let Some((binding, place)) = self.binding(&first.text) {
            return match binding {
                Binding::Value(typed) => self.members(typed, rest),
                Binding::Condition(_) => {
                    let fault =
                        Diagnostic::new(&meaning::TYPE, span, format!("`{}` is a condition", first.text))
                            .with_label("expected a value")
                            .with_related(place, "bound here");
                    self.fault(fault);
                    None
                }
            };
        }
        if rest.is_empty() && first.text == builtins::NOW.name {
            return Some(now(0));
        }
        // The longest field first: `sender.domain.mx` before a member of `sender.domain`.
        for length in (1..=path.len()).rev() {
            let (head, members) = path.split_at(length);
            if let Some(typed) = self.field(&dotted(head), None, stretch(head, span)) {
                return self.members(typed, members);
            }
        }
        self.unknown_value(path, span);
        None
    }

    fn unknown_value(&mut self, path: &[Name], span: Span) {
        let name = dotted(path);
        if let Some((symbol, place)) = self.names.find(&name) {
            self.used.insert(symbol);
            let kind = self.kind_of(symbol);
            let fault = Diagnostic::new(&meaning::TYPE, span, format!("the {kind} `{name}` is no value"))
                .with_label("expected a value")
                .with_related(place, "defined here");
            self.fault(fault);
            return;
        }
        let spec = self.scheme.fields.iter().find(|field| field.argument.is_some() && field.name == name);
        let fault = Diagnostic::new(&meaning::UNKNOWN_NAME, span, format!("nothing is called `{name}`"));
        let fault = match spec {
            Some(field) => {
                fault.with_help(format!("write `{}(\"{}\")`", field.name, field.argument.unwrap_or("NAME")))
            }
            None => self.suggest(fault, &name, self.value_names()),
        };
        self.fault(fault);
    }

    /// All that can stand as a value or condition without an argument.
    pub(super) fn value_names(&self) -> Vec<&'a str> {
        let fields = self.scheme.fields.iter().filter(|field| field.argument.is_none());
        let mut names: Vec<&'a str> = fields.map(|field| field.name).collect();
        names.extend(self.lets.iter().map(|(name, ..)| *name));
        names.extend(self.names.like(|symbol| matches!(symbol, super::Symbol::Rule(_))));
        names
    }

    pub(super) fn binding(&self, name: &str) -> Option<(Binding, Span)> {
        let found = self.lets.iter().rev().find(|(bound, ..)| *bound == name);
        found.map(|(_, binding, span)| (binding.clone(), *span))
    }

    /// A field of the scheme, in its phase.
    pub(super) fn field(&mut self, name: &str, argument: Option<&str>, span: Span) -> Option<Typed> {
        let fits = |field: &&crate::scheme::FieldSpec| {
            field.name == name && field.argument.is_some() == argument.is_some()
        };
        let spec = self.scheme.fields.iter().position(|field| fits(&field))?;
        let field = self.scheme.fields.get(spec)?;
        let since = Since { phase: field.since, because: Some((name.to_owned(), span)) };
        self.ask_since(&since, span, &format!("`{name}`"));
        let term = match (field.source, field.ty) {
            (_, Type::Message) => Term::Message,
            (FieldSource::Held, _) => Term::Held { spec, argument: argument.map(Into::into) },
            (FieldSource::Gathered, ty) => {
                let answer = if let Type::Answer(answer) = ty { Some(answer) } else { None };
                let slot = SlotSpec {
                    target: Target::Field(spec),
                    since: field.since,
                    arguments: Vec::new(),
                    name: argument.map(str::to_owned),
                    late: false,
                };
                Term::Slot(self.slot(slot, answer, since.clone(), span))
            }
        };
        Some(Typed {
            value: Expression::Term(term),
            ty: field.ty,
            since,
            tainted: field.tainted,
            gathered: field.source == FieldSource::Gathered,
            literal: false,
        })
    }

    /// Notes that something is used: a fault when the phase is too early for it.
    pub(super) fn ask_since(&mut self, since: &Since, span: Span, what: &str) {
        self.since = std::mem::take(&mut self.since).later(since);
        let Some(phase) = self.phase.filter(|phase| *phase < since.phase) else { return };
        let (now, first) = (self.phase_name(phase), self.phase_name(since.phase));
        let mut fault =
            Diagnostic::new(&meaning::TOO_EARLY, span, format!("{what} is not known yet in phase `{now}`"))
                .with_label(format!("first known in phase `{first}`"))
                .with_help(format!("move this line to `on {first} {{ }}`"));
        if let Some((field, place)) = since.because.as_ref().filter(|(_, place)| *place != span) {
            fault = fault.with_related(*place, format!("because of `{field}`"));
        }
        self.fault(fault);
    }

    fn offset(&mut self, base: &'a Expr, milliseconds: i64) -> Option<Typed> {
        /// The language's times are seconds.
        const SECOND_MILLISECONDS: i64 = 1000;
        let typed = self.value(base)?;
        let seconds = milliseconds / SECOND_MILLISECONDS;
        match (&typed.value, typed.ty) {
            (Expression::Time { base, seconds: before }, _) => {
                let seconds = before.saturating_add(seconds);
                Some(Typed { value: Expression::Time { base: base.clone(), seconds }, ..typed })
            }
            (Expression::Term(term), Type::Time) => {
                let value = Expression::Time { base: Some(term.clone()), seconds };
                Some(Typed { value, ..typed })
            }
            (_, ty) => {
                let fault = Diagnostic::new(
                    &meaning::TYPE,
                    base.span,
                    format!("a duration cannot be added to a value of type {}", ty.name()),
                )
                .with_label("expected a time")
                .with_help("write `now + 24h`, or compare a time such as `header(\"Date\").time`");
                self.fault(fault);
                None
            }
        }
    }
}

fn now(seconds: i64) -> Typed {
    Typed {
        value: Expression::Time { base: None, seconds },
        ty: Type::Time,
        since: Since::default(),
        tainted: false,
        gathered: false,
        literal: false,
    }
}

/// A text without values.
pub(super) fn constant_text(pieces: &[Piece]) -> Option<String> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Value(_) => return None,
        }
    }
    Some(text)
}
