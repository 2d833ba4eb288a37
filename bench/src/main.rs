//! Load and comparison runs.

mod cpu;
mod peer;
mod relay_cost;

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
    /// CPU per message of a relay in front of two sinks: HAProxy in TCP mode and weir, in turns.
    RelayCost(relay_cost::Options),
}

fn main() -> ExitCode {
    let Run::RelayCost(options) = Arguments::parse().run;
    match relay_cost::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
