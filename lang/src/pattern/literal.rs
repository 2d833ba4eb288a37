//! The literals that every match of a regular expression contains, wherever in it they stand.
//!
//! A walk over the pattern's tree: each part that stands for a small set of texts is a candidate, as is each run of such
//! parts; the candidate that should be met least often in mail wins.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::window::Reach;

/// Texts in one pattern's set: an alternation of this many words is still found by them.
const TEXTS_MAX: usize = 512;
/// Texts that a run of classes may multiply to: `[0-9][0-9]` would be 100.
const PRODUCT_MAX: usize = 64;
/// Bytes of a text; a longer one is cut: no rarer, but more automaton.
const TEXT_BYTES_MAX: usize = 24;
/// Rarity in bits that each text must have: `qu` is worth looking for, `th` and any single byte are not.
const BITS_MIN: u32 = 9;
/// What each further text costs in the comparison, as a frequency: one hit in a MiB.
const TEXT_COST: f64 = 1.0 / (1 << 20) as f64;

/// A set of texts of which each match contains at least one.
#[derive(Debug, Default)]
pub(super) struct Literals {
    /// ASCII letters in lower case; sorted, each once.
    pub(super) texts: Vec<Vec<u8>>,
    /// What a match can hold before its text.
    pub(super) before: Reach,
    /// What a match can hold behind it.
    pub(super) after: Reach,
}

impl Literals {
    /// A text that is all of what has to be found.
    pub(super) fn one(text: &[u8]) -> Self {
        let mut literals = Self { texts: vec![text.to_vec()], before: Reach::NONE, after: Reach::NONE };
        literals.cut();
        literals
    }

    fn within(mut self, before: Reach, after: Reach) -> Self {
        self.before = before.then(self.before);
        self.after = self.after.then(after);
        self
    }

    /// How often one of the texts is expected, for each byte of mail.
    fn frequency(&self) -> f64 {
        self.texts.iter().map(|text| 0.5_f64.powf(f64::from(bits(text))) + TEXT_COST).sum()
    }

    fn rarer(self, other: Self) -> Self {
        if other.frequency() < self.frequency() { other } else { self }
    }

    fn is_rare(&self) -> bool {
        !self.texts.is_empty() && self.texts.iter().all(|text| bits(text) >= BITS_MIN)
    }

    /// Cuts long texts; what is cut off lies behind the text.
    fn cut(&mut self) {
        let mut rest = Reach::NONE;
        for text in &mut self.texts {
            if let Some(tail) = text.get(TEXT_BYTES_MAX..) {
                rest = rest.or(Reach { bytes: Some(tail.len()), line_feed: tail.contains(&b'\n') });
                text.truncate(TEXT_BYTES_MAX);
            }
        }
        self.after = rest.then(self.after);
        self.texts.sort_unstable();
        self.texts.dedup();
    }
}

/// How rare a text is: each byte's information in bits, by its frequency in ordinary mail, in any case.
pub(super) fn bits(text: &[u8]) -> u32 {
    text.iter().map(|byte| byte_bits(*byte)).sum()
}

fn byte_bits(byte: u8) -> u32 {
    match byte.to_ascii_lowercase() {
        b' ' | b'e' | b't' => 3,
        b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b'\n' => 4,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'.' | b'-' | b'=' => 5,
        b'p' | b'f' | b'g' | b'w' | b'y' | b'b' | b',' | b'0'..=b'9' | b'/' => 6,
        b'v' | b'k' | b':' | b'<' | b'>' | b'"' => 7,
        _ => 8,
    }
}

/// The rarest set of texts, or `None` when none is worth looking for. It recurses as deep as patterns may nest, which
/// the parser bounds.
pub(super) fn rarest(hir: &Hir) -> Option<Literals> {
    let whole = exact(hir).map(|texts| candidate(texts, Reach::NONE, Reach::NONE));
    let inner = match hir.kind() {
        HirKind::Capture(capture) => rarest(&capture.sub),
        HirKind::Repetition(repetition) => repeated(repetition),
        HirKind::Concat(parts) => in_sequence(parts),
        HirKind::Alternation(branches) => in_each(branches),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => None,
    };
    let best = whole.into_iter().chain(inner).filter(Literals::is_rare);
    best.reduce(Literals::rarer)
}

fn candidate(texts: Vec<Vec<u8>>, before: Reach, after: Reach) -> Literals {
    let mut literals = Literals { texts, before: Reach::NONE, after: Reach::NONE };
    literals.cut();
    literals.within(before, after)
}

/// `(...)+`: at least one round holds the text; the other rounds lie on either side.
fn repeated(repetition: &Repetition) -> Option<Literals> {
    if repetition.min == 0 {
        return None;
    }
    let round = reach(&repetition.sub);
    let others = repetition.max.map(|max| max.saturating_sub(1) as usize);
    let bytes = others.zip(round.bytes).and_then(|(others, bytes)| bytes.checked_mul(others));
    let rounds = Reach { bytes, line_feed: round.line_feed };
    Some(rarest(&repetition.sub)?.within(rounds, rounds))
}

/// A set for each branch, or none: a branch without would be missed.
fn in_each(branches: &[Hir]) -> Option<Literals> {
    let mut all = Literals { texts: Vec::new(), before: Reach::NONE, after: Reach::NONE };
    for branch in branches {
        let found = rarest(branch)?;
        all.texts.extend(found.texts);
        all.before = all.before.or(found.before);
        all.after = all.after.or(found.after);
        if all.texts.len() > TEXTS_MAX {
            return None;
        }
    }
    all.cut();
    Some(all)
}

/// The rarest of all parts and of all runs of parts that stand for few texts.
fn in_sequence(parts: &[Hir]) -> Option<Literals> {
    let heads = running_reach(parts.iter());
    let tails = running_reach(parts.iter().rev());
    let before = |start: usize| heads.get(start).copied().unwrap_or_default();
    let after = |end: usize| tails.get(parts.len() - end).copied().unwrap_or_default();
    let mut best: Option<Literals> = None;
    let mut offer = |next: Literals| {
        if next.is_rare() {
            best = Some(match best.take() {
                Some(best) => best.rarer(next),
                None => next,
            });
        }
    };
    let mut run: Option<(usize, Vec<Vec<u8>>)> = None;
    for (index, part) in parts.iter().enumerate() {
        let texts = exact(part);
        if texts.is_none()
            && let Some(inner) = rarest(part)
        {
            offer(inner.within(before(index), after(index + 1)));
        }
        let (grown, ended) = extend(run.take(), index, texts);
        if let Some((start, texts)) = ended {
            offer(candidate(texts, before(start), after(index)));
        }
        run = grown;
    }
    if let Some((start, texts)) = run {
        offer(candidate(texts, before(start), Reach::NONE));
    }
    best
}

type Run = (usize, Vec<Vec<u8>>);

/// The run with one more part; and the run before it, whenever it ends or its texts multiply.
fn extend(run: Option<Run>, index: usize, texts: Option<Vec<Vec<u8>>>) -> (Option<Run>, Option<Run>) {
    match (run, texts) {
        (run, None) => (None, run),
        (None, Some(texts)) => (Some((index, texts)), None),
        (Some((start, so_far)), Some(texts)) => match product(&so_far, &texts) {
            Some(grown) if grown.len() > so_far.len() => (Some((start, grown)), Some((start, so_far))),
            Some(grown) => (Some((start, grown)), None),
            None => (Some((index, texts)), Some((start, so_far))),
        },
    }
}

/// All texts that a tree stands for, in lower case, if they are few and each is short.
fn exact(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => Some(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Class(class) => members(class),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Repetition(repetition) => rounds(repetition),
        HirKind::Concat(parts) => {
            let mut texts = vec![Vec::new()];
            for part in parts {
                texts = product(&texts, &exact(part)?)?;
            }
            Some(texts)
        }
        HirKind::Alternation(branches) => {
            let mut texts = Vec::new();
            for branch in branches {
                texts.extend(exact(branch)?);
                if texts.len() > TEXTS_MAX {
                    return None;
                }
            }
            Some(unique(texts))
        }
    }
}

fn members(class: &Class) -> Option<Vec<Vec<u8>>> {
    let mut texts = Vec::new();
    match class {
        Class::Bytes(class) => {
            for range in class.ranges() {
                texts.extend((range.start()..=range.end()).map(|byte| vec![byte.to_ascii_lowercase()]));
            }
        }
        Class::Unicode(class) => {
            for range in class.ranges() {
                let chars = range.start()..=range.end();
                // The iterator is bounded before it is used: a range may have a million characters.
                for char in chars.take(PRODUCT_MAX * 2 + 1) {
                    texts.push(char.encode_utf8(&mut [0; 4]).to_ascii_lowercase().into_bytes());
                }
                if texts.len() > PRODUCT_MAX * 2 {
                    return None;
                }
            }
        }
    }
    let texts = unique(texts);
    (texts.len() <= PRODUCT_MAX).then_some(texts)
}

/// `x{min,max}` written out, if that is little.
fn rounds(repetition: &Repetition) -> Option<Vec<Vec<u8>>> {
    let max = repetition.max.filter(|max| *max as usize <= TEXT_BYTES_MAX)?;
    let sub = exact(&repetition.sub)?;
    let mut round = vec![Vec::new()];
    let mut texts = Vec::new();
    for times in 0..=max {
        if times >= repetition.min {
            texts.extend(round.iter().cloned());
        }
        if times < max {
            round = product(&round, &sub)?;
        }
    }
    let texts = unique(texts);
    (texts.len() <= PRODUCT_MAX).then_some(texts)
}

/// Each text followed by each of the others, if these are few.
fn product(heads: &[Vec<u8>], tails: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let alone = heads.len() == 1 || tails.len() == 1;
    let few = if alone { TEXTS_MAX } else { PRODUCT_MAX };
    if heads.len().saturating_mul(tails.len()) > few {
        return None;
    }
    let all = heads.iter().flat_map(|head| tails.iter().map(move |tail| [&head[..], &tail[..]].concat()));
    Some(unique(all.collect()))
}

fn unique(mut texts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// The reach of no part, of the first, of the first two, and so on.
fn running_reach<'h>(parts: impl Iterator<Item = &'h Hir>) -> Vec<Reach> {
    let mut so_far = Reach::NONE;
    let mut all = vec![so_far];
    all.extend(parts.map(|part| {
        so_far = so_far.then(reach(part));
        so_far
    }));
    all
}

/// The most that a tree can match.
fn reach(hir: &Hir) -> Reach {
    Reach { bytes: hir.properties().maximum_len(), line_feed: has_line_feed(hir) }
}

fn has_line_feed(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&b'\n'),
        HirKind::Class(Class::Bytes(class)) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&b'\n'))
        }
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&'\n'))
        }
        HirKind::Repetition(repetition) => has_line_feed(&repetition.sub),
        HirKind::Capture(capture) => has_line_feed(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(has_line_feed),
    }
}
