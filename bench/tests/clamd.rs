//! The stand-in for clamd over real sockets; weir and clamdscan ask it in the tests across crates.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::{Sink as Server, bench};

fn eicar() -> String {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-", "TEST-FILE!$H+H*"].concat()
}

/// A stream of two chunks and its end.
fn stream(content: &str) -> Vec<u8> {
    let (first, second) = content.split_at(content.len() / 2);
    let mut bytes = Vec::new();
    for chunk in [first, second] {
        bytes.extend_from_slice(&u32::try_from(chunk.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(chunk.as_bytes());
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

/// All that it answers to this, up to its close.
fn say(server: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(server).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // It may have closed already, which the answer shows.
    drop(socket.write_all(bytes));
    let mut answer = Vec::new();
    drop(socket.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

fn scan(server: SocketAddr, content: &str) -> String {
    say(server, &[b"zINSTREAM\0", stream(content).as_slice()].concat())
}

#[test]
fn commands_are_those_of_clamd() {
    let server = Server::of("clamd", &["--virus", "Test.One=needle", "--size-max", "1KiB"]);
    let at = server.address;
    assert_eq!(say(at, b"PING\n"), "PONG\n");
    assert_eq!(say(at, b"nPING\n"), "PONG\n");
    assert_eq!(say(at, b"zPING\0"), "PONG\0");
    assert!(say(at, b"zVERSION\0").starts_with("ClamAV "));
    assert_eq!(say(at, b"zSCAN /etc/passwd\0"), "UNKNOWN COMMAND\0");
    assert_eq!(scan(at, "hay"), "stream: OK\0");
    assert_eq!(scan(at, &eicar()), "stream: Eicar-Test-Signature FOUND\0");
    assert_eq!(
        say(at, &[b"nINSTREAM\n", stream("a needle").as_slice()].concat()),
        "stream: Test.One FOUND\n"
    );
    assert_eq!(scan(at, &"x".repeat(1025)), "INSTREAM size limit exceeded. ERROR\0");
    let [clean, found] = ["hay", "needle"].map(stream);
    let parts: [&[u8]; 7] =
        [b"zIDSESSION\0", b"zINSTREAM\0", &clean, b"zPING\0", b"zINSTREAM\0", &found, b"zEND\0"];
    assert_eq!(say(at, &parts.concat()), "1: stream: OK\x002: PONG\x003: stream: Test.One FOUND\0");
    let (status, summary) = server.end();
    assert!(status.success());
    let numbers = ["connections", "clean", "found", "too_large"].map(|name| summary[name].as_u64());
    assert_eq!(numbers, [10, 2, 3, 1].map(Some), "{summary}");
    let commands =
        ["PING", "INSTREAM", "IDSESSION", "unknown"].map(|name| summary["commands"][name].as_u64());
    assert_eq!(commands, [4, 6, 1, 1].map(Some), "{summary}");
}

#[test]
fn faults_come_and_go_by_order() {
    let mut server = Server::of("clamd", &["--error", "100%"]);
    let at = server.address;
    assert_eq!(scan(at, "hay"), "stream: Can't allocate memory ERROR\0");
    for (order, answer) in [
        ("none", "stream: OK\0"),
        ("too-large 100%", "INSTREAM size limit exceeded. ERROR\0"),
        ("close 100%", ""),
        ("none", "stream: OK\0"),
        ("infected 100%", "stream: Stand-In.Not.There FOUND\0"),
        ("refuse 100%", ""),
    ] {
        assert_eq!(server.order(order), format!("done: {order}"));
        assert_eq!(scan(at, "hay"), answer, "{order}");
    }
    server.order("none");
    server.order("garbage 100%");
    assert!(!scan(at, "hay").contains("stream: "));
    for order in ["latency 40ms", "busy 40ms..50ms"] {
        server.order("none");
        server.order(order);
        let asked = Instant::now();
        assert_eq!(scan(at, "hay"), "stream: OK\0");
        assert!(asked.elapsed() >= Duration::from_millis(40), "{order}");
    }
    server.order("none");
    server.order("stall 100%");
    let mut socket = TcpStream::connect(at).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    socket.write_all(&[b"zINSTREAM\0", stream("hay").as_slice()].concat()).unwrap();
    assert_eq!(
        socket.read(&mut [0]).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock,
        "neither a word nor an end"
    );
    assert!(server.order("refuse 5").starts_with("not done: refuse 5: "));
    let (_, summary) = server.end();
    let words = ["error", "too_large", "close", "infected", "refuse", "garbage", "busy", "stall"];
    assert_eq!(words.map(|word| summary["faults"][word].as_u64()), [Some(1); 8], "{summary}");
}

#[test]
fn it_listens_on_a_unix_socket_and_leaves_none_behind() {
    let path = std::env::temp_dir().join(format!("weir-bench-clamd-{}", std::process::id()));
    let place = format!("unix:{}", path.display());
    let mut child = bench(&["clamd", "--listen", &place, "--for", "500ms"])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line, format!("listening on {place}\n"));
    let mut socket = UnixStream::connect(&path).unwrap();
    socket.write_all(b"zPING\0").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "PONG\0");
    assert!(child.wait().unwrap().success());
    assert!(!path.exists());
}

#[test]
fn wrong_values_are_explained() {
    for (arguments, word) in [
        (["--virus", "x"], "not of the form"),
        (["--virus", "a:b=text"], "printable"),
        (["--listen", "here"], "unix:PATH"),
        (["--latency", "5ms..1ms"], "backwards"),
    ] {
        let output = bench(&["clamd"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(word), "{text}");
    }
}
