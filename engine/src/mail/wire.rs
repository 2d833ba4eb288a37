//! From the wire form of a message to its content (RFC 5321, 4.5.2).

use std::borrow::Cow;

use memchr::memmem;

/// The content: without the dot that ends it, and without the dots that were put before those of its lines that begin
/// with one. Copied only if there is such a line.
pub(super) fn content(wire: &[u8]) -> Cow<'_, [u8]> {
    let stuffed = match wire {
        b".\r\n" => return Cow::Borrowed(&[]),
        _ => wire.strip_suffix(b"\r\n.\r\n").map_or(wire, |head| wire.get(..head.len() + 2).unwrap_or(wire)),
    };
    let first = stuffed.starts_with(b".").then_some(0);
    let finder = memmem::Finder::new(b"\r\n.");
    let mut dots = first.into_iter().chain(finder.find_iter(stuffed).map(|at| at + 2)).peekable();
    if dots.peek().is_none() {
        return Cow::Borrowed(stuffed);
    }
    let mut content = Vec::with_capacity(stuffed.len());
    let mut from = 0;
    for dot in dots {
        content.extend_from_slice(stuffed.get(from..dot).unwrap_or_default());
        from = dot + 1;
    }
    content.extend_from_slice(stuffed.get(from..).unwrap_or_default());
    Cow::Owned(content)
}
