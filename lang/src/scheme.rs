//! What the host offers to rule files: phases, fields, functions, verbs, kinds of declarations and clauses of tests.
//!
//! The host (the engine) fills these tables once; the checker, the manual (`weir doc`) and the tests read them, so
//! a word's name, type, doc and example stand in exactly one place. Everything is `'static` and `const`-constructible.

/// All tables. Index into a table is the identity of its entry (`fields[3]` is field 3 in a plan).
#[derive(Debug)]
pub struct Scheme {
    /// In wire order.
    pub phases: &'static [PhaseSpec],
    /// What rules can ask of the client, the envelope and the message.
    pub fields: &'static [FieldSpec],
    /// Functions of the host; those of the language (`score`, `hits`, ...) are in [`crate::builtins`].
    pub functions: &'static [FunctionSpec],
    /// Texts that the host makes of lookups.
    pub texts: &'static [TextSpec],
    /// What statements can do.
    pub verbs: &'static [VerbSpec],
    /// What can be declared beside lists, maps, groups, scores, rules and checks.
    pub kinds: &'static [KindSpec],
    /// What a `test` block can say.
    pub clauses: &'static [Form],
    /// Faults that the host finds in what the checker lets pass.
    pub codes: &'static [&'static crate::diagnostic::Code],
}

/// A phase: `on NAME { }`.
#[derive(Debug)]
pub struct PhaseSpec {
    /// `connect`, `rcpt`, ...
    pub name: &'static str,
    /// At least one phase with this mark must be in the file set, and every path of it (or of an earlier marked one)
    /// must end in a final verb: `data` and `message`.
    pub decides: bool,
    /// One or two sentences.
    pub doc: &'static str,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `true`, `false`.
    Bool,
    /// A whole number.
    Int,
    /// Fixed-point hundredths.
    Score,
    /// Milliseconds.
    Duration,
    /// Bytes.
    Size,
    /// A point in time, seconds since 1970.
    Time,
    /// An IP address.
    Ip,
    /// A network: address and prefix length.
    Net,
    /// A domain name, compared without case.
    Domain,
    /// A mailbox, `local@domain`; the domain is compared without case.
    Address,
    /// Any text.
    Text,
    /// Several of them.
    List(&'static Type),
    /// The whole message, as an argument of a service.
    Message,
    /// One of several named states, with members.
    Answer(&'static AnswerSpec),
}

impl Type {
    /// Its name in messages.
    pub fn name(self) -> String {
        let name = match self {
            Self::List(of) => return format!("list of {}", of.name()),
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Score => "score",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Time => "time",
            Self::Ip => "ip",
            Self::Net => "net",
            Self::Domain => "domain",
            Self::Address => "address",
            Self::Text => "text",
            Self::Message => "message",
            Self::Answer(_) => "answer",
        };
        name.to_owned()
    }
}

/// What a lookup or a checked field can say.
#[derive(Debug, PartialEq, Eq)]
pub struct AnswerSpec {
    /// `listed`, `clean`, `unknown`; at most 32.
    pub states: &'static [StateSpec],
    /// The state that a bare call in a guard asks for (`zen(client.ip)` is "is listed"); `None` forbids the bare form.
    pub bare: Option<usize>,
    /// The state that a failed, timed-out or undeclared lookup has.
    pub unknown: usize,
    /// What else the answer carries: `virus.name`.
    pub members: &'static [MemberSpec],
}

/// A state of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct StateSpec {
    /// As `is` names it.
    pub name: &'static str,
    /// A few words.
    pub doc: &'static str,
}

/// A member of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct MemberSpec {
    /// As it stands behind the dot.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// A few words.
    pub doc: &'static str,
}

/// A field.
#[derive(Debug)]
pub struct FieldSpec {
    /// `client.ip`; for one with an argument the name before it and the members behind it: `header`, `header.time`
    /// for `header("Date").time`.
    pub name: &'static str,
    /// `Some("NAME")`: written `header("Subject")`, always with a constant text.
    pub argument: Option<&'static str>,
    /// Its type.
    pub ty: Type,
    /// Index of the first phase in which it is known.
    pub since: usize,
    /// Held in memory, or gathered on demand (a lookup: it gets a slot in the plan).
    pub source: FieldSource,
    /// Written by the peer: it may not become a path, a pattern, a zone or a header's name.
    pub tainted: bool,
    /// One or two sentences: what it is, unit, bounds, the RFC's clause.
    pub doc: &'static str,
    /// A guard or statement that uses it.
    pub example: &'static str,
}

/// Where a field's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldSource {
    /// There when its phase begins.
    Held,
    /// Asked for when a rule that can be reached needs it; may be unknown.
    Gathered,
}

/// A function of the host.
#[derive(Debug)]
pub struct FunctionSpec {
    /// Its name.
    pub name: &'static str,
    /// For each argument the types that it takes.
    pub parameters: &'static [&'static [Type]],
    /// What it gives. An [`Type::Answer`] makes it a lookup with a slot; all else is computed at once.
    pub returns: Type,
    /// One or two sentences.
    pub doc: &'static str,
    /// A guard or statement that uses it.
    pub example: &'static str,
}

/// A text that the host makes of lookups when it is written: into a header, a note, a reply. It is called with a text
/// and then with those lookups that it is to tell of, at least one, each once, in any order.
#[derive(Debug)]
pub struct TextSpec {
    /// Its name.
    pub name: &'static str,
    /// What the first argument is, for the manual: `ID`.
    pub head: &'static str,
    /// The lookups that it can tell of.
    pub of: &'static [&'static AnswerSpec],
    /// One or two sentences.
    pub doc: &'static str,
    /// A statement that uses it.
    pub example: &'static str,
}

impl TextSpec {
    /// Whether it can tell of such an answer.
    pub fn tells_of(&self, answer: &AnswerSpec) -> bool {
        self.of.iter().any(|known| std::ptr::eq(*known, answer))
    }
}

/// What a declared thing is when called: `zen(client.ip)`.
#[derive(Debug)]
pub struct CallSpec {
    /// For each argument the types that it takes. A sole argument may also be a list of such a type: that asks for each
    /// element, the answer is then the first state in [`AnswerSpec::states`] order that any element got.
    pub takes: &'static [&'static [Type]],
    /// What it answers.
    pub returns: &'static AnswerSpec,
    /// To ask changes what the host remembers, so it is asked only once a rule cannot be decided without it: never early,
    /// never together with what else is open. Its answer has no members.
    pub late: bool,
}

/// A verb.
#[derive(Debug)]
pub struct VerbSpec {
    /// Its word, atoms, doc and example.
    pub form: Form,
    /// What happens after it.
    pub flow: Flow,
    /// Indices of the phases in which it may stand; empty means all.
    pub phases: &'static [usize],
}

/// What a verb does to the flow of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Ends the phase and decides: `reject`, `defer`, `drop`, `discard`, `send`, `hold`.
    Final,
    /// Ends the phase without a decision against the client: `accept`. In a phase that `decides` it is no end.
    EndsPhase,
    /// Goes on: `add`, `remove`, `quarantine`, `note`.
    Continues,
    /// Asks the host whether a bound is kept (`limit`): if it is not, the statement in its [`Part::Statement`] runs.
    Asks,
}

/// A kind of declaration.
#[derive(Debug)]
pub struct KindSpec {
    /// `dnsbl`, `service`, `pool`, `listener`.
    pub name: &'static str,
    /// The word behind the colon, for kinds that have sorts: `clamd` in `service av : clamd`.
    pub sort: Option<&'static str>,
    /// Its settings; each may stand once unless `many`.
    pub settings: &'static [SettingSpec],
    /// What a call of it means, if it can be called.
    pub call: Option<CallSpec>,
    /// One or two sentences.
    pub doc: &'static str,
    /// A whole declaration.
    pub example: &'static str,
}

/// A setting of a declaration.
#[derive(Debug)]
pub struct SettingSpec {
    /// Its word, atoms, doc (with unit, bounds and default) and example.
    pub form: Form,
    /// Must be there.
    pub required: bool,
    /// May be there several times (`server`, `check`).
    pub many: bool,
}

/// A word and what it takes.
#[derive(Debug)]
pub struct Form {
    /// `reject`, `timeout`, `expect`.
    pub word: &'static str,
    /// What follows, in order.
    pub parts: &'static [Part],
    /// One or two sentences.
    pub doc: &'static str,
    /// One line that uses it.
    pub example: &'static str,
}

/// A part of a form.
#[derive(Debug)]
pub enum Part {
    /// This very word.
    Word(&'static str),
    /// A `,`. Elsewhere a comma is an error.
    Comma,
    /// One value.
    Value(Kind),
    /// All of it or nothing; taken when its first part fits.
    Maybe(&'static [Part]),
    /// One or more times, separated by commas.
    Repeat(&'static [Part]),
    /// The first alternative whose first part fits.
    OneOf(&'static [&'static [Part]]),
    /// Any number of them, each at most once, in any order: `rise 2, fall 3` (commas between are optional).
    AnyOrder(&'static [&'static [Part]]),
    /// A verb with what it takes: `else drop 421 4.7.0 "..."`.
    Statement,
    /// `{ ... }` with lines of these forms (tests only).
    Block(&'static [Form]),
}

/// What a value in a form must be. All but `Template` and `Expr` are constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within these bounds, both inclusive.
    Int(i64, i64),
    /// A score.
    Score,
    /// A duration.
    Duration,
    /// A size.
    Size,
    /// A percentage.
    Percent,
    /// A text without `{...}`.
    Text,
    /// A text with or without `{...}`, or a value of a field or call, shown as text.
    Template,
    /// An expression of any of the language's types that can be a key or an argument (ip, net, domain, address, text).
    Expr,
    /// A reply code between 200 and 599.
    Code,
    /// A reply code within these bounds, both inclusive. An enhanced code behind a code must be of its class.
    CodeIn(u16, u16),
    /// An enhanced status code.
    Enhanced,
    /// An IP address.
    Ip,
    /// A network, or an address meaning itself alone.
    Net,
    /// An address with a port.
    Socket,
    /// A pattern of an IPv4 address; an address or a network is one too.
    Quad,
    /// Any one word, kept as text.
    Word,
    /// The name of a declaration of this kind (`pool`) or of a `list`, `map`, `group` or `rule`.
    Name(&'static str),
    /// The dotted name of a field, kept as text (`client.net`).
    Field,
}
