//! One pattern: what finds it, and what proves it.

use std::sync::OnceLock;

use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::literal::{self, Literals};
use super::phrase::Phrase;
use super::scratch::Scratch;
use super::window::Window;
use super::{PATTERN_BYTES_MAX, PATTERN_STATES_MAX, PatternError, PatternId};
use crate::ast;

/// Nested groups and repetitions in a pattern; the walks over its tree recurse this deep.
const NEST_MAX: u32 = 64;
/// Bytes of the automaton of one pattern: room for [`PATTERN_STATES_MAX`] states several times over.
const NFA_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes that the lazy automaton's states of one pattern may take before it starts afresh. Large patterns need this
/// much to work at all; without the lazy automaton a search is 30 times slower.
const CACHE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Estimated states up to which a pattern is compiled only when a text needs it. Larger ones are compiled when they
/// are added, to be refused then and not at mail time should the estimate be wrong.
const LAZY_STATES_MAX: usize = 2_000;

/// A pattern that can be run.
#[derive(Debug)]
pub(super) enum Matcher {
    Regex(Automaton),
    Phrase(Phrase),
}

impl Matcher {
    pub(super) fn regex(regex: &ast::Regex) -> Result<Self, PatternError> {
        if regex.pattern.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong { bytes: regex.pattern.len() });
        }
        let mut parser = ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .case_insensitive(regex.ignore_case)
            .nest_limit(NEST_MAX)
            .build();
        let hir = parser.parse(&regex.pattern)?;
        let states = states(&hir);
        if states > PATTERN_STATES_MAX {
            return Err(PatternError::TooLarge { states });
        }
        let automaton = Automaton { hir, states, compiled: OnceLock::new() };
        if states > LAZY_STATES_MAX && automaton.compiled().is_none() {
            return Err(PatternError::TooLarge { states });
        }
        Ok(Self::Regex(automaton))
    }

    pub(super) fn phrase(phrase: &[u8]) -> Result<Self, PatternError> {
        if phrase.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong { bytes: phrase.len() });
        }
        Phrase::new(phrase).map(Self::Phrase).ok_or(PatternError::EmptyPhrase)
    }

    /// Estimated states of its automaton; a phrase has none of its own.
    pub(super) fn states(&self) -> usize {
        match self {
            Self::Regex(automaton) => automaton.states,
            Self::Phrase(_) => 0,
        }
    }

    /// The literals of which each match holds at least one; `None` when there are none worth looking for.
    pub(super) fn literals(&self) -> Option<Literals> {
        match self {
            Self::Regex(automaton) => literal::rarest(&automaton.hir),
            Self::Phrase(phrase) => Some(Literals::one(phrase.literal())),
        }
    }
}

/// A regular expression, compiled when it is first needed.
#[derive(Debug)]
pub(super) struct Automaton {
    hir: Hir,
    states: usize,
    compiled: OnceLock<Option<Regex>>,
}

impl Automaton {
    /// Whether there is a match within the window; `\b`, `^` and `$` look at the whole text.
    pub(super) fn matches(&self, id: PatternId, text: &[u8], window: Window, scratch: &mut Scratch) -> bool {
        // `None` cannot be: small patterns fit by far, and a large one that did not compile was refused.
        let Some(regex) = self.compiled() else { return false };
        let mut cache = scratch.take_cache(id, || regex.create_cache());
        let input = Input::new(text).span(window.start..window.end).earliest(true);
        let found = regex.search_half_with(&mut cache, &input).is_some();
        scratch.put_cache(id, cache);
        found
    }

    fn compiled(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| self.compile()).as_ref()
    }

    fn compile(&self) -> Option<Regex> {
        // Implicit captures are needed: without them `search_half` of the meta engine silently never matches.
        let config = Config::new()
            .utf8_empty(false)
            .which_captures(WhichCaptures::Implicit)
            .nfa_size_limit(Some(NFA_BYTES_MAX))
            .hybrid(true)
            .hybrid_cache_capacity(CACHE_BYTES_MAX);
        Regex::builder().configure(config).build_from_hir(&self.hir).ok()
    }
}

/// About how many states the automaton has. Counted instead of built: this takes microseconds.
fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Bytes(_)) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        // A range of characters becomes a handful of byte sequences.
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().saturating_mul(4),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1) as usize;
            states(&repetition.sub).saturating_mul(times).saturating_add(1)
        }
        HirKind::Capture(capture) => states(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(states).fold(1, usize::saturating_add)
        }
    }
}
