//! The buffers that the kernel fills: for a receive it takes the next one, so that a connection that waits needs none.
//!
//! A filled buffer is handed on as it is, and a spare one takes its place at once. So there is always one, but for a burst within
//! one turn, whose receives lapse and are armed again.
#![allow(unsafe_code, reason = "the kernel is told addresses; `driver` says what keeps them valid")]

use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use crate::limits::{RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS, RECEIVE_SPARES_MAX};

/// As the kernel wants it: a power of two of entries, in whole pages.
#[repr(C, align(4096))]
struct Entries([BufRingEntry; RECEIVE_BUFFERS]);

const _: () = assert!(RECEIVE_BUFFERS.is_power_of_two() && RECEIVE_BUFFERS <= 1 << 15);

/// All buffers of a ring.
pub(super) struct Buffers {
    entries: Box<Entries>,
    /// Those that the kernel has, by their number.
    lent: Vec<Vec<u8>>,
    /// Those that nobody has.
    spare: Vec<Vec<u8>>,
    tail: u16,
}

impl Buffers {
    /// The group of which receives name their buffers.
    pub(super) const GROUP: u16 = 0;

    /// A full set.
    pub(super) fn new() -> Self {
        // SAFETY: an entry is plain numbers, for which zeros are valid.
        let entries = unsafe { Box::<Entries>::new_zeroed().assume_init() };
        let lent = (0..RECEIVE_BUFFERS).map(|_| fresh()).collect();
        let mut buffers = Self { entries, lent, spare: Vec::new(), tail: 0 };
        for number in 0..RECEIVE_BUFFERS {
            buffers.lend(u16::try_from(number).expect("checked above"));
        }
        buffers
    }

    /// Where the kernel finds them, and how many there are.
    pub(super) fn place(&self) -> (u64, u16) {
        (self.entries.0.as_ptr() as u64, u16::try_from(RECEIVE_BUFFERS).expect("checked above"))
    }

    /// Takes a filled buffer out and puts a spare one in its place.
    ///
    /// # Safety
    /// The kernel has written `bytes` bytes into it and has given it back.
    pub(super) unsafe fn take(&mut self, number: u16, bytes: usize) -> Vec<u8> {
        let spare = self.spare.pop().unwrap_or_else(fresh);
        let place = self.lent.get_mut(usize::from(number)).expect("the kernel gives back what it has");
        let mut filled = std::mem::replace(place, spare);
        assert!(bytes <= filled.capacity(), "the kernel wrote more than it was given room for");
        // SAFETY: as the caller says.
        unsafe { filled.set_len(bytes) };
        self.lend(number);
        filled
    }

    /// Keeps a buffer of the right size for later; lets others go.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() == RECEIVE_BUFFER_BYTES && self.spare.len() < RECEIVE_SPARES_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Lets go of all buffers; the kernel has forgotten them.
    pub(super) fn drop_all(&mut self) {
        self.lent.clear();
        self.spare = Vec::new();
    }

    fn lend(&mut self, number: u16) {
        let Some(buffer) = self.lent.get_mut(usize::from(number)) else { return };
        let Some(entry) = self.entries.0.get_mut(usize::from(self.tail) % RECEIVE_BUFFERS) else { return };
        entry.set_addr(buffer.as_mut_ptr() as u64);
        entry.set_len(u32::try_from(RECEIVE_BUFFER_BYTES).unwrap_or(u32::MAX));
        entry.set_bid(number);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies within the first entry, where only this thread writes; the kernel reads it with acquire.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.0.as_ptr()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}

fn fresh() -> Vec<u8> {
    Vec::with_capacity(RECEIVE_BUFFER_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_was_taken_is_replaced_and_comes_back() {
        let mut buffers = Buffers::new();
        let lent = buffers.lent[3].as_ptr();
        // SAFETY: no byte is claimed to have been written.
        let filled = unsafe { buffers.take(3, 0) };
        assert_eq!(filled.as_ptr(), lent);
        assert_ne!(buffers.lent[3].as_ptr(), lent);
        buffers.recycle(filled);
        buffers.recycle(vec![0; 100]);
        assert_eq!((buffers.spare.len(), buffers.spare[0].as_ptr()), (1, lent));
        for _ in 0..RECEIVE_SPARES_MAX + 5 {
            buffers.recycle(fresh());
        }
        assert_eq!(buffers.spare.len(), RECEIVE_SPARES_MAX);
    }
}
