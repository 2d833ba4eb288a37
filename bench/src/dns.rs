//! A name server that stands in for the world's: records and DNS lists from the command line and from files, and what goes wrong
//! with name servers, by share and by order. UDP, and TCP for answers that were cut off.

mod fault;
mod list;
mod records;
mod reply;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::dice::Dice;
use crate::value::{duration, pair};
use crate::{Result, orders, stand_in};
use fault::{Fate, Faults};
use list::List;
use records::Records;

/// Largest question over UDP, in bytes; more than any has.
const QUESTION_BYTES_MAX: usize = 4096;
/// Answers that wait for their time at once; further ones are dropped and counted.
const WAITING_MAX: usize = 100_000;
/// TCP connections at once; further ones are closed.
const CONNECTIONS_MAX: usize = 1000;
/// How long a TCP connection may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(10);

#[derive(Args)]
#[command(after_help = "\
Lists take the lines of rbldnsd's ip4set, ip6trie and dnset, also mixed: an address, a network, a range or a domain (`.example.org`
means it and all below it), `!` in front for an exception, and `:127.0.0.4:text` behind for the answer; such a line with nothing in
front sets the answer of the lines below it. Queries are the octets of an IPv4 address, the nibbles of an IPv6 address, or a domain,
in front of the list's zone. Records are `NAME TYPE DATA`, one a line: A, AAAA, MX, TXT, PTR; `*.example.org` for all names below. A name
that is an address means its reverse name. What is not there does not exist (NXDOMAIN).

Faults can be changed while it runs, by lines on standard input: `servfail 50%` is as --servfail 50% in the place of what was said of
servfail before, `servfail none` takes that back, and `none` ends all faults. Each is answered on standard error.
It ends with SIGINT or SIGTERM, or after --for, and then says how often it was asked what.

Examples:
  weir-bench dns --listen 127.0.0.1:5353 --list zen.example.org=listed.txt --records zone.txt
  weir-bench dns --listed 'zen.example.org=127.0.0.2 :127.0.0.4:Listed' --record 'example.net MX 10 mail.example.net'
  weir-bench dns --list zen.example.org=listed.txt --latency 5ms..80ms:20% --drop 1% --servfail zen.example.org=2%
  dig @127.0.0.1 -p 5353 2.0.0.127.zen.example.org A")]
pub(crate) struct Options {
    /// Where it listens, over UDP and TCP; port 0 takes a free one, which is printed on standard error.
    #[arg(long, short, value_name = "IP:PORT", default_value = "127.0.0.1:5353")]
    listen: SocketAddr,
    /// A list: its zone and a file of entries; several times for several lists or files.
    #[arg(long, value_name = "ZONE=FILE", value_parser = zone_and_file)]
    list: Vec<(String, PathBuf)>,
    /// An entry of a list, as a line of such a file has it.
    #[arg(long, value_name = "ZONE=ENTRY", value_parser = zone_and_entry)]
    listed: Vec<(String, String)>,
    /// A file of records.
    #[arg(long, value_name = "FILE")]
    records: Vec<PathBuf>,
    /// A record; `mail.example.net A 192.0.2.1`.
    #[arg(long, value_name = "RECORD")]
    record: Vec<String>,
    /// How long answers may be remembered.
    #[arg(long, value_name = "TIME", default_value = "300s", value_parser = duration)]
    ttl: Duration,
    #[command(flatten)]
    common: stand_in::Common,
    #[command(flatten)]
    faults: Faults,
}

fn zone_and_file(text: &str) -> std::result::Result<(String, PathBuf), String> {
    let (zone, file) = pair(text, "ZONE=FILE, such as zen.example.org=listed.txt")?;
    Ok((records::plain(zone), file.into()))
}

fn zone_and_entry(text: &str) -> std::result::Result<(String, String), String> {
    let (zone, entry) = pair(text, "ZONE=ENTRY, such as zen.example.org=127.0.0.2")?;
    Ok((records::plain(zone), entry.to_owned()))
}

/// What the tasks share.
struct Server {
    records: Records,
    lists: Vec<List>,
    ttl: u32,
    faults: RefCell<Faults>,
    dice: RefCell<Dice>,
    counts: RefCell<Counts>,
    waiting: Cell<usize>,
    connections: Cell<usize>,
}

#[derive(Default)]
struct Counts {
    udp: u64,
    tcp: u64,
    malformed: u64,
    /// Answers that waited in vain for room.
    overflow: u64,
    /// By what was answered, without faults: `listed`, `not_listed`, `found`, `no_data`, `no_name`.
    answers: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    /// Questions by list.
    lists: BTreeMap<String, u64>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let server = Rc::new(server(options)?);
    let tcp = TcpListener::bind(options.listen).map_err(|error| format!("{}: {error}", options.listen))?;
    let address = tcp.local_addr()?;
    let udp = UdpSocket::bind(address).map_err(|error| format!("{address}: {error}"))?;
    eprintln!("listening on {address}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(options, &server, udp, tcp))?;
    server.finish(options.common.json);
    // The thread that reads orders may still wait for one.
    runtime.shutdown_background();
    Ok(())
}

fn server(options: &Options) -> Result<Server> {
    let mut lists: Vec<List> = Vec::new();
    for (zone, file) in &options.list {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        list_of(&mut lists, zone).read(&text).map_err(|fault| format!("{}:{fault}", file.display()))?;
    }
    for (zone, entry) in &options.listed {
        list_of(&mut lists, zone).read(entry).map_err(|fault| format!("--listed {zone}: {fault}"))?;
    }
    // The most special zone first.
    lists.sort_by_key(|list| std::cmp::Reverse(list.zone.len()));
    let mut records = Records::default();
    for file in &options.records {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        records.read(&text).map_err(|fault| format!("{}:{fault}", file.display()))?;
    }
    for record in &options.record {
        records.read(record).map_err(|fault| format!("--record: {fault}"))?;
    }
    Ok(Server {
        records,
        lists,
        ttl: u32::try_from(options.ttl.as_secs()).unwrap_or(u32::MAX),
        faults: RefCell::new(options.faults.clone()),
        dice: RefCell::new(Dice::new(options.common.seed)),
        counts: RefCell::default(),
        waiting: Cell::new(0),
        connections: Cell::new(0),
    })
}

/// The list of a zone; a new one if there is none.
fn list_of<'a>(lists: &'a mut Vec<List>, zone: &str) -> &'a mut List {
    let at = lists.iter().position(|list| list.zone == zone).unwrap_or(lists.len());
    if at == lists.len() {
        lists.push(List::new(zone));
    }
    lists.get_mut(at).expect("it was found or pushed")
}

async fn serve(options: &Options, server: &Rc<Server>, udp: UdpSocket, tcp: TcpListener) -> Result<()> {
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    let udp = Rc::new(tokio::net::UdpSocket::from_std(udp)?);
    let tcp = tokio::net::TcpListener::from_std(tcp)?;
    let obeying = tokio::task::spawn_local({
        let server = Rc::clone(server);
        orders::obey(move |line| orders::change(&mut *server.faults.borrow_mut(), line))
    });
    let serving = [
        tokio::task::spawn_local(serve_udp(Rc::clone(server), udp)),
        tokio::task::spawn_local(serve_tcp(Rc::clone(server), tcp)),
    ];
    stand_in::until_ended(options.common.within).await?;
    obeying.abort();
    serving.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

async fn serve_udp(server: Rc<Server>, udp: Rc<tokio::net::UdpSocket>) {
    let mut packet = vec![0; QUESTION_BYTES_MAX];
    loop {
        // An error is one of an earlier answer, whose asker has gone.
        let Ok((length, from)) = udp.recv_from(&mut packet).await else { continue };
        server.counts.borrow_mut().udp += 1;
        let question = packet.get(..length).unwrap_or_default();
        let Some((reply, latency)) = server.reply(question, true) else { continue };
        if latency.is_zero() {
            // Who asked will ask again.
            let _lost = udp.send_to(&reply, from).await;
        } else if server.waiting.get() < WAITING_MAX {
            server.waiting.set(server.waiting.get() + 1);
            let (server, udp) = (Rc::clone(&server), Rc::clone(&udp));
            tokio::task::spawn_local(async move {
                tokio::time::sleep(latency).await;
                let _lost = udp.send_to(&reply, from).await;
                server.waiting.set(server.waiting.get() - 1);
            });
        } else {
            server.counts.borrow_mut().overflow += 1;
        }
    }
}

async fn serve_tcp(server: Rc<Server>, listener: tokio::net::TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(stand_in::ACCEPT_PAUSE).await;
            continue;
        };
        if server.connections.get() >= CONNECTIONS_MAX {
            continue;
        }
        server.connections.set(server.connections.get() + 1);
        let server = Rc::clone(&server);
        tokio::task::spawn_local(async move {
            // A connection that breaks concerns nobody else.
            let _broken = server.converse(stream).await;
            server.connections.set(server.connections.get() - 1);
        });
    }
}

impl Server {
    /// Questions and answers with their length in front (RFC 1035, 4.2.2).
    async fn converse(&self, mut stream: tokio::net::TcpStream) -> std::io::Result<()> {
        loop {
            let length = timeout(SILENCE_MAX, stream.read_u16()).await??;
            let mut question = vec![0; length.into()];
            timeout(SILENCE_MAX, stream.read_exact(&mut question)).await??;
            self.counts.borrow_mut().tcp += 1;
            let Some((reply, latency)) = self.reply(&question, false) else { continue };
            tokio::time::sleep(latency).await;
            let length = u16::try_from(reply.len()).map_err(std::io::Error::other)?;
            stream.write_all(&[&length.to_be_bytes(), reply.as_slice()].concat()).await?;
        }
    }

    /// What is sent, and when; `None` if nothing is.
    fn reply(&self, question: &[u8], over_udp: bool) -> Option<(Vec<u8>, Duration)> {
        let Some(asked) = reply::Asked::read(question) else {
            self.counts.borrow_mut().malformed += 1;
            return None;
        };
        let list = self.lists.iter().find_map(|list| Some((list, list.below(&asked.name)?)));
        let zone = list.map(|(list, _)| list.zone.as_str());
        let (fate, latency) = {
            let mut dice = self.dice.borrow_mut();
            let faults = self.faults.borrow();
            (faults.fate(&asked.name, zone, over_udp, &mut dice), faults.latency(&mut dice))
        };
        {
            let mut counts = self.counts.borrow_mut();
            if let Some(zone) = zone {
                *counts.lists.entry(zone.to_owned()).or_default() += 1;
            }
            if let Some(word) = fate.word() {
                *counts.faults.entry(word).or_default() += 1;
            }
        }
        let answer = match fate {
            Fate::Drop => return None,
            Fate::Code(code) => reply::Answer::code(code),
            Fate::Listed(address) => reply::Answer::listed(&asked, address, None),
            Fate::GoOn | Fate::Truncate | Fate::WrongId => {
                let (answer, word) = self.answer(&asked, list);
                *self.counts.borrow_mut().answers.entry(word).or_default() += 1;
                answer
            }
        };
        let form = reply::Form {
            ttl: self.ttl,
            truncated: fate == Fate::Truncate,
            bytes_max: if over_udp { asked.bytes_max } else { usize::from(u16::MAX) },
            id: if fate == Fate::WrongId { asked.id ^ 0x5555 } else { asked.id },
        };
        Some((answer.print(&asked, &form)?, latency))
    }

    /// The true answer, and how it is counted.
    fn answer(&self, asked: &reply::Asked, list: Option<(&List, &str)>) -> (reply::Answer, &'static str) {
        let Some((list, below)) = list else {
            return match self.records.find(&asked.name, asked.kind) {
                None => (reply::Answer::no_name(), "no_name"),
                Some(data) if data.is_empty() => (reply::Answer::no_data(), "no_data"),
                Some(data) => (reply::Answer::found(data), "found"),
            };
        };
        if below.is_empty() {
            return (reply::Answer::no_data(), "no_data");
        }
        match list.find(below) {
            None => (reply::Answer::no_name(), "not_listed"),
            Some((value, query)) => {
                let text = value.text.as_ref().map(|text| text.replace('$', &query));
                (reply::Answer::listed(asked, value.address, text), "listed")
            }
        }
    }

    /// Prints what was asked.
    fn finish(&self, as_json: bool) {
        let counts = self.counts.borrow();
        let queries = counts.udp + counts.tcp;
        if as_json {
            let summary = json!({
                "queries": queries, "udp": counts.udp, "tcp": counts.tcp, "malformed": counts.malformed,
                "overflow": counts.overflow, "answers": counts.answers, "faults": counts.faults, "lists": counts.lists,
            });
            println!("{summary}");
            return;
        }
        println!("queries {queries}: over UDP {}, over TCP {}", counts.udp, counts.tcp);
        println!("answers {}", stand_in::listed(&counts.answers));
        println!("faults {}", stand_in::listed(&counts.faults));
        println!("by list {}", stand_in::listed(&counts.lists));
        println!("malformed {}, dropped for want of room {}", counts.malformed, counts.overflow);
    }
}
