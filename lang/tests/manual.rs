//! The manual is complete: every entry of every table has its topic, and forms are spelled as rules write them.

use weir_lang::manual;
use weir_lang::scheme::{
    AnswerSpec, CallSpec, FieldSource, FieldSpec, Flow, Form, Kind, KindSpec, MemberSpec, Part, PhaseSpec,
    Scheme, SettingSpec, StateSpec, Type, VerbSpec,
};

static ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        StateSpec { name: "listed", doc: "on it" },
        StateSpec { name: "clean", doc: "not on it" },
        StateSpec { name: "unknown", doc: "not known" },
    ],
    bare: Some(0),
    unknown: 2,
    members: &[MemberSpec { name: "code", ty: Type::Ip, doc: "what it answered" }],
};

static SCHEME: Scheme = Scheme {
    phases: &[
        PhaseSpec { name: "rcpt", decides: false, doc: "At each RCPT." },
        PhaseSpec { name: "message", decides: true, doc: "At the final dot." },
    ],
    fields: &[FieldSpec {
        name: "header.time",
        argument: Some("NAME"),
        ty: Type::Time,
        since: 1,
        source: FieldSource::Held,
        tainted: true,
        doc: "The time in a header.",
        example: "note \"late\" if header(\"Date\").time > now",
    }],
    texts: &[],
    functions: &[],
    verbs: &[VerbSpec {
        form: Form {
            word: "limit",
            parts: &[
                Part::Value(Kind::Int(1, i64::MAX)),
                Part::Maybe(&[Part::Word("per"), Part::Value(Kind::Duration)]),
                Part::OneOf(&[
                    &[Part::Word("by"), Part::Value(Kind::Field)],
                    &[Part::Word("in"), Part::Value(Kind::Name("list"))],
                ]),
                Part::Comma,
                Part::Word("else"),
                Part::Statement,
            ],
            doc: "Counts.",
            example: "limit 60 per 1m by client.net, else drop 421 4.7.0 \"too many\"",
        },
        flow: Flow::Asks,
        phases: &[0],
    }],
    kinds: &[KindSpec {
        name: "dnsbl",
        sort: None,
        settings: &[SettingSpec {
            form: Form {
                word: "listed",
                parts: &[Part::Repeat(&[Part::Value(Kind::Quad)])],
                doc: "Answers that mean listed.",
                example: "listed 127.0.0.2",
            },
            required: true,
            many: false,
        }],
        call: Some(CallSpec {
            takes: &[&[Type::Ip, Type::List(&Type::Domain)]],
            returns: &ANSWER,
            late: false,
        }),
        doc: "A list in the DNS.",
        example: "dnsbl zen {\n  listed 127.0.0.2\n}",
    }],
    clauses: &[Form {
        word: "client",
        parts: &[Part::Value(Kind::Ip)],
        doc: "Who connects.",
        example: "client 192.0.2.1",
    }],
    codes: &[],
};

#[test]
fn every_word_has_its_topic_and_is_in_the_whole() {
    let whole = manual::page(&SCHEME);
    for word in manual::topics(&SCHEME) {
        let text = manual::topic(&SCHEME, word).unwrap_or_else(|| panic!("no topic {word}"));
        let first =
            text.lines().find(|line| line.starts_with('#')).unwrap_or_else(|| panic!("no title for {word}"));
        assert!(whole.contains(first), "{word}: `{first}` is not in the manual");
    }
    for code in weir_lang::diagnostic::codes::all() {
        assert!(whole.contains(code.id) && whole.contains(code.doc), "{}", code.id);
    }
    assert_eq!(manual::topic(&SCHEME, "no such word"), None);
}

#[test]
fn forms_are_spelled_out() {
    let limit = manual::topic(&SCHEME, "limit").unwrap();
    assert!(
        limit.starts_with(
            "### `limit INT(1..) [ per DURATION ] ( by FIELD | in LIST ), else STATEMENT`\n\nCounts.\n"
        ),
        "{limit}"
    );
    assert!(limit.contains("In `rcpt`."));
    let dnsbl = manual::topic(&SCHEME, "dnsbl").unwrap();
    for part in [
        "## `dnsbl NAME { ... }`",
        "    dnsbl zen {\n      listed 127.0.0.2\n    }\n",
        "Called as `NAME(ip | list of domain)`, it answers listed, clean or unknown.",
        "- `is listed`: on it; a bare call in a condition asks for this",
        "- `.code` : ip: what it answered",
        "### `listed PATTERN, ...`",
        "Must be there.",
    ] {
        assert!(dnsbl.contains(part), "`{part}` is not in\n{dnsbl}");
    }
    let field = manual::topic(&SCHEME, "header.time").unwrap();
    assert!(field.starts_with("### `header(\"NAME\").time` : time\n"), "{field}");
    assert!(field.contains("Known from `message` on. Written by the peer."));
    assert!(manual::topic(&SCHEME, "message").unwrap().contains("header(\"NAME\").time"));
}

#[test]
fn an_unknown_word_has_a_near_one() {
    assert_eq!(manual::suggestion(&SCHEME, "limti"), Some("limit"));
    assert_eq!(manual::suggestion(&SCHEME, "W0108x"), Some("W0108"));
    assert_eq!(manual::suggestion(&SCHEME, "quicksilver"), None);
    assert!(manual::topic(&SCHEME, "w0108").is_some());
}
