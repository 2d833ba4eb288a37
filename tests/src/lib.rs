//! Real peers for end-to-end tests: weir itself, Postfix's load tools, rbldnsd and clamd as processes; a sender and a
//! sink that know each message by its serial number.
//!
//! Tests run side by side: each takes a loopback address of its own ([`Loopback`]) and a folder of its own
//! ([`Folder`]). Nothing sleeps for luck: [`until`] asks for what it waits for, and gives up with its name.

#![allow(
    clippy::missing_panics_doc,
    reason = "the harness of tests: whatever goes wrong is a panic that says what"
)]

mod chain;
mod client;
mod daemons;
mod folder;
mod hop;
mod net;
mod openssl;
mod process;
pub mod rogue;
pub mod rules;
mod sender;
mod sink;
mod stand_in;
mod wait;
mod weir;

pub use chain::Chain;
pub use client::{Client, Reply, swaks};
pub use daemons::{
    Clamd, EICAR_SIGNATURE, Rbldnsd, Redis, eicar, smtp_sink_count, smtp_source, start_haproxy,
    start_smtp_sink,
};
pub use folder::{Folder, repository};
pub use hop::Hop;
pub use net::Loopback;
pub use openssl::{Keys, TlsClient, s_client};
pub use process::{Process, run};
pub use sender::{Outcome, Plan, Sender};
pub use sink::{Received, Sink, SinkReplies};
pub use stand_in::StandIn;
pub use wait::{PATIENCE, until};
pub use weir::{Shipped, Weir, weir_command};
