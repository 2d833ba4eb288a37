//! How many instructions weir takes for a message: the whole program under Valgrind's callgrind, with a fixed load over real
//! sockets. Each case runs with N and with 2 N messages, so that start and end do not count.
//!
//! Not a driver of the machines in memory: that would miss the session, the ring and the log, which are most of it. With one
//! session the whole program repeats within 1 % (4 % where connections come and go), since each step waits for the one before.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;
use rustix::process::Signal;

use crate::Result;
use crate::cores::Cores;
use crate::loopback::free_address;
use crate::process::{Process, Program, wait_until};
use crate::report::percent;
use crate::run::weir_binary;
use crate::value::{Share, real};

/// The core of everything here: one step at a time, there is nothing to share.
const CORE: usize = 0;
/// How long weir may take to end under callgrind.
const ENDED_WITHIN: Duration = Duration::from_secs(30);
/// How often a case is measured again that is off or that is written; the middle of all counts.
const AGAIN_MAX: usize = 2;
/// Largest file of committed figures that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Args)]
#[command(after_help = "\
Examples:
  weir-bench instructions
  weir-bench instructions --against bench/instructions.txt
  weir-bench instructions --write bench/instructions.txt
  weir-bench instructions --case relay --keep /tmp/calls && callgrind_annotate --inclusive=yes /tmp/calls/relay.calls")]
pub(crate) struct Options {
    /// Only this case; may be given several times.
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(CASES.map(|case| case.name)))]
    case: Vec<String>,
    /// Fail when a case has more or fewer instructions than this file says.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// How far off it may be.
    #[arg(long, value_name = "SHARE", default_value = "10%")]
    tolerance: Share,
    /// Write what was found into this file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "case"])]
    write: Option<PathBuf>,
    /// Keep callgrind's files of the longer runs in this folder, as NAME.calls.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// The weir binary; by default the one beside this program. It should be a release build.
    #[arg(long, value_name = "FILE")]
    weir: Option<PathBuf>,
}

/// A load.
struct Case {
    name: &'static str,
    rules: &'static str,
    /// Arguments of `source`.
    load: &'static [&'static str],
    /// Messages of the shorter run.
    messages: u64,
    /// What becomes of all of them: a key of the source's summary.
    fate: &'static str,
}

const RELAY: &str = include_str!("instructions/relay.weir");
const DISCARD: &str = include_str!("instructions/discard.weir");
const CONTENT: &str = include_str!("instructions/content.weir");

const CASES: [Case; 7] = [
    Case { name: "discard", rules: DISCARD, load: &[], messages: 300, fate: "accepted" },
    Case { name: "relay", rules: RELAY, load: &[], messages: 300, fate: "accepted" },
    Case {
        name: "relay-stepwise",
        rules: RELAY,
        load: &["--no-pipelining"],
        messages: 400,
        fate: "accepted",
    },
    Case { name: "relay-64KiB", rules: RELAY, load: &["--size", "64KiB"], messages: 150, fate: "accepted" },
    Case {
        name: "relay-connection",
        rules: RELAY,
        load: &["--per-connection", "1"],
        messages: 400,
        fate: "accepted",
    },
    Case { name: "content", rules: CONTENT, load: &[], messages: 200, fate: "accepted" },
    Case {
        name: "refused-connection",
        rules: CONTENT,
        load: &["--per-connection", "1", "--unknown", "100%"],
        messages: 400,
        fate: "refused",
    },
];

pub(crate) fn run(options: &Options) -> Result<()> {
    let committed = options.against.as_deref().map(read).transpose()?;
    let folder = std::env::temp_dir().join(format!("weir-instructions-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let outcome = all(options, committed.as_ref(), &folder);
    fs::remove_dir_all(&folder)?;
    let found = outcome?;
    if let Some(path) = &options.write {
        fs::write(path, written(&found)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    match (&options.against, committed) {
        (Some(path), Some(committed)) => verdict(&found, &committed, options.tolerance, path),
        _ => Ok(()),
    }
}

/// All cases that are wanted, with what was found, in their order.
fn all(
    options: &Options,
    committed: Option<&BTreeMap<String, f64>>,
    folder: &Path,
) -> Result<Vec<(&'static str, f64)>> {
    let mut found = Vec::new();
    for case in &CASES {
        if !options.case.is_empty() && !options.case.iter().any(|name| name == case.name) {
            continue;
        }
        let wanted = committed.and_then(|committed| committed.get(case.name)).copied();
        let mut all = vec![case.measure(options, folder)?];
        // What is written is what others are held to, so it is not left to one measurement.
        while options.write.is_some() && all.len() <= AGAIN_MAX {
            all.push(case.measure(options, folder)?);
        }
        while let Some(wanted) = wanted
            && all.len() <= AGAIN_MAX
            && is_off(median(&all), wanted, options.tolerance)
        {
            all.push(case.measure(options, folder)?);
        }
        let count = median(&all);
        let beside =
            wanted.map(|wanted| format!("  {wanted:9.0} committed  {:>8}", percent(count / wanted - 1.0)));
        println!("{:20} {count:9.0} instructions/message{}", case.name, beside.unwrap_or_default());
        found.push((case.name, count));
    }
    Ok(found)
}

impl Case {
    /// Instructions per message.
    fn measure(&self, options: &Options, folder: &Path) -> Result<f64> {
        let short = self.count(self.messages, options, folder)?;
        let long = self.count(2 * self.messages, options, folder)?;
        if let Some(kept) = &options.keep {
            fs::create_dir_all(kept)?;
            fs::copy(folder.join(CALLS), kept.join(format!("{}.calls", self.name)))?;
        }
        Ok(real(long.saturating_sub(short)) / real(self.messages))
    }

    /// Instructions of weir from its start to its end, with so many messages between.
    fn count(&self, messages: u64, options: &Options, folder: &Path) -> Result<u64> {
        let (listen, sink_at) = (free_address()?, free_address()?);
        let [listen_text, sink_text, count] = [listen.to_string(), sink_at.to_string(), messages.to_string()];
        let own = std::env::current_exe()?.to_string_lossy().into_owned();
        let mut sink = process("sink", &[&own, "sink", "--listen", &sink_text], folder)?;
        sink.ready(sink_at)?;
        let rules = self.rules.replace("127.0.0.1:10024", &listen_text).replace("127.0.0.1:2501", &sink_text);
        fs::write(folder.join("rules.weir"), rules)?;
        let mut weir = start(options, folder)?;
        weir.ready(listen)?;
        let arguments =
            [&["source", &listen_text, "-s", "1", "-m", &count, "--json"][..], self.load].concat();
        let output = Command::new(&own).args(&arguments).output()?;
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|error| {
            format!("{}: {error}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr))
        })?;
        if summary.get(self.fate).and_then(serde_json::Value::as_u64) != Some(messages) {
            return Err(format!(
                "{}: not all of {messages} messages were {}: {summary}",
                self.name, self.fate
            )
            .into());
        }
        end(&mut weir, &folder.join(CALLS))
    }
}

/// Callgrind's file.
const CALLS: &str = "calls";

/// weir under callgrind, with one shard, whose order of steps does not depend on the scheduler.
fn start(options: &Options, folder: &Path) -> Result<Process> {
    let weir = weir_binary(options.weir.as_deref())?;
    let calls = folder.join(CALLS);
    drop(fs::remove_file(&calls));
    let of_callgrind = format!("--callgrind-out-file={}", calls.display());
    let [weir, rules, admin, state] =
        [weir, folder.join("rules.weir"), folder.join("admin.sock"), folder.join("state")]
            .map(|path| path.to_string_lossy().into_owned());
    let words = [
        "valgrind",
        "--tool=callgrind",
        &of_callgrind,
        &weir,
        "run",
        &rules,
        "--admin",
        &admin,
        "--state",
        &state,
        "--shards",
        "1",
    ];
    process("weir", &words, folder)
}

fn process(name: &str, words: &[&str], folder: &Path) -> Result<Process> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let log = folder.join(format!("{name}.log"));
    Process::start(name, Program::plain(&words, Some(Cores::one(CORE)), folder, log))
}

/// Ends weir as an operator does and returns what callgrind has counted.
fn end(weir: &mut Process, calls: &Path) -> Result<u64> {
    weir.must_run()?;
    weir.signal(Signal::TERM)?;
    let mut count = None;
    let ended = wait_until(ENDED_WITHIN, || {
        count = total(&fs::read_to_string(calls).unwrap_or_default());
        Ok(count.is_some())
    })?;
    match count.filter(|_| ended) {
        Some(count) => Ok(count),
        None => Err(weir.fault("ended, and callgrind has written no total")),
    }
}

/// The instructions of all threads, from the last line of callgrind's file.
fn total(calls: &str) -> Option<u64> {
    calls.lines().next_back()?.strip_prefix("totals:")?.trim().parse().ok()
}

fn median(values: &[f64]) -> f64 {
    crate::result::Spread::of(values.iter().copied()).median
}

fn is_off(found: f64, committed: f64, tolerance: Share) -> bool {
    (found / committed - 1.0).abs() > tolerance.fraction()
}

/// The committed figures, by name.
fn read(path: &Path) -> Result<BTreeMap<String, f64>> {
    let at = |error: String| format!("{}: {error}", path.display());
    let bytes = fs::metadata(path).map_err(|error| at(error.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(at(format!("{bytes} bytes are too many for a few figures")).into());
    }
    let text = fs::read_to_string(path).map_err(|error| at(error.to_string()))?;
    Ok(parse(&text).map_err(at)?)
}

/// A figure for each case, a line each: name and instructions per message.
fn parse(text: &str) -> std::result::Result<BTreeMap<String, f64>, String> {
    let mut figures = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let wrong =
            || format!("line {number}: `{}` is not a case and its instructions per message", line.trim());
        match words.as_slice() {
            [] => {}
            [name, count] if CASES.iter().any(|case| case.name == *name) => {
                let count = count.parse().ok().filter(|count| *count > 0.0);
                figures.insert((*name).to_owned(), count.ok_or_else(wrong)?);
            }
            _ => return Err(wrong()),
        }
    }
    match CASES.iter().find(|case| !figures.contains_key(case.name)) {
        Some(missing) => Err(format!("no line for `{}`; write the file anew with --write", missing.name)),
        None => Ok(figures),
    }
}

/// The file of committed figures.
fn written(found: &[(&str, f64)]) -> String {
    let mut text = String::from(
        "# Instructions of weir for each message, by case: `weir-bench instructions --against` fails when one is off by over 10 %.\n\
         # After a change on purpose: cargo build --release -p weir && cargo run -p weir-bench -- instructions --weir \\\n\
         #   target/release/weir --write bench/instructions.txt\n",
    );
    for (name, count) in found {
        // Writing to a string does not fail. Three digits are what repeats.
        let _ = writeln!(text, "{name:20} {:9.0}", (count / 100.0).round() * 100.0);
    }
    text
}

/// An error that names each case that is off.
fn verdict(
    found: &[(&str, f64)],
    committed: &BTreeMap<String, f64>,
    tolerance: Share,
    path: &Path,
) -> Result<()> {
    let mut off = Vec::new();
    for (name, count) in found {
        let wanted = committed.get(*name).copied().unwrap_or(f64::NAN);
        if is_off(*count, wanted, tolerance) {
            off.push(format!("{name} takes {} of its instructions", percent(count / wanted - 1.0)));
        }
    }
    if off.is_empty() {
        return Ok(());
    }
    let path = path.display();
    Err(format!(
        "{}: find out why (`--case NAME --keep FOLDER`, then `callgrind_annotate --inclusive=yes`); if it is on purpose, \
         or weir has become cheaper, write the new figures with `weir-bench instructions --write {path}` and commit them",
        off.join(", ")
    )
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_when_it_is_there() {
        assert_eq!(total("events: Ir\nfn=(1)\n5 17\ntotals: 51971482\n"), Some(51_971_482));
        assert_eq!(total("events: Ir\nfn=(1)\n5 17\n"), None);
        assert_eq!(total(""), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let found: Vec<(&str, f64)> = CASES.iter().map(|case| (case.name, 97_440.0)).collect();
        let figures = parse(&written(&found)).unwrap();
        assert_eq!(figures.len(), CASES.len());
        assert!(figures.values().all(|count| (count - 97_400.0).abs() < 0.1));
    }

    #[test]
    fn the_committed_file_has_all_cases() {
        parse(include_str!("../instructions.txt")).unwrap();
    }

    #[test]
    fn a_wrong_file_is_told_where_it_is_wrong() {
        assert!(parse("relay many\n").unwrap_err().starts_with("line 1: `relay many`"));
        assert!(parse("# x\ncolour 5\n").unwrap_err().starts_with("line 2"));
        assert!(parse("relay 0\n").is_err());
        assert!(parse("relay 100\n").unwrap_err().starts_with("no line for `discard`"));
    }

    #[test]
    fn more_and_fewer_are_both_off() {
        let committed = BTreeMap::from([("relay".to_owned(), 100_000.0)]);
        let tolerance = "10%".parse().unwrap();
        let judged = |count| verdict(&[("relay", count)], &committed, tolerance, Path::new("file"));
        assert!(judged(109_000.0).is_ok() && judged(91_000.0).is_ok());
        let said = judged(112_000.0).unwrap_err().to_string();
        assert!(said.contains("relay takes +12.0 %") && said.contains("--write file"), "{said}");
        assert!(judged(80_000.0).is_err());
    }
}
