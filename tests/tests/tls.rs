//! TLS towards clients: STARTTLS and from the first byte on, certificates by name, what is refused, renewals, injected commands.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use weir_tests::rules::relay;
use weir_tests::{Client, Folder, Keys, Loopback, Sink, TlsClient, Weir, s_client, swaks, until};

const FROM: &str = "a@example.net";
const TO: &str = "dev@example.org";

/// A relay with this `tls` before a sink; its certificates are made beside the rule file: `mx1` for mx1.example.org and all below, `mx2`.
struct Relay {
    entry: SocketAddr,
    page: SocketAddr,
    sink: Sink,
    weir: Weir,
}

impl Relay {
    fn start(tls: &str) -> Self {
        let here = Loopback::new();
        let (entry, end, page) = (here.port(), here.port(), here.port());
        let sink = Sink::start(end);
        let folder = Folder::new();
        Keys::make(folder.path(), "mx1", &["mx1.example.org", "*.mx1.example.org"]);
        Keys::make(folder.path(), "mx2", &["mx2.example.org"]);
        let rules = relay(entry, &[end], &format!("  {tls}"), "");
        let file = folder.write("main.weir", rules);
        let weir = Weir::serve(folder, file, entry, &["--metrics", &page.to_string()]);
        Self { entry, page, sink, weir }
    }

    fn metric(&self, start: &str) -> String {
        let mut page = TcpStream::connect(self.page).expect("the page of metrics");
        page.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("it is asked");
        let mut text = String::new();
        page.read_to_string(&mut text).expect("it answers");
        text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned()
    }
}

const OFFERED: &str = "tls offered, cert \"mx1.pem\", cert \"mx2.crt\" key \"mx2.key\"";

#[test]
fn the_name_that_a_client_asks_for_picks_the_certificate() {
    let relay = Relay::start(OFFERED);
    for (asked, holds_for) in [
        ("mx1.example.org", "mx1.example.org"),
        ("MX2.Example.ORG", "mx2.example.org"),
        ("a.mx1.example.org", "mx1.example.org"),
        ("a.b.mx1.example.org", "mx1.example.org"),
        ("elsewhere.example.net", "mx1.example.org"),
    ] {
        let said = s_client(relay.entry, true, &["-servername", asked]);
        assert!(said.contains(&format!("subject=CN = {holds_for}")), "{asked}: {said}");
    }
    let said = s_client(relay.entry, true, &["-noservername"]);
    assert!(said.contains("subject=CN = mx1.example.org") && said.contains("TLSv1.3"), "{said}");
    until("the name in the log", || !relay.weir.lines(&["event=tls", "sni=mx2.example.org"]).is_empty());
}

#[test]
fn old_versions_are_refused_and_a_minimum_holds() {
    // OpenSSL itself has to be talked into 1.1.
    let old = ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"];
    let relay = Relay::start(OFFERED);
    assert!(s_client(relay.entry, true, &old).contains("no peer certificate"));
    assert!(s_client(relay.entry, true, &["-tls1_2"]).contains("TLSv1.2"));
    until("the refusal in the log", || !relay.weir.lines(&["event=tls", "failed="]).is_empty());
    assert!(relay.metric("weir_tls_handshakes_total").contains("failed"));
    let strict = Relay::start("tls implicit, minimum tls13, cert \"mx1.pem\"");
    assert!(s_client(strict.entry, false, &["-tls1_2"]).contains("no peer certificate"));
    assert!(s_client(strict.entry, false, &["-tls1_3"]).contains("TLSv1.3"));
}

#[test]
fn mail_comes_inside_tls_and_the_trace_line_says_so() {
    for (tls, flag, protocol) in [
        ("tls required, cert \"mx1.pem\"", "--tls", "ESMTPS"),
        ("tls implicit, cert \"mx1.pem\"", "--tls-on-connect", "ESMTPS"),
    ] {
        let relay = Relay::start(tls);
        let from = Loopback::new().ip();
        let (code, said) = swaks(relay.entry, from, &[flag, "--from", FROM, "--to", TO, "--body", "hello"]);
        assert_eq!(code, 0, "{said}");
        let received = relay.sink.messages().remove(0).header("Received").expect("a trace line");
        assert!(received.contains("(using TLSv1.3 with cipher TLS_"), "{received}");
        assert!(received.contains(&format!(" with {protocol} id ")), "{received}");
        until("the handshake in the log", || !relay.weir.lines(&["event=tls", "version=TLSv1.3"]).is_empty());
    }
}

#[test]
fn a_large_message_passes_whole() -> io::Result<()> {
    let relay = Relay::start("tls implicit, cert \"mx1.pem\"");
    let mut client = TlsClient::connect(relay.entry, false, &[]);
    assert_eq!(client.reply()?.code, 220);
    for line in ["EHLO client.example.net", "MAIL FROM:<a@example.net>", "RCPT TO:<b@example.org>", "DATA"] {
        assert!(client.command(line)?.is_good());
    }
    let text =
        (0..60_000).fold(String::from("Subject: x\r\n\r\n"), |text, n| text + &format!("line {n}\r\n"));
    client.write(text.as_bytes())?;
    assert_eq!(client.command(".")?.code, 250);
    let wire = relay.sink.messages().remove(0).wire;
    assert!(wire.ends_with(text.as_bytes()));
    Ok(())
}

#[test]
fn before_tls_there_is_no_mail_where_it_is_required() -> io::Result<()> {
    let relay = Relay::start("tls required, cert \"mx1.pem\"");
    let mut client = Client::session(relay.entry)?;
    for line in ["MAIL FROM:<a@example.net>", "RCPT TO:<dev@example.org>", "DATA", "HELO x", "RSET"] {
        let reply = client.command(line)?;
        assert!(reply.text.starts_with("530 5.7.0"), "{line}: {}", reply.text);
    }
    assert_eq!(client.command("NOOP")?.code, 250);
    assert!(client.command("EHLO x")?.text.contains("STARTTLS"));
    let mut client = TlsClient::connect(relay.entry, true, &[]);
    let offered = client.command("EHLO x")?;
    assert!(!offered.text.contains("STARTTLS"), "{}", offered.text);
    assert_eq!(client.command("MAIL FROM:<a@example.net>")?.code, 250);
    assert_eq!(client.command("STARTTLS")?.code, 502);
    Ok(())
}

/// Stands between a client and a server, and puts these bytes behind the client's STARTTLS, into the same packet.
fn inject(to: SocketAddr, bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Loopback::new().ip(), 0)).expect("an address in between");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (client, _) = listener.accept().expect("the client");
        let server = TcpStream::connect(to).expect("the server");
        let (mut from_server, mut to_client) =
            (server.try_clone().expect("twice"), client.try_clone().expect("twice"));
        thread::spawn(move || io::copy(&mut from_server, &mut to_client));
        let (mut client, mut server) = (client, server);
        let mut piece = vec![0; 64 << 10];
        while let Ok(count @ 1..) = client.read(&mut piece) {
            let mut said = piece.get(..count).unwrap_or_default().to_vec();
            if said.starts_with(b"STARTTLS") {
                said.extend_from_slice(bytes);
            }
            if server.write_all(&said).is_err() {
                break;
            }
        }
    });
    address
}

/// CVE-2011-0411: what somebody puts behind STARTTLS was taken for said inside TLS.
#[test]
fn commands_behind_starttls_are_dropped() -> io::Result<()> {
    let relay = Relay::start(OFFERED);
    let between =
        inject(relay.entry, b"EHLO evil\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.org>\r\n");
    let mut client = TlsClient::connect(between, true, &[]);
    // The first reply is that to our own command, and there is no hello yet, let alone a transaction.
    let reply = client.command("MAIL FROM:<a@example.net>")?;
    assert!(reply.text.starts_with("503 5.5.1 Say EHLO"), "{}", reply.text);
    assert!(client.command("EHLO client.example.net")?.is_good());
    assert_eq!(client.command("DATA")?.code, 503);
    assert!(relay.weir.lines(&["evil"]).is_empty());
    Ok(())
}

/// What was said in plain is forgotten: the transaction, the name, and what the rules made of it.
#[test]
fn all_begins_anew_inside_tls() -> io::Result<()> {
    let here = Loopback::new();
    let entry = here.port();
    let folder = Folder::new();
    Keys::make(folder.path(), "mx1", &["mx1.example.org"]);
    let rules = format!(
        "weir 1\nlistener l {{\n  bind {entry}\n  tls offered, cert \"mx1.pem\"\n}}\n\
         on helo {{\n  note \"{{helo.name}} by {{tls.version}} for {{tls.sni}}\"\n}}\n\
         on mail {{\n  reject 550 5.7.1 \"only inside TLS\" if tls.version is missing\n}}\n\
         on message {{ discard }}\n"
    );
    let file = folder.write("main.weir", rules);
    let weir = Weir::serve(folder, file, entry, &[]);
    let mut plain = Client::session(entry)?;
    assert!(plain.command("MAIL FROM:<a@example.net>")?.text.contains("only inside TLS"));
    let mut client = TlsClient::connect(entry, true, &["-servername", "mx1.example.org"]);
    assert_eq!(client.command("MAIL FROM:<a@example.net>")?.code, 503);
    assert!(client.command("EHLO inside.example.net")?.is_good());
    assert_eq!(client.command("MAIL FROM:<a@example.net>")?.code, 250);
    until("what the rules knew", || {
        !weir.lines(&["inside.example.net by TLSv1.3 for mx1.example.org"]).is_empty()
    });
    Ok(())
}

#[test]
fn a_session_is_taken_up_again_on_any_shard_and_after_a_reload() {
    let relay = Relay::start("tls implicit, cert \"mx1.pem\"");
    let ticket = relay.weir.folder().join("ticket");
    let ticket = ticket.to_str().expect("a path in UTF-8");
    let mut client = TlsClient::connect(relay.entry, false, &["-sess_out", ticket]);
    client.reply().expect("the greeting");
    assert_eq!(client.command("NOOP").expect("a reply").code, 250);
    until("a ticket", || fs::metadata(ticket).is_ok_and(|found| found.len() > 0));
    relay.weir.ctl_ok(&["reload"]);
    for _ in 0..6 {
        let said = s_client(relay.entry, false, &["-sess_in", ticket]);
        assert!(said.contains("Reused, TLSv1.3"), "{said}");
    }
    until("that in the log", || relay.weir.lines(&["event=tls", "resumed=true"]).len() == 6);
}

#[test]
fn what_is_no_hello_ends_the_session() -> io::Result<()> {
    let relay = Relay::start("tls implicit, cert \"mx1.pem\"");
    for junk in [
        &b"EHLO client.example.net\r\n"[..],
        &[0xff; 40],
        &[0x16, 3, 1, 0xff, 0xff, 1],
        &[0x15, 3, 3, 0, 2, 2, 40],
    ] {
        let mut stream = TcpStream::connect(relay.entry)?;
        stream.write_all(junk)?;
        let mut heard = Vec::new();
        // Whether it is closed or reset: it ends, and nothing is said in plain.
        let _ended = stream.read_to_end(&mut heard);
        assert!(heard.first().is_none_or(|byte| *byte == 0x15), "{heard:?}");
    }
    // The harness had come first, and said nothing.
    until("five lines", || relay.weir.lines(&["event=tls", "failed="]).len() == 5);
    assert!(s_client(relay.entry, false, &[]).contains("TLSv1.3"), "others are served");
    let offering = Relay::start(OFFERED);
    let mut client = Client::connect(offering.entry)?.0;
    assert!(client.command("EHLO x")?.is_good());
    assert_eq!(client.command("STARTTLS")?.code, 220);
    client.write(b"MAIL FROM:<a@example.net>\r\n")?;
    assert!(client.reply().is_err(), "no command is served behind the 220 in plain");
    Ok(())
}

/// A byte now and then is no handshake: the seat is free again.
#[test]
fn a_slow_handshake_ends_in_time() -> io::Result<()> {
    let relay = Relay::start("tls implicit, cert \"mx1.pem\"\n  timeouts command 1s\n  sessions 1");
    // The one seat was that of the harness, which has looked whether there is a server.
    until("a free seat", || relay.weir.lines(&["event=disconnect"]).len() == 1);
    let mut slow = TcpStream::connect(relay.entry)?;
    slow.set_read_timeout(Some(Duration::from_millis(100)))?;
    let hello = [0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3];
    let mut rest = hello.iter().chain(std::iter::repeat(&0));
    until("the end of a slow handshake", || {
        let sent = rest.next().is_some_and(|byte| slow.write_all(&[*byte]).is_ok());
        let mut byte = [0];
        !sent || !matches!(slow.read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    });
    until("its line", || !relay.weir.lines(&["event=tls", "no handshake in time"]).is_empty());
    until("its seat", || s_client(relay.entry, false, &[]).contains("TLSv1.3"));
    Ok(())
}

#[test]
fn a_renewed_certificate_serves_by_itself_and_a_bad_one_does_not() -> io::Result<()> {
    let relay = Relay::start("tls implicit, cert \"mx1.pem\"");
    let mut open = TlsClient::connect(relay.entry, false, &[]);
    assert_eq!(open.reply()?.code, 220);
    let folder = relay.weir.folder();
    let expiry = relay.metric("weir_tls_certificate_expiry_timestamp_seconds");
    assert!(expiry.contains("listener=\"here\""), "{expiry}");

    fs::write(folder.join("mx1.pem"), "-----BEGIN CERTIFICATE-----\nhalf")?;
    until("the line of a bad file", || !relay.weir.lines(&["event=certificate_error", "mx1.pem"]).is_empty());
    assert!(s_client(relay.entry, false, &[]).contains("subject=CN = mx1.example.org"));
    assert!(relay.metric("weir_tls_certificate_errors_total").ends_with(" 1"));
    let refused = relay.weir.ctl(&["reload"]);
    let text =
        String::from_utf8_lossy(&refused.stdout).into_owned() + &String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && text.contains("W0720"), "{text}");

    let renewed = Keys::make(folder.path(), "new", &["renewed.example.org"]);
    fs::rename(renewed.both, folder.join("mx1.pem"))?;
    until("the renewed certificate", || {
        s_client(relay.entry, false, &[]).contains("CN = renewed.example.org")
    });
    assert_eq!(open.command("EHLO client.example.net")?.code, 250, "an open session does not notice");
    relay.weir.ctl_ok(&["reload"]);
    assert!(s_client(relay.entry, false, &[]).contains("CN = renewed.example.org"));
    assert_eq!(open.command("NOOP")?.code, 250);
    Ok(())
}
