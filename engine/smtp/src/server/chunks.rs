//! The message in chunks (RFC 3030): what BDAT announces is read to its end, whatever becomes of it, so that no byte of a
//! message is ever taken for a command.
//!
//! ```text
//!  BDAT --no transaction, or refused--> Swallowing --all read--> 4xx, 5xx
//!   |                                      ^
//!   |first: Judging(Data)                  | fault (Need::Spoiled)
//!   +------------------------> Chunk ------+--all read--> 250, or Judging(Message) after LAST
//! ```

use super::{LineBreaks, Need, Server, State, Transaction, replies};
use crate::body::Scanner;
use crate::extension::Extension;
use crate::input::Input;
use crate::reply::Reply;
use crate::stage::Stage;
use crate::stuffer::Stuffer;

/// The chunk that was announced last, and how the message stands.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// What the client offered to send with BDAT and was not yet let.
    announced: bool,
    /// Bytes of it that are still to come; with DATA, so many of the message that still may come.
    pub(super) left_bytes: u64,
    is_last: bool,
    stuffer: Stuffer,
    /// What is said once a refused chunk was read over.
    refusal: Option<Box<Reply<'static>>>,
}

impl Server {
    pub(super) fn bdat(&mut self, bytes: u64, is_last: bool) {
        if bytes > self.read_over_bytes_max() {
            return self.close(&replies::CHUNK_TOO_LARGE);
        }
        self.chunks.left_bytes = bytes;
        self.chunks.is_last = is_last;
        match self.transaction {
            Transaction::Stranger => self.swallow(replies::HELLO_FIRST),
            Transaction::Idle => self.swallow(replies::MAIL_FIRST),
            Transaction::HasSender => self.swallow(replies::NO_RECIPIENTS_YET),
            Transaction::HasRecipients => {
                self.chunks.announced = true;
                self.state = State::Judging(Stage::Data);
            }
            Transaction::InChunks => {
                // A chunk without content brings no message nearer.
                let ended = bytes == 0 && !is_last && self.count_idle();
                if !ended {
                    self.state = State::Chunk;
                }
            }
        }
    }

    /// Whether a line that is refused announces a chunk, by its first word: one without a size, with a byte that no line may have, or
    /// too long.
    pub(super) fn announces_chunk(&self, line: &[u8]) -> bool {
        let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        self.offered.has(Extension::Chunking) && word.eq_ignore_ascii_case(b"BDAT")
    }

    /// Reads over a chunk that is not taken whatever stands in it, and says this.
    pub(super) fn refuse_bdat(&mut self, bytes: u64, is_last: bool, refusal: Reply<'static>) {
        self.chunks.left_bytes = bytes;
        self.chunks.is_last = is_last;
        self.swallow(refusal);
    }

    /// Whether the verdict on DATA is one on a chunk. Then its content begins at once; no 354 is said.
    pub(super) fn start_chunk(&mut self) -> bool {
        if !std::mem::take(&mut self.chunks.announced) {
            return false;
        }
        self.scanner = Scanner::new(self.config.limits.body);
        self.chunks.stuffer.restart();
        self.transaction = Transaction::InChunks;
        self.state = State::Chunk;
        true
    }

    /// Whether a refusal of DATA was one of a chunk, which is read over before it is said (RFC 3030, 2).
    pub(super) fn refuse_chunk(&mut self, refusal: &Reply<'_>) -> bool {
        if !std::mem::take(&mut self.chunks.announced) {
            return false;
        }
        let text = refusal.text.clone().into_owned().into();
        self.swallow(Reply { text, ..*refusal });
        true
    }

    fn swallow(&mut self, refusal: Reply<'static>) {
        self.chunks.refusal = Some(Box::new(refusal));
        self.state = State::Swallowing;
    }

    /// Reads over the rest of a chunk, then refuses it.
    pub(super) fn swallow_chunk(&mut self, input: &mut Input) -> Option<Need> {
        let ready_bytes = self.ready_bytes(input);
        input.consume(ready_bytes);
        self.chunks.left_bytes -= ready_bytes as u64;
        if self.chunks.left_bytes > 0 {
            return Some(Need::Bytes);
        }
        self.state = State::Commands;
        if self.transaction == Transaction::InChunks {
            self.end_transaction();
        }
        if let Some(refusal) = self.chunks.refusal.take() {
            self.say(&refusal);
        }
        None
    }

    /// Hands out the next stretch of a chunk in wire form, the last with the end of the message.
    pub(super) fn read_chunk(&mut self, input: &mut Input) -> Option<Need> {
        let raw_bytes = self.ready_bytes(input);
        if raw_bytes == 0 && self.chunks.left_bytes > 0 {
            return Some(Need::Bytes);
        }
        self.chunks.left_bytes -= raw_bytes as u64;
        let wire_bytes = self.stuff(input, raw_bytes);
        let ends = self.chunks.left_bytes == 0;
        let scanned = self.scanner.scan(input.unread().get(..wire_bytes).unwrap_or_default());
        assert_eq!(
            scanned.bytes, wire_bytes,
            "only the last chunk ends a message, with what was put behind it"
        );
        let range = input.consume(wire_bytes);
        if let Some(fault) = self.scanner.fault() {
            self.swallow(replies::body_fault(fault));
            return Some(Need::Spoiled(fault));
        }
        if ends && self.chunks.is_last {
            self.state = State::Judging(Stage::Message);
        } else if ends {
            self.state = State::Commands;
            self.say(&replies::CHUNK_OK);
        }
        (!range.is_empty()).then_some(Need::Body(range))
    }

    /// Bytes of the chunk that are there.
    fn ready_bytes(&self, input: &Input) -> usize {
        let left = usize::try_from(self.chunks.left_bytes).unwrap_or(usize::MAX);
        left.min(input.unread().len())
    }

    /// Puts the first raw bytes of the input into wire form, and the end of the message behind its last; how many it makes.
    fn stuff(&mut self, input: &mut Input, raw_bytes: usize) -> usize {
        let whole_lines = self.config.line_breaks == LineBreaks::Normalise;
        let Chunks { stuffer, left_bytes, is_last, .. } = &mut self.chunks;
        let raw = input.unread().get(..raw_bytes).unwrap_or_default();
        let stuffed = if whole_lines { stuffer.stuff_whole_lines(raw) } else { stuffer.stuff(raw) };
        let wire_bytes = stuffed.map_or(raw_bytes, <[u8]>::len);
        if let Some(stuffed) = stuffed {
            input.replace(raw_bytes, stuffed);
        }
        if *left_bytes > 0 || !*is_last {
            return wire_bytes;
        }
        let end = stuffer.end(whole_lines);
        input.insert(wire_bytes, end);
        wire_bytes + end.len()
    }
}
