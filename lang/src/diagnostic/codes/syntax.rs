//! Faults of the text itself, found by the parser and by reading the file set.

use super::Code;

/// All of this module.
pub const ALL: &[&Code] = &[];
