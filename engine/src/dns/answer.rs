//! What is answered.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::time::error::Elapsed;

use super::{Kind, Question};
use crate::limits::{
    DNS_ALIASES_MAX, DNS_FAILURE_TTL, DNS_NEGATIVE_TTL_MAX, DNS_RECORDS_MAX, DNS_TEXTS_MAX, DNS_TTL_MAX,
    DNS_TTL_MIN,
};

/// An answer has three values: yes, no, and don't know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There are such records.
    Found(Rc<Records>),
    /// There is no such name, or it has no records of this type.
    None,
    /// The server has not said.
    Failed(Failure),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Not in time.
    Timeout,
    /// The server failed or refused, or can't be reached, or talks nonsense.
    Server,
    /// We have too many questions open.
    Overload,
}

/// Records of the type that was asked for, at least one and at most [`DNS_RECORDS_MAX`], or [`DNS_TEXTS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// Of A and AAAA.
    Addresses(Vec<IpAddr>),
    /// Of PTR: in lower case, without a final dot.
    Names(Vec<Box<str>>),
    /// Of MX: preference and host; the root is empty (RFC 7505).
    Exchanges(Vec<(u16, Box<str>)>),
    /// Of TXT: the strings of a record joined (RFC 7208, 3.3).
    Texts(Vec<Box<[u8]>>),
}

impl Answer {
    /// Its addresses as text, for messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Found(records) => match &**records {
                Records::Addresses(addresses) => {
                    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
                }
                other => format!("{other:?}"),
            },
            Self::None => String::from("nothing"),
            Self::Failed(failure) => format!("{failure:?}").to_lowercase(),
        }
    }
}

/// Reads what the resolver says, and how long it holds.
pub(super) fn read(
    question: &Question,
    result: Result<Result<Lookup, NetError>, Elapsed>,
) -> (Answer, Duration) {
    let kind = question.kind();
    match result {
        Ok(Ok(lookup)) => {
            let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
            let keep = Duration::from_secs(ttl.into()).clamp(DNS_TTL_MIN, DNS_TTL_MAX);
            (
                records(kind, lookup.answers().iter().map(|record| &record.data))
                    .map_or(Answer::None, |records| Answer::Found(Rc::new(records))),
                keep,
            )
        }
        Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) if is_nothing(question, &none) => {
            // Without an SOA it says nothing about how long (RFC 2308, 5).
            let ttl = none.negative_ttl.map_or(DNS_TTL_MIN, |ttl| Duration::from_secs(ttl.into()));
            (Answer::None, ttl.clamp(DNS_TTL_MIN, DNS_NEGATIVE_TTL_MAX))
        }
        Err(_) | Ok(Err(NetError::Timeout)) => (Answer::Failed(Failure::Timeout), DNS_FAILURE_TTL),
        Ok(Err(_)) => (Answer::Failed(Failure::Server), DNS_FAILURE_TTL),
    }
}

/// Whether there is nothing. The resolver says so too of other servers that are named instead of an answer, and of aliases that it
/// does not follow any further; only of these there is no SOA, or not the authority in which it was.
fn is_nothing(question: &Question, none: &NoRecords) -> bool {
    let is_said = none.soa.is_some() && none.authorities.is_some();
    is_said || none.response_code == ResponseCode::NXDomain || question.stays_here()
}

/// What one packet says.
pub(super) enum Reply {
    /// This, and how long it holds.
    Answer(Answer, Duration),
    /// It was cut off, leads elsewhere, or does not understand the form of the question.
    Elsewhere,
    /// The server fails or refuses.
    Failure,
}

/// Reads the answer to a question.
pub(super) fn read_reply(kind: Kind, reply: &Message) -> Reply {
    let [query] = reply.queries.as_slice() else { return Reply::Failure };
    match reply.metadata.response_code {
        _ if reply.metadata.truncation => Reply::Elsewhere,
        ResponseCode::NXDomain => Reply::Answer(Answer::None, nothing_holds(reply)),
        ResponseCode::NoError if reply.answers.is_empty() => {
            let is = |wanted| reply.authorities.iter().any(|record| record.data.record_type() == wanted);
            // Other servers are named that may know more.
            if is(RecordType::NS) && !is(RecordType::SOA) {
                return Reply::Elsewhere;
            }
            Reply::Answer(Answer::None, nothing_holds(reply))
        }
        ResponseCode::NoError => follow(kind, query.name(), &reply.answers),
        ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS => Reply::Elsewhere,
        _ => Reply::Failure,
    }
}

/// The records of a name, or of that which its aliases lead to.
fn follow<'a>(kind: Kind, mut name: &'a Name, answers: &'a [Record]) -> Reply {
    let mut ttl = u32::MAX;
    for _ in 0..=DNS_ALIASES_MAX {
        let of_name = || answers.iter().filter(|record| record.name == *name);
        let of_kind = || of_name().filter(|record| record.data.record_type() == kind.record_type());
        if let Some(records) = records(kind, of_kind().map(|record| &record.data)) {
            let ttl = of_kind().map(|record| record.ttl).fold(ttl, u32::min);
            let keep = Duration::from_secs(ttl.into()).clamp(DNS_TTL_MIN, DNS_TTL_MAX);
            return Reply::Answer(Answer::Found(Rc::new(records)), keep);
        }
        let alias = of_name().find_map(|record| match &record.data {
            RData::CNAME(target) => Some((record.ttl, &target.0)),
            _ => None,
        });
        let Some((holds, target)) = alias else { break };
        (name, ttl) = (target, ttl.min(holds));
    }
    Reply::Elsewhere
}

/// How long it holds that there is nothing; without an SOA it is not said (RFC 2308, 5).
fn nothing_holds(reply: &Message) -> Duration {
    let said = reply.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    });
    let ttl = said.map_or(DNS_TTL_MIN, |ttl| Duration::from_secs(ttl.into()));
    ttl.clamp(DNS_TTL_MIN, DNS_NEGATIVE_TTL_MAX)
}

fn records<'a>(kind: Kind, data: impl Iterator<Item = &'a RData>) -> Option<Records> {
    let records = match kind {
        Kind::A | Kind::Aaaa => Records::Addresses(bounded(data.filter_map(|data| match data {
            RData::A(address) if kind == Kind::A => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) if kind == Kind::Aaaa => Some(IpAddr::V6(address.0)),
            _ => None,
        }))?),
        Kind::Ptr => Records::Names(bounded(data.filter_map(|data| match data {
            RData::PTR(name) => Some(plain(&name.0)),
            _ => None,
        }))?),
        Kind::Mx => Records::Exchanges(bounded(data.filter_map(|data| match data {
            RData::MX(mx) => Some((mx.preference, plain(&mx.exchange))),
            _ => None,
        }))?),
        Kind::Txt => Records::Texts(at_most(
            DNS_TEXTS_MAX,
            data.filter_map(|data| match data {
                RData::TXT(text) => Some(text.txt_data.concat().into_boxed_slice()),
                _ => None,
            }),
        )?),
    };
    Some(records)
}

fn bounded<T>(records: impl Iterator<Item = T>) -> Option<Vec<T>> {
    at_most(DNS_RECORDS_MAX, records)
}

fn at_most<T>(most: usize, records: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let records: Vec<T> = records.take(most).collect();
    (!records.is_empty()).then_some(records)
}

fn plain(name: &Name) -> Box<str> {
    name.to_lowercase().to_ascii().trim_end_matches('.').into()
}
