//! Look-ups that take more than one answer. Each is a step over what is known, which names the next question when it
//! can't tell yet; see [`Upstream::settle`](super::Upstream::settle).

use std::net::IpAddr;

use super::{Answer, Kind, Known, Question, Records, address_name};
use crate::limits::DNS_REVERSE_NAMES_MAX;

/// The name of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reverse {
    /// A name whose address leads back.
    Name(Box<str>),
    /// There is no name, or none leads back.
    Missing,
    /// An answer that counts is missing.
    Unknown,
}

/// The name of `address` that leads back to it (RFC 1912, 2.1).
pub fn reverse(address: IpAddr, known: Known<'_>) -> Result<Reverse, Question> {
    let address = address.to_canonical();
    let (zone, forward) = match address {
        IpAddr::V4(_) => ("in-addr.arpa", Kind::A),
        IpAddr::V6(_) => ("ip6.arpa", Kind::Aaaa),
    };
    let Some(question) = Question::new(Kind::Ptr, &address_name(address, zone)) else {
        return Ok(Reverse::Missing);
    };
    let records = match known(&question) {
        None => return Err(question),
        Some(Answer::None) => return Ok(Reverse::Missing),
        Some(Answer::Failed(_)) => return Ok(Reverse::Unknown),
        Some(Answer::Found(records)) => records,
    };
    let Records::Names(names) = &*records else { return Ok(Reverse::Unknown) };
    let mut none = Reverse::Missing;
    let questions = names.iter().take(DNS_REVERSE_NAMES_MAX).filter_map(|name| Question::new(forward, name));
    for question in questions {
        match known(&question) {
            None => return Err(question),
            Some(Answer::None) => {}
            Some(Answer::Failed(_)) => none = Reverse::Unknown,
            Some(Answer::Found(records)) => {
                if matches!(&*records, Records::Addresses(addresses) if addresses.contains(&address)) {
                    return Ok(Reverse::Name(question.name().into()));
                }
            }
        }
    }
    Ok(none)
}

/// Whether a domain takes mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mx {
    /// It has a mail exchanger, or an address that stands in for one (RFC 5321, 5.1).
    Present,
    /// It says that it takes none (RFC 7505).
    Null,
    /// There is neither.
    Missing,
    /// An answer that counts is missing.
    Unknown,
}

/// Whether `domain` takes mail.
pub fn mx(domain: &str, known: Known<'_>) -> Result<Mx, Question> {
    let Some(question) = Question::new(Kind::Mx, domain) else { return Ok(Mx::Missing) };
    match known(&question) {
        None => return Err(question),
        Some(Answer::Failed(_)) => return Ok(Mx::Unknown),
        Some(Answer::Found(records)) => {
            let null = matches!(&*records, Records::Exchanges(hosts) if hosts.iter().all(|(_, host)| host.is_empty()));
            return Ok(if null { Mx::Null } else { Mx::Present });
        }
        Some(Answer::None) => {}
    }
    let mut none = Mx::Missing;
    for question in [Kind::A, Kind::Aaaa].into_iter().filter_map(|kind| Question::new(kind, domain)) {
        match known(&question) {
            None => return Err(question),
            Some(Answer::Found(_)) => return Ok(Mx::Present),
            Some(Answer::Failed(_)) => none = Mx::Unknown,
            Some(Answer::None) => {}
        }
    }
    Ok(none)
}
