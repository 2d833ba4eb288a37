//! Load and comparison runs.

mod clamd;
mod compare;
mod cores;
mod cpu;
mod dice;
mod dns;
mod figures;
mod instructions;
mod interrupt;
mod loopback;
mod mark;
mod measure;
mod orders;
mod peers;
mod place;
mod process;
mod reference;
mod report;
mod result;
mod run;
mod scenario;
mod sink;
mod source;
mod source_cost;
mod stand_in;
mod tls;
mod value;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a run returns; every message names the program or file at fault.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Load and comparison runs for weir. Each prints what it measured and refuses to print a figure when a message was lost.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    run: Run,
}

#[derive(Subcommand)]
enum Run {
    /// How many instructions weir takes for a message, counted by callgrind: they do not jitter as times do.
    Instructions(instructions::Options),
    /// A scenario's measured server as weir and as others, in turns: what each costs, and the ratios.
    Compare(Box<compare::Options>),
    /// A server that weir is compared with, by hand.
    Peer(peers::Options),
    /// A small sink to measure drivers by: on epoll, or on a bare `io_uring`.
    Reference(reference::Options),
    /// A virus scanner that stands in for clamd: a few signatures, and what goes wrong with it.
    Clamd(clamd::Options),
    /// A name server that stands in for the world's: records, DNS lists, and what goes wrong with them.
    Dns(Box<dns::Options>),
    /// What `run` and `compare` found, as tables and as a page; with two results, what has changed.
    Report(report::Options),
    /// Run a scenario: servers, load, what is done to the servers meanwhile, and what is expected.
    #[command(name = "run")]
    Scenario(run::Options),
    /// List the scenarios that come with this program, or write them out.
    Scenarios(run::ListOptions),
    /// An SMTP server that takes all mail, checks that each message came once and unchanged, and injects faults.
    Sink(sink::Options),
    /// A load of mail in a closed or open loop, with latencies and the fate of each message.
    Source(Box<source::Options>),
    /// CPU per message of generators: Postfix's smtp-source and `source`, in turns against the same sink.
    SourceCost(source_cost::Options),
}

/// Whether a command of this program takes these words; if not, why.
fn understands(command: &str, words: &[String]) -> std::result::Result<(), String> {
    let line = ["weir-bench", command].into_iter().chain(words.iter().map(String::as_str));
    match Arguments::try_parse_from(line) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = error.to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let first = first.strip_prefix("error: ").unwrap_or(first);
            Err(format!("{first}\nsee `weir-bench {command} --help`"))
        }
    }
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().run {
        Run::Instructions(options) => instructions::run(&options),
        Run::Report(options) => report::run(&options),
        Run::Compare(options) => compare::run(&options),
        Run::Peer(options) => peers::run(&options),
        Run::Reference(options) => reference::run(&options),
        Run::Clamd(options) => clamd::run(&options),
        Run::Dns(options) => dns::run(&options),
        Run::Scenario(options) => run::run(&options),
        Run::Scenarios(options) => run::list(&options),
        Run::Sink(options) => sink::run(&options),
        Run::Source(options) => source::run(*options),
        Run::SourceCost(options) => source_cost::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
