//! One zone file, served by rbldnsd and held by weir: whatever is asked, both say the same. And how weir takes such files up.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use weir::dns::{Zone, ZoneFormat, address_name};
use weir_tests::{Client, Folder, Loopback, Rbldnsd, Weir, until, weir_command};

/// Numbers that look like chance and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn octet(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

/// A plain question and what comes back (RFC 1035, 4).
struct Resolver {
    socket: UdpSocket,
}

const A: u16 = 1;
const TXT: u16 = 16;

impl Resolver {
    fn new(server: std::net::SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.connect(server).expect("a server");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        Self { socket }
    }

    /// The data of all answers, sorted.
    fn ask(&self, name: &str, kind: u16) -> Vec<Vec<u8>> {
        let mut question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
        for label in name.split('.') {
            question.push(u8::try_from(label.len()).expect("a label"));
            question.extend_from_slice(label.as_bytes());
        }
        question.push(0);
        question.extend_from_slice(&kind.to_be_bytes());
        question.extend_from_slice(&1_u16.to_be_bytes());
        self.socket.send(&question).expect("a question");
        let mut packet = [0; 4096];
        let length = self.socket.recv(&mut packet).expect("rbldnsd answers");
        let answer = packet.get(..length).unwrap_or_default();
        let code = answer.get(3).copied().unwrap_or(0) & 15;
        assert!(code == 0 || code == 3, "{name}: code {code}");
        let count = number(answer, 6);
        let mut rest = answer.get(question.len()..).unwrap_or_default();
        let mut found: Vec<Vec<u8>> = Vec::new();
        for _ in 0..count {
            // A name that points to the question's, type, class, TTL.
            let bytes = usize::from(number(rest, 10));
            found.push(rest.get(12..12 + bytes).unwrap_or_default().to_vec());
            rest = rest.get(12 + bytes..).unwrap_or_default();
        }
        found.sort();
        found
    }
}

/// Two bytes of a packet as a number.
fn number(packet: &[u8], at: usize) -> u16 {
    let bytes = packet.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    u16::from_be_bytes(bytes.expect("a whole packet"))
}

struct Both {
    zone: Zone,
    resolver: Resolver,
    _list: Rbldnsd,
}

impl Both {
    fn start(folder: &Folder, format: ZoneFormat, entries: &str) -> Self {
        let zone = Zone::read(format, entries.as_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
        let names = Loopback::new().port();
        let list = Rbldnsd::start_as(folder, names, "bl.example.org", format.name(), entries);
        Self { zone, resolver: Resolver::new(names), _list: list }
    }

    /// Both answer alike; whether something is listed.
    fn check(&self, address: Option<IpAddr>, domain: &str) -> bool {
        let (name, found) = match address {
            Some(address) => (address_name(address, "bl.example.org"), self.zone.of_address(address)),
            None => (format!("{domain}.bl.example.org"), self.zone.of_domain(domain)),
        };
        let mut own: Vec<Vec<u8>> = found
            .iter()
            .flat_map(|found| found.addresses())
            .map(|address| address.octets().to_vec())
            .collect();
        own.sort();
        own.dedup();
        let mut theirs = self.resolver.ask(&name, A);
        theirs.dedup();
        assert_eq!(own, theirs, "{name}");
        // Of several texts rbldnsd gives all and weir one.
        let asked = address.map_or_else(|| domain.to_owned(), |address| address.to_string());
        let text = found.and_then(|found| found.text(&asked)).unwrap_or_default();
        let texts = self.resolver.ask(&name, TXT);
        let has = texts.iter().any(|record| record.get(1..) == Some(text.as_slice()));
        assert!(has || texts.is_empty() && text.is_empty(), "{name}: {text:?} of {texts:?}");
        found.is_some()
    }

    fn check_all(&self, addresses: impl Iterator<Item = IpAddr>) {
        let listed = addresses.map(|address| usize::from(self.check(Some(address), ""))).sum::<usize>();
        assert!(listed > 100, "only {listed} addresses were listed");
    }
}

/// Values as entries have them behind them.
fn value(dice: &mut Dice) -> String {
    match dice.below(8) {
        0 => String::from(" :127.0.0.4:listed $"),
        1 => format!(" :{}", dice.below(250) + 2),
        2 => String::from(" :5:"),
        3 => String::from(" a text of its own, $1$$"),
        4 => String::from(" # a comment"),
        _ => String::new(),
    }
}

const HEAD: &str = "$TTL 300\n$1 see example.org\n:127.0.0.3:Address $ of the list\n";

/// Addresses close to each other, so that entries overlap.
fn near(dice: &mut Dice) -> Ipv4Addr {
    let first = if dice.below(4) == 0 { 10 } else { 127 };
    let small = |dice: &mut Dice, of: u64| u8::try_from(dice.below(of)).unwrap_or(0);
    Ipv4Addr::new(first, small(dice, 3), small(dice, 4), dice.octet())
}

fn ip4_entries(dice: &mut Dice, ranges: bool) -> (String, Vec<Ipv4Addr>) {
    let mut text = String::from(HEAD);
    let mut edges = Vec::new();
    for _ in 0..400 {
        let address = u32::from(near(dice));
        let bits = 8 + u32::try_from(dice.below(25)).unwrap_or(0);
        let host = u32::MAX.checked_shr(bits).unwrap_or(0);
        let (first, last) = (address & !host, address | host);
        let exclamation = if dice.below(6) == 0 { "!" } else { "" };
        let (form, first, last) = match dice.below(if ranges { 6 } else { 4 }) {
            0 | 1 => (Ipv4Addr::from(address).to_string(), address, address),
            2 | 3 => (format!("{}/{bits}", Ipv4Addr::from(first)), first, last),
            4 => {
                let last = address.saturating_add(u32::try_from(dice.below(700)).unwrap_or(0));
                (format!("{}-{}", Ipv4Addr::from(address), Ipv4Addr::from(last)), address, last)
            }
            _ => {
                let [a, b, c, _] = Ipv4Addr::from(address).octets();
                let last = c.saturating_add(3);
                let whole = |c, d| u32::from(Ipv4Addr::new(a, b, c, d));
                (format!("{a}.{b}.{c}-{last}"), whole(c, 0), whole(last, 255))
            }
        };
        let value = if exclamation.is_empty() { value(dice) } else { String::new() };
        writeln!(text, "{exclamation}{form}{value}").expect("a string");
        for edge in [first, first.wrapping_sub(1), last, last.wrapping_add(1)] {
            edges.push(Ipv4Addr::from(edge));
        }
    }
    (text, edges)
}

fn check_ip4(format: ZoneFormat, ranges: bool, seed: u64) {
    let folder = Folder::new();
    let mut dice = Dice(seed);
    let (text, edges) = ip4_entries(&mut dice, ranges);
    let both = Both::start(&folder, format, &text);
    let random: Vec<Ipv4Addr> = (0..1500).map(|_| near(&mut dice)).collect();
    both.check_all(edges.into_iter().chain(random).map(IpAddr::V4));
    assert!(!both.check(Some(Ipv6Addr::LOCALHOST.into()), ""));
}

#[test]
fn an_ip4set_says_what_rbldnsd_says() {
    (1..=3).for_each(|seed| check_ip4(ZoneFormat::Ip4Set, true, seed * 7919));
}

#[test]
fn an_ip4trie_says_what_rbldnsd_says() {
    (1..=3).for_each(|seed| check_ip4(ZoneFormat::Ip4Trie, false, seed * 104_729));
}

#[test]
fn an_ip6trie_says_what_rbldnsd_says() {
    let folder = Folder::new();
    let mut dice = Dice(15_485_863);
    let near = |dice: &mut Dice| {
        let word = |dice: &mut Dice| u16::try_from(dice.below(3)).unwrap_or(0);
        let words = [0x2001, 0xdb8, word(dice), word(dice), word(dice), 0, word(dice), word(dice)];
        u128::from(Ipv6Addr::from(words))
    };
    let mut text = String::from(HEAD);
    let mut edges = Vec::new();
    for _ in 0..300 {
        let address = near(&mut dice);
        let bits = 16 + u32::try_from(dice.below(113)).unwrap_or(0);
        let host = u128::MAX.checked_shr(bits).unwrap_or(0);
        let exclamation = if dice.below(6) == 0 { "!" } else { "" };
        let (form, first, last) = match dice.below(3) {
            0 => (Ipv6Addr::from(address).to_string(), address, address),
            1 => (format!("{}/{bits}", Ipv6Addr::from(address & !host)), address & !host, address | host),
            _ => {
                let [a, b, c, d, ..] = Ipv6Addr::from(address).segments();
                let first = u128::from(Ipv6Addr::from([a, b, c, d, 0, 0, 0, 0]));
                (format!("{a:x}:{b:x}:{c:x}:{d:x}"), first, first | u128::from(u64::MAX))
            }
        };
        let value = if exclamation.is_empty() { value(&mut dice) } else { String::new() };
        writeln!(text, "{exclamation}{form}{value}").expect("a string");
        edges.extend([first, first.wrapping_sub(1), last, last.wrapping_add(1)].map(Ipv6Addr::from));
    }
    let both = Both::start(&folder, ZoneFormat::Ip6Trie, &text);
    let random: Vec<Ipv6Addr> = (0..1000).map(|_| Ipv6Addr::from(near(&mut dice))).collect();
    both.check_all(edges.into_iter().chain(random).map(IpAddr::V6));
}

#[test]
fn a_dnset_says_what_rbldnsd_says() {
    let folder = Folder::new();
    let mut dice = Dice(32_452_843);
    let name = |dice: &mut Dice| {
        let labels: Vec<String> = (0..=dice.below(4))
            .map(|_| if dice.below(2) == 0 { format!("a{}", dice.below(3)) } else { String::from("Bb") })
            .collect();
        labels.join(".")
    };
    let mut text = String::from(HEAD);
    for _ in 0..60 {
        let exclamation = if dice.below(6) == 0 { "!" } else { "" };
        let star = ["", "", ".", "*."][usize::try_from(dice.below(4)).unwrap_or(0)];
        let value = if exclamation.is_empty() { value(&mut dice) } else { String::new() };
        writeln!(text, "{exclamation}{star}{}{value}", name(&mut dice)).expect("a string");
    }
    let both = Both::start(&folder, ZoneFormat::DnSet, &text);
    let listed = (0..2000).filter(|_| both.check(None, &name(&mut dice).to_lowercase())).count();
    assert!((200..1990).contains(&listed), "{listed}");
}

fn rcpt(from: [u8; 4], entry: std::net::SocketAddr) -> String {
    let mut client = Client::from(Ipv4Addr::from(from).into(), entry).expect("a session");
    client.reply().expect("a greeting");
    for line in ["EHLO client.example.net", "MAIL FROM:<a@spam.example.net>"] {
        client.command(line).expect("a reply");
    }
    client.command("RCPT TO:<dev@example.org>").expect("a reply").text
}

fn replace(folder: &Folder, name: &str, text: &str) {
    let new = folder.write(&format!("{name}.new"), text);
    std::fs::rename(new, folder.join(name)).expect("another file under the same name");
}

#[test]
fn a_list_in_files_follows_its_files() {
    let here = Loopback::new();
    let entry = here.port();
    let folder = Folder::new();
    folder.write("lists/own.ip4set", ":4:\n127.0.9.1\n127.0.9.64/26 :9:\n");
    folder.write("lists/own.ip6trie", "2001:db8::/32\n");
    folder.write("lists/own.dnset", ".example.com\n");
    let text = format!(
        "weir 1\nlistener here {{\n  bind {entry}\n  name \"mx.example.org\"\n}}\n\n\
         dnsbl own {{\n  file \"lists/own.ip4set\" format ip4set\n  file \"lists/own.ip6trie\" format ip6trie\n  listed 127.0.0.2-8\n}}\n\
         dnsbl names {{ file \"lists/own.dnset\" format dnset }}\n\n\
         on rcpt {{\n  reject 550 5.7.1 \"listed\" if own(client.ip)\n  reject 550 5.7.2 \"named\" if names(sender.domain)\n}}\n\n\
         on data {{\n  reject 550 5.7.3 \"not here\"\n}}\n\n\
         test \"the files answer\" {{ client 127.0.9.1  rcpt \"dev@example.org\"  expect rcpt 550 5.7.1, lookup own listed }}\n\
         test \"of both families\" {{ client 2001:db8::1  rcpt \"dev@example.org\"  expect rcpt 550 5.7.1 }}\n\
         test \"unless told otherwise\" {{ client 127.0.9.1  lookup own nothing  mail \"a@www.example.com\"  rcpt \"dev@example.org\"  expect rcpt 550 5.7.2 }}\n"
    );
    let rules = folder.write("main.weir", &text);
    let rules_path = rules.to_str().expect("a path in UTF-8").to_owned();
    let weir = Weir::serve(folder, rules, entry, &[]);
    assert_eq!(rcpt([127, 0, 9, 1], entry), "550 5.7.1 listed");
    assert!(rcpt([127, 0, 9, 65], entry).starts_with("250 "), "an answer that does not count");
    assert!(rcpt([127, 0, 9, 2], entry).starts_with("250 "));
    let shown = weir.ctl_ok(&["show", "lookups"]);
    assert!(shown.contains("own.ip4set") && shown.contains("own.dnset"), "{shown}");

    replace(weir.folder(), "lists/own.ip4set", "127.0.9.2\n");
    replace(weir.folder(), "lists/own.dnset", "*.example.net\n");
    until("the new entry", || rcpt([127, 0, 9, 2], entry) == "550 5.7.1 listed");
    until("the new domain", || rcpt([127, 0, 9, 1], entry) == "550 5.7.2 named");

    replace(weir.folder(), "lists/own.ip4set", "127.0.9.3\n127.0.9.300\n");
    until("the fault", || !weir.lines(&["list_error", "list=own", "line 2: `127.0.9.300`"]).is_empty());
    assert_eq!(rcpt([127, 0, 9, 2], entry), "550 5.7.1 listed", "the entries before stay");
    let checked = weir_command(&["check", &rules_path]);
    assert!(!checked.status.success());
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("W0732") && said.contains("own.ip4set`: line 2: `127.0.9.300`"), "{said}");
    let reloaded = weir.ctl(&["reload"]);
    assert!(!reloaded.status.success(), "rules whose lists cannot be read are not loaded");
    assert_eq!(rcpt([127, 0, 9, 2], entry), "550 5.7.1 listed");

    replace(weir.folder(), "lists/own.ip4set", "127.0.9.4\n");
    let rules = text
        .replace("client 127.0.9.1  rcpt", "client 127.0.9.4  rcpt")
        .replace("www.example.com", "www.example.net");
    weir.write_rules(&rules);
    weir.ctl_ok(&["reload"]);
    assert_eq!(rcpt([127, 0, 9, 4], entry), "550 5.7.1 listed");
}
