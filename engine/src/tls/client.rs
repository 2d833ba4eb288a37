//! The client's side: how the servers of a pool are spoken to.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, UnbufferedClientConnection, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use super::anybody::Anybody;
use super::certificates::{self, Certificate, Fault, Files, Pair};
use super::named::Named;
use super::{Minimum, Records, provider};
use crate::limits::TLS_SESSIONS_KEPT;

/// Whether a pool's servers are spoken to inside TLS; in Postfix's words none is `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// After STARTTLS if the server offers it, else as it is: Postfix's `may`.
    Opportunistic,
    /// After STARTTLS or not at all: `encrypt`, and `verify` or `secure` with [`HopSpec::verify`].
    Required,
    /// From the first byte on: `smtp_tls_wrappermode`.
    Implicit,
}

/// What a rule file says of a pool's TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopSpec {
    /// Whether.
    pub level: Level,
    /// The name that the server's certificate must hold for; any certificate will do when there is none.
    pub verify: Option<String>,
    /// The name that is asked for; that of `verify` when there is none.
    pub sni: Option<String>,
    /// Whose signatures count; those that the host trusts when there is none.
    pub authority: Authority,
    /// Who we are, if servers ask.
    pub own: Option<Pair>,
    /// The oldest version that is spoken.
    pub minimum: Minimum,
}

/// Whose signatures on certificates count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authority {
    /// Those whom this host trusts.
    #[default]
    Host,
    /// Those in this file.
    File(String),
}

/// Where distributions keep the certificates that a host trusts: Debian, Red Hat, Alpine.
const HOST_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// How a pool's servers are spoken to inside TLS. Its memory of sessions is its own.
#[derive(Debug)]
pub struct Hop {
    /// What the rule file says.
    pub spec: HopSpec,
    config: Arc<ClientConfig>,
}

impl PartialEq for Hop {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

impl Eq for Hop {}

impl Hop {
    /// Reads the files that it names.
    ///
    /// # Errors
    /// The file that cannot be used, and why.
    pub fn read(spec: HopSpec, files: Files<'_>) -> Result<Self, Fault> {
        let own = spec.own.as_ref().map(|pair| Certificate::read(pair, files)).transpose()?;
        let verifier: Arc<dyn ServerCertVerifier> = match &spec.verify {
            None => Arc::new(Anybody),
            Some(name) => {
                let name =
                    server_name(name).ok_or_else(|| unusable(&spec.authority, &"no name of a host"))?;
                Arc::new(Named { name, inner: verifier(&spec.authority, files)? })
            }
        };
        let config = ClientConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(spec.minimum.versions())
            .map_err(|error| unusable(&spec.authority, &error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match own {
            None => config.with_no_client_auth(),
            Some(own) => {
                config.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own.key)))
            }
        };
        config.resumption = Resumption::in_memory_sessions(TLS_SESSIONS_KEPT);
        Ok(Self { spec, config: Arc::new(config) })
    }

    /// The client's side of a connection to a server at this address.
    ///
    /// # Errors
    /// When a name is none, which `weir check` would have said.
    pub fn connection(&self, server: IpAddr) -> Result<Records, rustls::Error> {
        let name = match self.spec.sni.as_ref().or(self.spec.verify.as_ref()) {
            // An address is not sent (RFC 6066, 3).
            None => ServerName::IpAddress(server.into()),
            Some(name) => server_name(name)
                .ok_or_else(|| rustls::Error::General(format!("`{name}` is no name of a host")))?,
        };
        UnbufferedClientConnection::new(Arc::clone(&self.config), name).map(Records::from)
    }
}

/// A name that a certificate may hold for.
pub fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).ok()
}

fn unusable(authority: &Authority, error: &dyn std::fmt::Display) -> Fault {
    let file = match authority {
        Authority::Host => HOST_AUTHORITIES.join(", "),
        Authority::File(file) => file.clone(),
    };
    Fault { file, reason: error.to_string(), help: "a PEM file with the certificates of authorities" }
}

fn verifier(authority: &Authority, files: Files<'_>) -> Result<Arc<dyn ServerCertVerifier>, Fault> {
    let chain = match authority {
        Authority::File(file) => certificates::chain(file, files)?,
        Authority::Host => {
            let mut found = HOST_AUTHORITIES.iter().map(|file| certificates::chain(file, files));
            found.find_map(Result::ok).ok_or_else(|| Fault {
                help: "install ca-certificates, or name a file: `ca \"FILE\"`",
                ..unusable(authority, &"no certificates of authorities")
            })?
        }
    };
    let mut roots = RootCertStore::empty();
    // Among those of a host there are some that nobody can read any more.
    let (taken, _unreadable) = roots.add_parsable_certificates(chain);
    if taken == 0 {
        return Err(unusable(authority, &"no certificate of an authority in it"));
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider())).build();
    built.map(|verifier| verifier as Arc<dyn ServerCertVerifier>).map_err(|error| unusable(authority, &error))
}
