//! Faults as people read them, in the shape of rustc's, and as programs read them, one JSON object per line.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::{Diagnostic, Severity};
use crate::source::{Sources, Span};

/// Terminal or file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without escape sequences.
    Plain,
    /// With ANSI colours.
    Coloured,
}

/// Puts faults in order of file and place, each once.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|left, right| {
        let place = |fault: &Diagnostic| (fault.span.file, fault.span.start, fault.span.end, fault.code.id);
        place(left).cmp(&place(right)).then_with(|| left.message.cmp(&right.message))
    });
    diagnostics.dedup_by(|left, right| {
        left.span == right.span && left.code.id == right.code.id && left.message == right.message
    });
}

/// One fault with its lines of source. Ends with a line break.
///
/// A span that is of none of the files is shown as a message without a place.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, style: Style) -> String {
    let level = match diagnostic.code.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&*diagnostic.message).id(diagnostic.code.id);
    let mut group = annotate_snippets::Group::with_title(title);
    for snippet in snippets(diagnostic, sources) {
        group = group.element(snippet);
    }
    let notes = diagnostic.notes.iter().map(|note| Level::NOTE.message(note.as_str()));
    let helps = diagnostic.helps.iter().map(|help| Level::HELP.message(help.as_str()));
    group = group.elements(notes).elements(helps);
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let mut text = closed_up(&renderer.render(&[group]));
    text.push('\n');
    text
}

/// All faults, each followed by an empty line.
pub fn render_all(diagnostics: &[Diagnostic], sources: &Sources, style: Style) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&render(diagnostic, sources, style));
        out.push('\n');
    }
    out
}

/// The file of the fault first, then each other file that it mentions.
fn snippets<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a Sources,
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let mut files = vec![diagnostic.span.file];
    for (span, _) in &diagnostic.related {
        if !files.contains(&span.file) {
            files.push(span.file);
        }
    }
    let mut snippets = Vec::new();
    for file in files {
        // Of a file that could not be read there is no line to show.
        let Some(source) = sources.file(file).filter(|source| !source.text.is_empty()) else { continue };
        let mut snippet = Snippet::source(source.text.as_str()).path(source.name.as_str());
        if file == diagnostic.span.file {
            let label = (!diagnostic.label.is_empty()).then_some(diagnostic.label.as_str());
            snippet = snippet
                .annotation(AnnotationKind::Primary.span(range(diagnostic.span, &source.text)).label(label));
        }
        for (span, word) in diagnostic.related.iter().filter(|(span, _)| span.file == file) {
            snippet = snippet
                .annotation(AnnotationKind::Context.span(range(*span, &source.text)).label(word.as_str()));
        }
        snippets.push(snippet);
    }
    snippets
}

/// The bytes of a span, on character boundaries within the text whatever the span says.
fn range(span: Span, text: &str) -> std::ops::Range<usize> {
    let bound = |place: u32| {
        let mut place = (place as usize).min(text.len());
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        place
    };
    let (start, end) = (bound(span.start), bound(span.end));
    start..end.max(start)
}

/// Without the empty gutter line before notes and helps.
fn closed_up(rendered: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in rendered.lines() {
        let footer = gutter(line).is_some_and(|rest| rest.starts_with("= "));
        if footer && lines.last().and_then(|last| gutter(last)) == Some("|") {
            lines.pop();
        }
        lines.push(line);
    }
    let mut out = String::with_capacity(rendered.len());
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(line);
    }
    out
}

/// What stands behind the blanks and colours at the start of a line.
fn gutter(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    while let Some(escape) = rest.strip_prefix("\u{1b}[") {
        rest = escape.split_once('m')?.1.trim_start();
    }
    let end = rest.find("\u{1b}[").unwrap_or(rest.len());
    // Behind a lone gutter mark there is at most the end of its colour.
    if rest.starts_with("= ") { Some(rest) } else { rest.get(..end).map(str::trim_end) }
}

/// One fault as a JSON object in one line: code, severity, message, file, line and column (from 1, the column in
/// characters), the same for the end, label, notes, helps and related places.
pub fn json(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let mut out = String::from("{");
    let severity = match diagnostic.code.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    for (key, value) in
        [("code", diagnostic.code.id), ("severity", severity), ("message", diagnostic.message.as_str())]
    {
        json_key(&mut out, key);
        json_text(&mut out, value);
    }
    json_place(&mut out, diagnostic.span, sources);
    json_key(&mut out, "label");
    json_text(&mut out, &diagnostic.label);
    for (key, texts) in [("notes", &diagnostic.notes), ("helps", &diagnostic.helps)] {
        json_key(&mut out, key);
        out.push('[');
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            json_text(&mut out, text);
        }
        out.push(']');
    }
    json_key(&mut out, "related");
    out.push('[');
    for (index, (span, word)) in diagnostic.related.iter().enumerate() {
        out.push_str(if index > 0 { ",{" } else { "{" });
        json_place(&mut out, *span, sources);
        json_key(&mut out, "label");
        json_text(&mut out, word);
        out.push('}');
    }
    out.push_str("]}");
    out
}

fn json_place(out: &mut String, span: Span, sources: &Sources) {
    let source = sources.file(span.file);
    let (name, text) = source.map_or(("", ""), |source| (source.name.as_str(), source.text.as_str()));
    json_key(out, "file");
    json_text(out, name);
    let bytes = range(span, text);
    for (place, line_key, column_key) in
        [(bytes.start, "line", "column"), (bytes.end, "end_line", "end_column")]
    {
        let before = text.get(..place).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        for (key, number) in [(line_key, line), (column_key, column)] {
            json_key(out, key);
            // Writing to a string cannot fail.
            let _ = write!(out, "{number}");
        }
    }
}

fn json_key(out: &mut String, key: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    json_text(out, key);
    out.push(':');
}

fn json_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
