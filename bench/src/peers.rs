//! The servers that weir is compared with: each from its own package, set up as its users would call right, in a folder of its
//! own, and ended with all its processes.
//!
//! The configurations are the files of `bench/scenarios/peers`. Their addresses and folder stand for those of the run, see
//! [`configuration`].

mod command;
mod haraka;
mod postfix;
mod server;

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::ValueEnum;

pub(crate) use command::{Options, run};
pub(crate) use server::Server;

use crate::Result;
use crate::cores::Cores;
pub(crate) use server::find;

use server::Launch;

/// What brings these programs.
const POSTFIX: &str = "apt-get install postfix";
const HAPROXY: &str = "apt-get install haproxy";

/// The DNSBL that [`Role::Mx`] and [`Role::MxReject`] ask; an answer of 127.0.0.2 to 127.0.0.11 means listed.
pub(crate) const DNSBL_ZONE: &str = "zen.example.org";

/// What a server is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Take all mail and keep none.
    Sink,
    /// Hand each message over to a next hop, whose answer is the client's: no queue.
    Balancer,
    /// Ask DNS about each client, refuse listed ones, hand the mail of others over to the next hop.
    Mx,
    /// Ask DNS about each client and refuse listed ones; the mail of others does not matter.
    MxReject,
}

/// A server that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PeerKind {
    /// Postfix's test sink.
    SmtpSink,
    /// HAProxy in TCP mode.
    Haproxy,
    /// Postfix: its before-queue proxy, or an MX with a DNSBL in smtpd.
    Postfix,
    /// Postfix with postscreen in front.
    Postscreen,
    /// Haraka as a proxy.
    Haraka,
    /// `weir-bench reference epoll`.
    Epoll,
    /// `weir-bench reference raw-uring`.
    RawUring,
}

/// Where and how a server runs.
pub(crate) struct Setup<'a> {
    pub(crate) role: Role,
    pub(crate) listen: SocketAddr,
    /// Where mail goes; none for [`Role::Sink`].
    pub(crate) next_hops: &'a [SocketAddr],
    /// The DNS server of the MX roles.
    pub(crate) dns: Option<SocketAddr>,
    /// For configuration, logs and queues: an absolute path, for this server alone, which every user may pass through.
    pub(crate) folder: &'a Path,
    /// The cores that all its processes get; `None` leaves that to the system.
    pub(crate) cores: Option<Cores>,
}

impl PeerKind {
    /// Its name on the command line and in results.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SmtpSink => "smtp-sink",
            Self::Haproxy => "haproxy",
            Self::Postfix => "postfix",
            Self::Postscreen => "postscreen",
            Self::Haraka => "haraka",
            Self::Epoll => "epoll",
            Self::RawUring => "raw-uring",
        }
    }

    /// The roles that it can have.
    pub(crate) const fn roles(self) -> &'static [Role] {
        match self {
            Self::SmtpSink | Self::Epoll | Self::RawUring => &[Role::Sink],
            Self::Haproxy | Self::Haraka => &[Role::Balancer],
            Self::Postfix => &[Role::Balancer, Role::Mx, Role::MxReject],
            Self::Postscreen => &[Role::Mx, Role::MxReject],
        }
    }

    /// To how many next hops it can hand over.
    pub(crate) const fn next_hops_max(self) -> usize {
        match self {
            Self::Postfix | Self::Postscreen => 1,
            _ => usize::MAX,
        }
    }

    pub(crate) fn supports(self, role: Role) -> bool {
        self.roles().contains(&role)
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Sink => "sink",
            Self::Balancer => "balancer",
            Self::Mx => "mx",
            Self::MxReject => "mx-reject",
        }
    }
}

/// Starts a server; [`Server::ready`] waits until it greets.
pub(crate) fn start(kind: PeerKind, setup: &Setup<'_>) -> Result<Server> {
    check(kind, setup)?;
    match kind {
        PeerKind::SmtpSink => smtp_sink(setup),
        PeerKind::Haproxy => haproxy(setup),
        PeerKind::Postfix | PeerKind::Postscreen => postfix::start(kind, setup),
        PeerKind::Haraka => haraka::start(setup),
        PeerKind::Epoll | PeerKind::RawUring => reference(kind, setup),
    }
}

/// An error with the way to it when a server's programs are not there.
pub(crate) fn installed(kind: PeerKind) -> Result<()> {
    match kind {
        PeerKind::SmtpSink => find("smtp-sink", POSTFIX).map(drop),
        PeerKind::Haproxy => find("haproxy", HAPROXY).map(drop),
        PeerKind::Postfix | PeerKind::Postscreen => find("postfix", POSTFIX).map(drop),
        PeerKind::Haraka => haraka::programs().map(drop),
        PeerKind::Epoll | PeerKind::RawUring => Ok(()),
    }
}

/// What would only be found by a server that does not work.
fn check(kind: PeerKind, setup: &Setup<'_>) -> Result<()> {
    let (name, role) = (kind.name(), setup.role.name());
    if !kind.supports(setup.role) {
        let roles: Vec<&str> = kind.roles().iter().map(|role| role.name()).collect();
        return Err(format!("{name} cannot be a {role}, only: {}", roles.join(", ")).into());
    }
    if matches!(setup.role, Role::Balancer | Role::Mx) && setup.next_hops.is_empty() {
        return Err(format!("{name} as a {role} needs a next hop").into());
    }
    if matches!(setup.role, Role::Mx | Role::MxReject) && setup.dns.is_none() {
        return Err(format!("{name} as a {role} needs a DNS server with {DNSBL_ZONE}").into());
    }
    Ok(())
}

fn smtp_sink(setup: &Setup<'_>) -> Result<Server> {
    let program = find("smtp-sink", POSTFIX)?;
    let version = server::postfix_version()?;
    let mut launch = Launch::new("smtp-sink", &program, version, setup);
    // Root must name the user that smtp-sink becomes; nobody else may.
    if is_root()? {
        launch = launch.arguments(["-u", "nobody"]);
    }
    // -c counts on standard output. 1024 is the backlog.
    launch.arguments(["-c", &setup.listen.to_string(), "1024"]).start()
}

/// One of our own, from this program.
fn reference(kind: PeerKind, setup: &Setup<'_>) -> Result<Server> {
    let version = format!("weir-bench {}", env!("CARGO_PKG_VERSION"));
    let arguments = ["reference", kind.name(), "--listen", &setup.listen.to_string()];
    Launch::new(kind.name(), &env::current_exe()?, version, setup).arguments(arguments).start()
}

fn haproxy(setup: &Setup<'_>) -> Result<Server> {
    let program = find("haproxy", HAPROXY)?;
    let text = configuration(include_str!("../scenarios/peers/haproxy.cfg"), setup);
    let file = write(setup, "haproxy.cfg", &text)?;
    let version = server::first_line(&program, &["-v"])?;
    // -db stays in front.
    Launch::new("haproxy", &program, version, setup).arguments(["-db", "-f", &file]).start()
}

/// A configuration of `bench/scenarios/peers` with the run's own addresses: 127.0.0.1:10024 stands for where it listens,
/// `/srv/peer` for its folder, `127.0.0.1:2501,127.0.0.1:2502` for all next hops, and a line with 127.0.0.1:2501 or
/// [127.0.0.1]:2501 is there once for each next hop, with `hop1`, `hop2`...
fn configuration(text: &str, setup: &Setup<'_>) -> String {
    let hops: Vec<String> = setup.next_hops.iter().map(ToString::to_string).collect();
    let mut output = String::new();
    for line in text.lines() {
        let line = line
            .replace("127.0.0.1:10024", &setup.listen.to_string())
            .replace("/srv/peer", &setup.folder.to_string_lossy())
            .replace("127.0.0.1:2501,127.0.0.1:2502", &hops.join(","));
        if line.contains("127.0.0.1:2501") || line.contains("[127.0.0.1]:2501") {
            for (number, hop) in (1..).zip(setup.next_hops) {
                let line = line
                    .replace("hop1", &format!("hop{number}"))
                    .replace("127.0.0.1:2501", &hop.to_string())
                    .replace("[127.0.0.1]:2501", &format!("[{}]:{}", hop.ip(), hop.port()));
                output.push_str(&line);
                output.push('\n');
            }
        } else {
            output.push_str(&line);
            output.push('\n');
        }
    }
    output
}

/// Writes a file into the server's folder, which may not be there yet; its full name.
fn write(setup: &Setup<'_>, name: &str, text: &str) -> Result<String> {
    let file: PathBuf = setup.folder.join(name);
    fs::create_dir_all(file.parent().unwrap_or(setup.folder))
        .and_then(|()| fs::write(&file, text))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file.to_string_lossy().into_owned())
}

fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(role: Role, next_hops: &[SocketAddr]) -> Setup<'_> {
        let listen = "127.0.0.7:25".parse().unwrap();
        Setup { role, listen, next_hops, dns: None, folder: Path::new("/tmp/x"), cores: None }
    }

    #[test]
    fn a_configuration_gets_the_addresses_of_its_run() {
        let hops = ["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()];
        let setup = setup(Role::Balancer, &hops);
        let text = "bind 127.0.0.1:10024\n  server hop1 127.0.0.1:2501 check\ndir /srv/peer/queue\n\
                    pool=127.0.0.1:2501,127.0.0.1:2502\nvia [127.0.0.1]:2501\n";
        let expected = "bind 127.0.0.7:25\n  server hop1 127.0.0.1:1 check\n  server hop2 127.0.0.1:2 check\n\
                        dir /tmp/x/queue\npool=127.0.0.1:1,127.0.0.1:2\nvia [127.0.0.1]:1\nvia [127.0.0.1]:2\n";
        assert_eq!(configuration(text, &setup), expected);
    }

    #[test]
    fn what_cannot_work_is_said_before_it_starts() {
        let error = start(PeerKind::Haproxy, &setup(Role::Sink, &[])).err().unwrap().to_string();
        assert_eq!(error, "haproxy cannot be a sink, only: balancer");
        let error = start(PeerKind::Haproxy, &setup(Role::Balancer, &[])).err().unwrap().to_string();
        assert_eq!(error, "haproxy as a balancer needs a next hop");
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for kind in PeerKind::value_variants() {
            assert_eq!(kind.to_possible_value().unwrap().get_name(), kind.name());
            assert!(!kind.roles().is_empty());
        }
        for role in Role::value_variants() {
            assert_eq!(role.to_possible_value().unwrap().get_name(), role.name());
        }
    }
}
