//! The nearest known word, for `did you mean` in help lines.

/// Longer words are not compared: a suggestion for them helps nobody and costs the square of their length.
const WORD_BYTES_MAX: usize = 64;

/// The candidate that `word` was most likely meant to be, or none that is near.
///
/// Near is at most a third of the longer word's letters, each a wrong, missing, added or swapped one; letters that
/// differ only in case are the same. Of several equally near the first wins, so the order of the table decides.
///
/// ```
/// use weir_lang::diagnostic::did_you_mean;
/// assert_eq!(did_you_mean("URIBL_BLAK", ["SURBL_MULTI", "URIBL_BLACK"]), Some("URIBL_BLACK"));
/// assert_eq!(did_you_mean("colour", ["client.ip"]), None);
/// ```
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let longer = word.len().max(candidate.len());
        if longer > WORD_BYTES_MAX || candidate == word {
            continue;
        }
        let distance = distance(word, candidate);
        let near = distance <= longer.div_ceil(3);
        // A word of which no letter stands in its place is another word, however short both are.
        if near && distance < longer && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Edits that turn one word into the other: the optimal string alignment distance, without case.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().map(|letter| letter.to_ascii_lowercase()).collect();
    let right: Vec<char> = right.chars().map(|letter| letter.to_ascii_lowercase()).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut last_left = None;
    for (index, &here) in left.iter().enumerate() {
        let mut next = vec![index + 1];
        let mut last_right = None;
        for (column, &there) in right.iter().enumerate() {
            let at = |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&row, column) + usize::from(here != there);
            let mut least = replaced.min(at(&row, column + 1) + 1).min(at(&next, column) + 1);
            let swapped = last_left == Some(there) && last_right == Some(here);
            if let (true, Some(two_back)) = (swapped, column.checked_sub(1)) {
                least = least.min(at(&before, two_back) + 1);
            }
            next.push(least);
            last_right = Some(there);
        }
        last_left = Some(here);
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (left, right, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("reject", "reject", 0),
            ("REJECT", "reject", 0),
            ("rejcet", "reject", 1),
            ("rejct", "reject", 1),
            ("rejecct", "reject", 1),
            ("rejekt", "reject", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), edits, "{left} {right}");
            assert_eq!(distance(right, left), edits, "{right} {left}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let verbs = ["accept", "reject", "defer", "drop", "discard"];
        assert_eq!(did_you_mean("rejct", verbs), Some("reject"));
        assert_eq!(did_you_mean("Defer", verbs), Some("defer"));
        assert_eq!(did_you_mean("dorp", verbs), Some("drop"));
        assert_eq!(did_you_mean("quarantine", verbs), None);
        assert_eq!(did_you_mean("x", ["y"]), None);
        assert_eq!(did_you_mean(&"x".repeat(5000), verbs), None);
    }
}
