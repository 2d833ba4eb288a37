//! Addresses of tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering::Relaxed};

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
        addresses.find(|address| TcpListener::bind(address).is_ok()).expect("a free port on loopback")
    }
}

impl Default for Loopback {
    fn default() -> Self {
        Self::new()
    }
}
