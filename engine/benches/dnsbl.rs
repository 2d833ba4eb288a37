//! A DNS list whose answer is known: what a look-up costs when nothing has to be asked.
//!
//! The zone is below `localhost`, whose names never leave a host and are 127.0.0.1 (RFC 6761), so that no name server is needed.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use weir::clock::Clock;
use weir::dns::{Dns, Listing, Upstream};
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
        let is_listed =
            matches!(found, Some(Answer::State { state, .. }) if state == state_of(&LISTED_ANSWER, "listed"));
        assert!(is_listed, "{name}: {found:?}");
        criterion.bench_function(&format!("dnsbl hit/{name}"), |bencher| {
            bencher.iter(|| known(&upstream, &list, black_box(value)));
        });
    }
    let unknown = known(&upstream, &list, Value::Ip([192, 0, 2, 18].into()));
    assert_eq!(unknown, None, "what was not asked is not known");
    criterion.final_summary();
}
