//! The nodes of a scenario as running programs: each in a folder of its own, with its rule files for this run's addresses.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;

use super::meter::Meter;
use super::rules;
use crate::Result;
use crate::cores::Cores;
use crate::peers::{self, PeerKind, Setup};
use crate::process::{Process, Program};
use crate::scenario::{Action, Addresses, Kind, Measured, Node, Scenario, put_address};
use crate::sink::Book;

/// How long a node may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a node may take to end when it is asked to.
const END_WITHIN: Duration = Duration::from_secs(10);
/// Where Debian's libfaketime is, below /usr/lib and the machine's name.
const CLOCK_LIBRARY: &str = "faketime/libfaketime.so.1";

/// What is the same for all nodes.
pub(crate) struct Setting<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) addresses: &'a Addresses,
    /// For everything that this run writes.
    pub(crate) folder: &'a Path,
    /// The weir to run.
    pub(crate) weir: &'a Path,
    /// What stands in the place of the measured node.
    pub(crate) peer: Option<PeerKind>,
    /// Count the system calls of the measured node, which makes all other figures worthless.
    pub(crate) is_traced: bool,
}

/// All nodes, running.
pub(crate) struct Stage<'a> {
    setting: &'a Setting<'a>,
    /// In the order of the scenario.
    pub(crate) standing: Vec<Standing>,
}

/// A node that runs.
pub(crate) struct Standing {
    pub(crate) node: Node,
    listen: SocketAddr,
    folder: PathBuf,
    /// None for a server that we did not start.
    process: Option<Process>,
    /// Instead of it: a server that weir is compared with.
    peer: Option<peers::Server>,
    /// It was killed by an event, and may be gone.
    is_killed: bool,
    pub(crate) meter: Meter,
}

impl<'a> Stage<'a> {
    /// Starts all nodes from the last to the first, each when the one before is ready.
    pub(crate) fn start(setting: &'a Setting<'a>) -> Result<Self> {
        let mut standing = Vec::new();
        for node in setting.scenario.nodes.iter().rev() {
            standing.insert(0, Standing::start(node, setting)?);
        }
        Ok(Self { setting, standing })
    }

    pub(crate) fn of(&mut self, name: &str) -> Result<&mut Standing> {
        let found = self.standing.iter_mut().find(|standing| standing.node.name == name);
        Ok(found.ok_or_else(|| format!("no node is called `{name}`"))?)
    }

    /// An error if a node has ended that nobody has killed.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        for standing in &mut self.standing {
            if let Some(process) = standing.process.as_mut().filter(|_| !standing.is_killed) {
                process.must_run()?;
            }
        }
        Ok(())
    }

    /// Does what an event says. A request to weir runs on by itself: its process is returned.
    pub(crate) fn act(&mut self, action: &Action) -> Result<Option<Child>> {
        let setting = self.setting;
        let standing = self.of(action.node())?;
        match action {
            Action::Ctl { words, .. } => return Ok(Some(standing.ctl(words, setting)?)),
            Action::Kill { .. } => standing.kill()?,
            Action::Restart { .. } => standing.restart(setting)?,
            Action::Stop { .. } => standing.process()?.signal(Signal::STOP)?,
            Action::Continue { .. } => standing.process()?.signal(Signal::CONT)?,
            Action::Tell { line, .. } => {
                standing.process()?.tell(&setting.addresses.put_into_braces(line))?;
            }
            Action::Clock { ahead, .. } => {
                fs::write(standing.folder.join("clock"), format!("+{}", ahead.as_secs()))?;
            }
        }
        Ok(None)
    }

    /// Ends all nodes, sources of mail first, and returns what the sinks have seen.
    pub(crate) fn end(mut self) -> Result<Vec<Book>> {
        let mut books = Vec::new();
        for standing in &mut self.standing {
            let path = standing.book();
            if let Some(process) = &mut standing.process {
                process.stop(END_WITHIN)?;
                if matches!(standing.node.kind, Kind::Sink { .. }) {
                    let book = fs::read(path);
                    let book = book.map_err(|_| process.fault("has written no book of what arrived"))?;
                    books.push(serde_json::from_slice(&book)?);
                }
            }
        }
        Ok(books)
    }

    /// Lines in the logs of all weirs that contain each of `words`.
    pub(crate) fn logged(&self, words: &[&str]) -> Result<u64> {
        let mut count = 0;
        let is_weir =
            |standing: &&Standing| standing.peer.is_none() && matches!(standing.node.kind, Kind::Weir { .. });
        let weirs = self.standing.iter().filter(is_weir);
        for standing in weirs {
            let log = std::io::BufReader::new(fs::File::open(standing.folder.join("log"))?);
            let lines = std::io::BufRead::lines(log).map_while(std::io::Result::ok);
            count += lines.fold(0, |sum, line| sum + u64::from(words.iter().all(|word| line.contains(word))));
        }
        Ok(count)
    }
}

impl Standing {
    fn start(node: &Node, setting: &Setting<'_>) -> Result<Self> {
        let folder = setting.folder.join(&node.name);
        fs::create_dir_all(&folder)?;
        let mut standing = Self {
            node: node.clone(),
            listen: setting.addresses.of(&node.name)?,
            folder,
            process: None,
            peer: None,
            is_killed: false,
            meter: Meter::default(),
        };
        let measured = setting.scenario.measured.as_ref().filter(|measured| measured.node == node.name);
        if let (Some(kind), Some(measured)) = (setting.peer, measured) {
            standing.stand_in(kind, measured, setting)?;
            return Ok(standing);
        }
        if let Kind::Weir { rules, .. } = &node.kind {
            rules::write(rules, &standing.folder.join("rules"), &node.name, setting)?;
        }
        if !matches!(node.kind, Kind::External { .. }) {
            standing.launch(setting)?;
            standing.ready()?;
        }
        Ok(standing)
    }

    /// A peer takes the node's place.
    fn stand_in(&mut self, kind: PeerKind, measured: &Measured, setting: &Setting<'_>) -> Result<()> {
        let address = |name: &String| setting.addresses.of(name);
        let next_hops =
            measured.next_hops.iter().take(kind.next_hops_max()).map(address).collect::<Result<Vec<_>>>()?;
        let setup = Setup {
            role: measured.role.ok_or_else(|| format!("nothing can stand in for `{}`", self.node.name))?,
            listen: self.listen,
            next_hops: &next_hops,
            dns: measured.dns.as_ref().map(address).transpose()?,
            folder: &self.folder,
            cores: self.node.cores.and_then(Cores::here),
        };
        let mut server = peers::start(kind, &setup)?;
        server.ready()?;
        self.meter.follow(server.root());
        self.peer = Some(server);
        Ok(())
    }

    /// The first of its processes.
    pub(super) fn root(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid).or_else(|| self.peer.as_ref().map(peers::Server::root))
    }

    /// The version of the server, if it is a peer.
    pub(crate) fn version(&self) -> Option<&str> {
        self.peer.as_ref().map(peers::Server::version)
    }

    fn process(&mut self) -> Result<&mut Process> {
        Ok(self.process.as_mut().ok_or_else(|| format!("{} is not ours", self.node.name))?)
    }

    fn book(&self) -> PathBuf {
        self.folder.join("book.json")
    }

    fn launch(&mut self, setting: &Setting<'_>) -> Result<()> {
        let words = self.words(setting)?;
        let environment = if self.node.own_clock { self.clock()? } else { Vec::new() };
        let program = Program {
            words: &words,
            cores: self.node.cores.and_then(Cores::here),
            folder: &self.folder,
            log: self.folder.join("log"),
            is_read: false,
            environment: &environment,
        };
        let process = Process::start(&self.node.name, program)?;
        self.meter.follow(process.pid());
        self.process = Some(process);
        self.is_killed = false;
        Ok(())
    }

    /// Its command line.
    fn words(&self, setting: &Setting<'_>) -> Result<Vec<String>> {
        let path = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        let own = std::env::current_exe()?.to_string_lossy().into_owned();
        let listen = self.listen.to_string();
        let scenario = setting.scenario.folder.canonicalize()?.to_string_lossy().into_owned();
        let put = |word: &String| {
            let word = put_address(word, "listen", self.listen).replace("{scenario}", &scenario);
            setting.addresses.put_into_braces(&word.replace("{folder}", &self.folder.to_string_lossy()))
        };
        let (first, more): (Vec<String>, &[String]) = match &self.node.kind {
            Kind::Weir { rules, arguments } => {
                let rules = rules::written(rules, &self.folder.join("rules")).to_string_lossy().into_owned();
                let weir = setting.weir.to_string_lossy().into_owned();
                let [admin, state] = ["admin.sock", "state"].map(path);
                let start = ["run", &rules, "--admin", &admin, "--state", &state];
                ([&[weir], start.map(str::to_owned).as_slice()].concat(), arguments)
            }
            Kind::Sink { arguments } => {
                let book = self.book().to_string_lossy().into_owned();
                let start = [own.as_str(), "sink", "--listen", &listen, "--book", &book];
                (start.map(str::to_owned).to_vec(), arguments)
            }
            Kind::StandIn { command, arguments } => {
                ([own.as_str(), command, "--listen", &listen].map(str::to_owned).to_vec(), arguments)
            }
            Kind::Command { words, .. } => (Vec::new(), words),
            Kind::External { .. } => (Vec::new(), &[]),
        };
        Ok(first.into_iter().chain(more.iter().map(put)).collect())
    }

    /// The environment in which a clock can be shifted.
    fn clock(&self) -> Result<Vec<(String, String)>> {
        let machine = format!("/usr/lib/{}-linux-gnu/{CLOCK_LIBRARY}", std::env::consts::ARCH);
        if !Path::new(&machine).is_file() {
            let name = &self.node.name;
            return Err(format!("{name}: `own_clock` needs {machine}: apt-get install libfaketime").into());
        }
        let file = self.folder.join("clock");
        fs::write(&file, "+0")?;
        let variables = [
            ("LD_PRELOAD", machine.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", &file.to_string_lossy()),
            ("FAKETIME_CACHE_DURATION", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        Ok(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }

    /// Waits until it serves.
    fn ready(&mut self) -> Result<()> {
        let listen = self.listen;
        let kind = self.node.kind.clone();
        let process = self.process()?;
        match kind {
            Kind::Weir { .. } => process.ready(listen),
            Kind::Sink { .. } | Kind::StandIn { .. } => {
                process.until(READY_WITHIN, "is not ready", |process| process.log().contains("listening on"))
            }
            Kind::Command { ready: Some(text), .. } => {
                process
                    .until(READY_WITHIN, "does not say its `ready`", |process| process.log().contains(&text))
            }
            Kind::Command { ready: None, .. } => {
                process.until(READY_WITHIN, "takes no connection", |_| TcpStream::connect(listen).is_ok())
            }
            Kind::External { .. } => Ok(()),
        }
    }

    fn ctl(&self, words: &[String], setting: &Setting<'_>) -> Result<Child> {
        let mut command = std::process::Command::new(setting.weir);
        command.arg("ctl").arg("--admin").arg(self.folder.join("admin.sock"));
        command.args(words.iter().map(|word| setting.addresses.put_into_braces(word)));
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        Ok(command.spawn().map_err(|error| format!("{}: {error}", setting.weir.display()))?)
    }

    fn kill(&mut self) -> Result<()> {
        self.meter.let_go();
        self.is_killed = true;
        self.process()?.kill()
    }

    fn restart(&mut self, setting: &Setting<'_>) -> Result<()> {
        if !self.is_killed {
            self.meter.let_go();
            self.process()?.stop(END_WITHIN)?;
        }
        self.launch(setting)
    }
}
