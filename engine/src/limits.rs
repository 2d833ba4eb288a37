//! Every bound of the engine, in one place, so that they can be compared and checked against each other.
//!
//! Layer 0: used by all, uses nothing.

use std::time::Duration;

/// Entries of a shard's submission queue. A chain of linked operations must fit, and one loop turn of a busy
/// shard queues about one operation per session that woke.
pub const RING_ENTRIES: u32 = 1024;
/// Entries of a shard's completion queue: one operation in flight for each of this many sockets.
pub const RING_COMPLETIONS: u32 = 16 * 1024;
// The kernel demands room for at least as many completions as submissions.
const _: () = assert!(RING_COMPLETIONS >= 2 * RING_ENTRIES);

/// Pieces that one gathered write hands to the kernel at once; more pieces take another round.
/// Below the kernel's `UIO_MAXIOV` of 1024.
pub const GATHER_PIECES_MAX: usize = 64;

/// How often a shard looks for overdue sessions; a deadline is late by at most two of these.
pub const WATCH_TICK: Duration = Duration::from_millis(100);
