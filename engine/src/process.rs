//! What all shards of a process share: its tables and its metrics.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::metrics::Registry;
use crate::store::Tables;

/// Shared by all shards; only tables, counters and the log's queue inside, each safe by itself.
pub struct Process {
    /// This host's name.
    pub host_name: String,
    /// Where quarantined messages are kept.
    pub state: PathBuf,
    /// What `limit`, `remember` and greylists keep.
    pub tables: Arc<Tables>,
    /// The metrics.
    pub metrics: Arc<Registry>,
}

impl Process {
    /// A process that begins now.
    pub fn new(host_name: String, state: PathBuf) -> Self {
        Self::with_clock(host_name, state, Clock::system())
    }

    /// A process that begins now, by this clock.
    pub fn with_clock(host_name: String, state: PathBuf, clock: Clock) -> Self {
        Self { host_name, state, tables: Arc::new(Tables::new(clock)), metrics: Arc::default() }
    }

    /// Seconds since the process began.
    pub fn seconds(&self) -> u64 {
        self.tables.now()
    }
}
