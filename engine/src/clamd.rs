//! clamd: whether a signature is found in a message.
//!
//! Layer 2: below the facts, on the ring. Messages go by INSTREAM over connections that are kept (IDSESSION), as ranges
//! of the message itself. Whatever a host does wrong, the result is `unknown` within the time for a scan, and another
//! host is asked as long as nobody has begun to judge.

mod connection;
pub mod reply;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::limits::{CLAMD_IDLE, CLAMD_PAUSE, CLAMD_SCANS_PER_CONNECTION};
use crate::ring::{Segment, Watch};
use connection::Connection;

/// Where clamd answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// `unix:/path`
    Unix(PathBuf),
    /// `address:port`
    Tcp(SocketAddr),
}

impl Host {
    /// Reads a host as rule files have it.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err(format!("`{text}`: expected an absolute path after `unix:`"))
            };
        }
        let expected =
            |_| format!("`{text}`: expected `unix:/path` or `address:port`, such as `192.0.2.9:3310`");
        text.parse().map(Self::Tcp).map_err(expected)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

/// What a service of rule files says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Tried in this order; those that didn't take a connection lately come last.
    pub hosts: Vec<Host>,
    /// How long to wait for a connection.
    pub connect: Duration,
    /// How long to wait for a verdict, all hosts and the wait for a free slot together.
    pub scan: Duration,
    /// Larger messages are not scanned, in bytes.
    pub size_bytes_max: usize,
}

/// What is known about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Nothing was found.
    Clean,
    /// The signature of this name was found.
    Infected(String),
    /// Nobody has judged.
    Unknown(Reason),
}

/// Why nobody has judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The message is larger than we or clamd want to scan.
    TooLarge,
    /// All slots were taken for the whole time.
    Busy,
    /// There was no verdict in time.
    Timeout,
    /// No host took a connection; the last one's error.
    NoHost(String),
    /// The connection broke, or the reply made no sense.
    Broken(String),
    /// clamd could not scan it, and says why.
    Refused(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "larger than what is scanned"),
            Self::Busy => write!(f, "no free slot in time"),
            Self::Timeout => write!(f, "no verdict in time"),
            Self::NoHost(error) => write!(f, "no host takes a connection: {error}"),
            Self::Broken(what) => write!(f, "the conversation broke: {what}"),
            Self::Refused(error) => write!(f, "clamd: {error}"),
        }
    }
}

/// A shard's access to a service. A clone is the same one.
#[derive(Clone)]
pub struct Clamd(Rc<Service>);

struct Service {
    settings: Settings,
    slots: Arc<Semaphore>,
    watch: Watch,
    clock: Clock,
    /// For each host, when it may be asked first again.
    paused_until_ms: Vec<Cell<u64>>,
    kept: RefCell<Vec<Kept>>,
}

struct Kept {
    host: usize,
    idle_since_ms: u64,
    connection: Connection,
}

impl Clamd {
    /// `slots` is shared by all shards: it bounds the scans of the process.
    pub fn new(settings: Settings, slots: Arc<Semaphore>, watch: Watch, clock: Clock) -> Self {
        let paused_until_ms = settings.hosts.iter().map(|_| Cell::new(0)).collect();
        Self(Rc::new(Service { settings, slots, watch, clock, paused_until_ms, kept: RefCell::default() }))
    }

    /// Scans a message of `bytes` bytes; `content` gives its pieces, and again if another host has to be asked.
    pub async fn scan<I>(&self, bytes: usize, content: impl Fn() -> I) -> Scan
    where
        I: Iterator<Item = Segment>,
    {
        let service = &self.0;
        if bytes > service.settings.size_bytes_max {
            return Scan::Unknown(Reason::TooLarge);
        }
        let deadline_ms = service.clock.monotonic_ms().saturating_add(millis(service.settings.scan));
        // A semaphore is plain memory: dropping the wait loses nothing.
        let slot = timeout(service.settings.scan, Arc::clone(&service.slots).acquire_owned()).await;
        let Ok(Ok(_slot)) = slot else { return Scan::Unknown(Reason::Busy) };
        let mut last = Reason::NoHost("none is configured".into());
        for host in service.order() {
            match service.scan_at(host, deadline_ms, &content).await {
                Err(reason @ (Reason::NoHost(_) | Reason::Broken(_))) => last = reason,
                Err(reason) => return Scan::Unknown(reason),
                Ok(scan) => return scan,
            }
        }
        Scan::Unknown(last)
    }
}

impl Service {
    /// The hosts, those that didn't take a connection lately last.
    fn order(&self) -> impl Iterator<Item = usize> {
        let now_ms = self.clock.monotonic_ms();
        let mut order: Vec<usize> = (0..self.settings.hosts.len()).collect();
        order.sort_by_key(|host| {
            self.paused_until_ms.get(*host).is_some_and(|until_ms| until_ms.get() > now_ms)
        });
        order.into_iter()
    }

    async fn scan_at<I>(
        &self,
        host: usize,
        deadline_ms: u64,
        content: &impl Fn() -> I,
    ) -> Result<Scan, Reason>
    where
        I: Iterator<Item = Segment>,
    {
        if let Some(kept) = self.take(host) {
            match self.scan_on(kept, host, deadline_ms, content).await {
                // It may have been closed since the last scan.
                Err(Reason::Broken(_)) => {}
                done => return done,
            }
        }
        let within = self.settings.connect.min(self.rest(deadline_ms)?);
        let address = self.settings.hosts.get(host).ok_or(Reason::Timeout)?;
        match Connection::open(address, within, &self.watch).await {
            Ok(connection) => self.scan_on(connection, host, deadline_ms, content).await,
            Err(error) => {
                if let Some(paused_until_ms) = self.paused_until_ms.get(host) {
                    paused_until_ms.set(self.clock.monotonic_ms() + millis(CLAMD_PAUSE));
                }
                Err(Reason::NoHost(format!("{address}: {error}")))
            }
        }
    }

    async fn scan_on<I>(
        &self,
        mut connection: Connection,
        host: usize,
        deadline_ms: u64,
        content: &impl Fn() -> I,
    ) -> Result<Scan, Reason>
    where
        I: Iterator<Item = Segment>,
    {
        let scan = connection.scan(self.rest(deadline_ms)?, content()).await?;
        if connection.scans() < CLAMD_SCANS_PER_CONNECTION {
            let idle_since_ms = self.clock.monotonic_ms();
            self.kept.borrow_mut().push(Kept { host, idle_since_ms, connection });
        }
        Ok(scan)
    }

    /// The connection to `host` that was used last; those that were idle for too long are closed.
    fn take(&self, host: usize) -> Option<Connection> {
        let now_ms = self.clock.monotonic_ms();
        let mut kept = self.kept.borrow_mut();
        kept.retain(|kept| kept.idle_since_ms + millis(CLAMD_IDLE) > now_ms);
        let place = kept.iter().rposition(|kept| kept.host == host)?;
        Some(kept.remove(place).connection)
    }

    fn rest(&self, deadline_ms: u64) -> Result<Duration, Reason> {
        match deadline_ms.saturating_sub(self.clock.monotonic_ms()) {
            0 => Err(Reason::Timeout),
            rest_ms => Ok(Duration::from_millis(rest_ms)),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
