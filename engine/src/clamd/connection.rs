//! A session with one clamd.

use std::io;
use std::time::Duration;

use super::{Host, Reason, Scan, reply};
use crate::limits::{CLAMD_CHUNK_BYTES, CLAMD_REPLY_BYTES_MAX, GATHER_PIECES_MAX};
use crate::ring::{Segment, Segments, Stream, Watch, Watched};

/// A connection in an IDSESSION, in which replies carry the number of their command.
pub(super) struct Connection {
    stream: Stream,
    watched: Watched,
    scans: u32,
    segments: Segments,
    input: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(host: &Host, within: Duration, watch: &Watch) -> io::Result<Self> {
        let stream = match host {
            Host::Tcp(address) => {
                let stream = Stream::connect(*address, within).await?;
                stream.set_nodelay()?;
                stream
            }
            Host::Unix(path) => Stream::connect_unix(path, within).await?,
        };
        let watched = stream.watch(watch);
        Ok(Self { stream, watched, scans: 0, segments: Segments::default(), input: Vec::new() })
    }

    /// How many scans have been begun.
    pub(super) fn scans(&self) -> u32 {
        self.scans
    }

    /// Scans one message. After an error the connection is of no more use.
    pub(super) async fn scan(
        &mut self,
        within: Duration,
        content: impl Iterator<Item = Segment>,
    ) -> Result<Scan, Reason> {
        // One deadline for all: when it passes, the connection is of no more use.
        self.watched.arm_write(within);
        let sent = self.send(content).await;
        // It has its verdict already when a limit is exceeded, and closes: so the reply counts more than the write.
        let reply = self.reply().await;
        self.watched.disarm();
        let result = match (sent, reply) {
            (_, Ok(reply)) => reply::read(&reply, self.scans),
            (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(Reason::Broken(error.to_string())),
        };
        match result {
            Err(Reason::Broken(_)) if self.watched.expired() => Err(Reason::Timeout),
            result => result,
        }
    }

    /// Sends the command and the message in chunks, each a length and as many pieces as fit one write.
    async fn send(&mut self, content: impl Iterator<Item = Segment>) -> io::Result<()> {
        let mut content = content.filter(|piece| !piece.bytes().is_empty()).peekable();
        let mut prefix = if self.scans == 0 { b"zIDSESSION\0".to_vec() } else { Vec::new() };
        prefix.extend_from_slice(b"zINSTREAM\0");
        self.scans += 1;
        while content.peek().is_some() {
            let mut chunk = Vec::new();
            let mut bytes = 0;
            while bytes < CLAMD_CHUNK_BYTES && chunk.len() + 1 < GATHER_PIECES_MAX {
                let Some(piece) = content.next() else { break };
                bytes += piece.bytes().len();
                chunk.push(piece);
            }
            // A piece is part of a message in memory, which is far smaller than the 4 GiB of a chunk.
            let length = u32::try_from(bytes).map_err(io::Error::other)?;
            prefix.extend_from_slice(&length.to_be_bytes());
            prefix = self.write(prefix, chunk).await?;
        }
        prefix.extend_from_slice(&0_u32.to_be_bytes());
        self.write(prefix, Vec::new()).await?;
        Ok(())
    }

    /// Writes `prefix` and `chunk`, and gives the emptied prefix back.
    async fn write(&mut self, prefix: Vec<u8>, chunk: Vec<Segment>) -> io::Result<Vec<u8>> {
        let mut segments = std::mem::take(&mut self.segments);
        segments.push(Segment::Owned(prefix));
        for piece in chunk {
            segments.push(piece);
        }
        let (written, mut segments) = self.stream.write_segments(segments).await;
        let prefix = match segments.drain().next() {
            Some(Segment::Owned(mut prefix)) => {
                prefix.clear();
                prefix
            }
            _ => Vec::new(),
        };
        self.segments = segments;
        written.map(|()| prefix)
    }

    /// The reply, without the NUL that ends it.
    async fn reply(&mut self) -> io::Result<Vec<u8>> {
        self.input.clear();
        loop {
            let room = CLAMD_REPLY_BYTES_MAX - self.input.len();
            if room == 0 {
                return Err(io::Error::other("the reply is too long"));
            }
            let (count, input) = self.stream.read(std::mem::take(&mut self.input), room).await;
            self.input = input;
            if count? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match memchr::memchr(0, &self.input) {
                Some(end) if end + 1 == self.input.len() => {
                    self.input.truncate(end);
                    return Ok(std::mem::take(&mut self.input));
                }
                // What follows the reply to the only command was not asked for.
                Some(_) => return Err(io::Error::other("more than one reply")),
                None => {}
            }
        }
    }
}
