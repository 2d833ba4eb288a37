//! The work of a run's sessions: who starts when, with what, from where.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use weir::ring::Stream;
use weir_smtp::{BodyType, Envelope, Mailbox, Path};

use super::letter::Letter;
use super::session::{Parcel, Session};
use super::tally::{Fate, Kind};
use super::{Load, PROGRESS_EVERY, REFUSED_PAUSE};
use crate::mark::{Mark, envelope_digest};

/// How many ticks of the pace are read at once.
const TICKS_BYTES: usize = 4096;

impl Load {
    /// Lets a message start for each tick.
    pub(super) async fn count(self: Rc<Self>, ticks: UnixStream) {
        let Some(open) = &self.open else { return };
        if let Ok(stream) = Stream::from_std(ticks) {
            let mut buffer = Vec::with_capacity(TICKS_BYTES);
            while let (Ok(count @ 1..), back) = stream.read(buffer, TICKS_BYTES).await {
                open.due.add_permits(count);
                buffer = back;
                buffer.clear();
            }
        }
        // What is due is still sent: those who wait beyond it are told that nothing more comes.
        open.ended.notify_waiters();
        open.has_ended.set(true);
    }

    /// Waits for the next start, and says when it was meant to be; `None` when the run is over.
    async fn ticket(&self) -> Option<Instant> {
        let Some(open) = &self.open else {
            let mut tally = self.tally.borrow_mut();
            let is_over = self.options.within.is_some_and(|within| self.began.elapsed() >= within);
            if is_over || tally.attempts >= self.messages_max {
                return None;
            }
            tally.attempts += 1;
            return Some(Instant::now());
        };
        let ended = open.ended.notified();
        tokio::pin!(ended);
        // Listens before it looks, so that the end is not missed in between.
        ended.as_mut().enable();
        let permit = match open.due.try_acquire() {
            Ok(permit) => permit,
            Err(_) if open.has_ended.get() => return None,
            Err(_) => tokio::select! {
                biased;
                permit = open.due.acquire() => permit.ok()?,
                () = ended => open.due.try_acquire().ok()?,
            },
        };
        permit.forget();
        self.tally.borrow_mut().attempts += 1;
        let start = open.starts.borrow_mut().next()?;
        Some(self.began + start)
    }

    /// One session after the other, until the run is over.
    pub(super) async fn work(self: Rc<Self>) {
        let mut session: Option<Session> = None;
        let mut head = Vec::new();
        while let Some(start) = self.ticket().await {
            if self.throw(self.options.pregreet) {
                self.talk_early().await;
                continue;
            }
            let kind = self.kind();
            let serial = self.tally.borrow_mut().serial();
            let fate = self.send(&mut session, &mut head, serial, kind).await;
            self.tally.borrow_mut().book(serial, kind, &fate, start.elapsed());
            let limit = self.options.per_connection;
            if let Some(used) = session.take_if(|session| limit > 0 && session.attempts >= limit) {
                used.quit().await;
            }
        }
        if let Some(session) = session {
            session.quit().await;
        }
    }

    fn throw(&self, share: crate::value::Share) -> bool {
        self.dice.borrow_mut().falls(share)
    }

    fn kind(&self) -> Kind {
        if self.throw(self.options.drop) {
            Kind::Drop
        } else if self.throw(self.options.unknown) {
            Kind::Unknown
        } else if self.throw(self.options.slow) {
            Kind::Slow
        } else {
            Kind::Plain
        }
    }

    async fn send(&self, session: &mut Option<Session>, head: &mut Vec<u8>, serial: u64, kind: Kind) -> Fate {
        // The server may have closed it since, which is no failure.
        let is_ready = match session.as_mut() {
            Some(kept) => kept.is_ready().await,
            None => false,
        };
        if !is_ready {
            // Closed before the next is opened: a session is one connection.
            *session = None;
        }
        let ready = match session.take() {
            None => self.open().await,
            kept => kept,
        };
        let Some(mut open) = ready else { return Fate::NotTaken };
        let letter = self.letters.draw(&mut self.dice.borrow_mut());
        let envelope = self.envelope(serial, kind, letter);
        let envelope = envelope.as_ref().unwrap_or(&self.envelope);
        self.write_head(head, serial, envelope, letter);
        let mut parcel = Parcel { kind, envelope, head: std::mem::take(head), wire: &letter.wire };
        let (fate, goes_on) = open.attempt(&mut parcel).await;
        *head = parcel.head;
        *session = goes_on.then_some(open);
        fate
    }

    /// A new connection; a server that takes none is left alone for a moment.
    async fn open(&self) -> Option<Session> {
        let open = Session::open(&self.me.upgrade()?, self.source()).await;
        if open.is_err() {
            tokio::time::sleep(REFUSED_PAUSE).await;
        }
        open.ok()
    }

    /// The header lines that are this message's own.
    fn write_head(&self, head: &mut Vec<u8>, serial: u64, envelope: &Envelope, letter: &Letter) {
        head.clear();
        let mark = Mark { run: self.run, serial, envelope: envelope_digest(envelope), body: letter.digest };
        mark.print(head);
        // Writing to memory does not fail.
        let _ = write!(head, "Message-ID: <{:016x}.{serial}@{}>\r\n", self.run, self.options.helo);
    }

    /// An envelope of its own, if the message needs one.
    fn envelope(&self, serial: u64, kind: Kind, letter: &Letter) -> Option<Envelope> {
        if kind != Kind::Unknown && !letter.is_eight_bit {
            return None;
        }
        let mut envelope = Envelope::new();
        envelope.set_sender(self.envelope.sender());
        let known = self.envelope.last_recipient()?;
        let unknown = format!("unknown-{serial}");
        let local = if kind == Kind::Unknown { &unknown } else { known.local() };
        let text = known.domain().map_or_else(|| local.to_owned(), |domain| format!("{local}@{domain}"));
        envelope.push_recipient(Mailbox::parse(&text).ok()?);
        if letter.is_eight_bit {
            envelope.body = BodyType::EightBit;
        }
        Some(envelope)
    }

    /// Where the next connection comes from.
    fn source(&self) -> Option<IpAddr> {
        let mut dice = self.dice.borrow_mut();
        if dice.falls(self.options.listed_share) {
            return self.options.listed.get(dice.below(self.options.listed.len())).copied();
        }
        let (network, prefix) = self.options.clients?;
        let hosts = 1_u64 << (32 - prefix);
        // Neither the network's own address nor its broadcast address, where there are others.
        let host = if hosts > 2 { 1 + dice.bits() % (hosts - 2) } else { dice.bits() % hosts };
        let mask = u32::try_from(hosts - 1).unwrap_or(u32::MAX);
        let address = (network.to_bits() & !mask) | u32::try_from(host).unwrap_or(0);
        Some(IpAddr::V4(Ipv4Addr::from_bits(address)))
    }

    async fn talk_early(&self) {
        let Some(load) = self.me.upgrade() else { return };
        let greeted = match Session::open(&load, self.source()).await {
            Ok(session) => session.talk_early().await,
            Err(_) => false,
        };
        let mut tally = self.tally.borrow_mut();
        tally.talkers += 1;
        tally.talkers_refused += u64::from(!greeted);
    }

    /// A line on the terminal that says how it goes.
    pub(super) async fn show_progress(self: Rc<Self>) {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(PROGRESS_EVERY).await;
            let since: Duration = last.elapsed();
            last = Instant::now();
            let line = self.tally.borrow_mut().progress(since);
            eprint!("\r\x1b[K{line}");
        }
    }
}

/// The envelope of most messages.
pub(super) fn envelope(from: &str, rcpt: &str) -> Option<Envelope> {
    let mut envelope = Envelope::new();
    envelope.set_sender(Path::Mailbox(Mailbox::parse(from).ok()?));
    envelope.push_recipient(Mailbox::parse(rcpt).ok()?);
    Some(envelope)
}
