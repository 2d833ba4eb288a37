//! A DNS list whose answer is known, and lists held in memory: what a look-up costs when nothing has to be asked.
//!
//! The zone is below `localhost`, whose names never leave a host and are 127.0.0.1 (RFC 6761), so that no name server is needed.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use criterion::Criterion;
use weir::clock::Clock;
use weir::dns::{Dns, Listing, Upstream, Zone, ZoneFormat};
use weir::facts::Answer;
use weir::generation::Dnsbl;
use weir::question::state_of;
use weir::ring;
use weir::scheme::fields::LISTED_ANSWER;
use weir_lang::value::Value;

const ZONE: &str = "zen.localhost";

fn list() -> Dnsbl {
    Dnsbl {
        name: String::from("zen"),
        zone: String::from(ZONE),
        files: Vec::new(),
        listing: Listing { listed: vec![[(127, 127), (0, 0), (0, 0), (1, 1)]], ..Listing::default() },
        probe: None,
        health: std::sync::Arc::default(),
        timeout: Duration::from_secs(2),
        server: None,
    }
}

/// The answer for a value, if it is known.
fn known(upstream: &Upstream, list: &Dnsbl, value: Value<'_>) -> Option<Answer> {
    let questions = list.questions(value);
    upstream.try_settled(|known| list.read_all(&questions, known))
}

/// As many entries as a large list has.
const ENTRIES: u32 = 1_000_000;

/// Lists in memory: what a look-up costs, and what they hold, which is printed.
fn held(criterion: &mut Criterion) {
    // A step that is prime to 2^32 spreads the addresses evenly.
    let address = |number: u32| Ipv4Addr::from(number.wrapping_mul(2_654_435_761));
    let name = |number: u32| format!("{:x}.example.com", number.wrapping_mul(2_654_435_761));
    let addresses: String =
        (0..ENTRIES).fold(String::new(), |text, number| text + &address(number).to_string() + "\n");
    let names: String = (0..ENTRIES).fold(String::new(), |text, number| text + &name(number) + "\n");
    let read = |format, text: &str| {
        let zone = Zone::read(format, text.as_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
        let bytes = zone.memory_bytes();
        println!("{} entries: {bytes} bytes, {} an entry", zone.entries(), bytes / zone.entries());
        zone
    };
    let zone = read(ZoneFormat::Ip4Set, &addresses);
    let mut number = 0_u32;
    criterion.bench_function("zone file/a million addresses", |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(7);
            // Half of them are listed.
            zone.of_address(address(number % (2 * ENTRIES)).into()).is_some()
        });
    });
    let zone = read(ZoneFormat::DnSet, &names);
    criterion.bench_function("zone file/a million domains", |bencher| {
        let asked: Vec<String> = (0..1000).map(|number| name(number * (2 * ENTRIES / 1000))).collect();
        let mut asked = asked.iter().cycle();
        bencher.iter(|| asked.next().is_some_and(|name| zone.of_domain(name).is_some()));
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    // Any address: nothing is sent there.
    let dns = Dns::new(Clock::frozen(0), Some(([127, 0, 0, 1], 9).into()));
    let upstream = dns.upstream(None).unwrap_or_else(|error| panic!("{error}"));
    let list = list();
    let client = Value::Ip([192, 0, 2, 17].into());
    let domains: Vec<Box<[u8]>> =
        ["example.com", "example.co.uk", "example.net"].map(|name| name.as_bytes().into()).into();
    let domains = Value::Texts(&domains);
    let asked = ring::run(async {
        for value in [client, domains] {
            let questions = list.questions(value);
            upstream.settle(list.timeout, |known| list.read_all(&questions, known)).await;
        }
    });
    asked.unwrap_or_else(|error| panic!("{error}"));
    for (name, value) in [("address", client), ("three domains", domains)] {
        let found = known(&upstream, &list, value);
        let is_listed = found.as_ref().and_then(Answer::state) == Some(state_of(&LISTED_ANSWER, "listed"));
        assert!(is_listed, "{name}: {found:?}");
        criterion.bench_function(&format!("dnsbl hit/{name}"), |bencher| {
            bencher.iter(|| known(&upstream, &list, black_box(value)));
        });
    }
    let unknown = known(&upstream, &list, Value::Ip([192, 0, 2, 18].into()));
    assert_eq!(unknown, None, "what was not asked is not known");
    held(&mut criterion);
    criterion.final_summary();
}
