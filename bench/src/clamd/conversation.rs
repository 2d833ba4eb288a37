//! A connection to the stand-in: clamd's protocol (clamd(8), COMMANDS).
//!
//! Outside of a session a connection is for one command. In a session (IDSESSION ... END) replies carry the number of their command.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use super::Server;
use super::fault::Fate;
use super::needles::Search;

/// Longest command, in bytes.
const COMMAND_BYTES_MAX: usize = 1024;
/// How much of a stream is looked at at a time, in bytes.
const PIECE_BYTES: usize = 64 << 10;
/// How long a client may be silent, and a stalled scan is kept.
const SILENCE_MAX: Duration = Duration::from_mins(2);
/// Under this name a fault finds what is not there.
const NOT_THERE: &str = "Stand-In.Not.There";

/// Whether a connection goes on.
enum Then {
    GoOn,
    End,
}

pub(super) struct Conversation<S> {
    server: Rc<Server>,
    stream: BufReader<S>,
    /// The number of the last command; `None` outside of a session.
    session: Option<u64>,
    /// What ends a reply: as the command ended.
    end: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) fn new(server: Rc<Server>, stream: S) -> Self {
        Self { server, stream: BufReader::with_capacity(PIECE_BYTES, stream), session: None, end: b'\n' }
    }

    pub(super) async fn serve(mut self) -> io::Result<()> {
        let (refuses, busy) = {
            let (faults, mut dice) = (self.server.faults.borrow(), self.server.dice.borrow_mut());
            (faults.refuses(&mut dice), faults.busy(&mut dice))
        };
        if refuses {
            self.count_fault("refuse");
            return Ok(());
        }
        if !busy.is_zero() {
            self.count_fault("busy");
            tokio::time::sleep(busy).await;
        }
        while let Some(command) = timeout(SILENCE_MAX, self.command()).await?? {
            match self.obey(&command).await? {
                Then::GoOn if self.session.is_some() => {}
                _ => break,
            }
        }
        self.stream.shutdown().await
    }

    /// The next command without its prefix and end; `None` at the end of the input.
    async fn command(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut command = Vec::new();
        loop {
            let byte = match self.stream.read_u8().await {
                Ok(byte) => byte,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error),
            };
            if command.is_empty() {
                self.end = if byte == b'z' { 0 } else { b'\n' };
            }
            if byte == self.end {
                break;
            }
            if command.len() == COMMAND_BYTES_MAX {
                return Err(io::Error::other("a command without an end"));
            }
            command.push(byte);
        }
        // The old form has neither prefix nor a reply that ends otherwise than with a line end.
        if matches!(command.first(), Some(b'n' | b'z')) {
            command.remove(0);
        }
        Ok(Some(command))
    }

    async fn obey(&mut self, command: &[u8]) -> io::Result<Then> {
        if let Some(number) = &mut self.session {
            *number += 1;
        }
        match command.trim_ascii_end() {
            b"PING" => {
                self.count("PING");
                self.reply("PONG").await?;
            }
            b"VERSION" => {
                self.count("VERSION");
                self.reply(concat!("ClamAV 1.0.0/stand-in ", env!("CARGO_PKG_VERSION"))).await?;
            }
            b"IDSESSION" if self.session.is_none() => {
                self.count("IDSESSION");
                self.session = Some(0);
            }
            b"END" if self.session.is_some() => {
                self.count("END");
                return Ok(Then::End);
            }
            b"INSTREAM" => {
                self.count("INSTREAM");
                return self.scan().await;
            }
            _ => {
                self.count("unknown");
                self.reply("UNKNOWN COMMAND").await?;
                return Ok(Then::End);
            }
        }
        Ok(Then::GoOn)
    }

    /// Reads a stream and says what is in it.
    async fn scan(&mut self) -> io::Result<Then> {
        let (fate, latency) = {
            let (faults, mut dice) = (self.server.faults.borrow(), self.server.dice.borrow_mut());
            (faults.fate(&mut dice), faults.latency(&mut dice))
        };
        if let Some(word) = fate.word() {
            self.count_fault(word);
        }
        let Some(found) = self.read_stream(fate).await? else { return Ok(Then::End) };
        if fate == Fate::Stall {
            tokio::time::sleep(SILENCE_MAX).await;
            return Ok(Then::End);
        }
        tokio::time::sleep(latency).await;
        match fate {
            Fate::Error => self.reply("stream: Can't allocate memory ERROR").await?,
            Fate::Garbage => self.reply("\u{1}?\u{fffd} 250 stream maybe").await?,
            Fate::Infected => self.reply(&format!("stream: {NOT_THERE} FOUND")).await?,
            _ => {
                let reply = self.verdict(&found);
                self.reply(&reply).await?;
            }
        }
        Ok(Then::GoOn)
    }

    fn verdict(&self, search: &Search) -> String {
        let mut counts = self.server.counts.borrow_mut();
        let Some(name) = self.server.needles.found(search) else {
            counts.clean += 1;
            return String::from("stream: OK");
        };
        *counts.found.entry(name.to_owned()).or_default() += 1;
        format!("stream: {name} FOUND")
    }

    /// Reads chunks with their length in front up to the empty one; `None` if the connection is at its end meanwhile.
    async fn read_stream(&mut self, fate: Fate) -> io::Result<Option<Search>> {
        let mut search = Search::default();
        let mut total = 0;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let mut left = timeout(SILENCE_MAX, self.stream.read_u32()).await??;
            if left == 0 {
                return Ok(Some(search));
            }
            total += u64::from(left);
            if total > self.server.size_max as u64 || fate == Fate::TooLarge {
                self.server.counts.borrow_mut().too_large += u64::from(fate != Fate::TooLarge);
                self.reply("INSTREAM size limit exceeded. ERROR").await?;
                return Ok(None);
            }
            if fate == Fate::Close {
                return Ok(None);
            }
            while left > 0 {
                let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
                let room = piece.get_mut(..wanted).unwrap_or_default();
                let count = timeout(SILENCE_MAX, self.stream.read(room)).await??;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                left -= u32::try_from(count).unwrap_or(left);
                self.server.counts.borrow_mut().bytes += count as u64;
                self.server.needles.look(&mut search, room.get(..count).unwrap_or_default());
            }
        }
    }

    async fn reply(&mut self, text: &str) -> io::Result<()> {
        let number = self.session.map(|number| format!("{number}: ")).unwrap_or_default();
        let mut reply = format!("{number}{text}").into_bytes();
        reply.push(self.end);
        timeout(SILENCE_MAX, self.stream.write_all(&reply)).await?
    }

    fn count(&self, command: &'static str) {
        *self.server.counts.borrow_mut().commands.entry(command).or_default() += 1;
    }

    fn count_fault(&self, word: &'static str) {
        *self.server.counts.borrow_mut().faults.entry(word).or_default() += 1;
    }
}
