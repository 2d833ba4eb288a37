//! The reference servers over real sockets: pipelined and split mail, and connections one after the other.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use common::{Sink, bench};

const DRIVERS: [&str; 2] = ["epoll", "raw-uring"];
const TRANSACTION: &str = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";

struct Reference(Sink);

impl Reference {
    fn start(driver: &str) -> Self {
        Self(Sink::started(&mut bench(&["reference", driver, "--listen", "127.0.0.1:0"])))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.0.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Ends it as a user does; how many messages it says it took.
    fn end(self) -> u64 {
        self.0.ask_to_end();
        let (status, output) = self.0.output();
        assert!(status.success());
        output.trim().strip_prefix("messages ").expect("the count").parse().unwrap()
    }
}

/// All replies until the server closes, as their codes.
fn codes(mut stream: TcpStream) -> Vec<u16> {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.lines().filter(|line| !line[3..].starts_with('-')).map(|line| line[..3].parse().unwrap()).collect()
}

#[test]
fn pipelined_mail_is_taken_and_answered_in_order() {
    for driver in DRIVERS {
        let reference = Reference::start(driver);
        let mut stream = reference.connect();
        let text = format!(
            "EHLO a\r\n{TRANSACTION}A: b\r\n\r\n..\r\n.\r\n{TRANSACTION}.\r\nRSET\r\nNOOP\r\nQUIT\r\n"
        );
        stream.write_all(text.as_bytes()).unwrap();
        let expected = [220, 250, 250, 250, 354, 250, 250, 250, 354, 250, 250, 250, 221];
        assert_eq!(codes(stream), expected, "{driver}");
        assert_eq!(reference.end(), 2, "{driver}");
    }
}

#[test]
fn the_end_of_a_message_may_be_split_at_every_byte() {
    for driver in DRIVERS {
        let reference = Reference::start(driver);
        let text = format!("EHLO a\r\n{TRANSACTION}x\r\n.\r\nQUIT\r\n");
        for at in 1..text.len() {
            let mut stream = reference.connect();
            stream.write_all(&text.as_bytes()[..at]).unwrap();
            // A whole session meanwhile: one thread serves both, so it has read the first part by then.
            let mut other = reference.connect();
            other.write_all(b"QUIT\r\n").unwrap();
            assert_eq!(codes(other), [220, 221], "{driver}");
            stream.write_all(&text.as_bytes()[at..]).unwrap();
            assert_eq!(codes(stream), [220, 250, 250, 250, 354, 250, 221], "{driver} at {at}");
        }
        assert_eq!(reference.end(), text.len() as u64 - 1, "{driver}");
    }
}

/// The bare ring once closed the next client's connection with the last one's place in the file table.
#[test]
fn a_connection_does_not_end_with_the_one_before() {
    const CLIENTS: u64 = 8;
    const SESSIONS: u64 = 500;
    // Larger than a receive buffer.
    let body = "x".repeat(70) + "\r\n";
    let text = format!("EHLO a\r\n{TRANSACTION}{}.\r\nQUIT\r\n", body.repeat(300));
    for driver in DRIVERS {
        let reference = Reference::start(driver);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    for _ in 0..SESSIONS {
                        let mut stream = reference.connect();
                        stream.write_all(text.as_bytes()).unwrap();
                        // As most clients do, it leaves as soon as it has the last reply, so that both sides close at once.
                        let last = BufReader::new(&stream)
                            .lines()
                            .find(|line| line.as_ref().unwrap().starts_with("221"));
                        assert!(last.is_some(), "{driver}");
                    }
                });
            }
        });
        assert_eq!(reference.end(), CLIENTS * SESSIONS, "{driver}");
    }
}
