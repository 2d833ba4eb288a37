//! DMARC: the walk, alignment and policies (RFC 9989).

use super::Zone;
use crate::auth::{Author, Dkim, DkimState, Dmarc, DmarcState, Signed, Spf, SpfResult, dmarc};
use crate::limits::{HEADER_ADDRESSES_MAX, HEADER_DECODED_BYTES_MAX};
use crate::mail::Message;

fn spf(result: SpfResult, domain: &str) -> Spf {
    Spf { result, domain: domain.into(), is_helo: false, reason: None }
}

fn dkim(signatures: &[(DkimState, &str)]) -> Dkim {
    let mut dkim = Dkim::default();
    for (state, domain) in signatures {
        dkim.add(Signed { state: *state, domain: domain.as_bytes().into(), ..Signed::default() });
    }
    dkim
}

fn found(zone: &[&str], from: &str, spf: &Spf, dkim: &Dkim) -> Dmarc {
    let message = Message::of_content(format!("From: {from}\r\n\r\nbody\r\n").into_bytes());
    let author = Author::of(&message);
    Zone::new(zone).settle(|known| dmarc(&author, spf, dkim, known)).0
}

/// What comes of a message from `a@mail.example.org` that SPF passes for one domain and DKIM for another.
fn check(zone: &[&str], by_spf: &str, by_dkim: &str, expected: (DmarcState, Option<&str>)) {
    let got = found(
        zone,
        "a@mail.example.org",
        &spf(SpfResult::Pass, by_spf),
        &dkim(&[(DkimState::Pass, by_dkim)]),
    );
    assert_eq!((got.state, got.policy), expected, "{zone:#?} {by_spf} {by_dkim} {:?}", got.reason);
}

const ORG: &str = "_dmarc.example.org TXT v=DMARC1; p=reject; sp=quarantine";

#[test]
fn what_is_of_the_authors_domain_passes() {
    let sub = Some("quarantine");
    check(&[ORG], "mail.example.org", "x.example", (DmarcState::Pass, sub));
    check(&[ORG], "x.example", "mail.example.org", (DmarcState::Pass, sub));
    check(&[ORG], "example.org", "x.example", (DmarcState::Pass, sub));
    check(&[ORG], "x.example", "Other.Example.ORG", (DmarcState::Pass, sub));
    check(&[ORG], "x.example", "y.example", (DmarcState::Fail, sub));
    check(&[ORG], "evilexample.org", "org", (DmarcState::Fail, sub));
    let strict = "_dmarc.example.org TXT v=DMARC1; p=reject; aspf=s; adkim=s";
    check(&[strict], "example.org", "other.example.org", (DmarcState::Fail, Some("reject")));
    check(&[strict], "mail.example.org", "x.example", (DmarcState::Pass, Some("reject")));
}

#[test]
fn the_nearest_record_counts() {
    let own = "_dmarc.mail.example.org TXT v=DMARC1; p=none";
    check(&[ORG, own], "x.example", "y.example", (DmarcState::Fail, Some("none")));
    check(&[], "x.example", "y.example", (DmarcState::None, None));
    // Several are none, and what is no record is none.
    check(
        &["_dmarc.example.org TXT v=DMARC1; p=reject", ORG],
        "x.example",
        "y.example",
        (DmarcState::None, None),
    );
    check(&["_dmarc.example.org TXT v=spf1 -all"], "x.example", "y.example", (DmarcState::None, None));
    check(
        &["_dmarc.example.org TXT v=DMARC1; rua=mailto:a@x.example"],
        "x.example",
        "y.example",
        (DmarcState::Fail, Some("none")),
    );
    check(
        &["_dmarc.example.org TXT v=DMARC1; p=reject; t=y"],
        "x.example",
        "y.example",
        (DmarcState::Fail, Some("quarantine")),
    );
}

#[test]
fn public_suffixes_say_what_they_are() {
    // `org` is a public suffix: what is below another name of it is of somebody else.
    let suffix = "_dmarc.org TXT v=DMARC1; p=reject; psd=y";
    check(&[suffix], "other.org", "x.example", (DmarcState::Fail, Some("reject")));
    check(&[suffix], "example.org", "x.example", (DmarcState::Pass, Some("reject")));
    // A domain that says that it is an organization of its own.
    let own = "_dmarc.mail.example.org TXT v=DMARC1; p=reject; psd=n";
    check(&[ORG, own], "example.org", "x.example", (DmarcState::Fail, Some("reject")));
}

#[test]
fn names_that_are_not_there_have_a_policy_of_their_own() {
    let record = "_dmarc.example.org TXT v=DMARC1; p=none; sp=quarantine; np=reject";
    check(&[record], "x.example", "y.example", (DmarcState::Fail, Some("reject")));
    for exists in ["mail.example.org A 192.0.2.1", "mail.example.org MX mx.example.org"] {
        check(&[record, exists], "x.example", "y.example", (DmarcState::Fail, Some("quarantine")));
    }
}

#[test]
fn what_is_not_known_is_no_failure() {
    check(&["_dmarc.mail.example.org fails"], "x.example", "y.example", (DmarcState::TempError, None));
    let failed = dkim(&[(DkimState::TempError, "example.org")]);
    let got = found(&[ORG], "a@mail.example.org", &spf(SpfResult::Fail, "mail.example.org"), &failed);
    assert_eq!((got.state, got.policy), (DmarcState::TempError, Some("quarantine")));
    // One of somebody else does not matter.
    let others = dkim(&[(DkimState::TempError, "x.example")]);
    let got = found(&[ORG], "a@mail.example.org", &spf(SpfResult::TempError, "y.example"), &others);
    assert_eq!(got.state, DmarcState::Fail);
    // What passes passes whatever else is open.
    let got = found(&[ORG], "a@mail.example.org", &spf(SpfResult::Pass, "example.org"), &failed);
    assert_eq!(got.state, DmarcState::Pass);
}

#[test]
fn there_is_one_author() {
    let none = (spf(SpfResult::None, ""), Dkim::default());
    for (from, state) in [
        ("A <a@example.org>, b@EXAMPLE.org", DmarcState::Fail),
        ("a@example.org, b@x.example", DmarcState::PermError),
        ("a@example.org\r\nFrom: b@example.org", DmarcState::PermError),
        ("a@example.org\r\nfrom : b@x.example", DmarcState::PermError),
        ("undisclosed", DmarcState::None),
        ("", DmarcState::None),
        ("a@b\u{fc}cher.example", DmarcState::None),
    ] {
        assert_eq!(found(&[ORG], from, &none.0, &none.1).state, state, "{from}");
    }
}

/// An author behind as much as is read was no author, or only the one in front of it was: with a policy to reject, neither was
/// refused.
#[test]
fn an_author_can_not_hide_behind_our_bounds() {
    let none = Dkim::default();
    let aligned = spf(SpfResult::Pass, "x.example");
    let name = format!("\"{}\" <boss@example.org>", "name \r\n ".repeat(HEADER_DECODED_BYTES_MAX / 8));
    let many = "a@x.example, ".repeat(HEADER_ADDRESSES_MAX) + "boss@example.org";
    for from in [name, many] {
        let got = found(&[ORG], &from, &aligned, &none);
        assert_eq!((got.state, got.reason.as_deref()), (DmarcState::PermError, Some("From is too long")));
    }
    let few = "a@example.org, ".repeat(HEADER_ADDRESSES_MAX - 2) + "boss@example.org";
    assert_eq!(found(&[ORG], &few, &aligned, &none).state, DmarcState::Fail);
}

#[test]
fn a_long_name_costs_eight_questions() {
    let domain = format!("{}example.org", "a.".repeat(60));
    let message = Message::of_content(format!("From: a@{domain}\r\n\r\n").into_bytes());
    let author = Author::of(&message);
    let (got, asked) =
        Zone::new(&[ORG]).settle(|known| dmarc(&author, &spf(SpfResult::None, ""), &Dkim::default(), known));
    assert_eq!((got.state, asked), (DmarcState::Fail, 8));
}
