//! The weir engine.

pub mod scheme;
