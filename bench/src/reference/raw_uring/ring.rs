//! The operations of the bare ring, and all that is `unsafe` in the reference.
//!
//! Memory that the kernel reads or writes (the buffers, their ring, the replies on their way) is never freed: the ring serves
//! as long as the process lives.
#![allow(unsafe_code, reason = "a yardstick for the engine's ring must use io_uring as the kernel offers it")]

use std::io::{Error, ErrorKind, Result};
use std::mem;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, Fd, Fixed};
use io_uring::{IoUring, cqueue, opcode, squeue};

/// Operations that one call submits at most.
const ENTRIES: u32 = 1024;
/// Completions that may wait.
const COMPLETIONS: u32 = 16 * 1024;
/// Most connections.
const SLOTS_MAX: u64 = 15_000;
/// Receive buffers of all connections: few, so that they stay in the processor's cache. A power of two.
const BUFFERS: u16 = 256;
const BUFFER_BYTES: usize = 16 * 1024;
const BUFFER_GROUP: u16 = 0;

/// What the kernel takes free buffers from. Its tail lies in a field of the first entry that is otherwise unused.
#[repr(C, align(4096))]
struct Entries([BufRingEntry; BUFFERS as usize]);

pub(super) struct Ring {
    uring: IoUring,
    listener: Fd,
    entries: &'static mut Entries,
    /// The first of all buffers' bytes.
    memory: *mut u8,
    /// Where the next free buffer is entered; the kernel knows it as of the last [`Ring::wait`].
    tail: u16,
    /// Replies on their way, by slot: not touched until their send has completed.
    replies: &'static mut [Vec<u8>],
}

/// What a completion belongs to; the slot is the connection's place in the ring's file table.
#[derive(Clone, Copy)]
pub(super) enum Operation {
    Accept,
    Receive(usize),
    Send(usize),
    /// One whose end does not matter.
    Other,
}

pub(super) struct Completion {
    pub(super) operation: Operation,
    /// A slot or a length, or an error number below 0.
    pub(super) result: i32,
    /// Whether the operation goes on.
    pub(super) more: bool,
    /// The buffer with what was received.
    pub(super) buffer: Option<u16>,
}

impl Operation {
    fn user_data(self) -> u64 {
        let (kind, slot) = match self {
            Self::Accept => (0, 0),
            Self::Receive(slot) => (1, slot),
            Self::Send(slot) => (2, slot),
            Self::Other => (3, 0),
        };
        (slot as u64) << 2 | kind
    }

    fn of(user_data: u64) -> Self {
        let slot = usize::try_from(user_data >> 2).unwrap_or(usize::MAX);
        match user_data & 3 {
            0 => Self::Accept,
            1 => Self::Receive(slot),
            2 => Self::Send(slot),
            _ => Self::Other,
        }
    }
}

impl Ring {
    /// A ring of this thread with at most `slots` connections.
    pub(super) fn new(listener: &TcpListener, slots: u64) -> Result<Self> {
        let uring = IoUring::builder()
            .setup_cqsize(COMPLETIONS)
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(ENTRIES)?;
        let slots = u32::try_from(slots.min(SLOTS_MAX)).map_err(Error::other)?;
        uring.submitter().register_files_sparse(slots)?;
        // SAFETY: entries are plain numbers, for which 0 is a value.
        let entries = Box::leak(unsafe { Box::<Entries>::new_zeroed().assume_init() });
        let address = (&raw const *entries) as u64;
        // SAFETY: the memory is aligned to a page, has BUFFERS entries and is never freed.
        unsafe { uring.submitter().register_buf_ring(address, BUFFERS, BUFFER_GROUP)? };
        let memory = vec![0; usize::from(BUFFERS) * BUFFER_BYTES].leak().as_mut_ptr();
        let replies = vec![Vec::new(); slots as usize].leak();
        let listener = Fd(listener.as_raw_fd());
        let mut ring = Self { uring, listener, entries, memory, tail: 0, replies };
        (0..BUFFERS).for_each(|buffer| ring.give_back(buffer));
        Ok(ring)
    }

    pub(super) fn slots(&self) -> usize {
        self.replies.len()
    }

    /// Accepts connections, each into a free slot, until a completion says otherwise.
    pub(super) fn accept(&mut self) -> Result<()> {
        let accept = opcode::AcceptMulti::new(self.listener).allocate_file_index(true).build();
        self.push(&accept.user_data(Operation::Accept.user_data()))
    }

    /// Receives, each time into a free buffer, until a completion says otherwise.
    pub(super) fn receive(&mut self, slot: usize) -> Result<()> {
        let receive = opcode::RecvMulti::new(fixed(slot)?, BUFFER_GROUP).build();
        self.push(&receive.user_data(Operation::Receive(slot).user_data()))
    }

    /// Sends all of `output` and leaves an empty buffer in its place. One at a time for each slot.
    pub(super) fn send(&mut self, slot: usize, output: &mut Vec<u8>) -> Result<()> {
        let reply = self.replies.get_mut(slot).ok_or(ErrorKind::InvalidInput)?;
        mem::swap(reply, output);
        let length = u32::try_from(reply.len()).map_err(Error::other)?;
        let send = opcode::Send::new(fixed(slot)?, reply.as_ptr(), length);
        let send = send.flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL).build();
        self.push(&send.user_data(Operation::Send(slot).user_data()))
    }

    /// Frees the place of replies whose send has completed, and returns their length.
    pub(super) fn take_back(&mut self, slot: usize) -> i32 {
        let Some(reply) = self.replies.get_mut(slot) else { return 0 };
        let length = reply.len();
        reply.clear();
        i32::try_from(length).unwrap_or(i32::MAX)
    }

    /// Ends the receive of a slot, whose last completion then comes. Unlike a shutdown, which the kernel does in another
    /// thread, it is done before a close that is pushed after it.
    pub(super) fn stop_receiving(&mut self, slot: usize) -> Result<()> {
        let cancel = opcode::AsyncCancel::new(Operation::Receive(slot).user_data()).build();
        let cancel = cancel.flags(squeue::Flags::SKIP_SUCCESS);
        self.push(&cancel.user_data(Operation::Other.user_data()))
    }

    pub(super) fn close(&mut self, slot: usize) -> Result<()> {
        let close = opcode::Close::new(fixed(slot)?).build().flags(squeue::Flags::SKIP_SUCCESS);
        self.push(&close.user_data(Operation::Other.user_data()))
    }

    /// Submits what was pushed, waits for a completion and appends all that there are.
    pub(super) fn wait(&mut self, completions: &mut Vec<Completion>) -> Result<()> {
        // SAFETY: the first entry is valid, and its tail is written here only, read by the kernel; u16 and AtomicU16 have the same
        // layout.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.0.as_ptr()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
        match self.uring.submit_and_wait(1) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        completions.extend(self.uring.completion().map(|entry| Completion {
            operation: Operation::of(entry.user_data()),
            result: entry.result(),
            more: cqueue::more(entry.flags()),
            buffer: cqueue::buffer_select(entry.flags()),
        }));
        Ok(())
    }

    /// What was received into a buffer that was not given back yet.
    pub(super) fn bytes(&self, buffer: u16, length: i32) -> &[u8] {
        let length = usize::try_from(length).unwrap_or(0).min(BUFFER_BYTES);
        // SAFETY: within the memory of the buffers, which the kernel names by what it was given; it does not write into this one
        // until it is given back, for which this borrow must have ended.
        unsafe {
            std::slice::from_raw_parts(self.memory.add(usize::from(buffer % BUFFERS) * BUFFER_BYTES), length)
        }
    }

    /// Lets the kernel use a buffer again, from the next [`Ring::wait`] on.
    pub(super) fn give_back(&mut self, buffer: u16) {
        let offset = usize::from(buffer % BUFFERS) * BUFFER_BYTES;
        if let Some(entry) = self.entries.0.get_mut(usize::from(self.tail % BUFFERS)) {
            entry.set_addr(self.memory.wrapping_add(offset) as u64);
            entry.set_len(u32::try_from(BUFFER_BYTES).unwrap_or(u32::MAX));
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    fn push(&mut self, entry: &squeue::Entry) -> Result<()> {
        // SAFETY: the memory of an operation outlives it, see above.
        while unsafe { self.uring.submission().push(entry) }.is_err() {
            // The queue is full.
            self.uring.submit()?;
        }
        Ok(())
    }
}

fn fixed(slot: usize) -> Result<Fixed> {
    Ok(Fixed(u32::try_from(slot).map_err(Error::other)?))
}
