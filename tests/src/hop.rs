//! A next hop that offers what a test wants and writes down what it is told, command by command.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::wait::PATIENCE;

/// What version 2 of the PROXY header begins with, in bytes. No header of version 1 is shorter.
const PROXY_SIGNATURE: usize = 12;

/// A running next hop.
pub struct Hop {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    offers: Vec<&'static str>,
    wants_proxy: bool,
    sessions: Mutex<Vec<Vec<String>>>,
    ended: AtomicBool,
}

impl Hop {
    /// Listens, offers these extensions and takes everything.
    pub fn start(address: SocketAddr, offers: &[&'static str]) -> Self {
        Self::with(address, offers, false)
    }

    /// As [`Hop::start`], behind a header of the PROXY protocol, of either version.
    pub fn behind_proxy(address: SocketAddr, offers: &[&'static str]) -> Self {
        Self::with(address, offers, true)
    }

    fn with(address: SocketAddr, offers: &[&'static str], wants_proxy: bool) -> Self {
        let listener = TcpListener::bind(address).expect("the hop's address");
        let shared = Arc::new(Shared { offers: offers.to_vec(), wants_proxy, ..Shared::default() });
        let hop = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.ended.load(SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&shared);
                // A peer that goes away in the middle is its own business; what it said was written down.
                thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        hop
    }

    /// What each connection has said: its PROXY header, commands, and the content of messages with `> ` in front of each line.
    pub fn sessions(&self) -> Vec<Vec<String>> {
        self.shared.sessions.lock().expect("no poisoned lock").clone()
    }

    /// All that was said which begins with this word, in order.
    pub fn said(&self, word: &str) -> Vec<String> {
        let sessions = self.sessions();
        sessions.into_iter().flatten().filter(|line| line.starts_with(word)).collect()
    }
}

impl Drop for Hop {
    fn drop(&mut self) {
        self.shared.ended.store(true, SeqCst);
        // Wakes the thread that waits for connections, so that it sees the end and frees the port.
        drop(TcpStream::connect(self.address));
    }
}

/// One connection.
struct Session<'a> {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    shared: &'a Shared,
    number: usize,
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE * 5))?;
    stream.set_nodelay(true)?;
    let number = {
        let mut sessions = shared.sessions.lock().expect("no poisoned lock");
        sessions.push(Vec::new());
        sessions.len() - 1
    };
    let writer = stream.try_clone()?;
    let mut session = Session { reader: BufReader::new(stream), writer, shared, number };
    if shared.wants_proxy {
        session.proxy()?;
    }
    session.say("220 hop.example.org ESMTP")?;
    while session.command()? {}
    Ok(())
}

impl Session<'_> {
    fn note(&self, line: impl Into<String>) {
        let mut sessions = self.shared.sessions.lock().expect("no poisoned lock");
        sessions.get_mut(self.number).expect("the session's own lines").push(line.into());
    }

    fn say(&mut self, reply: &str) -> io::Result<()> {
        self.writer.write_all(format!("{reply}\r\n").as_bytes())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        Ok(line)
    }

    fn proxy(&mut self) -> io::Result<()> {
        let mut first = [0; PROXY_SIGNATURE];
        self.reader.read_exact(&mut first)?;
        if first.starts_with(b"PROXY ") {
            let rest = self.line()?;
            self.note(format!("{}{}", String::from_utf8_lossy(&first), rest.trim_end()));
            return Ok(());
        }
        let mut fixed = [0; 4];
        self.reader.read_exact(&mut fixed)?;
        let [.., high, low] = fixed;
        let mut rest = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        self.reader.read_exact(&mut rest)?;
        let hex: Vec<String> = fixed.iter().chain(&rest).map(|byte| format!("{byte:02x}")).collect();
        self.note(format!("PROXY2 {}", hex.concat()));
        Ok(())
    }

    /// Serves one command; false at the end.
    fn command(&mut self) -> io::Result<bool> {
        let line = self.line()?;
        if line.is_empty() {
            return Ok(false);
        }
        self.note(line.trim_end());
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => self.hello()?,
            "XCLI" => self.say("220 hop.example.org ESMTP")?,
            "DATA" => {
                self.say("354 go on")?;
                self.data()?;
                self.say("250 2.0.0 taken")?;
            }
            "BDAT" => {
                let bytes = line.split_whitespace().nth(1).and_then(|bytes| bytes.parse().ok());
                let mut chunk = vec![0; bytes.expect("a size")];
                self.reader.read_exact(&mut chunk)?;
                String::from_utf8_lossy(&chunk).lines().for_each(|line| self.note(format!("> {line}")));
                self.say("250 2.0.0 taken")?;
            }
            "QUIT" => {
                self.say("221 2.0.0 bye")?;
                return Ok(false);
            }
            _ => self.say("250 2.0.0 ok")?,
        }
        Ok(true)
    }

    fn hello(&mut self) -> io::Result<()> {
        let lines: Vec<&str> =
            std::iter::once("hop.example.org").chain(self.shared.offers.iter().copied()).collect();
        let (last, first) = lines.split_last().expect("a name");
        for line in first {
            self.say(&format!("250-{line}"))?;
        }
        self.say(&format!("250 {last}"))
    }

    fn data(&mut self) -> io::Result<()> {
        loop {
            let line = self.line()?;
            match line.trim_end() {
                "." => return Ok(()),
                _ if line.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                text => self.note(format!("> {text}")),
            }
        }
    }
}
