//! `weir-bench compare`: the measured node of a scenario as weir and as others, in turns, so that a change of the machine's mood
//! meets all of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::figures::{Shown, Unit};
use crate::peers::{self, PeerKind};
use crate::report::alone;
use crate::result::{self, Run};
use crate::run::{
    Common, Folder, Played, Prepared, Setting, add_to_loads, clear_progress, outcome, play, progress,
    weir_binary,
};
use crate::scenario::{self, Addresses, Kind, Scenario};
use crate::value::real;
use crate::{Result, interrupt, place};

/// How long system calls are counted.
const TRACED: Duration = Duration::from_secs(1);
/// Most rounds.
const ROUNDS_MAX: u32 = 1000;
/// The name of [`Rival::Other`].
const OTHER: &str = "other";

#[derive(Args)]
#[command(after_help = "\
Each round starts all programs anew, each on the cores that the scenario names, warms them up, and measures. A round in which an
expectation of the scenario is not met, such as `lost = 0`, ends the comparison with an error.

Examples:
  weir-bench compare balancer --with haproxy,postfix,haraka --html balancer.html
  weir-bench compare balancer --with haproxy --size 64KiB --sessions 200 --rounds 7
  weir-bench compare sink --with smtp-sink --no-pipelining --json > sink.json
  weir-bench compare balancer --with other --other-weir ./weir-before
  weir-bench compare balancer --with other --other-source=--no-pipelining
  weir-bench compare my-scenario/ --with other --other-rules ./new-rules/mx.weir")]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// What weir is compared with; `other` is weir with something else about it.
    #[arg(long, value_name = "PEER", value_delimiter = ',', value_parser = rival)]
    with: Vec<Rival>,
    /// How often each is measured.
    #[arg(long, short, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX)))]
    rounds: u32,
    /// Do not count system calls, for which a short further pass under strace comes after the last round.
    #[arg(long)]
    no_syscalls: bool,
    #[command(flatten)]
    other: Other,
}

/// Above the options of [`Other`] in the help.
const OF_OTHER: &str = "What is other about `other`";

#[derive(Args)]
struct Other {
    /// Its binary.
    #[arg(id = "other_weir", long = "other-weir", value_name = "PATH", help_heading = OF_OTHER)]
    binary: Option<PathBuf>,
    /// Its rule file or folder, in place of that of the measured node and with the same addresses in it.
    #[arg(id = "other_rules", long = "other-rules", value_name = "PATH", help_heading = OF_OTHER)]
    rules: Option<PathBuf>,
    /// Its arguments of `weir run`, in place of the measured node's: `--other-arguments="--shards 1"`.
    #[arg(id = "other_arguments", long = "other-arguments", value_name = "WORDS", allow_hyphen_values = true, help_heading = OF_OTHER)]
    arguments: Option<String>,
    /// Its loads, with these options of `weir-bench source` too: `--other-source=--no-pipelining`.
    #[arg(id = "other_source", long = "other-source", value_name = "OPTIONS", allow_hyphen_values = true, help_heading = OF_OTHER)]
    load: Option<String>,
}

impl Other {
    fn is_given(&self) -> bool {
        self.binary.is_some() || self.rules.is_some() || self.arguments.is_some() || self.load.is_some()
    }

    /// The scenario of `other`.
    fn change(&self, mut scenario: Scenario) -> Result<Scenario> {
        if let Some(options) = &self.load {
            add_to_loads(&scenario::words(options), &mut scenario)?;
        }
        let measured = scenario.measured.as_ref().map(|measured| measured.node.clone());
        let node = scenario.nodes.iter_mut().find(|node| measured.as_ref() == Some(&node.name));
        let Some(Kind::Weir { rules, arguments }) = node.map(|node| &mut node.kind) else {
            return Err("`other` is another weir, and the measured node is no weir".into());
        };
        if let Some(words) = &self.arguments {
            *arguments = scenario::words(words);
        }
        if let Some(path) = &self.rules {
            *rules = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(scenario)
    }
}

/// Who takes the measured place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rival {
    Weir,
    /// weir with another binary, other rules or arguments, or another load.
    Other,
    Peer(PeerKind),
}

impl Rival {
    const fn name(self) -> &'static str {
        match self {
            Self::Weir => "weir",
            Self::Other => OTHER,
            Self::Peer(kind) => kind.name(),
        }
    }
}

fn rival(text: &str) -> std::result::Result<Rival, String> {
    if text == OTHER {
        return Ok(Rival::Other);
    }
    PeerKind::from_str(text, false).map(Rival::Peer).map_err(|_| {
        let names: Vec<&str> = PeerKind::value_variants().iter().map(|kind| kind.name()).collect();
        format!("`{text}` is nothing to compare with; there are: {OTHER}, {}", names.join(", "))
    })
}

/// What does not change between rounds.
struct Arena {
    /// For weir and peers, and for `other`.
    scenario: Scenario,
    others: Scenario,
    weir: PathBuf,
    other_weir: PathBuf,
    folder: Folder,
    versions: BTreeMap<String, String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    interrupt::catch()?;
    let mut arena = Arena::new(options)?;
    let rivals = [&[Rival::Weir], options.with.as_slice()].concat();
    let mut runs = Vec::new();
    for round in 1..=options.rounds {
        for rival in &rivals {
            let run = arena.measure(*rival, round)?;
            if !options.common.output.json {
                println!("{}", line(&run));
            }
            runs.push(run);
        }
    }
    if !options.no_syscalls {
        for rival in &rivals {
            let calls = arena.count_calls(*rival)?;
            let first = runs.iter_mut().find(|run| run.server == rival.name());
            first.into_iter().zip(calls).for_each(|(run, calls)| {
                run.figures.insert("syscalls_per_message".into(), calls);
            });
        }
    }
    if !options.common.output.json {
        println!();
    }
    options.common.output.show(&outcome(&arena.scenario, options.rounds, arena.versions, runs))
}

/// A line about one round, as it ends.
fn line(run: &Run) -> String {
    let of = |name: &str| {
        let value = run.figures.get(name).copied();
        value.map_or("-".into(), |value| alone(Shown::of(name).unit, value))
    };
    let [cpu, rate, p99] = ["cpu_us_per_message", "attempts_per_second", "latency_p99_us"].map(of);
    format!("round {:<3} {:14} CPU {cpu:>8}/message {rate:>9} p99 {p99:>8}", run.round, run.server)
}

impl Arena {
    fn new(options: &Options) -> Result<Self> {
        if options.with.contains(&Rival::Other) != options.other.is_given() {
            return Err("`--with other` needs one of --other-weir, --other-rules, --other-arguments, --other-source, and they need it".into());
        }
        let Prepared { scenario, weir, folder } = options.common.prepare()?;
        check(&scenario, &options.with)?;
        if !options.no_syscalls {
            peers::find("strace", "apt-get install strace, or --no-syscalls")?;
        }
        let other_weir =
            options.other.binary.as_ref().map_or(Ok(weir.clone()), |path| weir_binary(Some(path)))?;
        let others =
            if options.other.is_given() { options.other.change(scenario.clone())? } else { scenario.clone() };
        Ok(Self { scenario, others, weir, other_weir, folder, versions: BTreeMap::new() })
    }

    /// One round of one server.
    fn measure(&mut self, rival: Rival, round: u32) -> Result<Run> {
        let played = self.play(rival, round, false)?;
        let missed: Vec<String> = played.run.expectations.iter().filter(|one| !one.met).map(shown).collect();
        if !missed.is_empty() {
            let server = rival.name();
            let missed = missed.join(", ");
            return Err(format!("round {round}, {server}: no figure, for this is not met: {missed}").into());
        }
        let weir = if rival == Rival::Other { &self.other_weir } else { &self.weir };
        let version = played.version.unwrap_or_else(|| place::version(&weir.to_string_lossy(), "--version"));
        self.versions.insert(rival.name().to_owned(), version);
        Ok(played.run)
    }

    /// System calls for each message, in a pass of its own after the last round; none if no mail is sent.
    fn count_calls(&self, rival: Rival) -> Result<Option<f64>> {
        let played = self.play(rival, 0, true)?;
        let of = |name: &str| played.run.figures.get(name).copied().unwrap_or_default();
        let calls = played.calls.ok_or("no system calls were counted")?;
        let messages = of("accepted") + of("refused");
        Ok((messages > 0.0).then(|| real(calls) / messages))
    }

    fn play(&self, rival: Rival, round: u32, is_traced: bool) -> Result<Played> {
        let (scenario, weir, peer) = match rival {
            Rival::Weir => (&self.scenario, &self.weir, None),
            Rival::Other => (&self.others, &self.other_weir, None),
            Rival::Peer(kind) => (&self.scenario, &self.weir, Some(kind)),
        };
        let short = scenario.clone().scaled((TRACED.div_duration_f64(scenario.lasts())).min(1.0));
        let scenario = if is_traced { &short } else { scenario };
        let addresses = Addresses::draw(scenario)?;
        let folder = self.folder.path.join(format!("round-{round}-{}", rival.name()));
        std::fs::create_dir_all(&folder)?;
        let setting = Setting { scenario, addresses: &addresses, folder: &folder, weir, peer, is_traced };
        let played = play(&setting, rival.name(), round, &progress());
        clear_progress();
        if !self.folder.is_kept() {
            // Logs of many rounds would fill a disk; left over, they go with the folder.
            drop(std::fs::remove_dir_all(&folder));
        }
        Ok(played.map_err(|fault| format!("round {round}, {}: {fault}", rival.name()))?)
    }
}

fn shown(missed: &result::Expectation) -> String {
    let found = missed.found.map_or("nothing".into(), |found| alone(Unit::Count, found));
    format!("{} (found {found})", missed.text)
}

/// What would only be found in the middle of a round.
fn check(scenario: &Scenario, with: &[Rival]) -> Result<()> {
    let name = &scenario.name;
    let Some(measured) = &scenario.measured else {
        return Err(format!(
            "scenario `{name}` does not say what it measures: add `measure = {{ node = \"NAME\" }}`"
        )
        .into());
    };
    for rival in with {
        let Rival::Peer(kind) = rival else { continue };
        let Some(role) = measured.role else {
            return Err(format!(
                "no peer can do what `{}` does in scenario `{name}`; compare it with `other`",
                measured.node
            )
            .into());
        };
        if !kind.supports(role) {
            let able: Vec<&str> = PeerKind::value_variants()
                .iter()
                .filter(|kind| kind.supports(role))
                .map(|kind| kind.name())
                .collect();
            return Err(format!(
                "{} cannot stand in scenario `{name}`, but these can: {}",
                kind.name(),
                able.join(", ")
            )
            .into());
        }
        peers::installed(*kind)?;
    }
    Ok(())
}
