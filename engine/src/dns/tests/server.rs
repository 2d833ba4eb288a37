//! A name server for tests: a table of records, and a way to misbehave.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// The time for which it says that there is nothing, in seconds.
pub(super) const SOA_MINIMUM: u32 = 30;

#[derive(Clone, Copy)]
pub(super) enum Behaviour {
    Answer,
    After(Duration),
    Silent,
    Fail,
    /// Answers after two empty packets.
    AfterNothing,
    /// Names other servers instead of an answer.
    Refer,
}

pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    records: HashMap<Name, Vec<Record>>,
    behaviour: Mutex<Behaviour>,
    asked: AtomicUsize,
}

impl TestServer {
    /// Serves lines of `name ttl type data`.
    pub(super) fn start(lines: &[&str]) -> Self {
        let mut records: HashMap<Name, Vec<Record>> = HashMap::new();
        for line in lines {
            let record = record(line);
            records.entry(record.name.clone()).or_default().push(record);
        }
        let state =
            Arc::new(State { records, behaviour: Mutex::new(Behaviour::Answer), asked: AtomicUsize::new(0) });
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let serving = Arc::clone(&state);
        std::thread::spawn(move || serving.serve(&socket));
        Self { address, state }
    }

    pub(super) fn set(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap() = behaviour;
    }

    /// How many packets have come.
    pub(super) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.').to_ascii_lowercase())).unwrap()
}

fn record(line: &str) -> Record {
    let words: Vec<&str> = line.split(' ').collect();
    let data = match words[2..] {
        ["A", address] => RData::A(A::from_str(address).unwrap()),
        ["AAAA", address] => RData::AAAA(AAAA::from_str(address).unwrap()),
        ["CNAME", target] => RData::CNAME(CNAME(name(target))),
        ["PTR", target] => RData::PTR(PTR(Name::from_ascii(format!("{target}.")).unwrap())),
        ["MX", preference, target] => RData::MX(MX::new(preference.parse().unwrap(), name(target))),
        _ => panic!("{line}"),
    };
    Record::from_rdata(name(words[0]), words[1].parse().unwrap(), data)
}

fn referral(asked: &Message) -> Message {
    let mut reply = Message::response(asked.metadata.id, OpCode::Query);
    reply.queries.clone_from(&asked.queries);
    let server = RData::NS(NS(name("ns.example.net")));
    reply.authorities.push(Record::from_rdata(name("example.org"), 3600, server));
    reply
}

impl State {
    fn serve(&self, socket: &UdpSocket) {
        let mut packet = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let asked = Message::from_vec(&packet[..length]).unwrap();
            let behaviour = *self.behaviour.lock().unwrap();
            let reply = match behaviour {
                Behaviour::Silent => continue,
                Behaviour::Fail => {
                    let mut reply =
                        Message::error_msg(asked.metadata.id, OpCode::Query, ResponseCode::ServFail);
                    reply.queries.clone_from(&asked.queries);
                    reply
                }
                Behaviour::Answer => self.reply(&asked),
                Behaviour::AfterNothing => {
                    for _ in 0..2 {
                        socket.send_to(&[], from).unwrap();
                    }
                    self.reply(&asked)
                }
                Behaviour::Refer => referral(&asked),
                Behaviour::After(time) => {
                    std::thread::sleep(time);
                    self.reply(&asked)
                }
            };
            socket.send_to(&reply.to_vec().unwrap(), from).unwrap();
        }
    }

    fn reply(&self, asked: &Message) -> Message {
        let mut reply = Message::response(asked.metadata.id, OpCode::Query);
        reply.queries.clone_from(&asked.queries);
        let query = &asked.queries[0];
        let known = self.records.get(query.name());
        let of_type = known.into_iter().flatten().filter(|record| {
            let found = record.data.record_type();
            found == query.query_type() || found == RecordType::CNAME
        });
        reply.answers = of_type.cloned().collect();
        if known.is_none() {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        if reply.answers.is_empty() {
            let soa = SOA::new(name("ns.example.org"), name("root.example.org"), 1, 1, 1, 1, SOA_MINIMUM);
            reply.authorities.push(Record::from_rdata(name("example.org"), 3600, RData::SOA(soa)));
        }
        reply
    }
}
