//! The DNS of a test: what its clauses say, as the answers of a name server, so that look-ups take the same steps as live.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use weir_lang::plan::Arg;

use crate::config::Args;
use crate::dns::{Answer, Failure, Kind, Question, Records, address_name};

/// What the clauses say. Names are in lower case.
#[derive(Default)]
pub(super) struct World {
    /// By name, of both families; `Err` for one that fails.
    addresses: HashMap<String, Result<Vec<IpAddr>, ()>>,
    texts: HashMap<String, Vec<Box<[u8]>>>,
    exchangers: HashMap<String, Exchangers>,
    reverse: Reverse,
    /// The name of the client's address in DNS.
    reverse_names: Vec<String>,
}

/// The reverse name of the client.
#[derive(Default)]
enum Reverse {
    #[default]
    None,
    Fails,
    /// A name that leads back to the client.
    Confirmed(String, IpAddr),
    Unconfirmed(String),
}

/// Where mail to a domain goes.
enum Exchangers {
    Given(Vec<(u16, Box<str>)>),
    None,
    Fail,
}

impl World {
    /// `client`
    pub(super) fn client(&mut self, client: IpAddr, args: Args<'_>) {
        self.reverse_names = ["in-addr.arpa", "ip6.arpa"]
            .iter()
            .map(|zone| address_name(client.to_canonical(), zone))
            .collect();
        let Some(rdns) = args.after("rdns") else { return };
        self.reverse = match rdns.text().map(str::to_lowercase) {
            None => Reverse::Fails,
            Some(name) if rdns.has("unconfirmed") => Reverse::Unconfirmed(name),
            Some(name) => Reverse::Confirmed(name, client.to_canonical()),
        };
    }

    /// `dns`: several clauses of texts for one name add up.
    pub(super) fn records(&mut self, args: Args<'_>) {
        if args.has("txt") {
            let texts = args.texts().skip(1).map(|text| text.as_bytes().into());
            return self.texts.entry(name(args)).or_default().extend(texts);
        }
        self.addresses.insert(name(args), ips(args));
    }

    /// `mx`
    pub(super) fn exchanger(&mut self, args: Args<'_>) {
        let given: Vec<(u16, Box<str>)> = args.texts().skip(1).map(|host| (10, host.into())).collect();
        let exchangers = match args.word() {
            Some("null") => Exchangers::Given(vec![(0, "".into())]),
            Some("missing") => Exchangers::None,
            Some("unknown") => Exchangers::Fail,
            _ if given.is_empty() => return,
            _ => Exchangers::Given(given),
        };
        self.exchangers.insert(name(args), exchangers);
    }

    /// What a name server would say.
    pub(super) fn answer(&self, question: &Question) -> Answer {
        match question.kind() {
            Kind::A => self.addresses_of(question.name(), IpAddr::is_ipv4),
            Kind::Aaaa => self.addresses_of(question.name(), IpAddr::is_ipv6),
            Kind::Mx => match self.exchangers.get(question.name()) {
                // A host of which nothing is known but that there is one.
                None => found(Records::Exchanges(vec![(10, format!("mx.{}", question.name()).into())])),
                Some(Exchangers::Given(hosts)) => found(Records::Exchanges(hosts.clone())),
                Some(Exchangers::None) => Answer::None,
                Some(Exchangers::Fail) => FAILED,
            },
            Kind::Ptr if self.reverse_names.iter().any(|name| name == question.name()) => match &self.reverse
            {
                Reverse::None => Answer::None,
                Reverse::Fails => FAILED,
                Reverse::Confirmed(name, _) | Reverse::Unconfirmed(name) => {
                    found(Records::Names(vec![name.as_str().into()]))
                }
            },
            Kind::Ptr => Answer::None,
            Kind::Txt => match (self.texts.get(question.name()), self.addresses.get(question.name())) {
                (Some(texts), _) => found(Records::Texts(texts.clone())),
                // A name that some clause gives has nothing but what is given.
                (None, Some(Ok(_))) => Answer::None,
                (None, Some(Err(())) | None) => FAILED,
            },
        }
    }

    fn addresses_of(&self, name: &str, is_of_kind: fn(&IpAddr) -> bool) -> Answer {
        let given = match self.addresses.get(name) {
            Some(Err(())) => return FAILED,
            Some(Ok(given)) => Some(given),
            None => None,
        };
        let client = match &self.reverse {
            Reverse::Confirmed(of, client) if of == name => Some(client),
            _ => None,
        };
        let is_unconfirmed = matches!(&self.reverse, Reverse::Unconfirmed(of) if of == name);
        let is_missing = matches!(self.exchangers.get(name), Some(Exchangers::None));
        let has_texts = self.texts.contains_key(name);
        if given.is_none() && client.is_none() && !is_unconfirmed && !is_missing && !has_texts {
            return FAILED;
        }
        let all = given.into_iter().flatten().chain(client).filter(|ip| is_of_kind(ip)).copied();
        let all: Vec<IpAddr> = all.collect();
        if all.is_empty() { Answer::None } else { found(Records::Addresses(all)) }
    }
}

const FAILED: Answer = Answer::Failed(Failure::Timeout);

fn found(records: Records) -> Answer {
    Answer::Found(Rc::new(records))
}

/// What `gives`, `nothing` and `fails` say.
pub(super) fn addresses(args: Args<'_>) -> Answer {
    match ips(args) {
        Err(()) => FAILED,
        Ok(given) if given.is_empty() => Answer::None,
        Ok(given) => found(Records::Addresses(given)),
    }
}

fn ips(args: Args<'_>) -> Result<Vec<IpAddr>, ()> {
    let addresses = args.0.iter().filter_map(|arg| match arg {
        Arg::Ip(ip) => Some(*ip),
        _ => None,
    });
    if args.has("fails") { Err(()) } else { Ok(addresses.collect()) }
}

fn name(args: Args<'_>) -> String {
    args.text().unwrap_or_default().trim_end_matches('.').to_lowercase()
}

#[cfg(test)]
mod tests {
    use crate::config::{OneFile, load_from};
    use crate::simulate::run_tests;

    const RULES: &str = r#"weir 1
listener l { bind 192.0.2.25:25  name "mx.example.org" }
on helo {
  reject 550 5.7.1 "reverse {client.rdns}" if client.fcrdns is fail
  reject 550 5.7.2 "no reverse" if client.fcrdns is missing
  defer 451 4.7.1 "reverse" if client.fcrdns is unknown
  reject 550 5.7.3 "mine" if helo.ours
  reject 550 5.7.4 "brackets" if helo.bare_ip
  reject 550 5.7.5 "not {client.ip}" if helo.literal is present and helo.literal != client.ip
  reject 550 5.7.6 "elsewhere" if helo.address is mismatch
  reject 550 5.7.7 "nowhere" if helo.address is missing
  defer 451 4.7.2 "helo" if helo.address is unknown
}
on mail {
  reject 550 5.1.8 "private" if sender.domain.hosts is private
  reject 550 5.1.2 "missing" if sender.domain.hosts is missing
  defer 451 4.1.8 "unknown" if sender.domain.hosts is unknown
}
on message { discard }
test "unconfirmed" { client 192.0.2.7 rdns "host.example.net" unconfirmed  expect helo 550 5.7.1 }
test "none" { client 192.0.2.7  expect helo 550 5.7.2 }
test "silent" { client 192.0.2.7 rdns unknown  expect helo 451 4.7.1 }
test "ours" { client 192.0.2.7 rdns "host.example.net"  helo "MX.example.org."  expect helo 550 5.7.3 }
test "bare" { client 192.0.2.7 rdns "host.example.net"  helo "192.0.2.7"  expect helo 550 5.7.4 }
test "other literal" { client 192.0.2.7 rdns "host.example.net"  helo "[192.0.2.8]"  expect helo 550 5.7.5 }
test "own literal" { client 192.0.2.7 rdns "host.example.net"  helo "[192.0.2.7]"  expect helo 250 }
test "own literal of IPv6" {
  client 2001:db8::7 rdns "host.example.net"
  helo "[IPv6:2001:DB8:0::7]"
  expect helo 250
}
test "elsewhere" {
  client 192.0.2.7 rdns "host.example.net"
  helo "other.example.net"
  dns "other.example.net" gives 192.0.2.8, 2001:db8::8
  expect helo 550 5.7.6
}
test "of the other family" {
  client 192.0.2.7 rdns "host.example.net"
  helo "other.example.net"
  dns "other.example.net" gives 2001:db8::8
  expect helo 550 5.7.6
}
test "nowhere" {
  client 192.0.2.7 rdns "host.example.net"
  helo "other.example.net"
  dns "other.example.net" nothing
  expect helo 550 5.7.7
}
test "not known" { client 192.0.2.7 rdns "host.example.net"  helo "other.example.net"  expect helo 451 4.7.2 }
test "all is well" {
  client 2001:db8::7 rdns "host.example.net"
  helo "host.example.net"
  mx "example.net" gives "a.example.net", "b.example.net"
  dns "a.example.net" nothing
  dns "b.example.net" gives 10.1.2.3, 2001:db8::25
  mail "a@example.net"
  rcpt "b@example.org"
  expect message 250
}
test "exchangers of nobody" {
  client 192.0.2.7 rdns "host.example.net"
  helo "host.example.net"
  mx "example.net" gives "a.example.net", "b.example.net"
  dns "a.example.net" gives 127.0.0.1
  dns "b.example.net" gives 10.1.2.3, ::1
  mail "a@example.net"
  expect mail 550 5.1.8
}
test "no exchanger, but an address" {
  client 192.0.2.7 rdns "host.example.net"
  helo "host.example.net"
  mx "example.net" missing
  dns "example.net" gives 192.0.2.80
  mail "a@example.net"
  expect mail 250
}
test "no exchanger" {
  client 192.0.2.7 rdns "host.example.net"
  helo "host.example.net"
  mx "example.net" missing
  mail "a@example.net"
  expect mail 550 5.1.2
}
test "a null MX" {
  client 192.0.2.7 rdns "host.example.net"
  helo "host.example.net"
  mx "example.net" null
  mail "a@example.net"
  expect mail 550 5.1.2
}
test "a silent name server" {
  client 192.0.2.7 rdns "host.example.net"
  helo "host.example.net"
  mx "example.net" gives "a.example.net", "b.example.net"
  dns "a.example.net" gives 127.0.0.1
  dns "b.example.net" fails
  mail "a@example.net"
  expect mail 451 4.1.8
}
test "a bounce" {
  client 192.0.2.7 rdns "host.example.net"
  helo "host.example.net"
  mail ""
  expect mail 250
}
test "a sender at a private address" {
  client 192.0.2.7 rdns "host.example.net"
  helo "host.example.net"
  mail "a@[10.0.0.1]"
  expect mail 550 5.1.8
}
"#;

    const LISTS: &str = r#"weir 1
listener l { bind 192.0.2.25:25 }
dnsbl zen { zone "zen.example.org"  probe 10m }
on rcpt {
  reject 550 5.7.1 "listed" if zen(client.ip)
  defer 451 4.7.1 "unknown" if zen(client.ip) is unknown
}
on message { discard }
test "listed" { rcpt "a@example.org"  lookup zen gives 127.0.0.4  expect rcpt 550 }
test "listed in vain" { rcpt "a@example.org"  lookup zen gives 127.0.0.1  expect message 250, lookup zen clean }
test "not listed" { rcpt "a@example.org"  lookup zen nothing  expect message 250 }
test "over its quota" { rcpt "a@example.org"  lookup zen gives 127.255.255.254  expect rcpt 451 }
test "fails" { rcpt "a@example.org"  lookup zen fails  expect rcpt 451 }
test "off" {
  rcpt "a@example.org"
  dns "1.2.0.192.zen.example.org" gives 127.0.0.4
  lookup zen off
  expect rcpt 451, lookup zen unknown
}
"#;

    #[test]
    fn a_test_says_what_a_list_answers() {
        let plan = load_from(["t.weir"], &OneFile(LISTS)).plan.unwrap();
        assert_eq!(run_tests(&plan, None).failures(), None);
    }

    #[test]
    fn names_are_judged_as_a_name_server_would_have_them() {
        let loaded = load_from(["t.weir"], &OneFile(RULES));
        let plan = loaded
            .plan
            .as_ref()
            .unwrap_or_else(|| panic!("{}", loaded.render(weir_lang::diagnostic::render::Style::Plain)));
        assert_eq!(run_tests(plan, None).failures(), None);
    }
}
