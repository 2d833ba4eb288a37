//! The parser against whole files: the samples parse, and nothing that is given to it makes it panic.

use weir_lang::diagnostic::{self, Style};
use weir_lang::parse;
use weir_lang::source::Sources;

/// The faults of a text, as they are shown.
fn faults(text: &str) -> String {
    let mut sources = Sources::default();
    let id = sources.add("test.weir", text);
    let parsed = parse::file(&sources, id);
    diagnostic::render_all(&parsed.faults, &sources, Style::Plain)
}

#[test]
fn samples_parse() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "weir") {
            assert_eq!(faults(&std::fs::read_to_string(&path).unwrap()), "", "{}", path.display());
        }
    }
}
