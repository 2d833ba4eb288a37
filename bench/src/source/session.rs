//! A client's session: weir's own client machine on the ring, and the ways in which a client can behave badly.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use weir::ring::{Segment, Segments, Stream, Watched};
use weir::tls::Link;
use weir_smtp::{Client, ClientNeed, Envelope, Extension, Extensions, Input, Outcome, Stage, StartTls};

use super::Load;
use super::letter::{Content, Letter};
use super::load::Origin;
use super::tally::{Fate, Kind};

/// How much is read at a time, in bytes.
const READ_BYTES: usize = 4 << 10;
/// A slow writer's pieces, in bytes.
const SLOW_PIECE_BYTES: usize = 512;

/// What is sent in one attempt.
pub(super) struct Parcel<'a> {
    pub(super) kind: Kind,
    pub(super) envelope: &'a Envelope,
    /// The mark and what else is new in each message.
    pub(super) head: Vec<u8>,
    pub(super) letter: &'a Letter,
}

/// A connection and its machine.
pub(super) struct Session {
    load: Rc<Load>,
    link: Link,
    watched: Watched,
    client: Client,
    input: Input,
    segments: Segments,
    /// The whole message of the running attempt was written.
    is_sent: bool,
    /// Attempts on it.
    pub(super) attempts: u64,
}

impl Session {
    /// Connects, and says with the PROXY protocol who does, if it is spoken; else nothing is said yet.
    pub(super) async fn open(load: &Rc<Load>, origin: Origin) -> io::Result<Self> {
        let within = load.options.timeout;
        let stream = match origin.socket {
            Some(source) => Stream::connect_from(source, load.options.to, within).await?,
            None => Stream::connect(load.options.to, within).await?,
        };
        // Without it, commands may be late, but they come.
        let _slower = stream.set_nodelay();
        if !origin.header.is_empty() {
            stream.write_all(origin.header).await.0?;
        }
        load.tally.borrow_mut().connections += 1;
        Ok(Self {
            watched: stream.watch(&load.watch),
            client: load.new_client(),
            load: Rc::clone(load),
            link: Link::plain(stream),
            input: Input::default(),
            segments: Segments::default(),
            is_sent: false,
            attempts: 0,
        })
    }

    /// Goes on until the machine wants more than bytes.
    async fn advance(&mut self) -> io::Result<ClientNeed> {
        loop {
            let need = self.client.next(&mut self.input);
            if need != ClientNeed::Bytes {
                return Ok(need);
            }
            self.flush().await?;
            self.watched.arm_read(self.load.options.timeout);
            let (read, buffer) = self.link.read(self.input.lend(READ_BYTES), READ_BYTES).await;
            self.watched.disarm();
            self.input.restore(buffer);
            if read? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Goes on until the session is open, inside TLS if that was asked for; what else the machine says instead.
    pub(super) async fn greet(&mut self) -> io::Result<ClientNeed> {
        let need = self.advance().await?;
        if need != ClientNeed::Secure {
            return Ok(need);
        }
        let Some(hop) = self.load.tls.clone() else { return Ok(need) };
        let options = &self.load.options;
        let done = self.link.connect(&hop, options.to.ip(), &self.watched, options.timeout).await;
        done.map_err(|error| io::Error::other(error.to_string()))?;
        self.client.secured();
        self.advance().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.client.output().is_empty() {
            return Ok(());
        }
        let output = std::mem::take(self.client.output());
        self.watched.arm_write(self.load.options.timeout);
        let (written, mut output) = self.link.write_all(output).await;
        self.watched.disarm();
        output.clear();
        *self.client.output() = output;
        written
    }

    /// Whether it can take another message.
    pub(super) async fn is_ready(&mut self) -> bool {
        matches!(self.advance().await, Ok(ClientNeed::Ready))
    }

    /// One transaction, and whether the session can go on.
    pub(super) async fn attempt(&mut self, parcel: &mut Parcel<'_>) -> (Fate, bool) {
        self.attempts += 1;
        self.is_sent = false;
        let fate = match self.transact(parcel).await {
            Ok(fate) => fate,
            Err(_) if self.is_sent && !self.client.is_refused() => Fate::Unsure,
            // Before the end of the message, the server has nothing that it may deliver.
            Err(_) => Fate::NotTaken,
        };
        let goes_on = matches!(fate, Fate::Accepted | Fate::Refused(_));
        (fate, goes_on)
    }

    async fn transact(&mut self, parcel: &mut Parcel<'_>) -> io::Result<Fate> {
        match self.greet().await? {
            ClientNeed::Ready => {}
            need => return Ok(self.ended(need)),
        }
        // Where a dropping client leaves: before MAIL, before the message, within it.
        let leaves = (parcel.kind == Kind::Drop).then(|| self.load.dice.borrow_mut().below(3));
        if leaves == Some(0) {
            return Ok(Fate::Dropped);
        }
        let content = self.start(parcel);
        match self.advance().await? {
            ClientNeed::Message => {}
            need => return Ok(self.ended(need)),
        }
        if let Some(point) = leaves {
            return self.leave(point, parcel, content).await;
        }
        self.write(parcel, content).await?;
        self.client.sent();
        self.is_sent = true;
        let need = self.advance().await?;
        Ok(self.ended(need))
    }

    /// Starts the transaction, and says in which form its message goes.
    fn start<'a>(&mut self, parcel: &Parcel<'a>) -> &'a Content {
        let chunked = self.load.options.chunking && self.client.offered().has(Extension::Chunking);
        let content = if chunked { &parcel.letter.chunk } else { &parcel.letter.wire };
        let bytes = (parcel.head.len() + content.range.len()) as u64;
        if chunked {
            self.client.start_chunk(parcel.envelope, bytes);
        } else {
            self.client.start(parcel.envelope, bytes);
        }
        content
    }

    /// Goes without a word, before the message or within it.
    async fn leave(&mut self, point: usize, parcel: &Parcel<'_>, content: &Content) -> io::Result<Fate> {
        self.flush().await?;
        if point > 1 {
            let half = content.as_slice().get(..content.range.len() / 2).unwrap_or_default();
            self.link.write_all([&parcel.head, half].concat()).await.0?;
        }
        Ok(Fate::Dropped)
    }

    /// Writes what is left of the commands and the message, in one go.
    async fn write(&mut self, parcel: &mut Parcel<'_>, content: &Content) -> io::Result<()> {
        if parcel.kind == Kind::Slow {
            self.flush().await?;
            return self.write_slowly(parcel, content).await;
        }
        let mut segments = std::mem::take(&mut self.segments);
        segments.push(Segment::Owned(std::mem::take(self.client.output())));
        segments.push(Segment::Owned(std::mem::take(&mut parcel.head)));
        segments.push(Segment::Shared(Rc::clone(&content.bytes), content.range.clone()));
        self.watched.arm_write(self.load.options.timeout);
        let (written, mut segments) = self.link.write_segments(segments).await;
        self.watched.disarm();
        let mut pieces = segments.drain();
        if let (Some(Segment::Owned(mut output)), Some(Segment::Owned(head))) = (pieces.next(), pieces.next())
        {
            output.clear();
            *self.client.output() = output;
            parcel.head = head;
        }
        drop(pieces);
        self.segments = segments;
        written
    }

    async fn write_slowly(&mut self, parcel: &Parcel<'_>, content: &Content) -> io::Result<()> {
        let message = [parcel.head.as_slice(), content.as_slice()].concat();
        for piece in message.chunks(SLOW_PIECE_BYTES) {
            let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let rate = u32::try_from(self.load.options.slow_rate).unwrap_or(u32::MAX).max(1);
            tokio::time::sleep(Duration::from_secs(1) * bytes / rate).await;
            self.link.write_all(piece.to_vec()).await.0?;
        }
        Ok(())
    }

    /// What an end of a transaction means.
    fn ended(&self, need: ClientNeed) -> Fate {
        match need {
            ClientNeed::Done(Outcome::Accepted) => Fate::Accepted,
            ClientNeed::Done(Outcome::Refused(_) | Outcome::Unfit(_)) => Fate::Refused(self.client.code()),
            ClientNeed::Done(Outcome::Broken(Stage::Message, _)) => Fate::Unsure,
            _ => Fate::NotTaken,
        }
    }

    /// Says goodbye. A server that does not wait for it has closed already.
    pub(super) async fn quit(mut self) {
        let _waited = self.farewell().await;
        let _gone = self.flush().await;
    }

    /// Says QUIT and reads the reply: true if the server was still there.
    pub(super) async fn farewell(&mut self) -> bool {
        if !self.is_ready().await {
            return false;
        }
        self.client.quit();
        matches!(self.advance().await, Ok(ClientNeed::Close))
    }

    /// Waits for the first line of a greeting that has more: the server lets the client wait for the rest.
    pub(super) async fn begin_to_wait(&mut self) -> io::Result<()> {
        self.watched.arm_read(self.load.options.timeout);
        let (read, line) = self.link.read(Vec::new(), READ_BYTES).await;
        self.watched.disarm();
        match read? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ if line.starts_with(b"220-") => Ok(()),
            _ => Err(io::Error::other("the server does not let clients wait for its greeting")),
        }
    }

    /// Whether the server says nothing more, and is still there, for this time.
    pub(super) async fn waits(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.link.stream().has_come()).await.is_err()
    }

    /// Gives back what memory an idle session does not need.
    pub(super) fn rest(&mut self) {
        self.input.shrink(0);
    }

    /// Talks before the greeting and then takes what comes: true when the server greets all the same.
    pub(super) async fn talk_early(mut self) -> bool {
        let hello = format!("EHLO {}\r\n", self.load.client.name);
        if self.link.write_all(hello.into_bytes()).await.0.is_err() {
            return false;
        }
        self.watched.arm_read(self.load.options.timeout);
        let (read, greeting) = self.link.read(Vec::new(), READ_BYTES).await;
        self.watched.disarm();
        if matches!(read, Ok(1..)) && greeting.starts_with(b"220") {
            let _gone = self.link.write_all(b"QUIT\r\n".to_vec()).await;
            return true;
        }
        false
    }
}

impl Load {
    /// A machine that has heard nothing yet.
    fn new_client(&self) -> Client {
        let start_tls = if self.tls.is_some() { StartTls::Always } else { StartTls::Never };
        let mut client = Client::new(Arc::clone(&self.client)).with_start_tls(start_tls);
        if self.options.no_pipelining {
            client.use_only(Extensions::ALL.without(Extension::Pipelining));
        }
        client
    }
}
