//! Connections to servers, kept by each shard between transactions, and one transaction over one of them.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;
use weir_smtp::client::{Client, ClientConfig, ClientNeed, Outcome, StartTls};
use weir_smtp::{Envelope, Extension, Identity, Input, Stage};

use super::introduce::{Introduce, Step};
use super::pool::{PoolSpec, PoolTls, Server, Ticket, Timeouts};
use crate::limits::{RECEIVE_BUFFER_BYTES, TLS_HANDSHAKE_WITHIN};
use crate::ring::{self, Due, Segment, Segments, Stream, Watch, Watched};
use crate::tls::{Hop, Level, Link};
use crate::wire::Chunk;

/// A message on its way.
pub struct Parcel<'a> {
    /// Who sends it to whom.
    pub envelope: &'a Envelope,
    /// The header lines put in front.
    pub head: &'a [u8],
    /// Whose it is, where the pool wants its servers to know.
    pub client: Option<&'a Identity>,
    /// What came in, less what was cut out.
    pub body: &'a [Chunk],
    /// No line of it is dot-stuffed: without its final dot, the wire form is the message itself.
    pub is_plain: bool,
    /// Only the recipients are asked about; there is no message.
    pub is_probe: bool,
}

/// The end of a message in wire form, behind its last line.
const FINAL_DOT: &[u8] = b".\r\n";

impl<'a> Parcel<'a> {
    /// The question whether these recipients would be taken.
    pub const fn probe(envelope: &'a Envelope) -> Self {
        Self { envelope, head: &[], client: None, body: &[], is_plain: false, is_probe: true }
    }

    fn bytes(&self) -> usize {
        self.head.len() + self.body_bytes()
    }

    fn body_bytes(&self) -> usize {
        self.body.iter().map(|(_, range)| range.len()).sum()
    }

    /// Appends the first `bytes` of the body.
    fn write_body(&self, bytes: usize, segments: &mut Segments) {
        let mut rest = bytes;
        for (buffer, range) in self.body {
            let taken = range.len().min(rest);
            rest -= taken;
            segments.push(Segment::Shared(Rc::clone(buffer), range.start..range.start + taken));
        }
    }
}

/// How a message goes.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// After DATA and its 354, dot-stuffed.
    Stuffed,
    /// Together with its envelope, as one chunk (RFC 3030): one round trip instead of two.
    Chunk,
    /// Not at all: its recipients are asked about.
    Probe,
}

/// The largest message that goes as a chunk, in bytes: it is under way before its envelope is accepted.
const CHUNK_BYTES_MAX: usize = 256 << 10;
/// A connection that was not used for longer is asked first whether it still lives: a server that had closed it would leave us unsure of
/// a chunk's fate.
const CHUNK_UNUSED_MAX: Duration = Duration::from_secs(1);

/// What a server made of a message. The first three have a reply.
#[derive(Debug)]
pub enum Sent {
    /// It took it.
    Accepted,
    /// It does not want it; nor would another server.
    Refused,
    /// It cannot take it now (421, or 451 4.3.2), another might.
    Busy,
    /// It failed before it had the whole message: another can be tried without a risk of two copies.
    NotTaken(String),
    /// It had the whole message and did not answer: it may or may not deliver it (RFC 1047).
    Unsure(String),
}

/// What came of sending a message to a server.
#[derive(Debug)]
pub struct Delivery {
    /// What it made of it.
    pub sent: Sent,
    /// The version of TLS that was spoken; none in plain.
    pub tls: Option<&'static str>,
    /// Why it went in plain although the server offers TLS.
    pub fallback: Option<String>,
}

/// What connections have in common that can take each other's place: where they lead, whose messages their servers were told of, and
/// how they came into TLS.
#[derive(Clone)]
struct Way {
    server: SocketAddr,
    told: Option<Introduce>,
    hop: Option<Arc<Hop>>,
}

impl Way {
    fn is(&self, other: &Self) -> bool {
        let hops = [self, other].map(|way| way.hop.as_ref().map(Arc::as_ptr));
        (self.server, self.told) == (other.server, other.told) && hops[0] == hops[1]
    }
}

/// The unused connections of a shard.
pub struct Connections {
    /// By way: few, so a walk is the fastest way to one.
    idle: RefCell<Vec<(Way, Vec<Connection>)>>,
    config: Arc<ClientConfig>,
    watch: Watch,
}

struct Connection {
    link: Link,
    /// How to come into TLS.
    hop: Option<Arc<Hop>>,
    server: SocketAddr,
    watched: Watched,
    client: Client,
    input: Input,
    /// None while they are written.
    segments: Option<Segments>,
    transactions: u32,
    used: Instant,
    idle_until: Instant,
    /// When the transaction under way must have ended.
    due: Due,
}

/// Most unused connections to one server that a shard keeps.
const IDLE_MAX: usize = 256;

impl Connections {
    /// None yet. `name` is what we call ourselves in EHLO.
    pub fn new(name: &str, watch: Watch) -> Self {
        let config = Arc::new(ClientConfig { name: name.to_owned() });
        Self { idle: RefCell::default(), config, watch }
    }

    /// Sends a message to the ticket's server, and puts its reply into `reply`, whole lines with CRLF; without one that stays as it is.
    pub async fn deliver(&self, ticket: &Ticket, parcel: &Parcel<'_>, reply: &mut Vec<u8>) -> Delivery {
        let spec = &ticket.pool().spec;
        let server = ticket.server();
        // A probe is nobody's, so it never rides on a session that is somebody's.
        let told = spec.client.filter(|how| !(parcel.is_probe && *how == Introduce::XClient));
        let way = Way { server: server.address, told, hop: spec.tls.hop().cloned() };
        while let Some(mut kept) = self.take_idle(&way) {
            match kept.transact(spec, server, parcel, reply).await {
                // The server closed it while it was not in use, which says nothing of the server.
                Err(Trouble::Stale) => {}
                sent => return self.finish(kept, spec, way, sent).await,
            }
        }
        let reason = match self.deliver_anew(ticket, &way, way.hop.clone(), parcel, reply).await {
            Ok(delivery) => return delivery,
            Err(reason) => reason,
        };
        // As Postfix does at its level `may`: better in plain than not at all, when anybody in between could have had it so by not
        // letting STARTTLS through.
        match self.deliver_anew(ticket, &way, None, parcel, reply).await {
            Ok(delivery) => Delivery { fallback: Some(reason), ..delivery },
            Err(reason) => not_taken(reason),
        }
    }

    /// Sends it over a new connection, which comes into TLS as `hop` says. The error is why it does not, where it need not.
    async fn deliver_anew(
        &self,
        ticket: &Ticket,
        way: &Way,
        hop: Option<Arc<Hop>>,
        parcel: &Parcel<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Delivery, String> {
        let spec = &ticket.pool().spec;
        if spec.tls == PoolTls::Unread {
            return Ok(not_taken(String::from("the files of its `tls` were not read")));
        }
        let stream = match Stream::connect(way.server, spec.timeouts.connect).await {
            Ok(stream) => stream,
            Err(error) => return Ok(not_taken(format!("connect: {error}"))),
        };
        // Every write is a whole batch, so there is nothing for the kernel to wait for; it works without, too.
        let _slower = stream.set_nodelay();
        let mut fresh = Connection::new(stream, &self.watch, Arc::clone(&self.config), way.server, hop);
        if let Some(introduce) = spec.client {
            introduce.preface(parcel.client, fresh.client.output());
        }
        match fresh.transact(spec, ticket.server(), parcel, reply).await {
            Err(Trouble::NoTls(reason)) => Err(reason),
            sent => Ok(self.finish(fresh, spec, way.clone(), sent).await),
        }
    }

    async fn finish(
        &self,
        mut connection: Connection,
        spec: &PoolSpec,
        way: Way,
        sent: Result<Sent, Trouble>,
    ) -> Delivery {
        let tls = connection.link.version();
        let sent = match sent {
            Ok(sent) => {
                if connection.transactions >= spec.reuse_transactions
                    || spec.client.is_some_and(Introduce::is_proxy)
                {
                    // The client's reply does not wait for the farewell.
                    ring::spawn(connection.quit());
                } else if connection.settle(spec).await {
                    if connection.input.unread().is_empty() {
                        // What waits needs no buffer.
                        ring::recycle(connection.input.lend(0));
                    }
                    connection.used = Instant::now();
                    connection.idle_until = connection.used + spec.reuse_idle;
                    self.keep(way, connection);
                }
                sent
            }
            Err(Trouble::Stale) => Sent::NotTaken(String::from("connection closed before a reply")),
            Err(Trouble::BeforeDot(reason) | Trouble::NoTls(reason)) => Sent::NotTaken(reason),
            Err(Trouble::AfterDot(reason)) => Sent::Unsure(reason),
        };
        Delivery { sent, tls, fallback: None }
    }

    fn take_idle(&self, way: &Way) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let now = Instant::now();
        let (_, kept) = idle.iter_mut().find(|(kept, _)| kept.is(way))?;
        // The latest used first, so that the others can grow old and go.
        while let Some(connection) = kept.pop() {
            if connection.idle_until > now && !connection.link.has_ended() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, way: Way, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        match idle.iter_mut().find(|(kept, _)| kept.is(&way)) {
            Some((_, kept)) if kept.len() >= IDLE_MAX => {}
            Some((_, kept)) => kept.push(connection),
            None => idle.push((way, vec![connection])),
        }
    }

    /// Closes what has not been used for too long, politely; to be called now and then.
    pub async fn close_idle(&self) {
        let now = Instant::now();
        let mut old = Vec::new();
        for (_, kept) in self.idle.borrow_mut().iter_mut() {
            old.extend(kept.extract_if(.., |connection| connection.idle_until <= now));
        }
        self.idle.borrow_mut().retain(|(_, kept)| !kept.is_empty());
        for connection in old {
            connection.quit().await;
        }
    }

    /// Closes all, politely: the shard ends.
    pub async fn close_all(&self) {
        let all: Vec<Connection> = self.idle.borrow_mut().drain(..).flat_map(|(_, kept)| kept).collect();
        for connection in all {
            connection.quit().await;
        }
    }
}

/// Why there was no outcome.
enum Trouble {
    /// A kept connection had been closed by the server.
    Stale,
    /// The server does not have the whole message.
    BeforeDot(String),
    /// It has, and did not answer.
    AfterDot(String),
    /// There is no TLS with it, and there need not be.
    NoTls(String),
}

impl Connection {
    fn new(
        stream: Stream,
        watch: &Watch,
        config: Arc<ClientConfig>,
        server: SocketAddr,
        hop: Option<Arc<Hop>>,
    ) -> Self {
        let watched = stream.watch(watch);
        let start_tls = match hop.as_ref().map(|hop| hop.spec.level) {
            None | Some(Level::Implicit) => StartTls::Never,
            Some(Level::Opportunistic) => StartTls::IfOffered,
            Some(Level::Required) => StartTls::Always,
        };
        Self {
            due: watched.due(Duration::ZERO),
            watched,
            link: Link::plain(stream),
            client: Client::new(config).with_start_tls(start_tls),
            hop,
            server,
            input: Input::default(),
            segments: None,
            transactions: 0,
            used: Instant::now(),
            idle_until: Instant::now(),
        }
    }

    async fn transact(
        &mut self,
        spec: &PoolSpec,
        server: &Server,
        parcel: &Parcel<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Sent, Trouble> {
        let Timeouts { command, data, dot, .. } = spec.timeouts;
        // All together: a reply that comes byte by byte does not hold a slot for ever.
        self.due = self.watched.due(command + data + dot);
        let reused = self.transactions > 0;
        // Another pool may have used the connection before.
        self.client.use_only(spec.usable);
        self.transactions += 1;
        if !reused && self.level() == Some(Level::Implicit) {
            // A header of the PROXY protocol comes before TLS.
            let said = self.flush(spec).await;
            said.map_err(|error| Trouble::BeforeDot(self.reason(&error)))?;
            self.secure(spec).await?;
        }
        let form = self.form(parcel);
        let mut is_sent = false;
        let mut has_started = false;
        let mut untold = spec.client.zip(parcel.client);
        loop {
            // What was refused will not be delivered, even if all of it is there.
            let has_dot = is_sent && !self.client.is_refused();
            let trouble = |reason: String| {
                if has_dot { Trouble::AfterDot(reason) } else { Trouble::BeforeDot(reason) }
            };
            match self.client.next(&mut self.input) {
                ClientNeed::Bytes => match self.exchange(spec).await {
                    Ok(()) => {}
                    Err(_) if reused && !has_dot && !self.watched.expired() => return Err(Trouble::Stale),
                    Err(error) => return Err(trouble(self.reason(&error))),
                },
                ClientNeed::Ready if has_started => return Err(trouble(String::from("no outcome"))),
                ClientNeed::Ready if untold.is_some() => {
                    let Some((introduce, client)) = untold.take() else { continue };
                    match introduce.tell(&mut self.client, client) {
                        Step::Ready | Step::Told => {}
                        Step::Unsaid => server.is_untold.store(true, Relaxed),
                        Step::Unable => return Err(trouble(String::from("does not offer XCLIENT"))),
                    }
                }
                ClientNeed::Ready => {
                    has_started = true;
                    self.start(form(&self.client), parcel);
                }
                ClientNeed::Secure => {
                    self.secure(spec).await?;
                    self.client.secured();
                }
                ClientNeed::Message => {
                    self.write_message(spec, parcel, form(&self.client)).await.map_err(Trouble::BeforeDot)?;
                    is_sent = true;
                    self.client.sent();
                }
                ClientNeed::Done(outcome) => {
                    let sent = self.outcome(outcome, spec, reused, has_dot, parcel.is_probe)?;
                    reply.clear();
                    reply.extend_from_slice(self.client.reply());
                    return Ok(sent);
                }
                ClientNeed::Close if reused && !has_dot => return Err(Trouble::Stale),
                ClientNeed::Close => return Err(trouble(String::from("the server ended the session"))),
            }
        }
    }

    fn level(&self) -> Option<Level> {
        self.hop.as_ref().map(|hop| hop.spec.level)
    }

    /// Goes into TLS. The server has nothing of a message yet.
    async fn secure(&mut self, spec: &PoolSpec) -> Result<(), Trouble> {
        let Some(hop) = self.hop.clone() else {
            return Err(Trouble::BeforeDot(String::from("TLS where none was wanted")));
        };
        // In a box, because it is done once on a connection, and the room for it would be held for each message.
        let within = spec.timeouts.command.min(TLS_HANDSHAKE_WITHIN);
        let done = Box::pin(self.link.connect(&hop, self.server.ip(), &self.watched, within));
        match done.await {
            Ok(_) => {
                if hop.spec.verify.is_some() {
                    self.client.trust_tls();
                }
                Ok(())
            }
            Err(error) if hop.spec.level == Level::Opportunistic => {
                Err(Trouble::NoTls(format!("tls: {error}")))
            }
            Err(error) => Err(Trouble::BeforeDot(format!("tls: {error}"))),
        }
    }

    /// How this message goes to a server that offers what this one will have offered.
    fn form(&self, parcel: &Parcel<'_>) -> impl Fn(&Client) -> Form + use<> {
        let is_probe = parcel.is_probe;
        let fits = parcel.is_plain && parcel.bytes() <= CHUNK_BYTES_MAX;
        let may_chunk = fits && self.used.elapsed() <= CHUNK_UNUSED_MAX;
        move |client| match is_probe {
            true => Form::Probe,
            false if may_chunk && client.offered().has(Extension::Chunking) => Form::Chunk,
            false => Form::Stuffed,
        }
    }

    fn start(&mut self, form: Form, parcel: &Parcel<'_>) {
        let bytes = parcel.bytes();
        match form {
            Form::Stuffed => self.client.start(parcel.envelope, bytes as u64),
            Form::Chunk => self.client.start_chunk(parcel.envelope, (bytes - FINAL_DOT.len()) as u64),
            Form::Probe => self.client.start_probe(parcel.envelope),
        }
    }

    fn outcome(
        &self,
        outcome: Outcome,
        spec: &PoolSpec,
        reused: bool,
        has_dot: bool,
        is_probe: bool,
    ) -> Result<Sent, Trouble> {
        let reply = self.client.reply();
        let is_client = !is_probe && spec.client.is_some_and(Introduce::is_judged_first);
        match outcome {
            Outcome::Accepted => Ok(Sent::Accepted),
            Outcome::Refused(stage) if reply.starts_with(b"421") && reused && stage == Stage::Mail => {
                Err(Trouble::Stale)
            }
            // Its greeting or its reply to EHLO is about us and says nothing of the message, unless it was told whose that is.
            Outcome::Refused(Stage::Connect | Stage::Helo) if !is_busy(reply) && !is_client => {
                let reply = String::from_utf8_lossy(reply);
                Err(Trouble::BeforeDot(format!("refuses us: {}", reply.trim_end())))
            }
            // What it says of the sender says nothing of the recipients.
            Outcome::Refused(Stage::Mail) if is_probe => {
                let reply = String::from_utf8_lossy(reply);
                Err(Trouble::BeforeDot(format!("refuses the sender of a probe: {}", reply.trim_end())))
            }
            // Nor does what it does not offer: another may.
            Outcome::Unfit(_) if is_probe => {
                Err(Trouble::BeforeDot(String::from("cannot be asked about it")))
            }
            Outcome::Refused(_) if is_busy(reply) => Ok(Sent::Busy),
            Outcome::Refused(_) | Outcome::Unfit(_) => Ok(Sent::Refused),
            Outcome::Broken(_, fault) if has_dot => Err(Trouble::AfterDot(fault.to_string())),
            Outcome::Broken(_, fault) => Err(Trouble::BeforeDot(fault.to_string())),
        }
    }

    /// Writes what is to be said, then reads.
    async fn exchange(&mut self, spec: &PoolSpec) -> io::Result<()> {
        let within =
            if self.client.stage() == Stage::Message { spec.timeouts.dot } else { spec.timeouts.command };
        self.flush(spec).await?;
        self.watched.arm_read_until(within, self.due);
        let (read, buffer) = self.link.read(self.input.lend(0), RECEIVE_BUFFER_BYTES).await;
        self.watched.disarm();
        self.input.restore(buffer);
        match read? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn flush(&mut self, spec: &PoolSpec) -> io::Result<()> {
        if self.client.output().is_empty() {
            return Ok(());
        }
        self.watched.arm_write(spec.timeouts.command);
        // The server's reply tells that it has come.
        let (written, spare) = self.link.post(std::mem::take(self.client.output())).await;
        self.watched.disarm();
        *self.client.output() = spare;
        written
    }

    /// Writes the message, and the commands before it that wait for no reply. When this fails the last of it has not left
    /// this host, so the server cannot have taken it; [`Link::write_segments`] says why that holds inside TLS too.
    async fn write_message(
        &mut self,
        spec: &PoolSpec,
        parcel: &Parcel<'_>,
        form: Form,
    ) -> Result<(), String> {
        let mut segments = self.segments.take().unwrap_or_default();
        // The head is short, and one piece less is worth more than what is copied.
        let mut output = std::mem::take(self.client.output());
        output.extend_from_slice(parcel.head);
        segments.push(Segment::Owned(output));
        let end = if form == Form::Chunk { FINAL_DOT.len() } else { 0 };
        parcel.write_body(parcel.body_bytes() - end, &mut segments);
        self.watched.arm_write(spec.timeouts.data);
        let (written, mut segments) = self.link.write_segments(segments).await;
        self.watched.disarm();
        if let Some(Segment::Owned(mut output)) = segments.drain().next() {
            output.clear();
            *self.client.output() = output;
        }
        self.segments = Some(segments);
        written.map_err(|error| format!("writing the message: {error}"))
    }

    fn reason(&self, error: &io::Error) -> String {
        match error.kind() {
            _ if self.watched.expired() => {
                format!("no reply in time at {:?}", self.client.stage()).to_lowercase()
            }
            io::ErrorKind::UnexpectedEof => {
                format!("connection closed at {:?}", self.client.stage()).to_lowercase()
            }
            _ => error.to_string(),
        }
    }

    /// Makes the connection ready to be kept; false when it cannot be.
    async fn settle(&mut self, spec: &PoolSpec) -> bool {
        match self.client.next(&mut self.input) {
            ClientNeed::Ready => true,
            // A RSET is on its way; its reply is read when the connection is used again.
            ClientNeed::Bytes => self.flush(spec).await.is_ok(),
            _ => false,
        }
    }

    /// Says QUIT and does not wait long for the answer.
    async fn quit(mut self) {
        if self.client.next(&mut self.input) == ClientNeed::Ready {
            self.client.quit();
            self.watched.arm_write(QUIT_WITHIN);
            // A server that is gone needs no farewell.
            let (_gone, _) = self.link.write_last(std::mem::take(self.client.output())).await;
        }
    }
}

fn not_taken(reason: String) -> Delivery {
    Delivery { sent: Sent::NotTaken(reason), tls: None, fallback: None }
}

/// How long a farewell may take.
const QUIT_WITHIN: Duration = Duration::from_secs(2);

/// Whether a reply says that another server might take the message: 421, or 451 4.3.2 (system not accepting).
fn is_busy(reply: &[u8]) -> bool {
    reply.starts_with(b"421") || reply.starts_with(b"451 4.3.2") || reply.starts_with(b"451-4.3.2")
}
