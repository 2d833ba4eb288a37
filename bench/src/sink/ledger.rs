//! The sink's book: which serials of which run have arrived, and in what shape.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_smtp::Envelope;
use weir_smtp::body::unstuff;

use crate::mark::{Mark, digest, envelope_digest, split};

/// Most serials of one run that are told apart; those beyond are counted as foreign. A bit each: 128 MiB at most.
pub(crate) const SERIALS_MAX: u64 = 1 << 30;
/// Most runs that are told apart; messages of further ones are counted as foreign.
const RUNS_MAX: usize = 16;
/// Most stretches of lost serials that are listed; more are only counted.
const LOST_LISTED_MAX: usize = 100;

/// What has arrived.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    runs: Vec<Run>,
    /// All messages that were taken.
    pub(crate) messages: u64,
    /// Their bytes, without dot-stuffing.
    pub(crate) bytes: u64,
    /// Arrived more than once: every copy after the first.
    doubled: u64,
    /// The body is not the one that was sent.
    altered: u64,
    /// Sender or recipients are not those that were sent.
    out_of_envelope: u64,
    /// Without a mark that can be read.
    unmarked: u64,
    /// Beyond the bounds of this book.
    foreign: u64,
}

#[derive(Debug)]
struct Run {
    id: u64,
    /// One bit for each serial.
    seen: Vec<u64>,
    /// The highest serial and one.
    end: u64,
    distinct: u64,
    /// Copies after the first.
    doubled: u64,
}

/// What a sink has seen, for who joins it with other sinks and with the sources.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Book {
    pub(crate) runs: Vec<Seen>,
    pub(crate) altered: u64,
    pub(crate) out_of_envelope: u64,
    pub(crate) unmarked: u64,
    pub(crate) foreign: u64,
}

/// The serials of one run of a source.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// As the source's summary names it.
    pub(crate) run: String,
    /// Copies after the first.
    pub(crate) doubled: u64,
    /// A bit for each serial, the lowest bit of the first word for serial 0.
    pub(crate) serials: Vec<u64>,
}

impl Ledger {
    /// Enters a message in wire form.
    pub(crate) fn enter(&mut self, wire: &[u8], envelope: &Envelope) {
        let message = unstuff(wire);
        self.messages += 1;
        self.bytes += message.len() as u64;
        let (header, body) = split(&message);
        let Some(mark) = Mark::parse(header) else {
            self.unmarked += 1;
            return;
        };
        self.altered += u64::from(mark.body != digest(body));
        self.out_of_envelope += u64::from(mark.envelope != envelope_digest(envelope));
        match self.run(mark.run) {
            Some(run) if mark.serial < SERIALS_MAX => {
                let is_new = run.see(mark.serial);
                run.doubled += u64::from(!is_new);
                self.doubled += u64::from(!is_new);
            }
            _ => self.foreign += 1,
        }
    }

    fn run(&mut self, id: u64) -> Option<&mut Run> {
        let is_known = self.runs.iter().any(|run| run.id == id);
        if !is_known && self.runs.len() < RUNS_MAX {
            self.runs.push(Run { id, seen: Vec::new(), end: 0, distinct: 0, doubled: 0 });
        }
        self.runs.iter_mut().find(|run| run.id == id)
    }

    /// Different serials, of all runs.
    pub(crate) fn distinct(&self) -> u64 {
        self.runs.iter().map(|run| run.distinct).sum()
    }

    /// All of it.
    pub(crate) fn book(&self) -> Book {
        let seen = |run: &Run| Seen {
            run: format!("{:016x}", run.id),
            doubled: run.doubled,
            serials: run.seen.clone(),
        };
        Book {
            runs: self.runs.iter().map(seen).collect(),
            altered: self.altered,
            out_of_envelope: self.out_of_envelope,
            unmarked: self.unmarked,
            foreign: self.foreign,
        }
    }

    /// What is wrong, with `expected` serials in each run, or as many as its highest says.
    pub(crate) fn audit(&self, expected: Option<u64>) -> Audit {
        let mut ranges = Vec::new();
        let mut lost = 0;
        for run in &self.runs {
            let end = expected.unwrap_or(run.end).min(SERIALS_MAX);
            lost += end.saturating_sub(run.seen_below(end));
            run.list_lost(end, &mut ranges);
        }
        if self.runs.is_empty() {
            lost = expected.unwrap_or(0);
        }
        Audit {
            lost,
            doubled: self.doubled,
            altered: self.altered,
            out_of_envelope: self.out_of_envelope,
            unmarked: self.unmarked,
            foreign: self.foreign,
            lost_ranges: ranges,
        }
    }
}

impl Run {
    /// True the first time.
    fn see(&mut self, serial: u64) -> bool {
        let (word, bit) = place(serial);
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let Some(bits) = self.seen.get_mut(word) else { return false };
        let is_new = *bits & bit == 0;
        *bits |= bit;
        self.end = self.end.max(serial + 1);
        self.distinct += u64::from(is_new);
        is_new
    }

    fn has(&self, serial: u64) -> bool {
        let (word, bit) = place(serial);
        self.seen.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn seen_below(&self, end: u64) -> u64 {
        if end >= self.end {
            return self.distinct;
        }
        (0..end).map(|serial| u64::from(self.has(serial))).sum()
    }

    fn list_lost(&self, end: u64, ranges: &mut Vec<(u64, u64)>) {
        let mut serial = 0;
        while serial < end && ranges.len() < LOST_LISTED_MAX {
            let start = serial;
            while serial < end && !self.has(serial) {
                serial += 1;
            }
            if serial > start {
                ranges.push((start, serial - 1));
            }
            serial += 1;
        }
    }
}

fn place(serial: u64) -> (usize, u64) {
    (usize::try_from(serial / 64).unwrap_or(usize::MAX), 1 << (serial % 64))
}

/// The verdict on all that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Audit {
    lost: u64,
    doubled: u64,
    altered: u64,
    out_of_envelope: u64,
    unmarked: u64,
    foreign: u64,
    /// First and last serial of each stretch.
    lost_ranges: Vec<(u64, u64)>,
}

impl Audit {
    /// Whether each message arrived once and as it was sent. Mail without marks proves nothing and breaks nothing.
    pub(crate) fn is_whole(&self) -> bool {
        [self.lost, self.doubled, self.altered, self.out_of_envelope, self.foreign] == [0; 5]
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "lost": self.lost, "doubled": self.doubled, "altered": self.altered,
            "out_of_envelope": self.out_of_envelope, "unmarked": self.unmarked, "foreign": self.foreign,
            "lost_serials": self.lost_ranges,
        })
    }
}

impl std::fmt::Display for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { lost, doubled, altered, out_of_envelope, unmarked, foreign, .. } = self;
        write!(f, "lost {lost}, doubled {doubled}, altered {altered}, out of envelope {out_of_envelope}")?;
        write!(f, "; unmarked {unmarked}, foreign {foreign}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_smtp::body::stuff;
    use weir_smtp::{Mailbox, Path};

    fn envelope(recipient: &str) -> Envelope {
        let mut envelope = Envelope::new();
        envelope.set_sender(Path::Mailbox(Mailbox::parse("a@example.org").unwrap()));
        envelope.push_recipient(Mailbox::parse(recipient).unwrap());
        envelope
    }

    /// Message `serial`, in which `body` was marked and `arrived` is what came.
    fn wire(serial: u64, body: &str, arrived: &str) -> Vec<u8> {
        let envelope = envelope_digest(&envelope("b@example.org"));
        let mut message = b"Received: by a relay\r\n".to_vec();
        Mark { run: 1, serial, envelope, body: digest(body.as_bytes()) }.print(&mut message);
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(arrived.as_bytes());
        stuff(&message)
    }

    #[test]
    fn each_fault_is_found_and_nothing_else() {
        let body = "one\r\n.two\r\n";
        let mut ledger = Ledger::default();
        for serial in [0, 2, 1] {
            ledger.enter(&wire(serial, body, body), &envelope("b@example.org"));
        }
        assert!(ledger.audit(None).is_whole());
        assert!(ledger.audit(Some(3)).is_whole());
        assert_eq!(ledger.audit(Some(5)).lost, 2, "the tail is missed only by who knows of it");
        assert_eq!(ledger.audit(Some(5)).lost_ranges, [(3, 4)]);

        ledger.enter(&wire(2, body, body), &envelope("b@example.org"));
        ledger.enter(&wire(5, body, "one\r\ntwo\r\n"), &envelope("b@example.org"));
        ledger.enter(&wire(6, body, body), &envelope("c@example.org"));
        ledger.enter(&wire(SERIALS_MAX, body, body), &envelope("b@example.org"));
        ledger.enter(&stuff(b"Subject: x\r\n\r\n"), &envelope("b@example.org"));
        let audit = ledger.audit(None);
        assert!(!audit.is_whole());
        let found =
            [audit.lost, audit.doubled, audit.altered, audit.out_of_envelope, audit.foreign, audit.unmarked];
        assert_eq!(found, [2, 1, 1, 1, 1, 1]);
        assert_eq!(audit.lost_ranges, [(3, 4)]);
        assert_eq!((ledger.messages, ledger.distinct()), (8, 5));
    }

    #[test]
    fn nothing_at_all_is_a_loss_of_what_was_expected() {
        assert!(Ledger::default().audit(None).is_whole());
        assert_eq!(Ledger::default().audit(Some(7)).lost, 7);
    }
}
