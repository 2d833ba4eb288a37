//! A client's session: weir's own client machine on the ring, and the ways in which a client can behave badly.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use weir::ring::{Segment, Segments, Stream, Watched};
use weir_smtp::{Client, ClientNeed, Envelope, Extension, Extensions, Input, Outcome, Stage};

use super::Load;
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
    pub(super) wire: &'a Rc<Vec<u8>>,
}

/// A connection and its machine.
pub(super) struct Session {
    load: Rc<Load>,
    stream: Stream,
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
    /// Connects; nothing is said yet.
    pub(super) async fn open(load: &Rc<Load>, source: Option<IpAddr>) -> io::Result<Self> {
        let within = load.options.timeout;
        let stream = match source {
            Some(source) => Stream::connect_from(source, load.options.to, within).await?,
            None => Stream::connect(load.options.to, within).await?,
        };
        // Without it, commands may be late, but they come.
        let _slower = stream.set_nodelay();
        load.tally.borrow_mut().connections += 1;
        let usable = if load.options.no_pipelining {
            Extensions::ALL.without(Extension::Pipelining)
        } else {
            Extensions::ALL
        };
        Ok(Self {
            watched: stream.watch(&load.watch),
            load: Rc::clone(load),
            stream,
            client: Client::new(Arc::clone(&load.client)).with_usable(usable),
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
            let (read, buffer) = self.stream.read(self.input.lend(READ_BYTES), READ_BYTES).await;
            self.watched.disarm();
            self.input.restore(buffer);
            if read? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.client.output().is_empty() {
            return Ok(());
        }
        let output = std::mem::take(self.client.output());
        self.watched.arm_write(self.load.options.timeout);
        let (written, mut output) = self.stream.write_all(output).await;
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
            Err(_) if self.is_sent => Fate::Unsure,
            // Before the dot, the server has nothing that it may deliver.
            Err(_) => Fate::NotTaken,
        };
        let goes_on = matches!(fate, Fate::Accepted | Fate::Refused(_));
        (fate, goes_on)
    }

    async fn transact(&mut self, parcel: &mut Parcel<'_>) -> io::Result<Fate> {
        match self.advance().await? {
            ClientNeed::Ready => {}
            need => return Ok(self.ended(need)),
        }
        // Where a dropping client leaves: before MAIL, before the message, within it.
        let leaves = (parcel.kind == Kind::Drop).then(|| self.load.dice.borrow_mut().below(3));
        if leaves == Some(0) {
            return Ok(Fate::Dropped);
        }
        self.client.start(parcel.envelope, (parcel.head.len() + parcel.wire.len()) as u64);
        match self.advance().await? {
            ClientNeed::Message => {}
            need => return Ok(self.ended(need)),
        }
        match leaves {
            Some(1) => return Ok(Fate::Dropped),
            Some(_) => {
                let half = parcel.wire.get(..parcel.wire.len() / 2).unwrap_or_default();
                self.stream.write_all([&parcel.head, half].concat()).await.0?;
                return Ok(Fate::Dropped);
            }
            None => self.write(parcel).await?,
        }
        self.client.sent();
        self.is_sent = true;
        let need = self.advance().await?;
        Ok(self.ended(need))
    }

    /// Writes the message.
    async fn write(&mut self, parcel: &mut Parcel<'_>) -> io::Result<()> {
        if parcel.kind == Kind::Slow {
            return self.write_slowly(parcel).await;
        }
        let mut segments = std::mem::take(&mut self.segments);
        segments.push(Segment::Owned(std::mem::take(&mut parcel.head)));
        segments.push(Segment::Shared(Rc::clone(parcel.wire), 0..parcel.wire.len()));
        self.watched.arm_write(self.load.options.timeout);
        let (written, mut segments) = self.stream.write_segments(segments).await;
        self.watched.disarm();
        if let Some(Segment::Owned(head)) = segments.drain().next() {
            parcel.head = head;
        }
        self.segments = segments;
        written
    }

    async fn write_slowly(&mut self, parcel: &Parcel<'_>) -> io::Result<()> {
        let message = [parcel.head.as_slice(), parcel.wire.as_slice()].concat();
        for piece in message.chunks(SLOW_PIECE_BYTES) {
            let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let rate = u32::try_from(self.load.options.slow_rate).unwrap_or(u32::MAX).max(1);
            tokio::time::sleep(Duration::from_secs(1) * bytes / rate).await;
            self.stream.write_all(piece.to_vec()).await.0?;
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
        if matches!(self.advance().await, Ok(ClientNeed::Ready)) {
            self.client.quit();
            let _gone = self.advance().await;
        }
        let _gone = self.flush().await;
    }

    /// Talks before the greeting and then takes what comes: true when the server greets all the same.
    pub(super) async fn talk_early(self) -> bool {
        let hello = format!("EHLO {}\r\n", self.load.client.name);
        if self.stream.write_all(hello.into_bytes()).await.0.is_err() {
            return false;
        }
        self.watched.arm_read(self.load.options.timeout);
        let (read, greeting) = self.stream.read(Vec::new(), READ_BYTES).await;
        self.watched.disarm();
        if matches!(read, Ok(1..)) && greeting.starts_with(b"220") {
            let _gone = self.stream.write_all(b"QUIT\r\n".to_vec()).await;
            return true;
        }
        false
    }
}
