//! Whatever a peer or a name server sends: an answer, and no panic.

use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::auth::{Author, Client, Keys, Wanted, dmarc, needs, spf, verify};
use crate::dns::{self, Kind, Question, Records};
use crate::mail::Message;

/// Pieces of signatures and seals.
const PIECES: &[&str] = &[
    "DKIM-Signature:",
    "ARC-Seal:",
    "ARC-Message-Signature:",
    "ARC-Authentication-Results:",
    "From:",
    "a@example.net",
    "v=1;",
    "v=",
    "a=rsa-sha256;",
    "a=ed25519-sha256;",
    "a=rsa-sha1;",
    "c=relaxed/simple;",
    "c=simple;",
    "d=example.net;",
    "s=s1;",
    "i=1;",
    "i=2;",
    "i=@example.net;",
    "i=99999999999999999999;",
    "h=from:to;",
    "h=",
    "l=0;",
    "l=5;",
    "l=18446744073709551616;",
    "bh=AAAA;",
    "bh==;",
    "b=AAAA;",
    "b= A A=",
    "t=1;",
    "x=1;",
    "x=-1;",
    "r=y;",
    "cv=none;",
    "cv=pass;",
    "z=From:a|b;",
    "atps=x;",
    "atpsh=sha256;",
    "\r\n",
    "\r\n ",
    "\r\n\r\n",
    "\n",
    "\0",
    "=",
    ";",
    "\u{fc}",
    "\"",
];

/// Pieces of records.
const RECORDS: &[&str] = &[
    "v=spf1",
    "v=DKIM1;",
    "v=DMARC1;",
    " ",
    "-all",
    "?all",
    "+",
    "a",
    "mx",
    "ptr",
    "a:",
    "include:",
    "exists:",
    "redirect=",
    "exp=",
    "%{i}",
    "%{d99r-}",
    "%{s}",
    "%{p}",
    "%",
    "%%",
    "%{",
    "ip4:",
    "192.0.2.1",
    "/33",
    "//129",
    "/0",
    "ip6:",
    "::1",
    "example.net",
    "p=",
    "p=reject;",
    "sp=",
    "np=none;",
    "psd=y;",
    "psd=n;",
    "t=y;",
    "adkim=s;",
    "k=rsa;",
    "k=ed25519;",
    "AAAA",
    "MIIB",
    "====",
    "h=sha1;",
    "s=email;",
    ";",
    "\u{fc}",
    "\0",
];

fn text(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    vec(select(pieces), 0..most).prop_map(|pieces| pieces.concat())
}

/// Every name has the same text, address and host.
fn answer(question: &Question, record: &str) -> dns::Answer {
    dns::Answer::Found(Rc::new(match question.kind() {
        Kind::A => Records::Addresses(vec!["192.0.2.1".parse().unwrap()]),
        Kind::Aaaa => Records::Addresses(vec!["2001:db8::1".parse().unwrap()]),
        Kind::Ptr => Records::Names(vec!["host.example.net".into()]),
        Kind::Mx => Records::Exchanges(vec![(1, "mx.example.net".into()), (2, "".into())]),
        Kind::Txt => Records::Texts(vec![record.as_bytes().into()]),
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_message(mail in text(PIECES, 60), record in text(RECORDS, 8)) {
        let wanted = Wanted { dkim: true, arc: true };
        let mut keys = Keys::default();
        for name in needs(mail.as_bytes(), wanted) {
            if let Some(question) = Keys::question(&name) {
                keys.add(&name, &answer(&question, &record));
            }
        }
        let verified = verify(mail.as_bytes(), &keys, wanted);
        prop_assert!(verified.dkim.domains.is_empty(), "nothing here was signed: {mail}");
        prop_assert!(verified.arc.state != crate::auth::ArcState::Pass);
    }

    #[test]
    fn any_record(record in text(RECORDS, 20), sender in "[a-z\"@.%{}\u{fc}]{0,40}", helo in "[a-z.\\[\\]]{0,20}") {
        let client = Client { ip: "192.0.2.1".parse().unwrap(), helo, sender: sender.clone() };
        let known = &mut |question: &Question| Some(answer(question, &record));
        let found = spf(&client, known).unwrap();
        let message = Message::of_content(format!("From: <{sender}>\r\n\r\n").into_bytes());
        dmarc(&Author::of(&message), &found, &crate::auth::Dkim::default(), known).unwrap();
    }
}
