//! The weir engine.

pub mod clamd;
pub mod clock;
pub mod dns;
pub mod http;
pub mod id;
pub mod limits;
pub mod log;
pub mod mail;
pub mod metrics;
pub mod ring;
pub mod scheme;
pub mod spool;
