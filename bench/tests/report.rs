//! `report` from the command line: what it prints, what it writes, and when it fails.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

mod common;

use std::path::PathBuf;
use std::process::Output;

use common::bench;
use serde_json::json;

/// A folder with results, which is removed again.
struct Results(PathBuf);

impl Results {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-results-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes five rounds with this CPU per message and so many lost in the last.
    fn write(&self, name: &str, cpu_us: f64, lost: u32) -> String {
        let runs: Vec<_> = (1..=5)
            .map(|round| {
                let figures = json!({ "cpu_us_per_message": cpu_us + f64::from(round) / 10.0, "lost": if round == 5 { lost } else { 0 } });
                json!({ "server": "weir", "round": round, "figures": figures, "latency_us": [], "samples": [], "events": [], "expectations": [] })
            })
            .collect();
        let place =
            json!({ "date": "2026-11-26T00:00:00Z", "commit": null, "machine": "a machine", "versions": {} });
        let outcome = json!({ "format": 1, "scenario": "balancer", "place": place, "runs": runs });
        self.put(name, &outcome.to_string())
    }

    fn put(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn report(arguments: &[&str]) -> (Output, String, String) {
    let output = bench(&["report"]).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    (output, out, error)
}

#[test]
fn what_is_worse_fails_when_it_is_asked_to() {
    let results = Results::new("worse");
    let (before, after) = (results.write("a.json", 40.0, 0), results.write("b.json", 44.0, 0));
    let lossy = results.write("c.json", 40.0, 1);
    let (output, out, _) = report(&[&before, &after]);
    assert!(output.status.success() && out.contains("worse"), "{out}");
    let (output, _, error) = report(&[&before, &after, "--fail-on-worse"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("worse than before: cpu_us_per_message of weir"), "{error}");
    assert!(report(&[&after, &before, "--fail-on-worse"]).0.status.success(), "better is no fault");
    assert!(report(&[&before, &after, "--fail-on-worse", "--least", "20%"]).0.status.success());
    let (output, _, error) = report(&[&before, &lossy, "--fail-on-worse", "--least", "20%"]);
    assert!(!output.status.success() && error.contains("lost of weir"), "{error}");
}

#[test]
fn a_page_is_written_beside_the_text() {
    let results = Results::new("page");
    let (file, page) = (results.write("a.json", 40.0, 0), results.0.join("a.html"));
    let (output, out, error) = report(&[&file, "--html", &page.to_string_lossy()]);
    assert!(output.status.success(), "{error}");
    assert!(out.contains("CPU per message"), "{out}");
    assert!(std::fs::read_to_string(page).unwrap().contains("<h1>balancer</h1>"));
    let (output, _, error) = report(&[&file, "--html", "/nowhere/a.html"]);
    assert!(!output.status.success() && error.contains("/nowhere/a.html: No such file"), "{error}");
}

#[test]
fn what_is_no_result_is_named() {
    let results = Results::new("wrong");
    for (name, text, said) in [
        ("empty.json", "", "not a result of `weir-bench run --json` or `compare --json`"),
        ("new.json", "{\"format\": 9}", "format 9, and this program reads 1"),
    ] {
        let file = results.put(name, text);
        let (output, _, error) = report(&[&file]);
        assert_eq!(output.status.code(), Some(1));
        assert!(error.contains(name) && error.contains(said), "{error}");
    }
    let (output, _, error) = report(&["/nowhere.json"]);
    assert!(!output.status.success() && error.contains("/nowhere.json: No such file"), "{error}");
    assert_eq!(report(&[]).0.status.code(), Some(2));
}

#[test]
fn the_figures_are_listed() {
    let (output, out, _) = report(&["--figures"]);
    assert!(
        output.status.success() && out.contains("| CPU per message | `cpu_us_per_message` | down |"),
        "{out}"
    );
}
