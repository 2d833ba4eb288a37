//! The thread that writes the log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};

use super::{Format, Log};
use crate::clock::Clock;
use crate::limits::{LOG_FLUSH_EVERY, LOG_LANE_BYTES_MAX};

/// Where lines go.
#[derive(Clone, Debug)]
pub enum Sink {
    /// Standard error, for systemd's journal.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, appended to; [`Writer::reopen`] opens it anew after a rotation.
    File(PathBuf),
}

impl Sink {
    fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match self {
            Self::Stderr => Box::new(io::stderr()),
            Self::Stdout => Box::new(io::stdout()),
            Self::File(path) => Box::new(append(path)?),
        })
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// The writer of the log. When it is dropped, it writes what is waiting, and ends.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    format: Format,
    clock: Clock,
    lanes: Mutex<Vec<Arc<Lane>>>,
    lost: Arc<AtomicU64>,
    reopen: AtomicBool,
    stop: AtomicBool,
}

/// The lines of one thread that wait for the writer.
pub(super) struct Lane {
    waiting: Mutex<Vec<u8>>,
    shared: Arc<Shared>,
    writer: Thread,
}

/// Nothing that holds these locks can panic half-way, so a poisoned lock guards sound data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lane {
    /// Appends a line. The lock is shared with the writer alone, which holds it for a swap.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() + line.len() > LOG_LANE_BYTES_MAX {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let half = LOG_LANE_BYTES_MAX / 2;
        let crosses_half = waiting.len() < half && waiting.len() + line.len() >= half;
        waiting.extend_from_slice(line);
        drop(waiting);
        if crosses_half {
            self.writer.unpark();
        }
    }
}

impl Writer {
    /// Opens the sink and starts the thread.
    ///
    /// # Errors
    /// When the file can't be opened or there are no more threads.
    pub fn start(sink: Sink, format: Format, clock: Clock) -> io::Result<Self> {
        let output = sink.open()?;
        let shared = Arc::new(Shared {
            format,
            clock,
            lanes: Mutex::default(),
            lost: Arc::default(),
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let mut work = Work { shared: Arc::clone(&shared), sink, output, batch: Vec::new(), lost_told: 0 };
        let thread = thread::Builder::new().name("log".into()).spawn(move || work.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A log for one more thread. Its lines keep their order among themselves.
    pub fn lane(&self) -> Log {
        match &self.thread {
            Some(thread) => Shared::log(&self.shared, thread.thread().clone()),
            None => Log::off(),
        }
    }

    /// Opens the file anew with the next batch of lines, after someone has moved it away.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Relaxed);
    }

    /// How many lines have been lost so far (`weir_log_lost_total`).
    pub fn lost(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.lost)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A writer that panicked has said so on its own.
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    fn log(this: &Arc<Self>, writer: Thread) -> Log {
        let lane = Arc::new(Lane { waiting: Mutex::default(), shared: Arc::clone(this), writer });
        lock(&this.lanes).push(Arc::clone(&lane));
        Log::to_lane(lane, this.format, this.clock.clone())
    }
}

/// What the thread has.
struct Work {
    shared: Arc<Shared>,
    sink: Sink,
    output: Box<dyn Write + Send>,
    batch: Vec<u8>,
    lost_told: u64,
}

impl Work {
    fn run(&mut self) {
        let report = Shared::log(&self.shared, thread::current());
        loop {
            // Read first: what was logged before the stop is then written below.
            let last = self.shared.stop.load(Ordering::Acquire);
            if self.shared.reopen.swap(false, Ordering::Relaxed) {
                self.reopen(&report);
            }
            self.write_lanes();
            self.report_loss(&report);
            if last {
                self.write_lanes();
                return;
            }
            thread::park_timeout(LOG_FLUSH_EVERY);
        }
    }

    fn write_lanes(&mut self) {
        let all = lock(&self.shared.lanes).clone();
        for lane in &all {
            self.batch.clear();
            mem::swap(&mut *lock(&lane.waiting), &mut self.batch);
            let written = self.output.write_all(&self.batch).and_then(|()| self.output.flush());
            if written.is_err() {
                let lines = memchr::memchr_iter(b'\n', &self.batch).count();
                self.shared.lost.fetch_add(u64::try_from(lines).unwrap_or_default(), Ordering::Relaxed);
            }
        }
        // A lane that only the list and nobody's log knows is finished. The copy above counts as well.
        lock(&self.shared.lanes)
            .retain(|lane| Arc::strong_count(lane) > 2 || !lock(&lane.waiting).is_empty());
    }

    fn reopen(&mut self, report: &Log) {
        match self.sink.open() {
            Ok(output) => self.output = output,
            Err(error) => report.event("log_reopen_failed").field("error", format_args!("{error}")).emit(),
        }
    }

    fn report_loss(&mut self, report: &Log) {
        let total = self.shared.lost.load(Ordering::Relaxed);
        if total > self.lost_told {
            report.event("log_lost").field("lines", total - self.lost_told).field("total", total).emit();
            self.lost_told = total;
        }
    }
}
