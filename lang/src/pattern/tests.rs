//! The engine against a plain loop of single regular expressions, and what its documents promise.

use proptest::prelude::*;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::*;

fn regex(pattern: &str) -> ast::Regex {
    match pattern.strip_prefix("i:") {
        Some(pattern) => ast::Regex { pattern: pattern.to_owned(), ignore_case: true },
        None => ast::Regex { pattern: pattern.to_owned(), ignore_case: false },
    }
}

fn set_of(patterns: &[&str]) -> Set {
    let mut builder = Builder::new();
    for pattern in patterns {
        builder.add_regex(&regex(pattern)).unwrap();
    }
    builder.build()
}

/// The patterns that hit, by their index.
fn hits(set: &Set, text: &[u8]) -> Vec<u32> {
    let mut scratch = set.scratch();
    set.scan(text, &mut scratch);
    (0..).take(set.len()).filter(|id| scratch.hit(PatternId(*id))).collect()
}

fn naive(patterns: &[&str], text: &[u8]) -> Vec<u32> {
    let hit = |pattern: &str| {
        let regex = regex(pattern);
        let config = syntax::Config::new().unicode(false).utf8(false).case_insensitive(regex.ignore_case);
        // Matches may begin within a character of UTF-8, as bytes may.
        let bytes = Regex::config().utf8_empty(false);
        Regex::builder().configure(bytes).syntax(config).build(&regex.pattern).unwrap().is_match(text)
    };
    (0..).zip(patterns).filter(|(_, pattern)| hit(pattern)).map(|(index, _)| index).collect()
}

fn error(pattern: &str) -> PatternError {
    Builder::new().add_regex(&regex(pattern)).unwrap_err()
}

#[test]
fn shared_by_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Set>();
}

#[test]
fn rules_as_they_are_written() {
    let patterns = [
        r"i:\b(you('ve)? won|lottery winner)\b",
        r"i:\.(exe|vbs|pif|scr|bat|cmd|com|cpl|dll)$",
        r"^Re: ",
        r"(?m)^-- $",
        r"v[i1]agra",
        r"\d{3}-\d{4}",
        r"i:größe",
        r"(?u:[äöü])ber",
    ];
    let set = set_of(&patterns);
    assert_eq!(hits(&set, b"You've WON a Lottery"), [0]);
    assert_eq!(hits(&set, b"invoice.pdf.EXE"), [1]);
    assert_eq!(hits(&set, b"invoice.exe.pdf"), [0_u32; 0]);
    assert_eq!(hits(&set, b"Re: v1agra"), [2, 4]);
    assert_eq!(hits(&set, b"text\n-- \nname 555-1234"), [3, 5]);
    assert_eq!(hits(&set, "GRöße \u{fc}ber".as_bytes()), [6, 7]);
    assert_eq!(set.without_literal().collect::<Vec<_>>(), [PatternId(5)]);
}

#[test]
fn anchors_mean_the_whole_text() {
    let set = set_of(&["^needle", "needle$", "(?m)^needle$", r"\Aneedle\z"]);
    assert_eq!(hits(&set, b"a\nneedle\nb"), [2]);
    assert_eq!(hits(&set, b"needle"), [0, 1, 2, 3]);
    assert_eq!(hits(&set, b"needle\n"), [0, 2], "`$` is not before a last line feed");
}

#[test]
fn word_boundaries_are_seen_beyond_the_window() {
    let set = set_of(&[r"\bneedle\b", r"\Bneedle", r"needle\B"]);
    assert_eq!(hits(&set, b"needle"), [0]);
    assert_eq!(hits(&set, b"xneedle"), [1]);
    assert_eq!(hits(&set, b"needles needle"), [0, 2]);
    assert_eq!(hits(&set, b"a needle."), [0]);
}

#[test]
fn matches_at_both_ends_of_the_text_and_over_line_ends() {
    let set = set_of(&[r".{0,9}needle.{0,9}", r"quiet.*loud", r"quiet\s+loud", r"(?s)first.*second"]);
    assert_eq!(hits(&set, b"needle"), [0]);
    assert_eq!(hits(&set, b"quiet and loud"), [1]);
    assert_eq!(hits(&set, b"quiet\n\n loud"), [2]);
    assert_eq!(hits(&set, b"quiet but\nloud"), [0_u32; 0]);
    assert_eq!(hits(&set, b"first\nthen\nsecond"), [3]);
}

#[test]
fn errors_say_where() {
    assert_eq!(error("abc(?=d)"), PatternError::LookAround { offset: 3 });
    assert_eq!(error("(?<!a)b"), PatternError::LookAround { offset: 0 });
    assert_eq!(error(r"(a)\1"), PatternError::BackReference { offset: 3 });
    assert_eq!(error("x[äö]"), PatternError::UnicodeClass { offset: 2 });
    assert_eq!(error("ab(c").offset(), Some(2));
    assert_eq!(error("ab(c").to_string(), "unclosed group");
    assert!(matches!(error("((a{100}){100}){100}"), PatternError::TooLarge { states: 1_000_000.. }));
    assert!(matches!(error(&"x".repeat(PATTERN_BYTES_MAX + 1)), PatternError::TooLong { .. }));
    assert!(matches!(error(&"(".repeat(1000)), PatternError::Syntax { .. }));
    assert_eq!(Builder::new().add_phrase(b" \n").unwrap_err(), PatternError::EmptyPhrase);
}

#[test]
fn a_full_set_refuses_more() {
    let mut builder = Builder::new();
    let refused = (0..).find_map(|n| builder.add_regex(&regex(&format!("a{{19000}}b{n}"))).err());
    assert!(matches!(refused, Some(PatternError::SetFull { patterns: 210, .. })), "{refused:?}");
}

#[test]
fn phrases() {
    let mut builder = Builder::new();
    for phrase in ["first page of Google", "ion", "cheap  SEO", "$$$", "100% free", "straße"] {
        builder.add_phrase(phrase.as_bytes()).unwrap();
    }
    let set = builder.build();
    assert_eq!(hits(&set, b"the FIRST page\r\n of\tgoogle!"), [0]);
    assert_eq!(hits(&set, b"firstpage of google, million ions"), [0_u32; 0]);
    assert_eq!(hits(&set, "\u{201c}Ion\u{201d}, cheap\u{a0}seo".as_bytes()), [1, 2]);
    assert_eq!(hits(&set, b"US$$$ it is 100% FREE"), [3, 4]);
    assert_eq!(hits(&set, "Alte Straße".as_bytes()), [5]);
    assert_eq!(hits(&set, "Straßenöl, éion".as_bytes()), [0_u32; 0]);
}

#[test]
fn ranges_of_hits_and_texts_after_each_other() {
    let mut builder = Builder::new();
    let ids: Vec<_> = (0..200).map(|n| builder.add_phrase(format!("word{n}").as_bytes()).unwrap()).collect();
    let set = builder.build();
    let mut scratch = set.scratch();
    set.scan(b"word64 word191", &mut scratch);
    set.scan_more(b"word3", &mut scratch);
    for first in 0..200 {
        for end in first..200 {
            let expected = (first..end).any(|n| [3, 64, 191].contains(&n));
            assert_eq!(scratch.hit_any(ids[first], ids[end]), expected, "{first}..{end}");
        }
    }
    set.scan(b"word5", &mut scratch);
    assert!(scratch.hit(ids[5]) && !scratch.hit(ids[3]));
    assert!(set.matches(ids[7], b"a word7", &mut scratch) && !scratch.hit(ids[7]));
}

#[test]
fn a_scratch_of_another_set_is_made_anew() {
    let (small, large) = (set_of(&["[0-9]+x"]), set_of(&["needle", "[a-z]{3}", "[0-9]+y"]));
    let mut scratch = small.scratch();
    small.scan(b"1x", &mut scratch);
    large.scan(b"a needle", &mut scratch);
    assert!(scratch.hit(PatternId(0)) && scratch.hit(PatternId(1)) && !scratch.hit(PatternId(2)));
}

/// A peer that repeats a literal must not make each repetition search the text again: with 50,000 windows over 1 MiB
/// that would be hours.
#[test]
fn repeated_literals_cost_one_search() {
    let patterns =
        [r"needle.*never", r"never.*needle", r"(?s)needle.*never", r".{0,500}needle[^n]{500}never"];
    let set = set_of(&patterns);
    let text = b"needle needle, never\n".repeat(50_000);
    let line = b"a needle and never a".repeat(50_000);
    assert_eq!(hits(&set, &text), naive(&patterns, &text));
    assert_eq!(hits(&set, &line), naive(&patterns, &line));
    assert_eq!(hits(&set, &b"needle ".repeat(150_000)), [0_u32; 0]);
}

/// Every small pattern is compiled only when a text needs it, and must not fail then.
#[test]
fn large_patterns_within_the_bound_compile() {
    let patterns = [
        r"needle(?u:\w{0,5})end",
        r"(?u:[^a]){0,400}needle",
        r"needle[a-z]{0,1900}end",
        r"needle(a|b){1900}",
    ];
    let set = set_of(&patterns);
    let text = [&b"needle"[..], &b"ab".repeat(950), b"end needleend"].concat();
    assert_eq!(hits(&set, &text), naive(&patterns, &text));
    assert_eq!(hits(&set, &text), [0, 1, 2, 3]);
}

/// Words that texts and patterns share, so that patterns really hit.
const WORDS: [&str; 12] =
    ["needle", "Loud", "qu", "win", "WON", "aba", "zz", "x", "7", "42", "\u{fc}", "free"];

fn piece() -> impl Strategy<Value = String> {
    let word = prop::sample::select(&WORDS[..]).prop_map(str::to_owned);
    let special = prop::sample::select(
        &[
            ".",
            ".*",
            r"\s+",
            r"\b",
            r"\d",
            "[a-f]",
            "[^x]{0,3}",
            r"\w+",
            "^",
            "$",
            "(?m:^)",
            "(?m:$)",
            r"\B",
            ".?",
            "\n",
        ][..],
    );
    let leaf = prop_oneof![3 => word, 2 => special.prop_map(str::to_owned)];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            (inner, prop::sample::select(&["?", "*", "+", "{2}", "{1,3}"][..]))
                .prop_map(|(part, times)| format!("(?:{part}){times}")),
        ]
    })
}

fn pattern() -> impl Strategy<Value = String> {
    (prop::collection::vec(piece(), 1..5), any::<bool>())
        .prop_map(|(parts, fold)| format!("{}{}", if fold { "i:" } else { "" }, parts.concat()))
}

fn text() -> impl Strategy<Value = String> {
    let glue = prop::sample::select(&["", " ", "\n", "\r\n", "_", ".", "c", "\u{df}"][..]);
    let word = (prop::sample::select(&WORDS[..]), any::<bool>(), glue);
    prop::collection::vec(word, 0..30).prop_map(|words| {
        let case = |(word, upper, glue): &(&str, bool, &str)| {
            let word = if *upper { word.to_ascii_uppercase() } else { (*word).to_owned() };
            word + glue
        };
        words.iter().map(case).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn hits_what_single_expressions_hit(patterns in prop::collection::vec(pattern(), 1..8), texts in prop::collection::vec(text(), 1..4)) {
        let mut patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        // Equal patterns share an id.
        patterns.sort_unstable();
        patterns.dedup();
        let set = set_of(&patterns);
        let mut scratch = set.scratch();
        for text in texts {
            set.scan(text.as_bytes(), &mut scratch);
            let found: Vec<u32> = (0..).take(set.len()).filter(|id| scratch.hit(PatternId(*id))).collect();
            prop_assert_eq!(found, naive(&patterns, text.as_bytes()), "{:?} in {:?}", patterns, text);
        }
    }

    #[test]
    fn any_pattern_is_taken_or_refused(pattern in "\\PC{0,40}", text in any::<Vec<u8>>()) {
        let mut builder = Builder::new();
        if builder.add_regex(&regex(&pattern)).is_ok() {
            let set = builder.build();
            set.scan(&text, &mut set.scratch());
        }
    }

    #[test]
    fn phrases_hit_what_their_expression_hits(words in prop::collection::vec("[a-c]{1,2}", 1..4), text in "[a-cA-C \n.]{0,40}") {
        let mut builder = Builder::new();
        builder.add_phrase(words.join(" ").as_bytes()).unwrap();
        let pattern = format!(r"i:\b{}\b", words.join(r"\s+"));
        prop_assert_eq!(hits(&builder.build(), text.as_bytes()), naive(&[&pattern], text.as_bytes()));
    }
}
