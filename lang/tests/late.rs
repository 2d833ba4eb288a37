//! Lookups that change what the host remembers when they are asked: only when nothing else can decide, one at a time.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that is wrong about its plan has failed"
)]

mod toy;

use toy::facts::{Known, plan, slot, try_plan};
use weir_lang::plan::{Ending, Plan, Step};
use weir_lang::value::{Slot, Value};

const RCPT: usize = 1;
const LISTED: Value<'static> = Value::State(0);
const CLEAN: Value<'static> = Value::State(2);
const WAITING: Value<'static> = Value::State(0);
const PASSED: Value<'static> = Value::State(1);

/// A file set whose phase `rcpt` is this, with two greylists and two DNS lists.
fn rcpt(rules: &str, statements: &str) -> Plan {
    plan(&format!(
        "weir 1\ndnsbl a {{ zone \"a.example\" }}\ndnsbl b {{ zone \"b.example\" }}\n\
         greylist grey {{ timeout 1s }}\ngreylist other {{ timeout 1s }}\npool p {{ server s 192.0.2.1:25 }}\n\
         {rules}\non rcpt {{\n{statements}\n}}\n\
         on message {{\n  note \"b\" if b(client.ip) or other(client.ip, sender.domain, rcpt) is waiting\n  send to p\n}}\n"
    ))
}

/// A run of `rcpt`: evaluates again and again, and says what was wanted each time.
struct Asking<'a> {
    plan: &'a Plan,
    scratch: weir_lang::eval::Scratch,
    known: Known,
}

impl<'a> Asking<'a> {
    fn new(plan: &'a Plan) -> Self {
        Self { plan, scratch: plan.scratch(), known: Known::default() }
    }

    fn slots(&self, names: &[&str]) -> Vec<Slot> {
        let mut slots: Vec<Slot> = names.iter().map(|name| slot(self.plan, name)).collect();
        slots.sort_unstable();
        slots
    }

    #[track_caller]
    fn wants(&mut self, names: &[&str]) -> &mut Self {
        assert_eq!(self.plan.evaluate(RCPT, &self.known, &mut self.scratch), Step::Needs);
        let mut wanted = self.scratch.wanted().to_vec();
        wanted.sort_unstable();
        assert_eq!(wanted, self.slots(names));
        self
    }

    fn then(&mut self, name: &str, value: Value<'static>) -> &mut Self {
        self.known.answer(self.plan, name, value);
        self
    }

    #[track_caller]
    fn is_refused(&mut self, refused: bool) {
        let step = self.plan.evaluate(RCPT, &self.known, &mut self.scratch);
        assert_eq!(matches!(step, Step::Decided(Ending::Final(_))), refused, "{step:?}");
        assert!(matches!(step, Step::Decided(_)), "{step:?}");
    }
}

const DEFER: &str = "defer 451 4.7.1 \"later\" if";
const GREY: &str = "grey(client.ip, sender.domain, rcpt) is waiting";

#[test]
fn what_else_is_in_the_guard_is_asked_first_wherever_it_stands() {
    for guard in
        [format!("a(client.ip) is not clean and {GREY}"), format!("{GREY} and a(client.ip) is not clean")]
    {
        let plan = rcpt("", &format!("{DEFER} {guard}"));
        Asking::new(&plan).wants(&["a"]).then("a", CLEAN).is_refused(false);
        Asking::new(&plan)
            .wants(&["a"])
            .then("a", LISTED)
            .wants(&["grey"])
            .then("grey", WAITING)
            .is_refused(true);
        Asking::new(&plan)
            .wants(&["a"])
            .then("a", LISTED)
            .wants(&["grey"])
            .then("grey", PASSED)
            .is_refused(false);
    }
}

#[test]
fn alone_it_is_asked_at_once_and_its_complement_too() {
    let plan = rcpt("", &format!("{DEFER} {GREY}"));
    Asking::new(&plan).wants(&["grey"]).then("grey", WAITING).is_refused(true);
    let plan = rcpt(
        "",
        &format!("{DEFER} grey(client.ip, sender.domain, rcpt) is not passed and not a(client.ip) is clean"),
    );
    Asking::new(&plan)
        .wants(&["a"])
        .then("a", LISTED)
        .wants(&["grey"])
        .then("grey", WAITING)
        .is_refused(true);
}

#[test]
fn a_later_statement_does_not_have_it_asked_early() {
    let plan = rcpt("", &format!("reject 550 5.7.1 \"no\" if a(client.ip)\n{DEFER} {GREY}"));
    Asking::new(&plan).wants(&["a"]).then("a", LISTED).is_refused(true);
    Asking::new(&plan).wants(&["a"]).then("a", CLEAN).wants(&["grey"]).then("grey", PASSED).is_refused(false);
}

#[test]
fn a_later_phase_does_not_either() {
    let plan = rcpt("", "accept");
    assert_eq!(plan.prefetch(RCPT), [slot(&plan, "b")]);
}

#[test]
fn of_two_the_second_is_asked_when_the_first_does_not_do() {
    let plan = rcpt("", &format!("{DEFER} {GREY} or other(client.ip, sender.domain, rcpt) is waiting"));
    Asking::new(&plan).wants(&["grey"]).then("grey", WAITING).is_refused(true);
    Asking::new(&plan)
        .wants(&["grey"])
        .then("grey", PASSED)
        .wants(&["other"])
        .then("other", WAITING)
        .is_refused(true);
    // The first one cannot matter here.
    let plan = rcpt(
        "",
        &format!("{DEFER} ({GREY} and a(client.ip)) or other(client.ip, sender.domain, rcpt) is waiting"),
    );
    Asking::new(&plan)
        .wants(&["a"])
        .then("a", CLEAN)
        .wants(&["other"])
        .then("other", WAITING)
        .is_refused(true);
}

#[test]
fn a_score_asks_it_when_the_other_rules_do_not_decide() {
    let rules = format!(
        "group g {{ deadline 3s }}\nrule A 2 \"a\" in g = a(client.ip)\nrule B 2 \"b\" in g = b(client.ip)\nrule G 1 \"g\" in g = {GREY}"
    );
    let plan = rcpt(&rules, &format!("{DEFER} score(g) >= 3"));
    let mut asking = Asking::new(&plan);
    asking.wants(&["a", "b"]);
    assert_eq!(asking.scratch.deadline(), Some(3000));
    asking.then("a", CLEAN).then("b", CLEAN).is_refused(false);
    Asking::new(&plan).wants(&["a", "b"]).then("a", LISTED).then("b", LISTED).is_refused(true);
    let mut asking = Asking::new(&plan);
    asking.wants(&["a", "b"]).then("a", LISTED).wants(&["b"]).then("b", CLEAN).wants(&["grey"]);
    assert_eq!(asking.scratch.deadline(), None, "the deadline is that of the lookups before");
    asking.then("grey", WAITING).is_refused(true);
}

#[test]
fn a_rule_that_waits_is_remembered_as_waiting_for_it() {
    let rules = format!("rule G \"g\" = {GREY}");
    let plan = rcpt(&rules, &format!("{DEFER} G and a(client.ip)\n{DEFER} G and not G"));
    Asking::new(&plan)
        .wants(&["a"])
        .then("a", CLEAN)
        .wants(&["grey"])
        .then("grey", WAITING)
        .is_refused(false);
}

#[test]
fn a_text_with_it_waits_for_it_when_its_statement_is_reached() {
    let plan = rcpt("", "note \"{grey(client.ip, sender.domain, rcpt)}\" if a(client.ip)");
    Asking::new(&plan).wants(&["a"]).then("a", CLEAN).is_refused(false);
    Asking::new(&plan)
        .wants(&["a"])
        .then("a", LISTED)
        .wants(&["grey"])
        .then("grey", PASSED)
        .is_refused(false);
}

#[test]
fn its_arguments_are_asked_before_it() {
    let plan = rcpt("", &format!("{DEFER} grey(client.ip, client.rdns, rcpt) is waiting"));
    Asking::new(&plan)
        .wants(&["client.rdns"])
        .then("client.rdns", Value::Text(b"host.example.net"))
        .wants(&["grey"])
        .then("grey", WAITING)
        .is_refused(true);
}

#[test]
fn arguments_are_counted_and_typed_each_for_itself() {
    let fault = |call: &str| {
        try_plan(&format!(
            "weir 1\ngreylist grey {{ timeout 1s }}\npool p {{ server s 192.0.2.1:25 }}\n\
             on rcpt {{ defer 451 4.7.1 \"x\" if {call} is waiting }}\non message {{ send to p }}\n"
        ))
        .unwrap_err()
    };
    assert!(fault("grey(client.ip)").contains("`grey` takes 3 arguments, not 1"));
    assert!(
        fault("grey(client.ip, rcpt, rcpt)").contains("expected domain"),
        "{}",
        fault("grey(client.ip, rcpt, rcpt)")
    );
}
