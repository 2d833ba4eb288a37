//! Conditions: `and`, `or`, `not`, rules, bare lookups. Comparisons are in [`super::compare`].

use super::names::Symbol;
use super::typed::{Binding, Typed};
use super::{Checker, dotted};
use crate::ast::{Expr, ExprKind, Literal};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::hir::Condition;
use crate::plan::Expression;
use crate::plan::test::{Each, Kind, Test};
use crate::scheme::Type;

impl<'a> Checker<'a> {
    /// A condition; after a fault one that is never true.
    pub(super) fn condition(&mut self, expr: &'a Expr) -> Condition {
        self.condition_under(expr, false)
    }

    /// `negated`: somewhere around it is a `not`.
    fn condition_under(&mut self, expr: &'a Expr, negated: bool) -> Condition {
        match &expr.kind {
            ExprKind::Not(inner) => Condition::Not(Box::new(self.condition_under(inner, true))),
            ExprKind::And(left, right) => {
                let left = self.condition_under(left, negated);
                let right = self.condition_under(right, negated);
                Condition::And(Box::new(left), Box::new(right))
            }
            ExprKind::Or(left, right) => {
                let left = self.condition_under(left, negated);
                let right = self.condition_under(right, negated);
                Condition::Or(Box::new(left), Box::new(right))
            }
            ExprKind::Literal(Literal::Bool(truth)) => Condition::Constant(*truth),
            ExprKind::Compare { .. } => self.compare(expr).unwrap_or(Condition::Constant(false)),
            _ => self.bare(expr, negated).unwrap_or(Condition::Constant(false)),
        }
    }

    /// A rule, a name of `let`, a field of type bool, or a bare lookup.
    fn bare(&mut self, expr: &'a Expr, negated: bool) -> Option<Condition> {
        if let ExprKind::Path(path) = &expr.kind {
            if let [name] = path.as_slice()
                && let Some((Binding::Condition(rule), _)) = self.binding(&name.text)
            {
                return Some(Condition::Rule(rule));
            }
            if let Some((Symbol::Rule(rule), _)) = self.names.find(&dotted(path)) {
                self.used.insert(Symbol::Rule(rule));
                let since = self.rule_since.get(rule).cloned().unwrap_or_default();
                self.ask_since(&since, expr.span, &format!("`{}`", dotted(path)));
                return Some(Condition::Rule(rule));
            }
        }
        let typed = self.value(expr)?;
        match typed.ty {
            Type::Bool => Some(condition(Kind::True(typed.value))),
            Type::Answer(_) => self.bare_lookup(typed, expr, negated),
            ty => {
                let written = self.set.sources.text(expr.span);
                let fault = Diagnostic::new(
                    &meaning::CONDITION,
                    expr.span,
                    format!("`{written}` is of type {} and no condition", ty.name()),
                )
                .with_label("expected something that is true or false")
                .with_help(format!("compare it, or ask `{written} is present`"));
                self.fault(fault);
                None
            }
        }
    }

    fn bare_lookup(&mut self, typed: Typed, expr: &'a Expr, negated: bool) -> Option<Condition> {
        let answer = typed.answer()?;
        let written = self.set.sources.text(expr.span);
        let Some(state) = answer.bare else {
            let states: Vec<&str> = answer.states.iter().map(|state| state.name).collect();
            let fault = Diagnostic::new(
                &meaning::BARE,
                expr.span,
                format!("`{written}` has no answer that goes without saying"),
            )
            .with_label(format!("it is {}", super::member::either(states.iter().copied())))
            .with_help(format!("write `{written} is {}`", states.first().unwrap_or(&"STATE")));
            self.fault(fault);
            return None;
        };
        if negated {
            let asked = answer.states.get(state).map_or("", |state| state.name);
            let other = answer.states.iter().enumerate();
            let other = other.filter(|(index, _)| *index != state && *index != answer.unknown);
            let other = other.map(|(_, state)| state.name).next_back().unwrap_or("clean");
            let fault = Diagnostic::new(
                &meaning::NOT_LOOKUP,
                expr.span,
                format!("`not {written}` hides lookup failure"),
            )
            .with_label("a lookup that fails would match too")
            .with_help(format!(
                "write `{written} is {other}` (failure does not match) or `is not {asked}` (failure matches)"
            ));
            self.fault(fault);
            return None;
        }
        let Expression::Term(of) = typed.value else { return None };
        Some(condition(Kind::State { of, mask: bit(state) }))
    }
}

/// A test of one value.
pub(super) fn condition(kind: Kind) -> Condition {
    Condition::Test(Test { each: Each::Any, negated: false, kind })
}

/// The bit of a state.
pub(super) fn bit(state: usize) -> u32 {
    u32::try_from(state).ok().and_then(|state| 1_u32.checked_shl(state)).unwrap_or(0)
}
