//! One pass over a message for all patterns: by how many there are and how long the text is.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use weir_lang::ast::Regex;
use weir_lang::pattern::{Builder, PatternId, Set};

/// Words of which texts and phrases are made.
const WORDS: [&str; 24] = [
    "minutes", "of", "the", "meeting", "please", "find", "attached", "budget", "for", "next", "year", "and",
    "we", "should", "talk", "about", "release", "plans", "before", "friday", "thanks", "regards", "server",
    "update",
];

const SYLLABLES: [&str; 8] = ["ka", "lo", "mi", "ten", "ur", "vas", "bel", "dri"];

/// A word that the text does not have, another one for each number.
fn rare(number: usize) -> String {
    let at = |place: u32| SYLLABLES.get(number / 8_usize.pow(place) % 8).copied().unwrap_or("ka");
    [at(3), at(2), at(1), at(0)].concat()
}

/// A word that the text has again and again.
fn common(number: usize) -> String {
    WORDS.get(number % WORDS.len()).copied().unwrap_or("word").to_owned()
}

/// The word of a number.
type Word = fn(usize) -> String;

/// Phrases of two such words and a number, and for one in ten an expression that an automaton proves.
fn set(count: usize, word: Word) -> Result<Set, String> {
    let mut builder = Builder::new();
    for index in 0..count {
        let added = if index.is_multiple_of(10) {
            let pattern = format!(r"\b(offer|deal){index} (of|for) {}\b", common(5));
            builder.add_regex(&Regex { pattern, ignore_case: true })
        } else {
            builder.add_phrase(format!("{} {} number {index}", word(index), word(index * 7)).as_bytes())
        };
        added.map_err(|error| error.to_string())?;
    }
    Ok(builder.build())
}

/// So many bytes of plain text, and at their end the one place that the first pattern matches.
fn text(bytes: usize) -> Vec<u8> {
    let mut text = String::with_capacity(bytes + 100);
    let mut step = 0_usize;
    while text.len() < bytes {
        step = step.wrapping_mul(31).wrapping_add(17) % 1_000_003;
        text.push_str(WORDS.get(step % WORDS.len()).copied().unwrap_or("word"));
        text.push(if step.is_multiple_of(11) { '\n' } else { ' ' });
    }
    text.push_str("an Offer0 of find\n");
    text.into_bytes()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("scan");
    let sets: [(usize, &str, Word); 5] = [
        (1, "pattern", rare),
        (10, "patterns", rare),
        (100, "patterns", rare),
        (1000, "patterns", rare),
        // Each word of the text begins one of them: the worst that a list of phrases can be.
        (100, "patterns of common words", common),
    ];
    for (count, what, word) in sets {
        let set = set(count, word).unwrap_or_else(|error| panic!("{error}"));
        let mut scratch = set.scratch();
        for kib in [4_usize, 64, 1024] {
            let text = text(kib * 1024);
            set.scan(&text, &mut scratch);
            assert!(scratch.hit(PatternId(0)), "the offer at the end is found");
            let hits = (0..).take(count).filter(|id| scratch.hit(PatternId(*id))).count();
            assert_eq!(hits, 1, "and nothing else");
            group.throughput(Throughput::Bytes(text.len() as u64));
            let name = BenchmarkId::new(format!("{count} {what}"), format!("{kib} KiB"));
            group.bench_with_input(name, &text, |bencher, text| {
                bencher.iter(|| {
                    set.scan(black_box(text), &mut scratch);
                    scratch.hit(PatternId(0))
                });
            });
        }
    }
    group.finish();
    criterion.final_summary();
}
