//! What `run` and `compare` have found, for people: one outcome, or one before and one after, as text and as a page.

mod change;
mod figure_table;
mod html;
mod number;
#[cfg(test)]
mod sample;
mod statistics;
mod text;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::Result;
use crate::result::{FORMAT, Outcome};
use crate::value::Share;
use change::{Verdict, changes};

pub(crate) use number::{alone, percent};
use text::text;

/// The least change that matters, as a part of the value before.
const LEAST_DEFAULT: f64 = 0.01;

/// Largest file of results that is read, in bytes: some 10,000 runs of a minute.
const FILE_BYTES_MAX: u64 = 256 << 20;

#[derive(Args)]
#[command(after_help = "\
With one file: the figures of each server, ratios between servers, expectations and events. With two: what has changed, with
an interval of 95 % and a verdict for each figure.

Examples:
  weir-bench compare balancer --with haproxy --json >after.json
  weir-bench report after.json --html after.html
  weir-bench report before.json after.json --fail-on-worse")]
pub(crate) struct Options {
    /// Results of `run` or `compare --json`; with a second file, those before.
    #[arg(value_name = "FILE", required_unless_present = "figures")]
    first: Option<PathBuf>,
    /// Results after a change.
    #[arg(value_name = "AFTER")]
    second: Option<PathBuf>,
    /// Write a page there, too; one file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Exit with 1 if a figure is worse than before.
    #[arg(long, requires = "second")]
    fail_on_worse: bool,
    /// The least change that matters, as a part of the value before; what must not happen at all always does.
    #[arg(long, value_name = "SHARE", default_value = "1%", requires = "second")]
    least: Share,
    /// Print which figures there are, which way each should go and what it is.
    #[arg(long, exclusive = true)]
    figures: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let Some(first) = &options.first else {
        print!("{}", crate::figures::table());
        return Ok(());
    };
    let first = read(first)?;
    let second = options.second.as_deref().map(read).transpose()?;
    let (outcome, before) = match &second {
        Some(second) => (second, Some(&first)),
        None => (&first, None),
    };
    let least = options.least.fraction();
    print!("{}", text(outcome, before, least));
    if let Some(path) = &options.html {
        write_page(path, &html::page(outcome, before, least))?;
    }
    match before.filter(|_| options.fail_on_worse) {
        Some(before) => refuse_worse(before, outcome, least),
        None => Ok(()),
    }
}

/// How `run` and `compare` show what they found.
#[derive(Args)]
pub(crate) struct Output {
    /// Print the outcome as JSON, for `weir-bench report`.
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write a page with plots: one file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Output {
    /// Makes the page's file, so that a name that cannot be is found before the work is done.
    pub(crate) fn check(&self) -> Result<()> {
        self.html.as_deref().map_or(Ok(()), |path| write_page(path, ""))
    }

    pub(crate) fn show(&self, outcome: &Outcome) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(outcome)?);
        } else {
            print!("{}", text(outcome, None, LEAST_DEFAULT));
        }
        let page = || html::page(outcome, None, LEAST_DEFAULT);
        self.html.as_deref().map_or(Ok(()), |path| write_page(path, &page()))
    }
}

fn write_page(path: &Path, page: &str) -> Result<()> {
    Ok(fs::write(path, page).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// An error that names all figures that are worse.
fn refuse_worse(before: &Outcome, after: &Outcome, least: f64) -> Result<()> {
    let changes = changes(before, after, least);
    let worse: Vec<String> = changes
        .iter()
        .filter(|change| change.verdict == Verdict::Worse)
        .map(|change| format!("{} of {}", change.figure, change.server))
        .collect();
    if worse.is_empty() {
        return Ok(());
    }
    Err(format!("worse than before: {}", worse.join(", ")).into())
}

/// An outcome from its file.
fn read(path: &Path) -> Result<Outcome> {
    let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| at(&error))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| at(&error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(at(&format!("over {} MiB, which no result is", FILE_BYTES_MAX >> 20)).into());
    }
    parse(&text).map_err(|error| at(&error).into())
}

/// An outcome from its JSON.
fn parse(text: &str) -> std::result::Result<Outcome, String> {
    let form = "not a result of `weir-bench run --json` or `compare --json`";
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("{form}: {error}"))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        None => Err(format!("{form}: it has no `format`")),
        Some(format) if format != u64::from(FORMAT) => Err(format!(
            "format {format}, and this program reads {FORMAT}: take the weir-bench that wrote it, or measure again"
        )),
        // From the text, so that an error has its line and column.
        Some(_) => serde_json::from_str(text).map_err(|error| format!("{form}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let written = serde_json::to_string(&sample::outcome()).unwrap();
        let outcome = parse(&written).unwrap();
        assert_eq!(outcome.runs.len(), sample::outcome().runs.len());
        assert!(text(&outcome, None, 0.0) == text(&sample::outcome(), None, 0.0), "it says the same");
    }

    #[test]
    fn what_is_no_outcome_is_refused_with_its_reason() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert!(refused("{").contains("line 1 column 1"), "{}", refused("{"));
        assert!(refused("{}").contains("it has no `format`"));
        assert!(refused(r#"{"format":2}"#).starts_with("format 2, and this program reads 1"));
        assert!(refused(r#"{"format":1}"#).contains("missing field `scenario`"));
    }
}
