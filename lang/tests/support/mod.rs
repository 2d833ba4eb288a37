//! What several tests of the front end share: the sample files, trees without places, and made-up trees.
#![allow(dead_code, reason = "each test uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test that cannot read its samples has failed")]

pub(crate) mod trees;

use std::fs;
use std::path::{Path, PathBuf};

use weir_lang::ast;
use weir_lang::diagnostic::{self, Diagnostic, Style};
use weir_lang::parse;
use weir_lang::source::Sources;

/// All sample rule files: their paths and texts.
pub(crate) fn samples() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut found = Vec::new();
    for folder in [folder.clone(), folder.join("rules.d")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "weir") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// Parses a text as a rule file.
pub(crate) fn parsed(text: &str) -> (ast::File, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let id = sources.add("test.weir", text);
    let parsed = parse::file(&sources, id);
    (parsed.tree, parsed.faults, sources)
}

/// The tree of a text without faults.
pub(crate) fn tree(text: &str) -> ast::File {
    let (tree, faults, sources) = parsed(text);
    assert!(faults.is_empty(), "{}{text}", diagnostic::render_all(&faults, &sources, Style::Plain));
    tree
}

/// A tree as text without its places: equal for trees that mean the same.
pub(crate) fn shape(tree: &ast::File) -> String {
    let debug = format!("{tree:?}");
    let mut out = String::with_capacity(debug.len());
    let mut rest = debug.as_str();
    while let Some((before, span)) = rest.split_once("Span { file: FileId(") {
        out.push_str(before);
        rest = span.split_once(" }").unwrap().1;
    }
    out.push_str(rest);
    out
}
