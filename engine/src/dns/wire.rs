//! Questions over UDP, on the ring: a few sockets to each name server, on which many questions are under way at once.
//!
//! An answer is taken when it comes from the server, to the port of its question, with the number and the very words of it (RFC 5452,
//! 9.1). Ports and numbers are drawn, and a port is left after some questions or some time. What one packet does not say (an answer
//! that was cut off, an alias that leads elsewhere) is [`Said::Elsewhere`]: the resolver finds it out.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use hickory_resolver::config::{ProtocolConfig, ResolverConfig};
use hickory_resolver::proto::op::Message;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::answer::{Reply, read_reply};
use super::{Answer, Failure, Question};
use crate::limits::{
    DNS_FAILURE_TTL, DNS_PACKET_BYTES, DNS_PACKET_TIME, DNS_PACKETS_MAX, DNS_SOCKET_QUESTIONS_MAX,
    DNS_SOCKET_TIME, DNS_SOCKETS_MAX,
};
use crate::ring::{self, Datagrams};

/// The name servers of an upstream, and the sockets to each.
pub(super) struct Wire {
    servers: Vec<Server>,
    /// Its keys are secret, so what it makes of a counter cannot be guessed.
    secret: RandomState,
    drawn: Cell<u64>,
}

struct Server {
    address: SocketAddr,
    lines: RefCell<Vec<Rc<Line>>>,
}

/// A socket and the questions that wait for their answers on it.
struct Line {
    socket: Rc<Datagrams>,
    open: RefCell<HashMap<u16, Open>>,
    asked: Cell<u32>,
    since: Instant,
    reader: AbortHandle,
}

/// A packet of a question that has no answer yet.
struct Open {
    packet: Vec<u8>,
    answer: Rc<Awaited>,
}

/// Where the answer to a question appears, whichever of its packets it is for.
#[derive(Default)]
struct Awaited {
    reply: Cell<Option<io::Result<Message>>>,
    waker: Cell<Option<Waker>>,
}

impl Awaited {
    fn put(&self, reply: io::Result<Message>) {
        self.reply.set(Some(reply));
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    async fn next(&self) -> io::Result<Message> {
        poll_fn(|context| {
            if let Some(reply) = self.reply.take() {
                return Poll::Ready(reply);
            }
            self.waker.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await
    }
}

/// What was said to a question.
pub(super) enum Said {
    /// This, and how long it holds.
    Answer(Answer, Duration),
    /// One packet does not tell.
    Elsewhere,
}

impl Wire {
    /// The name servers that are asked by UDP; none is open yet.
    pub(super) fn new(config: &ResolverConfig) -> Self {
        let by_udp = config.name_servers.iter().filter_map(|server| {
            let mut connections = server.connections.iter();
            let udp = connections.find(|connection| matches!(connection.protocol, ProtocolConfig::Udp))?;
            Some(SocketAddr::new(server.ip, udp.port))
        });
        let server = |address| Server { address, lines: RefCell::default() };
        Self { servers: by_udp.map(server).collect(), secret: RandomState::new(), drawn: Cell::new(0) }
    }

    /// Asks, again and each server in turn when there is no answer. One that comes late, to a packet before, is as good: it may have
    /// lain here while this thread had much to do.
    pub(super) async fn ask(&self, question: &Question) -> Said {
        let mut failure = Failure::Timeout;
        let (awaited, mut asked) = (Rc::new(Awaited::default()), Vec::with_capacity(1));
        let turns = self.servers.iter().cycle().take(DNS_PACKETS_MAX.max(self.servers.len()));
        for (turn, server) in turns.enumerate() {
            match self.send(server, question, &awaited) {
                Ok(packet) => asked.push(packet),
                Err(error) => awaited.put(Err(error)),
            }
            match timeout(DNS_PACKET_TIME, awaited.next()).await {
                Err(_elapsed) => failure = Failure::Timeout,
                Ok(Ok(reply)) => match read_reply(question.kind(), &reply) {
                    Reply::Answer(answer, keep) => return Said::Answer(answer, keep),
                    Reply::Elsewhere => return Said::Elsewhere,
                    // Who has said that it cannot is not asked again.
                    Reply::Failure if turn + 1 >= self.servers.len() => {
                        failure = Failure::Server;
                        break;
                    }
                    Reply::Failure => failure = Failure::Server,
                },
                // That a socket breaks can be forged without the number of a question: the next turn has another.
                Ok(Err(_gone)) => failure = Failure::Server,
            }
        }
        Said::Answer(Answer::Failed(failure), DNS_FAILURE_TTL)
    }

    /// Sends a packet of a question; its answer is taken while what is returned is kept.
    fn send(&self, server: &Server, question: &Question, answer: &Rc<Awaited>) -> io::Result<Asked> {
        let line = server.line(self.draw())?;
        let [high, low, ..] = self.draw().to_ne_bytes();
        let mut id = u16::from_be_bytes([high, low]);
        while line.open.borrow().contains_key(&id) {
            id = id.wrapping_add(1);
        }
        let packet = packet(id, question);
        line.socket.send(&packet)?;
        line.asked.set(line.asked.get() + 1);
        line.open.borrow_mut().insert(id, Open { packet, answer: Rc::clone(answer) });
        Ok(Asked { line, id, answer: Rc::clone(answer) })
    }

    fn draw(&self) -> u64 {
        self.drawn.set(self.drawn.get().wrapping_add(1));
        self.secret.hash_one(self.drawn.get())
    }
}

impl Server {
    /// A socket for the next question: a new one while there are few, or one of them by chance.
    fn line(&self, drawn: u64) -> io::Result<Rc<Line>> {
        let mut lines = self.lines.borrow_mut();
        lines.retain(|line| !line.reader.is_finished());
        if lines.len() < DNS_SOCKETS_MAX || lines.iter().any(|line| line.is_used_up()) {
            match Line::open(self.address) {
                Ok(line) => {
                    lines.retain(|line| !line.is_used_up());
                    lines.push(line);
                }
                // Out of descriptors: those that are open will do.
                Err(error) if lines.is_empty() => return Err(error),
                Err(_) => {}
            }
        }
        let index = usize::try_from(drawn % lines.len() as u64).unwrap_or(0);
        lines.get(index).cloned().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Line {
    fn open(server: SocketAddr) -> io::Result<Rc<Self>> {
        let socket = Rc::new(Datagrams::to(server)?);
        Ok(Rc::new_cyclic(|line| Self {
            reader: ring::spawn(read_always(Rc::clone(&socket), Weak::clone(line))).abort_handle(),
            socket,
            open: RefCell::default(),
            asked: Cell::new(0),
            since: Instant::now(),
        }))
    }

    fn is_used_up(&self) -> bool {
        self.asked.get() >= DNS_SOCKET_QUESTIONS_MAX || self.since.elapsed() >= DNS_SOCKET_TIME
    }

    /// Hands an answer to its question; what answers none is dropped.
    fn take(&self, reply: &[u8]) {
        let Some(&[high, low]) = reply.get(..ID_BYTES) else { return };
        let id = u16::from_be_bytes([high, low]);
        let mut open = self.open.borrow_mut();
        if !open.get(&id).is_some_and(|open| answers(reply, &open.packet)) {
            return;
        }
        let Ok(message) = Message::from_vec(reply) else { return };
        if let Some(open) = open.remove(&id) {
            open.answer.put(Ok(message));
        }
    }

    /// Tells who waits that nothing comes any more.
    fn break_off(&self) {
        for (_, open) in self.open.take() {
            open.answer.put(Err(io::ErrorKind::ConnectionReset.into()));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Hands out what comes until the socket is of no use; then who waits on it is told.
async fn read_always(socket: Rc<Datagrams>, line: Weak<Line>) {
    loop {
        let packet = socket.receive().await;
        let Some(line) = line.upgrade() else { return };
        match packet {
            Ok(packet) => {
                line.take(&packet);
                ring::recycle(packet);
            }
            Err(_gone) => return line.break_off(),
        }
    }
}

/// A packet under way; it leaves its line when nobody waits any more.
struct Asked {
    line: Rc<Line>,
    id: u16,
    answer: Rc<Awaited>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        // When it has its answer, its number may be another's by now.
        if let Entry::Occupied(open) = self.line.open.borrow_mut().entry(self.id)
            && Rc::ptr_eq(&open.get().answer, &self.answer)
        {
            open.remove();
        }
    }
}

/// Bytes of a header (RFC 1035, 4.1.1), of its number, and of what is behind the question in our packets: the OPT record.
const HEADER_BYTES: usize = 12;
const ID_BYTES: usize = 2;
const OPT_BYTES: usize = 11;
/// Of the first byte of flags: it is an answer.
const IS_ANSWER: u8 = 0x80;
/// A class, and the type of OPT.
const IN: u16 = 1;
const OPT: u16 = 41;

/// A question as a packet: recursion is desired, and answers may be longer than 512 bytes (RFC 6891).
fn packet(id: u16, question: &Question) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER_BYTES + question.name().len() + 6 + OPT_BYTES);
    let [high, low] = id.to_be_bytes();
    packet.extend_from_slice(&[high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in question.name().split('.') {
        // A question's labels have at most 63 bytes.
        packet.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
    for number in [u16::from(question.kind().record_type()), IN] {
        packet.extend_from_slice(&number.to_be_bytes());
    }
    packet.push(0);
    for number in [OPT, DNS_PACKET_BYTES, 0, 0, 0] {
        packet.extend_from_slice(&number.to_be_bytes());
    }
    packet
}

/// Whether a packet with the number of a question is an answer to it: one question, in the same words. Servers may change the case.
fn answers(reply: &[u8], asked: &[u8]) -> bool {
    let end = asked.len() - OPT_BYTES;
    let is_answer = reply.get(ID_BYTES).is_some_and(|flags| flags & IS_ANSWER != 0);
    let has_one = reply.get(4..6) == Some(&[0, 1]);
    let words = (reply.get(HEADER_BYTES..end), asked.get(HEADER_BYTES..end));
    is_answer && has_one && matches!(words, (Some(one), Some(other)) if one.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use hickory_resolver::proto::op::{MessageType, OpCode};
    use hickory_resolver::proto::rr::{Name, RecordType};

    use super::*;
    use crate::dns::Kind;

    #[test]
    fn a_packet_is_what_others_read() {
        let question = Question::new(Kind::Mx, "mail.example.org").unwrap();
        let message = Message::from_vec(&packet(0x1234, &question)).unwrap();
        assert_eq!((message.metadata.id, message.metadata.message_type), (0x1234, MessageType::Query));
        assert!(message.metadata.recursion_desired && message.metadata.op_code == OpCode::Query);
        let [query] = message.queries.as_slice() else { panic!("{message:?}") };
        assert_eq!(query.name(), &Name::from_ascii("mail.example.org.").unwrap());
        assert_eq!(query.query_type(), RecordType::MX);
        assert_eq!(message.max_payload(), DNS_PACKET_BYTES);
    }

    /// It took away whatever was under its number: the question that had it next waited in vain.
    #[test]
    fn a_packet_leaves_its_own_place_alone() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        ring::run(async move {
            let line = Line::open(server).unwrap();
            let (one, other) = (Rc::new(Awaited::default()), Rc::new(Awaited::default()));
            let open = Open { packet: Vec::new(), answer: Rc::clone(&other) };
            line.open.borrow_mut().insert(7, open);
            drop(Asked { line: Rc::clone(&line), id: 7, answer: one });
            assert!(line.open.borrow().contains_key(&7));
            drop(Asked { line: Rc::clone(&line), id: 7, answer: other });
            assert!(line.open.borrow().is_empty());
        })
        .unwrap();
    }

    /// The questions of a socket that broke failed at once, and an ICMP packet that does it needs no number of theirs.
    #[test]
    fn a_question_outlives_its_socket() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let config = crate::dns::only(server.local_addr().unwrap());
        ring::run(async move {
            let wire = Rc::new(Wire::new(&config));
            let asking = Rc::clone(&wire);
            let question = Question::new(Kind::A, "mail.example.org").unwrap();
            let asked = ring::spawn(async move { asking.ask(&question).await });
            let is_sent = || wire.servers.iter().any(|server| !server.lines.borrow().is_empty());
            while !is_sent() {
                tokio::task::yield_now().await;
            }
            let line = wire.servers[0].lines.borrow_mut().remove(0);
            line.break_off();
            let sending = async {
                while !is_sent() {
                    tokio::task::yield_now().await;
                }
            };
            timeout(DNS_PACKET_TIME / 2, sending).await.expect("it is sent again, and at once");
            let mut packet = [0; 512];
            let (bytes, _) = server.recv_from(&mut packet).unwrap();
            let (again, from) = server.recv_from(&mut packet).unwrap();
            assert_eq!(bytes, again);
            packet[2] |= IS_ANSWER;
            packet[3] = 3;
            server.send_to(&packet[..again], from).unwrap();
            let Said::Answer(answer, _) = asked.await.unwrap() else { panic!("it leads nowhere") };
            assert_eq!(answer, Answer::None);
        })
        .unwrap();
    }

    #[test]
    fn only_the_same_words_answer() {
        let asked = packet(7, &Question::new(Kind::A, "mail.example.org").unwrap());
        let mut reply = asked.clone();
        assert!(!answers(&reply, &asked), "a question is no answer");
        reply[2] |= IS_ANSWER;
        assert!(answers(&reply, &asked));
        reply[13].make_ascii_uppercase();
        assert!(answers(&reply, &asked), "in another case");
        reply[13] = b'x';
        assert!(!answers(&reply, &asked), "to another question");
        for bytes in 0..asked.len() - OPT_BYTES {
            assert!(!answers(&reply[..bytes], &asked));
        }
    }
}
