//! From a host's files to trees: `use`, fragments, score files, lists and maps, read and put in their places.
//!
//! ```text
//! roots --read, parse--> files --use--> files ...     score files and fragments stand in the trees afterwards,
//!                                                     lists and maps are attached to the text that names them
//! ```
//! Everything is bounded, and whatever is wrong with any file is noted; the rest is read on.

mod path;

use std::collections::HashMap;

use crate::ast::{
    self, Atom, AtomKind, Declaration, Entries, ExprKind, Item, Literal, Piece, Quoted, ScoreEntry, Scores,
};
use crate::diagnostic::{self, Code, Diagnostic, Severity, codes::syntax};
use crate::parse;
use crate::source::{FileId, Sources, Span};

use path::{Path, is_glob, is_leftover};

/// `use` goes at most so many files deep.
pub const USE_DEPTH_MAX: usize = 16;
/// A file set has at most so many files of all kinds.
pub const FILES_MAX: usize = 4096;

/// Where the texts come from: the disk, a test's table, what an editor holds.
pub trait Files {
    /// The whole text of a file, or why it cannot be had.
    fn read(&self, path: &str) -> Result<String, String>;
    /// The bytes of a file that need be no text, to be read a line at a time, or why it cannot be had.
    fn open(&self, path: &str) -> Result<Box<dyn std::io::BufRead>, String> {
        Ok(Box::new(std::io::Cursor::new(self.read(path)?)))
    }
    /// The paths that a pattern with `*`, `?` or `[...]` matches, in any order, or why that cannot be said.
    fn glob(&self, pattern: &str) -> Result<Vec<String>, String>;
}

/// A file set, ready to be checked.
#[derive(Debug, Default)]
pub struct FileSet {
    /// Every text that was read.
    pub sources: Sources,
    /// The rule files: each root followed by those it uses. Score files and fragments stand in them in place of the
    /// text that named them.
    pub files: Vec<ast::File>,
    /// What is wrong, in order of file and place. With an error among them the set cannot be checked further.
    pub diagnostics: Vec<Diagnostic>,
    attached: HashMap<Span, Vec<FileId>>,
}

impl FileSet {
    /// Reads a file set: the files that weir is started with, and all that they name.
    pub fn read<'a>(roots: impl IntoIterator<Item = &'a str>, files: &dyn Files) -> Self {
        let mut loader =
            Loader { files, set: Self::default(), known: HashMap::new(), role: None, truncated: false };
        let roots: Vec<Path> = roots.into_iter().map(Path::root).collect();
        for root in &roots {
            loader.root(root);
        }
        let mut set = loader.set;
        diagnostic::sort(&mut set.diagnostics);
        set
    }

    /// The list or map files that this text names. None when they could not be read.
    pub fn attached(&self, quoted: &Quoted) -> &[FileId] {
        self.attached.get(&quoted.span).map_or(&[], Vec::as_slice)
    }

    /// Whether the set must not be loaded.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|fault| fault.code.severity == Severity::Error)
    }
}

/// What was read at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Its text only.
    Text(FileId),
    /// A rule file whose own `use`s are being read.
    Open(FileId),
    /// A rule file and all it uses.
    Parsed(FileId),
}

/// Who names a file.
#[derive(Clone, Copy)]
struct Asked<'a> {
    from: &'a Path,
    by: &'a Quoted,
}

struct Loader<'a> {
    files: &'a dyn Files,
    set: FileSet,
    known: HashMap<String, Known>,
    role: Option<Span>,
    /// The bound on files has been reported.
    truncated: bool,
}

impl Loader<'_> {
    fn fault(
        &mut self,
        code: &'static Code,
        span: Span,
        message: impl Into<String>,
    ) -> Option<&mut Diagnostic> {
        self.set.diagnostics.push(Diagnostic::new(code, span, message));
        self.set.diagnostics.last_mut()
    }

    /// A file that weir is started with.
    fn root(&mut self, path: &Path) {
        match self.known.get(&path.identity()) {
            Some(Known::Parsed(_) | Known::Open(_)) => return,
            Some(Known::Text(_)) | None => {}
        }
        match self.files.read(&path.written) {
            Ok(text) => {
                let id = self.set.sources.add(path.written.clone(), text);
                self.rule_file(path, id, 0);
            }
            Err(reason) => {
                let id = self.set.sources.add(path.written.clone(), "");
                let place = Span { file: id, start: 0, end: 0 };
                self.fault(
                    &syntax::UNREADABLE,
                    place,
                    format!("`{}` cannot be read: {reason}", path.written),
                );
            }
        }
    }

    /// Parses a rule file and reads what it names.
    fn rule_file(&mut self, path: &Path, id: FileId, depth: usize) {
        self.known.insert(path.identity(), Known::Open(id));
        let parsed = parse::file(&self.set.sources, id);
        self.set.diagnostics.extend(parsed.faults);
        let mut tree = parsed.tree;
        self.role(&tree, depth);
        // The file stands before those it uses.
        let place = self.set.files.len();
        self.set.files.push(ast::File { items: Vec::new(), role: tree.role.clone(), ..tree });
        for item in &mut tree.items {
            self.item(path, item, depth);
        }
        if let Some(file) = self.set.files.get_mut(place) {
            file.items = tree.items;
        }
        self.known.insert(path.identity(), Known::Parsed(id));
    }

    fn role(&mut self, tree: &ast::File, depth: usize) {
        let Some(role) = &tree.role else { return };
        if let Some(first) = self.role {
            let message = format!("role `{}` is a second one", role.text);
            if let Some(fault) = self.fault(&syntax::ROLE, role.span, message) {
                fault.related.push((first, String::from("the first")));
            }
        } else if depth > 0 {
            let message = "a used file has no role";
            if let Some(fault) = self.fault(&syntax::ROLE, role.span, message) {
                fault.helps.push(String::from("say the role in the file that weir is started with"));
            }
        } else {
            self.role = Some(role.span);
        }
    }

    fn item(&mut self, path: &Path, item: &mut Item, depth: usize) {
        match item {
            Item::Use(quoted) => self.use_files(Asked { from: path, by: quoted }, depth),
            Item::List(ast::List { entries: Entries::File(quoted), .. }) => {
                let files = self.texts(Asked { from: path, by: quoted });
                self.set.attached.insert(quoted.span, files);
            }
            Item::Map(ast::Map { entries: Entries::File(quoted), .. }) => {
                let files = self.texts(Asked { from: path, by: quoted });
                for id in &files {
                    self.set.diagnostics.extend(parse::pairs(&self.set.sources, *id).faults);
                }
                self.set.attached.insert(quoted.span, files);
            }
            Item::Scores(scores) => self.scores(path, scores),
            Item::Declaration(declaration) => self.fragments(path, declaration),
            _ => {}
        }
    }

    /// `use "common.weir"`: facts of another file.
    fn use_files(&mut self, asked: Asked<'_>, depth: usize) {
        let span = asked.by.span;
        if depth >= USE_DEPTH_MAX {
            self.fault(&syntax::FILES, span, format!("`use` goes more than {USE_DEPTH_MAX} files deep"));
            return;
        }
        for path in self.paths(asked) {
            let id = match self.known.get(&path.identity()) {
                Some(Known::Open(_)) => {
                    self.fault(
                        &syntax::CYCLE,
                        span,
                        format!("`{}` uses itself through this line", path.written),
                    );
                    continue;
                }
                Some(Known::Parsed(id)) => *id,
                Some(Known::Text(_)) | None => {
                    let Some(id) = self.text(&path, span) else { continue };
                    self.rule_file(&path, id, depth + 1);
                    id
                }
            };
            self.facts_only(id, span);
        }
    }

    /// Phases stand in the files that weir is started with, not in used ones.
    fn facts_only(&mut self, id: FileId, used: Span) {
        let Some(file) = self.set.files.iter().find(|file| file.span.file == id) else { return };
        let phases: Vec<ast::Name> = file
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Phase(phase) => Some(phase.name.clone()),
                _ => None,
            })
            .collect();
        for phase in phases {
            let message = format!("phase `{}` stands in a used file", phase.text);
            if let Some(fault) = self.fault(&syntax::FACTS_ONLY, phase.span, message) {
                fault.related.push((used, String::from("used here")));
                fault.helps.push(String::from(
                    "`use` brings in facts only: move the phase to the file that uses it",
                ));
            }
        }
    }

    /// `scores "scores.d/*.scores"`: the entries of the files, in order of their names.
    fn scores(&mut self, path: &Path, scores: &mut Scores) {
        let Scores::Files(quoted) = scores else { return };
        let mut entries: Vec<ScoreEntry> = Vec::new();
        for id in self.texts(Asked { from: path, by: quoted }) {
            let parsed = parse::scores(&self.set.sources, id);
            self.set.diagnostics.extend(parsed.faults);
            entries.extend(parsed.tree);
        }
        *scores = Scores::Inline(entries);
    }

    /// `use "pool.d/*.server"` in a body: the settings of the files, in its place.
    fn fragments(&mut self, path: &Path, declaration: &mut Declaration) {
        let mut body: Vec<Atom> = Vec::with_capacity(declaration.body.len());
        let mut atoms = std::mem::take(&mut declaration.body).into_iter().peekable();
        while let Some(atom) = atoms.next() {
            let used = if is_use(&atom) { atoms.peek().and_then(plain_text) } else { None };
            let Some(quoted) = used else {
                // After a `use` that brought nothing two ends of lines would meet.
                let meet = matches!(atom.kind, AtomKind::Newline) && ends_line(body.last());
                if !meet {
                    body.push(atom);
                }
                continue;
            };
            atoms.next();
            for id in self.texts(Asked { from: path, by: &quoted }) {
                let mut parsed = parse::fragment(&self.set.sources, id);
                self.set.diagnostics.append(&mut parsed.faults);
                if !ends_line(body.last()) {
                    body.push(Atom { kind: AtomKind::Newline, span: quoted.span });
                }
                body.append(&mut parsed.tree);
            }
        }
        if matches!(body.last(), Some(Atom { kind: AtomKind::Newline, .. })) {
            body.pop();
        }
        declaration.body = body;
    }

    /// Reads the files that a text names.
    fn texts(&mut self, asked: Asked<'_>) -> Vec<FileId> {
        let paths = self.paths(asked);
        paths.iter().filter_map(|path| self.text(path, asked.by.span)).collect()
    }

    /// The paths that a text names, in bytewise order.
    fn paths(&mut self, asked: Asked<'_>) -> Vec<Path> {
        let path = asked.from.beside(&asked.by.text);
        if !is_glob(&asked.by.text) {
            return vec![path];
        }
        match self.files.glob(&path.written) {
            Ok(mut found) => {
                found.retain(|name| !is_leftover(name));
                found.sort_unstable();
                found.dedup();
                if found.is_empty() {
                    let message = format!("no file matches `{}`", path.written);
                    self.fault(&syntax::NO_MATCH, asked.by.span, message);
                }
                found.iter().map(|name| Path::root(name)).collect()
            }
            Err(reason) => {
                let message = format!("`{}` cannot be searched: {reason}", path.written);
                self.fault(&syntax::UNREADABLE, asked.by.span, message);
                Vec::new()
            }
        }
    }

    /// Reads a text, each path once.
    fn text(&mut self, path: &Path, asked: Span) -> Option<FileId> {
        match self.known.get(&path.identity()) {
            Some(Known::Text(id) | Known::Open(id) | Known::Parsed(id)) => return Some(*id),
            None => {}
        }
        if self.known.len() >= FILES_MAX {
            if !std::mem::replace(&mut self.truncated, true) {
                self.fault(&syntax::FILES, asked, format!("a file set has at most {FILES_MAX} files"));
            }
            return None;
        }
        match self.files.read(&path.written) {
            Ok(text) => {
                let id = self.set.sources.add(path.written.clone(), text);
                self.known.insert(path.identity(), Known::Text(id));
                Some(id)
            }
            Err(reason) => {
                let message = format!("`{}` cannot be read", path.written);
                if let Some(fault) = self.fault(&syntax::UNREADABLE, asked, message) {
                    fault.label = reason;
                }
                None
            }
        }
    }
}

/// The word `use`.
fn is_use(atom: &Atom) -> bool {
    match &atom.kind {
        AtomKind::Value(value) => match &value.kind {
            ExprKind::Path(names) => matches!(names.as_slice(), [name] if name.text == "use"),
            _ => false,
        },
        _ => false,
    }
}

/// A text without values.
fn plain_text(atom: &Atom) -> Option<Quoted> {
    let AtomKind::Value(value) = &atom.kind else { return None };
    let ExprKind::Literal(Literal::Text(pieces)) = &value.kind else { return None };
    match pieces.as_slice() {
        [Piece::Text(text)] => Some(Quoted { text: text.clone(), span: value.span }),
        _ => None,
    }
}

/// Whether what follows begins a line.
fn ends_line(last: Option<&Atom>) -> bool {
    last.is_none_or(|last| matches!(last.kind, AtomKind::Newline))
}
