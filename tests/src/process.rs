//! Child processes that end with their test.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use crate::wait::until;

/// A running program, its output in a file.
pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts it; standard output and standard error go to `folder/NAME.log`.
    pub fn start(name: &str, folder: &Path, command: &mut Command) -> Self {
        let output = folder.join(format!("{name}.log"));
        let log = File::create(&output).expect("a log for the process");
        let stdout = log.try_clone().expect("the log's second handle");
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; `tests/run` installs what is missing"));
        Self { name: name.to_owned(), child, output, status: None }
    }

    /// All that it has written so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).expect("the log of a process")).into_owned()
    }

    /// Waits until `text` stands in its output.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        until(&format!("`{text}` in the output of {}", self.name), || self.output().contains(text));
    }

    /// Its status if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("the state of a child");
        }
        self.status
    }

    /// How much of it is in memory now, and the most that ever was, in KiB.
    pub fn resident_kib(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it is running");
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of its status");
            line.trim_end_matches("kB").trim().parse().expect("a number of KiB")
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// Waits for its end and returns the exit code.
    #[track_caller]
    pub fn wait(&mut self) -> i32 {
        until(&format!("the end of {}", self.name), || self.ended().is_some());
        let status = self.ended().expect("it has ended");
        status.code().unwrap_or_else(|| panic!("{} was ended by signal {:?}", self.name, status.signal()))
    }

    /// Sends a signal: `TERM`, `HUP`, `KILL`, `STOP`, `CONT`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(status.expect("kill").success(), "kill -s {signal} of {}", self.name);
    }

    /// kill -9, and wait until it is gone.
    pub fn kill(&mut self) {
        self.signal("KILL");
        until("the end of a killed process", || self.ended().is_some());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            // Both can only fail when it has just ended by itself.
            drop(self.child.kill());
            drop(self.child.wait());
        }
        if std::thread::panicking() {
            let output = self.output();
            let tail: Vec<&str> = output.lines().rev().take(20).collect();
            eprintln!("---- the end of {}'s output", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Where a program is: daemons and load tools stand in `/usr/sbin`, where a plain user's PATH does not look.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new("/usr/sbin").join(name);
    if path.is_file() { path } else { name.into() }
}

/// Runs a program to its end. It must start; how it ends is the caller's business.
pub fn run(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Output {
    let program = program.as_ref();
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| {
        panic!("{}: {error}; `tests/run` installs what is missing", program.display())
    })
}
