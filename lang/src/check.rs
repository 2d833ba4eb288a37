//! What was written becomes what it means: names bound, types and phases known, or every fault of the set reported.
//!
//! ```text
//! names -> lists, maps, groups, declarations -> rules (order, cycles, phases) -> phases -> tests -> what is never used
//! ```
//! A fault does not end a pass: the faulty piece is left out and the rest is looked at, so that one run says it all.

mod block;
mod call;
mod compare;
mod condition;
mod declare;
mod ends;
mod form;
mod kind;
mod lists;
mod member;
mod names;
mod phases;
mod rules;
mod scores;
mod settings;
mod tests;
mod texts;
mod typed;
mod unused;
mod value;

use std::collections::{HashMap, HashSet};

use crate::ast::{self, Item};
use crate::diagnostic::codes::meaning;
use crate::diagnostic::{Code, Diagnostic, Severity, sort};
use crate::fileset::FileSet;
use crate::hir::{self, Hir};
use crate::plan::{Declared, Expression, GroupSpec, Target, Term, TestCase};
use crate::scheme::Scheme;
use crate::source::Span;
use names::{Names, Symbol};
use typed::{Binding, Since};

/// A checked set: its meaning when there is no error, and all that was found.
#[derive(Debug)]
pub struct Checked {
    /// What it means; `None` when there is an error.
    pub hir: Option<Hir>,
    /// All faults of reading and of checking, in order of file and place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Rules, statements after `do` is written out, and slots of a set: bounds on the plan's memory.
pub const RULES_MAX: usize = 100_000;
/// See [`RULES_MAX`].
pub const STATEMENTS_MAX: usize = 20_000;
/// See [`RULES_MAX`].
pub const SLOTS_MAX: usize = 1024;
/// Rules that refer to rules, one behind the other.
pub const RULE_DEPTH_MAX: usize = 64;
/// Checks that call checks, one inside the other: bounds the checker's own recursion.
pub const CALL_DEPTH_MAX: usize = 16;

/// Checks a file set against what the host offers.
pub fn check(set: &FileSet, scheme: &'static Scheme) -> Checked {
    let mut checker = Checker::new(set, scheme);
    checker.run();
    if set.has_errors() {
        // What could not be read is missing, so nothing is said of what is not there.
        checker
            .faults
            .retain(|fault| !meaning::OF_WHAT_IS_MISSING.iter().any(|code| code.id == fault.code.id));
    }
    let mut diagnostics = set.diagnostics.clone();
    diagnostics.append(&mut checker.faults);
    sort(&mut diagnostics);
    // A check block that is called twice says its faults twice.
    diagnostics.dedup_by(|one, other| {
        one.span == other.span && one.code.id == other.code.id && one.message == other.message
    });
    let broken = diagnostics.iter().any(|fault| fault.code.severity == Severity::Error);
    Checked { hir: (!broken).then(|| checker.finish()), diagnostics }
}

/// The work in progress.
struct Checker<'a> {
    set: &'a FileSet,
    scheme: &'static Scheme,
    faults: Vec<Diagnostic>,
    names: Names<'a>,
    declarations: Vec<Declared>,
    groups: Vec<GroupSpec>,
    lists: Vec<hir::List>,
    maps: Vec<hir::Map>,
    rules: Vec<hir::Rule>,
    /// The first phase in which a rule can be asked, and why.
    rule_since: Vec<Since>,
    group_since: Vec<Since>,
    named: usize,
    order: Vec<hir::Node>,
    slots: Vec<hir::Slot>,
    slot_index: HashMap<(Target, Vec<Term>, Option<String>), crate::value::Slot>,
    slot_since: Vec<Since>,
    scans: Vec<hir::Scan>,
    scan_index: HashMap<Expression, usize>,
    phases: Vec<Option<Vec<hir::Statement>>>,
    tests: Vec<TestCase>,
    used: HashSet<Symbol>,
    /// The phase whose statements are looked at; `None` in rules.
    phase: Option<usize>,
    /// The names of `let` that can be seen, the innermost last.
    lets: Vec<(&'a str, Binding, Span)>,
    /// The latest first phase of what the current condition uses.
    since: Since,
    /// The checks being written out.
    calls: Vec<usize>,
    statements: usize,
}

impl<'a> Checker<'a> {
    fn new(set: &'a FileSet, scheme: &'static Scheme) -> Self {
        Self {
            set,
            scheme,
            faults: Vec::new(),
            names: Names::default(),
            declarations: Vec::new(),
            groups: Vec::new(),
            lists: Vec::new(),
            maps: Vec::new(),
            rules: Vec::new(),
            rule_since: Vec::new(),
            group_since: Vec::new(),
            named: 0,
            order: Vec::new(),
            slots: Vec::new(),
            slot_index: HashMap::new(),
            slot_since: Vec::new(),
            scans: Vec::new(),
            scan_index: HashMap::new(),
            phases: Vec::new(),
            tests: Vec::new(),
            used: HashSet::new(),
            phase: None,
            lets: Vec::new(),
            since: Since::default(),
            calls: Vec::new(),
            statements: 0,
        }
    }

    fn run(&mut self) {
        self.gather_names();
        self.check_lists();
        self.check_groups();
        self.check_declarations();
        self.check_rules();
        self.check_scores();
        self.check_phases();
        self.check_tests();
        self.warn_of_unused();
    }

    fn finish(self) -> Hir {
        let digest = digest(self.set);
        Hir {
            scheme: self.scheme,
            role: self.set.files.iter().find_map(|file| Some(file.role.as_ref()?.text.clone())),
            declarations: self.declarations,
            groups: self.groups,
            lists: self.lists,
            maps: self.maps,
            rules: self.rules,
            named: self.named,
            order: self.order,
            slots: self.slots,
            scans: self.scans,
            phases: self.phases,
            tests: self.tests,
            digest,
        }
    }

    /// All items of all files, in the order of files and of text.
    fn items(&self) -> impl Iterator<Item = &'a Item> + use<'a> {
        self.set.files.iter().flat_map(|file| &file.items)
    }

    fn fault(&mut self, fault: Diagnostic) {
        self.faults.push(fault);
    }

    /// A fault with nothing but a message and a word behind the caret.
    fn report(&mut self, code: &'static Code, span: Span, message: impl Into<String>, label: &str) {
        self.faults.push(Diagnostic::new(code, span, message).with_label(label));
    }

    fn phase_name(&self, phase: usize) -> &'static str {
        self.scheme.phases.get(phase).map_or("?", |phase| phase.name)
    }
}

/// FNV-1a over the names and texts of all files, each behind its length: short, stable, and no secret depends on it.
fn digest(set: &FileSet) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut hash = BASIS;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    };
    for (_, source) in set.sources.iter() {
        for text in [&source.name, &source.text] {
            add(&text.len().to_le_bytes());
            add(text.as_bytes());
        }
    }
    hash
}

/// A dotted name as it was written.
fn dotted(path: &[ast::Name]) -> String {
    path.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(".")
}

/// The stretch of a dotted name.
fn stretch(path: &[ast::Name], otherwise: Span) -> Span {
    match (path.first(), path.last()) {
        (Some(first), Some(last)) => first.span.to(last.span),
        _ => otherwise,
    }
}
