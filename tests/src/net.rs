//! Addresses of tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering::Relaxed};

use socket2::{Domain, Socket, Type};

static NEXT: AtomicU8 = AtomicU8::new(1);

/// Ports below those that the kernel gives to connections and to whoever asks for any: nobody else comes by one of these,
/// and no two tests of a process get the same.
static NEXT_PORT: AtomicU16 = AtomicU16::new(PORT_MIN);
const PORT_MIN: u16 = 10_000;
const PORT_MAX: u16 = 32_000;

/// An address in 127.0.0.0/8 that no other test has. Outgoing connections have 127.0.0.1, so that none of them can take
/// a port here: a port that was free once stays free for its test.
#[derive(Clone, Copy, Debug)]
pub struct Loopback(Ipv4Addr);

impl Loopback {
    /// An address of this process (by its id) and of this call.
    pub fn new() -> Self {
        let id = std::process::id();
        let [_, _, high, low] = id.to_be_bytes();
        // 127.0.x.x stays free for clients with a name of their own.
        Self(Ipv4Addr::new(127, high % 250 + 1, low, NEXT.fetch_add(1, Relaxed)))
    }

    /// The address.
    pub fn ip(self) -> IpAddr {
        self.0.into()
    }

    /// A free port of it.
    ///
    /// # Panics
    /// When there is none.
    pub fn port(self) -> SocketAddr {
        let numbers =
            std::iter::repeat_with(|| NEXT_PORT.fetch_add(1, Relaxed)).take_while(|port| *port < PORT_MAX);
        let mut addresses = numbers.map(|port| SocketAddr::from((self.0, port)));
        addresses.find(|address| is_free(*address)).expect("a free port on loopback")
    }
}

/// Whether nobody listens there. Does not listen itself: a process that another test starts in this moment has a copy of every socket
/// until it executes its program, and one that listens would keep the port from whom it is for.
fn is_free(address: SocketAddr) -> bool {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("an option of a socket");
    socket.bind(&address.into()).is_ok()
}

impl Default for Loopback {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{Loopback, is_free};
    use std::net::TcpListener;
    use std::process::Command;

    #[test]
    fn a_port_that_is_listened_on_is_taken() {
        let address = Loopback::new().port();
        let _taken = TcpListener::bind(address).expect("it was free");
        assert!(!is_free(address));
    }

    /// A sink could not bind its port under load: a program that another test had started still had the socket of the look
    /// whether it was free.
    #[test]
    fn a_free_port_stays_free_while_programs_start() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(Command::new("true").status());
                }
            });
            let here = Loopback::new();
            let failed: Vec<_> = (0..2000).filter_map(|_| TcpListener::bind(here.port()).err()).collect();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(failed.is_empty(), "{} of 2000: {:?}", failed.len(), failed.first());
        });
    }
}
