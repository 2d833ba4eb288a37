//! The server's side: the certificates of a listener, which may be exchanged while it serves.

use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert, UnbufferedServerConnection};
use rustls::sign::CertifiedKey;

use super::certificates::{Certificates, Pair};
use super::{Minimum, provider};

/// When a listener speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// After STARTTLS, if the client wants (RFC 3207).
    Offered,
    /// After STARTTLS; before it there is no mail.
    Required,
    /// From the first byte on (RFC 8314, 3.3).
    Implicit,
}

/// What a listener's handshakes are made with.
#[derive(Debug)]
pub struct Keyring {
    /// The files of its certificates.
    pub pairs: Vec<Pair>,
    /// The oldest version that it speaks.
    pub minimum: Minimum,
    config: ServerConfig,
    /// Held for a moment in each handshake and when files have changed, never in between.
    certificates: RwLock<Arc<Certificates>>,
}

/// Keys of session tickets: of the process, so that a client is known on every shard and after a reload. They change every six hours.
static TICKETS: LazyLock<Option<Arc<dyn ProducesTickets>>> =
    LazyLock::new(|| rustls::crypto::ring::Ticketer::new().ok());

impl Keyring {
    /// One with these certificates.
    ///
    /// # Errors
    /// When the versions do not go with the cryptography, which those of [`Minimum`] do.
    pub fn new(
        pairs: Vec<Pair>,
        minimum: Minimum,
        certificates: Certificates,
    ) -> Result<Self, rustls::Error> {
        let certificates = Arc::new(certificates);
        let config = ServerConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(minimum.versions())?
            .with_no_client_auth();
        let asked = Asked { certificates: Arc::clone(&certificates), name: OnceLock::new() };
        let mut config = config.with_cert_resolver(Arc::new(asked));
        if let Some(tickets) = &*TICKETS {
            config.ticketer = Arc::clone(tickets);
        }
        // A mail server keeps one session of a peer; each ticket more is two hundred bytes and a turn of cryptography.
        config.send_tls13_tickets = 1;
        Ok(Self { pairs, minimum, config, certificates: RwLock::new(certificates) })
    }

    /// The certificates that serve now.
    pub fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.certificates.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves these from the next handshake on. Open sessions are not touched.
    pub fn replace(&self, certificates: Certificates) {
        *self.certificates.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificates);
    }

    /// The server's side of a connection, and where it puts the name that the client asks for.
    pub(super) fn connection(&self) -> Result<(UnbufferedServerConnection, Arc<Asked>), rustls::Error> {
        let asked = Arc::new(Asked { certificates: self.certificates(), name: OnceLock::new() });
        let mut config = self.config.clone();
        config.cert_resolver = Arc::clone(&asked) as Arc<dyn ResolvesServerCert>;
        Ok((UnbufferedServerConnection::new(Arc::new(config))?, asked))
    }
}

/// Answers one client: by the certificates that there were when it came.
#[derive(Debug)]
pub(super) struct Asked {
    certificates: Arc<Certificates>,
    name: OnceLock<Box<str>>,
}

impl Asked {
    /// The name that the client has asked for, in lower case.
    pub(super) fn name(&self) -> Option<Box<str>> {
        self.name.get().cloned()
    }
}

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let chosen = self.certificates.choose(name.as_deref(), hello.signature_schemes());
        if let Some(name) = name {
            // A second hello of the same client (RFC 8446, 4.1.4) has the same name.
            let _said = self.name.set(name.into_boxed_str());
        }
        chosen.map(|certificate| Arc::clone(&certificate.key))
    }
}
