//! After a fault: the same text in smaller pieces, so that each piece says its own.
//!
//! A chunk that cannot be read is read again with empty braces, and then what stood between the braces, statement by
//! statement or line by line.

use pest::Parser as _;

use super::expected::unexpected;
use super::grammar::{Grammar, Rule};
use super::layout::ITEM_WORDS;
use super::lex::{Kind, Shape, span};
use super::{NESTING_MAX, Reader};
use crate::diagnostic::{Diagnostic, codes::syntax, did_you_mean};

/// Lexemes that belong together: an item, a statement, a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    /// The first.
    pub(super) first: usize,
    /// One past the last.
    pub(super) end: usize,
}

impl Reader<'_> {
    /// The chunks of the whole file.
    pub(super) fn chunks(&self) -> Vec<Chunk> {
        self.chunks_of(Chunk { first: 0, end: self.layout.lexemes.len() })
    }

    /// What is between ends, outside inner braces.
    fn chunks_of(&self, within: Chunk) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut index = within.first;
        let mut current: Option<Chunk> = None;
        while let Some(lexeme) = self.layout.lexemes.get(index).filter(|_| index < within.end) {
            let kind = lexeme.kind;
            let mut next = index + 1;
            let mut ends = matches!(kind, Kind::Newline | Kind::Semicolon);
            if kind == Kind::Open(Shape::Brace) {
                let close = self.layout.close(index).min(within.end);
                let closed = self.is(close, Kind::Close(Shape::Brace)) && close < within.end;
                next = if closed { close + 1 } else { close };
                // A brace that was never closed ends its item.
                ends = !closed;
            }
            let blank = matches!(kind, Kind::Newline | Kind::Semicolon | Kind::Comment | Kind::FreeNewline);
            if !blank {
                let chunk = current.get_or_insert(Chunk { first: index, end: next });
                chunk.end = next;
            }
            if ends {
                chunks.extend(current.take());
            }
            index = next;
        }
        chunks.extend(current);
        chunks
    }

    /// The outermost braces of a chunk: the lexemes between them.
    fn bodies(&self, chunk: Chunk) -> Vec<Chunk> {
        let mut bodies = Vec::new();
        let mut index = chunk.first;
        while index < chunk.end {
            if self.is(index, Kind::Open(Shape::Brace)) {
                let close = self.layout.close(index).min(chunk.end);
                bodies.push(Chunk { first: index + 1, end: close });
                index = close;
            }
            index += 1;
        }
        bodies
    }

    /// Notes what is wrong with a chunk that could not be read.
    pub(super) fn recover(&mut self, rule: Rule, chunk: Chunk) {
        self.recover_at(rule, chunk, 0);
    }

    fn recover_at(&mut self, rule: Rule, chunk: Chunk, depth: usize) {
        let bodies = self.bodies(chunk);
        let found = self.found.len();
        if let Some(fault) = self.fault_of(rule, chunk, &bodies) {
            self.found.push(fault);
        }
        if depth < NESTING_MAX {
            let inner = inner_rule(rule, self.first_word(chunk));
            for body in &bodies {
                for piece in self.chunks_of(*body) {
                    self.check(inner, piece, depth + 1);
                }
            }
        }
        let (start, end) = self.bytes(chunk);
        let closed = bodies.iter().all(|body| self.is(body.end, Kind::Close(Shape::Brace)));
        if self.found.len() == found && closed && !self.has_fault(start, end) {
            // The parts are sound and the whole is not.
            let text = self.layout.text.get(start..end).unwrap_or_default();
            if let Err(error) = Grammar::parse(rule, text) {
                let fault = unexpected(self, &error, start, end);
                self.found.push(fault);
            }
        }
    }

    /// Notes the faults of a piece, if it has any.
    fn check(&mut self, rule: Rule, piece: Chunk, depth: usize) {
        let (start, end) = self.bytes(piece);
        // What is nested too deep has been reported as a whole.
        if self.is_full() || self.layout.is_too_deep(start) {
            return;
        }
        let text = self.layout.text.get(start..end).unwrap_or_default();
        if self.has_fault(start, end) || Grammar::parse(rule, text).is_err() {
            self.recover_at(rule, piece, depth);
        } else {
            self.check_constants(rule, piece);
        }
    }

    /// A piece that can be read may still have a constant that is none.
    fn check_constants(&mut self, rule: Rule, piece: Chunk) {
        match rule {
            Rule::statement_only => drop(self.read(rule, piece, super::Builder::statement)),
            Rule::entry_only => drop(self.read(rule, piece, super::Builder::score_entry)),
            _ => drop(self.read(rule, piece, |builder, pair| builder.atoms(pair, &mut Vec::new()))),
        }
    }

    /// The fault of a chunk with its braces emptied; none when the layout has found one there.
    fn fault_of(&self, rule: Rule, chunk: Chunk, bodies: &[Chunk]) -> Option<Diagnostic> {
        let (start, end) = self.bytes(chunk);
        let mut skeleton = self.layout.text.get(start..end)?.to_owned();
        let mut outside = start;
        if bodies.iter().any(|body| !self.is(body.end, Kind::Close(Shape::Brace))) {
            // That it was never closed is said where it was opened, perhaps for a brace around it.
            return None;
        }
        for body in bodies {
            let (from, to) = self.inside(*body, end);
            if self.has_fault(outside, from) {
                return None;
            }
            outside = to;
            let blanks = " ".repeat(to - from);
            skeleton.replace_range(from - start..to - start, &blanks);
        }
        if self.has_fault(outside, end) {
            return None;
        }
        let error = Grammar::parse(rule, &skeleton).err()?;
        Some(unexpected(self, &error, start, end))
    }

    /// The bytes between two braces.
    fn inside(&self, body: Chunk, end: usize) -> (usize, usize) {
        let after = |index: usize| self.layout.lexemes.get(index);
        let from = body.first.checked_sub(1).and_then(after).map_or(end, |open| open.end);
        let to = after(body.end).map_or(end, |close| close.start).min(end);
        (from.min(to), to)
    }

    /// A chunk whose first word begins no item, and that is no declaration either.
    pub(super) fn no_item(&self, chunk: Chunk) -> Option<Diagnostic> {
        let word = self.first_word(chunk);
        let (start, _) = self.bytes(chunk);
        if ITEM_WORDS.contains(&word) || self.has_fault(start, start + word.len()) {
            return None;
        }
        let second = self.layout.written(self.text, chunk.first + 1);
        let named = second.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let third = self.layout.written(self.text, chunk.first + 2);
        if named && matches!(third, "{" | ":") {
            return None;
        }
        let place = span(self.file, start, start + word.len());
        let fault = Diagnostic::new(&syntax::ITEM, place, format!("`{word}` begins no item"));
        Some(match (word, did_you_mean(word, ITEM_WORDS.iter().copied())) {
            ("role", _) => fault.with_help("the role stands once, in the line after `weir 1`"),
            ("weir", _) => fault.with_help("the version stands once, in the first line"),
            ("}", _) => fault,
            (_, Some(near)) => fault.with_help(format!("did you mean `{near}`?")),
            (
                "reject" | "accept" | "defer" | "drop" | "send" | "add" | "if" | "let" | "do" | "shadow"
                | "remove",
                _,
            ) => fault.with_help("statements stand inside `on PHASE { ... }` or `check NAME { ... }`"),
            _ => fault.with_help(format!("items begin with one of: {}", ITEM_WORDS.join(", "))),
        })
    }
}

/// By which rule the pieces between the braces of a chunk are read.
fn inner_rule(rule: Rule, first_word: &str) -> Rule {
    match (rule, first_word) {
        (Rule::item_only, "on" | "check") | (Rule::statement_only, _) => Rule::statement_only,
        (Rule::item_only, "scores") => Rule::entry_only,
        _ => Rule::line_only,
    }
}
