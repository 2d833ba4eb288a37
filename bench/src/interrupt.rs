//! Ctrl-C and SIGTERM as a question that is asked now and then, so that a run ends what it has started.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use crate::Result;

static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From here on these signals do not end the process; [`check`] tells of them.
pub(crate) fn catch() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        IS_INTERRUPTED.store(true, Relaxed);
    });
    Ok(())
}

/// An error once a signal has come.
pub(crate) fn check() -> Result<()> {
    if IS_INTERRUPTED.load(Relaxed) { Err("interrupted".into()) } else { Ok(()) }
}
