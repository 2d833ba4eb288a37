//! The weir engine.

pub mod clock;
pub mod id;
pub mod limits;
pub mod log;
pub mod ring;
pub mod scheme;
