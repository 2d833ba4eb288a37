//! The ring: every socket operation of a shard, on `io_uring` by way of `tokio_uring`.
//!
//! Layer 1 of the flow. This module alone names `tokio_uring`, and this file alone holds `unsafe`, so that another
//! driver can take its place. Its parts: [`Stream`] and [`Listener`] are sockets, [`Watch`] keeps their deadlines,
//! [`RingError`] says why there is no ring.
//!
//! An operation owns its buffer and its socket until the kernel has finished with them. Dropping the future of an
//! operation does not stop the operation: what it would have read is lost, and the socket stays open. Therefore no
//! operation is ever put into a `select!` or a `timeout`. Deadlines go through [`Watch`], which shuts the socket
//! down, so that the operation ends by itself; and a [`Stream`] that is dropped in the middle of an operation, with
//! its task, shuts its socket down.
#![allow(unsafe_code, reason = "buffers are handed to the kernel by address; every other file denies unsafe")]

mod error;
mod listener;
mod segment;
mod stream;
mod watch;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use io_uring::types::Fd;
use io_uring::{cqueue, opcode, squeue};
use socket2::{SockAddr, SockAddrStorage, SockRef};
use tokio_uring::{InFlightOneshot, OneshotOutputTransform, UnsubmittedOneshot};

pub use error::{RingError, probe};
pub use listener::Listener;
pub use segment::{Segment, Segments};
pub use stream::Stream;
pub use watch::{Due, Watch, Watched};

use crate::limits::{GATHER_PIECES_MAX, RING_COMPLETIONS, RING_ENTRIES};

thread_local! {
    /// Whether this thread is inside [`run`]: only then may a destructor submit a cancellation.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `future`, and all tasks that it spawns, on a new ring of this thread.
///
/// Plain `tokio` timers and sockets work inside as well. Tasks that are left when `future` ends are dropped.
///
/// # Errors
/// When the kernel refuses the ring; see [`RingError`].
pub fn run<F: Future>(future: F) -> Result<F::Output, RingError> {
    let runtime = runtime()?;
    Ok(runtime.block_on(async {
        let _inside = Inside::enter();
        future.await
    }))
}

/// Lets this process have as many sockets as it may: the soft limit is low for the sake of programs that use `select`.
/// Returns how many that are.
///
/// # Errors
/// What the kernel says; then the limit is what it was.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes the limits into the place that it is given.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads the limits from the place that it is given.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

/// Marks the time in which operations can be submitted; a panic ends it too.
struct Inside;

impl Inside {
    fn enter() -> Self {
        INSIDE.set(true);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

/// The ring with the flags that save wake-ups, or without them on kernels before 6.0, which know less.
fn runtime() -> Result<tokio_uring::Runtime, RingError> {
    let mut lean = tokio_uring::uring_builder();
    lean.setup_cqsize(RING_COMPLETIONS).setup_coop_taskrun().setup_single_issuer();
    let mut plain = tokio_uring::uring_builder();
    plain.setup_cqsize(RING_COMPLETIONS);
    let build =
        |ring| tokio_uring::Runtime::new(tokio_uring::builder().entries(RING_ENTRIES).uring_builder(ring));
    match build(&lean) {
        Err(refused) if refused.raw_os_error() == Some(libc::EINVAL) => build(&plain),
        first => first,
    }
    .map_err(RingError::from_setup)
}

/// Starts a task on this thread's ring. Its handle can abort it; dropping the handle leaves it running.
///
/// # Panics
/// Outside of [`run`].
pub fn spawn<T: Future + 'static>(task: T) -> tokio::task::JoinHandle<T::Output> {
    tokio_uring::spawn(task)
}

/// A socket that closes when its owner and its last operation have let go of it.
///
/// It must stay a plain descriptor: it may be dropped while the ring is being drained, when nothing can be submitted.
struct Socket(OwnedFd);

impl Socket {
    fn new(socket: impl Into<OwnedFd>) -> io::Result<Rc<Self>> {
        let descriptor = socket.into();
        // The ring waits by itself, and would report EAGAIN for a socket that promises not to.
        SockRef::from(&descriptor).set_nonblocking(false)?;
        Ok(Rc::new(Self(descriptor)))
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

/// An operation that the kernel has, or will have at the end of this loop turn.
type Operation<D> = InFlightOneshot<(Rc<Socket>, D), Finish<D>>;

/// Gives the buffer back with the kernel's result.
struct Finish<D>(PhantomData<fn() -> D>);

impl<D: 'static> OneshotOutputTransform for Finish<D> {
    type Output = (io::Result<usize>, D);
    type StoredData = (Rc<Socket>, D);

    fn transform_oneshot_output(self, (_, data): Self::StoredData, done: cqueue::Entry) -> Self::Output {
        let code = done.result();
        (usize::try_from(code).map_err(|_| io::Error::from_raw_os_error(code.wrapping_neg())), data)
    }
}

/// Queues one operation on `socket`.
///
/// # Safety
/// Each address in `entry` must lie in heap memory that `data` owns and that does not move with it, and the
/// operation must complete exactly once (no multishot, no zero-copy send).
unsafe fn submit<D: 'static>(socket: &Rc<Socket>, data: D, entry: squeue::Entry) -> Operation<D> {
    UnsubmittedOneshot::new((Rc::clone(socket), data), Finish(PhantomData), entry).submit()
}

/// Reads at most `at_most` bytes onto the end of `buffer`.
async fn receive(socket: &Rc<Socket>, mut buffer: Vec<u8>, at_most: usize) -> (io::Result<usize>, Vec<u8>) {
    buffer.reserve(at_most);
    let spare = buffer.spare_capacity_mut();
    let room = u32::try_from(at_most.min(spare.len())).unwrap_or(u32::MAX);
    let entry = opcode::Recv::new(Fd(socket.raw()), spare.as_mut_ptr().cast(), room).build();
    // SAFETY: `entry` names the spare capacity of `buffer`, on the heap, which the operation owns until it ends.
    let operation = unsafe { submit(socket, buffer, entry) };
    let (result, mut buffer) = operation.await;
    if let Ok(count) = result {
        // SAFETY: the kernel has written `count` bytes, at most `room`, from the old length on.
        unsafe { buffer.set_len(buffer.len() + count) };
    }
    (result, buffer)
}

/// Writes what is in `buffer` from `from` on, or a part of it.
async fn send(socket: &Rc<Socket>, buffer: Vec<u8>, from: usize) -> (io::Result<usize>, Vec<u8>) {
    let rest = buffer.get(from..).unwrap_or_default();
    let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    let entry = opcode::Send::new(Fd(socket.raw()), rest.as_ptr(), length)
        .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
        .build();
    // SAFETY: `entry` names initialised bytes of `buffer`, on the heap, which the operation owns until it ends.
    let operation = unsafe { submit(socket, buffer, entry) };
    operation.await
}

/// The memory in which the kernel finds the pieces of a gathered write; kept to be used again.
struct Gather {
    pieces: Vec<libc::iovec>,
    header: Box<libc::msghdr>,
}

impl Default for Gather {
    fn default() -> Self {
        // SAFETY: a zeroed `msghdr` is the empty message: null addresses with zero lengths.
        Self { pieces: Vec::new(), header: Box::new(unsafe { std::mem::zeroed() }) }
    }
}

/// Writes the pieces of `segments` from byte `from` on, or a part of them.
async fn send_gathered(
    socket: &Rc<Socket>,
    mut segments: Segments,
    mut from: usize,
) -> (io::Result<usize>, Segments) {
    let gather = &mut segments.gather;
    gather.pieces.clear();
    for bytes in segments.list.iter().map(Segment::bytes) {
        let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) else {
            from = from.saturating_sub(bytes.len());
            continue;
        };
        from = 0;
        gather.pieces.push(libc::iovec { iov_base: rest.as_ptr().cast_mut().cast(), iov_len: rest.len() });
        if gather.pieces.len() == GATHER_PIECES_MAX {
            break;
        }
    }
    gather.header.msg_iov = gather.pieces.as_mut_ptr();
    gather.header.msg_iovlen = gather.pieces.len();
    let entry = opcode::SendMsg::new(Fd(socket.raw()), &raw const *gather.header)
        .flags((libc::MSG_NOSIGNAL | libc::MSG_WAITALL).cast_unsigned())
        .build();
    // SAFETY: `entry` names the boxed header, that names the buffer of `pieces`, and those name the heap buffers of
    // the segments: all owned by `segments`, which the operation owns until it ends. A shared segment can't be
    // changed meanwhile, because `segments` holds a count of it. The kernel only reads.
    let operation = unsafe { submit(socket, segments, entry) };
    operation.await
}

/// Queues an accept; the address of the peer arrives in the box.
fn accept(listener: &Rc<Socket>) -> Operation<Box<(SockAddrStorage, libc::socklen_t)>> {
    let storage = SockAddrStorage::zeroed();
    let length = storage.size_of();
    let mut address = Box::new((storage, length));
    let entry = opcode::Accept::new(Fd(listener.raw()), (&raw mut address.0).cast(), &raw mut address.1)
        .flags(libc::SOCK_CLOEXEC)
        .build();
    // SAFETY: `entry` names the two fields of the box that the operation owns until it ends.
    unsafe { submit(listener, address, entry) }
}

/// The socket and the address that a finished [`accept`] stands for.
fn accepted(
    count: usize,
    address: (SockAddrStorage, libc::socklen_t),
) -> io::Result<(Rc<Socket>, SocketAddr)> {
    let raw = RawFd::try_from(count).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else has it.
    let socket = Rc::new(Socket(unsafe { OwnedFd::from_raw_fd(raw) }));
    // SAFETY: the kernel has written an address of this length into the storage.
    let peer = unsafe { SockAddr::new(address.0, address.1) };
    let peer =
        peer.as_socket().ok_or_else(|| io::Error::other("accepted a peer without an internet address"))?;
    Ok((socket, peer))
}

/// Queues a connect to `peer`.
fn connect(socket: &Rc<Socket>, peer: SockAddr) -> Operation<Box<SockAddr>> {
    let peer = Box::new(peer);
    let entry = opcode::Connect::new(Fd(socket.raw()), peer.as_ptr().cast(), peer.len()).build();
    // SAFETY: `entry` names the boxed address that the operation owns until it ends.
    unsafe { submit(socket, peer, entry) }
}

/// Cancels what is pending on `socket`, without waiting: each cancelled operation ends with `ECANCELED`.
///
/// Does nothing outside of [`run`], where a ring that is torn down cancels all of its operations anyway.
fn cancel(socket: &Rc<Socket>) {
    if INSIDE.get() {
        let matching = io_uring::types::CancelBuilder::fd(Fd(socket.raw())).all();
        let entry = opcode::AsyncCancel2::new(matching).build();
        // SAFETY: `entry` names no memory. The operation owns the socket, so the descriptor can't come to mean
        // another one before the kernel has read it.
        drop(unsafe { submit(socket, (), entry) });
    }
}
