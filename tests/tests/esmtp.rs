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

/// The first refusal of an envelope with these parameters, or the reply to the message.
fn send(client: &mut Client, mail: &str, rcpt: &str) -> io::Result<Reply> {
    for line in [format!("MAIL FROM:{mail}"), format!("RCPT TO:{rcpt}"), String::from("DATA")] {
        let reply = client.command(&line)?;
        if !reply.is_good() {
            return Ok(reply);
        }
    }
    client.command("Subject: x\r\n\r\nText.\r\n.")
}

#[test]
fn what_a_sender_wants_to_hear_is_passed_on() -> io::Result<()> {
    let mail = "<a@example.net> RET=HDRS ENVID=QQ314+2B9";
    let rcpt = "<dev@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;old@example.org";
    for (offers, passed_on) in [("DSN", true), ("8BITMIME", false)] {
        let (entry, hop, _weir) = before_hop(&["PIPELINING", offers], "");
        let mut client = Client::session(entry)?;
        assert_eq!(send(&mut client, mail, rcpt)?.code, 250);
        let said = [hop.said("MAIL"), hop.said("RCPT")].concat();
        let expected = if passed_on {
            [format!("MAIL FROM:{mail}"), format!("RCPT TO:{rcpt}")]
        } else {
            ["MAIL FROM:<a@example.net>".into(), "RCPT TO:<dev@example.org>".into()]
        };
        assert_eq!(said, expected);
    }
    Ok(())
}

#[test]
fn what_a_next_hop_does_not_take_is_refused_with_the_reason() -> io::Result<()> {
    let utf8 = "<j\u{f6}rg@b\u{fc}cher.example> BODY=8BITMIME SMTPUTF8";
    let to = "<dev@b\u{fc}cher.example>";
    let (entry, hop, _weir) = before_hop(&["8BITMIME", "SMTPUTF8"], "");
    let mut client = Client::session(entry)?;
    assert_eq!(send(&mut client, utf8, to)?.code, 250);
    assert_eq!(hop.said("MAIL"), [format!("MAIL FROM:{utf8}")]);
    assert_eq!(hop.said("RCPT"), [format!("RCPT TO:{to}")]);
    for (offers, pool) in
        [(&["8BITMIME"][..], ""), (&["8BITMIME", "SMTPUTF8"], "  extensions without SMTPUTF8")]
    {
        let (entry, hop, _weir) = before_hop(offers, pool);
        let mut client = Client::session(entry)?;
        let reply = send(&mut client, utf8, to)?;
        assert_eq!(reply.text, "550 5.6.7 The next hop does not take SMTPUTF8");
        assert!(hop.said("MAIL").is_empty());
    }
    let (entry, hop, _weir) = before_hop(&["PIPELINING"], "");
    let mut client = Client::session(entry)?;
    let reply = send(&mut client, "<a@example.net> BODY=8BITMIME", "<dev@example.org>")?;
    assert_eq!(reply.text, "554 5.6.3 The next hop does not take 8BITMIME");
    assert!(hop.said("MAIL").is_empty());
    Ok(())
}
