//! What all shards of a process share: its tables and its metrics.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::metrics::Registry;
use crate::table::Table;

/// Shared by all shards; only tables, counters and the log's queue inside, each safe by itself.
pub struct Process {
    /// This host's name.
    pub host_name: String,
    /// Where quarantined messages are kept.
    pub state: PathBuf,
    /// What `limit` and `remember` keep.
    pub table: Table,
    /// The metrics.
    pub metrics: Arc<Registry>,
    /// When it began.
    pub began: Instant,
}

impl Process {
    /// A process that begins now.
    pub fn new(host_name: String, state: PathBuf) -> Self {
        Self { host_name, state, table: Table::default(), metrics: Arc::default(), began: Instant::now() }
    }

    /// Seconds since the process began: the clock of [`Table`].
    pub fn seconds(&self) -> u64 {
        self.began.elapsed().as_secs()
    }
}
