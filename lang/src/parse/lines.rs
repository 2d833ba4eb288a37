//! List and map files: one entry per line, `#` comments, no quotes.

use super::lex::span;
use crate::diagnostic::{Diagnostic, codes::syntax};
use crate::source::{FileId, Sources, Span};

use super::Parsed;

/// A list or map file has at most so many bytes.
pub const LIST_BYTES_MAX: usize = 64 << 20;

/// An entry of a list file, or one side of a pair of a map file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// As it stands in the file, without the blanks around it.
    pub text: &'a str,
    /// Where.
    pub span: Span,
}

/// The entries of a list file.
pub fn entries(sources: &Sources, id: FileId) -> Parsed<Vec<Entry<'_>>> {
    let text = sources.file(id).map_or("", |source| source.text.as_str());
    let mut faults = Vec::new();
    faults.extend(too_large(text, id));
    let tree = if faults.is_empty() { lines(text, id).collect() } else { Vec::new() };
    Parsed { tree, faults }
}

/// The pairs of a map file: a key, blanks, and a value that goes on to the end of the line.
pub fn pairs(sources: &Sources, id: FileId) -> Parsed<Vec<(Entry<'_>, Entry<'_>)>> {
    let text = sources.file(id).map_or("", |source| source.text.as_str());
    let mut parsed = Parsed { tree: Vec::new(), faults: Vec::new() };
    parsed.faults.extend(too_large(text, id));
    if !parsed.faults.is_empty() {
        return parsed;
    }
    for line in lines(text, id) {
        let Some((key, rest)) = line.text.split_once([' ', '\t']) else {
            if parsed.faults.len() < super::FAULTS_MAX {
                let message = format!("`{}` has no value", line.text);
                let fault = Diagnostic::new(&syntax::ENTRY_LINE, line.span, message);
                parsed.faults.push(fault.with_help("a line of a map file is `KEY VALUE`"));
            }
            continue;
        };
        let start = line.span.start as usize;
        let value = rest.trim_start();
        let value_start = line.span.end as usize - value.len();
        parsed.tree.push((
            Entry { text: key, span: span(id, start, start + key.len()) },
            Entry { text: value, span: span(id, value_start, line.span.end as usize) },
        ));
    }
    parsed
}

fn too_large(text: &str, id: FileId) -> Option<Diagnostic> {
    (text.len() > LIST_BYTES_MAX).then(|| {
        let message = format!("a list file has at most {LIST_BYTES_MAX} bytes, this one has {}", text.len());
        Diagnostic::new(&syntax::LARGE, span(id, 0, 0), message)
    })
}

/// The lines that say something, without comment and blanks around.
fn lines(text: &str, id: FileId) -> impl Iterator<Item = Entry<'_>> {
    let mut start = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let begin = start;
        start += line.len();
        let said = comment_start(line).and_then(|end| line.get(..end)).unwrap_or(line);
        let trimmed = said.trim();
        if trimmed.is_empty() {
            return None;
        }
        let lead = said.len() - said.trim_start().len();
        Some(Entry { text: trimmed, span: span(id, begin + lead, begin + lead + trimmed.len()) })
    })
}

/// A `#` begins a comment at the start of a line and after a blank; elsewhere it is part of an address or a text.
fn comment_start(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    memchr::memchr_iter(b'#', bytes).find(|&place| {
        place.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(u8::is_ascii_whitespace)
    })
}
