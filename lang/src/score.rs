//! Scores: fixed-point hundredths, so that sums and thresholds compare exactly.

use std::fmt;
use std::ops::{Add, Neg};

/// A score in hundredths. Sums saturate: 21 million rules of weight 10 do not wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(i32);

impl Score {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From hundredths: `Score::from_hundredths(250)` is 2.5.
    pub const fn from_hundredths(hundredths: i32) -> Self {
        Self(hundredths)
    }

    /// In hundredths.
    pub const fn hundredths(self) -> i32 {
        self.0
    }

    /// From text: an optional sign, digits, and up to two decimals. `None` for all else.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 2 || !plain(whole) || !plain(fraction) {
            return None;
        }
        let hundredths: i32 = format!("{fraction:0<2}").parse().ok()?;
        let value = whole.parse::<i32>().ok()?.checked_mul(100)?.checked_add(hundredths)?;
        Some(Self(if negative { -value } else { value }))
    }
}

impl Add for Score {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Neg for Score {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl fmt::Display for Score {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100);
        if fraction.is_multiple_of(10) {
            write!(out, "{sign}{whole}.{}", fraction / 10)
        } else {
            write!(out, "{sign}{whole}.{fraction:02}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for (text, hundredths, shown) in
            [("3", 300, "3.0"), ("-4.0", -400, "-4.0"), ("2.25", 225, "2.25"), ("+0.05", 5, "0.05")]
        {
            let score = Score::parse(text).unwrap();
            assert_eq!(score.hundredths(), hundredths);
            assert_eq!(score.to_string(), shown);
            assert_eq!(Score::parse(shown), Some(score));
        }
        for bad in ["", ".", "1.234", "a", "1e3", "--1", "99999999999"] {
            assert_eq!(Score::parse(bad), None, "{bad}");
        }
    }
}
