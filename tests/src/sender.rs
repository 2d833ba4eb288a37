//! A sending host: many sessions, numbered messages, and an MTA's patience with a server that cannot take one now.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::wait::PATIENCE;

/// Between two attempts at the same message, as short as a test wants it.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// What to send.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where to.
    pub to: SocketAddr,
    /// Sessions at once; each keeps its connection as long as it lasts.
    pub sessions: usize,
    /// Numbers 0.. are sent until this, or until [`Sender::finish`].
    pub messages: u64,
    /// Bytes of a body.
    pub body_bytes: usize,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Serials whose message was answered with 250.
    pub acknowledged: BTreeSet<u64>,
    /// Serials with an attempt that ended in doubt: the dot was sent and no 250 came. Only these may arrive twice.
    pub in_doubt: BTreeSet<u64>,
    /// Replies of 4yz to a command or a dot, one of each text.
    pub refusals: BTreeSet<String>,
    /// Attempts that ended with the connection.
    pub broken: u64,
}

#[derive(Default)]
struct Shared {
    next: AtomicU64,
    stop: AtomicBool,
    outcome: Mutex<Outcome>,
}

/// Sessions that are sending.
pub struct Sender {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

enum Attempt {
    Acknowledged,
    Refused { reply: String, after_dot: bool },
    Broken { after_dot: bool },
}

impl Sender {
    /// Starts the sessions.
    pub fn start(plan: Plan) -> Self {
        let shared = Arc::new(Shared::default());
        let session = |_| {
            let shared = shared.clone();
            thread::spawn(move || work(plan, &shared))
        };
        let threads = (0..plan.sessions).map(session).collect();
        Self { shared, threads }
    }

    /// How many messages were answered with 250 so far.
    pub fn acknowledged(&self) -> usize {
        self.shared.outcome.lock().expect("no poisoned lock").acknowledged.len()
    }

    /// Waits until all messages of the plan are done.
    pub fn wait(self) -> Outcome {
        for thread in self.threads {
            thread.join().expect("a session that did not panic");
        }
        std::mem::take(&mut self.shared.outcome.lock().expect("no poisoned lock"))
    }

    /// Begins no further message, and waits for those that have begun.
    pub fn finish(self) -> Outcome {
        self.shared.stop.store(true, SeqCst);
        self.wait()
    }
}

fn work(plan: Plan, shared: &Shared) {
    let mut connection = None;
    while !shared.stop.load(SeqCst) {
        let serial = shared.next.fetch_add(1, SeqCst);
        if serial >= plan.messages {
            break;
        }
        deliver(plan, serial, &mut connection, shared);
    }
    if let Some(mut client) = connection {
        // The server may have closed first.
        drop(client.command("QUIT"));
    }
}

/// Tries one message until it is taken, as an MTA does.
fn deliver(plan: Plan, serial: u64, connection: &mut Option<Client>, shared: &Shared) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (attempt, kept) = attempt(plan, serial, connection.take());
        *connection = kept;
        let mut outcome = shared.outcome.lock().expect("no poisoned lock");
        match attempt {
            Attempt::Acknowledged => {
                outcome.acknowledged.insert(serial);
                return;
            }
            Attempt::Refused { reply, after_dot } => {
                assert!(reply.starts_with('4'), "message {serial} was refused for good: {reply}");
                outcome.refusals.insert(reply);
                if after_dot {
                    outcome.in_doubt.insert(serial);
                }
            }
            Attempt::Broken { after_dot } => {
                outcome.broken += 1;
                if after_dot {
                    outcome.in_doubt.insert(serial);
                }
            }
        }
        let refusals = outcome.refusals.clone();
        drop(outcome);
        assert!(Instant::now() < deadline, "message {serial} was never taken: {refusals:?}");
        thread::sleep(RETRY_AFTER);
    }
}

fn attempt(plan: Plan, serial: u64, connection: Option<Client>) -> (Attempt, Option<Client>) {
    let fresh = || Client::session(plan.to);
    let Ok(mut client) = connection.map_or_else(fresh, Ok) else {
        return (Attempt::Broken { after_dot: false }, None);
    };
    let mut after_dot = false;
    match transaction(&mut client, &wire(serial, plan.body_bytes), &mut after_dot) {
        Ok(None) => (Attempt::Acknowledged, Some(client)),
        // A transaction that was refused half-way is ended by the next connection, not by RSET: simpler, and safe.
        Ok(Some(reply)) => (Attempt::Refused { reply, after_dot }, None),
        Err(_) => (Attempt::Broken { after_dot }, None),
    }
}

/// `None` when the message was taken, else the refusal.
fn transaction(client: &mut Client, wire: &str, after_dot: &mut bool) -> io::Result<Option<String>> {
    let reply = client.envelope("sender@example.net", "dev@example.org")?;
    if !reply.is_good() {
        return Ok(Some(reply.text));
    }
    client.write(wire.as_bytes())?;
    *after_dot = true;
    let reply = client.command(".")?;
    Ok((!reply.is_good()).then_some(reply.text))
}

/// A message that can be told from all others.
fn wire(serial: u64, body_bytes: usize) -> String {
    const LINE: &str = "All work and no play makes a dull mail.\r\n";
    let head = format!(
        "From: sender@example.net\r\nTo: dev@example.org\r\nSubject: number {serial}\r\nMessage-ID: <{serial}@example.net>\r\nX-Serial: {serial}\r\n\r\n"
    );
    head + &LINE.repeat(body_bytes.div_ceil(LINE.len()))
}
