//! Operations that complete once: a write of bytes, a gathered write, a connect.
#![allow(
    unsafe_code,
    reason = "buffers are handed to the kernel by address; an operation owns them until it has completed"
)]

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use io_uring::types::Fd;
use io_uring::{cqueue, opcode, squeue};
use socket2::SockAddr;
use tokio_uring::{InFlightOneshot, OneshotOutputTransform, UnsubmittedOneshot};

use super::Socket;
use super::driver::{Driver, Guest, driver};
use super::segment::{Segment, Segments};
use crate::limits::GATHER_PIECES_MAX;

/// An operation that completes once. It gives its data back with the kernel's result.
pub(super) struct Operation<D: 'static> {
    driver: Rc<Driver>,
    token: usize,
    data: Option<D>,
}

impl<D: 'static> Operation<D> {
    /// Queues an operation.
    ///
    /// # Safety
    /// Each address in `entry` must lie in heap memory that `data` owns and that does not move with it, and the operation must
    /// complete exactly once (no multishot, no zero-copy send).
    unsafe fn submit(data: D, entry: squeue::Entry) -> Self {
        let driver = driver().expect("operations are made inside of `run`");
        // SAFETY: the data stays with the operation, or goes to its slot, until it has completed.
        let token = unsafe { driver.begin(entry) };
        Self { driver, token, data: Some(data) }
    }
}

impl<D: Unpin + 'static> Future for Operation<D> {
    type Output = (io::Result<usize>, D);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Poll::Ready(code) = this.driver.poll(this.token, context.waker()) else { return Poll::Pending };
        let data = this.data.take().expect("it completes once");
        let result = usize::try_from(code).map_err(|_| io::Error::from_raw_os_error(code.wrapping_neg()));
        Poll::Ready((result, data))
    }
}

impl<D: 'static> Drop for Operation<D> {
    fn drop(&mut self) {
        if let Some(data) = self.data.take() {
            self.driver.abandon(self.token, data);
        }
    }
}

/// Writes what is in `buffer` from `from` on, or a part of it.
pub(super) fn send(socket: &Rc<Socket>, buffer: Vec<u8>, from: usize) -> Operation<(Rc<Socket>, Vec<u8>)> {
    let rest = buffer.get(from..).unwrap_or_default();
    let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    let entry = opcode::Send::new(Fd(socket.raw()), rest.as_ptr(), length)
        .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
        .build();
    // SAFETY: `entry` names initialised bytes of `buffer`, on the heap, which the operation owns until it ends.
    unsafe { Operation::submit((Rc::clone(socket), buffer), entry) }
}

/// The memory in which the kernel finds the pieces of a gathered write; kept to be used again.
pub(super) struct Gather {
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
pub(super) fn send_gathered(
    socket: &Rc<Socket>,
    mut segments: Segments,
    mut from: usize,
) -> Operation<(Rc<Socket>, Segments)> {
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
    unsafe { Operation::submit((Rc::clone(socket), segments), entry) }
}

/// A connect under way, on the ring of `tokio_uring`.
pub(super) struct Connect {
    operation: InFlightOneshot<(Rc<Socket>, Box<SockAddr>), Connected>,
    _guest: Guest,
}

/// Gives the kernel's result.
pub(super) struct Connected(PhantomData<()>);

impl OneshotOutputTransform for Connected {
    type Output = io::Result<()>;
    type StoredData = (Rc<Socket>, Box<SockAddr>);

    fn transform_oneshot_output(self, _: Self::StoredData, done: cqueue::Entry) -> Self::Output {
        match done.result() {
            0.. => Ok(()),
            code => Err(io::Error::from_raw_os_error(code.wrapping_neg())),
        }
    }
}

/// Queues a connect to `peer`.
pub(super) fn connect(socket: &Rc<Socket>, peer: SockAddr) -> Connect {
    let peer = Box::new(peer);
    let entry = opcode::Connect::new(Fd(socket.raw()), peer.as_ptr().cast(), peer.len()).build();
    // `entry` names the boxed address, which the operation owns until it ends, and completes once.
    let operation =
        UnsubmittedOneshot::new((Rc::clone(socket), peer), Connected(PhantomData), entry).submit();
    Connect { operation, _guest: Guest::enter() }
}

impl Future for Connect {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.get_mut().operation).poll(context)
    }
}

/// Cancels the connect of `socket`, without waiting: it ends with `ECANCELED`. Outside of `run`, where the ring that is torn down
/// cancels all of its operations anyway, this does nothing.
pub(super) fn cancel_connect(socket: &Rc<Socket>) {
    if driver().is_some() {
        let matching = io_uring::types::CancelBuilder::fd(Fd(socket.raw())).all();
        let entry = opcode::AsyncCancel2::new(matching).build();
        // `entry` names no memory. The operation owns the socket, so the descriptor can't come to mean another one before
        // the kernel has read it.
        drop(UnsubmittedOneshot::new(Rc::clone(socket), Cancelled, entry).submit());
    }
}

/// Of no interest.
struct Cancelled;

impl OneshotOutputTransform for Cancelled {
    type Output = ();
    type StoredData = Rc<Socket>;

    fn transform_oneshot_output(self, _: Self::StoredData, _: cqueue::Entry) {}
}
