//! What a `test` block can say. [`crate::simulate`] runs them.

use weir_lang::scheme::Kind::{Code, Duration, Enhanced, Int, Ip, Name, Score, Text, Word as AnyWord};
use weir_lang::scheme::Part::{AnyOrder, Maybe, OneOf, Repeat, Value, Word};
use weir_lang::scheme::{Form, Part};

/// What may be expected; several are separated by commas.
const EXPECTATION: &[&[Part]] = &[
    &[Word("sent"), Word("to"), OneOf(&[&[Word("maildir")], &[Value(Name("pool"))]])],
    &[Word("not"), Word("sent")],
    &[Word("discarded")],
    &[Word("closed")],
    &[Word("quarantined"), Value(Text)],
    &[Word("noted"), Value(Text)],
    &[Word("waited")],
    &[Word("header"), Value(Text), Maybe(&[Word("has"), Value(Text)])],
    &[Word("no"), OneOf(&[&[Word("header"), Value(Text)], &[Word("hit"), Value(Name("rule"))]])],
    &[Word("removed"), Value(Text)],
    &[Word("hit"), Value(Name("rule"))],
    &[
        Word("score"),
        Value(Name("group")),
        OneOf(&[
            &[Word("below"), Value(Score)],
            &[Word("least"), Value(Score)],
            &[Word("exactly"), Value(Score)],
        ]),
    ],
    &[Word("would"), Value(AnyWord)],
    &[Word("lookup"), Value(AnyWord), Value(AnyWord)],
    &[
        OneOf(&[
            &[Word("connect")],
            &[Word("helo")],
            &[Word("mail")],
            &[Word("rcpt")],
            &[Word("data")],
            &[Word("message")],
        ]),
        Value(Code),
        Maybe(&[Value(Enhanced)]),
        Maybe(&[Word("text"), Value(Text)]),
    ],
];

/// All clauses. Each may stand on a line of its own, or several on one.
pub const CLAUSES: &[Form] = &[
    Form {
        word: "client",
        parts: &[
            Value(Ip),
            AnyOrder(&[
                &[Word("rdns"), OneOf(&[&[Word("unknown")], &[Value(Text), Maybe(&[Word("unconfirmed")])]])],
                &[Word("via"), Value(Ip)],
                &[Word("talks"), Word("early")],
                &[Word("says"), Value(Text), Word("early")],
                &[Word("passed")],
                &[Word("errors"), Value(Int(0, 1000))],
            ]),
        ],
        doc: "Who the client is: its address, its reverse name (none when not given; it leads back unless it is `unconfirmed`), the peer \
              that connects and speaks for it (`proxy.ip`), whether it talks before the greeting and what it says then, whether it is \
              remembered as passed, how many of its commands were refused before. 192.0.2.1 when not given.",
        example: "client 192.0.2.7 rdns \"host.example.net\"",
    },
    Form {
        word: "conduct",
        parts: &[AnyOrder(&[
            &[Word("unknown_commands"), Value(Int(0, 1000))],
            &[Word("not_smtp"), Value(Int(0, 1000))],
            &[Word("pipelined_early")],
        ])],
        doc: "How the client behaves: what `session.unknown_commands`, `session.not_smtp` and `session.pipelined_early` say from `helo` on.",
        example: "conduct pipelined_early",
    },
    Form {
        word: "tls",
        parts: &[AnyOrder(&[
            &[Word("version"), Value(Text)],
            &[Word("cipher"), Value(Text)],
            &[Word("sni"), Value(Text)],
        ])],
        doc: "The client is inside TLS from `helo` on: of version `TLSv1.3` and with cipher `TLS_AES_256_GCM_SHA384` when not given, with no \
              `sni` when not given. A listener with `tls required` or `tls implicit` has no others, so there the clause may be left out.",
        example: "tls version \"TLSv1.2\" sni \"mx1.example.org\"",
    },
    Form {
        word: "helo",
        parts: &[Value(Text)],
        doc: "What it says in EHLO. `client.example.net` when not given.",
        example: "helo \"mail.example.net\"",
    },
    Form {
        word: "mail",
        parts: &[Value(Text)],
        doc: "The sender; empty for `<>`. `sender@example.net` when not given.",
        example: "mail \"a@example.net\"",
    },
    Form {
        word: "rcpt",
        parts: &[Repeat(&[Value(Text)])],
        doc: "The recipients, in order. The test stops at a phase that refuses.",
        example: "rcpt \"dev@example.org\"",
    },
    Form {
        word: "message",
        parts: &[
            Maybe(&[Word("file"), Value(Text)]),
            AnyOrder(&[
                &[Word("subject"), Value(Text)],
                &[Word("body"), Value(Text)],
                &[Word("from"), Value(Text)],
                &[Word("header"), Value(Text)],
            ]),
        ],
        doc: "The message: a file beside the rule file, or made from these pieces. `header` is whole lines, `\\n` between them; a \
              given Date, To or Subject takes the place of the usual one. There is no Message-ID unless it is given.",
        example: "message subject \"You won\" body \"Claim now\"",
    },
    Form {
        word: "dns",
        parts: &[
            Value(Text),
            OneOf(&[
                &[Word("gives"), Repeat(&[Value(Ip)])],
                &[Word("txt"), Repeat(&[Value(Text)])],
                &[Word("fails")],
                &[Word("nothing")],
            ]),
        ],
        doc: "What DNS says to this name: its IPv4 and IPv6 addresses, or the texts of SPF records, keys and policies. A name that no \
              clause gives is `unknown` to lookups.",
        example: "dns \"7.2.0.192.zen.example.org\" gives 127.0.0.4",
    },
    Form {
        word: "lookup",
        parts: &[
            Value(Name("dnsbl")),
            OneOf(&[
                &[Word("gives"), Repeat(&[Value(Ip)])],
                &[Word("nothing")],
                &[Word("fails")],
                &[Word("off")],
            ]),
        ],
        doc: "What a DNS list answers, whatever it is asked for; `off` is a list that its probe has switched off.",
        example: "lookup zen off",
    },
    Form {
        word: "mx",
        parts: &[
            Value(Text),
            OneOf(&[
                &[Word("present")],
                &[Word("null")],
                &[Word("missing")],
                &[Word("unknown")],
                &[Word("gives"), Repeat(&[Value(Text)])],
            ]),
        ],
        doc: "Where mail to a domain goes; `gives` names its mail exchangers. `present` for a domain that no clause gives.",
        example: "mx \"example.net\" null",
    },
    Form {
        word: "spf",
        parts: &[OneOf(&[
            &[Word("pass")],
            &[Word("fail")],
            &[Word("softfail")],
            &[Word("neutral")],
            &[Word("none")],
            &[Word("temperror")],
            &[Word("permerror")],
        ])],
        doc: "What SPF says of the client. When not given it is checked on what the `dns` clauses say.",
        example: "spf pass",
    },
    Form {
        word: "dkim",
        parts: &[
            OneOf(&[
                &[Word("pass")],
                &[Word("fail")],
                &[Word("none")],
                &[Word("temperror")],
                &[Word("permerror")],
            ]),
            Maybe(&[Word("domain"), Value(Text)]),
        ],
        doc: "A DKIM signature, by whom, and what comes of it; each clause is one. When not given those of the message are verified, \
              with the keys of the `dns` clauses.",
        example: "dkim pass domain \"example.net\"",
    },
    Form {
        word: "dmarc",
        parts: &[
            OneOf(&[
                &[Word("pass")],
                &[Word("fail")],
                &[Word("none")],
                &[Word("temperror")],
                &[Word("permerror")],
            ]),
            Maybe(&[Word("policy"), OneOf(&[&[Word("none")], &[Word("quarantine")], &[Word("reject")]])]),
        ],
        doc: "What DMARC says, and what the author's domain asks for (`none` when not given). Without this clause it is worked out of \
              `spf`, `dkim` and the `dns` clauses.",
        example: "dmarc fail policy reject",
    },
    Form {
        word: "arc",
        parts: &[
            OneOf(&[&[Word("pass")], &[Word("fail")], &[Word("none")], &[Word("temperror")]]),
            Maybe(&[Word("sealer"), Value(Text)]),
        ],
        doc: "What the chain of ARC seals says, and whose seal is the last. When not given that of the message is verified.",
        example: "arc pass sealer \"lists.example.net\"",
    },
    Form {
        word: "service",
        parts: &[
            Value(AnyWord),
            OneOf(&[
                &[Word("infected"), Value(Text)],
                &[Word("clean")],
                &[Word("valid")],
                &[Word("invalid")],
                &[Word("down")],
            ]),
        ],
        doc: "What a service answers: a virus scanner of a message, a call-forward of every recipient. One that no clause gives is down.",
        example: "service av infected \"Eicar-Test-Signature\"",
    },
    Form {
        word: "pool",
        parts: &[
            Value(Name("pool")),
            OneOf(&[&[Word("down")], &[Word("answers"), Value(Code), Value(Enhanced), Value(Text)]]),
        ],
        doc: "How a pool takes the message. 250 when not given.",
        example: "pool scanners down",
    },
    Form {
        word: "sessions",
        parts: &[Value(Int(1, 1000)), Maybe(&[Word("every"), Value(Duration)])],
        doc: "How often the same session comes, all at once or with this time between, for limits and greylists; what is expected is \
              expected of the last.",
        example: "sessions 2 every 10m",
    },
    Form {
        word: "remembered",
        parts: &[Value(Text)],
        doc: "`remembered` under this name is `yes` for any key. Without it, what a session before this one has remembered is.",
        example: "remembered \"retried\"",
    },
    Form {
        word: "greylist",
        parts: &[
            Value(Name("greylist")),
            OneOf(&[&[Word("waiting")], &[Word("passed")], &[Word("unknown")]]),
        ],
        doc: "What a greylist says of anybody. Without it all are new to it.",
        example: "greylist grey passed",
    },
    Form {
        word: "store",
        parts: &[Word("down")],
        doc: "A shared store does not answer: what is not known here is `unknown`.",
        example: "store down",
    },
    Form { word: "stressed", parts: &[], doc: "The listener is stressed.", example: "stressed" },
    Form {
        word: "expect",
        parts: &[Repeat(&[OneOf(EXPECTATION)])],
        doc: "What must come of it: the reply of a phase, where the message goes, headers, hits, scores.",
        example: "expect rcpt 550 5.7.1 text \"ZEN_LISTED\", hit ZEN_LISTED",
    },
];
