//! The extensions of ESMTP on both sides: what is offered, used, passed on and refused.

use std::io;
use std::net::SocketAddr;

use weir_tests::rules::relay;
use weir_tests::{Client, Hop, Loopback, Reply, Sink, Weir, until};

const ENVELOPE: &str = "MAIL FROM:<a@example.net>\r\nRCPT TO:<dev@example.org>\r\n";

/// A relay in front of a sink.
fn before_sink(listener: &str) -> (SocketAddr, Sink, Weir) {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let sink = Sink::start(end);
    let weir = Weir::start(&relay(entry, &[end], listener, ""), entry);
    (entry, sink, weir)
}

/// A relay in front of a hop that offers these.
fn before_hop(offers: &[&'static str], pool: &str) -> (SocketAddr, Hop, Weir) {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let hop = Hop::start(end, offers);
    let weir = Weir::start(&relay(entry, &[end], "", pool), entry);
    (entry, hop, weir)
}

/// Sends all at once and reads so many replies.
fn all_at_once(client: &mut Client, text: &str, replies: usize) -> io::Result<Vec<Reply>> {
    client.write(text.as_bytes())?;
    (0..replies).map(|_| client.reply()).collect()
}

fn codes(replies: &[Reply]) -> Vec<u16> {
    replies.iter().map(|reply| reply.code).collect()
}

#[test]
fn a_message_in_chunks_is_that_message() -> io::Result<()> {
    let (entry, sink, _weir) = before_sink("");
    let mut client = Client::session(entry)?;
    let chunks = "BDAT 14\r\nSubject: x\r\n\r\nBDAT 0\r\nBDAT 7\r\n.\r\n..x\rBDAT 6 LAST\r\n\nlast.";
    let replies = all_at_once(&mut client, &format!("{ENVELOPE}{chunks}NOOP\r\n"), 7)?;
    assert_eq!(codes(&replies), [250; 7]);
    let received = sink.messages().remove(0);
    let wire = String::from_utf8_lossy(&received.wire).into_owned();
    let (ours, body) = wire.split_once("Subject:").expect("the message behind our header");
    assert!(ours.starts_with("Received: from client.example.net "), "{ours}");
    assert_eq!(body, " x\r\n\r\n..\r\n...x\r\nlast.\r\n");
    Ok(())
}

#[test]
fn chunks_are_judged_as_data_is_and_never_read_as_commands() -> io::Result<()> {
    let (entry, sink, weir) = before_sink("  limits message 100B");
    let mut client = Client::session(entry)?;
    // A recipient first, the chunk is read over all the same.
    let early = "BDAT 14 LAST\r\nRCPT TO:<x@y>\n";
    assert_eq!(codes(&all_at_once(&mut client, early, 1)?), [503]);
    for (chunk, code) in [
        ("BDAT 16 LAST\r\nSubject: x\n.\n\r\n\r", "550 5.5.2"),
        ("BDAT 5 LAST\r\na\rb\r\n", "550 5.5.2"),
        ("BDAT 5 LAST\r\na\0b\r\n", "550 5.5.2"),
        (&format!("BDAT 102 LAST\r\n{}\r\n", "x".repeat(100)), "552 5.3.4"),
    ] {
        let replies = all_at_once(&mut client, &format!("{ENVELOPE}{chunk}"), 3)?;
        assert!(replies[2].text.starts_with(code), "{chunk:?}: {}", replies[2].text);
    }
    // Given up between two chunks: nothing of it is left in what comes next.
    let again = format!("{ENVELOPE}BDAT 6\r\nlost\r\nRSET\r\n{ENVELOPE}BDAT 6 LAST\r\nkept\r\n");
    assert_eq!(codes(&all_at_once(&mut client, &again, 7)?), [250; 7]);
    let wire = sink.messages().remove(0).wire;
    assert!(wire.ends_with(b"+0000\r\nkept\r\n"), "{}", String::from_utf8_lossy(&wire));
    assert_eq!(sink.count(), 1);
    // What no message can be is not waited for.
    let endless = format!("{ENVELOPE}BDAT 18446744073709551615 LAST\r\nQUIT\r\n");
    let replies = all_at_once(&mut client, &endless, 3)?;
    assert!(replies[2].text.starts_with("552 5.3.4"), "{}", replies[2].text);
    assert!(client.reply().is_err(), "the connection is closed");
    until("the lines that say so", || weir.lines(&["event=spoiled"]).len() == 4);
    Ok(())
}

#[test]
fn binarymime_is_refused_by_name() -> io::Result<()> {
    let (entry, _sink, _weir) = before_sink("");
    let mut client = Client::session(entry)?;
    let reply = client.command("MAIL FROM:<a@example.net> BODY=BINARYMIME")?;
    assert_eq!(reply.text, "555 5.5.4 BINARYMIME is not taken; 8BITMIME is");
    Ok(())
}

#[test]
fn what_a_listener_withholds_is_neither_offered_nor_taken() -> io::Result<()> {
    let (entry, _sink, _weir) = before_sink("  extensions without CHUNKING, SMTPUTF8");
    let (mut client, _) = Client::connect(entry)?;
    let hello = client.command("EHLO client.example.net")?.text;
    assert!(!hello.contains("CHUNKING") && !hello.contains("SMTPUTF8"), "{hello}");
    assert!(hello.contains("PIPELINING"), "{hello}");
    assert_eq!(client.command("BDAT 0 LAST")?.code, 502);
    assert_eq!(client.command("MAIL FROM:<a@example.net> SMTPUTF8")?.code, 555);
    Ok(())
}

#[test]
fn a_pool_uses_chunks_unless_it_is_told_not_to() -> io::Result<()> {
    for (pool, verb) in [("", "BDAT"), ("  extensions without CHUNKING", "DATA")] {
        let (entry, hop, _weir) = before_hop(&["PIPELINING", "CHUNKING"], pool);
        let mut client = Client::session(entry)?;
        let text = format!("{ENVELOPE}BDAT 6 LAST\r\ntext\r\n");
        assert_eq!(codes(&all_at_once(&mut client, &text, 3)?), [250; 3]);
        assert_eq!(hop.said(verb).len(), 1, "{:?}", hop.sessions());
        assert_eq!(hop.said("> text"), ["> text"]);
    }
    Ok(())
}
