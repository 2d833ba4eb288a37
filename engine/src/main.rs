//! The `weir` command.

use clap::Parser;
use weir::cli::{Cli, Command, Exit};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Command::Run(args) => weir::run::run(args),
            Command::Check(args) => weir::commands::check(&args),
            Command::Test(args) => weir::commands::test(&args),
            Command::Explain(args) => weir::explain::explain(&args),
            Command::Fmt(args) => weir::commands::fmt(&args),
            Command::Doc(args) => weir::commands::doc(&args),
            Command::Ctl(args) => weir::admin::request(&args.admin, &args.request),
            Command::Demo(args) => weir::demo::demo(&args),
        },
        Err(error) => {
            // When the terminal is gone there is nobody to tell.
            let _gone = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        }
    };
    std::process::ExitCode::from(exit as u8)
}
