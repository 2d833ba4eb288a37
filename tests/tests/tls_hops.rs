//! TLS towards servers: what a pool verifies, falls back to, and never takes.

use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use weir_tests::rules::relay;
use weir_tests::{Client, Folder, Keys, Loopback, Reply, Sink, TlsClient, Weir, until};

const FROM: &str = "a@example.net";
const TO: &str = "dev@example.org";
const MESSAGE: &str = "Subject: one\r\n\r\nText.\r\n";

/// A weir in plain, whose pool has this `tls`, before a weir whose listener has that `tls`, before a sink. The certificate holds for
/// mail.example.org.
struct Hops {
    entry: SocketAddr,
    sink: Sink,
    first: Weir,
    second: Weir,
}

impl Hops {
    fn start(pool: &str, listener: &str) -> Self {
        let here = Loopback::new();
        let (entry, middle, end) = (here.port(), here.port(), here.port());
        let sink = Sink::start(end);
        let folder = Folder::new();
        let keys = Keys::make(folder.path(), "mail", &["mail.example.org"]);
        let trusted = std::fs::read_to_string(keys.certificate).expect("the certificate");
        let file = folder.write("main.weir", relay(middle, &[end], &format!("  {listener}"), ""));
        let second = Weir::serve(folder, file, middle, &[]);
        let folder = Folder::new();
        folder.write("ca.pem", trusted);
        Keys::make(folder.path(), "other", &["mail.example.org"]);
        let file = folder.write("main.weir", relay(entry, &[middle], "", &format!("  {pool}")));
        let first = Weir::serve(folder, file, entry, &["--shards", "1"]);
        Self { entry, sink, first, second }
    }

    fn send(&self) -> io::Result<Reply> {
        Client::session(self.entry)?.message(FROM, TO, MESSAGE)
    }
}

const REQUIRED: &str = "tls required, cert \"mail.pem\"";

#[test]
fn a_verified_hop_takes_mail_on_a_kept_connection() -> io::Result<()> {
    for (pool, listener) in [
        ("tls required, verify \"mail.example.org\", ca \"ca.pem\"", REQUIRED),
        ("tls implicit, verify \"mail.example.org\", ca \"ca.pem\"", "tls implicit, cert \"mail.pem\""),
        ("tls required", REQUIRED),
        ("tls opportunistic, sni \"mail.example.org\"", "tls offered, cert \"mail.pem\""),
    ] {
        let hops = Hops::start(pool, listener);
        let large = format!("{MESSAGE}{}", "All work and no play makes a dull mail.\r\n".repeat(30_000));
        for text in [MESSAGE, large.as_str(), MESSAGE] {
            let reply = Client::session(hops.entry)?.message(FROM, TO, text)?;
            assert_eq!(reply.code, 250, "{pool}: {}", reply.text);
            let received = hops.sink.messages().pop().expect("it came");
            assert!(received.wire.ends_with(text.as_bytes()));
            assert!(received.header("Received").is_some_and(|line| line.contains("using TLSv1.3")));
        }
        until("three lines with the version", || {
            hops.first.lines(&["status=sent", "tls=TLSv1.3"]).len() == 3
        });
        assert_eq!(hops.second.lines(&["event=tls", "version=TLSv1.3"]).len(), 1, "one handshake for all");
        assert_eq!(hops.sink.count(), 3);
    }
    Ok(())
}

#[test]
fn who_is_somebody_else_gets_no_mail() -> io::Result<()> {
    for (pool, reason) in [
        ("tls required, verify \"mx.example.org\", ca \"ca.pem\"", "not valid for name"),
        ("tls required, verify \"mail.example.org\", ca \"other.crt\"", "invalid peer certificate"),
    ] {
        let hops = Hops::start(pool, REQUIRED);
        assert_eq!(hops.send()?.code, 451, "{pool}");
        until("the reason", || !hops.first.lines(&["event=server_failed", "fate=retry", reason]).is_empty());
        assert_eq!(hops.sink.count(), 0);
    }
    let plain = Hops::start("tls required", "");
    assert_eq!(plain.send()?.code, 451);
    until("the reason", || !plain.first.lines(&["no STARTTLS, which must be"]).is_empty());
    assert_eq!(plain.sink.count(), 0);
    Ok(())
}

#[test]
fn an_opportunistic_hop_goes_on_in_plain() -> io::Result<()> {
    let hops = Hops::start("tls opportunistic", "");
    assert_eq!(hops.send()?.code, 250);
    assert!(hops.first.lines(&["tls_fallback"]).is_empty());
    // Offered, granted, and then something that is no TLS: the second connection is in plain.
    let broken = fake(b"220 go ahead\r\n", b"what is TLS?\r\n");
    hops.first.write_rules(&relay(hops.entry, &[broken], "", "  tls opportunistic"));
    hops.first.ctl_ok(&["reload"]);
    assert_eq!(hops.send()?.code, 421, "that is what the fake one says in plain");
    until("that it fell back", || !hops.first.lines(&["event=tls_fallback", "server=s1"]).is_empty());
    Ok(())
}

/// A server that offers STARTTLS, says `ready` when it is taken, and `hello` to whatever comes then.
fn fake(ready: &'static [u8], hello: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Loopback::new().ip(), 0)).expect("the server's address");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            thread::spawn(move || -> io::Result<()> {
                let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream);
                writer.write_all(b"220 fake.example.org ESMTP\r\n")?;
                let mut line = String::new();
                loop {
                    line.clear();
                    if reader.read_line(&mut line)? == 0 {
                        return Ok(());
                    }
                    match line.get(..4) {
                        Some("EHLO") => writer.write_all(b"250-fake\r\n250 STARTTLS\r\n")?,
                        Some("STAR") => {
                            writer.write_all(ready)?;
                            reader.fill_buf()?;
                            writer.write_all(hello)?;
                            return reader.read_to_end(&mut Vec::new()).map(drop);
                        }
                        _ => writer.write_all(b"421 4.3.2 not now\r\n")?,
                    }
                }
            });
        }
    });
    address
}

/// What somebody puts behind the 220 was taken for said inside TLS: a server that "offers" what it does not.
#[test]
fn replies_behind_the_220_are_not_taken() -> io::Result<()> {
    let server = fake(b"220 go ahead\r\n250-fake\r\n250 CHUNKING\r\n250 2.1.0 ok\r\n", b"");
    let here = Loopback::new();
    let entry = here.port();
    let weir = Weir::start(&relay(entry, &[server], "", "  tls required"), entry);
    assert_eq!(Client::session(entry)?.message(FROM, TO, MESSAGE)?.code, 451);
    until("the reason", || {
        !weir
            .lines(&["event=server_failed", "fate=retry", "reply to a command that was not sent yet"])
            .is_empty()
    });
    Ok(())
}

#[test]
fn health_checks_do_the_handshake() -> io::Result<()> {
    let check = "\n  check smtp every 100ms, rise 1, fall 1";
    let good =
        Hops::start(&format!("tls required, verify \"mail.example.org\", ca \"ca.pem\"{check}"), REQUIRED);
    until("checks inside TLS", || good.second.lines(&["event=tls", "version="]).len() >= 2);
    assert!(good.first.lines(&["check_failed"]).is_empty());
    assert_eq!(good.send()?.code, 250);
    let bad =
        Hops::start(&format!("tls required, verify \"mx.example.org\", ca \"ca.pem\"{check}"), REQUIRED);
    until("a server that is down", || !bad.first.lines(&["event=server ", "health=down"]).is_empty());
    assert!(!bad.first.lines(&["check_failed", "not valid for name"]).is_empty());
    Ok(())
}

/// A session with the server is resumed when a new connection is made.
#[test]
fn sessions_with_servers_are_taken_up_again() -> io::Result<()> {
    let hops = Hops::start("tls required\n  reuse 1 transactions", REQUIRED);
    for _ in 0..3 {
        assert_eq!(hops.send()?.code, 250);
    }
    until("sessions that were resumed", || hops.second.lines(&["event=tls", "resumed=true"]).len() == 2);
    Ok(())
}

/// REQUIRETLS goes from hop to hop (RFC 8689, 4.2.1): where the last has no TLS, the message goes no further, and its sender hears why.
#[test]
fn required_tls_is_required_of_every_hop() -> io::Result<()> {
    let verified = "  tls required, verify \"mail.example.org\", ca \"mail.crt\"";
    let listener = "  tls offered, cert \"mail.pem\"";
    for (last, reply) in [(listener, "250 "), ("", "550 5.7.30 ")] {
        let here = Loopback::new();
        let (entry, middle, end) = (here.port(), here.port(), here.port());
        let keys = Folder::new();
        Keys::make(keys.path(), "mail", &["mail.example.org"]);
        let serve = |rules: String, at| {
            let folder = Folder::new();
            for file in ["mail.pem", "mail.crt"] {
                folder.write(file, std::fs::read(keys.join(file)).expect("what openssl has written"));
            }
            let file = folder.write("main.weir", rules);
            Weir::serve(folder, file, at, &[])
        };
        let mailbox =
            format!("weir 1\nlistener here {{\n  bind {end}\n{last}\n}}\non message {{ discard }}\n");
        let third = serve(mailbox, end);
        let to_last = if last.is_empty() { "" } else { verified };
        let second = serve(relay(middle, &[end], listener, to_last), middle);
        let _first = serve(relay(entry, &[middle], listener, verified), entry);

        let mut client = TlsClient::connect(entry, true, &[]);
        client.command("EHLO client.example.net")?;
        assert_eq!(client.command(&format!("MAIL FROM:<{FROM}> REQUIRETLS"))?.code, 250);
        client.command(&format!("RCPT TO:<{TO}>"))?;
        let mut found = client.command("DATA")?;
        if found.code == 354 {
            found = client.command(&format!("{MESSAGE}."))?;
        }
        assert!(found.text.starts_with(reply), "{}", found.text);
        if last.is_empty() {
            until("the hop before it to refuse", || second.lines(&["event=verdict", "code=550"]).len() == 1);
            assert!(third.lines(&["event=verdict"]).is_empty());
        } else {
            until("the last to take it", || third.lines(&["event=verdict", "code=250"]).len() == 1);
        }
    }
    Ok(())
}
