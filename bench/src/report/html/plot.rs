//! A plot in SVG: frame, lines, bands, dots and marks of events. Colours and fonts are the page's.

use std::fmt::Write as _;

use super::axis::Axis;
use super::escaped;

/// Size of a plot in pixels: three stand side by side on a desk, one on a telephone, at the same size of letters.
pub(super) const WIDTH: f64 = 380.0;
pub(super) const HEIGHT: f64 = 240.0;
/// Room for the names of ticks.
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 24.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 8.0;
/// Height of a row of marks.
const MARKS: f64 = 16.0;
/// More marks than this are drawn faintly, so that the lines behind them can be seen.
const MARKS_STRONG_MAX: usize = 30;
/// Rows of marks; more marks than fit in them lie on each other.
const MARK_ROWS: usize = 2;

/// Where the plot's inside is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Inside {
    /// Of a plot with or without marks above it.
    pub(super) fn with_marks(has_marks: bool) -> Self {
        let marks = if has_marks { MARKS * 2.0 } else { 0.0 };
        Self { left: LEFT, right: WIDTH - RIGHT, top: TOP + marks, bottom: HEIGHT - BOTTOM }
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// Which of the page's colours.
    pub(super) colour: usize,
    pub(super) is_before: bool,
    pub(super) is_faint: bool,
}

impl Style {
    fn classes(self) -> String {
        let (before, faint) =
            (if self.is_before { " before" } else { "" }, if self.is_faint { " faint" } else { "" });
        format!("c{}{before}{faint}", self.colour % super::COLOURS)
    }
}

/// A drawing that grows.
pub(super) struct Plot {
    x: Axis,
    y: Axis,
    svg: String,
}

impl Plot {
    /// The frame, its ticks and their names.
    pub(super) fn new(x: Axis, y: Axis, label: &str) -> Self {
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escaped(label)
        );
        let ((left, right), (bottom, top)) = (x.ends(), y.ends());
        for (value, name) in &y.ticks {
            let at = y.at(*value);
            // Writing to a string does not fail, here and below.
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{left:.1} {at:.1}H{right:.1}\"/><text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
                left - 6.0,
                at + 4.0
            );
        }
        for (value, name) in &x.ticks {
            let at = x.at(*value);
            // The last name ends with the axis, so that it is not cut off.
            let (class, text_at) = if at > right - 14.0 { ("end", right + 8.0) } else { ("middle", at) };
            let _ = writeln!(
                svg,
                "<path class=\"tick\" d=\"M{at:.1} {bottom:.1}v4\"/><text class=\"{class}\" x=\"{text_at:.1}\" y=\"{:.1}\">{name}</text>",
                bottom + 17.0
            );
        }
        let _ = writeln!(svg, "<path class=\"axis\" d=\"M{left:.1} {top:.1}V{bottom:.1}H{right:.1}\"/>");
        Self { x, y, svg }
    }

    fn points(&self, points: &[(f64, f64)]) -> String {
        let at = points.iter().map(|(x, y)| format!("{:.1},{:.1}", self.x.at(*x), self.y.at(*y)));
        at.collect::<Vec<_>>().join(" ")
    }

    /// A line that says its name when pointed at.
    pub(super) fn line(&mut self, points: &[(f64, f64)], style: Style, name: &str) {
        let (at, name) = (self.points(points), escaped(name));
        let _ = writeln!(
            self.svg,
            "<polyline class=\"line {}\" points=\"{at}\"><title>{name}</title></polyline>",
            style.classes()
        );
    }

    /// What lies between two lines over the same places.
    pub(super) fn band(&mut self, low: &[(f64, f64)], high: &[(f64, f64)], style: Style) {
        let back: Vec<(f64, f64)> = high.iter().rev().copied().collect();
        let (there, back) = (self.points(low), self.points(&back));
        let _ = writeln!(self.svg, "<polygon class=\"band {}\" points=\"{there} {back}\"/>", style.classes());
    }

    /// A dot at a value that says what it is when pointed at.
    pub(super) fn dot(&mut self, x: f64, y: f64, style: Style, name: &str) {
        let (at_x, at_y) = (self.x.at(x), self.y.at(y));
        let _ = writeln!(
            self.svg,
            "<circle class=\"dot {}\" cx=\"{at_x:.1}\" cy=\"{at_y:.1}\" r=\"3\"><title>{}</title></circle>",
            style.classes(),
            escaped(name)
        );
    }

    /// Upright lines at times, each with a number in a row above the plot if it has one.
    pub(super) fn marks(&mut self, marks: &[(f64, Option<usize>, String)]) {
        let (bottom, top) = self.y.ends();
        let many = if marks.len() > MARKS_STRONG_MAX { " many" } else { "" };
        // Where the last number of each row ends.
        let mut rows = [f64::NEG_INFINITY; MARK_ROWS];
        for (seconds, number, what) in marks {
            let at = self.x.at(*seconds);
            let what = escaped(what);
            let _ = writeln!(
                self.svg,
                "<path class=\"mark{many}\" d=\"M{at:.1} {top:.1}V{bottom:.1}\"><title>{what}</title></path>"
            );
            let Some(number) = number else { continue };
            let free = rows.iter().position(|end| at - 8.0 > *end);
            let Some(row) = free else { continue };
            if let Some(end) = rows.get_mut(row) {
                *end = at + 8.0;
            }
            let rise = MARKS * f64::from(u32::try_from(row).unwrap_or(0));
            let _ = writeln!(
                self.svg,
                "<circle class=\"badge\" cx=\"{at:.1}\" cy=\"{:.1}\" r=\"7\"/><text class=\"middle badge\" x=\"{at:.1}\" y=\"{:.1}\">{number}</text>",
                top - 9.0 - rise,
                top - 5.5 - rise
            );
        }
    }

    /// The whole drawing.
    pub(super) fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}
