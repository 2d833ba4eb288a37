//! Processes that a run starts: each writes its log into a file, may keep to one core, and ends with the run, however that
//! ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::Result;
use crate::cores::Cores;

/// Between two looks at something that is not there yet.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long a server may take until it greets: Postfix first checks its folders with shell scripts, and a rule file may let
/// clients wait.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How much of the end of a log is shown with an error, in bytes.
const TAIL_BYTES_MAX: usize = 2000;

/// What to start.
pub(crate) struct Program<'a> {
    /// The words of the command line.
    pub(crate) words: &'a [String],
    /// Its cores; all of them if there are none.
    pub(crate) cores: Option<Cores>,
    /// Its folder while it runs.
    pub(crate) folder: &'a Path,
    /// Standard error, and standard output if that is not read, are written behind what this file has.
    pub(crate) log: PathBuf,
    /// Standard output is for us.
    pub(crate) is_read: bool,
    /// Further variables of its environment.
    pub(crate) environment: &'a [(String, String)],
}

impl<'a> Program<'a> {
    /// One that writes all into its log and has our environment.
    pub(crate) const fn plain(
        words: &'a [String],
        cores: Option<Cores>,
        folder: &'a Path,
        log: PathBuf,
    ) -> Self {
        Self { words, cores, folder, log, is_read: false, environment: &[] }
    }
}

/// A running program; it is killed when this is dropped, and by the kernel if we are.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it under this name, which errors mention. Call it from a thread that lives as long as the process shall.
    pub(crate) fn start(name: &str, program: Program<'_>) -> Result<Self> {
        let error = |error: std::io::Error| format!("{name}: {}: {error}", program.log.display());
        let log = File::options().create(true).append(true).open(&program.log).map_err(error)?;
        let output = if program.is_read { Stdio::piped() } else { log.try_clone()?.into() };
        let child = Command::new("setpriv")
            // If we are killed, nobody else can end it. It executes the program in its own place, as does `taskset`.
            .args(["--pdeathsig", "KILL"])
            .args(program.cores.iter().flat_map(Cores::pin))
            .args(program.words)
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(program.folder)
            // Ctrl-C is for us, who then end all in good order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{name}: setpriv: {error}"))?;
        Ok(Self { name: name.to_owned(), child, log: program.log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.pid()).ok().and_then(Pid::from_raw)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.id().ok_or("no process id")?, signal)
            .map_err(|error| format!("{}: {signal:?}: {error}", self.name))?)
    }

    /// Its exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// An error if it has ended.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        match self.ended()? {
            Some(status) => Err(self.fault(&shown(status))),
            None => Ok(()),
        }
    }

    /// Waits until it ends; `None` if it does not in time.
    pub(crate) fn wait(&mut self, within: Duration) -> Result<Option<ExitStatus>> {
        wait_until(within, || Ok(self.ended()?.is_some()))?;
        self.ended()
    }

    /// Asks it to end, and ends it if it does not.
    pub(crate) fn stop(&mut self, within: Duration) -> Result<()> {
        if self.ended()?.is_none() {
            self.signal(Signal::TERM)?;
            // A stopped process hears nothing else.
            self.signal(Signal::CONT)?;
            if self.wait(within)?.is_none() {
                self.child.kill()?;
                self.child.wait()?;
            }
        }
        Ok(())
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Says this to its standard input.
    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().ok_or("it has no standard input")?;
        Ok(writeln!(input, "{line}")
            .and_then(|()| input.flush())
            .map_err(|error| format!("{}: {error}", self.name))?)
    }

    /// Its standard output; once.
    pub(crate) fn take_output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// All that it has written to its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read(&self.log)
            .map_or_else(|_| String::new(), |log| String::from_utf8_lossy(&log).into_owned())
    }

    /// An error about it, with the end of its log.
    pub(crate) fn fault(&self, what: &str) -> Box<dyn std::error::Error> {
        let log = self.log();
        let start = log.len().saturating_sub(TAIL_BYTES_MAX);
        let tail = log.char_indices().find(|(at, _)| *at >= start).map_or("", |(at, _)| log.split_at(at).1);
        format!("{} {what}\n{}", self.name, tail.trim_end()).into()
    }

    /// Waits until it greets as an SMTP server at this address.
    pub(crate) fn ready(&mut self, address: SocketAddr) -> Result<()> {
        self.until(READY_WITHIN, &format!("does not greet on {address}"), |_| greets(address))
    }

    /// Waits until `condition` holds of it, and fails when it ends before that or does not come to it in time.
    pub(crate) fn until(
        &mut self,
        within: Duration,
        wanted: &str,
        mut condition: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        let holds = wait_until(within, || {
            let holds = condition(self);
            if !holds {
                self.must_run()?;
            }
            Ok(holds)
        })?;
        if holds { Ok(()) } else { Err(self.fault(&format!("{wanted} within {} s", within.as_secs()))) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to do. What it has started ends too.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _gone = self.id().map(|id| kill_process_group(id, Signal::KILL));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
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

/// Whether an SMTP greeting comes from `address`.
fn greets(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect_timeout(&address, READY_WITHIN) else { return false };
    let mut line = String::new();
    let patient = stream.set_read_timeout(Some(READY_WITHIN)).is_ok();
    patient && BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("220")
}

/// `ended with exit status 1`.
pub(crate) fn shown(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => format!("ended: {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> Process {
        let folder = std::env::temp_dir();
        let log = folder.join(format!("weir-bench-process-{}-{}", std::process::id(), text.len()));
        drop(std::fs::remove_file(&log));
        let words = ["sh", "-c", text].map(str::to_owned);
        Process::start("a shell", Program::plain(&words, None, &folder, log)).expect("there is a shell")
    }

    #[test]
    fn an_end_is_told_with_the_last_words() {
        let mut process = shell("echo a reason; exit 3");
        let ended =
            process.until(Duration::from_secs(5), "has not ended", |_| false).unwrap_err().to_string();
        assert_eq!(ended, "a shell ended with exit status 3\na reason");
        drop(std::fs::remove_file(&process.log));
    }

    #[test]
    fn lines_are_told_and_signals_sent() {
        let mut process = shell("trap 'exit 7' TERM; read line; echo $line; while :; do sleep 0.01; done");
        process.tell("hello there").expect("it reads");
        process
            .until(Duration::from_secs(5), "says nothing", |process| process.log() == "hello there\n")
            .unwrap();
        process.signal(Signal::STOP).unwrap();
        process.stop(Duration::from_secs(5)).unwrap();
        assert_eq!(process.ended().unwrap().and_then(|status| status.code()), Some(7));
        drop(std::fs::remove_file(&process.log));
    }
}
