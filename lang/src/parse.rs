//! From text to [`ast`]: all faults of a file, each in its place.
//!
//! ```text
//! text --lex--> lexemes --layout--> blanked text --grammar.pest, item by item--> pairs --build--> ast
//! ```
//! The layout finds items, statements and lines by brackets and line breaks alone, so a fault in one does not hide
//! those of the next. It also bounds nesting and terms before the grammar recurses.

mod build;
mod expected;
mod grammar;
pub(crate) mod layout;
pub(crate) mod lex;
mod lines;
mod literal;
mod recover;

use pest::Parser as _;

use crate::ast::{self, Atom, Item, ScoreEntry};
use crate::diagnostic::{Diagnostic, codes::syntax};
use crate::source::{FileId, Sources};

use build::Builder;
use grammar::{Grammar, Rule};
use layout::Layout;
use lex::{Kind, span};
use recover::Chunk;

pub use lines::{Entry, LIST_BYTES_MAX, entries, pairs};

/// The version of the language that this crate reads.
pub const VERSION: u32 = 1;
/// A rule file, fragment or score file has at most so many bytes.
pub const FILE_BYTES_MAX: usize = 4 << 20;
/// Brackets of all kinds stand at most so deep inside each other.
pub const NESTING_MAX: usize = 32;
/// A condition has at most so many of `and`, `or` and `not`.
pub const TERMS_MAX: usize = 256;
/// Of one file at most so many faults are kept: a binary file given by mistake shall not fill the screen for minutes.
pub const FAULTS_MAX: usize = 200;

/// A parsed file or part of one. What has no fault is in the tree even when another part has.
#[derive(Debug)]
pub struct Parsed<T> {
    /// The tree.
    pub tree: T,
    /// All faults, in order of place.
    pub faults: Vec<Diagnostic>,
}

/// Parses a rule file: `weir 1`, an optional role, items.
pub fn file(sources: &Sources, id: FileId) -> Parsed<ast::File> {
    let mut reader = match Reader::new(sources, id) {
        Ok(reader) => reader,
        Err(fault) => return Parsed { tree: empty(id), faults: vec![*fault] },
    };
    let mut tree = empty(id);
    tree.span = span(id, 0, reader.text.len());
    let chunks = reader.chunks();
    let mut rest = chunks.iter().peekable();
    match rest.next_if(|chunk| reader.first_word(**chunk) == "weir") {
        Some(chunk) => reader.version(*chunk, &mut tree),
        None => reader.no_version(chunks.first().copied()),
    }
    if let Some(chunk) = rest.next_if(|chunk| reader.first_word(**chunk) == "role") {
        tree.role = reader.read(Rule::role_only, *chunk, |builder, pair| builder.role(pair));
    }
    for chunk in rest {
        tree.items.extend(reader.item(*chunk));
    }
    Parsed { tree, faults: reader.faults() }
}

/// Parses a fragment: lines of settings, to stand where a declaration's body says `use "file"`.
pub fn fragment(sources: &Sources, id: FileId) -> Parsed<Vec<Atom>> {
    let mut reader = match Reader::new(sources, id) {
        Ok(reader) => reader,
        Err(fault) => return Parsed { tree: Vec::new(), faults: vec![*fault] },
    };
    let chunks = reader.chunks();
    let mut tree = Vec::new();
    for chunk in chunks {
        let line = reader.read(Rule::line_only, chunk, |builder, pair| {
            let mut atoms = Vec::new();
            builder.atoms(pair, &mut atoms).map(|()| atoms)
        });
        let Some(mut line) = line else { continue };
        if let (false, Some(first)) = (tree.is_empty(), line.first()) {
            tree.push(Atom { kind: ast::AtomKind::Newline, span: first.span });
        }
        tree.append(&mut line);
    }
    Parsed { tree, faults: reader.faults() }
}

/// Parses a score file: `NAME = value` or `NAME = off` per line.
pub fn scores(sources: &Sources, id: FileId) -> Parsed<Vec<ScoreEntry>> {
    let mut reader = match Reader::new(sources, id) {
        Ok(reader) => reader,
        Err(fault) => return Parsed { tree: Vec::new(), faults: vec![*fault] },
    };
    let mut tree = Vec::new();
    for chunk in reader.chunks() {
        tree.extend(reader.read(Rule::entry_only, chunk, Builder::score_entry));
    }
    for fault in &mut reader.found {
        if fault.code.id == syntax::UNEXPECTED.id {
            fault.code = &syntax::SCORE_LINE;
        }
    }
    Parsed { tree, faults: reader.faults() }
}

fn empty(id: FileId) -> ast::File {
    ast::File { version: VERSION, role: None, items: Vec::new(), span: span(id, 0, 0) }
}

/// One text on its way to a tree.
struct Reader<'a> {
    text: &'a str,
    file: FileId,
    layout: Layout,
    /// Faults of the grammar and of constants; those of the layout are in it.
    found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn new(sources: &'a Sources, file: FileId) -> Result<Self, Box<Diagnostic>> {
        let text = sources.file(file).map_or("", |source| source.text.as_str());
        if text.len() > FILE_BYTES_MAX {
            let message =
                format!("a rule file has at most {FILE_BYTES_MAX} bytes, this one has {}", text.len());
            return Err(Box::new(
                Diagnostic::new(&syntax::LARGE, span(file, 0, 0), message)
                    .with_help("keep data in list and map files"),
            ));
        }
        Ok(Self { text, file, layout: Layout::new(text, file), found: Vec::new() })
    }

    /// All faults by place.
    fn faults(self) -> Vec<Diagnostic> {
        let mut faults = self.layout.faults.shown;
        faults.extend(self.found);
        faults.sort_by_key(|fault| (fault.span.start, fault.code.id));
        faults.truncate(FAULTS_MAX);
        faults
    }

    fn first_word(&self, chunk: Chunk) -> &'a str {
        self.layout.written(self.text, chunk.first)
    }

    fn version(&mut self, chunk: Chunk, tree: &mut ast::File) {
        let Some(version) = self.read(Rule::version_only, chunk, |_, pair| Builder::version(pair)) else {
            return;
        };
        tree.version = version;
        if version != VERSION {
            let message = format!(
                "this weir reads version {VERSION} of the language, the file is of version {version}"
            );
            let place = self.place(chunk);
            self.found.push(Diagnostic::new(&syntax::VERSION, place, message));
        }
    }

    fn no_version(&mut self, first: Option<Chunk>) {
        let place = first.map_or(span(self.file, 0, 0), |first| self.place(first));
        let fault = Diagnostic::new(&syntax::VERSION, place, "the first line must be `weir 1`")
            .with_help("begin the file with the line `weir 1`: the version of the language it is written in");
        self.found.push(fault);
    }

    /// Reads an item; its faults are noted, those of each statement or line for itself.
    fn item(&mut self, chunk: Chunk) -> Option<Item> {
        if self.is_full() {
            return None;
        }
        if let Some(fault) = self.no_item(chunk) {
            self.found.push(fault);
            return None;
        }
        self.read(Rule::item_only, chunk, Builder::item)
    }

    /// Parses a chunk by one of the `_only` rules and builds its tree.
    fn read<T>(
        &mut self,
        rule: Rule,
        chunk: Chunk,
        build: impl FnOnce(&mut Builder, &pest::iterators::Pair<'_, Rule>) -> Option<T>,
    ) -> Option<T> {
        let (start, end) = self.bytes(chunk);
        if self.is_full() {
            return None;
        }
        if self.has_fault(start, end) {
            self.recover(rule, chunk);
            return None;
        }
        let text = self.layout.text.get(start..end).unwrap_or_default();
        let Ok(mut pairs) = Grammar::parse(rule, text) else {
            self.recover(rule, chunk);
            return None;
        };
        let mut builder = Builder { file: self.file, base: start, faults: Vec::new() };
        let whole = pairs.next()?;
        let inner = whole.into_inner().next()?;
        let tree = build(&mut builder, &inner);
        let sound = builder.faults.is_empty();
        self.found.append(&mut builder.faults);
        if tree.is_none() && sound {
            let fault =
                Diagnostic::new(&syntax::UNEXPECTED, span(self.file, start, end), "this cannot be read");
            self.found.push(fault);
        }
        tree.filter(|_| sound)
    }

    /// The bytes from a chunk's first lexeme to its last.
    fn bytes(&self, chunk: Chunk) -> (usize, usize) {
        let start = self.layout.lexemes.get(chunk.first).map_or(self.text.len(), |lexeme| lexeme.start);
        let last = chunk.end.checked_sub(1).and_then(|last| self.layout.lexemes.get(last));
        (start, last.map_or(start, |lexeme| lexeme.end).max(start))
    }

    fn place(&self, chunk: Chunk) -> crate::source::Span {
        let (start, end) = self.bytes(chunk);
        // The caret is for one line.
        let line = self.text.get(start..end).and_then(|text| text.lines().next()).map_or(0, str::len);
        span(self.file, start, start + line)
    }

    /// Whether the layout found a fault between these bytes.
    fn has_fault(&self, start: usize, end: usize) -> bool {
        self.layout.faults.within(start, end)
    }

    /// Whether no more faults are wanted.
    fn is_full(&self) -> bool {
        self.found.len() >= FAULTS_MAX
    }

    fn is(&self, index: usize, kind: Kind) -> bool {
        self.layout.lexemes.get(index).is_some_and(|lexeme| lexeme.kind == kind)
    }
}
