//! IPv4: addresses, networks and ranges, as sorted ranges below their first two octets.
//!
//! ```text
//! 192.0  --index-->  [2.1 .. 2.1 -> answer] [2.64 .. 2.127 -> answer] ...     halves of addresses, 4 bytes a range
//! ```

use std::net::Ipv4Addr;

use super::line::shown;
use super::{Entry, Values, answers};

/// Which of several entries that have an address counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// All of the narrowest kind: a range is taken apart into addresses, /24, /16 and /8.
    Together,
    /// That of the longest prefix.
    Longest,
}

/// Ranges that do not overlap.
#[derive(Debug)]
pub(super) struct Table {
    /// For each first half of an address where its ranges begin; one more, so that each has an end.
    index: Box<[u32]>,
    /// The second halves: first and last address of each range.
    ranges: Box<[(u16, u16)]>,
    answers: Numbers,
}

/// The number of each range's answer, as narrow as can be.
#[derive(Debug)]
enum Numbers {
    One(u32),
    Narrow(Box<[u16]>),
    Wide(Box<[u32]>),
}

impl Numbers {
    fn new(numbers: Vec<u32>) -> Self {
        let first = numbers.first().copied().unwrap_or(0);
        if numbers.iter().all(|number| *number == first) {
            return Self::One(first);
        }
        let narrow: Option<Box<[u16]>> = numbers.iter().map(|number| u16::try_from(*number).ok()).collect();
        narrow.map_or_else(|| Self::Wide(numbers.into()), Self::Narrow)
    }

    fn get(&self, index: usize) -> Option<u32> {
        match self {
            Self::One(number) => Some(*number),
            Self::Narrow(numbers) => numbers.get(index).map(|number| u32::from(*number)),
            Self::Wide(numbers) => numbers.get(index).copied(),
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Narrow(numbers) => size_of_val(&**numbers),
            Self::Wide(numbers) => size_of_val(&**numbers),
        }
    }
}

impl Table {
    /// The number of an address's answer.
    pub(super) fn find(&self, address: Ipv4Addr) -> Option<u32> {
        let [a, b, c, d] = address.octets();
        let (high, low) = (usize::from(u16::from_be_bytes([a, b])), u16::from_be_bytes([c, d]));
        let start = usize::try_from(*self.index.get(high)?).ok()?;
        let end = usize::try_from(*self.index.get(high + 1)?).ok()?;
        let ranges = self.ranges.get(start..end)?;
        let at = ranges.partition_point(|(first, _)| *first <= low).checked_sub(1)?;
        let (_, last) = ranges.get(at)?;
        (low <= *last).then(|| self.answers.get(start + at)).flatten()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.index) + size_of_val(&*self.ranges) + self.answers.memory_bytes()
    }
}

/// Cells of one kind (addresses, /24, /16 or /8) of one block: some of the 256 below a prefix.
#[derive(Clone, Copy)]
struct Piece {
    /// The address of its first cell.
    start: u32,
    /// The number of its last cell in the block.
    last: u8,
    entry: Cell,
}

/// What a cell says: the number of a value or an answer, or one of these.
type Cell = u32;
const NOTHING: Cell = u32::MAX;
const EXCLUDED: Cell = u32::MAX - 1;

/// Entries that come in.
pub(super) struct Builder {
    rule: Rule,
    /// Pieces of addresses, /24, /16 and /8.
    levels: [Vec<Piece>; 4],
}

impl Builder {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, levels: std::array::from_fn(|_| Vec::new()) }
    }

    /// An entry and what stands behind it.
    pub(super) fn line(&mut self, text: &[u8], values: &mut Values<'_>) -> Result<(), String> {
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b':' | b'#' | b';');
        let (range, rest) = text.split_at(text.iter().position(is_end).unwrap_or(text.len()));
        let (first, last) = match self.rule {
            Rule::Together => any_range(range),
            Rule::Longest => network(range),
        }
        .ok_or_else(|| self.expected(range))?;
        let entry = match values.entry(rest)? {
            Entry::Excluded => EXCLUDED,
            Entry::Value(number) => number,
        };
        if u64::from(last - first) < values.defaults.range_max {
            self.insert(first, last, entry);
        }
        Ok(())
    }

    fn expected(&self, text: &[u8]) -> String {
        let forms = match self.rule {
            Rule::Together => "address, network such as 192.0.2.0/24 or range such as 192.0.2.1-192.0.2.9",
            Rule::Longest => "address or network such as 192.0.2.0/24",
        };
        format!("`{}` is no {forms}", shown(text))
    }

    /// Takes a range apart: the narrow pieces at its ends, the wide ones between them.
    fn insert(&mut self, first: u32, last: u32, entry: Cell) {
        // As long numbers, so that the end of the address space is one too.
        let (mut first, end) = (u64::from(first), u64::from(last) + 1);
        let mut level = 0_u32;
        while first < end {
            let (cell, block) = (1_u64 << (8 * level), 1_u64 << (8 * level + 8));
            let is_wider = level < 3 && first % block == 0 && end - first >= block;
            let too_wide = end - first < cell;
            match (is_wider, too_wide) {
                (true, _) => level += 1,
                (_, true) => level -= 1,
                _ => {
                    // Up to the end of the block, or of the range in whole cells.
                    let until = (first - first % block + block).min(end - (end - first) % cell);
                    self.push(level, first, until, entry);
                    first = until;
                }
            }
        }
    }

    fn push(&mut self, level: u32, first: u64, until: u64, entry: Cell) {
        let last = ((until - 1) >> (8 * level)) & 0xff;
        let piece = Piece {
            start: u32::try_from(first).unwrap_or(u32::MAX),
            last: u8::try_from(last).unwrap_or(u8::MAX),
            entry,
        };
        if let Some(level) = self.levels.get_mut(level as usize) {
            level.push(piece);
        }
    }

    /// Puts the levels over each other.
    pub(super) fn finish(mut self, answers: &mut answers::Builder) -> Table {
        for (level, pieces) in (0_u32..).zip(&mut self.levels) {
            let block = |piece: &Piece| piece.start.checked_shr(8 * level + 8).unwrap_or(0);
            if self.rule == Rule::Longest {
                // The longest prefix comes last, and so counts; of two equal ones the first does.
                pieces.reverse();
                pieces.sort_by_key(|piece| (block(piece), std::cmp::Reverse(piece.cells(level))));
            } else {
                pieces.sort_by_key(block);
            }
        }
        let [addresses, nets24, nets16, nets8] = &self.levels;
        let mut painter = Painter { rule: self.rule, answers };
        let mut table = Ranges::default();
        let (mut addresses, mut nets24, mut nets16) =
            (addresses.as_slice(), nets24.as_slice(), nets16.as_slice());
        let by8 = painter.paint(nets8, 3, NOTHING);
        for (a, below) in (0_u32..).zip(by8) {
            let by16 = painter.paint(take_block(&mut nets16, 24, a), 2, below);
            for (b, below) in (0_u32..).zip(by16) {
                let high = a << 8 | b;
                let of24 = take_block(&mut nets24, 16, high);
                let mut rest = take_block(&mut addresses, 16, high);
                if of24.is_empty() && rest.is_empty() {
                    table.push(0, u16::MAX, below);
                } else {
                    for (c, below) in (0_u32..).zip(painter.paint(of24, 1, below)) {
                        let cells = painter.paint(take_block(&mut rest, 8, high << 8 | c), 0, below);
                        for (d, cell) in (0_u8..=255).zip(cells) {
                            let low = u16::from_be_bytes([c.to_le_bytes()[0], d]);
                            table.push(low, low, cell);
                        }
                    }
                }
                table.end_block();
            }
        }
        table.finish()
    }
}

impl Piece {
    fn first(&self, level: u32) -> u8 {
        (self.start >> (8 * level)).to_le_bytes()[0]
    }

    fn cells(&self, level: u32) -> u8 {
        self.last - self.first(level)
    }
}

/// The pieces whose blocks have this prefix, taken off the front of sorted ones.
fn take_block<'a>(pieces: &mut &'a [Piece], shift: u32, prefix: u32) -> &'a [Piece] {
    let end = pieces.partition_point(|piece| piece.start >> shift <= prefix);
    let (block, rest) = pieces.split_at(end);
    *pieces = rest;
    block
}

struct Painter<'a> {
    rule: Rule,
    answers: &'a mut answers::Builder,
}

impl Painter<'_> {
    /// The cells of a block: what its pieces say, and `below` where they say nothing.
    fn paint(&mut self, pieces: &[Piece], level: u32, below: Cell) -> [Cell; 256] {
        let mut cells = [NOTHING; 256];
        for piece in pieces {
            let range = usize::from(piece.first(level))..=usize::from(piece.last);
            for cell in cells.get_mut(range).unwrap_or_default() {
                *cell = match (self.rule, *cell) {
                    (Rule::Longest, _) | (_, NOTHING) => piece.entry,
                    (Rule::Together, EXCLUDED) => EXCLUDED,
                    (Rule::Together, _) if piece.entry == EXCLUDED => EXCLUDED,
                    (Rule::Together, answer) => self.answers.with(answer, piece.entry),
                };
            }
        }
        cells.map(|cell| if cell == NOTHING { below } else { cell })
    }
}

/// Ranges that come in from the lowest to the highest.
#[derive(Default)]
struct Ranges {
    index: Vec<u32>,
    held: Vec<(u16, u16)>,
    answers: Vec<u32>,
    /// Where the ranges of this block begin.
    block: usize,
}

impl Ranges {
    fn push(&mut self, first: u16, last: u16, cell: Cell) {
        if matches!(cell, NOTHING | EXCLUDED) {
            return;
        }
        let is_new_block = self.held.len() == self.block;
        if let (false, Some(before), Some(answer)) = (is_new_block, self.held.last_mut(), self.answers.last())
            && *answer == cell
            && before.1.checked_add(1) == Some(first)
        {
            before.1 = last;
            return;
        }
        self.held.push((first, last));
        self.answers.push(cell);
    }

    fn end_block(&mut self) {
        self.index.push(u32::try_from(self.block).unwrap_or(u32::MAX));
        self.block = self.held.len();
    }

    fn finish(mut self) -> Table {
        self.index.push(u32::try_from(self.block).unwrap_or(u32::MAX));
        Table { index: self.index.into(), ranges: self.held.into(), answers: Numbers::new(self.answers) }
    }
}

/// One to four octets, the rest after them, and how many they are.
fn octets(text: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (mut address, mut count) = (0_u32, 0_u32);
    for part in text.split('.') {
        let plain = !part.is_empty() && part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
        let octet: u8 = part.parse().ok().filter(|_| plain && count < 4)?;
        count += 1;
        address |= u32::from(octet) << (32 - 8 * count);
    }
    Some((address, count))
}

/// The host's bits below a prefix.
fn host_bits(prefix: u32) -> u32 {
    u32::MAX.checked_shr(prefix).unwrap_or(0)
}

/// `192.0.2.0/24`, `192.0.2` or an address: its first and last address.
fn network(text: &[u8]) -> Option<(u32, u32)> {
    let slash = text.iter().position(|byte| *byte == b'/');
    let Some((address, bits)) = slash.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))) else {
        let (first, count) = octets(text)?;
        return Some((first, first | host_bits(8 * count)));
    };
    let (first, _) = octets(address)?;
    let bits: u32 = std::str::from_utf8(bits).ok()?.parse().ok().filter(|bits| (1..=32).contains(bits))?;
    (first & host_bits(bits) == 0).then(|| (first, first | host_bits(bits)))
}

/// The same, or a range: `192.0.2.1-192.0.2.9`, `127.16-127.31`, `192.0.2.1-9`.
fn any_range(text: &[u8]) -> Option<(u32, u32)> {
    let Some(dash) = text.iter().position(|byte| *byte == b'-') else { return network(text) };
    let (first, first_count) = octets(text.get(..dash)?)?;
    let (given, count) = octets(text.get(dash + 1..)?)?;
    let last = if count == 1 && first_count > 1 {
        // One octet stands for the last one of those before the dash.
        let shift = 32 - 8 * first_count;
        (first & !(0xff << shift)) | (given >> 24) << shift | host_bits(8 * first_count)
    } else {
        given | host_bits(8 * count)
    };
    (first <= last).then_some((first, last))
}
