//! Forms, types and kinds of values as syntax.

use std::fmt::Write as _;

use crate::scheme::{AnswerSpec, Form, Kind, Part, Type};

/// What the words in capitals stand for.
pub(super) const LEGEND: &str = "\
Words in small letters are written as they stand. `[ ]` holds what may be left out, `( a | b )` is one of them, `...` \
means once more behind a comma, `*` any of them in any order, each once.

| stands for | is |
|---|---|
| `TEXT` | a text without `{...}` |
| `TEMPLATE` | a text with or without `{...}`, or a value shown as text |
| `VALUE` | a value or expression |
| `CODE` | a reply code, 200 to 599 |
| `ENHANCED` | an enhanced status code, `5.7.1` |
| `INT`, `SCORE`, `DURATION`, `SIZE`, `PERCENT` | such a constant, within the bounds shown |
| `ADDRESS`, `NET`, `ADDRESS:PORT`, `PATTERN` | such a constant; an address is also a `NET` |
| `WORD` | any word |
| `FIELD` | the name of a field |
| `POOL`, `LIST`, ... | the name of such a thing |
| `STATEMENT` | a verb with what it takes |
";

/// `reject CODE ENHANCED TEMPLATE`.
pub(super) fn form(form: &Form) -> String {
    let mut out = form.word.to_owned();
    parts(&mut out, form.parts);
    out
}

fn parts(out: &mut String, parts: &[Part]) {
    for part in parts {
        let first = out.is_empty() || out.ends_with(' ');
        if !first && !matches!(part, Part::Comma) {
            out.push(' ');
        }
        self::part(out, part);
    }
}

fn part(out: &mut String, part: &Part) {
    match part {
        Part::Word(word) => out.push_str(word),
        Part::Comma => out.push(','),
        Part::Value(kind) => out.push_str(&value(*kind)),
        Part::Maybe(inside) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "[ {} ]", joined(inside));
        }
        Part::Repeat(inside) => {
            let _ = write!(out, "{}, ...", joined(inside));
        }
        Part::OneOf(choices) => {
            let _ = write!(out, "( {} )", alternatives(choices));
        }
        Part::AnyOrder(choices) => {
            let _ = write!(out, "( {} )*", alternatives(choices));
        }
        Part::Statement => out.push_str("STATEMENT"),
        Part::Block(forms) => {
            let lines: Vec<String> = forms.iter().map(form).collect();
            let _ = write!(out, "{{ {} }}", lines.join(" ; "));
        }
    }
}

fn joined(inside: &[Part]) -> String {
    let mut out = String::new();
    parts(&mut out, inside);
    out
}

fn alternatives(choices: &[&[Part]]) -> String {
    let choices: Vec<String> = choices.iter().map(|choice| joined(choice)).collect();
    choices.join(" | ")
}

fn value(kind: Kind) -> String {
    let name = match kind {
        Kind::Int(i64::MIN, i64::MAX) => "INT",
        Kind::Int(least, i64::MAX) => return format!("INT({least}..)"),
        Kind::Int(least, most) => return format!("INT({least}..{most})"),
        Kind::CodeIn(least, most) => return format!("CODE({least}..{most})"),
        Kind::Name(what) => return what.to_uppercase(),
        Kind::Score => "SCORE",
        Kind::Duration => "DURATION",
        Kind::Size => "SIZE",
        Kind::Percent => "PERCENT",
        Kind::Text => "TEXT",
        Kind::Template => "TEMPLATE",
        Kind::Expr => "VALUE",
        Kind::Code => "CODE",
        Kind::Enhanced => "ENHANCED",
        Kind::Ip => "ADDRESS",
        Kind::Net => "NET",
        Kind::Socket => "ADDRESS:PORT",
        Kind::Quad => "PATTERN",
        Kind::Word => "WORD",
        Kind::Field => "FIELD",
    };
    name.to_owned()
}

/// A type as the manual names it: an answer by its states.
pub(super) fn type_name(ty: Type) -> String {
    if let Type::Answer(answer) = ty { states(answer) } else { ty.name() }
}

/// `listed, clean or unknown`.
pub(super) fn states(answer: &AnswerSpec) -> String {
    let names: Vec<&str> = answer.states.iter().map(|state| state.name).collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}
