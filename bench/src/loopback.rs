//! Addresses for servers of a run.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use crate::Result;

/// Ports below those that the kernel gives to connections and to whoever asks for any, so that one that is free stays so.
const PORT_MIN: u16 = 10_000;
const PORT_MAX: u16 = 32_000;

static NEXT_PORT: AtomicU16 = AtomicU16::new(PORT_MIN);

/// The address in 127.0.0.0/8 that belongs to this process: runs side by side do not meet.
fn own() -> IpAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    // 127.0.x.x is everybody's.
    Ipv4Addr::new(127, high % 250 + 1, low, 1).into()
}

fn is_free(address: &SocketAddr) -> bool {
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}

/// This port of our own address, or any if that is not to be had.
pub(crate) fn address_with_port(port: u16) -> Result<SocketAddr> {
    let address = SocketAddr::from((own(), port));
    if is_free(&address) { Ok(address) } else { free_address() }
}

/// An address that nothing listens on, and that no call before has returned.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let ports =
        std::iter::repeat_with(|| NEXT_PORT.fetch_add(1, Relaxed)).take_while(|port| *port < PORT_MAX);
    let mut addresses = ports.map(|port| SocketAddr::from((own(), port)));
    addresses.find(is_free).ok_or_else(|| format!("no port of {} is free", own()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_comes_twice() {
        let [first, second] = [(); 2].map(|()| free_address().unwrap());
        assert!(first != second && first.ip().is_loopback() && second.port() < PORT_MAX, "{first} {second}");
    }
}
