//! Load and comparison runs.

mod clamd;
mod cpu;
mod dice;
mod dns;
mod instructions;
mod mark;
mod orders;
mod peer;
mod relay_cost;
mod report;
mod result;
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
    /// CPU per message of a relay in front of two sinks: HAProxy in TCP mode and weir, in turns.
    RelayCost(relay_cost::Options),
    /// A virus scanner that stands in for clamd: a few signatures, and what goes wrong with it.
    Clamd(clamd::Options),
    /// A name server that stands in for the world's: records, DNS lists, and what goes wrong with them.
    Dns(Box<dns::Options>),
    /// What `run` and `compare` found, as tables and as a page; with two results, what has changed.
    Report(report::Options),
    /// An SMTP server that takes all mail, checks that each message came once and unchanged, and injects faults.
    Sink(sink::Options),
    /// A load of mail in a closed or open loop, with latencies and the fate of each message.
    Source(Box<source::Options>),
    /// CPU per message of generators: Postfix's smtp-source and `source`, in turns against the same sink.
    SourceCost(source_cost::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().run {
        Run::Instructions(options) => instructions::run(&options),
        Run::RelayCost(options) => relay_cost::run(&options),
        Run::Clamd(options) => clamd::run(&options),
        Run::Dns(options) => dns::run(&options),
        Run::Report(options) => report::run(&options),
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
