//! A message in its wire form: the buffers into which it was read, kept as they are.
//!
//! Dot-stuffed, with CRLF.CRLF at its end: what came in is what goes out. A read buffer of which the message fills a good
//! part is kept itself; the small reads of a slow client are gathered, so that a buffer is never held for a few bytes.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

/// A stretch of a shared buffer.
pub type Chunk = (Rc<Vec<u8>>, Range<usize>);

/// A message as it arrives.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    chunks: Vec<Chunk>,
    bytes: usize,
    /// Room in the buffers that are kept in which there is nothing of the message.
    unused: usize,
    /// What held the buffer of the message before, to hold that of the next: most messages are in one.
    spare: Option<Rc<Vec<u8>>>,
}

/// The room for messages of a shard: how much of all its sessions' messages is held, and how much may be.
#[derive(Debug)]
pub struct Store {
    held: Cell<usize>,
    most: usize,
}

impl Store {
    /// Room for so many bytes.
    pub fn new(most: usize) -> Rc<Self> {
        Rc::new(Self { held: Cell::new(0), most })
    }

    /// How much is held, in bytes.
    pub fn held(&self) -> usize {
        self.held.get()
    }

    /// How much may be held, in bytes.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Whether there is no room for another message.
    pub fn is_full(&self) -> bool {
        self.held.get() >= self.most
    }
}

/// A message's part of the room, given back when dropped.
#[derive(Debug)]
pub struct Held {
    store: Rc<Store>,
    bytes: usize,
}

impl Held {
    /// Nothing yet.
    pub fn new(store: &Rc<Store>) -> Self {
        Self { store: Rc::clone(store), bytes: 0 }
    }

    /// Takes room for `bytes` more; false, and nothing is taken, when that is more than there is.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let held = self.store.held.get() + bytes;
        let fits = held <= self.store.most;
        if fits {
            self.store.held.set(held);
            self.bytes += bytes;
        }
        fits
    }

    /// Gives all back.
    pub fn clear(&mut self) {
        self.store.held.set(self.store.held.get() - self.bytes);
        self.bytes = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Most room without use in the buffers of a message, in bytes: a message holds no more than its own size and this, but for the last
/// buffer in which it is gathered.
const UNUSED_BYTES_MAX: usize = 48 * 1024;

/// Stretches for which a message leaves room to the next.
const CHUNKS_KEPT: usize = 4;

/// Room of a buffer in which small reads are gathered.
const GATHER_BYTES: usize = 16 * 1024;

impl Wire {
    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a buffer of `capacity` bytes may be kept for a stretch of `bytes`; if so hand it to [`Self::keep`], else
    /// [`Self::copy`] the stretch.
    pub fn keeps(&self, bytes: usize, capacity: usize) -> bool {
        self.unused + capacity.saturating_sub(bytes) <= UNUSED_BYTES_MAX
    }

    /// Adds a stretch of a buffer, which is kept.
    pub fn keep(&mut self, buffer: Vec<u8>, range: Range<usize>) {
        self.bytes += range.len();
        self.unused += buffer.capacity().saturating_sub(range.len());
        self.hold(buffer, range);
    }

    fn hold(&mut self, buffer: Vec<u8>, range: Range<usize>) {
        let mut shared = self.spare.take().unwrap_or_default();
        match Rc::get_mut(&mut shared) {
            Some(empty) => *empty = buffer,
            None => shared = Rc::new(buffer),
        }
        self.chunks.push((shared, range));
    }

    /// Adds a stretch by copying it behind the last one.
    pub fn copy(&mut self, stretch: &[u8]) {
        self.bytes += stretch.len();
        let mut rest = stretch;
        if let Some((buffer, range)) = self.chunks.last_mut()
            && let Some(buffer) = Rc::get_mut(buffer)
            && range.end == buffer.len()
        {
            let (here, after) = rest.split_at(rest.len().min(buffer.capacity() - buffer.len()));
            buffer.extend_from_slice(here);
            range.end = buffer.len();
            rest = after;
        }
        if !rest.is_empty() {
            let mut buffer = Vec::with_capacity(rest.len().max(GATHER_BYTES));
            buffer.extend_from_slice(rest);
            self.hold(buffer, 0..rest.len());
        }
    }

    /// Drops the message, and hands out the buffers that nobody else holds, to be used again. Memory is kept for a message in few
    /// stretches.
    pub fn clear(&mut self, mut reuse: impl FnMut(Vec<u8>)) {
        for (mut shared, _) in self.chunks.drain(..) {
            if let Some(buffer) = Rc::get_mut(&mut shared) {
                reuse(std::mem::take(buffer));
                self.spare = Some(shared);
            }
        }
        self.chunks.shrink_to(CHUNKS_KEPT);
        self.bytes = 0;
        self.unused = 0;
    }

    /// All stretches, in order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The stretches of all that is not in `cuts`, which are sorted, apart, and count from the message's first byte.
    pub fn without(&self, cuts: &[Range<usize>]) -> Vec<Chunk> {
        let mut kept = Vec::with_capacity(self.chunks.len() + cuts.len());
        let mut offset = 0;
        for (buffer, range) in &self.chunks {
            let here = offset..offset + range.len();
            let mut from = here.start;
            let inside = cuts.iter().filter(|cut| cut.start < here.end && cut.end > here.start);
            for cut in inside {
                push(&mut kept, buffer, range.start, from - here.start..cut.start.max(from) - here.start);
                from = cut.end.min(here.end);
            }
            push(&mut kept, buffer, range.start, from - here.start..here.len());
            offset = here.end;
        }
        kept
    }

    /// Makes it one stretch, by copying it together once if it is in several, for those who look into it.
    pub fn join(&mut self) -> Chunk {
        if self.chunks.len() != 1 {
            let whole = self.contiguous().into_owned();
            let range = 0..whole.len();
            self.unused = 0;
            self.chunks = vec![(Rc::new(whole), range)];
        }
        self.chunks.first().cloned().unwrap_or_default()
    }

    /// The message in one piece: borrowed when it is in one, else copied together.
    pub fn contiguous(&self) -> std::borrow::Cow<'_, [u8]> {
        if let [(buffer, range)] = self.chunks.as_slice() {
            return buffer.get(range.clone()).unwrap_or_default().into();
        }
        let mut whole = Vec::with_capacity(self.bytes);
        for (buffer, range) in &self.chunks {
            whole.extend_from_slice(buffer.get(range.clone()).unwrap_or_default());
        }
        whole.into()
    }
}

fn push(kept: &mut Vec<Chunk>, buffer: &Rc<Vec<u8>>, base: usize, range: Range<usize>) {
    if !range.is_empty() {
        kept.push((Rc::clone(buffer), base + range.start..base + range.end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(chunks: &[Chunk]) -> Vec<u8> {
        chunks.iter().flat_map(|(buffer, range)| buffer[range.clone()].to_vec()).collect()
    }

    proptest! {
        #[test]
        fn cutting_is_like_cutting_the_whole(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..9), any::<bool>()), 1..9),
            bounds in prop::collection::btree_set(0_usize..72, 0..8),
        ) {
            let mut wire = Wire::default();
            let mut whole = Vec::new();
            for (part, keep) in &parts {
                whole.extend_from_slice(part);
                if *keep { wire.keep(part.clone(), 0..part.len()); } else { wire.copy(part); }
            }
            prop_assert_eq!(wire.bytes(), whole.len());
            prop_assert_eq!(&*wire.contiguous(), &whole[..]);
            prop_assert_eq!(text(wire.chunks()), whole.clone());
            let mut joined = wire.clone();
            let (buffer, range) = joined.join();
            prop_assert_eq!(&buffer[range], &whole[..]);
            prop_assert_eq!((joined.chunks().len(), joined.bytes()), (1, wire.bytes()));
            let bounds: Vec<usize> = bounds.into_iter().filter(|&bound| bound <= whole.len()).collect();
            let cuts: Vec<Range<usize>> = bounds.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect();
            let mut left = whole;
            for cut in cuts.iter().rev() {
                left.drain(cut.clone());
            }
            prop_assert_eq!(text(&wire.without(&cuts)), left);
        }
    }

    #[test]
    fn room_is_bounded_and_comes_back() {
        let store = Store::new(10);
        let (mut one, mut other) = (Held::new(&store), Held::new(&store));
        assert!(one.grow(6) && !other.grow(5) && other.grow(4));
        assert!(store.is_full() && !one.grow(1));
        other.clear();
        assert!(one.grow(4));
        drop(one);
        assert!(!store.is_full() && other.grow(10));
    }

    #[test]
    fn small_reads_share_a_buffer() {
        let mut wire = Wire::default();
        for _ in 0..10_000 {
            wire.copy(b"x");
        }
        assert_eq!(wire.chunks().len(), 1);
    }

    #[test]
    fn a_message_holds_little_more_than_its_size() {
        let mut kept = Wire::default();
        let full = |bytes: usize| {
            let mut buffer = Vec::with_capacity(16_384);
            buffer.resize(bytes, b'x');
            buffer
        };
        for _ in 0..1000 {
            if kept.keeps(9000, 16_384) {
                kept.keep(full(9000), 0..9000);
            } else {
                kept.copy(&[b'x'; 9000]);
            }
        }
        let held: usize = kept.chunks().iter().map(|(buffer, _)| buffer.capacity()).sum();
        assert!(held <= kept.bytes() + (64 << 10), "{held} for {}", kept.bytes());
        let mut reused = 0;
        kept.clone().clear(|_| reused += 1);
        assert_eq!(reused, 0, "each is held twice");
        kept.clear(|_| reused += 1);
        assert!(reused > 500 && kept.bytes() == 0 && kept.chunks().is_empty());
        assert!(kept.keeps(16_384, 16_384));
    }
}
