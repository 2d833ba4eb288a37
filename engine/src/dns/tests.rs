//! Against a name server of a few lines, over real packets.

mod server;

use std::future::Future;
use std::time::Instant;

use super::*;
use server::{Behaviour, TestServer};

const SOON: Duration = Duration::from_secs(5);

fn a(name: &str) -> Question {
    Question::new(Kind::A, name).unwrap()
}

fn addresses(list: &[&str]) -> Answer {
    Answer::Found(Rc::new(Records::Addresses(list.iter().map(|text| text.parse().unwrap()).collect())))
}

/// Runs a test on a ring with an upstream and the frozen clock of its cache.
fn with<F: Future<Output = ()>>(server: &TestServer, test: impl FnOnce(Upstream, Clock) -> F) {
    let clock = Clock::frozen(0);
    let dns = Dns::new(clock.clone(), Some(server.address));
    ring::run(async move { test(dns.upstream(None).unwrap(), clock).await }).unwrap();
}

#[test]
fn an_answer_is_kept_for_its_time() {
    let server = TestServer::start(&["mail.example.org 60 A 192.0.2.1", "mail.example.org 60 A 192.0.2.2"]);
    with(&server, async |upstream, clock| {
        assert_eq!(upstream.try_cached(&a("mail.example.org")), None);
        let answer = upstream.ask(&a("MAIL.example.org."), SOON).await;
        assert_eq!(answer, addresses(&["192.0.2.1", "192.0.2.2"]));
        assert_eq!(upstream.try_cached(&a("mail.example.org")), Some(answer.clone()));
        clock.advance(Duration::from_secs(59));
        assert_eq!(upstream.ask(&a("mail.example.org"), SOON).await, answer);
        assert_eq!(server.asked(), 1);
        clock.advance(Duration::from_secs(1));
        assert_eq!(upstream.try_cached(&a("mail.example.org")), None);
        assert_eq!(upstream.ask(&a("mail.example.org"), SOON).await, answer);
        assert_eq!(server.asked(), 2);
    });
}

#[test]
fn that_there_is_nothing_is_kept_as_the_soa_says() {
    let server = TestServer::start(&[
        "other.example.org 60 A 192.0.2.1",
        "other.example.org 60 MX 10 mail.example.org",
    ]);
    with(&server, async |upstream, clock| {
        for _ in 0..2 {
            assert_eq!(upstream.ask(&a("gone.example.org"), SOON).await, Answer::None);
            let no_data = Question::new(Kind::Txt, "other.example.org").unwrap();
            assert_eq!(upstream.ask(&no_data, SOON).await, Answer::None);
        }
        assert_eq!(server.asked(), 2);
        clock.advance(Duration::from_secs(u64::from(server::SOA_MINIMUM)));
        assert_eq!(upstream.try_cached(&a("gone.example.org")), None);
    });
}

#[test]
fn equal_questions_are_asked_once() {
    let server = TestServer::start(&["mail.example.org 60 A 192.0.2.1"]);
    server.set(Behaviour::After(Duration::from_millis(50)));
    with(&server, async |upstream, _| {
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let upstream = upstream.clone();
                ring::spawn(async move { upstream.ask(&a("mail.example.org"), SOON).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), addresses(&["192.0.2.1"]));
        }
        assert_eq!((server.asked(), upstream.in_flight()), (1, 0));
    });
}

#[test]
fn a_silent_server_costs_the_time_that_was_given() {
    let server = TestServer::start(&[]);
    server.set(Behaviour::Silent);
    with(&server, async |upstream, _| {
        let begun = Instant::now();
        let answer = upstream.ask(&a("mail.example.org"), Duration::from_millis(50)).await;
        assert_eq!(answer, Answer::Failed(Failure::Timeout));
        assert!(begun.elapsed() >= Duration::from_millis(50) && begun.elapsed() < Duration::from_secs(1));
        assert_eq!(upstream.in_flight(), 1, "the question stays open for the next who asks");
    });
}

#[test]
fn a_failing_server_is_left_alone_for_a_moment() {
    let server = TestServer::start(&["mail.example.org 60 A 192.0.2.1"]);
    server.set(Behaviour::Fail);
    with(&server, async |upstream, clock| {
        assert_eq!(upstream.ask(&a("mail.example.org"), SOON).await, Answer::Failed(Failure::Server));
        let asked = server.asked();
        assert_eq!(upstream.ask(&a("mail.example.org"), SOON).await, Answer::Failed(Failure::Server));
        assert_eq!(server.asked(), asked);
        server.set(Behaviour::Answer);
        clock.advance(crate::limits::DNS_FAILURE_TTL);
        assert_eq!(upstream.ask(&a("mail.example.org"), SOON).await, addresses(&["192.0.2.1"]));
    });
}

/// Both were "not listed": a name server that does not recurse let all of a list's clients pass.
#[test]
fn what_leads_elsewhere_is_not_nothing() {
    let mut lines: Vec<String> =
        (0..12).map(|n| format!("a{n}.example.org 60 CNAME a{}.example.org", n + 1)).collect();
    lines.push(String::from("a12.example.org 60 A 192.0.2.1"));
    lines.push(String::from("b.example.org 60 CNAME gone.example.org"));
    let server = TestServer::start(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    with(&server, async |upstream, _| {
        assert_eq!(upstream.ask(&a("a9.example.org"), SOON).await, addresses(&["192.0.2.1"]));
        assert_eq!(upstream.ask(&a("a0.example.org"), SOON).await, Answer::Failed(Failure::Server));
        assert_eq!(upstream.ask(&a("b.example.org"), SOON).await, Answer::None);
        let no_data = Question::new(Kind::Mx, "a12.example.org").unwrap();
        assert_eq!(upstream.ask(&no_data, SOON).await, Answer::None);
        let here = Question::new(Kind::Mx, "localhost").unwrap();
        assert_eq!(upstream.ask(&here, SOON).await, Answer::None);
        server.set(Behaviour::Refer);
        assert_eq!(upstream.ask(&a("c.example.org"), SOON).await, Answer::Failed(Failure::Server));
    });
}

/// It ended the receive and failed all questions of the socket, and whoever knows the port can send it.
#[test]
fn an_empty_packet_is_none() {
    let server = TestServer::start(&["mail.example.org 60 A 192.0.2.1"]);
    server.set(Behaviour::AfterNothing);
    with(&server, async |upstream, _| {
        assert_eq!(upstream.ask(&a("mail.example.org"), SOON).await, addresses(&["192.0.2.1"]));
        assert_eq!(server.asked(), 1);
    });
}

#[test]
fn upstreams_are_shared_by_address_and_do_not_mix() {
    let (one, two) = (
        TestServer::start(&["x.example.org 60 A 192.0.2.1"]),
        TestServer::start(&["x.example.org 60 A 192.0.2.2"]),
    );
    ring::run(async {
        let dns = Dns::new(Clock::frozen(0), Some(one.address));
        let other = dns.upstream(Some(two.address)).unwrap();
        let default = dns.upstream(None).unwrap();
        assert_eq!(default.ask(&a("x.example.org"), SOON).await, addresses(&["192.0.2.1"]));
        assert_eq!(other.ask(&a("x.example.org"), SOON).await, addresses(&["192.0.2.2"]));
        let again = dns.upstream(Some(one.address)).unwrap();
        assert_eq!(again.try_cached(&a("x.example.org")), Some(addresses(&["192.0.2.1"])));
        assert_eq!(again.address(), Some(one.address));
    })
    .unwrap();
}

#[test]
fn a_reverse_name_must_lead_back() {
    let server = TestServer::start(&[
        "7.2.0.192.in-addr.arpa 60 PTR liar.example.org",
        "7.2.0.192.in-addr.arpa 60 PTR Host.Example.ORG",
        "liar.example.org 60 A 192.0.2.99",
        "host.example.org 60 A 192.0.2.7",
        "8.2.0.192.in-addr.arpa 60 PTR liar.example.org",
        "9.2.0.192.in-addr.arpa 60 PTR gone.example.org",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa 60 PTR six.example.org",
        "six.example.org 60 AAAA 2001:db8::1",
    ]);
    with(&server, async |upstream, _| {
        for (address, expected) in [
            ("192.0.2.7", Reverse::Name("host.example.org".into())),
            ("192.0.2.8", Reverse::Unconfirmed),
            ("192.0.2.9", Reverse::Unconfirmed),
            ("192.0.2.10", Reverse::Missing),
            ("2001:db8::1", Reverse::Name("six.example.org".into())),
            ("::ffff:192.0.2.7", Reverse::Name("host.example.org".into())),
        ] {
            let address = address.parse().unwrap();
            let got = upstream.settle(SOON, |known| reverse(address, known)).await;
            assert_eq!(got, expected, "{address}");
            assert_eq!(upstream.try_settled(|known| reverse(address, known)), Some(expected));
        }
    });
}

/// The sixth name, or exchanger, was never looked at, and the answer was a definite no.
#[test]
fn names_that_are_not_tried_say_nothing() {
    let mut lines = Vec::new();
    for n in 0..6 {
        lines.push(format!("7.2.0.192.in-addr.arpa 60 PTR h{n}.example.org"));
        lines.push(format!("example.org 60 MX 10 h{n}.example.org"));
        lines.push(format!("h{n}.example.org 60 A 10.0.0.{n}"));
    }
    let server = TestServer::start(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    with(&server, async |upstream, _| {
        let address = "192.0.2.7".parse().unwrap();
        assert_eq!(upstream.settle(SOON, |known| reverse(address, known)).await, Reverse::Unknown);
        assert_eq!(upstream.settle(SOON, |known| hosts("example.org", known)).await, Hosts::Unknown);
    });
}

#[test]
fn a_reverse_name_without_answer_is_unknown() {
    let server = TestServer::start(&["7.2.0.192.in-addr.arpa 60 PTR host.example.org"]);
    with(&server, async |upstream, _| {
        let address = "192.0.2.7".parse().unwrap();
        assert_eq!(upstream.try_settled(|known| reverse(address, known)), None);
        upstream.ask(&Question::new(Kind::Ptr, "7.2.0.192.in-addr.arpa").unwrap(), SOON).await;
        server.set(Behaviour::Silent);
        let short = Duration::from_millis(50);
        assert_eq!(upstream.settle(short, |known| reverse(address, known)).await, Reverse::Unknown);
    });
}

#[test]
fn whether_a_domain_takes_mail() {
    let server = TestServer::start(&[
        "mx.example.org 60 MX 10 mail.example.org",
        "null.example.org 60 MX 0 .",
        "a.example.org 60 A 192.0.2.1",
        "aaaa.example.org 60 AAAA 2001:db8::1",
    ]);
    with(&server, async |upstream, _| {
        for (domain, expected) in [
            ("mx.example.org", Mx::Present),
            ("null.example.org", Mx::Null),
            ("a.example.org", Mx::Present),
            ("aaaa.example.org", Mx::Present),
            ("gone.example.org", Mx::Missing),
            ("no name", Mx::Missing),
        ] {
            assert_eq!(upstream.settle(SOON, |known| mx(domain, known)).await, expected, "{domain}");
        }
        server.set(Behaviour::Fail);
        assert_eq!(upstream.settle(SOON, |known| mx("new.example.org", known)).await, Mx::Unknown);
    });
}

#[test]
fn where_a_name_and_the_exchangers_of_a_domain_are() {
    let server = TestServer::start(&[
        "four.example.org 60 A 192.0.2.1",
        "both.example.org 60 A 192.0.2.2",
        "both.example.org 60 AAAA 2001:db8::1",
        "inside.example.org 60 A 10.0.0.1",
        "mx.example.org 60 MX 20 four.example.org",
        "mx.example.org 60 MX 10 inside.example.org",
        "trap.example.org 60 MX 10 inside.example.org",
        "null.example.org 60 MX 0 .",
        "dead.example.org 60 MX 10 gone.example.org",
    ]);
    with(&server, async |upstream, _| {
        for (name, client, expected) in [
            ("four.example.org", "192.0.2.1", Points::Here),
            ("four.example.org", "::ffff:192.0.2.1", Points::Here),
            ("four.example.org", "2001:db8::1", Points::Elsewhere),
            ("both.example.org", "2001:db8::1", Points::Here),
            ("both.example.org", "192.0.2.1", Points::Elsewhere),
            ("gone.example.org", "192.0.2.1", Points::Nowhere),
            ("no name", "192.0.2.1", Points::Nowhere),
        ] {
            let client = client.parse().unwrap();
            let got = upstream.settle(SOON, |known| points(name, client, known)).await;
            assert_eq!(got, expected, "{name} {client}");
        }
        for (domain, expected) in [
            ("mx.example.org", Hosts::Public),
            ("trap.example.org", Hosts::Private),
            ("null.example.org", Hosts::Missing),
            ("dead.example.org", Hosts::Missing),
            ("four.example.org", Hosts::Public),
            ("inside.example.org", Hosts::Private),
            ("gone.example.org", Hosts::Missing),
        ] {
            assert_eq!(upstream.settle(SOON, |known| hosts(domain, known)).await, expected, "{domain}");
        }
        server.set(Behaviour::Fail);
        let client = "192.0.2.1".parse().unwrap();
        let got = upstream.settle(SOON, |known| points("new.example.org", client, known)).await;
        assert_eq!(got, Points::Unknown);
        assert_eq!(upstream.settle(SOON, |known| hosts("new.example.org", known)).await, Hosts::Unknown);
    });
}

#[test]
fn few_large_answers_are_kept() {
    let server = TestServer::start(&[]);
    with(&server, async |upstream, _| {
        let text = |bytes| Answer::Found(Rc::new(Records::Texts(vec![vec![b'x'; bytes].into()])));
        let question = |n| Question::new(Kind::Txt, &format!("{n}.example.org")).unwrap();
        upstream.0.keep(question(0), text(100), SOON);
        for n in 1..=DNS_LARGE_ENTRIES_MAX + 1 {
            upstream.0.keep(question(n), text(5000), SOON);
        }
        let known: Vec<_> = (0..=DNS_LARGE_ENTRIES_MAX + 1)
            .filter(|&n| upstream.try_cached(&question(n)).is_some())
            .collect();
        assert_eq!((known[0], known.len() <= 1 + DNS_LARGE_ENTRIES_MAX), (0, true));
        assert_eq!(known.last(), Some(&(DNS_LARGE_ENTRIES_MAX + 1)));
    });
}

#[test]
fn too_many_open_questions_are_refused() {
    let server = TestServer::start(&[]);
    server.set(Behaviour::Silent);
    with(&server, async |upstream, _| {
        for n in 0..DNS_OPEN_MAX {
            assert!(upstream.waiting(&a(&format!("{n}.example.org"))).is_some());
        }
        let begun = Instant::now();
        assert_eq!(upstream.ask(&a("more.example.org"), SOON).await, Answer::Failed(Failure::Overload));
        assert!(begun.elapsed() < Duration::from_secs(1));
    });
}
