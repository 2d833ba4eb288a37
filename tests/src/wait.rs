//! Waiting for what can be seen.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything on loopback may take on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Returns when `condition` holds; panics with `what` when it does not within [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        thread::sleep(LOOK_AGAIN);
    }
}
