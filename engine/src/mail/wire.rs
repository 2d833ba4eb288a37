//! From the wire form of a message to its content (RFC 5321, 4.5.2), and from the lines of its header back to the wire.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

/// The content: without the dot that ends it, and without the dots that were put before those of its lines that begin
/// with one. Copied only if there is such a line.
pub(super) fn content(wire: &[u8]) -> Cow<'_, [u8]> {
    let stuffed = match wire {
        b".\r\n" => return Cow::Borrowed(&[]),
        _ => wire.strip_suffix(b"\r\n.\r\n").map_or(wire, |head| wire.get(..head.len() + 2).unwrap_or(wire)),
    };
    unstuffed(stuffed, |_| ())
}

/// The header of a message in wire form, as everybody behind us reads it: whoever takes the message deletes the first dot of any
/// line, whether it was put there or not. Copied only if a line of it begins with one.
#[derive(Debug)]
pub struct Header<'w> {
    text: Cow<'w, [u8]>,
    /// Where the lines begin in `text` that have a dot more on the wire.
    dots: Vec<usize>,
}

impl<'w> Header<'w> {
    /// Of a whole message.
    pub fn of_wire(wire: &'w [u8]) -> Self {
        // The empty line is none with a dot.
        let end = memmem::find(wire, b"\r\n\r\n").map_or(wire.len(), |at| at + 4);
        let mut dots = Vec::new();
        let text = unstuffed(wire.get(..end).unwrap_or_default(), |at| dots.push(at - dots.len()));
        Self { text, dots }
    }

    /// Its fields and the empty line; in front of a header that is empty, more.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whole lines of the text, as a range of the wire form.
    pub fn on_wire(&self, lines: &Range<usize>) -> Range<usize> {
        let before = |line| self.dots.partition_point(|dot| *dot < line);
        lines.start + before(lines.start)..lines.end + before(lines.end)
    }
}

/// Lines without the dots that some of them begin with; `found` is told where each was.
fn unstuffed(stuffed: &[u8], mut found: impl FnMut(usize)) -> Cow<'_, [u8]> {
    let first = stuffed.starts_with(b".").then_some(0);
    let finder = memmem::Finder::new(b"\r\n.");
    let mut dots = first.into_iter().chain(finder.find_iter(stuffed).map(|at| at + 2)).peekable();
    if dots.peek().is_none() {
        return Cow::Borrowed(stuffed);
    }
    let mut content = Vec::with_capacity(stuffed.len());
    let mut from = 0;
    for dot in dots {
        found(dot);
        content.extend_from_slice(stuffed.get(from..dot).unwrap_or_default());
        from = dot + 1;
    }
    content.extend_from_slice(stuffed.get(from..).unwrap_or_default());
    Cow::Owned(content)
}
