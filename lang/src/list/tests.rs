//! What each type of list takes and finds, and look-ups against plain loops.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::pattern::Builder;

fn list(of: Of, entries: &[&str]) -> List {
    List::from_entries(of, entries.iter().copied()).unwrap()
}

fn has(list: &List, text: &str) -> bool {
    list.contains(Value::Text(text.as_bytes()))
}

fn fault(of: Of, entry: &str) -> String {
    of.check_entry(entry).unwrap_err()
}

fn ip(text: &str) -> Value<'static> {
    Value::Ip(text.parse().unwrap())
}

#[test]
fn nets() {
    let nets = list(
        Of::Net,
        &["192.0.2.0/25", "192.0.2.128/25", "198.51.100.7", "2001:db8::/32", "::ffff:203.0.113.0/120"],
    );
    assert_eq!(nets.len(), 4, "adjoining networks are one range");
    for inside in
        ["192.0.2.0", "192.0.2.255", "198.51.100.7", "2001:db8:ffff::1", "203.0.113.9", "::ffff:192.0.2.1"]
    {
        assert!(nets.contains(ip(inside)), "{inside}");
    }
    for outside in ["192.0.1.255", "192.0.3.0", "198.51.100.6", "198.51.100.8", "2001:db9::", "::1"] {
        assert!(!nets.contains(ip(outside)), "{outside}");
    }
    assert!(nets.contains(Value::Net("192.0.2.0".parse().unwrap(), 24)));
    assert!(!nets.contains(Value::Net("192.0.2.0".parse().unwrap(), 23)));
    assert!(nets.contains(Value::Ips(&["198.51.100.8".parse().unwrap(), "198.51.100.7".parse().unwrap()])));
    assert!(!has(&nets, "192.0.2.1"), "a text is no address");
    let all = list(Of::Net, &["0.0.0.0/0", "::/0"]);
    assert!(all.contains(ip("255.255.255.255")) && all.contains(ip("ffff::")));
}

/// The same domain in both forms was two.
#[test]
fn domains_of_other_scripts_have_one_form() {
    let forms = ["b\u{fc}cher.example", "B\u{dc}CHER.example", "xn--bcher-kva.example"];
    for entry in &forms {
        let domains = list(Of::Domain, &[entry]);
        let below = list(Of::Domain, &[&format!(".{entry}")]);
        let addresses = list(Of::Address, &[&format!("j\u{f6}rg@{entry}")]);
        for asked in &forms {
            assert!(has(&domains, asked), "{entry} {asked}");
            assert!(has(&below, asked) && has(&below, &format!("mx.{asked}")), "{entry} {asked}");
            assert!(has(&addresses, &format!("j\u{f6}rg@{asked}")), "{entry} {asked}");
        }
        assert!(!has(&domains, "b\u{f6}cher.example") && !has(&addresses, &format!("jorg@{entry}")));
    }
}

#[test]
fn domains() {
    let domains = list(Of::Domain, &["example.org", ".example.net", "Example.COM."]);
    for inside in ["example.org", "EXAMPLE.org.", "example.net", "a.b.example.net", "example.com"] {
        assert!(has(&domains, inside), "{inside}");
    }
    for outside in ["a.example.org", "badexample.net", "net", "", ".", "example"] {
        assert!(!has(&domains, outside), "{outside}");
    }
    assert!(!has(&domains, &format!("{}.example.net", "a.".repeat(1 << 20))), "longer than a domain can be");
}

#[test]
fn addresses() {
    let addresses =
        list(Of::Address, &["Info@example.org", "@example.net", "@.example.com", "postmaster", "<>"]);
    for inside in
        ["info@EXAMPLE.org", "any@example.net", "\"a@b\"@example.net", "x@a.example.com", "Postmaster", ""]
    {
        assert!(has(&addresses, inside), "{inside}");
    }
    for outside in ["inf@example.org", "any@a.example.net", "example.net", "postmaster@example.org", "@"] {
        assert!(!has(&addresses, outside), "{outside}");
    }
}

#[test]
fn texts_patterns_and_phrases() {
    let texts = list(Of::Text, &["postmaster", "two words"]);
    assert!(has(&texts, "PostMaster") && has(&texts, "Two words") && !has(&texts, "two") && !has(&texts, ""));
    let commands = list(Of::Pattern, &["*-accept-*@*", "dev-?ubscribe@*.example.org"]);
    assert!(
        has(&commands, "dev-ACCEPT-123.abc@example.org")
            && has(&commands, "dev-\u{fc}ubscribe@l.example.org")
    );
    assert!(!has(&commands, "dev-accept@example.org") && !has(&commands, "dev-subscribe@example.org.evil"));
    let phrases = list(Of::Phrase, &["first page", "cheap SEO"]);
    assert!(has(&phrases, "on the First\n page of") && !has(&phrases, "first pages"));
    let List::Phrase(phrases) = phrases else { unreachable!() };
    let mut builder = Builder::new();
    builder.add_phrase(b"other").unwrap();
    let (first, end) = phrases.add_to(&mut builder).unwrap();
    let set = builder.build();
    let mut scratch = set.scratch();
    set.scan(b"other", &mut scratch);
    assert!(!scratch.hit_any(first, end));
    set.scan(b"cheap seo!", &mut scratch);
    assert!(scratch.hit_any(first, end));
}

#[test]
fn entries_that_are_none() {
    assert_eq!(fault(Of::Net, "example.org"), "`example.org` is no address or network");
    assert_eq!(fault(Of::Net, "192.0.2.0/33"), "`192.0.2.0/33`: the prefix length is at most 32, not `33`");
    let bits = "`192.0.2.7/24` has bits set behind its prefix; the network is 192.0.2.0/24";
    assert_eq!(fault(Of::Net, "192.0.2.7/24"), bits);
    assert_eq!(
        fault(Of::Domain, "*.example.org"),
        "`*.example.org` is no domain: write `.example.org` for it and all below"
    );
    assert_eq!(fault(Of::Domain, "a@example.org"), "`a@example.org` is no domain: it has a `@`");
    assert_eq!(fault(Of::Domain, "a..b"), "`a..b` is no domain: a label is empty");
    let bare = "`example.org` is no address: it has no `@`; a whole domain is written `@example.org`";
    assert_eq!(fault(Of::Address, "example.org"), bare);
    assert_eq!(
        fault(Of::Address, "a b@example.org"),
        "`a b@example.org` is no address: `a b` is no local part"
    );
    assert_eq!(fault(Of::Pattern, "a b*"), "`a b*` is no pattern of an address: it has white space");
    assert_eq!(fault(Of::Phrase, "  "), "the phrase has no word");
    assert_eq!(fault(Of::Text, &"x".repeat(5000)), "the entry has 5000 bytes, at most 4096");
}

#[test]
fn files() {
    let text = "\u{feff}# deny\n\n192.0.2.7   # since May\r\n  198.51.100.0/24\nbad\n1.2.3\n";
    let faults = List::from_file(Of::Net, text).unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(faults[0].to_string(), "line 5: `bad` is no address or network");
    let nets = List::from_file(Of::Net, &text.replace("bad\n1.2.3\n", "")).unwrap();
    assert!(nets.contains(ip("192.0.2.7")) && nets.contains(ip("198.51.100.255")));
    assert_eq!(List::from_file(Of::Net, &"bad\n".repeat(100)).unwrap_err().len(), FAULTS_MAX);
    assert!(has(&List::from_file(Of::Text, "C#\n").unwrap(), "c#"));
}

#[test]
fn types_by_name() {
    for name in ["net", "domain", "address", "text", "pattern", "phrase"] {
        assert_eq!(Of::named(name).map(Of::name), Some(name));
    }
    assert_eq!(Of::named("regex"), None);
}

#[test]
fn maps() {
    let map = Map::from_file(
        Of::Address,
        "Info@example.org\tlocal one\n@example.net  other # x\n@.example.com c\n",
    )
    .unwrap();
    assert_eq!(map.value(Value::Text(b"info@Example.org")), Some(&b"local one"[..]));
    assert_eq!(map.value(Value::Text(b"any@example.net")), Some(&b"other"[..]));
    assert_eq!(map.value(Value::Text(b"any@a.b.example.com")), Some(&b"c"[..]));
    assert_eq!(map.value(Value::Text(b"any@a.example.net")), None);
    let pairs = [(".example.org", "below"), ("a.example.org", "exact"), (".b.example.org", "nearer")];
    let map = Map::from_entries(Of::Domain, pairs).unwrap();
    let value = |domain: &str| map.value(Value::Text(domain.as_bytes())).map(<[u8]>::to_vec);
    assert_eq!(value("A.example.org."), Some(b"exact".to_vec()));
    assert_eq!(value("x.a.example.org"), Some(b"below".to_vec()));
    assert_eq!(value("example.org"), Some(b"below".to_vec()));
    assert_eq!(value("x.b.example.org"), Some(b"nearer".to_vec()));
    assert_eq!(value("example.com"), None);
    let pairs =
        [("192.0.2.0/24", "net"), ("192.0.2.7", "host"), ("2001:db8::/32", "six"), ("0.0.0.0/0", "rest")];
    let map = Map::from_entries(Of::Net, pairs).unwrap();
    let expected =
        [("192.0.2.7", "host"), ("192.0.2.8", "net"), ("2001:db8::1", "six"), ("::ffff:203.0.113.1", "rest")];
    for (address, value) in expected {
        assert_eq!(map.value(ip(address)), Some(value.as_bytes()), "{address}");
    }
    assert!(!map.contains(ip("2001:db9::1")));
}

#[test]
fn maps_that_are_none() {
    let message = |key, text| Map::from_file(key, text).unwrap_err()[0].to_string();
    assert_eq!(
        message(Of::Text, "a 1\nb\n"),
        "line 2: `b` has no value: a line is a key, white space and a value"
    );
    assert_eq!(message(Of::Text, "a 1\nA 2\n"), "line 2: `A` is there twice");
    assert_eq!(
        message(Of::Net, "192.0.2.0/24 1\n::ffff:192.0.2.0/120 2\n"),
        "line 2: `::ffff:192.0.2.0/120` is there twice"
    );
    assert!(Map::from_file(Of::Phrase, "").is_err());
}

fn glob_by_regex(glob: &str, text: &str) -> bool {
    let chars = glob.chars().map(|char| match char {
        '*' => String::from(".*"),
        '?' => String::from("."),
        other => regex_syntax::escape(&other.to_string()),
    });
    let pattern = format!("(?s-u:^{}$)", chars.collect::<String>());
    regex_automata::meta::Regex::builder()
        .syntax(regex_automata::util::syntax::Config::new().utf8(false).case_insensitive(true))
        .build(&pattern)
        .unwrap()
        .is_match(text)
}

fn net() -> impl Strategy<Value = (IpAddr, u8)> {
    // Few bits, so that networks overlap and look-ups hit.
    let v4 = (0_u32..64, 26_u8..=32)
        .prop_map(|(host, prefix)| (IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 + host)), prefix));
    let v6 = (0_u128..64, 122_u8..=128)
        .prop_map(|(host, prefix)| (IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + host)), prefix));
    prop_oneof![v4, v6].prop_map(|(ip, prefix)| (net::network(ip, prefix), prefix))
}

proptest! {
    #[test]
    fn nets_as_a_loop_finds_them(nets in prop::collection::vec(net(), 0..12), probes in prop::collection::vec(net(), 1..20)) {
        let set = NetSet::new(nets.iter().copied());
        let pairs: Vec<_> = nets.iter().map(|(ip, prefix)| (format!("{ip}/{prefix}"), prefix.to_string())).collect();
        let unique: std::collections::BTreeMap<_, _> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let map = Map::from_entries(Of::Net, unique).unwrap();
        for (ip, _) in probes {
            let around = |(net, prefix): &&(IpAddr, u8)| net.is_ipv4() == ip.is_ipv4() && net::network(ip, *prefix) == *net;
            let longest = nets.iter().filter(around).map(|(_, prefix)| *prefix).max();
            prop_assert_eq!(set.contains(ip), longest.is_some());
            let value = map.value(Value::Ip(ip)).map(|value| String::from_utf8_lossy(value).into_owned());
            prop_assert_eq!(value, longest.map(|prefix| prefix.to_string()));
        }
    }

    #[test]
    fn domains_as_a_loop_finds_them(entries in prop::collection::vec("\\.?[ab]{1,2}(\\.[abAB]){0,3}", 0..8), probe in "[abAB]{1,2}(\\.[ab]){0,4}") {
        let set = list(Of::Domain, &entries.iter().map(String::as_str).collect::<Vec<_>>());
        let dotted = format!(".{}", probe.to_lowercase());
        let expected = entries.iter().map(|entry| entry.to_lowercase()).any(|entry| {
            if entry.starts_with('.') { dotted.ends_with(&entry) } else { dotted[1..] == entry }
        });
        prop_assert_eq!(has(&set, &probe), expected);
    }

    #[test]
    fn texts_as_a_loop_finds_them(entries in prop::collection::vec("[a-dA-D]{1,3}", 0..60), probe in "[a-dA-D]{1,3}") {
        let set = list(Of::Text, &entries.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(has(&set, &probe), entries.iter().any(|entry| entry.eq_ignore_ascii_case(&probe)));
    }

    #[test]
    fn globs_as_an_expression_finds_them(glob in "[ab*?.]{1,8}", text in "[abAB.]{0,12}") {
        prop_assert_eq!(glob::fits(glob.as_bytes(), text.as_bytes()), glob_by_regex(&glob, &text));
    }

    #[test]
    fn any_entry_is_taken_or_refused(entry in "\\PC{0,30}", text in any::<Vec<u8>>()) {
        for of in [Of::Net, Of::Domain, Of::Address, Of::Text, Of::Pattern, Of::Phrase] {
            if let Ok(list) = List::from_entries(of, [entry.as_str()]) {
                list.contains(Value::Text(&text));
                prop_assert!(of != Of::Text || has(&list, &entry));
            }
        }
    }
}
