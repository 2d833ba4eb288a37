//! What the checker knows of a value.

use crate::plan::Expression;
use crate::scheme::{AnswerSpec, Type};
use crate::source::Span;

/// From which phase on something is known, and what makes it so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Since {
    /// Index in the scheme.
    pub(super) phase: usize,
    /// The field with that first phase, as written, and where.
    pub(super) because: Option<(String, Span)>,
}

impl Since {
    /// The later of two.
    pub(super) fn later(self, other: &Self) -> Self {
        if other.phase > self.phase { other.clone() } else { self }
    }
}

/// A value with its type.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) value: Expression,
    pub(super) ty: Type,
    pub(super) since: Since,
    /// A peer wrote it.
    pub(super) tainted: bool,
    /// It can be unknown: it has to be asked for.
    pub(super) gathered: bool,
    /// It was written as a constant, so that a number can be a score and a text a domain.
    pub(super) literal: bool,
}

impl Typed {
    pub(super) fn answer(&self) -> Option<&'static AnswerSpec> {
        match self.ty {
            Type::Answer(answer) => Some(answer),
            _ => None,
        }
    }
}

/// What a `let` stands for.
#[derive(Clone, Debug)]
pub(super) enum Binding {
    Value(Typed),
    /// A condition: a rule without a name.
    Condition(usize),
}

/// The type of an element, or of the value itself when it is no list.
pub(super) fn element(ty: Type) -> Type {
    match ty {
        Type::List(inner) => *inner,
        other => other,
    }
}

/// Domains, mailboxes and texts are texts of different kinds of comparison.
pub(super) fn is_textual(ty: Type) -> bool {
    matches!(ty, Type::Text | Type::Domain | Type::Address)
}
