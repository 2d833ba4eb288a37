//! Puts the raw content of chunks (RFC 3030) into wire form on the way: dots at the start of lines doubled, CRLF.CRLF at the end,
//! and bare line breaks made whole for listeners that ask for it. So what a message is handed out as does not depend on how
//! it came, and a chunk cannot hold an end of data for any host behind this one.

use memchr::{memchr2, memmem};

/// What came last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    /// A whole line, or nothing: a dot begins the next one.
    #[default]
    Line,
    /// A CR, whose LF may be in the next stretch.
    Cr,
    /// Text.
    Text,
}

/// The state of a message that arrives in chunks.
#[derive(Debug, Default)]
pub(crate) struct Stuffer {
    last: Last,
    edited: Vec<u8>,
}

impl Stuffer {
    /// Begins a message. Memory is kept.
    pub(crate) fn restart(&mut self) {
        self.last = Last::Line;
    }

    /// The wire form of the next raw stretch, if it differs from it.
    pub(crate) fn stuff(&mut self, raw: &[u8]) -> Option<&[u8]> {
        let begins_with_dot = self.last == Last::Line && raw.starts_with(b".");
        let hidden = self.last == Last::Cr && raw.starts_with(b"\n.");
        self.last = match raw {
            [] => self.last,
            [.., b'\r', b'\n'] => Last::Line,
            [b'\n'] if self.last == Last::Cr => Last::Line,
            [.., b'\r'] => Last::Cr,
            _ => Last::Text,
        };
        let mut dots = memmem::find_iter(raw, b"\r\n.").peekable();
        if !begins_with_dot && !hidden && dots.peek().is_none() {
            return None;
        }
        self.edited.clear();
        let mut rest = raw;
        if begins_with_dot {
            self.edited.push(b'.');
        } else if hidden {
            self.edited.extend_from_slice(b"\n.");
            rest = raw.get(1..).unwrap_or_default();
        }
        let mut from = raw.len() - rest.len();
        for at in dots {
            self.edited.extend_from_slice(raw.get(from..at + 2).unwrap_or_default());
            self.edited.push(b'.');
            from = at + 2;
        }
        self.edited.extend_from_slice(raw.get(from..).unwrap_or_default());
        Some(&self.edited)
    }

    /// As [`stuff`](Self::stuff), with a CRLF for each bare CR and bare LF.
    pub(crate) fn stuff_whole_lines(&mut self, raw: &[u8]) -> Option<&[u8]> {
        if self.last != Last::Cr && is_whole(raw) {
            return self.stuff(raw);
        }
        self.edited.clear();
        let mut rest = raw;
        while let Some((&byte, after)) = rest.split_first() {
            match (self.last, byte) {
                // The line end was written when its CR came.
                (Last::Cr, b'\n') => self.last = Last::Line,
                (_, b'\r' | b'\n') => {
                    self.edited.extend_from_slice(b"\r\n");
                    self.last = if byte == b'\r' { Last::Cr } else { Last::Line };
                }
                (last, _) => {
                    if last != Last::Text && byte == b'.' {
                        self.edited.push(b'.');
                    }
                    let text = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    self.edited.extend_from_slice(rest.get(..text).unwrap_or_default());
                    self.last = Last::Text;
                    rest = rest.get(text..).unwrap_or_default();
                    continue;
                }
            }
            rest = after;
        }
        Some(&self.edited)
    }

    /// What ends the message in wire form. A last line without CRLF gets one, as it would have with DATA.
    pub(crate) const fn end(&self, whole_lines: bool) -> &'static [u8] {
        match self.last {
            Last::Line => b".\r\n",
            Last::Cr if whole_lines => b".\r\n",
            Last::Cr | Last::Text => b"\r\n.\r\n",
        }
    }
}

/// Whether every CR has its LF and every LF its CR.
fn is_whole(raw: &[u8]) -> bool {
    let mut rest = raw;
    while let Some(at) = memchr2(b'\r', b'\n', rest) {
        match rest.get(at..) {
            Some([b'\r', b'\n', after @ ..]) => rest = after,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::Stuffer;

    /// Both kinds of stuffing, at each cut of the text.
    fn check(raw: &str, as_it_is: &str, whole: &str) {
        for cut in 0..=raw.len() {
            let (mut plain, mut mended) = (Stuffer::default(), Stuffer::default());
            let (mut plainly, mut wholly) = (Vec::new(), Vec::new());
            for part in [&raw.as_bytes()[..cut], &raw.as_bytes()[cut..]] {
                plainly.extend_from_slice(plain.stuff(part).unwrap_or(part));
                wholly.extend_from_slice(mended.stuff_whole_lines(part).unwrap_or(part));
            }
            plainly.extend_from_slice(plain.end(false));
            wholly.extend_from_slice(mended.end(true));
            assert_eq!(String::from_utf8_lossy(&plainly), as_it_is, "{raw:?} cut at {cut}");
            assert_eq!(String::from_utf8_lossy(&wholly), whole, "{raw:?} cut at {cut}");
        }
    }

    #[test]
    fn dots_are_doubled_at_the_start_of_lines_only() {
        check("", ".\r\n", ".\r\n");
        check(".", "..\r\n.\r\n", "..\r\n.\r\n");
        check("a\r\n.b\r\nc.\r\n.\r\n", "a\r\n..b\r\nc.\r\n..\r\n.\r\n", "a\r\n..b\r\nc.\r\n..\r\n.\r\n");
        check("a\r\n\r\n.", "a\r\n\r\n..\r\n.\r\n", "a\r\n\r\n..\r\n.\r\n");
    }

    #[test]
    fn bare_breaks_are_left_or_made_whole() {
        check("a\n.b", "a\n.b\r\n.\r\n", "a\r\n..b\r\n.\r\n");
        check("a\r.b\r", "a\r.b\r\r\n.\r\n", "a\r\n..b\r\n.\r\n");
        check("a\r\r\n.b\n\n", "a\r\r\n..b\n\n\r\n.\r\n", "a\r\n\r\n..b\r\n\r\n.\r\n");
    }

    #[test]
    fn what_needs_no_change_is_not_copied() {
        let mut stuffer = Stuffer::default();
        assert_eq!(stuffer.stuff(b"a\r\nb.\r\n"), None);
        assert_eq!(stuffer.stuff_whole_lines(b"a\r\nb.\r\n"), None);
    }
}
