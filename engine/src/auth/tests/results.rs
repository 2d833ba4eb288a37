//! Authentication-Results (RFC 8601).

use crate::auth::{
    Arc, ArcState, Dkim, DkimState, Dmarc, DmarcState, Finding, Method, Signed, Spf, SpfResult, write_results,
};

fn written(id: &str, findings: &[Finding]) -> String {
    let mut out = Vec::new();
    write_results(id.as_bytes(), findings.iter(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn each_method_and_each_signature_has_its_result() {
    let mut dkim = Dkim::default();
    dkim.add(Signed {
        state: DkimState::Pass,
        domain: b"example.net"[..].into(),
        selector: "s1".into(),
        begins: "AbCd/+12".into(),
        reason: None,
    });
    dkim.add(Signed {
        state: DkimState::Fail,
        reason: Some("no (good) \"one\"".into()),
        ..Signed::default()
    });
    let spf = Spf { result: SpfResult::Fail, domain: "example.net".into(), is_helo: false, reason: None };
    let dmarc =
        Dmarc { state: DmarcState::Pass, domain: "example.net".into(), policy: Some("reject"), reason: None };
    let arc = Arc { state: ArcState::Pass, sealer: b"lists.example"[..].into(), sets: 2, reason: None };
    let all = [Finding::Spf(spf), Finding::Dkim(dkim), Finding::Dmarc(dmarc), Finding::Arc(arc)];
    assert_eq!(
        written("mx.example.org", &all),
        "mx.example.org; spf=fail smtp.mailfrom=example.net; \
         dkim=pass header.d=example.net header.s=s1 header.b=\"AbCd/+12\"; \
         dkim=fail reason=\"no (good) \\\"one\\\"\"; \
         dmarc=pass (p=reject) header.from=example.net; arc=pass (i=2) header.d=lists.example"
    );
}

#[test]
fn nothing_is_a_result_too() {
    let none = [Finding::Dkim(Dkim::default()), Finding::Arc(Arc::default())];
    assert_eq!(written("mx.example.org", &none), "mx.example.org; dkim=none; arc=none");
    for method in Method::ALL {
        let text = written("mx", &[method.unknown()]);
        assert_eq!(
            text,
            format!("mx; {}=temperror{}", method.word(), if method == Method::Arc { " (i=0)" } else { "" })
        );
    }
}

#[test]
fn a_domain_ends_neither_quotes_nor_line() {
    let spf = |domain: &str| {
        Finding::Spf(Spf { result: SpfResult::None, domain: domain.into(), is_helo: true, reason: None })
    };
    for (domain, shown) in [
        ("a; dkim=pass", "\"a; dkim=pass\""),
        ("a\"; dkim=pass (\\", "\"a\\\"; dkim=pass (\\\\\""),
        ("a\r\nBcc: x", "\"a??Bcc: x\""),
        ("b\u{fc}cher.example", "\"b??cher.example\""),
        ("(a)", "\"(a)\""),
    ] {
        assert_eq!(written("mx", &[spf(domain)]), format!("mx; spf=none smtp.helo={shown}"));
    }
    assert!(written("mx", &[spf(&"x".repeat(70_000))]).len() < 300);
}

#[test]
fn the_states_stand_in_the_order_of_their_tables() {
    for (result, word) in [
        (SpfResult::Pass, "pass"),
        (SpfResult::Fail, "fail"),
        (SpfResult::SoftFail, "softfail"),
        (SpfResult::Neutral, "neutral"),
        (SpfResult::None, "none"),
        (SpfResult::TempError, "temperror"),
        (SpfResult::PermError, "permerror"),
    ] {
        let found = Finding::Spf(Spf { result, domain: "".into(), is_helo: false, reason: None });
        assert_eq!(found.word(), word);
    }
    for (state, word) in [
        (DkimState::Pass, "pass"),
        (DkimState::Fail, "fail"),
        (DkimState::TempError, "temperror"),
        (DkimState::PermError, "permerror"),
    ] {
        let mut dkim = Dkim::default();
        dkim.add(Signed { state, ..Signed::default() });
        assert_eq!(Finding::Dkim(dkim).word(), word);
    }
    assert_eq!(Finding::Dkim(Dkim::default()).word(), "none");
    for (state, word) in [
        (DmarcState::Pass, "pass"),
        (DmarcState::Fail, "fail"),
        (DmarcState::None, "none"),
        (DmarcState::TempError, "temperror"),
        (DmarcState::PermError, "permerror"),
    ] {
        assert_eq!(Finding::Dmarc(Dmarc { state, ..Dmarc::unknown() }).word(), word);
    }
    for (state, word) in [
        (ArcState::Pass, "pass"),
        (ArcState::Fail, "fail"),
        (ArcState::None, "none"),
        (ArcState::TempError, "temperror"),
    ] {
        assert_eq!(Finding::Arc(Arc { state, ..Arc::default() }).word(), word);
    }
    for method in Method::ALL {
        assert_eq!(usize::from(method.unknown().state()), method.answer().unknown);
    }
}
