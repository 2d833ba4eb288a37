//! From the grammar's pairs to the tree: items, statements and atoms.
//!
//! The grammar guarantees which pairs stand where; a `None` here would be a grammar and a builder that disagree, and
//! becomes a fault like any other instead of a panic.

mod expression;

use pest::iterators::Pair;

use super::grammar::Rule;
use super::lex::span;
use super::literal::literal;
use crate::ast::{
    self, Atom, AtomKind, Block, Declaration, Entries, Expr, If, Item, List, Literal, Map, Name, Phase,
    Quoted, ScoreEntry, Scores, Sign, Statement, Test, Verb,
};
use crate::diagnostic::{Diagnostic, codes::syntax};
use crate::score::Score;
use crate::source::{FileId, Span};

/// Where the pairs come from, and what was wrong with constants.
pub(super) struct Builder {
    pub(super) file: FileId,
    /// Where the parsed stretch begins in the file.
    pub(super) base: usize,
    pub(super) faults: Vec<Diagnostic>,
}

type Parsed<'i> = Pair<'i, Rule>;

/// The first pair inside that is of this rule.
fn child<'i>(pair: &Parsed<'i>, rule: Rule) -> Option<Parsed<'i>> {
    pair.clone().into_inner().find(|inner| inner.as_rule() == rule)
}

/// All pairs inside that are of this rule.
fn children<'i>(pair: &Parsed<'i>, rule: Rule) -> impl Iterator<Item = Parsed<'i>> {
    pair.clone().into_inner().filter(move |inner| inner.as_rule() == rule)
}

impl Builder {
    pub(super) fn span(&self, pair: &Parsed<'_>) -> Span {
        let start = self.base + pair.as_span().start();
        // A rule that ends with something optional has read the blanks before it.
        span(self.file, start, start + pair.as_str().trim_end().len())
    }

    fn name(&self, pair: &Parsed<'_>) -> Name {
        Name { text: pair.as_str().to_owned(), span: self.span(pair) }
    }

    /// The words directly inside, in order.
    fn words(&self, pair: &Parsed<'_>) -> std::vec::IntoIter<Name> {
        children(pair, Rule::word).map(|word| self.name(&word)).collect::<Vec<_>>().into_iter()
    }

    fn quoted(&self, pair: &Parsed<'_>) -> Quoted {
        let written = pair.as_str();
        let inside = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(written);
        Quoted { text: unescape(inside), span: self.span(pair) }
    }

    fn quoted_in(&self, pair: &Parsed<'_>) -> Option<Quoted> {
        child(pair, Rule::quoted).map(|quoted| self.quoted(&quoted))
    }

    /// `weir 1`: the number.
    pub(super) fn version(pair: &Parsed<'_>) -> Option<u32> {
        child(pair, Rule::numeral)?.as_str().parse().ok()
    }

    /// `role NAME`.
    pub(super) fn role(&self, pair: &Parsed<'_>) -> Option<Name> {
        self.words(pair).next()
    }

    pub(super) fn item(&mut self, pair: &Parsed<'_>) -> Option<Item> {
        let inner = pair.clone().into_inner().next()?;
        let span = self.span(&inner);
        Some(match inner.as_rule() {
            Rule::use_files => Item::Use(self.quoted_in(&inner)?),
            Rule::list => self.list(&inner)?,
            Rule::map => self.map(&inner)?,
            Rule::scores => Item::Scores(self.scores(&inner)?),
            Rule::rule_item => self.rule(&inner)?,
            Rule::check => {
                let name = self.words(&inner).next()?;
                Item::Check(ast::Check { name, body: self.block(&child(&inner, Rule::block)?)? })
            }
            Rule::phase => {
                let name = self.words(&inner).next()?;
                Item::Phase(Phase { name, body: self.block(&child(&inner, Rule::block)?)? })
            }
            Rule::test => {
                let title = self.quoted_in(&inner)?;
                Item::Test(Test { title, body: self.body(&child(&inner, Rule::body)?)?, span })
            }
            Rule::declaration => {
                let mut words = self.words(&inner);
                let (kind, name) = (words.next()?, words.next()?);
                let sort = child(&inner, Rule::sort).and_then(|sort| self.words(&sort).next());
                Item::Declaration(Declaration {
                    kind,
                    name,
                    sort,
                    body: self.body(&child(&inner, Rule::body)?)?,
                    span,
                })
            }
            _ => return None,
        })
    }

    fn list(&mut self, pair: &Parsed<'_>) -> Option<Item> {
        let words: Vec<Name> = self.words(pair).collect();
        let [name, of] = <[Name; 2]>::try_from(words).ok()?;
        Some(Item::List(List { name, of, entries: self.entries(pair)?, span: self.span(pair) }))
    }

    fn map(&mut self, pair: &Parsed<'_>) -> Option<Item> {
        let words: Vec<Name> = self.words(pair).collect();
        let [name, key, value] = <[Name; 3]>::try_from(words).ok()?;
        Some(Item::Map(Map { name, key, value, entries: self.entries(pair)?, span: self.span(pair) }))
    }

    fn entries(&mut self, pair: &Parsed<'_>) -> Option<Entries> {
        if let Some(file) = child(pair, Rule::from_file) {
            return Some(Entries::File(self.quoted_in(&file)?));
        }
        let mut entries = Vec::new();
        if let Some(inline) = child(pair, Rule::inline_map) {
            for pair in children(&inline, Rule::pair) {
                let mut sides = children(&pair, Rule::operand);
                let (key, value) = (sides.next()?, sides.next()?);
                entries.push((self.operand(&key)?, Some(self.operand(&value)?)));
            }
        } else {
            for entry in children(&child(pair, Rule::inline_list)?, Rule::operand) {
                entries.push((self.operand(&entry)?, None));
            }
        }
        Some(Entries::Inline(entries))
    }

    fn scores(&mut self, pair: &Parsed<'_>) -> Option<Scores> {
        if let Some(files) = self.quoted_in(pair) {
            return Some(Scores::Files(files));
        }
        let block = child(pair, Rule::score_block)?;
        let entries: Option<Vec<ScoreEntry>> =
            children(&block, Rule::score_entry).map(|entry| self.score_entry(&entry)).collect();
        Some(Scores::Inline(entries?))
    }

    pub(super) fn score_entry(&mut self, pair: &Parsed<'_>) -> Option<ScoreEntry> {
        let rule = self.words(pair).next()?;
        let weight = child(pair, Rule::numeral).map(|numeral| self.score(&numeral));
        Some(ScoreEntry { rule, weight })
    }

    /// A weight; a fault and zero when it is none.
    fn score(&mut self, pair: &Parsed<'_>) -> Score {
        Score::parse(pair.as_str()).unwrap_or_else(|| {
            let message = format!("`{}` is not a score", pair.as_str());
            let fault = Diagnostic::new(&syntax::LITERAL, self.span(pair), message)
                .with_help("a score is a number with at most two decimals, such as `1.5` or `-0.25`");
            self.faults.push(fault);
            Score::ZERO
        })
    }

    fn rule(&mut self, pair: &Parsed<'_>) -> Option<Item> {
        let name = self.words(pair).next()?;
        let weight = child(pair, Rule::numeral).map(|numeral| self.score(&numeral));
        let group = child(pair, Rule::group_of).and_then(|group| self.words(&group).next());
        Some(Item::Rule(ast::Rule {
            name,
            shadow: child(pair, Rule::kw_shadow).is_some(),
            weight,
            text: self.quoted_in(pair),
            group,
            condition: self.expression(&child(pair, Rule::expression)?)?,
            span: self.span(pair),
        }))
    }

    fn block(&mut self, pair: &Parsed<'_>) -> Option<Block> {
        let statements: Option<Vec<Statement>> =
            children(pair, Rule::statement).map(|statement| self.statement(&statement)).collect();
        Some(Block { statements: statements?, span: self.span(pair) })
    }

    pub(super) fn statement(&mut self, pair: &Parsed<'_>) -> Option<Statement> {
        let inner = pair.clone().into_inner().next()?;
        let span = self.span(&inner);
        Some(match inner.as_rule() {
            Rule::if_block => {
                let mut arms = Vec::new();
                for arm in children(&inner, Rule::arm) {
                    let condition = self.expression(&child(&arm, Rule::expression)?)?;
                    arms.push((condition, self.block(&child(&arm, Rule::block)?)?));
                }
                let otherwise = match child(&inner, Rule::otherwise) {
                    Some(otherwise) => Some(self.block(&child(&otherwise, Rule::block)?)?),
                    None => None,
                };
                Statement::If(If { arms, otherwise, span })
            }
            Rule::let_name => {
                let name = self.words(&inner).next()?;
                Statement::Let { name, value: self.expression(&child(&inner, Rule::expression)?)? }
            }
            Rule::do_check => {
                let name = self.words(&inner).next()?;
                Statement::Do { name, guard: self.guard(&inner)?, span }
            }
            Rule::verb => Statement::Verb(self.verb(&inner)?),
            _ => return None,
        })
    }

    /// The condition behind `if`; the outer `None` is a tree that does not fit.
    #[expect(clippy::option_option, reason = "no guard and a broken tree are two things")]
    fn guard(&mut self, pair: &Parsed<'_>) -> Option<Option<Expr>> {
        match child(pair, Rule::guard) {
            Some(guard) => Some(Some(self.expression(&child(&guard, Rule::expression)?)?)),
            None => Some(None),
        }
    }

    fn verb(&mut self, pair: &Parsed<'_>) -> Option<Verb> {
        let word = self.words(&child(pair, Rule::verb_word)?).next()?;
        let mut atoms = Vec::new();
        self.atoms(pair, &mut atoms)?;
        Some(Verb {
            shadow: child(pair, Rule::kw_shadow).is_some(),
            word,
            atoms,
            guard: self.guard(pair)?,
            span: self.span(pair),
        })
    }

    /// What is between the braces of a declaration or a test.
    fn body(&mut self, pair: &Parsed<'_>) -> Option<Vec<Atom>> {
        let mut atoms = Vec::new();
        if let Some(lines) = child(pair, Rule::lines) {
            self.lines(&lines, &mut atoms)?;
        }
        Some(atoms)
    }

    /// Lines with one `Newline` between each two.
    pub(super) fn lines(&mut self, pair: &Parsed<'_>, atoms: &mut Vec<Atom>) -> Option<()> {
        let mut ended: Option<Span> = None;
        for inner in pair.clone().into_inner() {
            match inner.as_rule() {
                Rule::line => {
                    if let Some(span) = ended.take() {
                        atoms.push(Atom { kind: AtomKind::Newline, span });
                    }
                    self.atoms(&inner, atoms)?;
                }
                Rule::end => ended = ended.or_else(|| Some(self.span(&inner))),
                _ => return None,
            }
        }
        Some(())
    }

    /// The atoms of one verb or line.
    pub(super) fn atoms(&mut self, pair: &Parsed<'_>, atoms: &mut Vec<Atom>) -> Option<()> {
        for inner in pair.clone().into_inner() {
            let span = self.span(&inner);
            let kind = match inner.as_rule() {
                Rule::comma => AtomKind::Comma,
                Rule::sign => AtomKind::Sign(match inner.as_str() {
                    "=" => Sign::Assign,
                    "->" => Sign::Arrow,
                    operator => Sign::Compare(expression::operator(operator)?),
                }),
                Rule::value => AtomKind::Value(self.value(&inner)?),
                Rule::body => AtomKind::Block(self.body(&inner)?),
                _ => continue,
            };
            atoms.push(Atom { kind, span });
        }
        Some(())
    }

    /// A constant; a fault and zero when it is none.
    fn numeral(&mut self, pair: &Parsed<'_>) -> Literal {
        literal(pair.as_str()).unwrap_or_else(|refused| {
            let mut fault = Diagnostic::new(&syntax::LITERAL, self.span(pair), refused.message);
            fault.helps.extend(refused.help);
            self.faults.push(fault);
            Literal::Int(0)
        })
    }
}

/// Escapes resolved; the lexer has refused all others.
fn unescape(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}
