//! What goes wrong with a virus scanner, and how often.

use std::time::Duration;

use clap::Args;

use crate::dice::Dice;
use crate::orders;
use crate::value::{Pause, Share};

/// The faults. Of those that fall together the first counts, in the order of this list.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Faults")]
pub(crate) struct Faults {
    /// Answer after a time, or after one from a range by chance, a share of scans; `20ms`, `5ms..80ms:30%`. Several add up.
    #[arg(long, value_name = "TIME[..TIME][:SHARE]", value_delimiter = ',')]
    latency: Vec<Pause>,
    /// Take a share of connections, but let them wait for a time before the first command is read: all threads are busy.
    #[arg(long, value_name = "TIME[..TIME][:SHARE]", value_delimiter = ',')]
    busy: Vec<Pause>,
    /// Close a share of connections as soon as they have come.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    refuse: Share,
    /// Close in the middle of the stream.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    close: Share,
    /// Read the stream and say nothing.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    stall: Share,
    /// Answer `INSTREAM size limit exceeded. ERROR` whatever the size, and close, as clamd does.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    too_large: Share,
    /// Answer that the scan has failed.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    error: Share,
    /// Answer what is no answer.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    garbage: Share,
    /// Answer that a virus was found, whatever there is: a bad signature.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    infected: Share,
}

impl orders::Faults for Faults {
    fn take(&mut self, word: &str, new: Self) -> bool {
        match word {
            "latency" => self.latency = new.latency,
            "busy" => self.busy = new.busy,
            "refuse" => self.refuse = new.refuse,
            "close" => self.close = new.close,
            "stall" => self.stall = new.stall,
            "too-large" => self.too_large = new.too_large,
            "error" => self.error = new.error,
            "garbage" => self.garbage = new.garbage,
            "infected" => self.infected = new.infected,
            _ => return false,
        }
        true
    }
}

/// What happens to a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    GoOn,
    Close,
    Stall,
    TooLarge,
    Error,
    Garbage,
    Infected,
}

impl Fate {
    /// As it is counted.
    pub(super) const fn word(self) -> Option<&'static str> {
        match self {
            Self::GoOn => None,
            Self::Close => Some("close"),
            Self::Stall => Some("stall"),
            Self::TooLarge => Some("too_large"),
            Self::Error => Some("error"),
            Self::Garbage => Some("garbage"),
            Self::Infected => Some("infected"),
        }
    }
}

impl Faults {
    /// Throws for a scan.
    pub(super) fn fate(&self, dice: &mut Dice) -> Fate {
        let faults = [
            (self.close, Fate::Close),
            (self.stall, Fate::Stall),
            (self.too_large, Fate::TooLarge),
            (self.error, Fate::Error),
            (self.garbage, Fate::Garbage),
            (self.infected, Fate::Infected),
        ];
        faults.into_iter().find(|(share, _)| dice.falls(*share)).map_or(Fate::GoOn, |(_, fate)| fate)
    }

    /// Whether a connection is closed at once.
    pub(super) fn refuses(&self, dice: &mut Dice) -> bool {
        dice.falls(self.refuse)
    }

    /// How long a connection waits for its first command to be read.
    pub(super) fn busy(&self, dice: &mut Dice) -> Duration {
        Pause::sum(&self.busy, dice)
    }

    /// How long a verdict waits.
    pub(super) fn latency(&self, dice: &mut Dice) -> Duration {
        Pause::sum(&self.latency, dice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_falls_counts_and_orders_change_it() {
        let (mut faults, mut dice) = (Faults::default(), Dice::new(1));
        assert_eq!(faults.fate(&mut dice), Fate::GoOn);
        for (order, fate) in [
            ("infected 100%", "infected"),
            ("garbage 100%", "garbage"),
            ("error 100%", "error"),
            ("too-large 100%", "too_large"),
            ("stall 100%", "stall"),
            ("close 100%", "close"),
        ] {
            assert_eq!(orders::change(&mut faults, order), Ok(()));
            assert_eq!(faults.fate(&mut dice).word(), Some(fate));
        }
        orders::change(&mut faults, "latency 1ms,2ms..3ms").unwrap();
        orders::change(&mut faults, "busy 5ms").unwrap();
        assert!((3..=4).contains(&faults.latency(&mut dice).as_millis()));
        assert_eq!(faults.busy(&mut dice), Duration::from_millis(5));
        assert!(!faults.refuses(&mut dice));
        assert!(orders::change(&mut faults, "refuse 5").unwrap_err().contains("no share"));
    }
}
