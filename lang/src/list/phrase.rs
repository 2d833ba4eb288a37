//! Phrases: gathered here, found by the patterns' one pass over the text.

use crate::pattern::{Builder, PatternError, PatternId, Set};

/// Phrases of a list.
#[derive(Debug, Default)]
pub struct PhraseSet {
    phrases: Vec<Box<str>>,
}

impl PhraseSet {
    /// Adds all to a set of patterns. Their ids are consecutive: [`crate::pattern::Scratch::hit_any`] takes the pair,
    /// which is the first and one past the last.
    pub fn add_to(&self, builder: &mut Builder) -> Result<(PatternId, PatternId), PatternError> {
        builder.add_phrases(self.phrases.iter().map(|phrase| phrase.as_bytes()))
    }

    /// Whether the text holds any of them. Builds a set for this one question: rules ask through [`Self::add_to`].
    pub fn is_in(&self, text: &[u8]) -> bool {
        let mut builder = Builder::new();
        let Ok((first, end)) = self.add_to(&mut builder) else { return false };
        let set: Set = builder.build();
        let mut scratch = set.scratch();
        set.scan(text, &mut scratch);
        scratch.hit_any(first, end)
    }

    /// How many it has.
    pub fn len(&self) -> usize {
        self.phrases.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.phrases.is_empty()
    }

    /// Puts in an entry that [`parse_entry`] made.
    pub(super) fn insert(&mut self, entry: &str) {
        self.phrases.push(entry.into());
    }
}

/// A phrase: at least one word.
pub(super) fn parse_entry(entry: &str) -> Result<&str, String> {
    match Builder::new().add_phrase(entry.as_bytes()) {
        Ok(_) => Ok(entry),
        Err(error) => Err(error.to_string()),
    }
}
