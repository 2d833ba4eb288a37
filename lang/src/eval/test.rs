//! The leaves of conditions at run time.
//!
//! A value that is missing or unknown satisfies no comparison. `not in`, `!~` and `is not` are the complements of what
//! they negate, so such a value satisfies them; `!=` is a comparison of two values that are there.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::value::{expression, term};
use super::{Run, Truth};
use crate::pattern::PatternId;
use crate::plan::Term;
use crate::plan::test::{Each, Fold, Kind, Order, Test};
use crate::value::{Facts, Value};

impl<F: Facts> Run<'_, F> {
    pub(super) fn test(&mut self, index: usize) -> Truth {
        let (plan, facts) = (self.plan, self.facts);
        let Some(leaf) = plan.tests.get(index) else { return Truth::False };
        match &leaf.kind {
            Kind::True(of) => is(expression(of, facts), leaf, |value| value == Value::Bool(true)),
            Kind::State { of, mask } => match (term(of, facts), of) {
                (Value::Pending, Term::Slot(slot)) => self.waits_for(*slot),
                (value, _) => is(
                    value,
                    leaf,
                    |value| matches!(value, Value::State(state) if state < 32 && mask >> state & 1 == 1),
                ),
            },
            Kind::Missing(of) => is(expression(of, facts), leaf, |value| value == Value::Missing),
            Kind::Unknown(of) => is(expression(of, facts), leaf, |value| value == Value::Unknown),
            Kind::Present(of) => {
                is(expression(of, facts), leaf, |value| !matches!(value, Value::Missing | Value::Unknown))
            }
            Kind::Fqdn(of) => is(expression(of, facts), leaf, is_fqdn),
            Kind::Compare { left, order, fold, right } => {
                let right = expression(right, facts);
                if right == Value::Pending {
                    return Truth::Pending;
                }
                each(expression(left, facts), leaf, |value| compare(value, *order, right, *fold))
            }
            Kind::Begins { left, right, fold } => match expression(right, facts) {
                Value::Pending => Truth::Pending,
                Value::Text(beginning) => {
                    each(expression(left, facts), leaf, |value| begins(value, beginning, *fold))
                }
                _ => leaf.negated.into(),
            },
            Kind::In { left, list } => {
                each(expression(left, facts), leaf, |value| plan.list_has(*list, value, facts))
            }
            Kind::InMap { left, map } => {
                each(expression(left, facts), leaf, |value| plan.map_has(*map, value, facts))
            }
            Kind::Contains { left, needle } => each(
                expression(left, facts),
                leaf,
                |value| matches!(value, Value::Text(text) if memchr::memmem::find(text, needle).is_some()),
            ),
            Kind::Quad { left, quad } => each(expression(left, facts), leaf, |value| in_quad(value, *quad)),
            Kind::Match { scan, pattern } => self.matches(leaf, *scan, *pattern),
            Kind::Phrase { scan, range } => self.phrase(leaf, *scan, *range),
        }
    }

    fn matches(&mut self, leaf: &Test, scan: usize, pattern: PatternId) -> Truth {
        let (plan, facts) = (self.plan, self.facts);
        let (Some(of), Some(memory)) = (plan.scans.get(scan), self.scratch.scans.get_mut(scan)) else {
            return Truth::False;
        };
        match expression(&of.text, facts) {
            Value::Pending => Truth::Pending,
            // Which of several texts a pattern hit is not kept: these rarer questions ask each text.
            value @ Value::Texts(_) if leaf.negated || leaf.each == Each::All => each(
                value,
                leaf,
                |value| matches!(value, Value::Text(text) if of.set.matches(pattern, text, &mut memory.patterns)),
            ),
            value => {
                memory.refresh(&of.set, value);
                Truth::from(memory.patterns.hit(pattern) != leaf.negated)
            }
        }
    }

    fn phrase(&mut self, test: &Test, scan: usize, (first, end): (PatternId, PatternId)) -> Truth {
        let (plan, facts) = (self.plan, self.facts);
        let (Some(of), Some(memory)) = (plan.scans.get(scan), self.scratch.scans.get_mut(scan)) else {
            return Truth::False;
        };
        match expression(&of.text, facts) {
            Value::Pending => Truth::Pending,
            value => {
                memory.refresh(&of.set, value);
                Truth::from(memory.patterns.hit_any(first, end) != test.negated)
            }
        }
    }
}

impl super::scratch::Scan {
    /// Scans the text, or the texts, unless their hits are known.
    fn refresh(&mut self, set: &crate::pattern::Set, value: Value<'_>) {
        if self.fresh {
            return;
        }
        match value {
            Value::Text(text) => set.scan(text, &mut self.patterns),
            Value::Texts(texts) => {
                self.patterns.clear();
                for text in texts {
                    set.scan_more(text, &mut self.patterns);
                }
            }
            _ => self.patterns.clear(),
        }
        self.fresh = true;
    }
}

/// A question about the value itself.
fn is(value: Value<'_>, test: &Test, holds: impl Fn(Value<'_>) -> bool) -> Truth {
    if value == Value::Pending { Truth::Pending } else { Truth::from(holds(value) != test.negated) }
}

/// A comparison of the value, or of its elements when it has any.
fn each(value: Value<'_>, test: &Test, mut holds: impl FnMut(Value<'_>) -> bool) -> Truth {
    let mut element = |value: Value<'_>| holds(value) != test.negated;
    match (value, test.each) {
        (Value::Pending, _) => Truth::Pending,
        (Value::Missing | Value::Unknown, _) => test.negated.into(),
        (Value::Texts(texts), Each::Any) => texts.iter().any(|text| element(Value::Text(text))).into(),
        (Value::Ips(ips), Each::Any) => ips.iter().any(|ip| element(Value::Ip(*ip))).into(),
        (Value::Texts(texts), Each::All) => {
            (!texts.is_empty() && texts.iter().all(|text| element(Value::Text(text)))).into()
        }
        (Value::Ips(ips), Each::All) => {
            (!ips.is_empty() && ips.iter().all(|ip| element(Value::Ip(*ip)))).into()
        }
        (value, _) => element(value).into(),
    }
}

fn compare(left: Value<'_>, order: Order, right: Value<'_>, fold: Fold) -> bool {
    let found = match (left, right) {
        (Value::Text(left), Value::Text(right)) if matches!(order, Order::Eq | Order::Ne) => {
            return same_text(left, right, fold) == (order == Order::Eq);
        }
        (Value::Ip(left), Value::Ip(right)) => left.cmp(&right),
        (Value::Net(left, length), Value::Net(right, other)) => (left, length).cmp(&(right, other)),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(&right),
        (Value::Int(left), Value::Int(right)) | (Value::Time(left), Value::Time(right)) => left.cmp(&right),
        (Value::Score(left), Value::Score(right)) => left.cmp(&right),
        (Value::Duration(left), Value::Duration(right)) | (Value::Size(left), Value::Size(right)) => {
            left.cmp(&right)
        }
        _ => return false,
    };
    match order {
        Order::Eq => found == Ordering::Equal,
        Order::Ne => found != Ordering::Equal,
        Order::Lt => found == Ordering::Less,
        Order::Le => found != Ordering::Greater,
        Order::Gt => found == Ordering::Greater,
        Order::Ge => found != Ordering::Less,
    }
}

fn same_text(left: &[u8], right: &[u8], fold: Fold) -> bool {
    match fold {
        Fold::Exact => left == right,
        Fold::Domain => left.eq_ignore_ascii_case(right),
        Fold::Address => match (split(left), split(right)) {
            (Some((local, domain)), Some((other_local, other_domain))) => {
                local == other_local && domain.eq_ignore_ascii_case(other_domain)
            }
            _ => left == right,
        },
    }
}

/// A mailbox at its last `@`.
fn split(address: &[u8]) -> Option<(&[u8], &[u8])> {
    address.split_at_checked(memchr::memrchr(b'@', address)?)
}

fn begins(value: Value<'_>, beginning: &[u8], fold: Fold) -> bool {
    let Value::Text(text) = value else { return false };
    let Some(head) = text.get(..beginning.len()) else { return false };
    if fold == Fold::Exact { head == beginning } else { head.eq_ignore_ascii_case(beginning) }
}

fn in_quad(value: Value<'_>, quad: [(u8, u8); 4]) -> bool {
    let Value::Ip(ip) = value else { return false };
    let IpAddr::V4(ip) = ip.to_canonical() else { return false };
    ip.octets().iter().zip(quad).all(|(octet, (low, high))| (low..=high).contains(octet))
}

/// A name of at least two labels of letters, digits and inner hyphens (RFC 1123, 2.1; RFC 5321, 2.3.5).
fn is_fqdn(value: Value<'_>) -> bool {
    /// Octets of a name and of a label (RFC 1035, 2.3.4).
    const NAME_BYTES_MAX: usize = 253;
    const LABEL_BYTES_MAX: usize = 63;
    let Value::Text(name) = value else { return false };
    let label = |label: &[u8]| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
    };
    name.len() <= NAME_BYTES_MAX && name.contains(&b'.') && name.split(|byte| *byte == b'.').all(label)
}
