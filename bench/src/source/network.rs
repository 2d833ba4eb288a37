//! Where connections come from, or say that they do: networks of clients, and the header of the PROXY protocol
//! (haproxy.org, proxy-protocol.txt).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::options::ProxyVersion;
use crate::dice::Dice;

/// The first bytes of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, command PROXY.
const PROXY: u8 = 0x21;
/// TCP over IPv4 and over IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// A network of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    ip: IpAddr,
    prefix: u8,
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            || format!("`{text}` is no network: write IP/PREFIX, such as 127.1.0.0/16 or 2001:db8::/32");
        let (ip, prefix) = text.split_once('/').ok_or_else(wanted)?;
        let (ip, prefix): (IpAddr, u8) =
            (ip.parse().map_err(|_| wanted())?, prefix.parse().map_err(|_| wanted())?);
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        if prefix <= bits { Ok(Self { ip, prefix }) } else { Err(wanted()) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

impl Network {
    /// Whether this host can connect from all of its addresses.
    pub(super) fn is_loopback(&self) -> bool {
        let prefix_min = if self.ip.is_ipv4() { 8 } else { 128 };
        self.ip.is_loopback() && self.prefix >= prefix_min
    }

    /// One of its addresses, neither the first nor the last where there are others.
    pub(super) fn draw(&self, dice: &mut Dice) -> IpAddr {
        match self.ip {
            IpAddr::V4(ip) => {
                let hosts = 1_u64 << (32 - self.prefix);
                let host = if hosts > 2 { 1 + dice.bits() % (hosts - 2) } else { dice.bits() % hosts };
                let mask = u32::try_from(hosts - 1).unwrap_or(u32::MAX);
                Ipv4Addr::from_bits((ip.to_bits() & !mask) | u32::try_from(host).unwrap_or(0)).into()
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                let host = u128::from(dice.bits()) << 64 | u128::from(dice.bits());
                Ipv6Addr::from_bits((ip.to_bits() & !mask) | (host & mask)).into()
            }
        }
    }
}

/// Appends the header that says that `client` has connected to `server`.
pub(super) fn proxy_header(
    version: ProxyVersion,
    client: SocketAddr,
    server: SocketAddr,
    output: &mut Vec<u8>,
) {
    // Both are of one family; a proxy that listens on the other one has an address here as well.
    let server_ip = match (client.ip(), server.ip()) {
        (IpAddr::V4(_), IpAddr::V6(_)) => Ipv4Addr::LOCALHOST.into(),
        (IpAddr::V6(_), IpAddr::V4(_)) => Ipv6Addr::LOCALHOST.into(),
        (_, ip) => ip,
    };
    let ports = (client.port(), server.port());
    match version {
        ProxyVersion::V1 => {
            let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
            let line = format!("PROXY {family} {} {server_ip} {} {}\r\n", client.ip(), ports.0, ports.1);
            output.extend_from_slice(line.as_bytes());
        }
        ProxyVersion::V2 => {
            output.extend_from_slice(SIGNATURE);
            output.extend_from_slice(&[PROXY, if client.is_ipv4() { TCP4 } else { TCP6 }]);
            let mut addresses = Vec::with_capacity(36);
            for ip in [client.ip(), server_ip] {
                match ip {
                    IpAddr::V4(ip) => addresses.extend_from_slice(&ip.octets()),
                    IpAddr::V6(ip) => addresses.extend_from_slice(&ip.octets()),
                }
            }
            addresses.extend_from_slice(&ports.0.to_be_bytes());
            addresses.extend_from_slice(&ports.1.to_be_bytes());
            output.extend_from_slice(&u16::try_from(addresses.len()).unwrap_or(0).to_be_bytes());
            output.append(&mut addresses);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_their_network() {
        let mut dice = Dice::new(1);
        let draw = |text: &str, dice: &mut Dice| text.parse::<Network>().unwrap().draw(dice).to_string();
        for _ in 0..50 {
            assert!(draw("127.3.0.0/16", &mut dice).starts_with("127.3."));
            assert!(draw("2001:db8:7::/48", &mut dice).starts_with("2001:db8:7:"));
        }
        assert_eq!(draw("192.0.2.7/32", &mut dice), "192.0.2.7");
        assert_eq!(draw("2001:db8::7/128", &mut dice), "2001:db8::7");
        assert_eq!(draw("192.0.2.8/30", &mut dice).len(), "192.0.2.9".len());
        for wrong in ["192.0.2.0", "192.0.2.0/33", "::/129", "x/8"] {
            assert!(wrong.parse::<Network>().unwrap_err().contains(wrong), "{wrong}");
        }
        let is_loopback = |text: &str| text.parse::<Network>().unwrap().is_loopback();
        assert!(is_loopback("127.1.0.0/16") && is_loopback("::1/128"));
        assert!(!is_loopback("127.0.0.0/7") && !is_loopback("192.0.2.0/24"));
    }

    #[test]
    fn headers_are_those_of_the_protocol() {
        let header = |version, client: &str, server: &str| {
            let mut output = Vec::new();
            proxy_header(version, client.parse().unwrap(), server.parse().unwrap(), &mut output);
            output
        };
        let line = header(ProxyVersion::V1, "198.51.100.7:40000", "127.0.0.1:25");
        assert_eq!(line, b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 25\r\n");
        let line = header(ProxyVersion::V1, "[2001:db8::7]:40000", "127.0.0.1:25");
        assert_eq!(line, b"PROXY TCP6 2001:db8::7 ::1 40000 25\r\n");
        let binary = header(ProxyVersion::V2, "198.51.100.7:258", "127.0.0.1:25");
        assert_eq!(binary, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\x7f\0\0\x01\x01\x02\0\x19");
        assert_eq!(header(ProxyVersion::V2, "[2001:db8::7]:1", "[::1]:25").len(), 16 + 36);
    }
}
