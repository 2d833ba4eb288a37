//! Numbers for people: one unit and one number of decimals for all that stand side by side.

use crate::figures::Unit;

/// Digits that the smallest number of a row is shown with, at least.
const DIGITS: i32 = 3;
/// Most decimals.
const DECIMALS_MAX: i32 = 3;

/// How the numbers of one figure are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    /// What one of the unit is in the results.
    pub(crate) factor: f64,
    /// `ms`, `KiB`, `/s`; empty for a count.
    pub(crate) unit: &'static str,
    pub(crate) decimals: usize,
}

/// The units of each kind, rising, with what one of them is.
const fn steps(unit: Unit) -> &'static [(f64, &'static str)] {
    const KIB: f64 = 1024.0;
    const MIB: f64 = KIB * KIB;
    const GIB: f64 = KIB * MIB;
    match unit {
        Unit::Micros => &[(1.0, "us"), (1e3, "ms"), (1e6, "s")],
        Unit::Bytes => &[(1.0, "B"), (KIB, "KiB"), (MIB, "MiB"), (GIB, "GiB")],
        Unit::PerSecond => &[(1.0, "/s")],
        Unit::PerMessage => &[(1.0, "/message")],
        Unit::Cores => &[(1.0, "cores")],
        Unit::Percent => &[(1.0, "%")],
        Unit::Count => &[(1.0, "")],
    }
}

impl Scale {
    /// One for all these: the unit of which the smallest has at least one, else the largest number at all.
    pub(crate) fn of(unit: Unit, values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> =
            values.map(f64::abs).filter(|value| value.is_finite() && *value > 0.0).collect();
        let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let reached =
            steps(unit).iter().rev().find(|(factor, _)| smallest.is_finite() && smallest >= *factor);
        let (factor, name) = reached.copied().unwrap_or(match steps(unit) {
            [first, ..] => *first,
            [] => (1.0, ""),
        });
        let is_whole = unit == Unit::Count && values.iter().all(|value| value.fract() == 0.0);
        let decimals = if is_whole { 0 } else { decimals(smallest / factor) };
        Self { factor, unit: name, decimals }
    }

    /// The unit as it follows a number.
    pub(crate) fn suffix(&self) -> String {
        let space = if self.unit.is_empty() || self.unit.starts_with('/') { "" } else { " " };
        format!("{space}{}", self.unit)
    }

    /// The number without its unit.
    pub(crate) fn number(&self, value: f64) -> String {
        plain(value / self.factor, self.decimals)
    }
}

/// Decimals that show [`DIGITS`] digits of the value.
fn decimals(value: f64) -> usize {
    if !value.is_finite() || value <= 0.0 {
        return 0;
    }
    #[allow(clippy::cast_possible_truncation, reason = "the exponent of a finite number")]
    let magnitude = value.log10().floor() as i32;
    usize::try_from((DIGITS - 1 - magnitude).clamp(0, DECIMALS_MAX)).unwrap_or(0)
}

/// With thin spaces left out: groups of three by `,` from 10000 on; `-` for what is no number.
pub(crate) fn plain(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return String::from("-");
    }
    let text = format!("{value:.decimals$}");
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |text| ("-", text));
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign = if text.bytes().all(|byte| matches!(byte, b'0' | b'.')) { "" } else { sign };
    if whole.len() < 5 {
        return format!("{sign}{text}");
    }
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

/// One number alone, with its unit.
pub(crate) fn alone(unit: Unit, value: f64) -> String {
    let scale = Scale::of(unit, std::iter::once(value));
    scale.number(value) + &scale.suffix()
}

/// A ratio: `0.93`, `12.4`, `120`.
pub(crate) fn ratio(value: f64) -> String {
    plain(value, decimals(value).min(2))
}

/// A change in percent with its sign: `+3.1 %`; `0.0 %` has none.
pub(crate) fn percent(fraction: f64) -> String {
    let value = fraction * 100.0;
    let decimals = usize::from(value.abs() < 99.95);
    let text = plain(value, decimals);
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let sign = if value > 0.0 && !is_zero && value.is_finite() { "+" } else { "" };
    format!("{sign}{text} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_one_unit_and_one_precision() {
        let row = Scale::of(Unit::Micros, [1_820.0, 45_300.0].into_iter());
        assert_eq!(
            (row.unit, row.number(1_820.0), row.number(45_300.0)),
            ("ms", "1.82".into(), "45.30".into())
        );
        let mixed = Scale::of(Unit::Micros, [980.0, 1_820.0].into_iter());
        assert_eq!((mixed.unit, mixed.number(1_820.0)), ("us", "1820".into()));
        let none = Scale::of(Unit::Bytes, std::iter::empty());
        assert_eq!((none.unit, none.number(f64::NAN)), ("B", "-".into()));
        let counts = Scale::of(Unit::Count, [0.0, 3.0].into_iter());
        assert_eq!(counts.number(3.0), "3");
    }

    #[test]
    fn single_numbers() {
        assert_eq!(alone(Unit::Micros, 45.31), "45.3 us");
        assert_eq!(alone(Unit::Bytes, 31.5 * 1024.0 * 1024.0), "31.5 MiB");
        assert_eq!(alone(Unit::PerSecond, 17_674.2), "17,674/s");
        assert_eq!(alone(Unit::Count, 0.0), "0");
        assert_eq!(plain(-1_234_567.0, 0), "-1,234,567");
        assert_eq!(plain(-0.001, 1), "0.0");
        assert_eq!([ratio(0.9342), ratio(12.44), ratio(120.3)], ["0.93", "12.4", "120"]);
        assert_eq!(
            [percent(0.031), percent(-0.5), percent(0.0), percent(2.0)],
            ["+3.1 %", "-50.0 %", "0.0 %", "+200 %"]
        );
    }
}
