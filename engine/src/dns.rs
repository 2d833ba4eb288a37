//! DNS: what a shard asks name servers, and what it remembers of their answers.
//!
//! Layer 2: below the facts, above the ring. Questions go over sockets of the ring (`wire`); what an answer of one packet does not tell is
//! left to `hickory-resolver`: TCP for what was cut off, aliases that lead elsewhere. Its own cache is off, because an answer that we
//! have must be there without waiting ([`Upstream::try_cached`]), failures must be kept as well, and equal questions must be asked
//! once. Names that never leave a host (`localhost`, 127.0.0.0/8 reversed, `.invalid`; RFC 6761) are answered by hickory
//! without a packet.

mod answer;
mod health;
mod listing;
mod names;
mod question;
mod wire;
mod zone;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

pub use answer::{Answer, Failure, Records};
pub use health::{Health, Points as TestPoints, Unfit};
pub use listing::{Listed, Listing, Octets, address_name, domain_name};
pub use names::{Hosts, Mx, Points, Reverse, hosts, is_public, mx, points, reverse};
pub use question::{Kind, Question};
pub use zone::{Fault as ZoneFault, Format as ZoneFormat, Found as ZoneFound, Zone};

use crate::cache::Cache;
use crate::clock::Clock;
use crate::limits::{
    DNS_CACHE_ENTRIES_MAX, DNS_IN_FLIGHT_MAX, DNS_LARGE_ENTRIES_MAX, DNS_OPEN_MAX, DNS_PACKET_TIME,
    DNS_PACKETS_MAX, DNS_QUESTION_TIME_MAX,
};
use crate::ring;
use wire::{Said, Wire};

/// The name servers of a shard. Kept over generations of rules, and with it what is known.
pub struct Dns {
    clock: Clock,
    default: Option<SocketAddr>,
    upstreams: RefCell<HashMap<Option<SocketAddr>, Upstream>>,
}

/// There is no way to ask.
#[derive(Debug)]
pub enum DnsError {
    /// The host's configuration of its resolver, `/etc/resolv.conf`, can't be used.
    System(NetError),
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::System(error) = self;
        write!(f, "/etc/resolv.conf: {error}; name a `server` instead")
    }
}

impl std::error::Error for DnsError {}

impl Dns {
    /// `default` stands in for the host's own resolver.
    pub fn new(clock: Clock, default: Option<SocketAddr>) -> Self {
        Self { clock, default, upstreams: RefCell::default() }
    }

    /// The name server at `server`, or the host's own. Two calls with the same server share what is known.
    pub fn upstream(&self, server: Option<SocketAddr>) -> Result<Upstream, DnsError> {
        let server = server.or(self.default);
        match self.upstreams.borrow_mut().entry(server) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(place) => Ok(place.insert(Upstream::new(server, self.clock.clone())?).clone()),
        }
    }
}

/// A name server and what it has said. A clone is the same one.
#[derive(Clone)]
pub struct Upstream(Rc<Server>);

struct Server {
    address: Option<SocketAddr>,
    /// Made with the first question, because it wants to be inside the runtime.
    resolver: OnceCell<TokioResolver>,
    config: (ResolverConfig, ResolverOpts),
    wire: Wire,
    cache: RefCell<Cache<Question, Answer>>,
    /// Answers that take much memory, of which there are fewer.
    large: RefCell<Cache<Question, Answer>>,
    in_flight: RefCell<HashMap<Question, Waiting>>,
    /// Turns to be under way.
    turns: Semaphore,
}

/// Where the answer to an open question will appear.
type Waiting = watch::Receiver<Option<Answer>>;

impl Upstream {
    fn new(address: Option<SocketAddr>, clock: Clock) -> Result<Self, DnsError> {
        let (config, options) = config_of(address)?;
        Ok(Self(Rc::new(Server {
            address,
            resolver: OnceCell::new(),
            wire: Wire::new(&config),
            config: (config, options),
            cache: RefCell::new(Cache::new(clock.clone(), DNS_CACHE_ENTRIES_MAX)),
            large: RefCell::new(Cache::new(clock, DNS_LARGE_ENTRIES_MAX)),
            in_flight: RefCell::default(),
            turns: Semaphore::new(DNS_IN_FLIGHT_MAX),
        })))
    }

    /// Where it is; `None` is what the host's configuration says.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.address
    }

    /// What is known without asking.
    pub fn try_cached(&self, question: &Question) -> Option<Answer> {
        let known = self.0.cache.borrow_mut().find(question);
        known.or_else(|| self.0.large.borrow_mut().find(question))
    }

    /// How many questions are open.
    pub fn in_flight(&self) -> usize {
        self.0.in_flight.borrow().len()
    }

    /// Asks without waiting, so that several questions are under way together.
    pub fn begin(&self, question: &Question) {
        if self.try_cached(question).is_none() {
            let _answered_later = self.waiting(question);
        }
    }

    /// The answer, from what is known or from the server. Whoever asks what is being asked waits with the others.
    /// When `within` is over, the answer is a failure for this caller, and the question stays open for the next.
    pub async fn ask(&self, question: &Question, within: Duration) -> Answer {
        if let Some(known) = self.try_cached(question) {
            return known;
        }
        let Some(mut waiting) = self.waiting(question) else { return Answer::Failed(Failure::Overload) };
        // A watch is plain memory: dropping the wait loses nothing.
        match timeout(within, waiting.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => answer.clone().unwrap_or(Answer::Failed(Failure::Server)),
            Ok(Err(_asking_ended)) => Answer::Failed(Failure::Server),
            Err(_elapsed) => Answer::Failed(Failure::Timeout),
        }
    }

    /// The place where the answer will be, after asking for it if nobody has. `None` when too much is open.
    fn waiting(&self, question: &Question) -> Option<Waiting> {
        let mut in_flight = self.0.in_flight.borrow_mut();
        if let Some(waiting) = in_flight.get(question) {
            return Some(waiting.clone());
        }
        if in_flight.len() >= DNS_OPEN_MAX {
            return None;
        }
        let (found, waiting) = watch::channel(None);
        in_flight.insert(question.clone(), waiting.clone());
        let (server, question) = (Rc::clone(&self.0), question.clone());
        ring::spawn(async move {
            let answer = server.resolve(&question).await;
            server.in_flight.borrow_mut().remove(&question);
            found.send_replace(Some(answer));
        });
        Some(waiting)
    }

    /// Takes the steps of a look-up that needs more than one answer, asking for those that are missing, within the
    /// time for all of them.
    pub async fn settle<T>(&self, within: Duration, step: impl Fn(Known<'_>) -> Result<T, Question>) -> T {
        let deadline = tokio::time::Instant::now() + within;
        let mut answers: Vec<(Question, Answer)> = Vec::new();
        loop {
            let settled = step(&mut |question| {
                let found = answers.iter().find(|(asked, _)| asked == question);
                found.map(|(_, answer)| answer.clone()).or_else(|| self.try_cached(question))
            });
            match settled {
                Ok(result) => return result,
                Err(missing) => {
                    let rest = deadline.saturating_duration_since(tokio::time::Instant::now());
                    let answer = self.ask(&missing, rest).await;
                    answers.push((missing, answer));
                }
            }
        }
    }

    /// The same from what is known alone; `None` when an answer is missing.
    pub fn try_settled<T>(&self, step: impl Fn(Known<'_>) -> Result<T, Question>) -> Option<T> {
        step(&mut |question| self.try_cached(question)).ok()
    }
}

/// Asks a name server, or the host's own, without a cache: for a probe, which runs on no shard.
pub async fn ask_anew(server: Option<SocketAddr>, question: &Question) -> Answer {
    let Ok((config, options)) = config_of(server) else { return Answer::Failed(Failure::Server) };
    match build(config, options) {
        Some(resolver) => asked(&resolver, question).await.0,
        None => Answer::Failed(Failure::Server),
    }
}

async fn asked(resolver: &TokioResolver, question: &Question) -> (Answer, Duration) {
    let asking = resolver.lookup(question.wire_name(), question.kind().record_type());
    // These are tokio's sockets, not the ring's: dropping the future ends the query.
    answer::read(question, timeout(DNS_QUESTION_TIME_MAX, asking).await)
}

/// How a name server is asked.
fn config_of(address: Option<SocketAddr>) -> Result<(ResolverConfig, ResolverOpts), DnsError> {
    let (config, mut options) = match address {
        Some(address) => (only(address), ResolverOpts::default()),
        None => hickory_resolver::system_conf::read_system_conf().map_err(DnsError::System)?,
    };
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = DNS_PACKET_TIME;
    options.attempts = DNS_PACKETS_MAX;
    // One server at a time: the second is for when the first is silent.
    options.num_concurrent_reqs = 1;
    options.max_active_requests = DNS_IN_FLIGHT_MAX;
    Ok((config, options))
}

/// Gives a step the answers that there are.
pub type Known<'a> = &'a mut dyn FnMut(&Question) -> Option<Answer>;

impl Server {
    async fn resolve(&self, question: &Question) -> Answer {
        let waiting = timeout(DNS_QUESTION_TIME_MAX, self.turns.acquire());
        let Ok(Ok(_turn)) = waiting.await else { return Answer::Failed(Failure::Overload) };
        let said = if question.stays_here() { Said::Elsewhere } else { self.wire.ask(question).await };
        let (answer, keep) = match (said, self.resolver()) {
            (Said::Answer(answer, keep), _) => (answer, keep),
            (Said::Elsewhere, None) => (Answer::Failed(Failure::Server), crate::limits::DNS_FAILURE_TTL),
            (Said::Elsewhere, Some(resolver)) => {
                // The resolver's sockets are tokio's, which is to be listened to at once.
                let _listening = ring::Guest::enter();
                asked(resolver, question).await
            }
        };
        self.keep(question.clone(), answer.clone(), keep);
        answer
    }

    fn keep(&self, question: Question, answer: Answer, time: Duration) {
        let cache = if answer.is_large() { &self.large } else { &self.cache };
        cache.borrow_mut().keep(question, answer, time);
    }

    fn resolver(&self) -> Option<&TokioResolver> {
        if self.resolver.get().is_none() {
            let (config, options) = self.config.clone();
            let built = build(config, options)?;
            return Some(self.resolver.get_or_init(|| built));
        }
        self.resolver.get()
    }
}

/// A resolver that knows no server, for a library that will have one and must not ask.
pub fn without_servers() -> Option<TokioResolver> {
    build(ResolverConfig::from_name_servers(Vec::new()), ResolverOpts::default())
}

fn build(config: ResolverConfig, options: ResolverOpts) -> Option<TokioResolver> {
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    // We ask by UDP and TCP alone. Without a configuration for TLS the host's certificates would be read, or it would fail
    // where there are none.
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    builder.with_options(options).with_tls_config(tls).build().ok()
}

/// One name server, by UDP, and by TCP for what UDP cuts off.
fn only(address: SocketAddr) -> ResolverConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    ResolverConfig::from_name_servers(vec![NameServerConfig::new(address.ip(), true, connections.to_vec())])
}

#[cfg(test)]
mod tests;
