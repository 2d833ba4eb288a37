//! The built set: one pass for the literals, then the automata of the candidates.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::PatternId;
use super::literal::Literals;
use super::matcher::Matcher;
use super::scratch::Scratch;
use super::window::{Reach, Window};

/// Literals up to which the full transition table is used: three times as fast, but 48 MB and no faster at 6,000.
const TABLE_LITERALS_MAX: usize = 500;

/// Tells sets apart, so that a scratch is never used with another set's automata. Identity only, no shared state.
static NEXT_SET: AtomicU64 = AtomicU64::new(1);

/// All patterns of one kind (subject, body, ...), shared by all threads.
#[derive(Debug)]
pub struct Set {
    id: u64,
    patterns: Vec<Pattern>,
    /// Finds the literals; `None` when no pattern has one.
    literals: Option<AhoCorasick>,
    /// For each literal, where its patterns are in `owners`.
    owned: Vec<Range<usize>>,
    owners: Vec<PatternId>,
    /// Patterns without a literal.
    always: Vec<PatternId>,
}

#[derive(Debug)]
struct Pattern {
    matcher: Matcher,
    before: Reach,
    after: Reach,
}

impl Set {
    pub(super) fn new(matchers: Vec<Matcher>) -> Self {
        let mut patterns = Vec::with_capacity(matchers.len());
        let mut by_literal: BTreeMap<Vec<u8>, Vec<PatternId>> = BTreeMap::new();
        let mut always = Vec::new();
        for (id, matcher) in (0..).map(PatternId).zip(matchers) {
            let found = matcher.literals();
            if found.is_none() {
                always.push(id);
            }
            let Literals { texts, before, after } = found.unwrap_or_default();
            for text in texts {
                by_literal.entry(text).or_default().push(id);
            }
            patterns.push(Pattern { matcher, before, after });
        }
        let mut set = Self {
            id: NEXT_SET.fetch_add(1, Ordering::Relaxed),
            patterns,
            literals: None,
            owned: Vec::with_capacity(by_literal.len()),
            owners: Vec::new(),
            always,
        };
        set.index(by_literal);
        set
    }

    /// Builds the automaton of all literals; should it refuse (it has billions of states to spend), every pattern is
    /// run always, which is slow but right.
    fn index(&mut self, by_literal: BTreeMap<Vec<u8>, Vec<PatternId>>) {
        if by_literal.is_empty() {
            return;
        }
        let kind = if by_literal.len() <= TABLE_LITERALS_MAX {
            AhoCorasickKind::DFA
        } else {
            AhoCorasickKind::ContiguousNFA
        };
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .kind(Some(kind))
            .build(by_literal.keys());
        match built {
            Ok(literals) => self.literals = Some(literals),
            Err(_) => self.always = (0..).map(PatternId).take(self.patterns.len()).collect(),
        }
        for owners in by_literal.into_values() {
            let start = self.owners.len();
            self.owners.extend(owners);
            self.owned.push(start..self.owners.len());
        }
    }

    /// How many patterns it has.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns that no literal finds: each is run over every text, at some 7 us for 4 KiB.
    pub fn without_literal(&self) -> impl Iterator<Item = PatternId> + '_ {
        self.always.iter().copied()
    }

    /// The memory of scans of this set, for one thread. Grows while automata are met for the first time, then no more.
    pub fn scratch(&self) -> Scratch {
        Scratch::new(self.id, self.patterns.len())
    }

    /// Finds all patterns that hit in `text`. A scratch of another set is made anew.
    pub fn scan(&self, text: &[u8], scratch: &mut Scratch) {
        self.own(scratch);
        scratch.clear();
        self.scan_more(text, scratch);
    }

    /// Like [`Set::scan`], but keeps the hits of the texts before: for fields with several values.
    pub fn scan_more(&self, text: &[u8], scratch: &mut Scratch) {
        self.own(scratch);
        if let Some(literals) = &self.literals {
            for found in literals.find_overlapping_iter(text) {
                self.candidates(text, found.pattern().as_usize(), &found.range(), scratch);
            }
        }
        while let Some(id) = scratch.candidates.pop() {
            if let Some(window) = scratch.pending.get_mut(id.index()).and_then(Option::take) {
                self.prove(id, text, window, scratch);
            }
        }
        for &id in &self.always {
            self.prove(id, text, Window::whole(text), scratch);
        }
    }

    /// Whether this one pattern hits in `text`; the hits of the last scan stay as they are.
    pub fn matches(&self, pattern: PatternId, text: &[u8], scratch: &mut Scratch) -> bool {
        self.own(scratch);
        match self.patterns.get(pattern.index()).map(|pattern| &pattern.matcher) {
            Some(Matcher::Regex(automaton)) => automaton.matches(pattern, text, Window::whole(text), scratch),
            Some(Matcher::Phrase(phrase)) => phrase.is_in(text),
            None => false,
        }
    }

    fn own(&self, scratch: &mut Scratch) {
        if scratch.set != self.id {
            *scratch = self.scratch();
        }
    }

    /// A literal was found: its phrases are proved on the spot, its regular expressions wait for more of the same.
    fn candidates(&self, text: &[u8], literal: usize, found: &Range<usize>, scratch: &mut Scratch) {
        let owners = self.owned.get(literal).and_then(|owned| self.owners.get(owned.clone()));
        for &id in owners.unwrap_or_default() {
            let Some(pattern) = self.patterns.get(id.index()) else { continue };
            if scratch.hit(id) {
                continue;
            }
            match &pattern.matcher {
                Matcher::Phrase(phrase) => {
                    if phrase.is_at(text, found.start) {
                        scratch.set_hit(id);
                    }
                }
                Matcher::Regex(_) => self.widen(id, pattern, text, found, scratch),
            }
        }
    }

    /// Adds the window of a found literal; one that does not touch the pending window means that this can be searched.
    fn widen(
        &self,
        id: PatternId,
        pattern: &Pattern,
        text: &[u8],
        found: &Range<usize>,
        scratch: &mut Scratch,
    ) {
        let Some(place) = scratch.pending.get_mut(id.index()) else { return };
        let next = Window::around(text, found, pattern.before, pattern.after, *place);
        let Some(pending) = place else {
            *place = Some(next);
            scratch.candidates.push(id);
            return;
        };
        if !pending.merge(next) {
            let window = std::mem::replace(pending, next);
            self.prove(id, text, window, scratch);
        }
    }

    fn prove(&self, id: PatternId, text: &[u8], window: Window, scratch: &mut Scratch) {
        if scratch.hit(id) {
            return;
        }
        let hit = match self.patterns.get(id.index()).map(|pattern| &pattern.matcher) {
            Some(Matcher::Regex(automaton)) => automaton.matches(id, text, window, scratch),
            Some(Matcher::Phrase(phrase)) => phrase.is_in(text),
            None => false,
        };
        if hit {
            scratch.set_hit(id);
        }
    }
}
