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
        (["--without", "AUTH"], "no extension"),
    ] {
        let output = bench(&["sink"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn faults_come_and_go_by_order() {
    let mut sink = Sink::start(&["--refuse", "mail=451:100%"]);
    assert_eq!(codes(sink.address, &ENVELOPE[..2]), [220, 250, 451]);
    assert_eq!(sink.order("refuse rcpt=450:100%"), "done: refuse rcpt=450:100%");
    assert_eq!(codes(sink.address, &ENVELOPE), [220, 250, 250, 450, 554]);
    assert!(sink.order("refuse rcpt=250:5%").starts_with("not done: refuse rcpt=250:5%: "));
    assert_eq!(codes(sink.address, &ENVELOPE), [220, 250, 250, 450, 554]);
    assert_eq!(sink.order("close taken=100%"), "done: close taken=100%");
    assert_eq!(sink.order("refuse none"), "done: refuse none");
    assert_eq!(session(&sink, PLAIN), [220, 250, 250, 250, 354, 0]);
    assert_eq!(sink.order("none"), "done: none");
    assert_eq!(session(&sink, PLAIN), [220, 250, 250, 250, 354, 250]);
}

#[test]
fn chunks_are_taken_and_audited() {
    let sink = Sink::start(&[]);
    let envelope = &ENVELOPE[..3];
    let chunks = [
        "BDAT 12\r\nSubject: x\r\n",
        "RSET\r\n",
        ENVELOPE[1],
        ENVELOPE[2],
        "BDAT 2\r\n\r\n",
        "BDAT 8 LAST\r\n.text..\n",
    ];
    let found = codes(sink.address, &[envelope, &chunks].concat());
    assert_eq!(found, [220, 250, 250, 250, 250, 250, 250, 250, 250, 550], "a bare LF is one in a chunk too");
    let marked = MARKED.strip_suffix(".\r\n").unwrap();
    let chunk = format!("BDAT {} LAST\r\n{marked}", marked.len());
    assert_eq!(codes(sink.address, &[envelope, &[&chunk]].concat()), [220, 250, 250, 250, 250]);
    let (_, summary) = sink.end();
    assert_eq!((summary["messages"].as_u64(), summary["spoiled"].as_u64()), (Some(1), Some(1)));
    assert_eq!(summary["bytes"].as_u64(), Some(marked.len() as u64), "what was given up is no part of it");
    let without = Sink::start(&["--without", "chunking"]);
    assert_eq!(codes(without.address, &[envelope, &["BDAT 5\r\n"]].concat()), [220, 250, 250, 250, 502]);
}

#[test]
fn openssl_comes_in_by_starttls() {
    let sink = Sink::start(&["--tls"]);
    let mut client = std::process::Command::new("openssl")
        .args(["s_client", "-quiet", "-starttls", "smtp", "-connect", &sink.address.to_string()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let script = [&ENVELOPE[..], &[PLAIN, "QUIT\r\n"]].concat().concat();
    std::io::Write::write_all(client.stdin.as_mut().unwrap(), script.as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    let replies = String::from_utf8_lossy(&output.stdout);
    assert!(replies.trim_end().ends_with("221 2.0.0 Bye"), "{replies}");
    assert!(!replies.contains("STARTTLS\r\n250 HELP\r\n250 2.1.0"), "not offered inside: {replies}");
    let (status, summary) = sink.end();
    assert!(status.success());
    assert_eq!((summary["secured"].as_u64(), summary["messages"].as_u64()), (Some(1), Some(1)), "{summary}");
}
