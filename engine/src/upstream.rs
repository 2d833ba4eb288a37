//! Where messages go on: pools of servers, connections to them, and one transaction over a connection.
//!
//! ```text
//! relay -> Pool::acquire -> Ticket (a slot on a server) -> Connections::deliver -> Outcome
//! ```
//! Which servers there are and how busy they are is shared by all shards ([`pool`]); connections belong to one shard.

pub mod check;
pub mod connection;
pub mod introduce;
pub mod pool;
