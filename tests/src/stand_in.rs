//! `weir-bench dns` and `weir-bench clamd`: what rules call, with faults that come and go by order.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use crate::process::run;
use crate::weir::built;

/// A stand-in on a free port of loopback; it is killed with this.
pub struct StandIn {
    child: Child,
    said: BufReader<ChildStderr>,
    /// Where it answers.
    pub address: SocketAddr,
}

impl StandIn {
    /// Starts `weir-bench NAME` with these arguments.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(built("weir-bench"))
            .args([name, "--listen", "127.0.0.1:0", "--json"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("weir-bench");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says where it listens");
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("weir-bench {name}: {line}"));
        Self { child, said, address }
    }

    /// Gives an order and waits until it is obeyed.
    pub fn order(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().expect("it is piped"), "{order}").expect("it takes orders");
        let mut answer = String::new();
        self.said.read_line(&mut answer).expect("it answers");
        assert_eq!(answer.trim_end(), format!("done: {order}"));
    }

    /// Ends it; what it was asked.
    pub fn end(mut self) -> Value {
        let output = run("kill", &["-TERM", &self.child.id().to_string()]);
        assert!(output.status.success());
        let mut summary = String::new();
        let mut stdout = self.child.stdout.take().expect("it is piped");
        stdout.read_to_string(&mut summary).expect("its summary");
        serde_json::from_str(&summary).expect("one line of JSON")
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
