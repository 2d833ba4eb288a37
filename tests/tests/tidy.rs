//! What the compiler does not check: arrows between crates and layers, lengths, where `unsafe` may stand, that every
//! file is compiled and every test runs, that each dependency has its reason in ARCHITECTURE.md.
//!
//! Each check is a function from a text to its faults, so that each can be shown to fail; the last tests run them over
//! the repository.

mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Fault, Source};

/// Who may use whom inside `engine/src`: a module uses rows below its own, and modules to its right in its row.
/// The row of the leaves is the exception: they never use each other.
const LAYERS: &[Layer] = &[
    Layer {
        name: "surface",
        modules: &[
            "main", "run", "demo", "admin", "show", "explain", "commands", "reread", "edits", "control",
            "probe", "simulate", "export", "config", "cli",
        ],
    },
    Layer { name: "threads", modules: &["shard"] },
    Layer {
        name: "flow",
        modules: &[
            "session", "rehearse", "relay", "local", "lookups", "callout", "question", "decide", "counts",
        ],
    },
    Layer { name: "facts", modules: &["facts", "process", "generation", "auth", "mail", "scheme"] },
    Layer { name: LEAVES, modules: &["dns", "clamd", "spool", "store", "upstream"] },
    Layer { name: "ring", modules: &["tls", "ring"] },
    Layer {
        name: "base",
        modules: &["http", "metrics", "log", "id", "cache", "clock", "table", "wire", "limits"],
    },
];
const LEAVES: &str = "leaves";

struct Layer {
    name: &'static str,
    modules: &'static [&'static str],
}

/// The weir crates that each crate may name under `[dependencies]`; `bench` and `tests` may use all.
const CRATE_ARROWS: &[(&str, &[&str])] =
    &[("lang", &[]), ("engine/smtp", &[]), ("engine", &["weir-lang", "weir-smtp"])];

const CRATES: &[&str] = &["lang", "engine/smtp", "engine", "bench", "tests", "tests/fuzz"];

/// The files that drive the engine's ring: no others name `tokio_uring`.
const RING_FILES: &[&str] =
    &["engine/src/ring/driver.rs", "engine/src/ring/operation.rs", "engine/src/ring/buffers.rs"];

/// The only files with `unsafe`: the engine's ring, and the bare ring that it is measured against.
const UNSAFE_FILES: &[&str] = &[
    "engine/src/ring/driver.rs",
    "engine/src/ring/operation.rs",
    "engine/src/ring/allocator.rs",
    "engine/src/ring/buffers.rs",
    "bench/src/reference/raw_uring/ring.rs",
];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Row and column of a module in [`LAYERS`].
fn place(module: &str) -> Option<(usize, usize)> {
    LAYERS.iter().enumerate().find_map(|(row, layer)| {
        layer.modules.iter().position(|known| *known == module).map(|column| (row, column))
    })
}

/// Upward, sideways and unknown arrows of one file of `engine/src`.
fn layer_faults(source: &Source) -> Vec<Fault> {
    let Some(module) = source.engine_module() else { return Vec::new() };
    let leaves = LAYERS.iter().any(|layer| layer.name == LEAVES && layer.modules.contains(&module.as_str()));
    let Some((row, column)) = place(&module) else {
        return vec![source.fault(1, format!("module `{module}` stands in no layer"))];
    };
    let mut faults = Vec::new();
    for (line, target) in source.crate_paths() {
        if target == module {
            continue;
        }
        let Some((target_row, target_column)) = place(&target) else {
            faults.push(source.fault(line, format!("`{target}` stands in no layer")));
            continue;
        };
        if target_row < row {
            faults.push(source.fault(line, format!("`{module}` points up to `{target}`")));
        } else if target_row == row && (leaves || target_column < column) {
            faults.push(source.fault(line, format!("`{module}` points sideways to `{target}`")));
        }
    }
    faults
}

/// Files and functions that have outgrown their bound. A function with `too_many_lines` in an attribute has given
/// its reason there, which [`exception_faults`] asks for.
fn length_faults(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        faults.push(source.fault(lines, format!("{lines} lines, at most {FILE_LINES_MAX}")));
    }
    for function in source.functions() {
        if function.code_lines > FUNCTION_LINES_MAX && !function.attributes.contains("too_many_lines") {
            let message = format!(
                "`{}` has {} lines, at most {FUNCTION_LINES_MAX}",
                function.name, function.code_lines
            );
            faults.push(source.fault(function.line, message));
        }
    }
    faults
}

/// Words that have one place: `unsafe`, and the name of the driver.
fn place_faults(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (word, files) in [("unsafe", UNSAFE_FILES), ("tokio_uring", RING_FILES)] {
        if files.contains(&source.path.as_str()) {
            continue;
        }
        for (line, text) in source.code.lines().enumerate() {
            if source::words(text).any(|found| found == word) {
                faults.push(source.fault(line + 1, format!("`{word}` outside {}", files.join(", "))));
            }
        }
    }
    faults
}

/// Tests that would not run.
fn ignored_faults(source: &Source) -> Vec<Fault> {
    let marked = |code: &str| code.contains("#[") && source::words(code).any(|word| word == "ignore");
    let examples = |text: &str| text.trim_start().starts_with("//") && text.contains("```ignore");
    let lines = source.code.lines().zip(source.text.lines()).enumerate();
    let ignored = lines.filter(|(_, (code, text))| marked(code) || examples(text));
    ignored.map(|(line, _)| source.fault(line + 1, "an ignored test".into())).collect()
}

/// Lints switched off without a reason beside it.
fn exception_faults(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (start, attribute) in source.attributes() {
        let switches_off = ["allow(", "expect("].iter().any(|word| attribute.contains(word));
        let commented = source.text.lines().nth(start.saturating_sub(2)).is_some_and(is_comment)
            || attribute.contains("//");
        if switches_off && !attribute.contains("reason =") && !commented {
            faults.push(source.fault(start, "a lint switched off without a reason".into()));
        }
    }
    faults
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Each file says first what it is for.
fn opening_faults(source: &Source) -> Vec<Fault> {
    if source.text.starts_with("//!") {
        return Vec::new();
    }
    vec![source.fault(1, "does not open with `//!`".into())]
}

/// Files that no `mod` leads to, so that neither their code nor their tests are compiled.
fn orphan_faults(sources: &[Source]) -> Vec<Fault> {
    let declared: BTreeSet<PathBuf> = sources.iter().flat_map(Source::declared_modules).collect();
    let roots = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        // `src/bin/*`, `tests/*` and `benches/*` are targets of their own; `tests/src/lib.rs` is found by its name.
        name == "main.rs"
            || name == "lib.rs"
            || name == "build.rs"
            || folder == "bin"
            || folder == "benches"
            || (folder == "tests" && !in_src(path))
    };
    let lost = sources.iter().filter(|source| {
        let path = Path::new(&source.path);
        !roots(path) && !declared.contains(path)
    });
    lost.map(|source| source.fault(1, "no `mod` leads to this file".into())).collect()
}

/// Settings of a manifest with which tests would not run. A benchmark has a harness of its own; `tests/run` runs it as a test.
fn hidden_faults(folder: &str, manifest: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut section = "";
    for (line, text) in manifest.lines().enumerate() {
        if text.starts_with('[') {
            section = text;
        }
        let is_own = |word: &str| word == "harness = false" && section == "[[bench]]";
        let words = ["autotests", "doctest = false", "test = false", "harness = false"];
        if let Some(word) = words.into_iter().find(|word| text.contains(word) && !is_own(word)) {
            let message = format!("`{word}` hides tests");
            faults.push(Fault::new(&format!("{folder}/Cargo.toml"), line + 1, message));
        }
    }
    faults
}

fn in_src(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "src")
}

/// Crates that `manifest` names under `[dependencies]` (and, if asked, under `[dev-dependencies]`).
fn dependencies(manifest: &str, sections: &[&str]) -> Vec<String> {
    let mut wanted = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            wanted = sections.contains(&section.trim_end().trim_end_matches(']'));
        } else if wanted && line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let name: String =
                line.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
            names.push(name);
        }
    }
    names
}

/// Arrows between crates that are not in [`CRATE_ARROWS`].
fn crate_faults(folder: &str, manifest: &str) -> Vec<Fault> {
    let Some((_, allowed)) = CRATE_ARROWS.iter().find(|(name, _)| *name == folder) else {
        return Vec::new();
    };
    let ours = dependencies(manifest, &["dependencies", "build-dependencies"]);
    let wrong = ours.iter().filter(|name| is_ours(name) && !allowed.contains(&name.as_str()));
    wrong
        .map(|name| Fault::new(&format!("{folder}/Cargo.toml"), 1, format!("must not use `{name}`")))
        .collect()
}

fn is_ours(name: &str) -> bool {
    name == "weir" || name.starts_with("weir-")
}

/// Dependencies without a line of their own in ARCHITECTURE.md: the first word of a list item or table row.
fn unexplained_faults(names: &BTreeSet<String>, architecture: &str) -> Vec<Fault> {
    let explained = |name: &str| {
        let (item, row) = (format!("- `{name}`"), format!("| `{name}`"));
        architecture.lines().any(|line| line.starts_with(&item) || line.starts_with(&row))
    };
    let missing = names.iter().filter(|name| !explained(name));
    missing.map(|name| Fault::new("ARCHITECTURE.md", 1, format!("no line for `{name}`"))).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate has a parent folder").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn repository() -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in CRATES {
        for part in ["src", "tests", "benches"] {
            source::collect(&root(), &Path::new(folder).join(part), &mut sources);
        }
    }
    // `engine/tests` and the like may not exist, but a walk that finds next to nothing has gone astray.
    assert!(sources.len() > 10, "only {} files found", sources.len());
    sources
}

#[track_caller]
fn none(faults: &[Fault]) {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "\n{}", lines.join("\n"));
}

#[test]
fn each_check_can_fail() {
    let ring = |code: &str| Source::new("engine/src/ring.rs", code);
    let dns = |code: &str| Source::new("engine/src/dns/cache.rs", code);
    let lines = |faults: Vec<Fault>| faults.iter().map(|fault| fault.line).collect::<Vec<_>>();

    assert_eq!(lines(layer_faults(&ring("//! x\nuse crate::limits;\nuse crate::shard::Shard;"))), [3]);
    assert_eq!(lines(layer_faults(&dns("use crate::{ring, spool::{A, b}, dns};"))), [1], "leaves are apart");
    assert_eq!(lines(layer_faults(&dns("\nfn f() { crate::session::run() }"))), [2]);
    assert_eq!(lines(layer_faults(&dns("\n\nuse super::super::session::run;"))), [3]);
    assert_eq!(lines(layer_faults(&Source::new("engine/src/helpers.rs", ""))), [1], "an unknown module");
    assert!(layer_faults(&dns("// crate::session\nlet x = \"crate::session\";\nuse super::Foo;")).is_empty());
    assert!(
        layer_faults(&Source::new("engine/src/session.rs", "use crate::{decide, relay::Way};")).is_empty()
    );
    assert_eq!(lines(layer_faults(&Source::new("engine/src/decide.rs", "use crate::session::S;"))), [1]);

    let long = format!("fn long() {{\n{}}}\n", "work();\n".repeat(FUNCTION_LINES_MAX));
    assert_eq!(lines(length_faults(&ring(&long))), [1]);
    let commented = format!("fn long() {{\n{}}}\n", "// why\n".repeat(FUNCTION_LINES_MAX));
    assert!(length_faults(&ring(&commented)).is_empty());
    let excused = format!("#[expect(clippy::too_many_lines, reason = \"a table\")]\n{long}");
    assert!(length_faults(&ring(&excused)).is_empty());
    assert_eq!(length_faults(&ring(&"\n".repeat(FILE_LINES_MAX + 1))).len(), 1);

    assert_eq!(lines(place_faults(&dns("\nunsafe { x() }"))), [2]);
    assert_eq!(lines(place_faults(&dns("use tokio_uring::net;"))), [1]);
    assert_eq!(lines(place_faults(&ring("unsafe { x() }"))), [1]);
    let driver = |text: &str| Source::new("engine/src/ring/driver.rs", text);
    assert!(place_faults(&driver("unsafe { x() }")).is_empty());
    assert!(place_faults(&dns("// unsafe\nlet s = r#\"unsafe\"#; let c = '\"'; // tokio_uring")).is_empty());

    assert_eq!(lines(ignored_faults(&dns("#[test]\n#[ignore = \"slow\"]\nfn f() {}"))), [2]);
    assert_eq!(lines(ignored_faults(&dns("#[cfg_attr(miri, ignore)]\nfn f() {}"))), [1]);
    assert!(ignored_faults(&dns("f(x, ignore_case)")).is_empty());
    assert_eq!(lines(ignored_faults(&dns("/// ```ignore\n/// f()\n/// ```\nfn f() {}"))), [1]);
    let hides = |manifest: &str| lines(hidden_faults("lang", manifest));
    assert_eq!(hides("[[test]]\nname = \"x\"\nharness = false\n"), [3]);
    assert_eq!(hides("[[bench]]\nharness = false\n[lib]\ndoctest = false\n"), [4]);
    assert_eq!(lines(exception_faults(&dns("#[allow(dead_code)]\nfn f() {}"))), [1]);
    assert!(exception_faults(&dns("// The peer decides.\n#[allow(dead_code)]\nfn f() {}")).is_empty());
    assert_eq!(lines(opening_faults(&dns("use std::fs;"))), [1]);

    let tested = "use crate::limits;\n#[cfg(test)]\nmod tests {\n    use crate::config;\n}\n";
    assert!(layer_faults(&dns(tested)).is_empty(), "tests of a layer may use those above it");

    let sources = [Source::new("lang/src/lib.rs", "mod known;"), Source::new("lang/src/known.rs", "")];
    assert!(orphan_faults(&sources).is_empty());
    let elsewhere = "#[path = \"common/known.rs\"]\nmod known;";
    let sources = [Source::new("lang/tests/a.rs", elsewhere), Source::new("lang/tests/common/known.rs", "")];
    assert!(orphan_faults(&sources).is_empty());
    let sources = [Source::new("lang/src/lib.rs", "mod known;"), Source::new("lang/src/known/lost.rs", "")];
    assert_eq!(orphan_faults(&sources).len(), 1);

    let manifest =
        "[dependencies]\nweir-lang.workspace = true\npest = \"2\"\n[dev-dependencies]\nweir = {}\n";
    assert_eq!(crate_faults("engine/smtp", manifest).len(), 1);
    assert!(crate_faults("engine", manifest).is_empty());
    let names = BTreeSet::from(["pest".to_owned(), "clap".to_owned()]);
    assert_eq!(unexplained_faults(&names, "- `pest`: the grammar. Not `clap`.\n").len(), 1);
}

#[test]
fn arrows_between_crates_hold() {
    let faults: Vec<Fault> = CRATES
        .iter()
        .flat_map(|folder| crate_faults(folder, &read(&format!("{folder}/Cargo.toml"))))
        .collect();
    none(&faults);
}

#[test]
fn arrows_between_layers_hold() {
    none(&repository().iter().flat_map(layer_faults).collect::<Vec<_>>());
}

#[test]
fn files_and_functions_keep_their_bounds() {
    none(&repository().iter().flat_map(length_faults).collect::<Vec<_>>());
}

#[test]
fn unsafe_code_and_the_driver_keep_to_their_file() {
    none(&repository().iter().flat_map(place_faults).collect::<Vec<_>>());
}

#[test]
fn every_test_runs() {
    let sources = repository();
    let mut faults: Vec<Fault> = sources.iter().flat_map(ignored_faults).collect();
    faults.extend(orphan_faults(&sources));
    faults.extend(
        CRATES.iter().flat_map(|folder| hidden_faults(folder, &read(&format!("{folder}/Cargo.toml")))),
    );
    none(&faults);
}

#[test]
fn exceptions_have_reasons_and_files_an_opening() {
    let sources = repository();
    let mut faults: Vec<Fault> = sources.iter().flat_map(exception_faults).collect();
    faults.extend(sources.iter().flat_map(opening_faults));
    none(&faults);
}

#[test]
fn every_dependency_is_explained() {
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let names: BTreeSet<String> = CRATES
        .iter()
        .flat_map(|folder| dependencies(&read(&format!("{folder}/Cargo.toml")), &sections))
        .filter(|name| !is_ours(name))
        .collect();
    assert!(!names.is_empty());
    none(&unexplained_faults(&names, &read("ARCHITECTURE.md")));
}
