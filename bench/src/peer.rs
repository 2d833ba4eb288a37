//! Programs that a run starts, pinned to a core, and ends with itself.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// How long a program may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks at something that is not there yet.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running program; it is killed when this is dropped.
pub(crate) struct Peer {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Peer {
    /// Starts `program` on `core`, with its output in `folder/NAME.log`.
    pub(crate) fn start(
        name: &str,
        core: usize,
        folder: &Path,
        program: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let output = folder.join(format!("{name}.log"));
        let log = File::create(&output)?;
        let child = pinned(core, program, arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        Ok(Self { name: name.to_owned(), child, output })
    }

    /// Its process. `taskset` executes the program in its own place.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has written.
    pub(crate) fn output(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.output)?).into_owned())
    }

    /// Waits until an SMTP greeting comes from `address`.
    pub(crate) fn ready(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while !greets(address) {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended with {status}: {}", self.name, self.output()?).into());
            }
            if Instant::now() > deadline {
                return Err(format!("{} does not greet on {address}: {}", self.name, self.output()?).into());
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether an SMTP greeting comes from `address`.
pub(crate) fn greets(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect_timeout(&address, READY_WITHIN) else { return false };
    let mut line = String::new();
    let patient = stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok();
    patient && BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("220")
}

/// A command that will run on `core` alone.
pub(crate) fn pinned(core: usize, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program).args(arguments);
    command
}

/// Asks `condition` until it holds; `false` if it does not within `bound`.
pub(crate) fn wait_until(bound: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<bool> {
    let deadline = Instant::now() + bound;
    while !condition()? {
        if Instant::now() > deadline {
            return Ok(false);
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(true)
}
