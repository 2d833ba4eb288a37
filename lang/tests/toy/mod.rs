//! A small scheme: enough of a mail host to show every form of the language and every fault.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses a part of it")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that is wrong about its plan has failed"
)]

pub mod facts;

use weir_lang::scheme::{
    AnswerSpec, CallSpec, FieldSource, FieldSpec, Flow, Form, FunctionSpec, Kind, KindSpec, MemberSpec, Part,
    PhaseSpec, Scheme, SettingSpec, StateSpec, TextSpec, Type, VerbSpec,
};

const fn state(name: &'static str) -> StateSpec {
    StateSpec { name, doc: "" }
}

pub static LISTED: AnswerSpec = AnswerSpec {
    states: &[state("listed"), state("unknown"), state("clean")],
    bare: Some(0),
    unknown: 1,
    members: &[MemberSpec { name: "codes", ty: Type::List(&Type::Ip), doc: "" }],
};

static GREY: AnswerSpec = AnswerSpec {
    states: &[state("waiting"), state("passed"), state("unknown")],
    bare: None,
    unknown: 2,
    members: &[],
};

static MX: AnswerSpec = AnswerSpec {
    states: &[state("present"), state("null"), state("unknown")],
    bare: None,
    unknown: 2,
    members: &[],
};

static DMARC: AnswerSpec = AnswerSpec {
    states: &[state("pass"), state("fail(none)"), state("fail(reject)"), state("unknown")],
    bare: None,
    unknown: 3,
    members: &[MemberSpec { name: "policy", ty: Type::Text, doc: "" }],
};

const fn field(name: &'static str, ty: Type, since: usize, source: FieldSource) -> FieldSpec {
    FieldSpec { name, argument: None, ty, since, source, tainted: true, doc: "", example: "" }
}

const fn held(name: &'static str, ty: Type, since: usize) -> FieldSpec {
    field(name, ty, since, FieldSource::Held)
}

const fn header(name: &'static str, ty: Type) -> FieldSpec {
    FieldSpec { argument: Some("NAME"), ..held(name, ty, 2) }
}

pub const FIELDS: &[FieldSpec] = &[
    held("client.ip", Type::Ip, 0),
    held("client.port", Type::Int, 0),
    held("client.passed", Type::Bool, 0),
    field("client.rdns", Type::Domain, 0, FieldSource::Gathered),
    held("sender.domain", Type::Domain, 0),
    field("sender.domain.mx", Type::Answer(&MX), 0, FieldSource::Gathered),
    held("rcpt", Type::Address, 1),
    held("rcpt.local", Type::Text, 1),
    held("rcpt.domain", Type::Domain, 1),
    held("message", Type::Message, 2),
    held("message.size", Type::Size, 2),
    held("message.urls", Type::List(&Type::Text), 2),
    held("message.url_domains", Type::List(&Type::Domain), 2),
    held("subject", Type::Text, 2),
    held("body", Type::Text, 2),
    header("header", Type::Text),
    header("header.time", Type::Time),
    field("fact.a", Type::Bool, 0, FieldSource::Gathered),
    field("fact.b", Type::Bool, 0, FieldSource::Gathered),
    field("fact.c", Type::Bool, 0, FieldSource::Gathered),
    field("fact.d", Type::Bool, 0, FieldSource::Gathered),
];

const fn verb(
    word: &'static str,
    parts: &'static [Part],
    flow: Flow,
    phases: &'static [usize],
    example: &'static str,
) -> VerbSpec {
    VerbSpec { form: Form { word, parts, doc: "", example }, flow, phases }
}

const REPLY: &[Part] =
    &[Part::Value(Kind::CodeIn(400, 599)), Part::Value(Kind::Enhanced), Part::Value(Kind::Template)];

const fn setting(word: &'static str, parts: &'static [Part], example: &'static str) -> SettingSpec {
    SettingSpec { form: Form { word, parts, doc: "", example }, required: false, many: false }
}

const NAME: SettingSpec = setting("name", &[Part::Value(Kind::Text)], "name \"mx.example.org\"");
const TIMEOUT: SettingSpec = setting("timeout", &[Part::Value(Kind::Duration)], "timeout 2s");

pub static TOY: Scheme = Scheme {
    phases: &[
        PhaseSpec { name: "connect", decides: false, doc: "" },
        PhaseSpec { name: "rcpt", decides: false, doc: "" },
        PhaseSpec { name: "message", decides: true, doc: "" },
    ],
    fields: FIELDS,
    functions: &[
        FunctionSpec {
            name: "dmarc",
            parameters: &[&[Type::Domain]],
            returns: Type::Answer(&DMARC),
            doc: "",
            example: "",
        },
        FunctionSpec {
            name: "lower",
            parameters: &[&[Type::Text]],
            returns: Type::Text,
            doc: "",
            example: "",
        },
    ],
    texts: &[TextSpec {
        name: "results",
        head: "ID",
        of: &[&MX, &DMARC],
        doc: "",
        example: "note results(\"a\", sender.domain.mx)",
    }],
    verbs: &[
        verb("accept", &[], Flow::EndsPhase, &[], "accept"),
        verb("reject", REPLY, Flow::Final, &[], "reject 550 5.7.1 \"no\""),
        verb("defer", REPLY, Flow::Final, &[], "defer 451 4.7.1 \"later\""),
        verb("discard", &[], Flow::Final, &[2], "discard"),
        verb(
            "send",
            &[Part::Word("to"), Part::Value(Kind::Name("pool"))],
            Flow::Final,
            &[2],
            "send to next_hop",
        ),
        verb("note", &[Part::Value(Kind::Template)], Flow::Continues, &[], "note \"seen\""),
        verb(
            "add",
            &[Part::Word("header"), Part::Value(Kind::Text), Part::Value(Kind::Template)],
            Flow::Continues,
            &[2],
            "add header \"X-A\" \"b\"",
        ),
        verb(
            "limit",
            &[
                Part::Value(Kind::Int(1, 1000)),
                Part::Word("by"),
                Part::Value(Kind::Expr),
                Part::Comma,
                Part::Word("else"),
                Part::Statement,
            ],
            Flow::Asks,
            &[],
            "limit 60 by client.ip, else accept",
        ),
    ],
    kinds: &[
        KindSpec {
            name: "dnsbl",
            sort: None,
            settings: &[
                SettingSpec {
                    required: true,
                    ..setting("zone", &[Part::Value(Kind::Text)], "zone \"zen.example.org\"")
                },
                setting("listed", &[Part::Repeat(&[Part::Value(Kind::Quad)])], "listed 127.0.0.2-11"),
                TIMEOUT,
            ],
            call: Some(CallSpec { takes: &[&[Type::Ip, Type::Domain]], returns: &LISTED, late: false }),
            doc: "",
            example: "",
        },
        KindSpec {
            name: "service",
            sort: Some("clamd"),
            settings: &[TIMEOUT],
            call: Some(CallSpec { takes: &[&[Type::Message]], returns: &LISTED, late: false }),
            doc: "",
            example: "",
        },
        KindSpec {
            name: "greylist",
            sort: None,
            settings: &[TIMEOUT],
            call: Some(CallSpec {
                takes: &[&[Type::Ip], &[Type::Domain], &[Type::Address]],
                returns: &GREY,
                late: true,
            }),
            doc: "",
            example: "",
        },
        KindSpec {
            name: "listener",
            sort: None,
            settings: &[
                SettingSpec {
                    required: true,
                    many: true,
                    ..setting("bind", &[Part::Repeat(&[Part::Value(Kind::Socket)])], "bind 192.0.2.25:25")
                },
                NAME,
            ],
            call: None,
            doc: "",
            example: "",
        },
        KindSpec {
            name: "pool",
            sort: None,
            settings: &[SettingSpec {
                many: true,
                ..setting(
                    "server",
                    &[
                        Part::Value(Kind::Word),
                        Part::Value(Kind::Socket),
                        Part::AnyOrder(&[
                            &[Part::Word("slots"), Part::Value(Kind::Int(1, 100))],
                            &[Part::Word("drained")],
                        ]),
                    ],
                    "server one 192.0.2.1:25 slots 5",
                )
            }],
            call: None,
            doc: "",
            example: "",
        },
    ],
    clauses: &[
        Form {
            word: "client",
            parts: &[Part::Value(Kind::Ip), Part::Maybe(&[Part::Word("rdns"), Part::Value(Kind::Text)])],
            doc: "",
            example: "client 192.0.2.7",
        },
        Form {
            word: "expect",
            parts: &[Part::Repeat(&[Part::OneOf(&[
                &[Part::Word("hit"), Part::Value(Kind::Name("rule"))],
                &[
                    Part::Word("score"),
                    Part::Value(Kind::Name("group")),
                    Part::Word("<"),
                    Part::Value(Kind::Score),
                ],
                &[Part::Value(Kind::Word), Part::Value(Kind::Code)],
            ])])],
            doc: "",
            example: "expect rcpt 550",
        },
    ],
    codes: &[],
};
