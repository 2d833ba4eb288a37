//! DNS lists (RFC 5782): the name to ask for, and what the reply means.

use std::net::{IpAddr, Ipv4Addr};

use super::{Answer, Records};

/// An IPv4 address with a range for each octet: what `127.0.0.2-11` and a network at an octet's border are.
pub type Octets = [(u8, u8); 4];

/// When a declaration does not say it: any listing, but not the address for tests of what is never listed.
const LISTED_DEFAULT: Octets = [(127, 127), (0, 0), (0, 0), (2, 254)];
/// What lists say to resolvers that they don't want to answer (Spamhaus and others).
const ERROR_ALWAYS: Octets = [(127, 127), (255, 255), (255, 255), (0, 255)];

/// Which replies of a list mean what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Replies that mean listed.
    pub listed: Vec<Octets>,
    /// Bits of the address, any of which means listed; 0 when the list doesn't work that way.
    pub bits: u32,
    /// Replies that mean that the list has not answered, besides 127.255.255.0/24.
    pub error: Vec<Octets>,
}

impl Default for Listing {
    fn default() -> Self {
        Self { listed: vec![LISTED_DEFAULT], bits: 0, error: Vec::new() }
    }
}

/// What a list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// On the list, with all addresses of the reply.
    Listed(Vec<Ipv4Addr>),
    /// Not on the list, or on it for a reason that the declaration doesn't count.
    Clean,
    /// The list has not answered, or not as a list does.
    Unknown,
}

impl Listing {
    /// Reads a reply. A listing counts even beside an error; a reply outside of 127.0.0.0/8 is what a hijacked or
    /// abandoned zone gives (RFC 5782, 2.1), and tells nothing.
    pub fn read(&self, answer: &Answer) -> Listed {
        let records = match answer {
            Answer::Found(records) => records,
            Answer::None => return Listed::Clean,
            Answer::Failed(_) => return Listed::Unknown,
        };
        let Records::Addresses(addresses) = &**records else { return Listed::Unknown };
        self.judge(addresses.iter().filter_map(|address| match address {
            IpAddr::V4(code) => Some(*code),
            IpAddr::V6(_) => None,
        }))
    }

    /// Reads the addresses of a reply, of which there are some.
    pub fn judge(&self, codes: impl Iterator<Item = Ipv4Addr> + Clone) -> Listed {
        if codes.clone().any(|code| !self.is_error(code) && self.is_listed(code)) {
            Listed::Listed(codes.collect())
        } else if codes.clone().any(|code| self.is_error(code)) {
            Listed::Unknown
        } else {
            Listed::Clean
        }
    }

    fn is_listed(&self, code: Ipv4Addr) -> bool {
        u32::from(code) & self.bits != 0 || self.listed.iter().any(|octets| within(*octets, code))
    }

    fn is_error(&self, code: Ipv4Addr) -> bool {
        !code.is_loopback()
            || within(ERROR_ALWAYS, code)
            || self.error.iter().any(|octets| within(*octets, code))
    }
}

fn within(octets: Octets, code: Ipv4Addr) -> bool {
    octets.iter().zip(code.octets()).all(|((low, high), octet)| (*low..=*high).contains(&octet))
}

/// `2.0.0.127.zone`, and for IPv6 its 32 nibbles (RFC 5782, 2.1 and 2.4).
pub fn address_name(address: IpAddr, zone: &str) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.{zone}")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            let digits = nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16));
            let labels: String = digits.flat_map(|digit| [digit, '.']).collect();
            labels + zone
        }
    }
}

/// `domain.zone` (RFC 5782, 3.1).
pub fn domain_name(domain: &str, zone: &str) -> String {
    format!("{}.{zone}", domain.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn check(listing: &Listing, reply: &[&str], expected: &str) {
        let addresses = reply.iter().map(|code| code.parse().unwrap()).collect();
        let listed = listing.read(&Answer::Found(Rc::new(Records::Addresses(addresses))));
        let got = match &listed {
            Listed::Listed(codes) => format!("listed {codes:?}"),
            other => format!("{other:?}").to_lowercase(),
        };
        assert_eq!(got, expected, "{reply:?}");
    }

    #[test]
    fn the_default_counts_any_listing() {
        let listing = Listing::default();
        check(&listing, &["127.0.0.2"], "listed [127.0.0.2]");
        check(&listing, &["127.0.0.10", "127.0.0.4"], "listed [127.0.0.10, 127.0.0.4]");
        check(&listing, &["127.0.0.1"], "clean");
        check(&listing, &["127.0.1.2"], "clean");
        check(&listing, &["127.255.255.254"], "unknown");
        check(&listing, &["192.0.2.1"], "unknown");
        check(&listing, &["127.0.0.2", "127.255.255.254"], "listed [127.0.0.2, 127.255.255.254]");
        assert_eq!(listing.read(&Answer::None), Listed::Clean);
        assert_eq!(listing.read(&Answer::Failed(crate::dns::Failure::Timeout)), Listed::Unknown);
    }

    #[test]
    fn a_declaration_narrows_it() {
        let narrow = Listing {
            listed: vec![[(127, 127), (0, 0), (0, 255), (0, 3)]],
            bits: 0,
            error: vec![[(127, 127), (0, 0), (0, 0), (255, 255)]],
        };
        check(&narrow, &["127.0.9.3"], "listed [127.0.9.3]");
        check(&narrow, &["127.0.9.4"], "clean");
        check(&narrow, &["127.0.0.255"], "unknown");
        check(&narrow, &["127.255.255.1"], "unknown");
    }

    #[test]
    fn bits_are_of_the_whole_address() {
        let third = Listing { listed: Vec::new(), bits: 4 << 8, error: Vec::new() };
        check(&third, &["127.0.6.1"], "listed [127.0.6.1]");
        check(&third, &["127.0.2.4"], "clean");

        let bits =
            Listing { listed: Vec::new(), bits: 8 | 64, error: vec![[(127, 127), (0, 0), (0, 0), (1, 1)]] };
        check(&bits, &["127.0.0.72"], "listed [127.0.0.72]");
        check(&bits, &["127.0.0.10"], "listed [127.0.0.10]");
        check(&bits, &["127.0.0.2"], "clean");
        check(&bits, &["127.0.0.1"], "unknown");
        check(&bits, &["127.255.255.255"], "unknown");
    }

    #[test]
    fn names_to_ask_for() {
        assert_eq!(
            address_name("192.0.2.7".parse().unwrap(), "zen.example.org"),
            "7.2.0.192.zen.example.org"
        );
        assert_eq!(
            address_name("2001:db8:1:2:3:4:567:89ab".parse().unwrap(), "ugly.example.com"),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com",
            "the example of RFC 5782, 2.4"
        );
        assert_eq!(domain_name("invalid.example.", "dbl.example.org"), "invalid.example.dbl.example.org");
    }
}
