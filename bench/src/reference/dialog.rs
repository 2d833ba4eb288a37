//! The protocol of the reference servers: bytes in, replies out, no I/O. It knows what a sink needs and no more.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

/// What the server says first.
pub(super) const GREETING: &[u8] = b"220 reference.example.org ESMTP\r\n";
/// Longest command line, in bytes (RFC 5321, 4.5.3.1.4, with room for extensions).
const LINE_BYTES_MAX: usize = 2048;
/// The end of a message; its first CRLF belongs to the message or, if that is empty, to DATA.
const END: &[u8] = b"\r\n.\r\n";
/// The length of a CRLF: how much of [`END`] the line of DATA has brought already.
const AT_LINE_START: usize = 2;

static FIND_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(END));

/// ```text
///         MAIL           RCPT             DATA              END
/// Idle ---------> Sender -----> Recipient -----> Message ---------> Idle
///   QUIT, or a line too long, in any state but Message: Over
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Sender,
    Recipient,
    /// So many bytes of [`END`] were the last that came.
    Message(usize),
    Over,
}

/// One client's session.
pub(super) struct Dialog {
    state: State,
    /// The beginning of a command line whose end has not come.
    line: Vec<u8>,
}

impl Dialog {
    pub(super) const fn new() -> Self {
        Self { state: State::Idle, line: Vec::new() }
    }

    /// Takes what came and appends the replies; how many messages ended in it.
    pub(super) fn feed(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> u64 {
        let mut messages = 0;
        while !input.is_empty() && self.state != State::Over {
            if let State::Message(matched) = self.state {
                let (rest, matched) = skip_message(input, matched);
                input = rest;
                self.state = State::Message(matched);
                if matched == END.len() {
                    self.state = State::Idle;
                    messages += 1;
                    output.extend_from_slice(b"250 2.0.0 Ok\r\n");
                }
            } else {
                input = self.command(input, output);
            }
        }
        messages
    }

    /// Whether the connection is to be closed when the replies are out.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Takes one line, or its beginning; what is left.
    fn command<'a>(&mut self, input: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
        let (head, rest) = input.split_at(memchr(b'\n', input).map_or(input.len(), |at| at + 1));
        if self.line.len() + head.len() > LINE_BYTES_MAX {
            output.extend_from_slice(b"500 5.5.2 Line too long\r\n");
            self.state = State::Over;
        } else if !head.ends_with(b"\n") {
            self.line.extend_from_slice(head);
        } else if self.line.is_empty() {
            output.extend_from_slice(self.answer(head));
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(head);
            output.extend_from_slice(self.answer(&line));
        }
        rest
    }

    fn answer(&mut self, line: &[u8]) -> &'static [u8] {
        let mut verb = [0; 4];
        for (upper, byte) in verb.iter_mut().zip(line) {
            *upper = byte.to_ascii_uppercase();
        }
        let (state, reply): (State, &[u8]) = match (&verb, self.state) {
            (b"EHLO", _) => (
                State::Idle,
                b"250-reference.example.org\r\n250-PIPELINING\r\n250-SIZE 67108864\r\n250 8BITMIME\r\n",
            ),
            (b"HELO", _) => (State::Idle, b"250 reference.example.org\r\n"),
            (b"MAIL", State::Idle) => (State::Sender, b"250 2.1.0 Ok\r\n"),
            (b"RCPT", State::Sender | State::Recipient) => (State::Recipient, b"250 2.1.5 Ok\r\n"),
            (b"DATA", State::Recipient) => (State::Message(AT_LINE_START), b"354 Go on\r\n"),
            (b"RSET", _) => (State::Idle, b"250 2.0.0 Ok\r\n"),
            (b"NOOP", state) => (state, b"250 2.0.0 Ok\r\n"),
            (b"QUIT", _) => (State::Over, b"221 2.0.0 Bye\r\n"),
            (b"MAIL" | b"RCPT" | b"DATA", state) => (state, b"503 5.5.1 Not now\r\n"),
            (_, state) => (state, b"500 5.5.2 What?\r\n"),
        };
        self.state = state;
        reply
    }
}

/// What follows the end of the message, if that is here; and how many bytes of [`END`] have come last.
fn skip_message(mut input: &[u8], mut matched: usize) -> (&[u8], usize) {
    // An end that began in an earlier piece, byte by byte.
    while let (1.., Some((byte, rest))) = (matched, input.split_first()) {
        matched = match END.get(matched) {
            Some(next) if next == byte => matched + 1,
            _ => usize::from(*byte == b'\r'),
        };
        input = rest;
        if matched == END.len() {
            return (input, matched);
        }
    }
    if matched > 0 {
        return (input, matched);
    }
    if let Some(at) = FIND_END.find(input) {
        return (input.get(at + END.len()..).unwrap_or_default(), END.len());
    }
    let is_tail = |length: &usize| END.get(..*length).is_some_and(|head| input.ends_with(head));
    (b"", (1..END.len()).rev().find(is_tail).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The replies' codes, `-` for a line that others follow, and the number of messages.
    fn check(pieces: &[&[u8]], codes: &str, messages: u64) {
        let (mut dialog, mut output, mut count) = (Dialog::new(), Vec::new(), 0);
        for piece in pieces {
            count += dialog.feed(piece, &mut output);
        }
        let text = String::from_utf8(output).unwrap();
        let found: Vec<&str> =
            text.lines().filter(|line| !line[3..].starts_with('-')).map(|l| &l[..3]).collect();
        assert_eq!((found.join(" ").as_str(), count), (codes, messages), "{pieces:?}");
    }

    const SESSION: &[u8] =
        b"ehlo a\r\nMAIL FROM:<>\r\nRCPT TO:<b@c>\r\nDATA\r\nA: b\r\n\r\nx\r\r\n.\r\r\n..\r\n.y\r\n\r\n.\r\n\
                             MAIL FROM:<>\r\nRCPT TO:<b@c>\r\nRCPT TO:<d@c>\r\nDATA\r\n.\r\nNOOP\r\nQUIT\r\n";
    const CODES: &str = "250 250 250 354 250 250 250 250 354 250 250 221";

    #[test]
    fn a_session_is_the_same_however_it_is_split() {
        check(&[SESSION], CODES, 2);
        for at in 0..SESSION.len() {
            check(&[&SESSION[..at], &SESSION[at..]], CODES, 2);
        }
        let bytes: Vec<&[u8]> = SESSION.chunks(1).collect();
        check(&bytes, CODES, 2);
    }

    #[test]
    fn only_a_line_with_one_dot_ends_a_message() {
        let to_data: &[u8] = b"MAIL FROM:<>\r\nRCPT TO:<b@c>\r\nDATA\r\n";
        for text in ["x.\r\n", "\n.\n", "\r\n..\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r\r\n", "\r\n. \r\n"] {
            for at in 0..=text.len() {
                check(&[to_data, &text.as_bytes()[..at], &text.as_bytes()[at..]], "250 250 354", 0);
            }
        }
        check(&[to_data, b"\r\n.\r", b"\r\n.\r\n"], "250 250 354 250", 1);
        check(&[to_data, b"\r", b"\r\n.\r\n"], "250 250 354 250", 1);
    }

    #[test]
    fn an_order_that_mail_does_not_have_is_refused() {
        check(
            &[b"DATA\r\nRCPT TO:<a@b>\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nRSET\r\nRCPT TO:<a@b>\r\nX\r\n\r\n"],
            "503 503 250 503 250 503 500 500",
            0,
        );
    }

    #[test]
    fn a_line_has_a_bound_and_nothing_follows_the_end() {
        check(&[&[b'x'; LINE_BYTES_MAX], b"x", b"NOOP\r\n"], "500", 0);
        check(&[b"QUIT\r\nNOOP\r\n", b"NOOP\r\n"], "221", 0);
    }
}
