//! SMTP smuggling over real sockets: MX -> scanner -> a sink that writes down every byte. What it was sent is then read once more by
//! hops of every leniency: none of them finds a second envelope in it.
//!
//! `engine/smtp/tests/smuggling.rs` has all look-alikes; here are those that servers are known to have fallen for.

#[path = "../../engine/smtp/tests/common/hop.rs"]
mod hop;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use hop::{Hop, Leniency};
use weir_tests::rules::{relay, scanner};
use weir_tests::{Loopback, PATIENCE, Weir};

/// Of CVE-2023-51764 (Postfix), 51765 (sendmail) and 51766 (Exim), of SEC Consult's list for Cisco, GMX and Exchange, and of their kin.
const LOOKALIKES: [&[u8]; 26] = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r.\n",
    b"\r\r\n.\n\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\n\n.\n\n",
    b"\n\r.\n\r",
    b"\n\r.\r\n",
    b"\r\r.\r\r",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\n\0.\0\r\n",
    b"\r\0\n.\r\n",
    b"\r\n.\r\0\n",
    b"\n\0.\0\n",
    b"\0\n.\n\0",
    b"\r\n..\n",
    b"\r\n..\r\n",
    b"\r\n. \r\n",
    b"\r\n.\x1a\r\n",
];

const ENVELOPE: [&str; 3] =
    ["EHLO client.example.net\r\n", "MAIL FROM:<a@example.net>\r\n", "RCPT TO:<dev@example.org>\r\n"];

/// What the client writes down of its own accord behind each.
const EVIL: &str =
    "MAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n";

/// A next hop by the book that keeps what it was sent, connection by connection.
struct Tap(Arc<Mutex<Vec<Vec<u8>>>>);

impl Tap {
    fn start(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("the tap's address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let tap = Self(Arc::clone(&heard));
        // Ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = Arc::clone(&heard);
                thread::spawn(move || drop(serve(stream, &heard)));
            }
        });
        tap
    }

    /// Whether a message came as a chunk.
    fn has_chunks(&self) -> bool {
        let heard = self.0.lock().expect("no poisoned lock");
        heard.iter().any(|bytes| String::from_utf8_lossy(bytes).contains("\r\nBDAT "))
    }

    /// All letters that hops of this leniency find in what was sent.
    fn letters(&self, leniency: Leniency) -> Vec<hop::Letter> {
        let heard = self.0.lock().expect("no poisoned lock");
        let hops = heard.iter().map(|bytes| {
            let mut hop = Hop::new(leniency);
            hop.take(bytes);
            assert!(hop.nonsense.is_empty(), "{leniency:?} takes for commands: {:?}", hop.nonsense);
            hop
        });
        hops.flat_map(|hop| hop.letters).collect()
    }
}

fn serve(mut stream: TcpStream, heard: &Mutex<Vec<Vec<u8>>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 tap\r\n")?;
    let mut hop = Hop::new(Leniency::default());
    let place = {
        let mut heard = heard.lock().expect("no poisoned lock");
        heard.push(Vec::new());
        heard.len() - 1
    };
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        let piece = piece.get(..count).unwrap_or_default();
        let mut heard = heard.lock().expect("no poisoned lock");
        heard.get_mut(place).expect("the connection's own bytes").extend_from_slice(piece);
        drop(heard);
        stream.write_all(hop.take(piece).as_bytes())?;
    }
}

/// MX, scanner, and the tap behind them.
struct Chain {
    entry: SocketAddr,
    tap: Tap,
    _hosts: [Weir; 2],
}

impl Chain {
    fn start(line_breaks: &str, mx: &str, behind: &str) -> Self {
        let here = Loopback::new();
        let (entry, middle, end) = (here.port(), here.port(), here.port());
        let tap = Tap::start(end);
        let scans = scanner(middle, end).replace("pool next {", &format!("pool next {{\n  {behind}"));
        let scans = Weir::start(&scans, middle);
        let mx = relay(entry, &[middle], &format!("  line_breaks {line_breaks}"), mx);
        let mx = Weir::start(&mx, entry);
        Self { entry, tap, _hosts: [mx, scans] }
    }
}

/// How a client sends its message.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// A command at a time, then the message, the look-alike byte by byte.
    Data,
    /// All at once.
    Pipelined,
    /// All at once, in two chunks: the cut is in the look-alike.
    Chunks,
}

/// Sends a message that holds a look-alike; the code of the reply to it.
fn send(entry: SocketAddr, way: Way, subject: &str, lookalike: &[u8]) -> io::Result<u16> {
    let mut stream = TcpStream::connect(entry)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let start = format!("Subject: {subject}\r\n\r\nfirst");
    let content = [start.as_bytes(), lookalike, EVIL.as_bytes()].concat();
    let mut replies = Replies { stream: stream.try_clone()?, heard: Vec::new() };
    assert_eq!(replies.next()?, 220);
    let envelope = ENVELOPE.concat();
    match way {
        Way::Data => {
            for command in ENVELOPE.into_iter().chain(["DATA\r\n"]) {
                stream.write_all(command.as_bytes())?;
                assert!(replies.next()? < 400);
            }
            stream.write_all(start.as_bytes())?;
            for byte in lookalike {
                stream.write_all(&[*byte])?;
                // Others get the processor, so that the byte is likely to be read alone.
                thread::yield_now();
            }
            stream.write_all(format!("{EVIL}.\r\nQUIT\r\n").as_bytes())?;
        }
        Way::Pipelined => {
            let session = [envelope.as_bytes(), b"DATA\r\n", &content, b".\r\nQUIT\r\n"];
            stream.write_all(&session.concat())?;
        }
        Way::Chunks => {
            let (first, second) = content.split_at(start.len() + lookalike.len() / 2);
            let sizes = [format!("BDAT {}\r\n", first.len()), format!("BDAT {} LAST\r\n", second.len())];
            let [one, other] = sizes.each_ref().map(String::as_bytes);
            stream.write_all(&[envelope.as_bytes(), one, first, other, second, b"QUIT\r\n"].concat())?;
        }
    }
    let mut refused = None;
    if !matches!(way, Way::Data) {
        // EHLO, MAIL, RCPT and DATA, or the first chunk.
        for _ in 0..=ENVELOPE.len() {
            let code = replies.next()?;
            refused = refused.or((code >= 400).then_some(code));
        }
    }
    let code = replies.next()?;
    assert_eq!(replies.next()?, 221, "one reply to the message and no more");
    Ok(refused.unwrap_or(code))
}

struct Replies {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Replies {
    /// The code of the next reply.
    fn next(&mut self) -> io::Result<u16> {
        loop {
            let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') else {
                let mut piece = [0; 1024];
                let count = self.stream.read(&mut piece)?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.heard.extend_from_slice(piece.get(..count).unwrap_or_default());
                continue;
            };
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.get(..3).unwrap_or_default().parse().map_err(io::Error::other);
            }
        }
    }
}

/// Sends every look-alike in every way through the chain; who is accepted has arrived once, whoever reads it.
fn check(chain: &Chain, is_accepted: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    let mut accepted = Vec::new();
    for (number, lookalike) in LOOKALIKES.iter().enumerate() {
        for way in [Way::Data, Way::Pipelined, Way::Chunks] {
            let subject = format!("case {number} {way:?}");
            let code = send(chain.entry, way, &subject, lookalike)?;
            let expected = if is_accepted(lookalike) { 250 } else { 550 };
            assert_eq!(code, expected, "{way:?}: {}", lookalike.escape_ascii());
            if code == 250 {
                accepted.push(subject);
            }
        }
    }
    // The 250 follows the tap's: what is there now is all there will be.
    for leniency in Leniency::all() {
        let letters = chain.tap.letters(leniency);
        assert!(letters.iter().all(|letter| letter.rcpts == ["<dev@example.org>"]), "{leniency:?}");
        let subject = |letter: &hop::Letter| {
            let text = String::from_utf8_lossy(&letter.lines.concat()).into_owned();
            let (_, behind) = text.split_once("Subject: ").expect("a subject");
            let (subject, _) = behind.split_once("first").expect("the first line");
            subject.trim_end().to_owned()
        };
        let mut subjects: Vec<String> = letters.iter().map(subject).collect();
        subjects.sort();
        accepted.sort();
        assert_eq!(subjects, accepted, "{leniency:?}");
    }
    Ok(())
}

fn is_whole(lookalike: &[u8]) -> bool {
    let text = String::from_utf8_lossy(lookalike).replace("\r\n", "");
    !text.contains(['\r', '\n', '\0'])
}

const NO_CHUNKS: &str = "extensions without CHUNKING";

#[test]
fn a_strict_chain_refuses_every_look_alike() -> io::Result<()> {
    for (mx, behind) in [("", NO_CHUNKS), (NO_CHUNKS, "")] {
        check(&Chain::start("strict", mx, behind), is_whole)?;
    }
    Ok(())
}

#[test]
fn a_mending_chain_passes_one_message_or_none() -> io::Result<()> {
    let has_no_nul = |lookalike: &[u8]| !lookalike.contains(&0);
    for (mx, behind) in [("", NO_CHUNKS), (NO_CHUNKS, "")] {
        let chain = Chain::start("normalise", mx, behind);
        check(&chain, has_no_nul)?;
        assert_eq!(chain.tap.has_chunks(), behind.is_empty());
    }
    Ok(())
}
