//! A connection, over TCP or a Unix socket.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::{Domain, SockAddr, Type};

use super::driver::{Arrival, arm_receive, disarm, post, recycle};
use super::listener::canonical;
use super::operation::{cancel_connect, connect, send, send_gathered};
use super::{Segments, Socket, Watch, Watched};
use crate::limits::INBOX_BUFFERS_MAX;

/// A connected socket. Buffers travel through each operation by value and come back with its result.
///
/// One read and one write may be under way at the same time. When the stream is dropped while an operation is, the
/// connection is shut down, so that neither operation nor descriptor outlives it.
pub struct Stream {
    socket: Rc<Socket>,
    inbox: Rc<Inbox>,
    outbox: Rc<Outbox>,
}

/// The one write of a connection whose writer has gone on, and its buffer, kept for the next.
#[derive(Default)]
pub(super) struct Outbox {
    spare: Cell<Vec<u8>>,
    is_busy: Cell<bool>,
    /// The error of a write, to be told to the next.
    failed: Cell<Option<i32>>,
    waker: Cell<Option<Waker>>,
}

impl Outbox {
    /// Takes back the buffer of the write that has ended, and how it failed.
    pub(super) fn take(&self, mut buffer: Vec<u8>, failed: Option<i32>) {
        buffer.clear();
        self.spare.set(buffer);
        self.is_busy.set(false);
        self.failed.set(failed);
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    /// Waits until nothing is being written.
    async fn empty(&self) -> io::Result<()> {
        poll_fn(|context| {
            if self.is_busy.get() {
                self.waker.set(Some(context.waker().clone()));
                return Poll::Pending;
            }
            match self.failed.take() {
                Some(code) => Poll::Ready(Err(io::Error::from_raw_os_error(code))),
                None => Poll::Ready(Ok(())),
            }
        })
        .await
    }
}

/// What has arrived on a connection and was not read yet.
///
/// The kernel puts each arrival into a buffer of the ring, so a connection that waits holds none. Nothing is received before the
/// first read; when [`INBOX_BUFFERS_MAX`] arrivals wait, the receive is ended until they have been read.
#[derive(Default)]
pub(super) struct Inbox {
    arrived: RefCell<VecDeque<Vec<u8>>>,
    end: Cell<Option<End>>,
    receiving: Cell<Receiving>,
    waker: Cell<Option<Waker>>,
}

/// How input has ended.
#[derive(Clone, Copy)]
enum End {
    /// The peer, or a deadline, has ended it.
    Closed,
    /// With this error, which is told once.
    Broken(i32),
}

/// Whether the kernel receives for us.
///
/// ```text
/// No --read--> Armed --inbox full--> Ending --> No
///  ^-------------/  lapsed, end
/// ```
#[derive(Clone, Copy, Default)]
enum Receiving {
    #[default]
    No,
    Armed(usize),
    Ending,
}

impl Inbox {
    /// Takes what a completion says.
    pub(super) fn take(&self, arrival: Arrival, goes_on: bool) {
        if !goes_on {
            self.receiving.set(Receiving::No);
        }
        match arrival {
            Arrival::Bytes(bytes) => {
                let mut arrived = self.arrived.borrow_mut();
                arrived.push_back(bytes);
                if let (Receiving::Armed(token), INBOX_BUFFERS_MAX..) = (self.receiving.get(), arrived.len())
                {
                    self.receiving.set(Receiving::Ending);
                    disarm(token);
                }
            }
            Arrival::End => self.end.set(Some(End::Closed)),
            Arrival::Broken(code) => self.end.set(Some(End::Broken(code))),
            // Whoever reads arms it again.
            Arrival::Lapsed => {}
        }
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    /// The next arrival; empty at the end.
    fn poll(self: &Rc<Self>, socket: &Rc<Socket>, context: &Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        if let Some(bytes) = self.arrived.borrow_mut().pop_front() {
            return Poll::Ready(Ok(bytes));
        }
        match self.end.get() {
            Some(End::Closed) => return Poll::Ready(Ok(Vec::new())),
            Some(End::Broken(code)) => {
                self.end.set(Some(End::Closed));
                return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
            }
            None => {}
        }
        self.wait(socket, context);
        Poll::Pending
    }

    /// Has the kernel receive, and its next arrival wake the task.
    fn wait(self: &Rc<Self>, socket: &Rc<Socket>, context: &Context<'_>) {
        if let Receiving::No = self.receiving.get() {
            self.receiving.set(Receiving::Armed(arm_receive(socket, self)));
        }
        self.waker.set(Some(context.waker().clone()));
    }

    /// Puts the rest of an arrival back in front.
    fn put_back(&self, rest: Vec<u8>) {
        self.arrived.borrow_mut().push_front(rest);
    }
}

impl Stream {
    pub(super) fn new(socket: Rc<Socket>) -> Self {
        Self { socket, inbox: Rc::default(), outbox: Rc::default() }
    }

    /// The socket below.
    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Connects to `peer`.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when there is no answer `within` the time, else what the kernel says.
    pub async fn connect(peer: SocketAddr, within: Duration) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(peer), Type::STREAM, None)?;
        Self::connect_by(socket, peer.into(), within).await
    }

    /// Connects to `peer` from an address of this host, with any port.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and when `source` is no address of this host or not of the peer's family.
    pub async fn connect_from(source: IpAddr, peer: SocketAddr, within: Duration) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(peer), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        Self::connect_by(socket, peer.into(), within).await
    }

    /// Connects to the Unix stream socket at `path`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_unix(path: &Path, within: Duration) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
        Self::connect_by(socket, SockAddr::unix(path)?, within).await
    }

    async fn connect_by(socket: socket2::Socket, peer: SockAddr, within: Duration) -> io::Result<Self> {
        let socket = Socket::new(socket)?;
        let connecting = Connecting { socket: &socket };
        let mut operation = connect(&socket, peer);
        let result = tokio::select! {
            biased;
            finished = &mut operation => finished,
            () = tokio::time::sleep(within) => {
                cancel_connect(&socket);
                // Cancelled, or connected in the last moment.
                (&mut operation).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
            }
        };
        std::mem::forget(connecting);
        result?;
        Ok(Self::new(socket))
    }

    /// Takes over a connected socket of the standard library.
    pub fn from_std(stream: impl Into<std::os::fd::OwnedFd>) -> io::Result<Self> {
        Ok(Self::new(Socket::new(stream)?))
    }

    /// Waits for input and appends at most `at_most` bytes of it to `buffer`; `Ok(0)` is the end of the input, or a
    /// deadline ([`Watched::expired`]), or a call to leave ([`Watched::woken`]).
    ///
    /// An empty buffer is given away while there is nothing, and what comes back is the one into which the kernel has written:
    /// nothing is copied, and a connection that waits holds no memory for it. So an empty `Vec` will do.
    ///
    /// # Panics
    /// When `at_most` is 0, which could not be told from the end of the input.
    pub async fn read(&self, mut buffer: Vec<u8>, at_most: usize) -> (io::Result<usize>, Vec<u8>) {
        assert!(at_most > 0, "a read of nothing looks like the end of the input");
        if buffer.is_empty() {
            recycle(std::mem::take(&mut buffer));
        }
        let arrived = poll_fn(|context| self.inbox.poll(&self.socket, context)).await;
        let mut arrived = match arrived {
            Ok(arrived) => arrived,
            Err(error) => return (Err(error), buffer),
        };
        let count = arrived.len().min(at_most);
        if buffer.is_empty() && count == arrived.len() {
            return (Ok(count), arrived);
        }
        buffer.extend(arrived.drain(..count));
        if arrived.is_empty() {
            recycle(arrived);
        } else {
            self.inbox.put_back(arrived);
        }
        (Ok(count), buffer)
    }

    /// Has the next read wait again: what looked like the end was an empty packet.
    pub(super) fn goes_on(&self) {
        self.inbox.end.set(None);
    }

    /// Waits until something has arrived, which stays to be read, or the input has ended; false when it has ended.
    pub async fn has_come(&self) -> bool {
        poll_fn(|context| {
            if !self.inbox.arrived.borrow().is_empty() {
                return Poll::Ready(true);
            }
            if self.inbox.end.get().is_some() {
                return Poll::Ready(false);
            }
            self.inbox.wait(&self.socket, context);
            Poll::Pending
        })
        .await
    }

    /// Waits until the input has ended, whatever else arrives: at most [`INBOX_BUFFERS_MAX`] arrivals, behind which an end is not seen.
    pub async fn is_gone(&self) {
        poll_fn(|context| {
            if self.inbox.end.get().is_some() {
                return Poll::Ready(());
            }
            if self.inbox.arrived.borrow().len() < INBOX_BUFFERS_MAX {
                self.inbox.wait(&self.socket, context);
            }
            Poll::Pending
        })
        .await;
    }

    /// Gives back what was read of the input and is not wanted yet: the next read begins with it.
    pub fn unread(&self, rest: Vec<u8>) {
        if rest.is_empty() {
            recycle(rest);
        } else {
            self.inbox.put_back(rest);
        }
    }

    /// A copy of what has arrived first and was not read, at most `at_most` bytes of it.
    pub fn peek(&self, at_most: usize) -> Vec<u8> {
        let arrived = self.inbox.arrived.borrow();
        let first = arrived.front().map(Vec::as_slice).unwrap_or_default();
        first.get(..first.len().min(at_most)).unwrap_or_default().to_vec()
    }

    /// Begins to write all of `buffer` and gives back an empty one for the next time. Waits only while the write before is not
    /// finished, whose error it tells; so a last write wants [`write_all`](Self::write_all).
    pub async fn post(&self, buffer: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        if let Err(error) = self.outbox.empty().await {
            return (Err(error), buffer);
        }
        let spare = self.outbox.spare.take();
        if !buffer.is_empty() {
            self.outbox.is_busy.set(true);
            post(&self.socket, &self.outbox, buffer);
        }
        (Ok(()), spare)
    }

    /// Whether a posted write is under way, for which the next one would wait.
    pub fn is_writing(&self) -> bool {
        self.outbox.is_busy.get()
    }

    /// Writes all of `buffer` and gives it back as it was.
    pub async fn write_all(&self, mut buffer: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        if let Err(error) = self.outbox.empty().await {
            return (Err(error), buffer);
        }
        let mut done = 0;
        while done < buffer.len() {
            let (result, (_, back)) = send(&self.socket, buffer, done).await;
            buffer = back;
            match result {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), buffer),
                Ok(count) => done += count,
                Err(error) => return (Err(error), buffer),
            }
        }
        (Ok(()), buffer)
    }

    /// Writes all segments one after the other and gives them back for reuse.
    pub async fn write_segments(&self, mut segments: Segments) -> (io::Result<()>, Segments) {
        if let Err(error) = self.outbox.empty().await {
            return (Err(error), segments);
        }
        let bytes = segments.bytes();
        let mut done = 0;
        while done < bytes {
            let (result, (_, back)) = send_gathered(&self.socket, segments, done).await;
            segments = back;
            match result {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), segments),
                Ok(count) => done += count,
                Err(error) => return (Err(error), segments),
            }
        }
        (Ok(()), segments)
    }

    /// The address of the other side; an error for Unix sockets and for peers that have gone.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        internet(&self.socket.options().peer_addr()?)
    }

    /// The address of this side; an error for Unix sockets.
    pub fn local(&self) -> io::Result<SocketAddr> {
        internet(&self.socket.options().local_addr()?)
    }

    /// The number of its descriptor: the lowest that was free when it was opened, so about how many are in use.
    pub fn descriptor(&self) -> u32 {
        self.socket.raw().unsigned_abs()
    }

    /// Whether there is input that has not been read; its end is none.
    pub fn has_input(&self) -> bool {
        if !self.inbox.arrived.borrow().is_empty() {
            return true;
        }
        let mut byte = [std::mem::MaybeUninit::uninit()];
        self.socket
            .options()
            .recv_with_flags(&mut byte, libc::MSG_PEEK | libc::MSG_DONTWAIT)
            .is_ok_and(|bytes| bytes > 0)
    }

    /// Whether the end of the input is known to have come, read or not. Before the first read it is not.
    pub fn has_ended(&self) -> bool {
        self.inbox.end.get().is_some()
    }

    /// Sends small writes at once. Every write of weir is a whole batch of replies or commands, so it wants this.
    pub fn set_nodelay(&self) -> io::Result<()> {
        self.socket.options().set_tcp_nodelay(true)
    }

    #[cfg(test)]
    pub(super) fn is_nodelay(&self) -> bool {
        self.socket.options().tcp_nodelay().unwrap_or(false)
    }

    /// Ends one or both directions; operations that wait there end. No error when the peer has already gone.
    pub fn shutdown(&self, how: Shutdown) {
        self.socket.shutdown(how);
    }

    /// Puts this connection under the deadlines of `watch`.
    pub fn watch(&self, watch: &Watch) -> Watched {
        watch.enter(&self.socket)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let receiving = match self.inbox.receiving.get() {
            Receiving::No => 0,
            Receiving::Ending => 1,
            Receiving::Armed(token) => {
                disarm(token);
                1
            }
        };
        // Whoever else holds the socket is a write that nobody awaits any more.
        if Rc::strong_count(&self.socket) > 1 + receiving {
            self.socket.shutdown(Shutdown::Both);
        }
    }
}

/// Cancels the connect when its task is dropped, so that the socket doesn't stay until the kernel gives up.
struct Connecting<'a> {
    socket: &'a Rc<Socket>,
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        cancel_connect(self.socket);
    }
}

fn internet(address: &SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().map(canonical).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

#[cfg(test)]
mod tests;
