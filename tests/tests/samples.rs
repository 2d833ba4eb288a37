//! Rule texts outside the tests parse: the shipped files, and what documents show between ` ```weir ` and ` ``` `.

use std::fs;
use std::path::{Path, PathBuf};

use weir_lang::diagnostic::{Style, render_all};
use weir_lang::parse;
use weir_lang::source::Sources;
use weir_tests::repository;

/// What is wrong with a text, as `weir check` would print it.
fn faults(name: &str, text: &str) -> Option<String> {
    let mut sources = Sources::default();
    let id = sources.add(name, text);
    let parsed = parse::file(&sources, id);
    (!parsed.faults.is_empty()).then(|| render_all(&parsed.faults, &sources, Style::Plain))
}

/// The samples of a document, each with the line on which it begins. One without the version line gets it.
fn samples(document: &str) -> Vec<(usize, String)> {
    let mut samples = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((line, text)) = lines.next() {
        if text.trim() != "```weir" {
            continue;
        }
        let inner = lines.by_ref().map(|(_, text)| text).take_while(|text| text.trim() != "```");
        let sample = inner.collect::<Vec<_>>().join("\n") + "\n";
        let versioned = if sample.starts_with("weir ") { sample } else { format!("weir 1\n{sample}") };
        samples.push((line + 1, versioned));
    }
    samples
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

#[test]
fn a_bad_sample_is_found() {
    let document = "Text.\n```weir\nlist a : net = [ 192.0.2.1 ]\n```\n```weir\nweir 1\non mail { { }\n```\n";
    let samples = samples(document);
    assert_eq!(samples.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(faults("good", &samples[0].1), None);
    assert!(faults("bad", &samples[1].1).is_some());
}

#[test]
fn shipped_rule_files_parse() {
    let rules = files(&repository().join("rules"), "weir");
    assert!(rules.len() >= 6, "{rules:?}");
    let scenarios = fs::read_dir(repository().join("bench/scenarios")).expect("the shipped scenarios");
    let folders =
        scenarios.map(|entry| entry.expect("a readable folder").path()).filter(|path| path.is_dir());
    for path in rules.into_iter().chain(folders.flat_map(|folder| files(&folder, "weir"))) {
        let text = fs::read_to_string(&path).expect("a shipped file");
        if let Some(faults) = faults(&path.to_string_lossy(), &text) {
            panic!("{faults}");
        }
    }
}

#[test]
fn samples_in_documents_parse() {
    let root = repository();
    for folder in [root.clone(), root.join("bench"), root.join("lang"), root.join("rules")] {
        for path in files(&folder, "md") {
            let document = fs::read_to_string(&path).expect("a readable document");
            for (line, sample) in samples(&document) {
                if let Some(faults) = faults(&format!("{}:{line}", path.display()), &sample) {
                    panic!("{faults}");
                }
            }
        }
    }
}
