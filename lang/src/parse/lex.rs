//! The first look at a text: words, texts, patterns, brackets and line breaks, one after the other.
//!
//! It knows just enough to find where things end, whatever is wrong inside them; `grammar.pest` reads what they mean.

use crate::diagnostic::{Code, Diagnostic, codes::syntax};
use crate::parse::FAULTS_MAX;
use crate::source::{FileId, Span};

/// A value in a text, `{client.ip}`, is at most this long, braces included.
const PIECE_BYTES_MAX: usize = 512;
/// Brackets within a value in a text.
const PIECE_NESTING_MAX: usize = 8;

/// A bracket's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Brace,
    Bracket,
    Paren,
}

/// What a lexeme is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters, digits and what stands in names and numbers.
    Run,
    Text,
    Regex,
    Comment,
    Newline,
    /// A line break that ends nothing (set by the layout).
    FreeNewline,
    Semicolon,
    Comma,
    Open(Shape),
    Close(Shape),
    Sign,
}

/// A stretch of the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexeme {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Faults found before the grammar is asked. All places are kept, so that nothing wrong reaches the grammar, but only
/// as many messages as are shown.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) shown: Vec<Diagnostic>,
    /// Where the faults begin.
    pub(crate) places: Vec<u32>,
}

impl Faults {
    pub(crate) fn push(&mut self, fault: Diagnostic) {
        self.places.push(fault.span.start);
        if self.shown.len() < FAULTS_MAX {
            self.shown.push(fault);
        }
    }

    /// In order of place.
    pub(crate) fn sort(&mut self) {
        self.places.sort_unstable();
        self.shown.sort_by_key(|fault| fault.span.start);
    }

    /// Whether there is one between these bytes, once they are sorted.
    pub(crate) fn within(&self, start: usize, end: usize) -> bool {
        let from = self.places.partition_point(|place| (*place as usize) < start);
        self.places.get(from).is_some_and(|place| (*place as usize) < end)
    }
}

/// Cuts `text` into lexemes; blanks are left out. Total: every byte is in a lexeme, a blank, or has a fault.
pub(crate) fn lex(text: &str, file: FileId) -> (Vec<Lexeme>, Faults) {
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0, file, faults: Faults::default() };
    let mut lexemes = Vec::new();
    while let Some(byte) = lexer.peek() {
        let start = lexer.at;
        if let Some(kind) = lexer.next(byte) {
            lexemes.push(Lexeme { kind, start, end: lexer.at });
        }
        debug_assert!(lexer.at > start, "each step reads at least a byte");
    }
    (lexemes, lexer.faults)
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    file: FileId,
    faults: Faults,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<u8> {
        self.peek_by(0)
    }

    fn peek_by(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn fault(&mut self, code: &'static Code, start: usize, end: usize, message: String, help: &str) {
        let fault = Diagnostic::new(code, span(self.file, start, end), message);
        self.faults.push(if help.is_empty() { fault } else { fault.with_help(help) });
    }

    /// Reads one lexeme, blank or wrong character.
    fn next(&mut self, byte: u8) -> Option<Kind> {
        let one = match byte {
            b' ' | b'\t' => {
                self.at += 1;
                return None;
            }
            b'\r' if self.peek_by(1) == Some(b'\n') => {
                self.at += 1;
                return None;
            }
            b'#' => return Some(self.comment()),
            b'"' => return Some(self.quoted()),
            b'/' => return Some(self.regex()),
            byte if runs_on(byte) => return Some(self.run()),
            b'-' if self.peek_by(1) == Some(b'>') => return Some(self.sign(2)),
            b'!' if matches!(self.peek_by(1), Some(b'=' | b'~')) => return Some(self.sign(2)),
            b'=' | b'<' | b'>' if self.peek_by(1) == Some(b'=') => return Some(self.sign(2)),
            b'=' | b'<' | b'>' | b'~' | b'+' | b'-' => Kind::Sign,
            b'\n' => Kind::Newline,
            b';' => Kind::Semicolon,
            b',' => Kind::Comma,
            b'{' => Kind::Open(Shape::Brace),
            b'}' => Kind::Close(Shape::Brace),
            b'[' => Kind::Open(Shape::Bracket),
            b']' => Kind::Close(Shape::Bracket),
            b'(' => Kind::Open(Shape::Paren),
            b')' => Kind::Close(Shape::Paren),
            _ => return Some(self.wrong()),
        };
        self.at += 1;
        Some(one)
    }

    fn sign(&mut self, bytes: usize) -> Kind {
        self.at += bytes;
        Kind::Sign
    }

    fn run(&mut self) -> Kind {
        while let Some(byte) = self.peek() {
            let inside = runs_on(byte)
                || byte == b'/'
                || (byte == b'-' && self.peek_by(1).is_some_and(|next| runs_on(next) && next != b':'));
            if !inside {
                break;
            }
            self.at += 1;
        }
        Kind::Run
    }

    fn comment(&mut self) -> Kind {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let control =
            rest.get(..self.at - start).unwrap_or_default().iter().position(|&byte| is_control(byte));
        if let Some(place) = control {
            // A carriage return before the line break belongs to the line break.
            if start + place + 1 != self.at || self.bytes.get(start + place) != Some(&b'\r') {
                self.control(start + place);
            }
        }
        Kind::Comment
    }

    fn control(&mut self, place: usize) {
        let byte = self.bytes.get(place).copied().unwrap_or(0);
        self.fault(&syntax::CHARACTER, place, place + 1, format!("control character 0x{byte:02x}"), "");
    }

    /// A character that no token begins with. What plainly belongs to it is one fault with it.
    fn wrong(&mut self) -> Kind {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let character = rest.chars().next().unwrap_or('\u{fffd}');
        self.at += character.len_utf8();
        if is_control(byte_of(character)) {
            self.control(start);
            return Kind::Sign;
        }
        let (code, meant) = match character {
            '&' => (&syntax::OPERATOR, "`and`"),
            '|' => (&syntax::OPERATOR, "`or`"),
            '!' => (&syntax::OPERATOR, "`not`"),
            '\'' | '`' | '\u{2018}'..='\u{201f}' => (&syntax::CHARACTER, "a text between `\"` and `\"`"),
            _ => (&syntax::CHARACTER, ""),
        };
        self.at = start + extent(rest, character);
        let end = self.at;
        let written = self.text.get(start..end).unwrap_or_default();
        let message = if code.id == syntax::OPERATOR.id {
            format!("`{written}` is not an operator of this language")
        } else {
            format!("`{character}` does not belong here")
        };
        let help = if meant.is_empty() { String::new() } else { format!("write {meant}") };
        self.fault(code, start, end, message, &help);
        Kind::Sign
    }

    /// A text: to its closing quote, or to the end of the line.
    fn quoted(&mut self) -> Kind {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.at += 1;
                    return Kind::Text;
                }
                b'\n' => break,
                b'\\' => self.escape(),
                b'{' => self.piece(),
                byte if is_control(byte) => {
                    let before_break = byte == b'\r' && self.peek_by(1) == Some(b'\n');
                    if !before_break {
                        self.control(self.at);
                    }
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
        let end = self.at;
        self.fault(
            &syntax::TEXT_OPEN,
            start,
            end,
            String::from("this text has no closing `\"`"),
            "a text ends on its line; a line break in it is written `\\n`",
        );
        Kind::Text
    }

    fn escape(&mut self) {
        let start = self.at;
        self.at += 1;
        let escaped = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        match escaped {
            Some('"' | '\\' | '{' | '}' | 'n' | 't') => self.at += 1,
            // The fault is that of the unclosed text.
            None | Some('\n') => {}
            Some(other) => {
                self.at += other.len_utf8();
                let end = self.at;
                self.fault(
                    &syntax::ESCAPE,
                    start,
                    end,
                    format!("texts have no escape `\\{}`", other.escape_default()),
                    "a backslash itself is written `\\\\`; a pattern stands between slashes",
                );
            }
        }
    }

    /// `{...}` in a text, up to its `}`. What is wrong inside a closed one is said by the grammar.
    fn piece(&mut self) {
        let start = self.at;
        let (mut at, mut depth) = (start + 1, 0_usize);
        while at < start + PIECE_BYTES_MAX {
            match self.bytes.get(at) {
                Some(b'}') => {
                    self.at = at + 1;
                    return;
                }
                Some(b'(' | b'[') if depth < PIECE_NESTING_MAX => depth += 1,
                Some(b')' | b']') => depth = depth.saturating_sub(1),
                Some(b'"') => match self.text_in_piece(at) {
                    Some(end) => at = end,
                    None => break,
                },
                None | Some(b'{' | b'\\' | b'\n' | b'(' | b'[') => break,
                // Read as text, it is found and named.
                Some(byte) if is_control(*byte) => break,
                Some(_) => {}
            }
            at += 1;
        }
        self.at = start + 1;
        self.fault(
            &syntax::PIECE,
            start,
            start + 1,
            String::from("`{` in a text begins no value"),
            "write `\\{` for the brace itself, or close the value: `{client.ip}`",
        );
    }

    /// A text inside a value inside a text, `{header("Subject")}`: plain, and inside brackets. The place of its end.
    fn text_in_piece(&self, start: usize) -> Option<usize> {
        let before = self.bytes.get(..start)?;
        let opened = before.iter().rev().find(|byte| **byte != b' ')?;
        if !matches!(opened, b'(' | b'[' | b',') {
            return None;
        }
        let rest = self.bytes.get(start + 1..)?;
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b'\n') || is_control(*byte))?;
        (rest.get(length) == Some(&b'"')).then_some(start + 1 + length)
    }

    /// A pattern: to its closing slash, or to the end of the line.
    fn regex(&mut self) -> Kind {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None | Some(b'\n') => {
                    let end = self.at;
                    self.fault(
                        &syntax::REGEX,
                        start,
                        end,
                        String::from("this pattern has no closing `/`"),
                        "",
                    );
                    return Kind::Regex;
                }
                Some(b'\\') if !matches!(self.peek_by(1), None | Some(b'\n')) => self.at += 2,
                Some(b'/') => break,
                Some(byte) => {
                    if is_control(byte) {
                        self.control(self.at);
                    }
                    self.at += 1;
                }
            }
        }
        let flags = self.at + 1;
        self.at = flags;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            self.at += 1;
        }
        let end = self.at;
        if !matches!(self.text.get(flags..end), Some("" | "i")) {
            let written = self.text.get(flags..end).unwrap_or_default().to_owned();
            self.fault(
                &syntax::REGEX,
                flags,
                end,
                format!("patterns have no flag `{written}`"),
                "the only flag is `i`: letters match in either case",
            );
        }
        Kind::Regex
    }
}

/// How many bytes a wrong character spoils: a doubled operator, a text in other quotes, the rest of a word.
fn extent(rest: &str, first: char) -> usize {
    let after = rest.get(first.len_utf8()..).unwrap_or_default();
    let line = after.lines().next().unwrap_or_default();
    first.len_utf8()
        + match first {
            '&' | '|' if after.starts_with(first) => 1,
            '\'' | '`' | '\u{2018}'..='\u{201f}' => {
                let closing =
                    |c: char| c == first || (first > '\u{7f}' && matches!(c, '\u{2018}'..='\u{201f}'));
                line.char_indices().find(|(_, c)| closing(*c)).map_or(0, |(at, c)| at + c.len_utf8())
            }
            letter if letter.is_alphanumeric() => {
                line.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(line.len())
            }
            _ => 0,
        }
}

/// An ASCII character's byte; another's is a letter's.
fn byte_of(character: char) -> u8 {
    u8::try_from(character).ok().filter(u8::is_ascii).unwrap_or(b'a')
}

/// Bytes of words and numbers.
fn runs_on(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'*' | b'%')
}

/// A control character other than the line break and the tab.
fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\n' && byte != b'\t'
}

/// A span of this file; files are under 4 GiB.
pub(crate) fn span(file: FileId, start: usize, end: usize) -> Span {
    let place = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span { file, start: place(start), end: place(end) }
}
