//! Values as texts, for replies, header lines and logs.
//!
//! What a peer wrote can end in a header line or a reply: CR, LF and NUL are dropped from every value, so that no value
//! begins a line of its own.

use std::io::Write;

use super::value::{expression, term};
use super::{RuleState, Scratch};
use crate::plan::{Arg, Expression, Operand, Plan, Term};
use crate::score::Score;
use crate::value::{Facts, Value};

impl Plan {
    /// Appends an operand as text. What is missing or pending is empty, what failed is `unknown`.
    pub fn render<F: Facts>(&self, operand: &Operand, facts: &F, scratch: &Scratch, out: &mut Vec<u8>) {
        match operand {
            Operand::Value(value) => self.render_value(value, facts, scratch, out),
            Operand::Template(values) => {
                for value in values {
                    self.render_value(value, facts, scratch, out);
                }
            }
            // The file's own text may break lines: a reply of several lines is the author's decision.
            Operand::Arg(Arg::Text(text)) => out.extend_from_slice(text.as_bytes()),
            Operand::Arg(_) | Operand::Statement(_) => show(self.operand(operand, facts), out),
        }
    }

    fn render_value<F: Facts>(&self, value: &Expression, facts: &F, scratch: &Scratch, out: &mut Vec<u8>) {
        match value {
            Expression::Score(group) => put(out, self.score(*group, facts, scratch)),
            Expression::Hits(group) => self.put_hits(*group, scratch, out),
            Expression::SpamStatus { group, required } => {
                let score = self.score(*group, facts, scratch);
                let answer = if score >= *required { "Yes" } else { "No" };
                put(out, format_args!("{answer}, score={score} required={required} tests=["));
                self.put_hits(*group, scratch, out);
                out.push(b']');
            }
            Expression::Told { spec, arguments } => {
                let Some((head, rest)) = arguments.split_first() else { return };
                facts.tell(*spec, term(head, facts), &mut rest.iter().filter_map(Term::slot), out);
            }
            Expression::Term(Term::Slot(slot)) => match (facts.answer(*slot), self.answer_of(*slot)) {
                (Value::State(state), Some(answer)) => {
                    let name = answer.states.get(usize::from(state)).map_or("unknown", |state| state.name);
                    out.extend_from_slice(name.as_bytes());
                }
                (other, _) => show(other, out),
            },
            Expression::Term(_) | Expression::Compute { .. } | Expression::Time { .. } => {
                show(expression(value, facts), out);
            }
        }
    }

    /// A group's score as it stands: rules that wait for lookups add nothing yet.
    pub fn score<F: Facts>(&self, group: usize, facts: &F, scratch: &Scratch) -> Score {
        self.score_so_far(group, facts, scratch)
    }

    /// The rules of a group that hit and count, in text order, with what each added.
    pub fn hits<'a>(
        &'a self,
        group: usize,
        scratch: &'a Scratch,
    ) -> impl Iterator<Item = (usize, Score)> + 'a {
        let rules = self.groups.get(group).map_or(&[][..], |spec| &spec.rules);
        rules.iter().copied().filter_map(|rule| {
            let weight = scratch.weight(rule).filter(|weight| !weight.off && !weight.shadow)?;
            (scratch.rule(rule) == RuleState::Hit).then_some((rule, weight.score?))
        })
    }

    fn put_hits(&self, group: usize, scratch: &Scratch, out: &mut Vec<u8>) {
        for (index, (rule, score)) in self.hits(group, scratch).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let name = self.rules.get(rule).map_or("", |spec| &spec.name);
            put(out, format_args!("{comma}{name}({score})"));
        }
    }
}

fn put(out: &mut Vec<u8>, what: impl std::fmt::Display) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{what}");
}

/// Appends a value as text.
pub fn show(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Missing | Value::Pending | Value::Message => {}
        Value::Unknown => put(out, "unknown"),
        Value::Bool(truth) => put(out, truth),
        Value::Int(number) => put(out, number),
        Value::Score(score) => put(out, score),
        Value::Duration(milliseconds) if milliseconds.is_multiple_of(1000) => {
            put(out, format_args!("{}s", milliseconds / 1000));
        }
        Value::Duration(milliseconds) => put(out, format_args!("{milliseconds}ms")),
        Value::Size(bytes) => put(out, bytes),
        Value::Time(seconds) => show_time(seconds, out),
        Value::Ip(ip) => put(out, ip),
        Value::Net(ip, length) => put(out, format_args!("{ip}/{length}")),
        Value::Text(text) => show_text(text, out),
        Value::Texts(texts) => {
            for (index, text) in texts.iter().enumerate() {
                out.extend_from_slice(if index == 0 { b"" } else { b", " });
                show_text(text, out);
            }
        }
        Value::Ips(ips) => {
            for (index, ip) in ips.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                put(out, format_args!("{comma}{ip}"));
            }
        }
        Value::State(state) => put(out, state),
    }
}

fn show_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().filter(|byte| !matches!(**byte, b'\r' | b'\n' | 0)));
}

/// As RFC 3339 writes it, in UTC.
fn show_time(seconds: i64, out: &mut Vec<u8>) {
    const DAY_SECONDS: i64 = 86_400;
    let (days, rest) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    // Days since 1 March of year 0, so that the leap day is the last of its year; 400 years have 146,097 days.
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year_of_era + era * 400 + next_year;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    put(out, format_args!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            let mut out = Vec::new();
            show(Value::Time(seconds), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), shown);
        }
    }

    #[test]
    fn a_value_begins_no_line() {
        let mut out = Vec::new();
        show(Value::Text(b"a\r\nX-Forged: \0b"), &mut out);
        assert_eq!(out, b"aX-Forged: b");
    }
}
