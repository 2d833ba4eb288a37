//! Expressions and constants as text.

use std::fmt::Write as _;

use super::{Printer, spelling};
use crate::ast::{Expr, ExprKind, Literal, Name, Piece, Quantifier, Regex};

/// How tightly an expression holds together; a looser one inside a tighter place stands in parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    Or,
    And,
    Not,
    Compare,
    Offset,
    Primary,
}

fn bond(expression: &Expr) -> Bond {
    match &expression.kind {
        ExprKind::Or(..) => Bond::Or,
        ExprKind::And(..) => Bond::And,
        ExprKind::Not(..) => Bond::Not,
        ExprKind::Compare { .. } => Bond::Compare,
        ExprKind::Offset { .. } => Bond::Offset,
        ExprKind::Literal(_) | ExprKind::Path(_) | ExprKind::Call { .. } | ExprKind::List(_) => Bond::Primary,
    }
}

impl Printer {
    /// Where any expression may stand.
    pub(super) fn condition(&mut self, expression: &Expr) {
        self.at(Bond::Or, expression);
    }

    /// Where only a value, or parentheses, may stand.
    pub(super) fn operand(&mut self, expression: &Expr) {
        self.at(Bond::Offset, expression);
    }

    fn at(&mut self, least: Bond, expression: &Expr) {
        let enclosed = bond(expression) < least;
        if enclosed {
            self.out.push('(');
        }
        self.bare(expression);
        if enclosed {
            self.out.push(')');
        }
    }

    fn bare(&mut self, expression: &Expr) {
        match &expression.kind {
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Path(names) => self.dotted(names),
            ExprKind::Call { name, arguments, members } => {
                self.out.push_str(&name.text);
                self.out.push('(');
                self.comma_separated(arguments);
                self.out.push(')');
                for member in members {
                    let _ = write!(self.out, ".{}", member.text);
                }
            }
            ExprKind::List(elements) if elements.is_empty() => self.out.push_str("[]"),
            ExprKind::List(elements) => {
                self.out.push_str("[ ");
                self.comma_separated(elements);
                self.out.push_str(" ]");
            }
            ExprKind::Not(inner) => {
                self.out.push_str("not ");
                self.at(Bond::Compare, inner);
            }
            // Both are read from the left: a right side of the same kind was in parentheses.
            ExprKind::And(left, right) => self.joined(left, Bond::And, " and ", right, Bond::Not),
            ExprKind::Or(left, right) => self.joined(left, Bond::Or, " or ", right, Bond::And),
            ExprKind::Compare { quantifier, left, op, right, .. } => {
                match quantifier {
                    Some(Quantifier::All) => self.out.push_str("all "),
                    Some(Quantifier::Any) => self.out.push_str("any "),
                    None => {}
                }
                self.operand(left);
                let _ = write!(self.out, " {} ", spelling(*op));
                self.operand(right);
            }
            ExprKind::Offset { base, milliseconds } => {
                self.at(Bond::Primary, base);
                self.out.push_str(if *milliseconds < 0 { " - " } else { " + " });
                self.duration(milliseconds.unsigned_abs());
            }
        }
    }

    fn joined(&mut self, left: &Expr, left_bond: Bond, word: &str, right: &Expr, right_bond: Bond) {
        self.at(left_bond, left);
        self.out.push_str(word);
        self.at(right_bond, right);
    }

    fn comma_separated(&mut self, expressions: &[Expr]) {
        for (index, expression) in expressions.iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            self.operand(expression);
        }
    }

    fn dotted(&mut self, names: &[Name]) {
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                self.out.push('.');
            }
            self.out.push_str(&name.text);
        }
    }

    fn literal(&mut self, literal: &Literal) {
        let _ = match literal {
            Literal::Int(number) => write!(self.out, "{number}"),
            Literal::Score(score) => write!(self.out, "{score}"),
            Literal::Text(pieces) => {
                self.text(pieces);
                Ok(())
            }
            Literal::Regex(regex) => {
                self.regex(regex);
                Ok(())
            }
            Literal::Duration(milliseconds) => {
                self.duration(*milliseconds);
                Ok(())
            }
            Literal::Size(bytes) => {
                self.size(*bytes);
                Ok(())
            }
            Literal::Percent(percent) => write!(self.out, "{percent}%"),
            Literal::Ip(address) => write!(self.out, "{address}"),
            Literal::Net(address, length) => write!(self.out, "{address}/{length}"),
            Literal::Socket(socket) => write!(self.out, "{socket}"),
            Literal::Quad(ranges) => {
                self.quad(*ranges);
                Ok(())
            }
            Literal::Enhanced(class, subject, detail) => write!(self.out, "{class}.{subject}.{detail}"),
            Literal::Bool(truth) => write!(self.out, "{truth}"),
        };
    }

    fn text(&mut self, pieces: &[Piece]) {
        self.out.push('"');
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.escaped(text),
                Piece::Value(value) => {
                    self.out.push('{');
                    self.operand(value);
                    self.out.push('}');
                }
            }
        }
        self.out.push('"');
    }

    /// The inside of a text.
    pub(super) fn escaped(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '"' | '\\' | '{' => self.out.extend(['\\', character]),
                '\n' => self.out.push_str("\\n"),
                '\t' => self.out.push_str("\\t"),
                other => self.out.push(other),
            }
        }
    }

    fn regex(&mut self, regex: &Regex) {
        self.out.push('/');
        let mut characters = regex.pattern.chars();
        while let Some(character) = characters.next() {
            match character {
                '/' => self.out.push_str("\\/"),
                '\\' => {
                    self.out.push('\\');
                    self.out.extend(characters.next());
                }
                other => self.out.push(other),
            }
        }
        self.out.push_str(if regex.ignore_case { "/i" } else { "/" });
    }

    /// In the largest unit that says it exactly.
    fn duration(&mut self, milliseconds: u64) {
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
        let whole = units.iter().find(|(_, worth)| milliseconds > 0 && milliseconds.is_multiple_of(*worth));
        let (unit, worth) = whole.copied().unwrap_or(("ms", 1));
        let _ = write!(self.out, "{}{unit}", milliseconds / worth);
    }

    /// In the largest unit that says it exactly; of the two kinds the decimal one first.
    fn size(&mut self, bytes: u64) {
        let units = [
            ("GB", 1_000_000_000),
            ("MB", 1_000_000),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KB", 1000),
            ("KiB", 1 << 10),
        ];
        let whole = units.iter().find(|(_, worth)| bytes > 0 && bytes.is_multiple_of(*worth));
        let (unit, worth) = whole.copied().unwrap_or(("B", 1));
        let _ = write!(self.out, "{}{unit}", bytes / worth);
    }

    fn quad(&mut self, ranges: [(u8, u8); 4]) {
        // Without a star or a range it would be read as an address.
        let plain = ranges.iter().all(|(first, last)| first == last);
        for (index, (first, last)) in ranges.into_iter().enumerate() {
            if index > 0 {
                self.out.push('.');
            }
            let _ = match (first, last) {
                (0, u8::MAX) => write!(self.out, "*"),
                _ if first == last && !(plain && index == 3) => write!(self.out, "{first}"),
                _ => write!(self.out, "{first}-{last}"),
            };
        }
    }
}
