//! The table of all faults.
//!
//! `W01xx` what was written, `W02xx` names, types and phases, `W03xx` lookups and failure, `W04xx` scores and lists,
//! `W05xx` warnings, `W06xx` forms of verbs, settings and tests.

pub mod meaning;
pub mod syntax;

use super::Code;

/// Every fault that this crate can report, by code.
pub fn all() -> impl Iterator<Item = &'static Code> {
    syntax::ALL.iter().chain(meaning::ALL).copied()
}
