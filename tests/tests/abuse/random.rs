//! Sessions from a seed: valid commands, nonsense and messages in any order and in any packets, with an end at any place.

use std::time::Duration;

use weir_tests::rogue::Step;

/// What a session sends and does, and what may come of it at most.
pub(crate) struct Script {
    pieces: Vec<Piece>,
}

enum Piece {
    Say(Vec<u8>),
    Do(Step<'static>),
}

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators): the same numbers from the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.roll() % most as u64).expect("below a usize")
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let count = 1 + self.below(most);
        (0..count).map(|_| self.roll().to_be_bytes()[0]).collect()
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts.get(self.below(texts.len())).copied().unwrap_or_default()
    }
}

impl Script {
    /// The session of this number: its addresses tell it from all others.
    pub(crate) fn new(number: usize) -> Self {
        let mut dice = Dice(number as u64);
        let mut script = Self { pieces: Vec::new() };
        if dice.percent(70) {
            script.say(&mut dice, hello(number).into_bytes());
            script.say(&mut dice, envelope(number).into_bytes());
        }
        for _ in 0..dice.below(25) {
            let item = item(&mut dice, number);
            script.say(&mut dice, item);
        }
        match dice.below(10) {
            0..=3 => script.say(&mut dice, b"\r\n.\r\nQUIT\r\n".to_vec()),
            4..=5 => script.pieces.push(Piece::Do(Step::Reset)),
            6 => script.pieces.push(Piece::Do(Step::Hang)),
            7..=8 => script.pieces.push(Piece::Do(Step::HalfClose)),
            // Silence: weir has to end it.
            _ => {}
        }
        script
    }

    /// Adds bytes: to the packet before, as one of their own, or cut in two with a pause or a look at the replies in between.
    fn say(&mut self, dice: &mut Dice, bytes: Vec<u8>) {
        match (dice.below(10), self.pieces.last_mut()) {
            (0..=4, Some(Piece::Say(before))) => before.extend(bytes),
            (5, _) => {
                let (first, second) = bytes.split_at(dice.below(bytes.len()));
                let pause = Duration::from_millis(dice.roll() % 5);
                self.pieces.push(Piece::Say(first.to_vec()));
                self.pieces.push(Piece::Do(Step::Pause(pause)));
                self.pieces.push(Piece::Say(second.to_vec()));
            }
            _ => self.pieces.push(Piece::Say(bytes)),
        }
    }

    /// As steps of a rogue.
    pub(crate) fn steps(&self) -> Vec<Step<'_>> {
        let steps = self.pieces.iter().map(|piece| match piece {
            Piece::Say(bytes) => Step::Say(bytes),
            Piece::Do(step) => *step,
        });
        steps.collect()
    }

    /// Whether the client is there until weir closes.
    pub(crate) fn stays(&self) -> bool {
        !matches!(self.pieces.last(), Some(Piece::Do(Step::Reset | Step::Hang)))
    }

    /// How often it sends what can end a message.
    pub(crate) fn ends(&self) -> usize {
        let said = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Say(bytes) => Some(bytes.as_slice()),
            Piece::Do(_) => None,
        });
        let said = said.collect::<Vec<_>>().concat();
        let count = |end: &[u8]| said.windows(end.len()).filter(|window| *window == end).count();
        count(b".\r\n") + count(b" LAST\r\n")
    }
}

fn hello(number: usize) -> String {
    format!("EHLO r{number}.example.net\r\n")
}

fn envelope(number: usize) -> String {
    format!("MAIL FROM:<r{number}@example.net>\r\nRCPT TO:<d{number}@example.org>\r\n")
}

/// A message by DATA or BDAT, whole or not.
fn message(dice: &mut Dice, number: usize) -> Vec<u8> {
    let mut content = format!("Subject: {number}\r\n\r\n").into_bytes();
    for _ in 0..dice.below(20) {
        let line = dice.one_of(&["A line.", "..a dot", "", "\u{fc}", "a\nb", "a\rb", "\0", "."]);
        // What is wrong is rare, or hardly any message would be taken.
        let line = if dice.percent(90) { "A line." } else { line };
        content.extend_from_slice(line.as_bytes());
        content.extend_from_slice(b"\r\n");
    }
    if dice.percent(60) {
        let end: &[u8] = if dice.percent(90) { b".\r\n" } else { b"\n.\n" };
        return [b"DATA\r\n", content.as_slice(), end].concat();
    }
    let (first, second) = content.split_at(dice.below(content.len()));
    let announced = if dice.percent(90) { second.len() } else { dice.below(2000) };
    let sizes = [format!("BDAT {}\r\n", first.len()), format!("BDAT {announced} LAST\r\n")];
    let [one, other] = sizes.each_ref().map(String::as_bytes);
    [one, first, other, second].concat()
}

/// Anything that a client may come up with.
fn item(dice: &mut Dice, number: usize) -> Vec<u8> {
    match dice.below(20) {
        0..=5 => message(dice, number),
        6..=8 => envelope(number).into_bytes(),
        9 => hello(number).into_bytes(),
        10 => dice.bytes(200),
        11 => [dice.bytes(60).as_slice(), b"\r\n"].concat(),
        12 => vec![
            dice.one_of(&["a", "\0", "\r", "\n"]).as_bytes().first().copied().unwrap_or(0xff);
            1 + dice.below(70_000)
        ],
        13 => dice.one_of(&["\r\n.\r\n", "\n.\n", "\r.\r", "\r\n.", ".\r\n", "\n", "\r", "\0"]).into(),
        14 => format!("RCPT TO:<d{number}@example.org>\r\n").repeat(1 + dice.below(1500)).into_bytes(),
        15 => dice.one_of(&["DATA\r\n", "BDAT 100000 LAST\r\n", "BDAT 10\r\n", "BDAT\r\n"]).into(),
        16 => dice.one_of(&["RSET\n", "NOOP\n", "MAIL FROM:<\u{fc}@x>\r\n", "MAIL FROM:<>\r\n"]).into(),
        _ => {
            dice.one_of(&["NOOP\r\n", "RSET\r\n", "VRFY a\r\n", "HELP\r\n", "EXPN a\r\n", "XYZZY\r\n"]).into()
        }
    }
}
