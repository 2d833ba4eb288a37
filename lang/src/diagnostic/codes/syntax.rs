//! Faults of the text itself, found by the parser and by reading the file set.

use super::super::Severity::{Error, Warning};
use super::Code;

/// All of this module.
pub const ALL: &[&Code] = &[
    &VERSION,
    &ITEM,
    &UNEXPECTED,
    &TEXT_OPEN,
    &BRACKET,
    &DEEP,
    &LARGE,
    &LITERAL,
    &ESCAPE,
    &REGEX,
    &CHARACTER,
    &LONG,
    &OPERATOR,
    &PIECE,
    &UNREADABLE,
    &NO_MATCH,
    &CYCLE,
    &FACTS_ONLY,
    &ROLE,
    &FILES,
    &SCORE_LINE,
    &ENTRY_LINE,
];

/// The first line is not `weir 1`.
pub static VERSION: Code = Code {
    id: "W0101",
    severity: Error,
    title: "the first line is not `weir 1`",
    doc: "Every rule file begins with the version of the language it is written in, so that a later weir reads it as \
          it was meant. Comments may stand above it. Fragments, score files and list files have no version line.",
    example: "role mx\n",
};

/// A word that begins no item.
pub static ITEM: Code = Code {
    id: "W0102",
    severity: Error,
    title: "a word that begins no item",
    doc: "At the top of a file stand `use`, `list`, `map`, `group`, `scores`, `rule`, `check`, `on`, `test` and \
          declarations (`KIND NAME { ... }`). Statements such as `reject` stand inside `on PHASE { }` or `check NAME { }`.",
    example: "weir 1\nrul A 1 \"a\" in content = true\n",
};

/// Something else was expected.
pub static UNEXPECTED: Code = Code {
    id: "W0103",
    severity: Error,
    title: "something else was expected here",
    doc: "The grammar allows only what the message lists. A statement ends with its line: it goes on in the next \
          line only when that begins with `if`, `and`, `or` or `in`, when this one ends with a comma, or inside \
          `( )` and `[ ]`.",
    example: "weir 1\nlist deny net = [ 192.0.2.1 ]\n",
};

/// A text without its closing quote.
pub static TEXT_OPEN: Code = Code {
    id: "W0104",
    severity: Error,
    title: "a text is not closed",
    doc: "A text begins and ends with `\"` on one line. A quote inside it is written `\\\"`, a line break `\\n`.",
    example: "weir 1\nuse \"common.weir\n",
};

/// A bracket without its other half.
pub static BRACKET: Code = Code {
    id: "W0105",
    severity: Error,
    title: "a bracket has no other half",
    doc: "Each `(`, `[` and `{` has its `)`, `]` and `}`, in the right order. When braces do not balance, a line \
          that begins at the margin with an item's word is taken to be outside all of them, so that one missing \
          brace is one message.",
    example: "weir 1\non rcpt {\n  accept\n",
};

/// Too many brackets inside each other.
pub static DEEP: Code = Code {
    id: "W0106",
    severity: Error,
    title: "brackets are nested too deep",
    doc: "Brackets of all kinds may stand 32 deep inside each other. Use named rules or `check NAME { }` blocks.",
    example: "weir 1\nrule A = ((((((((((((((((((((((((((((((((((true))))))))))))))))))))))))))))))))))\n",
};

/// A file over its bound.
pub static LARGE: Code = Code {
    id: "W0107",
    severity: Error,
    title: "a file is too large",
    doc: "A rule file has at most 4 MiB, a list or map file at most 64 MiB. Large data belongs in lists, not in rules.",
    example: "",
};

/// A number, address or duration that is none.
pub static LITERAL: Code = Code {
    id: "W0108",
    severity: Error,
    title: "not a number, address, duration or size",
    doc: "Known are whole numbers (`60`), scores with up to two decimals (`2.5`), durations (`500ms 2s 1m 1h 7d`), \
          sizes (`512B 1KB 1KiB 25MB 1GB`; KB is 1000, KiB 1024), percentages (`80%`), addresses, networks \
          (`192.0.2.0/24`, host bits zero), addresses with a port (`192.0.2.1:25`, `[::]:25`), patterns of IPv4 \
          addresses (`127.0.*.2-3`) and enhanced status codes (`5.7.1`).",
    example: "weir 1\ndnsbl zen { timeout 2sec }\n",
};

/// A backslash before a character that has no escape.
pub static ESCAPE: Code = Code {
    id: "W0109",
    severity: Error,
    title: "an escape that texts do not have",
    doc: "In a text `\\\"`, `\\\\`, `\\{`, `\\}`, `\\n` and `\\t` are escapes. Any other backslash is refused, so that \
          a pattern does not end up in a text by mistake: patterns stand between slashes, `/\\bword\\b/`.",
    example: "weir 1\nrule A \"a\\d\" = true\n",
};

/// A pattern that is not closed or has unknown flags.
pub static REGEX: Code = Code {
    id: "W0110",
    severity: Error,
    title: "a pattern is not closed or has an unknown flag",
    doc: "A pattern stands between slashes on one line; a slash inside it is written `\\/`. The only flag is `i`: \
          letters match in either case.",
    example: "weir 1\nrule A = subject ~ /won/x\n",
};

/// A character that a rule file may not hold.
pub static CHARACTER: Code = Code {
    id: "W0111",
    severity: Error,
    title: "a character that does not belong here",
    doc: "Outside texts, patterns and comments a rule file is plain ASCII; control characters (other than the line \
          break, and the tab between words) may stand nowhere.",
    example: "weir 1\nrule A = 'text'\n",
};

/// An expression with too many terms.
pub static LONG: Code = Code {
    id: "W0112",
    severity: Error,
    title: "a condition has too many terms",
    doc: "One condition has at most 256 of `and`, `or` and `not`. Use a list with `in`, or named rules.",
    example: "",
};

/// `&&`, `||` and `!`.
pub static OPERATOR: Code = Code {
    id: "W0113",
    severity: Error,
    title: "an operator of another language",
    doc: "Conditions are joined with `and`, `or` and `not`, compared with `==`; there is one spelling of each.",
    example: "weir 1\nrule A = B && C\n",
};

/// `{` in a text without `}`.
pub static PIECE: Code = Code {
    id: "W0114",
    severity: Error,
    title: "`{` in a text begins no value",
    doc: "In a text `{client.ip}` stands for a value: a field, or a call such as `{hits(reputation)}`. A brace that \
          is meant as a brace is written `\\{`.",
    example: "weir 1\nrule A \"a { b\" = true\n",
};

/// A file that cannot be had.
pub static UNREADABLE: Code = Code {
    id: "W0130",
    severity: Error,
    title: "a file cannot be read",
    doc: "Paths are relative to the file in which they stand. The reason is the operating system's. A rule file \
          set with a missing file is not loaded: half a set of rules would be another set.",
    example: "weir 1\nuse \"missing.weir\"\n",
};

/// A pattern of paths without a match.
pub static NO_MATCH: Code = Code {
    id: "W0131",
    severity: Warning,
    title: "no file matches",
    doc: "A path with `*` may match no file, but it often means that the folder's name is misspelt.",
    example: "weir 1\nuse \"rules.d/*.weir\"\n",
};

/// Files that use each other.
pub static CYCLE: Code = Code {
    id: "W0132",
    severity: Error,
    title: "a file uses itself",
    doc: "`use` brings in the facts of another file. That file may not, through any others, use the first: put what \
          both need in a third file. The same file used twice along different ways is read once.",
    example: "weir 1\nuse \"main.weir\"\n",
};

/// A used file with phases.
pub static FACTS_ONLY: Code = Code {
    id: "W0133",
    severity: Error,
    title: "a used file has a phase",
    doc: "`use` brings in facts only: lists, maps, lookups, services, pools, listeners, rules, checks and tests. What \
          is done, and in which order, stands in the files that weir is started with, where a reader sees it.",
    example: "weir 1\nuse \"other.weir\"\n",
};

/// Two roles.
pub static ROLE: Code = Code {
    id: "W0134",
    severity: Error,
    title: "the role is given twice",
    doc: "A file set has one role, said in the file that weir is started with. It is a label for logs and metrics.",
    example: "weir 1\nrole mx\nuse \"other.weir\"\n",
};

/// Too many files.
pub static FILES: Code = Code {
    id: "W0135",
    severity: Error,
    title: "too many files, or used too deep",
    doc: "A file set has at most 4096 files, and `use` goes at most 16 files deep.",
    example: "",
};

/// A bad line of a score file.
pub static SCORE_LINE: Code = Code {
    id: "W0136",
    severity: Error,
    title: "a line of a score file is not `NAME = value`",
    doc: "A score file has one override per line: `NAME = 1.5`, or `NAME = off`. Comments begin with `#`.",
    example: "weir 1\nscores \"bad.scores\"\n",
};

/// A bad line of a map file.
pub static ENTRY_LINE: Code = Code {
    id: "W0137",
    severity: Error,
    title: "a line of a map file has no value",
    doc: "A map file has one pair per line: the key, blanks, and the value, which goes on to the end of the line. \
          Comments begin with `#` at the start of a line or after a blank.",
    example: "weir 1\nmap recipients : address -> text = file \"bad.map\"\n",
};
