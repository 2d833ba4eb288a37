//! The names of a set. Lists, maps, groups, declarations, rules and checks share one space of names.

use std::collections::HashMap;

use super::Checker;
use crate::ast::{self, Item};
use crate::builtins;
use crate::diagnostic::codes::meaning;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::source::Span;

/// What a name stands for: its kind, and its index among those of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Symbol {
    List(usize),
    Map(usize),
    Group(usize),
    Declared(usize),
    Rule(usize),
    Check(usize),
}

impl Symbol {
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Group(_) => "group",
            Self::Declared(_) => "declaration",
            Self::Rule(_) => "rule",
            Self::Check(_) => "check",
        }
    }
}

/// All names, and the items by kind in text order.
#[derive(Default)]
pub(super) struct Names<'a> {
    known: HashMap<&'a str, (Symbol, Span)>,
    pub(super) lists: Vec<&'a ast::List>,
    pub(super) maps: Vec<&'a ast::Map>,
    pub(super) groups: Vec<&'a ast::Declaration>,
    pub(super) declarations: Vec<&'a ast::Declaration>,
    pub(super) rules: Vec<&'a ast::Rule>,
    pub(super) checks: Vec<&'a ast::Check>,
}

impl<'a> Names<'a> {
    pub(super) fn find(&self, name: &str) -> Option<(Symbol, Span)> {
        self.known.get(name).copied()
    }

    /// The names for which `fits`, in order of the alphabet so that messages are the same every time.
    pub(super) fn like(&self, fits: impl Fn(Symbol) -> bool) -> Vec<&'a str> {
        let mut names: Vec<&str> =
            self.known.iter().filter(|(_, (symbol, _))| fits(*symbol)).map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    }
}

impl<'a> Checker<'a> {
    /// Binds every name of the set.
    pub(super) fn gather_names(&mut self) {
        for item in self.items() {
            match item {
                Item::List(list) => {
                    let symbol = Symbol::List(self.names.lists.len());
                    self.names.lists.push(list);
                    self.bind(&list.name, symbol);
                }
                Item::Map(map) => {
                    let symbol = Symbol::Map(self.names.maps.len());
                    self.names.maps.push(map);
                    self.bind(&map.name, symbol);
                }
                Item::Declaration(group) if group.kind.text == "group" => {
                    let symbol = Symbol::Group(self.names.groups.len());
                    self.names.groups.push(group);
                    self.bind(&group.name, symbol);
                }
                Item::Declaration(declaration) => {
                    let symbol = Symbol::Declared(self.names.declarations.len());
                    self.names.declarations.push(declaration);
                    self.bind(&declaration.name, symbol);
                }
                Item::Rule(rule) => {
                    let symbol = Symbol::Rule(self.names.rules.len());
                    self.names.rules.push(rule);
                    self.bind(&rule.name, symbol);
                }
                Item::Check(check) => {
                    let symbol = Symbol::Check(self.names.checks.len());
                    self.names.checks.push(check);
                    self.bind(&check.name, symbol);
                }
                Item::Use(_) | Item::Scores(_) | Item::Phase(_) | Item::Test(_) => {}
            }
        }
    }

    fn bind(&mut self, name: &'a ast::Name, symbol: Symbol) {
        if let Some(taken) = self.taken(&name.text) {
            let fault = Diagnostic::new(&meaning::TWICE, name.span, format!("`{}` is a {taken}", name.text))
                .with_label("the name is taken")
                .with_help("choose another name");
            self.fault(fault);
        }
        if let Some((other, before)) = self.names.known.get(name.text.as_str()).copied() {
            let fault =
                Diagnostic::new(&meaning::TWICE, name.span, format!("`{}` is defined twice", name.text))
                    .with_label("defined again here")
                    .with_related(before, format!("first defined here, as a {}", other.kind()));
            self.fault(fault);
            self.used.insert(symbol);
            return;
        }
        self.names.known.insert(&name.text, (symbol, name.span));
    }

    /// What a name already means on its own.
    pub(super) fn taken(&self, name: &str) -> Option<&'static str> {
        if builtins::ALL.iter().any(|builtin| builtin.name == name) {
            Some("word of the language")
        } else if self.scheme.fields.iter().any(|field| field.name == name) {
            Some("field")
        } else if self.scheme.functions.iter().any(|function| function.name == name)
            || self.scheme.texts.iter().any(|text| text.name == name)
        {
            Some("function")
        } else {
            None
        }
    }

    /// A name of one kind; a fault when there is none.
    pub(super) fn named(&mut self, name: &ast::Name, kind: &str) -> Option<Symbol> {
        match self.names.find(&name.text) {
            Some((symbol, _)) if self.is_a(symbol, kind) => {
                self.used.insert(symbol);
                Some(symbol)
            }
            Some((symbol, span)) => {
                let fault =
                    Diagnostic::new(&meaning::TYPE, name.span, format!("`{}` is no {kind}", name.text))
                        .with_label(format!("expected the name of a {kind}"))
                        .with_related(span, format!("it is a {}, defined here", self.kind_of(symbol)));
                self.fault(fault);
                None
            }
            None => {
                let near = self.names.like(|symbol| self.is_a(symbol, kind));
                let fault = Diagnostic::new(
                    &meaning::UNKNOWN_NAME,
                    name.span,
                    format!("no {kind} is called `{}`", name.text),
                );
                let fault = self.suggest(fault, &name.text, near);
                self.fault(fault);
                None
            }
        }
    }

    pub(super) fn is_a(&self, symbol: Symbol, kind: &str) -> bool {
        self.kind_of(symbol) == kind
    }

    /// `list`, `pool`, `rule` and so on.
    pub(super) fn kind_of(&self, symbol: Symbol) -> &'a str {
        match symbol {
            Symbol::Declared(index) => {
                self.names.declarations.get(index).map_or("declaration", |item| &item.kind.text)
            }
            other => other.kind(),
        }
    }

    /// Adds a did-you-mean line, with the place of the name that is meant.
    pub(super) fn suggest<'n>(
        &self,
        fault: Diagnostic,
        word: &str,
        near: impl IntoIterator<Item = &'n str>,
    ) -> Diagnostic {
        let Some(name) = did_you_mean(word, near) else { return fault };
        match self.names.find(name) {
            Some((_, span)) => {
                let place = self.set.sources.location(span);
                fault.with_help(format!("did you mean `{name}` ({place})?"))
            }
            None => fault.with_help(format!("did you mean `{name}`?")),
        }
    }
}
