//! A client and a next hop that take no memory once they run.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use memchr::memmem;

/// No peer waits longer for the other, so that a fault does not hang.
const WAIT_MAX: Duration = Duration::from_secs(20);
const MESSAGE_BYTES: usize = 4096;
const FINAL_DOT: &[u8] = b"\r\n.\r\n";

/// What a next hop says to EHLO that takes DATA alone,
pub(crate) const PLAIN: &[u8] = b"250 sink.example.org\r\n";
/// and one that takes chunks.
pub(crate) const CHUNKING: &[u8] =
    b"250-sink.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 10485760\r\n250 CHUNKING\r\n";

/// A client of one connection.
pub(crate) struct Client {
    stream: TcpStream,
    inbox: Inbox,
    pipelines: bool,
    message: Vec<u8>,
    /// Messages so far.
    pub(crate) sent: u32,
}

impl Client {
    /// A session that is ready for a message.
    pub(crate) fn connect(weir: SocketAddr, pipelines: bool) -> Self {
        let stream = TcpStream::connect(weir).expect("weir listens");
        prepare(&stream);
        let mut message = b"Subject: allocations\r\n\r\n".to_vec();
        while message.len() < MESSAGE_BYTES {
            message
                .extend_from_slice(b"A line of a message like any other, of seventy-two bytes in all.\r\n");
        }
        message.extend_from_slice(b".\r\n");
        let mut client = Self { stream, inbox: Inbox::new(), pipelines, message, sent: 0 };
        client.expect(&[b"220"]);
        client.stream.write_all(b"EHLO client.example.org\r\n").expect("weir reads");
        client.expect(&[b"250"]);
        client
    }

    /// Sends so many messages, each of which weir takes.
    pub(crate) fn send(&mut self, messages: u32) {
        const COMMANDS: [&[u8]; 3] =
            [b"MAIL FROM:<ann@example.net>\r\n", b"RCPT TO:<bob@example.org>\r\n", b"DATA\r\n"];
        const ALL: &[u8] = b"MAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";
        const CODES: [&[u8]; 3] = [b"250", b"250", b"354"];
        for _ in 0..messages {
            if self.pipelines {
                self.stream.write_all(ALL).expect("weir reads");
                self.expect(&CODES);
            } else {
                for (command, code) in COMMANDS.into_iter().zip(CODES) {
                    self.stream.write_all(command).expect("weir reads");
                    self.expect(&[code]);
                }
            }
            self.stream.write_all(&self.message).expect("weir reads");
            self.expect(&[b"250"]);
            self.sent += 1;
        }
    }

    /// Reads as many replies as there are codes, and nothing more.
    fn expect(&mut self, codes: &[&[u8]]) {
        for code in codes {
            let mut is_last = false;
            while !is_last {
                let Some(line) = line(self.inbox.unread()) else {
                    self.inbox.read(&self.stream);
                    continue;
                };
                assert!(line.starts_with(code), "{}", String::from_utf8_lossy(line));
                is_last = line.get(3) == Some(&b' ');
                let bytes = line.len();
                self.inbox.consume(bytes);
            }
        }
        assert!(self.inbox.unread().is_empty(), "weir says what it was asked for");
    }
}

/// What a peer has read and not yet understood.
struct Inbox {
    bytes: Vec<u8>,
    filled: usize,
}

impl Inbox {
    fn new() -> Self {
        Self { bytes: vec![0; 4 * MESSAGE_BYTES], filled: 0 }
    }

    fn unread(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    fn read(&mut self, mut stream: &TcpStream) {
        let room = self.bytes.get_mut(self.filled..).unwrap_or_default();
        let count = stream.read(room).expect("the peer speaks in time");
        assert!(count > 0, "the peer stays until all is said, and what it says fits");
        self.filled += count;
    }

    fn consume(&mut self, bytes: usize) {
        self.bytes.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
    }
}

/// A next hop that takes all messages of one connection, and tells how many those were.
pub(crate) fn start_sink(offers: &'static [u8]) -> (SocketAddr, JoinHandle<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    (address, thread::spawn(move || sink(&listener.accept().expect("weir connects").0, offers)))
}

fn sink(mut stream: &TcpStream, offers: &[u8]) -> u32 {
    prepare(stream);
    let mut inbox = Inbox::new();
    let mut replies = b"220 sink.example.org\r\n".to_vec();
    let mut messages = 0;
    loop {
        // Answers to what came together leave together.
        while let Some(command) = command(inbox.unread()) {
            replies.extend_from_slice(match command.get(..4) {
                Some(b"EHLO") => offers,
                Some(b"DATA") => b"354 go on\r\n",
                // Weir does not wait for an answer.
                Some(b"QUIT") => return messages,
                _ => b"250 2.0.0 fine\r\n",
            });
            messages += u32::from(command.ends_with(FINAL_DOT) || command.starts_with(b"BDAT"));
            let bytes = command.len();
            inbox.consume(bytes);
        }
        stream.write_all(&replies).expect("weir reads");
        replies.clear();
        inbox.read(stream);
    }
}

/// The first command, with the chunk that belongs to it; or the message after DATA, which begins as no command does.
fn command(bytes: &[u8]) -> Option<&[u8]> {
    let line = line(bytes)?;
    let end = match line.strip_prefix(b"BDAT ") {
        Some(rest) => line.len() + number(rest),
        None if line.starts_with(b"Received:") => memmem::find(bytes, FINAL_DOT)? + FINAL_DOT.len(),
        None => line.len(),
    };
    bytes.get(..end)
}

fn number(text: &[u8]) -> usize {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
}

/// The first line, with its end.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..memmem::find(bytes, b"\r\n")? + 2)
}

fn prepare(stream: &TcpStream) {
    stream.set_nodelay(true).expect("an option of TCP");
    stream.set_read_timeout(Some(WAIT_MAX)).expect("a time");
}
