//! Servers that die, hang up, are drained or full: no message lost, none doubled without a word.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::TcpListener;
use std::time::Duration;

use weir_tests::rules::{relay, scanner};
use weir_tests::{Client, Loopback, Outcome, Plan, Sender, Sink, SinkReplies, Weir, until};

const MESSAGE: &str = "X-Serial: 1\r\nSubject: one\r\n\r\nText.\r\n";

/// The log line about a message of which nobody knows whether the next hop has it.
const UNSURE: &[&str] = &["event=server_failed", "fate=unsure"];

/// Every message that was acknowledged has arrived; one that arrived twice had an attempt in doubt, and a log line.
#[track_caller]
fn nothing_lost_or_doubled(outcome: &Outcome, sink: &Sink, weir: &Weir) {
    let arrived = sink.serials();
    let lost: Vec<_> = outcome.acknowledged.iter().filter(|serial| !arrived.contains_key(serial)).collect();
    assert!(lost.is_empty(), "acknowledged, but nowhere: {lost:?}");
    let doubled: BTreeSet<u64> =
        arrived.iter().filter(|(_, times)| **times > 1).map(|(serial, _)| *serial).collect();
    let unexplained: Vec<_> = doubled.difference(&outcome.in_doubt).collect();
    assert!(unexplained.is_empty(), "arrived twice, but no attempt was in doubt: {unexplained:?}");
    until("a log line about each message that arrived twice", || weir.lines(UNSURE).len() >= doubled.len());
}

#[test]
fn a_scanner_killed_under_load_costs_no_message() {
    let here = Loopback::new();
    let (entry, first, second, end) = (here.port(), here.port(), here.port(), here.port());
    let sink = Sink::start(end);
    let mut scanners = [first, second].map(|listen| Weir::start(&scanner(listen, end), listen));
    let checked = "  check smtp every 200ms, fast 100ms, rise 1, fall 1\n  retry 2 on other server";
    let balancer = Weir::start(&relay(entry, &[first, second], "", checked), entry);

    let sender = Sender::start(Plan { to: entry, sessions: 20, messages: 2000, body_bytes: 4096 });
    until("load on both scanners", || sender.acknowledged() > 200);
    scanners[0].process().kill();
    let before = sender.acknowledged();
    until("mail through the scanner that is left", || sender.acknowledged() > before + 200);
    let outcome = sender.wait();

    assert_eq!(outcome.acknowledged.len(), 2000);
    nothing_lost_or_doubled(&outcome, &sink, &balancer);
    assert_eq!(outcome.broken, 0, "a client's connection broke");
    // Only the window between dot and reply is seen by clients: all else goes to the other scanner.
    assert!(outcome.refusals.iter().all(|reply| reply.starts_with("451 4.4.2")), "{:?}", outcome.refusals);
}

#[test]
fn a_server_that_hangs_up_after_the_dot_is_not_replaced_in_silence() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, first, second) = (here.port(), here.port(), here.port());
    let sinks = [Sink::start(first), Sink::start(second)];
    for sink in &sinks {
        sink.answer(SinkReplies::TakesAndHangsUp);
    }
    let weir = Weir::start(&relay(entry, &[first, second], "", "  retry 2 on other server"), entry);
    let mut client = Client::session(entry)?;
    let reply = client.message("a@example.net", "dev@example.org", MESSAGE)?;
    assert_eq!(reply.code, 451, "{}", reply.text);
    assert_eq!(sinks[0].count() + sinks[1].count(), 1, "a second copy was sent");
    until("a line about it in the log", || !weir.lines(UNSURE).is_empty());
    Ok(())
}

/// Its 554 was handed to the client as if it were about the message, which then bounced.
#[test]
fn a_server_that_refuses_us_is_replaced_unseen() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, closed, end) = (here.port(), here.port(), here.port());
    let listener = TcpListener::bind(closed)?;
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _gone = stream.write_all(b"554 5.7.1 this server does not serve you\r\n");
            let _gone = io::copy(&mut stream, &mut io::sink());
        }
    });
    let sink = Sink::start(end);
    let weir = Weir::start(&relay(entry, &[closed, end], "", "  balance round_robin"), entry);
    let mut client = Client::session(entry)?;
    for _ in 0..4 {
        let reply = client.message("a@example.net", "dev@example.org", MESSAGE)?;
        assert_eq!(reply.code, 250, "{}", reply.text);
    }
    assert_eq!(sink.count(), 4);
    until("the reason in the log", || !weir.lines(&["event=server_failed", "does not serve you"]).is_empty());
    Ok(())
}

/// Each byte of a reply had its own deadline.
#[test]
fn a_server_that_answers_byte_by_byte_is_given_up() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, slow, end) = (here.port(), here.port(), here.port());
    let listener = TcpListener::bind(slow)?;
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _gone = stream.write_all(b"220 ");
            while stream.write_all(b"a").is_ok() {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    });
    let sink = Sink::start(end);
    let patience = "  balance round_robin\n  timeouts command 500ms, data 500ms, dot 500ms";
    let _weir = Weir::start(&relay(entry, &[slow, end], "", patience), entry);
    let mut client = Client::session(entry)?;
    for _ in 0..2 {
        assert_eq!(client.message("a@example.net", "dev@example.org", MESSAGE)?.code, 250);
    }
    assert_eq!(sink.count(), 2);
    Ok(())
}

#[test]
fn a_server_that_is_not_there_is_replaced_unseen() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, nobody, end) = (here.port(), here.port(), here.port());
    let sink = Sink::start(end);
    let _weir = Weir::start(&relay(entry, &[nobody, end], "", "  balance round_robin"), entry);
    let mut client = Client::session(entry)?;
    for _ in 0..6 {
        assert_eq!(client.message("a@example.net", "dev@example.org", MESSAGE)?.code, 250);
    }
    assert_eq!(sink.count(), 6);
    Ok(())
}

#[test]
fn no_server_at_all_is_a_try_again() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, nobody) = (here.port(), here.port());
    let _weir = Weir::start(&relay(entry, &[nobody], "", "  empty 451 4.3.2 \"nobody there\""), entry);
    let reply = Client::session(entry)?.message("a@example.net", "dev@example.org", MESSAGE)?;
    assert_eq!((reply.code, reply.text.as_str()), (451, "451 4.3.2 nobody there"));
    Ok(())
}

#[test]
fn the_next_hops_reply_is_the_clients() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let sink = Sink::start(end);
    let _weir = Weir::start(&relay(entry, &[end], "", ""), entry);
    let mut client = Client::session(entry)?;
    for refusal in ["554 5.7.1 we do not like it", "452 4.2.2 mailbox full"] {
        sink.answer(SinkReplies::Refuses(refusal));
        let reply = client.message("a@example.net", "dev@example.org", MESSAGE)?;
        assert_eq!(reply.text, refusal);
    }
    assert_eq!(sink.count(), 0);
    Ok(())
}

#[test]
fn a_drained_server_gets_nothing_new_until_it_is_ready() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, first, second) = (here.port(), here.port(), here.port());
    let sinks = [Sink::start(first), Sink::start(second)];
    let weir = Weir::start(&relay(entry, &[first, second], "", "  balance round_robin"), entry);
    let mut client = Client::session(entry)?;
    let mut send = |count: usize| -> io::Result<()> {
        for _ in 0..count {
            assert_eq!(client.message("a@example.net", "dev@example.org", MESSAGE)?.code, 250);
        }
        Ok(())
    };

    for state in ["drain", "maint"] {
        let before = [sinks[0].count(), sinks[1].count()];
        weir.ctl_ok(&[state, "next/s1"]);
        assert!(weir.ctl_ok(&["show", "pools"]).contains(state));
        send(10)?;
        assert_eq!([sinks[0].count() - before[0], sinks[1].count() - before[1]], [0, 10], "{state}");
        weir.ctl_ok(&["ready", "next/s1"]);
        send(10)?;
        assert!(sinks[0].count() > before[0], "a ready server gets its share");
    }
    // An operator's word outlives a reload.
    weir.ctl_ok(&["drain", "next/s2"]);
    weir.ctl_ok(&["reload"]);
    let before = sinks[1].count();
    send(6)?;
    assert_eq!(sinks[1].count(), before);
    assert_eq!(weir.ctl(&["drain", "next/nobody"]).status.code(), Some(1));
    Ok(())
}

#[test]
fn slots_of_a_server_are_kept_and_the_rest_waits() {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let sink = Sink::start(end);
    sink.answer(SinkReplies::Waits(Duration::from_millis(5)));
    let rules = relay(entry, &[end], "", "  waiting 100 for 30s");
    let rules = rules.replace(&format!("server s1 {end}"), &format!("server s1 {end} slots 3"));
    let weir = Weir::start(&rules, entry);
    let outcome = Sender::start(Plan { to: entry, sessions: 20, messages: 200, body_bytes: 100 }).wait();
    assert_eq!(outcome.acknowledged.len(), 200);
    assert!(outcome.refusals.is_empty(), "{:?}", outcome.refusals);
    nothing_lost_or_doubled(&outcome, &sink, &weir);
    assert!(sink.open_most() <= 3, "{} at once", sink.open_most());
}

#[test]
fn sessions_above_the_bound_get_421() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let _sink = Sink::start(end);
    let bounds = "  sessions 3\n  full 421 4.3.2 \"busy, try again soon\"";
    let _weir = Weir::start(&relay(entry, &[end], bounds, ""), entry);
    // The harness' own look at the port may still be closing.
    let mut kept = Vec::new();
    until("three sessions", || {
        kept.extend(Client::session(entry));
        kept.len() >= 3
    });
    let (_, greeting) = Client::connect(entry)?;
    assert_eq!(greeting.text, "421 4.3.2 busy, try again soon");
    kept.pop().expect("a session").command("QUIT")?;
    until("a free seat", || Client::session(entry).is_ok());
    Ok(())
}
