//! Members of answers, and the table of slots.

use super::typed::{Since, Typed};
use super::{Checker, SLOTS_MAX};
use crate::ast::Name;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::hir;
use crate::plan::{Expression, SlotSpec, Term};
use crate::scheme::AnswerSpec;
use crate::source::Span;
use crate::value::Slot;

impl Checker<'_> {
    /// A value's member, as in `virus.name`; the value itself when there are no members.
    pub(super) fn members(&mut self, typed: Typed, members: &[Name]) -> Option<Typed> {
        let Some((member, rest)) = members.split_first() else { return Some(typed) };
        let (Some(answer), Expression::Term(Term::Slot(slot))) = (typed.answer(), &typed.value) else {
            let fault = Diagnostic::new(
                &meaning::MEMBER,
                member.span,
                format!("a value of type {} has no members", typed.ty.name()),
            )
            .with_label(format!("there is no `.{}`", member.text));
            self.fault(fault);
            return None;
        };
        let Some(index) = answer.members.iter().position(|known| known.name == member.text) else {
            let names = answer.members.iter().map(|known| known.name);
            let fault = Diagnostic::new(
                &meaning::MEMBER,
                member.span,
                format!("this answer has no member `{}`", member.text),
            )
            .with_label(match answer.members {
                [] => String::from("it has no members"),
                _ => format!("it has {}", quoted(names.clone())),
            });
            let fault = self.suggest(fault, &member.text, names);
            self.fault(fault);
            return None;
        };
        let ty = answer.members.get(index)?.ty;
        let value = Expression::Term(Term::Member { slot: *slot, member: index });
        // What a lookup says comes from elsewhere: it is as little to be trusted as what a peer says.
        let typed = Typed { value, ty, since: typed.since, tainted: true, gathered: true, literal: false };
        self.members(typed, rest)
    }

    /// The slot of a lookup or field: the same one for the same question.
    pub(super) fn slot(
        &mut self,
        spec: SlotSpec,
        answer: Option<&'static AnswerSpec>,
        since: Since,
        span: Span,
    ) -> Slot {
        let key = (spec.target, spec.arguments.clone(), spec.name.clone());
        if let Some(slot) = self.slot_index.get(&key) {
            return *slot;
        }
        if self.slots.len() == SLOTS_MAX {
            let fault = Diagnostic::new(
                &meaning::TOO_LARGE,
                span,
                format!("the set has more than {SLOTS_MAX} different lookups and gathered fields"),
            );
            self.fault(fault);
        }
        let slot = Slot(u16::try_from(self.slots.len()).unwrap_or(u16::MAX));
        self.slots.push(hir::Slot { spec, answer });
        self.slot_since.push(since);
        self.slot_index.insert(key, slot);
        slot
    }
}

/// "`a`, `b` and `c`"
pub(super) fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    joined(names, "and")
}

/// "`a`, `b` or `c`"
pub(super) fn either<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    joined(names, "or")
}

fn joined<'n>(names: impl IntoIterator<Item = &'n str>, word: &str) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
        None => String::from("none"),
    }
}
