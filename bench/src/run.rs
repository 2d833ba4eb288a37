//! `weir-bench run`: a scenario as processes on this machine.
//!
//! ```text
//! Scenario --stage--> nodes     sources --samples--> figures <--proof-- books of the sinks
//!                       ^ events on a time line
//! ```

mod figures;
mod meter;
mod play;
mod proof;
mod rules;
mod sources;
mod stage;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::result::{FORMAT, Outcome, Place, Sample};
use crate::scenario::{self, Addresses, Scenario};
use crate::value::{duration, real};
use crate::{Result, interrupt, place};

pub(crate) use play::{Played, play};
pub(crate) use stage::Setting;

/// Bounds of `--scale`.
const SCALE: std::ops::RangeInclusive<f64> = 0.001..=1000.0;

#[derive(Args)]
#[command(after_help = "\
Exit status 0 when all expectations are met, 1 when one is not or the run failed. Nothing that was started stays, also
after Ctrl-C.

Examples:
  weir-bench run balancer
  weir-bench run kill-scanner --scale 10
  weir-bench run /etc/weir/load/scenario.toml --for 10m --json > before.json
  weir-bench run balancer --weir ./weir-old --size 64KiB --sessions 200")]
pub(crate) struct Options {
    /// A shipped scenario (see `weir-bench scenarios`), a scenario file, or a folder with a scenario.toml.
    scenario: String,
    /// Make the load last this long altogether, and stretch the time line accordingly.
    #[arg(long = "for", value_name = "TIME", value_parser = duration, conflicts_with = "scale")]
    lasts: Option<Duration>,
    /// Multiply all times of the time line.
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// The weir binary; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    weir: Option<PathBuf>,
    /// Print the outcome as JSON, for `weir-bench report`.
    #[arg(long)]
    json: bool,
    /// Leave rule files and logs of the run in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    change: Change,
}

/// Above the options of [`Change`] in the help.
const CHANGES: &str = "Changes of all loads, as options of `weir-bench source`";

/// Changes of all loads of a scenario.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Change {
    /// Other sizes of mail in all loads.
    #[arg(
        long,
        value_name = "SIZES",
        help_heading = CHANGES
    )]
    size: Option<String>,
    /// Another number of sessions.
    #[arg(
        long,
        short,
        value_name = "N",
        help_heading = CHANGES
    )]
    sessions: Option<u64>,
    /// Messages on one connection; 0 is any number.
    #[arg(long, value_name = "N", help_heading = CHANGES)]
    per_connection: Option<u64>,
    /// Messages per second: an open loop.
    #[arg(
        long,
        value_name = "RATE",
        help_heading = CHANGES
    )]
    rate: Option<String>,
    /// A round trip for each command.
    #[arg(long, help_heading = CHANGES)]
    no_pipelining: bool,
    /// Any others, in one text: `--source="--chunking --starttls"`.
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true, help_heading = CHANGES)]
    source: Option<String>,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  weir-bench scenarios\n  weir-bench scenarios --write my-scenarios")]
pub(crate) struct ListOptions {
    /// Write the files of all of them into this folder, to be changed and run from there.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

/// A factor for all times.
pub(crate) fn scale(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|number| SCALE.contains(number));
    number.ok_or_else(|| {
        format!("`{text}` is no scale: write a number from {} to {}", SCALE.start(), SCALE.end())
    })
}

impl Change {
    /// Puts the changes behind the options of each load, where they win.
    pub(crate) fn apply(&self, scenario: &mut Scenario) -> Result<()> {
        let mut words = Vec::new();
        let values = [
            ("--size", self.size.clone()),
            ("--sessions", self.sessions.map(|number| number.to_string())),
            ("--per-connection", self.per_connection.map(|number| number.to_string())),
            ("--rate", self.rate.clone()),
        ];
        for (name, value) in values {
            words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        }
        if self.no_pipelining {
            words.push("--no-pipelining".into());
        }
        words.extend(self.source.iter().flat_map(|text| scenario::words(text)));
        crate::understands("source", &[&["127.0.0.1:25".to_owned()], words.as_slice()].concat())?;
        for load in &mut scenario.loads {
            load.options.extend(words.iter().cloned());
        }
        Ok(())
    }
}

pub(crate) fn list(options: &ListOptions) -> Result<()> {
    if let Some(folder) = &options.write {
        scenario::write(folder)?;
    }
    for (name, about) in scenario::list()? {
        println!("{name:20} {about}");
    }
    Ok(())
}

pub(crate) fn run(options: &Options) -> Result<()> {
    interrupt::catch()?;
    let folder = Folder::new(options.keep.as_deref())?;
    let mut scenario = scenario::load(&options.scenario, &folder.path.join("shipped"))?;
    options.change.apply(&mut scenario)?;
    let factor = match options.lasts {
        Some(lasts) => lasts.div_duration_f64(scenario.lasts()),
        None => options.scale,
    };
    let scenario = scenario.scaled(factor);
    let weir = weir_binary(options.weir.as_deref())?;
    let addresses = Addresses::draw(&scenario)?;
    let setting = Setting {
        scenario: &scenario,
        addresses: &addresses,
        folder: &folder.path,
        weir: &weir,
        peer: None,
        is_traced: false,
    };
    let run = play(&setting, "weir", 1, &progress())?.run;
    clear_progress();
    let versions =
        BTreeMap::from([("weir".to_owned(), place::version(&weir.to_string_lossy(), "--version"))]);
    let outcome = Outcome {
        format: FORMAT,
        scenario: scenario.name.clone(),
        place: Place::here(versions),
        runs: vec![run],
    };
    if options.json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        print!("{}", table::of_run(&scenario, &outcome));
    }
    verdict(&outcome)
}

/// An error if an expectation is not met.
fn verdict(outcome: &Outcome) -> Result<()> {
    let all = outcome.runs.iter().flat_map(|run| &run.expectations);
    let missed: Vec<&str> = all.filter(|one| !one.met).map(|one| one.text.as_str()).collect();
    if missed.is_empty() { Ok(()) } else { Err(format!("not met: {}", missed.join(", ")).into()) }
}

/// The folder of a run, which goes with it unless it is to be kept.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    is_kept: bool,
}

impl Folder {
    pub(crate) fn new(keep: Option<&Path>) -> Result<Self> {
        let own = std::env::temp_dir().join(format!("weir-bench-{}", std::process::id()));
        let path = keep.map_or(own, Path::to_owned);
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path: path.canonicalize()?, is_kept: keep.is_some() })
    }
}

impl Folder {
    pub(crate) const fn is_kept(&self) -> bool {
        self.is_kept
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            // Left over, it is only a folder in the temporary ones.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

/// The weir binary that was named, or the one beside us.
pub(crate) fn weir_binary(given: Option<&Path>) -> Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("weir"),
    };
    match path.canonicalize() {
        Ok(path) if path.is_file() => Ok(path),
        _ => {
            let way = "build it with `cargo build --release -p weir`, or name it by --weir";
            Err(format!("{}: no such file; {way}", path.display()).into())
        }
    }
}

/// A line on the terminal that changes with each sample.
pub(crate) fn progress() -> impl Fn(&Sample) {
    let is_watched = std::io::IsTerminal::is_terminal(&std::io::stderr());
    move |sample| {
        if is_watched {
            let Sample { seconds, rate, latency_p99_us, failure_rate, cpu_cores, rss_bytes } = sample;
            let (p99_ms, rss_mib) = (latency_p99_us / 1000.0, rss_bytes / real(1 << 20));
            eprint!(
                "\r\x1b[K{seconds:.0} s: {rate:.0} messages/s, p99 {p99_ms:.2} ms, {failure_rate:.0} failures/s"
            );
            eprint!(", {cpu_cores:.2} cores, {rss_mib:.0} MiB");
        }
    }
}

pub(crate) fn clear_progress() {
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        eprint!("\r\x1b[K");
    }
}
