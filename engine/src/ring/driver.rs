//! The kernel's side of the ring: queues, operations in flight, and the buffers that the kernel fills.
//!
//! Two rings serve a thread. What happens for each message (accept, receive, send) goes over a ring of our own, because
//! `tokio_uring` knows no operation that completes more than once and no buffers that the kernel picks: a receive that stays armed
//! costs a third less than one that is queued again for each read. What is rare (connect) goes over the ring of `tokio_uring`, whose
//! runtime also keeps the timers and the resolver's sockets.
//!
//! `driver`, `operation` and `buffers` alone hold `unsafe` and may name `tokio_uring`.
#![allow(unsafe_code, reason = "buffers are handed to the kernel by address; every other file denies unsafe")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Poll, Waker};

use io_uring::types::{Fd, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use slab::Slab;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::buffers::Buffers;
use super::listener::Backlog;
use super::stream::{Inbox, Outbox};
use super::{RingError, Socket};
use crate::limits::{GUEST_EVERY, RING_COMPLETIONS, RING_END_WITHIN, RING_ENTRIES};

thread_local! {
    /// The driver of this thread, while it is inside of `run`: only then can anything be submitted.
    static DRIVER: RefCell<Option<Rc<Driver>>> = const { RefCell::new(None) };
}

/// A completion that nobody waits for.
const NOBODY: u64 = u64::MAX;
/// Another thread has rung.
const BELL: u64 = u64::MAX - 1;
/// A wait has been long enough.
const TICK: u64 = u64::MAX - 2;

/// The ring of a thread.
pub(super) struct Driver {
    ring: RefCell<IoUring>,
    slots: RefCell<Slab<Slot>>,
    buffers: RefCell<Buffers>,
    /// Completions that were taken out of the ring and not yet handed on; kept for its memory.
    taken: RefCell<Vec<(u64, i32, u32)>>,
    /// What other threads ring, and what tells tokio that there is something to be reaped.
    bell: OwnedFd,
    ready: OwnedFd,
    /// Waits that only tokio sees the end of.
    guests: Cell<usize>,
    /// The bound of a wait, where the kernel finds it, and whether its timer runs. One timer serves all waits of its time: setting
    /// one for each would cost more than what is waited for.
    tick: Box<Timespec>,
    is_ticking: Cell<bool>,
    /// The receive buffers are to be made anew, and memory to be given back.
    renews: Cell<bool>,
}

/// An operation in flight.
enum Slot {
    /// Somebody waits for its one completion.
    Waiting(Option<Waker>),
    /// It has completed.
    Done(i32),
    /// Nobody waits any more; what it needs stays until the kernel has finished with it.
    Abandoned(#[allow(dead_code, reason = "held, never read")] Box<dyn Any>),
    /// A receive that completes again and again.
    Receiving(Rc<Inbox>, #[allow(dead_code, reason = "held, never read")] Rc<Socket>),
    /// A write whose writer has gone on.
    Posting(Posted),
    /// An accept that completes again and again.
    Accepting(Rc<Backlog>, #[allow(dead_code, reason = "held, never read")] Rc<Socket>),
}

/// A write whose writer has gone on.
struct Posted {
    socket: Rc<Socket>,
    outbox: Rc<Outbox>,
    buffer: Vec<u8>,
    done: usize,
}

/// What one completion of a repeated receive says.
pub(super) enum Arrival {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing more comes.
    End,
    /// The connection is broken.
    Broken(i32),
    /// The receive has ended for a reason that says nothing of the connection: it is to be armed again.
    Lapsed,
}

/// A runtime of `tokio_uring`, with the flags that save wake-ups.
pub(super) fn runtime() -> Result<tokio_uring::Runtime, RingError> {
    let mut flags = tokio_uring::uring_builder();
    flags.setup_coop_taskrun().setup_single_issuer();
    tokio_uring::Runtime::new(tokio_uring::builder().uring_builder(&flags)).map_err(RingError::from_setup)
}

impl Driver {
    /// A ring for this thread.
    pub(super) fn new() -> Result<Rc<Self>, RingError> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(RING_COMPLETIONS)
            .build(RING_ENTRIES)
            .map_err(RingError::from_setup)?;
        let buffers = Buffers::new();
        let (address, entries) = buffers.place();
        // SAFETY: the ring of buffers lives as long as the driver, whose end waits until the kernel has let go of it.
        unsafe { ring.submitter().register_buf_ring(address, entries, Buffers::GROUP) }
            .map_err(RingError::from_setup)?;
        let (bell, ready) = (event()?, event()?);
        ring.submitter().register_eventfd(ready.as_raw_fd()).map_err(RingError::from_setup)?;
        let driver = Rc::new(Self {
            ring: RefCell::new(ring),
            slots: RefCell::default(),
            buffers: RefCell::new(buffers),
            taken: RefCell::default(),
            bell,
            ready,
            guests: Cell::new(0),
            tick: Box::new(Timespec::from(GUEST_EVERY)),
            is_ticking: Cell::new(false),
            renews: Cell::new(false),
        });
        driver.hear_bell();
        Ok(driver)
    }

    /// Makes this the driver of the thread until the guard is dropped.
    pub(super) fn enter(self: &Rc<Self>) -> Inside {
        DRIVER.set(Some(Rc::clone(self)));
        Inside(Rc::clone(self))
    }

    /// What another thread writes to when this one waits in the kernel.
    pub(super) fn bell(&self) -> io::Result<OwnedFd> {
        self.bell.try_clone()
    }

    /// Readable when there is something to be reaped.
    pub(super) fn ready(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let ready = self.ready.try_clone()?;
        // SAFETY: an owned descriptor is the same one all its life.
        let registered = unsafe { AsyncFd::register_with_interest(ready, Interest::READABLE) };
        registered.map_err(|refused| refused.into_parts().1)
    }

    /// Whether somebody waits for what only tokio sees.
    pub(super) fn has_guests(&self) -> bool {
        self.guests.get() > 0
    }

    fn hear_bell(&self) {
        let poll = opcode::PollAdd::new(Fd(self.bell.as_raw_fd()), libc::POLLIN.cast_unsigned().into())
            .multi(true)
            .build()
            .user_data(BELL);
        // SAFETY: it names no memory, and the descriptor lives as long as the ring.
        unsafe { self.push(&poll) };
    }

    /// Gives back memory. The receive buffers are among what was freed, one here and one there, and would keep all of it: they are made
    /// anew in between.
    fn renew_buffers(&self) -> io::Result<()> {
        let ring = self.ring.borrow();
        ring.submitter().unregister_buf_ring(Buffers::GROUP)?;
        let mut buffers = self.buffers.borrow_mut();
        buffers.drop_all();
        super::allocator::collect();
        *buffers = Buffers::new();
        let (address, entries) = buffers.place();
        // SAFETY: as in `new`.
        unsafe { ring.submitter().register_buf_ring(address, entries, Buffers::GROUP) }
    }

    /// Queues an entry; it goes to the kernel with the next [`turn`](Self::turn).
    ///
    /// # Safety
    /// What the entry names must live until its last completion.
    unsafe fn push(&self, entry: &squeue::Entry) {
        let mut ring = self.ring.borrow_mut();
        // SAFETY: as above.
        while unsafe { ring.submission().push(entry) }.is_err() {
            // Full: the kernel takes what is there. When it can't (EBUSY: it wants its completions reaped first), they
            // are moved out of its way.
            if ring.submit().is_err() {
                let mut taken = self.taken.borrow_mut();
                taken.extend(ring.completion().map(|done| (done.user_data(), done.result(), done.flags())));
            }
        }
    }

    /// Hands the kernel what is queued, lets it do what is due, waits for a completion if there is none and this may wait (for
    /// [`GUEST_EVERY`] at most), and hands on what has completed. Returns how many operations that were.
    pub(super) fn turn(&self, may_wait: bool) -> io::Result<usize> {
        if may_wait && !self.is_ticking.replace(true) {
            let timer = opcode::Timeout::new(&raw const *self.tick).build().user_data(TICK);
            // SAFETY: the time lives as long as the ring.
            unsafe { self.push(&timer) };
        }
        self.submit(may_wait)?;
        let mut count = 0;
        loop {
            let mut taken = std::mem::take(&mut *self.taken.borrow_mut());
            taken.extend(
                self.ring
                    .borrow_mut()
                    .completion()
                    .map(|done| (done.user_data(), done.result(), done.flags())),
            );
            if taken.is_empty() {
                *self.taken.borrow_mut() = taken;
                // No completion is left that speaks of a buffer.
                if self.renews.take() {
                    self.renew_buffers()?;
                }
                return Ok(count);
            }
            for (token, result, flags) in taken.drain(..) {
                count += usize::from(self.complete(token, result, flags));
            }
            // Handing on queues operations, for which completions may have been moved out of the way.
            let mut moved = self.taken.borrow_mut();
            if moved.is_empty() {
                *moved = taken;
            }
        }
    }

    fn submit(&self, may_wait: bool) -> io::Result<()> {
        let mut ring = self.ring.borrow_mut();
        let queued = u32::try_from(ring.submission().len()).unwrap_or(u32::MAX);
        // SAFETY: no argument is given that could name memory.
        let submitted = unsafe {
            ring.submitter().enter::<libc::sigset_t>(queued, may_wait.into(), ENTER_GETEVENTS, None)
        };
        match submitted {
            Ok(_) => Ok(()),
            // A signal came, completions must be reaped first, or the kernel has no memory for more at the moment.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY | libc::EAGAIN)) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Hands a completion on; whether it is one of an operation.
    fn complete(&self, token: u64, result: i32, flags: u32) -> bool {
        match token {
            NOBODY => {}
            TICK => self.is_ticking.set(false),
            BELL if cqueue::more(flags) => {}
            BELL => self.hear_bell(),
            _ => {
                self.complete_slot(usize::try_from(token).unwrap_or(usize::MAX), result, flags);
                return true;
            }
        }
        false
    }

    fn complete_slot(&self, token: usize, result: i32, flags: u32) {
        let mut slots = self.slots.borrow_mut();
        let goes_on = cqueue::more(flags);
        match slots.get_mut(token) {
            Some(slot @ Slot::Waiting(_)) => {
                let waiting = std::mem::replace(slot, Slot::Done(result));
                drop(slots);
                if let Slot::Waiting(Some(waker)) = waiting {
                    waker.wake();
                }
            }
            Some(Slot::Receiving(inbox, _)) => {
                let inbox = Rc::clone(inbox);
                let ended = (!goes_on).then(|| slots.remove(token));
                drop(slots);
                let arrival = self.arrival(result, flags);
                inbox.take(arrival, goes_on);
                drop(ended);
            }
            Some(Slot::Accepting(backlog, _)) => {
                let backlog = Rc::clone(backlog);
                let ended = (!goes_on).then(|| slots.remove(token));
                drop(slots);
                backlog.take(result, goes_on);
                drop(ended);
            }
            Some(Slot::Posting(posted)) => match usize::try_from(result) {
                Ok(count @ 1..) if posted.done + count < posted.buffer.len() => {
                    posted.done += count;
                    let entry = posted.entry().user_data(token as u64);
                    drop(slots);
                    // SAFETY: the slot holds the buffer and the socket.
                    unsafe { self.push(&entry) };
                }
                sent => {
                    let ended = slots.remove(token);
                    drop(slots);
                    if let Slot::Posting(posted) = ended {
                        posted.outbox.take(posted.buffer, sent.is_err().then(|| result.wrapping_neg()));
                    }
                }
            },
            Some(Slot::Abandoned(_)) => {
                let ended = slots.remove(token);
                drop(slots);
                drop(ended);
            }
            Some(Slot::Done(_)) | None => unreachable!("a completion of an operation that has completed"),
        }
    }

    fn arrival(&self, result: i32, flags: u32) -> Arrival {
        let buffer = cqueue::buffer_select(flags);
        match (usize::try_from(result), buffer) {
            // SAFETY: the kernel has written so many bytes into this buffer and is done with it.
            (Ok(bytes @ 1..), Some(buffer)) => {
                Arrival::Bytes(unsafe { self.buffers.borrow_mut().take(buffer, bytes) })
            }
            (Ok(_), _) => Arrival::End,
            (Err(_), _) => match result.wrapping_neg() {
                libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN => Arrival::Lapsed,
                code => Arrival::Broken(code),
            },
        }
    }

    /// Begins an operation that completes once; [`poll`](Self::poll) tells its result.
    ///
    /// # Safety
    /// What the entry names must live until it has completed: until `poll` says so, or in the data that
    /// [`abandon`](Self::abandon) is given.
    pub(super) unsafe fn begin(&self, entry: squeue::Entry) -> usize {
        let token = self.insert(Slot::Waiting(None));
        // SAFETY: as the caller says.
        unsafe { self.push(&entry.user_data(token as u64)) };
        token
    }

    /// The kernel's result, once; the token is worth nothing after that.
    pub(super) fn poll(&self, token: usize, waker: &Waker) -> Poll<i32> {
        let mut slots = self.slots.borrow_mut();
        match slots.get_mut(token) {
            Some(Slot::Done(code)) => {
                let code = *code;
                slots.remove(token);
                Poll::Ready(code)
            }
            Some(Slot::Waiting(waiting)) => {
                if !waiting.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
                    *waiting = Some(waker.clone());
                }
                Poll::Pending
            }
            _ => unreachable!("an operation is polled until it has completed"),
        }
    }

    /// Nobody wants the result any more.
    pub(super) fn abandon(&self, token: usize, data: impl Any) {
        let mut slots = self.slots.borrow_mut();
        match slots.get_mut(token) {
            Some(slot @ Slot::Waiting(_)) => *slot = Slot::Abandoned(Box::new(data)),
            _ => _ = slots.try_remove(token),
        }
    }

    fn insert(&self, slot: Slot) -> usize {
        self.slots.borrow_mut().insert(slot)
    }

    /// Ends the operation `token`: it completes with ECANCELED, unless it completes by itself first.
    fn cancel(&self, token: usize) {
        let entry = opcode::AsyncCancel::new(token as u64)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(NOBODY);
        // SAFETY: it names no memory.
        unsafe { self.push(&entry) };
    }

    /// Ends all operations and waits until the kernel has let go of their memory; false if it does not in time.
    fn end(&self) -> bool {
        let until = std::time::Instant::now() + RING_END_WITHIN;
        let all = io_uring::types::CancelBuilder::any().all();
        // SAFETY: it names no memory.
        unsafe { self.push(&opcode::AsyncCancel2::new(all).build().user_data(NOBODY)) };
        while !self.slots.borrow().is_empty() {
            // What is finished and not awaited is forgotten here.
            self.slots.borrow_mut().retain(|_, slot| !matches!(slot, Slot::Done(_)));
            if std::time::Instant::now() > until || self.turn(true).is_err() {
                break;
            }
        }
        self.slots.borrow().is_empty()
    }
}

/// `IORING_ENTER_GETEVENTS`: do the work that was put off (`DEFER_TASKRUN`) even if nothing is waited for.
const ENTER_GETEVENTS: u32 = 1;

fn event() -> Result<OwnedFd, RingError> {
    // SAFETY: a plain system call; its result is checked and nobody else has the descriptor.
    let raw = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if raw < 0 {
        return Err(RingError::from_setup(io::Error::last_os_error()));
    }
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
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
    DESCRIPTORS_MAX.store(limit.rlim_cur, Relaxed);
    Ok(limit.rlim_cur)
}

/// What [`raise_descriptor_limit`] has found.
static DESCRIPTORS_MAX: AtomicU64 = AtomicU64::new(u64::MAX);

/// How many descriptors this process may have, when [`raise_descriptor_limit`] has asked; else endlessly many.
pub fn descriptors_max() -> u64 {
    DESCRIPTORS_MAX.load(Relaxed)
}

/// Marks the time in which operations can be submitted; a panic ends it too.
pub(super) struct Inside(Rc<Driver>);

impl Drop for Inside {
    fn drop(&mut self) {
        let is_ended = self.0.end();
        DRIVER.set(None);
        if !is_ended {
            // The kernel may still write into it.
            std::mem::forget(Rc::clone(&self.0));
        }
    }
}

/// Gives the system back what the allocator keeps of memory that was freed on this thread, at the end of the ring's turn. The allocator
/// does so by itself only when it is asked for more, which on a thread that has become quiet nobody does. Takes milliseconds
/// after a time of much load.
pub fn give_back_memory() {
    if let Some(driver) = driver() {
        driver.renews.set(true);
    }
}

/// The driver of this thread, inside of `run`.
pub(super) fn driver() -> Option<Rc<Driver>> {
    DRIVER.with_borrow(Clone::clone)
}

/// A wait whose end only tokio sees: while there is one, an idle thread waits in tokio's poll and not in the ring.
pub struct Guest(Option<Rc<Driver>>);

impl Guest {
    /// Begins such a wait.
    pub fn enter() -> Self {
        let driver = driver();
        if let Some(driver) = &driver {
            driver.guests.set(driver.guests.get() + 1);
        }
        Self(driver)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(driver) = &self.0 {
            driver.guests.set(driver.guests.get() - 1);
        }
    }
}

/// Arms a receive that completes for all that arrives, each time with a buffer of ours. Returns what it is cancelled by.
pub(super) fn arm_receive(socket: &Rc<Socket>, inbox: &Rc<Inbox>) -> usize {
    let driver = driver().expect("sockets are read inside of `run`");
    let entry = opcode::RecvMulti::new(Fd(socket.raw()), Buffers::GROUP).build();
    let token = driver.insert(Slot::Receiving(Rc::clone(inbox), Rc::clone(socket)));
    // SAFETY: it names no memory but the registered buffers; the slot holds the socket.
    unsafe { driver.push(&entry.user_data(token as u64)) };
    token
}

/// Arms an accept that completes for each connection, or for one. Returns what it is cancelled by.
pub(super) fn arm_accept(socket: &Rc<Socket>, backlog: &Rc<Backlog>, one: bool) -> usize {
    let driver = driver().expect("sockets are listened on inside of `run`");
    let socket_at = Fd(socket.raw());
    let entry = if one {
        let nowhere = std::ptr::null_mut();
        opcode::Accept::new(socket_at, nowhere, nowhere.cast()).flags(libc::SOCK_CLOEXEC).build()
    } else {
        opcode::AcceptMulti::new(socket_at).flags(libc::SOCK_CLOEXEC).build()
    };
    let token = driver.insert(Slot::Accepting(Rc::clone(backlog), Rc::clone(socket)));
    // SAFETY: it names no memory; the slot holds the socket.
    unsafe { driver.push(&entry.user_data(token as u64)) };
    token
}

/// Writes all of `buffer`, which is not empty, without anybody waiting: the outbox gets it back.
pub(super) fn post(socket: &Rc<Socket>, outbox: &Rc<Outbox>, buffer: Vec<u8>) {
    let driver = driver().expect("sockets are written to inside of `run`");
    let posted = Posted { socket: Rc::clone(socket), outbox: Rc::clone(outbox), buffer, done: 0 };
    let entry = posted.entry();
    let token = driver.insert(Slot::Posting(posted));
    // SAFETY: the slot holds the buffer, whose bytes do not move with it, and the socket.
    unsafe { driver.push(&entry.user_data(token as u64)) };
}

impl Posted {
    fn entry(&self) -> squeue::Entry {
        let rest = self.buffer.get(self.done..).unwrap_or_default();
        let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        opcode::Send::new(Fd(self.socket.raw()), rest.as_ptr(), length)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build()
    }
}

/// The descriptor that a repeated accept gave.
pub(super) fn accepted(raw: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

/// Ends a repeated operation. Outside of `run` the end of the ring has done it already.
pub(super) fn disarm(token: usize) {
    if let Some(driver) = driver() {
        driver.cancel(token);
    }
}

/// A buffer that is not needed any more, for the kernel to fill: kept if it came from a read and few are. Outside of `run` it is
/// let go.
pub fn recycle(buffer: Vec<u8>) {
    DRIVER.with_borrow(|driver| {
        if let Some(driver) = driver {
            driver.buffers.borrow_mut().recycle(buffer);
        }
    });
}
