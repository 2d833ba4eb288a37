//! Zone files with all that they can hold; that rbldnsd says the same of them is in `tests/tests/zone_files.rs`.

use super::*;

fn read(format: Format, text: &str) -> Result<Zone, String> {
    Zone::read(format, text.as_bytes()).map_err(|fault| fault.to_string())
}

fn shown(found: Option<Found<'_>>, asked: &str) -> String {
    let Some(found) = found else { return String::from("-") };
    let addresses: Vec<String> = found.addresses().map(|address| address.to_string()).collect();
    let text = found.text(asked).map(|text| format!(" {}", String::from_utf8_lossy(&text)));
    addresses.join(" ") + &text.unwrap_or_default()
}

#[track_caller]
fn check(format: Format, text: &str, expected: &[(&str, &str)]) {
    let zone = read(format, text).unwrap();
    for (asked, answer) in expected {
        let found = match asked.parse() {
            Ok(address) => zone.of_address(address),
            Err(_) => zone.of_domain(asked),
        };
        assert_eq!(shown(found, asked), *answer, "{asked}");
    }
}

#[test]
fn ip4set_takes_every_form_of_an_address() {
    for form in
        ["127.1.0.0/24", "127.1.0", "127.1.0.0-127.1.0.255", "127.1.0.0-255", "127.1.0-127.1.0", "127.1.0/24"]
    {
        check(
            Format::Ip4Set,
            form,
            &[
                ("127.0.255.255", "-"),
                ("127.1.0.0", "127.0.0.2"),
                ("127.1.0.255", "127.0.0.2"),
                ("127.1.1.0", "-"),
            ],
        );
    }
    for form in
        ["127.16.0.0-127.31.255.255", "127.16.0-127.31.255", "127.16-127.31", "127.16-31", "127.16/12"]
    {
        check(
            Format::Ip4Set,
            form,
            &[
                ("127.15.255.255", "-"),
                ("127.16.0.0", "127.0.0.2"),
                ("127.31.255.255", "127.0.0.2"),
                ("127.32.0.0", "-"),
            ],
        );
    }
    check(
        Format::Ip4Set,
        "0.0.0.0-255.255.255.255",
        &[("0.0.0.0", "127.0.0.2"), ("255.255.255.255", "127.0.0.2")],
    );
    check(
        Format::Ip4Set,
        "255.255.255.254/31",
        &[("255.255.255.253", "-"), ("255.255.255.255", "127.0.0.2")],
    );
}

#[test]
fn values_come_from_the_line_or_from_the_lines_before() {
    let text = "# a comment\n\n$SOA 300 a b 1 2 3 4 5\n192.0.2.1\n:127.0.0.4:Address $ is listed\n192.0.2.2\n192.0.2.3 :5\n\
        192.0.2.4 :6:\n192.0.2.5 an open relay\n192.0.2.6 :7: see $1?$ for $$1 \n$1 https://example.org/\n\
        192.0.2.7 ; no text\n\t192.0.2.8\t# neither\n:8\n192.0.2.9\r\n192.0.2.10 ::own";
    check(
        Format::Ip4Set,
        text,
        &[
            ("192.0.2.1", "127.0.0.2"),
            ("192.0.2.2", "127.0.0.4 Address 192.0.2.2 is listed"),
            ("192.0.2.3", "127.0.0.5 Address 192.0.2.3 is listed"),
            ("192.0.2.4", "127.0.0.6"),
            ("192.0.2.5", "127.0.0.4 an open relay"),
            ("192.0.2.6", "127.0.0.7 see https://example.org/?192.0.2.6 for $1"),
            ("192.0.2.7", "127.0.0.4 Address 192.0.2.7 is listed"),
            ("192.0.2.8", "127.0.0.4 Address 192.0.2.8 is listed"),
            ("192.0.2.9", "127.0.0.8"),
            ("192.0.2.10", "127.0.0.8 own"),
            ("::ffff:192.0.2.1", "127.0.0.2"),
            ("2001:db8::1", "-"),
            ("example.org", "-"),
        ],
    );
    check(
        Format::Ip4Set,
        "$= see $= about $\n192.0.2.1 r1\n192.0.2.2 =only $",
        &[("192.0.2.1", "127.0.0.2 see r1 about 192.0.2.1"), ("192.0.2.2", "127.0.0.2 only 192.0.2.2")],
    );
}

#[test]
fn in_an_ip4set_the_narrowest_kind_of_entries_counts() {
    let text = "10/8 :2\n10.1/16 :3\n10.1.0.0/15 :4\n10.1.2/24 :5\n10.1.2.3 :6\n10.1.2.3 :7\n10.1.2.3 :6\n!10.2\n!10.3.0.0/25\n\
        10.3.0.1 :8\n!10.3.1.1\n10.3.1.0/30 :9\n10.0.0.0-10.0.0.1 :10";
    check(
        Format::Ip4Set,
        &text.replace("10.1.0.0/15", "10.0.0.0/15"),
        &[
            ("10.9.9.9", "127.0.0.2"),
            ("10.1.9.9", "127.0.0.3 127.0.0.4"),
            ("10.1.2.9", "127.0.0.5"),
            ("10.1.2.3", "127.0.0.6 127.0.0.7"),
            ("10.2.2.2", "-"),
            ("10.3.0.1", "-"),
            ("10.3.1.1", "-"),
            ("10.3.1.2", "127.0.0.9"),
            ("10.0.0.1", "127.0.0.10"),
            ("10.0.0.2", "127.0.0.4"),
        ]
        .map(|(asked, answer)| (asked, answer)),
    );
}

#[test]
fn in_tries_the_longest_prefix_counts() {
    let text = "10.0.0.0/8 :2\n10.1.0.0/16 :3\n!10.1.2.0/23\n10.1.3.3 :4\n10.1.3.0/25 :5\n0.0.0.0/1 :9";
    check(
        Format::Ip4Trie,
        text,
        &[
            ("10.9.9.9", "127.0.0.2"),
            ("10.1.9.9", "127.0.0.3"),
            ("10.1.2.1", "-"),
            ("10.1.3.3", "127.0.0.4"),
            ("10.1.3.4", "127.0.0.5"),
            ("10.1.3.200", "-"),
            ("11.0.0.0", "127.0.0.9"),
            ("128.0.0.0", "-"),
        ],
    );
    let text = ":127.0.1.2: listed $\n2001:db8/32\n2001:db8:1:2 :3:sixty-four\n!2001:db8:1:2::bead\n::1 # localhost\n2001:db8:f000/36 :4:";
    check(
        Format::Ip6Trie,
        text,
        &[
            ("2001:db8::5", "127.0.1.2 listed 2001:db8::5"),
            ("2001:db8:1:2::5", "127.0.0.3 sixty-four"),
            ("2001:db8:1:2::bead", "-"),
            ("2001:db8:ffff::1", "127.0.0.4"),
            ("2001:db9::1", "-"),
            ("::1", "127.0.1.2 listed ::1"),
            ("192.0.2.1", "-"),
        ],
    );
}

#[test]
fn a_dnset_has_wildcards_and_exclusions() {
    let text = "example.com :2:$ it\n*.example.net :3:below $\n.Example.ORG. :4\n!good.example.org\nbad.good.example.org :5\n\
        deep.a.example.net :6\n!*.b.example.net\nexample.com :7:again\n7.2.0.192 :8";
    check(
        Format::DnSet,
        text,
        &[
            ("example.com", "127.0.0.2 127.0.0.7 example.com it"),
            ("EXAMPLE.com.", "127.0.0.2 127.0.0.7 EXAMPLE.com. it"),
            ("www.example.com", "-"),
            ("example.net", "-"),
            ("www.example.net", "127.0.0.3 below example.net"),
            ("a.example.net", "127.0.0.3 below example.net"),
            ("deep.a.example.net", "127.0.0.6"),
            ("x.b.example.net", "-"),
            ("b.example.net", "127.0.0.3 below example.net"),
            ("example.org", "127.0.0.4"),
            ("x.y.example.org", "127.0.0.4"),
            ("good.example.org", "-"),
            ("x.good.example.org", "127.0.0.4"),
            ("bad.good.example.org", "127.0.0.5"),
            ("org", "-"),
            ("", "-"),
            ("192.0.2.7", "127.0.0.8"),
        ],
    );
}

#[test]
fn a_wrong_line_is_told_by_its_number() {
    for (format, text, expected) in [
        (
            Format::Ip4Set,
            "192.0.2.1\n192.0.2.300",
            "line 2: `192.0.2.300` is no address, network such as 192.0.2.0/24 or range such as 192.0.2.1-192.0.2.9",
        ),
        (Format::Ip4Set, "192.0.2.1/24", "line 1: `192.0.2.1/24` is no address"),
        (Format::Ip4Set, "192.0.2.9-192.0.2.1", "line 1: `192.0.2.9-192.0.2.1` is no"),
        (Format::Ip4Trie, "192.0.2.1-192.0.2.9", "line 1: `192.0.2.1-192.0.2.9` is no address or network"),
        (Format::Ip6Trie, "2001:db8::1/32", "line 1: `2001:db8::1/32` is no network of IPv6"),
        (Format::DnSet, "a..b", "line 1: `a..b` is no domain"),
        (Format::DnSet, "\n\n*", "line 3: `*` is no domain"),
        (Format::Ip4Set, "192.0.2.1 :x:", "line 1: `x` is no address to answer with"),
        (
            Format::Ip4Set,
            "192.0.2.1 :2 text",
            "line 1: `text` behind an address: a text has a colon in front",
        ),
        (Format::Ip4Set, "$DATASET ip4set @", "line 1: `$DATASET` is of a combined file"),
        (Format::Ip4Set, "$MAXRANGE4 /33", "line 1: `/33` is no size of a range"),
        (Format::Ip4Set, "$FOO", "line 1: no directive `$FOO`"),
    ] {
        let fault = read(format, text).unwrap_err();
        assert!(fault.starts_with(expected), "{fault}");
    }
    let long = "x".repeat(ZONE_LINE_BYTES_MAX + 1);
    assert!(read(Format::DnSet, &long).unwrap_err().contains("longer than"));
}

#[test]
fn too_large_ranges_do_not_count() {
    let text = "$MAXRANGE4 /24\n192.0.2.0/24\n198.51.0.0/16\n";
    check(Format::Ip4Set, text, &[("192.0.2.1", "127.0.0.2"), ("198.51.0.1", "-")]);
}

/// What the opening of this module says.
#[test]
fn memory_is_as_it_is_stated() {
    use std::fmt::Write;
    const COUNT: usize = 200_000;
    let mut text = String::new();
    for number in 0..COUNT {
        let [_, a, b, c] = u32::try_from(number * 64).unwrap().to_be_bytes();
        writeln!(text, "10.{a}.{b}.{c}").unwrap();
    }
    let zone = read(Format::Ip4Set, &text).unwrap();
    assert_eq!(zone.entries(), COUNT);
    assert!(zone.memory_bytes() < 4 * COUNT + (257 << 10), "{}", zone.memory_bytes());
    let mut names = String::new();
    (0..COUNT).for_each(|number| writeln!(names, "name-{number:06}.example.com").unwrap());
    let zone = read(Format::DnSet, &names).unwrap();
    let most = names.len() - COUNT + 8 * COUNT + 1000;
    assert!(zone.memory_bytes() <= most, "{} > {most}", zone.memory_bytes());
    let mut networks = String::new();
    (0..COUNT)
        .for_each(|number| writeln!(networks, "2001:db8:{:x}:{:x}", number >> 16, number & 0xffff).unwrap());
    let zone = read(Format::Ip6Trie, &networks).unwrap();
    assert!(zone.memory_bytes() < 8 * COUNT + 1000, "{}", zone.memory_bytes());
}
