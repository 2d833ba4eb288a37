//! Faults of meaning, found by the checker.

use super::super::Severity::{Error, Warning};
use super::Code;

/// All of this module.
pub const ALL: &[&Code] = &[
    &NO_END,
    &NOTHING_DECIDES,
    &UNKNOWN_NAME,
    &TWICE,
    &TYPE,
    &CALL,
    &ARGUMENTS,
    &OPERATOR,
    &TOO_EARLY,
    &TAINT,
    &PHASE,
    &PHASE_ORDER,
    &PHASE_TWICE,
    &CIRCLE,
    &RECURSION,
    &QUANTIFIER,
    &LIST_TYPE,
    &PATTERN,
    &TOO_LARGE,
    &CONDITION,
    &STATE,
    &BARE,
    &MEMBER,
    &NOT_LOOKUP,
    &WEIGHT,
    &SCORE_RULE,
    &SCORE_TWICE,
    &SCORE_SIGNAL,
    &ENTRY,
    &UNUSED,
    &UNREACHABLE,
    &VERB,
    &VERB_PHASE,
    &SETTING,
    &FORM,
    &SETTING_MISSING,
    &SETTING_TWICE,
    &KIND,
    &SORT,
    &CLASS,
    &BOUNDS,
];

/// Faults that a piece which could not be read makes in others: not reported while there is such a piece.
pub(crate) const OF_WHAT_IS_MISSING: &[&Code] = &[
    &NO_END,
    &NOTHING_DECIDES,
    &UNKNOWN_NAME,
    &SCORE_RULE,
    &SETTING_MISSING,
    &WEIGHT,
    &UNUSED,
    &UNREACHABLE,
];

/// A deciding phase can end without a final verb.
pub static NO_END: Code = Code {
    id: "W0120",
    severity: Error,
    title: "a deciding phase can end without a final verb",
    doc: "The last phase that decides on the message (`message`, or `data`) must end in a final verb on every \
          path: what happens to a message is written, never implied. The note shows a path that does not: the \
          guards and blocks that it passes. `accept` is no final verb: it only ends its phase. Add a last \
          statement without a guard, such as `send to POOL`.",
    example: "weir 1\non message {\n  reject 550 5.7.1 \"no\" if subject is missing\n}\n",
};

/// No phase says where mail goes.
pub static NOTHING_DECIDES: Code = Code {
    id: "W0121",
    severity: Error,
    title: "no phase says where mail goes",
    doc: "A file set that serves clients has a phase that decides on each message.",
    example: "weir 1\non rcpt {\n  accept\n}\n",
};

/// Nothing is called so.
pub static UNKNOWN_NAME: Code = Code {
    id: "W0201",
    severity: Error,
    title: "nothing is called so",
    doc: "The name is not a field, a rule, a list, a lookup or a name of `let` that can be seen here. Names of \
          `let` are seen from the next line to the end of their block; all others in the whole file set, in \
          any order.",
    example: "weir 1\nrule A = client.adress is missing\n",
};

/// A name is defined twice.
pub static TWICE: Code = Code {
    id: "W0202",
    severity: Error,
    title: "a name is defined twice",
    doc: "Lists, maps, groups, lookups, pools, listeners, rules, checks and names of `let` share one space of \
          names, which also holds the fields and functions. There is no overriding: with two meanings, the \
          order of files would decide. Only `scores` overrides, and only weights.",
    example: "weir 1\nlist a : net = [ 192.0.2.1 ]\nlist a : net = [ 192.0.2.2 ]\n",
};

/// A value of another type.
pub static TYPE: Code = Code {
    id: "W0203",
    severity: Error,
    title: "a value of another type",
    doc: "Types are never converted, so that a comparison means what it says. A whole number may stand for a \
          score, a constant text for a domain or a mailbox; an address is found in a network with `in`; sizes \
          and durations have a unit.",
    example: "weir 1\nrule A = client.ip == \"192.0.2.1\"\n",
};

/// Something is called that cannot be called.
pub static CALL: Code = Code {
    id: "W0204",
    severity: Error,
    title: "something is called that cannot be called",
    doc: "Lookups (`dnsbl`, `service`), functions and fields with an argument are called. Lists and maps are \
          asked with `in`, rules are named.",
    example: "weir 1\nlist deny : net = [ 192.0.2.1 ]\nrule A = deny(client.ip)\n",
};

/// Arguments that do not fit.
pub static ARGUMENTS: Code = Code {
    id: "W0205",
    severity: Error,
    title: "arguments that do not fit",
    doc: "The message says how many arguments and of which types are taken. An argument is a field, a \
          constant, a lookup or a member of one, so that nothing has to be computed on the way.",
    example: "weir 1\nrule A = header(\"Date\", \"From\") is missing\n",
};

/// An operator that does not fit the value.
pub static OPERATOR: Code = Code {
    id: "W0206",
    severity: Error,
    title: "an operator that does not fit the value",
    doc: "`==` and `!=` compare values, `<` and `>` numbers, sizes, durations and times; `in` asks lists, maps \
          and networks; `~` is for patterns, `has` for lists and phrases, `is` for states, `matches` for \
          addresses, `begins` for texts.",
    example: "weir 1\nrule A = client.ip < 192.0.2.9\n",
};

/// A value is used before it is known.
pub static TOO_EARLY: Code = Code {
    id: "W0207",
    severity: Error,
    title: "a value is used before it is known",
    doc: "Each field has a first phase: the recipient is not known at `mail`, the subject not before \
          `message`. A rule is as late as the latest field that it uses, a group as late as its latest rule. \
          Move the statement, or take another field.",
    example: "weir 1\non rcpt {\n  reject 550 5.7.1 \"no lotteries\" if subject ~ /won/i\n}\non message { discard }\n",
};

/// A value where only a constant may stand.
pub static TAINT: Code = Code {
    id: "W0208",
    severity: Error,
    title: "a value where only a constant may stand",
    doc: "Names of headers and boxes, paths, zones, entries of lists and what is looked for are constants. \
          What a peer writes can be compared and shown, but can never become a path, a pattern, a zone or the \
          name of a header.",
    example: "weir 1\non message {\n  add header \"{subject}\" \"x\"\n  discard\n}\n",
};

/// There is no such phase.
pub static PHASE: Code = Code {
    id: "W0209",
    severity: Error,
    title: "there is no such phase",
    doc: "Phases are the steps of a session at which the rules are asked; `weir doc` lists them.",
    example: "weir 1\non recipient { accept }\n",
};

/// A phase stands behind a later one.
pub static PHASE_ORDER: Code = Code {
    id: "W0210",
    severity: Error,
    title: "a phase stands behind a later one",
    doc: "Phases stand in the order in which they run, so that a file is read as a session goes.",
    example: "weir 1\non message { discard }\non rcpt { accept }\n",
};

/// A phase stands twice.
pub static PHASE_TWICE: Code = Code {
    id: "W0211",
    severity: Error,
    title: "a phase stands twice",
    doc: "Inside a phase the order of the text is the order of the decisions. Two blocks of one phase would \
          leave that order to the order of files.",
    example: "weir 1\non rcpt { accept }\non rcpt { accept }\non message { discard }\n",
};

/// A rule depends on itself.
pub static CIRCLE: Code = Code {
    id: "W0212",
    severity: Error,
    title: "a rule depends on itself",
    doc: "Rules may refer to rules and to scores in any order of the text, but not in a circle. A rule of a \
          group cannot ask for the score of its own group.",
    example: "weir 1\nrule A = B\nrule B = A\n",
};

/// A check calls itself.
pub static RECURSION: Code = Code {
    id: "W0213",
    severity: Error,
    title: "a check calls itself",
    doc: "`do NAME` puts the statements of the check in its place, so a check cannot, through any others, call \
          itself.",
    example: "weir 1\ncheck a { do a }\non message {\n  do a\n  discard\n}\n",
};

/// `all` or `any` is missing or out of place.
pub static QUANTIFIER: Code = Code {
    id: "W0214",
    severity: Error,
    title: "`all` or `any` is missing or out of place",
    doc: "Before a list, `all` asks that every element satisfies the comparison (and that there is one), `any` \
          that one does. A negated comparison of a list could be read both ways and needs one of them. `has \
          only` is `all` already.",
    example: "weir 1\nrule A = message.urls !~ /example/\n",
};

/// Lists and maps are not made of this.
pub static LIST_TYPE: Code = Code {
    id: "W0215",
    severity: Error,
    title: "lists and maps are not made of this",
    doc: "Lists are of `net`, `domain`, `address`, `text`, `pattern` or `phrase`; keys of maps are `net`, \
          `domain`, `address` or `text`, their values `text`.",
    example: "weir 1\nlist a : number = [ \"1\" ]\n",
};

/// A pattern that cannot be used.
pub static PATTERN: Code = Code {
    id: "W0216",
    severity: Error,
    title: "a pattern that cannot be used",
    doc: "Patterns run in time linear in the text, whatever a sender writes: there are no back-references and \
          no look-around, and repetitions are bounded. The message says what is wrong and where.",
    example: "weir 1\nrule A = subject ~ /(a)\\1/\n",
};

/// The set is over a bound.
pub static TOO_LARGE: Code = Code {
    id: "W0217",
    severity: Error,
    title: "the set is over a bound",
    doc: "The memory and the time of a plan are bounded before it runs. The message names the bound.",
    example: "",
};

/// A value is no condition.
pub static CONDITION: Code = Code {
    id: "W0218",
    severity: Error,
    title: "a value is no condition",
    doc: "A condition is a comparison, a rule, a field of type bool, or a lookup that has an answer that goes \
          without saying. Whether there is a value is asked with `is present`.",
    example: "weir 1\nrule A = client.ip\n",
};

/// A state that the value never has.
pub static STATE: Code = Code {
    id: "W0301",
    severity: Error,
    title: "a state that the value never has",
    doc: "A lookup is in one of the states that the label lists. Other values are `missing` or `present`, and, \
          when they have to be asked for, `unknown`.",
    example: "weir 1\nrule A = client.rdns is absent\n",
};

/// A lookup without an answer that goes without saying.
pub static BARE: Code = Code {
    id: "W0302",
    severity: Error,
    title: "a lookup without an answer that goes without saying",
    doc: "A bare lookup in a guard means its first meaning, such as \"is listed\". This one has none: say which \
          state is meant.",
    example: "weir 1\nrule A = sender.domain.mx\n",
};

/// An answer has no such member.
pub static MEMBER: Code = Code {
    id: "W0303",
    severity: Error,
    title: "an answer has no such member",
    doc: "Answers carry the members that the label lists; other values have none.",
    example: "weir 1\nrule A = client.ip.name is missing\n",
};

/// `not` before a lookup hides its failure.
pub static NOT_LOOKUP: Code = Code {
    id: "W0311",
    severity: Error,
    title: "`not` before a lookup hides its failure",
    doc: "A lookup is listed, clean, or unknown when it failed. `not lookup()` would be true in two of the \
          three, and so decide in silence what a failure means. Say which is meant: `is clean` does not match \
          on failure, `is not listed` does.",
    example: "weir 1\ndnsbl zen { zone \"zen.example.org\" }\nrule A = not zen(client.ip)\n",
};

/// A weight without a group, or a group without a weight.
pub static WEIGHT: Code = Code {
    id: "W0401",
    severity: Error,
    title: "a weight without a group, or a group without a weight",
    doc: "A weight adds to the score of a group. A rule without both is a signal for other rules.",
    example: "weir 1\nrule A 1.0 = client.rdns is missing\n",
};

/// Scores of a rule that there is not.
pub static SCORE_RULE: Code = Code {
    id: "W0402",
    severity: Error,
    title: "scores of a rule that there is not",
    doc: "An override whose rule was renamed or misspelt would be lost in silence.",
    example: "weir 1\nscores { NO_SUCH = 1.0 }\n",
};

/// A score is overridden twice.
pub static SCORE_TWICE: Code = Code {
    id: "W0403",
    severity: Error,
    title: "a score is overridden twice",
    doc: "With two overrides the order of files would decide.",
    example: "weir 1\ngroup g { }\nrule A 1 \"a\" in g = client.rdns is missing\nscores { A = 2 }\nscores { A = 3 }\n",
};

/// A signal gets a weight.
pub static SCORE_SIGNAL: Code = Code {
    id: "W0404",
    severity: Error,
    title: "a signal gets a weight",
    doc: "A rule without a weight belongs to no group that it could add to. It can be switched off with `off`.",
    example: "weir 1\nrule A = client.rdns is missing\nrule B = A\nscores { A = 2 }\n",
};

/// An entry that is not of the list's type.
pub static ENTRY: Code = Code {
    id: "W0410",
    severity: Error,
    title: "an entry that is not of the list's type",
    doc: "Each entry of a list is of its type: addresses and networks without quotes, all else in quotes; in a \
          file one entry per line. One bad entry refuses the list, since a list with a hole is another list.",
    example: "weir 1\nlist deny : net = [ \"example.org\" ]\n",
};

/// A fact is never used.
pub static UNUSED: Code = Code {
    id: "W0510",
    severity: Warning,
    title: "a fact is never used",
    doc: "Nothing refers to it. A rule without a weight is only of use to other rules and statements. Take it \
          out, or use it.",
    example: "weir 1\nlist deny : net = [ 192.0.2.1 ]\n",
};

/// A statement never runs.
pub static UNREACHABLE: Code = Code {
    id: "W0511",
    severity: Warning,
    title: "a statement never runs",
    doc: "Every path before it ends the phase.",
    example: "weir 1\non message {\n  discard\n  note \"never\"\n}\n",
};

/// There is no such verb.
pub static VERB: Code = Code {
    id: "W0601",
    severity: Error,
    title: "there is no such verb",
    doc: "`weir doc` lists the verbs with their forms.",
    example: "weir 1\non rcpt {\n  refuse 550 5.7.1 \"no\"\n}\non message { discard }\n",
};

/// A verb in a phase where it means nothing.
pub static VERB_PHASE: Code = Code {
    id: "W0602",
    severity: Error,
    title: "a verb in a phase where it means nothing",
    doc: "Some verbs need the message, or the greeting: the label says where they stand.",
    example: "weir 1\non rcpt {\n  discard\n}\non message { discard }\n",
};

/// There is no such setting.
pub static SETTING: Code = Code {
    id: "W0603",
    severity: Error,
    title: "there is no such setting",
    doc: "The help line lists what can be said here. Several settings may share a line; each begins with its \
          word.",
    example: "weir 1\ngroup g { deadlin 3s }\n",
};

/// Something else belongs here.
pub static FORM: Code = Code {
    id: "W0604",
    severity: Error,
    title: "something else belongs here",
    doc: "Every verb, setting and line of a test has a form, which the help line shows: words in lower case \
          stand as they are, words in capitals for a value of their kind, brackets around what may be left \
          out.",
    example: "weir 1\ngroup g { deadline soon }\n",
};

/// A setting is missing.
pub static SETTING_MISSING: Code = Code {
    id: "W0605",
    severity: Error,
    title: "a setting is missing",
    doc: "This cannot be left to a default.",
    example: "weir 1\nlistener public { name \"mx.example.org\" }\n",
};

/// A setting is given twice.
pub static SETTING_TWICE: Code = Code {
    id: "W0606",
    severity: Error,
    title: "a setting is given twice",
    doc: "Only settings that name one of many things (`server`, `check`) may stand several times.",
    example: "weir 1\ngroup g { cap 1  cap 2 }\n",
};

/// Nothing that can be declared.
pub static KIND: Code = Code {
    id: "W0607",
    severity: Error,
    title: "nothing that can be declared",
    doc: "`weir doc` lists what can be declared.",
    example: "weir 1\nblocklist zen { }\n",
};

/// The sort is missing or unknown.
pub static SORT: Code = Code {
    id: "W0608",
    severity: Error,
    title: "the sort is missing or unknown",
    doc: "A service has a sort behind its name, which says how it is talked to: `service av : clamd { }`. \
          Other declarations have none.",
    example: "weir 1\nservice av { }\n",
};

/// A reply's two codes are of different classes.
pub static CLASS: Code = Code {
    id: "W0609",
    severity: Error,
    title: "a reply's two codes are of different classes",
    doc: "The first digit of an enhanced status code is that of the reply code before it (RFC 2034, 4): 550 \
          goes with 5.x.x, 451 with 4.x.x.",
    example: "weir 1\non rcpt {\n  reject 550 4.7.1 \"no\"\n}\non message { discard }\n",
};

/// A number out of bounds.
pub static BOUNDS: Code = Code {
    id: "W0610",
    severity: Error,
    title: "a number out of bounds",
    doc: "The label says what is taken.",
    example: "weir 1\non rcpt {\n  reject 650 5.7.1 \"no\"\n}\non message { discard }\n",
};
