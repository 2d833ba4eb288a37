//! `weir demo`: MX, balancer, two scanners and a mailbox on loopback, from the shipped rule files with nothing but addresses
//! changed, and a handful of messages that show what each does.

mod clamd;
mod client;
mod shipped;
mod zone;

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::clamd::Host;
use crate::cli::{Demo, Exit};
use crate::clock::Clock;
use crate::commands::{failed, say};
use crate::config::Overrides;
use crate::control::{Control, RuleFiles, Setup};
use crate::limits::LOG_FLUSH_EVERY;
use crate::limits::MESSAGE_MEMORY_MIB;
use crate::log::{Format, Sink, Writer};
use crate::ring;
use client::Letter;

/// The MX listens here if the port is free.
const MX_PORT: u16 = 2525;

/// Runs the demo.
pub fn demo(args: &Demo) -> Exit {
    if let Err(refused) = ring::probe() {
        eprintln!("weir: {refused}");
        return Exit::Unavailable;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start: {error}")),
    };
    let folder = std::env::temp_dir().join(format!("weir-demo-{}", std::process::id()));
    let local = tokio::task::LocalSet::new();
    let exit = match local.block_on(&runtime, play(args, &folder)) {
        Ok(exit) => exit,
        Err(reason) => failed(&reason),
    };
    // Left over, it is only a folder in the temporary ones.
    let _left = std::fs::remove_dir_all(&folder);
    exit
}

/// The addresses of the chain.
struct Addresses {
    mx: SocketAddr,
    balancer: SocketAddr,
    scanners: [SocketAddr; 2],
    mailbox: SocketAddr,
}

impl Addresses {
    fn new() -> std::io::Result<Self> {
        // Held together, so that no two are the same; let go before they are used.
        let held: Vec<TcpListener> =
            (0..5).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let mut free = held.iter().map(TcpListener::local_addr);
        let mut next = || free.next().unwrap_or_else(|| Err(std::io::ErrorKind::AddrNotAvailable.into()));
        let known = SocketAddr::from(([127, 0, 0, 1], MX_PORT));
        let ephemeral = next()?;
        let mx = if TcpListener::bind(known).is_ok() { known } else { ephemeral };
        Ok(Self { mx, balancer: next()?, scanners: [next()?, next()?], mailbox: next()? })
    }
}

/// A host of the chain.
struct ChainHost {
    name: &'static str,
    control: Control,
    log: PathBuf,
    _writer: Writer,
}

struct Chain {
    hosts: Vec<ChainHost>,
    plan: Addresses,
    maildir: PathBuf,
    has_clamd: bool,
}

async fn play(args: &Demo, folder: &Path) -> Result<Exit, String> {
    let chain = start(folder).await?;
    introduce(&chain);
    let mut met = true;
    for letter in letters() {
        let mx = chain.plan.mx;
        let marks = chain.marks();
        let letter = Arc::new(letter);
        let sending = Arc::clone(&letter);
        let sent = tokio::task::spawn_blocking(move || client::send(mx, &sending)).await;
        let reply =
            sent.map_err(|error| error.to_string())?.map_err(|error| format!("{}: {error}", letter.title))?;
        met &= chain.tell(&letter, &reply, &marks).await;
    }
    let exit = if met { Exit::Ok } else { Exit::Failed };
    if args.once {
        say(if met {
            "\nEvery message met its expected fate.\n"
        } else {
            "\nNot every message met its expected fate.\n"
        });
    } else {
        invite(&chain);
        wait_for_end().await;
    }
    for host in &chain.hosts {
        host.control.stop().await;
    }
    Ok(exit)
}

async fn start(folder: &Path) -> Result<Chain, String> {
    let dns = zone::start().map_err(|error| format!("demo DNS: {error}"))?;
    let plan = Addresses::new().map_err(|error| format!("no free ports: {error}"))?;
    let real = Path::new("/run/clamav/clamd.ctl");
    let has_clamd = std::os::unix::net::UnixStream::connect(real).is_ok();
    let scanner = if has_clamd {
        Host::Unix(real.to_owned())
    } else {
        Host::Tcp(clamd::start().map_err(|error| format!("demo clamd: {error}"))?)
    };
    let maildir = folder.join("mailbox");
    let overrides = |listener: &str, at: SocketAddr, servers: &[(&str, SocketAddr)]| Overrides {
        listeners: vec![(listener.to_owned(), at)],
        servers: servers.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect(),
        dns: Some(dns),
        clamd: Some(scanner.clone()),
        maildir: Some(maildir.clone()),
    };
    let [scan1, scan2] = plan.scanners;
    let wanted = [
        ("mailbox", "mailbox.weir", overrides("from_scanners", plan.mailbox, &[])),
        ("scan1", "scanner.weir", overrides("scan", scan1, &[("next_hop/mail", plan.mailbox)])),
        ("scan2", "scanner.weir", overrides("scan", scan2, &[("next_hop/mail", plan.mailbox)])),
        (
            "balancer",
            "balancer.weir",
            overrides("from_mx", plan.balancer, &[("scanners/scan1", scan1), ("scanners/scan2", scan2)]),
        ),
        ("mx", "mx.weir", overrides("public", plan.mx, &[("balancer/lb1", plan.balancer)])),
    ];
    let mut hosts = Vec::new();
    for (name, rules, overrides) in wanted {
        hosts.push(start_host(folder, name, rules, overrides, dns).await?);
    }
    // The way of a message is told from its first host on.
    hosts.reverse();
    Ok(Chain { hosts, plan, maildir, has_clamd })
}

async fn start_host(
    folder: &Path,
    name: &'static str,
    rules: &'static str,
    overrides: Overrides,
    dns: SocketAddr,
) -> Result<ChainHost, String> {
    let state = folder.join(name);
    std::fs::create_dir_all(&state).map_err(|error| format!("{}: {error}", state.display()))?;
    let log = state.join("log");
    let clock = Clock::system();
    let writer = Writer::start(Sink::File(log.clone()), Format::Json, clock.clone())
        .map_err(|error| format!("{}: {error}", log.display()))?;
    let setup = Setup {
        files: RuleFiles::Given { root: rules, files: Arc::new(shipped::Shipped) },
        overrides,
        shards: 1,
        // They pass where they are shipped from; files beside them are not in this program.
        tested: false,
        state,
        resolver: Some(dns),
        message_memory_mib: MESSAGE_MEMORY_MIB,
        stop_timeout: Duration::from_secs(5),
    };
    let control = Control::start(setup, &writer, &clock).map_err(|refused| format!("{name}: {refused}"))?;
    control.ready().await.map_err(|refused| format!("{name}: {refused}"))?;
    Ok(ChainHost { name, control, log, _writer: writer })
}

/// The messages, each for one thing that the chain does.
fn letters() -> Vec<Letter> {
    let letter = |title, last: u8, to, subject, body: &str, code, decided_in| Letter {
        title,
        client: Ipv4Addr::new(127, 0, 2, last),
        from: "ann@example.net",
        to,
        subject,
        body: body.to_owned(),
        code,
        decided_in,
    };
    let gtube = ["XJS*C4JDBQADN1.NSBN3*2IDNEN*", "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"].concat();
    vec![
        letter(
            "a clean message",
            10,
            "dev@example.org",
            "Minutes",
            "See you on Monday.",
            250,
            "mailbox.weir",
        ),
        Letter {
            client: zone::LISTED_CLIENT,
            ..letter("a client on a blocklist", 0, "dev@example.org", "Hello", "Hello.", 550, "mx.weir")
        },
        letter("an attempt to relay", 11, "victim@example.com", "Hello", "Hello.", 550, "mx.weir"),
        letter(
            "lottery spam",
            12,
            "dev@example.org",
            "You won",
            "Claim your prize now.",
            250,
            "mailbox.weir",
        ),
        letter("the spam test text (GTUBE)", 13, "dev@example.org", "Test", &gtube, 554, "scanner.weir"),
        letter(
            "the virus test file (EICAR)",
            14,
            "dev@example.org",
            "Test",
            &clamd::eicar(),
            250,
            "scanner.weir",
        ),
    ]
}

fn introduce(chain: &Chain) {
    let Addresses { mx, balancer, scanners: [scan1, scan2], mailbox } = &chain.plan;
    let scanner = if chain.has_clamd {
        "clamd answers at /run/clamav/clamd.ctl and is used"
    } else {
        "no clamd answers; a stand-in that knows only the EICAR test file is used"
    };
    say(&format!(
        "MX {mx} -> balancer {balancer} -> scan1 {scan1}, scan2 {scan2} -> mailbox {mailbox}\n\
         each from rules/*.weir, with other addresses; {scanner}\n"
    ));
}

fn invite(chain: &Chain) {
    let mx = chain.plan.mx;
    say(&format!(
        "\nSend your own mail to {mx}, for dev@example.org or postmaster@example.org:\n  \
         swaks --server {mx} --to dev@example.org --from you@example.net\n\
         It ends in {}/new\nLogs are in {}/*/log\nCtrl-C ends the demo.\n",
        chain.maildir.display(),
        chain.maildir.parent().unwrap_or(&chain.maildir).display()
    ));
}

async fn wait_for_end() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// How long a log line may take to the file.
const LOG_WITHIN: Duration = Duration::from_secs(3);

impl Chain {
    /// How long each host's log is.
    fn marks(&self) -> Vec<usize> {
        self.hosts.iter().map(|host| std::fs::read(&host.log).map_or(0, |log| log.len())).collect()
    }

    /// The verdict lines of each host since the marks.
    fn verdicts(&self, marks: &[usize]) -> Vec<(&'static str, Value)> {
        let mut found = Vec::new();
        for (host, mark) in self.hosts.iter().zip(marks) {
            let log = std::fs::read(&host.log).unwrap_or_default();
            let new = log.get(*mark..).unwrap_or_default();
            let lines = new
                .split(|byte| *byte == b'\n')
                .filter_map(|line| serde_json::from_slice::<Value>(line).ok());
            found.extend(lines.filter(|line| word(line, "event") == "verdict").map(|line| (host.name, line)));
        }
        found
    }

    /// Prints a message's way; whether it was the expected one.
    async fn tell(&self, letter: &Letter, reply: &str, marks: &[usize]) -> bool {
        let decided = |way: &[(&'static str, Value)]| {
            way.iter().any(|(_, line)| word(line, "rule").starts_with(letter.decided_in))
        };
        let until = Instant::now() + LOG_WITHIN;
        let mut way = self.verdicts(marks);
        while !decided(&way) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
            way = self.verdicts(marks);
        }
        // The hosts write their logs apart; each has written what it knew by now when twice that time has passed.
        tokio::time::sleep(2 * LOG_FLUSH_EVERY).await;
        way = self.verdicts(marks);
        let met = reply.starts_with(&letter.code.to_string()) && decided(&way);
        let mut text = format!("\n{} {}\n", if met { "ok  " } else { "FAIL" }, letter.title);
        for (host, line) in &way {
            let to = match (word(line, "to"), word(line, "server")) {
                ("", _) => String::new(),
                (to, "") => format!(" -> {to}"),
                (_, server) => format!(" -> {server}"),
            };
            let hits = match word(line, "hits") {
                "" => String::new(),
                hits => format!("  [{hits}]"),
            };
            let code = line.get("code").map_or_else(String::new, ToString::to_string);
            _ = writeln!(
                text,
                "     {host:<9} {:<8} {code} {}{to}{hits}",
                word(line, "verdict"),
                word(line, "rule")
            );
        }
        _ = writeln!(text, "     client    {reply}");
        say(&text);
        met
    }
}

fn word<'a>(line: &'a Value, key: &str) -> &'a str {
    line.get(key).and_then(Value::as_str).unwrap_or_default()
}
