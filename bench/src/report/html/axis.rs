//! Axes: where a value stands, and which values are written beside it.

use super::super::number::plain;

/// How values are laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Linear,
    /// By powers of ten.
    Logarithmic,
    /// By what is left to 100 %: 90, 99 and 99.9 are equally far apart.
    Percentile,
}

/// One axis of a plot.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    kind: Kind,
    /// As [`Kind`] lays them out.
    low: f64,
    high: f64,
    /// Where these two stand in the drawing.
    start: f64,
    end: f64,
    /// Values with their names.
    pub(super) ticks: Vec<(f64, String)>,
}

/// Most ticks of an axis.
const TICKS_MAX: usize = 8;
/// The percentiles that are written.
const PERCENTILES: [f64; 7] = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999];

impl Axis {
    /// From 0, or from the lowest value if it does not begin there, with about so many ticks at round numbers.
    pub(super) fn linear(low: f64, high: f64, start: f64, end: f64, wanted: usize) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low, low + 1.0) };
        let step = round_step((high - low) / f64::from(u32::try_from(wanted.max(1)).unwrap_or(1)));
        let mut ticks = Vec::new();
        let mut tick = (low / step).ceil() * step;
        while tick <= high + step * 1e-9 && ticks.len() < 2 * TICKS_MAX {
            ticks.push((tick, named(tick, step)));
            tick += step;
        }
        Self { kind: Kind::Linear, low, high, start, end, ticks }
    }

    /// From 0 to the next tick above the highest value, so that nothing touches the edge.
    pub(super) fn from_zero(high: f64, start: f64, end: f64, wanted: usize) -> Self {
        let high = if high > 0.0 { high } else { 1.0 };
        let step = round_step(high / f64::from(u32::try_from(wanted.max(1)).unwrap_or(1)));
        Self::linear(0.0, (high * 1.02 / step).ceil() * step, start, end, wanted)
    }

    /// Values above 0, at 1, 2 and 5 of each power of ten, or at the powers alone when there are many.
    pub(super) fn logarithmic(low: f64, high: f64, start: f64, end: f64) -> Self {
        let (low, high) = (low.max(1e-9) / 1.1, high.max(2e-9) * 1.1);
        let high = high.max(low * 2.0);
        let candidates = |steps: &'static [f64]| {
            (-9..=15_i32).flat_map(move |power| steps.iter().map(move |step| step * 10_f64.powi(power)))
        };
        let inside =
            |steps| candidates(steps).filter(|tick| *tick >= low && *tick <= high).collect::<Vec<_>>();
        let mut chosen = inside(&[1.0, 2.0, 5.0]);
        if chosen.len() > TICKS_MAX {
            chosen = inside(&[1.0]);
        }
        let ticks = chosen.into_iter().map(|tick| (tick, named(tick, tick))).collect();
        Self { kind: Kind::Logarithmic, low: low.log10(), high: high.log10(), start, end, ticks }
    }

    /// From 0 to this percentile, which is below 100.
    pub(super) fn percentile(high: f64, start: f64, end: f64) -> Self {
        let high = nines(high).max(1.0);
        let ticks = PERCENTILES.iter().filter(|tick| nines(**tick) <= high + 1e-9);
        let ticks = ticks.map(|tick| (*tick, tick.to_string())).collect();
        Self { kind: Kind::Percentile, low: 0.0, high, start, end, ticks }
    }

    /// Where a value stands; what is outside stands at the edge.
    pub(super) fn at(&self, value: f64) -> f64 {
        let laid = match self.kind {
            Kind::Linear => value,
            Kind::Logarithmic => value.max(1e-12).log10(),
            Kind::Percentile => nines(value),
        };
        let part = ((laid - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.start + part * (self.end - self.start)
    }

    /// From where to where it goes in the drawing.
    pub(super) const fn ends(&self) -> (f64, f64) {
        (self.start, self.end)
    }
}

/// How many nines a percentile has: 90 is 1, 99 is 2.
pub(super) fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile.clamp(0.0, 99.999_999) / 100.0).log10()
}

/// The percentile with so many nines.
pub(super) fn percentile_of(nines: f64) -> f64 {
    100.0 * (1.0 - 10_f64.powf(-nines))
}

/// The next larger of 1, 2, 5, 10 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-12).log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A tick's number with the decimals that its step has; thousands as `12k`.
fn named(value: f64, step: f64) -> String {
    let (value, step, suffix) = match value.abs() {
        large if large >= 1e6 => (value / 1e6, step / 1e6, "M"),
        large if large >= 1e4 => (value / 1e3, step / 1e3, "k"),
        _ => (value, step, ""),
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 6")]
    let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 6.0) as usize;
    format!("{}{suffix}", plain(value, decimals))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(names(&Axis::from_zero(17_600.0, 0.0, 1.0, 4)), ["0", "5000", "10k", "15k", "20k"]);
        assert_eq!(names(&Axis::from_zero(0.9, 0.0, 1.0, 4)), ["0.0", "0.5", "1.0"]);
        assert_eq!(names(&Axis::linear(44.6, 46.4, 0.0, 1.0, 4)), ["45.0", "45.5", "46.0"]);
        assert_eq!(names(&Axis::logarithmic(0.4, 40.0, 0.0, 1.0)), ["0.5", "1", "2", "5", "10", "20"]);
        assert_eq!(names(&Axis::logarithmic(0.1, 900.0, 0.0, 1.0)), ["0.1", "1", "10", "100"]);
        assert_eq!(names(&Axis::percentile(99.99, 0.0, 1.0)), ["0", "50", "90", "99", "99.9", "99.99"]);
        assert!(names(&Axis::from_zero(0.0, 0.0, 1.0, 4)).len() > 1, "nothing is no fault");
    }

    #[test]
    fn values_stand_where_they_belong() {
        let axis = Axis::percentile(99.9, 10.0, 310.0);
        assert!((axis.at(90.0) - 110.0).abs() < 1e-6 && (axis.at(99.0) - 210.0).abs() < 1e-6);
        assert!((axis.at(100.0) - 310.0).abs() < 1e-6, "at the edge");
        assert!((percentile_of(nines(99.9)) - 99.9).abs() < 1e-9);
        let upwards = Axis::logarithmic(1.1, 100.0 / 1.1, 200.0, 0.0);
        assert!((upwards.at(10.0) - 100.0).abs() < 1e-6);
    }
}
