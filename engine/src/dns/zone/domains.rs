//! Domains: each name once, with what it says of itself and of all names below it; found by a table of hashes.
//!
//! ```text
//! hash -> slot -> place in the names: [own entry] [entry of those below] [length] [name]     numbers take one byte mostly
//! ```

use std::hash::{BuildHasher, RandomState};

use super::line::shown;
use super::{Entry, Values, answers};
use crate::limits::ZONE_NAMES_BYTES_MAX;

/// All names.
#[derive(Debug)]
pub(super) struct Table {
    names: Names,
    slots: Slots,
}

/// Names one behind the other.
#[derive(Debug, Default)]
struct Names(Vec<u8>);

/// Places of names by their hash; with as many free slots that a walk over taken ones is short.
#[derive(Debug)]
struct Slots {
    hasher: RandomState,
    /// A place and one more; 0 is free.
    places: Box<[u32]>,
    taken: usize,
}

/// A name as it is held. Its entries are 0 for none, 1 for excluded and 2 more than the number of an answer.
#[derive(Clone, Copy)]
struct Name<'a> {
    own: u32,
    below: u32,
    text: &'a [u8],
}
const NONE: u32 = 0;
const EXCLUDED: u32 = 1;
const ANSWER: u32 = 2;

/// The longest name (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

impl Names {
    fn at(&self, place: u32) -> Option<Name<'_>> {
        let rest = self.0.get(usize::try_from(place).ok()?..)?;
        let (own, rest) = number(rest)?;
        let (below, rest) = number(rest)?;
        let (length, rest) = rest.split_first()?;
        Some(Name { own, below, text: rest.get(..usize::from(*length))? })
    }

    fn push(&mut self, name: Name<'_>) -> Result<u32, String> {
        let place = self.0.len();
        for mut number in [name.own, name.below] {
            while number >= 0x80 {
                self.0.push(number.to_le_bytes()[0] | 0x80);
                number >>= 7;
            }
            self.0.push(number.to_le_bytes()[0]);
        }
        self.0.push(u8::try_from(name.text.len()).unwrap_or(u8::MAX));
        self.0.extend_from_slice(name.text);
        let is_bounded = self.0.len() <= ZONE_NAMES_BYTES_MAX;
        u32::try_from(place)
            .ok()
            .filter(|_| is_bounded)
            .ok_or_else(|| format!("the names take more than {ZONE_NAMES_BYTES_MAX} bytes"))
    }
}

/// A number of seven bits a byte, the lowest first.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u32;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        number |= u32::from(byte & 0x7f).checked_shl(u32::try_from(7 * index).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(index + 1..)?));
        }
    }
    None
}

impl Slots {
    /// The slot of a name: that which holds it, or the free one where it belongs; and its place if it is there.
    fn find(&self, names: &Names, name: &[u8]) -> (usize, Option<u32>) {
        let most = self.places.len().max(1);
        // The upper bits of the hash as a fraction of the slots.
        let hash = u128::from(self.hasher.hash_one(name));
        let mut slot = usize::try_from((hash * most as u128) >> 64).unwrap_or(0);
        for _ in 0..most {
            let place = self.places.get(slot).copied().unwrap_or(0);
            let Some(place) = place.checked_sub(1) else { return (slot, None) };
            if names.at(place).is_some_and(|held| held.text == name) {
                return (slot, Some(place));
            }
            slot = (slot + 1) % most;
        }
        (slot, None)
    }

    fn with_room(count: usize, hasher: RandomState) -> Self {
        // Four of five slots are taken at most.
        Self { hasher, places: vec![0; count + count / 4 + 1].into(), taken: 0 }
    }

    fn put(&mut self, slot: usize, place: u32) {
        if let Some(held) = self.places.get_mut(slot) {
            self.taken += usize::from(*held == 0);
            *held = place + 1;
        }
    }
}

impl Table {
    /// The number of a domain's answer, and how many bytes stand before the name that is listed: its own entry counts, else that
    /// of the longest name above it.
    pub(super) fn find(&self, domain: &str) -> Option<(u32, usize)> {
        let mut lower = [0; NAME_BYTES_MAX];
        let name = lower.get_mut(..domain.len())?;
        name.copy_from_slice(domain.as_bytes());
        name.make_ascii_lowercase();
        let mut name: &[u8] = name;
        let entry = |name| self.slots.find(&self.names, name).1.and_then(|place| self.names.at(place));
        if let Some(own) = entry(name).map(|found| found.own).filter(|own| *own != NONE) {
            return Some((own.checked_sub(ANSWER)?, 0));
        }
        while let Some(dot) = memchr::memchr(b'.', name) {
            name = name.get(dot + 1..)?;
            if let Some(below) = entry(name).map(|found| found.below).filter(|below| *below != NONE) {
                return Some((below.checked_sub(ANSWER)?, domain.len() - name.len()));
            }
        }
        None
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.names.0.capacity() + size_of_val(&*self.slots.places)
    }
}

/// Names that come in.
pub(super) struct Builder {
    names: Names,
    slots: Slots,
}

impl Default for Builder {
    fn default() -> Self {
        Self { names: Names::default(), slots: Slots::with_room(NAMES_FIRST, RandomState::new()) }
    }
}

/// Names for which there is room at the beginning.
const NAMES_FIRST: usize = 1000;

/// Which names an entry is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Own,
    Below,
    Both,
}

impl Builder {
    /// An entry and what stands behind it.
    pub(super) fn line(&mut self, text: &[u8], values: &mut Values<'_>) -> Result<(), String> {
        let (about, text) = match text {
            [b'*', b'.', rest @ ..] => (About::Below, rest),
            [b'.', rest @ ..] => (About::Both, rest),
            rest => (About::Own, rest),
        };
        let text = text.trim_ascii_start();
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b':' | b'#' | b';');
        let (name, rest) = text.split_at(text.iter().position(is_end).unwrap_or(text.len()));
        let name = name.strip_suffix(b".").unwrap_or(name).to_ascii_lowercase();
        if !is_name(&name) {
            return Err(format!("`{}` is no domain", shown(&name)));
        }
        let entry = match values.entry(rest)? {
            Entry::Excluded => EXCLUDED,
            Entry::Value(number) => number + ANSWER,
        };
        self.insert(&name, about, entry, values.answers)
    }

    fn insert(
        &mut self,
        name: &[u8],
        about: About,
        entry: u32,
        answers: &mut answers::Builder,
    ) -> Result<(), String> {
        let (slot, place) = self.slots.find(&self.names, name);
        let held = place.and_then(|place| self.names.at(place));
        let (own, below) = held.map_or((NONE, NONE), |held| (held.own, held.below));
        let mut with = |held: u32| match (held, entry) {
            (NONE, entry) => entry,
            (EXCLUDED, _) | (_, EXCLUDED) => EXCLUDED,
            (held, entry) => answers.with(held - ANSWER, entry - ANSWER) + ANSWER,
        };
        let after = Name {
            own: if about == About::Below { own } else { with(own) },
            below: if about == About::Own { below } else { with(below) },
            text: name,
        };
        if (after.own, after.below) != (own, below) {
            // The record before, if there was one, is lost room: names that come twice with two values are few.
            let place = self.names.push(after)?;
            self.slots.put(slot, place);
            if self.slots.taken * 5 > self.slots.places.len() * 4 {
                self.resize(self.slots.taken * 2);
            }
        }
        Ok(())
    }

    fn resize(&mut self, count: usize) {
        let mut slots = Slots::with_room(count, self.slots.hasher.clone());
        for place in self.slots.places.iter().filter_map(|place| place.checked_sub(1)) {
            if let Some(name) = self.names.at(place) {
                let (slot, _) = slots.find(&self.names, name.text);
                slots.put(slot, place);
            }
        }
        self.slots = slots;
    }

    pub(super) fn finish(mut self) -> Table {
        self.resize(self.slots.taken);
        self.names.0.shrink_to_fit();
        Table { names: self.names, slots: self.slots }
    }
}

/// Whether these are labels with dots between them.
fn is_name(name: &[u8]) -> bool {
    let is_label = |label: &[u8]| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'*' | b'!' | b'/'))
    };
    name.len() <= NAME_BYTES_MAX && name.split(|byte| *byte == b'.').all(is_label)
}
