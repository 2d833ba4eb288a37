//! The thread that drives the store: what shards say goes to it in batches, what it says comes back into the tables.
//!
//! ```text
//! closed --open--> open --error--> closed, tried again every [`STORE_RETRY_EVERY`]; what is to be told waits, to a bound
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::oneshot;

use super::local::Local;
use super::shared::Remote;
use super::{Broken, Job, Left, MEMORY, Place, Request, Store, Tables};
use crate::limits::{
    STORE_BATCH_MAX, STORE_CHECK_EVERY, STORE_PENDING_MAX, STORE_QUEUE_MAX, STORE_RETRY_EVERY,
    STORE_WRITE_EVERY,
};
use crate::log::Log;
use crate::table::{COUNT_MAX, Digest, Entry};

/// The handle of the thread.
#[derive(Debug)]
pub struct Keeper {
    tables: Arc<Tables>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Opens the store, so that what it knows is known from the first client on, and starts the thread. A store that cannot be opened
    /// is said in the log and tried again.
    pub fn start(tables: Arc<Tables>, place: Place, log: Log) -> std::io::Result<Self> {
        start_with(tables, place, log, Box::new(store))
    }

    /// Keeps entries elsewhere from now on.
    pub fn move_to(&self, place: Place) {
        self.give(Job::Move(place));
    }

    /// Tells the store what it has not been told, and ends.
    pub fn stop(&mut self) {
        self.give(Job::End);
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so on its own.
            let _ended = thread.join();
        }
    }

    fn give(&self, job: Job) {
        // A thread that is gone needs nothing; a full queue is emptied within a moment.
        let _gone = self.tables.jobs.get().map(|jobs| jobs.send(job));
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

/// Makes the store of a place; memory has none.
type Make = Box<dyn Fn(&Place) -> Option<Box<dyn Store>> + Send>;

fn store(place: &Place) -> Option<Box<dyn Store>> {
    match place {
        Place::Shared(shared) => Some(Box::new(Remote::new(shared.clone()))),
        Place::File(path) => Some(Box::new(Local::new(path.clone()))),
        Place::Memory => None,
    }
}

/// As [`Keeper::start`], with stores that `make` makes.
pub(super) fn start_with(tables: Arc<Tables>, place: Place, log: Log, make: Make) -> std::io::Result<Keeper> {
    let (sender, jobs) = sync_channel(STORE_QUEUE_MAX);
    let mut work = Work {
        tables: Arc::clone(&tables),
        jobs,
        log,
        make,
        place: Place::Memory,
        store: None,
        is_open: false,
        was_down: false,
        tried: Instant::now(),
        told: Instant::now(),
        given: 0,
        pending: HashMap::new(),
        asked: Vec::new(),
    };
    work.move_to(place);
    let thread = std::thread::Builder::new().name(String::from("store")).spawn(move || work.run())?;
    // Nobody else starts a keeper for these tables.
    let _first = tables.jobs.set(sender);
    Ok(Keeper { tables, thread: Some(thread) })
}

/// What the thread has.
struct Work {
    tables: Arc<Tables>,
    jobs: Receiver<Job>,
    log: Log,
    make: Make,
    place: Place,
    /// None when nothing outlives the process.
    store: Option<Box<dyn Store>>,
    is_open: bool,
    /// It was said that it is down.
    was_down: bool,
    /// When it was last tried to open it.
    tried: Instant,
    /// When it was last told something, or asked whether it is well.
    told: Instant,
    /// How much was given to be told.
    given: u64,
    /// What is to be told, one thing for a key.
    pending: HashMap<Digest, Request>,
    asked: Vec<(Digest, Request, oneshot::Sender<Option<Left>>)>,
}

impl Work {
    fn run(mut self) {
        loop {
            let goes_on = self.take();
            if self.is_open {
                self.tell();
            } else {
                // Whoever waits is not left waiting.
                self.asked.clear();
                if self.store.is_some() && self.tried.elapsed() >= STORE_RETRY_EVERY {
                    self.open();
                }
            }
            if !goes_on {
                return;
            }
        }
    }

    /// Waits for what is given, and takes it; false when that is the end.
    fn take(&mut self) -> bool {
        if matches!(self.place, Place::Shared(_)) {
            match self.jobs.recv_timeout(STORE_RETRY_EVERY.min(STORE_CHECK_EVERY)) {
                Ok(job) => {
                    if !self.put(job) {
                        return false;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        } else {
            // Nobody waits for an answer, so that no shard has to wake this thread.
            std::thread::park_timeout(STORE_WRITE_EVERY);
        }
        for _ in 0..STORE_QUEUE_MAX {
            match self.jobs.try_recv() {
                Ok(job) => {
                    if !self.put(job) {
                        return false;
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
            // Whoever waits has his answer before more is taken.
            if self.asked.len() >= STORE_BATCH_MAX {
                break;
            }
        }
        true
    }

    fn put(&mut self, job: Job) -> bool {
        match job {
            Job::Tell(key, request) => {
                self.given += 1;
                self.is_to_tell(key, request);
            }
            Job::Ask(key, request, reply) => self.asked.push((key, request, reply)),
            Job::Move(place) => {
                if self.is_open {
                    self.tell();
                }
                self.move_to(place);
            }
            Job::End => return false,
        }
        true
    }

    /// Puts down what the store is to be told; counts of one key are told together.
    fn is_to_tell(&mut self, key: Digest, request: Request) {
        if self.pending.len() >= STORE_PENDING_MAX && !self.pending.contains_key(&key) {
            self.tables.state.lost.fetch_add(1, Relaxed);
            return;
        }
        let is_shared = matches!(self.place, Place::Shared(_));
        let request = match (self.pending.get(&key), request) {
            // A file is told what there is by then, but what it has from before is not to be loaded.
            (Some(Request::Forget), _) if !is_shared => Request::Forget,
            // A count begins anew behind what ends it.
            (Some(Request::Forget), Request::Add { by, window }) => {
                Request::Put(Left { seconds: window, count: by })
            }
            (Some(Request::Put(before)), Request::Add { by, .. }) => {
                Request::Put(Left { count: before.count.saturating_add(by).min(COUNT_MAX), ..*before })
            }
            (Some(Request::Add { by: before, .. }), Request::Add { by, window }) => {
                Request::Add { by: before.saturating_add(by).min(COUNT_MAX), window }
            }
            // What a count answers is what was to be read.
            (Some(before), Request::Read) => *before,
            _ => request,
        };
        self.pending.insert(key, request);
    }

    /// Another store, or the same one anew.
    fn move_to(&mut self, place: Place) {
        self.pending.clear();
        self.tables.state.told.store(self.given, Relaxed);
        self.store = (self.make)(&place);
        let within = match &place {
            Place::Memory => MEMORY,
            Place::File(_) => 0,
            Place::Shared(shared) => u64::try_from(shared.timeout.as_millis()).unwrap_or(MEMORY - 1).max(1),
        };
        self.place = place;
        self.is_open = false;
        self.was_down = false;
        self.tables.state.healthy.store(self.store.is_none(), Relaxed);
        self.tables.state.within_ms.store(within, Relaxed);
        if self.store.is_some() {
            self.open();
        }
    }

    fn open(&mut self) {
        self.tried = Instant::now();
        let Some(store) = &mut self.store else { return };
        let tables = &self.tables;
        let now = tables.now();
        let mut loaded = Vec::new();
        match store.open(tables.secret.get(), &mut |key, left| loaded.push((key, left))) {
            Ok(secret) => {
                if tables.secret.set(secret) {
                    // Nobody finds any more what was kept under the secret before.
                    tables.table.clear();
                    self.pending.clear();
                    self.tables.state.told.store(self.given, Relaxed);
                }
                let pending = &self.pending;
                loaded.retain(|(key, _)| !matches!(pending.get(key), Some(Request::Forget)));
                for (key, left) in loaded {
                    tables.table.change(key, now, |kept| Some(later(kept, left.entry(now))));
                }
                self.is_open = true;
                self.tables.state.healthy.store(true, Relaxed);
                self.told = Instant::now();
                if self.was_down {
                    self.was_down = false;
                    self.log
                        .event("store")
                        .field("store", self.place.to_string())
                        .field("state", "up")
                        .emit();
                }
            }
            Err(reason) => self.is_down(&reason),
        }
    }

    fn is_down(&mut self, reason: &str) {
        self.is_open = false;
        self.tried = Instant::now();
        self.tables.state.healthy.store(false, Relaxed);
        if !self.was_down {
            self.was_down = true;
            let event = self.log.event("store").field("store", self.place.to_string());
            event.field("state", "down").field("reason", reason).emit();
        }
    }

    /// Tells and asks what there is; when there is nothing, whether the store is well.
    fn tell(&mut self) {
        while !self.asked.is_empty() || !self.pending.is_empty() || self.told.elapsed() >= STORE_CHECK_EVERY {
            self.told = Instant::now();
            let asked = self.asked.len().min(STORE_BATCH_MAX);
            let asked: Vec<_> = self.asked.drain(..asked).collect();
            let keys: Vec<Digest> =
                self.pending.keys().take(STORE_BATCH_MAX - asked.len()).copied().collect();
            let asks = asked.iter().map(|(key, request, _)| (*key, *request));
            let tells = keys.iter().filter_map(|key| self.telling(*key));
            let batch: Vec<(Digest, Request)> = asks.chain(tells).collect();
            let Some(store) = &mut self.store else { return };
            match store.exchange(&batch) {
                Ok(answers) => {
                    for key in keys {
                        self.pending.remove(&key);
                    }
                    let without = batch.iter().zip(&answers).filter(|(_, answer)| answer.is_none());
                    self.lose_counts(without.map(|(told, _)| told));
                    self.learn(&batch, &answers);
                    for ((_, _, reply), answer) in asked.into_iter().zip(answers) {
                        // Whoever has given up knows without it.
                        let _gone = reply.send(answer);
                    }
                }
                Err(Broken::Before(reason)) => return self.is_down(&reason),
                Err(Broken::After(reason)) => {
                    self.lose_counts(&batch);
                    return self.is_down(&reason);
                }
            }
        }
        self.tables.state.told.store(self.given, Relaxed);
    }

    /// Counts that the store may have taken are not told again: a limit refuses nobody for messages that did not come.
    fn lose_counts<'a>(&mut self, told: impl IntoIterator<Item = &'a (Digest, Request)>) {
        for (key, _) in told.into_iter().filter(|(_, request)| matches!(request, Request::Add { .. })) {
            self.pending.remove(key);
            self.tables.state.lost.fetch_add(1, Relaxed);
        }
    }

    /// What the store is told of a key: a shared one what has changed, a file what is there now.
    fn telling(&self, key: Digest) -> Option<(Digest, Request)> {
        let request = *self.pending.get(&key)?;
        if matches!(self.place, Place::Shared(_)) {
            return Some((key, request));
        }
        let now = self.tables.now();
        let kept = self.tables.table.get(key, now);
        Some((key, kept.map_or(Request::Forget, |entry| Request::Put(Left::of(entry, now)))))
    }

    /// Takes over what all hosts together have counted.
    fn learn(&self, batch: &[(Digest, Request)], answers: &[Option<Left>]) {
        let now = self.tables.now();
        for ((key, request), answer) in batch.iter().zip(answers) {
            if let (Request::Add { .. } | Request::Read, Some(all)) = (request, answer) {
                let all = all.entry(now);
                // What was counted here since then has not been told yet; it comes on top with the next answer.
                self.tables.table.change(*key, now, |kept| {
                    let own = kept.map_or(0, |kept| kept.count);
                    Some(Entry { ends: all.ends, count: all.count.max(own) })
                });
            }
        }
    }
}

/// Of two entries of a key the one that lasts longer.
fn later(kept: Option<Entry>, loaded: Entry) -> Entry {
    kept.filter(|kept| kept.ends > loaded.ends).unwrap_or(loaded)
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => out.write_str("memory"),
            Self::File(path) => write!(out, "file {}", path.display()),
            Self::Shared(shared) => write!(out, "redis {}", shared.server),
        }
    }
}
