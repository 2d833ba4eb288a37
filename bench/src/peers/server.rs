//! A running server with all its processes.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Setup;
use crate::Result;
use crate::cpu;
use crate::process::{Process, Program, wait_until};

/// How long a server may take to end by itself before it is killed, and then until it is gone.
const ENDED_WITHIN: Duration = Duration::from_secs(3);
/// Where daemons stand, which the `PATH` of a plain user does not have.
const SYSTEM_FOLDERS: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// A running server. When this is dropped, every process that it started ends, and no other.
pub(crate) struct Server {
    version: String,
    address: SocketAddr,
    process: Process,
    /// Where it writes, and where else it logs.
    logs: Vec<PathBuf>,
}

/// A server to be started.
pub(super) struct Launch<'a> {
    name: &'static str,
    version: String,
    setup: &'a Setup<'a>,
    command: Vec<String>,
    /// Files besides its output.
    logs: Vec<PathBuf>,
}

impl<'a> Launch<'a> {
    pub(super) fn new(name: &'static str, program: &Path, version: String, setup: &'a Setup<'a>) -> Self {
        let command = vec![program.to_string_lossy().into_owned()];
        Self { name, version, setup, command, logs: Vec::new() }
    }

    pub(super) fn arguments<T: AsRef<str>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.command.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// A file besides its output to which it logs.
    pub(super) fn log(mut self, file: PathBuf) -> Self {
        self.logs.push(file);
        self
    }

    /// Starts it, with its output in the folder.
    pub(super) fn start(self) -> Result<Server> {
        fs::create_dir_all(self.setup.folder)?;
        let output = self.setup.folder.join(format!("{}.log", self.name));
        let program = Program::plain(&self.command, self.setup.cores, self.setup.folder, output.clone());
        let process = Process::start(self.name, program)?;
        let logs = [vec![output], self.logs].concat();
        Ok(Server { version: self.version, address: self.setup.listen, process, logs })
    }
}

impl Server {
    /// Its first process, from which all others descend.
    pub(crate) fn root(&self) -> u32 {
        self.process.pid()
    }

    /// All its processes now.
    pub(crate) fn processes(&self) -> Result<Vec<u32>> {
        cpu::tree(self.root())
    }

    /// As the program itself says it.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// All that it has written or logged.
    pub(crate) fn output(&self) -> Result<String> {
        let mut output = String::new();
        for log in &self.logs {
            match fs::read(log) {
                Ok(bytes) => output.push_str(&String::from_utf8_lossy(&bytes)),
                // A log that is not there yet.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{}: {error}", log.display()).into()),
            }
        }
        Ok(output)
    }

    /// Waits until it greets.
    pub(crate) fn ready(&mut self) -> Result<()> {
        let ready = self.process.ready(self.address);
        // Some say in a log of their own what is wrong.
        Ok(ready.map_err(|error| match self.logs.as_slice() {
            [_] | [] => error.to_string(),
            _ => format!("{error}\n{}", self.output().unwrap_or_default()),
        })?)
    }

    /// Its processes with the time at which each started, by which a process is told from a later one with its id.
    fn identities(&self) -> BTreeMap<u32, u64> {
        let processes = self.processes().unwrap_or_default();
        processes.into_iter().filter_map(|pid| Some((pid, cpu::started(pid)?))).collect()
    }

    /// Signals all that are still there and waits until none is; whether that was so in time.
    fn signal(&mut self, signal: &str, known: &mut BTreeMap<u32, u64>) -> bool {
        known.extend(self.identities());
        known.retain(|pid, started| cpu::started(*pid) == Some(*started));
        let ids = known.keys().map(ToString::to_string);
        // One that has ended meanwhile makes `kill` complain, which is all right.
        let sent = Command::new("kill").arg(signal).args(ids).stderr(Stdio::null()).status();
        sent.is_ok()
            && wait_until(ENDED_WITHIN, || {
                // Reaped, or it would stay as a zombie.
                self.process.ended()?;
                Ok(known.iter().all(|(pid, started)| cpu::started(*pid) != Some(*started)))
            })
            .unwrap_or(false)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What a process starts while it ends is found by the second look, for its parent is still known.
        let mut known = BTreeMap::new();
        if !self.signal("-TERM", &mut known) {
            self.signal("-KILL", &mut known);
        }
    }
}

/// The full name of a program; `install` is the command that brings it.
pub(crate) fn find(program: &str, install: &str) -> Result<PathBuf> {
    let path = env::var("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(env::split_paths(SYSTEM_FOLDERS));
    let mut files = folders.map(|folder| folder.join(program));
    Ok(files.find(|file| file.is_file()).ok_or_else(|| format!("{program} is not installed: {install}"))?)
}

/// The first line that a program prints.
pub(super) fn first_line(program: &Path, arguments: &[&str]) -> Result<String> {
    let name = program.display();
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.lines().next() {
        Some(line) if output.status.success() => Ok(line.trim().to_owned()),
        _ => Err(format!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into()),
    }
}

pub(super) fn postfix_version() -> Result<String> {
    let postconf = find("postconf", "apt-get install postfix")?;
    Ok(format!("Postfix {}", first_line(&postconf, &["-d", "-h", "mail_version"])?))
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::*;

    /// A shell with this script in a folder of its own.
    fn shell(name: &str, script: &str, test: impl FnOnce(Server)) {
        let folder = env::temp_dir().join(format!("weir-bench-{name}-{}", std::process::id()));
        let listen = "127.0.0.1:1".parse().unwrap();
        let setup = Setup {
            role: Role::Sink,
            listen,
            next_hops: &[],
            dns: None,
            folder: &folder,
            cores: Some(crate::cores::Cores::one(0)),
        };
        let launch = Launch::new("shell", Path::new("sh"), "1".into(), &setup);
        test(launch.arguments(["-c", script]).start().unwrap());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn all_processes_end_and_no_other() {
        // One that does not want to, one of another process group, and their parent.
        let script = "sh -c 'trap \"\" TERM; sleep 300 & echo deaf; wait' & setsid sleep 300 & wait";
        let mut bystander = Command::new("sleep").arg("300").spawn().unwrap();
        shell("ends", script, |server| {
            let all_there = || Ok(server.processes()?.len() == 4 && server.output()?.contains("deaf"));
            assert!(wait_until(ENDED_WITHIN, all_there).unwrap(), "{:?}", server.processes());
            let processes = server.processes().unwrap();
            drop(server);
            assert_eq!(processes.iter().filter_map(|pid| cpu::started(*pid)).count(), 0);
        });
        assert!(bystander.try_wait().unwrap().is_none());
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }

    #[test]
    fn one_that_ends_by_itself_is_not_ready() {
        shell("fails", "echo no such thing; exit 3", |mut server| {
            let error = server.ready().unwrap_err().to_string();
            assert_eq!(error, "shell ended with exit status 3\nno such thing");
        });
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = find("no-such-mta", "apt-get install it").unwrap_err().to_string();
        assert_eq!(error, "no-such-mta is not installed: apt-get install it");
        assert!(find("sh", "").unwrap().is_absolute());
    }
}
