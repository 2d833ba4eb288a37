//! What is sent: generated MIME of chosen sizes, or mail from files. Made once, before the load begins.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use memchr::memmem;
use weir_smtp::body::stuff;

use crate::Result;
use crate::dice::Dice;
use crate::mark::{digest, split};
use crate::value::{Share, size};

/// All letters together, in bytes.
const LETTERS_BYTES_MAX: usize = 1 << 30;
/// Letters from files; more files are an error, so that nobody believes that they were sent.
const LETTERS_MAX: usize = 1 << 20;
/// Different letters for each entry of a distribution.
const VARIANTS: usize = 8;
/// From this size on, a generated letter has an attachment.
const ATTACHMENT_FROM_BYTES: usize = 8 << 10;
/// Smallest generated letter: its header takes about this much.
const GENERATED_BYTES_MIN: usize = 512;

/// A message, without its mark.
pub(super) struct Letter {
    /// In wire form, for DATA.
    pub(super) wire: Content,
    /// As it is, for BDAT; the same memory if no line begins with a dot.
    pub(super) chunk: Content,
    /// Of its body, as [`crate::mark::Mark`] has it.
    pub(super) digest: u64,
    /// Whether it needs 8BITMIME.
    pub(super) is_eight_bit: bool,
}

/// A stretch of bytes.
#[derive(Clone)]
pub(super) struct Content {
    pub(super) bytes: Rc<Vec<u8>>,
    pub(super) range: Range<usize>,
}

impl Content {
    fn whole(bytes: Vec<u8>) -> Self {
        Self { range: 0..bytes.len(), bytes: Rc::new(bytes) }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }
}

impl Letter {
    fn new(text: &[u8]) -> Self {
        let mut text = text.to_vec();
        if !text.ends_with(b"\r\n") {
            text.extend_from_slice(b"\r\n");
        }
        let wire = Content::whole(stuff(&text));
        let digest = digest(split(&text).1);
        let is_eight_bit = !text.is_ascii();
        let chunk = if wire.as_slice().starts_with(&text) {
            Content { bytes: Rc::clone(&wire.bytes), range: 0..text.len() }
        } else {
            Content::whole(text)
        };
        Self { wire, chunk, digest, is_eight_bit }
    }
}

/// One entry of a distribution: sizes from, to, and its share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizes {
    from: usize,
    to: usize,
    share: f64,
}

/// Reads `4KiB`, `1KiB..64KiB`, or entries with shares, which together are 100%: `4KiB:70%,32KiB..1MiB:30%`.
pub(super) fn sizes(text: &str) -> std::result::Result<Vec<Sizes>, String> {
    let mut entries = Vec::new();
    for entry in text.split(',') {
        let (range, share) = entry.split_once(':').unwrap_or((entry, "100%"));
        let (from, to) = range.split_once("..").unwrap_or((range, range));
        let (from, to) = (size(from)?, size(to)?);
        if from > to || from < GENERATED_BYTES_MIN {
            return Err(format!("`{range}`: sizes go upwards, from {GENERATED_BYTES_MIN} bytes on"));
        }
        entries.push(Sizes { from, to, share: share.parse::<Share>()?.fraction() });
    }
    let sum: f64 = entries.iter().map(|entry| entry.share).sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(format!("the shares of `{text}` make {:.1}%, not 100%", sum * 100.0));
    }
    Ok(entries)
}

/// The letters of a run.
pub(super) struct Letters {
    /// Each group is drawn by its share, and a letter in it evenly.
    groups: Vec<(f64, Vec<Letter>)>,
}

impl Letters {
    pub(super) fn generated(sizes: &[Sizes], dice: &mut Dice) -> Result<Self> {
        let total: usize = sizes.iter().map(|entry| entry.to * VARIANTS).sum();
        if total > LETTERS_BYTES_MAX {
            return Err(format!(
                "the letters would take {total} bytes, at most {LETTERS_BYTES_MAX} are kept"
            )
            .into());
        }
        let group = |entry: &Sizes, dice: &mut Dice| {
            let size = |variant| entry.from + (entry.to - entry.from) * variant / (VARIANTS - 1);
            (0..VARIANTS).map(|variant| Letter::new(&generate(size(variant), dice))).collect()
        };
        Ok(Self { groups: sizes.iter().map(|entry| (entry.share, group(entry, dice))).collect() })
    }

    /// All files of a folder, one message each, or the messages of an mbox.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let fault = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut files: Vec<PathBuf> = vec![path.to_owned()];
        if path.is_dir() {
            files = fs::read_dir(path)
                .map_err(fault)?
                .map(|entry| Ok(entry?.path()))
                .collect::<std::io::Result<_>>()?;
            files.retain(|file| file.is_file());
            files.sort();
        }
        let (mut letters, mut bytes) = (Vec::new(), 0);
        for file in &files {
            let text = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            bytes += text.len();
            letters.extend(messages(&with_crlf(&text)).iter().map(|message| Letter::new(message)));
            if bytes > LETTERS_BYTES_MAX || letters.len() > LETTERS_MAX {
                return Err(format!(
                    "{}: more than {LETTERS_BYTES_MAX} bytes or {LETTERS_MAX} messages",
                    path.display()
                )
                .into());
            }
        }
        if letters.is_empty() {
            return Err(format!("{}: no message in it", path.display()).into());
        }
        Ok(Self { groups: vec![(1.0, letters)] })
    }

    /// One of them.
    pub(super) fn draw(&self, dice: &mut Dice) -> &Letter {
        let mut at = if self.groups.len() > 1 { dice.fraction() } else { 0.0 };
        let found = self.groups.iter().find(|(share, _)| {
            at -= share;
            at < 0.0
        });
        // Rounding may leave the very end of the last share uncovered.
        let (_, group) = found.or(self.groups.last()).expect("there is a group");
        group.get(dice.below(group.len())).expect("no group is empty")
    }
}

/// Line ends as mail has them. A lone CR stays what it is: it may be what is to be tested.
fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(text.len() + text.len() / 32);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(rest) => {
                lines.extend_from_slice(rest.strip_suffix(b"\r").unwrap_or(rest));
                lines.extend_from_slice(b"\r\n");
            }
            None => lines.extend_from_slice(line),
        }
    }
    lines
}

/// A file that begins with `From ` is an mbox, whose messages follow such lines after an empty line; `>From ` in them is unquoted
/// (mboxrd). Any other is one message.
fn messages(text: &[u8]) -> Vec<Vec<u8>> {
    if !text.starts_with(b"From ") {
        return vec![text.to_vec()].into_iter().filter(|text| !text.is_empty()).collect();
    }
    let mut starts = vec![0];
    starts.extend(memmem::find_iter(text, b"\r\n\r\nFrom ").map(|at| at + 4));
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let parts = starts.iter().zip(ends).filter_map(|(start, end)| text.get(*start..end));
    parts.map(unquoted).collect()
}

fn unquoted(part: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(part.len());
    for line in part.split_inclusive(|byte| *byte == b'\n').skip(1) {
        let quotes = line.iter().take_while(|byte| **byte == b'>').count();
        let is_quoted = quotes > 0 && line.get(quotes..).is_some_and(|rest| rest.starts_with(b"From "));
        message.extend_from_slice(line.get(usize::from(is_quoted)..).unwrap_or_default());
    }
    message
}

const WORDS: [&str; 24] = [
    "letter",
    "harbour",
    "meeting",
    "invoice",
    "garden",
    "Tuesday",
    "please",
    "answer",
    "before",
    "the",
    "and",
    "of",
    "with",
    "attached",
    "minutes",
    "station",
    "weather",
    "report",
    "thanks",
    "again",
    "next",
    "week",
    "morning",
    "greetings",
];
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A message of about `bytes` bytes: text alone, or text and an attachment.
fn generate(bytes: usize, dice: &mut Dice) -> Vec<u8> {
    let mut text = b"From: \"A. Sender\" <sender@example.org>\r\nTo: <rcpt@example.net>\r\nMIME-Version: 1.0\r\nSubject: ".to_vec();
    line(&mut text, 40, dice);
    if bytes < ATTACHMENT_FROM_BYTES {
        text.extend_from_slice(b"Content-Type: text/plain; charset=us-ascii\r\n\r\n");
        prose(&mut text, bytes, dice);
        return text;
    }
    text.extend_from_slice(b"Content-Type: multipart/mixed; boundary=\"=_weir\"\r\n\r\n--=_weir\r\nContent-Type: text/plain\r\n\r\n");
    prose(&mut text, 2048, dice);
    text.extend_from_slice(
        b"--=_weir\r\nContent-Type: application/octet-stream; name=\"data.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    );
    while text.len() + 90 < bytes {
        text.extend((0..76).map(|_| BASE64.get(dice.below(64)).copied().unwrap_or(b'A')));
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"--=_weir--\r\n");
    text
}

/// Lines until there are about `bytes`.
fn prose(text: &mut Vec<u8>, bytes: usize, dice: &mut Dice) {
    while text.len() < bytes {
        let room = bytes - text.len();
        line(text, room.min(72), dice);
    }
}

/// A line of about `bytes`, its end included.
fn line(text: &mut Vec<u8>, bytes: usize, dice: &mut Dice) {
    let start = text.len();
    loop {
        let word = WORDS.get(dice.below(WORDS.len())).copied().unwrap_or_default();
        if text.len() + word.len() + 3 > start + bytes {
            break;
        }
        text.extend_from_slice(word.as_bytes());
        text.push(b' ');
    }
    text.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_about_the_size_that_was_asked_for() {
        let mut dice = Dice::new(1);
        for bytes in [GENERATED_BYTES_MIN, 4096, 65536, 1 << 20] {
            let letter = generate(bytes, &mut dice);
            assert!(letter.len().abs_diff(bytes) < 100, "{bytes} {}", letter.len());
            assert!(letter.split(|byte| *byte == b'\n').all(|line| line.len() < 998));
        }
    }

    #[test]
    fn distributions_are_read_and_drawn() {
        assert_eq!(sizes("4KiB"), Ok(vec![Sizes { from: 4096, to: 4096, share: 1.0 }]));
        for wrong in ["4KiB:50%", "64KiB..4KiB", "1", "4KiB:70%,8KiB:40%", "x"] {
            assert!(sizes(wrong).is_err(), "{wrong}");
        }
        let mut dice = Dice::new(1);
        let letters = Letters::generated(&sizes("1KiB:90%,16KiB..32KiB:10%").unwrap(), &mut dice).unwrap();
        let large = (0..1000).filter(|_| letters.draw(&mut dice).wire.range.len() > 8192).count();
        assert!((60..140).contains(&large), "{large}");
    }

    #[test]
    fn an_mbox_is_taken_apart() {
        let text = with_crlf(b"From a\nA: b\n\n>From here\n.x\n\nFrom c\nC: d\n\nlast");
        let found = messages(&text);
        assert_eq!(found, [b"A: b\r\n\r\nFrom here\r\n.x\r\n\r\n".to_vec(), b"C: d\r\n\r\nlast".to_vec()]);
        let letter = Letter::new(&found[0]);
        assert_eq!(letter.wire.as_slice(), b"A: b\r\n\r\nFrom here\r\n..x\r\n\r\n.\r\n");
        assert_eq!(letter.chunk.as_slice(), found[0]);
        let plain = Letter::new(&found[1]);
        assert!(Rc::ptr_eq(&plain.wire.bytes, &plain.chunk.bytes), "no dot, so one copy");
        assert_eq!(plain.chunk.as_slice(), b"C: d\r\n\r\nlast\r\n");
        assert_eq!(messages(b"A: b\r\n\r\nFrom x\r\n").len(), 1);
        assert!(messages(b"").is_empty());
    }
}
