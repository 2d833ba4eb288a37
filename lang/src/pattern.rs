//! Many patterns over one text: which of all the regular expressions and phrases of the rules hit?
//!
//! ```text
//! check:    Builder --add_regex, add_phrase--> build --> Set (shared by all threads, part of a plan)
//! evaluate: text --one pass: literals of all patterns--> candidates --their automata, on windows--> Scratch::hit
//! ```
//! Every pattern must be found by a *literal*: a text that each of its matches contains. One Aho-Corasick pass finds
//! all literals of all patterns; only patterns with a literal in the text are run, and only on the stretch around it.
//! Patterns without a literal run always and cost most of the time; [`Set::without_literal`] names them so that the
//! checker can say so.
//!
//! What a regular expression means here: bytes, not characters (`.` is any byte but `\n`; `\w`, `\d`, `\s`, `\b` and `i`
//! are ASCII), since mail may hold anything. A non-ASCII character stands for its UTF-8 bytes; a class of such
//! characters needs `(?u:[äöü])`. `^` and `$` are the ends of the whole text, of each line with `(?m)`. Everything runs
//! in time linear in the text, so there are no look-arounds and no back-references.
//!
//! The shape follows what was measured: one lazy automaton for 1,000 patterns runs at 9 KB/s, a loop at 0.7 MB/s.

mod error;
mod literal;
mod matcher;
mod phrase;
mod scratch;
mod set;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashMap;

pub use error::PatternError;
pub use scratch::Scratch;
pub use set::Set;

use crate::ast;
use matcher::Matcher;

/// Patterns in one set: several times the largest known rule base (4,100 patterns).
pub const PATTERNS_MAX: usize = 100_000;
/// Bytes of one pattern or phrase as written.
pub const PATTERN_BYTES_MAX: usize = 16 * 1024;
/// Automaton states of one pattern, estimated from its parts and repetitions: `(a{100}){100}` has 10,000.
pub const PATTERN_STATES_MAX: usize = 20_000;
/// Estimated automaton states of all patterns of a set: about 1 GiB when every pattern was needed once.
pub const SET_STATES_MAX: usize = 4_000_000;

/// A pattern's place in its set, from 0 in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PatternId(pub u32);

impl PatternId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// Gathers patterns, refuses what cannot run in bounded time and memory, and builds the set.
#[derive(Debug, Default)]
pub struct Builder {
    matchers: Vec<Matcher>,
    known: HashMap<ast::Regex, PatternId>,
    states: usize,
}

impl Builder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a regular expression; the same one a second time gets the same id.
    pub fn add_regex(&mut self, regex: &ast::Regex) -> Result<PatternId, PatternError> {
        if let Some(&id) = self.known.get(regex) {
            return Ok(id);
        }
        let id = self.add(Matcher::regex(regex)?)?;
        self.known.insert(regex.clone(), id);
        Ok(id)
    }

    /// Adds a phrase: found in either case of ASCII letters, any run of white space (line ends, no-break spaces)
    /// equal to one space, and on word boundaries (`ion` is not in `million`).
    pub fn add_phrase(&mut self, phrase: &[u8]) -> Result<PatternId, PatternError> {
        self.add(Matcher::phrase(phrase)?)
    }

    /// Adds several phrases. Their ids are consecutive: the first and one past the last.
    pub fn add_phrases<'p>(
        &mut self,
        phrases: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<(PatternId, PatternId), PatternError> {
        let first = self.matchers.len();
        for phrase in phrases {
            self.add_phrase(phrase)?;
        }
        Ok((Self::id(first), Self::id(self.matchers.len())))
    }

    /// The set, ready to scan. Automata of patterns are made later, when a text first needs them: 1,000 patterns
    /// cost tens of milliseconds here instead of hundreds.
    pub fn build(self) -> Set {
        Set::new(self.matchers)
    }

    fn add(&mut self, matcher: Matcher) -> Result<PatternId, PatternError> {
        let states = self.states.saturating_add(matcher.states());
        if self.matchers.len() >= PATTERNS_MAX || states > SET_STATES_MAX {
            return Err(PatternError::SetFull { patterns: self.matchers.len(), states });
        }
        let id = Self::id(self.matchers.len());
        self.states = states;
        self.matchers.push(matcher);
        Ok(id)
    }

    /// The id at an index; [`PATTERNS_MAX`] fits.
    fn id(index: usize) -> PatternId {
        PatternId(u32::try_from(index).unwrap_or(u32::MAX))
    }
}
