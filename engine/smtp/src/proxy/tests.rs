//! A table of good and bad headers, each cut at every byte, and print then parse.

use proptest::prelude::*;

use super::*;

/// How long a header is, and the ends that it names.
type Expected = Result<(usize, Option<(&'static str, &'static str)>), ProxyFault>;

/// What is found at each cut of the bytes, the whole last: more to come, then the header or the fault.
fn check(bytes: &[u8], version: Version, expected: Expected) {
    let shown = String::from_utf8_lossy(bytes).into_owned();
    let expected = expected.map(|(bytes, ends)| {
        let ends = ends.map(|(source, destination)| Ends {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        });
        Some(Header { bytes, ends })
    });
    let mut settled = false;
    for cut in 0..=bytes.len() {
        let found = parse(&bytes[..cut], version);
        if found == Ok(None) {
            assert!(!settled, "{shown:?} cut at {cut}: settled before");
            continue;
        }
        settled = true;
        assert_eq!(found, expected, "{shown:?} cut at {cut}");
    }
    assert!(settled, "{shown:?}: never settled");
}

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

const V4: [u8; 12] = [192, 0, 2, 7, 192, 0, 2, 25, 0x9c, 0x40, 0, 25];

#[test]
fn lines() {
    let good = |line: &str, ends| check(line.as_bytes(), Version::Either, Ok((line.len(), ends)));
    good("PROXY TCP4 192.0.2.7 192.0.2.25 40000 25\r\n", Some(("192.0.2.7:40000", "192.0.2.25:25")));
    good("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", Some(("255.255.255.255:65535", "0.0.0.0:0")));
    good("PROXY TCP6 2001:db8::7 2001:db8::25 1 25\r\n", Some(("[2001:db8::7]:1", "[2001:db8::25]:25")));
    // The same client, whichever way it is written: lists of IPv4 networks have to know it.
    good("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 25\r\n", Some(("192.0.2.7:1", "[::1]:25")));
    good("PROXY UNKNOWN\r\n", None);
    good("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None);
    // The longest line that there can be, and one more byte.
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
    assert_eq!(longest.len(), LINE_BYTES_MAX);
    good(&longest, None);
    let bad = |line: &str, fault| check(line.as_bytes(), Version::Either, Err(fault));
    bad(&format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)), ProxyFault::TooLong);
    for (line, fault) in [
        ("EHLO client.example\r\n", ProxyFault::Signature),
        ("proxy TCP4 192.0.2.7 192.0.2.25 1 25\r\n", ProxyFault::Signature),
        ("PROXY\tTCP4 192.0.2.7 192.0.2.25 1 25\r\n", ProxyFault::Signature),
        ("\r\nPROXY TCP4 192.0.2.7 192.0.2.25 1 25\r\n", ProxyFault::Signature),
        ("PROXY TCP5 192.0.2.7 192.0.2.25 1 25\r\n", ProxyFault::Family),
        ("PROXY \r\n", ProxyFault::Family),
        ("PROXY  TCP4 192.0.2.7 192.0.2.25 1 25\r\n", ProxyFault::Family),
        ("PROXY UDP4 192.0.2.7 192.0.2.25 1 25\r\n", ProxyFault::Family),
        ("PROXY unknown\r\n", ProxyFault::Family),
        ("PROXY TCP4 192.0.2.7 192.0.2.25 1 25\n", ProxyFault::Line),
        ("PROXY TCP4 192.0.2.7 192.0.2.25 1\r25\r\n", ProxyFault::Line),
        ("PROXY TCP4 192.0.2.7 192.0.2.25 1\r\n", ProxyFault::Line),
        ("PROXY TCP4 192.0.2.7\r\n", ProxyFault::Line),
        ("PROXY TCP4\r\n", ProxyFault::Line),
        ("PROXY TCP4 192.0.2.7 192.0.2.25 1 25 \r\n", ProxyFault::Line),
        ("PROXY TCP4 192.0.2.7 192.0.2.25 1 25 x\r\n", ProxyFault::Line),
        ("PROXY TCP4  192.0.2.7 192.0.2.25 1 25\r\n", ProxyFault::Address),
        ("PROXY TCP4 192.0.2.256 192.0.2.25 1 25\r\n", ProxyFault::Address),
        ("PROXY TCP4 192.0.2.07 192.0.2.25 1 25\r\n", ProxyFault::Address),
        ("PROXY TCP4 192.0.2 192.0.2.25 1 25\r\n", ProxyFault::Address),
        ("PROXY TCP4 2001:db8::7 2001:db8::25 1 25\r\n", ProxyFault::Address),
        ("PROXY TCP6 192.0.2.7 192.0.2.25 1 25\r\n", ProxyFault::Address),
        ("PROXY TCP6 2001:db8::7%eth0 2001:db8::25 1 25\r\n", ProxyFault::Address),
        ("PROXY TCP6 [2001:db8::7] 2001:db8::25 1 25\r\n", ProxyFault::Address),
        ("PROXY TCP4 192.0.2.7 192.0.2.25 65536 25\r\n", ProxyFault::Port),
        ("PROXY TCP4 192.0.2.7 192.0.2.25 -1 25\r\n", ProxyFault::Port),
        ("PROXY TCP4 192.0.2.7 192.0.2.25 +1 25\r\n", ProxyFault::Port),
        ("PROXY TCP4 192.0.2.7 192.0.2.25 01 25\r\n", ProxyFault::Port),
        ("PROXY TCP4 192.0.2.7 192.0.2.25  25\r\n", ProxyFault::Port),
    ] {
        bad(line, fault);
    }
}

#[test]
fn binary_headers() {
    let good = |bytes: &[u8], ends| check(bytes, Version::Either, Ok((bytes.len(), ends)));
    let ends = Some(("192.0.2.7:40000", "192.0.2.25:25"));
    good(&binary(0x21, 0x11, &V4), ends);
    good(&binary(0x21, 0x11, &[&V4[..], &[0x03, 0, 4, 1, 2, 3, 4, 0x04, 0, 0]].concat()), ends);
    let mut v6 = [0; TCP6_BYTES];
    v6[15] = 1;
    v6[31] = 2;
    v6[33] = 9;
    good(&binary(0x21, 0x21, &v6), Some(("[::1]:9", "[::2]:0")));
    good(&binary(0x20, 0x00, &[]), None);
    // What a check says of itself is not looked at, of whatever family.
    good(&binary(0x20, 0x11, &V4), None);
    good(&binary(0x20, 0x31, &[7; 216]), None);
    good(&binary(0x21, 0x00, &[9; 5]), None);
    good(&binary(0x20, 0x00, &[0; HEADER_BYTES_MAX - FIXED_BYTES]), None);
    for (bytes, fault) in [
        (binary(0x11, 0x11, &V4), ProxyFault::Version),
        (binary(0x22, 0x11, &V4), ProxyFault::Version),
        (binary(0x31, 0x11, &V4), ProxyFault::Version),
        (binary(0x21, 0x12, &V4), ProxyFault::Family),
        (binary(0x21, 0x31, &[7; 216]), ProxyFault::Family),
        (binary(0x21, 0x41, &V4), ProxyFault::Family),
        (binary(0x21, 0x01, &V4), ProxyFault::Family),
        (binary(0x21, 0x11, &V4[..11]), ProxyFault::Length),
        (binary(0x21, 0x21, &V4), ProxyFault::Length),
        (binary(0x21, 0x11, &[&V4[..], &[0x04]].concat()), ProxyFault::Length),
        (binary(0x21, 0x11, &[&V4[..], &[0x04, 0]].concat()), ProxyFault::Length),
        (binary(0x21, 0x11, &[&V4[..], &[0x04, 0, 2, 1]].concat()), ProxyFault::Length),
        (binary(0x20, 0x00, &[0; HEADER_BYTES_MAX - FIXED_BYTES + 1]), ProxyFault::TooLong),
        ([&SIGNATURE[..11], b"\r"].concat(), ProxyFault::Signature),
    ] {
        check(&bytes, Version::Either, Err(fault));
    }
}

#[test]
fn a_version_may_be_pinned() {
    let (text, binary) = (b"PROXY UNKNOWN\r\n", binary(0x20, 0, &[]));
    check(text, Version::V1, Ok((text.len(), None)));
    check(text, Version::V2, Err(ProxyFault::Signature));
    check(&binary, Version::V2, Ok((binary.len(), None)));
    check(&binary, Version::V1, Err(ProxyFault::Signature));
}

#[test]
fn what_follows_is_not_part_of_it() {
    for header in [b"PROXY TCP4 192.0.2.7 192.0.2.25 40000 25\r\n".to_vec(), binary(0x21, 0x11, &V4)] {
        let bytes = [&header[..], b"EHLO client.example\r\n"].concat();
        assert_eq!(parse(&bytes, Version::Either).unwrap().unwrap().bytes, header.len());
    }
}

fn socket() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(address, port)| end(address, port))
}

proptest! {
    #[test]
    fn what_is_printed_is_read(source in socket(), destination in socket(), known in any::<bool>()) {
        let ends = known.then_some(Ends { source, destination });
        for print in [print_v1, print_v2] {
            let mut bytes = Vec::new();
            print(ends, &mut bytes);
            let expected = Header { bytes: bytes.len(), ends };
            prop_assert_eq!(parse(&bytes, Version::Either), Ok(Some(expected)));
            prop_assert_eq!(parse(&bytes[..bytes.len() - 1], Version::Either), Ok(None));
        }
    }

    #[test]
    fn anything_is_settled_within_the_bound(bytes in proptest::collection::vec(any::<u8>(), 0..64), start in 0..3_usize) {
        let starts: [&[u8]; 3] = [b"", b"PROXY TCP4 ", &SIGNATURE];
        let bytes = [starts[start], &bytes, &[b'x'; HEADER_BYTES_MAX]].concat();
        prop_assert_ne!(parse(&bytes, Version::Either), Ok(None));
    }
}
