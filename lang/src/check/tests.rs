//! `test` blocks: lines of the scheme's forms, and overrides of scores for one test.

use super::Checker;
use super::call::whole;
use super::kind::{name, word};
use crate::ast::{Atom, AtomKind, Expr, ExprKind, Item, Literal, Sign};
use crate::diagnostic::codes::meaning;
use crate::plan::TestCase;
use crate::score::Score;

impl<'a> Checker<'a> {
    pub(super) fn check_tests(&mut self) {
        for item in self.items() {
            let Item::Test(test) = item else { continue };
            let (mut clauses, mut scores) = (Vec::new(), Vec::new());
            let mut rest = test.body.as_slice();
            // `scores { ... }` is the language's own; what is around it is the host's.
            while let Some(at) = rest.windows(2).position(is_scores) {
                let (before, block) = rest.split_at(at);
                clauses.extend(self.lines(before, self.scheme.clauses, test.span));
                if let Some(Atom { kind: AtomKind::Block(entries), .. }) = block.get(1) {
                    scores.extend(self.overrides(entries));
                }
                rest = block.get(2..).unwrap_or_default();
            }
            clauses.extend(self.lines(rest, self.scheme.clauses, test.span));
            self.tests.push(TestCase {
                title: test.title.text.clone(),
                clauses,
                scores,
                location: self.set.sources.location(test.title.span),
            });
        }
    }

    fn overrides(&mut self, entries: &'a [Atom]) -> Vec<(usize, Option<Score>)> {
        let mut scores = Vec::new();
        for line in entries.split(|atom| matches!(atom.kind, AtomKind::Newline | AtomKind::Comma)) {
            let [rule, sign, value] = line else {
                if let Some(atom) = line.first() {
                    self.report(
                        &meaning::FORM,
                        atom.span,
                        "this is no override of a score",
                        "expected `NAME = value` or `NAME = off`",
                    );
                }
                continue;
            };
            let (AtomKind::Sign(Sign::Assign), Ok(weight)) = (&sign.kind, value_of(value)) else {
                self.report(&meaning::FORM, value.span, "this is no score", "expected `= 1.5` or `= off`");
                continue;
            };
            let Some(rule) = name(rule) else { continue };
            scores.extend(self.overridden(rule, weight).map(|rule| (rule, weight)));
        }
        scores
    }
}

fn is_scores(pair: &[Atom]) -> bool {
    let [first, second] = pair else { return false };
    word(first) == Some("scores") && matches!(second.kind, AtomKind::Block(_))
}

/// A score, or `None` for `off`.
fn value_of(atom: &Atom) -> Result<Option<Score>, NoScore> {
    match &atom.kind {
        AtomKind::Value(Expr { kind: ExprKind::Literal(Literal::Score(score)), .. }) => Ok(Some(*score)),
        AtomKind::Value(Expr { kind: ExprKind::Literal(Literal::Int(number)), .. }) => {
            whole(*number).map(Some).ok_or(NoScore)
        }
        _ if word(atom) == Some("off") => Ok(None),
        _ => Err(NoScore),
    }
}

/// An atom is neither a score nor `off`.
struct NoScore;
