//! What the sessions of one thread share: its caches, connections, log and clock, and the generation that serves now.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::clock::Clock;
use crate::counts::Counts;
use crate::generation::{Generation, Reread};
use crate::id::{Id, IdSource};
use crate::log::Log;
use crate::lookups::Sources;
use crate::process::Process;
use crate::ring::Watch;
use crate::upstream::connection::Connections;
use crate::wire::Store;

/// One for each shard.
pub struct Local {
    /// What all shards share.
    pub process: Arc<Process>,
    /// Deadlines of its connections.
    pub watch: Watch,
    /// Its access to the log.
    pub log: Rc<Log>,
    /// Where its look-ups go, and its cells of the metrics.
    pub sources: Rc<Sources>,
    /// Its connections to servers.
    pub connections: Rc<Connections>,
    /// Its room for messages.
    pub store: Rc<Store>,
    /// The clock.
    pub clock: Clock,
    /// Makes its ids.
    pub ids: RefCell<IdSource>,
    /// The newest generation.
    pub generation: RefCell<Arc<Generation>>,
    /// Lists that were read anew since it was loaded.
    pub reread: RefCell<Arc<Reread>>,
}

impl Local {
    /// Its cells of the metrics.
    pub fn counts(&self) -> &Counts {
        &self.sources.counts
    }

    /// Lists that were read anew.
    pub fn reread(&self) -> Arc<Reread> {
        Arc::clone(&self.reread.borrow())
    }

    /// The newest generation.
    pub fn generation(&self) -> Arc<Generation> {
        Arc::clone(&self.generation.borrow())
    }

    /// A new id.
    pub fn next_id(&self) -> Id {
        self.ids.borrow_mut().next_id()
    }

    /// The time, in seconds since 1970.
    pub fn unix_seconds(&self) -> i64 {
        i64::try_from(self.clock.unix_s()).unwrap_or(i64::MAX)
    }
}
