//! What a reload leaves as it was: open addresses, counts of checks, what an operator said.

use std::io;
use std::net::TcpListener;

use weir_tests::rules::relay;
use weir_tests::{Client, Loopback, Sink, Weir, until};

/// Each reload began the checks anew, so a dead server that fails one check between two reloads never went down.
#[test]
fn a_dead_server_goes_down_however_often_rules_are_loaded() {
    let here = Loopback::new();
    let (entry, end, dead) = (here.port(), here.port(), here.port());
    let _sink = Sink::start(end);
    let weir =
        Weir::start(&relay(entry, &[end, dead], "", "  check smtp every 400ms, rise 2, fall 3"), entry);
    until("the dead server to be down", || {
        weir.ctl_ok(&["reload"]);
        weir.ctl_ok(&["show", "pools"]).lines().any(|line| line.contains("next/s2") && line.contains("down"))
    });
    let pools = weir.ctl_ok(&["show", "pools"]);
    assert!(pools.lines().any(|line| line.contains("next/s1") && line.contains("up")), "{pools}");
}

#[test]
fn a_drained_server_stays_drained() {
    let here = Loopback::new();
    let (entry, one, other) = (here.port(), here.port(), here.port());
    let sinks = [Sink::start(one), Sink::start(other)];
    let weir = Weir::start(&relay(entry, &[one, other], "", ""), entry);
    weir.ctl_ok(&["drain", "next/s1"]);
    weir.ctl_ok(&["reload"]);
    for _ in 0..4 {
        let mut client = Client::session(entry).expect("a session");
        let reply = client.message("a@example.net", "dev@example.org", "Subject: x\r\n\r\nx\r\n");
        assert_eq!(reply.expect("a reply").code, 250);
    }
    assert_eq!([sinks[0].count(), sinks[1].count()], [0, 4]);
}

/// The sockets of an address were closed with the listener that had it, and connections that waited to be accepted were reset.
#[test]
fn an_address_that_changes_its_listener_stays_open() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let _sink = Sink::start(end);
    let rules = relay(entry, &[end], "", "");
    let weir = Weir::start(&rules, entry);
    let mut kept = Client::session(entry)?;
    let flood = std::thread::spawn(move || {
        (0..400).filter(|_| Client::connect(entry).is_ok_and(|(_, greeting)| greeting.code == 220)).count()
    });
    for name in ["there", "here", "there", "here", "there"] {
        weir.write_rules(&rules.replace("listener here", &format!("listener {name}")));
        weir.ctl_ok(&["reload"]);
    }
    assert_eq!(flood.join().expect("the clients"), 400);
    assert_eq!(kept.command("NOOP")?.code, 250);
    assert!(weir.ctl_ok(&["show", "info"]).contains("there"));
    Ok(())
}

#[test]
fn an_address_that_cannot_be_had_changes_nothing() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, free, end) = (here.port(), here.port(), here.port());
    let _sink = Sink::start(end);
    let weir = Weir::start(&relay(entry, &[end], "", ""), entry);
    let taken = TcpListener::bind(here.port())?;
    let address = taken.local_addr()?;
    let bind = |more: &str| relay(entry, &[end], "", "").replace("\n  name", &format!(", {more}\n  name"));
    weir.write_rules(&bind(&format!("{free}, {address}")));
    let output = weir.ctl(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(&format!("cannot bind {address}")), "{text}");
    assert!(Client::connect(free).is_err(), "nothing was opened");
    assert!(Client::session(entry)?.command("NOOP")?.is_good());
    weir.write_rules(&bind(&free.to_string()));
    weir.ctl_ok(&["reload"]);
    assert!(Client::session(free)?.command("NOOP")?.is_good());
    Ok(())
}
