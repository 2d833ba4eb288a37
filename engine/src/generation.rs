//! A generation: one loaded rule file set with everything that its declarations name, ready to serve.
//!
//! `config` makes it, `reload` publishes it, sessions read it. It never changes; a transaction keeps the one that it
//! began with.

mod zone_file;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use weir_lang::list::{List, Map};
use weir_lang::plan::{Plan, Target};
use weir_lang::value::{Slot, StatementId};
use weir_smtp::proxy::Version;
use weir_smtp::{Enhanced, ServerConfig};

use crate::auth::Method;
use crate::clamd;
use crate::dns::{Health, Listing, TestPoints};
use crate::limits::MESSAGE_WITHIN;
use crate::store::{self, Greylist};
use crate::tls::{Keyring, Mode};
use crate::upstream::pool::{FixedReply, Pool};

pub use zone_file::{Stamp, ZoneFile, stamp};

/// One loaded file set.
#[derive(Debug)]
pub struct Generation {
    /// Counts up from 1 with each load of this process.
    pub number: u64,
    /// The rules.
    pub plan: Arc<Plan>,
    /// What each statement of the plan does, by its id.
    pub acts: Vec<Act>,
    /// What each slot of the plan asks, by its index.
    pub questions: Vec<Question>,
    /// Where clients connect.
    pub listeners: Vec<Arc<Listener>>,
    /// Where messages go.
    pub pools: Vec<Arc<Pool>>,
    /// The zone files of its DNS lists, each once.
    pub zones: Vec<ZoneFile>,
    /// What the rules have remembered.
    pub memory: Memory,
}

impl Generation {
    /// What a statement does.
    pub fn act(&self, statement: StatementId) -> &Act {
        self.acts.get(statement.0 as usize).unwrap_or(&Act::Accept)
    }

    /// What a slot asks.
    pub fn question(&self, slot: Slot) -> &Question {
        self.questions.get(usize::from(slot.0)).unwrap_or(&Question::Unanswerable)
    }

    /// The pool of this name.
    pub fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.pools.iter().find(|pool| pool.spec.name == name)
    }

    /// The virus scanner of which the rule files say the same: kept by the next generation, so that its connections and the
    /// scans under way go on counting.
    pub fn scanner(&self, like: &Clamav) -> Option<&Arc<Clamav>> {
        self.questions.iter().find_map(|question| match question {
            Question::Clamav(service) if service.is_like(like) => Some(service),
            _ => None,
        })
    }

    /// The DNS lists that rules ask, each once.
    pub fn dns_lists(&self) -> impl Iterator<Item = &Arc<Dnsbl>> {
        let lists = || {
            self.questions.iter().filter_map(|question| match question {
                Question::Dnsbl(list) => Some(list),
                _ => None,
            })
        };
        let is_first = move |index: usize, list| !lists().take(index).any(|before| Arc::ptr_eq(before, list));
        lists().enumerate().filter(move |(index, list)| is_first(*index, list)).map(|(_, list)| list)
    }

    /// The listener of this name.
    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| listener.label == name)
    }

    /// The rule file set in 16 hexadecimal digits: equal on hosts that serve the same rules.
    pub fn digest(&self) -> String {
        format!("{:016x}", self.plan.digest())
    }

    /// Where a statement stands, as `mx.weir:58`.
    pub fn place(&self, statement: StatementId) -> &str {
        &self.plan.statement(statement).place
    }

    /// The name under which a lookup is logged and counted.
    pub fn lookup_name(&self, slot: Slot) -> &str {
        match self.plan.slots().get(usize::from(slot.0)).map(|spec| spec.target) {
            Some(Target::Declaration(index)) => {
                self.plan.declarations().get(index).map_or("?", |declared| declared.name.as_str())
            }
            Some(Target::Field(index)) => {
                crate::scheme::fields::FIELDS.get(index).map_or("?", |field| field.name)
            }
            Some(Target::Function(index)) => {
                crate::scheme::SCHEME.functions.get(index).map_or("?", |function| function.name)
            }
            None => "?",
        }
    }
}

/// Lists and maps whose files have changed since a generation was loaded, as they are now, by their index in its plan.
#[derive(Debug, Default)]
pub struct Reread {
    /// The generation.
    pub generation: u64,
    /// Its lists.
    pub lists: HashMap<usize, Arc<List>>,
    /// Its maps.
    pub maps: HashMap<usize, Arc<Map>>,
    /// What the operator has put into lists for a time.
    pub added: HashMap<usize, Arc<List>>,
    /// Its zone files.
    pub zones: Vec<ZoneFile>,
}

impl Reread {
    /// Nothing was read anew.
    pub fn nothing() -> Arc<Self> {
        static NOTHING: LazyLock<Arc<Reread>> = LazyLock::new(Arc::default);
        Arc::clone(&NOTHING)
    }
}

/// What a slot asks.
#[derive(Clone, Debug)]
pub enum Question {
    /// A DNS list about the slot's argument.
    Dnsbl(Arc<Dnsbl>),
    /// A virus scanner about the message.
    Clamav(Arc<Clamav>),
    /// The servers of a pool about a recipient.
    Callforward(Arc<Callforward>),
    /// What DNS says of the client's or the sender's names.
    Names(Names),
    /// `client.spoke_early`
    SpokeEarly,
    /// `spf`, `dkim`, `dmarc`, `arc`
    Auth(Method),
    /// `client.passed`
    Passed,
    /// `remembered(...)`
    Remembered,
    /// A greylist about the slot's arguments.
    Greylist(Arc<Greylist>),
    /// Nothing that this engine can ask: always unknown.
    Unanswerable,
}

/// A field that DNS answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// `client.rdns`
    Reverse,
    /// `client.fcrdns`
    Confirmed,
    /// `helo.address`
    Helo,
    /// `sender.domain.mx`
    SenderMx,
    /// `sender.domain.hosts`
    SenderHosts,
}

impl Names {
    /// The field of this name, if it is one of these.
    pub fn of(field: &str) -> Option<Self> {
        Some(match field {
            "client.rdns" => Self::Reverse,
            "client.fcrdns" => Self::Confirmed,
            "helo.address" => Self::Helo,
            "sender.domain.mx" => Self::SenderMx,
            "sender.domain.hosts" => Self::SenderHosts,
            _ => return None,
        })
    }
}

/// A DNS list.
#[derive(Clone, Debug)]
pub struct Dnsbl {
    /// Its name in the rule file.
    pub name: String,
    /// The domain below which it answers; empty when its entries are in files.
    pub zone: String,
    /// Where its entries are, if not in DNS.
    pub files: Vec<ZoneFile>,
    /// Which replies mean what.
    pub listing: Listing,
    /// How long to wait for it.
    pub timeout: Duration,
    /// The name server to ask, if not the host's.
    pub server: Option<SocketAddr>,
    /// How it is probed, if it is.
    pub probe: Option<Probe>,
    /// What the probe found, for all shards.
    pub health: Arc<Health>,
}

impl Dnsbl {
    /// Whether the rule files say the same of both.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.name, &self.zone, &self.files, &self.listing, self.timeout, self.server, &self.probe)
            == (
                &other.name,
                &other.zone,
                &other.files,
                &other.listing,
                other.timeout,
                other.server,
                &other.probe,
            )
    }
}

/// How a DNS list is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// How often.
    pub every: Duration,
    /// What it must have and what not.
    pub points: TestPoints,
}

/// A next hop that is asked about recipients.
#[derive(Clone, Debug)]
pub struct Callforward {
    /// Its name in the rule file.
    pub name: String,
    /// Tells it from one of this name that asks others, or otherwise: what those have said says nothing of it.
    pub id: u64,
    /// Its servers.
    pub pool: Arc<Pool>,
    /// The sender that is named to it; empty for `<>`.
    pub sender: String,
    /// How long it may take.
    pub timeout: Duration,
    /// How long a recipient that it takes is known,
    pub valid_for: Duration,
    /// and one that it refuses.
    pub invalid_for: Duration,
}

/// A virus scanner.
#[derive(Clone, Debug)]
pub struct Clamav {
    /// Its name in the rule file.
    pub name: String,
    /// How it is reached, and its bounds.
    pub settings: clamd::Settings,
    /// Most scans at once, over all shards.
    pub at_once: usize,
    /// As many permits.
    pub slots: Arc<Semaphore>,
}

impl Clamav {
    /// Whether the rule files say the same of both.
    fn is_like(&self, other: &Self) -> bool {
        (&self.name, &self.settings, self.at_once) == (&other.name, &other.settings, other.at_once)
    }
}

/// What a statement does, its constants read once at load. `usize` fields are indices into the statement's `args`.
#[derive(Clone, Debug)]
pub enum Act {
    /// Ends the phase.
    Accept,
    /// A refusal.
    Refuse {
        /// How it ends.
        how: Refusal,
        /// The reply's code.
        code: u16,
        /// The reply's enhanced code.
        enhanced: Enhanced,
        /// The reply's text.
        text: usize,
    },
    /// 250, and gone.
    Discard,
    /// To a pool.
    SendPool(Arc<Pool>),
    /// To a maildir.
    SendMaildir(PathBuf),
    /// A copy into this box.
    Quarantine(String),
    /// A header line.
    AddHeader {
        /// Its name.
        name: String,
        /// Its value.
        value: usize,
    },
    /// Header lines by name, `*` for any characters.
    RemoveHeader(Vec<String>),
    /// Wait before the greeting.
    Greet(Greet),
    /// Count a key.
    Limit(Limit),
    /// Keep a key.
    Remember {
        /// The key.
        key: usize,
        /// For how many seconds.
        seconds: u64,
        /// Under which name.
        name: String,
    },
    /// Wait before the reply.
    Delay(Duration),
    /// A line in the log.
    Note {
        /// Its text.
        text: usize,
    },
}

/// A `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What it counts under: the same in the next generation and on other hosts with the same file, wherever its line has moved, and
    /// another one than that of every other `limit`.
    pub id: u128,
    /// Most in a window.
    pub most: u64,
    /// The window, in seconds.
    pub window: u64,
    /// What is counted.
    pub counted: Counted,
    /// The key, an index into the statement's `args`.
    pub key: usize,
}

/// What a `limit` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// How often it was asked.
    Times,
    /// Refused commands.
    Errors,
}

/// What the rules have remembered.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Where it is kept; `None` where the process keeps its state.
    pub place: Option<store::Place>,
    /// The `limit`s that count errors.
    pub errors: Vec<StatementId>,
    /// A `greet` asks whether the client's network has passed.
    pub greets_passed: bool,
}

/// How a refusal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `reject`
    Reject,
    /// `defer`
    Defer,
    /// `drop`: the connection is closed behind the reply.
    Drop,
}

/// The waits of `greet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greet {
    /// What the client is told at once; `None` is the text of the greeting, an empty one is nothing.
    pub teaser: Option<Box<str>>,
    /// Ordinarily.
    pub after: Duration,
    /// When the listener is stressed.
    pub stressed: Duration,
    /// For a client that is remembered as passed.
    pub remembered: Duration,
}

/// Where clients connect, and the bounds of their sessions.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name in the rule file.
    pub label: String,
    /// Where it listens.
    pub bind: Vec<SocketAddr>,
    /// The name that it gives itself.
    pub name: String,
    /// Names of the `net` lists whose clients are served; empty serves all.
    pub from: Vec<String>,
    /// How it is told who a client is, by the peers in `from`.
    pub client: Introductions,
    /// Whether it speaks TLS, and how.
    pub tls: Option<ListenerTls>,
    /// Most sessions at once.
    pub sessions: usize,
    /// Most sessions at once of one key.
    pub sessions_per: Option<(u64, SessionKey)>,
    /// From how many sessions on it is stressed.
    pub stressed_above: usize,
    /// What its SMTP machine is told: limits, extensions, line breaks.
    pub server: Arc<ServerConfig>,
    /// When new clients are asked to come again, beside the bounds that always hold.
    pub pressure: Vec<Pressure>,
    /// A refusal before RCPT is said at RCPT.
    pub delayed_rejection: bool,
    /// Waits of a session.
    pub timeouts: Timeouts,
    /// The reply above its bounds.
    pub full: FixedReply,
    /// Messages judged at once, the room for more and their wait.
    pub slots: Option<Slots>,
    /// Most time for the rules of one message.
    pub budget: Duration,
    /// The reply when that is over.
    pub over_budget: FixedReply,
}

/// A bound, in per cent, at which a listener takes no new clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Of the memory for messages that are under way.
    Memory(u32),
    /// Of the descriptors that this process may have.
    Descriptors(u32),
    /// Of the room of this pool for transactions that wait; without a server that serves it is full.
    Waiting(u32, String),
}

/// How a listener is told who a client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Introductions {
    /// By a header of the PROXY protocol, which must come first.
    pub proxy: Option<Version>,
    /// By XCLIENT.
    pub xclient: bool,
    /// By XFORWARD.
    pub xforward: bool,
}

/// A listener's TLS.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    /// When.
    pub mode: Mode,
    /// With which certificates; none where nobody connects (`weir test`, `weir explain`).
    pub keys: Option<Arc<Keyring>>,
}

/// Whose sessions are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKey {
    /// `client.ip`
    Ip,
    /// `client.net`
    Net,
}

/// Waits of a session (RFC 5321, 4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a command.
    pub command: Duration,
    /// For more of a message.
    pub data: Duration,
    /// For the client to take a reply.
    pub write: Duration,
    /// From one message to the next, and for one message.
    pub whole: Duration,
    /// For a command, and for more of a message, while the listener is stressed.
    pub stressed: Option<Duration>,
}

impl Timeouts {
    /// The waits of a listener that is stressed, or not.
    #[must_use]
    pub fn when(self, is_stressed: bool) -> Self {
        match self.stressed.filter(|_| is_stressed) {
            Some(short) => Self { command: self.command.min(short), data: self.data.min(short), ..self },
            None => self,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            command: Duration::from_mins(5),
            data: Duration::from_mins(3),
            write: Duration::from_mins(1),
            stressed: None,
            whole: MESSAGE_WITHIN,
        }
    }
}

/// Messages judged at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// How many.
    pub at_once: usize,
    /// How many more wait.
    pub waiting: usize,
    /// How long.
    pub waiting_for: Duration,
}
