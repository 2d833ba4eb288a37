//! `in`, `~` and `has`: values in lists, maps, networks and patterns.

use super::compare::Written;
use super::names::Symbol;
use super::typed::{Typed, element, is_textual};
use super::{Checker, dotted};
use crate::ast::{Expr, ExprKind, Literal, Op, Quantifier};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::hir::{self, Condition};
use crate::list::{List, Of};
use crate::pattern;
use crate::plan::test::{Each, Kind};
use crate::plan::{ListSpec, Origin};
use crate::scheme::Type;
use crate::source::Span;

impl<'a> Checker<'a> {
    pub(super) fn is_in(&mut self, typed: Typed, written: Written<'a>) -> Option<Condition> {
        let right = written.right;
        match &right.kind {
            ExprKind::Path(path) => {
                let name = path.first().filter(|_| path.len() == 1);
                let symbol = name.and_then(|name| self.names.find(&name.text));
                match symbol {
                    Some((symbol @ Symbol::List(list), _)) => {
                        self.used.insert(symbol);
                        self.in_list(typed, list, written)
                    }
                    Some((symbol @ Symbol::Map(map), _)) => {
                        self.used.insert(symbol);
                        self.in_map(typed, map, written)
                    }
                    Some((other, place)) => {
                        let kind = self.kind_of(other);
                        let fault = Diagnostic::new(
                            &meaning::TYPE,
                            right.span,
                            format!("the {kind} `{}` is no list", dotted(path)),
                        )
                        .with_label("expected a list or a map")
                        .with_related(place, "defined here");
                        self.fault(fault);
                        None
                    }
                    None => {
                        let name = dotted(path);
                        let lists =
                            self.names.like(|symbol| matches!(symbol, Symbol::List(_) | Symbol::Map(_)));
                        let fault = Diagnostic::new(
                            &meaning::UNKNOWN_NAME,
                            right.span,
                            format!("no list or map is called `{name}`"),
                        );
                        let fault = self.suggest(fault, &name, lists);
                        self.fault(fault);
                        None
                    }
                }
            }
            ExprKind::List(items) => self.in_items(typed, items, written),
            ExprKind::Literal(Literal::Net(..) | Literal::Ip(_)) => {
                self.in_items(typed, std::slice::from_ref(right), written)
            }
            _ => {
                let fault = Diagnostic::new(&meaning::TYPE, right.span, "expected a list")
                    .with_label("a name of a list, `[ ... ]` or a network");
                self.fault(fault);
                None
            }
        }
    }

    fn in_list(&mut self, typed: Typed, list: usize, written: Written<'a>) -> Option<Condition> {
        let of = self.lists.get(list).and_then(|list| Of::named(&list.spec.of))?;
        if of == Of::Phrase {
            return self.no_operator(&typed, written, "phrases are looked for in a text: write `has`");
        }
        self.fits_list(of, &typed, written)?;
        Some(written.test(Kind::In { left: typed.value, list }))
    }

    /// Whether a value can be in a list of such entries.
    fn fits_list(&mut self, of: Of, typed: &Typed, written: Written<'a>) -> Option<()> {
        let ty = element(typed.ty);
        let fits = match of {
            Of::Net => matches!(ty, Type::Ip | Type::Net),
            Of::Domain => matches!(ty, Type::Domain | Type::Text),
            Of::Address => matches!(ty, Type::Address | Type::Text),
            Of::Text | Of::Pattern | Of::Phrase => is_textual(ty),
        };
        if fits {
            return Some(());
        }
        let left = self.set.sources.text(written.left.span);
        let fault = Diagnostic::new(
            &meaning::TYPE,
            written.right.span,
            format!("a value of type {} is never in a list of {}", typed.ty.name(), of.name()),
        )
        .with_label(format!("a list of {}", of.name()))
        .with_related(written.left.span, format!("this is of type {}", typed.ty.name()));
        let fault = match (of, ty) {
            (Of::Domain, Type::Address) => fault.with_help(format!("ask for its domain: `{left}.domain`")),
            _ => fault,
        };
        self.fault(fault);
        None
    }

    fn in_map(&mut self, typed: Typed, map: usize, written: Written<'a>) -> Option<Condition> {
        let key = self.maps.get(map).and_then(|map| super::declare::list_of(map.spec.key))?;
        self.fits_list(key, &typed, written)?;
        Some(written.test(Kind::InMap { left: typed.value, map }))
    }

    /// A list written in place: one without a name.
    fn in_items(&mut self, typed: Typed, items: &'a [Expr], written: Written<'a>) -> Option<Condition> {
        let ty = element(typed.ty);
        if matches!(ty, Type::Int | Type::Score | Type::Size | Type::Duration) && ty == typed.ty {
            return self.in_numbers(&typed, items, written);
        }
        let Some(of) = super::declare::list_of(ty) else {
            return self.no_operator(&typed, written, "");
        };
        let list = self.list_in_place(of, items, written.right.span)?;
        Some(written.test(Kind::In { left: typed.value, list }))
    }

    fn list_in_place(&mut self, of: Of, items: &'a [Expr], span: Span) -> Option<usize> {
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            texts.push((self.entry(of, item)?, item.span));
        }
        let entries = match List::from_entries(of, texts.iter().map(|(text, _)| text.as_str())) {
            Ok(entries) => entries,
            Err(faults) => {
                for fault in faults {
                    let place = texts.get(fault.line - 1).map_or(span, |(_, place)| *place);
                    self.report(&meaning::ENTRY, place, fault.message, "");
                }
                return None;
            }
        };
        let spec = ListSpec {
            name: String::new(),
            of: of.name().to_owned(),
            origin: Origin::Inline,
            location: self.set.sources.location(span),
        };
        self.lists.push(hir::List { spec, entries });
        Some(self.lists.len() - 1)
    }

    pub(super) fn is_like(&mut self, typed: &Typed, written: Written<'a>) -> Option<Condition> {
        if !is_textual(element(typed.ty)) {
            return self.no_operator(typed, written, "patterns look at texts");
        }
        let ExprKind::Literal(Literal::Regex(regex)) = &written.right.kind else {
            let fault = Diagnostic::new(&meaning::TYPE, written.right.span, "expected a pattern")
                .with_label("a pattern stands between slashes")
                .with_help("write `~ /.../`; a list of texts is asked with `in`, one of phrases with `has`");
            self.fault(fault);
            return None;
        };
        let scan = self.scan(typed);
        let added = self.scans.get_mut(scan).map(|scan| scan.patterns.add_regex(regex))?;
        match added {
            Ok(pattern) => Some(written.test(Kind::Match { scan, pattern })),
            Err(error) => {
                self.bad_pattern(&error, written.right.span);
                None
            }
        }
    }

    fn bad_pattern(&mut self, error: &pattern::PatternError, span: Span) {
        // Behind the opening slash; a pattern with escaped slashes keeps the caret on the whole.
        let place = error.offset().and_then(|offset| u32::try_from(offset).ok()).map(|offset| {
            let start = span.start.saturating_add(1).saturating_add(offset);
            Span { start, end: start.saturating_add(1), ..span }
        });
        let place = place.filter(|place| place.end < span.end).unwrap_or(span);
        self.report(&meaning::PATTERN, place, error.to_string(), "");
    }

    /// All patterns that look at one value are one set.
    fn scan(&mut self, typed: &Typed) -> usize {
        if let Some(scan) = self.scan_index.get(&typed.value) {
            return *scan;
        }
        let scan = self.scans.len();
        self.scans.push(hir::Scan {
            text: typed.value.clone(),
            since: typed.since.phase,
            patterns: pattern::Builder::new(),
        });
        self.scan_index.insert(typed.value.clone(), scan);
        scan
    }

    /// `has` and `has only`.
    pub(super) fn has(&mut self, typed: Typed, written: Written<'a>) -> Option<Condition> {
        if let Some(list) = self.list_name(written.right) {
            let of = self.lists.get(list).and_then(|list| Of::named(&list.spec.of))?;
            return match (of, written.op) {
                (Of::Phrase, Op::Has) => self.has_phrase(&typed, list, written),
                (Of::Phrase, _) => self.no_operator(&typed, written, "phrases are asked with `has`"),
                _ => self.has_element(typed, list, written),
            };
        }
        let is_list = matches!(typed.ty, Type::List(_));
        match &written.right.kind {
            ExprKind::Literal(Literal::Text(pieces)) if typed.ty == Type::Text && written.op == Op::Has => {
                let text = self.plain_text(pieces, written.right.span, "what is looked for")?;
                if text.is_empty() {
                    self.report(&meaning::TYPE, written.right.span, "every text has the empty text", "");
                    return None;
                }
                let needle = text.into_bytes().into();
                Some(written.test(Kind::Contains { left: typed.value, needle }))
            }
            ExprKind::Literal(_) if is_list => {
                self.has_items(typed, std::slice::from_ref(written.right), written)
            }
            ExprKind::List(items) if is_list => self.has_items(typed, items, written),
            ExprKind::Path(_) => {
                // Reports the name, or that it is no list.
                self.is_in(typed, Written { op: Op::In, ..written })
            }
            _ => self.no_operator(
                &typed,
                written,
                "`has` asks a list for a value, or a text for a text or for a list of phrases",
            ),
        }
    }

    fn has_items(&mut self, typed: Typed, items: &'a [Expr], written: Written<'a>) -> Option<Condition> {
        let Some(of) = super::declare::list_of(element(typed.ty)) else {
            return self.no_operator(&typed, written, "");
        };
        let list = self.list_in_place(of, items, written.right.span)?;
        self.has_element(typed, list, written)
    }

    fn has_element(&mut self, typed: Typed, list: usize, written: Written<'a>) -> Option<Condition> {
        let of = self.lists.get(list).and_then(|list| Of::named(&list.spec.of))?;
        if !matches!(typed.ty, Type::List(_)) {
            return self.no_operator(&typed, written, "one value is asked with `in`");
        }
        if written.quantifier.is_some() {
            let text = self.set.sources.text(written.left.span);
            let fault = Diagnostic::new(
                &meaning::QUANTIFIER,
                written.left.span,
                "`has` and `has only` say themselves how many",
            )
            .with_help(format!("write `{text} has` or `{text} has only`"));
            self.fault(fault);
            return None;
        }
        self.fits_list(of, &typed, written)?;
        let only = written.op == Op::HasOnly;
        let written = Written { quantifier: only.then_some(Quantifier::All), op: Op::In, ..written };
        Some(written.test(Kind::In { left: typed.value, list }))
    }

    fn has_phrase(&mut self, typed: &Typed, list: usize, written: Written<'a>) -> Option<Condition> {
        if !is_textual(element(typed.ty)) {
            return self.no_operator(typed, written, "phrases are looked for in texts");
        }
        let scan = self.scan(typed);
        let List::Phrase(phrases) = &self.lists.get(list)?.entries else { return None };
        let added = self.scans.get_mut(scan).map(|scan| phrases.add_to(&mut scan.patterns))?;
        match added {
            Ok(range) => {
                let kind = Kind::Phrase { scan, range };
                Some(Condition::Test(crate::plan::test::Test { each: Each::Any, negated: false, kind }))
            }
            Err(error) => {
                self.bad_pattern(&error, written.right.span);
                None
            }
        }
    }

    /// The list that a single name stands for.
    fn list_name(&mut self, expr: &Expr) -> Option<usize> {
        let ExprKind::Path(path) = &expr.kind else { return None };
        let [name] = path.as_slice() else { return None };
        match self.names.find(&name.text) {
            Some((symbol @ Symbol::List(list), _)) => {
                self.used.insert(symbol);
                Some(list)
            }
            _ => None,
        }
    }
}
