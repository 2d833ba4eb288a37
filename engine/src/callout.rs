//! Call-forward: whether the next hop would take a recipient. It is asked by MAIL and RCPT, without a message, over the same
//! connections by which mail goes, and what it has said is known for a time.

use std::cell::RefCell;
use std::rc::Rc;

use weir_smtp::{Envelope, Mailbox, Path};

use crate::cache::Cache;
use crate::clock::Clock;
use crate::facts::Answer;
use crate::generation::Callforward;
use crate::limits::{CALLOUT_FAILURE_TTL, CALLOUTS_KNOWN_MAX};
use crate::question::state_of;
use crate::scheme::fields::RECIPIENT_ANSWER;
use crate::upstream::connection::{Connections, Parcel, Sent};

/// What a next hop says of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Valid,
    Invalid,
    Unknown,
}

/// What next hops have said, for one shard.
pub struct Callouts {
    connections: Rc<Connections>,
    /// By service and address.
    known: RefCell<Cache<Vec<u8>, Answer>>,
}

impl Callouts {
    /// Nothing yet.
    pub fn new(connections: Rc<Connections>, clock: Clock) -> Self {
        Self { connections, known: RefCell::new(Cache::new(clock, CALLOUTS_KNOWN_MAX)) }
    }

    /// What is known without asking.
    pub fn known(&self, service: &Callforward, address: &[u8]) -> Option<Answer> {
        self.known.borrow_mut().find(&key(service, address))
    }

    /// Asks a server of the service's pool, and others when one fails, within the service's time.
    pub async fn ask(&self, service: &Callforward, address: &[u8]) -> Answer {
        let asking = self.ask_servers(service, address);
        let verdict = tokio::time::timeout(service.timeout, asking).await.unwrap_or(Verdict::Unknown);
        let (state, keep) = match verdict {
            Verdict::Valid => ("valid", service.valid_for),
            Verdict::Invalid => ("invalid", service.invalid_for),
            Verdict::Unknown => ("unknown", CALLOUT_FAILURE_TTL),
        };
        let answer = Answer::State(state_of(&RECIPIENT_ANSWER, state));
        self.known.borrow_mut().keep(key(service, address), answer.clone(), keep);
        answer
    }

    async fn ask_servers(&self, service: &Callforward, address: &[u8]) -> Verdict {
        let mut reply = Vec::new();
        let Some(envelope) = envelope(&service.sender, address) else { return Verdict::Unknown };
        let parcel = Parcel::probe(&envelope);
        let mut tried = Vec::new();
        for _ in 0..=service.pool.spec.retry {
            let Ok(ticket) = service.pool.acquire(&tried).await else { break };
            match self.connections.deliver(&ticket, &parcel, &mut reply).await.sent {
                Sent::Accepted => return Verdict::Valid,
                Sent::Refused if reply.starts_with(b"5") => return Verdict::Invalid,
                // It knows the recipient or not, and does not say so now (greylisting, a full mailbox): nor would another.
                Sent::Refused => return Verdict::Unknown,
                Sent::Busy | Sent::NotTaken(_) | Sent::Unsure(_) => tried.push(ticket.member()),
            }
        }
        Verdict::Unknown
    }
}

/// What an address is known under: a service's answers are its own.
fn key(service: &Callforward, address: &[u8]) -> Vec<u8> {
    let at = memchr::memrchr(b'@', address).unwrap_or(address.len());
    let (local, domain) = address.split_at(at);
    [&service.id.to_le_bytes(), local, &domain.to_ascii_lowercase()].concat()
}

fn envelope(sender: &str, address: &[u8]) -> Option<Envelope> {
    let mut envelope = Envelope::new();
    if !sender.is_empty() {
        envelope.set_sender(Path::Mailbox(Mailbox::parse(sender).ok()?));
    }
    let recipient = Mailbox::parse(std::str::from_utf8(address).ok()?).ok()?;
    envelope.is_utf8 = !address.is_ascii();
    envelope.push_recipient(recipient);
    Some(envelope)
}
