//! SPF: results, bounds and macros (RFC 7208).

use super::Zone;
use crate::auth::{Client, Spf, SpfResult, spf};
use crate::limits::{SPF_HOSTS_MAX, SPF_LOOKUPS_MAX};

fn client(ip: &str, sender: &str) -> Client {
    Client { ip: ip.parse().unwrap(), helo: "mail.example.net".into(), sender: sender.into() }
}

fn found(zone: &[&str], ip: &str, sender: &str) -> Spf {
    Zone::new(zone).settle(|known| spf(&client(ip, sender), known)).0
}

fn check(zone: &[&str], ip: &str, expected: SpfResult) {
    let got = found(zone, ip, "ann@example.org");
    assert_eq!(got.result, expected, "{zone:#?} {ip} {:?}", got.reason);
}

#[test]
fn mechanisms() {
    for (record, ip, expected) in [
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.7", SpfResult::Pass),
        ("v=spf1 ip4:192.0.2.0/24 -all", "198.51.100.7", SpfResult::Fail),
        ("v=spf1 ip4:192.0.2.0/24 ~all", "198.51.100.7", SpfResult::SoftFail),
        ("v=spf1 ip4:192.0.2.0/24 ?all", "198.51.100.7", SpfResult::Neutral),
        ("v=spf1 ip4:192.0.2.0/24", "198.51.100.7", SpfResult::Neutral),
        ("V=SPF1 IP6:2001:db8::/32 -ALL", "2001:db8::1", SpfResult::Pass),
        ("v=spf1 ip6:::ffff:192.0.2.7 -all", "192.0.2.7", SpfResult::Fail),
        ("v=spf1 ip4:192.0.2.7 -all", "::ffff:192.0.2.7", SpfResult::Pass),
        ("v=spf1 a -all", "192.0.2.10", SpfResult::Pass),
        ("v=spf1 a/24 -all", "192.0.2.99", SpfResult::Pass),
        ("v=spf1 a:host.example.org//64 -all", "2001:db8::99", SpfResult::Pass),
        ("v=spf1 mx -all", "192.0.2.20", SpfResult::Pass),
        ("v=spf1 mx -all", "192.0.2.21", SpfResult::Fail),
        ("v=spf1 ptr -all", "192.0.2.30", SpfResult::Pass),
        ("v=spf1 ptr:other.example -all", "192.0.2.30", SpfResult::Fail),
        ("v=spf1 exists:%{ir}.list.example.org -all", "192.0.2.40", SpfResult::Pass),
        // An address of IPv4 says that a name exists, to a client with IPv6 too.
        ("v=spf1 exists:yes.example.org -all", "2001:db8::40", SpfResult::Pass),
        ("v=spf1 exists:no.example.org -all", "192.0.2.40", SpfResult::Fail),
    ] {
        let record = format!("example.org TXT {record}");
        check(
            &[
                &record,
                "example.org TXT google-site-verification=x",
                "example.org A 192.0.2.10",
                "host.example.org AAAA 2001:db8::1",
                "example.org MX mx.example.org",
                "mx.example.org A 192.0.2.20",
                "30.2.0.192.in-addr.arpa PTR liar.example.org",
                "30.2.0.192.in-addr.arpa PTR host30.example.org",
                "host30.example.org A 192.0.2.30",
                "40.2.0.192.list.example.org A 127.0.0.2",
                "yes.example.org A 127.0.0.2",
            ],
            ip,
            expected,
        );
    }
}

#[test]
fn records_that_can_not_be_used() {
    for (lines, expected) in [
        (&[][..], SpfResult::None),
        (&["example.org TXT v=spf10 -all"], SpfResult::None),
        (&["example.org TXT v=spf1 -all", "example.org TXT v=spf1 ~all"], SpfResult::PermError),
        (&["example.org TXT v=spf1 ip4:999.0.2.1 -all"], SpfResult::PermError),
        (&["example.org TXT v=spf1 unknown -all"], SpfResult::PermError),
        (&["example.org TXT v=spf1 a:b\u{e4}r.example -all"], SpfResult::PermError),
        (&["example.org fails"], SpfResult::TempError),
        (&["example.org TXT v=spf1 a:x.example.org -all", "x.example.org fails"], SpfResult::TempError),
    ] {
        check(lines, "192.0.2.1", expected);
    }
}

#[test]
fn an_include_is_a_question_and_a_redirect_an_answer() {
    let zone = |record: &'static str| {
        [
            record,
            "pass.example TXT v=spf1 +all",
            "fail.example TXT v=spf1 -all",
            "soft.example TXT v=spf1 ~all",
            "inner.example TXT v=spf1 include:pass.example -all",
            "broken.example TXT v=spf1 nonsense",
        ]
    };
    for (record, expected) in [
        ("example.org TXT v=spf1 include:pass.example -all", SpfResult::Pass),
        ("example.org TXT v=spf1 ~include:pass.example -all", SpfResult::SoftFail),
        ("example.org TXT v=spf1 include:fail.example ?all", SpfResult::Neutral),
        ("example.org TXT v=spf1 include:soft.example -all", SpfResult::Fail),
        // What passes two levels down takes the outermost qualifier.
        ("example.org TXT v=spf1 -include:inner.example +all", SpfResult::Fail),
        ("example.org TXT v=spf1 include:none.example -all", SpfResult::PermError),
        ("example.org TXT v=spf1 include:broken.example -all", SpfResult::PermError),
        ("example.org TXT v=spf1 redirect=soft.example", SpfResult::SoftFail),
        ("example.org TXT v=spf1 redirect=none.example", SpfResult::PermError),
        ("example.org TXT v=spf1 redirect=soft.example -all", SpfResult::Fail),
    ] {
        check(&zone(record), "192.0.2.1", expected);
    }
}

#[test]
fn look_ups_are_counted() {
    let of = |count: usize| {
        let terms: Vec<_> = (0..count).map(|n| format!("a:h{n}.example.org")).collect();
        let mut lines = vec![format!("example.org TXT v=spf1 {} -all", terms.join(" "))];
        lines.extend((0..count).map(|n| format!("h{n}.example.org A 198.51.100.1")));
        lines
    };
    for (count, expected) in [(SPF_LOOKUPS_MAX, SpfResult::Fail), (SPF_LOOKUPS_MAX + 1, SpfResult::PermError)]
    {
        let lines = of(count);
        check(&lines.iter().map(String::as_str).collect::<Vec<_>>(), "192.0.2.1", expected);
    }
    // Circles end by the same count.
    check(&["example.org TXT v=spf1 include:example.org -all"], "192.0.2.1", SpfResult::PermError);
    check(&["example.org TXT v=spf1 redirect=example.org"], "192.0.2.1", SpfResult::PermError);
    // One that is met before the bound counts.
    check(
        &["example.org TXT v=spf1 a:h.example.org include:example.org", "h.example.org A 192.0.2.1"],
        "192.0.2.1",
        SpfResult::Pass,
    );
}

#[test]
fn look_ups_for_nothing_are_counted() {
    check(&["example.org TXT v=spf1 a:n1.example a:n2.example -all"], "192.0.2.1", SpfResult::Fail);
    check(
        &["example.org TXT v=spf1 a:n1.example mx:n2.example exists:n3.example -all"],
        "192.0.2.1",
        SpfResult::PermError,
    );
}

#[test]
fn hosts_of_one_term_are_counted() {
    let mut lines = vec![String::from("example.org TXT v=spf1 mx -all")];
    lines.extend((0..=SPF_HOSTS_MAX).map(|n| format!("example.org MX mx{n}.example.org")));
    check(&lines.iter().map(String::as_str).collect::<Vec<_>>(), "192.0.2.1", SpfResult::PermError);
    // Of the names of a client only the first are looked at, and that is no fault.
    let mut lines = vec![String::from("example.org TXT v=spf1 ptr -all")];
    lines.extend((0..50).map(|n| format!("1.2.0.192.in-addr.arpa PTR h{n}.example.org")));
    let zone = Zone::new(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let (got, asked) = zone.settle(|known| spf(&client("192.0.2.1", "ann@example.org"), known));
    assert_eq!((got.result, asked), (SpfResult::Fail, 2 + SPF_HOSTS_MAX));
}

#[test]
fn macros() {
    // The examples of RFC 7208, 7.4.
    for (name, expanded) in [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{h}", "mail.example.net"),
        ("%{p}", "host.example.com"),
    ] {
        let record = format!("email.example.com TXT v=spf1 exists:{name}.x.example -all");
        let exists = format!("{expanded}.x.example A 127.0.0.2");
        let got = found(
            &[
                &record,
                &exists,
                "3.2.0.192.in-addr.arpa PTR other.example.net",
                "3.2.0.192.in-addr.arpa PTR host.example.com",
                "other.example.net A 192.0.2.99",
                "host.example.com A 192.0.2.3",
            ],
            "192.0.2.3",
            "strong-bad@email.example.com",
        );
        // `@` is in no name that we ask for.
        let expected = if name == "%{s}" { SpfResult::Fail } else { SpfResult::Pass };
        assert_eq!(got.result, expected, "{name}");
    }
    check(
        &["example.org TXT v=spf1 exists:%{p}.x.example -all", "unknown.x.example A 127.0.0.2"],
        "192.0.2.3",
        SpfResult::Pass,
    );
}

#[test]
fn a_name_that_is_too_long_loses_labels_on_its_left() {
    let local = "l".repeat(60);
    let record = "example.org TXT v=spf1 exists:%{l}.%{l}.%{l}.%{l}.%{l}.x.example -all";
    let short = format!("{local}.{local}.{local}.{local}.x.example");
    let exists = format!("{short} A 127.0.0.2");
    let got = found(&[record, &exists], "192.0.2.1", &format!("{local}@example.org"));
    assert_eq!(got.result, SpfResult::Pass);
}

#[test]
fn without_a_sender_what_the_client_calls_itself_is_checked() {
    let zone = ["mail.example.net TXT v=spf1 ip4:192.0.2.1 -all", "x.mail.example.net A 127.0.0.2"];
    let got = found(&zone, "192.0.2.1", "");
    assert_eq!((got.result, got.is_helo, &*got.domain), (SpfResult::Pass, true, "mail.example.net"));
    for helo in ["localhost", "[192.0.2.1]", "", "a..b", &"x".repeat(300)] {
        let client = Client { helo: helo.into(), ..client("192.0.2.1", "") };
        let (got, asked) = Zone::new(&zone).settle(|known| spf(&client, known));
        assert_eq!((got.result, asked), (SpfResult::None, 0), "{helo}");
    }
}
