//! Chance that can be repeated: the same seed gives the same run of decisions (`SplitMix64`, Steele et al. 2014).

use crate::value::Share;

/// A source of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub(crate) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to below 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True for this share of all throws. A share of nothing does not throw.
    pub(crate) fn falls(&mut self, share: Share) -> bool {
        !share.is_none() && self.fraction() < share.fraction()
    }

    /// An index below `count`; 0 for none.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        // The slight preference for low numbers is below 2^-32 for any count here.
        usize::try_from(self.bits() >> 1).unwrap_or(0).checked_rem(count).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_out_and_repeat() {
        let share: Share = "10%".parse().unwrap();
        let count = |seed| {
            let mut dice = Dice::new(seed);
            (0..10_000).filter(|_| dice.falls(share)).count()
        };
        assert_eq!(count(1), count(1));
        assert!((900..1100).contains(&count(1)), "{}", count(1));
        let mut dice = Dice::new(7);
        assert!((0..10_000).all(|_| dice.falls(Share::ALL)));
        assert!(!(0..10_000).any(|_| dice.falls(Share::default())));
        assert!((0..1000).all(|_| dice.below(3) < 3));
        assert_eq!(dice.below(0), 0);
    }
}
