//! Values of terms and expressions.

use crate::plan::{ARGUMENTS_MAX, Constant, Expression, Operand, Plan, Term};
use crate::value::{Facts, Slot, Value};

impl Constant {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Int(number) => Value::Int(*number),
            Self::Score(score) => Value::Score(*score),
            Self::Duration(milliseconds) => Value::Duration(*milliseconds),
            Self::Size(bytes) => Value::Size(*bytes),
            Self::Ip(ip) => Value::Ip(*ip),
            Self::Net(ip, length) => Value::Net(*ip, *length),
            Self::Text(text) => Value::Text(text),
            Self::Texts(texts) => Value::Texts(texts),
        }
    }
}

/// The value of a term. Lives as long as the plan (constants) and the facts (all else).
pub(super) fn term<'a, F: Facts>(term: &'a Term, facts: &'a F) -> Value<'a> {
    match term {
        Term::Constant(constant) => constant.value(),
        Term::Held { spec, argument } => facts.field(*spec, argument.as_deref()),
        Term::Slot(slot) => facts.answer(*slot),
        Term::Member { slot, member } => match facts.answer(*slot) {
            Value::Pending => Value::Pending,
            _ => facts.member(*slot, *member),
        },
        Term::Message => Value::Message,
    }
}

/// The value of an expression; `Missing` for those that [`Plan::render`] makes: of groups, and of [`Expression::Told`].
pub(super) fn expression<'a, F: Facts>(expression: &'a Expression, facts: &'a F) -> Value<'a> {
    match expression {
        Expression::Term(of) => term(of, facts),
        Expression::Compute { spec, arguments } => {
            let mut values = [Value::Missing; ARGUMENTS_MAX];
            for (value, argument) in values.iter_mut().zip(arguments) {
                *value = term(argument, facts);
                if *value == Value::Pending {
                    return Value::Pending;
                }
            }
            facts.compute(*spec, values.get(..arguments.len()).unwrap_or_default())
        }
        Expression::Time { base: None, seconds } => Value::Time(facts.now().saturating_add(*seconds)),
        Expression::Time { base: Some(base), seconds } => match term(base, facts) {
            Value::Time(time) => Value::Time(time.saturating_add(*seconds)),
            other => other,
        },
        Expression::Score(_)
        | Expression::Hits(_)
        | Expression::SpamStatus { .. }
        | Expression::Told { .. } => Value::Missing,
    }
}

impl Plan {
    /// The value of an argument of a slot: `Pending` while it waits for another slot, `Missing` when there is no such
    /// argument.
    pub fn slot_argument<'a, F: Facts>(&'a self, slot: Slot, n: usize, facts: &'a F) -> Value<'a> {
        let spec = self.slots.get(usize::from(slot.0));
        spec.and_then(|spec| spec.arguments.get(n)).map_or(Value::Missing, |of| term(of, facts))
    }

    /// Whether all arguments of a slot are known.
    pub(super) fn can_ask<F: Facts>(&self, slot: Slot, facts: &F) -> bool {
        let arguments = self.slots.get(usize::from(slot.0)).map_or(&[][..], |spec| &spec.arguments);
        arguments.iter().all(|of| term(of, facts) != Value::Pending)
    }

    /// The value of an operand that is a field, a constant text or number, or a computed call. Templates, scores and hits
    /// are texts: [`Plan::render`] makes them.
    pub fn operand<'a, F: Facts>(&'a self, operand: &'a Operand, facts: &'a F) -> Value<'a> {
        use crate::plan::Arg;
        match operand {
            Operand::Value(value) => expression(value, facts),
            Operand::Arg(Arg::Text(text) | Arg::Word(text) | Arg::Name(text) | Arg::Field(text)) => {
                Value::Text(text.as_bytes())
            }
            Operand::Arg(Arg::Int(number)) => Value::Int(*number),
            Operand::Arg(Arg::Score(score)) => Value::Score(*score),
            Operand::Arg(Arg::Duration(milliseconds)) => Value::Duration(*milliseconds),
            Operand::Arg(Arg::Size(bytes)) => Value::Size(*bytes),
            Operand::Arg(Arg::Ip(ip)) => Value::Ip(*ip),
            Operand::Arg(Arg::Net(ip, length)) => Value::Net(*ip, *length),
            Operand::Arg(_) | Operand::Template(_) | Operand::Statement(_) => Value::Missing,
        }
    }
}
