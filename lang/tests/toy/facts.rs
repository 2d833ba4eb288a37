//! Facts that a test sets one by one, and a file set of one text.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;

use weir_lang::fileset::{FileSet, Files};
use weir_lang::plan::{Plan, Target};
use weir_lang::value::{Facts, Slot, StatementId, Value};

use super::{FIELDS, TOY};

/// A file set without a disk.
struct NoFiles<'a>(&'a str);

impl Files for NoFiles<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        if path == "toy.weir" { Ok(self.0.to_owned()) } else { Err(String::from("no such file")) }
    }

    fn glob(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }
}

/// The plan of a text, or all that is wrong with it.
pub fn try_plan(text: &str) -> Result<Plan, String> {
    let set = FileSet::read(["toy.weir"], &NoFiles(text));
    let checked = weir_lang::check(&set, &TOY);
    let shown = weir_lang::diagnostic::render_all(
        &checked.diagnostics,
        &set.sources,
        weir_lang::diagnostic::Style::Plain,
    );
    checked.hir.map(weir_lang::lower).ok_or(shown)
}

/// The plan of a text that has no errors.
pub fn plan(text: &str) -> Plan {
    try_plan(text).unwrap_or_else(|faults| panic!("{faults}"))
}

/// What is known. All else is missing, or pending when it has a slot.
#[derive(Default)]
pub struct Known {
    pub fields: HashMap<usize, Value<'static>>,
    pub answers: HashMap<u16, Value<'static>>,
    pub codes: Vec<IpAddr>,
    pub limit_broken: bool,
    pub asked: Cell<usize>,
}

impl Known {
    pub fn field(mut self, name: &str, value: Value<'static>) -> Self {
        self.set(name, value);
        self
    }

    pub fn set(&mut self, name: &str, value: Value<'static>) {
        let spec = FIELDS.iter().position(|field| field.name == name).expect("a field of the toy");
        self.fields.insert(spec, value);
    }

    /// Answers the lookup of a declaration, a function or a field, whatever its arguments.
    pub fn answer(&mut self, plan: &Plan, name: &str, value: Value<'static>) {
        self.answers.insert(slot(plan, name).0, value);
    }
}

/// The slot of a lookup by the name of its target.
pub fn slot(plan: &Plan, name: &str) -> Slot {
    let named = |target: Target| match target {
        Target::Declaration(index) => plan.declarations()[index].name == name,
        Target::Function(index) => TOY.functions[index].name == name,
        Target::Field(index) => TOY.fields[index].name == name,
    };
    let at = plan.slots().iter().position(|slot| named(slot.target)).expect("a slot of the plan");
    Slot(u16::try_from(at).unwrap())
}

impl Facts for Known {
    fn field(&self, spec: usize, _: Option<&str>) -> Value<'_> {
        self.fields.get(&spec).copied().unwrap_or(Value::Missing)
    }

    fn answer(&self, slot: Slot) -> Value<'_> {
        self.answers.get(&slot.0).copied().unwrap_or(Value::Pending)
    }

    fn member(&self, _: Slot, _: usize) -> Value<'_> {
        Value::Ips(&self.codes)
    }

    fn compute(&self, _: usize, arguments: &[Value<'_>]) -> Value<'_> {
        assert_eq!(arguments.len(), 1);
        Value::Text(b"computed")
    }

    fn tell(&self, _: usize, head: Value<'_>, slots: &mut dyn Iterator<Item = Slot>, out: &mut Vec<u8>) {
        let slots: Vec<_> = slots.map(|slot| self.answer(slot)).collect();
        out.extend_from_slice(format!("{head:?} {slots:?}").as_bytes());
    }

    fn ask(&self, _: StatementId) -> bool {
        self.asked.set(self.asked.get() + 1);
        !self.limit_broken
    }

    fn now(&self) -> i64 {
        1_700_000_000
    }
}
