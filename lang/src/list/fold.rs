//! A set of texts compared without the case of ASCII letters: the base of lists of texts, domains and mailboxes.
//!
//! The texts lie one behind the other in one block, with an open-addressing table of their numbers beside it: some 20
//! bytes for an entry beyond its text, and a look-up that lower-cases nothing and allocates nothing.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Bytes of all texts of one set.
const BYTES_MAX: u32 = 1 << 31;
/// Bytes that are folded and hashed at once.
const CHUNK_BYTES: usize = 64;

/// Texts, each with a number in the order of their first insertion.
#[derive(Debug, Default)]
pub struct TextSet {
    bytes: Vec<u8>,
    /// Where each text ends; it begins where the one before it ends.
    ends: Vec<u32>,
    /// Numbers of texts plus one; 0 is a free place. Its length is a power of two and at least twice that of `ends`.
    table: Vec<u32>,
    /// Keyed afresh for each set: a peer cannot know which texts collide.
    hasher: RandomState,
}

impl TextSet {
    /// Whether the text is in the set.
    pub fn contains(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }

    /// How many different texts it has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of a text.
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        if self.table.is_empty() {
            return None;
        }
        self.probe(text).1
    }

    /// Puts a text in, and says its number and whether it is new.
    pub(super) fn insert(&mut self, text: &[u8]) -> Result<(usize, bool), String> {
        if (self.ends.len() + 1) * 2 > self.table.len() {
            self.grow();
        }
        let (place, found) = self.probe(text);
        if let Some(number) = found {
            return Ok((number, false));
        }
        let number = self.ends.len();
        let end = u32::try_from(self.bytes.len() + text.len()).ok().filter(|end| *end <= BYTES_MAX);
        let (Some(end), Some(free), Ok(value)) = (end, self.table.get_mut(place), u32::try_from(number + 1))
        else {
            return Err(format!("the entries together have more than {BYTES_MAX} bytes"));
        };
        *free = value;
        self.ends.push(end);
        self.bytes.extend_from_slice(text);
        Ok((number, true))
    }

    fn text(&self, number: usize) -> &[u8] {
        let start =
            number.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        let end = self.ends.get(number).map_or(start, |end| *end as usize);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The place of a text, or the free one where it would go. The table is at most half full, so there is one.
    fn probe(&self, text: &[u8]) -> (usize, Option<usize>) {
        let mask = self.table.len() - 1;
        let mut place = self.hash(text) & mask;
        loop {
            match self.table.get(place) {
                None | Some(0) => return (place, None),
                Some(number) => {
                    let number = *number as usize - 1;
                    if self.text(number).eq_ignore_ascii_case(text) {
                        return (place, Some(number));
                    }
                }
            }
            place = (place + 1) & mask;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash are as good as others")]
    fn hash(&self, text: &[u8]) -> usize {
        let mut hasher = self.hasher.build_hasher();
        for chunk in text.chunks(CHUNK_BYTES) {
            let mut folded = [0; CHUNK_BYTES];
            for (to, from) in folded.iter_mut().zip(chunk) {
                *to = from.to_ascii_lowercase();
            }
            hasher.write(&folded);
        }
        hasher.finish() as usize
    }

    fn grow(&mut self) {
        self.table = vec![0; (self.table.len() * 2).max(16)];
        for number in 0..self.ends.len() {
            let (place, _) = self.probe(self.text(number));
            if let (Some(to), Ok(value)) = (self.table.get_mut(place), u32::try_from(number + 1)) {
                *to = value;
            }
        }
    }
}

/// A text as written; it must not be empty.
pub(super) fn parse_entry(entry: &str) -> Result<&str, String> {
    if entry.is_empty() { Err(String::from("the text is empty")) } else { Ok(entry) }
}
