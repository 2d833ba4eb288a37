//! Whether two samples of rounds differ: the Mann-Whitney test and the interval of Hodges and Lehmann that belongs to it.
//!
//! Why this and not a bootstrap: there are 3 to 20 rounds, one of which a busy machine has often spoilt. Resampling so few
//! makes intervals that are too narrow (with 3 rounds, the middle of 3 values), and a mean follows the spoilt round. Ranks do
//! neither: the distribution is counted out exactly, whatever that of the rounds is, and without a seed. The price is that
//! 3 rounds against 3 can never be sure at 95 %: 4 against 4, or 3 against 5, are the fewest.

/// The chance, in the worst case, that an interval does not contain the true shift.
pub(super) const RISK: f64 = 0.05;

/// Most rounds of one side that are looked at; the counting takes their product squared.
pub(super) const ROUNDS_MAX: usize = 60;

/// Fewest rounds of one side.
pub(super) const ROUNDS_MIN: usize = 3;

/// How far the values of one sample are from those of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shift {
    /// The median of all differences of a value after and one before (Hodges and Lehmann).
    pub(crate) middle: f64,
    /// The bounds between which the true one is in at least 95 of 100 cases; `None` if there are too few rounds to say.
    pub(crate) bounds: Option<(f64, f64)>,
}

/// By how much `after` is more than `before`; `None` if one of them is empty.
pub(super) fn shift(before: &[f64], after: &[f64]) -> Option<Shift> {
    let before = before.get(..before.len().min(ROUNDS_MAX))?;
    let after = after.get(..after.len().min(ROUNDS_MAX))?;
    let mut differences: Vec<f64> =
        after.iter().flat_map(|after| before.iter().map(move |before| after - before)).collect();
    differences.sort_by(f64::total_cmp);
    let at = |index: usize| differences.get(index).copied();
    let count = differences.len();
    let middle = f64::midpoint(at(count.checked_sub(1)? / 2)?, at(count / 2)?);
    // The interval leaves out as many differences at each end as the test lets the smaller rank sum fall short of.
    let bounds = critical(before.len(), after.len())
        .and_then(|outside| Some((at(outside)?, at(count - 1 - outside)?)));
    Some(Shift { middle, bounds })
}

/// Whether samples of these sizes can have bounds.
pub(super) fn has_bounds(before: usize, after: usize) -> bool {
    critical(before.min(ROUNDS_MAX), after.min(ROUNDS_MAX)).is_some()
}

/// How many differences may be left out at each end: the largest U with P(U or less) at most half the risk, counted over all
/// arrangements of two samples of these sizes. `None` if even U = 0 is likelier than that.
fn critical(before: usize, after: usize) -> Option<usize> {
    if before.min(after) < ROUNDS_MIN {
        return None;
    }
    let counts = arrangements(before, after);
    let all: f64 = counts.iter().sum();
    let mut below = 0.0;
    let mut left_out = None;
    for (u, count) in counts.iter().enumerate() {
        below += count;
        if below / all > RISK / 2.0 {
            break;
        }
        left_out = Some(u);
    }
    left_out
}

/// How many arrangements of two samples have each value of U, from 0 to `before * after` (Mann and Whitney, 1947): the number
/// of partitions of U into at most `before` parts, none over `after`.
fn arrangements(before: usize, after: usize) -> Vec<f64> {
    let most = before * after;
    // The Gaussian binomial coefficient, as a product of (1 - x^(after + i)) / (1 - x^i).
    let mut counts = vec![0.0; most + 1];
    if let Some(first) = counts.first_mut() {
        *first = 1.0;
    }
    for i in 1..=before {
        for u in (after + i..=most).rev() {
            let lower = counts.get(u - after - i).copied().unwrap_or(0.0);
            if let Some(count) = counts.get_mut(u) {
                *count -= lower;
            }
        }
        for u in i..=most {
            let lower = counts.get(u - i).copied().unwrap_or(0.0);
            if let Some(count) = counts.get_mut(u) {
                *count += lower;
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn all_arrangements_are_counted() {
        assert_eq!(arrangements(2, 2), [1.0, 1.0, 2.0, 1.0, 1.0]);
        let all = |before, after| arrangements(before, after).iter().sum::<f64>().round().to_string();
        assert_eq!([all(5, 5), all(3, 4)], ["252", "35"]);
        // Of 120 rounds, C(120, 60); the lower tail, which is all that is used, is exact.
        let most = arrangements(ROUNDS_MAX, ROUNDS_MAX);
        assert_eq!(most.iter().sum::<f64>().log10().floor().to_string(), "34");
        assert!(most.iter().take(most.len() / 2).all(|count| *count > 0.0));
        let first: Vec<String> = most.iter().take(8).map(ToString::to_string).collect();
        assert_eq!(first.join(" "), "1 1 2 3 5 7 11 15");
    }

    /// From printed tables of the test: the largest U that is significant at 5 %, two-sided.
    #[test]
    fn the_critical_values_are_those_of_the_tables() {
        assert_eq!([critical(3, 3), critical(3, 4)], [None, None]);
        assert_eq!([critical(4, 4), critical(3, 5), critical(5, 5)], [Some(0), Some(0), Some(2)]);
        assert_eq!([critical(7, 7), critical(10, 10), critical(20, 20)], [Some(8), Some(23), Some(127)]);
    }

    #[test]
    fn a_shift_is_found_with_its_bounds() {
        let before = [10.0, 11.0, 12.0, 13.0];
        let after = before.map(|value| value + 5.0);
        let found = shift(&before, &after).unwrap();
        assert_eq!(found, Shift { middle: 5.0, bounds: Some((2.0, 8.0)) });
        assert_eq!(shift(&before[..3], &after[..3]).unwrap().bounds, None, "3 against 3 cannot be sure");
        assert_eq!(shift(&[], &after), None);
        // One spoilt round of seven moves neither end far.
        let before = [45.0, 45.1, 45.2, 45.3, 45.4, 45.5, 90.0];
        let after = [43.0, 43.1, 43.2, 43.3, 43.4, 43.5, 43.6];
        let (low, high) = shift(&before, &after).unwrap().bounds.unwrap();
        assert!(low > -3.0 && high < -1.0, "{low} {high}");
    }

    #[test]
    fn equal_samples_differ_no_more_often_than_promised() {
        let mut dice = Dice::new(5);
        let mut sample =
            || -> Vec<f64> { (0..6).map(|_| dice.fraction() + dice.fraction().powi(4)).collect() };
        let runs = 2000;
        let differ = (0..runs)
            .filter(|_| {
                let (low, high) = shift(&sample(), &sample()).unwrap().bounds.unwrap();
                low > 0.0 || high < 0.0
            })
            .count();
        assert!((40..=105).contains(&differ), "{differ} of {runs}");
    }
}
