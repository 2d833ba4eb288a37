//! From the grammar's pairs to expressions.

use super::{Builder, Parsed, child, children, unescape};
use crate::ast::{Expr, ExprKind, Literal, Name, Op, Piece, Quantifier, Regex};
use crate::diagnostic::{Diagnostic, codes::syntax};
use crate::parse::grammar::Rule;
use crate::parse::lex::span;

/// The operator with this spelling; blanks between its words count as one.
pub(super) fn operator(text: &str) -> Option<Op> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    Some(match words.as_slice() {
        ["=="] => Op::Eq,
        ["!="] => Op::Ne,
        ["<"] => Op::Lt,
        ["<="] => Op::Le,
        [">"] => Op::Gt,
        [">="] => Op::Ge,
        ["in"] => Op::In,
        ["not", "in"] => Op::NotIn,
        ["~"] => Op::Match,
        ["!~"] => Op::NotMatch,
        ["has"] => Op::Has,
        ["has", "only"] => Op::HasOnly,
        ["is"] => Op::Is,
        ["is", "not"] => Op::IsNot,
        ["matches"] => Op::Matches,
        ["begins"] => Op::Begins,
        _ => return None,
    })
}

impl Builder {
    /// `a or b and not c`: left-deep, no deeper than a condition has terms.
    pub(super) fn expression(&mut self, pair: &Parsed<'_>) -> Option<Expr> {
        let mut whole: Option<Expr> = None;
        for conjunction in children(pair, Rule::conjunction) {
            let term = self.conjunction(&conjunction)?;
            whole = Some(match whole {
                Some(left) => join(left, term, ExprKind::Or),
                None => term,
            });
        }
        whole
    }

    fn conjunction(&mut self, pair: &Parsed<'_>) -> Option<Expr> {
        let mut whole: Option<Expr> = None;
        for negation in children(pair, Rule::negation) {
            let term = self.negation(&negation)?;
            whole = Some(match whole {
                Some(left) => join(left, term, ExprKind::And),
                None => term,
            });
        }
        whole
    }

    fn negation(&mut self, pair: &Parsed<'_>) -> Option<Expr> {
        let term = self.comparison(&child(pair, Rule::comparison)?)?;
        Some(match child(pair, Rule::kw_not) {
            Some(not) => {
                let span = self.span(&not).to(term.span);
                Expr { kind: ExprKind::Not(Box::new(term)), span }
            }
            None => term,
        })
    }

    fn comparison(&mut self, pair: &Parsed<'_>) -> Option<Expr> {
        let with_all = child(pair, Rule::quantified);
        let inside = with_all.as_ref().unwrap_or(pair);
        let quantifier = child(inside, Rule::quantifier);
        let mut operands = children(inside, Rule::operand);
        let left = self.operand(&operands.next()?)?;
        let is = child(inside, Rule::op_is);
        let Some(op) = is.or_else(|| child(inside, Rule::op_values)) else { return Some(left) };
        let right = match child(inside, Rule::state) {
            Some(state) => self.reference(&state.into_inner().next()?)?,
            None => self.operand(&operands.next()?)?,
        };
        let start = quantifier.as_ref().map_or(left.span, |all| self.span(all));
        let span = start.to(right.span);
        let quantifier = quantifier.map(|word| match word.as_str() {
            "all" => Quantifier::All,
            _ => Quantifier::Any,
        });
        let kind = ExprKind::Compare {
            quantifier,
            left: Box::new(left),
            op: operator(op.as_str())?,
            op_span: self.span(&op),
            right: Box::new(right),
        };
        Some(Expr { kind, span })
    }

    pub(super) fn operand(&mut self, pair: &Parsed<'_>) -> Option<Expr> {
        let base = self.value(&child(pair, Rule::primary)?)?;
        let Some(offset) = child(pair, Rule::offset) else { return Some(base) };
        let numeral = child(&offset, Rule::numeral)?;
        let magnitude = match self.numeral(&numeral) {
            Literal::Duration(milliseconds) => i64::try_from(milliseconds).ok()?,
            other => {
                // A constant that is none has been reported.
                if !matches!(other, Literal::Int(0)) || numeral.as_str() == "0" {
                    let message = format!("`{}` is not a duration", numeral.as_str());
                    let fault = Diagnostic::new(&syntax::LITERAL, self.span(&numeral), message)
                        .with_help("only a duration is added to a time: `now + 24h`");
                    self.faults.push(fault);
                }
                0
            }
        };
        let minus = child(&offset, Rule::offset_sign)?.as_str() == "-";
        let span = base.span.to(self.span(&offset));
        let milliseconds = if minus { -magnitude } else { magnitude };
        Some(Expr { kind: ExprKind::Offset { base: Box::new(base), milliseconds }, span })
    }

    /// What `value` and `primary` hold: one of everything that stands for a value.
    pub(super) fn value(&mut self, pair: &Parsed<'_>) -> Option<Expr> {
        let inner = pair.clone().into_inner().next()?;
        let span = self.span(&inner);
        let kind = match inner.as_rule() {
            Rule::text => ExprKind::Literal(Literal::Text(self.pieces(&inner)?)),
            Rule::regex => ExprKind::Literal(Literal::Regex(regex(inner.as_str())?)),
            Rule::truth => ExprKind::Literal(Literal::Bool(inner.as_str() == "true")),
            Rule::numeral => ExprKind::Literal(self.numeral(&inner)),
            Rule::list_of => {
                let elements: Option<Vec<Expr>> =
                    children(&inner, Rule::operand).map(|element| self.operand(&element)).collect();
                ExprKind::List(elements?)
            }
            Rule::grouped => return self.expression(&child(&inner, Rule::expression)?),
            _ => return self.reference(&inner),
        };
        Some(Expr { kind, span })
    }

    /// A call or a path.
    fn reference(&mut self, pair: &Parsed<'_>) -> Option<Expr> {
        let span = self.span(pair);
        if pair.as_rule() == Rule::path {
            return Some(Expr { kind: ExprKind::Path(self.path(pair)), span });
        }
        let name = self.name(&child(pair, Rule::call_name)?);
        let arguments: Option<Vec<Expr>> =
            children(pair, Rule::operand).map(|argument| self.operand(&argument)).collect();
        let members = children(pair, Rule::member).map(|member| {
            let whole = self.span(&member);
            // Without the dot.
            let place = span_of_name(whole.start + 1, whole.end, self);
            Name { text: member.as_str().trim_start_matches('.').to_owned(), span: place }
        });
        let members = members.collect();
        Some(Expr { kind: ExprKind::Call { name, arguments: arguments?, members }, span })
    }

    /// The names between the dots.
    fn path(&self, pair: &Parsed<'_>) -> Vec<Name> {
        let mut start = self.base + pair.as_span().start();
        let mut names = Vec::new();
        for part in pair.as_str().split('.') {
            let end = start + part.len();
            names.push(Name { text: part.to_owned(), span: span(self.file, start, end) });
            start = end + 1;
        }
        names
    }

    /// The parts of a text; neighbouring plain ones are one.
    fn pieces(&mut self, pair: &Parsed<'_>) -> Option<Vec<Piece>> {
        let mut pieces: Vec<Piece> = Vec::new();
        for inner in pair.clone().into_inner() {
            if inner.as_rule() == Rule::piece {
                pieces.push(Piece::Value(self.reference(&inner.into_inner().next()?)?));
                continue;
            }
            let plain = unescape(inner.as_str());
            match pieces.last_mut() {
                Some(Piece::Text(text)) => text.push_str(&plain),
                _ => pieces.push(Piece::Text(plain)),
            }
        }
        Some(pieces)
    }
}

fn span_of_name(start: u32, end: u32, builder: &Builder) -> crate::source::Span {
    crate::source::Span { file: builder.file, start, end }
}

fn join(left: Expr, right: Expr, kind: fn(Box<Expr>, Box<Expr>) -> ExprKind) -> Expr {
    let span = left.span.to(right.span);
    Expr { kind: kind(Box::new(left), Box::new(right)), span }
}

/// A pattern without its slashes, `\/` resolved.
fn regex(written: &str) -> Option<Regex> {
    let (pattern, flags) = written.strip_prefix('/')?.rsplit_once('/')?;
    let mut resolved = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match (character, characters.clone().next()) {
            ('\\', Some('/')) => {}
            ('\\', Some(next)) => {
                resolved.push('\\');
                resolved.push(next);
                characters.next();
            }
            _ => resolved.push(character),
        }
    }
    Some(Regex { pattern: resolved, ignore_case: flags == "i" })
}
