//! The authentication of mail in a test: evaluated as in a session on what the `dns` clauses say, unless a clause says what
//! comes of it.

use std::cell::RefCell;
use std::rc::Rc;

use super::world::World;
use crate::auth::{
    self, Arc, ArcState, Author, Dkim, DkimState, Dmarc, DmarcState, Finding, Keys, Method, Signed, Spf,
    SpfResult, Verified, Wanted,
};
use crate::config::Args;
use crate::dns::{self, Question};
use crate::facts::Facts;
use crate::mail::Message;
use crate::question;

/// What the clauses of a test say.
#[derive(Default)]
pub(super) struct Authentication {
    spf: Option<SpfResult>,
    /// A signature for each `dkim` clause.
    dkim: Option<Dkim>,
    dmarc: Option<(DmarcState, Option<&'static str>)>,
    arc: Option<Arc>,
    /// What was verified of the message of this session.
    verified: RefCell<Option<Rc<Verified>>>,
}

impl Authentication {
    /// Takes a clause whose word is the name of a method.
    pub(super) fn take(&mut self, method: Method, args: Args<'_>) {
        let state = args.word().unwrap_or_default();
        let text = |word| args.after(word).and_then(Args::text).unwrap_or_default();
        match method {
            Method::Spf => self.spf = Some(spf_result(state)),
            Method::Dkim => {
                let state = dkim_state(state);
                let dkim = self.dkim.get_or_insert_default();
                if state != DkimState::None {
                    dkim.add(Signed { state, domain: text("domain").as_bytes().into(), ..Signed::default() });
                }
            }
            Method::Dmarc => {
                let policy = args.after("policy").and_then(Args::word);
                let policy = ["reject", "quarantine"].into_iter().find(|known| policy == Some(known));
                self.dmarc = Some((dmarc_state(state), policy.or(Some("none"))));
            }
            Method::Arc => {
                let sealer: Box<[u8]> = text("sealer").as_bytes().into();
                let sets = i64::from(state != "none");
                self.arc = Some(Arc { state: arc_state(state), sealer, sets, reason: None });
            }
        }
    }

    /// Finds out.
    pub(super) fn find(&self, method: Method, facts: &Facts, world: &World) -> Finding {
        let Some(message) = facts.message.as_deref() else {
            return if method == Method::Spf {
                Finding::Spf(self.spf(facts, world))
            } else {
                method.unknown()
            };
        };
        match method {
            Method::Spf => Finding::Spf(self.spf(facts, world)),
            Method::Dkim => Finding::Dkim(self.dkim(message, world)),
            Method::Dmarc => Finding::Dmarc(self.dmarc(facts, message, world)),
            Method::Arc => {
                let arc = || self.verified(message, world).arc.clone();
                Finding::Arc(self.arc.clone().unwrap_or_else(arc))
            }
        }
    }

    fn spf(&self, facts: &Facts, world: &World) -> Spf {
        let client = question::mail_client(facts);
        if let Some(result) = self.spf {
            let (domain, is_helo) = client.identity();
            return Spf { result, domain: domain.into(), is_helo, reason: None };
        }
        let known = &mut |question: &Question| Some(world.answer(question));
        auth::spf(&client, known).unwrap_or_else(|_answered| Spf::unknown())
    }

    fn dkim(&self, message: &Message, world: &World) -> Dkim {
        self.dkim.clone().unwrap_or_else(|| self.verified(message, world).dkim.clone())
    }

    fn dmarc(&self, facts: &Facts, message: &Message, world: &World) -> Dmarc {
        let author = Author::of(message);
        if let Some((state, policy)) = self.dmarc {
            let domain = if let Author::Domain(domain) = author { domain } else { Box::default() };
            let policy = policy.filter(|_| !matches!(state, DmarcState::None | DmarcState::PermError));
            return Dmarc { state, domain, policy, reason: None };
        }
        let (spf, dkim) = (self.spf(facts, world), self.dkim(message, world));
        let known = &mut |question: &Question| Some(world.answer(question));
        auth::dmarc(&author, &spf, &dkim, known).unwrap_or_else(|_answered| Dmarc::unknown())
    }

    /// The message of a test is the same in all its sessions.
    fn verified(&self, message: &Message, world: &World) -> Rc<Verified> {
        let verify = || {
            let wanted = Wanted { dkim: true, arc: true };
            let mut keys = Keys::default();
            for name in auth::needs(message.content(), wanted) {
                let answer = Keys::question(&name).map(|question| world.answer(&question));
                keys.add(&name, &answer.unwrap_or(dns::Answer::None));
            }
            Rc::new(auth::verify(message.content(), &keys, wanted))
        };
        Rc::clone(self.verified.borrow_mut().get_or_insert_with(verify))
    }
}

fn spf_result(word: &str) -> SpfResult {
    match word {
        "pass" => SpfResult::Pass,
        "fail" => SpfResult::Fail,
        "softfail" => SpfResult::SoftFail,
        "neutral" => SpfResult::Neutral,
        "none" => SpfResult::None,
        "permerror" => SpfResult::PermError,
        _ => SpfResult::TempError,
    }
}

fn dkim_state(word: &str) -> DkimState {
    match word {
        "pass" => DkimState::Pass,
        "fail" => DkimState::Fail,
        "none" => DkimState::None,
        "permerror" => DkimState::PermError,
        _ => DkimState::TempError,
    }
}

fn dmarc_state(word: &str) -> DmarcState {
    match word {
        "pass" => DmarcState::Pass,
        "fail" => DmarcState::Fail,
        "none" => DmarcState::None,
        "permerror" => DmarcState::PermError,
        _ => DmarcState::TempError,
    }
}

fn arc_state(word: &str) -> ArcState {
    match word {
        "pass" => ArcState::Pass,
        "fail" => ArcState::Fail,
        "none" => ArcState::None,
        _ => ArcState::TempError,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{OneFile, load_from};
    use crate::simulate::run_tests;

    const RULES: &str = r#"weir 1
listener l { bind 127.0.0.1:0  name "mx.example.org" }
list sealers : domain = [ "lists.example.net" ]
on mail {
  reject 550 5.7.23 "{spf.domain} does not know {client.ip}" if spf is fail
  defer 451 4.7.24 "SPF: {spf.reason}" if spf is temperror
}
on message {
  add header "Authentication-Results" auth_results("mx.example.org", spf, dkim, dmarc, arc)
  discard if arc is pass and arc.sealer in sealers
  note "signed by {dkim.domains}" if any dkim.domains == from.domain
  reject 550 5.7.26 "{dmarc.domain} asks for it" if dmarc is fail and dmarc.policy == "reject" and arc is not pass
  defer 451 4.7.1 "later" if dmarc is temperror
  discard
}
"#;

    fn check(tests: &str) -> Option<String> {
        let text = format!("{RULES}{tests}");
        let loaded = load_from(["t.weir"], &OneFile(text.leak()));
        let plan = loaded.plan.clone().unwrap_or_else(|| {
            panic!("{}", loaded.render(weir_lang::diagnostic::render::Style::Plain));
        });
        run_tests(&plan, None).failures()
    }

    #[track_caller]
    fn passes(tests: &str) {
        assert_eq!(check(tests), None);
    }

    #[test]
    fn clauses_say_what_comes_of_it() {
        passes(
            r#"
test "refused by SPF" { spf fail  rcpt "a@example.org"  expect mail 550 5.7.23 text "example.net does not know", lookup spf fail }
test "unknown" { spf temperror  rcpt "a@example.org"  expect mail 451 }
test "signed" {
  spf none
  dkim fail domain "other.example"
  dkim pass domain "example.net"
  dmarc pass policy reject
  arc none
  rcpt "a@example.org"
  expect message 250, noted "signed by example.net", discarded
  expect header "Authentication-Results" has "dkim=fail header.d=other.example; dkim=pass header.d=example.net; dmarc=pass (p=reject)"
}
test "refused by DMARC" {
  spf softfail
  dmarc fail policy reject
  rcpt "a@example.org"
  expect message 550 5.7.26 text "example.net asks", lookup dmarc fail
}
test "sealed" {
  spf pass
  dmarc fail policy reject
  arc pass sealer "lists.example.net"
  rcpt "a@example.org"
  expect message 250, header "Authentication-Results" has "arc=pass (i=1) header.d=lists.example.net"
}
"#,
        );
    }

    #[test]
    fn without_clauses_it_is_checked_on_what_dns_says() {
        passes(
            r#"
test "by its own host" {
  client 192.0.2.7
  dns "example.net" txt "v=spf1 a:out.example.net -all"
  dns "out.example.net" gives 192.0.2.7, 2001:db8::1
  dns "_dmarc.example.net" txt "v=DMARC1; p=reject"
  dns "_dmarc.net" nothing
  rcpt "a@example.org"
  expect message 250, header "Authentication-Results" has "spf=pass smtp.mailfrom=example.net; dkim=none; dmarc=pass"
}
test "by another" {
  client 192.0.2.8
  dns "example.net" txt "v=spf1 a:out.example.net -all"
  dns "out.example.net" gives 192.0.2.7
  rcpt "a@example.org"
  expect mail 550 5.7.23
}
test "a name that no clause gives" { rcpt "a@example.org"  expect mail 451 text "DNS has not answered for example.net" }
test "a name that fails" { dns "example.net" fails  rcpt "a@example.org"  expect lookup spf temperror }
test "no records" {
  dns "example.net" nothing
  dns "_dmarc.example.net" nothing
  dns "_dmarc.net" nothing
  rcpt "a@example.org"
  expect message 250, lookup spf none, lookup dmarc none, lookup arc none
}
"#,
        );
    }

    #[test]
    fn nobody_else_speaks_for_us() {
        passes(
            r#"
test "forged" {
  spf pass
  dmarc none
  message header "Authentication-Results: (x) MX.Example.org 1; spf=pass\nX-Other: a"
  rcpt "a@example.org"
  expect message 250, removed "Authentication-Results"
}
test "of another" {
  spf pass
  dmarc none
  message header "Authentication-Results: mx.example.com; spf=pass"
  rcpt "a@example.org"
  expect message 250, header "Authentication-Results" has "mx.example.org"
}
"#,
        );
        let fault = check(
            r#"
test "of another" {
  spf pass
  dmarc none
  message header "Authentication-Results: mx.example.com; spf=pass"
  rcpt "a@example.org"
  expect removed "Authentication-Results"
}
"#,
        );
        assert!(fault.is_some_and(|fault| fault.contains("removed")));
    }

    /// A From behind all that rules can see was none, and a second one there let the first pass for another's.
    #[test]
    fn nothing_hides_behind_too_many_fields() {
        let most = crate::limits::HEADER_FIELDS_MAX;
        for (fields, expected) in [(most - 10, "550 5.7.26"), (most, "552 5.3.4 text \"too many fields\"")] {
            let header = r"X: 1\n".repeat(fields);
            passes(&format!(
                "test \"many\" {{ spf pass  dmarc fail policy reject  message header \"{header}\"  \
                 rcpt \"a@example.org\"  expect message {expected} }}\n"
            ));
        }
    }
}
