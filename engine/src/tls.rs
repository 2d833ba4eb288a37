//! TLS under SMTP, both sides: records without I/O, a connection that may be inside TLS, certificates from files.
//!
//! ```text
//! session, upstream -> Link -> ring::Stream          a plain connection costs one comparison more
//!                       \-> Records (rustls) -> ring::Stream
//! rule files -> config -> Certificates -> Keyring -> a handshake
//! ```
//! rustls is used by its unbuffered side: it opens records where the kernel has put them, and a connection that waits holds no buffer.

mod anybody;
mod certificates;
mod client;
mod link;
mod named;
mod records;
mod server;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::{HandshakeKind, ProtocolVersion};

pub use certificates::{Certificate, Certificates, Fault, Files, Pair};
pub use client::{Authority, Hop, HopSpec, Level, server_name};
pub use link::Link;
pub use records::Records;
pub use server::{Keyring, Mode};

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Minimum {
    /// `TLSv1.2` (RFC 8996 forbids what is older).
    #[default]
    Tls12,
    /// `TLSv1.3`
    Tls13,
}

impl Minimum {
    fn versions(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        const TLS13_ALONE: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
        match self {
            Self::Tls12 => rustls::DEFAULT_VERSIONS,
            Self::Tls13 => TLS13_ALONE,
        }
    }
}

/// The cryptography: that of the `ring` crate, which the load generator and the tests use too.
fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    &PROVIDER
}

/// What a handshake has agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// `TLSv1.3`
    pub version: Cow<'static, str>,
    /// `TLS_AES_256_GCM_SHA384`: the name that IANA keeps.
    pub cipher: String,
    /// The name that the client has asked for, in lower case.
    pub sni: Option<Box<str>>,
    /// A session of before was taken up again.
    pub resumed: bool,
}

impl Agreed {
    /// What most handshakes agree on.
    pub fn usual() -> Self {
        let cipher = String::from("TLS_AES_256_GCM_SHA384");
        Self { version: "TLSv1.3".into(), cipher, sni: None, resumed: false }
    }

    fn of(state: &rustls::CommonState, sni: Option<Box<str>>) -> Self {
        let cipher = state.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        let cipher = cipher.unwrap_or_default();
        Self {
            version: version_word(state.protocol_version()).into(),
            cipher: cipher
                .strip_prefix("TLS13_")
                .map_or_else(|| cipher.clone(), |name| format!("TLS_{name}")),
            sni,
            resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

/// A version, as OpenSSL and Postfix name it.
const fn version_word(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "unknown",
    }
}

/// Why there is no TLS.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// What the peer sent is no TLS, not good enough, or signed by somebody else.
    Tls(rustls::Error),
    /// The connection broke.
    Broken(io::Error),
    /// The peer has gone.
    Closed,
    /// The peer took too long.
    TimedOut,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(out),
            Self::Broken(error) => error.fmt(out),
            Self::Closed => out.write_str("connection closed in the handshake"),
            Self::TimedOut => out.write_str("no handshake in time"),
        }
    }
}

impl From<rustls::Error> for HandshakeError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

#[cfg(test)]
mod tests;
