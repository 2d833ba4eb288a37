//! What is wrong with a pattern: always a fault of the rule file, found when it is checked.

use std::fmt;

use regex_syntax::ast::ErrorKind;

use super::{PATTERN_BYTES_MAX, PATTERN_STATES_MAX, PATTERNS_MAX, SET_STATES_MAX};

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// It is no regular expression.
    Syntax {
        /// Byte offset in the pattern.
        offset: usize,
        /// What was found there, in a few words.
        what: String,
    },
    /// `(?=`, `(?!`, `(?<=` or `(?<!`: such patterns have no bound on their time.
    LookAround {
        /// Byte offset in the pattern.
        offset: usize,
    },
    /// `\1`: such patterns have no bound on their time.
    BackReference {
        /// Byte offset in the pattern.
        offset: usize,
    },
    /// A class with a non-ASCII character outside `(?u:...)`.
    UnicodeClass {
        /// Byte offset in the pattern.
        offset: usize,
    },
    /// More than [`PATTERN_BYTES_MAX`] bytes.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Its automaton would have more than [`PATTERN_STATES_MAX`] states: repetitions multiply.
    TooLarge {
        /// The estimate.
        states: usize,
    },
    /// A phrase without a single word.
    EmptyPhrase,
    /// The set has [`PATTERNS_MAX`] patterns, or would have more than [`SET_STATES_MAX`] states.
    SetFull {
        /// Patterns before this one.
        patterns: usize,
        /// Estimated states with this one.
        states: usize,
    },
}

impl PatternError {
    /// Where in the pattern, in bytes; `None` when it concerns the whole pattern.
    pub fn offset(&self) -> Option<usize> {
        match self {
            Self::Syntax { offset, .. }
            | Self::LookAround { offset }
            | Self::BackReference { offset }
            | Self::UnicodeClass { offset } => Some(*offset),
            Self::TooLong { .. } | Self::TooLarge { .. } | Self::EmptyPhrase | Self::SetFull { .. } => None,
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { what, .. } => out.write_str(what),
            Self::LookAround { .. } => out.write_str(
                "look-around is not possible: patterns run in linear time; combine two rules instead",
            ),
            Self::BackReference { .. } => {
                out.write_str("back-references are not possible: patterns run in linear time")
            }
            Self::UnicodeClass { .. } => out.write_str(
                "a class of non-ASCII characters is written `(?u:[...])`; else patterns match bytes",
            ),
            Self::TooLong { bytes } => {
                write!(out, "the pattern is too long: {bytes} bytes, at most {PATTERN_BYTES_MAX}")
            }
            Self::TooLarge { states } => write!(
                out,
                "the pattern is too large: about {states} states, at most {PATTERN_STATES_MAX}; repeat less"
            ),
            Self::EmptyPhrase => out.write_str("the phrase has no word"),
            Self::SetFull { patterns, states } => write!(
                out,
                "too many patterns: {patterns} with about {states} states, at most {PATTERNS_MAX} with {SET_STATES_MAX}"
            ),
        }
    }
}

impl std::error::Error for PatternError {}

impl From<regex_syntax::Error> for PatternError {
    fn from(error: regex_syntax::Error) -> Self {
        match error {
            regex_syntax::Error::Parse(error) => {
                let offset = error.span().start.offset;
                match error.kind() {
                    ErrorKind::UnsupportedLookAround => Self::LookAround { offset },
                    ErrorKind::UnsupportedBackreference => Self::BackReference { offset },
                    kind => Self::Syntax { offset, what: kind.to_string() },
                }
            }
            regex_syntax::Error::Translate(error) => {
                let offset = error.span().start.offset;
                match error.kind() {
                    regex_syntax::hir::ErrorKind::UnicodeNotAllowed => Self::UnicodeClass { offset },
                    kind => Self::Syntax { offset, what: kind.to_string() },
                }
            }
            other => Self::Syntax { offset: 0, what: other.to_string() },
        }
    }
}
