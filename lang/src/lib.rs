//! The weir rule language: parse, check, lower and evaluate, without any I/O.
//!
//! ```text
//! text --parse--> ast --check(scheme)--> hir --lower--> plan --evaluate(facts)--> decided | needs
//! ```
//! The crate knows nothing of SMTP, sockets, clocks, files or threads. The host hands it the texts, a
//! [`scheme::Scheme`] (what can be asked and done) and, at run time, the facts ([`value::Facts`]).

pub mod ast;
pub mod builtins;
mod check;
pub mod diagnostic;
pub mod eval;
pub mod fileset;
pub mod format;
pub mod hir;
pub mod list;
mod lower;
pub mod manual;
pub mod parse;
pub mod pattern;
pub mod plan;
pub mod print;
pub mod scheme;
pub mod score;
pub mod source;
pub mod value;

pub use check::{CALL_DEPTH_MAX, Checked, RULE_DEPTH_MAX, RULES_MAX, SLOTS_MAX, STATEMENTS_MAX, check};
pub use lower::lower;
