//! The text of a rule file set, and places in it.

use std::fmt;

/// One file of a set, by its index in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A stretch of one file: byte offsets, `start` inclusive, `end` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest span that holds both; they must be of one file.
    #[must_use]
    pub fn to(self, end: Self) -> Self {
        debug_assert_eq!(self.file, end.file);
        Self { file: self.file, start: self.start.min(end.start), end: self.end.max(end.end) }
    }
}

/// A file's name as the operator knows it, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as it was given or found, for messages.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// Every file of a set. The host reads them: this crate opens nothing.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

/// A place as a log line shows it: `mx.weir:58`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The file's name as it was given or found; shown without its folders.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.rsplit('/').next().unwrap_or(&self.file);
        write!(out, "{name}:{}", self.line)
    }
}

impl Sources {
    /// Adds a file; its text must be under 4 GiB.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(Source { name: name.into(), text: text.into() });
        id
    }

    /// The file with this id, if it is of this set.
    pub fn file(&self, id: FileId) -> Option<&Source> {
        self.files.get(id.0 as usize)
    }

    /// All files, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Source)> {
        (0..).map(FileId).zip(&self.files)
    }

    /// The text that a span covers; empty when the span is not of this set.
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file)
            .and_then(|source| source.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }

    /// The file and line where a span begins.
    pub fn location(&self, span: Span) -> Location {
        let Some(source) = self.file(span.file) else {
            return Location { file: String::from("?"), line: 0 };
        };
        let before = source.text.as_bytes().get(..span.start as usize).unwrap_or_default();
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        Location { file: source.name.clone(), line: u32::try_from(line).unwrap_or(u32::MAX) }
    }
}
