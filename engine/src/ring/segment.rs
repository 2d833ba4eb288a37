//! Pieces of what is written: the message itself travels as ranges, nothing of it is copied.

use std::ops::Range;
use std::rc::Rc;

use memchr::memmem;

use super::operation::Gather;

/// One piece of a gathered write.
pub enum Segment {
    /// Bytes that go with the write and come back with it.
    Owned(Vec<u8>),
    /// A range of bytes that others keep, such as a part of a message.
    Shared(Rc<Vec<u8>>, Range<usize>),
}

impl Segment {
    /// The pieces of a part of a message in wire form that begins with a line: between them are the stuffed dots
    /// (RFC 5321, 4.5.2), which are not part of the message.
    pub fn unstuffed(message: &Rc<Vec<u8>>, part: Range<usize>) -> impl Iterator<Item = Self> + use<> {
        let message = Rc::clone(message);
        let mut rest = part;
        let at_dot = message.get(rest.clone()).is_some_and(|bytes| bytes.starts_with(b"."));
        rest.start += usize::from(at_dot);
        std::iter::from_fn(move || {
            let bytes = message.get(rest.clone()).filter(|bytes| !bytes.is_empty())?;
            let piece = match memmem::find(bytes, b"\r\n.") {
                Some(at) => rest.start..rest.start + at + 2,
                None => rest.clone(),
            };
            // One more than the piece, for the dot.
            rest.start = (piece.end + 1).min(rest.end);
            Some(Self::Shared(Rc::clone(&message), piece))
        })
    }

    /// The bytes to be written; nothing when the range lies outside.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes, range) => bytes.get(range.clone()).unwrap_or_default(),
        }
    }
}

/// The pieces of a gathered write, in order. Keep it and fill it again: nothing is allocated then.
#[derive(Default)]
pub struct Segments {
    pub(super) list: Vec<Segment>,
    pub(super) gather: Gather,
}

impl Segments {
    /// Adds a piece at the end.
    pub fn push(&mut self, segment: Segment) {
        self.list.push(segment);
    }

    /// The sum of all pieces, in bytes.
    pub fn bytes(&self) -> usize {
        self.list.iter().map(|segment| segment.bytes().len()).sum()
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[Segment] {
        &self.list
    }

    /// Takes the pieces out, to use their buffers again.
    pub fn drain(&mut self) -> impl Iterator<Item = Segment> + '_ {
        self.list.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message in `wire` between brackets, and how many pieces it takes.
    fn check(wire: &str, message: &str, pieces: usize) {
        let bytes = Rc::new(format!("[{wire}]").into_bytes());
        let part = 1..bytes.len() - 1;
        let got: Vec<Segment> = Segment::unstuffed(&bytes, part).collect();
        let joined: Vec<u8> = got.iter().flat_map(|piece| piece.bytes().to_vec()).collect();
        assert_eq!((String::from_utf8(joined).unwrap().as_str(), got.len()), (message, pieces), "{wire:?}");
    }

    #[test]
    fn stuffed_dots_lie_between_the_pieces() {
        check("", "", 0);
        check(".", "", 0);
        check("a\r\nb\r\n", "a\r\nb\r\n", 1);
        check("..a\r\n", ".a\r\n", 1);
        check("a\r\n..b\r\n...c\r\n", "a\r\n.b\r\n..c\r\n", 3);
        check("a.\r\n..\r\n..\r\n", "a.\r\n.\r\n.\r\n", 3);
        check("a\r\n.", "a\r\n", 1);
    }

    #[test]
    fn a_range_outside_is_nothing() {
        let bytes = Rc::new(b"abc".to_vec());
        assert_eq!(Segment::Shared(Rc::clone(&bytes), 2..9).bytes(), b"");
        assert_eq!(Segment::unstuffed(&bytes, 5..9).count(), 0);
    }
}
