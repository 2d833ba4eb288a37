//! `weir-bench run`: a scenario as processes on this machine.
//!
//! ```text
//! Scenario --stage--> nodes     sources --samples--> figures <--proof-- books of the sinks
//!                       ^ events on a time line
//! ```

mod figures;
mod meter;
mod options;
mod play;
mod proof;
mod rules;
mod sources;
mod stage;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use crate::result::{FORMAT, Outcome, Place, Run, Sample};
use crate::scenario::{self, Addresses, Load, Scenario};
use crate::value::real;
use crate::{Result, interrupt, place};

pub(crate) use options::{Common, Folder, Prepared, add_to_loads, weir_binary};
pub(crate) use play::{Played, play};
pub(crate) use stage::Setting;

#[derive(Args)]
#[command(after_help = "\
Exit status 0 when all expectations are met, 1 when one is not or the run failed. Nothing that was started stays, also
after Ctrl-C.

Examples:
  weir-bench run balancer
  weir-bench run flow --html flow.html
  weir-bench run kill-scanner --scale 10
  weir-bench run /etc/weir/load/scenario.toml --for 10m --json > before.json
  weir-bench run balancer --weir ./weir-old --size 64KiB --sessions 200")]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  weir-bench scenarios\n  weir-bench scenarios --write my-scenarios")]
pub(crate) struct ListOptions {
    /// Write the files of all of them into this folder, to be changed and run from there.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
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
    let Prepared { scenario, weir, folder } = options.common.prepare()?;
    let addresses = Addresses::draw(&scenario)?;
    let setting = Setting {
        scenario: &scenario,
        addresses: &addresses,
        folder: &folder.path,
        weir: &weir,
        peer: None,
        is_traced: false,
    };
    let played = play(&setting, "weir", 1, &progress());
    clear_progress();
    let versions =
        BTreeMap::from([("weir".to_owned(), place::version(&weir.to_string_lossy(), "--version"))]);
    let outcome = outcome(&scenario, 1, versions, vec![played?.run]);
    options.common.output.show(&outcome)?;
    verdict(&outcome)
}

/// All that one command found.
pub(crate) fn outcome(
    scenario: &Scenario,
    rounds: u32,
    versions: BTreeMap<String, String>,
    runs: Vec<Run>,
) -> Outcome {
    let (seconds, warm_up) = (scenario.lasts().as_secs_f64(), scenario.warm_up.as_secs_f64());
    let turns = if rounds > 1 { format!("{rounds} rounds in turns, each ") } else { String::new() };
    let load = |load: &Load| {
        let what = match load.messages {
            _ if load.holds => " holds".into(),
            Some(messages) => format!(" sends {messages} messages"),
            None => String::new(),
        };
        format!("load {}{what}: {}", load.name, load.options.join(" "))
    };
    let loads = scenario.loads.iter().map(load);
    let at_most = if scenario.loads.iter().any(|load| load.messages.is_some()) { "at most " } else { "" };
    let time = format!("{turns}{at_most}{seconds:.1} s after {warm_up:.1} s of warm-up");
    Outcome {
        format: FORMAT,
        scenario: scenario.name.clone(),
        about: scenario.about.clone(),
        setup: [time].into_iter().chain(loads).chain([scenario.cores()]).collect(),
        place: Place::here(versions),
        runs,
    }
}

/// An error if an expectation is not met.
fn verdict(outcome: &Outcome) -> Result<()> {
    let all = outcome.runs.iter().flat_map(|run| &run.expectations);
    let missed: Vec<&str> = all.filter(|one| !one.met).map(|one| one.text.as_str()).collect();
    if missed.is_empty() { Ok(()) } else { Err(format!("not met: {}", missed.join(", ")).into()) }
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
