//! Views of messages as senders write them, and of messages that are made to break whoever takes them apart.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::limits::{MIME_PARTS_MAX, TEXT_BYTES_MAX, URLS_MAX};

fn strings(texts: &[Box<[u8]>]) -> Vec<String> {
    texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

fn of_content(content: impl AsRef<[u8]>) -> Message {
    Message::of_content(content.as_ref().to_vec())
}

fn of_wire(wire: impl AsRef<[u8]>) -> Message {
    let wire = Rc::new(wire.as_ref().to_vec());
    Message::of_wire(&wire, 0..wire.len())
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.text()).into_owned()
}

fn joined(pieces: impl Iterator<Item = String>) -> String {
    pieces.collect::<Vec<_>>().concat()
}

/// Asks for everything.
fn all_views(content: &[u8]) {
    let message = of_content(content);
    for name in ["Subject", "From", "To", "Reply-To", "Date", "Received"] {
        message.header(name);
        message.header_time(name);
        message.address_domain(name);
    }
    message.message_id();
    message.list_id();
    message.types();
    message.attachment_names();
    message.url_domains();
    assert!(message.hops() <= HEADER_FIELDS_MAX && message.body_bytes() <= content.len());
    assert!(message.text().len() <= TEXT_BYTES_MAX && message.urls().len() <= URLS_MAX);
    assert!(message.structure().parts.len() <= MIME_PARTS_MAX);
    for part in &message.structure().parts {
        assert!(part.body.start <= part.body.end, "{part:?}");
    }
}

const LIST_MAIL: &str = "Received: from a.example.org by b.example.org;\r\n\tMon, 1 Jan 2024 00:00:01 +0000\r\n\
     Received: from c.example.org by a.example.org; Mon, 1 Jan 2024 00:00:00 +0000\r\n\
     X-Spam-Status: No,\r\n score=1.0\r\nX-SPAM-Flag: NO\r\n\
     subject: =?utf-8?B?R3LDvMOfZQ==?= =?iso-8859-1?Q?_aus_K=F6ln?=\r\n and more\r\n\
     From: \"Doe, Jane\" <Jane@Example.org>, other@example.net\r\nReply-To: replies@lists.example.com.\r\n\
     Date: Mon, 1 Jan 2024 01:00:00 +0100\r\nMessage-ID: <1@example.org>\r\n\
     List-Id: The list <dev.example.org>\r\n\r\nBody.\r\nX-Spam-Body: no field\r\n";

#[test]
fn header_fields() {
    let message = of_content(LIST_MAIL.as_bytes());
    assert_eq!(message.header("Subject"), Some("Grüße aus Köln and more".as_bytes()));
    assert_eq!(message.header("x-spam-status"), Some(&b"No, score=1.0"[..]));
    assert_eq!(message.header("X-Spam-Body"), None);
    assert_eq!((message.hops(), message.header_count("From")), (2, 1));
    assert_eq!(strings(message.addresses("From")), ["Jane@Example.org", "other@example.net"]);
    assert_eq!(message.address_domain("From"), Some(&b"Example.org"[..]));
    assert_eq!(message.address_domain("Reply-To"), Some(&b"lists.example.com"[..]));
    assert_eq!(message.header_time("Date"), Some(1_704_067_200));
    assert_eq!(message.header_time("Subject"), None);
    assert_eq!(message.message_id(), Some(&b"1@example.org"[..]));
    assert_eq!(message.list_id(), Some(&b"dev.example.org"[..]));
    assert_eq!(message.body_bytes(), "Body.\r\nX-Spam-Body: no field\r\n".len());
    assert_eq!(message.headers("Received").count(), 2);
}

#[test]
fn odd_header_fields() {
    let message = of_content(
        b"no field\r\nSubject : spaced\r\n: nameless\r\nFrom:\r\nDate: never\r\nX:8bit \xfc\r\n\r\n",
    );
    assert_eq!(message.header("Subject"), Some(&b"spaced"[..]));
    assert_eq!(message.header("From"), Some(&b""[..]));
    assert_eq!((message.address("From"), message.header_time("Date")), (None, None));
    assert_eq!(message.header("X"), Some(&b"8bit \xfc"[..]));
    assert_eq!(of_content(b"Subject: no end").header("Subject"), Some(&b"no end"[..]));
    assert_eq!(of_content(b"\r\nSubject: body\r\n").header("Subject"), None);
}

#[test]
fn fields_are_counted_to_a_bound() {
    let fields = "X: 1\r\nno field\r\n".repeat(HEADER_FIELDS_MAX);
    assert!(!of_content(format!("{fields}\r\nY: 2\r\n")).has_too_many_fields());
    assert!(of_content(format!("{fields}Y: 2\r\n")).has_too_many_fields());
}

#[test]
fn ranges_of_fields_to_remove() {
    let wire = LIST_MAIL.as_bytes();
    let removed: Vec<_> = header_ranges(wire, &["x-spam-*", "List-Id"])
        .into_iter()
        .map(|range| String::from_utf8_lossy(&wire[range]).into_owned())
        .collect();
    let expected = [
        "X-Spam-Status: No,\r\n score=1.0\r\n",
        "X-SPAM-Flag: NO\r\n",
        "List-Id: The list <dev.example.org>\r\n",
    ];
    assert_eq!(removed, expected);
}

/// A header that begins with an empty line takes up more than it has: no field is found behind that.
#[test]
fn a_header_on_the_wire() {
    let wire = b".A: 1\r\nB: 2\r\n.\t3\r\n..C: 4\r\n\r\n.D: 5\r\n\r\n.\r\n";
    let header = Header::of_wire(wire);
    assert_eq!(header.text(), b"A: 1\r\nB: 2\r\n\t3\r\n.C: 4\r\n\r\n");
    let ranges = header_ranges(header.text(), &["A", "B", ".C", "D"]);
    let on_wire: Vec<_> = ranges.iter().map(|lines| &wire[header.on_wire(lines)]).collect();
    assert_eq!(on_wire, [&b".A: 1\r\n"[..], b"B: 2\r\n.\t3\r\n", b"..C: 4\r\n"]);
    assert!(header_ranges(Header::of_wire(b"\r\nA: 1\r\n\r\n.\r\n").text(), &["A"]).is_empty());
}

#[test]
fn the_wire_form() {
    let plain = of_wire(b"A: b\r\n\r\ntext\r\n.\r\n");
    assert_eq!((plain.content(), plain.wire_bytes()), (&b"A: b\r\n\r\ntext\r\n"[..], 17));
    assert_eq!(plain.shared().0.len(), 17, "nothing was copied");
    let stuffed = of_wire(b"..a: b\r\n\r\n..\r\n...\r\nx.\r\n.\r\n");
    assert_eq!(stuffed.content(), b".a: b\r\n\r\n.\r\n..\r\nx.\r\n");
    assert_eq!(of_wire(b".\r\n").content(), b"");
}

const PARTS: &str = "Content-Type: multipart/mixed;\r\n boundary=\"outer (1)\"\r\n\r\npreamble\r\n--outer (1)\r\n\
     Content-Type: multipart/alternative; boundary=outer\r\n\r\n--outer\r\n\r\nplain\r\n--outer\r\n\
     Content-Type: TEXT/HTML; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
     <p>sch=F6n =\r\n&amp; gut</p>\r\n--outer--\r\n--outer (1)\r\n\
     Content-Type: application/octet-stream; name=\"=?utf-8?Q?b=C3=BCro.exe?=\"\r\n\
     Content-Disposition: attachment; filename*0*=utf-8''b%C3%BCr; filename*1=\"o.txt\"\r\n\r\nMZ\r\n--outer (1)\r\n\
     Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: text/plain; charset=utf-8\r\n\
     Content-Transfer-Encoding: base64\r\n\r\naW5u\r\n!ZXI=\r\n--outer (1)--\r\nepilogue\r\n";

#[test]
fn parts() {
    let message = of_content(PARTS.as_bytes());
    assert_eq!(
        strings(message.types()),
        ["text/plain", "text/html", "application/octet-stream", "text/plain"]
    );
    assert_eq!(strings(message.attachment_names()), ["büro.txt", "büro.exe"]);
    assert_eq!(text(&message), "plain\n\nschön & gut\n\n\ninner");
    assert!(!message.is_too_complex());
    let containers = message.structure().parts.iter().filter(|part| part.container).count();
    assert_eq!((message.structure().parts.len(), containers), (7, 3));
    let ends: Vec<_> = message.structure().parts.iter().map(|part| part.body.end).collect();
    assert_eq!(ends[0], PARTS.find("\r\n--outer (1)--").unwrap());
    assert_eq!(ends[1], PARTS.find("\r\n--outer--").unwrap());
}

#[test]
fn digests_and_parts_that_break_off() {
    let digest =
        b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: one\r\n\r\nfirst\r\n--b\r\n\
        Content-Type: text/plain\r\n--b\r\n\r\nSubject: two\r\n\r\nlast";
    let message = of_content(digest);
    assert_eq!(strings(message.types()), ["text/plain"; 3]);
    assert_eq!(text(&message), "first\n\n\n\nlast");
    // Readers show the text of a multipart whose boundary never comes.
    let message = of_content(b"Content-Type: multipart/mixed; boundary=b\r\n\r\nhidden words\r\n--c\r\n");
    assert_eq!(text(&message), "hidden words\n--c\n");
    assert_eq!(strings(message.types()), ["multipart/mixed"]);
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let bits =
            three.iter().chain([&0; 3]).take(3).fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        let letters = (0..=three.len()).map(|place| char::from(LETTERS[bits >> (18 - 6 * place) & 63]));
        letters.chain(std::iter::repeat_n('=', 3 - three.len())).collect::<String>()
    };
    let groups: Vec<_> = bytes.chunks(3).map(group).collect();
    groups.chunks(19).map(<[String]>::concat).collect::<Vec<_>>().join("\r\n")
}

fn encoded(message: &[u8]) -> String {
    format!(
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        base64(message)
    )
}

/// Readers open attached messages that came encoded, so what is in them counts.
#[test]
fn encoded_messages() {
    let inner = b"Content-Type: application/x; name=evil.exe\r\n\r\nMZ";
    let mut message = encoded(inner);
    for levels in 1..=3 {
        let view = of_content(message.as_bytes());
        assert_eq!(strings(view.attachment_names()), ["evil.exe"], "{levels}");
        assert!(!view.is_too_complex());
        message = encoded(message.as_bytes());
    }
    assert!(of_content(message.as_bytes()).is_too_complex(), "a fourth level");
    let text = encoded("Content-Transfer-Encoding: quoted-printable\r\n\r\nsch=C3=B6n".as_bytes());
    assert_eq!(self::text(&of_content(text.as_bytes())), "sch\u{f6}n");
    let large = encoded(&b"x".repeat(crate::limits::MIME_DECODED_BYTES_MAX + 1));
    assert!(of_content(large.as_bytes()).is_too_complex());
}

#[test]
fn html_and_character_sets() {
    let rendered = |head: &str, body: &[u8]| {
        let content = [format!("Content-Type: {head}\r\n\r\n").as_bytes(), body].concat();
        text(&of_content(&content))
    };
    assert_eq!(
        rendered("text/html", b"<head><title>t</title><BODY>seen"),
        "seen",
        "a head that is not closed"
    );
    assert_eq!(rendered("text/html", b"a<script>no</script><br>b &lt;c&gt;"), "a\nb <c>");
    assert_eq!(rendered("text/plain; charset=gb2312", b"\xd6\xd0\xce\xc4"), "中文");
    assert_eq!(rendered("text/plain; charset=nobody-knows", b"a\xffb"), "a\u{fffd}b");
    assert_eq!(rendered("text/plain; charset=utf-16le", b"a\0b\0"), "ab");
    assert_eq!(
        rendered("text/plain", &b"x".repeat(2 * TEXT_BYTES_MAX)).len(),
        crate::limits::TEXT_PART_BYTES_MAX
    );
}

#[test]
fn encodings_forgive() {
    let every = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(every(&decode::base64(b"aGVs\r\nbG8gd2*9y bGQ=", 99)), "hello world");
    assert_eq!(every(&decode::base64(b"aGk=aGk", 99)), "hihi");
    assert_eq!(decode::base64(b"aGVsbG8gd29ybGQ=", 5), b"hello");
    assert_eq!(every(&decode::quoted_printable(b"a=3Db=\r\nc=zz==41= \r\nd=", 99)), "a=bc=zz=Ad=");
}

#[test]
fn links() {
    let content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\
        See HTTP://User@WWW.Shop.Example.co.uk:80/a?b. (or www.example.org), not http://nodot/ or http://192.0.2.7/x,\r\n\
        http://www.shop.example.co.uk/a?b again; http://b\xc3\xbccher.example/\r\n--b\r\nContent-Type: text/html\r\n\r\n\
        <a href = 'https://evil&#46;example%2Ecom/&amp;x'>x</a><img SRC=//cdn.example.net/i.png>\
        <a href=\"mailto:a@example.org\"> <a href=\"ht\ntps:\\\\split.example.org\"> <a title=\"http://www.example.org/t\">";
    let message = of_content(content);
    let urls = [
        "https://evil.example.com/&x",
        "https://cdn.example.net/i.png",
        "https://split.example.org",
        "http://www.shop.example.co.uk/a?b",
        "http://192.0.2.7/x",
        "http://xn--bcher-kva.example/",
        "http://www.example.org",
    ];
    assert_eq!(strings(message.urls()), urls);
    let domains = ["example.com", "example.net", "example.org", "example.co.uk", "xn--bcher-kva.example"];
    assert_eq!(strings(message.url_domains()), domains);
}

#[test]
fn links_are_bounded() {
    let many: String =
        joined((0..10_000).map(|n| format!("http://h{n}.example.org/ <a href=http://g{n}.example.org>")));
    let message = format!("Content-Type: text/html\r\n\r\n{many}");
    assert_eq!(of_content(message.as_bytes()).urls().len(), URLS_MAX);
}

/// Headers that make an attached message, as careful senders of such things would vary them.
const ATTACHED: [&str; 6] = [
    "Content-Type: message/rfc822\r\n\r\n",
    "CONTENT-TYPE:\r\n\tMeSsAgE/RfC822\r\n\r\n",
    "Content-Type: (a (b) c) message/rfc822 ; x=\"y\"\r\n\r\n",
    "Content-Type: message/(c)rfc822\r\n\r\n",
    "Content-Type: \"message/rfc822\"\r\n\r\n",
    "Content-Type: message/global\r\nSubject: x\r\n\r\n",
];

/// Attached messages within each other, 50,000 deep: a parser that recurses overflows its stack and takes the process
/// with it, when it parses or when it lets the tree go. Runs on the 2 MiB that threads have by default.
#[test]
fn nested_messages_are_refused_and_harm_nothing() {
    let mut bombs: Vec<Vec<u8>> = ATTACHED.iter().map(|header| header.repeat(50_000).into_bytes()).collect();
    bombs.push(ATTACHED.concat().repeat(10_000).into_bytes());
    bombs.push("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n".repeat(50_000).into_bytes());
    let between = |n: usize| {
        format!(
            "Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\nContent-Type: message/rfc822\r\n\r\n"
        )
    };
    bombs.push(joined((0..50_000).map(between)).into_bytes());
    let plain = ATTACHED[0].repeat(50_000).into_bytes();
    bombs.push(encoded(&plain).into_bytes());
    bombs.push(encoded(encoded(&plain).as_bytes()).into_bytes());
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        for bomb in &bombs {
            all_views(bomb);
        }
        of_content(&plain).is_too_complex()
    });
    assert!(thread.unwrap().join().unwrap());
}

/// What took seconds or memory by the hundred MB elsewhere; here each is bounded by the walk's own limits.
#[test]
fn hostile_structures_cost_bounded_time() {
    let root = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    let bombs = [
        format!("{root}{}", "--b\r\n\r\n".repeat(100_000)),
        format!("{root}{}", "--b\r\nX: y\r\n".repeat(100_000)),
        format!("{root}{}", "--c\r\n".repeat(400_000)),
        joined((0..100_000).map(|n| format!("Content-Type: multipart/x; boundary=b{n}\r\n\r\n--b{n}\r\n"))),
        format!("Content-Type: text/plain{}\r\n\r\n", "; a=b".repeat(100_000)),
        format!("Content-Type: text/plain{}\r\n\r\n", joined((0..50_000).map(|n| format!("; n*{n}=x")))),
        format!("To: {}\r\n\r\n", "a@example.org, ".repeat(100_000)),
        format!("Subject: {}\r\n\r\n", "(".repeat(1_000_000)),
        "X: y\r\n".repeat(300_000),
        format!("Content-Type: text/html\r\n\r\n{}", "<a href=".repeat(200_000)),
        format!("Content-Type: text/html\r\n\r\n{}", "<!--".repeat(300_000)),
        format!("\r\n{}", "http://".repeat(200_000)),
    ];
    for bomb in bombs {
        let started = Instant::now();
        all_views(bomb.as_bytes());
        let took = started.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?} for {}", &bomb[..60]);
    }
    let many = format!("{root}{}", "--b\r\n\r\n".repeat(100_000));
    assert!(of_content(many.as_bytes()).is_too_complex());
}

fn stuff(content: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    [&wire[..], b".\r\n"].concat()
}

/// A message with some of its bytes replaced, taken out or doubled.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let base = prop::sample::select(&[PARTS, LIST_MAIL][..]);
    let edits =
        prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, any::<u8>(), 0_u8..4), 0..12);
    (base, edits).prop_map(|(base, edits)| {
        let mut content = base.as_bytes().to_vec();
        for (at, length, byte, kind) in edits {
            let at = at.index(content.len());
            let end = (at + length).min(content.len());
            match kind {
                0 => content[at] = byte,
                1 if content.len() > 100 => drop(content.drain(at..end)),
                2 => {
                    let copy = content[at..end].to_vec();
                    content.splice(at..at, copy);
                }
                _ => content.insert(at, byte),
            }
        }
        content
    })
}

proptest! {
    #[test]
    fn unstuffing_undoes_stuffing(lines in prop::collection::vec("\\.{0,3}[a.]{0,4}", 0..8)) {
        let content = joined(lines.iter().map(|line| format!("{line}\r\n"))).into_bytes();
        let wire = stuff(&content);
        let message = of_wire(&wire);
        prop_assert_eq!(message.content(), &content[..]);
    }

    #[test]
    fn any_bytes_are_taken(content in any::<Vec<u8>>()) {
        all_views(&content);
    }

    #[test]
    fn mutated_messages_are_taken(content in mutated()) {
        all_views(&content);
        let header = header_end(&content);
        let mut last = 0;
        for range in header_ranges(&content, &["*"]) {
            prop_assert!(last <= range.start && range.start < range.end && range.end <= header);
            last = range.end;
        }
    }

    #[test]
    fn encodings_keep_their_bounds(bytes in any::<Vec<u8>>(), max in 0_usize..64) {
        prop_assert!(decode::base64(&bytes, max).len() <= max);
        prop_assert!(decode::quoted_printable(&bytes, max).len() <= max + 1);
    }
}
