//! What a load is asked for.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use weir_smtp::Mailbox;

use super::letter::{Sizes, sizes};
use super::network::Network;
use super::pace::Rate;
use crate::value::{Share, duration, size};

/// Most sessions at once: a descriptor for each, and some memory.
pub(super) const SESSIONS_MAX: u64 = 50_000;
/// Most recipients of a message.
const RECIPIENTS_MAX: u64 = 1000;
/// Shortest time between two samples.
const SAMPLE_EVERY_MIN: Duration = Duration::from_millis(50);

#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
#[command(
    args_override_self = true,
    after_help = "\
Exit status 0 when the run has ended, whatever the server said; the summary says what became of the messages. Latency is from
the intended start to the reply to the dot, connecting included; slow writers and refused messages are not in it.

Examples:
  weir-bench source 127.0.0.1:2525 --messages 100000 --sessions 50
  weir-bench source 127.0.0.1:2525 --rate 2000 --for 60s --size 4KiB:80%,32KiB..256KiB:20% --json
  weir-bench source 127.0.0.1:2525 --rate 500..5000/500:10s --clients 127.1.0.0/16 --listed 127.0.0.2 --listed-share 30%
  weir-bench source 127.0.0.1:2525 --mail corpus/ --per-connection 1 --pregreet 5% --unknown 20% --slow 1% --drop 2%
  weir-bench source 127.0.0.1:2525 --proxy v2 --clients 2001:db8::/48 --starttls --chunking --rcpts 5
  weir-bench source 127.0.0.1:2525 --hold 60s --sessions 20000
  weir-bench source 127.0.0.1:2525 --hold 10s --waiting --sessions 20000"
)]
pub(crate) struct Options {
    /// The server.
    #[arg(value_name = "IP:PORT")]
    pub(super) to: SocketAddr,
    /// Attempts; without it and --for, 10000.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) messages: Option<u64>,
    /// End after this time.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(super) within: Option<Duration>,
    /// Sessions at once; in an open loop, the most.
    #[arg(long, short, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=SESSIONS_MAX))]
    pub(super) sessions: u64,
    /// Open loop: messages per second, or steps FROM..TO/STEP:TIME.
    #[arg(long, value_name = "RATE")]
    pub(super) rate: Option<Rate>,
    /// Send no mail: open all sessions up to the reply to EHLO, leave them idle for this time from the moment when the last is
    /// open, and say QUIT. A line on standard error says when they are open. If the limit of descriptors allows fewer, they are fewer.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["messages", "within", "rate", "per_connection"])]
    pub(super) hold: Option<Duration>,
    /// Hold the sessions where the server lets clients wait: from the first line of a greeting that has more (`220-`) on. Who is
    /// greeted before the time is over, or closed, counts as lost; at the end the sessions are closed without a word.
    #[arg(long, requires = "hold")]
    pub(super) waiting: bool,
    /// Messages on one connection; 0 is any number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) per_connection: u64,
    /// Send each command after the reply to the one before, even if the server offers PIPELINING.
    #[arg(long)]
    pub(super) no_pipelining: bool,
    /// Send each message as one chunk (BDAT), to a server that offers CHUNKING; with PIPELINING and one recipient, in one write
    /// with its commands.
    #[arg(long)]
    pub(super) chunking: bool,
    /// Go on inside TLS. Any certificate is taken: this is a load, not a delivery. A server that does not offer STARTTLS takes nothing.
    #[arg(long)]
    pub(super) starttls: bool,
    /// Begin each connection with a header of the PROXY protocol that names the client; the server must expect it.
    #[arg(long, value_name = "VERSION")]
    pub(super) proxy: Option<ProxyVersion>,
    /// Connect from addresses of this network in 127.0.0.0/8, by chance; `127.1.0.0/16`. With --proxy, name clients of any network;
    /// `198.51.100.0/24`, `2001:db8::/32`.
    #[arg(long, value_name = "IP/PREFIX")]
    pub(super) clients: Option<Network>,
    /// Addresses of listed clients, which a share of connections comes from.
    #[arg(long, value_name = "IP", value_delimiter = ',', requires = "listed_share")]
    pub(super) listed: Vec<IpAddr>,
    /// That share; `30%`.
    #[arg(long, value_name = "SHARE", default_value = "0", requires = "listed")]
    pub(super) listed_share: Share,
    /// Sizes of generated mail: one, a range, or entries with shares; `4KiB`, `1KiB..64KiB`, `4KiB:80%,1MiB:20%`.
    #[arg(long, value_name = "SIZES", default_value = "4KiB", value_parser = sizes_once)]
    pub(super) size: Arc<Vec<Sizes>>,
    /// Send this mail instead: a folder of messages, an mbox, or one message.
    #[arg(long, value_name = "PATH", conflicts_with = "size")]
    pub(super) mail: Option<PathBuf>,
    /// The sender.
    #[arg(long, value_name = "ADDRESS", default_value = "sender@example.org", value_parser = address)]
    pub(super) from: String,
    /// The recipient; several if it is given several times.
    #[arg(long, value_name = "ADDRESS", default_value = "rcpt@example.net", value_parser = address)]
    pub(super) rcpt: Vec<String>,
    /// So many recipients for each message: the first, and it with -2, -3, ... behind its local part.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=RECIPIENTS_MAX))]
    pub(super) rcpts: u64,
    /// The name in EHLO.
    #[arg(long, value_name = "NAME", default_value = "client.example.org")]
    pub(super) helo: String,
    /// The share of messages whose first recipient is unknown-SERIAL in its domain.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    pub(super) unknown: Share,
    /// The share of attempts that only talk before the greeting, on a connection of their own.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    pub(super) pregreet: Share,
    /// The share of messages that are written slowly.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    pub(super) slow: Share,
    /// How slowly, per second.
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = size)]
    pub(super) slow_rate: usize,
    /// The share of messages whose connection is dropped: before MAIL, before the message, or within it.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    pub(super) drop: Share,
    /// How long a connect, a reply or a write may take.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// The same seed makes the same letters and throws.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// How often rate, p99 and failures are read for the progress line and the `samples` of the summary.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(super) sample_every: Duration,
    /// Also write each sample to this file as it is read, as a line of JSON; `-` is standard error.
    #[arg(long, value_name = "FILE")]
    pub(super) samples_to: Option<PathBuf>,
    /// Print the summary as one line of JSON, with samples and the curve of latencies.
    #[arg(long)]
    pub(super) json: bool,
}

/// Versions of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

impl Options {
    /// What no single option can know is wrong.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.proxy.is_some() {
            return Ok(());
        }
        let found = |text: String| {
            format!(
                "{text} is no address of loopback, from which a connection can come; use 127.0.0.0/8, or --proxy to name such clients"
            )
        };
        if let Some(clients) = self.clients.filter(|clients| !clients.is_loopback()) {
            return Err(found(format!("`{clients}` is no network of loopback: it")));
        }
        match self.listed.iter().find(|ip| !ip.is_loopback() && self.to.ip().is_loopback()) {
            Some(ip) => Err(found(format!("`{ip}`"))),
            None => Ok(()),
        }
    }
}

/// clap takes a `Vec` for several values; this is one.
fn sizes_once(text: &str) -> Result<Arc<Vec<Sizes>>, String> {
    sizes(text).map(Arc::new)
}

fn address(text: &str) -> Result<String, String> {
    Mailbox::parse(text).map_err(|fault| format!("`{text}` is no address: {fault}"))?;
    Ok(text.to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        time if time < SAMPLE_EVERY_MIN => {
            Err(format!("`{text}` is too often: at least {SAMPLE_EVERY_MIN:?}"))
        }
        time => Ok(time),
    }
}
