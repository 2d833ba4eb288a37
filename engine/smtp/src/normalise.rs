//! Turns bare CRs and LFs of a message into CRLFs on the way, for listeners that ask for it.
//!
//! The result is the wire form of the same text with every line break made whole: dot-stuffing is undone by the sender's lines
//! and done again by the new ones. So a look-alike of the end of data (LF.LF and its kin) becomes a doubled dot, and neither
//! this host nor the next takes it for an end.

use memchr::memchr2;

/// How the current line began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Line {
    /// It is the first, or a CRLF came before: a dot here is stuffing, or the end.
    #[default]
    Start,
    /// A bare break came before: a dot here is text, and must be stuffed.
    BrokenStart,
    /// It has text already.
    Inside,
}

/// What became of the bytes in front of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Normalised {
    /// So many bytes are good as they are. None means that more input must come first.
    Clean(usize),
    /// So many bytes are to be replaced by [`Normaliser::edited`].
    Edited(usize),
}

/// A position in the chunk and what to do there.
enum Step {
    /// The text up to here is good.
    Pass(usize),
    /// The text up to here is good; then replace so many bytes.
    Replace(usize, usize, &'static [u8]),
    /// What follows cannot be judged yet, or is beyond the end of the message.
    Stop(usize),
}

/// The state of a message that arrives in chunks.
#[derive(Debug, Default)]
pub(crate) struct Normaliser {
    line: Line,
    edited: Vec<u8>,
}

impl Normaliser {
    /// The replacement that the last call made.
    pub(crate) fn edited(&self) -> &[u8] {
        &self.edited
    }

    /// Judges the unread input up to the end of the message. What depends on bytes still to come (a CR, or a dot that begins
    /// a line) is left unread: at most two bytes.
    pub(crate) fn scan(&mut self, unread: &[u8]) -> Normalised {
        self.edited.clear();
        let mut copied = 0;
        let mut at = 0;
        loop {
            match self.step(unread, at) {
                Step::Pass(to) => at = to,
                Step::Replace(from, count, with) => {
                    self.edited.extend_from_slice(unread.get(copied..from).unwrap_or_default());
                    self.edited.extend_from_slice(with);
                    at = from + count;
                    copied = at;
                }
                Step::Stop(end) if copied == 0 && self.edited.is_empty() => return Normalised::Clean(end),
                Step::Stop(end) => {
                    self.edited.extend_from_slice(unread.get(copied..end).unwrap_or_default());
                    return Normalised::Edited(end);
                }
            }
        }
    }

    fn step(&mut self, bytes: &[u8], at: usize) -> Step {
        let rest = bytes.get(at..).unwrap_or_default();
        match (self.line, rest) {
            (Line::Start, [b'.'] | [b'.', b'\r']) | (_, []) => Step::Stop(at),
            // The end of the message. The next one begins as this line did.
            (Line::Start, [b'.', b'\r', b'\n', ..]) => Step::Stop(at + 3),
            // The stuffed dot of a line that is empty once its bare break is one.
            (Line::Start, [b'.', b'\r' | b'\n', ..]) => self.replace(Line::BrokenStart, at, 2, b"\r\n"),
            (Line::BrokenStart, [b'.', ..]) => self.replace(Line::Inside, at, 0, b"."),
            _ => self.step_to_break(rest, at),
        }
    }

    fn step_to_break(&mut self, rest: &[u8], at: usize) -> Step {
        let Some(found) = memchr2(b'\r', b'\n', rest) else {
            self.line = Line::Inside;
            return Step::Pass(at + rest.len());
        };
        match rest.split_at(found).1 {
            // How the line began does not matter any more: what is read next starts with this CR.
            [b'\r'] => Step::Stop(at + found),
            [b'\r', b'\n', ..] => {
                self.line = Line::Start;
                Step::Pass(at + found + 2)
            }
            _ => self.replace(Line::BrokenStart, at + found, 1, b"\r\n"),
        }
    }

    fn replace(&mut self, line: Line, from: usize, count: usize, with: &'static [u8]) -> Step {
        self.line = line;
        Step::Replace(from, count, with)
    }
}
