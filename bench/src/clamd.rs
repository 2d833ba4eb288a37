//! A virus scanner that stands in for clamd: its protocol, a few signatures, and what goes wrong with it, by share and by order.

mod conversation;
mod fault;
mod needles;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::LocalSet;

use crate::dice::Dice;
use crate::value::{pair, size};
use crate::{Result, orders, stand_in};
use conversation::Conversation;
use fault::Faults;
use needles::Needles;

/// Connections at once; further ones are closed.
const CONNECTIONS_MAX: usize = 10_000;

#[derive(Args)]
#[command(after_help = "\
It speaks PING, VERSION, INSTREAM, IDSESSION and END, each as nCOMMAND with a line end or as zCOMMAND with a NUL. It finds the EICAR
test file and the texts of --virus in the bytes as they come: attachments are not decoded, unlike by clamd.

Faults can be changed while it runs, by lines on standard input: `stall 50%` is as --stall 50% in the place of what was said of
stall before, `stall none` takes that back, and `none` ends all faults. Each is answered on standard error.
It ends with SIGINT or SIGTERM, or after --for, and then says how often it was asked what.

Examples:
  weir-bench clamd --listen 127.0.0.1:3310
  weir-bench clamd --listen unix:/run/test/clamd.sock --virus Test.Invoice='overdue invoice 4711'
  weir-bench clamd --latency 20ms..200ms --error 1% --close 0.5% --stall 0.1% --json
  echo PING | nc 127.0.0.1 3310")]
pub(crate) struct Options {
    /// Where it listens: an address, or `unix:` and the path of a socket. Port 0 takes a free one, which is printed on standard
    /// error.
    #[arg(long, short, value_name = "IP:PORT|unix:PATH", default_value = "127.0.0.1:3310", value_parser = place)]
    listen: Place,
    /// A text to find, and under which name.
    #[arg(long, value_name = "NAME=TEXT", value_parser = virus)]
    virus: Vec<(String, String)>,
    /// The largest stream that is scanned (clamd's `StreamMaxLength`).
    #[arg(long, value_name = "SIZE", default_value = "100MiB", value_parser = size)]
    size_max: usize,
    #[command(flatten)]
    common: stand_in::Common,
    #[command(flatten)]
    faults: Faults,
}

/// Where it listens.
#[derive(Clone, Debug)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

fn place(text: &str) -> std::result::Result<Place, String> {
    match text.strip_prefix("unix:") {
        Some(path) => Ok(Place::Unix(path.into())),
        None => text.parse().map(Place::Tcp).map_err(|_| {
            format!("`{text}` is no place to listen: write IP:PORT, such as 127.0.0.1:3310, or unix:PATH")
        }),
    }
}

fn virus(text: &str) -> std::result::Result<(String, String), String> {
    let (name, needle) = pair(text, "NAME=TEXT, such as Test.Invoice='overdue invoice 4711'")?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if is_name && (1..=needles::NEEDLE_BYTES_MAX).contains(&needle.len()) {
        return Ok((name.to_owned(), needle.to_owned()));
    }
    Err(format!(
        "`{text}`: a name is printable and without `:`, a text has 1 to {} bytes",
        needles::NEEDLE_BYTES_MAX
    ))
}

/// What the connections share.
struct Server {
    needles: Needles,
    size_max: usize,
    faults: RefCell<Faults>,
    dice: RefCell<Dice>,
    counts: RefCell<Counts>,
    open: Cell<usize>,
}

#[derive(Default)]
struct Counts {
    connections: u64,
    connections_peak: usize,
    /// Commands by name; `unknown` for all others.
    commands: BTreeMap<&'static str, u64>,
    clean: u64,
    found: BTreeMap<String, u64>,
    too_large: u64,
    bytes: u64,
    faults: BTreeMap<&'static str, u64>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let server = Rc::new(Server {
        needles: Needles::new(&options.virus),
        size_max: options.size_max,
        faults: RefCell::new(options.faults.clone()),
        dice: RefCell::new(Dice::new(options.common.seed)),
        counts: RefCell::default(),
        open: Cell::new(0),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(options, &server))?;
    server.finish(options.common.json);
    // The thread that reads orders may still wait for one.
    runtime.shutdown_background();
    Ok(())
}

async fn serve(options: &Options, server: &Rc<Server>) -> Result<()> {
    let listening = listen(server, &options.listen).await?;
    let obeying = tokio::task::spawn_local({
        let server = Rc::clone(server);
        orders::obey(move |line| orders::change(&mut *server.faults.borrow_mut(), line))
    });
    stand_in::until_ended(options.common.within).await?;
    obeying.abort();
    listening.abort();
    if let Place::Unix(path) = &options.listen {
        // Left over, it would only be in the way of the next.
        let _gone = std::fs::remove_file(path);
    }
    Ok(())
}

async fn listen(server: &Rc<Server>, place: &Place) -> Result<tokio::task::JoinHandle<()>> {
    let server = Rc::clone(server);
    Ok(match place {
        Place::Tcp(address) => {
            let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
            eprintln!("listening on {}", listener.local_addr()?);
            tokio::task::spawn_local(async move {
                loop {
                    let accepted = listener.accept().await.map(|(stream, _)| {
                        // Without it, replies may be late, but they come.
                        let _slower = stream.set_nodelay(true);
                        stream
                    });
                    server.meet(accepted).await;
                }
            })
        }
        Place::Unix(path) => {
            let listener =
                UnixListener::bind(path).map_err(|error| format!("{}: {error}", path.display()))?;
            eprintln!("listening on unix:{}", path.display());
            tokio::task::spawn_local(async move {
                loop {
                    server.meet(listener.accept().await.map(|(stream, _)| stream)).await;
                }
            })
        }
    })
}

impl Server {
    /// Serves a connection, unless there are too many.
    async fn meet<S>(self: &Rc<Self>, accepted: std::io::Result<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let Ok(stream) = accepted else { return tokio::time::sleep(stand_in::ACCEPT_PAUSE).await };
        if self.open.get() >= CONNECTIONS_MAX {
            return;
        }
        self.open.set(self.open.get() + 1);
        {
            let mut counts = self.counts.borrow_mut();
            counts.connections += 1;
            counts.connections_peak = counts.connections_peak.max(self.open.get());
        }
        let server = Rc::clone(self);
        tokio::task::spawn_local(async move {
            // A connection that breaks concerns nobody else.
            let _broken = Conversation::new(Rc::clone(&server), stream).serve().await;
            server.open.set(server.open.get() - 1);
        });
    }

    /// Prints what was asked.
    fn finish(&self, as_json: bool) {
        let counts = self.counts.borrow();
        let found: u64 = counts.found.values().sum();
        if as_json {
            let summary = json!({
                "connections": counts.connections, "connections_peak": counts.connections_peak,
                "commands": counts.commands, "clean": counts.clean, "found": found, "viruses": counts.found,
                "too_large": counts.too_large, "bytes": counts.bytes, "faults": counts.faults,
            });
            println!("{summary}");
            return;
        }
        println!("connections {}, at most {} at once", counts.connections, counts.connections_peak);
        println!("commands {}", stand_in::listed(&counts.commands));
        println!(
            "scanned {} bytes: clean {}, found {found}, too large {}",
            counts.bytes, counts.clean, counts.too_large
        );
        println!("viruses {}", stand_in::listed(&counts.found));
        println!("faults {}", stand_in::listed(&counts.faults));
    }
}
