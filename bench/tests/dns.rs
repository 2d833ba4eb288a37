//! The stand-in name server over real sockets; weir asks it in `stand_ins.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use common::{Sink as Server, bench};

const LIST: [&str; 4] = [
    "--listed",
    "zen.example.org=127.0.0.2 :127.0.0.4:see $",
    "--record",
    "example.net MX 10 mail.example.net",
];

/// A question with its header (RFC 1035, 4.1).
fn question(id: u16, name: &str, kind: u8) -> Vec<u8> {
    let mut packet = id.to_be_bytes().to_vec();
    packet.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        packet.push(u8::try_from(label.len()).unwrap());
        packet.extend_from_slice(label.as_bytes());
    }
    packet.extend_from_slice(&[0, 0, kind, 0, 1]);
    packet
}

/// Id, code, whether it was cut off, answers, and the last bytes of the answer.
#[derive(Debug, PartialEq)]
struct Answer {
    id: u16,
    code: u8,
    is_cut: bool,
    count: u8,
    end: Vec<u8>,
}

fn read(packet: &[u8]) -> Answer {
    Answer {
        id: u16::from_be_bytes([packet[0], packet[1]]),
        code: packet[3] & 15,
        is_cut: packet[2] & 2 != 0,
        count: packet[7],
        end: packet[packet.len() - 4..].to_vec(),
    }
}

fn ask(server: SocketAddr, name: &str, kind: u8) -> Option<Answer> {
    ask_within(Duration::from_secs(30), server, name, kind)
}

fn ask_within(time: Duration, server: SocketAddr, name: &str, kind: u8) -> Option<Answer> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(time)).unwrap();
    socket.send_to(&question(7, name, kind), server).unwrap();
    let mut packet = [0; 4096];
    let length = socket.recv(&mut packet).ok()?;
    Some(read(&packet[..length]))
}

fn ask_over_tcp(server: SocketAddr, name: &str, kind: u8) -> Answer {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let question = question(9, name, kind);
    stream.write_all(&u16::try_from(question.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&question).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut packet = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut packet).unwrap();
    read(&packet)
}

const A: u8 = 1;
const MX: u8 = 15;
const TXT: u8 = 16;

#[test]
fn lists_and_records_are_answered_and_counted() {
    let folder = std::env::temp_dir().join(format!("weir-bench-dns-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (list, records) = (folder.join("list"), folder.join("records"));
    std::fs::write(&list, "10/8 :127.0.0.9:\nbad.example\n").unwrap();
    std::fs::write(&records, "mail.example.net A 192.0.2.1\n").unwrap();
    let files = [format!("zen.example.org={}", list.display()), records.display().to_string()];
    let server = Server::of("dns", &[&LIST[..], &["--list", &files[0], "--records", &files[1]]].concat());
    std::fs::remove_dir_all(&folder).unwrap();
    let listed = ask(server.address, "2.0.0.127.zen.example.org", A).unwrap();
    assert_eq!(listed, Answer { id: 7, code: 0, is_cut: false, count: 1, end: vec![127, 0, 0, 4] });
    let text = ask(server.address, "2.0.0.127.ZEN.example.org", TXT).unwrap();
    assert_eq!(text.end, b".0.2", "see 127.0.0.2");
    assert_eq!(ask(server.address, "1.2.3.10.zen.example.org", A).unwrap().end, [127, 0, 0, 9]);
    assert_eq!(ask(server.address, "bad.example.zen.example.org", A).unwrap().end, [127, 0, 0, 2]);
    let clean = ask(server.address, "3.0.0.127.zen.example.org", A).unwrap();
    assert_eq!((clean.code, clean.count), (3, 0));
    assert_eq!(ask(server.address, "example.net", MX).unwrap().count, 1);
    assert_eq!(ask(server.address, "mail.example.net", A).unwrap().end, [192, 0, 2, 1]);
    let other = ask(server.address, "mail.example.net", MX).unwrap();
    assert_eq!((other.code, other.count), (0, 0), "the name exists, this type does not");
    assert_eq!(ask_over_tcp(server.address, "example.net", MX).count, 1);
    let (status, summary) = server.end();
    assert!(status.success());
    assert_eq!((summary["udp"].as_u64(), summary["tcp"].as_u64()), (Some(8), Some(1)), "{summary}");
    let answers = ["listed", "not_listed", "found", "no_data"].map(|word| summary["answers"][word].as_u64());
    assert_eq!(answers, [4, 1, 3, 1].map(Some), "{summary}");
    assert_eq!(summary["lists"]["zen.example.org"].as_u64(), Some(5));
}

#[test]
fn faults_come_and_go_by_order() {
    let mut server = Server::of("dns", &[&LIST[..], &["--servfail", "100%"]].concat());
    let name = "2.0.0.127.zen.example.org";
    let at = server.address;
    assert_eq!(ask(at, name, A).unwrap().code, 2);
    for (order, code) in [("none", 0), ("refused 100%", 5), ("refused none", 0), ("nxdomain 100%", 3)] {
        assert_eq!(server.order(order), format!("done: {order}"));
        assert_eq!(ask(at, name, A).unwrap().code, code, "{order}");
    }
    server.order("none");
    server.order("quota 100%");
    assert_eq!(ask(at, "9.0.0.127.zen.example.org", A).unwrap().end, [127, 255, 255, 254]);
    assert_eq!(ask(at, "example.net", MX).unwrap().count, 1, "what is no list has no quota");
    server.order("none");
    server.order("everything zen.example.org=100%");
    assert_eq!(ask(at, "9.0.0.127.zen.example.org", A).unwrap().end, [127, 0, 0, 2]);
    server.order("none");
    server.order("truncate 100%");
    let cut = ask(at, name, A).unwrap();
    assert_eq!((cut.is_cut, cut.count), (true, 0));
    let whole = ask_over_tcp(at, name, A);
    assert_eq!((whole.is_cut, whole.count), (false, 1));
    server.order("none");
    server.order("wrong-id 100%");
    assert_ne!(ask(at, name, A).unwrap().id, 7);
    server.order("none");
    server.order("drop 100%");
    assert_eq!(ask_within(Duration::from_millis(500), at, name, A), None);
    server.order("none");
    server.order("latency 30ms..40ms");
    let asked = std::time::Instant::now();
    assert_eq!(ask(at, name, A).unwrap().count, 1);
    assert!(asked.elapsed() >= Duration::from_millis(30));
    assert!(server.order("drop 5").starts_with("not done: drop 5: "));
    let (_, summary) = server.end();
    let faults = ["servfail", "refused", "nxdomain", "quota", "everything", "truncate", "wrong_id", "drop"];
    assert_eq!(faults.map(|word| summary["faults"][word].as_u64()), [Some(1); 8], "{summary}");
}

#[test]
fn what_is_no_question_is_counted_and_not_answered() {
    let server = Server::of("dns", &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"?", server.address).unwrap();
    let mut answer = question(7, "example.net", A);
    answer[2] |= 0x80;
    socket.send_to(&answer, server.address).unwrap();
    assert_eq!(ask(server.address, "example.net", A).unwrap().code, 3);
    assert_eq!(server.end().1["malformed"].as_u64(), Some(2));
}

#[test]
fn wrong_values_are_explained() {
    for (arguments, word) in [
        (["--listed", "zen.example.org"], "not of the form"),
        (["--listed", "zen.example.org=300.0.0.1"], "--listed zen.example.org: 1: `300.0.0.1`"),
        (["--list", "zen.example.org=/nowhere"], "/nowhere"),
        (["--record", "example.net SRV 1"], "no type"),
        (["--latency", "5"], "no time"),
    ] {
        let output = bench(&["dns", "--listen", "127.0.0.1:0"]).args(arguments).output().unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(word), "{text}");
    }
}
