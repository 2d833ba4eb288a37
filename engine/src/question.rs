//! What look-ups ask and how their answers become facts: the same for a live session, a test and `weir explain`.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use weir_lang::eval::Scratch;
use weir_lang::value::Value;

use crate::auth;
use crate::clamd::{Clamd, Scan};
use crate::dns::{self, Hosts, Known, Listed, Mx, Points, Reverse, ZoneFound};
use crate::facts::{self, Answer, Facts};
use crate::generation::{Act, Dnsbl, Greet, Names};
use crate::limits::DNSBL_NAMES_MAX;
use crate::mail::Message;
use crate::ring::Segment;
use crate::scheme::fields::{
    FCRDNS_ANSWER, HELO_ANSWER, HOSTS_ANSWER, LISTED_ANSWER, MX_ANSWER, VIRUS_ANSWER,
};
use crate::scheme::functions::{GREY_ANSWER, REMEMBERED_ANSWER};
use crate::store::Grey;

impl Dnsbl {
    /// What it says when it gives this answer.
    pub fn read(&self, answer: &dns::Answer) -> Answer {
        together(vec![self.listing.read(answer)])
    }

    /// What its files say about a value.
    pub fn in_files(&self, facts: &Facts, value: Value<'_>) -> Answer {
        let mut found = Vec::new();
        for file in &self.files {
            let zone = facts.reread.zone(&facts.generation, file);
            let mut judge = |listed: Option<ZoneFound<'_>>| {
                if let Some(listed) = listed {
                    let codes: Vec<Ipv4Addr> = listed.addresses().collect();
                    found.push(self.listing.judge(codes.iter().copied()));
                }
            };
            match value {
                Value::Ip(ip) => judge(zone.of_address(ip)),
                Value::Text(text) => judge(zone.of_domain(&String::from_utf8_lossy(text))),
                Value::Texts(texts) => {
                    let texts = texts.iter().take(DNSBL_NAMES_MAX);
                    texts.for_each(|text| judge(zone.of_domain(&String::from_utf8_lossy(text))));
                }
                _ => {}
            }
        }
        together(found)
    }

    /// The names to ask for about a value: an address, a domain, or several domains.
    pub fn questions(&self, value: Value<'_>) -> Vec<dns::Question> {
        let domain = |domain: &[u8]| dns::domain_name(&String::from_utf8_lossy(domain), &self.zone);
        let names: Vec<String> = match value {
            Value::Ip(ip) => vec![dns::address_name(ip, &self.zone)],
            Value::Text(text) => vec![domain(text)],
            Value::Texts(texts) => texts.iter().take(DNSBL_NAMES_MAX).map(|text| domain(text)).collect(),
            _ => Vec::new(),
        };
        names.iter().filter_map(|name| dns::Question::new(dns::Kind::A, name)).collect()
    }

    /// What the answers say together: listed when any is, unknown when any failed, else clean.
    pub fn read_all(&self, questions: &[dns::Question], known: Known<'_>) -> Result<Answer, dns::Question> {
        let mut found = Vec::with_capacity(questions.len());
        for question in questions {
            found.push(self.listing.read(&known(question).ok_or_else(|| question.clone())?));
        }
        Ok(together(found))
    }

    /// Counts an answer that came over the wire, for its health.
    pub fn count(&self, answer: &Answer) {
        let Some(state) = answer.state() else { return };
        let is = |name| state == state_of(&LISTED_ANSWER, name);
        self.health.count((!is("unknown")).then(|| is("listed")));
    }
}

fn together(found: Vec<Listed>) -> Answer {
    let mut codes = Vec::new();
    let mut failed = false;
    for found in found {
        match found {
            Listed::Listed(found) => codes.extend(found.into_iter().map(IpAddr::V4)),
            Listed::Unknown => failed = true,
            Listed::Clean => {}
        }
    }
    let state = |name| state_of(&LISTED_ANSWER, name);
    match (codes.is_empty(), failed) {
        (false, _) => Answer::Listed(state("listed"), codes.into()),
        (true, true) => Answer::State(state("unknown")),
        (true, false) => Answer::State(state("clean")),
    }
}

/// A state of an answer by its name.
pub fn state_of(spec: &weir_lang::scheme::AnswerSpec, name: &str) -> u8 {
    let index = spec.states.iter().position(|state| state.name == name).unwrap_or(spec.unknown);
    u8::try_from(index).unwrap_or_default()
}

/// A field that DNS answers, about a session: what is left to ask, apart from its facts.
#[derive(Clone, Debug)]
pub struct Naming {
    what: Names,
    client: IpAddr,
    /// Of the HELO or of the sender.
    name: String,
}

impl Names {
    /// What there is to ask; `Err` is the answer where there is nothing: `<>`, address literals.
    pub fn about(self, facts: &Facts) -> Result<Naming, Answer> {
        let client = facts.client;
        let name = match self {
            Self::Reverse | Self::Confirmed => &b""[..],
            Self::Helo => &facts.helo,
            Self::SenderMx | Self::SenderHosts => facts.sender.domain(),
        };
        let literal = facts::literal(name);
        match self {
            Self::Helo => match literal {
                Some(ip) if ip.to_canonical() == client.to_canonical() => return Err(Points::Here.into()),
                Some(_) => return Err(Points::Elsewhere.into()),
                // A bare address is no name, and a name server that answers for one says nothing about the client.
                None if facts::is_bare_ip(name) => return Err(Points::Nowhere.into()),
                None => {}
            },
            Self::SenderMx if name.is_empty() || name.starts_with(b"[") => return Err(Mx::Present.into()),
            Self::SenderHosts if name.is_empty() => return Err(Hosts::Public.into()),
            Self::SenderHosts if name.starts_with(b"[") => {
                let hosts = literal.map_or(Hosts::Missing, |ip| {
                    if dns::is_public(ip) { Hosts::Public } else { Hosts::Private }
                });
                return Err(hosts.into());
            }
            _ => {}
        }
        Ok(Naming { what: self, client, name: String::from_utf8_lossy(name).into_owned() })
    }
}

impl Naming {
    /// The answer, or the question that is missing for it.
    pub fn read(&self, known: Known<'_>) -> Result<Answer, dns::Question> {
        Ok(match self.what {
            Names::Reverse => dns::reverse(self.client, known)?.into(),
            Names::Confirmed => confirmed(&dns::reverse(self.client, known)?),
            Names::Helo => dns::points(&self.name, self.client, known)?.into(),
            Names::SenderMx => dns::mx(&self.name, known)?.into(),
            Names::SenderHosts => dns::hosts(&self.name, known)?.into(),
        })
    }
}

/// Who is checked by SPF.
pub fn mail_client(facts: &Facts) -> auth::Client {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    auth::Client { ip: facts.client, helo: text(&facts.helo), sender: text(&facts.sender.address) }
}

/// The `greet` that this phase has come by.
pub fn greet(facts: &Facts, scratch: &Scratch) -> Option<Greet> {
    scratch.actions().iter().rev().find_map(|&statement| match facts.generation.act(statement) {
        Act::Greet(greet) if !facts.generation.plan.statement(statement).shadow => Some(greet.clone()),
        _ => None,
    })
}

/// Whether something is remembered, as an answer.
pub fn remembered(known: bool) -> Answer {
    Answer::State(state_of(&REMEMBERED_ANSWER, if known { "yes" } else { "no" }))
}

/// What a greylist says, as an answer.
pub fn grey(grey: Grey) -> Answer {
    let name = match grey {
        Grey::Waiting => "waiting",
        Grey::Passed => "passed",
    };
    Answer::State(state_of(&GREY_ANSWER, name))
}

/// Asks a virus scanner about a message.
pub async fn scan(clamd: &Clamd, message: &Message) -> Answer {
    let (buffer, range) = message.shared();
    let content = || std::iter::once(Segment::Shared(Rc::clone(buffer), range.clone()));
    virus(&clamd.scan(range.len(), content).await)
}

/// A scanner's verdict as an answer.
pub fn virus(scan: &Scan) -> Answer {
    let state = |name| state_of(&VIRUS_ANSWER, name);
    match scan {
        Scan::Infected(name) => Answer::Named(state("infected"), name.as_bytes().into()),
        Scan::Clean => Answer::State(state("clean")),
        Scan::Unknown(_) => Answer::State(state("unknown")),
    }
}

impl From<Mx> for Answer {
    fn from(mx: Mx) -> Self {
        let name = match mx {
            Mx::Present => "present",
            Mx::Null => "null",
            Mx::Missing => "missing",
            Mx::Unknown => "unknown",
        };
        Self::State(state_of(&MX_ANSWER, name))
    }
}

fn confirmed(reverse: &Reverse) -> Answer {
    let name = match reverse {
        Reverse::Name(_) => "pass",
        Reverse::Unconfirmed => "fail",
        Reverse::Missing => "missing",
        Reverse::Unknown => "unknown",
    };
    Answer::State(state_of(&FCRDNS_ANSWER, name))
}

impl From<Points> for Answer {
    fn from(points: Points) -> Self {
        let name = match points {
            Points::Here => "match",
            Points::Elsewhere => "mismatch",
            Points::Nowhere => "missing",
            Points::Unknown => "unknown",
        };
        Self::State(state_of(&HELO_ANSWER, name))
    }
}

impl From<Hosts> for Answer {
    fn from(hosts: Hosts) -> Self {
        let name = match hosts {
            Hosts::Public => "public",
            Hosts::Private => "private",
            Hosts::Missing => "missing",
            Hosts::Unknown => "unknown",
        };
        Self::State(state_of(&HOSTS_ANSWER, name))
    }
}

impl From<Reverse> for Answer {
    fn from(found: Reverse) -> Self {
        match found {
            Reverse::Name(name) => Self::Text(name.into_boxed_bytes()),
            Reverse::Unconfirmed | Reverse::Missing => Self::Missing,
            Reverse::Unknown => Self::Unknown,
        }
    }
}
