//! A scenario: which servers stand where, what load comes when, what is done to the servers meanwhile, and what is expected.
//!
//! ```text
//! scenario.toml --form--> Form --check--> Scenario        one fault, with its line and a way out
//! ```

mod address;
mod check;
mod event;
mod figure;
mod form;
mod shipped;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;
use crate::cores::{Cores, Split};
use crate::peers::Role;
use crate::value::real;

pub(crate) use address::{Addresses, braced, put_address};
pub(crate) use check::words;
pub(crate) use event::{Action, Event};
pub(crate) use figure::{Expectation, Figures, Term};
pub(crate) use shipped::{list, load, write};

/// Most nodes of a scenario.
const NODES_MAX: usize = 64;
/// Most loads: a sink tells 16 runs apart, and the warm-up is one.
const LOADS_MAX: usize = 15;
/// Most events, each repetition counted.
pub(crate) const EVENTS_MAX: usize = 10_000;

/// A scenario that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// The name of its folder.
    pub(crate) name: String,
    /// Where its file is.
    pub(crate) folder: PathBuf,
    /// What it shows, in a line.
    pub(crate) about: String,
    /// Load before the clock starts, which is in no figure but those of lost and doubled messages.
    pub(crate) warm_up: Duration,
    /// Between the end of the last load and the last look at memory.
    pub(crate) rest: Duration,
    /// The node whose costs are told.
    pub(crate) measured: Option<Measured>,
    /// As mail flows; they are started from the last to the first.
    pub(crate) nodes: Vec<Node>,
    pub(crate) loads: Vec<Load>,
    pub(crate) events: Vec<Event>,
    /// What must hold of every run.
    pub(crate) expectations: Vec<Expectation>,
    /// What must hold of a run in which no peer stands in the measured place: there, peers are shown to fail.
    pub(crate) expectations_of_weir: Vec<Expectation>,
}

/// The node whose costs are told, and what a peer needs to stand in its place.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) node: String,
    /// What peers have to be; none can, if it is not said.
    pub(crate) role: Option<Role>,
    /// Where a peer sends mail.
    pub(crate) next_hops: Vec<String>,
    /// The DNS server that a peer asks.
    pub(crate) dns: Option<String>,
}

/// A server.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// The address that stands for it in rule files.
    pub(crate) written: String,
    /// The address that stands for it in its own rule files: that of the first, where several share them.
    pub(crate) written_own: String,
    pub(crate) kind: Kind,
    /// Its cores, if the machine has them.
    pub(crate) cores: Option<Cores>,
    /// Further texts in its rule files, and what takes their place.
    pub(crate) replace: Vec<(String, String)>,
    /// It sees a clock that `clock` can shift.
    pub(crate) own_clock: bool,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// weir with a rule file, or a folder of them, and further arguments of `weir run`.
    Weir { rules: PathBuf, arguments: Vec<String> },
    /// `weir-bench sink`.
    Sink { arguments: Vec<String> },
    /// Another command of this program: a stand-in.
    StandIn { command: &'static str, arguments: Vec<String> },
    /// Any program; it is ready when its log has a text, or when it takes connections.
    Command { words: Vec<String>, ready: Option<String> },
    /// A server that runs already.
    External { address: SocketAddr },
}

/// A source.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) name: String,
    pub(crate) to: String,
    /// Since the clock started.
    pub(crate) from: Duration,
    /// At most, if `messages` end it earlier; of held connections, how long they are idle.
    pub(crate) lasts: Duration,
    pub(crate) messages: Option<u64>,
    /// It sends no mail: its connections are only held.
    pub(crate) holds: bool,
    /// Options of `weir-bench source`; terms in braces are still in them.
    pub(crate) options: Vec<String>,
    pub(crate) cores: Option<Cores>,
}

impl Scenario {
    /// Reads a scenario file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self::parse(path, &text).map_err(|fault| format!("{}:{fault}", path.display()))?)
    }

    fn parse(path: &Path, text: &str) -> std::result::Result<Self, String> {
        let form = form::parse(text).map_err(|fault| fault.shown(text))?;
        check::check(form, path).map_err(|fault| fault.shown(text))
    }

    /// From the start of the clock to the end of the last load.
    pub(crate) fn lasts(&self) -> Duration {
        self.loads.iter().map(|load| load.from + load.lasts).max().unwrap_or_default()
    }

    /// The same, longer or shorter: every time of its time line is multiplied, and every number of messages.
    pub(crate) fn scaled(mut self, factor: f64) -> Self {
        self.warm_up = self.warm_up.mul_f64(factor);
        for load in &mut self.loads {
            load.from = load.from.mul_f64(factor);
            load.lasts = load.lasts.mul_f64(factor);
            load.messages = load.messages.map(|messages| scaled(messages, factor));
        }
        for event in &mut self.events {
            event.at = event.at.mul_f64(factor);
            event.every = event.every.map(|every| every.mul_f64(factor));
        }
        self
    }

    /// Binds the measured node and all others anew.
    pub(crate) fn split(&mut self, split: Split) {
        let measured = self.measured.as_ref().map(|measured| measured.node.clone());
        for node in &mut self.nodes {
            let is_measured = measured.as_ref() == Some(&node.name);
            node.cores = Some(if is_measured { split.measured } else { split.others });
        }
        for load in &mut self.loads {
            load.cores = Some(split.others);
        }
    }

    /// Who runs where, in a line.
    pub(crate) fn cores(&self) -> String {
        let nodes = self.nodes.iter().map(|node| (&node.name, node.cores));
        let loads = self.loads.iter().map(|load| (&load.name, load.cores));
        let mut by_cores: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, cores) in nodes.chain(loads) {
            let cores = cores.and_then(Cores::here);
            by_cores.entry(cores.map_or("any".into(), |cores| cores.to_string())).or_default().push(name);
        }
        let groups = by_cores.iter().map(|(cores, names)| format!("core {cores}: {}", names.join(", ")));
        groups.collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Whether what arrives can be compared with what was sent.
    pub(crate) fn has_sinks(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.kind, Kind::Sink { .. }))
    }
}

/// At least one.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a product of positive numbers; what is too large becomes the largest"
)]
fn scaled(messages: u64, factor: f64) -> u64 {
    ((real(messages) * factor).round() as u64).max(1)
}

/// A fault of a scenario file.
#[derive(Debug)]
struct Fault {
    /// Where it begins, in bytes.
    at: usize,
    message: String,
}

impl Fault {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// `LINE: MESSAGE`.
    fn shown(&self, text: &str) -> String {
        let line = text.bytes().take(self.at).filter(|byte| *byte == b'\n').count() + 1;
        format!("{line}: {}", self.message)
    }
}

#[cfg(test)]
mod tests;
