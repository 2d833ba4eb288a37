//! Whatever is written: the checker says what is wrong with it, or the plan runs. Neither ever panics.
#![expect(clippy::unwrap_used, reason = "a test that cannot write its text has failed")]

mod toy;

use std::fmt::Write;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use toy::facts::{Known, try_plan};
use weir_lang::plan::Step;

/// Pieces of conditions, sensible and not.
const CONDITION: &[&str] = &[
    "client.ip",
    "client.rdns",
    "client.passed",
    "sender.domain",
    "sender.domain.mx",
    "rcpt",
    "rcpt.domain",
    "message",
    "message.size",
    "message.urls",
    "subject",
    "body",
    "header(\"Date\")",
    "header(\"Date\").time",
    "header(subject)",
    "now",
    "now + 24h",
    "zen(client.ip)",
    "zen(client.rdns)",
    "zen(message.url_domains)",
    "zen(client.ip).codes",
    "dmarc(sender.domain)",
    "lower(subject)",
    "results(\"a\", sender.domain.mx)",
    "results(subject, zen(client.ip))",
    "score(g)",
    "hits(g)",
    "R0",
    "R1",
    "R2",
    "bound",
    "nets",
    "who",
    "phrases",
    "missing",
    "present",
    "listed",
    "clean",
    "unknown",
    "fail(reject)",
    "1",
    "2.5",
    "10MB",
    "24h",
    "\"a\"",
    "\"{subject}\"",
    "/a+b/i",
    "/(a/",
    "192.0.2.7",
    "192.0.2.0/24",
    "127.0.*.2-3",
    "[ \"a\", \"b\" ]",
    "[ 1, 2 ]",
    "[ 192.0.2.1 ]",
    "true",
    "false",
];
const OPERATOR: &[&str] = &[
    "==", "!=", "<", ">=", "in", "not in", "~", "!~", "has", "has only", "is", "is not", "matches", "begins",
];
const JOINT: &[&str] = &[" and ", " or ", " and not ", " or not "];
/// Conditions that are right, at least in the last phase.
const RIGHT: &[&str] = &[
    "client.ip in nets",
    "client.passed",
    "client.rdns is missing",
    "client.rdns is unknown",
    "zen(client.ip)",
    "zen(client.rdns) is not listed",
    "zen(message.url_domains) is clean",
    "zen(client.ip) matches 127.0.*.2-3",
    "dmarc(sender.domain) is fail",
    "sender.domain.mx is null",
    "subject ~ /a+b/i",
    "body has phrases",
    "any message.urls !~ /x/",
    "header(\"Date\").time > now + 24h",
    "score(g) >= 2.5",
    "rcpt in who",
    "R9",
    "true",
];
/// Pieces of what follows a verb, a setting or a line of a test.
const ATOM: &[&str] = &[
    "550",
    "5.7.1",
    "451",
    "4.7.1",
    "\"x\"",
    "\"{client.ip} {hits(g)}\"",
    "to",
    "next_hop",
    "header",
    ",",
    "else",
    "by",
    "accept",
    "client.ip",
    "60",
    "2s",
    "zone",
    "listed",
    "127.0.0.2",
    "timeout",
    "server",
    "one",
    "192.0.2.1:25",
    "slots",
    "5",
    "drained",
    "bind",
    "name",
    "rdns",
    "expect",
    "hit",
    "R0",
    "score",
    "g",
    "<",
    "cap",
];
const VERB: &[&str] = &[
    "accept",
    "reject",
    "defer",
    "discard",
    "send",
    "note",
    "add",
    "limit",
    "refuse",
    "do c",
    "shadow reject",
];

fn comparison() -> impl Strategy<Value = String> {
    let one = select(CONDITION).prop_map(str::to_owned);
    let two = (
        prop_oneof![Just(""), Just("all "), Just("any ")],
        select(CONDITION),
        select(OPERATOR),
        select(CONDITION),
    )
        .prop_map(|(each, left, op, right)| format!("{each}{left} {op} {right}"));
    prop_oneof![1 => one, 4 => two, 60 => select(RIGHT).prop_map(str::to_owned)]
}

fn condition() -> impl Strategy<Value = String> {
    (comparison(), vec((select(JOINT), comparison()), 0..3)).prop_map(|(first, rest)| {
        rest.into_iter().fold(first, |all, (joint, next)| format!("{all}{joint}{next}"))
    })
}

fn atoms() -> impl Strategy<Value = String> {
    vec(select(ATOM), 0..6).prop_map(|atoms| atoms.join(" "))
}

fn statement() -> impl Strategy<Value = String> {
    let known = select(vec![
        "reject 550 5.7.1 \"{hits(g)} {client.rdns}\"",
        "note \"{score(g)}\"",
        "discard",
        "accept",
        "limit 60 by client.ip, else reject 550 5.7.1 \"x\"",
        "add header \"X\" spam_status(g, 3)",
        "do c",
    ])
    .prop_map(str::to_owned);
    let any = (select(VERB), atoms()).prop_map(|(verb, atoms)| format!("{verb} {atoms}"));
    let verb = prop_oneof![4 => known, 1 => any];
    prop_oneof![
        4 => (verb.clone(), condition()).prop_map(|(verb, guard)| format!("{verb} if {guard}")),
        1 => verb.clone(),
        1 => condition().prop_map(|value| format!("let bound = {value}")),
        2 => (condition(), verb).prop_map(|(guard, verb)| format!("if {guard} {{\n{verb}\n}}")),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let block = || vec(statement(), 0..3);
    let setting = prop_oneof![9 => Just(String::from("slots 5")), 1 => atoms()];
    let line = prop_oneof![9 => Just(String::from("hit R0, score g < 2.5")), 1 => atoms()];
    (vec(condition(), 3), block(), block(), block(), setting, line).prop_map(
        |(rules, check, rcpt, message, setting, line)| {
            let mut out = String::from(
                "weir 1\nlist nets : net = [ 192.0.2.0/24 ]\nlist phrases : phrase = [ \"a phrase\" ]\n\
                 map who : address -> text = [ \"ann@example.org\" -> \"Ann\" ]\n\
                 dnsbl zen { zone \"zen.example.org\" }\npool next_hop { server one 192.0.2.1:25 }\n",
            );
            writeln!(out, "group g {{ cap 5 }}\nrule R9 1.5 \"r\" in g = zen(client.ip)\npool other {{ server two 192.0.2.2:25 {setting} }}").unwrap();
            for (index, rule) in rules.iter().enumerate() {
                writeln!(out, "rule R{index} = {rule}").unwrap();
            }
            for (head, block) in [("check c", check), ("on rcpt", rcpt), ("on message", message)] {
                let last = if head == "on message" { "discard" } else { "note \"last\"" };
                writeln!(out, "{head} {{\n{}\n{last}\n}}", block.join("\n")).unwrap();
            }
            write!(out, "test \"t\" {{\nexpect {line}\n}}\n").unwrap();
            out
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_text_is_refused_with_reasons_or_runs(text in text()) {
        match try_plan(&text) {
            Err(faults) => prop_assert!(faults.contains("error[W"), "no reason is given for\n{}", text),
            Ok(plan) => {
                let known = Known::default();
                let mut scratch = plan.scratch();
                for phase in 0..3 {
                    if plan.evaluate(phase, &known, &mut scratch) == Step::Needs {
                        prop_assert!(!scratch.wanted().is_empty());
                    }
                }
            }
        }
    }
}
