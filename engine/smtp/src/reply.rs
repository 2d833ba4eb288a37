//! Replies (RFC 5321, 4.2): how a server prints them, how a client finds their end and reads them.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;

/// Longest reply line, with code and CRLF (RFC 5321, 4.5.3.1.5). Longer texts are printed as several lines.
pub const REPLY_LINE_BYTES_MAX: usize = 512;
/// Longest line that is still read from a server: four times what is allowed.
pub const RECEIVED_LINE_BYTES_MAX: usize = 2048;
/// Most bytes in one reply that is read from a server.
pub const RECEIVED_BYTES_MAX: usize = 16 * 1024;
/// Most lines in one reply that is read from a server.
pub const RECEIVED_LINES_MAX: usize = 128;

// The start of an over-long line is refused before the buffer for a reply is full.
const _: () = assert!(RECEIVED_LINE_BYTES_MAX < RECEIVED_BYTES_MAX);

/// An enhanced status code (RFC 3463): class, subject, detail, as in 5.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Enhanced {
    /// 2, 4 or 5.
    pub class: u8,
    /// 0 to 999.
    pub subject: u16,
    /// 0 to 999.
    pub detail: u16,
}

impl Enhanced {
    /// A code from its three numbers.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }

    /// Reads a code like `5.1.1`; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let [class @ (b'2' | b'4' | b'5'), b'.', rest @ ..] = text.as_bytes() else { return None };
        let (subject, detail) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'.')?)?;
        let (_, detail) = detail.split_first()?;
        Some(Self { class: class - b'0', subject: Self::number(subject)?, detail: Self::number(detail)? })
    }

    fn number(digits: &[u8]) -> Option<u16> {
        let plain = (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        plain.then(|| digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A reply: code, enhanced code, text. Lines of the text are separated by `\n`.
///
/// The text borrows where it can: a standard reply costs no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<'a> {
    /// Three digits, 200 to 599.
    pub code: u16,
    /// Printed in front of each line, if there is one and the peers agreed on it.
    pub enhanced: Option<Enhanced>,
    /// What a human may read.
    pub text: Cow<'a, str>,
}

impl<'a> Reply<'a> {
    /// A reply whose text is borrowed.
    pub const fn new(code: u16, enhanced: Enhanced, text: &'a str) -> Self {
        Self { code, enhanced: Some(enhanced), text: Cow::Borrowed(text) }
    }

    /// A reply without an enhanced code: greetings, EHLO and 3xx have none (RFC 2034, 4).
    pub const fn plain(code: u16, text: &'a str) -> Self {
        Self { code, enhanced: None, text: Cow::Borrowed(text) }
    }

    /// Whether the command was done (2xx).
    pub const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Appends the reply as it goes over the wire, with its enhanced code.
    pub fn print(&self, output: &mut Vec<u8>) {
        self.print_with(self.enhanced, output);
    }

    /// Appends the reply without its enhanced code, for a listener that does not offer them.
    pub fn print_bare(&self, output: &mut Vec<u8>) {
        self.print_with(None, output);
    }

    fn print_with(&self, enhanced: Option<Enhanced>, output: &mut Vec<u8>) {
        // Most replies are one short line.
        if self.text.len() <= TEXT_BYTES_MAX && memchr(b'\n', self.text.as_bytes()).is_none() {
            return self.print_line(b' ', enhanced, &self.text, output);
        }
        let mut lines = self.text.split('\n').flat_map(pieces).peekable();
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { b'-' } else { b' ' };
            self.print_line(separator, enhanced, line, output);
        }
    }

    fn print_line(&self, separator: u8, enhanced: Option<Enhanced>, line: &str, output: &mut Vec<u8>) {
        push_number(self.code, output);
        output.push(separator);
        if let Some(Enhanced { class, subject, detail }) = enhanced {
            push_number(class.into(), output);
            output.push(b'.');
            push_number(subject, output);
            output.push(b'.');
            push_number(detail, output);
            output.push(b' ');
        }
        let from = output.len();
        output.extend_from_slice(line.as_bytes());
        for byte in output.get_mut(from..).unwrap_or_default() {
            *byte = printable(*byte);
        }
        output.extend_from_slice(b"\r\n");
    }

    /// Reads one whole reply, as [`ReplyScanner`] delimits it. The enhanced code is taken off where every line has it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ReplyFault> {
        let end = ReplyScanner::default().scan(bytes)?.ok_or(ReplyFault::Unfinished)?;
        let (enhanced, text) = match String::from_utf8_lossy(bytes.get(..end.bytes).unwrap_or_default()) {
            Cow::Borrowed(lines) => read_lines(end.code, lines),
            Cow::Owned(lines) => {
                let (enhanced, text) = read_lines(end.code, &lines);
                (enhanced, Cow::Owned(text.into_owned()))
            }
        };
        Ok(Self { code: end.code, enhanced, text })
    }
}

/// The enhanced code and the text of a whole reply; what is one line is borrowed.
fn read_lines(code: u16, reply: &str) -> (Option<Enhanced>, Cow<'_, str>) {
    let fits = |enhanced: &Enhanced| u16::from(enhanced.class) == code / 100;
    if memchr(b'\n', reply.as_bytes()) == Some(reply.len() - 1) {
        let line = reply.get(4..reply.len() - 2).unwrap_or_default();
        return match split_enhanced(line) {
            (Some(enhanced), rest) if fits(&enhanced) => (Some(enhanced), Cow::Borrowed(rest)),
            _ => (None, Cow::Borrowed(line)),
        };
    }
    let lines = || reply.split_terminator("\r\n").map(|line| line.get(4..).unwrap_or_default());
    let whole = lines().next().and_then(|line| split_enhanced(line).0).filter(fits);
    let whole = whole.filter(|_| lines().all(|line| split_enhanced(line).0 == whole));
    let texts = lines().map(|line| if whole.is_some() { split_enhanced(line).1 } else { line });
    (whole, Cow::Owned(texts.collect::<Vec<_>>().join("\n")))
}

/// The code of a reply that was delimited before; 0 if it is none.
pub fn code_of(reply: &[u8]) -> u16 {
    split_line(reply.get(..3).unwrap_or_default()).map_or(0, |(code, _)| code)
}

/// The enhanced code in front of a line, and the rest of it.
fn split_enhanced(line: &str) -> (Option<Enhanced>, &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match Enhanced::parse(word) {
        Some(enhanced) => (Some(enhanced), rest),
        None => (None, line),
    }
}

/// Room for code, separator, the longest enhanced code and CRLF in each line.
const TEXT_BYTES_MAX: usize = REPLY_LINE_BYTES_MAX - "250 5.999.999 \r\n".len();

/// Cuts a line of text into pieces that fit a reply line. An empty line is one empty piece.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, after) = text.split_at_checked(text.floor_char_boundary(TEXT_BYTES_MAX))?;
        rest = (!after.is_empty()).then_some(after);
        Some(piece)
    })
}

/// Reply text is printable ASCII (RFC 5321, 4.2); anything else must not reach the wire, least of all a line break.
const fn printable(byte: u8) -> u8 {
    match byte {
        b'\t' | b' '..=b'~' => byte,
        0x80.. => b'?',
        _ => b' ',
    }
}

/// Appends a number below 1000 without formatting machinery: every reply passes here.
fn push_number(number: u16, output: &mut Vec<u8>) {
    let digit = |value: u16| b'0' + u8::try_from(value % 10).unwrap_or_default();
    if number >= 100 {
        output.push(digit(number / 100));
    }
    if number >= 10 {
        output.push(digit(number / 10));
    }
    output.push(digit(number));
}

/// Why bytes from a server are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyFault {
    /// A line does not start with three digits between 200 and 599 and a space, a hyphen or its end.
    Code,
    /// The lines of one reply have different codes.
    CodesDiffer,
    /// A line, the number of lines or the whole is longer than any server has reason to send.
    TooLong,
    /// A line break other than CRLF, or a NUL.
    IllegalByte,
    /// The bytes end before the reply does.
    Unfinished,
}

impl fmt::Display for ReplyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "reply without a valid code",
            Self::CodesDiffer => "reply whose lines have different codes",
            Self::TooLong => "reply that is too long",
            Self::IllegalByte => "reply with a bare line break or a NUL",
            Self::Unfinished => "reply that is cut off",
        })
    }
}

impl std::error::Error for ReplyFault {}

/// Where a reply ends and what its code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyEnd {
    /// The code of all its lines.
    pub code: u16,
    /// Its length, with the last CRLF.
    pub bytes: usize,
}

/// Finds the end of a reply in a growing buffer. Each line is looked at once, however small the reads.
#[derive(Debug, Default)]
pub struct ReplyScanner {
    /// Bytes of whole lines already looked at.
    lines_bytes: usize,
    lines: usize,
    /// The code of the lines so far, 0 before the first.
    code: u16,
}

impl ReplyScanner {
    /// Looks at a buffer that starts where the reply does and has grown since the last call. `None` until the last line is
    /// there; then the scanner is ready for the next reply.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<ReplyEnd>, ReplyFault> {
        loop {
            let rest = bytes.get(self.lines_bytes..).unwrap_or_default();
            let Some(feed) = memchr(b'\n', rest) else {
                let long = rest.len() >= RECEIVED_LINE_BYTES_MAX || bytes.len() >= RECEIVED_BYTES_MAX;
                return if long { Err(ReplyFault::TooLong) } else { Ok(None) };
            };
            self.lines += 1;
            self.lines_bytes += feed + 1;
            let long = feed >= RECEIVED_LINE_BYTES_MAX || self.lines_bytes > RECEIVED_BYTES_MAX;
            if long || self.lines > RECEIVED_LINES_MAX {
                return Err(ReplyFault::TooLong);
            }
            let line = rest.get(..feed).and_then(|line| line.strip_suffix(b"\r"));
            let (code, last) = split_line(line.ok_or(ReplyFault::IllegalByte)?)?;
            if self.code != 0 && self.code != code {
                return Err(ReplyFault::CodesDiffer);
            }
            self.code = code;
            if last {
                let end = ReplyEnd { code, bytes: self.lines_bytes };
                *self = Self::default();
                return Ok(Some(end));
            }
        }
    }
}

/// The code of a reply line without CRLF, and whether it is the last line.
fn split_line(line: &[u8]) -> Result<(u16, bool), ReplyFault> {
    if memchr::memchr2(b'\r', 0, line).is_some() {
        return Err(ReplyFault::IllegalByte);
    }
    let (digits, rest) = line.split_first_chunk::<3>().ok_or(ReplyFault::Code)?;
    if !matches!(digits, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']) {
        return Err(ReplyFault::Code);
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.first() {
        None | Some(b' ') => Ok((code, true)),
        Some(b'-') => Ok((code, false)),
        Some(_) => Err(ReplyFault::Code),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Enhanced, Reply};

    #[test]
    fn enhanced_codes_have_a_class_and_two_short_numbers() {
        assert_eq!(Enhanced::parse("5.1.10"), Some(Enhanced::new(5, 1, 10)));
        assert_eq!(Enhanced::parse("2.0.999"), Some(Enhanced::new(2, 0, 999)));
        for none in [
            "", "5", "5.", "5.1", "5.1.", "5..1", "5.1.1.", "5.1.1.1", "3.1.1", "55.1.1", "5.1000.1",
            "5.+1.1",
        ] {
            assert_eq!(Enhanced::parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_reply_is_read_with_or_without_its_enhanced_code() {
        let check = |wire: &str, enhanced, text: &str| {
            let reply = Reply::parse(wire.as_bytes()).unwrap();
            assert_eq!((reply.enhanced, &*reply.text), (enhanced, text), "{wire:?}");
            matches!(reply.text, Cow::Borrowed(_))
        };
        let fine = Some(Enhanced::new(2, 0, 0));
        assert!(check("250 2.0.0 Ok: queued\r\n", fine, "Ok: queued"));
        assert!(check("250 2.0.0 Ok\r\n250 2.0.0 of the next\r\n", fine, "Ok"));
        assert!(check("250 5.0.0 Ok\r\n", None, "5.0.0 Ok"));
        assert!(check("250\r\n", None, ""));
        assert!(!check("250-2.0.0 Ok\r\n250 2.0.0 two\r\n", fine, "Ok\ntwo"));
        assert!(!check("250-2.0.0 Ok\r\n250 two\r\n", None, "2.0.0 Ok\ntwo"));
    }
}
