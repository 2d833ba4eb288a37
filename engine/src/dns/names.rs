//! Look-ups that take more than one answer. Each is a step over what is known, which names the next question when it
//! can't tell yet; see [`Upstream::settle`](super::Upstream::settle).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Answer, Kind, Known, Question, Records, address_name};
use crate::limits::{DNS_EXCHANGES_MAX, DNS_REVERSE_NAMES_MAX};

/// The name of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reverse {
    /// A name whose address leads back.
    Name(Box<str>),
    /// There are names, and none leads back.
    Unconfirmed,
    /// There is no name.
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
    // Behind those that are tried one may lead back.
    let are_all = names.len() <= DNS_REVERSE_NAMES_MAX;
    let mut none = if are_all { Reverse::Unconfirmed } else { Reverse::Unknown };
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

/// Where the addresses of a name lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Points {
    /// To the address, among others.
    Here,
    /// Only to others.
    Elsewhere,
    /// Nowhere: it has no address.
    Nowhere,
    /// An answer that counts is missing.
    Unknown,
}

/// Whether `name` has `address`. The address's own family is asked first; the other tells a name of other hosts from none.
pub fn points(name: &str, address: IpAddr, known: Known<'_>) -> Result<Points, Question> {
    let address = address.to_canonical();
    let (own, other) = if address.is_ipv4() { (Kind::A, Kind::Aaaa) } else { (Kind::Aaaa, Kind::A) };
    let mut found = Points::Nowhere;
    for question in [own, other].into_iter().filter_map(|kind| Question::new(kind, name)) {
        match known(&question) {
            None => return Err(question),
            Some(Answer::None) => {}
            // A failure of the other family can't hide that this one has an answer.
            Some(Answer::Failed(_)) if question.kind() == own => return Ok(Points::Unknown),
            Some(Answer::Failed(_)) => found = Points::Unknown,
            Some(Answer::Found(records)) => {
                let is_here = matches!(&*records, Records::Addresses(found) if found.contains(&address));
                return Ok(if is_here { Points::Here } else { Points::Elsewhere });
            }
        }
    }
    Ok(found)
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

/// Where the mail exchangers of a domain are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// One at least has an address of the internet.
    Public,
    /// All their addresses are of networks that are not on the internet.
    Private,
    /// None has an address, or there are none.
    Missing,
    /// An answer that counts is missing.
    Unknown,
}

/// Where mail to `domain` would have to be brought: the addresses of its first [`DNS_EXCHANGES_MAX`] exchangers by preference, or
/// its own (RFC 5321, 5.1).
pub fn hosts(domain: &str, known: Known<'_>) -> Result<Hosts, Question> {
    let Some(question) = Question::new(Kind::Mx, domain) else { return Ok(Hosts::Missing) };
    let exchangers = match known(&question) {
        None => return Err(question),
        Some(Answer::Failed(_)) => return Ok(Hosts::Unknown),
        Some(Answer::Found(records)) => match &*records {
            Records::Exchanges(exchangers) => exchangers.clone(),
            _ => return Ok(Hosts::Unknown),
        },
        Some(Answer::None) => vec![(0, domain.into())],
    };
    of_exchangers(exchangers, known)
}

fn of_exchangers(mut exchangers: Vec<(u16, Box<str>)>, known: Known<'_>) -> Result<Hosts, Question> {
    exchangers.sort_by_key(|(preference, _)| *preference);
    let mut found = Hosts::Missing;
    // Behind those that are asked for one may have an address.
    let mut failed = exchangers.len() > DNS_EXCHANGES_MAX;
    for (_, name) in exchangers.iter().take(DNS_EXCHANGES_MAX) {
        for question in [Kind::A, Kind::Aaaa].into_iter().filter_map(|kind| Question::new(kind, name)) {
            match known(&question) {
                None => return Err(question),
                Some(Answer::None) => {}
                Some(Answer::Failed(_)) => failed = true,
                Some(Answer::Found(records)) => {
                    let Records::Addresses(addresses) = &*records else { continue };
                    if addresses.iter().copied().any(is_public) {
                        return Ok(Hosts::Public);
                    }
                    found = Hosts::Private;
                }
            }
        }
    }
    Ok(if failed { Hosts::Unknown } else { found })
}

/// Whether a host on the internet can have this address (the registries of RFC 6890). Networks of documentation count as public.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    !(first == 0
        || first >= 224
        || shared
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_internet() {
        for public in ["192.0.2.1", "8.8.8.8", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "127.0.0.1",
            "169.254.1.1",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }
}
