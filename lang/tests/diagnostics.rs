//! Golden messages: each `diagnostics/*.weir` beside the text that `weir check` prints for it, `*.txt`.
//!
//! A case is a rule file. Further files of its set follow after a line `---- PATH`. To add one, write the `.weir`
//! file and run `BLESS=1 cargo test -p weir-lang --test diagnostics`, then read the `.txt` before it is committed.
//!
//! Faults of meaning belong here too: `diagnose` is the only place that says what is run on a case.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its cases has failed")]

mod toy;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use weir_lang::diagnostic::{self, Diagnostic, Style, codes};
use weir_lang::fileset::{FileSet, Files};
use weir_lang::source::Sources;

/// Faults that only very large files have; `parse.rs`, `fileset.rs` and `plan.rs` show them.
const TOO_LARGE_FOR_A_CASE: &[&str] = &["W0107", "W0135", "W0217"];

/// The files of one case, by path.
struct Case(BTreeMap<String, String>);

impl Case {
    fn new(main: &str, text: &str) -> Self {
        let mut files = BTreeMap::new();
        let (mut path, mut content) = (main.to_owned(), String::new());
        for line in text.split_inclusive('\n') {
            if let Some(next) = line.strip_prefix("---- ") {
                let done = std::mem::replace(&mut path, next.trim().to_owned());
                files.insert(done, std::mem::take(&mut content));
            } else {
                content.push_str(line);
            }
        }
        files.insert(path, content);
        Self(files)
    }
}

impl Files for Case {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.get(path).cloned().ok_or_else(|| String::from("no such file"))
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let (folder, ending) = pattern.split_once('*').unwrap_or((pattern, ""));
        Ok(self.0.keys().filter(|path| path.starts_with(folder) && path.ends_with(ending)).cloned().collect())
    }
}

/// All that is wrong with a case.
fn diagnose(main: &str, text: &str) -> (Sources, Vec<Diagnostic>) {
    let set = FileSet::read([main], &Case::new(main, text));
    let diagnostics = weir_lang::check(&set, &toy::TOY).diagnostics;
    (set.sources, diagnostics)
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "weir"))
        .collect();
    found.sort();
    found
}

/// The name of a case's main file, and what is wrong with it.
fn diagnosed(path: &Path) -> (Sources, Vec<Diagnostic>) {
    let name = path.file_name().unwrap().to_str().unwrap();
    diagnose(name, &fs::read_to_string(path).unwrap())
}

#[test]
fn messages_are_as_written() {
    let mut different = Vec::new();
    for path in cases() {
        let (sources, faults) = diagnosed(&path);
        let shown = diagnostic::render_all(&faults, &sources, Style::Plain);
        let golden = path.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&golden, &shown).unwrap();
        } else if fs::read_to_string(&golden).ok().as_deref() != Some(&shown) {
            different.push(format!("{}:\n{shown}", path.display()));
        }
    }
    assert!(different.is_empty(), "not as in the .txt beside it:\n\n{}", different.join("\n"));
}

#[test]
fn each_code_has_a_case() {
    let mut seen: BTreeSet<&str> = TOO_LARGE_FOR_A_CASE.iter().copied().collect();
    for path in cases() {
        seen.extend(diagnosed(&path).1.iter().map(|fault| fault.code.id));
    }
    let missing: Vec<&str> = codes::all().map(|code| code.id).filter(|id| !seen.contains(id)).collect();
    assert!(missing.is_empty(), "no case in tests/diagnostics shows {missing:?}");
}

#[test]
fn each_example_has_its_fault() {
    let others = "---- other.weir\nweir 1\nrole other\non rcpt { accept }\n---- bad.scores\nA 1.5\n---- bad.map\nlonely\n";
    for code in codes::all() {
        if code.example.is_empty() {
            continue;
        }
        let (sources, faults) = diagnose("main.weir", &format!("{}{others}", code.example));
        assert!(
            faults.iter().any(|fault| fault.code.id == code.id),
            "the example of {} shows\n{}",
            code.id,
            diagnostic::render_all(&faults, &sources, Style::Plain)
        );
    }
}

#[test]
fn codes_are_told_apart() {
    let mut ids = BTreeSet::new();
    for code in codes::all() {
        assert!(ids.insert(code.id), "{} twice", code.id);
        assert!(!code.title.is_empty() && !code.title.ends_with('.'), "{}: a title is a few words", code.id);
        assert!(code.doc.ends_with('.'), "{}: a doc is sentences", code.id);
    }
}

#[test]
fn colours_change_nothing_else() {
    for path in cases() {
        let (sources, faults) = diagnosed(&path);
        let coloured = diagnostic::render_all(&faults, &sources, Style::Coloured);
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, escape)) = rest.split_once("\u{1b}[") {
            plain.push_str(before);
            rest = escape.split_once('m').unwrap().1;
        }
        plain.push_str(rest);
        assert_eq!(plain, diagnostic::render_all(&faults, &sources, Style::Plain), "{}", path.display());
    }
}

#[test]
fn json_has_the_same_place() {
    let (sources, faults) = diagnose("é.weir", "weir 1\nrule A \"ü\" in c = \"ä\" &&\tB\n");
    let object = diagnostic::json(&faults[0], &sources);
    assert_eq!(
        object,
        "{\"code\":\"W0113\",\"severity\":\"error\",\"message\":\"`&&` is not an operator of this language\",\
         \"file\":\"é.weir\",\"line\":2,\"column\":23,\"end_line\":2,\"end_column\":25,\"label\":\"\",\"notes\":[],\
         \"helps\":[\"write `and`\"],\"related\":[]}"
    );
}
