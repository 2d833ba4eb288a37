//! A connection, over TCP or a Unix socket.

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, SockAddr, Type};

use super::listener::canonical;
use super::{Segments, Socket, Watch, Watched, cancel, connect, receive, send, send_gathered};

/// A connected socket. Buffers travel through each operation by value and come back with its result.
///
/// One read and one write may be under way at the same time. When the stream is dropped while an operation is, the
/// connection is shut down, so that neither operation nor descriptor outlives it.
pub struct Stream {
    socket: Rc<Socket>,
}

impl Stream {
    pub(super) fn new(socket: Rc<Socket>) -> Self {
        Self { socket }
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
        let (result, _) = tokio::select! {
            biased;
            finished = &mut operation => finished,
            () = tokio::time::sleep(within) => {
                cancel(&socket);
                // Cancelled, or connected in the last moment.
                let (result, peer) = (&mut operation).await;
                (result.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)), peer)
            }
        };
        std::mem::forget(connecting);
        result?;
        Ok(Self { socket })
    }

    /// Takes over a connected socket of the standard library.
    pub fn from_std(stream: impl Into<std::os::fd::OwnedFd>) -> io::Result<Self> {
        Ok(Self { socket: Socket::new(stream)? })
    }

    /// Waits for input and appends at most `at_most` bytes of it to `buffer`; `Ok(0)` is the end of the input, or a
    /// deadline ([`Watched::expired`]), or a call to leave ([`Watched::woken`]).
    ///
    /// # Panics
    /// When `at_most` is 0, which could not be told from the end of the input.
    pub async fn read(&self, buffer: Vec<u8>, at_most: usize) -> (io::Result<usize>, Vec<u8>) {
        assert!(at_most > 0, "a read of nothing looks like the end of the input");
        receive(&self.socket, buffer, at_most).await
    }

    /// Writes all of `buffer` and gives it back as it was.
    pub async fn write_all(&self, mut buffer: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let mut done = 0;
        while done < buffer.len() {
            let (result, back) = send(&self.socket, buffer, done).await;
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
        let bytes = segments.bytes();
        let mut done = 0;
        while done < bytes {
            let (result, back) = send_gathered(&self.socket, segments, done).await;
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

    /// Whether there is input that has not been read; its end is none.
    pub fn has_input(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        self.socket
            .options()
            .recv_with_flags(&mut byte, libc::MSG_PEEK | libc::MSG_DONTWAIT)
            .is_ok_and(|bytes| bytes > 0)
    }

    /// Sends small writes at once. Every write of weir is a whole batch of replies or commands, so it wants this.
    pub fn set_nodelay(&self) -> io::Result<()> {
        self.socket.options().set_tcp_nodelay(true)
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
        // Whoever else holds the socket is an operation that nobody awaits any more.
        if Rc::strong_count(&self.socket) > 1 {
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
        cancel(self.socket);
    }
}

fn internet(address: &SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().map(canonical).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

#[cfg(test)]
mod tests;
