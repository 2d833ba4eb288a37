//! The weir engine.

pub mod limits;
pub mod ring;
pub mod scheme;
