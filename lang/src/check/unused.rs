//! Warnings of facts that nothing uses.

use super::Checker;
use super::names::Symbol;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::scheme::{Form, Kind, Part, Scheme};
use crate::source::Span;

impl Checker<'_> {
    pub(super) fn warn_of_unused(&mut self) {
        let mut unused: Vec<(Span, String)> = Vec::new();
        for (index, list) in self.names.lists.iter().enumerate() {
            if !self.used.contains(&Symbol::List(index)) {
                unused.push((list.name.span, format!("list `{}`", list.name.text)));
            }
        }
        for (index, map) in self.names.maps.iter().enumerate() {
            if !self.used.contains(&Symbol::Map(index)) {
                unused.push((map.name.span, format!("map `{}`", map.name.text)));
            }
        }
        for (index, item) in self.names.declarations.iter().enumerate() {
            let callable = self.call_spec(Symbol::Declared(index)).is_some();
            let useful = callable || is_named_by(self.scheme, &item.kind.text);
            if useful && !self.used.contains(&Symbol::Declared(index)) {
                unused.push((item.name.span, format!("{} `{}`", item.kind.text, item.name.text)));
            }
        }
        for (index, rule) in self.names.rules.iter().enumerate() {
            // A rule with a weight is used by its group; a shadow rule is there to be watched.
            let signal = rule.weight.is_none() && !rule.shadow;
            if signal && !self.used.contains(&Symbol::Rule(index)) {
                unused.push((rule.name.span, format!("rule `{}`", rule.name.text)));
            }
        }
        for (index, group) in self.names.groups.iter().enumerate() {
            if !self.used.contains(&Symbol::Group(index)) {
                unused.push((group.name.span, format!("group `{}`", group.name.text)));
            }
        }
        for (index, check) in self.names.checks.iter().enumerate() {
            if !self.used.contains(&Symbol::Check(index)) {
                unused.push((check.name.span, format!("check `{}`", check.name.text)));
            }
        }
        for (place, what) in unused {
            self.fault(Diagnostic::new(&meaning::UNUSED, place, format!("{what} is never used")));
        }
    }
}

/// Whether a verb or setting can name a thing of this kind, so that one that none names is of no use.
fn is_named_by(scheme: &Scheme, kind: &str) -> bool {
    let verbs = scheme.verbs.iter().map(|verb| &verb.form);
    let settings = scheme.kinds.iter().flat_map(|kind| kind.settings).map(|setting| &setting.form);
    verbs.chain(settings).any(|form: &Form| names(form.parts, kind))
}

fn names(parts: &[Part], kind: &str) -> bool {
    parts.iter().any(|part| match part {
        Part::Value(Kind::Name(named)) => *named == kind,
        Part::Maybe(inner) | Part::Repeat(inner) => names(inner, kind),
        Part::OneOf(choices) | Part::AnyOrder(choices) => choices.iter().any(|inner| names(inner, kind)),
        _ => false,
    })
}
