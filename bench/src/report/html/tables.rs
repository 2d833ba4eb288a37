//! The tables of a page.

use std::fmt::Write as _;

use super::super::change::{Change, Verdict};
use super::super::figure_table::{Expected, FigureTable};
use super::super::number::{Scale, percent, ratio};
use super::super::text::{change_cells, change_scale};
use super::escaped;
use crate::figures::{Good, Shown, Unit};
use crate::result::{Outcome, Spread};

/// The name of a figure, which tells what it is when pointed at.
fn named(figure: &str) -> String {
    let shown = Shown::of(figure);
    format!("<th scope=\"row\" title=\"{}\">{}</th>", escaped(shown.doc), escaped(&shown.label))
}

/// Median and extremes, in two cells so that both stand straight.
fn cells(spread: Option<&Spread>, number: impl Fn(f64) -> String) -> String {
    let Some(spread) = spread else { return "<td class=\"n\">-</td><td class=\"r\"></td>".into() };
    let [min, median, max] = [spread.min, spread.median, spread.max].map(number);
    let range = if min == max { String::new() } else { format!("{min}..{max}") };
    format!("<td class=\"n\">{median}</td><td class=\"r\">{range}</td>")
}

/// All figures of all servers, and the ratios beside them.
pub(super) fn figures(table: &FigureTable) -> String {
    let (others, subject) = (table.others(), table.subject().unwrap_or_default());
    let mut html = String::from(
        "<div class=\"scroll\"><table class=\"figures\">\n<thead><tr><th>figure</th><th>unit</th>",
    );
    for server in &table.servers {
        // Writing to a string does not fail, here and below.
        let _ = write!(html, "<th class=\"n\">{}</th><th></th>", escaped(server));
    }
    for other in &others {
        let _ = write!(html, "<th class=\"n\">{}&nbsp;/ {}</th><th></th>", escaped(subject), escaped(other));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for figure in &table.figures {
        let scale = table.scale(figure);
        let _ = write!(html, "<tr>{}<td class=\"u\">{}</td>", named(figure), scale.unit);
        for server in &table.servers {
            html.push_str(&cells(table.spread(server, figure).as_ref(), |value| scale.number(value)));
        }
        for other in &others {
            html.push_str(&cells(table.ratio(figure, other).as_ref(), ratio));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// The parts of the run: the first row are titles.
pub(super) fn parts(rows: &[Vec<String>]) -> String {
    let Some((titles, rows)) = rows.split_first() else { return String::new() };
    let row = |cells: &[String], start: &str, end: &str| {
        cells.iter().skip(1).fold(String::new(), |row, text| row + start + &escaped(text) + end)
    };
    let first = |cells: &[String]| escaped(cells.first().map_or("", String::as_str));
    let mut html = format!(
        "<h2>Loads and servers</h2>\n<p class=\"note\">Median of the rounds.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>{}</th>{}</tr></thead>\n<tbody>\n",
        first(titles),
        row(titles, "<th class=\"n\">", "</th>")
    );
    for cells in rows {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th>{}</tr>",
            first(cells),
            row(cells, "<td class=\"n\">", "</td>")
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// What has changed of one server.
pub(super) fn changes(changes: &[&Change]) -> String {
    let mut html = String::from(
        "<div class=\"scroll\"><table class=\"changes\">\n<thead><tr><th>figure</th><th>verdict</th>\
         <th class=\"n\">change</th><th>95&nbsp;% interval</th><th>unit</th><th class=\"n\">before</th><th></th>\
         <th class=\"n\">after</th><th></th></tr></thead>\n<tbody>\n",
    );
    for change in changes {
        let scale = change_scale(change);
        let (middle, bounds) = change_cells(change);
        let _ = writeln!(
            html,
            "<tr>{}<td>{}</td><td class=\"n\">{middle}</td><td class=\"r\">{bounds}</td><td class=\"u\">{}</td>{}{}</tr>",
            named(&change.figure),
            chip(change.verdict),
            scale.unit,
            cells(Some(&change.before), |value| scale.number(value)),
            cells(Some(&change.after), |value| scale.number(value)),
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// A verdict in its colour.
pub(super) fn chip(verdict: Verdict) -> String {
    let class = match verdict {
        Verdict::Better => " good",
        Verdict::Worse => " bad",
        Verdict::Changed | Verdict::NoDifference | Verdict::TooFewRounds => "",
    };
    format!("<span class=\"chip{class}\">{verdict}</span>")
}

/// What was expected, and whether it came so.
pub(super) fn expected(all: &[Expected]) -> String {
    let mut html = String::from(
        "<div class=\"scroll\"><table class=\"expected\">\n<thead><tr><th>server</th><th>expected</th><th>result</th>\
         <th class=\"n\">found</th></tr></thead>\n<tbody>\n",
    );
    for expected in all {
        let (class, result) = match expected.failed {
            0 => ("good", "met".to_owned()),
            failed => ("bad", format!("failed in {failed} of {}", expected.rounds)),
        };
        let (low, high) = expected.found;
        let scale = Scale::of(Unit::Count, [low, high].into_iter());
        let (low, high) = (scale.number(low), scale.number(high));
        let found = if low == high { low } else { format!("{low}..{high}") };
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td><code>{}</code></td><td><span class=\"chip {class}\">{result}</span></td><td class=\"n\">{found}</td></tr>",
            escaped(&expected.server),
            escaped(&expected.text)
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// The headline figures: ratios to the others, or the change, or the plain figure.
pub(super) fn tiles(outcome: &Outcome, changes: Option<&[Change]>) -> String {
    let table = FigureTable::of(outcome);
    let Some(subject) = table.subject() else { return String::new() };
    let mut html = String::new();
    for figure in table.figures.iter().filter(|figure| Shown::of(figure).is_headline) {
        let Some(found) = table.spread(subject, figure) else { continue };
        let change = changes
            .map(|all| all.iter().find(|change| change.server == subject && change.figure == **figure));
        html.push_str(&match change {
            Some(Some(change)) => change_tile(change),
            Some(None) => String::new(),
            None => ratio_tile(&table, subject, figure, &found),
        });
    }
    if html.is_empty() { html } else { format!("<div class=\"tiles\">\n{html}</div>\n") }
}

fn change_tile(change: &Change) -> String {
    let shown = Shown::of(&change.figure);
    let (middle, bounds) = change_cells(change);
    let scale = change_scale(change);
    let class = match change.verdict {
        Verdict::Better => " good",
        Verdict::Worse => " bad",
        _ => "",
    };
    let interval =
        if change.shift.bounds.is_some() { format!("95 % interval {bounds}") } else { String::new() };
    format!(
        "<div class=\"tile\"><h3>{}, {}</h3><div class=\"big{class}\">{middle}</div><p>{} &rarr; {}{}</p>\
         <p class=\"muted\">{interval}</p><p>{}</p></div>\n",
        escaped(&shown.label),
        escaped(&change.server),
        scale.number(change.before.median),
        scale.number(change.after.median),
        scale.suffix(),
        chip(change.verdict)
    )
}

fn ratio_tile(table: &FigureTable, subject: &str, figure: &str, found: &Spread) -> String {
    let shown = Shown::of(figure);
    let scale = table.scale(figure);
    let mut html = format!("<div class=\"tile\"><h3>{}</h3>", escaped(&shown.label));
    let ratios: Vec<(&str, Spread)> =
        table.others().into_iter().filter_map(|other| Some((other, table.ratio(figure, other)?))).collect();
    let own = scale.number(found.median) + &scale.suffix();
    if ratios.is_empty() {
        let range = format!("{}..{}", scale.number(found.min), scale.number(found.max));
        let _ = write!(
            html,
            "<div class=\"big\">{own}</div><p class=\"muted\">{}, {range}</p>",
            escaped(subject)
        );
    }
    for (index, (other, spread)) in ratios.iter().enumerate() {
        let class = match (shown.good, spread.min > 1.0, spread.max < 1.0) {
            (Good::Up, true, _) | (Good::Down, _, true) => " good",
            (Good::Up, _, true) | (Good::Down, true, _) => " bad",
            _ => "",
        };
        let (middle, range) = (ratio(spread.median), format!("{}..{}", ratio(spread.min), ratio(spread.max)));
        let other_own =
            table.spread(other, figure).map(|found| scale.number(found.median)).unwrap_or_default();
        let other = escaped(other);
        let _ = if index == 0 {
            write!(
                html,
                "<div class=\"big{class}\">{middle}<small> &times; {other}</small></div><p class=\"muted\">{range} in single rounds</p>\
                 <p>{own} to {other_own}{}</p>",
                scale.suffix()
            )
        } else {
            write!(
                html,
                "<p><span class=\"{}\">{middle}</span> &times; {other} <span class=\"muted\">({range})</span></p>",
                class.trim()
            )
        };
    }
    html.push_str("</div>\n");
    html
}

/// A share of the value before, as it is written in a sentence.
pub(super) fn share(least: f64) -> String {
    percent(least).trim_start_matches('+').to_owned()
}
