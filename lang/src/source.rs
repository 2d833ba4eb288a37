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

    /// The line that a location names, without the space around it.
    pub fn line(&self, location: &Location) -> Option<Span> {
        let (file, source) = self.iter().find(|(_, source)| source.name == location.file)?;
        let nth = usize::try_from(location.line.checked_sub(1)?).ok()?;
        let line = source.text.split_inclusive('\n').nth(nth)?;
        let shown = line.trim();
        // Both are slices of the text, so the differences of their addresses are offsets in it.
        let start = shown.as_ptr().addr() - source.text.as_ptr().addr();
        let span = |offset: usize| u32::try_from(offset).ok();
        Some(Span { file, start: span(start)?, end: span(start + shown.len())? })
    }

    /// Where a text first stands within a span; the whole span when it does not.
    #[must_use]
    pub fn find(&self, span: Span, text: &str) -> Span {
        let found = self.text(span).find(text).and_then(|offset| u32::try_from(offset).ok());
        let length = u32::try_from(text.len()).unwrap_or(0);
        found.map_or(span, |offset| {
            let start = span.start + offset;
            Span { start, end: start + length, ..span }
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_finds_its_line_again() {
        let mut sources = Sources::default();
        sources.add("a.weir", "one\n");
        let file = sources.add("rules/b.weir", "first\n  pool p { }  \n");
        let location = Location { file: "rules/b.weir".into(), line: 2 };
        let line = sources.line(&location).unwrap();
        assert_eq!((line.file, sources.text(line)), (file, "pool p { }"));
        assert_eq!(sources.location(line), location);
        assert_eq!(sources.text(sources.find(line, "p {")), "p {");
        assert_eq!(sources.find(line, "q"), line);
        assert_eq!(sources.line(&Location { line: 3, ..location.clone() }), None);
        assert_eq!(sources.line(&Location { line: 0, ..location }), None);
    }
}
