//! What is wrong with a rule file set: code, place, what was expected, what to write instead.

pub mod codes;
pub mod render;
mod suggest;

pub use render::{Style, json, render, render_all, sort};
pub use suggest::did_you_mean;

use crate::source::Span;

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The set is not loaded.
    Error,
    /// The set is loaded; `check --strict` refuses it.
    Warning,
}

/// One kind of fault: the entry from which messages, the manual and the golden tests are made.
#[derive(Debug)]
pub struct Code {
    /// Stable, e.g. `W0207`.
    pub id: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// The fault in a few words, for the manual's table.
    pub title: &'static str,
    /// What it means, why it is refused and how to mend it; plain text.
    pub doc: &'static str,
    /// The smallest rule file text that has the fault.
    pub example: &'static str,
}

/// One fault in one place.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Its kind.
    pub code: &'static Code,
    /// What is wrong, with the thing's name: lower case, no full stop.
    pub message: String,
    /// Where the caret goes.
    pub span: Span,
    /// What stands behind the caret; may be empty.
    pub label: String,
    /// Other places that matter, each with its word.
    pub related: Vec<(Span, String)>,
    /// `= note:` lines.
    pub notes: Vec<String>,
    /// `= help:` lines: what to write instead.
    pub helps: Vec<String>,
}

impl Diagnostic {
    /// A fault with a message and a place; the rest is added by the `with_` methods.
    pub fn new(code: &'static Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            span,
            label: String::new(),
            related: Vec::new(),
            notes: Vec::new(),
            helps: Vec::new(),
        }
    }

    /// The word behind the caret.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// A `= help:` line.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.helps.push(help.into());
        self
    }

    /// A `= note:` line.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Another place that matters.
    #[must_use]
    pub fn with_related(mut self, span: Span, word: impl Into<String>) -> Self {
        self.related.push((span, word.into()));
        self
    }
}
