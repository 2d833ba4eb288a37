//! The source against the sink: what one says it has sent, the other proves.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;

use common::{Sink, bench};
use serde_json::Value;

/// A run of the source; its summary.
fn source(to: &str, arguments: &[&str]) -> Value {
    let output = bench(&["source", to, "--json", "--timeout", "10s"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} in {value}"))
}

/// Runs the source against a sink and checks the one by the other: what is missing in the sink is what the source names.
fn checked(of_sink: &[&str], of_source: &[&str]) -> (Value, Value) {
    let sink = Sink::start(of_sink);
    let sent = source(&sink.address.to_string(), of_source);
    let (_, arrived) = sink.end();
    for fault in ["doubled", "altered", "out_of_envelope", "unmarked", "foreign"] {
        assert_eq!(number(&arrived["audit"], fault), 0, "{fault}: {arrived}");
    }
    let in_doubt = sent["serials_unsure"].as_array().unwrap().len() as u64;
    let (accepted, distinct) = (number(&sent, "accepted"), number(&arrived, "distinct"));
    assert!((accepted..=accepted + in_doubt).contains(&distinct), "{sent}\n{arrived}");
    (sent, arrived)
}

#[test]
fn a_closed_loop_delivers_each_message_once() {
    let sink = Sink::start(&["--messages", "500"]);
    let sizes = [
        "--size",
        "1KiB:50%,16KiB..100KiB:50%",
        "--messages",
        "500",
        "--sessions",
        "7",
        "--per-connection",
        "10",
    ];
    let sent = source(&sink.address.to_string(), &sizes);
    let (status, arrived) = sink.summary();
    assert!(status.success(), "{arrived}");
    assert_eq!((number(&sent, "accepted"), number(&arrived, "messages")), (500, 500));
    assert!((50..=57).contains(&number(&arrived, "connections")), "{arrived}");
    assert_eq!(number(&sent["latency_us"], "count"), 500);
}

#[test]
fn commands_wait_for_their_replies_without_pipelining() {
    let (sent, _) =
        checked(&["--latency", "5ms"], &["--no-pipelining", "--messages", "3", "--sessions", "1"]);
    // The greeting, EHLO, MAIL, RCPT, DATA and the dot.
    assert!(number(&sent["latency_us"], "max") >= 30_000, "{sent}");
    assert_eq!(number(&sent, "accepted"), 3);
}

#[test]
fn an_open_loop_counts_from_the_intended_start() {
    let sink = Sink::start(&["--latency", "dot=50ms"]);
    // One session can do 20 a second; 100 a second come in for 0.2 s, so the last starts 0.8 s late.
    let sent = source(&sink.address.to_string(), &["--rate", "100", "--for", "200ms", "--sessions", "1"]);
    assert_eq!(number(&sent, "accepted"), 20, "{sent}");
    assert!(number(&sent["latency_us"], "max") >= 700_000, "{sent}");
    assert!(number(&sent["latency_us"], "p50") >= 300_000, "{sent}");
}

#[test]
fn an_open_loop_ends_with_its_schedule() {
    let (sent, _) = checked(&[], &["--rate", "200..400/200:100ms", "--sessions", "5"]);
    assert_eq!(number(&sent, "attempts"), 20 + 40);
    assert_eq!(number(&sent, "accepted"), 60);
}

#[test]
fn bad_company_is_counted_and_harms_no_message() {
    let shares =
        ["--pregreet", "10%", "--drop", "10%", "--unknown", "10%", "--slow", "5%", "--slow-rate", "1MiB"];
    let (sent, arrived) = checked(&[], &[&shares[..], &["--messages", "400"]].concat());
    for name in ["talkers", "dropped", "unknown_sent", "slow_accepted"] {
        assert!((5..80).contains(&number(&sent, name)), "{name}: {sent}");
    }
    let sum = number(&sent, "accepted") + number(&sent, "talkers") + number(&sent, "dropped");
    assert_eq!((number(&sent, "attempts"), sum), (400, 400));
    assert_eq!(number(&arrived, "distinct"), number(&sent, "accepted"));
}

#[test]
fn every_fault_of_a_server_leaves_the_books_in_order() {
    let faults =
        ["--refuse", "rcpt=450:5%,data=451:3%,dot=554:3%,connect=421:5%,mail=421:2%", "--bytewise", "20%"];
    let closes = ["--close", "connect=2%,mail=2%,rcpt=2%,data=2%,body=3%,dot=3%,taken=3%,replied=3%"];
    let (sent, arrived) =
        checked(&[&faults[..], &closes[..]].concat(), &["--messages", "600", "--per-connection", "5"]);
    assert!(number(&sent, "unsure") > 5 && number(&sent, "not_taken") > 5, "{sent}");
    assert!(number(&sent["codes"], "450") > 5 && number(&sent["codes"], "554") > 2, "{sent}");
    // What the sink misses are serials whose fate the source names.
    let named =
        ["serials_unsure", "serials_undelivered"].map(|name| sent[name].as_array().unwrap().clone()).concat();
    for range in arrived["audit"]["lost_serials"].as_array().unwrap() {
        for serial in range[0].as_u64().unwrap()..=range[1].as_u64().unwrap() {
            assert!(named.contains(&Value::from(serial)), "{serial} is lost: {sent}\n{arrived}");
        }
    }
}

#[test]
fn clients_come_from_the_addresses_that_were_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peers = std::thread::spawn(move || -> Vec<std::net::IpAddr> {
        (0..40)
            .map(|_| {
                let (mut stream, peer) = listener.accept().unwrap();
                drop(stream.write_all(b"421 no\r\n"));
                drop(stream.read(&mut [0; 64]));
                peer.ip()
            })
            .collect()
    });
    let from = ["--clients", "127.3.0.0/16", "--listed", "127.0.0.2", "--listed-share", "50%"];
    let sent = source(&address, &[&from[..], &["--messages", "40", "--sessions", "1"]].concat());
    let peers = peers.join().unwrap();
    let listed = peers.iter().filter(|ip| ip.to_string() == "127.0.0.2").count();
    assert!((8..=32).contains(&listed), "{peers:?}");
    assert!(
        peers.iter().all(|ip| ip.to_string() == "127.0.0.2" || ip.to_string().starts_with("127.3.")),
        "{peers:?}"
    );
    assert_eq!(sent["codes"]["421"].as_u64(), Some(40));
}

#[test]
fn mail_from_files_arrives_as_it_is() {
    let folder = std::env::temp_dir().join(format!("weir-bench-mail-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.eml"), "Subject: a\n\n.dots\n..\n.\nend").unwrap();
    std::fs::write(
        folder.join("b.mbox"),
        "From x\nSubject: b\n\nM\u{fc}ller\n\nFrom y\nSubject: c\n\n>From z\n",
    )
    .unwrap();
    let (sent, _) = checked(&[], &["--mail", folder.to_str().unwrap(), "--messages", "50"]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(number(&sent, "accepted"), 50);
}

#[test]
fn a_server_that_is_not_there_takes_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let sent = source(&free, &["--messages", "5", "--sessions", "2"]);
    assert_eq!((number(&sent, "not_taken"), number(&sent, "accepted"), number(&sent, "serials")), (5, 0, 2));
}

#[test]
fn wrong_values_are_explained() {
    for (arguments, word) in [
        (["--rate", "fast"], "no rate"),
        (["--size", "4KiB:50%"], "not 100%"),
        (["--clients", "192.0.2.0/24"], "no network of loopback"),
        (["--rcpt", "nobody@"], "no address"),
        (["--listed", "127.0.0.2"], "listed-share"),
        (["--sessions", "0"], "1.."),
    ] {
        let output = bench(&["source", "127.0.0.1:25"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(word), "{text}");
    }
    let output = bench(&["source", "127.0.0.1:25", "--mail", "/nowhere"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere"));
}
