//! What entries answer, each answer held once: most lists have a handful for millions of entries.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::Ipv4Addr;

use crate::limits::{ZONE_ENTRIES_MAX, ZONE_VALUES_MAX};

/// The place of `$=` among the templates.
pub(super) const BASE: usize = 10;

/// The text of a value that has none.
const NO_TEXT: u32 = u32::MAX;

/// An address and the text that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Value {
    address: Ipv4Addr,
    text: u32,
}

/// All answers of a zone.
#[derive(Debug)]
pub(super) struct Answers {
    values: Box<[Value]>,
    /// Answers of several values: their numbers have [`SEVERAL`].
    several: Box<[Box<[u32]>]>,
    texts: Texts,
    templates: [Option<Box<[u8]>>; 11],
}

/// Texts one behind the other.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Texts {
    fn get(&self, index: u32) -> Option<&[u8]> {
        let index = usize::try_from(index).ok()?;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.get(start..end)
    }
}

/// Set in the number of an answer of several values.
const SEVERAL: u32 = 1 << 31;

impl Answers {
    /// The values of an answer, by its number.
    fn values(&self, answer: u32) -> impl Iterator<Item = &Value> {
        let at = |number: u32| usize::try_from(number & !SEVERAL).ok();
        let one = at(answer).filter(|_| answer & SEVERAL == 0).and_then(|one| self.values.get(one));
        let several =
            at(answer).filter(|_| answer & SEVERAL != 0).and_then(|several| self.several.get(several));
        let several = several.map_or(&[][..], |several| several);
        one.into_iter().chain(several.iter().filter_map(move |value| self.values.get(at(*value)?)))
    }

    /// The addresses of an answer, by its number.
    pub(super) fn addresses(&self, answer: u32) -> impl Iterator<Item = Ipv4Addr> {
        self.values(answer).map(|value| value.address)
    }

    /// The first text of an answer, with what was asked in the place of each `$`.
    pub(super) fn text(&self, answer: u32, asked: &str) -> Option<Vec<u8>> {
        let template = self.values(answer).find_map(|value| self.texts.get(value.text))?;
        let variable = |index: usize| self.templates.get(index).and_then(Option::as_deref);
        let (template, entry) = match (variable(BASE), template) {
            (Some(_), [b'=', own @ ..]) | (None, own) => (own, own),
            (Some(base), own) => (base, own),
        };
        let mut text = Vec::with_capacity(template.len() + asked.len());
        let mut rest = template;
        while let Some(at) = memchr::memchr(b'$', rest) {
            text.extend_from_slice(rest.get(..at).unwrap_or_default());
            rest = rest.get(at + 1..).unwrap_or_default();
            let written = match rest.first() {
                Some(b'$') => Some(&b"$"[..]),
                Some(b'=') => Some(entry),
                Some(digit @ b'0'..=b'9') => variable(usize::from(digit - b'0')),
                _ => None,
            };
            match written {
                Some(written) => {
                    text.extend_from_slice(written);
                    rest = rest.get(1..).unwrap_or_default();
                }
                None => text.extend_from_slice(asked.as_bytes()),
            }
        }
        text.extend_from_slice(rest);
        text.truncate(TEXT_BYTES_MAX);
        Some(text)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let several: usize = self.several.iter().map(|values| size_of_val(&**values)).sum();
        size_of_val(&*self.values)
            + size_of_val(&*self.several)
            + several
            + self.texts.bytes.capacity()
            + self.texts.ends.capacity() * size_of::<usize>()
    }
}

/// One string of a TXT record (RFC 1035, 3.3.14).
const TEXT_BYTES_MAX: usize = 255;

/// Answers that come in.
#[derive(Default)]
pub(super) struct Builder {
    values: Vec<Value>,
    known_values: HashMap<Value, u32>,
    texts: Texts,
    /// By hash: texts are not held twice. Of two with one hash the second is.
    known_texts: HashMap<u64, u32>,
    hasher: RandomState,
    several: Vec<Box<[u32]>>,
    known_several: HashMap<(u32, u32), u32>,
    templates: [Option<Box<[u8]>>; 11],
}

impl Builder {
    /// `$0` to `$9` and `$=`: the first of each counts.
    pub(super) fn template(&mut self, index: usize, text: &[u8]) {
        if let Some(place @ None) = self.templates.get_mut(index) {
            *place = Some(text.into());
        }
    }

    /// The number of a value.
    pub(super) fn value(&mut self, address: Ipv4Addr, text: Option<&[u8]>) -> u32 {
        let text = text.map_or(NO_TEXT, |text| self.text(text));
        let value = Value { address, text };
        let next = number(self.values.len());
        let known = *self.known_values.entry(value).or_insert(next);
        if known == next {
            self.values.push(value);
        }
        known
    }

    fn text(&mut self, text: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(text);
        if let Some(&known) = self.known_texts.get(&hash)
            && self.texts.get(known) == Some(text)
        {
            return known;
        }
        let new = number(self.texts.ends.len());
        self.texts.bytes.extend_from_slice(text);
        self.texts.ends.push(self.texts.bytes.len());
        self.known_texts.insert(hash, new);
        new
    }

    /// The number of the answer that has a value besides those of an answer, at most [`ZONE_VALUES_MAX`].
    pub(super) fn with(&mut self, answer: u32, value: u32) -> u32 {
        if let Some(&known) = self.known_several.get(&(answer, value)) {
            return known;
        }
        let mut values = match answer & SEVERAL {
            0 => vec![answer],
            _ => self
                .several
                .get(usize::try_from(answer & !SEVERAL).unwrap_or(usize::MAX))
                .map(|values| values.to_vec())
                .unwrap_or_default(),
        };
        let result = if values.contains(&value) || values.len() >= ZONE_VALUES_MAX {
            answer
        } else {
            values.push(value);
            self.several.push(values.into());
            number(self.several.len() - 1) | SEVERAL
        };
        self.known_several.insert((answer, value), result);
        result
    }

    pub(super) fn finish(mut self) -> Answers {
        self.texts.bytes.shrink_to_fit();
        self.texts.ends.shrink_to_fit();
        Answers {
            values: self.values.into(),
            several: self.several.into(),
            texts: self.texts,
            templates: self.templates,
        }
    }
}

/// There are at most as many as entries, whose number is bounded far below 2^31.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(SEVERAL - 1)
}
const _: () = assert!(ZONE_ENTRIES_MAX < SEVERAL as usize);
