//! Faults of meaning, found by the checker.

use super::Code;

/// All of this module.
pub const ALL: &[&Code] = &[];
