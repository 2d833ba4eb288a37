//! Digests of keys: stable over restarts and equal on hosts that share a store, and nothing that a peer could aim at.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::table::Digest;

/// What goes into all digests. In two words without a lock: it changes when a store is opened that has another one, and a digest
/// that is made of half of each is a key that nobody has.
#[derive(Debug)]
pub(super) struct Secret([AtomicU64; 2]);

impl Secret {
    pub(super) fn random() -> Self {
        // The standard library's own randomness: enough that nobody else knows it.
        let random = RandomState::new();
        Self([1, 2].map(|word: u64| AtomicU64::new(random.hash_one(word))))
    }

    pub(super) fn digester(&self) -> Digester {
        let [first, second] = self.0.each_ref().map(|word| word.load(Relaxed));
        Digester(SipHasher24::new_with_keys(first, second))
    }

    pub(super) fn get(&self) -> u128 {
        let [first, second] = self.0.each_ref().map(|word| u128::from(word.load(Relaxed)));
        first << 64 | second
    }

    /// Takes another one; whether it is another one.
    pub(super) fn set(&self, secret: u128) -> bool {
        let is_other = self.get() != secret;
        for (word, half) in self.0.iter().zip([secret >> 64, secret & u128::from(u64::MAX)]) {
            word.store(u64::try_from(half).unwrap_or_default(), Relaxed);
        }
        is_other
    }
}

/// Takes the parts of a key, one after the other.
#[derive(Debug)]
pub struct Digester(SipHasher24);

impl Digester {
    /// One that has no secret, for what is to be the same everywhere.
    pub fn open() -> Self {
        Self(SipHasher24::new())
    }

    /// A part. Its length goes in too, so that no two keys have the same bytes.
    pub fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.write(&(bytes.len() as u64).to_le_bytes());
        self.0.write(bytes);
        self
    }

    /// A text without ASCII case: domains and mailboxes are compared so.
    pub fn text(&mut self, text: &[u8]) -> &mut Self {
        self.0.write(&(text.len() as u64).to_le_bytes());
        for piece in text.chunks(64) {
            let mut lower = [0; 64];
            for (to, from) in lower.iter_mut().zip(piece) {
                *to = from.to_ascii_lowercase();
            }
            self.0.write(lower.get(..piece.len()).unwrap_or_default());
        }
        self
    }

    /// The digest of all parts.
    pub fn finish(&self) -> Digest {
        Digest(self.0.finish128().as_u128())
    }
}
