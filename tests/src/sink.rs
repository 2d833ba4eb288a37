//! An SMTP server that keeps count of serial numbers: what arrived, how often, and its bytes.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::wait::PATIENCE;

/// What it answers to the dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkReplies {
    /// 250, and the message counts.
    Takes,
    /// This reply, and the message does not count.
    Refuses(&'static str),
    /// Takes the message and closes without an answer: SMTP's own window of doubt.
    TakesAndHangsUp,
    /// Takes the message after a while, or when the sink ends.
    Waits(Duration),
}

/// One message as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// As in MAIL.
    pub from: String,
    /// As in RCPT, in order.
    pub rcpts: Vec<String>,
    /// In wire form: dot-stuffed, without the final `.` line.
    pub wire: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    messages: Mutex<Vec<Received>>,
    replies: Mutex<Option<SinkReplies>>,
    sessions: AtomicUsize,
    /// Transactions between DATA and their reply, and the most there ever were.
    open: AtomicUsize,
    open_most: AtomicUsize,
    ended: AtomicBool,
}

/// A running sink.
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Sink {
    /// Listens on `address` and takes everything.
    pub fn start(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("the sink's address");
        let shared = Arc::new(Shared::default());
        let sink = Self { address, shared: shared.clone() };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.ended.load(SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = shared.clone();
                // A peer that goes away in the middle is its own business; what counts was counted.
                thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        sink
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub fn answer(&self, replies: SinkReplies) {
        *self.shared.replies.lock().expect("no poisoned lock") = Some(replies);
    }

    /// All messages so far.
    pub fn messages(&self) -> Vec<Received> {
        self.shared.messages.lock().expect("no poisoned lock").clone()
    }

    /// How many messages so far.
    pub fn count(&self) -> usize {
        self.shared.messages.lock().expect("no poisoned lock").len()
    }

    /// How many sessions so far, health checks included.
    pub fn sessions(&self) -> usize {
        self.shared.sessions.load(SeqCst)
    }

    /// Transactions that wait for their reply now.
    pub fn open(&self) -> usize {
        self.shared.open.load(SeqCst)
    }

    /// The most that ever waited at once.
    pub fn open_most(&self) -> usize {
        self.shared.open_most.load(SeqCst)
    }

    /// How often each serial arrived.
    pub fn serials(&self) -> BTreeMap<u64, usize> {
        let mut serials = BTreeMap::new();
        for message in self.shared.messages.lock().expect("no poisoned lock").iter() {
            let serial = message.serial().expect("each message of a Sender has its serial");
            *serials.entry(serial).or_insert(0) += 1;
        }
        serials
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.ended.store(true, SeqCst);
        // Wakes the thread that waits for connections, so that it sees the end and frees the port.
        drop(TcpStream::connect(self.address));
    }
}

impl Received {
    /// The number in its `X-Serial` header.
    pub fn serial(&self) -> Option<u64> {
        self.header("X-Serial")?.parse().ok()
    }

    /// The value of the first header of this name, on one line.
    pub fn header(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.wire);
        let (head, _) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let named = unfolded.lines().filter_map(|line| line.split_once(':'));
        let mut values = named.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        values.next().map(|value| value.trim().to_owned())
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE * 5))?;
    stream.set_nodelay(true)?;
    shared.sessions.fetch_add(1, SeqCst);
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    writer.write_all(b"220 sink.example.org ESMTP\r\n")?;
    let (mut from, mut rcpts) = (String::new(), Vec::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "EHLO" => {
                "250-sink.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8"
            }
            "MAIL" => {
                from = path(&line);
                rcpts.clear();
                "250 2.1.0 sender ok"
            }
            "RCPT" => {
                rcpts.push(path(&line));
                "250 2.1.5 recipient ok"
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n")?;
                let message = Received { from: from.clone(), rcpts: rcpts.clone(), wire: body(&mut reader)? };
                let Some(reply) = take(message, shared) else { return Ok(()) };
                reply
            }
            "QUIT" => return writer.write_all(b"221 2.0.0 bye\r\n"),
            _ => "250 2.0.0 ok",
        };
        writer.write_all(format!("{reply}\r\n").as_bytes())?;
    }
}

/// Counts a message or not, as [`SinkReplies`] says; `None` hangs up.
fn take(message: Received, shared: &Shared) -> Option<&'static str> {
    let open = shared.open.fetch_add(1, SeqCst) + 1;
    shared.open_most.fetch_max(open, SeqCst);
    let replies = shared.replies.lock().expect("no poisoned lock").clone().unwrap_or(SinkReplies::Takes);
    let keep = |message| shared.messages.lock().expect("no poisoned lock").push(message);
    let reply = match replies {
        SinkReplies::Takes => {
            keep(message);
            Some("250 2.0.0 taken")
        }
        SinkReplies::Refuses(reply) => Some(reply),
        SinkReplies::TakesAndHangsUp => {
            keep(message);
            None
        }
        SinkReplies::Waits(time) => {
            thread::sleep(time);
            keep(message);
            Some("250 2.0.0 taken late")
        }
    };
    shared.open.fetch_sub(1, SeqCst);
    reply
}

/// What stands between `<` and `>`.
fn path(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map(|(path, _)| path.to_owned()).unwrap_or_default()
}

fn body(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut wire = Vec::new();
    loop {
        let start = wire.len();
        if reader.read_until(b'\n', &mut wire)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if wire.get(start..) == Some(b".\r\n") && (start == 0 || wire.get(..start).is_some_and(ends_line)) {
            wire.truncate(start);
            return Ok(wire);
        }
    }
}

fn ends_line(before: &[u8]) -> bool {
    before.ends_with(b"\r\n")
}
