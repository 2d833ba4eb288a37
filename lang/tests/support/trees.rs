//! Made-up trees: everything that the grammar can say, whether or not it means anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use weir_lang::ast::{
    Atom, AtomKind, Block, Check, Declaration, Entries, Expr, ExprKind, File, If, Item, List, Literal, Map,
    Name, Op, Phase, Piece, Quantifier, Quoted, Regex, Rule, ScoreEntry, Scores, Sign, Statement, Test, Verb,
};
use weir_lang::score::Score;
use weir_lang::source::{FileId, Span};

const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

fn name() -> impl Strategy<Value = Name> + Clone {
    select(vec!["a", "client", "ZEN_LISTED", "us-west", "x1", "_", "i", "android", "shadows", "truely"])
        .prop_map(named)
}

fn named(text: &str) -> Name {
    Name { text: text.to_owned(), span: NOWHERE }
}

fn quoted() -> impl Strategy<Value = Quoted> + Clone {
    plain().prop_map(|text| Quoted { text, span: NOWHERE })
}

fn plain() -> impl Strategy<Value = String> + Clone {
    "[ -~äß\n\t]{0,12}"
}

fn score() -> impl Strategy<Value = Score> + Clone {
    (-100_000..100_000_i32).prop_map(Score::from_hundredths)
}

fn ip() -> impl Strategy<Value = IpAddr> + Clone {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        select(vec!["::", "::1", "::ffff:192.0.2.1", "2001:db8::", "abcd::1"])
            .prop_map(|text| text.parse().unwrap()),
    ]
}

fn net() -> impl Strategy<Value = Literal> + Clone {
    (ip(), 0..=128_u8).prop_map(|(address, length)| match address {
        IpAddr::V4(four) => {
            let length = length.min(32);
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            Literal::Net(IpAddr::V4(Ipv4Addr::from_bits(four.to_bits() & mask)), length)
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            Literal::Net(IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & mask)), length)
        }
    })
}

fn range() -> impl Strategy<Value = (u8, u8)> + Clone {
    prop_oneof![
        any::<u8>().prop_map(|octet| (octet, octet)),
        Just((0, u8::MAX)),
        any::<(u8, u8)>().prop_map(|(one, two)| (one.min(two), one.max(two))),
    ]
}

/// A pattern in which each backslash has what it escapes.
fn pattern() -> impl Strategy<Value = String> + Clone {
    vec(
        prop_oneof![
            "[ -.0-\\[\\]-~]",
            Just(String::from("/")),
            Just(String::from("\\b")),
            Just(String::from("\\\\"))
        ],
        0..6,
    )
    .prop_map(|parts| parts.concat())
}

fn constant() -> impl Strategy<Value = Literal> + Clone {
    prop_oneof![
        any::<i64>().prop_map(Literal::Int),
        score().prop_map(Literal::Score),
        (pattern(), any::<bool>())
            .prop_map(|(pattern, ignore_case)| Literal::Regex(Regex { pattern, ignore_case })),
        (0..=i64::MAX.unsigned_abs()).prop_map(Literal::Duration),
        (0..100_u64).prop_map(|days| Literal::Duration(days * 86_400_000)),
        any::<u64>().prop_map(Literal::Size),
        (0..100_u64).prop_map(|count| Literal::Size(count << 20)),
        any::<u32>().prop_map(Literal::Percent),
        ip().prop_map(Literal::Ip),
        net(),
        (ip(), any::<u16>()).prop_map(|(address, port)| Literal::Socket(SocketAddr::new(address, port))),
        [range(), range(), range(), range()].prop_map(Literal::Quad),
        (select(vec![2, 4, 5]), 0..1000_u16, 0..1000_u16)
            .prop_map(|(class, subject, detail)| Literal::Enhanced(class, subject, detail)),
        any::<bool>().prop_map(Literal::Bool),
    ]
}

fn expr(kind: ExprKind) -> Expr {
    Expr { kind, span: NOWHERE }
}

fn path() -> impl Strategy<Value = ExprKind> + Clone {
    vec(name(), 1..4).prop_map(ExprKind::Path)
}

/// Neighbouring plain pieces of a text are one, and none is empty.
fn text(values: impl Strategy<Value = Expr> + Clone + 'static) -> impl Strategy<Value = Literal> + Clone {
    let piece = prop_oneof![plain().prop_map(Piece::Text), values.prop_map(Piece::Value)];
    vec(piece, 0..4).prop_map(|pieces| {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (_, Piece::Text(text)) if text.is_empty() => {}
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => joined.push(piece),
            }
        }
        Literal::Text(joined)
    })
}

fn op() -> impl Strategy<Value = Op> {
    use Op::{Begins, Eq, Ge, Gt, Has, HasOnly, In, Le, Lt, Match, Matches, Ne, NotIn, NotMatch};
    select(vec![Eq, Ne, Lt, Le, Gt, Ge, In, NotIn, Match, NotMatch, Has, HasOnly, Matches, Begins])
}

/// Any condition.
pub(crate) fn condition() -> impl Strategy<Value = Expr> + Clone {
    let short = path().prop_map(expr).boxed();
    let leaf = prop_oneof![
        constant().prop_map(ExprKind::Literal),
        text(short.clone()).prop_map(ExprKind::Literal),
        path()
    ];
    leaf.prop_map(expr).boxed().prop_recursive(4, 24, 3, move |inner| {
        let pair = (inner.clone(), inner.clone()).prop_map(|(left, right)| (Box::new(left), Box::new(right)));
        let call = (name(), vec(inner.clone(), 0..3), vec(name(), 0..2))
            .prop_map(|(name, arguments, members)| ExprKind::Call { name, arguments, members });
        let state = prop_oneof![path().prop_map(expr), call.clone().prop_map(expr)];
        let quantifier = option::of(select(vec![Quantifier::All, Quantifier::Any]));
        prop_oneof![
            call,
            vec(inner.clone(), 0..3).prop_map(ExprKind::List),
            inner.clone().prop_map(|inner| ExprKind::Not(Box::new(inner))),
            pair.clone().prop_map(|(left, right)| ExprKind::And(left, right)),
            pair.clone().prop_map(|(left, right)| ExprKind::Or(left, right)),
            (quantifier.clone(), pair, op()).prop_map(|(quantifier, (left, right), op)| ExprKind::Compare {
                quantifier,
                left,
                op,
                op_span: NOWHERE,
                right
            }),
            (quantifier, inner.clone(), select(vec![Op::Is, Op::IsNot]), state).prop_map(
                |(quantifier, left, op, right)| ExprKind::Compare {
                    quantifier,
                    left: Box::new(left),
                    op,
                    op_span: NOWHERE,
                    right: Box::new(right),
                }
            ),
            (inner, -100_000_000_000..100_000_000_000_i64)
                .prop_map(|(base, milliseconds)| ExprKind::Offset { base: Box::new(base), milliseconds }),
        ]
        .prop_map(expr)
    })
}

fn value() -> impl Strategy<Value = Expr> + Clone {
    let words = select(vec!["not", "in", "is", "else", "to", "off", "all"]);
    prop_oneof![
        constant().prop_map(ExprKind::Literal),
        text(path().prop_map(expr).boxed()).prop_map(ExprKind::Literal),
        path(),
        words.prop_map(|word| ExprKind::Path(vec![named(word)])),
        vec(condition(), 0..2).prop_map(ExprKind::List),
        (name(), vec(condition(), 0..2)).prop_map(|(name, arguments)| ExprKind::Call {
            name,
            arguments,
            members: Vec::new()
        }),
    ]
    .prop_map(expr)
}

fn atom(kind: AtomKind) -> Atom {
    Atom { kind, span: NOWHERE }
}

/// Values with commas and signs between them; the first is a word that begins no continuation.
fn line() -> impl Strategy<Value = Vec<Atom>> + Clone {
    let between = prop_oneof![
        4 => Just(None),
        1 => Just(Some(AtomKind::Comma)),
        1 => Just(Some(AtomKind::Sign(Sign::Assign))),
        1 => Just(Some(AtomKind::Sign(Sign::Arrow))),
        1 => Just(Some(AtomKind::Sign(Sign::Compare(Op::Lt)))),
    ];
    (name(), vec((between, value()), 0..4)).prop_map(|(first, rest)| {
        let mut atoms = vec![atom(AtomKind::Value(expr(ExprKind::Path(vec![first]))))];
        for (between, value) in rest {
            atoms.extend(between.map(atom));
            atoms.push(atom(AtomKind::Value(value)));
        }
        atoms
    })
}

fn body() -> impl Strategy<Value = Vec<Atom>> + Clone {
    let lines = |lines: Vec<Vec<Atom>>| {
        let mut atoms = Vec::new();
        for line in lines {
            if !atoms.is_empty() {
                atoms.push(atom(AtomKind::Newline));
            }
            atoms.extend(line);
        }
        atoms
    };
    let flat = vec(line(), 0..3).prop_map(lines);
    let nested = (line(), flat.clone()).prop_map(|(mut line, inner)| {
        line.push(atom(AtomKind::Block(inner)));
        line
    });
    vec(prop_oneof![3 => line(), 1 => nested], 0..4).prop_map(lines)
}

fn block(statement: impl Strategy<Value = Statement> + Clone) -> impl Strategy<Value = Block> + Clone {
    vec(statement, 0..3).prop_map(|statements| Block { statements, span: NOWHERE })
}

/// Any statement.
pub(crate) fn statement() -> impl Strategy<Value = Statement> + Clone {
    let verb = (any::<bool>(), name(), line(), option::of(condition())).prop_map(
        |(shadow, word, mut atoms, guard)| {
            atoms.remove(0);
            // A verb's atoms begin with a value.
            if !matches!(atoms.first(), None | Some(Atom { kind: AtomKind::Value(_), .. })) {
                atoms.remove(0);
            }
            Statement::Verb(Verb { shadow, word, atoms, guard, span: NOWHERE })
        },
    );
    let leaf = prop_oneof![
        3 => verb,
        1 => (name(), condition()).prop_map(|(name, value)| Statement::Let { name, value }),
        1 => (name(), option::of(condition())).prop_map(|(name, guard)| Statement::Do { name, guard, span: NOWHERE }),
    ];
    leaf.boxed().prop_recursive(2, 8, 3, |inner| {
        (vec((condition(), block(inner.clone())), 1..3), option::of(block(inner)))
            .prop_map(|(arms, otherwise)| Statement::If(If { arms, otherwise, span: NOWHERE }))
    })
}

fn item() -> impl Strategy<Value = Item> {
    let entries = prop_oneof![
        quoted().prop_map(Entries::File),
        vec(condition().prop_map(|entry| (entry, None)), 0..3).prop_map(Entries::Inline)
    ];
    let pairs = vec((condition(), condition().prop_map(Some)), 1..3).prop_map(Entries::Inline);
    let entry = (name(), option::of(score())).prop_map(|(rule, weight)| ScoreEntry { rule, weight });
    prop_oneof![
        quoted().prop_map(Item::Use),
        (name(), name(), entries).prop_map(|(name, of, entries)| Item::List(List {
            name,
            of,
            entries,
            span: NOWHERE
        })),
        (name(), name(), name(), pairs).prop_map(|(name, key, value, entries)| Item::Map(Map {
            name,
            key,
            value,
            entries,
            span: NOWHERE
        })),
        quoted().prop_map(|files| Item::Scores(Scores::Files(files))),
        vec(entry, 0..3).prop_map(|entries| Item::Scores(Scores::Inline(entries))),
        (name(), name(), option::of(name()), body()).prop_map(|(kind, name, sort, body)| Item::Declaration(
            Declaration { kind, name, sort, body, span: NOWHERE }
        )),
        (name(), any::<bool>(), option::of(score()), option::of(quoted()), option::of(name()), condition())
            .prop_map(|(name, shadow, weight, text, group, condition)| Item::Rule(Rule {
                name,
                shadow,
                weight,
                text,
                group,
                condition,
                span: NOWHERE
            })),
        (name(), block(statement())).prop_map(|(name, body)| Item::Check(Check { name, body })),
        (name(), block(statement())).prop_map(|(name, body)| Item::Phase(Phase { name, body })),
        (quoted(), body()).prop_map(|(title, body)| Item::Test(Test { title, body, span: NOWHERE })),
    ]
}

/// Any file.
pub(crate) fn file() -> impl Strategy<Value = File> {
    (option::of(name()), vec(item(), 0..5)).prop_map(|(role, items)| File {
        version: 1,
        role,
        items,
        span: NOWHERE,
    })
}
