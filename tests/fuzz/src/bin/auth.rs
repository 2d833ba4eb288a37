//! SPF, DKIM, ARC and DMARC over a client, a message and records of arbitrary bytes: no panic, an end, and a header that is one.

#![no_main]

#[path = "common/panics.rs"]
mod panics;

use std::net::IpAddr;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use weir::auth::{Author, Client, Finding, Keys, Wanted, dmarc, needs, spf, verify, write_results};
use weir::dns::{Answer, Kind, Question, Records};
use weir::mail::Message;

/// Every name has the same text, address and host.
fn answer(question: &Question, record: &[u8]) -> Answer {
    Answer::Found(Rc::new(match question.kind() {
        Kind::A => Records::Addresses(vec![IpAddr::from([192, 0, 2, 1])]),
        Kind::Aaaa => Records::Addresses(vec!["2001:db8::1".parse().expect("an address")]),
        Kind::Ptr => Records::Names(vec!["host.example.net".into()]),
        Kind::Mx => Records::Exchanges(vec![(1, "mx.example.net".into()), (2, "".into())]),
        Kind::Txt => Records::Texts(vec![record.into()]),
    }))
}

fuzz_target!(init: panics::pass_over_mail_parser(), |data: &[u8]| {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (record, helo, sender, content) = (next(), next(), next(), next());
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let client = Client { ip: IpAddr::from([192, 0, 2, 1]), helo: text(helo), sender: text(sender) };
    let known = &mut |question: &Question| Some(answer(question, record));
    let spf = spf(&client, known).expect("every question has its answer");
    let wanted = Wanted { dkim: true, arc: true };
    let mut keys = Keys::default();
    for name in needs(content, wanted) {
        if let Some(question) = Keys::question(&name) {
            keys.add(&name, &answer(&question, record));
        }
    }
    let verified = verify(content, &keys, wanted);
    let author = Author::of(&Message::of_content(content.to_vec()));
    let dmarc = dmarc(&author, &spf, &verified.dkim, known).expect("every question has its answer");
    let findings =
        [Finding::Spf(spf), Finding::Dkim(verified.dkim), Finding::Dmarc(dmarc), Finding::Arc(verified.arc)];
    let mut header = Vec::new();
    write_results(b"mx.example.org", findings.iter(), &mut header);
    assert!(!header.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{}", header.escape_ascii());
});
