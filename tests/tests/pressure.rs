//! When this host or the next can hardly take more: new clients are asked to come again, and those that are there hurry.

use std::io::{self, BufRead, BufReader};
use std::net::TcpStream;

use weir_tests::rules::relay;
use weir_tests::{Client, Loopback, Sink, Weir, until};

#[test]
fn who_comes_while_no_server_serves_is_asked_to_come_again() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let rules =
        relay(entry, &[end], "  pressure above 80% waiting next", "  check smtp every 100ms, rise 1, fall 1");
    let weir = Weir::start(&rules, entry);
    until("the server to be found down", || !weir.lines(&["event=server", "health=down"]).is_empty());
    let (_, greeting) = Client::connect(entry)?;
    assert_eq!(greeting.text, "421 4.3.2 too many sessions, try again later");
    until("the log", || !weir.lines(&["event=turned_away", "reason=\"pool next\""]).is_empty());

    let sink = Sink::start(end);
    until("the server to be found up", || !weir.lines(&["event=server", "health=up"]).is_empty());
    let mut client = Client::session(entry)?;
    assert_eq!(client.message("a@example.net", "b@example.org", "Subject: x\r\n\r\nText.\r\n")?.code, 250);
    assert_eq!(sink.count(), 1);
    Ok(())
}

#[test]
fn descriptors_are_not_all_given_away() -> io::Result<()> {
    let entry = Loopback::new().port();
    let rules = format!(
        "weir 1\nlistener here {{\n  bind {entry}\n  pressure above 1% descriptors\n  full 421 4.3.1 \"come again\"\n}}\non message {{ discard }}\n"
    );
    // Some descriptors are in use before the first client comes: more than 1 in 100 of so few.
    let weir = Weir::with_descriptors(&rules, entry, 500);
    let (_, greeting) = Client::connect(entry)?;
    assert_eq!(greeting.text, "421 4.3.1 come again");
    until("the log", || !weir.lines(&["event=turned_away", "reason=descriptors"]).is_empty());
    Ok(())
}

/// Those for whom there was no descriptor were told to come again, though others would have ended within a second.
#[test]
fn who_finds_no_descriptor_waits_in_the_kernel() -> io::Result<()> {
    let entry = Loopback::new().port();
    let rules = format!(
        "weir 1\nlistener here {{\n  bind {entry}\n}}\non connect {{ greet after 500ms, teaser \"\" }}\non message {{ discard }}\n"
    );
    let weir = Weir::with_descriptors(&rules, entry, 300);
    let clients: Vec<_> = (0..500).map(|_| TcpStream::connect(entry)).collect::<io::Result<_>>()?;
    for client in clients {
        let mut greeting = String::new();
        BufReader::new(&client).read_line(&mut greeting)?;
        assert!(greeting.starts_with("220 "), "{greeting}");
    }
    assert!(weir.lines(&["event=turned_away"]).is_empty());
    Ok(())
}

#[test]
fn messages_that_are_held_keep_others_away() -> io::Result<()> {
    let entry = Loopback::new().port();
    let rules = format!(
        "weir 1\nlistener here {{\n  bind {entry}\n  pressure above 40% memory\n}}\non message {{ discard }}\n"
    );
    let weir = Weir::with(&rules, entry, &["--message-memory", "1", "--shards", "1"]);
    let mut holder = Client::session(entry)?;
    assert_eq!(holder.envelope("a@example.net", "b@example.org")?.code, 354);
    holder.write(b"Subject: x\r\n\r\n")?;
    holder.write(&b"a line of the message, which is not at its end\r\n".repeat(12_000))?;
    until("another to be asked to come again", || {
        Client::connect(entry).is_ok_and(|(_, greeting)| greeting.code == 421)
    });
    until("the log", || !weir.lines(&["event=turned_away", "reason=memory"]).is_empty());
    assert_eq!(holder.command(".")?.code, 250, "who is served is served to the end");
    until("others to be served again", || {
        Client::connect(entry).is_ok_and(|(_, greeting)| greeting.code == 220)
    });
    Ok(())
}

#[test]
fn under_stress_nobody_may_dawdle() -> io::Result<()> {
    let entry = Loopback::new().port();
    let rules = format!(
        "weir 1\nlistener here {{\n  bind {entry}\n  sessions 10\n  stressed above 20% sessions\n  timeouts stressed 500ms\n}}\non message {{ discard }}\n"
    );
    let _weir = Weir::start(&rules, entry);
    let mut slow = Client::session(entry)?;
    // Alone it has five minutes; its next wait begins when it is not.
    let _other = Client::session(entry)?;
    assert_eq!(slow.command("NOOP")?.code, 250);
    assert_eq!(slow.reply()?.text, "421 4.4.2 timed out, closing");
    Ok(())
}
