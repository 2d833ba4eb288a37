//! A server's certificate must hold for the name that the rules demand, whatever name the handshake asks for.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// Takes who `inner` takes under this name.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: ServerName<'static>,
    pub(super) inner: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _asked_for: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.inner.verify_server_cert(certificate, chain, &self.name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::anybody::Anybody;

    /// Takes one name only.
    #[derive(Debug)]
    struct Only(&'static str);

    impl ServerCertVerifier for Only {
        fn verify_server_cert(
            &self,
            certificate: &CertificateDer<'_>,
            chain: &[CertificateDer<'_>],
            name: &ServerName<'_>,
            ocsp: &[u8],
            now: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            if name.to_str() != self.0 {
                return Err(Error::General(name.to_str().into_owned()));
            }
            Anybody.verify_server_cert(certificate, chain, name, ocsp, now)
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Anybody.verify_tls12_signature(message, certificate, signature)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Anybody.verify_tls13_signature(message, certificate, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            Anybody.supported_verify_schemes()
        }
    }

    /// With `sni` beside `verify`, a certificate for the name of `sni` was taken.
    #[test]
    fn the_name_that_is_asked_for_does_not_count() {
        let name = |name: &str| ServerName::try_from(name.to_owned()).unwrap();
        let verify = |demanded: &str| {
            let named = Named { name: name(demanded), inner: Arc::new(Only("mail.example.org")) };
            named.verify_server_cert(
                &CertificateDer::from(vec![0]),
                &[],
                &name("mail.example.org"),
                &[],
                UnixTime::now(),
            )
        };
        assert!(verify("mail.example.org").is_ok());
        assert!(verify("other.example.org").is_err());
    }
}
