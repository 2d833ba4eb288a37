//! What each generated message carries, so that its arrival can be proven: whose it is, which it is, and what it must
//! look like.
//!
//! ```text
//! X-Weir-Bench: run=0123456789abcdef serial=0000000042 envelope=0123456789abcdef body=0123456789abcdef
//! ```

use memchr::memmem;
use weir_smtp::{Envelope, Mailbox};

/// The header field, with its colon.
const FIELD: &[u8] = b"X-Weir-Bench:";
/// Longest mark that is read, in bytes.
const MARK_BYTES_MAX: usize = 200;

/// A message's mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Made anew by each run of a source.
    pub(crate) run: u64,
    /// From 0 on, without gaps.
    pub(crate) serial: u64,
    /// Digest of sender and recipients.
    pub(crate) envelope: u64,
    /// Digest of all behind the header and its empty line, without dot-stuffing.
    pub(crate) body: u64,
}

impl Mark {
    /// Appends the header line.
    pub(crate) fn print(&self, output: &mut Vec<u8>) {
        let Self { run, serial, envelope, body } = self;
        output.extend_from_slice(FIELD);
        output.extend_from_slice(b" run=");
        push_hex(*run, output);
        output.extend_from_slice(b" serial=");
        push_decimal(*serial, output);
        output.extend_from_slice(b" envelope=");
        push_hex(*envelope, output);
        output.extend_from_slice(b" body=");
        push_hex(*body, output);
        output.extend_from_slice(b"\r\n");
    }

    /// The first mark in a header.
    pub(crate) fn parse(header: &[u8]) -> Option<Self> {
        let is_start = |at: &usize| at.checked_sub(1).is_none_or(|before| header.get(before) == Some(&b'\n'));
        let start = memmem::find_iter(header, FIELD).find(is_start)? + FIELD.len();
        let rest = header.get(start..)?;
        let line = rest.get(..memchr::memchr(b'\r', rest).unwrap_or(rest.len()))?;
        if line.len() > MARK_BYTES_MAX {
            return None;
        }
        let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
        let mut word = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        Some(Self {
            run: hex(word("run")?)?,
            serial: word("serial")?.parse().ok()?,
            envelope: hex(word("envelope")?)?,
            body: hex(word("body")?)?,
        })
    }
}

/// The two digits of each byte: formatting machinery costs more than the rest of a message's head.
#[allow(clippy::indexing_slicing, reason = "in a constant, an index that is out of bounds does not compile")]
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
};

/// Appends 16 digits.
pub(crate) fn push_hex(number: u64, output: &mut Vec<u8>) {
    let digits = number.to_be_bytes().map(|byte| HEX.get(usize::from(byte)).copied().unwrap_or_default());
    output.extend_from_slice(digits.as_flattened());
}

/// Appends at least 10 digits.
pub(crate) fn push_decimal(number: u64, output: &mut Vec<u8>) {
    // The largest number has 20.
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut first = 20;
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        if rest == 0 {
            break;
        }
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        first = at;
    }
    output.extend_from_slice(digits.get(first.min(10)..).unwrap_or_default());
}

/// The header of a message with its last line end, and what follows the empty line.
pub(crate) fn split(message: &[u8]) -> (&[u8], &[u8]) {
    match memmem::find(message, b"\r\n\r\n") {
        Some(at) => (message.split_at(at + 2).0, message.split_at(at + 4).1),
        None => (message, b""),
    }
}

/// A digest of bytes. Each step can be undone, so a change within one word of 8 bytes is always seen, and any other with
/// all but one chance in 2^64. It is no defence against somebody who wants to deceive.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |state: u64, word: u64| {
        let mixed = (state ^ word).wrapping_mul(ODD);
        mixed ^ (mixed >> 29)
    };
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    // Four independent chains, so that the processor need not wait for one multiplication before the next.
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut lanes = [bytes.len() as u64, 1, 2, 3];
    for block in blocks {
        for (lane, bytes) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane = mix(*lane, word(bytes));
        }
    }
    let state = lanes.into_iter().fold(ODD, mix);
    let (words, rest) = rest.as_chunks::<8>();
    let state = words.iter().map(word).fold(state, mix);
    let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    mix(mix(state, rest), ODD)
}

/// A digest of who sent it and who gets it; the order of recipients does not matter.
pub(crate) fn envelope_digest(envelope: &Envelope) -> u64 {
    let of = |mailbox: Mailbox<'_>| {
        let domain = mailbox.domain().map_or(0, |domain| digest(domain.as_bytes()));
        digest(mailbox.local().as_bytes()).rotate_left(17) ^ domain
    };
    let recipients = envelope.recipients().fold(0, |sum: u64, mailbox| sum.wrapping_add(of(mailbox)));
    envelope.sender().mailbox().map_or(0, of).rotate_left(32) ^ recipients
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_smtp::Path;

    #[test]
    fn numbers_are_printed_in_full() {
        let printed = |serial| {
            let mut output = Vec::new();
            Mark { run: 0xfed_cba9, serial, envelope: 0, body: u64::MAX }.print(&mut output);
            String::from_utf8(output).unwrap()
        };
        let line = "X-Weir-Bench: run=000000000fedcba9 serial=0000000042 envelope=0000000000000000 body=ffffffffffffffff\r\n";
        assert_eq!(printed(42), line);
        assert_eq!(printed(u64::MAX), line.replace("0000000042", "18446744073709551615"));
        assert_eq!(printed(12_345_678_901), line.replace("0000000042", "12345678901"));
    }

    #[test]
    fn a_mark_is_read_behind_what_relays_put_in_front() {
        let mark = Mark { run: 7, serial: 42, envelope: u64::MAX, body: 0xab };
        let mut header = b"Received: x\r\n\tX-Weir-Bench: run=1\r\n".to_vec();
        mark.print(&mut header);
        header.extend_from_slice(b"Subject: y\r\n");
        assert_eq!(Mark::parse(&header), Some(mark));
        assert_eq!(Mark::parse(b"Subject: y\r\n"), None);
        assert_eq!(Mark::parse(b"X-Weir-Bench: run=1 serial=x"), None);
    }

    #[test]
    fn any_changed_byte_changes_the_digest() {
        let text: Vec<u8> = (0..100).collect();
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 0x20;
            assert_ne!(digest(&changed), digest(&text), "{at}");
            assert_ne!(digest(&text[..at]), digest(&text), "{at}");
        }
    }

    #[test]
    fn an_envelope_is_its_addresses() {
        let envelope = |sender: &str, recipients: &[&str]| {
            let mut envelope = Envelope::new();
            envelope.set_sender(Path::Mailbox(Mailbox::parse(sender).unwrap()));
            for text in recipients {
                envelope.push_recipient(Mailbox::parse(text).unwrap());
            }
            envelope_digest(&envelope)
        };
        let one = envelope("a@example.org", &["b@example.org", "c@example.org"]);
        assert_eq!(one, envelope("a@example.org", &["c@example.org", "b@example.org"]));
        assert_ne!(one, envelope("a@example.org", &["b@example.org"]));
        assert_ne!(one, envelope("x@example.org", &["b@example.org", "c@example.org"]));
    }

    #[test]
    fn a_message_without_a_body_has_an_empty_one() {
        assert_eq!(split(b"A: b\r\n\r\nc\r\n"), (b"A: b\r\n".as_slice(), b"c\r\n".as_slice()));
        assert_eq!(split(b"A: b\r\n"), (b"A: b\r\n".as_slice(), b"".as_slice()));
    }
}
