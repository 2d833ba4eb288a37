//! Two servers to measure drivers by: the same small SMTP sink, once on tokio's epoll and once on a bare `io_uring`. They share
//! the protocol ([`dialog`]), so what differs is how bytes come and go.

mod dialog;
mod epoll;
mod raw_uring;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::{Args, ValueEnum};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::Result;

/// Connections that may wait to be accepted, as many as Postfix's smtp-sink is given.
const BACKLOG: i32 = 1024;

#[derive(Args)]
#[command(after_help = "\
It accepts all mail and keeps none, on one thread. Ends with SIGINT or SIGTERM and prints how many messages came.

Example:
  taskset -c 0 weir-bench reference raw-uring --listen 127.0.0.1:2525")]
pub(crate) struct Options {
    /// How bytes come and go.
    driver: Driver,
    /// Where it listens; port 0 takes a free one, which is printed on standard error.
    #[arg(long, short, value_name = "IP:PORT", default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Driver {
    /// tokio's runtime of one thread.
    Epoll,
    /// `io_uring` with multishot accept and receive, a ring of provided buffers and deferred task work.
    RawUring,
}

/// Messages taken so far: written by the thread that serves, read by the one that waits for a signal.
#[derive(Clone, Default)]
struct Count(Arc<AtomicU64>);

impl Count {
    fn add(&self, messages: u64) {
        if messages > 0 {
            self.0.fetch_add(messages, Ordering::Relaxed);
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = listen(options.listen).map_err(|error| format!("{}: {error}", options.listen))?;
    let address = listener.local_addr()?;
    let sockets = weir::ring::raise_descriptor_limit()?;
    let (driver, count) = (options.driver, Count::default());
    runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (failed, failure) = oneshot::channel();
        let counting = count.clone();
        // Not waited for: it serves until the process ends.
        thread::spawn(move || {
            let outcome = match driver {
                Driver::Epoll => epoll::serve(listener, &counting),
                Driver::RawUring => raw_uring::serve(&listener, sockets, &counting),
            };
            // Nobody hears it when the process is about to end.
            drop(failed.send(outcome.map_err(|error| error.to_string())));
        });
        eprintln!("listening on {address}");
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            outcome = failure => outcome.map_err(|_| "the serving thread panicked")??,
        }
        println!("messages {}", count.0.load(Ordering::Relaxed));
        Ok(())
    })
}

/// Accepted sockets inherit `TCP_NODELAY`, so that it costs no call for each.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
