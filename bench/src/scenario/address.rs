//! Rule files have their own addresses, as valid ones must; in a run others take their place, so that any number of runs
//! fit on a machine.

use std::net::SocketAddr;

use super::{Kind, Node, Scenario};
use crate::{Result, loopback};

/// Where name servers are asked.
const DNS_PORT: u16 = 53;

/// Where each node is in this run.
#[derive(Clone, Debug)]
pub(crate) struct Addresses(Vec<(String, SocketAddr)>);

impl Addresses {
    /// Free ones.
    pub(crate) fn draw(scenario: &Scenario) -> Result<Self> {
        let is_stand_in = |node: &&Node| matches!(node.kind, Kind::StandIn { command: "dns", .. });
        // What peers ask, or else the only one.
        let asked = scenario.measured.as_ref().and_then(|measured| measured.dns.clone());
        let mut stand_ins = scenario.nodes.iter().filter(is_stand_in);
        let name_server = asked.or_else(|| match (stand_ins.next(), stand_ins.next()) {
            (Some(only), None) => Some(only.name.clone()),
            _ => None,
        });
        let address = |node: &Node| match &node.kind {
            Kind::External { address } => Ok(*address),
            // Some programs know no other port for it.
            _ if name_server.as_ref() == Some(&node.name) => loopback::address_with_port(DNS_PORT),
            _ => loopback::free_address(),
        };
        let drawn = scenario.nodes.iter().map(|node| Ok((node.name.clone(), address(node)?)));
        Ok(Self(drawn.collect::<Result<_>>()?))
    }

    pub(crate) fn of(&self, name: &str) -> Result<SocketAddr> {
        let found = self.0.iter().find(|(known, _)| known == name);
        Ok(found.map(|(_, address)| *address).ok_or_else(|| format!("no node is called `{name}`"))?)
    }

    /// A file of the node `name` with this run's addresses.
    pub(crate) fn put_into(&self, text: &str, scenario: &Scenario, name: &str) -> Result<String> {
        let own = scenario.node(name).ok_or_else(|| format!("no node is called `{name}`"))?;
        let mut pairs = vec![(own.written_own.clone(), self.of(name)?.to_string())];
        for (written, replacement) in &own.replace {
            pairs.push((written.clone(), self.put_into_braces(replacement)));
        }
        for node in &scenario.nodes {
            pairs.push((node.written.clone(), self.of(&node.name)?.to_string()));
        }
        Ok(replaced(text, &pairs))
    }

    /// A text in which `{NODE}` stands for a node's address, `{NODE.ip}` and `{NODE.port}` for its parts.
    pub(crate) fn put_into_braces(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, address)| put_address(&text, name, *address))
    }
}

/// A text in which `{NAME}`, `{NAME.ip}` and `{NAME.port}` have become this address and its parts.
pub(crate) fn put_address(text: &str, name: &str, address: SocketAddr) -> String {
    text.replace(&format!("{{{name}}}"), &address.to_string())
        .replace(&format!("{{{name}.ip}}"), &address.ip().to_string())
        .replace(&format!("{{{name}.port}}"), &address.port().to_string())
}

/// `text` with each first half of a pair replaced by its second; the first pair that fits is taken. A match that is part
/// of a longer number or name is none: `127.0.0.1:25` is not in `127.0.0.1:2525`.
fn replaced(text: &str, pairs: &[(String, String)]) -> String {
    let is_within = |character: Option<char>| character.is_some_and(|c| c.is_ascii_alphanumeric());
    let (mut output, mut rest) = (String::with_capacity(text.len()), text);
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        let fits = |(written, _): &&(String, String)| {
            let behind = rest.strip_prefix(written.as_str()).filter(|_| !written.is_empty());
            behind.is_some_and(|behind| !is_within(behind.chars().next()))
        };
        let found = if is_within(before) { None } else { pairs.iter().find(fits) };
        let taken = if let Some((written, actual)) = found {
            output.push_str(actual);
            written.as_str()
        } else {
            output.push(first);
            rest.split_at(first.len_utf8()).0
        };
        before = taken.chars().next_back();
        rest = rest.split_at(taken.len()).1;
    }
    output
}

/// The texts in braces, which terms are written in.
pub(crate) fn braced(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_addresses_are_replaced_and_nothing_else() {
        let pairs =
            [("127.0.0.1:25", "127.3.2.1:10001"), ("10.0.0.1:25", "[::1]:3"), ("unix:/x", "127.0.0.1:25")]
                .map(|(written, actual)| (written.to_owned(), actual.to_owned()));
        let text = "bind 127.0.0.1:25\nserver a 127.0.0.1:2525\nserver b 110.0.0.1:25, 10.0.0.1:25;\u{fc} \"unix:/x\"";
        let expected = "bind 127.3.2.1:10001\nserver a 127.0.0.1:2525\nserver b 110.0.0.1:25, [::1]:3;\u{fc} \"127.0.0.1:25\"";
        assert_eq!(replaced(text, &pairs), expected);
    }

    #[test]
    fn an_address_has_its_parts() {
        let put = put_address("{a}, {a.ip}/{a.port}, {ab}", "a", "127.0.0.1:53".parse().unwrap());
        assert_eq!(put, "127.0.0.1:53, 127.0.0.1/53, {ab}");
    }

    #[test]
    fn texts_in_braces_are_found() {
        assert_eq!(braced("--rate {2 * peak.x} {a").collect::<Vec<_>>(), ["2 * peak.x"]);
    }
}
