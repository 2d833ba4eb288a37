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

/// A rule of shipped kind, one in ten of which is proven by an automaton.
fn set(count: usize) -> Result<Set, String> {
    let mut builder = Builder::new();
    for index in 0..count {
        let word =
            |offset: usize| WORDS.get((index * 7 + offset * 5) % WORDS.len()).copied().unwrap_or("word");
        let added = if index % 10 == 0 {
            let pattern = format!(r"\b(offer|deal){index} (of|for) {}\b", word(1));
            builder.add_regex(&Regex { pattern, ignore_case: true })
        } else {
            builder.add_phrase(format!("{} {} number {index}", word(0), word(1)).as_bytes())
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
    for count in [1, 10, 100, 1000] {
        let set = set(count).unwrap_or_else(|error| panic!("{error}"));
        let mut scratch = set.scratch();
        for kib in [4_usize, 64, 1024] {
            let text = text(kib * 1024);
            set.scan(&text, &mut scratch);
            assert!(scratch.hit(PatternId(0)), "the offer at the end is found");
            let hits = (0..).take(count).filter(|id| scratch.hit(PatternId(*id))).count();
            assert_eq!(hits, 1, "and nothing else");
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_with_input(
                BenchmarkId::new(format!("{count} patterns"), format!("{kib} KiB")),
                &text,
                |bencher, text| {
                    bencher.iter(|| {
                        set.scan(black_box(text), &mut scratch);
                        scratch.hit(PatternId(0))
                    });
                },
            );
        }
    }
    group.finish();
    criterion.final_summary();
}
