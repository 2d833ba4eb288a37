//! An SMTP server that takes all mail, proves that each generated message arrived once and as it was sent, and does
//! wrong what it is told to. One thread, weir's own ring and server machine.

mod fault;
mod ledger;
mod session;

use std::cell::{Cell, RefCell};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use tokio::sync::Notify;
use weir::ring::{self, Listener, Watch};
use weir_smtp::server::ServerLimits;
use weir_smtp::{Envelope, Extension, Extensions, ServerConfig};

use crate::dice::Dice;
use crate::tls;
use crate::value::{real, size};
use crate::{Result, orders, stand_in};
use fault::Faults;
use ledger::{Ledger, SERIALS_MAX};
use session::Session;

pub(crate) use ledger::{Book, Seen};

/// Most sessions at once; further ones wait in the kernel.
const SESSIONS_MAX: usize = 50_000;
/// What it calls itself.
const NAME: &str = "sink.example.org";
/// Most recipients of a message.
const RECIPIENTS_MAX: usize = 10_000;
/// Pause after an accept that failed, which is for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often a full sink looks for room.
const ROOM_PAUSE: Duration = Duration::from_millis(1);

#[derive(Args)]
#[command(after_help = "\
Ends with SIGINT or SIGTERM, after --messages, or after --for. Exit status 1 if a marked message was lost, doubled, altered
or out of its envelope. Without --messages, lost are the gaps below the highest serial of a run.

Faults can be changed while it runs, by lines on standard input: `refuse rcpt=450:5%` is as --refuse rcpt=450:5% in the place of
what was said of refuse before, `refuse none` takes that back, and `none` ends all faults. Each is answered on standard error.

Examples:
  weir-bench sink --listen 127.0.0.1:2525
  weir-bench sink --messages 100000 --for 60s --json
  weir-bench sink --tls --without chunking
  weir-bench sink --latency dot=20ms --refuse rcpt=450:5%,dot=554:1% --close body=1%,taken=0.5% --stall data=0.1%")]
pub(crate) struct Options {
    /// Where it listens; port 0 takes a free one, which is printed on standard error.
    #[arg(long, short, value_name = "IP:PORT", default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
    /// Expect serials 0 to N-1, and end when all have arrived.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=SERIALS_MAX))]
    messages: Option<u64>,
    /// The largest message, as EHLO says it.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    size_max: usize,
    /// Offer STARTTLS, with a certificate that it makes and signs itself.
    #[arg(long)]
    tls: bool,
    /// Do not offer these extensions; `chunking,pipelining`.
    #[arg(long, value_name = "EXTENSION", value_delimiter = ',', value_parser = extension)]
    without: Vec<Extension>,
    /// Write here at the end, as JSON, which serials of which run have arrived: with those of other sinks and what the
    /// source says, a message that is lost between several is found.
    #[arg(long, value_name = "PATH")]
    book: Option<PathBuf>,
    #[command(flatten)]
    common: stand_in::Common,
    #[command(flatten)]
    faults: Faults,
}

fn extension(text: &str) -> std::result::Result<Extension, String> {
    let known = || {
        let known: Vec<_> =
            Extensions::ALL.iter().map(|extension| extension.keyword().to_lowercase()).collect();
        format!("`{text}` is no extension that is spoken here: {}", known.join(", "))
    };
    Extension::parse(text).ok_or_else(known)
}

/// What the sessions share.
struct Sink {
    faults: RefCell<Faults>,
    server: Arc<ServerConfig>,
    /// `None` without --tls.
    tls: Option<Arc<weir::tls::Keyring>>,
    watch: Watch,
    dice: RefCell<Dice>,
    ledger: RefCell<Ledger>,
    counts: RefCell<Counts>,
    open: Cell<usize>,
    expected: Option<u64>,
    complete: Notify,
}

#[derive(Default)]
struct Counts {
    connections: u64,
    sessions_peak: usize,
    refused: u64,
    closed: u64,
    stalled: u64,
    /// Messages with bare line breaks and the like, which the machine refuses by itself.
    spoiled: u64,
    /// Connections inside TLS, and those that did not come to it.
    secured: u64,
    handshakes_failed: u64,
    span: Option<(Instant, Instant)>,
}

impl Sink {
    fn enter(&self, wire: &[u8], envelope: &Envelope) {
        let mut ledger = self.ledger.borrow_mut();
        ledger.enter(wire, envelope);
        let now = Instant::now();
        let mut counts = self.counts.borrow_mut();
        counts.span = Some((counts.span.map_or(now, |(first, _)| first), now));
        if self.expected.is_some_and(|expected| ledger.distinct() >= expected) {
            self.complete.notify_one();
        }
    }

    /// Prints what was seen.
    fn finish(&self, as_json: bool) -> Result<()> {
        let (ledger, counts) = (self.ledger.borrow(), self.counts.borrow());
        let audit = ledger.audit(self.expected);
        let seconds = counts.span.map_or(0.0, |(first, last)| (last - first).as_secs_f64());
        let rate = if seconds > 0.0 { real(ledger.messages) / seconds } else { 0.0 };
        if as_json {
            let faults =
                json!({ "refused": counts.refused, "closed": counts.closed, "stalled": counts.stalled });
            let summary = json!({
                "messages": ledger.messages, "distinct": ledger.distinct(), "bytes": ledger.bytes,
                "seconds": seconds, "messages_per_second": rate, "connections": counts.connections,
                "sessions_peak": counts.sessions_peak, "spoiled": counts.spoiled, "secured": counts.secured,
                "handshakes_failed": counts.handshakes_failed, "faults": faults,
                "audit": audit.json(), "whole": audit.is_whole(),
            });
            println!("{summary}");
        } else {
            println!(
                "messages {} ({} different), {} bytes",
                ledger.messages,
                ledger.distinct(),
                ledger.bytes
            );
            println!("from first to last {seconds:.3} s, {rate:.0} messages/s");
            println!("connections {}, at most {} at once", counts.connections, counts.sessions_peak);
            if self.tls.is_some() {
                println!(
                    "inside TLS {}, handshakes that failed {}",
                    counts.secured, counts.handshakes_failed
                );
            }
            println!(
                "faults: refused {}, closed {}, stalled {}",
                counts.refused, counts.closed, counts.stalled
            );
            println!("messages with illegal line breaks or over a limit: {}", counts.spoiled);
            println!("audit: {audit}");
        }
        if audit.is_whole() { Ok(()) } else { Err(format!("the mail is not whole: {audit}").into()) }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ring::raise_descriptor_limit()?;
    let listener =
        TcpListener::bind(options.listen).map_err(|error| format!("{}: {error}", options.listen))?;
    eprintln!("listening on {}", listener.local_addr()?);
    ring::run(serve(options, listener))?
}

async fn serve(options: &Options, listener: TcpListener) -> Result<()> {
    let listener = Listener::from_std(listener)?;
    let sink = Rc::new(Sink {
        faults: RefCell::new(options.faults.clone()),
        server: Arc::new(config(options)),
        tls: if options.tls { Some(tls::server(NAME)?) } else { None },
        watch: Watch::start(),
        dice: RefCell::new(Dice::new(options.common.seed)),
        ledger: RefCell::default(),
        counts: RefCell::default(),
        open: Cell::new(0),
        expected: options.messages,
        complete: Notify::new(),
    });
    let obeying = ring::spawn({
        let sink = Rc::clone(&sink);
        orders::obey(move |line| orders::change(&mut *sink.faults.borrow_mut(), line))
    });
    let accepting = ring::spawn(accept_always(Rc::clone(&sink), listener));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let ended = async {
        match options.common.within {
            Some(within) => tokio::time::sleep(within).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
        () = sink.complete.notified() => settle(&sink).await,
        () = ended => {}
    }
    accepting.abort();
    if let Some(path) = &options.book {
        let book = serde_json::to_vec(&sink.ledger.borrow().book())?;
        std::fs::write(path, book).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    obeying.abort();
    sink.finish(options.common.json)
}

/// How long the sink stays when all has arrived: for the last reply, and for a copy too many.
const SETTLE: Duration = Duration::from_millis(200);

/// Waits until the sessions have ended, or a moment.
async fn settle(sink: &Sink) {
    let until = Instant::now() + SETTLE;
    while sink.open.get() > 0 && Instant::now() < until {
        tokio::time::sleep(ROOM_PAUSE).await;
    }
}

/// Everything that ends a client's session for its bad manners is out of reach: here the client is the one that is tested.
fn config(options: &Options) -> ServerConfig {
    let mut limits = ServerLimits { recipients_max: RECIPIENTS_MAX, ..ServerLimits::default() };
    limits.errors_max = u32::MAX;
    limits.bad_commands_max = u32::MAX;
    limits.idle_commands_max = u32::MAX;
    limits.body.message_bytes_max = options.size_max as u64;
    let offered = if options.tls { Extensions::ALL } else { Extensions::ALL.without(Extension::StartTls) };
    let extensions = options.without.iter().fold(offered, |offered, extension| offered.without(*extension));
    ServerConfig { limits, extensions, ..ServerConfig::new(NAME) }
}

async fn accept_always(sink: Rc<Sink>, listener: Listener) {
    while let Some(accepted) = listener.accept().await {
        let Ok((stream, _peer)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        sink.open.set(sink.open.get() + 1);
        {
            let mut counts = sink.counts.borrow_mut();
            counts.connections += 1;
            counts.sessions_peak = counts.sessions_peak.max(sink.open.get());
        }
        let of_session = Rc::clone(&sink);
        ring::spawn(async move {
            Session::new(Rc::clone(&of_session), weir::tls::Link::plain(stream)).serve().await;
            of_session.open.set(of_session.open.get() - 1);
        });
        while sink.open.get() >= SESSIONS_MAX {
            tokio::time::sleep(ROOM_PAUSE).await;
        }
    }
}
