//! What a plan says of the facts of its file set: rules, groups, lists, maps, declarations and tests.

use std::net::{IpAddr, SocketAddr};

use crate::scheme::Type;
use crate::score::Score;
use crate::source::Location;

/// A constant in a setting, a test line or a statement, as its form names it.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// A word of the form, a free word, or a sign (`=`, `<`) in a test.
    Word(String),
    /// A whole number.
    Int(i64),
    /// Hundredths.
    Score(Score),
    /// Milliseconds.
    Duration(u64),
    /// Bytes.
    Size(u64),
    /// Hundredths of the whole.
    Percent(u32),
    /// A text.
    Text(String),
    /// An address.
    Ip(IpAddr),
    /// A network; an address where a network is asked for has the full prefix length.
    Net(IpAddr, u8),
    /// An address with a port.
    Socket(SocketAddr),
    /// A range for each octet of an IPv4 address, both ends inclusive.
    Quad([(u8, u8); 4]),
    /// A reply code.
    Code(u16),
    /// An enhanced status code (RFC 3463).
    Enhanced(u8, u16, u16),
    /// The name of something declared.
    Name(String),
    /// The dotted name of a field.
    Field(String),
    /// A comma that the form asks for or that parts its repetitions.
    Comma,
    /// Lines between braces (tests only).
    Block(Vec<Clause>),
}

/// A setting of a declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its word.
    pub word: String,
    /// What follows the word, in the order of its form.
    pub args: Vec<Arg>,
    /// Where it was written.
    pub location: Location,
}

/// A line of a test: a setting in shape.
pub type Clause = Setting;

/// A `dnsbl`, `service`, `pool` or `listener`.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Index in [`crate::scheme::Scheme::kinds`].
    pub kind: usize,
    /// Its name, unique in the file set.
    pub name: String,
    /// The word behind the colon.
    pub sort: Option<String>,
    /// Its settings, in text order.
    pub settings: Vec<Setting>,
    /// Where it was written.
    pub location: Location,
}

/// A named rule.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    /// Its name.
    pub name: String,
    /// Its weight after overrides; `None` for a signal.
    pub weight: Option<Score>,
    /// Switched off by `scores`: it never runs and a reference to it is false.
    pub off: bool,
    /// What it says of the message.
    pub text: Option<String>,
    /// Its group, by index in the plan's groups.
    pub group: Option<usize>,
    /// Computed and counted, without effect.
    pub shadow: bool,
    /// Where it was written.
    pub location: Location,
}

/// A group of weighted rules.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// How long a decision waits for its open lookups, in milliseconds.
    pub deadline: Option<u64>,
    /// Its score is never above this.
    pub cap: Option<Score>,
    /// What a rule adds that missed while one of its lookups failed.
    pub failed_counts: Score,
    /// Its rules, by index in the plan's rules.
    pub rules: Vec<usize>,
    /// Where it was written.
    pub location: Location,
}

/// Where the entries of a list or map are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Between brackets in the rule file.
    Inline,
    /// In a file of its own, by its path as the file set resolved it.
    File(String),
}

/// A list.
#[derive(Clone, Debug)]
pub struct ListSpec {
    /// Its name; empty for one written in place (`in [ "a", "b" ]`).
    pub name: String,
    /// `net`, `domain`, `address`, `text`, `pattern` or `phrase`.
    pub of: String,
    /// Where its entries are.
    pub origin: Origin,
    /// Where it was declared.
    pub location: Location,
}

/// A map.
#[derive(Clone, Debug)]
pub struct MapSpec {
    /// Its name.
    pub name: String,
    /// The type of its keys.
    pub key: Type,
    /// The type of its values.
    pub value: Type,
    /// Where its entries are.
    pub origin: Origin,
    /// Where it was declared.
    pub location: Location,
}

/// A `test` block.
#[derive(Clone, Debug)]
pub struct TestCase {
    /// What it shows.
    pub title: String,
    /// Its lines.
    pub clauses: Vec<Clause>,
    /// Overrides of weights for this test alone: rule by index; `None` is `off`.
    pub scores: Vec<(usize, Option<Score>)>,
    /// Where it was written.
    pub location: Location,
}
