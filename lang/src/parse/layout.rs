//! The layout of a text: which brackets belong together, and which line breaks end something.
//!
//! The result is a text of the same length in which comments and free line breaks are blanks, so that the grammar
//! needs to know nothing of them and every place in it is a place in the file.

use super::lex::{Faults, Kind, Lexeme, Shape, lex, span};
use super::{NESTING_MAX, TERMS_MAX};
use crate::diagnostic::{Diagnostic, codes::syntax};
use crate::source::FileId;

/// Words that begin an item: at the margin they show where a missing brace was meant to be.
pub(crate) const ITEM_WORDS: &[&str] = &[
    "use", "list", "map", "group", "scores", "dnsbl", "service", "pool", "listener", "rule", "check", "on",
    "test",
];

/// A text, laid out.
pub(crate) struct Layout {
    /// Same length as the text; blanks for comments and free line breaks.
    pub(crate) text: String,
    /// What it consists of.
    pub(crate) lexemes: Vec<Lexeme>,
    /// For each opening bracket the lexeme that closes it, or before which it was taken to be closed; else zero.
    closes: Vec<usize>,
    /// Bytes inside too many brackets.
    deep: Vec<(usize, usize)>,
    /// A brace has no other half.
    unbalanced: bool,
    /// In order of place.
    pub(crate) faults: Faults,
    file: FileId,
}

impl Layout {
    pub(crate) fn new(text: &str, file: FileId) -> Self {
        let (lexemes, faults) = lex(text, file);
        let mut layout = Self {
            text: String::new(),
            closes: Vec::new(),
            deep: Vec::new(),
            unbalanced: false,
            lexemes,
            faults,
            file,
        };
        if !layout.match_brackets(text, false) {
            layout.match_brackets(text, true);
        }
        layout.bound_nesting();
        layout.free_newlines(text);
        layout.count_terms(text);
        layout.text = layout.blanked(text);
        layout.faults.sort();
        layout
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        self.lexemes.get(index).map(|lexeme| lexeme.kind)
    }

    /// The lexeme that ends what this one opens: its closing bracket, or the first that is not inside any more.
    pub(crate) fn close(&self, open: usize) -> usize {
        self.closes.get(open).copied().unwrap_or(0).max(open + 1)
    }

    /// The written form of a lexeme.
    pub(crate) fn written<'a>(&self, text: &'a str, index: usize) -> &'a str {
        self.lexemes.get(index).and_then(|lexeme| text.get(lexeme.start..lexeme.end)).unwrap_or_default()
    }

    /// Finds each bracket's other half. With `margin`, a line that begins at the margin with an item's word is
    /// outside all brackets. False when braces do not balance and the margin was not looked at.
    fn match_brackets(&mut self, text: &str, margin: bool) -> bool {
        let mut open: Vec<usize> = Vec::new();
        let mut faults = Faults::default();
        self.unbalanced = false;
        self.closes = vec![0; self.lexemes.len()];
        for index in 0..self.lexemes.len() {
            let Some(lexeme) = self.lexemes.get(index).copied() else { break };
            match lexeme.kind {
                Kind::Open(_) => open.push(index),
                Kind::Close(shape) => self.match_close(&mut open, index, shape, &mut faults),
                Kind::Run if margin && !open.is_empty() && begins_item(text, lexeme) => {
                    self.leave_open(&mut open, index, &mut faults);
                }
                _ => {}
            }
        }
        let end = self.lexemes.len();
        self.leave_open(&mut open, end, &mut faults);
        if self.unbalanced && !margin {
            return false;
        }
        for fault in faults.shown {
            self.faults.push(fault);
        }
        self.faults.places.append(&mut faults.places);
        true
    }

    /// Brackets that have their other half are no more than `NESTING_MAX` deep; those without have a fault anyway.
    fn bound_nesting(&mut self) {
        let mut around: Vec<usize> = Vec::new();
        let mut reported = false;
        for index in 0..self.lexemes.len() {
            while around.last().is_some_and(|close| *close <= index) {
                around.pop();
            }
            if around.is_empty() {
                reported = false;
            }
            let Some(lexeme) = self.lexemes.get(index).copied() else { break };
            if !matches!(lexeme.kind, Kind::Open(_)) || self.closes.get(index) == Some(&0) {
                continue;
            }
            let close = self.close(index);
            if around.len() == NESTING_MAX {
                let end = self.lexemes.get(close).map_or(usize::MAX, |last| last.end);
                self.deep.push((lexeme.start, end));
                if std::mem::replace(&mut reported, true) {
                    self.faults.places.push(span(self.file, lexeme.start, end).start);
                } else {
                    let fault = self.too_deep(lexeme);
                    self.faults.push(fault);
                }
            }
            around.push(close);
        }
    }

    /// Whether this byte is inside more than `NESTING_MAX` brackets.
    pub(crate) fn is_too_deep(&self, place: usize) -> bool {
        let after = self.deep.partition_point(|(start, _)| *start <= place);
        after.checked_sub(1).and_then(|index| self.deep.get(index)).is_some_and(|(_, end)| place < *end)
    }

    fn too_deep(&self, lexeme: Lexeme) -> Diagnostic {
        let message = format!("brackets are nested more than {NESTING_MAX} deep");
        Diagnostic::new(&syntax::DEEP, span(self.file, lexeme.start, lexeme.end), message)
            .with_help("name a part of it: `rule NAME = ...` or `check NAME { ... }`")
    }

    /// A closing bracket: ends the innermost of its shape; round and square ones in between were never closed.
    fn match_close(&mut self, open: &mut Vec<usize>, index: usize, shape: Shape, faults: &mut Faults) {
        loop {
            let top = open.last().copied();
            let top_shape = top.and_then(|top| match self.kind(top) {
                Some(Kind::Open(shape)) => Some(shape),
                _ => None,
            });
            match (top, top_shape) {
                (Some(top), Some(found)) if found == shape => {
                    open.pop();
                    self.set_close(top, index);
                    return;
                }
                // A brace never ends inside a bracket: the bracket was not closed.
                (Some(top), Some(found)) if found != Shape::Brace => {
                    open.pop();
                    faults.push(self.unclosed(top));
                    if shape != Shape::Brace {
                        self.set_close(top, index);
                        return;
                    }
                }
                _ => {
                    self.unbalanced |= shape == Shape::Brace;
                    if let Some(lexeme) = self.lexemes.get(index) {
                        let message = format!("this `{}` closes nothing", closing(shape));
                        faults.push(Diagnostic::new(
                            &syntax::BRACKET,
                            span(self.file, lexeme.start, lexeme.end),
                            message,
                        ));
                    }
                    return;
                }
            }
        }
    }

    fn set_close(&mut self, open: usize, close: usize) {
        if let Some(place) = self.closes.get_mut(open) {
            *place = close;
        }
    }

    /// What is still open ends before lexeme `end`. Of several only the outermost brace is reported.
    fn leave_open(&mut self, open: &mut Vec<usize>, end: usize, faults: &mut Faults) {
        let mut reported = false;
        for top in open.drain(..) {
            if self.kind(top) == Some(Kind::Open(Shape::Brace)) {
                self.set_close(top, end);
                self.unbalanced = true;
                if std::mem::replace(&mut reported, true) {
                    continue;
                }
            }
            faults.push(self.unclosed(top));
        }
    }

    fn unclosed(&self, open: usize) -> Diagnostic {
        let (start, end, shape) = match self.lexemes.get(open) {
            Some(Lexeme { kind: Kind::Open(shape), start, end }) => (*start, *end, *shape),
            _ => (0, 0, Shape::Brace),
        };
        let message = format!("this `{}` is never closed", opening(shape));
        Diagnostic::new(&syntax::BRACKET, span(self.file, start, end), message)
            .with_label(format!("no `{}` belongs to it", closing(shape)))
    }

    /// Marks the line breaks that end nothing.
    fn free_newlines(&mut self, text: &str) {
        let mut free_until = 0;
        let mut before: Option<usize> = None;
        for index in 0..self.lexemes.len() {
            match self.kind(index) {
                Some(Kind::Open(Shape::Bracket | Shape::Paren)) => {
                    free_until = free_until.max(self.close(index));
                    before = Some(index);
                }
                Some(Kind::Newline) => {
                    let free = index < free_until || self.goes_on(text, before, index);
                    if let (true, Some(lexeme)) = (free, self.lexemes.get_mut(index)) {
                        lexeme.kind = Kind::FreeNewline;
                    } else {
                        before = Some(index);
                    }
                }
                Some(Kind::Comment) | None => {}
                Some(_) => before = Some(index),
            }
        }
    }

    /// Whether the line break at `index`, after the token `before`, is followed by the rest of the same statement.
    fn goes_on(&self, text: &str, before: Option<usize>, index: usize) -> bool {
        match before.and_then(|before| self.kind(before)) {
            None | Some(Kind::Newline | Kind::Semicolon | Kind::Open(_) | Kind::Close(Shape::Brace)) => {
                return false;
            }
            Some(Kind::Comma) => return true,
            Some(_) => {}
        }
        let Some(next) = self.significant(index + 1) else { return false };
        match self.written(text, next) {
            "and" | "or" | "in" => true,
            "if" => !self.begins_block(text, next),
            _ => false,
        }
    }

    /// The next lexeme from `index` on that is neither a comment nor a line break.
    fn significant(&self, index: usize) -> Option<usize> {
        let rest = self.lexemes.get(index..)?;
        let blank =
            |lexeme: &Lexeme| matches!(lexeme.kind, Kind::Newline | Kind::FreeNewline | Kind::Comment);
        rest.iter().position(|lexeme| !blank(lexeme)).map(|ahead| index + ahead)
    }

    /// Whether the `if` at this lexeme opens a block: its condition is followed by `{`.
    fn begins_block(&self, text: &str, first: usize) -> bool {
        let mut index = first + 1;
        let mut after_comma = false;
        while let Some(kind) = self.kind(index) {
            match kind {
                Kind::Open(Shape::Brace) => return true,
                Kind::Close(Shape::Brace) | Kind::Semicolon => return false,
                Kind::Open(_) => index = self.close(index),
                Kind::Newline | Kind::FreeNewline if !after_comma => {
                    let next = self.significant(index).map_or("", |next| self.written(text, next));
                    if !matches!(next, "and" | "or" | "in") {
                        return false;
                    }
                }
                _ => {}
            }
            if !matches!(kind, Kind::Newline | Kind::FreeNewline | Kind::Comment) {
                after_comma = kind == Kind::Comma;
            }
            index += 1;
        }
        false
    }

    /// Bounds `and`, `or` and `not` between two ends: the tree of a condition is as deep as it has terms.
    fn count_terms(&mut self, text: &str) {
        let mut terms = 0_usize;
        for index in 0..self.lexemes.len() {
            match self.kind(index) {
                Some(
                    Kind::Newline | Kind::Semicolon | Kind::Open(Shape::Brace) | Kind::Close(Shape::Brace),
                ) => {
                    terms = 0;
                }
                Some(Kind::Run) if matches!(self.written(text, index), "and" | "or" | "not") => terms += 1,
                _ => continue,
            }
            if terms == TERMS_MAX + 1
                && let Some(lexeme) = self.lexemes.get(index)
            {
                let message = format!("this condition has more than {TERMS_MAX} of `and`, `or` and `not`");
                let fault =
                    Diagnostic::new(&syntax::LONG, span(self.file, lexeme.start, lexeme.end), message)
                        .with_help(
                            "use a list: `client.ip in [ ... ]`, or name parts of it: `rule NAME = ...`",
                        );
                self.faults.push(fault);
                terms += 1;
            }
        }
    }

    /// The text with blanks for what the grammar shall not see.
    fn blanked(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for lexeme in &self.lexemes {
            if matches!(lexeme.kind, Kind::Comment | Kind::FreeNewline) {
                out.push_str(text.get(at..lexeme.start).unwrap_or_default());
                out.extend(std::iter::repeat_n(' ', lexeme.end - lexeme.start));
                at = lexeme.end;
            }
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out
    }
}

/// Whether this lexeme stands at the margin and is an item's word.
fn begins_item(text: &str, lexeme: Lexeme) -> bool {
    let margin = lexeme.start == 0 || text.as_bytes().get(lexeme.start - 1) == Some(&b'\n');
    margin && text.get(lexeme.start..lexeme.end).is_some_and(|word| ITEM_WORDS.contains(&word))
}

fn opening(shape: Shape) -> char {
    match shape {
        Shape::Brace => '{',
        Shape::Bracket => '[',
        Shape::Paren => '(',
    }
}

fn closing(shape: Shape) -> char {
    match shape {
        Shape::Brace => '}',
        Shape::Bracket => ']',
        Shape::Paren => ')',
    }
}
