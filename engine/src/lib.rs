//! weir: a mail dataplane. SMTP on `io_uring`, defined by rule files.
//!
//! From the bottom up; each layer knows only those below it:
//! ```text
//! 6 cli run reread control edits admin show export config commands simulate explain demo
//! 5 shard
//! 4 session local decide lookups relay rehearse callout question counts
//! 3 facts mail scheme generation process
//! 2 dns clamd spool store upstream
//! 1 tls ring
//! 0 limits cache clock id log metrics http table wire
//! ```

pub mod admin;
pub mod auth;
pub mod cache;
mod callout;
pub mod clamd;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod control;
pub mod counts;
pub mod decide;
pub mod demo;
pub mod dns;
pub mod edits;
pub mod explain;
pub mod export;
pub mod facts;
pub mod generation;
pub mod http;
pub mod id;
pub mod limits;
pub mod local;
pub mod log;
pub mod lookups;
pub mod mail;
pub mod metrics;
pub mod probe;
pub mod process;
pub mod question;
pub mod rehearse;
pub mod relay;
pub mod reread;
pub mod ring;
pub mod run;
pub mod scheme;
pub mod session;
pub mod shard;
pub mod show;
pub mod simulate;
pub mod spool;
pub mod store;
pub mod table;
pub mod tls;
pub mod upstream;
pub mod wire;
