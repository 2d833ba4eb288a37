//! `weir-bench peer`: one of the servers by hand, with the configuration that comparisons use.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use clap::Args;

use super::{PeerKind, Role, Setup, start};
use crate::cores::Cores;
use crate::measure::{Syscalls, memory};
use crate::{Result, cpu};

#[derive(Args)]
#[command(after_help = "\
Ends with SIGINT or SIGTERM, and with it all that it started.

Examples:
  weir-bench peer smtp-sink --role sink --listen 127.0.0.1:2501
  weir-bench peer haproxy --role balancer --next-hop 127.0.0.1:2501,127.0.0.1:2502 --core 0")]
pub(crate) struct Options {
    /// The server.
    kind: PeerKind,
    /// What it is to do.
    #[arg(long, short)]
    role: Role,
    /// Where it listens.
    #[arg(long, short, value_name = "IP:PORT", default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
    /// Where mail goes.
    #[arg(long = "next-hop", short, value_name = "IP:PORT", value_delimiter = ',')]
    next_hops: Vec<SocketAddr>,
    /// The DNS server for the MX roles.
    #[arg(long, value_name = "IP:PORT")]
    dns: Option<SocketAddr>,
    /// The cores for all its processes, such as 0 or 0,1.
    #[arg(long, value_name = "CORES")]
    core: Option<Cores>,
    /// Count its system calls with strace, which makes it slow.
    #[arg(long)]
    syscalls: bool,
    /// For its files, which stay; by default a temporary folder, which does not.
    #[arg(long)]
    folder: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let temporary = env::temp_dir().join(format!("weir-bench-{}", process::id()));
    let folder = options.folder.as_ref().unwrap_or(&temporary);
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let folder = fs::canonicalize(folder)?;
    let outcome = serve(options, &folder);
    if options.folder.is_none() {
        fs::remove_dir_all(&folder)?;
    }
    outcome
}

fn serve(options: &Options, folder: &Path) -> Result<()> {
    let Options { role, listen, dns, core, .. } = *options;
    let setup = Setup { role, listen, next_hops: &options.next_hops, dns, folder, cores: core };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    // Asked for before the server starts, or a signal in between would leave the server behind.
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let mut server = start(options.kind, &setup)?;
    server.ready()?;
    let counting = options.syscalls.then(|| Syscalls::start(server.root(), folder)).transpose()?;
    let before = cpu::read(server.root())?;
    // All that follows is in the figures.
    eprintln!("{} listens on {listen}, process {}", server.version(), server.root());
    runtime.block_on(async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    let used = cpu::read(server.root())?.since(&before);
    let (memory, processes) = (memory(server.root())?, server.processes()?.len());
    println!(
        "CPU {:.3} s, user {} and system {} ticks of 10 ms, in {processes} processes",
        used.total.as_secs_f64(),
        used.user_ticks,
        used.system_ticks
    );
    println!(
        "memory {} bytes, of which shared pages count once {}, peak {}",
        memory.rss, memory.pss, memory.rss_peak
    );
    if let Some(counting) = counting {
        println!("system calls {}", counting.finish()?);
    }
    Ok(())
}
