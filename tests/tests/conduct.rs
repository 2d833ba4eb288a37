//! What clients do that mail servers do not, and refusals that wait for a recipient.

use std::io;
use std::net::SocketAddr;

use weir_tests::{Client, Loopback, Weir, until, weir_command};

fn start(listener: &str, phases: &str) -> (SocketAddr, Weir) {
    let entry = Loopback::new().port();
    let rules = format!(
        "weir 1\nlistener here {{\n  bind {entry}\n  name \"mx1.example.org\"\n{listener}\n}}\n{phases}\non message {{ discard }}\n"
    );
    (entry, Weir::start(&rules, entry))
}

#[test]
fn a_web_browser_is_told_and_closed() -> io::Result<()> {
    let (entry, weir) = start("", "");
    let (mut client, _) = Client::connect(entry)?;
    client.write(
        b"POST / HTTP/1.1\r\nHost: mx1.example.org\r\n\r\nEHLO evil\r\nMAIL FROM:<a@example.net>\r\n",
    )?;
    assert_eq!(client.reply()?.code, 521);
    assert!(client.reply().is_err(), "nothing behind it is read");
    until("the log", || {
        !weir.lines(&["event=misconduct", "kind=not_smtp", "said=\"POST / HTTP/1.1"]).is_empty()
    });
    Ok(())
}

#[test]
fn a_handshake_of_tls_on_a_plain_port_does_not_wait_for_ever() -> io::Result<()> {
    let (entry, _weir) = start("", "");
    let (mut client, _) = Client::connect(entry)?;
    client.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")?;
    assert_eq!(client.reply()?.code, 521);
    Ok(())
}

#[test]
fn rules_see_how_a_client_behaves() -> io::Result<()> {
    let rules = "on mail {\n  reject 550 5.7.1 \"{session.unknown_commands} unknown\" if session.unknown_commands > 1\n  \
                 drop 521 5.5.1 \"please wait\" if session.pipelined_early\n  \
                 reject 550 5.7.1 \"{session.not_smtp} foreign\" if session.not_smtp > 0\n}";
    let (entry, weir) = start("  limits not_smtp 5", rules);
    let (mut client, _) = Client::connect(entry)?;
    client.command("EHLO client.example.net")?;
    assert_eq!(client.command("Received: from x")?.code, 521);
    assert_eq!(client.command("MAIL FROM:<a@example.net>")?.text, "550 5.7.1 1 foreign");
    assert_eq!(client.command("FROB")?.code, 500);
    assert_eq!(client.command("MAIL FROM:<a@example.net>")?.text, "550 5.7.1 2 unknown");

    let (mut client, _) = Client::connect(entry)?;
    client.write(b"EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\n")?;
    assert_eq!(client.reply()?.code, 250);
    assert_eq!(client.reply()?.code, 521);
    until("the log", || !weir.lines(&["event=misconduct", "kind=pipelined_early"]).is_empty());
    Ok(())
}

const REFUSALS: &str = "on connect {\n  reject 554 5.7.1 \"not you\" if client.ip == 127.0.0.2\n  drop 521 5.7.1 \"never\" if client.ip == 127.0.0.3\n}\n\
                        on helo { defer 450 4.7.1 \"not that name\" if helo.name == \"bad.example.net\" }\n\
                        on mail { reject 550 5.7.27 \"not from there\" if sender.domain == \"bad.example.net\" }\n\
                        on rcpt { reject 550 5.7.1 \"relaying denied\" if rcpt.domain != \"example.org\" }";

#[test]
fn a_refusal_waits_for_a_recipient_and_the_log_has_both() -> io::Result<()> {
    let (entry, weir) = start("  delayed_rejection", REFUSALS);
    let mut client = Client::from([127, 0, 0, 2].into(), entry)?;
    assert_eq!(client.reply()?.code, 220);
    assert_eq!(client.command("EHLO bad.example.net")?.code, 250);
    assert_eq!(client.command("MAIL FROM:<a@bad.example.net>")?.code, 250);
    assert_eq!(
        client.command("RCPT TO:<dev@example.org>")?.text,
        "554 5.7.1 not you",
        "the first refusal counts"
    );
    assert_eq!(client.command("RCPT TO:<Postmaster@example.org>")?.code, 250);
    assert_eq!(client.command("RCPT TO:<abuse@example.com>")?.text, "550 5.7.1 relaying denied");
    assert_eq!(client.command("DATA")?.code, 354);
    client.write(b"Subject: help\r\n\r\nWhy?\r\n")?;
    assert_eq!(client.command(".")?.code, 250);
    until("the log", || {
        let wanted = [
            "event=verdict",
            "from=a@bad.example.net",
            "rcpt=dev@example.org",
            "phase=connect",
            "rule=main.weir:8",
        ];
        !weir.lines(&wanted).is_empty() && !weir.lines(&["event=held", "phase=connect"]).is_empty()
    });
    Ok(())
}

#[test]
fn what_is_held_ends_with_what_it_was_about() -> io::Result<()> {
    let (entry, _weir) = start("  delayed_rejection", REFUSALS);
    let (mut client, _) = Client::connect(entry)?;
    client.command("EHLO bad.example.net")?;
    client.command("MAIL FROM:<a@example.net>")?;
    assert_eq!(client.command("RCPT TO:<dev@example.org>")?.text, "450 4.7.1 not that name");
    client.command("EHLO client.example.net")?;
    client.command("MAIL FROM:<a@bad.example.net>")?;
    assert_eq!(client.command("RCPT TO:<dev@example.org>")?.text, "550 5.7.27 not from there");
    client.command("RSET")?;
    client.command("MAIL FROM:<a@example.net>")?;
    assert_eq!(client.command("RCPT TO:<dev@example.org>")?.code, 250);
    Ok(())
}

#[test]
fn a_drop_does_not_wait_and_without_the_setting_nothing_does() -> io::Result<()> {
    let (entry, _weir) = start("  delayed_rejection", REFUSALS);
    assert_eq!(Client::from([127, 0, 0, 3].into(), entry)?.reply()?.code, 521);
    let (entry, _weir) = start("", REFUSALS);
    assert_eq!(Client::from([127, 0, 0, 2].into(), entry)?.reply()?.code, 554);
    Ok(())
}

#[test]
fn test_blocks_can_say_all_this() {
    let folder = weir_tests::Folder::new();
    let rules = format!(
        "weir 1\nlistener here {{\n  bind 192.0.2.25:25\n  delayed_rejection\n}}\n{REFUSALS}\n\
         on data {{ drop 521 5.5.1 \"please wait\" if session.pipelined_early or session.not_smtp > 0 or session.unknown_commands > 2 }}\n\
         on message {{ discard }}\n\
         test \"held\" {{\n  client 127.0.0.2\n  rcpt \"dev@example.org\"\n  expect connect 220, rcpt 554 5.7.1 text \"not you\"\n}}\n\
         test \"postmaster\" {{\n  client 127.0.0.2\n  rcpt \"postmaster@example.org\"\n  expect rcpt 250, discarded\n}}\n\
         test \"early\" {{\n  conduct pipelined_early\n  rcpt \"dev@example.org\"\n  expect data 521\n}}\n\
         test \"web\" {{\n  conduct not_smtp 1\n  rcpt \"dev@example.org\"\n  expect data 521\n}}\n\
         test \"odd\" {{\n  conduct unknown_commands 3\n  rcpt \"dev@example.org\"\n  expect data 521\n}}\n"
    );
    let file = folder.write("main.weir", &rules);
    let output = weir_command(&["test", file.to_str().expect("a path in UTF-8")]);
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("5 passed"), "{text}");
}
