//! `weir fmt`: what changes, what stays, and that it changes nothing twice and no meaning ever.

#![expect(clippy::indexing_slicing, reason = "a remainder of the length")]

mod support;

use proptest::prelude::*;
use support::{samples, shape, tree, trees};
use weir_lang::source::Sources;
use weir_lang::{format, print};

fn formatted(text: &str) -> String {
    let mut sources = Sources::default();
    let id = sources.add("test.weir", text);
    format::file(&sources, id).unwrap_or_else(|faults| panic!("{faults:?} in\n{text}"))
}

/// Formats, and holds the result to the same tree and to itself.
fn check(text: &str) -> String {
    let once = formatted(text);
    assert_eq!(shape(&tree(&once)), shape(&tree(text)), "{text}\n---\n{once}");
    assert_eq!(formatted(&once), once);
    once
}

#[test]
fn samples_are_in_the_style() {
    for (path, text) in samples() {
        assert_eq!(check(&text), text, "{}", path.display());
    }
}

#[test]
fn layout_that_says_nothing_goes() {
    let text = "\n\n# top\nweir   1\nlist nets:net=[192.0.2.1,\n192.0.2.2 , # two\n]\nservice av :clamd{ }\n\n\n\
                on rcpt {\n\n\taccept   if a ;\n   reject 550 5.7.1 \"no\"\n      if zen( client.ip )and( b or c)\n\
                \n# last\n\n}\npool p{bind [::]:25,[2001:db8::1]:2525; x -4 +5}\nrule A -4 = now -1d<now+ 1h# end";
    let expected = "# top\nweir   1\nlist nets : net = [ 192.0.2.1,\n  192.0.2.2,  # two\n]\nservice av : clamd { }\n\n\
                    on rcpt {\n  accept   if a\n  reject 550 5.7.1 \"no\"\n     if zen(client.ip) and (b or c)\n\
                    \n  # last\n}\npool p { bind [::]:25, [2001:db8::1]:2525; x -4 +5 }\nrule A -4 = now -1d < now + 1h  # end\n";
    assert_eq!(check(text), expected);
}

#[test]
fn semicolons_that_end_something_stay() {
    let kept = "weir 1\non rcpt {\n  accept;\n  if a { drop }\n  x; y\n}\n";
    assert_eq!(check(kept), kept);
    assert_eq!(
        check("weir 1\non rcpt {; accept;; note \"a\";\n ;x; }\n"),
        "weir 1\non rcpt { accept; note \"a\"\n  x }\n"
    );
}

#[test]
fn the_rest_of_a_statement_moves_with_it() {
    assert_eq!(
        check("weir 1\non rcpt {\n      reject 550 5.7.1 \"no\"\n                 if a\n   and b\n}\n"),
        "weir 1\non rcpt {\n  reject 550 5.7.1 \"no\"\n             if a\n    and b\n}\n"
    );
}

#[test]
fn a_file_with_faults_is_not_touched() {
    let mut sources = Sources::default();
    let id = sources.add("test.weir", "weir 1\nrule\n");
    assert_eq!(format::file(&sources, id).map_err(|faults| faults.len()), Err(1));
}

/// The same text with other blanks, line breaks where they are free, and comments.
fn disturbed(text: &str, seeds: &[u8]) -> String {
    let mut seeds = seeds.iter().copied().cycle();
    let mut out = String::new();
    let mut in_text = false;
    let mut previous = ' ';
    for character in text.chars() {
        in_text ^= character == '"' && previous != '\\';
        previous = if previous == '\\' { ' ' } else { character };
        let seed = seeds.next().unwrap_or(0);
        match character {
            ' ' if !in_text => out.push_str(["  ", " ", "\t", "     "][usize::from(seed % 4)]),
            '\n' => out.push_str(["\n", "  # c\n", ";\n", "\n\n\n", "\r\n"][usize::from(seed % 5)]),
            other => out.push(other),
        }
    }
    out
}

proptest! {
    #[test]
    fn made_up_files_keep_their_meaning(made in trees::file()) {
        check(&print::file(&made));
    }

    #[test]
    fn disturbed_samples_come_back(sample in 0..samples().len(), seeds in proptest::collection::vec(any::<u8>(), 1..200)) {
        let (_, text) = &samples()[sample];
        let disturbed = disturbed(text, &seeds);
        let (_, faults, _) = support::parsed(&disturbed);
        // A `;` before a line that goes on is a fault, and quotes in comments and patterns mislead the disturber.
        if faults.is_empty() {
            check(&disturbed);
        }
    }
}
