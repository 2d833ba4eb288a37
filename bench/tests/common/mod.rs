//! Runs of the binary, and a client that speaks plain lines.

#![allow(dead_code, reason = "each test uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

/// A sink on a free port of loopback; it is killed with this.
pub(crate) struct Sink {
    child: Child,
    said: BufReader<ChildStderr>,
    pub(crate) address: SocketAddr,
}

impl Sink {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of("sink", arguments)
    }

    /// Another server of the harness.
    pub(crate) fn of(command: &str, arguments: &[&str]) -> Self {
        Self::started(bench(&[command, "--listen", "127.0.0.1:0", "--for", "30s", "--json"]).args(arguments))
    }

    /// Any that says where it listens.
    pub(crate) fn started(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("it says where").parse().unwrap();
        Self { child, said, address }
    }

    /// Gives it an order and waits for what it says of it.
    pub(crate) fn order(&mut self, order: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
        let mut said = String::new();
        self.said.read_line(&mut said).unwrap();
        said.trim_end().to_owned()
    }

    /// Ends it as a user does and returns its summary.
    pub(crate) fn end(self) -> (ExitStatus, Value) {
        self.ask_to_end();
        self.summary()
    }

    pub(crate) fn ask_to_end(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits until it ends by itself; its exit status and its summary.
    pub(crate) fn summary(self) -> (ExitStatus, Value) {
        let (status, output) = self.output();
        (status, serde_json::from_str(&output).expect("one line of JSON"))
    }

    /// The same for one whose summary is text.
    pub(crate) fn output(mut self) -> (ExitStatus, String) {
        let mut output = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        (self.child.wait().unwrap(), output)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The binary with these arguments.
pub(crate) fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-bench"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Sends lines one by one, each after the reply to the one before; the codes of all replies, 0 for the end.
pub(crate) fn codes(sink: SocketAddr, lines: &[&str]) -> Vec<u16> {
    let stream = TcpStream::connect(sink).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut replies = BufReader::new(&stream);
    let mut codes = vec![code(&mut replies)];
    for line in lines {
        // The sink may have closed, which the next code shows.
        drop((&stream).write_all(line.as_bytes()));
        codes.push(code(&mut replies));
    }
    codes
}

fn code(replies: &mut impl BufRead) -> u16 {
    loop {
        let mut line = String::new();
        if !matches!(replies.read_line(&mut line), Ok(1..)) {
            return 0;
        }
        if line.as_bytes().get(3) == Some(&b' ') {
            return line[..3].parse().unwrap();
        }
    }
}

/// The `weir` that was built from this tree, in this profile. Cargo has nothing to do when `cargo test --workspace`
/// has built it just before; a stale one is never tested.
pub(crate) fn weir() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let bench = Path::new(env!("CARGO_BIN_EXE_weir-bench"));
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "weir", "--bin", "weir"]);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        if bench.parent().is_some_and(|profile| profile.ends_with("release")) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo").success());
        bench.with_file_name("weir")
    })
}
