//! How the load generator and its sink come into TLS: by weir's own, with a certificate that is made up.
//!
//! The client takes any certificate: it makes load, and must do so against a test server with whatever certificate it has. What it
//! sends is made up, so there is nothing to protect.

use std::sync::Arc;

use weir::tls::{Authority, Certificates, Hop, HopSpec, Keyring, Level, Minimum, Pair};

use crate::Result;

/// The client's settings: any certificate will do.
pub(crate) fn client() -> Result<Arc<Hop>> {
    let spec = HopSpec {
        level: Level::Required,
        verify: None,
        sni: Some(String::from("server.example.org")),
        authority: Authority::Host,
        own: None,
        minimum: Minimum::Tls12,
    };
    let hop = Hop::read(spec, &|file| Err(format!("{file} is not read")));
    Ok(Arc::new(hop.map_err(|fault| fault.to_string())?))
}

/// The server's settings, with a certificate that it makes for `name` and signs itself.
pub(crate) fn server(name: &str) -> Result<Arc<Keyring>> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
    let text = made.cert.pem() + &made.signing_key.serialize_pem();
    let pairs = vec![Pair { certificate: String::from("made up"), key: None }];
    let certificates = Certificates::read(&pairs, &|_| Ok(text.clone()));
    let certificates = certificates.map_err(|faults| format!("{faults:?}"))?;
    Ok(Arc::new(Keyring::new(pairs, Minimum::Tls12, certificates)?))
}
