//! Rounds as dots: one row a server, from the first round at the top of its row to the last at its bottom, so that a drift shows.

use std::fmt::Write as _;

use super::axis::Axis;
use super::escaped;
use super::plot::WIDTH;
use crate::result::Spread;

/// Room for the names of rows.
const LEFT: f64 = 112.0;
const RIGHT: f64 = 14.0;
/// Height of a row, and how far its dots spread in it.
const ROW: f64 = 36.0;
const SPREAD: f64 = 22.0;
const TOP: f64 = 4.0;
const BOTTOM: f64 = 24.0;
/// Letters of a row's name that fit.
const NAME_LETTERS_MAX: usize = 16;

/// One row.
pub(super) struct Row {
    pub(super) name: String,
    /// Which of the page's colours.
    pub(super) colour: usize,
    pub(super) is_before: bool,
    /// In the order of rounds, in the plot's unit.
    pub(super) values: Vec<f64>,
}

/// The plot. `number` writes a value with its unit.
pub(super) fn strip(rows: &[Row], label: &str, number: impl Fn(f64) -> String) -> String {
    let all = || rows.iter().flat_map(|row| row.values.iter().copied());
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let room = ((high - low) * 0.08).max(high.abs() * 0.002);
    let x = Axis::linear(low - room, high + room, LEFT, WIDTH - RIGHT, 4);
    let count = f64::from(u32::try_from(rows.len()).unwrap_or(0));
    let bottom = TOP + ROW * count;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">\n",
        bottom + BOTTOM,
        escaped(label)
    );
    for (value, name) in &x.ticks {
        let at = x.at(*value);
        let (class, text_at) = if at > WIDTH - RIGHT - 14.0 { ("end", WIDTH - 2.0) } else { ("middle", at) };
        // Writing to a string does not fail, here and below.
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom:.1}\"/><text class=\"{class}\" x=\"{text_at:.1}\" y=\"{:.1}\">{name}</text>",
            bottom + 16.0
        );
    }
    let mut top = TOP;
    for row in rows {
        draw(row, top, &x, &number, &mut svg);
        top += ROW;
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(row: &Row, top: f64, x: &Axis, number: &impl Fn(f64) -> String, svg: &mut String) {
    let middle = top + ROW / 2.0;
    let classes = format!("c{}{}", row.colour % super::COLOURS, if row.is_before { " before" } else { "" });
    let mut name: String = row.name.chars().take(NAME_LETTERS_MAX).collect();
    if name != row.name {
        name.pop();
        name.push('\u{2026}');
    }
    let _ = writeln!(
        svg,
        "<path class=\"grid\" d=\"M{LEFT} {middle:.1}H{:.1}\"/><text class=\"end name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        WIDTH - RIGHT,
        LEFT - 8.0,
        middle + 4.0,
        escaped(&name)
    );
    let last = f64::from(u32::try_from(row.values.len().saturating_sub(1)).unwrap_or(0)).max(1.0);
    for (index, value) in row.values.iter().enumerate() {
        let part = f64::from(u32::try_from(index).unwrap_or(0)) / last - 0.5;
        let part = if row.values.len() == 1 { 0.0 } else { part };
        let _ = writeln!(
            svg,
            "<circle class=\"dot {classes}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{}, round {}: {}</title></circle>",
            x.at(*value),
            middle + part * SPREAD,
            escaped(&row.name),
            index + 1,
            number(*value)
        );
    }
    let median = Spread::of(row.values.iter().copied()).median;
    if median.is_finite() {
        let _ = writeln!(
            svg,
            "<path class=\"median {classes}\" d=\"M{:.1} {:.1}v{:.1}\"><title>{}, median: {}</title></path>",
            x.at(median),
            middle - SPREAD / 2.0 - 4.0,
            SPREAD + 8.0,
            escaped(&row.name),
            number(median)
        );
    }
}
