//! The servers that weir is compared with: each takes a message and hands it to a sink, as its role says.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Sink, codes};

const ENVELOPE: [&str; 4] =
    ["EHLO a\r\n", "MAIL FROM:<a@example.org>\r\n", "RCPT TO:<b@example.org>\r\n", "DATA\r\n"];
/// Serial 0, for which a sink with `--messages 1` waits.
const MESSAGE: &str = "X-Weir-Bench: run=1 serial=0 envelope=2 body=3\r\n\r\ntext\r\n.\r\n";

/// Postfix, and port 53, want root.
fn as_root(program: &str) -> Command {
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", "--", program]);
    command
}

/// A folder that daemons without root may enter.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("weir-bench-test-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// `weir-bench peer`, ready.
struct Peer {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Peer {
    fn start(kind: &str, role: &str, arguments: &[&str]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = folder(&format!("{kind}-{role}"));
        let mut child = as_root(env!("CARGO_BIN_EXE_weir-bench"))
            .args(["peer", kind, "--role", role, "--listen", &address.to_string(), "--folder"])
            .arg(&folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains(&format!(" listens on {address}, process ")), "{kind}: {line}");
        Self { child, address, folder }
    }

    /// Ends it as a user does; what it printed, when none of its processes is left.
    fn end(mut self) -> String {
        end(&mut self.child);
        let mut output = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        let left: Vec<PathBuf> = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()).collect();
        let inside = |process: &PathBuf| {
            fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&self.folder))
        };
        assert!(!left.iter().any(inside), "a process of {} is left", self.folder.display());
        output
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Also after a failed test, so that nothing stays behind.
        end(&mut self.child);
        drop(as_root("rm").arg("-r").arg(&self.folder).status());
    }
}

/// Asks a process to end, and waits until it has.
fn end(child: &mut Child) {
    if child.try_wait().unwrap().is_none() {
        assert!(as_root("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        child.wait().unwrap();
    }
}

/// rbldnsd with the bench's zone.
struct Dns {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Dns {
    /// One that lists `client`, on an address of this test process; `number` tells those of one process apart.
    fn start(number: u8, client: &str) -> Self {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address = SocketAddr::from(([127, 100 + number, high, low.max(1)], 53));
        let folder = folder(&format!("dns{number}"));
        let soa = "$SOA 300 ns.example.org. admin.example.org. 1 300 300 300 300";
        fs::write(folder.join("zone"), format!("{soa}\n{client} :127.0.0.2:Listed\n")).unwrap();
        let mut child = as_root("rbldnsd")
            .args(["-n", "-c", "0", "-u", "nobody", "-b", &format!("{}/53", address.ip()), "-w"])
            .arg(&folder)
            .arg("zen.example.org:ip4set:zone")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.as_mut().unwrap());
        let started = output.lines().any(|line| line.unwrap().contains("started"));
        assert!(started, "rbldnsd on {address}");
        Self { child, address, folder }
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        end(&mut self.child);
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// One message through a peer to a sink.
#[track_caller]
fn hands_over(kind: &str, role: &str, arguments: &[&str]) {
    let sink = Sink::start(&["--messages", "1"]);
    let hop = sink.address.to_string();
    let peer = Peer::start(kind, role, &[&["--next-hop", &hop], arguments].concat());
    assert_eq!(
        codes(peer.address, &[&ENVELOPE[..], &[MESSAGE]].concat()),
        [220, 250, 250, 250, 354, 250],
        "{kind}"
    );
    // It ends by itself when it has the message.
    let (_, summary) = sink.summary();
    assert_eq!(summary["messages"].as_u64(), Some(1), "{kind}: {summary}");
    let output = peer.end();
    assert!(output.contains("CPU ") && output.contains("memory "), "{output}");
}

#[test]
fn balancers_hand_a_message_over() {
    hands_over("haproxy", "balancer", &["--core", "0"]);
    hands_over("postfix", "balancer", &["--core", "0"]);
}

#[test]
fn an_mx_lets_a_clean_client_through() {
    let dns = Dns::start(0, "127.0.0.9");
    let address = dns.address.to_string();
    hands_over("postfix", "mx", &["--dns", &address]);
    hands_over("postscreen", "mx", &["--dns", &address]);
}

#[test]
fn an_mx_refuses_a_listed_client() {
    let dns = Dns::start(1, "127.0.0.1");
    for (kind, code) in [("postfix", 554), ("postscreen", 550)] {
        let peer = Peer::start(kind, "mx-reject", &["--dns", &dns.address.to_string()]);
        assert_eq!(codes(peer.address, &ENVELOPE[..3]), [220, 250, 250, code], "{kind}");
    }
    let resolver = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    assert!(!resolver.contains(&dns.address.ip().to_string()), "the host keeps its own resolver");
}

#[test]
fn sinks_take_a_message() {
    for kind in ["smtp-sink", "epoll", "raw-uring"] {
        let peer = Peer::start(kind, "sink", &[]);
        assert_eq!(
            codes(peer.address, &[&ENVELOPE[..], &[MESSAGE]].concat()),
            [220, 250, 250, 250, 354, 250],
            "{kind}"
        );
        peer.end();
    }
}

#[test]
fn system_calls_are_counted() {
    let peer = Peer::start("epoll", "sink", &["--syscalls"]);
    codes(peer.address, &[&ENVELOPE[..], &[MESSAGE]].concat());
    let output = peer.end();
    let calls: u64 =
        output.lines().find_map(|line| line.strip_prefix("system calls ")?.parse().ok()).unwrap();
    // An accept, six reads, six writes, waits in between, and at most a few for each.
    assert!((13..200).contains(&calls), "{output}");
}

#[test]
fn what_cannot_be_started_is_explained() {
    let fails = |arguments: &[&str], words: &str| {
        let output = common::bench(&[&["peer"], arguments].concat())
            .env("WEIR_BENCH_HARAKA", Path::new("/nonexistent"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(words), "{text}");
    };
    fails(
        &["haraka", "--role", "balancer", "--next-hop", "127.0.0.1:1"],
        "npm install --prefix /nonexistent Haraka",
    );
    fails(&["haproxy", "--role", "mx"], "haproxy cannot be a mx, only: balancer");
    fails(&["postscreen", "--role", "mx-reject"], "needs a DNS server with zen.example.org");
}
