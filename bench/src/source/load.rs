//! The work of a run's sessions: who starts when, with what, from where.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Instant;

use weir::ring::Stream;

use super::letter::Letter;
use super::network::proxy_header;
use super::session::{Parcel, Session};
use super::tally::{Fate, Kind};
use super::{Load, REFUSED_PAUSE};
use crate::mark::{Mark, push_decimal, push_hex};

/// Connections that one address of ours can have to one server: the kernel has about 28,000 ports for them, some of which wait
/// after a close.
const PORTS_PER_ADDRESS: u64 = 16_000;
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
        let own = match kind {
            Kind::Unknown => self.envelopes.unknown(letter.is_eight_bit, serial),
            _ => None,
        };
        let addressed = own.as_ref().unwrap_or_else(|| self.envelopes.of(letter.is_eight_bit));
        self.write_head(head, serial, addressed.digest, letter);
        let mut parcel = Parcel { kind, envelope: &addressed.envelope, head: std::mem::take(head), letter };
        let (fate, goes_on) = open.attempt(&mut parcel).await;
        *head = parcel.head;
        *session = goes_on.then_some(open);
        fate
    }

    /// A new connection; a server that takes none is left alone for a moment.
    async fn open(&self) -> Option<Session> {
        let open = Session::open(&self.me.upgrade()?, self.origin()).await;
        if open.is_err() {
            tokio::time::sleep(REFUSED_PAUSE).await;
        }
        open.ok()
    }

    /// The header lines that are this message's own.
    fn write_head(&self, head: &mut Vec<u8>, serial: u64, envelope: u64, letter: &Letter) {
        head.clear();
        Mark { run: self.run, serial, envelope, body: letter.digest }.print(head);
        head.extend_from_slice(b"Message-ID: <");
        push_hex(self.run, head);
        head.push(b'.');
        push_decimal(serial, head);
        head.push(b'@');
        head.extend_from_slice(self.options.helo.as_bytes());
        head.extend_from_slice(b">\r\n");
    }

    /// Where the next connection comes from.
    pub(super) fn origin(&self) -> Origin {
        let client = self.draw_client();
        let Some(version) = self.options.proxy else {
            return Origin { socket: client.or_else(|| self.own_address()), header: Vec::new() };
        };
        let mut header = Vec::new();
        let port = u16::try_from(1024 + self.dice.borrow_mut().below(64_000)).unwrap_or(1024);
        let client = SocketAddr::new(client.unwrap_or(Ipv4Addr::LOCALHOST.into()), port);
        proxy_header(version, client, self.options.to, &mut header);
        Origin { socket: self.own_address(), header }
    }

    /// The client that the next connection is from, if any client was asked for.
    fn draw_client(&self) -> Option<IpAddr> {
        let mut dice = self.dice.borrow_mut();
        if dice.falls(self.options.listed_share) {
            return self.options.listed.get(dice.below(self.options.listed.len())).copied();
        }
        self.options.clients.map(|clients| clients.draw(&mut dice))
    }

    /// One of several addresses of loopback, when one alone would run out of ports.
    fn own_address(&self) -> Option<IpAddr> {
        let addresses = self.options.sessions / PORTS_PER_ADDRESS + 1;
        let is_near = matches!(self.options.to.ip(), IpAddr::V4(ip) if ip.is_loopback());
        if addresses == 1 || !is_near {
            return None;
        }
        let number = self.dice.borrow_mut().below(usize::try_from(addresses).unwrap_or(1));
        let last = u8::try_from(number + 1).unwrap_or(1);
        Some(Ipv4Addr::new(127, 0, 0, last).into())
    }

    async fn talk_early(&self) {
        let Some(load) = self.me.upgrade() else { return };
        let greeted = match Session::open(&load, self.origin()).await {
            Ok(session) => session.talk_early().await,
            Err(_) => false,
        };
        let mut tally = self.tally.borrow_mut();
        tally.talkers += 1;
        tally.talkers_refused += u64::from(!greeted);
    }
}

/// Where a connection comes from.
pub(super) struct Origin {
    /// Its own address; `None` leaves it to the kernel.
    pub(super) socket: Option<IpAddr>,
    /// What is said before all else, or nothing.
    pub(super) header: Vec<u8>,
}
