//! `weir fmt`: one style for rule files, with their comments and groups of lines.
//!
//! Two blanks for each brace, one blank between words, none inside parentheses, at most one empty line. What the
//! author says with layout stays: where lines break, and columns made with two blanks or more.

use crate::diagnostic::Diagnostic;
use crate::parse;
use crate::parse::layout::Layout;
use crate::parse::lex::{Kind, Lexeme, Shape};
use crate::source::{FileId, Sources};

/// Blanks for each brace around a line; the rest of a statement stands in by as many, at least.
const INDENT: usize = 2;
/// Blanks before a comment behind something, at least.
const COMMENT_GAP: usize = 2;

/// Words of conditions: a parenthesis right behind them is not a call's.
const NO_CALL: &[&str] = &["and", "or", "not", "in", "is", "has", "if", "matches", "begins"];

/// The file in the one style, or its faults: a file that cannot be read is not touched.
pub fn file(sources: &Sources, id: FileId) -> Result<String, Vec<Diagnostic>> {
    let parsed = parse::file(sources, id);
    if !parsed.faults.is_empty() {
        return Err(parsed.faults);
    }
    let text = sources.file(id).map_or("", |source| source.text.as_str());
    let layout = Layout::new(text, id);
    let mut formatter =
        Formatter { text, out: String::with_capacity(text.len()), depth: 0, base: (0, 0), comment: None };
    let mut rest: &[Lexeme] = &layout.lexemes;
    let mut goes_on = false;
    let mut blank = false;
    while !rest.is_empty() {
        let length = rest.iter().position(is_newline).unwrap_or(rest.len());
        let (line, after) = rest.split_at(length);
        if line.is_empty() {
            blank = !formatter.out.is_empty();
        } else {
            formatter.line(line, after, goes_on, std::mem::take(&mut blank));
        }
        goes_on = after.first().is_some_and(|newline| newline.kind == Kind::FreeNewline);
        rest = after.get(1..).unwrap_or_default();
    }
    Ok(formatter.out)
}

fn is_newline(lexeme: &Lexeme) -> bool {
    matches!(lexeme.kind, Kind::Newline | Kind::FreeNewline)
}

struct Formatter<'a> {
    text: &'a str,
    out: String,
    /// Braces around.
    depth: usize,
    /// The column of the statement's first line: as written, and as formatted.
    base: (usize, usize),
    /// The column of the comment that ended the line before: as written, and as formatted.
    comment: Option<(usize, usize)>,
}

/// The column at which the last line of `out` ends with this.
fn column_of_last(out: &str, last: &str) -> usize {
    let line = out.rsplit('\n').next().unwrap_or_default();
    line.chars().count().saturating_sub(last.chars().count())
}

impl<'a> Formatter<'a> {
    /// Formats one line; `after` begins with its line break. `goes_on`: it continues the line before.
    fn line(&mut self, line: &[Lexeme], after: &[Lexeme], goes_on: bool, blank: bool) {
        let tokens = self.tokens(line, after);
        let Some(first) = tokens.first().copied() else { return };
        let closes = first.kind == Kind::Close(Shape::Brace);
        if blank && !closes && !self.out.ends_with("{\n") {
            self.out.push('\n');
            self.comment = None;
        }
        let indent = self.comment_column(first).unwrap_or_else(|| self.indent(first, goes_on));
        self.out.extend(std::iter::repeat_n(' ', indent));
        let mut before: Option<Lexeme> = None;
        for (index, token) in tokens.iter().enumerate() {
            if let Some(before) = before {
                let earlier = index.checked_sub(2).and_then(|index| tokens.get(index)).copied();
                let gap = self.gap(earlier, before, *token, tokens.get(index + 1).copied());
                self.out.extend(std::iter::repeat_n(' ', gap));
            }
            self.out.push_str(self.written(*token).trim_end());
            match token.kind {
                Kind::Open(Shape::Brace) => self.depth += 1,
                Kind::Close(Shape::Brace) => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            before = Some(*token);
        }
        let last = before.filter(|last| last.kind == Kind::Comment);
        self.comment = last
            .map(|last| (self.column(last.start), column_of_last(&self.out, self.written(last).trim_end())));
        self.out.push('\n');
    }

    /// Blanks before a comment that goes on with the one behind the line before: it stands right under it.
    fn comment_column(&self, first: Lexeme) -> Option<usize> {
        let (written, formatted) = self.comment?;
        (first.kind == Kind::Comment && self.column(first.start) == written).then_some(formatted)
    }

    /// The column of a byte as written, in characters.
    fn column(&self, place: usize) -> usize {
        let before = self.text.get(..place).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default().chars().count()
    }

    fn written(&self, lexeme: Lexeme) -> &'a str {
        self.text.get(lexeme.start..lexeme.end).unwrap_or_default()
    }

    /// The lexemes to be written: without semicolons that end nothing, names and colons apart.
    fn tokens(&self, line: &[Lexeme], after: &[Lexeme]) -> Vec<Lexeme> {
        let mut tokens: Vec<Lexeme> = Vec::with_capacity(line.len());
        for (index, lexeme) in line.iter().enumerate() {
            if lexeme.kind == Kind::Semicolon {
                let idle = tokens
                    .last()
                    .is_none_or(|last| matches!(last.kind, Kind::Semicolon | Kind::Open(Shape::Brace)));
                if idle || self.ends_nothing(line.get(index + 1..).unwrap_or_default(), after) {
                    continue;
                }
            }
            match self.colon(*lexeme) {
                Some(colon) => {
                    let parts = [(lexeme.start, colon), (colon, colon + 1), (colon + 1, lexeme.end)];
                    tokens.extend(
                        parts.into_iter().filter(|(start, end)| start < end).map(|(start, end)| Lexeme {
                            kind: Kind::Run,
                            start,
                            end,
                        }),
                    );
                }
                None => tokens.push(*lexeme),
            }
        }
        tokens
    }

    /// Whether a semicolon before this rest of a line is followed by an end anyway, and dropping it joins nothing.
    fn ends_nothing(&self, rest: &[Lexeme], after: &[Lexeme]) -> bool {
        match rest.first().map(|lexeme| lexeme.kind) {
            Some(Kind::Close(Shape::Brace) | Kind::Semicolon) => true,
            Some(Kind::Comment) | None => {
                let next = after.iter().find(|lexeme| !is_newline(lexeme) && lexeme.kind != Kind::Comment);
                next.is_none_or(|next| self.written(*next) != "if")
            }
            Some(_) => false,
        }
    }

    /// In the head of an item, the colon that stands right behind or before a name: `list nets: net`.
    fn colon(&self, lexeme: Lexeme) -> Option<usize> {
        if self.depth > 0 || lexeme.kind != Kind::Run {
            return None;
        }
        let written = self.written(lexeme);
        let name = |part: &str| {
            part.is_empty()
                || part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        };
        let (before, behind) = written.split_once(':')?;
        (written.len() > 1 && name(before) && name(behind)).then(|| lexeme.start + before.len())
    }

    /// Blanks before the first lexeme of a line.
    fn indent(&mut self, first: Lexeme, goes_on: bool) -> usize {
        let written = self.column(first.start);
        if !goes_on {
            let closes = usize::from(first.kind == Kind::Close(Shape::Brace));
            self.base = (written, self.depth.saturating_sub(closes) * INDENT);
            return self.base.1;
        }
        let (base_written, base) = self.base;
        let moved = (written + base).saturating_sub(base_written);
        match first.kind {
            Kind::Close(_) => base,
            _ => moved.max(base + INDENT),
        }
    }

    /// Blanks between two lexemes of a line.
    fn gap(&self, earlier: Option<Lexeme>, before: Lexeme, next: Lexeme, later: Option<Lexeme>) -> usize {
        let between = self.text.get(before.end..next.start).unwrap_or_default();
        // Where a semicolon was left out, no column was meant.
        let written = if between.contains(';') { 1 } else { between.len() };
        // More than one is the author's column.
        let column = written.max(1);
        match (before.kind, next.kind) {
            (_, Kind::Comment) => written.max(COMMENT_GAP),
            (_, Kind::Comma | Kind::Semicolon | Kind::Close(Shape::Paren))
            | (Kind::Open(Shape::Paren), _)
            | (Kind::Open(Shape::Bracket), Kind::Close(Shape::Bracket)) => 0,
            (Kind::Run, Kind::Open(Shape::Paren))
                if written == 0 && !NO_CALL.contains(&self.written(before)) =>
            {
                0
            }
            (Kind::Close(Shape::Paren), Kind::Run) if self.written(next).starts_with('.') => 0,
            // `[::]:25` is one address.
            (Kind::Close(Shape::Bracket), Kind::Run) | (Kind::Run, Kind::Close(Shape::Bracket))
                if written == 0 && self.is_socket(before, next, later) =>
            {
                0
            }
            (Kind::Open(Shape::Bracket), Kind::Run) if written == 0 && self.opens_socket(before) => 0,
            (Kind::Sign, _) if self.is_sign(before, written, earlier) => 0,
            _ => column,
        }
    }

    /// A `-` or `+` that belongs to the number behind it.
    fn is_sign(&self, sign: Lexeme, written: usize, earlier: Option<Lexeme>) -> bool {
        let apart = earlier.is_none_or(|earlier| {
            earlier.end < sign.start || matches!(earlier.kind, Kind::Open(_) | Kind::Comma | Kind::Sign)
        });
        matches!(self.written(sign), "-" | "+") && written == 0 && apart
    }

    fn opens_socket(&self, open: Lexeme) -> bool {
        let rest = self.text.get(open.start + 1..).unwrap_or_default();
        let inside = rest.trim_start_matches(|c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.'));
        inside.len() < rest.len() && inside.starts_with("]:")
    }

    /// Whether these two, of which one is a closing bracket, are of an address with a port.
    fn is_socket(&self, before: Lexeme, next: Lexeme, later: Option<Lexeme>) -> bool {
        let (close, port) = match before.kind {
            Kind::Close(_) => (before, Some(next)),
            _ => (next, later),
        };
        port.is_some_and(|port| port.start == close.end && self.written(port).starts_with(':'))
    }
}
