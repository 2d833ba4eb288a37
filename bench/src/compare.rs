//! `weir-bench compare`: the measured node of a scenario as weir and as others, in turns, so that a change of the machine's mood
//! meets all of them.

mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::peers::PeerKind;
use crate::place::{self, cores};
use crate::result::{FORMAT, Outcome, Place, Run};
use crate::run::{Change, Folder, Played, Setting, clear_progress, play, progress, scale, weir_binary};
use crate::scenario::{self, Addresses, Kind, Scenario};
use crate::value::{duration, real};
use crate::{Result, interrupt};

/// The core of what is measured, and everybody else's.
const MEASURED_CORE: usize = 0;
const LOAD_CORE: usize = 1;
/// How long system calls are counted.
const TRACED: Duration = Duration::from_secs(1);
/// Most rounds.
const ROUNDS_MAX: u32 = 1000;
/// The name under which another weir is compared.
const OTHER: &str = "other";

#[derive(Args)]
#[command(after_help = "\
Each round starts all programs anew, the measured one on core 0 and the others on core 1, warms them up, and measures. A round in
which an expectation of the scenario is not met, such as `lost = 0`, ends the comparison with an error.

Examples:
  weir-bench compare balancer --with haproxy,postfix,haraka
  weir-bench compare balancer --with haproxy --size 64KiB --sessions 200 --rounds 7
  weir-bench compare sink --with smtp-sink --no-pipelining --json > sink.json
  weir-bench compare balancer --with other --other-weir ./weir-before
  weir-bench compare my-scenario/ --with other --other-rules ./new-rules/mx.weir")]
pub(crate) struct Options {
    /// A scenario that says what it measures: a shipped one, a scenario file, or its folder.
    scenario: String,
    /// What weir is compared with; `other` is another weir or other rules.
    #[arg(long, value_name = "PEER", value_delimiter = ',', value_parser = rival)]
    with: Vec<Rival>,
    /// How often each is measured.
    #[arg(long, short, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX)))]
    rounds: u32,
    /// Make the load of each round last this long.
    #[arg(long = "for", value_name = "TIME", value_parser = duration, conflicts_with = "scale")]
    lasts: Option<Duration>,
    /// Multiply all times of the scenario.
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// The weir binary; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    weir: Option<PathBuf>,
    /// The binary of `other`.
    #[arg(long, value_name = "PATH")]
    other_weir: Option<PathBuf>,
    /// The rule file or folder of `other`, in place of that of the measured node and with the same addresses in it.
    #[arg(long, value_name = "PATH")]
    other_rules: Option<PathBuf>,
    /// Do not count system calls, for which a short further pass under strace comes after the last round.
    #[arg(long)]
    no_syscalls: bool,
    /// Print the outcome as JSON, for `weir-bench report`.
    #[arg(long)]
    json: bool,
    /// Leave rule files and logs of all rounds in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    change: Change,
}

/// Who takes the measured place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rival {
    Weir,
    /// weir with another binary or other rules.
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
    let mut runs = Vec::new();
    for round in 1..=options.rounds {
        for rival in [Rival::Weir].iter().chain(&options.with) {
            let run = arena.measure(*rival, round)?;
            if !options.json {
                println!("{}", table::of_round(&run));
            }
            runs.push(run);
        }
    }
    if !options.no_syscalls {
        for rival in [Rival::Weir].iter().chain(&options.with) {
            let calls = arena.count_calls(*rival)?;
            let first = runs.iter_mut().find(|run| run.server == rival.name());
            first.map(|run| run.figures.insert("syscalls_per_message".into(), calls));
        }
    }
    let place = Place::here(arena.versions);
    let outcome = Outcome { format: FORMAT, scenario: arena.scenario.name.clone(), place, runs };
    if options.json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        print!("\n{}", table::of_all(&arena.scenario, &outcome));
    }
    Ok(())
}

impl Arena {
    fn new(options: &Options) -> Result<Self> {
        let is_other_given = options.other_weir.is_some() || options.other_rules.is_some();
        if options.with.contains(&Rival::Other) != is_other_given {
            return Err("`--with other` needs --other-weir or --other-rules, and they need it".into());
        }
        let folder = Folder::new(options.keep.as_deref())?;
        let mut scenario = scenario::load(&options.scenario, &folder.path.join("shipped"))?;
        options.change.apply(&mut scenario)?;
        let factor = options.lasts.map_or(options.scale, |lasts| lasts.div_duration_f64(scenario.lasts()));
        let mut scenario = scenario.scaled(factor);
        check(&scenario, &options.with)?;
        pin(&mut scenario);
        let weir = weir_binary(options.weir.as_deref())?;
        let other_weir =
            options.other_weir.as_ref().map_or(Ok(weir.clone()), |path| weir_binary(Some(path)))?;
        let mut others = scenario.clone();
        if let Some(rules) = &options.other_rules {
            replace_rules(&mut others, rules)?;
        }
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

    /// System calls for each message, in a pass of its own after the last round.
    fn count_calls(&self, rival: Rival) -> Result<f64> {
        let played = self.play(rival, 0, true)?;
        let of = |name: &str| played.run.figures.get(name).copied().unwrap_or_default();
        let calls = played.calls.ok_or("no system calls were counted")?;
        Ok(real(calls) / (of("accepted") + of("refused")))
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

fn shown(missed: &crate::result::Expectation) -> String {
    format!("{} (found {})", missed.text, missed.found)
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
    }
    Ok(())
}

/// The measured node has a core for itself, if there are two.
fn pin(scenario: &mut Scenario) {
    let is_possible = cores() > LOAD_CORE;
    let core = |is_measured: bool| is_possible.then_some(if is_measured { MEASURED_CORE } else { LOAD_CORE });
    let measured = scenario.measured.as_ref().map(|measured| measured.node.clone());
    for node in &mut scenario.nodes {
        node.core = core(measured.as_ref() == Some(&node.name));
    }
    for load in &mut scenario.loads {
        load.core = core(false);
    }
}

fn replace_rules(scenario: &mut Scenario, other: &Path) -> Result<()> {
    let other = other.canonicalize().map_err(|error| format!("{}: {error}", other.display()))?;
    let measured = scenario.measured.as_ref().map(|measured| measured.node.clone());
    let node = scenario.nodes.iter_mut().find(|node| measured.as_ref() == Some(&node.name));
    match node.map(|node| &mut node.kind) {
        Some(Kind::Weir { rules, .. }) => {
            *rules = other;
            Ok(())
        }
        _ => Err("--other-rules: the measured node is no weir".into()),
    }
}
