//! What `run` and `compare` are told in the same words, and what they make of it: a scenario, the weir to run, and a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::Result;
use crate::cores::Split;
use crate::report::Output;
use crate::scenario::{self, Scenario};
use crate::value::duration;

/// Bounds of `--scale`.
const SCALE: std::ops::RangeInclusive<f64> = 0.001..=1000.0;

#[derive(Args)]
pub(crate) struct Common {
    /// A shipped scenario (see `weir-bench scenarios`), a scenario file, or a folder with a scenario.toml.
    scenario: String,
    /// Make the load last this long altogether, and stretch the time line accordingly.
    #[arg(long = "for", value_name = "TIME", value_parser = duration, conflicts_with = "scale")]
    lasts: Option<Duration>,
    /// Multiply all times of the scenario, and all numbers of messages.
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// The cores of the measured server and those of all others, in place of the scenario's: 0:1, or 0:0 for one and the same,
    /// 0,1:2-5, 0,1:0,1.
    #[arg(long, value_name = "CORES:CORES")]
    cores: Option<Split>,
    /// The weir binary; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    weir: Option<PathBuf>,
    /// Leave rule files and logs in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    change: Change,
}

/// What is run, and where.
pub(crate) struct Prepared {
    pub(crate) scenario: Scenario,
    pub(crate) weir: PathBuf,
    pub(crate) folder: Folder,
}

impl Common {
    /// Finds what is wrong before anything starts.
    pub(crate) fn prepare(&self) -> Result<Prepared> {
        let folder = Folder::new(self.keep.as_deref())?;
        let mut scenario = scenario::load(&self.scenario, &folder.path.join("shipped"))?;
        self.change.apply(&mut scenario)?;
        if let Some(split) = self.cores {
            scenario.split(split);
        }
        let factor = self.lasts.map_or(self.scale, |lasts| lasts.div_duration_f64(scenario.lasts()));
        let weir = weir_binary(self.weir.as_deref())?;
        self.output.check()?;
        Ok(Prepared { scenario: scenario.scaled(factor), weir, folder })
    }
}

/// Above the options of [`Change`] in the help.
const CHANGES: &str = "Changes of all loads, as options of `weir-bench source`";

/// Changes of all loads of a scenario.
#[derive(Args, Clone, Debug, Default)]
struct Change {
    /// Other sizes of mail in all loads.
    #[arg(long, value_name = "SIZES", help_heading = CHANGES)]
    size: Option<String>,
    /// Another number of sessions.
    #[arg(long, short, value_name = "N", help_heading = CHANGES)]
    sessions: Option<u64>,
    /// Messages on one connection; 0 is any number.
    #[arg(long, value_name = "N", help_heading = CHANGES)]
    per_connection: Option<u64>,
    /// Messages per second: an open loop.
    #[arg(long, value_name = "RATE", help_heading = CHANGES)]
    rate: Option<String>,
    /// A round trip for each command.
    #[arg(long, help_heading = CHANGES)]
    no_pipelining: bool,
    /// Any others, in one text: `--source="--chunking --starttls"`.
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true, help_heading = CHANGES)]
    source: Option<String>,
}

/// A factor for all times.
fn scale(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|number| SCALE.contains(number));
    number.ok_or_else(|| {
        format!("`{text}` is no scale: write a number from {} to {}", SCALE.start(), SCALE.end())
    })
}

impl Change {
    /// Puts the changes behind the options of each load, where they win.
    fn apply(&self, scenario: &mut Scenario) -> Result<()> {
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
        add_to_loads(&words, scenario)
    }
}

/// Puts options of a source behind those of each load, where they win.
pub(crate) fn add_to_loads(words: &[String], scenario: &mut Scenario) -> Result<()> {
    crate::understands("source", &[&["127.0.0.1:25".to_owned()], words].concat())?;
    for load in &mut scenario.loads {
        load.options.extend(words.iter().cloned());
    }
    Ok(())
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
