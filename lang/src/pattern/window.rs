//! How far a match can reach on either side of its literal, and the stretch of text to run its automaton on.
//!
//! Windows of one pattern are merged before they are searched. So each byte is searched about once for each pattern,
//! however often a peer repeats a literal: the whole scan stays linear in the text.

use std::ops::Range;

use memchr::{memchr, memrchr};

/// The most that a match can hold on one side of its literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Bytes; `None` is without bound.
    pub(super) bytes: Option<usize>,
    /// It can hold a line feed. One without bound that cannot ends with the line.
    pub(super) line_feed: bool,
}

impl Reach {
    /// Nothing.
    pub(super) const NONE: Self = Self { bytes: Some(0), line_feed: false };

    /// One after the other.
    pub(super) fn then(self, next: Self) -> Self {
        let bytes = self.bytes.zip(next.bytes).and_then(|(this, next)| this.checked_add(next));
        Self { bytes, line_feed: self.line_feed || next.line_feed }
    }

    /// Either of them.
    pub(super) fn or(self, other: Self) -> Self {
        let bytes = self.bytes.zip(other.bytes).map(|(this, other)| this.max(other));
        Self { bytes, line_feed: self.line_feed || other.line_feed }
    }
}

impl Default for Reach {
    /// The whole text: what is right when nothing is known.
    fn default() -> Self {
        Self { bytes: None, line_feed: true }
    }
}

/// A stretch that has to be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Window {
    /// All of a text.
    pub(super) fn whole(text: &[u8]) -> Self {
        Self { start: 0, end: text.len() }
    }

    /// The stretch that holds every match with a literal at `found`. `pending` is the pattern's window that was not
    /// searched yet: a side that is known to lie within it is not looked for again.
    pub(super) fn around(
        text: &[u8],
        found: &Range<usize>,
        before: Reach,
        after: Reach,
        pending: Option<Self>,
    ) -> Self {
        let start = match before.bytes {
            Some(bytes) => found.start.saturating_sub(bytes),
            None if before.line_feed => 0,
            None => line_start(text, found.start, pending),
        };
        let end = match after.bytes {
            Some(bytes) => found.end.saturating_add(bytes).min(text.len()),
            None if after.line_feed => text.len(),
            None => line_end(text, found.end, pending),
        };
        Self { start, end }
    }

    /// Takes `next` in if the two touch.
    pub(super) fn merge(&mut self, next: Self) -> bool {
        if next.start > self.end {
            return false;
        }
        self.start = self.start.min(next.start);
        self.end = self.end.max(next.end);
        true
    }
}

/// Where the line of `at` begins. Looks back no further than the end of the pending window: what lies in that begins at
/// the begin of a line, or the line goes on into it and the two are merged.
fn line_start(text: &[u8], at: usize, pending: Option<Window>) -> usize {
    let floor = match pending {
        Some(window) if window.start <= at => window.end.min(at),
        _ => 0,
    };
    let line = text.get(floor..at).unwrap_or_default();
    memrchr(b'\n', line).map_or(floor, |feed| floor + feed + 1)
}

/// Where the line of `at` ends. The pending window of such a pattern ends with a line, so nothing within it has to look
/// further.
fn line_end(text: &[u8], at: usize, pending: Option<Window>) -> usize {
    match pending {
        Some(window) if at <= window.end => window.end,
        _ => memchr(b'\n', text.get(at..).unwrap_or_default()).map_or(text.len(), |feed| at + feed),
    }
}
