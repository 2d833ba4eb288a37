//! New rules under load, bad rules, and the end of the process.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use weir_tests::rules::relay;
use weir_tests::{Client, Folder, Loopback, Plan, Process, Sender, Sink, SinkReplies, Weir, until};

const MESSAGE: &str = "X-Serial: 1\r\nSubject: one\r\n\r\nText.\r\n";

/// A relay whose reply to one HELO tells its generation.
fn generation(entry: SocketAddr, end: SocketAddr, number: u32) -> String {
    let helo = format!(
        "on helo {{\n  reject 550 5.7.1 \"generation {number}\" if helo.name == \"which.example.net\"\n}}\n\non data"
    );
    relay(entry, &[end], "", "").replace("on data", &helo)
}

fn which(entry: SocketAddr) -> io::Result<String> {
    let (mut client, _) = Client::connect(entry)?;
    Ok(client.command("EHLO which.example.net")?.text)
}

#[test]
fn a_reload_each_second_under_load_loses_and_doubles_nothing() -> io::Result<()> {
    const RELOADS: u32 = 5;
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let sink = Sink::start(end);
    let weir = Weir::start(&generation(entry, end, 0), entry);
    let sender = Sender::start(Plan { to: entry, sessions: 10, messages: u64::MAX, body_bytes: 4096 });
    for number in 1..=RELOADS {
        let due = Instant::now() + Duration::from_secs(1);
        let before = sender.acknowledged();
        until("mail between reloads", || sender.acknowledged() > before && Instant::now() >= due);
        weir.write_rules(&generation(entry, end, number));
        weir.ctl_ok(&["reload"]);
        // `reload` returns when the new rules serve: the next session has them.
        assert!(which(entry)?.contains(&format!("generation {number}")));
    }
    let outcome = sender.finish();
    assert!(outcome.acknowledged.len() > 100, "hardly a load: {}", outcome.acknowledged.len());
    assert_eq!(outcome.broken, 0, "a connection was dropped");
    assert!(outcome.refusals.is_empty(), "{:?}", outcome.refusals);
    let expected = outcome.acknowledged.iter().map(|serial| (*serial, 1));
    assert!(sink.serials().into_iter().eq(expected), "lost or doubled");
    Ok(())
}

#[test]
fn bad_rules_change_nothing() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let _sink = Sink::start(end);
    let weir = Weir::start(&generation(entry, end, 1), entry);
    weir.write_rules("weir 1\non data {\n  send to nowhere\n}\n");
    let output = weir.ctl(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("nowhere") && text.contains("main.weir:3"), "{text}");
    assert!(which(entry)?.contains("generation 1"));
    assert_eq!(Client::session(entry)?.message("a@example.net", "dev@example.org", MESSAGE)?.code, 250);

    // A test block that fails is a bad file too.
    let failing = "\ntest \"is refused\" {\n  rcpt \"dev@example.org\"\n  expect message 550\n}\n";
    weir.write_rules(&(generation(entry, end, 2) + failing));
    assert_eq!(weir.ctl(&["reload"]).status.code(), Some(1));
    assert!(which(entry)?.contains("generation 1"));

    weir.write_rules(&generation(entry, end, 3));
    weir.ctl_ok(&["reload"]);
    assert!(which(entry)?.contains("generation 3"));
    Ok(())
}

/// Rules that drop clients of a list in a file, beside the rule file.
fn deny_listed(entry: SocketAddr, end: SocketAddr) -> String {
    let rules = relay(entry, &[end], "", "");
    let deny = "list deny : net = file \"deny.txt\"\non connect {\n  drop 554 5.7.1 \"denied\" if client.ip in deny\n}\n\non data";
    rules.replace("on data", deny)
}

#[test]
fn a_list_is_read_anew_by_itself_and_a_bad_one_is_not_taken() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let _sink = Sink::start(end);
    let folder = Folder::new();
    let deny = folder.write("deny.txt", "192.0.2.0/24\n");
    let rules = folder.write("main.weir", deny_listed(entry, end));
    let weir = Weir::serve(folder, rules, entry, &[]);
    let greeting = || Client::connect(entry).map(|(_, reply)| reply.code).unwrap_or_default();
    assert_eq!(greeting(), 220);

    std::fs::write(&deny, "192.0.2.0/24\n127.0.0.1\n")?;
    until("the list with the client", || greeting() == 554);
    std::fs::write(&deny, "no net at all\n")?;
    until("word of the bad list", || !weir.lines(&["event=list_error", "list=deny", "line 1"]).is_empty());
    assert_eq!(greeting(), 554, "the entries before stay");

    std::fs::write(&deny, "192.0.2.0/24\n")?;
    until("the list without the client", || greeting() == 220);
    assert!(weir.ctl_ok(&["show", "info"]).contains("generation  1"), "the rules were not loaded anew");
    Ok(())
}

#[test]
fn an_operator_puts_entries_into_a_list_for_a_time() {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let folder = Folder::new();
    folder.write("deny.txt", "192.0.2.0/24\n");
    let rules = folder.write("main.weir", deny_listed(entry, end));
    let weir = Weir::serve(folder, rules, entry, &[]);
    let greeting = || Client::connect(entry).map(|(_, reply)| reply.code).unwrap_or_default();
    assert_eq!(weir.ctl(&["list", "add", "deny", "nonsense", "ttl", "1h"]).status.code(), Some(1));
    assert_eq!(weir.ctl(&["list", "add", "nobody", "127.0.0.1", "ttl", "1h"]).status.code(), Some(1));

    weir.ctl_ok(&["list", "add", "deny", "127.0.0.1", "ttl", "1h"]);
    until("the entry to count", || greeting() == 554);
    assert!(weir.ctl_ok(&["list", "show", "deny"]).contains("127.0.0.1 for "));
    weir.ctl_ok(&["reload"]);
    assert_eq!(greeting(), 554, "the entry outlives a reload");
    weir.ctl_ok(&["list", "del", "deny", "127.0.0.1"]);
    until("the entry to be gone", || greeting() == 220);

    weir.ctl_ok(&["list", "add", "deny", "127.0.0.1", "ttl", "1s"]);
    until("the entry to come", || greeting() == 554);
    until("its time to be over", || greeting() == 220);
}

#[test]
fn a_rollback_serves_what_served_before() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let weir = Weir::start(&generation(entry, end, 1), entry);
    let none = weir.ctl(&["rollback"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("no rules served before these"));
    weir.write_rules(&generation(entry, end, 2));
    weir.ctl_ok(&["reload"]);
    assert!(which(entry)?.contains("generation 2"));
    assert!(weir.ctl_ok(&["rollback"]).contains("generation 3 serves"));
    assert!(which(entry)?.contains("generation 1"), "the rules of before, under a new number");
    weir.ctl_ok(&["rollback"]);
    assert!(which(entry)?.contains("generation 2"), "and back again");
    Ok(())
}

/// A rolled-back generation took its lists for current, so that an address listed since was let in for good.
#[test]
fn a_rollback_takes_back_rules_and_not_lists() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let folder = Folder::new();
    let deny = folder.write("deny.txt", "192.0.2.0/24\n");
    let rules = folder.write("main.weir", deny_listed(entry, end));
    let weir = Weir::serve(folder, rules, entry, &[]);
    let greeting = || Client::connect(entry).map(|(_, reply)| reply.code).unwrap_or_default();
    assert_eq!(greeting(), 220);
    std::fs::write(&deny, "127.0.0.1\n")?;
    weir.ctl_ok(&["reload"]);
    assert_eq!(greeting(), 554);
    weir.ctl_ok(&["rollback"]);
    until("the list as its file is now", || greeting() == 554);
    Ok(())
}

#[test]
fn hangup_reloads() {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let _sink = Sink::start(end);
    let mut weir = Weir::start(&generation(entry, end, 1), entry);
    weir.write_rules(&generation(entry, end, 2));
    weir.process().signal("HUP");
    until("the second generation", || which(entry).is_ok_and(|reply| reply.contains("generation 2")));
}

#[test]
fn a_transaction_keeps_the_rules_it_began_with() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, old, new) = (here.port(), here.port(), here.port());
    let sinks = [Sink::start(old), Sink::start(new)];
    let weir = Weir::start(&relay(entry, &[old], "", ""), entry);
    let mut client = Client::session(entry)?;
    client.command("MAIL FROM:<a@example.net>")?;
    weir.write_rules(&relay(entry, &[new], "", ""));
    weir.ctl_ok(&["reload"]);
    client.command("RCPT TO:<dev@example.org>")?;
    client.command("DATA")?;
    client.write(MESSAGE.as_bytes())?;
    assert_eq!(client.command(".")?.code, 250);
    assert_eq!([sinks[0].count(), sinks[1].count()], [1, 0]);
    assert_eq!(client.message("a@example.net", "dev@example.org", MESSAGE)?.code, 250);
    assert_eq!([sinks[0].count(), sinks[1].count()], [1, 1], "the next one has the new rules");
    Ok(())
}

#[test]
fn listeners_come_and_go_with_a_reload() -> io::Result<()> {
    let here = Loopback::new();
    let (first, second, end) = (here.port(), here.port(), here.port());
    let _sink = Sink::start(end);
    let weir = Weir::start(&relay(first, &[end], "", ""), first);
    let mut kept = Client::session(first)?;
    weir.write_rules(&relay(second, &[end], "", ""));
    weir.ctl_ok(&["reload"]);
    assert_eq!(Client::session(second)?.message("a@example.net", "dev@example.org", MESSAGE)?.code, 250);
    until("the first listener to be gone", || Client::connect(first).is_err());
    assert_eq!(kept.message("a@example.net", "dev@example.org", MESSAGE)?.code, 250, "an open session stays");
    Ok(())
}

#[test]
fn term_finishes_transactions_and_exits_0() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let sink = Sink::start(end);
    sink.answer(SinkReplies::Waits(Duration::from_millis(300)));
    let mut weir = Weir::start(&relay(entry, &[end], "", ""), entry);
    let mut idle = Client::session(entry)?;
    let mut busy = Client::session(entry)?;
    assert_eq!(busy.envelope("a@example.net", "dev@example.org")?.code, 354);
    busy.write(MESSAGE.as_bytes())?;
    busy.write(b".\r\n")?;
    until("the message on its way", || sink.open() == 1);
    weir.process().signal("TERM");
    assert_eq!(busy.reply()?.code, 250, "what has begun is finished");
    assert_eq!(idle.reply()?.code, 421, "who is idle is sent away");
    assert_eq!(weir.process().wait(), 0);
    assert_eq!(sink.count(), 1);
    Ok(())
}

#[test]
fn no_io_uring_is_said_in_one_line_with_exit_69() {
    let here = Loopback::new();
    let folder = Folder::new();
    let rules = folder.write("main.weir", relay(here.port(), &[here.port()], "", ""));
    let weir = Weir::command(&folder, &rules);
    // strace answers in the kernel's place, as a container's seccomp filter does.
    let mut refused = Command::new("strace");
    refused.args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=io_uring_setup:error=EPERM"]);
    refused.arg(weir.get_program()).args(weir.get_args());
    let mut process = Process::start("refused", folder.path(), &mut refused);
    assert_eq!(process.wait(), 69);
    let output = process.output();
    let lines: Vec<&str> = output.lines().filter(|line| line.contains("io_uring")).collect();
    assert_eq!(lines.len(), 1, "{output}");
    assert!(output.trim().lines().count() == 1, "{output}");
}

#[test]
fn an_address_in_use_is_said_with_exit_69() {
    let here = Loopback::new();
    let entry = here.port();
    let _taken = TcpListener::bind(entry).expect("the address");
    let folder = Folder::new();
    let rules = folder.write("main.weir", relay(entry, &[here.port()], "", ""));
    let mut process = Process::start("second", folder.path(), &mut Weir::command(&folder, &rules));
    assert_eq!(process.wait(), 69);
    assert!(process.output().contains(&entry.to_string()), "{}", process.output());
}

#[test]
fn a_second_weir_does_not_share_an_address_in_silence() {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let rules = relay(entry, &[end], "", "");
    let _first = Weir::start(&rules, entry);
    let folder = Folder::new();
    let file = folder.write("main.weir", rules);
    let mut second = Process::start("second", folder.path(), &mut Weir::command(&folder, &file));
    assert_eq!(second.wait(), 69);
    assert!(second.output().contains(&entry.to_string()), "{}", second.output());
}

#[test]
fn bad_rules_at_the_start_are_exit_78() {
    let folder = Folder::new();
    let rules = folder.write("main.weir", "weir 1\non data {\n  send to nowhere\n}\n");
    let mut process = Process::start("bad", folder.path(), &mut Weir::command(&folder, &rules));
    assert_eq!(process.wait(), 78);
    assert!(process.output().contains("nowhere"), "{}", process.output());
}

#[test]
fn a_dead_client_does_not_hold_up_the_end() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let _sink = Sink::start(end);
    let folder = Folder::new();
    let rules = folder.write("main.weir", relay(entry, &[end], "", ""));
    let mut weir = Weir::serve(folder, rules, entry, &["--stop-timeout", "1"]);
    let mut stuck = Client::session(entry)?;
    assert_eq!(stuck.envelope("a@example.net", "dev@example.org")?.code, 354);
    // Half a message, and nothing more.
    stuck.write(b"Subject: half")?;
    weir.process().signal("TERM");
    let asked = Instant::now();
    assert_eq!(weir.process().wait(), 0);
    assert!(asked.elapsed() < Duration::from_secs(20));
    drop(stuck);
    Ok(())
}
