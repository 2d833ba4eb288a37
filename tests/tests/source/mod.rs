//! A Rust file as the tidy test sees it: its text, and its code with comments and literals blanked out.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A broken rule and where.
#[derive(Debug)]
pub(crate) struct Fault {
    path: String,
    /// From 1.
    pub(crate) line: usize,
    message: String,
}

impl Fault {
    pub(crate) fn new(path: &str, line: usize, message: String) -> Self {
        Self { path: path.to_owned(), line, message }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

pub(crate) struct Source {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// As long as `text`, with the same line ends; comments, texts and characters are spaces.
    pub(crate) code: String,
}

pub(crate) struct Function {
    pub(crate) name: String,
    /// Of `fn`, from 1.
    pub(crate) line: usize,
    /// From `fn` to the closing brace, without blank lines and comments.
    pub(crate) code_lines: usize,
    /// The lines of attributes above it.
    pub(crate) attributes: String,
}

/// All `.rs` files under `folder`, in the order of their names. A folder that is not there has none.
pub(crate) fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    let mut names: Vec<_> = entries.map(|entry| entry.expect("a readable folder").file_name()).collect();
    names.sort();
    for name in names {
        let path = folder.join(name);
        if root.join(&path).is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(root.join(&path)).expect("a readable source file");
            sources.push(Source::new(path.to_str().expect("a name in UTF-8"), &text));
        }
    }
}

/// The identifiers of a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_word(c)).filter(|word| !word.is_empty())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: blank(text) }
    }

    pub(crate) fn fault(&self, line: usize, message: String) -> Fault {
        Fault::new(&self.path, line, message)
    }

    /// The names under `engine/src/`, without `.rs`: `["dns", "cache"]`.
    fn module_path(&self) -> Option<Vec<&str>> {
        let inner = self.path.strip_prefix("engine/src/")?.strip_suffix(".rs")?;
        Some(inner.split('/').filter(|name| *name != "mod").collect())
    }

    /// The top module of `engine` that this file is part of; `lib.rs` is none.
    pub(crate) fn engine_module(&self) -> Option<String> {
        let module = *self.module_path()?.first()?;
        (module != "lib").then(|| module.to_owned())
    }

    /// The top modules that the file names, with lines: `crate::a`, `crate::{a, b::c}`, and as many `super::` as lead
    /// to the crate's root. Tests, which stand at the end of a file or in one of their own, may name any.
    pub(crate) fn crate_paths(&self) -> Vec<(usize, String)> {
        let depth = self.module_path().map_or(0, |path| path.len());
        let to_root = "super::".repeat(depth);
        let mut found = self.paths_behind("crate::");
        if depth > 0 {
            let known = |module: &String| super::place(module).is_some();
            found.extend(self.paths_behind(&to_root).into_iter().filter(|(_, name)| known(name)));
        }
        found
    }

    fn paths_behind(&self, prefix: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let product = match self.code.find("#[cfg(test)]\nmod ") {
            _ if self.path.ends_with("/tests.rs") => return found,
            Some(tests) => &self.code[..tests],
            None => &self.code,
        };
        for (start, _) in product.match_indices(prefix) {
            let before = self.code[..start].chars().next_back();
            if before.is_some_and(|c| is_word(c) || c == ':' || c == '$') {
                continue;
            }
            let rest = &self.code[start + prefix.len()..];
            for (offset, name) in first_names(rest) {
                found.push((self.line_of(start + prefix.len() + offset), name.to_owned()));
            }
        }
        found
    }

    fn line_of(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }

    /// Functions with a body.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (start, _) in self.code.match_indices("fn ") {
            if self.code[..start].chars().next_back().is_some_and(is_word) {
                continue;
            }
            let rest = &self.code[start + 3..];
            let Some(name) = words(rest).next().filter(|name| rest.starts_with(name)) else { continue };
            let Some(end) = body_end(rest) else { continue };
            let line = self.line_of(start);
            let body = &self.code[start..start + 3 + end];
            let code_lines = body.lines().filter(|line| !line.trim().is_empty()).count();
            functions.push(Function {
                name: name.to_owned(),
                line,
                code_lines,
                attributes: self.attributes_above(line),
            });
        }
        functions
    }

    fn attributes_above(&self, line: usize) -> String {
        let lines: Vec<&str> = self.text.lines().take(line - 1).collect();
        let above = lines.iter().rev().take_while(|text| {
            let text = text.trim();
            !text.is_empty() && !text.ends_with('}') && !text.ends_with(';')
        });
        above.copied().collect::<Vec<_>>().join("\n")
    }

    /// Attributes with the line on which they begin, as they stand in the text.
    pub(crate) fn attributes(&self) -> Vec<(usize, &str)> {
        let mut found = Vec::new();
        for marker in ["#[", "#!["] {
            for (start, _) in self.code.match_indices(marker) {
                let length = self.code[start..].find(']').map_or(0, |end| end + 1);
                // A comment at the end of the attribute's last line counts as beside it.
                let line_end = self.text[start + length..].find('\n').unwrap_or(0);
                found.push((self.line_of(start), &self.text[start..start + length + line_end]));
            }
        }
        found
    }

    /// The files that `mod name;` in this file may mean.
    pub(crate) fn declared_modules(&self) -> Vec<PathBuf> {
        let path = Path::new(&self.path);
        let parent = path.parent().expect("a file has a folder");
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_root =
            ["lib", "main", "mod"].contains(&stem) || parent.file_name().is_some_and(|name| name == "tests");
        let folder = if is_root { parent.to_owned() } else { parent.join(stem) };
        let given = self.text.split("#[path = \"").skip(1).filter_map(|rest| rest.split_once('"'));
        let mut files: Vec<PathBuf> = given.map(|(path, _)| parent.join(path)).collect();
        for (start, _) in self.code.match_indices("mod ") {
            let rest = &self.code[start + 4..];
            let Some(name) = words(rest).next() else { continue };
            if rest[name.len()..].trim_start().starts_with(';') {
                files.push(folder.join(format!("{name}.rs")));
                files.push(folder.join(name).join("mod.rs"));
            }
        }
        files
    }
}

/// The first name of each path at the start of `rest`: `a::b` gives `a`, `{a, b::{c, d}}` gives `a` and `b`.
fn first_names(rest: &str) -> Vec<(usize, &str)> {
    if !rest.starts_with('{') {
        return words(rest)
            .next()
            .filter(|name| rest.starts_with(name))
            .map(|name| (0, name))
            .into_iter()
            .collect();
    }
    let mut names = Vec::new();
    let mut depth = 0;
    let mut item_begins = false;
    for (offset, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (c == '{' || c == ',') {
            item_begins = true;
        } else if item_begins && is_word(c) {
            names.extend(words(&rest[offset..]).next().map(|name| (offset, name)));
            item_begins = false;
        }
    }
    names
}

/// Where the body of a function that begins here ends; `None` if it has none (a trait's, or a function pointer).
fn body_end(rest: &str) -> Option<usize> {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (offset, c) in rest.char_indices() {
        match c {
            '(' | '[' if braces == 0 => others += 1,
            ')' | ']' if braces == 0 => others = others.checked_sub(1)?,
            ';' | ',' | '=' if braces == 0 && others == 0 => return None,
            '{' => braces += 1,
            '}' if braces <= 1 => return (braces == 1).then_some(offset + 1),
            '}' => braces -= 1,
            _ => {}
        }
    }
    None
}

/// Comments, texts and characters as spaces; line ends stay.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let length = literal_length(&text[at..], bytes.get(at.wrapping_sub(1)).copied());
        let taken = &text[at..at + length.unwrap_or_else(|| char_length(text, at))];
        if length.is_some() {
            // One byte for one byte, so that offsets hold in both.
            code.extend(taken.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(taken);
        }
        at += taken.len();
    }
    code
}

fn char_length(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

/// How long the comment, text or character is that begins here; `None` if none does.
fn literal_length(rest: &str, before: Option<u8>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    let in_word = before.is_some_and(|byte| is_word(char::from(byte)));
    if let Some(raw) = rest.strip_prefix('r').filter(|_| !in_word || before == Some(b'b')) {
        let marks = raw.bytes().take_while(|byte| *byte == b'#').count();
        if raw[marks..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(marks));
            let body = marks + 2;
            return Some(rest[body..].find(&end).map_or(rest.len(), |found| body + found + end.len()));
        }
    }
    if rest.starts_with('"') {
        return Some(quoted_length(rest, '"'));
    }
    // A lifetime is no character: `'a'` closes, `'a` does not.
    let character = rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'');
    (rest.starts_with('\'') && character).then(|| quoted_length(rest, '\''))
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (offset, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return offset + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}
