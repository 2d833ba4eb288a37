//! A UDP socket with one peer.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Type};

use super::{Socket, Stream};
use crate::limits::RECEIVE_BUFFER_BYTES;

/// A UDP socket that hears one peer alone, on a port that the kernel draws.
pub struct Datagrams(Stream);

impl Datagrams {
    /// A new one. The peer need not be there.
    ///
    /// # Errors
    /// When there are no descriptors or ports, or no way to the peer.
    pub fn to(peer: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(peer), Type::DGRAM, None)?;
        socket.connect(&peer.into())?;
        Ok(Self(Stream::new(Socket::new(socket)?)))
    }

    /// Sends a packet at once, without the ring: what the kernel has no room for is lost, as packets are.
    ///
    /// # Errors
    /// Also one of a packet before, as when nobody listens at the peer's port.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        match self.0.socket().options().send_with_flags(packet, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// The next packet that is not empty, in a buffer of the ring: [`recycle`](super::recycle) it. Its future may be dropped.
    ///
    /// # Errors
    /// Nobody listens there. The socket is of no use any more.
    pub async fn receive(&self) -> io::Result<Vec<u8>> {
        loop {
            let (read, packet) = self.0.read(Vec::new(), RECEIVE_BUFFER_BYTES).await;
            if read? > 0 {
                return Ok(packet);
            }
            self.0.goes_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::ring::run;

    #[test]
    fn packets_go_and_come_one_by_one() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer = server.local_addr().unwrap();
        run(async {
            let datagrams = Datagrams::to(peer).unwrap();
            datagrams.send(b"one").unwrap();
            let mut packet = [0; 10];
            let (bytes, from) = server.recv_from(&mut packet).unwrap();
            assert_eq!(&packet[..bytes], b"one");
            for reply in [&b""[..], b"two", b"", b"", b"three"] {
                server.send_to(reply, from).unwrap();
            }
            assert_eq!(datagrams.receive().await.unwrap(), b"two");
            assert_eq!(datagrams.receive().await.unwrap(), b"three");
        })
        .unwrap();
    }

    #[test]
    fn that_nobody_listens_is_heard() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        run(async {
            let datagrams = Datagrams::to(peer).unwrap();
            datagrams.send(b"one").unwrap();
            assert_eq!(datagrams.receive().await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        })
        .unwrap();
    }
}
