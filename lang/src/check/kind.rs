//! Atoms as the constants that a form asks for.

use std::net::IpAddr;

use super::call::whole;
use super::form::Mismatch;
use super::{Checker, dotted};
use crate::ast::{Atom, AtomKind, Expr, ExprKind, Literal, Name, Sign};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::plan::Arg;
use crate::print::spelling;
use crate::scheme::Kind;

/// The single word that an atom is, a sign included.
pub(super) fn word(atom: &Atom) -> Option<&str> {
    match &atom.kind {
        AtomKind::Value(Expr { kind: ExprKind::Path(path), .. }) => match path.as_slice() {
            [name] => Some(&name.text),
            _ => None,
        },
        AtomKind::Value(Expr { kind: ExprKind::Literal(Literal::Bool(truth)), .. }) => {
            Some(if *truth { "true" } else { "false" })
        }
        AtomKind::Sign(sign) => Some(match sign {
            Sign::Assign => "=",
            Sign::Arrow => "->",
            Sign::Compare(op) => spelling(*op),
        }),
        _ => None,
    }
}

/// The single name that an atom is.
pub(super) fn name(atom: &Atom) -> Option<&Name> {
    match &atom.kind {
        AtomKind::Value(Expr { kind: ExprKind::Path(path), .. }) => match path.as_slice() {
            [name] => Some(name),
            _ => None,
        },
        _ => None,
    }
}

fn literal(atom: &Atom) -> Option<&Literal> {
    match &atom.kind {
        AtomKind::Value(Expr { kind: ExprKind::Literal(literal), .. }) => Some(literal),
        _ => None,
    }
}

/// An address pattern, an address or a network, as ranges for each octet.
pub(super) fn quad(expr: &Expr) -> Option<[(u8, u8); 4]> {
    let ExprKind::Literal(literal) = &expr.kind else { return None };
    match literal {
        Literal::Quad(quad) => Some(*quad),
        Literal::Ip(IpAddr::V4(ip)) => Some(ip.octets().map(|octet| (octet, octet))),
        Literal::Net(IpAddr::V4(ip), length) => {
            let host = u32::MAX.checked_shr(u32::from(*length)).unwrap_or(0);
            let (low, high) = ((ip.to_bits() & !host).to_be_bytes(), (ip.to_bits() | host).to_be_bytes());
            let mut quad = [(0, 0); 4];
            for (range, ends) in quad.iter_mut().zip(low.into_iter().zip(high)) {
                *range = ends;
            }
            Some(quad)
        }
        _ => None,
    }
}

/// How messages call what is asked for.
pub(super) fn describe(kind: Kind) -> String {
    String::from(match kind {
        Kind::Int(low, high) => return format!("a whole number from {low} to {high}"),
        Kind::Score => "a score such as `2.5`",
        Kind::Duration => "a duration such as `2s`",
        Kind::Size => "a size such as `10MB`",
        Kind::Percent => "a percentage such as `80%`",
        Kind::Text => "a text in quotes",
        Kind::Template => "a text or a value",
        Kind::Expr => "a field or another value",
        Kind::Code => "a reply code such as `550`",
        Kind::CodeIn(low, high) => return format!("a reply code from {low} to {high}"),
        Kind::Enhanced => "an enhanced status code such as `5.7.1`",
        Kind::Ip => "an address",
        Kind::Net => "an address or a network",
        Kind::Socket => "an address with a port such as `192.0.2.1:25`",
        Kind::Quad => "a pattern of an address such as `127.0.0.2-11`",
        Kind::Word => "a word",
        Kind::Name(kind) => return format!("the name of a {kind}"),
        Kind::Field => "the name of a field",
    })
}

/// Whether an atom is of the shape of a kind; that its value is in bounds is asked later.
pub(super) fn is_like(kind: Kind, atom: &Atom) -> bool {
    let literal = literal(atom);
    match kind {
        Kind::Int(..) | Kind::Code | Kind::CodeIn(..) => matches!(literal, Some(Literal::Int(_))),
        Kind::Score => matches!(literal, Some(Literal::Int(_) | Literal::Score(_))),
        Kind::Duration => matches!(literal, Some(Literal::Duration(_))),
        Kind::Size => matches!(literal, Some(Literal::Size(_))),
        Kind::Percent => matches!(literal, Some(Literal::Percent(_))),
        Kind::Text => matches!(literal, Some(Literal::Text(_))),
        Kind::Enhanced => matches!(literal, Some(Literal::Enhanced(..))),
        Kind::Ip => matches!(literal, Some(Literal::Ip(_))),
        Kind::Net => matches!(literal, Some(Literal::Ip(_) | Literal::Net(..))),
        Kind::Socket => matches!(literal, Some(Literal::Socket(_))),
        Kind::Quad => matches!(&atom.kind, AtomKind::Value(expr) if quad(expr).is_some()),
        Kind::Word => word(atom).is_some(),
        Kind::Name(_) => name(atom).is_some(),
        Kind::Field => matches!(&atom.kind, AtomKind::Value(Expr { kind: ExprKind::Path(_), .. })),
        Kind::Template | Kind::Expr => matches!(&atom.kind, AtomKind::Value(_)),
    }
}

impl<'a> Checker<'a> {
    /// The constant that a form asks for.
    pub(super) fn constant(&mut self, kind: Kind, atom: &'a Atom) -> Result<Arg, Mismatch> {
        if !is_like(kind, atom) {
            return Err(Mismatch::Expected(describe(kind)));
        }
        match (kind, literal(atom)) {
            (Kind::Text | Kind::Template, Some(Literal::Text(pieces))) => {
                self.plain_text(pieces, atom.span, "this text").map(Arg::Text).ok_or(Mismatch::Reported)
            }
            (Kind::Name(kind), _) => {
                let name = name(atom).ok_or(Mismatch::Reported)?;
                self.named(name, kind).ok_or(Mismatch::Reported)?;
                Ok(Arg::Name(name.text.clone()))
            }
            (Kind::Word, _) => Ok(Arg::Word(word(atom).unwrap_or_default().to_owned())),
            (Kind::Field, _) => self.field_name(atom),
            (Kind::Quad, _) => match &atom.kind {
                AtomKind::Value(expr) => quad(expr).map(Arg::Quad).ok_or(Mismatch::Reported),
                _ => Err(Mismatch::Reported),
            },
            (_, Some(literal)) => self.number(kind, literal, atom),
            _ => Err(Mismatch::Expected(describe(kind))),
        }
    }

    fn field_name(&mut self, atom: &'a Atom) -> Result<Arg, Mismatch> {
        let AtomKind::Value(Expr { kind: ExprKind::Path(path), span }) = &atom.kind else {
            return Err(Mismatch::Reported);
        };
        let name = dotted(path);
        if self.scheme.fields.iter().any(|field| field.name == name) {
            return Ok(Arg::Field(name));
        }
        let fault = Diagnostic::new(&meaning::UNKNOWN_NAME, *span, format!("no field is called `{name}`"));
        let fault = self.suggest(fault, &name, self.scheme.fields.iter().map(|field| field.name));
        self.fault(fault);
        Err(Mismatch::Reported)
    }

    fn number(&mut self, kind: Kind, literal: &Literal, atom: &Atom) -> Result<Arg, Mismatch> {
        let bounded = |number: i64, low: i64, high: i64| (low..=high).contains(&number).then_some(number);
        let arg = match (kind, literal) {
            (Kind::Int(low, high), Literal::Int(number)) => bounded(*number, low, high).map(Arg::Int),
            (Kind::Code, Literal::Int(number)) => bounded(*number, 200, 599).and_then(code),
            (Kind::CodeIn(low, high), Literal::Int(number)) => {
                bounded(*number, i64::from(low), i64::from(high)).and_then(code)
            }
            (Kind::Score, Literal::Int(number)) => whole(*number).map(Arg::Score),
            (Kind::Score, Literal::Score(score)) => Some(Arg::Score(*score)),
            (Kind::Duration, Literal::Duration(milliseconds)) => Some(Arg::Duration(*milliseconds)),
            (Kind::Size, Literal::Size(bytes)) => Some(Arg::Size(*bytes)),
            (Kind::Percent, Literal::Percent(percent)) => Some(Arg::Percent(*percent)),
            (Kind::Enhanced, Literal::Enhanced(class, subject, detail)) => {
                Some(Arg::Enhanced(*class, *subject, *detail))
            }
            (Kind::Ip, Literal::Ip(ip)) => Some(Arg::Ip(*ip)),
            (Kind::Net, Literal::Ip(ip)) => Some(Arg::Net(*ip, if ip.is_ipv4() { 32 } else { 128 })),
            (Kind::Net, Literal::Net(ip, length)) => Some(Arg::Net(*ip, *length)),
            (Kind::Socket, Literal::Socket(socket)) => Some(Arg::Socket(*socket)),
            _ => None,
        };
        arg.ok_or_else(|| {
            let text = self.set.sources.text(atom.span);
            let message = format!("`{text}` is out of bounds");
            self.report(&meaning::BOUNDS, atom.span, message, &format!("expected {}", describe(kind)));
            Mismatch::Reported
        })
    }
}

fn code(number: i64) -> Option<Arg> {
    u16::try_from(number).ok().map(Arg::Code)
}
