//! The sink over real sockets: what it counts, and each kind of fault.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

mod common;

use common::{Sink, bench, codes};

const ENVELOPE: [&str; 4] =
    ["EHLO a\r\n", "MAIL FROM:<a@example.org>\r\n", "RCPT TO:<b@example.org>\r\n", "DATA\r\n"];

/// A whole session with this message.
fn session(sink: &Sink, message: &str) -> Vec<u16> {
    codes(sink.address, &[&ENVELOPE[..], &[message]].concat())
}

const PLAIN: &str = "Subject: x\r\n\r\ntext\r\n.\r\n";
const MARKED: &str = "X-Weir-Bench: run=1 serial=1 envelope=2 body=3\r\n\r\ntext\r\n.\r\n";

#[test]
fn what_arrives_is_audited() {
    let sink = Sink::start(&[]);
    assert_eq!(session(&sink, PLAIN), [220, 250, 250, 250, 354, 250]);
    assert_eq!(session(&sink, MARKED), [220, 250, 250, 250, 354, 250]);
    assert_eq!(session(&sink, MARKED), [220, 250, 250, 250, 354, 250]);
    let (status, summary) = sink.end();
    assert!(!status.success(), "what is not whole is a failure");
    let audit = &summary["audit"];
    let numbers =
        ["lost", "doubled", "altered", "out_of_envelope", "unmarked"].map(|name| audit[name].as_u64());
    assert_eq!(numbers, [1, 1, 2, 2, 1].map(Some), "{summary}");
    assert_eq!((summary["messages"].as_u64(), summary["connections"].as_u64()), (Some(3), Some(3)));
}

#[test]
fn mail_without_marks_is_no_failure() {
    let sink = Sink::start(&[]);
    session(&sink, PLAIN);
    assert!(sink.end().0.success());
}

#[test]
fn commands_are_refused() {
    let sink = Sink::start(&["--refuse", "rcpt=450:100%"]);
    assert_eq!(codes(sink.address, &ENVELOPE), [220, 250, 250, 450, 554]);
    let sink = Sink::start(&["--refuse", "dot=552:100%"]);
    assert_eq!(session(&sink, PLAIN), [220, 250, 250, 250, 354, 552]);
    let (_, summary) = sink.end();
    assert_eq!(summary["messages"].as_u64(), Some(0), "a refused message is not taken");
    let sink = Sink::start(&["--refuse", "connect=421:100%"]);
    assert_eq!(codes(sink.address, &["EHLO a\r\n"]), [421, 0]);
}

#[test]
fn connections_close_before_at_and_after_the_dot() {
    let taken = |fault: &str, message: &str, last: u16| {
        let sink = Sink::start(&["--close", fault]);
        assert_eq!(session(&sink, message), [220, 250, 250, 250, 354, last], "{fault}");
        sink.end().1["messages"].as_u64().unwrap()
    };
    assert_eq!(taken("body=100%", "Subject: half\r\n", 0), 0);
    assert_eq!(taken("dot=100%", PLAIN, 0), 0);
    assert_eq!(taken("taken=100%", PLAIN, 0), 1);
    assert_eq!(taken("replied=100%", PLAIN, 250), 1);
}

#[test]
fn replies_come_late_and_byte_by_byte() {
    let sink = Sink::start(&["--latency", "1ms,dot=50ms", "--bytewise", "100%"]);
    let started = std::time::Instant::now();
    assert_eq!(session(&sink, PLAIN), [220, 250, 250, 250, 354, 250]);
    assert!(started.elapsed().as_millis() >= 50 + 6);
}

#[test]
fn a_stalled_session_says_nothing_and_stays_open() {
    let sink = Sink::start(&["--stall", "mail=100%"]);
    let stream = std::net::TcpStream::connect(sink.address).unwrap();
    std::io::Write::write_all(&mut &stream, b"EHLO a\r\nMAIL FROM:<>\r\n").unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    let mut replies = Vec::new();
    let error = std::io::Read::read_to_end(&mut &stream, &mut replies).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "neither a reply nor an end");
    assert!(replies.starts_with(b"220 ") && replies.ends_with(b"250 HELP\r\n"), "{replies:?}");
    drop(stream);
    assert_eq!(sink.end().1["faults"]["stalled"].as_u64(), Some(1));
}

#[test]
fn wrong_values_are_explained() {
    for (arguments, word) in [
        (["--refuse", "rcpt=250:5%"], "refuses nothing"),
        (["--close", "tail=5%"], "no point of a session"),
        (["--latency", "5"], "no time"),
        (["--messages", "0"], "1.."),
        (["--bytewise", "200%"], "no share"),
    ] {
        let output = bench(&["sink"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(word), "{text}");
    }
}
