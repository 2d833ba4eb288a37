//! Comparisons: which operator fits which types, and what it becomes.

use super::condition::{bit, condition};
use super::member::either;
use super::typed::{Typed, element, is_textual};
use super::{Checker, call};
use crate::ast::{Expr, ExprKind, Literal, Op, Quantifier};
use crate::builtins;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::hir::Condition;
use crate::plan::test::{Each, Fold, Kind, Order, Test};
use crate::plan::{Constant, Expression, Term};
use crate::scheme::Type;
use crate::source::Span;

/// A comparison as it was written.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) quantifier: Option<Quantifier>,
    pub(super) left: &'a Expr,
    pub(super) op: Op,
    pub(super) op_span: Span,
    pub(super) right: &'a Expr,
}

impl Written<'_> {
    pub(super) fn negated(&self) -> bool {
        matches!(self.op, Op::NotIn | Op::NotMatch | Op::IsNot)
    }

    pub(super) fn test(&self, kind: Kind) -> Condition {
        let each = if self.quantifier == Some(Quantifier::All) { Each::All } else { Each::Any };
        Condition::Test(Test { each, negated: self.negated(), kind })
    }
}

impl<'a> Checker<'a> {
    pub(super) fn compare(&mut self, expr: &'a Expr) -> Option<Condition> {
        let ExprKind::Compare { quantifier, left, op, op_span, right } = &expr.kind else { return None };
        let written = Written { quantifier: *quantifier, left, op: *op, op_span: *op_span, right };
        if self.is_condition(left) {
            let text = self.set.sources.text(left.span);
            let fault = Diagnostic::new(
                &meaning::OPERATOR,
                written.op_span,
                format!("`{text}` is true or false already and is not compared"),
            )
            .with_help(format!("write `{text}` or `not {text}`"));
            self.fault(fault);
            return None;
        }
        let typed = self.value(left)?;
        if !self.is_value(&typed, left.span) {
            return None;
        }
        self.quantified(&typed, written)?;
        match op {
            Op::Is | Op::IsNot => self.is(typed, written),
            Op::In | Op::NotIn => self.is_in(typed, written),
            Op::Match | Op::NotMatch => self.is_like(&typed, written),
            Op::Has | Op::HasOnly => self.has(typed, written),
            Op::Matches => self.quad(typed, written),
            Op::Begins => self.begins(typed, written),
            Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge => self.order(typed, written),
        }
    }

    /// Whether a name stands for a rule or a condition.
    fn is_condition(&self, expr: &Expr) -> bool {
        let ExprKind::Path(path) = &expr.kind else { return false };
        let [name] = path.as_slice() else { return false };
        match self.binding(&name.text) {
            Some((binding, _)) => matches!(binding, super::typed::Binding::Condition(_)),
            None => matches!(self.names.find(&name.text), Some((super::Symbol::Rule(_), _))),
        }
    }

    /// `all` and `any` stand before lists, and must where a negation of a list could be read two ways.
    fn quantified(&mut self, typed: &Typed, written: Written<'a>) -> Option<()> {
        let is_list = matches!(typed.ty, Type::List(_));
        let text = self.set.sources.text(written.left.span);
        if written.quantifier.is_some() && !is_list {
            let fault = Diagnostic::new(
                &meaning::QUANTIFIER,
                written.left.span,
                format!("`{text}` is no list but one value of type {}", typed.ty.name()),
            )
            .with_label("`all` and `any` stand before lists")
            .with_help("take the word away");
            self.fault(fault);
            return None;
        }
        let two_ways = matches!(written.op, Op::NotIn | Op::NotMatch | Op::Ne);
        if is_list && two_ways && written.quantifier.is_none() {
            let fault = Diagnostic::new(
                &meaning::QUANTIFIER,
                written.left.span,
                format!("`{text}` is a list: all of it, or any?"),
            )
            .with_label(format!("this is a {}", typed.ty.name()))
            .with_help(format!("write `all {text}` or `any {text}`"));
            self.fault(fault);
            return None;
        }
        Some(())
    }

    /// A fault of an operator and the type on its left.
    pub(super) fn no_operator(
        &mut self,
        typed: &Typed,
        written: Written<'a>,
        help: &str,
    ) -> Option<Condition> {
        let op = self.set.sources.text(written.op_span);
        let fault = Diagnostic::new(
            &meaning::OPERATOR,
            written.op_span,
            format!("`{op}` does not fit a value of type {}", typed.ty.name()),
        )
        .with_related(written.left.span, format!("this is of type {}", typed.ty.name()));
        let fault = if help.is_empty() { fault } else { fault.with_help(help) };
        self.fault(fault);
        None
    }

    fn is(&mut self, typed: Typed, written: Written<'a>) -> Option<Condition> {
        let right = written.right;
        let word = self.set.sources.text(right.span);
        if let (Some(answer), Expression::Term(of)) = (typed.answer(), &typed.value) {
            // `is fail` is any of `fail(none)`, `fail(reject)`; `is fail(reject)` is that one.
            let is_state = |name: &str| {
                name == word || name.strip_prefix(word).is_some_and(|rest| rest.starts_with('('))
            };
            let states = answer.states.iter().enumerate().filter(|(_, state)| is_state(state.name));
            let mask = states.fold(0, |mask, (index, _)| mask | bit(index));
            if mask != 0 {
                return Some(written.test(Kind::State { of: of.clone(), mask }));
            }
            let names = answer.states.iter().map(|state| state.name);
            let left = self.set.sources.text(written.left.span);
            let fault = Diagnostic::new(&meaning::STATE, right.span, format!("`{left}` is never `{word}`"))
                .with_label(format!("it is {}", either(names.clone())));
            let fault = self.suggest(fault, word, names);
            self.fault(fault);
            return None;
        }
        let kind = match word {
            "missing" => Kind::Missing(typed.value),
            "present" => Kind::Present(typed.value),
            "unknown" if typed.gathered => Kind::Unknown(typed.value),
            "fqdn" if matches!(typed.ty, Type::Text | Type::Domain) => Kind::Fqdn(typed.value),
            _ => {
                let expected = either(builtins::PREDICATES.iter().map(|(name, _)| *name));
                let expected = format!("expected {expected}");
                let label = match word {
                    "unknown" => "its value is always known",
                    "fqdn" => "only domains and texts can be host names",
                    _ => &expected,
                };
                let message = format!("a value of type {} is never `{word}`", typed.ty.name());
                let fault = Diagnostic::new(&meaning::STATE, right.span, message).with_label(label);
                let fault = fault.with_help("values are compared with `==`");
                self.fault(fault);
                return None;
            }
        };
        Some(written.test(kind))
    }

    fn begins(&mut self, typed: Typed, written: Written<'a>) -> Option<Condition> {
        if !is_textual(element(typed.ty)) {
            return self.no_operator(&typed, written, "");
        }
        let right = self.value(written.right)?;
        if !is_textual(right.ty) {
            let label = format!("this is of type {}", right.ty.name());
            self.report(&meaning::TYPE, written.right.span, "expected a text", &label);
            return None;
        }
        let fold = fold(element(typed.ty), right.ty);
        Some(written.test(Kind::Begins { left: typed.value, right: right.value, fold }))
    }

    /// `matches 127.0.*.2-3`: an address, or the addresses that a DNS list returned.
    fn quad(&mut self, typed: Typed, written: Written<'a>) -> Option<Condition> {
        let Some(quad) = super::kind::quad(written.right) else {
            let fault =
                Diagnostic::new(&meaning::TYPE, written.right.span, "expected a pattern of an address")
                    .with_label("such as `127.0.*.2-3`");
            self.fault(fault);
            return None;
        };
        let left = match (typed.answer(), &typed.value) {
            (Some(answer), Expression::Term(Term::Slot(slot))) => {
                let codes = |member: &crate::scheme::MemberSpec| {
                    member.name == "codes" && element(member.ty) == Type::Ip
                };
                match answer.members.iter().position(codes) {
                    Some(member) => Expression::Term(Term::Member { slot: *slot, member }),
                    None => return self.no_operator(&typed, written, "this lookup returns no addresses"),
                }
            }
            _ if element(typed.ty) == Type::Ip => typed.value,
            _ => {
                return self.no_operator(
                    &typed,
                    written,
                    "only addresses are matched; texts are compared with `~`",
                );
            }
        };
        Some(written.test(Kind::Quad { left, quad }))
    }

    /// `==`, `<` and so on.
    fn order(&mut self, typed: Typed, written: Written<'a>) -> Option<Condition> {
        let order = match written.op {
            Op::Eq => Order::Eq,
            Op::Ne => Order::Ne,
            Op::Lt => Order::Lt,
            Op::Le => Order::Le,
            Op::Gt => Order::Gt,
            _ => Order::Ge,
        };
        if let Expression::Score(group) = typed.value {
            let bound = self.score_constant(written.right)?;
            return Some(Condition::Score { group, order, bound });
        }
        if matches!(written.right.kind, ExprKind::Literal(Literal::Regex(_))) {
            return self.no_operator(&typed, written, "patterns stand behind `~` and `!~`");
        }
        if matches!(written.right.kind, ExprKind::List(_)) {
            return self.no_operator(&typed, written, "to find a value in a list, write `in`");
        }
        let right = self.value(written.right)?;
        let (left_type, right_type) = (element(typed.ty), right.ty);
        if matches!(left_type, Type::Answer(_) | Type::Message) {
            return self.no_operator(&typed, written, "the state of an answer is asked with `is`");
        }
        let right = self.same_type(left_type, right, &typed, written)?;
        let ordered = !is_textual(left_type) && !matches!(left_type, Type::Bool | Type::Net | Type::Ip);
        if !ordered && !matches!(order, Order::Eq | Order::Ne) {
            return self.no_operator(
                &typed,
                written,
                "only numbers, sizes, durations and times have an order",
            );
        }
        let fold = fold(left_type, right_type);
        Some(written.test(Kind::Compare { left: typed.value, order, fold, right: right.value }))
    }

    /// Two values of one type. There is no coercion: only a constant takes the type that is asked for.
    fn same_type(&mut self, ty: Type, right: Typed, left: &Typed, written: Written<'a>) -> Option<Typed> {
        if right.ty == ty || is_textual(ty) && is_textual(right.ty) {
            return Some(right);
        }
        if let (Type::Score, Expression::Term(Term::Constant(Constant::Int(number)))) = (ty, &right.value)
            && let Some(score) = call::whole(*number)
        {
            let value = Expression::Term(Term::Constant(Constant::Score(score)));
            return Some(Typed { value, ty: Type::Score, ..right });
        }
        let fault = Diagnostic::new(
            &meaning::TYPE,
            written.right.span,
            format!("a value of type {} is compared with one of type {}", left.ty.name(), right.ty.name()),
        )
        .with_label(format!("expected {}", ty.name()))
        .with_related(written.left.span, format!("this is of type {}", left.ty.name()));
        let fault = match (ty, right.ty) {
            (Type::Ip | Type::Net, Type::Net | Type::Ip) => {
                fault.with_help("to find it in a network, write `in`")
            }
            (Type::Int, Type::Score) => fault.with_help("a number has no decimals"),
            (Type::Size, Type::Int) => fault.with_help("sizes have a unit: `10MB`, `512B`"),
            (Type::Duration, Type::Int) => fault.with_help("durations have a unit: `500ms`, `2s`, `1h`"),
            _ => fault,
        };
        self.fault(fault);
        None
    }

    /// A number in a list of numbers.
    pub(super) fn in_numbers(
        &mut self,
        typed: &Typed,
        items: &'a [Expr],
        written: Written<'a>,
    ) -> Option<Condition> {
        let mut tests = Vec::with_capacity(items.len());
        for item in items {
            let right = self.value(item)?;
            let right = self.same_type(typed.ty, right, typed, Written { right: item, ..written })?;
            let kind = Kind::Compare {
                left: typed.value.clone(),
                order: Order::Eq,
                fold: Fold::Exact,
                right: right.value,
            };
            tests.push(condition(kind));
        }
        let found = tests.into_iter().reduce(|all, test| Condition::Or(Box::new(all), Box::new(test)));
        let found = found.unwrap_or(Condition::Constant(false));
        Some(if written.negated() { Condition::Not(Box::new(found)) } else { found })
    }
}

/// How two texts are compared: as the stricter known of both is.
pub(super) fn fold(left: Type, right: Type) -> Fold {
    match (left, right) {
        (Type::Address, _) | (_, Type::Address) => Fold::Address,
        (Type::Domain, _) | (_, Type::Domain) => Fold::Domain,
        _ => Fold::Exact,
    }
}
