//! A connection that may be inside TLS: what sessions and upstream connections read and write.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::{Agreed, HandshakeError, Hop, Keyring, Records};
use crate::limits::{RECEIVE_BUFFER_BYTES, TLS_SPARE_BYTES, TLS_WRITE_BYTES};
use crate::ring::{self, Segments, Stream, Watched};

/// A connection, plain at first.
pub struct Link {
    stream: Rc<Stream>,
    /// In a box: most connections have none.
    tls: Option<Box<Records>>,
}

impl Link {
    /// A connection outside TLS.
    pub fn plain(stream: Stream) -> Self {
        Self { stream: Rc::new(stream), tls: None }
    }

    /// The socket below.
    pub const fn stream(&self) -> &Rc<Stream> {
        &self.stream
    }

    /// The version that is spoken; none outside TLS.
    pub fn version(&self) -> Option<&'static str> {
        let tls = self.tls.as_ref()?;
        Some(super::version_word(tls.state().protocol_version()))
    }

    /// Does the server's side of the handshake; it has `within` for all of it. `read_ahead` was read from the connection and
    /// belongs to it: nothing after STARTTLS, where whatever was read was said outside TLS.
    ///
    /// # Errors
    /// The connection is of no use then.
    pub async fn accept(
        &mut self,
        keys: &Keyring,
        read_ahead: Vec<u8>,
        watched: &Watched,
        within: Duration,
    ) -> Result<Agreed, HandshakeError> {
        let (connection, asked) = keys.connection()?;
        let tls = self.shake_hands(connection.into(), read_ahead, watched, within).await?;
        Ok(Agreed::of(tls.state(), asked.name()))
    }

    /// Does the client's side of the handshake with the server at this address; it has `within` for all of it.
    ///
    /// # Errors
    /// The connection is of no use then.
    pub async fn connect(
        &mut self,
        hop: &Hop,
        server: IpAddr,
        watched: &Watched,
        within: Duration,
    ) -> Result<Agreed, HandshakeError> {
        let tls = self.shake_hands(hop.connection(server)?, Vec::new(), watched, within).await?;
        Ok(Agreed::of(tls.state(), None))
    }

    async fn shake_hands(
        &mut self,
        records: Records,
        read_ahead: Vec<u8>,
        watched: &Watched,
        within: Duration,
    ) -> Result<&Records, HandshakeError> {
        let mut tls = Box::new(records);
        let due = watched.due(within);
        let mut advanced = tls.take(read_ahead).map(ring::recycle);
        loop {
            // What was sealed before a fault is the alert that tells the peer.
            watched.arm_write(within);
            let written = tls.flush(&self.stream).await;
            watched.disarm();
            advanced?;
            written.map_err(HandshakeError::Broken)?;
            if !tls.is_handshaking() {
                break;
            }
            watched.arm_read_until(within, due);
            let (read, arrived) = self.stream.read(Vec::new(), RECEIVE_BUFFER_BYTES).await;
            watched.disarm();
            match read {
                Ok(0) if watched.expired() => return Err(HandshakeError::TimedOut),
                Ok(0) => return Err(HandshakeError::Closed),
                Ok(_) => advanced = tls.take(arrived).map(ring::recycle),
                Err(error) => return Err(HandshakeError::Broken(error)),
            }
        }
        Ok(self.tls.insert(tls))
    }

    /// As [`Stream::read`]: waits for input and appends at most `at_most` bytes of it; `Ok(0)` is its end.
    pub async fn read(&mut self, buffer: Vec<u8>, at_most: usize) -> (io::Result<usize>, Vec<u8>) {
        match &mut self.tls {
            None => self.stream.read(buffer, at_most).await,
            Some(tls) => tls.read(&self.stream, buffer, at_most).await,
        }
    }

    /// As [`Stream::post`]: begins to write all of `buffer` and gives back an empty one.
    pub async fn post(&mut self, mut buffer: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let Some(tls) = &mut self.tls else { return self.stream.post(buffer).await };
        if let Err(error) = tls.seal(&buffer) {
            return (Err(io::Error::other(error)), buffer);
        }
        buffer.clear();
        let (posted, spare) = self.stream.post(std::mem::take(tls.sealed())).await;
        *tls.sealed() = spare;
        (posted, buffer)
    }

    /// As [`Stream::write_all`]: writes all of `buffer` and gives it back as it was.
    pub async fn write_all(&mut self, buffer: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let Some(tls) = &mut self.tls else { return self.stream.write_all(buffer).await };
        let written = match tls.seal(&buffer) {
            Ok(()) => tls.flush(&self.stream).await,
            Err(error) => Err(io::Error::other(error)),
        };
        (written, buffer)
    }

    /// Writes the last that is said, and says that it was the last (RFC 8446, 6.1).
    pub async fn write_last(&mut self, buffer: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        if let Some(tls) = &mut self.tls {
            let sealed = tls.seal(&buffer);
            tls.close();
            let written = tls.flush(&self.stream).await;
            return (sealed.map_err(io::Error::other).and(written), buffer);
        }
        self.stream.write_all(buffer).await
    }

    /// As [`Stream::write_segments`]: writes all segments one after the other and gives them back.
    ///
    /// Inside TLS, what is written is not what was given, but when this fails the same holds as outside: the peer does not have all of
    /// it. The last bytes are in the last record, which counts for nothing before its own last byte, the tag, has come; and that byte
    /// is the last of the last write. Records before it may have arrived whole, as any part of a message may outside TLS.
    pub async fn write_segments(&mut self, segments: Segments) -> (io::Result<()>, Segments) {
        let Some(tls) = &mut self.tls else { return self.stream.write_segments(segments).await };
        let mut written = Ok(());
        for piece in segments.pieces() {
            for part in piece.bytes().chunks(TLS_WRITE_BYTES) {
                written = tls.seal(part).map_err(io::Error::other);
                if written.is_ok() && tls.sealed().len() >= TLS_WRITE_BYTES {
                    written = tls.flush(&self.stream).await;
                }
                if written.is_err() {
                    return (written, segments);
                }
            }
        }
        if written.is_ok() {
            written = tls.flush(&self.stream).await;
        }
        (written, segments)
    }

    /// Whether the end of the input is known to have come.
    pub fn has_ended(&self) -> bool {
        self.stream.has_ended() || self.tls.as_ref().is_some_and(|tls| tls.has_ended())
    }
}

impl Records {
    /// The future may be dropped: what has come is in here or in the stream.
    async fn read(
        &mut self,
        stream: &Stream,
        mut buffer: Vec<u8>,
        at_most: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        if buffer.is_empty() {
            ring::recycle(std::mem::take(&mut buffer));
        }
        while self.opened().is_empty() {
            if self.has_ended() {
                return (Ok(0), buffer);
            }
            if self.sealed().is_empty() && self.sealed().capacity() > TLS_SPARE_BYTES {
                *self.sealed() = Vec::new();
            }
            let (read, arrived) = stream.read(Vec::new(), RECEIVE_BUFFER_BYTES).await;
            match read {
                // Without a close_notify it may have been cut off by somebody else; what SMTP needs whole says itself where it ends.
                Ok(0) => return (Ok(0), buffer),
                Ok(_) => {}
                Err(error) => return (Err(error), buffer),
            }
            let taken = self.take(arrived).map(ring::recycle);
            // An answer of TLS itself, such as to a change of keys, or the alert. It must not wait for a peer that does not read: what
            // cannot go now goes with the next write.
            if !self.sealed().is_empty() && !stream.is_writing() {
                let (_told_to_the_next, spare) = stream.post(std::mem::take(self.sealed())).await;
                *self.sealed() = spare;
            }
            if let Err(error) = taken {
                return (Err(io::Error::other(error)), buffer);
            }
        }
        let opened = self.opened();
        let count = opened.len().min(at_most);
        if buffer.is_empty() && count == opened.len() {
            return (Ok(count), std::mem::take(opened));
        }
        buffer.extend(opened.drain(..count));
        (Ok(count), buffer)
    }

    /// Writes the records that are there.
    async fn flush(&mut self, stream: &Stream) -> io::Result<()> {
        if self.sealed().is_empty() {
            return Ok(());
        }
        let (written, mut sealed) = stream.write_all(std::mem::take(self.sealed())).await;
        sealed.clear();
        *self.sealed() = sealed;
        written
    }
}
