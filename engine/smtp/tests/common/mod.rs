//! The notation of dialog files, shared by both runners.

use std::fs;
use std::path::{Path, PathBuf};

/// One line of a dialog file: its mark and its text, escapes resolved.
pub(crate) struct Line {
    /// Where it stands, for messages.
    pub(crate) number: usize,
    /// The letter before the colon.
    pub(crate) mark: char,
    /// The text after it.
    pub(crate) text: Vec<u8>,
}

impl Line {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.text).expect("a line of a dialog that is compared is text")
    }
}

/// Reads a dialog: `mark: text` lines; empty lines and comments are skipped.
pub(crate) fn read(path: &Path) -> Vec<Line> {
    let source = fs::read_to_string(path).unwrap();
    let mut lines = Vec::new();
    for (at, line) in source.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (mark, text) =
            line.split_once(':').unwrap_or_else(|| panic!("{}:{}: no mark", path.display(), at + 1));
        let text = text.strip_prefix(' ').unwrap_or(text);
        lines.push(Line { number: at + 1, mark: mark.chars().next().unwrap(), text: unescape(text) });
    }
    lines
}

/// `\r \n \0 \\` and `\xNN` are bytes; `{text*N}` is the text N times.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\\' => {
                let kind = rest.chars().next().unwrap();
                rest = &rest[1..];
                match kind {
                    'r' => bytes.push(b'\r'),
                    'n' => bytes.push(b'\n'),
                    '0' => bytes.push(0),
                    '\\' => bytes.push(b'\\'),
                    'x' => {
                        bytes.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                        rest = &rest[2..];
                    }
                    other => panic!("no escape \\{other}"),
                }
            }
            '{' => {
                let (inside, after) = rest.split_once('}').unwrap();
                let (text, count) = inside.rsplit_once('*').unwrap();
                bytes.extend(unescape(text).repeat(count.parse().unwrap()));
                rest = after;
            }
            _ => bytes.extend(letter.to_string().bytes()),
        }
    }
    bytes
}

/// The dialog files of one side, in order.
pub(crate) fn files(side: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs").join(side);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no dialogs of the {side}");
    files
}
