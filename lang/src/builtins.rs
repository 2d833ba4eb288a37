//! The language's own functions, words and settings: one entry each, read by the checker, the manual and the tests.

use crate::scheme::{Form, Kind, Part, SettingSpec};

/// A function or word of the language.
#[derive(Debug)]
pub struct Builtin {
    /// As rules write it, with its parameters.
    pub signature: &'static str,
    /// Its name alone.
    pub name: &'static str,
    /// What it gives.
    pub returns: &'static str,
    /// One or two sentences.
    pub doc: &'static str,
    /// A guard or statement that uses it.
    pub example: &'static str,
}

/// `score(group)`
pub static SCORE: Builtin = Builtin {
    signature: "score(group)",
    name: "score",
    returns: "score",
    doc: "The sum of the weights of the group's rules that hit, at most its `cap`. Compared with a constant it is decided as \
          soon as open lookups can no longer change the answer.",
    example: "reject 550 5.7.1 \"blocked\" if score(reputation) >= 3",
};

/// `hits(group)`
pub static HITS: Builtin = Builtin {
    signature: "hits(group)",
    name: "hits",
    returns: "text",
    doc: "The group's rules that hit, with what each added: `ZEN_LISTED(3.0),NO_RDNS(1.0)`. In the text of a final verb those that \
          are known when the verb runs; elsewhere all.",
    example: "add header \"X-Hits\" \"{hits(content)}\"",
};

/// `spam_status(group, required)`
pub static SPAM_STATUS: Builtin = Builtin {
    signature: "spam_status(group, required)",
    name: "spam_status",
    returns: "text",
    doc: "`Yes, score=12.3 required=10.0 tests=[SUBJ_LOTTERY(2.5),...]`, with `No` below the required score.",
    example: "add header \"X-Spam-Status\" spam_status(content, 10)",
};

/// `now`
pub static NOW: Builtin = Builtin {
    signature: "now",
    name: "now",
    returns: "time",
    doc: "The time of this evaluation. A duration can be added or taken off: `now + 24h`, `now - 7d`.",
    example: "rule DATE_FUTURE 1.5 \"date > 24 h ahead\" in content = header(\"Date\").time > now + 24h",
};

/// All functions and words.
pub const ALL: &[&Builtin] = &[&SCORE, &HITS, &SPAM_STATUS, &NOW];

/// Words behind `is` that fit any field.
pub const PREDICATES: &[(&str, &str)] = &[
    ("missing", "there is no value; false when it could not be had"),
    ("present", "there is a value"),
    ("unknown", "a gathered field could not be had"),
    ("fqdn", "a domain or text with a dot and only characters of host names (RFC 1123, 2.1)"),
];

/// The settings of `group NAME { }`.
pub const GROUP: &[SettingSpec] = &[
    SettingSpec {
        form: Form {
            word: "deadline",
            parts: &[Part::Value(Kind::Duration)],
            doc: "How long a decision on the group's score waits for open lookups; they are then `unknown`. By default as long as \
                  the lookups' own timeouts.",
            example: "deadline 3s",
        },
        required: false,
        many: false,
    },
    SettingSpec {
        form: Form {
            word: "cap",
            parts: &[Part::Value(Kind::Score)],
            doc: "The score is never above this. No cap by default.",
            example: "cap 40",
        },
        required: false,
        many: false,
    },
    SettingSpec {
        form: Form {
            word: "failed_lookup",
            parts: &[Part::Word("counts"), Part::Value(Kind::Score)],
            doc: "What a rule adds that did not hit while one of its own lookups failed. 0 by default.",
            example: "failed_lookup counts 0",
        },
        required: false,
        many: false,
    },
];
