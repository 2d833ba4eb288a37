//! Lists, maps, groups and declarations.

use super::Checker;
use super::settings::Body;
use crate::ast::{self, Entries, Expr, ExprKind, Literal, Quoted};
use crate::builtins;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::hir;
use crate::list::{Fault, List, Map, Of};
use crate::plan::{Arg, Declared, GroupSpec, ListSpec, MapSpec, Origin, Setting};
use crate::scheme::Type;
use crate::score::Score;
use crate::source::{FileId, Span};

/// Names of types of lists, for messages.
const LIST_TYPES: [Of; 6] = [Of::Net, Of::Domain, Of::Address, Of::Text, Of::Pattern, Of::Phrase];

/// Types of the keys of maps.
const KEY_TYPES: [Of; 4] = [Of::Net, Of::Domain, Of::Address, Of::Text];

/// The list in which values of a type are found.
pub(super) fn list_of(ty: Type) -> Option<Of> {
    match ty {
        Type::Ip | Type::Net => Some(Of::Net),
        Type::Domain => Some(Of::Domain),
        Type::Address => Some(Of::Address),
        Type::Text => Some(Of::Text),
        _ => None,
    }
}

impl<'a> Checker<'a> {
    pub(super) fn check_lists(&mut self) {
        for list in self.names.lists.clone() {
            let of = self.list_type(&list.of, &LIST_TYPES);
            let entries = match (&list.entries, of) {
                (Entries::Inline(items), Some(of)) => self.inline_list(of, items),
                (Entries::File(quoted), Some(of)) => self.read_file(quoted, |text| List::from_file(of, text)),
                (_, None) => None,
            };
            let of = of.unwrap_or(Of::Text);
            let spec = ListSpec {
                name: list.name.text.clone(),
                of: of.name().to_owned(),
                origin: self.origin(&list.entries),
                location: self.set.sources.location(list.name.span),
            };
            // After a fault an empty one stands in, so that every list keeps its index.
            let empty = || List::from_entries(of, []).ok();
            if let Some(entries) = entries.or_else(empty) {
                self.lists.push(hir::List { spec, entries });
            }
        }
        for map in self.names.maps.clone() {
            self.check_map(map);
        }
    }

    fn check_map(&mut self, map: &'a ast::Map) {
        let key = self.list_type(&map.key, &KEY_TYPES);
        if map.value.text != "text" {
            let fault = Diagnostic::new(
                &meaning::LIST_TYPE,
                map.value.span,
                format!("the values of a map cannot be of type `{}`", map.value.text),
            )
            .with_label("expected `text`");
            self.fault(fault);
        }
        let entries = match (&map.entries, key) {
            (Entries::Inline(items), Some(key)) => self.inline_map(key, items),
            (Entries::File(quoted), Some(key)) => self.read_file(quoted, |text| Map::from_file(key, text)),
            (_, None) => None,
        };
        let key = key.unwrap_or(Of::Text);
        let spec = MapSpec {
            name: map.name.text.clone(),
            key: match key {
                Of::Net => Type::Net,
                Of::Domain => Type::Domain,
                Of::Address => Type::Address,
                _ => Type::Text,
            },
            value: Type::Text,
            origin: self.origin(&map.entries),
            location: self.set.sources.location(map.name.span),
        };
        if let Some(entries) = entries.or_else(|| Map::from_entries(key, []).ok()) {
            self.maps.push(hir::Map { spec, entries });
        }
    }

    fn list_type(&mut self, name: &ast::Name, types: &[Of]) -> Option<Of> {
        let found = Of::named(&name.text).filter(|of| types.contains(of));
        if found.is_none() {
            let names = types.iter().map(|of| of.name());
            let fault = Diagnostic::new(
                &meaning::LIST_TYPE,
                name.span,
                format!("`{}` is not what lists or keys of maps are made of", name.text),
            )
            .with_label(format!("expected {}", super::member::either(names.clone())));
            let fault = self.suggest(fault, &name.text, names);
            self.fault(fault);
        }
        found
    }

    fn origin(&self, entries: &Entries) -> Origin {
        match entries {
            Entries::Inline(_) => Origin::Inline,
            Entries::File(quoted) => {
                let file = self.set.attached(quoted).first().and_then(|file| self.set.sources.file(*file));
                Origin::File(file.map_or_else(|| quoted.text.clone(), |file| file.name.clone()))
            }
        }
    }

    fn inline_list(&mut self, of: Of, items: &'a [(Expr, Option<Expr>)]) -> Option<List> {
        let mut texts = Vec::with_capacity(items.len());
        for (item, _) in items {
            texts.push((self.entry(of, item)?, item.span));
        }
        let list = List::from_entries(of, texts.iter().map(|(text, _)| text.as_str()));
        list.map_err(|faults| self.bad_entries(&faults, &texts)).ok()
    }

    fn inline_map(&mut self, key: Of, items: &'a [(Expr, Option<Expr>)]) -> Option<Map> {
        let (mut keys, mut values) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
        for (item, value) in items {
            keys.push((self.entry(key, item)?, item.span));
            values.push(self.entry(Of::Text, value.as_ref()?)?);
        }
        let pairs = keys.iter().zip(&values).map(|((key, _), value)| (key.as_str(), value.as_str()));
        let map = Map::from_entries(key, pairs);
        map.map_err(|faults| self.bad_entries(&faults, &keys)).ok()
    }

    fn bad_entries(&mut self, faults: &[Fault], places: &[(String, Span)]) {
        for fault in faults {
            if let Some((_, place)) = places.get(fault.line.saturating_sub(1)) {
                self.report(&meaning::ENTRY, *place, fault.message.clone(), "");
            }
        }
    }

    /// An entry written in place, as the line of a file would have it.
    pub(super) fn entry(&mut self, of: Of, expr: &'a Expr) -> Option<String> {
        let expected = match (&expr.kind, of) {
            (ExprKind::Literal(Literal::Ip(ip)), Of::Net) => return Some(ip.to_string()),
            (ExprKind::Literal(Literal::Net(ip, length)), Of::Net) => return Some(format!("{ip}/{length}")),
            (ExprKind::Literal(Literal::Text(pieces)), _) => {
                return self.plain_text(pieces, expr.span, "an entry of a list");
            }
            (_, Of::Net) => "expected an address or a network",
            _ => "expected a text in quotes",
        };
        let message = format!("this is no entry of a list of {}", of.name());
        self.report(&meaning::ENTRY, expr.span, message, expected);
        None
    }

    /// The entries of the files that a text names; nothing when they could not be read, which was reported.
    fn read_file<T>(&mut self, quoted: &Quoted, read: impl Fn(&str) -> Result<T, Vec<Fault>>) -> Option<T> {
        let files = self.set.attached(quoted).to_vec();
        let texts: Vec<&str> = files
            .iter()
            .filter_map(|file| self.set.sources.file(*file))
            .map(|file| file.text.as_str())
            .collect();
        let read_all = match texts.as_slice() {
            [] => return None,
            [text] => read(text),
            several => read(&several.join("\n")),
        };
        match read_all {
            Ok(entries) => Some(entries),
            Err(faults) => {
                for fault in faults {
                    let Some(place) = self.line(&files, fault.line) else { continue };
                    if self.set.diagnostics.iter().any(|known| known.span == place) {
                        continue;
                    }
                    self.report(&meaning::ENTRY, place, fault.message, "");
                }
                None
            }
        }
    }

    /// The line with this number, counted through several files; the carets go under all of it.
    fn line(&self, files: &[FileId], number: usize) -> Option<Span> {
        let mut left = number.checked_sub(1)?;
        for file in files {
            let text = &self.set.sources.file(*file)?.text;
            let mut start = 0;
            for line in text.split('\n') {
                if left == 0 {
                    let end = start + line.trim_end().len();
                    let place = |at: usize| u32::try_from(at).ok();
                    return Some(Span { file: *file, start: place(start)?, end: place(end)? });
                }
                left -= 1;
                start += line.len() + 1;
            }
        }
        None
    }

    pub(super) fn check_groups(&mut self) {
        for group in self.names.groups.clone() {
            if let Some(sort) = &group.sort {
                self.report(&meaning::SORT, sort.span, "groups have no sorts", "take `: ...` away");
            }
            let body = Body { what: "group", settings: builtins::GROUP, span: group.name.span };
            let settings = self.settings(&group.body, &body);
            let find = |word: &str| settings.iter().find(|setting| setting.word == word);
            let score = |setting: &Setting| {
                setting
                    .args
                    .iter()
                    .find_map(|arg| if let Arg::Score(score) = arg { Some(*score) } else { None })
            };
            let deadline = find("deadline").and_then(|setting| match setting.args.as_slice() {
                [Arg::Duration(milliseconds)] => Some(*milliseconds),
                _ => None,
            });
            let spec = GroupSpec {
                name: group.name.text.clone(),
                deadline,
                cap: find("cap").and_then(score),
                failed_counts: find("failed_lookup").and_then(score).unwrap_or(Score::ZERO),
                rules: Vec::new(),
                location: self.set.sources.location(group.name.span),
            };
            self.groups.push(spec);
        }
    }

    /// The entry of the scheme for a declaration.
    pub(super) fn kind_index(&self, item: &ast::Declaration) -> Option<usize> {
        let sort = item.sort.as_ref().map(|sort| sort.text.as_str());
        self.scheme.kinds.iter().position(|kind| kind.name == item.kind.text && kind.sort == sort)
    }

    pub(super) fn check_declarations(&mut self) {
        for item in self.names.declarations.clone() {
            let Some(kind) = self.kind_index(item) else {
                self.unknown_kind(item);
                // Keeps the indices; the set is not loaded.
                self.declared(item, 0, Vec::new());
                continue;
            };
            let settings = self.scheme.kinds.get(kind).map_or(&[][..], |kind| kind.settings);
            let body = Body { what: &item.kind.text, settings, span: item.name.span };
            let settings = self.settings(&item.body, &body);
            self.declared(item, kind, settings);
        }
    }

    fn declared(&mut self, item: &ast::Declaration, kind: usize, settings: Vec<Setting>) {
        self.declarations.push(Declared {
            kind,
            name: item.name.text.clone(),
            sort: item.sort.as_ref().map(|sort| sort.text.clone()),
            settings,
            location: self.set.sources.location(item.name.span),
        });
    }

    fn unknown_kind(&mut self, item: &ast::Declaration) {
        let sorts: Vec<&str> = self
            .scheme
            .kinds
            .iter()
            .filter(|kind| kind.name == item.kind.text)
            .filter_map(|kind| kind.sort)
            .collect();
        let known = self.scheme.kinds.iter().any(|kind| kind.name == item.kind.text);
        let fault = match &item.sort {
            Some(sort) if known => {
                let message = format!("there is no {} of the sort `{}`", item.kind.text, sort.text);
                let fault = Diagnostic::new(&meaning::SORT, sort.span, message);
                let fault = fault.with_label(match sorts.as_slice() {
                    [] => String::from("it has no sorts"),
                    names => format!("known is {}", super::member::quoted(names.iter().copied())),
                });
                self.suggest(fault, &sort.text, sorts)
            }
            None if known => {
                let message = format!("a {} has a sort", item.kind.text);
                let first = sorts.first().copied().unwrap_or("SORT");
                Diagnostic::new(&meaning::SORT, item.name.span, message)
                    .with_help(format!("write `{} {} : {first} {{ ... }}`", item.kind.text, item.name.text))
            }
            _ => {
                let message = format!("`{}` is nothing that can be declared", item.kind.text);
                let fault = Diagnostic::new(&meaning::KIND, item.kind.span, message);
                let names = self.scheme.kinds.iter().map(|kind| kind.name);
                let words = ["list", "map", "group", "scores", "rule", "check", "on", "test", "use"];
                self.suggest(fault, &item.kind.text, names.chain(words))
            }
        };
        self.fault(fault);
    }
}
