//! Exactly once: what the sources say they have sent against what the sinks have seen.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::Result;
use crate::scenario::Figures;
use crate::sink::Book;
use crate::value::real;

/// What a source says of its serials at its end.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Sent {
    run: String,
    /// Serials 0 to below this were used.
    serials: u64,
    unsure: usize,
    /// Came to nothing.
    serials_undelivered: Vec<u64>,
    /// Whose fate is not known.
    serials_unsure: Vec<u64>,
}

/// Adds what the books prove.
pub(super) fn prove(sent: &[Sent], books: &[Book], figures: &mut Figures) -> Result<()> {
    let (mut arrived, mut lost, mut doubled) = (0, 0, 0);
    for sent in sent {
        if sent.unsure > sent.serials_unsure.len() {
            let listed = sent.serials_unsure.len();
            return Err(format!(
                "{} messages are unsure and the source lists only {listed} of them: nothing is proven; make the run shorter",
                sent.unsure
            )
            .into());
        }
        let in_doubt: BTreeSet<u64> =
            sent.serials_unsure.iter().chain(&sent.serials_undelivered).copied().collect();
        let seen: Vec<&[u64]> = of_run(&sent.run, books).map(|seen| seen.serials.as_slice()).collect();
        doubled += of_run(&sent.run, books).map(|seen| seen.doubled).sum::<u64>();
        for serial in 0..sent.serials {
            let copies: u64 = seen.iter().map(|words| u64::from(has(words, serial))).sum();
            arrived += u64::from(copies > 0);
            doubled += copies.saturating_sub(1);
            lost += u64::from(copies == 0 && !in_doubt.contains(&serial));
        }
    }
    let sum = |of: fn(&Book) -> u64| books.iter().map(of).sum::<u64>();
    let unsure = figures.get("fate_unsure").copied().unwrap_or_default();
    figures.extend([
        ("arrived".into(), real(arrived)),
        ("lost".into(), real(lost)),
        ("doubled".into(), real(doubled)),
        ("doubled_beyond_unsure".into(), (real(doubled) - unsure).max(0.0)),
        ("altered".into(), real(sum(|book| book.altered))),
        ("out_of_envelope".into(), real(sum(|book| book.out_of_envelope))),
        ("unmarked".into(), real(sum(|book| book.unmarked))),
        ("foreign".into(), real(sum(|book| book.foreign))),
    ]);
    Ok(())
}

fn of_run<'a>(run: &'a str, books: &'a [Book]) -> impl Iterator<Item = &'a crate::sink::Seen> {
    books.iter().flat_map(|book| &book.runs).filter(move |seen| seen.run == run)
}

fn has(words: &[u64], serial: u64) -> bool {
    let word = usize::try_from(serial / 64).ok().and_then(|index| words.get(index));
    word.is_some_and(|word| word & 1 << (serial % 64) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Seen;

    fn book(serials: u64, doubled: u64) -> Book {
        let seen = |run: &str, serials| Seen { run: run.into(), doubled, serials: vec![serials] };
        Book { runs: vec![seen("a", serials), seen("other", u64::MAX)], altered: 1, ..Book::default() }
    }

    fn proven(sent: Sent, books: &[Book], unsure: f64) -> String {
        let mut figures = Figures::from([("fate_unsure".to_owned(), unsure)]);
        prove(&[sent], books, &mut figures).unwrap();
        ["arrived", "lost", "doubled", "doubled_beyond_unsure", "altered"]
            .map(|name| figures[name].to_string())
            .join(" ")
    }

    fn sent(serials: u64) -> Sent {
        Sent { run: "a".into(), serials, unsure: 1, serials_undelivered: vec![4], serials_unsure: vec![3] }
    }

    #[test]
    fn sinks_prove_together_what_none_does_alone() {
        // Serials 0, 2 and 1, 2 of 5; 3 is unsure and 4 was given up.
        assert_eq!(proven(sent(5), &[book(0b101, 0), book(0b110, 0)], 0.0), "3 0 1 1 2");
        assert_eq!(proven(sent(5), &[book(0b101, 2)], 1.0), "2 1 2 1 1");
        assert_eq!(proven(sent(70), &[book(u64::MAX, 0)], 0.0), "64 6 0 0 1");
        assert_eq!(proven(sent(3), &[], 0.0), "0 3 0 0 0");
    }

    #[test]
    fn what_is_not_listed_proves_nothing() {
        let sent = Sent { unsure: 2, ..sent(5) };
        assert!(
            prove(&[sent], &[], &mut Figures::new()).unwrap_err().to_string().contains("nothing is proven")
        );
    }
}
