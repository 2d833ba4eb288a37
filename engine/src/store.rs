//! What `remember`, `limit` and greylists know, and where it outlives the process.
//!
//! ```text
//! session --reads, counts--> Tables (in memory, for all shards, no lock)
//!                              |  changes and questions, a bounded queue
//!                            keeper (a thread) --batches--> Store: a file of this host, or a server that several hosts share
//! ```
//! With a file all that is known is in memory, so nobody waits. With a server, what is not known here is asked there, for at most
//! its timeout; while it does not answer, nobody waits and the answer is unknown. Changes are told behind the decision.

mod greylist;
mod keeper;
mod local;
mod secret;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use tokio::sync::oneshot;

pub use greylist::{Grey, Greylist};
pub use keeper::Keeper;
pub use secret::Digester;
pub use shared::{Server, Shared};

use crate::clock::Clock;
use crate::limits::STORE_KEPT_FROM;
use crate::table::{COUNT_MAX, Digest, Entry, Table};
use secret::Secret;

/// Where entries outlive the process.
trait Store: Send {
    /// Opens it. Gives the secret of its keys, which is `ours` if it has none yet; all that it has goes to `load`, if it is not
    /// asked later.
    fn open(&mut self, ours: u128, load: &mut dyn FnMut(Digest, Left)) -> Result<u128, String>;

    /// Carries out all requests, in their order, with one answer for each; a count without an answer may have been lost. None at all
    /// asks whether the store is well. After an error it is opened again.
    fn exchange(&mut self, requests: &[(Digest, Request)]) -> Result<Vec<Option<Left>>, Broken>;
}

/// Why a store has not answered.
#[derive(Debug)]
enum Broken {
    /// It was not asked.
    Before(String),
    /// It was, and may have carried out what it was asked.
    After(String),
}

/// What is asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// Keeps this.
    Put(Left),
    /// Keeps nothing.
    Forget,
    /// Counts so much more in a window of so many seconds, which begins with the first count; the answer is all that was counted
    /// by all.
    Add { by: u64, window: u64 },
    /// The answer is what is kept.
    Read,
    /// Keeps this if there is nothing; the answer is what is kept then.
    Begin(Left),
}

/// An entry by the time that it has left, which means the same on all hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    seconds: u64,
    count: u64,
}

impl Left {
    fn of(entry: Entry, now: u64) -> Self {
        Self { seconds: entry.ends.saturating_sub(now), count: entry.count }
    }

    fn entry(self, now: u64) -> Entry {
        Entry::lasting(now, self.seconds, self.count)
    }
}

/// Where the tables of a process are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In memory alone.
    Memory,
    /// In a file of this host.
    File(std::path::PathBuf),
    /// On a server that several hosts share.
    Shared(Shared),
}

/// The store was asked and has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

/// What is given to the keeper.
enum Job {
    /// Tell the store, some time.
    Tell(Digest, Request),
    /// Ask the store now.
    Ask(Digest, Request, oneshot::Sender<Option<Left>>),
    /// Another store from now on.
    Move(Place),
    /// Tell the store all and end.
    End,
}

/// Nothing outlives the process.
const MEMORY: u64 = u64::MAX;

/// How the store does, for all threads.
#[derive(Debug)]
struct State {
    healthy: AtomicBool,
    /// How long its answers are waited for, in milliseconds; 0 when all that it knows is here; [`MEMORY`] when there is none.
    within_ms: AtomicU64,
    /// What was given to the keeper to tell it.
    given: AtomicU64,
    /// How much of that it was told, or never will be.
    told: AtomicU64,
    /// Changes that it was not told.
    lost: AtomicU64,
    /// Questions that it has answered.
    answered: AtomicU64,
    /// Questions that it has not.
    unanswered: AtomicU64,
}

/// The tables of a process.
#[derive(Debug)]
pub struct Tables {
    table: Table,
    secret: Secret,
    clock: Clock,
    jobs: OnceLock<SyncSender<Job>>,
    state: State,
}

/// How the tables and their store do, for metrics and `weir ctl show store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The store takes what it is told. True when there is none to take it.
    pub healthy: bool,
    /// Entries that have not ended.
    pub entries: u64,
    /// Entries that made room for others before their end.
    pub evicted: u64,
    /// Changes that the store has not been told yet.
    pub untold: u64,
    /// Changes that the store was not told.
    pub lost: u64,
    /// Questions that it has answered.
    pub answered: u64,
    /// Questions that it has not answered in time.
    pub unanswered: u64,
}

impl Tables {
    /// Empty ones, in memory alone until a [`Keeper`] starts.
    pub fn new(clock: Clock) -> Self {
        Self {
            table: Table::default(),
            secret: Secret::random(),
            clock,
            jobs: OnceLock::new(),
            state: State {
                healthy: AtomicBool::new(true),
                within_ms: AtomicU64::new(MEMORY),
                given: AtomicU64::new(0),
                told: AtomicU64::new(0),
                lost: AtomicU64::new(0),
                answered: AtomicU64::new(0),
                unanswered: AtomicU64::new(0),
            },
        }
    }

    /// Seconds since the process began: the clock of the tables.
    pub fn now(&self) -> u64 {
        self.clock.monotonic_ms() / 1000
    }

    /// The digest of a key, whose parts `feed` gives.
    pub fn digest(&self, feed: impl FnOnce(&mut Digester)) -> Digest {
        let mut digester = self.secret.digester();
        feed(&mut digester);
        digester.finish()
    }

    /// Counts the key so much more in its window of `window` seconds, which begins with its first count; returns all that was
    /// counted in it, by other hosts too as far as they have told, at most [`COUNT_MAX`].
    pub fn count(&self, key: Digest, by: u64, window: u64) -> u64 {
        let now = self.now();
        let counted = self.table.change(key, now, |kept| {
            let before = kept.unwrap_or(Entry::lasting(now, window, 0));
            Some(Entry { count: before.count.saturating_add(by).min(COUNT_MAX), ..before })
        });
        // A window that soon is over is not worth a file's write.
        if self.asks_within().is_some() || Duration::from_secs(window) >= STORE_KEPT_FROM {
            self.tell(key, Request::Add { by, window });
        }
        counted.map_or(by, |entry| entry.count)
    }

    /// What was counted of the key in its window, by other hosts too as far as is known here; what they have counted since is known
    /// the next time.
    pub fn counted(&self, key: Digest) -> u64 {
        if self.asks_within().is_some() {
            self.tell(key, Request::Read);
        }
        self.table.get(key, self.now()).map_or(0, |entry| entry.count)
    }

    /// Keeps the key for `seconds` from now. One that is kept for most of that time already stays as it is, so that not every
    /// message of a client is a write: its end comes up to a sixteenth of the time earlier.
    pub fn remember(&self, key: Digest, seconds: u64) {
        self.keep(key, seconds, 1);
    }

    fn keep(&self, key: Digest, seconds: u64, count: u64) {
        let now = self.now();
        let new = Entry::lasting(now, seconds, count);
        let fresh = |kept: Entry| {
            kept.count == count && kept.ends + seconds / 16 >= new.ends && kept.ends <= new.ends
        };
        if self.table.get(key, now).is_some_and(fresh) {
            return;
        }
        self.table.change(key, now, |_| Some(new));
        self.tell(key, Request::Put(Left::of(new, now)));
    }

    /// Whether the key is kept; `None` when only the store can tell.
    pub fn knows(&self, key: Digest) -> Option<bool> {
        match self.table.get(key, self.now()) {
            Some(_) => Some(true),
            None => self.asks_within().is_none().then_some(false),
        }
    }

    /// Whether the key is kept, from the store if need be.
    pub async fn recall(&self, key: Digest) -> Result<bool, Unknown> {
        match self.knows(key) {
            Some(known) => Ok(known),
            None => Ok(self.ask(key, Request::Read).await?.is_some()),
        }
    }

    /// What a greylist says of the key, which is put down if it is new; `None` when only the store can tell.
    pub fn grey(&self, key: Digest, list: &Greylist) -> Option<Grey> {
        let now = self.now();
        let kept = self.table.get(key, now);
        if kept.is_none() && self.asks_within().is_some() {
            return None;
        }
        Some(self.judge_grey(key, list, kept, now))
    }

    /// What a greylist says of the key, from the store if need be.
    pub async fn grey_asked(&self, key: Digest, list: &Greylist) -> Result<Grey, Unknown> {
        if let Some(grey) = self.grey(key, list) {
            return Ok(grey);
        }
        let first = Left::of(list.first(self.now()), self.now());
        let kept = self.ask(key, Request::Begin(first)).await?;
        Ok(self.judge_grey(key, list, kept, self.now()))
    }

    fn judge_grey(&self, key: Digest, list: &Greylist, kept: Option<Entry>, now: u64) -> Grey {
        let grey = list.judge(kept, now);
        match grey {
            Grey::Passed => self.keep(key, list.keep, greylist::PASSED),
            Grey::Waiting if list.knows(kept, now) => {}
            Grey::Waiting => {
                let first = list.first(now);
                self.table.change(key, now, |_| Some(first));
                self.tell(key, Request::Put(Left::of(first, now)));
            }
        }
        grey
    }

    /// Keeps nothing of the key any more; whether it was kept here.
    pub fn forget(&self, key: Digest) -> bool {
        let now = self.now();
        let kept = self.table.get(key, now).is_some();
        self.table.forget(key, now);
        self.tell(key, Request::Forget);
        kept
    }

    /// For how many seconds more the key is kept here, and its count.
    pub fn left(&self, key: Digest) -> Option<(u64, u64)> {
        let now = self.now();
        self.table.get(key, now).map(|entry| (entry.ends - now, entry.count))
    }

    /// How they do.
    pub fn report(&self) -> Report {
        Report {
            healthy: self.state.healthy.load(Relaxed),
            entries: self.table.entries(self.now()) as u64,
            evicted: self.table.evicted(),
            untold: self.state.given.load(Relaxed).saturating_sub(self.state.told.load(Relaxed)),
            lost: self.state.lost.load(Relaxed),
            answered: self.state.answered.load(Relaxed),
            unanswered: self.state.unanswered.load(Relaxed),
        }
    }

    /// How long to wait for the store's answer, where it knows more than this host.
    fn asks_within(&self) -> Option<Duration> {
        match self.state.within_ms.load(Relaxed) {
            0 | MEMORY => None,
            milliseconds => Some(Duration::from_millis(milliseconds)),
        }
    }

    /// Has the store told.
    fn tell(&self, key: Digest, request: Request) {
        if self.state.within_ms.load(Relaxed) == MEMORY {
            return;
        }
        let Some(jobs) = self.jobs.get() else { return };
        match jobs.try_send(Job::Tell(key, request)) {
            Ok(()) => &self.state.given,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => &self.state.lost,
        }
        .fetch_add(1, Relaxed);
    }

    /// Asks the store, and keeps here what it says.
    async fn ask(&self, key: Digest, request: Request) -> Result<Option<Entry>, Unknown> {
        let answer = self.answer(key, request).await;
        let counter = if answer.is_some() { &self.state.answered } else { &self.state.unanswered };
        counter.fetch_add(1, Relaxed);
        let now = self.now();
        let entry = answer.ok_or(Unknown)?.map(|left| left.entry(now));
        if let Some(entry) = entry {
            self.table.change(key, now, |_| Some(entry));
        }
        Ok(entry)
    }

    /// The store's answer; `None` when it does not come in time.
    async fn answer(&self, key: Digest, request: Request) -> Option<Option<Left>> {
        let within = self.asks_within().filter(|_| self.state.healthy.load(Relaxed))?;
        let (reply, answer) = oneshot::channel();
        self.jobs.get()?.try_send(Job::Ask(key, request, reply)).ok()?;
        tokio::time::timeout(within, answer).await.ok()?.ok()
    }
}
