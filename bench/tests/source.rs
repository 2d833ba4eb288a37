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
fn chunks_carry_the_same_mail() {
    let arguments = ["--chunking", "--messages", "300", "--size", "1KiB:50%,16KiB..100KiB:50%"];
    let shares = ["--drop", "10%", "--slow", "3%", "--slow-rate", "1MiB", "--unknown", "10%"];
    let (sent, _) = checked(&[], &[&arguments[..], &shares].concat());
    assert_eq!(number(&sent, "accepted") + number(&sent, "dropped"), 300, "{sent}");
    let (sent, _) = checked(&[], &[&arguments[..], &["--rcpts", "7"]].concat());
    assert_eq!(number(&sent, "accepted"), 300);
    let (sent, _) = checked(&["--without", "chunking"], &arguments);
    assert_eq!(number(&sent, "accepted"), 300, "a server without CHUNKING gets DATA");
}

/// Serves one connection: what it says first, then a reply for each text that must come; all that came.
fn scripted(greeting: &str, dialog: &[(&str, &str)]) -> (String, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (greeting, dialog) =
        (greeting.to_owned(), dialog.iter().map(|(ask, say)| (ask.to_string(), say.to_string())));
    let dialog: Vec<(String, String)> = dialog.collect();
    let serve = move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        stream.write_all(greeting.as_bytes()).unwrap();
        let (mut all, mut byte, mut from) = (Vec::new(), [0], 0);
        for (ask, say) in dialog {
            while !String::from_utf8_lossy(&all[from..]).contains(&ask) {
                stream.read_exact(&mut byte).unwrap();
                all.push(byte[0]);
            }
            from = all.len();
            stream.write_all(say.as_bytes()).unwrap();
        }
        all
    };
    (address, std::thread::spawn(serve))
}

#[test]
fn commands_and_chunk_leave_without_waiting_for_a_reply() {
    let (address, server) = scripted(
        "220 x\r\n",
        &[
            ("EHLO client.example.org\r\n", "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n"),
            // No reply until the last byte of the message is there.
            ("the end of it\r\n", "250 x\r\n250 x\r\n250 x\r\n"),
            ("QUIT\r\n", "221 x\r\n"),
        ],
    );
    let file = std::env::temp_dir().join(format!("weir-bench-chunk-{}.eml", std::process::id()));
    std::fs::write(&file, "Subject: x\n\n.dot\nthe end of it\n").unwrap();
    let mail = ["--mail", file.to_str().unwrap(), "--chunking", "-m", "1", "-s", "1"];
    let sent = source(&address, &mail);
    std::fs::remove_file(&file).unwrap();
    let all = String::from_utf8(server.join().unwrap()).unwrap();
    assert_eq!(number(&sent, "accepted"), 1);
    let (commands, content) = all.split_once(" LAST\r\n").unwrap();
    let bytes: usize = commands.rsplit_once("BDAT ").unwrap().1.parse().unwrap();
    assert_eq!(content, format!("{}QUIT\r\n", &content[..bytes]));
    assert!(content.contains("\r\n\r\n.dot\r\n"), "not stuffed: {content}");
}

#[test]
fn a_refused_recipient_is_no_doubt_even_if_the_chunk_had_gone() {
    let (address, server) = scripted(
        "220 x\r\n",
        &[
            ("EHLO client.example.org\r\n", "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n"),
            // It closes without a word on the chunk.
            (" LAST\r\n", "250 x\r\n550 x\r\n"),
        ],
    );
    let sent = source(&address, &["--chunking", "-m", "1", "-s", "1"]);
    server.join().unwrap();
    assert_eq!((number(&sent, "unsure"), number(&sent, "not_taken")), (0, 1), "{sent}");
}

#[test]
fn a_load_goes_inside_tls() {
    let (sent, arrived) =
        checked(&["--tls"], &["--starttls", "--messages", "100", "--per-connection", "9", "--chunking"]);
    assert_eq!(number(&sent, "accepted"), 100, "{sent}");
    assert_eq!(number(&arrived, "secured"), number(&arrived, "connections"));
    let large = ["--starttls", "--messages", "20", "--size", "1MiB", "--slow", "10%", "--slow-rate", "64MiB"];
    let (sent, _) = checked(&["--tls"], &large);
    assert_eq!(number(&sent, "accepted"), 20, "{sent}");
    let (sent, arrived) = checked(&[], &["--starttls", "--messages", "3"]);
    assert_eq!(number(&sent, "not_taken"), 3, "nothing goes in the clear: {sent}");
    assert_eq!(number(&arrived, "messages"), 0);
}

#[test]
fn a_proxy_header_comes_before_all_else() {
    let first = |arguments: &[&str]| {
        let (address, server) =
            scripted("", &[("", "220 x\r\n"), ("EHLO client.example.org\r\n", "421 x\r\n")]);
        source(&address, &[&["-m", "1", "-s", "1"], arguments].concat());
        String::from_utf8_lossy(&server.join().unwrap()).into_owned()
    };
    let v1 = first(&["--proxy", "v1", "--clients", "198.51.100.0/24"]);
    assert!(v1.starts_with("PROXY TCP4 198.51.100.") && v1.contains(" 127.0.0.1 "), "{v1}");
    assert!(v1.contains("\r\nEHLO "), "{v1}");
    let listed = first(&["--proxy", "v1", "--listed", "2001:db8::7", "--listed-share", "100%"]);
    assert!(listed.starts_with("PROXY TCP6 2001:db8::7 ::1 "), "{listed}");
    let v2 = first(&["--proxy", "v2"]);
    assert!(v2.starts_with("\r\n\r\n\0\r\nQUIT\n!\u{11}\0\u{c}\u{7f}\0\0\u{1}\u{7f}\0\0\u{1}"), "{v2:?}");
}

#[test]
fn idle_sessions_are_opened_and_held() {
    let sink = Sink::start(&[]);
    let held = source(&sink.address.to_string(), &["--hold", "100ms", "--sessions", "300"]);
    assert_eq!(
        ["connections", "held", "not_taken", "connections_lost"].map(|name| number(&held, name)),
        [300, 300, 0, 0]
    );
    assert_eq!(number(&sink.end().1, "sessions_peak"), 300);
    let sink = Sink::start(&["--refuse", "helo=550:100%"]);
    let held = source(&sink.address.to_string(), &["--hold", "100ms", "--sessions", "3"]);
    assert_eq!((number(&held, "connections"), number(&held, "not_taken")), (0, 3), "{held}");
    assert!(held["reason"].as_str().unwrap().contains("Refused"), "{held}");
}

#[test]
fn samples_are_told_as_they_are_read() {
    let file = std::env::temp_dir().join(format!("weir-bench-samples-{}", std::process::id()));
    let to = ["--sample-every", "50ms", "--samples-to", file.to_str().unwrap()];
    let (sent, _) =
        checked(&["--latency", "dot=5ms", "--refuse", "dot=450:20%"], &[&to[..], &["-m", "500"]].concat());
    let lines = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let told: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(sent["samples"].as_array().unwrap(), &told);
    assert!(told.len() >= 2, "{lines}");
    let mut last = 0.0;
    let mut sums = [0.0, 0.0];
    for sample in &told {
        let seconds = sample["seconds"].as_f64().unwrap();
        sums[0] += sample["rate"].as_f64().unwrap() * (seconds - last);
        sums[1] += sample["failure_rate"].as_f64().unwrap() * (seconds - last);
        last = seconds;
    }
    let of_summary = ["accepted", "refused"].map(|name| sent[name].as_f64().unwrap());
    // The last interval is left out if it is short, and each is measured twice.
    for (sum, all) in sums.into_iter().zip(of_summary) {
        assert!((0.5 * all..1.2 * all).contains(&sum), "{sums:?} {of_summary:?}");
    }
    assert!(told.iter().any(|sample| sample["latency_p99_us"].as_f64().unwrap() >= 5000.0), "{lines}");
    let curve = sent["latency_curve_us"].as_array().unwrap();
    assert_eq!(curve.last().unwrap()[0], 99.99);
}

#[test]
fn every_fault_of_a_server_leaves_the_books_in_order() {
    let faults =
        ["--refuse", "rcpt=450:5%,data=451:3%,dot=554:3%,connect=421:5%,mail=421:2%", "--bytewise", "20%"];
    let closes = ["--close", "connect=2%,mail=2%,rcpt=2%,data=2%,body=3%,dot=3%,taken=3%,replied=3%"];
    for form in [&[][..], &["--chunking"]] {
        let run = [&["--messages", "600", "--per-connection", "5"], form].concat();
        let (sent, arrived) = checked(&[&faults[..], &closes[..]].concat(), &run);
        assert_books(&sent, &arrived);
        // A chunk has left as a whole before the server says anything of its sender.
        assert!(number(&sent, "not_taken") > 5 || !form.is_empty(), "{sent}");
    }
}

/// What the sink misses are serials whose fate the source names.
fn assert_books(sent: &Value, arrived: &Value) {
    assert!(number(sent, "unsure") > 5, "{sent}");
    assert!(number(&sent["codes"], "450") > 5 && number(&sent["codes"], "554") > 2, "{sent}");
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
