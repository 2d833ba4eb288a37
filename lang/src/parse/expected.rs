//! From the grammar's complaint to a message: what was expected, what stood there instead.

use pest::error::{Error, ErrorVariant, InputLocation};

use pest::Parser as _;

use super::Reader;
use super::grammar::{Grammar, Rule};
use super::lex::{Kind, span};
use crate::diagnostic::{Diagnostic, codes::syntax};

/// More alternatives than this are not listed.
const ALTERNATIVES_MAX: usize = 6;

const VALUE: &str = "a value";
const CONDITION: &str = "a condition";
const COMPARISON: &str = "a comparison";
const BRACE: &str = "`{`";

/// The fault for pest's error, which is about the bytes from `start` to `end` of the file.
pub(super) fn unexpected(reader: &Reader<'_>, error: &Error<Rule>, start: usize, end: usize) -> Diagnostic {
    let offset = match error.location {
        InputLocation::Pos(place) | InputLocation::Span((place, _)) => place,
    };
    if let Some(fault) = bad_value_in_text(reader, start + offset) {
        return fault;
    }
    let (from, to, found) = found(reader, start + offset, end);
    let expected = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => alternatives(positives),
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    let message = match expected.split_last() {
        None => format!("{found} does not belong here"),
        Some((only, [])) => format!("expected {only}, found {found}"),
        Some((last, others)) => format!("expected {} or {last}, found {found}", others.join(", ")),
    };
    let fault = Diagnostic::new(&syntax::UNEXPECTED, span(reader.file, from, to), message);
    match help(reader, from, to, &expected) {
        Some(help) => fault.with_help(help),
        None => fault,
    }
}

/// The lexeme at or after a place: its bytes, and how a message calls it.
fn found(reader: &Reader<'_>, place: usize, end: usize) -> (usize, usize, String) {
    let lexemes = &reader.layout.lexemes;
    let mut index = lexemes.partition_point(|lexeme| lexeme.end <= place);
    while lexemes.get(index).is_some_and(|lexeme| matches!(lexeme.kind, Kind::Comment | Kind::FreeNewline)) {
        index += 1;
    }
    match lexemes.get(index) {
        Some(lexeme) if lexeme.start < end && lexeme.kind != Kind::Newline => {
            let written = reader.text.get(lexeme.start..lexeme.end).unwrap_or_default();
            let shown = if written.len() > 40 { "this text".to_owned() } else { format!("`{written}`") };
            (lexeme.start, lexeme.end, shown)
        }
        _ => {
            // The caret stands behind the last character of the statement.
            let line_end = lexemes
                .get(..index)
                .and_then(|before| before.iter().rev().find(|lexeme| is_token(lexeme.kind)))
                .map_or(end, |last| last.end);
            (line_end, line_end, String::from("the end of the line"))
        }
    }
}

fn is_token(kind: Kind) -> bool {
    !matches!(kind, Kind::Comment | Kind::FreeNewline | Kind::Newline)
}

/// What a reader most likely has to write instead.
fn help(reader: &Reader<'_>, from: usize, to: usize, expected: &[&str]) -> Option<String> {
    let written = reader.text.get(from..to).unwrap_or_default();
    let is_expected = |name: &str| expected.contains(&name);
    let text = match written {
        "else" => "`else` stands behind the `}` of its `if`, on the same line: `} else {`",
        "not" => "`not` takes one condition: `not (a and b)`",
        "=" if is_expected(COMPARISON) => "two values are compared with `==`",
        "and" | "or" => "a condition stands on both sides of `and` and `or`",
        "exceeds" => "`exceeds` is not of this version of the language",
        "if" if reader.text.get(..from).is_some_and(|before| before.trim_end().ends_with(',')) => {
            "no comma stands before `if`"
        }
        "if" if is_expected(BRACE) => "settings have no `if`: only statements have",
        "" if is_expected(BRACE) => "`{` stands at the end of the line of what it belongs to",
        "" if is_expected(VALUE) || is_expected(CONDITION) => {
            "a line goes on when the next begins with `if`, `and`, `or` or `in`, or this one ends with a comma"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// The fault of the first `{...}` that is no value in the text at this place, if a text stands there.
fn bad_value_in_text(reader: &Reader<'_>, place: usize) -> Option<Diagnostic> {
    let lexemes = &reader.layout.lexemes;
    let lexeme = lexemes.get(lexemes.partition_point(|lexeme| lexeme.end <= place))?;
    if lexeme.kind != Kind::Text {
        return None;
    }
    let bytes = reader.text.as_bytes();
    let mut at = lexeme.start;
    while at < lexeme.end {
        match bytes.get(at)? {
            b'\\' => at += 1,
            b'{' => {
                // The lexer has found its end: no brace stands inside.
                let end = at + reader.text.get(at..lexeme.end)?.find('}')? + 1;
                let piece = reader.text.get(at..end)?;
                if Grammar::parse(Rule::piece_only, piece).is_err() {
                    let message = format!("`{piece}` in a text is no value");
                    return Some(
                        Diagnostic::new(&syntax::PIECE, span(reader.file, at, end), message)
                            .with_help("a value is a field or a call; write `\\{` for the brace itself"),
                    );
                }
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The rules as words, each once, in the order of the grammar; nothing when there are too many to help.
fn alternatives(rules: &[Rule]) -> Vec<&'static str> {
    let mut named: Vec<&'static str> = Vec::new();
    for rule in rules {
        if let Some(name) = name(*rule)
            && !named.contains(&name)
        {
            named.push(name);
        }
    }
    // Where a line may end, what could also follow says little.
    if named.len() > ALTERNATIVES_MAX {
        named.clear();
    }
    named
}

/// How messages call what a rule reads; none for what goes without saying.
fn name(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::EOI | Rule::end => "the end of the line",
        Rule::text
        | Rule::regex
        | Rule::list_of
        | Rule::grouped
        | Rule::truth
        | Rule::call
        | Rule::path
        | Rule::value
        | Rule::primary
        | Rule::operand
        | Rule::offset
        | Rule::call_name
        | Rule::bracket_open
        | Rule::paren_open => VALUE,
        Rule::numeral => "a number",
        Rule::expression | Rule::conjunction | Rule::negation | Rule::comparison | Rule::quantified => {
            "a condition"
        }
        Rule::op_is | Rule::op_values => COMPARISON,
        Rule::state => "a state",
        Rule::kw_and => "`and`",
        Rule::kw_or => "`or`",
        Rule::kw_if | Rule::guard => "`if`",
        Rule::kw_else => "`else`",
        Rule::kw_in | Rule::group_of => "`in`",
        Rule::kw_file | Rule::from_file => "`file`",
        Rule::kw_off => "`off`",
        Rule::kw_shadow => "`shadow`",
        Rule::inline_list | Rule::inline_map => "a list",
        Rule::pair => "a pair",
        Rule::quoted => "a text",
        Rule::word | Rule::verb_word => "a name",
        Rule::statement | Rule::if_block | Rule::let_name | Rule::do_check | Rule::verb => "a statement",
        Rule::line => "a setting",
        Rule::score_entry => "`NAME = value`",
        Rule::block | Rule::body | Rule::score_block | Rule::brace_open => BRACE,
        Rule::brace_close => "`}`",
        Rule::bracket_close => "`]`",
        Rule::paren_close => "`)`",
        Rule::comma => "`,`",
        Rule::colon | Rule::sort => "`:`",
        Rule::assign => "`=`",
        Rule::arrow => "`->`",
        Rule::sign => "an operator",
        Rule::item | Rule::declaration => "an item",
        _ => return None,
    })
}
