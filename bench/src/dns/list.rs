//! A DNS list: its entries as rbldnsd's files have them, and the look-up of addresses and domains.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use super::records::plain;

/// What an entry without an answer of its own gives.
const ANSWER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Most networks that the range of one line is cut into: twice the bits of an address.
const NETWORKS_MAX: usize = 64;

/// What is said of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) address: Ipv4Addr,
    /// `$` stands for what was asked.
    pub(super) text: Option<String>,
}

/// A list. `None` as a value is an exception.
#[derive(Debug)]
pub(super) struct List {
    pub(super) zone: String,
    v4: HashMap<(u8, u32), Option<Rc<Value>>>,
    v6: HashMap<(u8, u128), Option<Rc<Value>>>,
    /// The lengths of prefixes that there are, so that a look-up is one probe for each.
    v4_prefixes: BTreeSet<u8>,
    v6_prefixes: BTreeSet<u8>,
    names: HashMap<String, Option<Rc<Value>>>,
    /// Names whose subdomains are listed.
    above: HashMap<String, Option<Rc<Value>>>,
}

/// An entry's left side.
enum Key {
    V4(Ipv4Addr, Ipv4Addr),
    V6(u8, u128),
    Name { name: String, itself: bool, below: bool },
}

impl List {
    pub(super) fn new(zone: &str) -> Self {
        Self {
            zone: zone.to_owned(),
            v4: HashMap::new(),
            v6: HashMap::new(),
            v4_prefixes: BTreeSet::new(),
            v6_prefixes: BTreeSet::new(),
            names: HashMap::new(),
            above: HashMap::new(),
        }
    }

    /// Reads lines of entries. An error begins with the number of its line.
    pub(super) fn read(&mut self, text: &str) -> Result<(), String> {
        let mut default = Rc::new(Value { address: ANSWER, text: None });
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            // `$SOA` and its kin are about rbldnsd's own answers.
            if line.is_empty() || line.starts_with(['#', ';', '$']) {
                continue;
            }
            let fault = |why: String| format!("{}: {why}", at + 1);
            if line.starts_with(':') {
                default = value(line, &default).map_err(fault)?;
            } else {
                self.add(line, &default).map_err(fault)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, line: &str, default: &Rc<Value>) -> Result<(), String> {
        let (entry, answer) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (entry, is_exception) = match entry.strip_prefix('!') {
            Some(entry) => (entry, true),
            None => (entry, false),
        };
        let answer = answer.trim();
        let value = match answer {
            _ if is_exception => None,
            "" => Some(Rc::clone(default)),
            answer if answer.starts_with(['#', ';']) => Some(Rc::clone(default)),
            answer => Some(value(answer, default)?),
        };
        match key(entry)? {
            Key::V4(first, last) => self.add_range(first, last, value.as_ref()),
            Key::V6(prefix, bits) => {
                self.v6_prefixes.insert(prefix);
                self.v6.insert((prefix, masked_v6(bits, prefix)), value);
            }
            Key::Name { name, itself, below } => {
                if below {
                    self.above.insert(name.clone(), value.clone());
                }
                if itself {
                    self.names.insert(name, value);
                }
            }
        }
        Ok(())
    }

    /// A range as the networks that it is made of.
    fn add_range(&mut self, first: Ipv4Addr, last: Ipv4Addr, value: Option<&Rc<Value>>) {
        let (mut from, to) = (u64::from(first.to_bits()), u64::from(last.to_bits()));
        for _ in 0..NETWORKS_MAX {
            if from > to {
                return;
            }
            // The largest network that begins here and ends within the range.
            let mut bits = from.trailing_zeros().min(32);
            while from + (1 << bits) - 1 > to {
                bits -= 1;
            }
            let prefix = u8::try_from(32 - bits).unwrap_or(32);
            self.v4_prefixes.insert(prefix);
            self.v4.insert((prefix, u32::try_from(from).unwrap_or(u32::MAX)), value.cloned());
            from += 1 << bits;
        }
    }

    /// What stands in front of the zone in a name; `None` for other names.
    pub(super) fn below<'a>(&self, name: &'a str) -> Option<&'a str> {
        let below = name.strip_suffix(self.zone.as_str())?;
        if below.is_empty() { Some(below) } else { below.strip_suffix('.') }
    }

    /// What is said of an address or domain as a question has it, and how a human would write it.
    pub(super) fn find(&self, below: &str) -> Option<(&Value, String)> {
        match address(below) {
            Some(IpAddr::V4(ip)) => {
                let find = |prefix: &u8| self.v4.get(&(*prefix, masked_v4(ip.to_bits(), *prefix)));
                let value = self.v4_prefixes.iter().rev().find_map(find)?.as_deref()?;
                Some((value, ip.to_string()))
            }
            Some(IpAddr::V6(ip)) => {
                let find = |prefix: &u8| self.v6.get(&(*prefix, masked_v6(ip.to_bits(), *prefix)));
                let value = self.v6_prefixes.iter().rev().find_map(find)?.as_deref()?;
                Some((value, ip.to_string()))
            }
            None => {
                let parents = || below.char_indices().filter(|(_, letter)| *letter == '.');
                let above = || parents().find_map(|(dot, _)| self.above.get(below.get(dot + 1..)?));
                let value = self.names.get(below).or_else(above)?.as_deref()?;
                Some((value, below.to_owned()))
            }
        }
    }
}

/// `:127.0.0.4:text`, `:4:text` (which is 127.0.0.4) or `text`.
fn value(text: &str, default: &Value) -> Result<Rc<Value>, String> {
    let Some(rest) = text.strip_prefix(':') else {
        return Ok(Rc::new(Value { address: default.address, text: Some(text.to_owned()) }));
    };
    let (address, text) = rest.split_once(':').unwrap_or((rest, ""));
    let short = || address.parse().ok().map(|last| Ipv4Addr::new(127, 0, 0, last));
    let address =
        match address {
            "" => default.address,
            address => address.parse().ok().or_else(short).ok_or_else(|| {
                format!("`{address}` is no answer; write an address, such as :127.0.0.4:text")
            })?,
        };
    let text = text.trim();
    Ok(Rc::new(Value { address, text: (!text.is_empty()).then(|| text.to_owned()) }))
}

fn key(entry: &str) -> Result<Key, String> {
    let wanted = || format!("`{entry}` is no address, network, range or domain");
    let numeric = entry.bytes().all(|byte| byte.is_ascii_digit() || b"./-".contains(&byte));
    if numeric {
        let (first, last) = v4_range(entry).ok_or_else(wanted)?;
        return Ok(Key::V4(first, last));
    }
    if entry.contains(':') {
        let (ip, prefix) = entry.split_once('/').unwrap_or((entry, "128"));
        let ip: Ipv6Addr = ip.parse().map_err(|_| wanted())?;
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 128).ok_or_else(wanted)?;
        return Ok(Key::V6(prefix, ip.to_bits()));
    }
    let (name, itself, below) = match (entry.strip_prefix("*."), entry.strip_prefix('.')) {
        (Some(name), _) => (name, false, true),
        (_, Some(name)) => (name, true, true),
        _ => (entry, true, false),
    };
    let name = plain(name);
    if weir_smtp::address::is_domain(&name) { Ok(Key::Name { name, itself, below }) } else { Err(wanted()) }
}

/// An address, `10.0.0.0/8`, `10.0.0.1-10.0.0.9`, `10.0.0.1-9`, or the first octets of a network.
fn v4_range(entry: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    if let Some((ip, prefix)) = entry.split_once('/') {
        let (ip, _) = octets(ip)?;
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        return Some(network(ip, prefix));
    }
    if let Some((first, last)) = entry.split_once('-') {
        let (first, _) = octets(first)?;
        let last = match last.parse::<u8>() {
            Ok(octet) => {
                let [a, b, c, _] = first.octets();
                Ipv4Addr::new(a, b, c, octet)
            }
            Err(_) => last.parse().ok()?,
        };
        return (first <= last).then_some((first, last));
    }
    let (ip, count) = octets(entry)?;
    Some(network(ip, count * 8))
}

/// One to four octets, and how many there were.
fn octets(text: &str) -> Option<(Ipv4Addr, u8)> {
    let mut all = [0; 4];
    let mut count: u8 = 0;
    for octet in text.split('.') {
        *all.get_mut(usize::from(count))? = octet.parse().ok()?;
        count += 1;
    }
    Some((Ipv4Addr::from(all), count))
}

fn network(ip: Ipv4Addr, prefix: u8) -> (Ipv4Addr, Ipv4Addr) {
    let first = masked_v4(ip.to_bits(), prefix);
    let rest = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    (first.into(), (first | rest).into())
}

fn masked_v4(bits: u32, prefix: u8) -> u32 {
    bits & !u32::MAX.checked_shr(prefix.into()).unwrap_or(0)
}

fn masked_v6(bits: u128, prefix: u8) -> u128 {
    bits & !u128::MAX.checked_shr(prefix.into()).unwrap_or(0)
}

/// The address in a question: octets or nibbles, the last first (RFC 5782, 2.1 and 2.4).
fn address(below: &str) -> Option<IpAddr> {
    let labels: Vec<&str> = below.split('.').rev().collect();
    match labels.len() {
        4 => labels.join(".").parse().ok().map(IpAddr::V4),
        32 => {
            let mut bits: u128 = 0;
            for label in labels {
                let nibble =
                    if label.len() == 1 { u8::from_str_radix(label, 16).ok()? } else { return None };
                bits = bits << 4 | u128::from(nibble);
            }
            Some(IpAddr::V6(bits.into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> List {
        let mut list = List::new("zen.example.org");
        list.read(text).unwrap();
        list
    }

    fn found(list: &List, below: &str) -> Option<String> {
        list.find(below).map(|(value, query)| {
            format!("{} {} {query}", value.address, value.text.clone().unwrap_or_default())
        })
    }

    #[test]
    fn addresses_are_found_by_their_longest_prefix() {
        let list = list(
            "# a list\n$SOA 300 a b 1 2 3 4 5\n:127.0.0.3:see $\n127.0.0.2\n10/8 :4:net\n!10.0.0.1\n192.0.2.5-192.0.2.10\n\
             198.51.100 text only\n203.0.113.7-9 ; with a remark\n",
        );
        let check =
            |below, expected: Option<&str>| assert_eq!(found(&list, below).as_deref(), expected, "{below}");
        check("2.0.0.127", Some("127.0.0.3 see $ 127.0.0.2"));
        check("9.8.7.10", Some("127.0.0.4 net 10.7.8.9"));
        check("1.0.0.10", None);
        for last in 0..16 {
            let is_in = (5..=10).contains(&last);
            assert_eq!(found(&list, &format!("{last}.2.0.192")).is_some(), is_in, "{last}");
        }
        check("255.100.51.198", Some("127.0.0.3 text only 198.51.100.255"));
        check("9.113.0.203", Some("127.0.0.3 see $ 203.0.113.9"));
        check("10.113.0.203", None);
    }

    #[test]
    fn nibbles_and_domains_are_found() {
        let list = list(
            "2001:db8::/32 :127.0.0.9:six\n!2001:db8::1\nexact.example\n.all.example\n*.sub.example\n!ok.all.example\n",
        );
        let nibbles = |ip: &str| {
            let bits = ip.parse::<Ipv6Addr>().unwrap().to_bits();
            (0..32).map(|at| format!("{:x}", bits >> (4 * at) & 15)).collect::<Vec<_>>().join(".")
        };
        assert_eq!(found(&list, &nibbles("2001:db8::2")).as_deref(), Some("127.0.0.9 six 2001:db8::2"));
        assert_eq!(found(&list, &nibbles("2001:db8::1")), None);
        assert_eq!(found(&list, &nibbles("2001:db9::2")), None);
        let is_listed = |name| found(&list, name).is_some();
        for listed in ["exact.example", "all.example", "a.b.all.example", "a.sub.example"] {
            assert!(is_listed(listed), "{listed}");
        }
        for other in ["a.exact.example", "sub.example", "ok.all.example", "example", "tall.example"] {
            assert!(!is_listed(other), "{other}");
        }
        assert_eq!(list.below("a.zen.example.org"), Some("a"));
        assert_eq!(list.below("zen.example.org"), Some(""));
        assert_eq!(list.below("frozen.example.org"), None);
    }

    #[test]
    fn wrong_lines_are_named() {
        let mut list = List::new("zen.example.org");
        for wrong in [
            "10.0.0.0/33",
            "10.0.0.9-10.0.0.1",
            "300.1.1.1",
            "a b@c d",
            "2001:db8::/129",
            "1.2.3.4 :x.y:z",
            "-bad",
        ] {
            let fault = list.read(&format!("\n{wrong}\n"));
            assert!(
                fault.as_ref().is_err_and(|fault| fault.starts_with("2: `")) || wrong.starts_with("a b"),
                "{wrong}: {fault:?}"
            );
        }
    }

    #[test]
    fn any_range_is_exactly_its_addresses() {
        let mut list = List::new("l");
        list.read("0.0.0.0-255.255.255.255").unwrap();
        assert_eq!(list.v4.len(), 1);
        let mut list = List::new("l");
        list.read("0.0.0.1-255.255.255.254").unwrap();
        assert_eq!(list.v4.len(), 62);
        assert!(list.find("0.0.0.0").is_none() && list.find("255.255.255.255").is_none());
        assert!(list.find("1.0.0.0").is_some() && list.find("254.255.255.255").is_some());
    }
}
