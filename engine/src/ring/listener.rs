//! A listening socket of a shard.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use socket2::SockAddrStorage;

use super::{Operation, Socket, Stream, accept, accepted, cancel};

/// Accepts connections until it is stopped.
///
/// The accept that is with the kernel belongs to the listener and not to the future, so a future of [`accept`] may
/// be dropped (in a `select!`) and no connection is lost. One task accepts at a time.
///
/// [`accept`]: Self::accept
pub struct Listener {
    socket: Rc<Socket>,
    pending: RefCell<Option<PendingAccept>>,
    stopped: Cell<bool>,
}

type PendingAccept = Operation<Box<(SockAddrStorage, libc::socklen_t)>>;

impl Listener {
    /// Takes over a bound and listening socket.
    pub fn from_std(listener: TcpListener) -> io::Result<Self> {
        Ok(Self { socket: Socket::new(listener)?, pending: RefCell::new(None), stopped: Cell::new(false) })
    }

    /// The next connection and its peer, or `None` once the listener is stopped and has nothing more to give.
    ///
    /// An IPv4 peer of a socket that takes both families is given as an IPv4 address. An error concerns one
    /// connection, or the lack of descriptors and memory: wait a moment and accept again.
    pub async fn accept(&self) -> Option<io::Result<(Stream, SocketAddr)>> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<Option<io::Result<(Stream, SocketAddr)>>> {
        let mut pending = self.pending.borrow_mut();
        if pending.is_none() && self.stopped.get() {
            return Poll::Ready(None);
        }
        let operation = pending.get_or_insert_with(|| accept(&self.socket));
        let Poll::Ready((result, address)) = Pin::new(operation).poll(context) else {
            return Poll::Pending;
        };
        *pending = None;
        match result.and_then(|descriptor| accepted(descriptor, *address)) {
            Err(_cancelled) if self.stopped.get() => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(error))),
            Ok((socket, peer)) => Poll::Ready(Some(Ok((Stream::new(socket), canonical(peer))))),
        }
    }

    /// The address it listens on.
    pub fn local(&self) -> io::Result<SocketAddr> {
        let address = self.socket.options().local_addr()?;
        address.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
    }

    /// Takes no more connections: a connection that is already accepted still comes out of [`accept`](Self::accept),
    /// then `None`. What waits in the kernel's backlog is left to the other sockets on this address, if the listener
    /// is dropped then, or reset.
    pub fn stop(&self) {
        self.stopped.set(true);
        cancel(&self.socket);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.pending.borrow().is_some() {
            cancel(&self.socket);
        }
    }
}

/// `192.0.2.1` instead of `::ffff:192.0.2.1`, so that rules see one form of an address.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{run, spawn};
    use std::net::TcpStream;

    fn listener(address: &str) -> (Listener, SocketAddr) {
        let listener = Listener::from_std(TcpListener::bind(address).unwrap()).unwrap();
        let local = listener.local().unwrap();
        (listener, local)
    }

    #[test]
    fn a_dropped_accept_loses_no_connection() {
        run(async {
            let (listener, local) = listener("127.0.0.1:0");
            for _ in 0..3 {
                tokio::select! {
                    biased;
                    _ = listener.accept() => panic!("nobody has connected"),
                    () = tokio::task::yield_now() => {}
                }
            }
            let client = TcpStream::connect(local).unwrap();
            let (_stream, peer) = listener.accept().await.unwrap().unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        })
        .unwrap();
    }

    #[test]
    fn a_mapped_peer_is_an_ipv4_peer() {
        run(async {
            let (listener, local) = listener("[::]:0");
            let client = TcpStream::connect(("127.0.0.1", local.port())).unwrap();
            let (stream, peer) = listener.accept().await.unwrap().unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            assert_eq!(stream.peer().unwrap(), peer);
            assert_eq!(stream.local().unwrap(), client.peer_addr().unwrap());
        })
        .unwrap();
    }

    #[test]
    fn a_stopped_listener_ends_its_loop_and_frees_its_address() {
        run(async {
            let (listener, local) = listener("127.0.0.1:0");
            let listener = Rc::new(listener);
            let accepting = spawn({
                let listener = Rc::clone(&listener);
                async move { listener.accept().await.is_none() }
            });
            tokio::task::yield_now().await;
            listener.stop();
            assert!(accepting.await.unwrap(), "the loop saw the end");
            assert!(listener.accept().await.is_none(), "and sees it again");
            drop(listener);
            TcpListener::bind(local).expect("the address is free");
        })
        .unwrap();
    }
}
