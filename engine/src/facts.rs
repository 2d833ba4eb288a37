//! What is known of a session, its transaction and its message: the values behind the fields of rule files.
//!
//! A held field is read by the function at its place in `readers::READERS`, which stands in the order of
//! [`crate::scheme::fields::FIELDS`]. Answers of lookups are put in by `decide` as they come.

mod answer;
mod memory;
mod readers;
mod recipients;

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use weir_lang::eval::Scratch;
use weir_lang::list::{List, Map};
use weir_lang::value::{self, Slot, StatementId, Value};
use weir_smtp::Conduct;

pub use answer::Answer;
pub use memory::keys_of;
pub use readers::{is_bare_ip, literal};
pub use recipients::Recipients;

use crate::auth::{self, Finding};
use crate::generation::{Generation, Listener, Reread};
use crate::mail::Message;
use crate::process::Process;
use crate::scheme::Phase;
use crate::tls::Agreed;

/// A mailbox as the client wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// `local@domain`; empty for the null sender.
    pub address: Vec<u8>,
    /// Where the `@` before the domain is; the whole length when there is none.
    at: usize,
}

impl Mailbox {
    /// From its text.
    pub fn new(address: &[u8]) -> Self {
        let at = memchr::memrchr(b'@', address).unwrap_or(address.len());
        Self { address: address.into(), at }
    }

    /// Makes it that of the null sender. Its memory is kept.
    pub fn clear(&mut self) {
        self.address.clear();
        self.at = 0;
    }

    /// Makes it what is before the `@` and what is behind it, if there is one. Its memory is kept.
    pub fn set(&mut self, local: &[u8], domain: Option<&[u8]>) {
        self.address.clear();
        self.address.extend_from_slice(local);
        self.at = local.len();
        if let Some(domain) = domain {
            self.address.push(b'@');
            self.address.extend_from_slice(domain);
        }
    }

    /// Whether it is `postmaster` or `abuse`, in any domain: those must be reachable (RFC 5321, 4.5.1; RFC 2142, 4).
    pub fn is_postmaster_or_abuse(&self) -> bool {
        [&b"postmaster"[..], b"abuse"].iter().any(|role| self.local().eq_ignore_ascii_case(role))
    }

    /// What is before the `@`.
    pub fn local(&self) -> &[u8] {
        self.address.get(..self.at).unwrap_or_default()
    }

    /// What is behind the `@`; empty when there is none.
    pub fn domain(&self) -> &[u8] {
        self.address.get(self.at + 1..).unwrap_or_default()
    }
}

/// The facts of a session.
pub struct Facts {
    /// The generation by which the session or its transaction is judged.
    pub generation: Arc<Generation>,
    /// What all sessions share.
    pub process: Arc<Process>,
    /// Where the client connected.
    pub listener: Arc<Listener>,
    /// The client's address.
    pub client: IpAddr,
    /// The client's port.
    pub port: u16,
    /// The peer that connected, when it speaks for the client.
    pub proxy: Option<Box<SocketAddr>>,
    /// The peer has said by XCLIENT whose the session is.
    pub is_introduced: bool,
    /// The client's network was remembered as passed, as far as a `greet` has asked.
    pub passed: bool,
    /// Commands of this session that were refused.
    pub errors: u32,
    /// The listener was stressed when the client connected.
    pub stressed: bool,
    /// Recipients refused with a 5yz.
    pub unknown_rcpts: u32,
    /// How the client has behaved.
    pub conduct: Conduct,
    /// Messages of this session before this one.
    pub messages: u32,
    /// What the handshake of TLS has agreed on; none outside TLS.
    pub tls: Option<Box<Agreed>>,
    /// What the client calls itself.
    pub helo: Vec<u8>,
    /// The sender.
    pub sender: Mailbox,
    /// The size that the client declared.
    pub declared_size: Option<u64>,
    /// The recipient being judged.
    pub rcpt: Mailbox,
    /// The accepted recipients.
    pub rcpts: Recipients,
    /// The message, once it is here.
    pub message: Option<Rc<Message>>,
    /// The time at which the rules look: frozen for tests, else that of the phase's beginning.
    pub now: i64,
    /// Lists that were read anew since the generation was loaded.
    pub reread: Arc<Reread>,
    answers: Vec<Answer>,
}

/// IPv4 clients are of one network when their first 24 bits are, IPv6 clients when their first 64 are.
pub const fn net_bits(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 64,
    }
}

/// The network of a client: its address with the host's bits cleared.
pub fn net_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & 0xffff_ff00).into()),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & !u128::from(u64::MAX)).into()),
    }
}

impl Facts {
    /// The facts of a client that has just connected.
    pub fn new(
        process: Arc<Process>,
        generation: Arc<Generation>,
        listener: Arc<Listener>,
        client: IpAddr,
        port: u16,
    ) -> Self {
        let slots = generation.plan.slots().len();
        Self {
            generation,
            process,
            listener,
            client,
            port,
            proxy: None,
            is_introduced: false,
            passed: false,
            errors: 0,
            stressed: false,
            unknown_rcpts: 0,
            conduct: Conduct::default(),
            messages: 0,
            tls: None,
            helo: Vec::new(),
            sender: Mailbox::default(),
            declared_size: None,
            rcpt: Mailbox::default(),
            rcpts: Recipients::default(),
            message: None,
            now: 0,
            reread: Reread::nothing(),
            answers: std::iter::repeat_with(|| Answer::Pending).take(slots).collect(),
        }
    }

    /// The client is this one, whoever has connected. What was found about another is for the caller to forget.
    pub fn set_client(&mut self, client: IpAddr, port: u16) {
        self.port = port;
        if self.client != client {
            self.client = client;
            self.passed = false;
            self.unknown_rcpts = 0;
        }
    }

    /// Judges by another generation from now on; all answers are forgotten, since its slots are others.
    pub fn adopt(&mut self, generation: Arc<Generation>) {
        self.answers.clear();
        self.answers.resize_with(generation.plan.slots().len(), || Answer::Pending);
        self.generation = generation;
    }

    /// Puts in what a lookup found.
    pub fn settle(&mut self, slot: Slot, answer: Answer) {
        if let Some(place) = self.answers.get_mut(usize::from(slot.0)) {
            *place = answer;
        }
    }

    /// What a lookup found.
    pub fn answer_of(&self, slot: Slot) -> &Answer {
        self.answers.get(usize::from(slot.0)).unwrap_or(&Answer::Unknown)
    }

    /// The beginning of what the client sent before the greeting.
    pub fn said_early(&self) -> Option<&[u8]> {
        self.answers.iter().find_map(|answer| match answer {
            Answer::Said(said) => Some(&**said),
            _ => None,
        })
    }

    /// What has been found of the authentication of the mail, in the order of the rules' slots.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.answers.iter().filter_map(|answer| match answer {
            Answer::Auth(found) => Some(&**found),
            _ => None,
        })
    }

    /// Forgets what was found for this phase and those after it: they begin anew.
    pub fn forget_from(&mut self, phase: Phase) {
        for (answer, slot) in self.answers.iter_mut().zip(self.generation.plan.slots()) {
            if slot.since >= phase.index() {
                *answer = Answer::Pending;
            }
        }
    }

    /// Ends the transaction: its envelope and message are gone.
    pub fn end_transaction(&mut self) {
        self.forget_from(Phase::Mail);
        self.sender.clear();
        self.declared_size = None;
        self.rcpt.clear();
        self.rcpts.clear();
        self.message = None;
    }
}

/// An operand of a statement as text.
pub fn shown(statement: StatementId, operand: usize, facts: &Facts, scratch: &Scratch) -> String {
    let mut text = Vec::new();
    let plan = &facts.generation.plan;
    if let Some(operand) = plan.statement(statement).args.get(operand) {
        plan.render(operand, facts, scratch, &mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

impl value::Facts for Facts {
    fn field(&self, spec: usize, argument: Option<&str>) -> Value<'_> {
        readers::READERS.get(spec).map_or(Value::Missing, |read| read(self, argument))
    }

    fn answer(&self, slot: Slot) -> Value<'_> {
        self.answer_of(slot).value()
    }

    fn member(&self, slot: Slot, member: usize) -> Value<'_> {
        self.answer_of(slot).member(member)
    }

    fn compute(&self, _spec: usize, _arguments: &[Value<'_>]) -> Value<'_> {
        Value::Missing
    }

    fn tell(&self, _spec: usize, head: Value<'_>, slots: &mut dyn Iterator<Item = Slot>, out: &mut Vec<u8>) {
        // The one text that there is.
        let Value::Text(id) = head else { return };
        let findings = slots.filter_map(|slot| match self.answer_of(slot) {
            Answer::Auth(found) => Some(&**found),
            _ => None,
        });
        auth::write_results(id, findings, out);
    }

    fn ask(&self, statement: StatementId) -> bool {
        self.keeps_limit(statement)
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn list(&self, list: usize) -> Option<&List> {
        let is_of_these = self.reread.generation == self.generation.number;
        self.reread.lists.get(&list).filter(|_| is_of_these).map(|list| &**list)
    }

    fn added(&self, list: usize) -> Option<&List> {
        let is_of_these = self.reread.generation == self.generation.number;
        self.reread.added.get(&list).filter(|_| is_of_these).map(|list| &**list)
    }

    fn map(&self, map: usize) -> Option<&Map> {
        let is_of_these = self.reread.generation == self.generation.number;
        self.reread.maps.get(&map).filter(|_| is_of_these).map(|map| &**map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::fields::FIELDS;

    #[test]
    fn each_field_has_its_reader() {
        assert_eq!(readers::READERS.len(), FIELDS.len());
    }

    #[test]
    fn a_mailbox_is_cut_at_the_last_at_sign() {
        let mailbox = Mailbox::new(b"\"a@b\"@example.org");
        assert_eq!((mailbox.local(), mailbox.domain()), (&b"\"a@b\""[..], &b"example.org"[..]));
        let bare = Mailbox::new(b"postmaster");
        assert_eq!((bare.local(), bare.domain()), (&b"postmaster"[..], &b""[..]));
        assert_eq!(Mailbox::default().domain(), b"");
    }

    #[test]
    fn a_mailbox_takes_another_address() {
        let mut mailbox = Mailbox::default();
        for (local, domain) in [(&b"\"a@b\""[..], Some(&b"example.org"[..])), (b"postmaster", None)] {
            mailbox.set(local, domain);
            assert_eq!((mailbox.local(), mailbox.domain()), (local, domain.unwrap_or_default()));
        }
        mailbox.clear();
        assert_eq!(mailbox, Mailbox::default());
    }

    #[test]
    fn networks() {
        assert_eq!(net_of("192.0.2.77".parse().unwrap()), "192.0.2.0".parse::<IpAddr>().unwrap());
        assert_eq!(net_of("2001:db8:1:2:3::4".parse().unwrap()), "2001:db8:1:2::".parse::<IpAddr>().unwrap());
    }
}
