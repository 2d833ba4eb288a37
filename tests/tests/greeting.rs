//! Before the greeting: the teaser, the trap for those who talk into it, and what a wait costs.

use std::io;
use std::net::SocketAddr;

use weir_tests::{Client, Loopback, Weir, until};

fn start(connect: &str) -> (SocketAddr, Weir) {
    let entry = Loopback::new().port();
    let rules = format!(
        "weir 1\nlistener here {{ bind {entry}  name \"mx1.example.org\" }}\non connect {{\n{connect}\n}}\non message {{ discard }}\n"
    );
    (entry, Weir::start(&rules, entry))
}

/// A connection that has read the teaser and nothing more.
fn teased(entry: SocketAddr) -> io::Result<Client> {
    let mut client = Client::from([127, 0, 0, 1].into(), entry)?;
    assert_eq!(client.line()?, "220-mx1.example.org ESMTP");
    Ok(client)
}

const TRAP: &str =
    "  greet after 60s\n  drop 521 5.5.1 \"please wait; not {client.said_early}\" if client.spoke_early";

#[test]
fn who_talks_into_the_teaser_is_dropped_at_once_and_quoted() -> io::Result<()> {
    let (entry, weir) = start(TRAP);
    let mut client = teased(entry)?;
    client.write(b"EHLO bot.example.net\r\nMAIL FROM:<a@example.net>\r\n")?;
    assert_eq!(
        client.reply()?.text,
        "521 5.5.1 please wait; not EHLO bot.example.netMAIL FROM:<a@example.net>"
    );
    assert!(client.command("NOOP").is_err(), "the connection is closed");
    until("the log to say so", || {
        !weir.lines(&["event=pregreet", "said=\"EHLO bot.example.net\\r\\n"]).is_empty()
    });
    Ok(())
}

/// A rule that does not ask whether the client spoke waits and writes it down all the same.
#[test]
fn a_wait_without_a_rule_ends_with_the_rest_of_the_greeting() -> io::Result<()> {
    let (entry, weir) = start("  greet after 60s");
    let mut client = teased(entry)?;
    client.write(b"EHLO bot.example.net\r\n")?;
    assert_eq!(client.reply()?.text, "220 mx1.example.org ESMTP");
    assert_eq!(client.reply()?.code, 250);
    until("the log to say so", || !weir.lines(&["event=pregreet", "said=\"EHLO bot.example.net"]).is_empty());
    Ok(())
}

#[test]
fn who_waits_is_greeted() -> io::Result<()> {
    let (entry, weir) = start("  greet after 200ms\n  drop 521 5.5.1 \"please wait\" if client.spoke_early");
    let mut client = teased(entry)?;
    assert_eq!(client.reply()?.text, "220 mx1.example.org ESMTP");
    assert_eq!(client.command("EHLO client.example.net")?.code, 250);
    assert!(weir.lines(&["event=pregreet"]).is_empty());
    Ok(())
}

#[test]
fn the_teaser_has_other_words_or_none() -> io::Result<()> {
    let (entry, _weir) = start("  greet after 100ms, teaser \"one moment\"");
    let mut client = Client::from([127, 0, 0, 1].into(), entry)?;
    assert_eq!(client.reply()?.text, "220-one moment\n220 mx1.example.org ESMTP");
    let (entry, _weir) = start("  greet after 100ms, teaser \"\"");
    let mut client = Client::from([127, 0, 0, 1].into(), entry)?;
    assert_eq!(client.reply()?.text, "220 mx1.example.org ESMTP");
    Ok(())
}

#[test]
fn who_hangs_up_while_waiting_frees_its_seat() -> io::Result<()> {
    let (entry, weir) = start("  greet after 60s\n  drop 521 5.5.1 \"please wait\" if client.spoke_early");
    drop(teased(entry)?);
    until("the session to end", || !weir.lines(&["event=disconnect"]).is_empty());
    let (entry, weir) = start("  delay 60s");
    drop(Client::from([127, 0, 0, 1].into(), entry)?);
    until("the session to end", || !weir.lines(&["event=disconnect"]).is_empty());
    Ok(())
}

#[test]
fn an_end_of_the_process_does_not_wait_for_a_greeting() -> io::Result<()> {
    let (entry, mut weir) = start("  greet after 60s");
    let mut client = teased(entry)?;
    weir.process().signal("TERM");
    let code = client.reply()?.code;
    assert!(code == 421 || code == 220 && client.reply()?.code == 421, "{code}");
    assert_eq!(weir.process().wait(), 0);
    Ok(())
}
