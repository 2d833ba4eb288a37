//! What rules change in a message's header: lines put in front, lines taken out. The body is not touched.

use std::borrow::Cow;

use crate::mail;
use crate::wire::{Chunk, Wire};

/// Longest value of an added header in bytes; what is over it is cut off. A line may have 998 (RFC 5322, 2.1.1); longer values
/// are folded at spaces.
const VALUE_BYTES_MAX: usize = 8 * 1024;

/// Where a line is folded when there is a space (RFC 5322, 2.1.1).
const FOLD_AFTER: usize = 78;

/// Where it is broken when there is none.
const LINE_BYTES_MAX: usize = 998;

/// The changes of one message.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// Whole lines with CRLF, in the order in which they were added.
    added: Vec<u8>,
    /// Names to be taken out.
    removed: Vec<String>,
    /// Ids whose Authentication-Results are to be taken out.
    claimed: Vec<Vec<u8>>,
}

impl Edits {
    /// Adds a line. The value is one line: what reads CR or LF in it was taken out when it was rendered.
    ///
    /// With an Authentication-Results line those go that the message came with under the same id (RFC 8601, 5).
    pub fn add(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case(mail::RESULTS) {
            self.claimed.extend(mail::results_id(value));
        }
        let value = value.get(..VALUE_BYTES_MAX.min(value.len())).unwrap_or_default();
        self.added.extend_from_slice(name.as_bytes());
        self.added.push(b':');
        let mut column = name.len() + 1;
        for word in value.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
            if column + 1 + word.len() > FOLD_AFTER && column > name.len() + 1 {
                self.added.extend_from_slice(b"\r\n\t");
                column = 8;
            } else {
                self.added.push(b' ');
                column += 1;
            }
            let mut rest = word;
            while rest.len() > LINE_BYTES_MAX - FOLD_AFTER {
                let (head, tail) = rest.split_at(LINE_BYTES_MAX - FOLD_AFTER);
                self.added.extend_from_slice(head);
                self.added.extend_from_slice(b"\r\n\t");
                rest = tail;
            }
            self.added.extend_from_slice(rest);
            column += rest.len();
        }
        self.added.extend_from_slice(b"\r\n");
    }

    /// Takes out all lines of this name that the message came with.
    pub fn remove(&mut self, name: &str) {
        self.removed.push(name.to_owned());
    }

    /// Forgets all changes.
    pub fn clear(&mut self) {
        self.added.clear();
        self.removed.clear();
        self.claimed.clear();
    }

    /// Lines added so far.
    pub fn added(&self) -> &[u8] {
        &self.added
    }

    /// The message's stretches that are left when the removed lines are cut out, and those at its top that would continue ours.
    pub fn kept<'a>(&self, wire: &'a Wire) -> Cow<'a, [Chunk]> {
        if self.removed.is_empty() && self.claimed.is_empty() && !begins_folded(wire) {
            return wire.chunks().into();
        }
        let whole = wire.contiguous();
        let header = mail::Header::of_wire(&whole);
        let globs: Vec<&str> = self.removed.iter().map(String::as_str).collect();
        let mut ranges = mail::header_ranges(header.text(), &globs);
        ranges.push(mail::orphan_lines(header.text()));
        if !self.claimed.is_empty() {
            ranges.extend(mail::results_ranges(header.text(), &self.claimed));
        }
        ranges.sort_unstable_by_key(|lines| (lines.start, lines.end));
        ranges.dedup();
        for lines in &mut ranges {
            *lines = header.on_wire(lines);
        }
        wire.without(&ranges).into()
    }
}

/// Whether the first line is a continuation, perhaps behind a dot that the next hop deletes.
fn begins_folded(wire: &Wire) -> bool {
    let chunks = wire.chunks().iter();
    let mut bytes = chunks.flat_map(|(buffer, range)| buffer.get(range.clone()).unwrap_or_default());
    let first = bytes.next();
    let read = if first == Some(&b'.') { bytes.next() } else { first };
    matches!(read, Some(b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_folded_at_spaces() {
        let mut edits = Edits::default();
        edits.add("X-Spam-Flag", b"YES");
        edits.add("X-Spam-Status", &b"word ".repeat(30));
        let text = String::from_utf8(edits.added().to_vec()).unwrap();
        assert!(text.starts_with("X-Spam-Flag: YES\r\nX-Spam-Status: word word"));
        assert!(text.lines().all(|line| line.len() <= FOLD_AFTER), "{text}");
        assert_eq!(text.matches("word").count(), 30);
        assert!(text.ends_with("word\r\n"));
    }

    #[test]
    fn an_endless_word_is_broken_and_cut() {
        let mut edits = Edits::default();
        edits.add("X", &b"a".repeat(20_000));
        assert!(edits.added().split(|byte| *byte == b'\n').all(|line| line.len() <= LINE_BYTES_MAX));
        assert!(edits.added().len() < VALUE_BYTES_MAX + 100);
    }

    fn kept(edits: &Edits, message: &[u8]) -> String {
        let mut wire = Wire::default();
        wire.copy(message);
        let kept: Vec<u8> =
            edits.kept(&wire).iter().flat_map(|(buffer, range)| buffer[range.clone()].to_vec()).collect();
        String::from_utf8(kept).unwrap()
    }

    #[test]
    fn nobody_else_speaks_for_us() {
        let message =
            b"Authentication-Results: mx.example.org; spf=pass\r\nAuthentication-Results: other.example; spf=fail\r\n\
              Authentication-Results: \"MX.Example.org\" 1; dkim=pass\r\n\r\nbody\r\n.\r\n";
        let mut edits = Edits::default();
        edits.add("Authentication-Results", b"mx.example.org; spf=fail smtp.mailfrom=example.net");
        assert_eq!(
            kept(&edits, message),
            "Authentication-Results: other.example; spf=fail\r\n\r\nbody\r\n.\r\n"
        );
        // Named twice, they are cut once.
        edits.remove("Authentication-*");
        assert_eq!(kept(&edits, message), "\r\nbody\r\n.\r\n");
    }

    #[test]
    fn overlapping_removals_cut_once() {
        let mut edits = Edits::default();
        edits.remove("X-Spam-*");
        edits.remove("X-Spam-Flag");
        let message = b"X-Spam-Flag: a\r\nX-Other: b\r\n\r\nbody\r\n.\r\n";
        assert_eq!(kept(&edits, message), "X-Other: b\r\n\r\nbody\r\n.\r\n");
    }

    /// A dot at the start of any line is deleted by the next hop, so that a client could hide a field behind one: its name, the
    /// folded line with the id, or a continuation that stayed and became one of the field before.
    #[test]
    fn a_dot_hides_nothing() {
        let mut edits = Edits::default();
        edits.add("Authentication-Results", b"mx.example.org; spf=fail");
        edits.remove("X-Spam-*");
        let message = b".Authentication-Results: mx.example.org; dkim=pass\r\nA: 1\r\n.\t2\r\n..B: 3\r\n\
              Authentication-Results:\r\n.\tmx.example.org; dkim=pass\r\n.X-Spam-Flag: NO\r\n\
              x-spam-status: No\r\n.\tscore=0\r\n. more\r\n.C: 4\r\n\r\n.X-Spam-Flag: body\r\n.\r\n";
        let left = "A: 1\r\n.\t2\r\n..B: 3\r\n.C: 4\r\n\r\n.X-Spam-Flag: body\r\n.\r\n";
        assert_eq!(kept(&edits, message), left);
    }

    /// What a message began with, if that was white space, was read by the next hop as the end of our last line.
    #[test]
    fn nobody_continues_our_lines() {
        let mut edits = Edits::default();
        for removes in [false, true] {
            for top in
                ["\tdkim=pass\r\n", ".\tdkim=pass\r\n", " \r\n. a: b\r\n\tc\r\n", " X-Spam-Flag: NO\r\n"]
            {
                let message = format!("{top}Subject: a\r\n b\r\n\r\n body\r\n.\r\n");
                assert_eq!(
                    kept(&edits, message.as_bytes()),
                    "Subject: a\r\n b\r\n\r\n body\r\n.\r\n",
                    "{top:?}"
                );
                assert_eq!(kept(&edits, format!("{top}.\r\n").as_bytes()), ".\r\n", "{top:?}");
            }
            for untouched in ["\r\n body\r\n.\r\n", ".\r\n", "..\r\n\tx\r\n.\r\n", "A: b\r\n\tc\r\n\r\n.\r\n"]
            {
                assert_eq!(kept(&edits, untouched.as_bytes()), untouched);
            }
            if !removes {
                edits.remove("X-Spam-*");
            }
        }
    }

    /// In whatever pieces it was read.
    #[test]
    fn a_continuation_in_two_pieces() {
        let mut wire = Wire::default();
        wire.keep(b".".to_vec(), 0..1);
        wire.keep(b"\tx\r\nA: b\r\n\r\n.\r\n".to_vec(), 0..15);
        let chunks = Edits::default().kept(&wire).into_owned();
        let left: Vec<u8> =
            chunks.iter().flat_map(|(buffer, range)| buffer[range.clone()].to_vec()).collect();
        assert_eq!(left, b"A: b\r\n\r\n.\r\n");
    }
}
