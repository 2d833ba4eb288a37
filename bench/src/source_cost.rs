//! What a generator costs: Postfix's smtp-source and `weir-bench source`, in turns, each against a fresh smtp-sink of Postfix.
//! The generator has one core and the sink another, so that messages per second of CPU tell whether the generator is in the way.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::cores::Cores;
use crate::loopback::free_address;
use crate::peers::{self, PeerKind, Role, Setup};
use crate::process::wait_until;
use crate::result::Spread;
use crate::value::real;
use crate::{Result, cpu};

/// The sink's core and the generator's.
const SINK_CORE: Cores = Cores::one(0);
const SOURCE_CORE: Cores = Cores::one(1);
/// How long the sink may take to count what the generator says it has sent.
const COUNTED_WITHIN: Duration = Duration::from_secs(5);

#[derive(Args)]
#[command(after_help = "Example:\n  weir-bench source-cost --messages 100000 --rounds 7")]
pub(crate) struct Options {
    /// Messages of one run.
    #[arg(long, short, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// Sessions, each of which keeps its connection.
    #[arg(long, short, default_value_t = 20)]
    sessions: u64,
    /// Bytes of a message.
    #[arg(long, short = 'l', default_value_t = 4096)]
    length: u64,
    /// How often each generator is measured.
    #[arg(long, short, default_value_t = 5)]
    rounds: usize,
    /// The generators, in their order within a round.
    #[arg(long, value_delimiter = ',', default_values = ["smtp-source", "weir-bench", "weir-bench-no-pipelining"])]
    generators: Vec<Generator>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Generator {
    /// Postfix's, which does not pipeline.
    SmtpSource,
    /// Ours.
    WeirBench,
    /// Ours, with a round trip for each command, as smtp-source has them.
    WeirBenchNoPipelining,
}

impl Generator {
    const fn name(self) -> &'static str {
        match self {
            Self::SmtpSource => "smtp-source",
            Self::WeirBench => "weir-bench source",
            Self::WeirBenchNoPipelining => "weir-bench source --no-pipelining",
        }
    }
}

/// One run.
struct Sample {
    cpu_us: f64,
    messages_per_second: f64,
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
        "{} messages of {} bytes from {} sessions, {} rounds; generator on core {SOURCE_CORE}, smtp-sink on core {SINK_CORE}",
        options.messages, options.length, options.sessions, options.rounds
    );
    let mut samples: Vec<(Generator, Vec<Sample>)> =
        options.generators.iter().map(|generator| (*generator, Vec::new())).collect();
    for round in 1..=options.rounds {
        for (generator, samples) in &mut samples {
            let sample = measure(*generator, options, folder)?;
            let Sample { cpu_us, messages_per_second } = &sample;
            println!(
                "round {round}  {:33} {cpu_us:6.1} us/message  {messages_per_second:6.0} messages/s",
                generator.name()
            );
            samples.push(sample);
        }
    }
    println!(
        "\n| generator | CPU us/message: median (min..max) | messages per second of CPU | messages/s: median (min..max) |"
    );
    println!("| --- | --- | --- | --- |");
    for (generator, samples) in &samples {
        let cpu = Spread::of(samples.iter().map(|sample| sample.cpu_us));
        let rate = Spread::of(samples.iter().map(|sample| sample.messages_per_second));
        println!(
            "| {} | {:.1} ({:.1}..{:.1}) | {:.0} | {:.0} ({:.0}..{:.0}) |",
            generator.name(),
            cpu.median,
            cpu.min,
            cpu.max,
            1e6 / cpu.median,
            rate.median,
            rate.min,
            rate.max
        );
    }
    Ok(())
}

/// One run of a generator to its end; every message must have been counted by the sink.
fn measure(generator: Generator, options: &Options, folder: &Path) -> Result<Sample> {
    let address = free_address()?;
    let setup = Setup {
        role: Role::Sink,
        listen: address,
        next_hops: &[],
        dns: None,
        folder,
        cores: Some(SINK_CORE),
    };
    let mut sink = peers::start(PeerKind::SmtpSink, &setup)?;
    sink.ready()?;
    let to = address.to_string();
    let [sessions, length, messages] =
        [options.sessions, options.length, options.messages].map(|number| number.to_string());
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    let ours = ["source", &to, "-s", &sessions, "--size", &length, "-m", &messages, "--no-pipelining"];
    let (program, arguments): (&str, &[&str]) = match generator {
        // -d keeps the connection for the next message.
        Generator::SmtpSource => (
            "smtp-source",
            &["-d", "-s", &sessions, "-l", &length, "-m", &messages, "-t", "rcpt@example.net", &to],
        ),
        Generator::WeirBench => (&own, ours.split_last().map_or(&[][..], |(_, arguments)| arguments)),
        Generator::WeirBenchNoPipelining => (&own, &ours),
    };
    let (cpu, clock) = (cpu::of_children()?, Instant::now());
    let [taskset, words @ ..] = SOURCE_CORE.pin();
    let output = Command::new(taskset).args(words).arg(program).args(arguments).output()?;
    let (cpu, clock) = (cpu::of_children()?.saturating_sub(cpu), clock.elapsed());
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}: {text}", generator.name(), output.status).into());
    }
    if !wait_until(COUNTED_WITHIN, || Ok(counted(&sink.output()?) == options.messages))? {
        let arrived = counted(&sink.output()?);
        return Err(
            format!("{}: {} sent, but the sink has {arrived}", generator.name(), options.messages).into()
        );
    }
    let count = real(options.messages);
    Ok(Sample { cpu_us: cpu.as_secs_f64() * 1e6 / count, messages_per_second: count / clock.as_secs_f64() })
}

/// The newest count of messages in what `smtp-sink -c` writes: `sess=1 quit=0 mesg=17\r`, again and again.
fn counted(output: &str) -> u64 {
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
