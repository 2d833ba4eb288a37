//! The report as one page: nothing is loaded, nothing runs; it is read on a desk, on a telephone and on paper.

mod axis;
mod charts;
mod plot;
mod strip;
mod tables;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::change::{Change, changes, warnings};
use super::figure_table::{FigureTable, expectations, rounds};
use super::number::plain;
use super::text::{METHOD, counted, programs};
use crate::result::Outcome;
use charts::{Chart, Marked, Series, Side};

/// Colours of servers; the one after the last has the first again.
const COLOURS: usize = 8;

/// The page of an outcome, or of what has changed since `before`; the least change that matters is a part of the value before.
pub(super) fn page(outcome: &Outcome, before: Option<&Outcome>, least: f64) -> String {
    let title = escaped(&outcome.scenario);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} - weir-bench</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n",
        include_str!("html/style.css")
    );
    let changes = before.map(|before| changes(before, outcome, least));
    html.push_str(&heading(outcome, before));
    for warning in before.map(|before| warnings(before, outcome)).unwrap_or_default() {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(html, "<p class=\"warning\">{}</p>", escaped(&warning));
    }
    html.push_str(&tables::tiles(outcome, changes.as_deref()));
    match &changes {
        None => html.push_str(&figures(outcome)),
        Some(changes) => html.push_str(&compared(changes, least)),
    }
    let expected = expectations(outcome);
    if !expected.is_empty() {
        let _ = write!(html, "<h2>Expectations</h2>\n{}", tables::expected(&expected));
    }
    html.push_str(&plots(outcome, before));
    html.push_str("<footer><p>weir-bench report. Point at a line, a dot or the name of a figure to read what it is.</p></footer>\n</body>\n</html>\n");
    html
}

fn heading(outcome: &Outcome, before: Option<&Outcome>) -> String {
    let mut html = format!("<h1>{}</h1>\n", escaped(&outcome.scenario));
    if !outcome.about.is_empty() {
        let _ = writeln!(html, "<p class=\"about\">{}</p>", escaped(&outcome.about));
    }
    html.push_str("<dl class=\"place\">\n");
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(html, "<dt>{name}</dt><dd>{}</dd>", escaped(text));
    };
    let when = |outcome: &Outcome| {
        let place = &outcome.place;
        let commit = place.commit.as_deref().map(|commit| format!(", commit {commit}")).unwrap_or_default();
        format!("{}{commit}, {}", place.date, counted(rounds(outcome)))
    };
    match before {
        None => line("run", &when(outcome)),
        Some(before) => {
            line("before", &when(before));
            line("after", &when(outcome));
        }
    }
    for (index, text) in outcome.setup.iter().enumerate() {
        line(if index == 0 { "how" } else { "" }, text);
    }
    line("machine", &outcome.place.machine);
    let programs = programs(outcome);
    if !programs.is_empty() {
        line("versions", &programs);
    }
    html.push_str("</dl>\n");
    html
}

fn figures(outcome: &Outcome) -> String {
    let table = FigureTable::of(outcome);
    if table.figures.is_empty() {
        return String::from("<p>No run has any figure.</p>\n");
    }
    format!(
        "<h2>Figures</h2>\n<p class=\"note\">Median of {} and, in grey, the least and the most; a ratio is that of one round, in which both ran one after the other.</p>\n{}",
        counted(rounds(outcome)),
        tables::figures(&table)
    ) + &tables::parts(&table.of_parts())
}

fn compared(changes: &[Change], least: f64) -> String {
    let mut html = String::new();
    let mut servers: Vec<&str> = changes.iter().map(|change| change.server.as_str()).collect();
    servers.dedup();
    for server in servers {
        let of_server: Vec<&Change> = changes.iter().filter(|change| change.server == server).collect();
        let _ =
            write!(html, "<h2>{}: before and after</h2>\n{}", escaped(server), tables::changes(&of_server));
    }
    let _ = writeln!(
        html,
        "<p class=\"note\">{} A change below {} is no difference.</p>",
        escaped(METHOD),
        tables::share(least)
    );
    html
}

fn plots(outcome: &Outcome, before: Option<&Outcome>) -> String {
    let mut sides: Vec<Side<'_>> =
        before.map(|outcome| Side { outcome, is_before: true }).into_iter().collect();
    sides.push(Side { outcome, is_before: false });
    let series = charts::series(&sides);
    let (events, left_out) = charts::marked(&sides);
    let mut html = String::new();
    let over_time: Vec<Chart> =
        charts::latency(&series).into_iter().chain(charts::over_time(&series, &events)).collect();
    if !over_time.is_empty() {
        let _ = write!(html, "<h2>Latency, and what was read over time</h2>\n{}", legend(&series));
        html.push_str(&panel("over-time", &over_time));
        html.push_str("<p class=\"note\">Latency is the median of the rounds, with a band from the best to the worst. Over time, the thick line is the round with the middle throughput, thin lines are the others.</p>\n");
        html.push_str(&event_list(&events, left_out));
    }
    let figures = FigureTable::of(outcome).figures;
    let by_round = charts::by_round(&series, &figures);
    if !by_round.is_empty() {
        let _ = write!(
            html,
            "<h2>Round by round</h2>\n<p class=\"note\">A dot is a round, the first one at the top; the bar is the median.</p>\n{}",
            panel("by-round", &by_round)
        );
    }
    html
}

fn legend(series: &[Series<'_>]) -> String {
    let mut html = String::from("<ul class=\"legend\">\n");
    for series in series {
        let before = if series.style.is_before { " before" } else { "" };
        let _ = writeln!(
            html,
            "<li><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"line c{}{before}\" d=\"M1 5H27\"/></svg>{}</li>",
            series.style.colour % COLOURS,
            escaped(&series.name)
        );
    }
    html.push_str("</ul>\n");
    html
}

fn panel(class: &str, charts: &[Chart]) -> String {
    let mut html = format!("<div class=\"plots {class}\">\n");
    for Chart { title, note, svg } in charts {
        let (title, note) = (escaped(title), escaped(note));
        let _ = write!(
            html,
            "<figure><figcaption><h3>{title}</h3><p class=\"note\">{note}</p></figcaption>\n{svg}</figure>\n"
        );
    }
    html.push_str("</div>\n");
    html
}

fn event_list(events: &[Marked], left_out: usize) -> String {
    if events.is_empty() {
        return String::new();
    }
    let mut html = String::from("<ol class=\"events\">\n");
    for Marked { what, times } in events {
        let at = |seconds: f64| format!("{} s", plain(seconds, 1));
        let when = match times.as_slice() {
            [] => String::new(),
            [only] => at(*only),
            [first, .., last] if times.len() > 4 => {
                format!("{} times, from {} to {}", times.len(), at(*first), at(*last))
            }
            some => some.iter().map(|seconds| at(*seconds)).collect::<Vec<_>>().join(", "),
        };
        let _ = writeln!(html, "<li>{} <span class=\"muted\">{when}</span></li>", escaped(what));
    }
    html.push_str("</ol>\n");
    if left_out > 0 {
        let _ = writeln!(html, "<p class=\"note\">{left_out} more events are not marked.</p>");
    }
    html
}

/// Text as it may stand between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(letter),
        }
    }
    safe
}
