//! Questions and answers on the wire.

use std::net::Ipv4Addr;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::records::{plain, strings};

/// A question.
pub(super) struct Asked {
    pub(super) id: u16,
    /// In small letters, without the dot at the end.
    pub(super) name: String,
    pub(super) kind: RecordType,
    /// The longest answer that the client takes over UDP.
    pub(super) bytes_max: usize,
    query: Query,
    wants_recursion: bool,
}

impl Asked {
    /// Reads a message with one question; `None` for anything else.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let message = Message::from_vec(packet).ok()?;
        let is_question =
            message.metadata.message_type == MessageType::Query && message.metadata.op_code == OpCode::Query;
        let [query] = message.queries.as_slice() else { return None };
        is_question.then(|| Self {
            id: message.metadata.id,
            name: plain(&query.name().to_ascii()),
            kind: query.query_type(),
            bytes_max: message.max_payload().into(),
            query: query.clone(),
            wants_recursion: message.metadata.recursion_desired,
        })
    }
}

/// An answer.
pub(super) struct Answer {
    code: ResponseCode,
    data: Vec<RData>,
}

/// How an answer goes over the wire.
pub(super) struct Form {
    pub(super) ttl: u32,
    /// Cut off, whatever its length.
    pub(super) truncated: bool,
    pub(super) bytes_max: usize,
    pub(super) id: u16,
}

impl Answer {
    pub(super) const fn code(code: ResponseCode) -> Self {
        Self { code, data: Vec::new() }
    }

    pub(super) const fn no_name() -> Self {
        Self::code(ResponseCode::NXDomain)
    }

    pub(super) const fn no_data() -> Self {
        Self::code(ResponseCode::NoError)
    }

    pub(super) const fn found(data: Vec<RData>) -> Self {
        Self { code: ResponseCode::NoError, data }
    }

    /// What a list says of what is listed: an address, and a text if there is one.
    pub(super) fn listed(asked: &Asked, address: Ipv4Addr, text: Option<String>) -> Self {
        let address = || RData::A(A(address));
        let text = || text.map(|text| RData::TXT(TXT::new(strings(&text))));
        Self::found(match asked.kind {
            RecordType::A => vec![address()],
            RecordType::TXT => text().into_iter().collect(),
            RecordType::ANY => [address()].into_iter().chain(text()).collect(),
            _ => Vec::new(),
        })
    }

    /// The answer as it is sent, cut off where the client takes no more.
    pub(super) fn print(self, asked: &Asked, form: &Form) -> Option<Vec<u8>> {
        let mut reply = Message::response(form.id, OpCode::Query);
        reply.metadata.authoritative = true;
        reply.metadata.recursion_desired = asked.wants_recursion;
        reply.metadata.response_code = self.code;
        reply.queries.push(asked.query.clone());
        let record = |data| Record::from_rdata(asked.query.name().clone(), form.ttl, data);
        reply.answers = self.data.into_iter().map(record).collect();
        if reply.answers.is_empty() && matches!(self.code, ResponseCode::NXDomain | ResponseCode::NoError) {
            reply.authorities.push(absence(form.ttl));
        }
        let whole = reply.to_vec().ok()?;
        if !form.truncated && whole.len() <= form.bytes_max {
            return Some(whole);
        }
        reply.metadata.truncation = true;
        reply.answers.clear();
        reply.authorities.clear();
        reply.to_vec().ok()
    }
}

/// How long it may be remembered that something is not there (RFC 2308).
fn absence(ttl: u32) -> Record {
    let soa = SOA::new(Name::root(), Name::root(), 1, 3600, 600, 86_400, ttl);
    Record::from_rdata(Name::root(), ttl, RData::SOA(soa))
}
