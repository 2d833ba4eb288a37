//! The ring: every socket operation of a shard, on `io_uring`.
//!
//! Layer 1 of the flow. Its parts: [`Stream`], [`Listener`] and [`Datagrams`] are sockets, [`Watch`] keeps their deadlines, [`RingError`] says why
//! there is no ring. Below them, `driver`, `operation`, `buffers` and `allocator` alone hold `unsafe` and name `tokio_uring`, so that
//! another driver can take their place; `pump` is the loop of a thread.
//!
//! An operation owns its buffer and its socket until the kernel has finished with them. Dropping the future of a write
//! does not stop the write. Therefore no write is ever put into a `select!` or a `timeout`. Deadlines go through [`Watch`], which
//! shuts the socket down, so that the operation ends by itself; and a [`Stream`] that is dropped in the middle of one, with
//! its task, shuts its socket down. What has arrived waits in the stream, so the future of a read may be dropped.

mod allocator;
mod buffers;
mod datagrams;
mod driver;
mod error;
mod listener;
mod operation;
mod pump;
mod segment;
mod stream;
mod watch;

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use socket2::SockRef;

pub use allocator::keep_freed_memory;
pub use datagrams::Datagrams;
pub use driver::{Guest, descriptors_max, give_back_memory, raise_descriptor_limit, recycle};
pub use error::{RingError, probe};
pub use listener::Listener;
pub use segment::{Segment, Segments};
pub use stream::Stream;
pub use watch::{Due, Watch, Watched};

use driver::Driver;
use pump::Pump;

/// Runs `future`, and all tasks that it spawns, on new rings of this thread.
///
/// Plain `tokio` timers and sockets work inside as well. Tasks that are left when `future` ends are dropped.
///
/// # Errors
/// When the kernel refuses a ring; see [`RingError`].
pub fn run<F: Future>(future: F) -> Result<F::Output, RingError> {
    driver::runtime()?.block_on(async {
        let driver = Driver::new()?;
        // Dropped last: the tasks leave operations behind, whose memory it waits for.
        let _inside = driver.enter();
        let tasks = tokio::task::LocalSet::new();
        Ok(Pump::new(driver, tasks.run_until(future))?.await)
    })
}

/// Starts a task on this thread's ring. Its handle can abort it; dropping the handle leaves it running.
///
/// # Panics
/// Outside of [`run`].
pub fn spawn<T: Future + 'static>(task: T) -> tokio::task::JoinHandle<T::Output> {
    tokio::task::spawn_local(task)
}

/// A socket that closes when its owner and its last operation have let go of it.
///
/// It must stay a plain descriptor: it may be dropped while the ring is being drained, when nothing can be submitted.
struct Socket(OwnedFd);

/// Sockets of all rings of the process.
static SOCKETS: AtomicU64 = AtomicU64::new(0);

/// How many sockets the rings of this process have open: nearly all of its descriptors. Connections count when their listener has given
/// them out.
pub fn sockets_open() -> u64 {
    SOCKETS.load(Relaxed)
}

impl Socket {
    fn new(socket: impl Into<OwnedFd>) -> io::Result<Rc<Self>> {
        let descriptor = socket.into();
        // The ring waits by itself, and would report EAGAIN for a socket that promises not to.
        SockRef::from(&descriptor).set_nonblocking(false)?;
        Ok(Self::accepted(descriptor))
    }

    /// One that the ring has made.
    fn accepted(descriptor: OwnedFd) -> Rc<Self> {
        SOCKETS.fetch_add(1, Relaxed);
        Rc::new(Self(descriptor))
    }

    fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    fn options(&self) -> SockRef<'_> {
        SockRef::from(&self.0)
    }

    /// Ends pending operations. A socket whose peer has already gone is shut down enough.
    fn shutdown(&self, how: Shutdown) {
        let _gone = self.options().shutdown(how);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        SOCKETS.fetch_sub(1, Relaxed);
    }
}
