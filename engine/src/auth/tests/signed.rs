//! DKIM and ARC: messages that are signed here and then changed.

use std::rc::Rc;

use mail_auth::AuthenticationResults;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{Canonicalization, DkimSigner, Done};

use super::Zone;
use crate::auth::{ArcState, DkimState, Keys, Verified, Wanted, needs, verify};
use crate::dns::{self, Records};
use crate::limits::{ARC_SETS_MAX, DKIM_SIGNATURES_MAX};

/// The key of RFC 8463, A.2.
const SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44,
    0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
const PUBLIC: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
    0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];
const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

const MAIL: &str =
    "From: Ann <ann@example.net>\r\nTo: dev@example.org\r\nSubject: a test\r\n\r\nDear all,\r\nhello\r\n";

fn key() -> Ed25519Key {
    Ed25519Key::from_seed_and_public_key(&SEED, &PUBLIC).unwrap()
}

fn signer(domain: &str) -> DkimSigner<Ed25519Key, Done> {
    DkimSigner::from_key(key())
        .domain(domain)
        .selector("s1")
        .headers(["From", "To", "Subject"])
        .header_canonicalization(Canonicalization::Relaxed)
        .body_canonicalization(Canonicalization::Relaxed)
}

fn signed(by: &DkimSigner<Ed25519Key, Done>, mail: &str) -> String {
    by.sign(mail.as_bytes()).unwrap().to_header() + mail
}

const ALL: Wanted = Wanted { dkim: true, arc: true };

/// Verifies with what a zone says of the keys.
fn verified(zone: &[&str], mail: &str) -> Verified {
    let zone = Zone::new(zone);
    let mut keys = Keys::default();
    for name in needs(mail.as_bytes(), ALL) {
        keys.add(&name, &zone.answer(&Keys::question(&name).unwrap()));
    }
    verify(mail.as_bytes(), &keys, ALL)
}

fn zone() -> String {
    format!("s1._domainkey.example.net TXT {KEY}")
}

/// What comes of a message that is signed by `example.net`.
fn check(mail: &str, expected: DkimState, reason: Option<&str>) {
    let dkim = verified(&[&zone()], mail).dkim;
    assert_eq!((dkim.state(), dkim.reason()), (expected, reason), "{mail}");
}

#[test]
fn a_signature_holds_for_what_was_signed() {
    let mail = signed(&signer("example.net"), MAIL);
    check(&mail, DkimState::Pass, None);
    check(&format!("Received: from x\r\n{mail}"), DkimState::Pass, None);
    check(
        &mail.replace("hello", "hello, please pay"),
        DkimState::Fail,
        Some("Calculated body hash does not match signature hash"),
    );
    check(&mail.replace("a test", "another test"), DkimState::Fail, Some("the signature does not fit"));
    check(&mail.replace("b=", "b=AAAA"), DkimState::Fail, Some("the signature does not fit"));
    check(MAIL, DkimState::None, None);
    let found = verified(&[&zone()], &mail).dkim;
    assert_eq!(found.domains, [b"example.net"[..].into()]);
    assert_eq!((&*found.signatures[0].selector, found.signatures[0].begins.len()), ("s1", 8));
}

#[test]
fn trailing_content_is_not_let_pass() {
    let mail = signed(&signer("example.net").body_length(true), MAIL);
    assert!(mail.contains(" l=") || mail.contains(";l="), "{mail}");
    let reason = Some("l= leaves content unsigned");
    check(&mail, DkimState::PermError, reason);
    check(&format!("{mail}P.S. pay\r\n"), DkimState::PermError, reason);
}

#[test]
fn signatures_that_prove_nothing() {
    let expired = signed(&signer("example.net").expiration(1000), MAIL);
    let at = expired.find("x=").unwrap();
    let digits = expired[at + 2..].find(|c: char| !c.is_ascii_digit()).unwrap();
    let expired = format!("{}x=1{}", &expired[..at], &expired[at + 2 + digits..]);
    check(&expired, DkimState::Fail, Some("Signature expired"));
    let no_from = DkimSigner::from_key(key()).domain("example.net").selector("s1").headers(["To", "Subject"]);
    check(&signed(&no_from, MAIL), DkimState::PermError, Some("From is not signed"));
    let mail = signed(&signer("example.net"), MAIL);
    check(&mail.replace("v=1; ", ""), DkimState::PermError, Some("no version"));
    check(
        &mail.replace("ed25519-sha256", "rsa-sha1"),
        DkimState::PermError,
        Some("rsa-sha1 is no proof any more"),
    );
    check(
        &mail.replace("ed25519-sha256", "none"),
        DkimState::PermError,
        Some("Unsupported algorithm in DKIM Signature"),
    );
}

#[test]
fn keys_that_can_not_be_used() {
    let mail = signed(&signer("example.net"), MAIL);
    let name = "s1._domainkey.example.net";
    let short = "TXT v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL4mo28Vdfp6L5zDrB8KYBLhU5wmCmMoCp3kEc8tYwYGWMhGcm2oYlUfT8CqJ0P4V5JYkHN3C0c5wOFtwIDAQAB";
    for (key, state) in [
        (String::from("fails"), DkimState::TempError),
        (String::from("A 192.0.2.1"), DkimState::PermError),
        (String::from("TXT v=DKIM1; p="), DkimState::PermError),
        (String::from("TXT v=DKIM2; p=AAAA"), DkimState::PermError),
        (format!("TXT {KEY}; s=tlsrpt"), DkimState::PermError),
        (format!("TXT {KEY}; h=sha1"), DkimState::PermError),
        (format!("TXT {KEY}; s=email; h=sha1:sha256; t=y"), DkimState::Pass),
        (String::from(short), DkimState::PermError),
    ] {
        let dkim = verified(&[&format!("{name} {key}")], &mail).dkim;
        assert_eq!(dkim.state(), state, "{key} {:?}", dkim.reason());
    }
}

#[test]
fn one_good_signature_is_enough() {
    let mail = signed(&signer("other.example"), &signed(&signer("example.net"), MAIL));
    let found = verified(&[&zone()], &mail).dkim;
    assert_eq!((found.state(), found.signatures.len()), (DkimState::Pass, 2));
    assert_eq!(found.domains, [b"example.net"[..].into()]);
}

#[test]
fn a_second_from_is_not_hidden_by_a_signature() {
    let mail = format!("From: boss@example.org\r\n{}", signed(&signer("example.net"), MAIL));
    // The signature holds for the From that it knew: that there are two is what DMARC says.
    check(&mail, DkimState::Pass, None);
    let twice =
        DkimSigner::from_key(key()).domain("example.net").selector("s1").headers(["From", "From", "To"]);
    let mail = format!("From: boss@example.org\r\n{}", signed(&twice, MAIL));
    check(&mail, DkimState::Fail, Some("the signature does not fit"));
}

#[test]
fn signatures_are_bounded() {
    let mut mail = signed(&signer("example.net"), MAIL);
    for n in 0..DKIM_SIGNATURES_MAX {
        mail = signed(&signer(&format!("s{n}.example")), &mail);
    }
    assert_eq!(needs(mail.as_bytes(), ALL).len(), DKIM_SIGNATURES_MAX);
    let found = verified(&[&zone()], &mail).dkim;
    assert_eq!((found.state(), found.signatures.len()), (DkimState::PermError, DKIM_SIGNATURES_MAX));
}

/// A message sealed by `domain` on top of what it has.
fn sealed(domain: &str, mail: &str) -> String {
    use mail_auth::arc::ArcSealer;
    let message = mail_auth::AuthenticatedMessage::parse(mail.as_bytes()).unwrap();
    let results = AuthenticationResults::new("lists.example");
    let zone = format!("s1._domainkey.{domain} TXT {KEY}");
    let keys = ["example.net", "a.example", "b.example"].map(|domain| {
        (
            format!("s1._domainkey.{domain}."),
            dns::Answer::Found(Rc::new(Records::Texts(vec![KEY.as_bytes().into()]))),
        )
    });
    let mut known = Keys::default();
    for (name, answer) in &keys {
        known.add(name, answer);
    }
    assert!(zone.contains(domain));
    let output = super::super::signed::arc_output(&message, &known).unwrap();
    let set = ArcSealer::from_key(key())
        .domain(domain)
        .selector("s1")
        .headers(["From", "To", "Subject"])
        .seal(&message, &results, &output)
        .unwrap();
    set.to_header() + mail
}

#[test]
fn a_chain_of_seals() {
    let zone = [format!("s1._domainkey.a.example TXT {KEY}"), format!("s1._domainkey.b.example TXT {KEY}")];
    let zone: Vec<&str> = zone.iter().map(String::as_str).collect();
    let once = sealed("a.example", MAIL);
    let twice = sealed("b.example", &once);
    for (mail, state, sealer, sets) in [
        (MAIL.to_owned(), ArcState::None, "", 0),
        (once.clone(), ArcState::Pass, "a.example", 1),
        (twice.clone(), ArcState::Pass, "b.example", 2),
        (twice.replace("hello", "hi"), ArcState::Fail, "b.example", 2),
        (twice.replacen("i=1;", "i=3;", 1), ArcState::Fail, "a.example", 2),
        (twice.replace("cv=pass", "cv=fail"), ArcState::Fail, "b.example", 2),
        (format!("ARC-Seal: nonsense\r\n{once}"), ArcState::Fail, "a.example", 1),
        (
            format!("ARC-Seal: i=1; a=ed25519-sha256; cv=none; d=a.example; s=s1; b=AAAA\r\n{MAIL}"),
            ArcState::Fail,
            "a.example",
            1,
        ),
    ] {
        let arc = verified(&zone, &mail).arc;
        assert_eq!(
            (arc.state, &*arc.sealer, arc.sets),
            (state, sealer.as_bytes(), sets),
            "{mail} {:?}",
            arc.reason
        );
    }
    let arc = verified(&["s1._domainkey.a.example fails"], &once).arc;
    assert_eq!(arc.state, ArcState::TempError);
}

/// A set with a key of its own, which is none.
fn set(n: usize) -> String {
    format!(
        "ARC-Seal: i={n}; a=ed25519-sha256; cv=pass; d=a{n}.example; s=s1; b=AAAA\r\n\
         ARC-Message-Signature: i={n}; a=ed25519-sha256; d=a{n}.example; s=s1; h=from; bh=AAAA; b=AAAA\r\n\
         ARC-Authentication-Results: i={n}; a{n}.example; none\r\n"
    )
}

/// A header of seals alone had a question asked for each: thousands, for a chain that fails whatever their keys are.
#[test]
fn the_keys_of_a_chain_that_can_not_hold_are_not_asked_for() {
    let chain = |sets: usize| (1..=sets).map(set).collect::<String>();
    let seal = |n| format!("ARC-Seal: i=1; a=ed25519-sha256; cv=none; d=a{n}.example; s=s1; b=AAAA\r\n");
    let (whole, seals) = (chain(3), (0..5000).map(seal).collect());
    for (header, names, sets) in [
        (whole.clone(), 3, 3),
        (chain(ARC_SETS_MAX), ARC_SETS_MAX, ARC_SETS_MAX),
        (chain(ARC_SETS_MAX) + &set(1), 0, ARC_SETS_MAX + 1),
        (whole.replacen("ARC-Seal", "X-Seal", 1), 0, 3),
        (whole.replacen("ARC-Message", "X-Message", 1), 0, 3),
        (whole.replacen("ARC-Authentication", "X-Authentication", 1), 0, 3),
        (format!("ARC-Seal: nonsense\r\n{whole}"), 0, 3),
        (seals, 0, 5000),
    ] {
        let mail = header + MAIL;
        assert_eq!(needs(mail.as_bytes(), ALL).len(), names, "{sets} sets");
        let arc = verified(&[], &mail).arc;
        assert_eq!((arc.state, usize::try_from(arc.sets)), (ArcState::Fail, Ok(sets)), "{:?}", arc.reason);
    }
}

#[test]
fn what_is_not_wanted_is_not_asked() {
    let mail = sealed("a.example", &signed(&signer("example.net"), MAIL));
    let names = |dkim, arc| needs(mail.as_bytes(), Wanted { dkim, arc });
    assert_eq!(names(true, false), ["s1._domainkey.example.net."]);
    assert_eq!(names(false, true), ["s1._domainkey.a.example."]);
    assert_eq!(names(true, true).len(), 2);
    assert!(needs(MAIL.as_bytes(), ALL).is_empty());
}

/// 8-bit content, and much of it.
#[test]
fn any_content_can_be_signed() {
    let body = "line \u{fc}\t \r\n".repeat(20_000);
    let mail = signed(&signer("example.net"), &format!("{MAIL}{body}the end\r\n"));
    check(&mail, DkimState::Pass, None);
    check(
        &mail.replace("the end", "the  end!"),
        DkimState::Fail,
        Some("Calculated body hash does not match signature hash"),
    );
}
