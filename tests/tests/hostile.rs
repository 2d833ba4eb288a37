//! Clients that mean no good: they hold what they take for a while and no longer.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use weir_tests::rules::relay;
use weir_tests::{Client, Loopback, Sink, Weir, until};

const FROM: &str = "a@example.net";
const TO: &str = "dev@example.org";

/// Each read had its own deadline, so a byte now and then kept a session for as long as the client liked.
#[test]
fn a_byte_now_and_then_is_no_command() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let _sink = Sink::start(end);
    let _weir = Weir::start(&relay(entry, &[end], "  timeouts command 1s, data 1s", ""), entry);
    let mut client = TcpStream::connect(entry)?;
    client.set_read_timeout(Some(Duration::from_millis(200)))?;
    let began = Instant::now();
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("421 4.4.2") {
        assert!(began.elapsed() < Duration::from_secs(20), "the session goes on and on");
        client.write_all(b"N")?;
        let mut piece = [0; 512];
        match client.read(&mut piece) {
            Ok(count) => heard.extend_from_slice(&piece[..count]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    Ok(())
}

/// All sessions together held as many messages as came.
#[test]
fn messages_under_way_have_a_bound() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let sink = Sink::start(end);
    let limits = ["--shards", "1", "--message-memory", "1"];
    let weir = Weir::with(&relay(entry, &[end], "", ""), entry, &limits);
    let text = |lines| format!("Subject: x\r\n\r\n{}", ("x".repeat(98) + "\r\n").repeat(lines));
    let mut client = Client::session(entry)?;
    for _ in 0..3 {
        let reply = client.message(FROM, TO, &text(11_000))?;
        assert!(reply.text.starts_with("452 4.3.1"), "{}", reply.text);
        assert_eq!(client.message(FROM, TO, &text(9_000))?.code, 250, "the room is free again");
    }
    until("the lines that say so", || weir.lines(&["verdict=refuse", "code=452", "no room"]).len() == 3);
    assert_eq!(sink.count(), 3);
    Ok(())
}
