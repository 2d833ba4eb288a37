//! Postfix and postscreen: an instance of their own in the folder, beside any other that the host may have.
//!
//! `postfix -c FOLDER/etc start-fg` makes the queue and runs `master` in front. Configuration, queue, data and log are
//! all in the folder, so nothing of another instance is read, locked or written.
//!
//! Postfix asks the name servers of `/etc/resolv.conf`, which cannot name a port. The whole instance therefore runs in a mount
//! namespace of its own (`unshare --mount`), in which a file of the folder is bound over `/etc/resolv.conf`. The host does
//! not see it.

use std::fs;
use std::process::Command;

use super::server::{Launch, Server, find, postfix_version};
use super::{PeerKind, Role, Setup, configuration, is_root, write};
use crate::Result;

const SERVICES: &str = include_str!("../../scenarios/peers/services-master.cf");
const POSTFIX: &str = include_str!("../../scenarios/peers/postfix-master.cf");
const POSTSCREEN: &str = include_str!("../../scenarios/peers/postscreen-master.cf");

/// The port that a resolver asks, for `/etc/resolv.conf` has no place for another.
const DNS_PORT: u16 = 53;

pub(super) fn start(kind: PeerKind, setup: &Setup<'_>) -> Result<Server> {
    let program = find("postfix", "apt-get install postfix")?;
    let version = postfix_version()?;
    if !is_root()? {
        return Err("only root can start Postfix, which gives up root in all processes but one".into());
    }
    if setup.next_hops.len() > 1 {
        let (name, count) = (kind.name(), setup.next_hops.len());
        return Err(format!("{name} hands over to one next hop, {count} were given").into());
    }
    write(setup, "etc/main.cf", &main(kind, setup))?;
    let first = if kind == PeerKind::Postscreen { POSTSCREEN } else { POSTFIX };
    write(setup, "etc/master.cf", &configuration(&[first, SERVICES].concat(), setup))?;
    folders(setup)?;

    let log = setup.folder.join("mail.log");
    let mut launch = match setup.dns {
        Some(dns) if dns.port() != DNS_PORT => {
            return Err(format!("Postfix asks DNS servers on port {DNS_PORT} only, not {dns}").into());
        }
        Some(dns) => with_resolver(kind.name(), &dns.ip().to_string(), version, setup)?
            .arguments([program.to_string_lossy()]),
        None => Launch::new(kind.name(), &program, version, setup),
    };
    launch = launch.arguments(["-c", &setup.folder.join("etc").to_string_lossy()]);
    launch.arguments(["start-fg"]).log(log).start()
}

fn main(kind: PeerKind, setup: &Setup<'_>) -> String {
    let shipped = match (kind, setup.role) {
        (PeerKind::Postscreen, _) => include_str!("../../scenarios/peers/postscreen.cf"),
        (_, Role::Balancer) => include_str!("../../scenarios/peers/postfix-balancer.cf"),
        _ => include_str!("../../scenarios/peers/postfix-mx.cf"),
    };
    let mut text = configuration(shipped, setup);
    if setup.next_hops.is_empty() {
        // Mail that was not refused has nowhere to go, and must not be looked for in DNS.
        text.push_str("relay_transport = discard:\n");
    }
    text
}

/// The folders that Postfix does not make itself.
fn folders(setup: &Setup<'_>) -> Result<()> {
    fs::create_dir_all(setup.folder.join("queue"))?;
    let data = setup.folder.join("data");
    fs::create_dir_all(&data)?;
    let status = Command::new("chown").arg("postfix").arg(&data).status()?;
    if status.success() { Ok(()) } else { Err(format!("chown postfix {}: {status}", data.display()).into()) }
}

/// The words in front of a program that let it, and no other process, ask this name server.
fn with_resolver<'a>(
    name: &'static str,
    server: &str,
    version: String,
    setup: &'a Setup<'a>,
) -> Result<Launch<'a>> {
    let unshare = find("unshare", "apt-get install util-linux")?;
    let file = write(setup, "resolv.conf", &format!("nameserver {server}\n"))?;
    let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
    let words = ["--mount", "--propagation", "private", "sh", "-c", script, &file];
    Ok(Launch::new(name, &unshare, version, setup).arguments(words))
}
