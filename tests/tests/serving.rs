//! What a client and a next hop see of a running weir: strictness, limits, edits, logs and metrics.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use weir_tests::rules::relay;
use weir_tests::{Client, Loopback, Sink, Weir, until};

const FROM: &str = "a@example.net";
const TO: &str = "dev@example.org";
const MESSAGE: &str = "From: a@example.net\r\nSubject: one\r\n\r\nText.\r\n";

/// A relay in front of a sink.
fn start(listener: &str) -> (SocketAddr, Sink, Weir) {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let sink = Sink::start(end);
    let weir = Weir::start(&relay(entry, &[end], listener, ""), entry);
    (entry, sink, weir)
}

#[test]
fn what_is_sent_is_what_arrives_behind_one_received_line() -> io::Result<()> {
    let (entry, sink, _weir) = start("");
    let odd = "Subject: caf\u{e9}\r\nX-Long: a\r\n\tb\r\n\r\n..\r\n..two dots\r\n \r\n\r\nlast\r\n";
    let mut client = Client::session(entry)?;
    let reply = client.message(FROM, TO, odd)?;
    assert_eq!(reply.code, 250);
    let received = sink.messages().remove(0);
    assert_eq!((received.from.as_str(), received.rcpts.as_slice()), (FROM, &[TO.to_owned()][..]));
    let wire = String::from_utf8_lossy(&received.wire).into_owned();
    let ours = wire.strip_suffix(odd).expect("the message as it was sent");
    assert!(ours.starts_with("Received: from client.example.net ") && ours.ends_with("\r\n"), "{ours}");
    assert_eq!(ours.matches("Received:").count(), 1);
    Ok(())
}

#[test]
fn only_crlf_dot_crlf_ends_a_message() -> io::Result<()> {
    let (entry, sink, _weir) = start("");
    for smuggled in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\0"] {
        let mut client = Client::session(entry)?;
        assert_eq!(client.envelope(FROM, TO)?.code, 354);
        let body = format!("Subject: x\r\n\r\nfirst{smuggled}MAIL FROM:<evil@example.net>\r\n");
        client.write(body.as_bytes())?;
        let reply = client.command(".")?;
        assert!(reply.text.starts_with("550 5.5.2"), "{smuggled:?}: {}", reply.text);
    }
    assert_eq!(sink.count(), 0);
    Ok(())
}

#[test]
fn a_listener_may_normalise_line_breaks() -> io::Result<()> {
    let (entry, sink, _weir) = start("  line_breaks normalise");
    let mut client = Client::session(entry)?;
    assert_eq!(client.message(FROM, TO, "Subject: x\n\nfirst\n.\nsecond\rthird\r\n")?.code, 250);
    let wire = sink.messages().remove(0).wire;
    let text = String::from_utf8_lossy(&wire).into_owned();
    assert!(text.ends_with("Subject: x\r\n\r\nfirst\r\n..\r\nsecond\r\nthird\r\n"), "{text:?}");
    Ok(())
}

#[test]
fn limits_hold() -> io::Result<()> {
    let (entry, sink, _weir) = start("  limits message 100KB, rcpts 2, line 998, bad_commands 3");
    let mut client = Client::session(entry)?;
    assert_eq!(client.command("MAIL FROM:<a@example.net> SIZE=200000")?.code, 552);
    let long = format!("Subject: x\r\n\r\n{}", "a line of twenty bytes.\r\n".repeat(6000));
    assert_eq!(client.message(FROM, TO, &long)?.code, 552);
    let wide = format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(1200));
    assert!((500..600).contains(&client.message(FROM, TO, &wide)?.code));

    client.command("MAIL FROM:<a@example.net>")?;
    let codes =
        [0, 1, 2].map(|n| client.command(&format!("RCPT TO:<r{n}@example.org>")).map(|reply| reply.code));
    assert_eq!(codes.map(|code| code.unwrap_or(0)), [250, 250, 452]);
    assert_eq!(sink.count(), 0);

    let mut client = Client::session(entry)?;
    let replies: Vec<u16> =
        (0..9).map_while(|_| client.command("FROBNICATE").ok()).map(|reply| reply.code).collect();
    assert_eq!(replies, [500, 500, 500, 421], "three are refused, the next closes");
    assert!(client.command("NOOP").is_err(), "the connection is closed");
    Ok(())
}

#[test]
fn who_says_nothing_is_sent_away() -> io::Result<()> {
    let (entry, _sink, _weir) = start("  timeouts command 1s, data 1s");
    let mut client = Client::session(entry)?;
    assert_eq!(client.reply()?.code, 421);
    let mut client = Client::session(entry)?;
    assert_eq!(client.envelope(FROM, TO)?.code, 354);
    client.write(b"Subject: half")?;
    assert_eq!(client.reply()?.code, 421);
    Ok(())
}

#[test]
fn pipelined_commands_are_answered_in_order() -> io::Result<()> {
    let (entry, sink, _weir) = start("");
    let mut client = Client::session(entry)?;
    client.write(
        b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<not an address>\r\nDATA\r\n",
    )?;
    let codes: Vec<u16> = (0..4).map(|_| client.reply().map_or(0, |reply| reply.code)).collect();
    assert!(codes[..2] == [250, 250] && codes[2] >= 500 && codes[3] == 354, "{codes:?}");
    client.write(format!("{MESSAGE}.\r\nNOOP\r\nQUIT\r\n").as_bytes())?;
    let codes: Vec<u16> = (0..3).map(|_| client.reply().map_or(0, |reply| reply.code)).collect();
    assert_eq!(codes, [250, 250, 221]);
    assert_eq!(sink.messages()[0].rcpts, ["b@example.org"]);
    Ok(())
}

#[test]
fn a_large_message_passes_whole() -> io::Result<()> {
    let (entry, sink, _weir) = start("  limits message 25MB");
    let body = "All work and no play makes a dull mail, again and again.\r\n".repeat(300_000);
    let message = format!("Subject: large\r\n\r\n{body}");
    assert_eq!(Client::session(entry)?.message(FROM, TO, &message)?.code, 250);
    assert!(sink.messages()[0].wire.ends_with(message.as_bytes()));
    Ok(())
}

const EDITING: &str = "on message {\n  remove header \"X-Spam-*\", \"X-Gone\"\n  add header \"X-Spam-Status\" \"{subject}\"\n\
                       \x20 quarantine \"kept\" if subject == \"keep\"\n  discard if subject == \"keep\"\n\
                       \x20 reject 554 5.6.0 \"too complex\" if message.too_complex\n  send to next\n}\n";

fn start_editing() -> (SocketAddr, Sink, Weir) {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let sink = Sink::start(end);
    let rules = relay(entry, &[end], "", "").replace("on data {\n  send to next\n}\n", EDITING);
    let weir = Weir::start(&rules, entry);
    (entry, sink, weir)
}

#[test]
fn headers_are_edited_and_forged_copies_go() -> io::Result<()> {
    let (entry, sink, _weir) = start_editing();
    let message = "X-Spam-Status: forged\r\n and folded\r\nX-Gone: 1\r\nSubject: a \r\n b\r\nX-Kept: 2\r\nx-spam-flag: YES\r\n\r\n\
                   X-Gone: in the body\r\n..\r\n";
    assert_eq!(Client::session(entry)?.message(FROM, TO, message)?.code, 250);
    let text = String::from_utf8_lossy(&sink.messages()[0].wire).into_owned();
    let kept = "Subject: a \r\n b\r\nX-Kept: 2\r\n\r\nX-Gone: in the body\r\n..\r\n";
    let front = text.strip_suffix(kept).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(front.matches("X-Spam-Status:").count(), 1);
    assert!(
        !front.contains("forged")
            && !front.contains("X-Gone")
            && !front.to_lowercase().contains("x-spam-flag")
    );
    Ok(())
}

#[test]
fn quarantine_keeps_a_copy_before_the_reply() -> io::Result<()> {
    let (entry, sink, weir) = start_editing();
    assert_eq!(Client::session(entry)?.message(FROM, TO, "Subject: keep\r\n\r\nEvidence.\r\n")?.code, 250);
    assert_eq!(sink.count(), 0);
    let kept = files_below(&weir.folder().join("state"));
    assert!(kept.iter().any(|text| text.contains("Evidence.")), "{kept:?}");
    Ok(())
}

fn files_below(folder: &std::path::Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            texts.extend(files_below(&path));
        } else {
            texts.push(String::from_utf8_lossy(&std::fs::read(path).expect("a kept file")).into_owned());
        }
    }
    texts
}

#[test]
fn nesting_without_end_is_survived() -> io::Result<()> {
    let (entry, _sink, mut weir) = start_editing();
    let level = "Content-Type: message/rfc822\r\n\r\n";
    let message =
        format!("MIME-Version: 1.0\r\nSubject: deep\r\n{}Subject: end\r\n\r\nx\r\n", level.repeat(50_000));
    let reply = Client::session(entry)?.message(FROM, TO, &message)?;
    assert_eq!(reply.text, "554 5.6.0 too complex");
    assert!(weir.process().ended().is_none());
    assert_eq!(Client::session(entry)?.message(FROM, TO, MESSAGE)?.code, 250);
    Ok(())
}

fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

#[test]
fn metrics_and_logs_tell_what_happened() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end, page) = (here.port(), here.port(), here.port());
    let sink = Sink::start(end);
    let refusing = "on rcpt {\n  reject 550 5.7.1 \"not this one\" if rcpt.local == \"nobody\"\n}\n\non data";
    let rules = relay(entry, &[end], "", "").replace("on data", refusing);
    let weir = Weir::with(&rules, entry, &["--metrics", &page.to_string(), "--log", "json"]);
    let mut client = Client::session(entry)?;
    let taken = client.message(FROM, TO, MESSAGE)?;
    assert_eq!(client.message(FROM, "nobody@example.org", MESSAGE)?.code, 550);
    assert_eq!(client.command("QUIT")?.code, 221);
    assert_eq!(sink.count(), 1);

    assert!(get(page, "/healthz")?.starts_with("HTTP/1.1 200"));
    assert!(get(page, "/readyz")?.starts_with("HTTP/1.1 200"));
    assert!(get(page, "/nothing")?.starts_with("HTTP/1.1 404"));
    let metrics = get(page, "/metrics")?;
    let sample = |name: &str, labels: &[&str]| {
        metrics
            .lines()
            .find(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)))
            .map(str::to_owned)
    };
    for (name, labels) in [
        ("weir_connections_total", &[][..]),
        ("weir_messages_total", &[]),
        ("weir_rejects_total", &["phase=\"rcpt\"", "550"]),
        ("weir_server_up", &["s1"]),
        ("weir_generation", &[]),
        ("weir_recipients_total", &["accepted"]),
        ("weir_recipients_total", &["reject"]),
        ("weir_phase_duration_seconds_count", &["message"]),
        ("weir_server_duration_seconds_count", &["next"]),
        ("weir_session_duration_seconds_count", &[]),
        ("weir_start_time_seconds", &[]),
        ("weir_last_reload_successful", &[]),
        ("weir_log_lost_total", &[]),
    ] {
        assert!(sample(name, labels).is_some(), "{name} {labels:?}\n{metrics}");
    }
    assert!(!metrics.contains("nobody@"), "addresses are no labels");

    // The reply's id leads to the log, and the log to the rule.
    let id = taken.text.rsplit(' ').next().expect("the reply has words").to_owned();
    until("the log", || {
        !weir.lines(&["not this one"]).is_empty() || !weir.lines(&["\"code\":550"]).is_empty()
    });
    let log = weir.log();
    let whole = log.split_inclusive('\n').filter(|line| line.starts_with('{') && line.ends_with('\n'));
    for line in whole {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event.get("ts").is_some() && event.get("event").is_some(), "{line}");
    }
    assert!(weir.log().contains("main.weir:"), "a verdict names its place\n{}", weir.log());
    assert!(!id.is_empty());
    Ok(())
}
