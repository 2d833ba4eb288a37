//! The leaves of conditions: one comparison each, over values that need no further computing.

use super::operand::{Expression, Term};
use crate::pattern::PatternId;

/// A comparison of a value or of the elements of a list.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    /// How many elements must satisfy it.
    pub(crate) each: Each,
    /// `not in`, `!~`, `is not`: the complement.
    pub(crate) negated: bool,
    /// What is compared.
    pub(crate) kind: Kind,
}

/// How many elements of a list must satisfy a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Each {
    /// One value, or any element.
    Any,
    /// All elements, and there is one.
    All,
}

/// An order of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fold {
    /// Byte by byte.
    Exact,
    /// Without ASCII case: domains.
    Domain,
    /// Without ASCII case behind the last `@`: mailboxes.
    Address,
}

/// A comparison.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A value of type bool is true.
    True(Expression),
    /// The state of an answer is one of these bits.
    State {
        /// The answer.
        of: Term,
        /// A bit for each state.
        mask: u32,
    },
    /// The value is missing.
    Missing(Expression),
    /// The value is there.
    Present(Expression),
    /// The value could not be had.
    Unknown(Expression),
    /// A name with a dot and only characters of host names (RFC 1123, 2.1).
    Fqdn(Expression),
    /// Two values. False when one is missing or unknown.
    Compare {
        /// The left one, or its elements.
        left: Expression,
        /// How.
        order: Order,
        /// For texts.
        fold: Fold,
        /// The right one.
        right: Expression,
    },
    /// In a list.
    In {
        /// The value, or its elements.
        left: Expression,
        /// The list.
        list: usize,
    },
    /// A key of a map.
    InMap {
        /// The value, or its elements.
        left: Expression,
        /// The map.
        map: usize,
    },
    /// Text that begins with another.
    Begins {
        /// The value, or its elements.
        left: Expression,
        /// The beginning.
        right: Expression,
        /// How they are compared.
        fold: Fold,
    },
    /// Text that has another in it.
    Contains {
        /// The value, or its elements.
        left: Expression,
        /// What is looked for, a constant.
        needle: Box<[u8]>,
    },
    /// An IPv4 address within ranges for each octet.
    Quad {
        /// The value, or its elements.
        left: Expression,
        /// The ranges.
        quad: [(u8, u8); 4],
    },
    /// A pattern of a set.
    Match {
        /// Index in the plan's scans.
        scan: usize,
        /// The pattern.
        pattern: PatternId,
    },
    /// A phrase of a list: one of these patterns of a set.
    Phrase {
        /// Index in the plan's scans.
        scan: usize,
        /// The first, and one past the last.
        range: (PatternId, PatternId),
    },
}

impl Kind {
    /// The values that it compares; none for patterns, whose text is that of their scan, and for states.
    pub(crate) fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::True(of)
            | Self::Missing(of)
            | Self::Present(of)
            | Self::Unknown(of)
            | Self::Fqdn(of)
            | Self::In { left: of, .. }
            | Self::InMap { left: of, .. }
            | Self::Contains { left: of, .. }
            | Self::Quad { left: of, .. } => vec![of],
            Self::Compare { left, right, .. } | Self::Begins { left, right, .. } => vec![left, right],
            Self::Match { .. } | Self::Phrase { .. } | Self::State { .. } => Vec::new(),
        }
    }
}
