//! A listening socket of a shard.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::driver::{accepted, arm_accept, disarm};
use super::{Socket, Stream};

/// Accepts connections until it is stopped.
///
/// Connections that were accepted belong to the listener and not to the future, so a future of [`accept`] may
/// be dropped (in a `select!`) and no connection is lost. One task accepts at a time.
///
/// [`accept`]: Self::accept
pub struct Listener {
    socket: Rc<Socket>,
    backlog: Rc<Backlog>,
    stopped: Cell<bool>,
    one_by_one: Cell<bool>,
}

/// Connections that the kernel has accepted for us.
#[derive(Default)]
pub(super) struct Backlog {
    accepted: RefCell<VecDeque<io::Result<OwnedFd>>>,
    armed: Cell<Option<usize>>,
    waker: Cell<Option<Waker>>,
}

impl Backlog {
    /// Takes what a completion says.
    pub(super) fn take(&self, result: i32, goes_on: bool) {
        if !goes_on {
            self.armed.set(None);
        }
        let descriptor = match result {
            0.. => Ok(accepted(result)),
            code => Err(io::Error::from_raw_os_error(code.wrapping_neg())),
        };
        self.accepted.borrow_mut().push_back(descriptor);
        self.waker.take().into_iter().for_each(Waker::wake);
    }
}

impl Listener {
    /// Takes over a bound and listening socket. Its connections send small writes at once, as [`Stream::set_nodelay`] has it.
    pub fn from_std(listener: TcpListener) -> io::Result<Self> {
        let socket = Socket::new(listener)?;
        // Connections have it from their listener, which saves each of them a system call.
        socket.options().set_tcp_nodelay(true)?;
        Ok(Self { socket, backlog: Rc::default(), stopped: Cell::new(false), one_by_one: Cell::new(false) })
    }

    /// The next connection and its peer, or `None` once the listener is stopped and has nothing more to give.
    ///
    /// An IPv4 peer of a socket that takes both families is given as an IPv4 address. An error concerns one
    /// connection, or the lack of descriptors and memory: wait a moment and accept again.
    pub async fn accept(&self) -> Option<io::Result<(Stream, SocketAddr)>> {
        loop {
            match poll_fn(|context| self.poll_accept(context)).await? {
                Err(error) => return Some(Err(error)),
                Ok(descriptor) => {
                    let stream = Stream::new(Socket::accepted(descriptor));
                    // One that has gone already has no address, and nothing to say.
                    if let Ok(peer) = stream.peer() {
                        return Some(Ok((stream, peer)));
                    }
                }
            }
        }
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<Option<io::Result<OwnedFd>>> {
        loop {
            match self.backlog.accepted.borrow_mut().pop_front() {
                Some(Err(_cancelled)) if self.stopped.get() => {}
                // What accepted all was ended, to accept one by one.
                Some(Err(error)) if error.raw_os_error() == Some(libc::ECANCELED) => {}
                Some(accepted) => return Poll::Ready(Some(accepted)),
                None => break,
            }
        }
        if self.backlog.armed.get().is_none() {
            if self.stopped.get() {
                return Poll::Ready(None);
            }
            let token = arm_accept(&self.socket, &self.backlog, self.one_by_one.get());
            self.backlog.armed.set(Some(token));
        }
        self.backlog.waker.set(Some(context.waker().clone()));
        Poll::Pending
    }

    /// Whether connections are accepted one by one, each when [`accept`](Self::accept) is waited for: then those for which nobody waits
    /// stay in the kernel. Else all that are there are accepted at once. What was accepted before still comes out.
    pub fn set_one_by_one(&self, one_by_one: bool) {
        if self.one_by_one.replace(one_by_one) != one_by_one && one_by_one {
            self.backlog.armed.get().into_iter().for_each(disarm);
        }
    }

    /// Connections that were accepted and have not come out yet.
    pub fn accepted(&self) -> usize {
        self.backlog.accepted.borrow().len()
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// The address it listens on.
    pub fn local(&self) -> io::Result<SocketAddr> {
        let address = self.socket.options().local_addr()?;
        address.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
    }

    /// Takes no more connections: those that are already accepted still come out of [`accept`](Self::accept),
    /// then `None`. What waits in the kernel's backlog is left to the other sockets on this address, if the listener
    /// is dropped then, or reset.
    pub fn stop(&self) {
        self.stopped.set(true);
        self.backlog.armed.get().into_iter().for_each(disarm);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.backlog.armed.get().into_iter().for_each(disarm);
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
    use socket2::SockRef;
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
            let (stream, peer) = listener.accept().await.unwrap().unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            assert!(stream.is_nodelay(), "from its listener");
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
    fn one_by_one_the_others_stay_in_the_kernel() {
        run(async {
            let (listener, local) = listener("127.0.0.1:0");
            let mut clients = vec![TcpStream::connect(local).unwrap()];
            let mut streams = vec![listener.accept().await.unwrap().unwrap()];
            listener.set_one_by_one(true);
            clients.extend((0..3).map(|_| TcpStream::connect(local).unwrap()));
            // The one that the accept of all may have taken before it was ended.
            streams.push(listener.accept().await.unwrap().unwrap());
            streams.push(listener.accept().await.unwrap().unwrap());
            let others: TcpListener = SockRef::from(&listener.socket.0).try_clone().unwrap().into();
            others.set_nonblocking(true).unwrap();
            tokio::task::yield_now().await;
            let taken = others.accept();
            assert!(taken.is_ok(), "the last was not accepted for nobody: {taken:?}");
            listener.set_one_by_one(false);
            clients.push(TcpStream::connect(local).unwrap());
            streams.push(listener.accept().await.unwrap().unwrap());
            assert_eq!((clients.len(), streams.len()), (5, 4));
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
