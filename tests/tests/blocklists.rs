//! What becomes of mail when name servers and block lists go bad: dead, silent, mad, parked. And what DNS says of names.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};

use weir_tests::{Client, Loopback, Reply, StandIn, Weir, until};

/// What a client with this HELO and sender is answered up to RCPT.
fn talk(from: [u8; 4], entry: SocketAddr, helo: &str, sender: &str) -> io::Result<Reply> {
    let mut client = Client::from(IpAddr::from(Ipv4Addr::from(from)), entry)?;
    assert_eq!(client.reply()?.code, 220);
    let reply = client.command(&format!("EHLO {helo}"))?;
    if !reply.is_good() {
        return Ok(reply);
    }
    let reply = client.command(&format!("MAIL FROM:<{sender}>"))?;
    if reply.is_good() { client.command("RCPT TO:<dev@example.org>") } else { Ok(reply) }
}

fn rcpt(last: u8, entry: SocketAddr) -> String {
    let reply = talk([127, 0, 8, last], entry, "client.example.net", "a@example.net");
    reply.expect("a session goes on whatever the lists do").text
}

/// A host whose RCPT says what a list says; `more` are further settings of the list.
fn rules(entry: SocketAddr, zone: &str, names: SocketAddr, more: &str) -> String {
    format!(
        "weir 1\nrole mx\n\nlistener here {{\n  bind {entry}\n  name \"mx.example.org\"\n}}\n\n\
         dnsbl zen {{\n  zone \"{zone}\"\n  timeout 500ms\n  server {names}\n  {more}\n}}\n\n\
         on rcpt {{\n  reject 550 5.7.1 \"listed\" if zen(client.ip)\n  reject 550 5.7.2 \"clean\" if zen(client.ip) is clean\n}}\n\n\
         on data {{\n  reject 550 5.7.3 \"not here\"\n}}\n"
    )
}

const LISTED: &str = "550 5.7.1 listed";
const CLEAN: &str = "550 5.7.2 clean";
/// The rules let those pass of whom they know nothing.
const ACCEPTED: &str = "250 2.1.5";

fn is_healthy(page: SocketAddr, list: &str) -> Option<bool> {
    let mut stream = TcpStream::connect(page).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let line =
        text.lines().find(|line| line.starts_with(&format!("weir_dnsbl_healthy{{list=\"{list}\"}}")))?;
    Some(line.ends_with(" 1"))
}

#[test]
fn a_block_list_gone_mad_is_switched_off_and_comes_back() {
    let here = Loopback::new();
    let (entry, page) = (here.port(), here.port());
    let mut dns = StandIn::start(
        "dns",
        &["--listed", "zen.example.org=127.0.0.2", "--listed", "zen.example.org=127.0.8.0-127.0.8.9"],
    );
    let text = rules(entry, "zen.example.org", dns.address, "probe 1s");
    let weir = Weir::with(&text, entry, &["--metrics", &page.to_string()]);
    assert_eq!(rcpt(1, entry), LISTED);
    assert_eq!(rcpt(20, entry), CLEAN);
    assert_eq!(is_healthy(page, "zen"), Some(true));

    dns.order("everything 100%");
    until("the list to be off", || !weir.lines(&["event=dnsbl", "list=zen", "health=off"]).is_empty());
    assert_eq!(is_healthy(page, "zen"), Some(false));
    for last in 21..25 {
        assert!(rcpt(last, entry).starts_with(ACCEPTED), "a list that lists everybody lists nobody");
    }
    assert!(rcpt(2, entry).starts_with(ACCEPTED), "not even those that it listed before");
    let shown = weir.ctl_ok(&["show", "lookups"]);
    assert!(shown.contains("it lists 1.0.0.127.zen.example.org, which no list may"), "{shown}");

    // Another fault of a list that is off is no news for the log, but for whoever looks.
    dns.order("none");
    dns.order("quota 100%");
    until("the next probe", || weir.ctl_ok(&["show", "lookups"]).contains("127.255.255.254"));
    dns.order("none");
    until("the list to be on", || is_healthy(page, "zen") == Some(true));
    assert_eq!(rcpt(3, entry), LISTED);
    assert_eq!(rcpt(30, entry), CLEAN);
    until("the log", || !weir.lines(&["event=dnsbl", "health=on"]).is_empty());
    assert_eq!(weir.lines(&["event=dnsbl"]).len(), 2, "each change is said once: {}", weir.log());
}

#[test]
fn a_zone_that_was_parked_lists_nobody() {
    let here = Loopback::new();
    let (entry, page) = (here.port(), here.port());
    let dns = StandIn::start("dns", &["--record", "*.parked.example.org A 192.0.2.80"]);
    let text = rules(entry, "parked.example.org", dns.address, "listed 0.0.0.0/0\n  probe 1h");
    let weir = Weir::with(&text, entry, &["--metrics", &page.to_string()]);
    assert!(rcpt(1, entry).starts_with(ACCEPTED), "an answer outside of 127.0.0.0/8 is none");
    until("the first probe", || is_healthy(page, "zen") == Some(false));
    until("the log", || !weir.lines(&["health=off", "with an error: 192.0.2.80"]).is_empty());
    assert!(rcpt(2, entry).starts_with(ACCEPTED));
}

#[test]
fn a_list_that_lists_nearly_everybody_is_probed_out_of_turn() {
    let here = Loopback::new();
    let entry = here.port();
    let mut dns = StandIn::start("dns", &["--listed", "zen.example.org=127.0.0.2"]);
    // The next probe by the clock is a day away.
    let weir = Weir::with(&rules(entry, "zen.example.org", dns.address, "probe 1d"), entry, &[]);
    assert_eq!(rcpt(1, entry), CLEAN);
    dns.order("everything 100%");
    let mut clients = (0..=u8::MAX).cycle();
    let mut third = 9;
    until("the list to be off", || {
        let last = clients.next().unwrap_or(0);
        third += u8::from(last == 0);
        let text = talk([127, 0, third, last], entry, "client.example.net", "a@example.net").unwrap().text;
        assert!(text == LISTED || text.starts_with(ACCEPTED), "{text}");
        !weir.lines(&["event=dnsbl", "health=off"]).is_empty()
    });
}

#[test]
fn one_question_is_asked_however_many_lists_look_at_its_bits() {
    let here = Loopback::new();
    let entry = here.port();
    let dns =
        StandIn::start("dns", &["--listed", "multi.example.org=127.0.8.0-127.0.8.9 :127.0.4.10:several"]);
    let names = dns.address;
    let list = |name: &str, bits: &str| {
        format!("dnsbl {name} {{\n  zone \"multi.example.org\"\n  bits {bits}\n  server {names}\n}}\n\n")
    };
    let text = format!(
        "weir 1\nrole mx\n\nlistener here {{\n  bind {entry}\n  name \"mx.example.org\"\n}}\n\n{}{}{}{}\
         rule TWO 1 \"two\" in bad = two(client.ip)\nrule FOUR 1 \"four\" in bad = four(client.ip)\n\
         rule HIGH 1 \"high\" in bad = high(client.ip)\nrule TEN 1 \"ten\" in bad = both(client.ip) matches 127.0.*.10\n\
         group bad {{ }}\n\non rcpt {{\n  reject 550 5.7.1 \"{{hits(bad)}}\" if score(bad) >= 3\n}}\n\non data {{\n  reject 550 5.7.3 \"not here\"\n}}\n",
        list("two", "2"),
        list("four", "4"),
        list("high", "0.0.4.0"),
        list("both", "2, 8"),
    );
    let _weir = Weir::with(&text, entry, &["--shards", "1"]);
    let said = rcpt(1, entry);
    assert!(
        ["TWO", "HIGH", "TEN"].iter().all(|rule| said.contains(rule)) && !said.contains("FOUR"),
        "{said}"
    );
    let summary = dns.end();
    assert_eq!(summary["answers"]["listed"], 1, "one question about the client: {summary}");
}

/// The packets that a name server has got.
type Asked = Arc<Mutex<Vec<Vec<u8>>>>;

/// A name server that is no good: it says nothing, or that it has failed.
fn dead(here: Loopback, is_silent: bool) -> (SocketAddr, Asked) {
    let socket = UdpSocket::bind(here.port()).expect("a port for a name server");
    let address = socket.local_addr().expect("it is bound");
    let asked = Asked::default();
    let counting = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let mut answer = packet.get(..length).unwrap_or_default().to_vec();
            counting.lock().expect("the lock").push(answer.clone());
            if !is_silent {
                // A response, SERVFAIL (RFC 1035, 4.1.1).
                if let Some([high, low]) = answer.get_mut(2..4) {
                    (*high, *low) = (*high | 0x80, 2);
                }
                socket.send_to(&answer, from).expect("an answer");
            }
        }
    });
    (address, asked)
}

#[test]
fn many_who_wait_for_a_dead_resolver_ask_it_once() {
    let here = Loopback::new();
    let entry = here.port();
    let (names, asked) = dead(here, true);
    let _weir = Weir::with(&rules(entry, "zen.example.org", names, ""), entry, &["--shards", "1"]);
    let sessions: Vec<_> = (0..64).map(|_| std::thread::spawn(move || rcpt(1, entry))).collect();
    for session in sessions {
        assert!(session.join().expect("a session").starts_with(ACCEPTED));
    }
    // One question, sent anew while nobody answers, and once more for those who came after it was given up.
    let asked = asked.lock().expect("the lock").len();
    assert!((1..=8).contains(&asked), "{asked} packets");
}

#[test]
fn a_dead_list_is_not_asked_any_more() {
    let here = Loopback::new();
    let (entry, page) = (here.port(), here.port());
    let (names, asked) = dead(here, false);
    let weir = Weir::with(
        &rules(entry, "zen.example.org", names, "probe 1s"),
        entry,
        &["--metrics", &page.to_string()],
    );
    assert!(rcpt(200, entry).starts_with(ACCEPTED));
    until("the list to be off", || is_healthy(page, "zen") == Some(false));
    for last in 0..20 {
        assert!(rcpt(last, entry).starts_with(ACCEPTED));
    }
    // `8.0.127.zen`, as labels of a question have it.
    let about_clients =
        |packet: &Vec<u8>| packet.windows(10).any(|labels| labels == b"\x018\x010\x03127\x03z");
    let asked = asked.lock().expect("the lock");
    let clients: Vec<_> = asked.iter().filter(|packet| about_clients(packet)).collect();
    assert!(!clients.is_empty(), "the first client's question was asked");
    assert!(clients.iter().all(|packet| packet.windows(4).any(|label| label == b"\x03200")), "and no others");
    until("the log", || weir.lines(&["event=dnsbl", "health=off", "fails"]).len() == 1);
}

#[test]
fn names_of_clients_and_senders_are_looked_up() {
    let here = Loopback::new();
    let entry = here.port();
    let mut dns = StandIn::start(
        "dns",
        &[
            "--record",
            "own.example.net A 127.0.8.1",
            "--record",
            "other.example.net A 192.0.2.1",
            "--record",
            "six.example.net AAAA 2001:db8::1",
            "--record",
            "good.example.net MX 10 other.example.net",
            "--record",
            "inside.example.net MX 10 own.example.net",
            "--record",
            "dead.example.net MX 10 nowhere.example.net",
        ],
    );
    let text = format!(
        "weir 1\nrole mx\n\nlistener here {{\n  bind {entry}\n  name \"mx.example.org\"\n}}\n\n\
         on helo {{\n  reject 550 5.7.1 \"mismatch\" if helo.address is mismatch\n  reject 550 5.7.1 \"missing\" if helo.address is missing\n\
         \x20 defer 451 4.7.1 \"unknown\" if helo.address is unknown\n  reject 550 5.7.1 \"ours\" if helo.ours\n}}\n\n\
         on mail {{\n  reject 550 5.1.8 \"private\" if sender.domain.hosts is private\n  reject 550 5.1.8 \"no host\" if sender.domain.hosts is missing\n\
         \x20 defer 451 4.1.8 \"unknown\" if sender.domain.hosts is unknown\n}}\n\non data {{\n  reject 550 5.7.3 \"not here\"\n}}\n"
    );
    let _weir = Weir::with(&text, entry, &["--resolver", &dns.address.to_string()]);
    let talk = |helo, sender| talk([127, 0, 8, 1], entry, helo, sender).unwrap().text;
    let own = "own.example.net";
    assert!(talk(own, "a@good.example.net").starts_with(ACCEPTED));
    assert_eq!(talk(own, "a@inside.example.net"), "550 5.1.8 private");
    assert_eq!(talk(own, "a@dead.example.net"), "550 5.1.8 no host");
    assert!(talk("[127.0.8.1]", "").starts_with(ACCEPTED));
    assert_eq!(talk("[127.0.8.2]", ""), "550 5.7.1 mismatch");
    assert_eq!(talk("other.example.net", ""), "550 5.7.1 mismatch");
    assert_eq!(talk("six.example.net", ""), "550 5.7.1 mismatch");
    assert_eq!(talk("nobody.example.net", ""), "550 5.7.1 missing");
    dns.order("servfail 100%");
    assert_eq!(talk("new.example.net", ""), "451 4.7.1 unknown");
    assert_eq!(talk("[127.0.8.1]", "a@new.example.net"), "451 4.1.8 unknown");
}
