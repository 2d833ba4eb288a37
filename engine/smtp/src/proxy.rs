//! The header of the PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): whoever stands in front says whose
//! connection it passes on. It is the first thing on a connection, before the server's greeting.
//!
//! What is not exactly a header is a fault, as early as it can be known: a peer that is trusted to say who its client is does not
//! get it nearly right. Extensions of version 2 (TLVs: TLS, names, checksums) are read over; their frames must be whole.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Longest line of version 1, with its CRLF (2.1).
pub const LINE_BYTES_MAX: usize = 107;
/// Longest header of version 2 that is read, with its TLVs: those of a client certificate fit.
pub const HEADER_BYTES_MAX: usize = 4096;

/// What version 2 begins with (2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family, and length of what follows.
const FIXED_BYTES: usize = 16;
/// Two IPv4 addresses and two ports.
const TCP4_BYTES: usize = 12;
/// Two IPv6 addresses and two ports.
const TCP6_BYTES: usize = 36;

/// Which version a header may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The line of text.
    V1,
    /// The binary form.
    V2,
    /// Whichever comes.
    Either,
}

impl Version {
    const fn takes_text(self) -> bool {
        matches!(self, Self::V1 | Self::Either)
    }

    const fn takes_binary(self) -> bool {
        matches!(self, Self::V2 | Self::Either)
    }
}

/// The two ends of the connection that is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The client. An IPv4 address in IPv6 form is given as the IPv4 address that it is.
    pub source: SocketAddr,
    /// Where the client connected.
    pub destination: SocketAddr,
}

/// A whole header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How long it is; what follows is the client's.
    pub bytes: usize,
    /// `None` when the peer speaks for itself (`LOCAL`: a health check) or does not know (`UNKNOWN`).
    pub ends: Option<Ends>,
}

/// Why something is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyFault {
    /// It begins as no header does that is taken here.
    Signature,
    /// A line without its end, or a binary header that is longer than is read.
    TooLong,
    /// A protocol or family that is none of TCP over IPv4 or IPv6.
    Family,
    /// An address that is malformed or of another family.
    Address,
    /// A port that is none.
    Port,
    /// A line with more or fewer words, or without a proper end.
    Line,
    /// Another version than 2, or an unknown command.
    Version,
    /// Too short for its addresses, or with a TLV that is cut off.
    Length,
}

impl ProxyFault {
    /// A word for logs and counters.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::TooLong => "too_long",
            Self::Family => "family",
            Self::Address => "address",
            Self::Port => "port",
            Self::Line => "line",
            Self::Version => "version",
            Self::Length => "length",
        }
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no PROXY header: {}", self.word())
    }
}

/// Reads the header at the start of what has arrived; `Ok(None)` while more of it is to come.
///
/// # Errors
/// What is there can never become a header.
pub fn parse(bytes: &[u8], version: Version) -> Result<Option<Header>, ProxyFault> {
    const TEXT: &[u8] = b"PROXY ";
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(found, expected)| found == expected);
    if version.takes_text() && begins(TEXT) {
        if bytes.len() < TEXT.len() { Ok(None) } else { parse_line(bytes) }
    } else if version.takes_binary() && begins(&SIGNATURE) {
        parse_binary(bytes)
    } else {
        Err(ProxyFault::Signature)
    }
}

fn parse_line(bytes: &[u8]) -> Result<Option<Header>, ProxyFault> {
    let readable = bytes.get(..LINE_BYTES_MAX.min(bytes.len())).unwrap_or_default();
    let Some(feed) = memchr::memchr(b'\n', readable) else {
        return if bytes.len() < LINE_BYTES_MAX { Ok(None) } else { Err(ProxyFault::TooLong) };
    };
    let line = readable.get(..feed).and_then(|line| line.strip_suffix(b"\r")).ok_or(ProxyFault::Line)?;
    if line.contains(&b'\r') {
        return Err(ProxyFault::Line);
    }
    let line = std::str::from_utf8(line).map_err(|_| ProxyFault::Line)?;
    let mut words = line.split(' ').skip(1);
    let ends = match words.next() {
        // What follows is to be ignored (2.1).
        Some("UNKNOWN") => return Ok(Some(Header { bytes: feed + 1, ends: None })),
        Some("TCP4") => line_ends::<Ipv4Addr>(words)?,
        Some("TCP6") => line_ends::<Ipv6Addr>(words)?,
        _ => return Err(ProxyFault::Family),
    };
    Ok(Some(Header { bytes: feed + 1, ends: Some(ends) }))
}

fn line_ends<'a, A: FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a str>,
) -> Result<Ends, ProxyFault> {
    let mut word = || words.next().ok_or(ProxyFault::Line);
    let address = |word: &str| word.parse::<A>().map(Into::into).map_err(|_| ProxyFault::Address);
    let (source, destination) = (address(word()?)?, address(word()?)?);
    let (source_port, destination_port) = (port(word()?)?, port(word()?)?);
    if words.next().is_some() {
        return Err(ProxyFault::Line);
    }
    Ok(Ends { source: end(source, source_port), destination: end(destination, destination_port) })
}

/// A port in decimal, without leading zeros.
fn port(word: &str) -> Result<u16, ProxyFault> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let padded = word.len() > 1 && word.starts_with('0');
    if !digits || padded {
        return Err(ProxyFault::Port);
    }
    word.parse().map_err(|_| ProxyFault::Port)
}

fn end(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

fn parse_binary(bytes: &[u8]) -> Result<Option<Header>, ProxyFault> {
    let Some(&[command, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED_BYTES) else {
        // What is there of the fixed part is looked at, so that a peer is not waited for in vain.
        return match bytes.get(SIGNATURE.len()) {
            Some(command) if !matches!(command, 0x20 | 0x21) => Err(ProxyFault::Version),
            _ => Ok(None),
        };
    };
    if !matches!(command, 0x20 | 0x21) {
        return Err(ProxyFault::Version);
    }
    let is_local = command == 0x20;
    // Datagrams and Unix sockets bring no mail.
    let addresses = match family {
        _ if is_local => 0,
        0x00 => 0,
        0x11 => TCP4_BYTES,
        0x21 => TCP6_BYTES,
        _ => return Err(ProxyFault::Family),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < addresses {
        return Err(ProxyFault::Length);
    }
    let whole = FIXED_BYTES + length;
    if whole > HEADER_BYTES_MAX {
        return Err(ProxyFault::TooLong);
    }
    let Some(rest) = bytes.get(FIXED_BYTES..whole) else { return Ok(None) };
    if addresses == 0 {
        return Ok(Some(Header { bytes: whole, ends: None }));
    }
    let (addresses, extensions) = rest.split_at_checked(addresses).ok_or(ProxyFault::Length)?;
    check_extensions(extensions)?;
    let ends = binary_ends(addresses).ok_or(ProxyFault::Length)?;
    Ok(Some(Header { bytes: whole, ends: Some(ends) }))
}

fn binary_ends(bytes: &[u8]) -> Option<Ends> {
    let width = if bytes.len() == TCP4_BYTES { 4 } else { 16 };
    let (source, rest) = bytes.split_at_checked(width)?;
    let (destination, ports) = rest.split_at_checked(width)?;
    let &[a, b, c, d] = ports else { return None };
    let address = |bytes: &[u8]| {
        let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
    };
    Some(Ends {
        source: end(address(source)?, u16::from_be_bytes([a, b])),
        destination: end(address(destination)?, u16::from_be_bytes([c, d])),
    })
}

/// Type, length and value, again and again, to the end (2.2).
fn check_extensions(mut rest: &[u8]) -> Result<(), ProxyFault> {
    while let Some((_kind, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk::<2>().ok_or(ProxyFault::Length)?;
        rest = after.get(usize::from(u16::from_be_bytes(*length))..).ok_or(ProxyFault::Length)?;
    }
    Ok(())
}

/// Appends a header of version 1; without ends one that says `UNKNOWN`, for connections of our own.
pub fn print_v1(ends: Option<Ends>, output: &mut Vec<u8>) {
    let text = match ends.map(one_family) {
        None => String::from("PROXY UNKNOWN\r\n"),
        Some((source, destination)) => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (source.ip(), destination.ip());
            format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port())
        }
    };
    output.extend_from_slice(text.as_bytes());
}

/// Appends a header of version 2; without ends one that says `LOCAL`, for connections of our own.
pub fn print_v2(ends: Option<Ends>, output: &mut Vec<u8>) {
    output.extend_from_slice(&SIGNATURE);
    let Some((source, destination)) = ends.map(one_family) else {
        return output.extend_from_slice(&[0x20, 0x00, 0x00, 0x00]);
    };
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            output.extend_from_slice(&[0x21, 0x11, 0x00, 12]);
            output.extend_from_slice(&source.octets());
            output.extend_from_slice(&destination.octets());
        }
        (source, destination) => {
            output.extend_from_slice(&[0x21, 0x21, 0x00, 36]);
            output.extend_from_slice(&as_v6(source).octets());
            output.extend_from_slice(&as_v6(destination).octets());
        }
    }
    output.extend_from_slice(&source.port().to_be_bytes());
    output.extend_from_slice(&destination.port().to_be_bytes());
}

/// Both ends in one family, as the header has them: where one is IPv6, the other is put into that form.
fn one_family(ends: Ends) -> (SocketAddr, SocketAddr) {
    let Ends { source, destination } = ends;
    if source.is_ipv4() == destination.is_ipv4() {
        return (source, destination);
    }
    let mapped = |end: SocketAddr| SocketAddr::new(as_v6(end.ip()).into(), end.port());
    (mapped(source), mapped(destination))
}

fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests;
