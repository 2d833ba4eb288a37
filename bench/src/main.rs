//! Load and comparison runs.

mod cpu;
mod dice;
mod mark;
mod measure;
mod peer;
mod peers;
mod reference;
mod relay_cost;
mod result;
mod sink;
mod source;
mod source_cost;
mod value;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// A server that weir is compared with, by hand.
    Peer(peers::Options),
    /// A small sink to measure drivers by: on epoll, or on a bare `io_uring`.
    Reference(reference::Options),
    /// CPU per message of a relay in front of two sinks: HAProxy in TCP mode and weir, in turns.
    RelayCost(relay_cost::Options),
    /// An SMTP server that takes all mail, checks that each message came once and unchanged, and injects faults.
    Sink(sink::Options),
    /// A load of mail in a closed or open loop, with latencies and the fate of each message.
    Source(Box<source::Options>),
    /// CPU per message of generators: Postfix's smtp-source and `source`, in turns against the same sink.
    SourceCost(source_cost::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().run {
        Run::Peer(options) => peers::run(&options),
        Run::Reference(options) => reference::run(&options),
        Run::RelayCost(options) => relay_cost::run(&options),
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
