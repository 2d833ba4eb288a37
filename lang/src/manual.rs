//! The manual, `weir doc`: made from the same tables that the checker reads, so it cannot be out of date.
//!
//! [`page`] is all of it, [`topic`] what it says of one word; both are Markdown that reads well as plain text.

mod form;

use std::fmt::Write as _;

use crate::builtins;
use crate::diagnostic::{Code, Severity, codes, did_you_mean};
use crate::scheme::{
    AnswerSpec, CallSpec, FieldSource, FieldSpec, Flow, Form, FunctionSpec, KindSpec, Scheme, SettingSpec,
    TextSpec, VerbSpec,
};

use form::{LEGEND, states, type_name};

/// The page on the grammar.
const LANGUAGE: &str = include_str!("manual/language.md");

/// Appends a section to the manual.
type Section = fn(&mut String, &Scheme);

/// The manual's sections, whose names are topics too.
const SECTIONS: &[(&str, Section)] = &[
    ("language", |out, _| out.push_str(LANGUAGE)),
    ("phases", phases),
    ("fields", fields),
    ("functions", functions),
    ("verbs", verbs),
    ("declarations", declarations),
    ("tests", tests),
    ("diagnostics", diagnostics),
];

/// The whole manual.
pub fn page(scheme: &Scheme) -> String {
    let mut out = String::new();
    for (index, (_, section)) in SECTIONS.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        section(&mut out, scheme);
    }
    out
}

/// What the manual says of a word: a section, phase, field, function, verb, declaration, setting, clause or code.
/// `None` when it does not know the word; [`suggestion`] may then have another.
pub fn topic(scheme: &Scheme, word: &str) -> Option<String> {
    let mut out = String::new();
    if let Some((_, section)) = SECTIONS.iter().find(|(name, _)| *name == word) {
        section(&mut out, scheme);
        return Some(out);
    }
    for spec in scheme.phases.iter().filter(|spec| spec.name == word) {
        let _ = writeln!(out, "## From `{}` on\n\n`on {} {{ }}`: {}\n", spec.name, spec.name, spec.doc);
        fields_of(&mut out, scheme, spec.name);
    }
    for spec in scheme.fields.iter().filter(|spec| spec.name == word) {
        field(&mut out, scheme, spec);
    }
    for spec in builtins::ALL.iter().filter(|spec| spec.name == word) {
        builtin(&mut out, spec);
    }
    for spec in scheme.functions.iter().filter(|spec| spec.name == word) {
        function(&mut out, spec);
    }
    for spec in scheme.texts.iter().filter(|spec| spec.name == word) {
        text(&mut out, spec);
    }
    for spec in scheme.verbs.iter().filter(|spec| spec.form.word == word) {
        verb(&mut out, scheme, spec);
    }
    if word == "group" {
        group(&mut out);
    }
    for spec in scheme.kinds.iter().filter(|spec| spec.name == word || spec.sort == Some(word)) {
        kind(&mut out, spec);
    }
    settings_called(&mut out, scheme, word);
    for clause in scheme.clauses.iter().filter(|clause| clause.word == word) {
        let _ = writeln!(out, "In `test \"...\" {{ }}`:\n");
        entry(&mut out, clause, "");
    }
    for code in all_codes(scheme).filter(|code| code.id.eq_ignore_ascii_case(word)) {
        diagnostic(&mut out, code);
    }
    (!out.is_empty()).then_some(out)
}

/// The topic that an unknown word was most likely meant to be.
pub fn suggestion<'a>(scheme: &'a Scheme, word: &str) -> Option<&'a str> {
    did_you_mean(word, topics(scheme))
}

/// Every word that [`topic`] knows, sections first.
pub fn topics(scheme: &Scheme) -> impl Iterator<Item = &str> {
    let settings = scheme.kinds.iter().flat_map(|kind| kind.settings);
    SECTIONS
        .iter()
        .map(|(name, _)| *name)
        .chain(scheme.phases.iter().map(|spec| spec.name))
        .chain(scheme.fields.iter().map(|spec| spec.name))
        .chain(builtins::ALL.iter().map(|spec| spec.name))
        .chain(scheme.functions.iter().map(|spec| spec.name))
        .chain(scheme.texts.iter().map(|spec| spec.name))
        .chain(scheme.verbs.iter().map(|spec| spec.form.word))
        .chain(std::iter::once("group"))
        .chain(scheme.kinds.iter().flat_map(|spec| std::iter::once(spec.name).chain(spec.sort)))
        .chain(settings.chain(builtins::GROUP).map(|setting| setting.form.word))
        .chain(scheme.clauses.iter().map(|clause| clause.word))
        .chain(all_codes(scheme).map(|code| code.id))
}

fn phases(out: &mut String, scheme: &Scheme) {
    out.push_str("# Phases\n\nBlocks stand in this order, each at most once in a file set.\n\n");
    for phase in scheme.phases {
        let _ = writeln!(out, "- `on {} {{ }}`: {}", phase.name, phase.doc);
    }
}

fn fields(out: &mut String, scheme: &Scheme) {
    out.push_str("# Fields\n\nBy the first phase in which each is known.\n");
    for phase in scheme.phases {
        let _ = writeln!(out, "\n## From `{}` on\n", phase.name);
        fields_of(out, scheme, phase.name);
    }
}

/// The fields that a phase brings.
fn fields_of(out: &mut String, scheme: &Scheme, phase: &str) {
    for spec in scheme.fields {
        if scheme.phases.get(spec.since).is_some_and(|since| since.name == phase) {
            field(out, scheme, spec);
        }
    }
}

fn field(out: &mut String, scheme: &Scheme, spec: &FieldSpec) {
    let written = match spec.argument {
        None => spec.name.to_owned(),
        // `header.time` is written `header("Date").time`.
        Some(argument) => match spec.name.split_once('.') {
            Some((name, member)) => format!("{name}(\"{argument}\").{member}"),
            None => format!("{}(\"{argument}\")", spec.name),
        },
    };
    let since = scheme.phases.get(spec.since).map_or("", |phase| phase.name);
    let _ = writeln!(out, "### `{written}` : {}\n\n{}\n", type_name(spec.ty), spec.doc);
    let _ = write!(out, "Known from `{since}` on.");
    if spec.source == FieldSource::Gathered {
        out.push_str(" Looked up when a rule needs it; may be `unknown`.");
    }
    if spec.tainted {
        out.push_str(" Written by the peer.");
    }
    let _ = writeln!(out, "\n\n    {}\n", spec.example);
    if let crate::scheme::Type::Answer(answer) = spec.ty {
        answer_of(out, answer);
    }
}

fn functions(out: &mut String, scheme: &Scheme) {
    out.push_str("# Functions\n\n");
    for spec in builtins::ALL {
        builtin(out, spec);
    }
    for spec in scheme.functions {
        function(out, spec);
    }
    for spec in scheme.texts {
        text(out, spec);
    }
    out.push_str("## Words behind `is`\n\n");
    for (word, doc) in builtins::PREDICATES {
        let _ = writeln!(out, "- `{word}`: {doc}");
    }
}

fn builtin(out: &mut String, spec: &builtins::Builtin) {
    let _ = writeln!(
        out,
        "### `{}` : {}\n\n{}\n\n    {}\n",
        spec.signature, spec.returns, spec.doc, spec.example
    );
}

fn function(out: &mut String, spec: &FunctionSpec) {
    let _ = writeln!(
        out,
        "### `{}({})` : {}\n\n{}\n\n    {}\n",
        spec.name,
        parameters(spec.parameters),
        type_name(spec.returns),
        spec.doc,
        spec.example
    );
    if let crate::scheme::Type::Answer(answer) = spec.returns {
        answer_of(out, answer);
    }
}

/// For each argument what it may be.
fn parameters(parameters: &[&[crate::scheme::Type]]) -> String {
    let one = |types: &&[crate::scheme::Type]| {
        types.iter().map(|ty| type_name(*ty)).collect::<Vec<_>>().join(" | ")
    };
    parameters.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn text(out: &mut String, spec: &TextSpec) {
    let (name, head) = (spec.name, spec.head);
    let _ =
        writeln!(out, "### `{name}({head}, LOOKUP, ...)` : text\n\n{}\n\n    {}\n", spec.doc, spec.example);
}

/// The states and members of an answer.
fn answer_of(out: &mut String, answer: &AnswerSpec) {
    for (index, state) in answer.states.iter().enumerate() {
        let bare = if answer.bare == Some(index) { "; a bare call in a condition asks for this" } else { "" };
        let _ = writeln!(out, "- `is {}`: {}{bare}", state.name, state.doc);
    }
    for member in answer.members {
        let _ = writeln!(out, "- `.{}` : {}: {}", member.name, type_name(member.ty), member.doc);
    }
    out.push('\n');
}

fn verbs(out: &mut String, scheme: &Scheme) {
    let _ = writeln!(out, "# Verbs\n\n{LEGEND}");
    for spec in scheme.verbs {
        verb(out, scheme, spec);
    }
}

fn verb(out: &mut String, scheme: &Scheme, spec: &VerbSpec) {
    let flow = match spec.flow {
        Flow::Final => "Decides and ends the phase.",
        Flow::EndsPhase => "Ends the phase.",
        Flow::Continues => "The next statement follows.",
        Flow::Asks => "The next statement follows unless the bound is passed.",
    };
    let names: Vec<&str> =
        spec.phases.iter().filter_map(|index| scheme.phases.get(*index)).map(|phase| phase.name).collect();
    let place = if names.is_empty() {
        String::from("In all phases.")
    } else {
        format!("In `{}`.", names.join("`, `"))
    };
    entry(out, &spec.form, &format!("{flow} {place}"));
}

/// A form with its doc and example.
fn entry(out: &mut String, form: &Form, more: &str) {
    let _ = writeln!(out, "### `{}`\n\n{}\n", form::form(form), form.doc);
    if !more.is_empty() {
        let _ = writeln!(out, "{more}\n");
    }
    let _ = writeln!(out, "    {}\n", form.example);
}

fn declarations(out: &mut String, scheme: &Scheme) {
    out.push_str("# Declarations\n\n");
    group(out);
    for spec in scheme.kinds {
        kind(out, spec);
    }
}

fn group(out: &mut String) {
    out.push_str(
        "## `group NAME { ... }`\n\nA sum of rules' weights: `rule A 1.5 \"...\" in NAME = ...`.\n\n",
    );
    for setting in builtins::GROUP {
        self::setting(out, setting);
    }
}

fn kind(out: &mut String, spec: &KindSpec) {
    let sort = spec.sort.map(|sort| format!(" : {sort}")).unwrap_or_default();
    let _ = writeln!(out, "## `{} NAME{sort} {{ ... }}`\n\n{}\n", spec.name, spec.doc);
    for line in spec.example.lines() {
        let _ = writeln!(out, "    {line}");
    }
    out.push('\n');
    if let Some(CallSpec { takes, returns, late }) = &spec.call {
        let takes = parameters(takes);
        let late = if *late { " Asked last, once nothing else can decide." } else { "" };
        let _ = writeln!(out, "Called as `NAME({takes})`, it answers {}.{late}\n", states(returns));
        answer_of(out, returns);
    }
    for setting in spec.settings {
        self::setting(out, setting);
    }
}

fn setting(out: &mut String, spec: &SettingSpec) {
    let more = match (spec.required, spec.many) {
        (true, true) => "Must be there, and may stand several times.",
        (true, false) => "Must be there.",
        (false, true) => "May stand several times.",
        (false, false) => "",
    };
    entry(out, &spec.form, more);
}

/// Every setting with this word, under the declarations that have it.
fn settings_called(out: &mut String, scheme: &Scheme, word: &str) {
    for setting in builtins::GROUP.iter().filter(|setting| setting.form.word == word) {
        out.push_str("In `group NAME { }`:\n\n");
        self::setting(out, setting);
    }
    for kind in scheme.kinds {
        for setting in kind.settings.iter().filter(|setting| setting.form.word == word) {
            let sort = kind.sort.map(|sort| format!(" : {sort}")).unwrap_or_default();
            let _ = writeln!(out, "In `{} NAME{sort} {{ }}`:\n", kind.name);
            self::setting(out, setting);
        }
    }
}

fn tests(out: &mut String, scheme: &Scheme) {
    out.push_str("# Tests\n\nLines of `test \"TITLE\" { ... }`. The clock stands still, nothing goes over the network, ");
    out.push_str("and what is not declared in the test is `unknown`.\n\n");
    for clause in scheme.clauses {
        entry(out, clause, "");
    }
}

fn all_codes(scheme: &Scheme) -> impl Iterator<Item = &'static Code> {
    codes::all().chain(scheme.codes.iter().copied())
}

fn diagnostics(out: &mut String, scheme: &Scheme) {
    out.push_str("# Diagnostics\n\n");
    for code in all_codes(scheme) {
        diagnostic(out, code);
    }
}

fn diagnostic(out: &mut String, code: &Code) {
    let severity = match code.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let _ = writeln!(out, "## {severity}[{}]: {}\n\n{}\n", code.id, code.title, code.doc);
    for line in code.example.lines() {
        let _ = writeln!(out, "    {line}");
    }
    if !code.example.is_empty() {
        out.push('\n');
    }
}
