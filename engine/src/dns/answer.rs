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
    DNS_ALIASES_MAX, DNS_ANSWER_BYTES_MAX, DNS_FAILURE_TTL, DNS_LARGE_BYTES, DNS_NEGATIVE_TTL_MAX,
    DNS_RECORDS_MAX, DNS_TTL_MAX, DNS_TTL_MIN,
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

/// Records of the type that was asked for, at least one, at most [`DNS_RECORDS_MAX`] and [`DNS_ANSWER_BYTES_MAX`].
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

impl Records {
    /// What they hold, in bytes.
    fn bytes(&self) -> usize {
        match self {
            Self::Addresses(addresses) => size_of_val(addresses.as_slice()),
            Self::Names(names) => names.iter().map(|name| size_of_val(name) + name.len()).sum(),
            Self::Exchanges(hosts) => hosts.iter().map(|host| size_of_val(host) + host.1.len()).sum(),
            Self::Texts(texts) => texts.iter().map(|text| size_of_val(text) + text.len()).sum(),
        }
    }
}

impl Answer {
    /// Whether it takes much memory.
    pub(super) fn is_large(&self) -> bool {
        matches!(self, Self::Found(records) if records.bytes() > DNS_LARGE_BYTES)
    }

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
            answer(kind, lookup.answers().iter().map(|record| &record.data), keep)
                .unwrap_or((Answer::None, keep))
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
        let ttl_of_all = of_kind().map(|record| record.ttl).fold(ttl, u32::min);
        let keep = Duration::from_secs(ttl_of_all.into()).clamp(DNS_TTL_MIN, DNS_TTL_MAX);
        if let Some((answer, keep)) = answer(kind, of_kind().map(|record| &record.data), keep) {
            return Reply::Answer(answer, keep);
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

/// The answer that records are, and how long it holds; `None` when there are none. Of too many none is taken: to leave one out would
/// say that it is not there.
fn answer<'a>(
    kind: Kind,
    data: impl Iterator<Item = &'a RData>,
    keep: Duration,
) -> Option<(Answer, Duration)> {
    let (records, count) = records(kind, data);
    if count > DNS_RECORDS_MAX || records.bytes() > DNS_ANSWER_BYTES_MAX {
        return Some((Answer::Failed(Failure::Server), DNS_FAILURE_TTL));
    }
    (count > 0).then(|| (Answer::Found(Rc::new(records)), keep))
}

/// The records of a kind, and how many there are; one more than [`DNS_RECORDS_MAX`] stands for all that come on top.
fn records<'a>(kind: Kind, data: impl Iterator<Item = &'a RData>) -> (Records, usize) {
    match kind {
        Kind::A | Kind::Aaaa => counted(Records::Addresses, data, |data| match data {
            RData::A(address) if kind == Kind::A => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) if kind == Kind::Aaaa => Some(IpAddr::V6(address.0)),
            _ => None,
        }),
        Kind::Ptr => counted(Records::Names, data, |data| match data {
            RData::PTR(name) => Some(plain(&name.0)),
            _ => None,
        }),
        Kind::Mx => counted(Records::Exchanges, data, |data| match data {
            RData::MX(mx) => Some((mx.preference, plain(&mx.exchange))),
            _ => None,
        }),
        Kind::Txt => counted(Records::Texts, data, |data| match data {
            RData::TXT(text) => Some(text.txt_data.concat().into_boxed_slice()),
            _ => None,
        }),
    }
}

fn counted<'a, T>(
    records: impl Fn(Vec<T>) -> Records,
    data: impl Iterator<Item = &'a RData>,
    read: impl Fn(&'a RData) -> Option<T>,
) -> (Records, usize) {
    let found: Vec<T> = data.filter_map(read).take(DNS_RECORDS_MAX + 1).collect();
    let count = found.len();
    (records(found), count)
}

fn plain(name: &Name) -> Box<str> {
    name.to_lowercase().to_ascii().trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::{A, MX, PTR, TXT};

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    /// More than 32 addresses were cut: SPF, reverse names and HELO said of the others that they are not there.
    #[test]
    fn of_too_many_records_none_is_taken() {
        let name = || Name::from_ascii("a.org.").unwrap();
        for (kind, data) in [
            (Kind::A, RData::A(A::new(192, 0, 2, 1))),
            (Kind::Ptr, RData::PTR(PTR(name()))),
            (Kind::Mx, RData::MX(MX::new(10, name()))),
            (Kind::Txt, RData::TXT(TXT::new(vec![String::from("x")]))),
        ] {
            let of = |count| answer(kind, std::iter::repeat_n(&data, count), LONG);
            assert_eq!(of(0), None);
            let Some((Answer::Found(_), LONG)) = of(DNS_RECORDS_MAX) else { panic!("{kind:?}") };
            let expected = (Answer::Failed(Failure::Server), DNS_FAILURE_TTL);
            assert_eq!(of(DNS_RECORDS_MAX + 1), Some(expected), "{kind:?}");
        }
    }

    /// Texts had no bound but that of TCP, 64 KiB, and the cache counts entries.
    #[test]
    fn of_too_many_bytes_none_is_taken() {
        let data = RData::TXT(TXT::new(vec!["x".repeat(255); 16]));
        let of = |count| answer(Kind::Txt, std::iter::repeat_n(&data, count), LONG).unwrap().0;
        assert!(!of(1).is_large() && of(2).is_large());
        assert!(matches!(of(4), Answer::Found(_)));
        assert_eq!(of(5), Answer::Failed(Failure::Server));
    }
}
