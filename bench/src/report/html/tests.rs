//! The page in a browser: Chromium reads it from a file, and a script that only the test adds measures what came of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::sample;
use super::*;

fn html(outcome: &Outcome, before: Option<&Outcome>) -> String {
    page(outcome, before, 0.01)
}

/// Measures the page inside a frame of each width: what sticks out of it, and names in plots that lie on each other or
/// outside of their drawing.
const MEASURE: &str = r"
const found = [];
for (const frame of document.querySelectorAll('iframe')) {
  const page = frame.contentDocument, root = page.documentElement;
  const box = element => element.getBoundingClientRect();
  const problems = [];
  if (root.scrollWidth > root.clientWidth) problems.push(`sticks out by ${root.scrollWidth - root.clientWidth}`);
  for (const svg of page.querySelectorAll('figure svg')) {
    const names = [...svg.querySelectorAll('text')];
    const own = box(svg);
    names.forEach((name, index) => {
      const one = box(name);
      if (one.left < own.left - 1 || one.right > own.right + 1 || one.top < own.top - 1 || one.bottom > own.bottom + 1)
        problems.push(`outside: ${name.textContent} in ${svg.getAttribute('aria-label')}`);
      for (const other of names.slice(index + 1)) {
        const two = box(other);
        if (one.left < two.right && two.left < one.right && one.top < two.bottom - 2 && two.top < one.bottom - 2)
          problems.push(`overlap: ${name.textContent} and ${other.textContent} in ${svg.getAttribute('aria-label')}`);
      }
    });
  }
  const count = query => page.querySelectorAll(query).length;
  found.push([`width=${root.clientWidth}`, `figures=${count('figure')}`, `lines=${count('.over-time polyline:not(.faint)')}`,
    `faint=${count('polyline.faint')}`, `bands=${count('polygon')}`, `marks=${count('.mark')}`, `dots=${count('.by-round circle.dot')}`,
    `tiles=${count('.tile')}`, `letters=${Math.round(10 * parseFloat(frame.contentWindow.getComputedStyle(page.querySelector('svg text')).fontSize)) / 10}`,
    `problems=${problems.join('; ')}`].join(' '));
}
document.body.textContent = 'FOUND\n' + found.join('\n') + '\nEND';
";

/// A folder that is removed again.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-report-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// What the browser made of the page at these widths, a line each.
fn measured(name: &str, page: &str, widths: &[u32]) -> Vec<String> {
    let folder = Folder::new(name);
    let mut frames = String::new();
    for width in widths {
        let frame = format!(
            "<iframe style=\"width:{width}px;height:900px;border:0\" srcdoc=\"{}\"></iframe>\n",
            escaped(page)
        );
        frames.push_str(&frame);
    }
    let file = folder.0.join("frames.html");
    let text = format!(
        "<!doctype html><meta charset=\"utf-8\"><body>{frames}<script>addEventListener('load', () => {{{MEASURE}}})</script>"
    );
    std::fs::write(&file, text).unwrap();
    let output = chromium(&folder.0, &file);
    let start = output.find("FOUND\n").unwrap_or_else(|| panic!("Chromium measured nothing: {output:.500}"));
    output[start..].lines().skip(1).take_while(|line| !line.starts_with("END")).map(str::to_owned).collect()
}

fn chromium(folder: &Path, file: &Path) -> String {
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
        ])
        .args(["--no-first-run", "--disable-component-update", "--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .output()
        .expect("chromium, of Debian's package of this name, is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn has(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.split(' ').any(|found| found == *word), "no {word} in: {line}");
    }
    assert!(line.ends_with("problems="), "{line}");
}

#[test]
fn one_outcome_is_drawn_whole_at_any_width() {
    let lines = measured("one", &html(&sample::outcome(), None), &[1280, 800, 360]);
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in &lines {
        // Latency and five readings of two servers; four other rounds of each reading; 3 events in each.
        has(line, &["lines=12", "faint=40", "bands=2", "marks=15", "tiles=4"]);
    }
}

#[test]
fn before_and_after_are_drawn_beside_each_other() {
    let lines = measured("two", &html(&sample::better(), Some(&sample::outcome())), &[1280, 360]);
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in &lines {
        has(line, &["lines=24", "bands=4", "tiles=4"]);
    }
}

/// Long names, many servers and an event each second: what a page must bear.
#[test]
fn a_crowded_page_keeps_its_shape() {
    let mut outcome = sample::outcome();
    let mut runs = Vec::new();
    for peer in
        ["weir", "postscreen+postfix with a very long name", "haraka", "kumomta", "smtp-sink", "opensmtpd"]
    {
        for run in outcome.runs.iter().filter(|run| run.server == "haproxy") {
            let mut run = run.clone();
            run.server = peer.into();
            run.events = (0..120)
                .map(|n| crate::result::Event {
                    seconds: f64::from(n) / 4.0,
                    what: format!("reload {}", n % 30),
                })
                .collect();
            runs.push(run);
        }
    }
    outcome.runs = runs;
    outcome.scenario = "a scenario with <b>marks</b> & a name that is rather long for a telephone".into();
    let page = html(&outcome, None);
    assert!(page.contains("24 more events are not marked"), "of 30 kinds, 4 times each");
    assert!(page.contains("&lt;b&gt;marks") && !page.contains("<b>marks"));
    for line in measured("crowded", &page, &[1280, 360]) {
        has(&line, &["lines=36"]);
    }
}

#[test]
fn a_page_loads_nothing() {
    let page = html(&sample::better(), Some(&sample::outcome()));
    for word in ["http:", "https:", "<script", "@import", "url(", "<link", "<img"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn an_outcome_of_nothing_is_a_page() {
    let mut empty = sample::outcome();
    empty.runs.clear();
    assert!(html(&empty, None).contains("No run has any figure."));
    assert!(html(&empty, Some(&empty)).ends_with("</html>\n"));
}

#[test]
fn marks_are_numbered_by_their_text() {
    let outcome = sample::outcome();
    let (marked, left_out) = charts::marked(&[Side { outcome: &outcome, is_before: false }]);
    let whats: Vec<&str> = marked.iter().map(|marked| marked.what.as_str()).collect();
    assert_eq!(whats, ["reload balancer", "kill -9 scan1", "start scan1"]);
    assert_eq!(left_out, 0);
    assert!(marked.iter().all(|marked| marked.times.len() == 1), "rounds have the same events");
}
