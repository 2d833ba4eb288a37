//! What was written: the tree that [`crate::parse`] makes and [`crate::check`] reads.
//!
//! Nothing here knows what a verb, a field or a setting means. A statement and a setting are a word with
//! *atoms* behind it; the scheme's forms say which atoms a word takes, and `check` matches the two.

use std::net::{IpAddr, SocketAddr};

use crate::score::Score;
use crate::source::Span;

/// An identifier with its place.
#[derive(Clone, Debug)]
pub struct Name {
    /// The text.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A quoted text with its place, escapes resolved, `{...}` not interpreted.
#[derive(Clone, Debug)]
pub struct Quoted {
    /// The text between the quotes.
    pub text: String,
    /// Where, quotes included.
    pub span: Span,
}

/// One file: `weir 1`, an optional role, then items.
#[derive(Clone, Debug)]
pub struct File {
    /// The version in the first line.
    pub version: u32,
    /// `role NAME`: a label, never a switch.
    pub role: Option<Name>,
    /// All else, as written.
    pub items: Vec<Item>,
    /// The whole file.
    pub span: Span,
}

/// A fact, a phase or a test.
#[derive(Clone, Debug)]
pub enum Item {
    /// `use "common.weir"`: a path or a glob, relative to this file.
    Use(Quoted),
    /// `list NAME : TYPE = ...`
    List(List),
    /// `map NAME : TYPE -> TYPE = ...`
    Map(Map),
    /// `scores { ... }` or `scores "glob"`
    Scores(Scores),
    /// `group`, `dnsbl`, `service`, `pool`, `listener`: a kind, a name and settings.
    Declaration(Declaration),
    /// `rule NAME ...`
    Rule(Rule),
    /// `check NAME { ... }`
    Check(Check),
    /// `on PHASE { ... }`
    Phase(Phase),
    /// `test "..." { ... }`
    Test(Test),
}

/// A typed set of values.
#[derive(Clone, Debug)]
pub struct List {
    /// Its name.
    pub name: Name,
    /// `net`, `domain`, `address`, `text`, `pattern` or `phrase`.
    pub of: Name,
    /// Where its entries are.
    pub entries: Entries,
    /// The whole item.
    pub span: Span,
}

/// A typed set of pairs.
#[derive(Clone, Debug)]
pub struct Map {
    /// Its name.
    pub name: Name,
    /// The type of its keys.
    pub key: Name,
    /// The type of its values.
    pub value: Name,
    /// Where its entries are; inline ones are `"key" -> "value"`.
    pub entries: Entries,
    /// The whole item.
    pub span: Span,
}

/// Entries in place or in a file.
#[derive(Clone, Debug)]
pub enum Entries {
    /// `[ a, b ]`; for a map the second of the pair is its value.
    Inline(Vec<(Expr, Option<Expr>)>),
    /// `file "path"`, relative to this file.
    File(Quoted),
}

/// Overrides of rule weights.
#[derive(Clone, Debug)]
pub enum Scores {
    /// `scores { NAME = 1.5 }`
    Inline(Vec<ScoreEntry>),
    /// `scores "scores.d/*.scores"`: a path or a glob.
    Files(Quoted),
}

/// One override.
#[derive(Clone, Debug)]
pub struct ScoreEntry {
    /// The rule.
    pub rule: Name,
    /// The new weight; `None` is `off`: the rule does not run.
    pub weight: Option<Score>,
}

/// A declaration whose meaning is the scheme's.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// `dnsbl`, `pool`, ...
    pub kind: Name,
    /// Its name.
    pub name: Name,
    /// `clamd` in `service av : clamd`.
    pub sort: Option<Name>,
    /// What is between the braces.
    pub body: Vec<Atom>,
    /// The whole item.
    pub span: Span,
}

/// A named condition, with or without a weight.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, unique in the file set.
    pub name: Name,
    /// Computed and counted, without effect on a score.
    pub shadow: bool,
    /// Its weight; `None` makes it a signal for other rules.
    pub weight: Option<Score>,
    /// What it says of the message.
    pub text: Option<Quoted>,
    /// The group whose score it adds to.
    pub group: Option<Name>,
    /// When it hits.
    pub condition: Expr,
    /// The whole item.
    pub span: Span,
}

/// A block to be called by `do NAME`.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its name.
    pub name: Name,
    /// Its statements.
    pub body: Block,
}

/// `on PHASE { ... }`
#[derive(Clone, Debug)]
pub struct Phase {
    /// The phase's name.
    pub name: Name,
    /// Its statements.
    pub body: Block,
}

/// A test: lines of atoms whose forms the scheme gives.
#[derive(Clone, Debug)]
pub struct Test {
    /// What it shows.
    pub title: Quoted,
    /// What is between the braces.
    pub body: Vec<Atom>,
    /// The whole item.
    pub span: Span,
}

/// Statements in text order.
#[derive(Clone, Debug)]
pub struct Block {
    /// The statements.
    pub statements: Vec<Statement>,
    /// The block, braces included.
    pub span: Span,
}

/// One statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `[shadow] verb atoms [if guard]`
    Verb(Verb),
    /// `if cond { } else if cond { } else { }`
    If(If),
    /// `let NAME = expr`
    Let {
        /// The new name.
        name: Name,
        /// What it stands for.
        value: Expr,
    },
    /// `do NAME [if guard]`
    Do {
        /// The check.
        name: Name,
        /// Only when this holds.
        guard: Option<Expr>,
        /// The whole statement.
        span: Span,
    },
}

/// A verb with what it takes.
#[derive(Clone, Debug)]
pub struct Verb {
    /// Computed and logged, not done.
    pub shadow: bool,
    /// `reject`, `add`, ...
    pub word: Name,
    /// All between the verb and its guard.
    pub atoms: Vec<Atom>,
    /// Only when this holds.
    pub guard: Option<Expr>,
    /// The whole statement.
    pub span: Span,
}

/// A conditional block.
#[derive(Clone, Debug)]
pub struct If {
    /// `if` and `else if`, in order.
    pub arms: Vec<(Expr, Block)>,
    /// `else`.
    pub otherwise: Option<Block>,
    /// The whole statement.
    pub span: Span,
}

/// A piece of a verb, a setting or a test line.
#[derive(Clone, Debug)]
pub struct Atom {
    /// What.
    pub kind: AtomKind,
    /// Where.
    pub span: Span,
}

/// What a piece is. A bare word is a `Value` with an [`ExprKind::Path`] of one name.
#[derive(Clone, Debug)]
pub enum AtomKind {
    /// A literal, a word, a field, a call or a list.
    Value(Expr),
    /// `,`
    Comma,
    /// An operator between values, as in a test's `score content < 2.5` or `dns "x" = 127.0.0.2`.
    Sign(Sign),
    /// The end of a line (only in bodies of declarations and tests) or `;`.
    Newline,
    /// `{ ... }` inside a body.
    Block(Vec<Atom>),
}

/// An operator in a list of atoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `=`
    Assign,
    /// `->`
    Arrow,
    /// `==`, `<` and so on.
    Compare(Op),
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A constant.
    Literal(Literal),
    /// `client.ip`, `ZEN_LISTED`, `missing`.
    Path(Vec<Name>),
    /// `zen(client.ip)`, `header("Date").time`.
    Call {
        /// What is called.
        name: Name,
        /// Its arguments.
        arguments: Vec<Expr>,
        /// `.time` behind the call.
        members: Vec<Name>,
    },
    /// `[ a, b ]`
    List(Vec<Expr>),
    /// `not x`
    Not(Box<Expr>),
    /// `x and y`
    And(Box<Expr>, Box<Expr>),
    /// `x or y`
    Or(Box<Expr>, Box<Expr>),
    /// `[all|any] x OP y`
    Compare {
        /// `all` or `any` before a list.
        quantifier: Option<Quantifier>,
        /// The left side.
        left: Box<Expr>,
        /// The operator.
        op: Op,
        /// Where the operator is.
        op_span: Span,
        /// The right side. For `is`, a word (`missing`) or a word with arguments (`fail(reject)`).
        right: Box<Expr>,
    },
    /// `now + 24h`, `now - 7d`: a time with a duration added (negative for `-`), in milliseconds.
    Offset {
        /// The time.
        base: Box<Expr>,
        /// What is added.
        milliseconds: i64,
    },
}

/// How many elements of a list must satisfy a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// Each of them, and there is at least one.
    All,
    /// At least one.
    Any,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `in`
    In,
    /// `not in`
    NotIn,
    /// `~`
    Match,
    /// `!~`
    NotMatch,
    /// `has`
    Has,
    /// `has only`
    HasOnly,
    /// `is`
    Is,
    /// `is not`
    IsNot,
    /// `matches`
    Matches,
    /// `begins`
    Begins,
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `60`
    Int(i64),
    /// `2.5`, `-4.0`: hundredths.
    Score(Score),
    /// `"..."`, with `{...}` parsed; a text without any is one [`Piece::Text`] (none when empty).
    Text(Vec<Piece>),
    /// `/.../i`
    Regex(Regex),
    /// `500ms 2s 1m 1h 7d`, in milliseconds.
    Duration(u64),
    /// `15360000B 1MB 25MB 4KiB`, in bytes.
    Size(u64),
    /// `80%`
    Percent(u32),
    /// `192.0.2.7`, `2001:db8::1`
    Ip(IpAddr),
    /// `192.0.2.0/24`
    Net(IpAddr, u8),
    /// `10.40.0.8:10024`, `[::]:25`
    Socket(SocketAddr),
    /// `127.0.*.2-3`: a range for each octet.
    Quad([(u8, u8); 4]),
    /// `5.7.1` (RFC 3463).
    Enhanced(u8, u16, u16),
    /// `true`, `false`
    Bool(bool),
}

/// A part of a text.
#[derive(Clone, Debug)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// `{client.ip}`
    Value(Expr),
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => left == right,
            // Two values are the same text when they are written alike; spans say nothing of that.
            (Self::Value(left), Self::Value(right)) => {
                format!("{:?}", left.kind) == format!("{:?}", right.kind)
            }
            _ => false,
        }
    }
}

/// A pattern as written between slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Regex {
    /// The pattern, `\/` resolved to `/`.
    pub pattern: String,
    /// `i`: letters match in either case.
    pub ignore_case: bool,
}
