//! From the tree back to text: one way to write each tree, which parses to the same tree again.
//!
//! Comments and blank lines are not in the tree; [`crate::format`] keeps those of a file that people edit.

mod expression;

use std::fmt::Write as _;

use crate::ast::{
    Atom, AtomKind, Block, Declaration, Entries, File, If, Item, List, Map, Op, Quoted, Rule, ScoreEntry,
    Scores, Sign, Statement, Test, Verb,
};

/// A whole file.
pub fn file(file: &File) -> String {
    let mut printer = Printer { out: String::new(), depth: 0 };
    let _ = writeln!(printer.out, "weir {}", file.version);
    if let Some(role) = &file.role {
        let _ = writeln!(printer.out, "role {}", role.text);
    }
    for item in &file.items {
        printer.item(item);
        printer.out.push('\n');
    }
    printer.out
}

/// An expression in one line, as it stands in a guard.
pub fn expression(expression: &crate::ast::Expr) -> String {
    let mut printer = Printer { out: String::new(), depth: 0 };
    printer.condition(expression);
    printer.out
}

/// Writing to a string cannot fail, so results of `write!` are dropped throughout.
struct Printer {
    out: String,
    /// Braces around.
    depth: usize,
}

impl Printer {
    fn item(&mut self, item: &Item) {
        match item {
            Item::Use(path) => {
                self.out.push_str("use ");
                self.quoted(path);
            }
            Item::List(List { name, of, entries, .. }) => {
                let _ = write!(self.out, "list {} : {} = ", name.text, of.text);
                self.entries(entries);
            }
            Item::Map(Map { name, key, value, entries, .. }) => {
                let _ = write!(self.out, "map {} : {} -> {} = ", name.text, key.text, value.text);
                self.entries(entries);
            }
            Item::Scores(scores) => self.scores(scores),
            Item::Declaration(declaration) => self.declaration(declaration),
            Item::Rule(rule) => self.rule(rule),
            Item::Check(check) => {
                let _ = write!(self.out, "check {} ", check.name.text);
                self.block(&check.body);
            }
            Item::Phase(phase) => {
                let _ = write!(self.out, "on {} ", phase.name.text);
                self.block(&phase.body);
            }
            Item::Test(Test { title, body, .. }) => {
                self.out.push_str("test ");
                self.quoted(title);
                self.out.push(' ');
                self.body(body);
            }
        }
    }

    fn quoted(&mut self, quoted: &Quoted) {
        self.out.push('"');
        self.escaped(&quoted.text);
        self.out.push('"');
    }

    fn entries(&mut self, entries: &Entries) {
        let pairs = match entries {
            Entries::File(path) => {
                self.out.push_str("file ");
                self.quoted(path);
                return;
            }
            Entries::Inline(pairs) if pairs.is_empty() => {
                self.out.push_str("[]");
                return;
            }
            Entries::Inline(pairs) => pairs,
        };
        for (index, (key, value)) in pairs.iter().enumerate() {
            self.out.push_str(if index == 0 { "[ " } else { ", " });
            self.operand(key);
            if let Some(value) = value {
                self.out.push_str(" -> ");
                self.operand(value);
            }
        }
        self.out.push_str(" ]");
    }

    fn scores(&mut self, scores: &Scores) {
        self.out.push_str("scores ");
        match scores {
            Scores::Files(path) => self.quoted(path),
            Scores::Inline(entries) => self.braced(entries, |printer, ScoreEntry { rule, weight }| {
                let _ = match weight {
                    Some(weight) => write!(printer.out, "{} = {weight}", rule.text),
                    None => write!(printer.out, "{} = off", rule.text),
                };
            }),
        }
    }

    fn declaration(&mut self, declaration: &Declaration) {
        let Declaration { kind, name, sort, body, .. } = declaration;
        let _ = write!(self.out, "{} {} ", kind.text, name.text);
        if let Some(sort) = sort {
            let _ = write!(self.out, ": {} ", sort.text);
        }
        self.body(body);
    }

    fn rule(&mut self, rule: &Rule) {
        let _ = write!(self.out, "rule {}", rule.name.text);
        if rule.shadow {
            self.out.push_str(" shadow");
        }
        if let Some(weight) = rule.weight {
            let _ = write!(self.out, " {weight}");
        }
        if let Some(text) = &rule.text {
            self.out.push(' ');
            self.quoted(text);
        }
        if let Some(group) = &rule.group {
            let _ = write!(self.out, " in {}", group.text);
        }
        self.out.push_str(" = ");
        self.condition(&rule.condition);
    }

    fn newline(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", self.depth));
    }

    /// One per line between braces.
    fn braced<T>(&mut self, inside: &[T], mut one: impl FnMut(&mut Self, &T)) {
        if inside.is_empty() {
            self.out.push_str("{ }");
            return;
        }
        self.out.push('{');
        self.depth += 1;
        for part in inside {
            self.newline();
            one(self, part);
        }
        self.depth -= 1;
        self.newline();
        self.out.push('}');
    }

    fn block(&mut self, block: &Block) {
        self.braced(&block.statements, Self::statement);
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Verb(verb) => self.verb(verb),
            Statement::If(If { arms, otherwise, .. }) => {
                for (index, (condition, block)) in arms.iter().enumerate() {
                    self.out.push_str(if index == 0 { "if " } else { " else if " });
                    self.condition(condition);
                    self.out.push(' ');
                    self.block(block);
                }
                if let Some(block) = otherwise {
                    self.out.push_str(" else ");
                    self.block(block);
                }
            }
            Statement::Let { name, value } => {
                let _ = write!(self.out, "let {} = ", name.text);
                self.condition(value);
            }
            Statement::Do { name, guard, .. } => {
                let _ = write!(self.out, "do {}", name.text);
                self.guard(guard.as_ref());
            }
        }
    }

    fn verb(&mut self, verb: &Verb) {
        if verb.shadow {
            self.out.push_str("shadow ");
        }
        self.out.push_str(&verb.word.text);
        for atom in &verb.atoms {
            self.atom(atom);
        }
        self.guard(verb.guard.as_ref());
    }

    fn guard(&mut self, guard: Option<&crate::ast::Expr>) {
        if let Some(guard) = guard {
            self.out.push_str(" if ");
            self.condition(guard);
        }
    }

    /// Lines of atoms between braces.
    fn body(&mut self, atoms: &[Atom]) {
        let lines: Vec<&[Atom]> = atoms
            .split(|atom| matches!(atom.kind, AtomKind::Newline))
            .filter(|line| !line.is_empty())
            .collect();
        self.braced(&lines, |printer, line| {
            for atom in *line {
                printer.atom(atom);
            }
        });
    }

    /// An atom with the blank before it.
    fn atom(&mut self, atom: &Atom) {
        let begins_line = self.out.ends_with("  ") || self.out.ends_with('\n') || self.out.is_empty();
        if !begins_line && !matches!(atom.kind, AtomKind::Comma) {
            self.out.push(' ');
        }
        match &atom.kind {
            AtomKind::Value(value) => self.operand(value),
            AtomKind::Comma => self.out.push(','),
            AtomKind::Sign(Sign::Assign) => self.out.push('='),
            AtomKind::Sign(Sign::Arrow) => self.out.push_str("->"),
            AtomKind::Sign(Sign::Compare(op)) => self.out.push_str(spelling(*op)),
            AtomKind::Newline => {}
            AtomKind::Block(inside) => self.body(inside),
        }
    }
}

/// How an operator is written.
pub fn spelling(op: Op) -> &'static str {
    match op {
        Op::Eq => "==",
        Op::Ne => "!=",
        Op::Lt => "<",
        Op::Le => "<=",
        Op::Gt => ">",
        Op::Ge => ">=",
        Op::In => "in",
        Op::NotIn => "not in",
        Op::Match => "~",
        Op::NotMatch => "!~",
        Op::Has => "has",
        Op::HasOnly => "has only",
        Op::Is => "is",
        Op::IsNot => "is not",
        Op::Matches => "matches",
        Op::Begins => "begins",
    }
}
