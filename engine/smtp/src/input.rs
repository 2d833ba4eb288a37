//! The receive buffer between the shell, which appends what it read, and a machine, which consumes from the front.

use std::ops::Range;

/// Bytes received and not yet consumed.
///
/// A machine that says it needs bytes has consumed all but the start of one line or reply, which its own limits bound. A shell
/// that reads only then holds at most that start and one read, and each byte moves at most once to make room.
#[derive(Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    /// Everything before this offset is consumed; at most `bytes.len()`.
    consumed: usize,
}

impl Input {
    /// An empty buffer with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), consumed: 0 }
    }

    /// What no machine has consumed yet. Non-empty before the greeting means that the client talked out of turn.
    pub fn unread(&self) -> &[u8] {
        self.bytes.get(self.consumed..).unwrap_or_default()
    }

    /// The bytes of a range that a machine handed out. It is good until the next [`push`](Self::push),
    /// [`lend`](Self::lend), [`detach`](Self::detach) or call of a machine; after that the slice may be empty or another.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// The size of the buffer, in bytes: what would be kept with a stretch of it.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends what was read.
    pub fn push(&mut self, read: &[u8]) {
        self.compact();
        self.bytes.extend_from_slice(read);
    }

    /// Lends the buffer to a read that takes and returns it (`io_uring`): unread bytes in front, spare capacity for at least
    /// `room` bytes behind them. Give it back with [`restore`](Self::restore); until then the input is empty.
    pub fn lend(&mut self, room: usize) -> Vec<u8> {
        self.compact();
        self.bytes.reserve(room);
        std::mem::take(&mut self.bytes)
    }

    /// Takes back a lent buffer, with what was read appended to it.
    pub fn restore(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
        self.consumed = 0;
    }

    /// Gives the whole buffer away and goes on in `fresh`, into which the unread bytes are copied.
    ///
    /// A message that arrived in one read is taken this way without copying it: a handed-out range is an index into the returned buffer.
    pub fn detach(&mut self, mut fresh: Vec<u8>) -> Vec<u8> {
        fresh.clear();
        fresh.extend_from_slice(self.unread());
        self.consumed = 0;
        std::mem::replace(&mut self.bytes, fresh)
    }

    /// Drops everything, read or not (after STARTTLS, or when a connection is reused).
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.consumed = 0;
    }

    /// Gives the buffer back if nothing is unread and it has more than `bytes` bytes of room.
    pub fn shrink(&mut self, bytes: usize) {
        if self.unread().is_empty() && self.bytes.capacity() > bytes {
            *self = Self::default();
        }
    }

    /// Consumes the next `count` bytes and says where they are.
    pub(crate) fn consume(&mut self, count: usize) -> Range<usize> {
        let start = self.consumed;
        self.consumed = (start + count).min(self.bytes.len());
        start..self.consumed
    }

    /// Replaces the first `count` unread bytes. Costs one move of what follows them.
    pub(crate) fn replace(&mut self, count: usize, bytes: &[u8]) {
        let end = (self.consumed + count).min(self.bytes.len());
        self.bytes.splice(self.consumed..end, bytes.iter().copied());
    }

    /// Puts bytes in behind the first `count` unread ones. Costs one move of what follows them.
    pub(crate) fn insert(&mut self, count: usize, bytes: &[u8]) {
        let at = (self.consumed + count).min(self.bytes.len());
        self.bytes.splice(at..at, bytes.iter().copied());
    }

    /// Moves the unread bytes to the front. They are the start of one line, so this is cheap, and a second call is free.
    fn compact(&mut self) {
        if self.consumed == self.bytes.len() {
            self.bytes.clear();
        } else if self.consumed > 0 {
            self.bytes.drain(..self.consumed);
        }
        self.consumed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Input;

    #[test]
    fn a_body_that_came_in_one_read_is_taken_without_a_copy() {
        let mut input = Input::with_capacity(64);
        input.push(b"DATA\r\nbody\r\n.\r\nQUIT\r\n");
        input.consume(6);
        let range = input.consume(9);
        let place = input.bytes(range.clone()).as_ptr();
        let taken = input.detach(Vec::new());
        assert_eq!(&taken[range.clone()], b"body\r\n.\r\n");
        assert_eq!(taken[range].as_ptr(), place);
        assert_eq!(input.unread(), b"QUIT\r\n");
    }

    #[test]
    fn a_lent_buffer_has_the_unread_bytes_in_front_and_room_behind() {
        let mut input = Input::default();
        input.push(b"NOOP\r\nQU");
        input.consume(6);
        let mut lent = input.lend(100);
        assert_eq!(lent, b"QU");
        assert!(lent.capacity() >= 102);
        assert!(input.unread().is_empty());
        lent.extend_from_slice(b"IT\r\n");
        input.restore(lent);
        assert_eq!(input.unread(), b"QUIT\r\n");
    }

    #[test]
    fn room_that_is_not_needed_is_given_back_and_what_is_unread_kept() {
        let mut input = Input::with_capacity(100);
        input.push(b"QUIT\r\n");
        input.shrink(10);
        assert_eq!(input.unread(), b"QUIT\r\n");
        input.consume(6);
        input.shrink(1000);
        assert!(input.capacity() >= 100);
        input.shrink(10);
        assert_eq!(input.capacity(), 0);
    }

    #[test]
    fn replacing_keeps_what_follows() {
        let mut input = Input::default();
        input.push(b"xa\nb\r\n.\r\nQUIT\r\n");
        input.consume(1);
        input.replace(8, b"a\r\nb\r\n.\r\n");
        assert_eq!(input.unread(), b"a\r\nb\r\n.\r\nQUIT\r\n");
    }
}
