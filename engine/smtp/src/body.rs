//! The data scanner: finds the end of a message in wire form and judges its lines on the way, at memory speed.
//!
//! ```text
//!   chunk -> Scanner::scan -> how much of it is message, whether it ended, and the first fault of the message so far
//! ```
//!
//! Only CRLF.CRLF ends a message. Every look-alike (LF.LF, LF.CRLF, CRLF.LF, CR.CR, CRLF.CR, ...) contains a bare CR or a bare
//! LF, which is a fault, and is read over. What is found does not depend on how the stream was cut into chunks.

use std::borrow::Cow;

use memchr::{memchr3, memmem, memrchr};

/// Longest line of text without its CRLF (RFC 5321, 4.5.3.1.6). The dot of dot-stuffing does not count.
pub const TEXT_LINE_BYTES_MAX: u64 = 998;

/// Limits of one message, counted without dot-stuffing and without the final dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// Most bytes in the message.
    pub message_bytes_max: u64,
    /// Most bytes before the first empty line.
    pub header_bytes_max: u64,
    /// Longest line without CRLF.
    pub line_bytes_max: u64,
}

/// Why a message is refused, whatever the rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyFault {
    /// A CR that no LF follows.
    BareCr,
    /// An LF that follows no CR.
    BareLf,
    /// A NUL.
    Nul,
    /// A line over the limit.
    LineTooLong,
    /// A header block over the limit.
    HeaderTooLarge,
    /// A message over the limit.
    TooLarge,
}

impl BodyFault {
    /// A word for logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BareCr => "bare_cr",
            Self::BareLf => "bare_lf",
            Self::Nul => "nul",
            Self::LineTooLong => "line_too_long",
            Self::HeaderTooLarge => "header_too_large",
            Self::TooLarge => "message_too_large",
        }
    }
}

/// What one chunk held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned {
    /// So many bytes of the chunk belong to the message; all of them unless it ended.
    pub bytes: usize,
    /// Whether the message ended, with these bytes.
    pub is_end: bool,
}

/// The state of a message that arrives in chunks.
#[derive(Debug, Clone)]
pub struct Scanner {
    limits: BodyLimits,
    /// Bytes of the current line so far, its first dot included.
    column: u64,
    /// Whether the current line starts with a dot. Meaningful once `column > 0`.
    dotted: bool,
    /// Whether the last chunk ended with a CR.
    after_cr: bool,
    in_header: bool,
    /// Bytes of the lines before the current one, without stuffed dots.
    lines_bytes: u64,
    /// Text that the current line may have before it is too long, or makes the message too large.
    line_room: u64,
    fault: Option<BodyFault>,
}

impl Scanner {
    /// A scanner for the bytes that follow the reply to DATA, which is the start of a line.
    pub fn new(limits: BodyLimits) -> Self {
        let mut scanner = Self {
            limits,
            column: 0,
            dotted: false,
            after_cr: false,
            in_header: true,
            lines_bytes: 0,
            line_room: 0,
            fault: None,
        };
        scanner.line_room = scanner.room();
        scanner
    }

    /// The first fault of the message so far.
    pub const fn fault(&self) -> Option<BodyFault> {
        self.fault
    }

    /// Size of the whole lines so far, without dot-stuffing.
    pub const fn message_bytes(&self) -> u64 {
        self.lines_bytes
    }

    /// Looks at the next chunk.
    pub fn scan(&mut self, chunk: &[u8]) -> Scanned {
        let mut rest = chunk;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            if let Some(next) = rest.strip_prefix(b"\n") {
                rest = next;
                if self.end_line() {
                    return Scanned { bytes: 1, is_end: true };
                }
            } else {
                self.found(BodyFault::BareCr);
            }
        }
        let is_end = self.scan_lines(&mut rest);
        Scanned { bytes: chunk.len() - rest.len(), is_end }
    }

    /// Consumes `rest`; true at the end of the message. Most lines are plain and are read over many at a time; the others one by
    /// one, with one search for each: nothing but CR, LF and NUL matters.
    fn scan_lines(&mut self, rest: &mut &[u8]) -> bool {
        // Where the last look at many lines failed: no other before the lines there were read one by one.
        let mut tried = usize::MAX;
        loop {
            if self.column == 0 {
                if rest.len() >= BLOCK_BYTES && rest.len() < tried {
                    tried = self.skip_plain(rest);
                }
                self.dotted = rest.first() == Some(&b'.');
            }
            let Some(found) = memchr3(b'\r', b'\n', 0, rest) else {
                self.column += rest.len() as u64;
                self.measure();
                *rest = &[];
                return false;
            };
            self.column += found as u64;
            let tail = rest.split_at(found).1;
            if let [b'\r', b'\n', after @ ..] = tail {
                *rest = after;
                if self.end_line() {
                    return true;
                }
                continue;
            }
            *rest = tail.split_at(1).1;
            match tail {
                [b'\r'] => {
                    self.after_cr = true;
                    self.measure();
                    return false;
                }
                [b'\r', ..] => self.found(BodyFault::BareCr),
                [b'\n', ..] => self.found(BodyFault::BareLf),
                _ => self.found(BodyFault::Nul),
            }
        }
    }

    /// Reads over the plain lines at the start of `rest`, which begins a line. Returns how long `rest` must be at most for the next
    /// look to be worth it.
    fn skip_plain(&mut self, rest: &mut &[u8]) -> usize {
        // No line of a plain block has more than two blocks.
        if self.line_room < 2 * BLOCK_BYTES as u64 {
            return 0;
        }
        let before = rest.len();
        let in_header = self.in_header;
        let plain_bytes = pulp::Arch::new().dispatch(|| plain_bytes(rest, in_header));
        // The last line goes on in the next block.
        let plain = rest.get(..plain_bytes).unwrap_or_default();
        let lines_bytes = memrchr(b'\n', plain).map_or(0, |last| last + 1);
        let total = self.lines_bytes + lines_bytes as u64;
        let header_ends = self.in_header && total > self.limits.header_bytes_max;
        if total <= self.limits.message_bytes_max && !header_ends {
            self.lines_bytes = total;
            self.line_room = self.room();
            *rest = rest.get(lines_bytes..).unwrap_or_default();
        }
        (before - plain_bytes).saturating_sub(BLOCK_BYTES)
    }

    /// A CRLF was read. True if the line was a lone dot.
    #[inline]
    fn end_line(&mut self) -> bool {
        if self.dotted && self.column == 1 {
            return true;
        }
        self.measure();
        self.lines_bytes += self.text_bytes() + 2;
        if self.lines_bytes > self.limits.message_bytes_max {
            self.fault.get_or_insert(BodyFault::TooLarge);
        }
        if self.in_header && self.lines_bytes > self.limits.header_bytes_max {
            self.fault.get_or_insert(BodyFault::HeaderTooLarge);
        }
        self.in_header &= self.column > 0;
        self.column = 0;
        self.line_room = self.room();
        false
    }

    /// A byte that no message may have was read. Limits that were passed before it come first.
    #[cold]
    fn found(&mut self, fault: BodyFault) {
        self.measure();
        self.fault.get_or_insert(fault);
        self.column += 1;
    }

    /// Bytes of the current line without its stuffed dot.
    const fn text_bytes(&self) -> u64 {
        if self.dotted { self.column.saturating_sub(1) } else { self.column }
    }

    /// Notes a limit that the current line passes, without its CRLF.
    #[inline]
    fn measure(&mut self) {
        if self.text_bytes() > self.line_room && self.fault.is_none() {
            self.fault = Some(self.passed());
        }
    }

    /// The limit with the least room is the one that was passed first.
    #[cold]
    fn passed(&self) -> BodyFault {
        if self.line_room < self.limits.line_bytes_max { BodyFault::TooLarge } else { BodyFault::LineTooLong }
    }

    /// How much text the next line may have.
    #[inline]
    fn room(&self) -> u64 {
        self.limits.message_bytes_max.saturating_sub(self.lines_bytes).min(self.limits.line_bytes_max)
    }
}

/// How much is looked at together, in bytes. Longer lines than this make a block that is none of many.
const BLOCK_BYTES: usize = 256;

/// How many whole blocks of `lines`, which begin a line, are plain: they have ends of lines, each a CRLF, no NUL, and no line that
/// starts with a dot or, in the header, is empty.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "it must become part of the loop that is compiled for each width of vectors"
)]
fn plain_bytes(lines: &[u8], in_header: bool) -> usize {
    let careful = if in_header { b'\r' } else { b'.' };
    // Each block is seen with the byte before it; the first byte has the end of a line before it.
    let first = lines.first().copied().unwrap_or_default();
    if first == 0 || first == b'\n' || first == b'.' || first == careful {
        return 0;
    }
    let (blocks, _) = lines.get(1..).unwrap_or_default().as_chunks::<BLOCK_BYTES>();
    let (previous, _) = lines.as_chunks::<BLOCK_BYTES>();
    let plain =
        blocks.iter().zip(previous).take_while(|(block, previous)| is_plain(previous, block, careful));
    plain.count() * BLOCK_BYTES
}

/// Written without branches, so that the compiler makes it a loop over vectors.
#[inline(always)]
#[allow(clippy::inline_always, reason = "as above")]
fn is_plain(previous: &[u8; BLOCK_BYTES], block: &[u8; BLOCK_BYTES], careful: u8) -> bool {
    let (mut found, mut ends) = (0_u8, 0_u8);
    for (&before, &byte) in previous.iter().zip(block) {
        let is_end = byte == b'\n';
        let starts = before == b'\n';
        found |= u8::from(is_end != (before == b'\r'))
            | u8::from(byte == 0)
            | (u8::from(starts) & (u8::from(byte == b'.') | u8::from(byte == careful)));
        ends |= u8::from(is_end);
    }
    found == 0 && ends != 0
}

/// Puts a message of CRLF lines into wire form: dots doubled at the start of lines, CRLF.CRLF at the end. A last line without CRLF gets one.
pub fn stuff(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + message.len() / 64 + 5);
    if message.starts_with(b".") {
        wire.push(b'.');
    }
    let mut copied = 0;
    for at in memmem::find_iter(message, b"\r\n.") {
        wire.extend_from_slice(message.get(copied..at + 2).unwrap_or_default());
        wire.push(b'.');
        copied = at + 2;
    }
    wire.extend_from_slice(message.get(copied..).unwrap_or_default());
    if !wire.is_empty() && !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// The message inside a whole wire form: without the final dot and its line end, and without stuffed dots. Borrows where there are none.
pub fn unstuff(wire: &[u8]) -> Cow<'_, [u8]> {
    let lines = wire.strip_suffix(b".\r\n").unwrap_or(wire);
    let first = lines.strip_prefix(b".").unwrap_or(lines);
    let mut dots = memmem::find_iter(first, b"\r\n.").peekable();
    if dots.peek().is_none() {
        return Cow::Borrowed(first);
    }
    let mut message = Vec::with_capacity(first.len());
    let mut copied = 0;
    for at in dots {
        message.extend_from_slice(first.get(copied..at + 2).unwrap_or_default());
        copied = at + 3;
    }
    message.extend_from_slice(first.get(copied..).unwrap_or_default());
    Cow::Owned(message)
}
