//! What a relay costs: Postfix's smtp-source -> relay -> two of Postfix's smtp-sink, the relay on one core and all
//! else on another. HAProxy and weir take turns, so that a change of the machine's mood meets both.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::Result;
use crate::cpu::{self, Cpu};
use crate::peer::{Peer, free_address, pinned, wait_until};
use crate::result::Spread;

/// The relay's core and everybody else's.
const RELAY_CORE: usize = 0;
const LOAD_CORE: usize = 1;
/// Sent before the measured run, so that start-up and first connections are not in the figures.
const WARM_UP_MESSAGES: u64 = 1000;
/// How long the sinks may take to count what the source says it has sent.
const COUNTED_WITHIN: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Options {
    /// Messages of one measured run.
    #[arg(long, short, default_value_t = 20_000)]
    messages: u64,
    /// Sessions, each of which keeps its connection.
    #[arg(long, short, default_value_t = 20)]
    sessions: u64,
    /// Bytes of a message.
    #[arg(long, short = 'l', default_value_t = 4096)]
    length: u64,
    /// How often each relay is measured.
    #[arg(long, short, default_value_t = 5)]
    rounds: usize,
    /// The relays, in their order within a round.
    #[arg(long, value_delimiter = ',', default_values = ["haproxy", "weir"])]
    relays: Vec<Relay>,
    /// The weir binary; by default the one beside this program.
    #[arg(long)]
    weir: Option<PathBuf>,
    /// Another HAProxy configuration; 127.0.0.1:10024, :2501 and :2502 in it stand for relay and sinks.
    #[arg(long)]
    haproxy_config: Option<PathBuf>,
    /// Another rule file for weir, with the same addresses.
    #[arg(long)]
    rules: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Relay {
    /// HAProxy in TCP mode.
    Haproxy,
    /// weir with one pool.
    Weir,
    /// None: the source speaks to the first sink, and that sink is measured.
    Direct,
}

impl Relay {
    fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Weir => "weir",
            Self::Direct => "direct",
        }
    }
}

/// One measured run.
struct Sample {
    cpu_us: f64,
    messages_per_second: f64,
    user_percent: f64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("weir-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let outcome = rounds(options, &folder);
    fs::remove_dir_all(&folder)?;
    outcome
}

fn rounds(options: &Options, folder: &Path) -> Result<()> {
    println!(
        "{} messages of {} bytes from {} sessions, {} rounds; relay on core {RELAY_CORE}, load on core {LOAD_CORE}",
        options.messages, options.length, options.sessions, options.rounds
    );
    let mut samples: Vec<(Relay, Vec<Sample>)> =
        options.relays.iter().map(|relay| (*relay, Vec::new())).collect();
    for round in 1..=options.rounds {
        for (relay, samples) in &mut samples {
            let sample = measure(*relay, options, folder)?;
            println!(
                "round {round}  {:8} {:6.1} us/message  {:6.0} messages/s  {:3.0} % user",
                relay.name(),
                sample.cpu_us,
                sample.messages_per_second,
                sample.user_percent
            );
            samples.push(sample);
        }
    }
    println!(
        "\n| relay | CPU us/message: median (min..max) | messages/s: median (min..max) |\n| --- | --- | --- |"
    );
    for (relay, samples) in &samples {
        let cpu = Spread::of(samples.iter().map(|sample| sample.cpu_us));
        let rate = Spread::of(samples.iter().map(|sample| sample.messages_per_second));
        println!(
            "| {} | {:.1} ({:.1}..{:.1}) | {:.0} ({:.0}..{:.0}) |",
            relay.name(),
            cpu.median,
            cpu.min,
            cpu.max,
            rate.median,
            rate.min,
            rate.max
        );
    }
    Ok(())
}

/// A fresh relay before fresh sinks: warmed up, measured, and every message found at the sinks.
fn measure(relay: Relay, options: &Options, folder: &Path) -> Result<Sample> {
    let addresses = [free_address()?, free_address()?];
    let sinks =
        [sink("sink-a", LOAD_CORE, addresses[0], folder)?, sink("sink-b", LOAD_CORE, addresses[1], folder)?];
    let started = start(relay, options, addresses, folder)?;
    let (address, pid) = match &started {
        Some((address, peer)) => (*address, peer.pid()),
        None => (addresses[0], sinks[0].pid()),
    };

    send(options, WARM_UP_MESSAGES, address)?;
    arrived(&sinks, WARM_UP_MESSAGES)?;
    let (cpu, clock) = (cpu::read(pid)?, Instant::now());
    send(options, options.messages, address)?;
    let (cpu, clock) = (cpu::read(pid)?.since(&cpu), clock.elapsed());
    arrived(&sinks, WARM_UP_MESSAGES + options.messages)?;
    Ok(Sample::new(&cpu, clock, options.messages))
}

impl Sample {
    fn new(cpu: &Cpu, clock: Duration, messages: u64) -> Self {
        let count = Duration::from_micros(messages).as_secs_f64() * 1e6;
        let ticks = |ticks: u64| Duration::from_millis(ticks * 10).as_secs_f64();
        let (user, system) = (ticks(cpu.user_ticks), ticks(cpu.system_ticks));
        Self {
            cpu_us: cpu.total.as_secs_f64() * 1e6 / count,
            messages_per_second: count / clock.as_secs_f64(),
            user_percent: 100.0 * user / (user + system),
        }
    }
}

/// Postfix's smtp-sink, ready.
pub(crate) fn sink(name: &str, core: usize, address: SocketAddr, folder: &Path) -> Result<Peer> {
    let address_text = address.to_string();
    // Root must name the user that smtp-sink becomes; nobody else may.
    let root = fs::metadata("/proc/self")?.uid() == 0;
    let user: &[&str] = if root { &["-u", "nobody"] } else { &[] };
    let arguments = [user, &["-c", &address_text, "1024"]].concat();
    let mut sink = Peer::start(name, core, folder, "smtp-sink", &arguments)?;
    sink.ready(address)?;
    Ok(sink)
}

/// Starts the relay and waits for its greeting; `None` if there is none to start.
fn start(
    relay: Relay,
    options: &Options,
    sinks: [SocketAddr; 2],
    folder: &Path,
) -> Result<Option<(SocketAddr, Peer)>> {
    let listen = free_address()?;
    let mut peer = match relay {
        Relay::Haproxy => {
            let text =
                configuration(options.haproxy_config.as_deref(), include_str!("relay_cost/haproxy.cfg"))?;
            let file = write(&folder.join("haproxy.cfg"), &text, listen, sinks)?;
            Peer::start("haproxy", RELAY_CORE, folder, "haproxy", &["-db", "-f", &file])?
        }
        Relay::Weir => {
            let text = configuration(options.rules.as_deref(), include_str!("relay_cost/relay.weir"))?;
            let file = write(&folder.join("relay.weir"), &text, listen, sinks)?;
            let [admin, state] =
                ["admin.sock", "state"].map(|name| folder.join(name).to_string_lossy().into_owned());
            let arguments = ["run", &file, "--admin", &admin, "--state", &state];
            Peer::start("weir", RELAY_CORE, folder, &weir_binary(options)?, &arguments)?
        }
        Relay::Direct => return Ok(None),
    };
    peer.ready(listen)?;
    Ok(Some((listen, peer)))
}

fn configuration(given: Option<&Path>, shipped: &str) -> Result<String> {
    let Some(path) = given else { return Ok(shipped.to_owned()) };
    Ok(fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Puts this run's addresses in the place of the written ones and returns the file's name.
fn write(file: &Path, text: &str, listen: SocketAddr, sinks: [SocketAddr; 2]) -> Result<String> {
    let text = text
        .replace("127.0.0.1:10024", &listen.to_string())
        .replace("127.0.0.1:2501", &sinks[0].to_string())
        .replace("127.0.0.1:2502", &sinks[1].to_string());
    fs::write(file, text)?;
    Ok(file.to_string_lossy().into_owned())
}

fn weir_binary(options: &Options) -> Result<String> {
    let path = match &options.weir {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("weir"),
    };
    if !path.is_file() {
        return Err(format!(
            "{}: no such file; build it with `cargo build --release -p weir`",
            path.display()
        )
        .into());
    }
    Ok(path.to_string_lossy().into_owned())
}

/// Sends `messages` and returns when the last was answered; anything but success is an error.
fn send(options: &Options, messages: u64, to: SocketAddr) -> Result<()> {
    let [sessions, length, messages] = [options.sessions, options.length, messages].map(|n| n.to_string());
    let to = to.to_string();
    let mut source: Command = pinned(
        LOAD_CORE,
        "smtp-source",
        // -d keeps the connection for the next message.
        &["-d", "-s", &sessions, "-l", &length, "-m", &messages, "-t", "dev@example.org", &to],
    );
    let output = source.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("smtp-source: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// Holds when the sinks together count `messages` and not one more.
fn arrived(sinks: &[Peer; 2], messages: u64) -> Result<()> {
    let count = || -> Result<u64> {
        let mut sum = 0;
        for sink in sinks {
            sum += counted(&sink.output()?);
        }
        Ok(sum)
    };
    if wait_until(COUNTED_WITHIN, || Ok(count()? >= messages))? && count()? == messages {
        return Ok(());
    }
    Err(format!("{messages} messages were sent, but the sinks have {}", count()?).into())
}

/// The newest count of messages in what `smtp-sink -c` writes: `sess=1 quit=0 mesg=17\r`, again and again.
pub(crate) fn counted(output: &str) -> u64 {
    let newest = output.rsplit("mesg=").next().unwrap_or_default();
    newest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_count_is_read() {
        assert_eq!(counted(""), 0);
        assert_eq!(counted("sess=1 quit=0 mesg=9\rsess=1 quit=1 mesg=10\r"), 10);
    }
}
