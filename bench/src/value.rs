//! Values of the command line with their units: shares, sizes, durations. Each parser's message says what it wants.

use std::time::Duration;

use crate::dice::Dice;

/// A part of all, as `5%` or `0.05`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Share(f64);

impl Share {
    /// All.
    #[cfg(test)]
    pub(crate) const ALL: Self = Self(1.0);

    /// Between 0 and 1.
    pub(crate) const fn fraction(self) -> f64 {
        self.0
    }

    /// Whether it is no part at all.
    pub(crate) fn is_none(self) -> bool {
        self.0 <= 0.0
    }
}

impl std::str::FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            || format!("`{text}` is no share: write 0% to 100%, such as 2.5%, or 0 to 1, such as 0.025");
        let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
        let value = number.parse::<f64>().map_err(|_| wanted())? / whole;
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(wanted()) }
    }
}

/// Largest size that a command line may name, in bytes.
pub(crate) const SIZE_MAX: usize = 1 << 30;

/// A size in bytes: `900`, `4KiB`, `15MiB`.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let wanted = || {
        format!("`{text}` is no size: write bytes, KiB or MiB, such as 900, 4KiB or 15MiB, at most 1024MiB")
    };
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("B", 1), ("", 1)];
    let (number, unit) =
        units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).ok_or_else(wanted)?;
    let bytes =
        number.parse::<usize>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wanted)?;
    if bytes <= SIZE_MAX { Ok(bytes) } else { Err(wanted()) }
}

/// Longest time that a command line may name.
pub(crate) const DURATION_MAX: Duration = Duration::from_hours(24 * 7);

/// A time: `250us`, `5ms`, `1.5s`, `10m`, `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wanted = || {
        format!("`{text}` is no time: write us, ms, s, m or h, such as 250us, 5ms, 1.5s or 10m, at most 168h")
    };
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (number, unit) =
        units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).ok_or_else(wanted)?;
    let seconds = number.parse::<f64>().map_err(|_| wanted())? * unit;
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| wanted())?;
    if time <= DURATION_MAX { Ok(time) } else { Err(wanted()) }
}

/// A wait by chance: `20ms`, `5ms..80ms`, either with a share of all: `5ms..80ms:30%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pause {
    from: Duration,
    to: Duration,
    share: Share,
}

impl std::str::FromStr for Pause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (times, share) = text.split_once(':').unwrap_or((text, "100%"));
        let (from, to) = times.split_once("..").unwrap_or((times, times));
        let (from, to) = (duration(from)?, duration(to)?);
        if from > to {
            return Err(format!("`{times}` goes backwards"));
        }
        Ok(Self { from, to, share: share.parse()? })
    }
}

impl Pause {
    /// Throws for each, and adds up what falls.
    pub(crate) fn sum(pauses: &[Self], dice: &mut Dice) -> Duration {
        let mut sum = Duration::ZERO;
        for Self { from, to, share } in pauses {
            if dice.falls(*share) {
                sum += *from + to.saturating_sub(*from).mul_f64(dice.fraction());
            }
        }
        sum
    }
}

/// Splits `left=right`.
pub(crate) fn pair<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str), String> {
    text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form {form}"))
}

/// A count as a number to divide by; a count beyond 2^53 loses its last bits, which no rate shows.
#[allow(clippy::cast_precision_loss, reason = "said above")]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units_and_bounds() {
        assert_eq!("2.5%".parse(), Ok(Share(0.025)));
        assert_eq!("1".parse(), Ok(Share::ALL));
        for wrong in ["101%", "-1%", "x", "", "NaN", "2"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
        assert_eq!(
            [size("900"), size("900B"), size("4KiB"), size("1MiB")],
            [Ok(900), Ok(900), Ok(4096), Ok(1 << 20)]
        );
        for wrong in ["4k", "-1", "1GiB", "1025MiB", "99999999999999999999MiB", ""] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        for wrong in ["5", "-1s", "1000h", "NaNs", "infs", "s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
