//! A connection that may go on inside TLS: rustls over the ring's buffers, both sides.
//!
//! The client takes any certificate: it makes load, and must do so against a test server with whatever certificate it has. What it
//! sends is made up, so there is nothing to protect.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, Connection, DigitallySignedStruct, ServerConfig, SignatureScheme};
use weir::ring::{Segments, Stream};

use crate::Result;

/// How much is read from the socket at a time: a record and a bit, in bytes.
const READ_BYTES: usize = 18 << 10;

/// A connection, plain at first.
pub(crate) struct Link {
    stream: Stream,
    tls: Option<Box<Tls>>,
}

struct Tls {
    session: Connection,
    /// What came and is not yet deciphered.
    received: Vec<u8>,
    /// Records on their way out; the memory is kept.
    records: Vec<u8>,
}

impl Link {
    pub(crate) const fn plain(stream: Stream) -> Self {
        Self { stream, tls: None }
    }

    /// The socket below.
    pub(crate) const fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Does the client's side of the handshake.
    pub(crate) async fn secure_as_client(&mut self, config: &Arc<ClientConfig>) -> io::Result<()> {
        let name = ServerName::try_from("server.example.org").map_err(io::Error::other)?;
        let session = rustls::ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        self.shake_hands(session.into()).await
    }

    /// Does the server's side of the handshake.
    pub(crate) async fn secure_as_server(&mut self, config: &Arc<ServerConfig>) -> io::Result<()> {
        let session = rustls::ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        self.shake_hands(session.into()).await
    }

    async fn shake_hands(&mut self, mut session: Connection) -> io::Result<()> {
        // A whole message is enciphered at once, and written in one go.
        session.set_buffer_limit(None);
        let mut tls = Box::new(Tls { session, received: Vec::new(), records: Vec::new() });
        while tls.session.is_handshaking() {
            tls.flush(&self.stream).await?;
            if tls.session.is_handshaking() && tls.receive(&self.stream).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        tls.flush(&self.stream).await?;
        self.tls = Some(tls);
        Ok(())
    }

    /// Appends at most `at_most` bytes; `Ok(0)` is the end.
    pub(crate) async fn read(&mut self, buffer: Vec<u8>, at_most: usize) -> (io::Result<usize>, Vec<u8>) {
        match &mut self.tls {
            None => self.stream.read(buffer, at_most).await,
            Some(tls) => tls.read(&self.stream, buffer, at_most).await,
        }
    }

    /// Writes all of `buffer` and gives it back as it was.
    pub(crate) async fn write_all(&mut self, buffer: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let Some(tls) = &mut self.tls else { return self.stream.write_all(buffer).await };
        let enciphered = tls.session.writer().write_all(&buffer);
        let written = match enciphered {
            Ok(()) => tls.flush(&self.stream).await,
            Err(error) => Err(error),
        };
        (written, buffer)
    }

    /// Writes all segments one after the other and gives them back.
    pub(crate) async fn write_segments(&mut self, segments: Segments) -> (io::Result<()>, Segments) {
        let Some(tls) = &mut self.tls else { return self.stream.write_segments(segments).await };
        let mut segments = segments;
        let pieces: Vec<_> = segments.drain().collect();
        let mut enciphered = Ok(());
        for piece in &pieces {
            enciphered = enciphered.and_then(|()| tls.session.writer().write_all(piece.bytes()));
        }
        let written = match enciphered {
            Ok(()) => tls.flush(&self.stream).await,
            Err(error) => Err(error),
        };
        for piece in pieces {
            segments.push(piece);
        }
        (written, segments)
    }
}

impl Tls {
    async fn read(
        &mut self,
        stream: &Stream,
        mut buffer: Vec<u8>,
        at_most: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        let start = buffer.len();
        loop {
            buffer.resize(start + at_most, 0);
            let read = self.session.reader().read(buffer.get_mut(start..).unwrap_or_default());
            buffer.truncate(start + read.as_ref().copied().unwrap_or(0));
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A peer that closes without a close_notify has closed all the same.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return (Ok(0), buffer),
                read => return (read, buffer),
            }
            match self.receive(stream).await {
                Ok(0) => return (Ok(0), buffer),
                Ok(_) => {}
                Err(error) => return (Err(error), buffer),
            }
            // An answer to what is no mail, such as a change of keys.
            if self.session.wants_write()
                && let Err(error) = self.flush(stream).await
            {
                return (Err(error), buffer);
            }
        }
    }

    /// Reads what the socket has and deciphers it; 0 at its end.
    async fn receive(&mut self, stream: &Stream) -> io::Result<usize> {
        let (read, mut received) = stream.read(std::mem::take(&mut self.received), READ_BYTES).await;
        let mut rest = received.as_slice();
        while !rest.is_empty() {
            if self.session.read_tls(&mut rest)? == 0 {
                break;
            }
            let processed = self.session.process_new_packets();
            if let Err(error) = processed {
                // The alert that says why; the session is over either way.
                let _gone = self.flush(stream).await;
                return Err(io::Error::other(error));
            }
        }
        received.clear();
        self.received = received;
        read
    }

    /// Writes the records that are there.
    async fn flush(&mut self, stream: &Stream) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.records)?;
        }
        if self.records.is_empty() {
            return Ok(());
        }
        let (written, mut records) = stream.write_all(std::mem::take(&mut self.records)).await;
        records.clear();
        self.records = records;
        written
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The client's settings: any certificate will do.
pub(crate) fn client() -> Result<Arc<ClientConfig>> {
    let provider = provider();
    let anybody = Arc::new(Anybody(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth()))
}

/// The server's settings, with a certificate that it makes for `name` and signs itself.
pub(crate) fn server(name: &str) -> Result<Arc<ServerConfig>> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok(Arc::new(config))
}

/// Takes every certificate, but not a handshake that was not signed with its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
