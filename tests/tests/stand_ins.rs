//! The stand-ins of `weir-bench` asked by those who ask the real ones: weir's look-ups, and clamdscan.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use weir_tests::{Client, EICAR_SIGNATURE, Folder, Loopback, Sink, StandIn, Weir, eicar, run};

const MESSAGE: &str = "Subject: one\r\n\r\nText.\r\n";

/// What RCPT is answered from this client.
fn rcpt(last: u8, entry: SocketAddr) -> io::Result<String> {
    let from: IpAddr = Ipv4Addr::new(127, 0, 7, last).into();
    let mut client = Client::from(from, entry)?;
    client.reply()?;
    client.command("EHLO client.example.net")?;
    client.command("MAIL FROM:<a@example.net>")?;
    Ok(client.command("RCPT TO:<dev@example.org>")?.text)
}

#[test]
fn weir_asks_the_stand_in_for_dns() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let mut dns =
        StandIn::start("dns", &["--listed", "zen.example.org=127.0.7.0-127.0.7.9 :127.0.0.4:see $"]);
    let names = dns.address;
    let rules = format!(
        "weir 1\nrole mx\n\nlistener here {{\n  bind {entry}\n  name \"mx.example.org\"\n}}\n\npool next {{\n  server sink {end}\n}}\n\n\
         dnsbl zen {{\n  zone \"zen.example.org\"\n  listed 127.0.0.2-11\n  error 127.255.255.0/24\n  timeout 500ms\n  server {names}\n}}\n\n\
         on rcpt {{\n  reject 550 5.7.1 \"listed\" if zen(client.ip)\n  reject 550 5.7.2 \"clean\" if zen(client.ip) is clean\n\
         \x20 defer 451 4.7.1 \"unknown\" if zen(client.ip) is unknown\n}}\n\non data {{\n  send to next\n}}\n"
    );
    let _weir = Weir::with(&rules, entry, &["--shards", "1"]);
    assert_eq!(rcpt(1, entry)?, "550 5.7.1 listed");
    assert_eq!(rcpt(20, entry)?, "550 5.7.2 clean");
    // Each client is new, so that what weir remembers of the one before does not answer for it.
    let faults = [
        ("servfail 100%", "451 4.7.1 unknown"),
        ("refused 100%", "451 4.7.1 unknown"),
        ("quota 100%", "451 4.7.1 unknown"),
        ("drop 100%", "451 4.7.1 unknown"),
        ("wrong-id 100%", "451 4.7.1 unknown"),
        ("latency 2s", "451 4.7.1 unknown"),
        ("nxdomain 100%", "550 5.7.2 clean"),
        ("truncate 100%", "550 5.7.1 listed"),
        ("latency 20ms..40ms", "550 5.7.1 listed"),
    ];
    for (at, (order, answer)) in (2..).zip(faults) {
        dns.order("none");
        dns.order(order);
        assert_eq!(rcpt(if at < 10 { at } else { 9 }, entry)?, answer, "{order}");
    }
    dns.order("none");
    dns.order("everything 100%");
    assert_eq!(rcpt(30, entry)?, "550 5.7.1 listed");
    let summary = dns.end();
    assert!(summary["tcp"].as_u64() >= Some(1), "a cut answer is asked for again over TCP: {summary}");
    Ok(())
}

#[test]
fn weir_asks_the_stand_in_for_clamd() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let _sink = Sink::start(end);
    let mut clamd = StandIn::start("clamd", &["--virus", "Test.One=overdue invoice", "--size-max", "8KiB"]);
    let rules = format!(
        "weir 1\nrole scanner\n\nlistener here {{\n  bind {entry}\n  name \"scan.example.org\"\n}}\n\npool next {{\n  server sink {end}\n}}\n\n\
         service av : clamd {{\n  hosts \"{}\"\n  connect 1s\n  scan 500ms\n}}\n\n\
         on message {{\n  let virus = av(message)\n  reject 554 5.7.1 \"virus: {{virus.name}}\" if virus is infected\n\
         \x20 defer 451 4.7.1 \"no virus scanner\" if virus is unknown\n  send to next\n}}\n",
        clamd.address
    );
    let _weir = Weir::start(&rules, entry);
    let mut client = Client::session(entry)?;
    let mut send =
        |message: &str| client.message("a@example.net", "dev@example.org", message).map(|reply| reply.text);
    assert!(send(MESSAGE)?.starts_with("250 "));
    assert!(send(&format!("Subject: x\r\n\r\n{}\r\n", eicar()))?.contains(EICAR_SIGNATURE));
    assert!(send("Subject: x\r\n\r\nYour overdue invoice\r\n")?.contains("Test.One"));
    let large = format!("Subject: x\r\n\r\n{}", "A line of some length, and then another.\r\n".repeat(300));
    assert!(send(&large)?.starts_with("451 "), "over the scanner's limit");
    let unknown = ["error", "garbage", "stall", "close", "too-large", "refuse"];
    let orders = unknown.iter().map(|fault| format!("{fault} 100%"));
    for order in orders.chain([String::from("busy 2s"), String::from("latency 2s")]) {
        clamd.order("none");
        clamd.order(&order);
        assert!(send(MESSAGE)?.starts_with("451 "), "{order}");
    }
    clamd.order("none");
    clamd.order("infected 100%");
    assert!(send(MESSAGE)?.contains("Stand-In.Not.There"));
    clamd.order("none");
    clamd.order("latency 5ms..20ms");
    assert!(send(MESSAGE)?.starts_with("250 "));
    let summary = clamd.end();
    assert_eq!(summary["viruses"]["Test.One"].as_u64(), Some(1), "{summary}");
    Ok(())
}

#[test]
fn clamdscan_takes_the_stand_in_for_clamd() {
    let folder = Folder::new();
    let clamd = StandIn::start("clamd", &[]);
    let configuration = folder
        .write("clamd.conf", format!("TCPAddr {}\nTCPSocket {}\n", clamd.address.ip(), clamd.address.port()));
    let (clean, infected) = (folder.write("clean", MESSAGE), folder.write("infected", eicar()));
    let configuration = format!("--config-file={}", configuration.display());
    let scan = |files: &[&str]| {
        let output = run("clamdscan", &[&["--stream", "--no-summary", &configuration], files].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let [clean, infected] = [&clean, &infected].map(|file| file.display().to_string());
    let (code, said) = scan(&[&clean]);
    assert_eq!((code, said.trim()), (Some(0), format!("{clean}: OK").as_str()));
    let (code, said) = scan(&[&clean, &infected]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("{infected}: {EICAR_SIGNATURE} FOUND")), "{said}");
}
