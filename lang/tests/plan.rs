//! What plans decide, and for which facts they wait.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that is wrong about its plan has failed"
)]

mod toy;

use std::fmt::Write;

use toy::facts::{Known, plan, slot, try_plan};
use weir_lang::eval::{Coverage, RuleState, Scratch};
use weir_lang::plan::{Ending, Operand, Plan, Step};
use weir_lang::score::Score;
use weir_lang::value::{Slot, Value};

const CONNECT: usize = 0;
const RCPT: usize = 1;
const MESSAGE: usize = 2;

const LISTED: Value<'static> = Value::State(0);
const UNKNOWN: Value<'static> = Value::State(1);
const CLEAN: Value<'static> = Value::State(2);

/// Two lists of clients and a group that asks them.
const REPUTATION: &str = r#"weir 1
dnsbl zen { zone "zen.example.org" }
dnsbl bl  { zone "bl.example.net" }
dnsbl wl  { zone "wl.example.com" }
group reputation { deadline 3s  cap 5 }
rule ZEN     3 "on zen"     in reputation = zen(client.ip)
rule BL      2 "on bl"      in reputation = bl(client.ip)
rule NO_RDNS 1 "no rdns"    in reputation = client.rdns is missing
on rcpt {
  accept if rcpt.local == "postmaster"
  reject 550 5.7.1 "blocked: {hits(reputation)}" if score(reputation) >= 3
}
on message {
  add header "X-Reputation" "{score(reputation)} {hits(reputation)}"
  add header "X-Status" spam_status(reputation, 4)
  discard if wl(client.ip)
  reject 550 5.7.1 "no"
}
"#;

fn step(plan: &Plan, phase: usize, known: &Known, scratch: &mut Scratch) -> Step {
    plan.evaluate(phase, known, scratch)
}

/// The line of the statement that ended the phase.
fn ended(plan: &Plan, step: Step) -> Option<u32> {
    match step {
        Step::Decided(Ending::Final(id) | Ending::Accepted(Some(id))) => {
            Some(plan.statement(id).location.line)
        }
        Step::Decided(Ending::Accepted(None)) => None,
        Step::Needs => panic!("the phase waits"),
    }
}

fn wanted(plan: &Plan, scratch: &Scratch, names: &[&str]) {
    let mut expected: Vec<Slot> = names.iter().map(|name| slot(plan, name)).collect();
    expected.sort_unstable();
    assert_eq!(scratch.wanted(), expected, "{names:?}");
}

/// The operands of the statement at this line, as text.
fn rendered(plan: &Plan, line: u32, known: &Known, scratch: &Scratch) -> String {
    let statement = plan.statements().iter().find(|statement| statement.location.line == line).unwrap();
    let mut out = Vec::new();
    plan.render(statement.args.last().unwrap(), known, scratch, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn what_needs_no_lookup_waits_for_none() {
    let plan = plan(REPUTATION);
    let known = Known::default().field("rcpt.local", Value::Text(b"postmaster"));
    let mut scratch = plan.scratch();
    assert_eq!(ended(&plan, step(&plan, RCPT, &known, &mut scratch)), Some(10));
    assert_eq!(scratch.rule(0), RuleState::Unrun);
}

#[test]
fn all_that_can_be_reached_is_wanted_at_once() {
    let plan = plan(REPUTATION);
    let known = Known::default().field("rcpt.local", Value::Text(b"dev"));
    let mut scratch = plan.scratch();
    assert_eq!(step(&plan, RCPT, &known, &mut scratch), Step::Needs);
    wanted(&plan, &scratch, &["zen", "bl", "client.rdns"]);
    assert_eq!(scratch.deadline(), Some(3000));
}

#[test]
fn a_score_that_cannot_change_the_answer_is_not_waited_for() {
    let plan = plan(REPUTATION);
    let mut known = Known::default();
    let mut scratch = plan.scratch();
    assert_eq!(step(&plan, RCPT, &known, &mut scratch), Step::Needs);
    known.answer(&plan, "zen", LISTED);
    assert_eq!(ended(&plan, step(&plan, RCPT, &known, &mut scratch)), Some(11));
    assert_eq!(scratch.rule(1), RuleState::Pending);
    assert_eq!(rendered(&plan, 11, &known, &scratch), "blocked: ZEN(3.0)");
    // 1 and 2 open cannot lose anything; without them 3 cannot be reached.
    scratch.reset_transaction();
    known.answer(&plan, "zen", CLEAN);
    known.answer(&plan, "bl", UNKNOWN);
    assert_eq!(ended(&plan, step(&plan, RCPT, &known, &mut scratch)), None);
}

#[test]
fn what_is_shown_waits_for_all_of_its_group() {
    let plan = plan(REPUTATION);
    let mut known = Known::default();
    let mut scratch = plan.scratch();
    known.answer(&plan, "zen", LISTED);
    known.answer(&plan, "client.rdns", Value::Missing);
    assert_eq!(step(&plan, MESSAGE, &known, &mut scratch), Step::Needs);
    wanted(&plan, &scratch, &["bl", "wl"]);
    known.answer(&plan, "bl", LISTED);
    known.answer(&plan, "wl", CLEAN);
    assert_eq!(ended(&plan, step(&plan, MESSAGE, &known, &mut scratch)), Some(17));
    assert_eq!(scratch.actions().len(), 2);
    assert_eq!(rendered(&plan, 14, &known, &scratch), "5.0 ZEN(3.0),BL(2.0),NO_RDNS(1.0)");
    assert_eq!(
        rendered(&plan, 15, &known, &scratch),
        "Yes, score=5.0 required=4.0 tests=[ZEN(3.0),BL(2.0),NO_RDNS(1.0)]"
    );
    assert_eq!(plan.score(0, &known, &scratch), Score::from_hundredths(500), "the cap holds");
}

#[test]
fn a_survey_settles_every_rule_whatever_the_verdict_needed() {
    let plan = plan(REPUTATION);
    let mut known = Known::default().field("rcpt.local", Value::Text(b"postmaster"));
    let mut scratch = plan.scratch();
    assert_eq!(ended(&plan, step(&plan, RCPT, &known, &mut scratch)), Some(10));
    assert_eq!(scratch.rule(0), RuleState::Unrun);
    assert_eq!(step(&plan, plan.survey_phase(), &known, &mut scratch), Step::Needs);
    wanted(&plan, &scratch, &["zen", "bl", "client.rdns"]);
    for (name, answer) in [("zen", LISTED), ("bl", CLEAN), ("client.rdns", Value::Missing)] {
        known.answer(&plan, name, answer);
    }
    assert_eq!(step(&plan, plan.survey_phase(), &known, &mut scratch), Step::Decided(Ending::Accepted(None)));
    assert_eq!([0, 1, 2].map(|rule| scratch.rule(rule)), [RuleState::Hit, RuleState::Miss, RuleState::Hit]);
    assert_eq!(plan.score(0, &known, &scratch), Score::from_hundredths(400));
}

#[test]
fn lookups_of_later_phases_can_start_early() {
    let plan = plan(REPUTATION);
    let mut names: Vec<Slot> =
        ["zen", "bl", "wl", "client.rdns"].iter().map(|name| slot(&plan, name)).collect();
    names.sort_unstable();
    assert_eq!(plan.prefetch(CONNECT), names);
    assert_eq!(plan.prefetch(MESSAGE), []);
}

#[test]
fn an_override_for_one_test_is_one_of_its_scratch() {
    let plan = plan(REPUTATION);
    let mut known = Known::default();
    let mut scratch = plan.scratch();
    scratch.set_score(0, None);
    known.answer(&plan, "zen", LISTED);
    known.answer(&plan, "bl", CLEAN);
    assert_eq!(ended(&plan, step(&plan, RCPT, &known, &mut scratch)), None, "1 is under 3");
    assert_eq!(scratch.rule(0), RuleState::Unrun);
    scratch.reset_session(&plan);
    assert_eq!(ended(&plan, step(&plan, RCPT, &known, &mut scratch)), Some(11));
}

#[test]
fn failed_lookups_can_count() {
    let text = REPUTATION.replace("cap 5", "failed_lookup counts 0.5");
    let plan = plan(&text);
    let mut known = Known::default();
    for name in ["zen", "bl"] {
        known.answer(&plan, name, UNKNOWN);
    }
    known.answer(&plan, "wl", LISTED);
    known.answer(&plan, "client.rdns", Value::Unknown);
    let mut scratch = plan.scratch();
    assert_eq!(ended(&plan, step(&plan, MESSAGE, &known, &mut scratch)), Some(16));
    assert_eq!(rendered(&plan, 14, &known, &scratch), "1.5 ");
}

#[test]
fn shadow_computes_and_does_nothing() {
    let plan = plan(
        r#"weir 1
group g { }
rule WATCHED shadow 9 "watched" in g = client.passed
rule COUNTED 1 "counted" in g = client.passed
on message {
  shadow reject 550 5.7.1 "would be" if client.passed
  reject 550 5.7.1 "no" if WATCHED
  reject 550 5.7.1 "no" if score(g) >= 2
  discard
}
"#,
    );
    let known = Known::default().field("client.passed", Value::Bool(true));
    let mut scratch = plan.scratch();
    assert_eq!(ended(&plan, step(&plan, MESSAGE, &known, &mut scratch)), Some(9));
    assert_eq!((scratch.rule(0), scratch.rule(1)), (RuleState::Hit, RuleState::Hit));
    let [would] = scratch.actions() else { panic!("one statement ran") };
    assert!(plan.statement(*would).shadow);
    let mut coverage = Coverage::new(&plan);
    coverage.record(&scratch, Ending::Accepted(None));
    assert_eq!(coverage.rules_never_hit().count(), 0);
    assert_eq!(coverage.statements_never_run().count(), 3);
}

#[test]
fn a_key_is_counted_once_however_long_its_reply_waits() {
    let plan = plan(
        r#"weir 1
on rcpt {
  limit 60 by client.ip, else reject 450 4.7.1 "too many from {client.rdns}"
}
on message { discard }
"#,
    );
    let mut known = Known { limit_broken: true, ..Known::default() };
    let mut scratch = plan.scratch();
    assert_eq!(step(&plan, RCPT, &known, &mut scratch), Step::Needs);
    known.answer(&plan, "client.rdns", Value::Text(b"host.example.net"));
    assert_eq!(ended(&plan, step(&plan, RCPT, &known, &mut scratch)), Some(3));
    assert_eq!(known.asked.get(), 1);
    let limit = plan.statement(scratch.actions()[0]);
    assert!(matches!(limit.args.last(), Some(Operand::Statement(_))));
}

#[test]
fn a_lookup_waits_for_the_lookup_of_its_argument() {
    let plan = plan(
        r#"weir 1
dnsbl names { zone "names.example.org" }
on message {
  reject 550 5.7.1 "no" if names(client.rdns)
  discard
}
"#,
    );
    let mut known = Known::default();
    let mut scratch = plan.scratch();
    assert_eq!(step(&plan, MESSAGE, &known, &mut scratch), Step::Needs);
    wanted(&plan, &scratch, &["client.rdns"]);
    known.answer(&plan, "client.rdns", Value::Text(b"host.example.net"));
    assert_eq!(step(&plan, MESSAGE, &known, &mut scratch), Step::Needs);
    wanted(&plan, &scratch, &["names"]);
    let names = slot(&plan, "names");
    assert_eq!(plan.slot_argument(names, 0, &known), Value::Text(b"host.example.net"));
    known.answer(&plan, "names", CLEAN);
    assert_eq!(ended(&plan, step(&plan, MESSAGE, &known, &mut scratch)), Some(5));
}

#[test]
fn each_recipient_is_judged_anew() {
    let plan = plan(
        r#"weir 1
rule LONG = rcpt.local ~ /long/
on rcpt {
  reject 550 5.1.1 "no" if LONG
}
on message { discard }
"#,
    );
    let mut scratch = plan.scratch();
    let mut known = Known::default().field("rcpt.local", Value::Text(b"a long one"));
    assert_eq!(ended(&plan, step(&plan, RCPT, &known, &mut scratch)), Some(4));
    known.set("rcpt.local", Value::Text(b"short"));
    assert_eq!(ended(&plan, step(&plan, RCPT, &known, &mut scratch)), None);
}

/// One line per comparison: the guard, and whether it holds.
#[test]
fn comparisons() {
    let urls: &'static [Box<[u8]>] =
        Box::leak(Box::new([b"http://a.example/".to_vec().into(), b"ftp://b.example/".to_vec().into()]));
    let fixed = [
        ("client.ip", Value::Ip("192.0.2.7".parse().unwrap())),
        ("client.port", Value::Int(2525)),
        ("sender.domain", Value::Text(b"Example.NET")),
        ("rcpt", Value::Text(b"Ann@example.ORG")),
        ("rcpt.local", Value::Text(b"Ann")),
        ("message.size", Value::Size(2_000_000)),
        ("message.urls", Value::Texts(urls)),
        ("subject", Value::Text(b"You won the Lottery")),
        ("body", Value::Text(b"We do  SEO\nservices here")),
        ("header.time", Value::Time(1_700_000_000 + 90_000)),
    ];
    for (guard, holds) in [
        ("client.ip in 192.0.2.0/24", true),
        ("client.ip in [ 198.51.100.1, 192.0.2.7 ]", true),
        ("client.ip not in nets", false),
        ("client.ip matches 192.0.*.7-9", true),
        ("client.ip matches 192.0.2.0/29", true),
        ("client.port == 25", false),
        ("client.port in [ 25, 2525 ]", true),
        ("client.port not in [ 25, 2525 ]", false),
        ("sender.domain == \"example.net\"", true),
        ("sender.domain is fqdn", true),
        ("rcpt.local is not fqdn", true),
        ("rcpt == \"Ann@EXAMPLE.org\"", true),
        ("rcpt == \"ann@example.org\"", false),
        ("rcpt in people", true),
        ("rcpt in who", true),
        ("message.size > 1MB", true),
        ("message.size <= 2MB", true),
        ("subject ~ /won the l/", false),
        ("subject ~ /won the l/i", true),
        ("subject !~ /won/", false),
        ("subject begins \"You\"", true),
        ("subject has \"Lottery\"", true),
        ("body has phrases", true),
        ("message.urls ~ /^ftp:/", true),
        ("all message.urls ~ /example/", true),
        ("all message.urls ~ /^http:/", false),
        ("any message.urls !~ /^http:/", true),
        ("message.urls has \"ftp://b.example/\"", true),
        ("message.urls has only \"ftp://b.example/\"", false),
        ("header(\"Date\").time > now + 24h", true),
        ("header(\"Date\").time > now + 26h", false),
        // What is missing satisfies no comparison, and every complement.
        ("rcpt.domain is missing", true),
        ("rcpt.domain == \"example.org\"", false),
        ("rcpt.domain != \"example.org\"", false),
        ("rcpt.domain not in domains", true),
        ("header(\"X\") !~ /a/", true),
        ("lower(subject) == \"computed\"", true),
        ("not (client.port == 25 or client.passed)", true),
    ] {
        let text = format!(
            "weir 1\nlist nets : net = [ 192.0.2.0/24 ]\nlist people : address = [ \"ann@example.org\" ]\n\
             list domains : domain = [ \".example.org\" ]\nlist phrases : phrase = [ \"seo services\" ]\n\
             map who : address -> text = [ \"ann@example.org\" -> \"Ann\" ]\n\
             on message {{\n  discard if {guard}\n  reject 550 5.7.1 \"no\"\n}}\n"
        );
        let plan = plan(&text);
        let known = fixed.iter().fold(Known::default(), |known, (name, value)| known.field(name, *value));
        let mut scratch = plan.scratch();
        let line = ended(&plan, step(&plan, MESSAGE, &known, &mut scratch));
        assert_eq!(line == Some(8), holds, "{guard}");
    }
}

#[test]
fn answers_and_their_members() {
    let text = |guard: &str| {
        format!(
            "weir 1\ndnsbl wl {{ zone \"wl.example.com\" }}\non message {{\n  let found = wl(client.ip)\n  \
             discard if {guard}\n  reject 550 5.7.1 \"no\"\n}}\n"
        )
    };
    for (guard, state, holds) in [
        ("found", LISTED, true),
        ("found", UNKNOWN, false),
        ("found is clean", CLEAN, true),
        ("found is not listed", UNKNOWN, true),
        ("wl(client.ip) matches 127.0.*.2-3", LISTED, true),
        ("found.codes matches 127.0.0.9", LISTED, false),
    ] {
        let plan = plan(&text(guard));
        assert_eq!(plan.slots().len(), 1, "one question, one slot");
        let mut known = Known { codes: vec!["127.0.5.2".parse().unwrap()], ..Known::default() };
        known.answer(&plan, "wl", state);
        let mut scratch = plan.scratch();
        assert_eq!(ended(&plan, step(&plan, MESSAGE, &known, &mut scratch)) == Some(5), holds, "{guard}");
    }
    for (guard, state, holds) in [
        ("is fail", 1, true),
        ("is fail(reject)", 1, false),
        ("is fail(reject)", 2, true),
        ("is not pass", 3, true),
    ] {
        let plan = plan(&format!(
            "weir 1\non message {{\n  discard if dmarc(sender.domain) {guard}\n  reject 550 5.7.1 \"no\"\n}}\n"
        ));
        let mut known = Known::default();
        known.answer(&plan, "dmarc", Value::State(state));
        let mut scratch = plan.scratch();
        assert_eq!(ended(&plan, step(&plan, MESSAGE, &known, &mut scratch)) == Some(3), holds, "{guard}");
    }
}

#[test]
fn rules_are_nested_up_to_a_bound() {
    let chain = |length: usize| {
        let mut text = String::from("weir 1\nrule R0 = client.passed\n");
        for index in 1..length {
            writeln!(text, "rule R{index} = not R{}", index - 1).unwrap();
        }
        write!(text, "on message {{\n  discard if R{}\n  reject 550 5.7.1 \"no\"\n}}\n", length - 1).unwrap();
        text
    };
    let plan = plan(&chain(weir_lang::RULE_DEPTH_MAX));
    let known = Known::default().field("client.passed", Value::Bool(false));
    let mut scratch = plan.scratch();
    assert!(matches!(step(&plan, MESSAGE, &known, &mut scratch), Step::Decided(_)));
    let faults = try_plan(&chain(weir_lang::RULE_DEPTH_MAX + 1)).unwrap_err();
    assert!(faults.contains("W0217"), "{faults}");
    // A circle of many rules is found without a stack as deep.
    let circle = chain(20_000).replace("R0 = client.passed", "R0 = R19999");
    assert!(try_plan(&circle).unwrap_err().contains("W0212"));
}

/// Checks that each call the one before so many times.
fn checks(length: usize, times: usize) -> String {
    let mut text = String::from("weir 1\ncheck c0 { note \"x\" }\n");
    for index in 1..length {
        let calls = format!("  do c{}\n", index - 1).repeat(times);
        writeln!(text, "check c{index} {{\n{calls}}}").unwrap();
    }
    write!(text, "on message {{\n  do c{}\n  discard\n}}\n", length - 1).unwrap();
    text
}

#[test]
fn checks_written_out_too_often_are_refused() {
    let faults = try_plan(&checks(weir_lang::CALL_DEPTH_MAX, 3)).unwrap_err();
    assert!(faults.contains("W0217") && faults.contains("statements"), "{faults}");
}

#[test]
fn checks_are_nested_up_to_a_bound() {
    assert!(try_plan(&checks(weir_lang::CALL_DEPTH_MAX, 1)).is_ok());
    let faults = try_plan(&checks(500, 1)).unwrap_err();
    assert!(faults.contains("W0217") && faults.contains("deep"), "{faults}");
}

#[test]
fn the_digest_is_that_of_the_texts() {
    let one = plan(REPUTATION);
    assert_eq!(one.digest(), plan(REPUTATION).digest());
    assert_ne!(one.digest(), plan(&REPUTATION.replace("deadline 3s", "deadline 4s")).digest());
}

#[test]
fn tests_and_their_overrides_are_in_the_plan() {
    let text = format!(
        "{REPUTATION}test \"one\" {{\n  scores {{ ZEN = off; BL = 2.5 }}\n  client 192.0.2.7 rdns \"host.example.net\"  expect rcpt 550, hit BL, score reputation < 2.5\n}}\n"
    );
    let plan = plan(&text);
    let [case] = plan.tests() else { panic!("one test") };
    assert_eq!(case.scores, [(0, None), (1, Some(Score::from_hundredths(250)))]);
    let words: Vec<&str> = case.clauses.iter().map(|clause| clause.word.as_str()).collect();
    assert_eq!(words, ["client", "expect"]);
}

#[test]
fn the_cost_is_said() {
    let plan = plan(REPUTATION);
    let cost = plan.cost();
    let rcpt = cost.phases.iter().find(|phase| phase.phase == "rcpt").unwrap();
    assert_eq!((rcpt.statements, rcpt.rules, rcpt.lookups, rcpt.deadline), (2, 3, 3, Some(3000)));
    assert!(cost.to_string().contains("rcpt"));
}

/// A text of lookups waits for those that it names, and for no others.
#[test]
fn a_text_waits_for_the_lookups_that_it_tells_of() {
    let plan = plan(
        "weir 1\non message {\n  let policy = dmarc(sender.domain)\n  note results(\"mx\", policy, sender.domain.mx)\n  \
         note \"{fact.a}\"\n  discard\n}\n",
    );
    let mut known = Known::default();
    let mut scratch = plan.scratch();
    assert_eq!(plan.evaluate(2, &known, &mut scratch), Step::Needs);
    known.answer(&plan, "dmarc", Value::State(1));
    assert_eq!(plan.evaluate(2, &known, &mut scratch), Step::Needs);
    known.answer(&plan, "sender.domain.mx", Value::State(0));
    assert_eq!(plan.evaluate(2, &known, &mut scratch), Step::Needs);
    assert_eq!(scratch.actions().len(), 1, "the second note waits for its own");
    assert_eq!(rendered(&plan, 4, &known, &scratch), "Text([109, 120]) [State(1), State(0)]");
}
