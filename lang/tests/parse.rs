//! The parser against whole files: the samples parse, and nothing that is given to it makes it panic.

mod support;

use proptest::prelude::*;
use support::{parsed, samples, shape, tree, trees};
use weir_lang::ast::{ExprKind, Item, Statement};
use weir_lang::parse::{FAULTS_MAX, FILE_BYTES_MAX, NESTING_MAX, TERMS_MAX};
use weir_lang::print;

#[test]
fn samples_parse() {
    assert!(samples().len() >= 5);
    for (_, text) in samples() {
        tree(&text);
    }
}

/// The codes of a text's faults.
fn codes(text: &str) -> Vec<&'static str> {
    parsed(text).1.iter().map(|fault| fault.code.id).collect()
}

#[test]
fn every_span_is_the_text_it_stands_for() {
    let text = "weir 1\nrule A = zen(client.ip)   # é\n  and header(\"Date\").time > now + 24h\n";
    let (file, faults, sources) = parsed(text);
    assert!(faults.is_empty());
    let Item::Rule(rule) = &file.items[0] else { panic!("no rule") };
    let ExprKind::And(left, right) = &rule.condition.kind else { panic!("no and") };
    assert_eq!(sources.text(left.span), "zen(client.ip)");
    assert_eq!(sources.text(right.span), "header(\"Date\").time > now + 24h");
    let ExprKind::Compare { left, op_span, right, .. } = &right.kind else { panic!("no comparison") };
    assert_eq!((sources.text(*op_span), sources.text(right.span)), (">", "now + 24h"));
    let ExprKind::Call { name, members, .. } = &left.kind else { panic!("no call") };
    assert_eq!((sources.text(name.span), sources.text(members[0].span)), ("header", "time"));
}

/// How many statements the first phase of a text has.
fn statements(body: &str) -> Vec<Statement> {
    let file = tree(&format!("weir 1\non rcpt {{\n{body}\n}}\n"));
    match file.items.into_iter().next() {
        Some(Item::Phase(phase)) => phase.body.statements,
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_statements_end() {
    for (body, count) in [
        ("accept\naccept", 2),
        ("accept; accept", 2),
        ("accept\n  if a", 1),
        ("accept\n\n  # why\n  if a\n  and b", 1),
        ("accept if a\nif b {\n accept\n}", 2),
        ("accept\nif b { accept }", 2),
        ("accept\nif b\n  and c {\n accept\n}", 2),
        ("accept\nif f([\n1,\n2\n]) {\n}", 2),
        ("note a,\n b", 1),
        ("note a,   # more\n\n b", 1),
        ("note f(a,\n\n b\n)", 1),
        ("accept if a in\n [ 1 ]; accept", 0),
        ("let x = [\n  1, # one\n  2,\n]\naccept", 2),
        ("if a { accept } else if b { accept } else { accept }\naccept", 2),
        ("accept if a\n  in b", 1),
        ("accept if a in [\"}\", \"#\", \"{b}\"]\naccept", 2),
        ("accept if a ~ /[{#\"]/\naccept", 2),
    ] {
        if count == 0 {
            assert!(!codes(&format!("weir 1\non rcpt {{\n{body}\n}}\n")).is_empty(), "{body}");
        } else {
            assert_eq!(statements(body).len(), count, "{body}");
        }
    }
}

#[test]
fn one_fault_does_not_hide_the_next() {
    let text = "weir 1\nrule = 1\non rcpt {\n  accept if\n  if true {\n    let\n    accept if a b\n  }\n}\n\
                rule B = (\non mail {\n  do\n}\n";
    let lines: Vec<u32> = {
        let (_, faults, sources) = parsed(text);
        faults.iter().map(|f| sources.location(f.span).line).collect()
    };
    assert_eq!(lines, [2, 4, 6, 7, 10, 12]);
}

/// One inside of a value in a text was overlooked, and what was printed of the tree could not be read.
#[test]
fn a_control_character_is_a_fault_wherever_it_stands() {
    for text in ["use \"{a\u{c}b}\"", "use \"{f(\"a\u{c}b\")}\"", "use \"a\u{c}b\"", "use\u{c} \"a\""] {
        assert!(codes(&format!("weir 1\n{text}\n")).contains(&"W0111"), "{text:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let fits = format!("weir 1\nrule A = {}a{}\n", "(".repeat(NESTING_MAX), ")".repeat(NESTING_MAX));
    assert_eq!(codes(&fits), [""; 0]);
    for deep in [33, 1000, 100_000] {
        for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")"), ("not (", ")"), ("[(", ")]")] {
            let text = format!("weir 1\nrule A = {}a{}\nrule B =\n", open.repeat(deep), close.repeat(deep));
            let found = codes(&text);
            assert_eq!((found[0], found[found.len() - 1]), ("W0106", "W0103"), "{deep} {open}");
            let unclosed = format!("weir 1\nrule A = {}a", open.repeat(deep));
            assert!(!codes(&unclosed).is_empty());
        }
        let blocks =
            format!("weir 1\non rcpt {{\n{}accept{}\n}}\n", "if a {\n".repeat(deep), "\n}".repeat(deep));
        assert_eq!(codes(&blocks), ["W0106"], "{deep} blocks");
        let bodies = format!("weir 1\ntest \"a\" {{\n{}x{}\n}}\n", "a { ".repeat(deep), " }".repeat(deep));
        assert_eq!(codes(&bodies), ["W0106"], "{deep} bodies");
        assert!(!codes(&format!("weir 1\nrule A = {}a\n", "not ".repeat(deep))).is_empty());
        // Inside brackets that another item did not close, and inside braces inside brackets.
        for before in ["(".repeat(40), format!("{}{{ x; ", "(".repeat(40)), format!("{}{{", "f(".repeat(31))]
        {
            let nest = format!("{}a{}", "(".repeat(deep), ")".repeat(deep));
            assert!(!codes(&format!("weir 1\nrule A = {before}\nrule B = {nest}\n")).is_empty());
            let closed = format!("weir 1\nrule A = {before}\naccept if {nest}\n}}{}\n", ")".repeat(40));
            assert!(!codes(&closed).is_empty());
        }
        let piece = format!("weir 1\nrule A = \"{{{}a{}}}\"\n", "f(".repeat(deep), ")".repeat(deep));
        assert_eq!(codes(&piece)[0], "W0114");
    }
}

#[test]
fn terms_are_bounded() {
    let fits = format!("weir 1\nrule A = a{}\n", " and a".repeat(TERMS_MAX));
    assert_eq!(codes(&fits), [""; 0]);
    let many = format!("weir 1\nrule A = a{}\nrule B =\n", " or not a".repeat(100_000));
    assert_eq!(codes(&many), ["W0112", "W0103"]);
    let offsets = format!("weir 1\nrule A = now{}\n", " + 1s".repeat(10_000));
    assert_eq!(codes(&offsets), ["W0103"]);
}

#[test]
fn faults_and_bytes_are_bounded() {
    assert_eq!(codes(&format!("weir 1\n{}", "?\n".repeat(100_000))).len(), FAULTS_MAX);
    assert_eq!(codes(&" ".repeat(FILE_BYTES_MAX + 1)), ["W0107"]);
}

proptest! {
    /// The input split at any byte: each prefix of each sample.
    #[test]
    fn no_prefix_panics(sample in 0..samples().len(), share in 0.0..1.0_f64) {
        let (_, text) = &samples()[sample];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a share of a small length")]
        let mut end = (text.len() as f64 * share) as usize;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        check_faults(&text[..end]);
    }

    /// A sample with a stretch replaced by something else.
    #[test]
    fn no_change_panics(sample in 0..samples().len(), start in any::<proptest::sample::Index>(),
        length in 0..40_usize, instead in "[ -~\n\t\u{e4}\u{0}\r]{0,12}")
    {
        let (_, text) = &samples()[sample];
        let characters: Vec<char> = text.chars().collect();
        let start = start.index(characters.len());
        let end = (start + length).min(characters.len());
        let changed: String =
            characters[..start].iter().copied().chain(instead.chars()).chain(characters[end..].iter().copied()).collect();
        check_faults(&changed);
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        check_faults(&text);
        check_faults(&format!("weir 1\n{text}"));
    }

    /// Tokens of the language in any order: far more of these get past the lexer.
    #[test]
    fn no_tokens_panic(tokens in proptest::collection::vec(proptest::sample::select(TOKENS), 0..60)) {
        check_faults(&format!("weir 1\n{}", tokens.join(" ")));
        check_faults(&format!("weir 1\non rcpt {{\n{}\n}}\n", tokens.concat()));
    }

    /// A statement that prints in one line parses the same with a line break before `if`, `and` and `or`.
    #[test]
    fn guards_wrap(condition in trees::condition()) {
        let line = format!("weir 1\non rcpt {{\n  accept if {}\n}}\n", print::expression(&condition));
        let wrapped = line.replacen(" if ", "\n # why\n\n   if ", 1);
        prop_assert_eq!(shape(&tree(&wrapped)), shape(&tree(&line)));
    }
}

const TOKENS: &[&str] = &[
    "weir",
    "role",
    "use",
    "list",
    "map",
    "rule",
    "check",
    "on",
    "test",
    "pool",
    "scores",
    "file",
    "if",
    "else",
    "let",
    "do",
    "shadow",
    "and",
    "or",
    "not",
    "in",
    "is",
    "has",
    "only",
    "all",
    "true",
    "a",
    "client.ip",
    "f(",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    "\n",
    "=",
    "==",
    "->",
    "<",
    "~",
    "+",
    "-",
    ":",
    "\"a\"",
    "\"{a}\"",
    "\"",
    "/x/i",
    "/",
    "#",
    "1",
    "2.5",
    "5.7.1",
    "127.0.*.1",
    "[::]:25",
    "24h",
    "5MB",
    "80%",
    "\\",
    "&&",
    "!",
    "\u{e4}",
    "\0",
    "\r",
];

/// Every fault lies inside the text and can be shown.
fn check_faults(text: &str) {
    let (_, faults, sources) = parsed(text);
    for fault in &faults {
        assert!(fault.span.start <= fault.span.end && fault.span.end as usize <= text.len(), "{fault:?}");
        assert!(!fault.message.is_empty());
    }
    weir_lang::diagnostic::render_all(&faults, &sources, weir_lang::diagnostic::Style::Plain);
}
