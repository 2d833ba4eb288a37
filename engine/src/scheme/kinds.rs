//! What can be declared: listeners, pools, DNS lists and services. [`crate::config`] reads the settings.

use weir_lang::scheme::Kind::{
    CodeIn, Duration, Enhanced, Field, Int, Ip, Name, Percent, Quad, Size, Socket, Template, Text,
    Word as AnyWord,
};
use weir_lang::scheme::Part::{AnyOrder, Comma, Maybe, OneOf, Repeat, Value, Word};
use weir_lang::scheme::{CallSpec, Form, KindSpec, Part, SettingSpec, Type};

use super::fields::{LISTED_ANSWER, RECIPIENT_ANSWER, VIRUS_ANSWER};
use super::functions::GREY_ANSWER;

/// What refuses: a 2yz would promise a message that nobody keeps.
const REPLY: &[Part] = &[Value(CodeIn(400, 599)), Value(Enhanced), Value(Template)];

/// Most addresses a listener binds, servers a pool has, and so on: far above need, so that a slip shows.
const COUNT_MAX: i64 = 1_000_000;

const fn once(
    word: &'static str,
    parts: &'static [Part],
    doc: &'static str,
    example: &'static str,
) -> SettingSpec {
    SettingSpec { form: Form { word, parts, doc, example }, required: false, many: false }
}

const fn required(
    word: &'static str,
    parts: &'static [Part],
    doc: &'static str,
    example: &'static str,
) -> SettingSpec {
    SettingSpec { form: Form { word, parts, doc, example }, required: true, many: false }
}

const fn many(
    word: &'static str,
    parts: &'static [Part],
    doc: &'static str,
    example: &'static str,
) -> SettingSpec {
    SettingSpec { form: Form { word, parts, doc, example }, required: false, many: true }
}

/// The oldest version of TLS that is spoken.
const MINIMUM: &[Part] = &[Word("minimum"), OneOf(&[&[Word("tls12")], &[Word("tls13")]])];

/// A certificate, with its key in a file of its own or in the same.
const CERTIFICATE: &[Part] = &[Word("cert"), Value(Text), Maybe(&[Word("key"), Value(Text)])];

/// The name that is asked for.
const SNI: &[Part] = &[Word("sni"), Value(Text)];

/// How servers are spoken to that must speak TLS.
const TLS_STRICT: Part =
    AnyOrder(&[&[Word("verify"), Value(Text)], SNI, &[Word("ca"), Value(Text)], CERTIFICATE, MINIMUM]);

/// All kinds.
pub const KINDS: &[KindSpec] = &[
    KindSpec {
        name: "listener",
        sort: None,
        settings: LISTENER,
        call: None,
        doc: "Where clients connect, and the bounds of their sessions.",
        example: "listener public {\n  bind     192.0.2.25:25, [2001:db8::25]:25\n  name     \"mx1.example.org\"\n  sessions 4000, 40 per client.net\n}",
    },
    KindSpec {
        name: "pool",
        sort: None,
        settings: POOL,
        call: None,
        doc: "Servers that take messages. Each transaction goes to one of them; one that fails before it has answered the final \
              dot is replaced by another, unseen by the client.",
        example: "pool scanners {\n  server scan1 192.0.2.41:10024 slots 25\n  server scan2 192.0.2.42:10024 slots 25\n  check  smtp every 2s, rise 2, fall 3\n}",
    },
    KindSpec {
        name: "dnsbl",
        sort: None,
        settings: DNSBL,
        call: Some(CallSpec { takes: &[&[Type::Ip, Type::Domain]], returns: &LISTED_ANSWER, late: false }),
        doc: "A list of addresses or domains in DNS (RFC 5782), asked by calling its name.",
        example: "dnsbl zen { zone \"zen.example.org\"  listed 127.0.0.2-11  error 127.255.255.0/24  timeout 2s }",
    },
    KindSpec {
        name: "service",
        sort: Some("clamd"),
        settings: CLAMD,
        call: Some(CallSpec { takes: &[&[Type::Message]], returns: &VIRUS_ANSWER, late: false }),
        doc: "A ClamAV daemon, asked by INSTREAM over kept connections.",
        example: "service av : clamd { hosts \"unix:/run/clamav/clamd.ctl\", \"192.0.2.9:3310\"  scan 20s }",
    },
    KindSpec {
        name: "service",
        sort: Some("callforward"),
        settings: CALLFORWARD,
        call: Some(CallSpec { takes: &[&[Type::Address]], returns: &RECIPIENT_ANSWER, late: true }),
        doc: "A pool whose servers are asked whether they would take a recipient: MAIL and RCPT without a message. For a host that has no \
              list of recipients. It is asked last, when no other condition of the guard decides, and what it says is kept; each core \
              knows at most 50000 addresses.",
        example: "service verify : callforward { pool inside  valid 1d  invalid 1h  timeout 10s }",
    },
    KindSpec {
        name: "greylist",
        sort: None,
        settings: GREYLIST,
        call: Some(CallSpec {
            takes: &[&[Type::Net, Type::Ip], &[Type::Domain, Type::Address], &[Type::Address, Type::Domain]],
            returns: &GREY_ANSWER,
            late: true,
        }),
        doc: "Who is new waits, and passes when he comes again in time. Called with what is to be the same then: the client's network, \
              since large senders come again from another address of it, the sender's domain and the recipient. One who is asked \
              about is put down, so it is asked only where all else in the guard has let the answer matter, whatever their order: \
              `if client.rdns is missing and grey(...) is waiting` puts nobody down who has a name.",
        example: "greylist grey { after 5m  within 2d  keep 35d }",
    },
    KindSpec {
        name: "store",
        sort: Some("file"),
        settings: STORE_FILE,
        call: None,
        doc: "Where `remember`, `limit` and greylists keep what they know over a restart: a file of this host, written once a second. At \
              most one `store` in a file set; without one it is `tables.redb` in the state folder. A file that cannot be had is said in \
              the log and tried again; meanwhile all is known in memory.",
        example: "store tables : file { path \"/var/lib/weir/tables.redb\" }",
    },
    KindSpec {
        name: "store",
        sort: Some("memory"),
        settings: &[],
        call: None,
        doc: "Nothing that `remember`, `limit` and greylists know outlives the process.",
        example: "store tables : memory { }",
    },
    KindSpec {
        name: "store",
        sort: Some("redis"),
        settings: STORE_REDIS,
        call: None,
        doc: "A server that several hosts share (Valkey, Redis, or another that speaks their protocol): who has passed on one is known on the \
              others. What is not known here is asked there; without an answer in time it is `unknown`. A server that does not answer is \
              left alone and tried every second: nobody waits for it meanwhile, and what it was to be told is told when it is back. The \
              connection is not encrypted.",
        example: "store shared : redis { server 192.0.2.9:6379  timeout 200ms  password \"redis.password\" }",
    },
];

/// Extensions of ESMTP that can be left out, as the wire names them.
const WITHHELD: &[Part] = &[
    Word("without"),
    Repeat(&[OneOf(&[
        &[Word("PIPELINING")],
        &[Word("SMTPUTF8")],
        &[Word("CHUNKING")],
        &[Word("DSN")],
        &[Word("REQUIRETLS")],
    ])]),
];

const LISTENER: &[SettingSpec] = &[
    required(
        "bind",
        &[Repeat(&[Value(Socket)])],
        "Addresses and ports, each opened once on every core.",
        "bind 192.0.2.25:25, [2001:db8::25]:25",
    ),
    once(
        "name",
        &[Value(Text)],
        "The name in the greeting, EHLO and Received. The host's own by default.",
        "name \"mx1.example.org\"",
    ),
    once(
        "from",
        &[Repeat(&[Value(Name("list"))])],
        "Only clients in these `net` lists are served; others get 554 5.7.1. Everybody by default.",
        "from balancers",
    ),
    once(
        "client",
        &[Repeat(&[OneOf(&[
            &[Word("proxy")],
            &[Word("proxy_v1")],
            &[Word("proxy_v2")],
            &[Word("xclient")],
            &[Word("xforward")],
        ])])],
        "How the peers in `from` say who their client is, whom the rules judge then. `proxy`: every connection begins with a header of \
         the PROXY protocol (`proxy_v1` and `proxy_v2` take that version only); a wrong one, or none within 5s, ends it unanswered. \
         `xclient`: XCLIENT begins the session anew as the client's, from `connect` on. `xforward`: XFORWARD says whose the next \
         message is, so `mail` and what follows judge the client, `connect` and `helo` the peer. Behind `proxy`, only a client that is \
         in `from` itself may use the other two. NAME is not believed: names are asked for in DNS.",
        "client proxy, xforward",
    ),
    once(
        "sessions",
        &[Value(Int(1, COUNT_MAX)), Maybe(&[Comma, Value(Int(1, COUNT_MAX)), Word("per"), Value(Field)])],
        "Most sessions at once, and most of one `client.net` or `client.ip`; others get the `full` reply. Default 10000.",
        "sessions 4000, 40 per client.net",
    ),
    once(
        "limits",
        &[AnyOrder(&[
            &[Word("message"), Value(Size)],
            &[Word("rcpts"), Value(Int(1, 10_000))],
            &[Word("line"), Value(Int(512, 65_536))],
            &[Word("header"), Value(Size)],
            &[Word("bad_commands"), Value(Int(1, 1000))],
            &[Word("not_smtp"), Value(Int(0, 1000))],
        ])],
        "Bounds of a session: message size (default 25MB), recipients a message (100), bytes a text line (998), bytes of header \
         (256KiB), refused commands before 421 (20), and lines of another protocol (HTTP, a message's header, TLS, SSH) that are \
         borne before 521 (0).",
        "limits message 15360000B, rcpts 100, line 998, bad_commands 4",
    ),
    once(
        "timeouts",
        &[AnyOrder(&[
            &[Word("command"), Value(Duration)],
            &[Word("data"), Value(Duration)],
            &[Word("write"), Value(Duration)],
            &[Word("stressed"), Value(Duration)],
            &[Word("whole"), Value(Duration)],
        ])],
        "How long a session waits for a command (default 5m), for more of a message (3m) and for the client to take a reply (1m); \
         RFC 5321, 4.5.3.2. `stressed` is what takes the place of the first two while the listener is stressed; 10s is usual. \
         `whole` bounds all those waits together: from one message to the next, and for one message (1h).",
        "timeouts command 5m, data 3m",
    ),
    once(
        "delayed_rejection",
        &[],
        "A `reject` or `defer` of `connect`, `helo` or `mail` is not said there but to each RCPT, so that the log has sender and \
         recipient; rules of the phases up to `mail` then are not asked any more. The recipients `postmaster` and `abuse` are \
         judged by `on rcpt` alone and stay reachable (RFC 5321, 4.5.1; RFC 2142). A `drop` does not wait. Off by default.",
        "delayed_rejection",
    ),
    once(
        "tls",
        &[
            OneOf(&[&[Word("offered")], &[Word("required")], &[Word("implicit")]]),
            Comma,
            Repeat(&[OneOf(&[CERTIFICATE, &[Word("self_signed")], MINIMUM])]),
        ],
        "TLS: `offered` after STARTTLS (RFC 3207), `required` (before it there is no mail: 530 5.7.0), or `implicit` from the first byte on. \
         Certificates are PEM files, the host's own certificate first, the key in the same file or behind `key`. A client that asks for \
         a name gets the first certificate that holds for it, others the first of all. The files are read anew within seconds when they \
         change; a bad one keeps the certificate before. `self_signed` instead of files makes a certificate for the listener's `name` at each \
         load: enough for hosts that send mail, which encrypt to anybody, and for a first day. `minimum tls13` refuses TLS 1.2; what is older is never spoken. Off by default.",
        "tls offered, cert \"/etc/weir/tls/mx1.pem\", cert \"/etc/weir/tls/mx2.pem\" key \"/etc/weir/tls/mx2.key\"",
    ),
    once(
        "line_breaks",
        &[OneOf(&[&[Word("strict")], &[Word("normalise")]])],
        "What a bare CR or LF in a message is: `strict` refuses it with 550 5.5.2 (default), `normalise` makes CRLF of it on the \
         way. Only CRLF.CRLF ends a message in both.",
        "line_breaks normalise",
    ),
    once(
        "extensions",
        WITHHELD,
        "Extensions that EHLO does not offer, and that are refused therefore. All that weir knows are offered by default, REQUIRETLS \
         inside TLS. What DSN asks for (RFC 3461) is passed on with the message; weir answers with the next hop's reply and writes no \
         notices, so leave DSN out where a next hop does not offer it and NOTIFY=SUCCESS must not be lost.",
        "extensions without CHUNKING, SMTPUTF8",
    ),
    once(
        "stressed",
        &[Word("above"), Value(Percent), Word("sessions")],
        "From which share of `sessions` on the listener is stressed. Default 80%.",
        "stressed above 80% sessions",
    ),
    many(
        "pressure",
        &[
            Word("above"),
            Value(Percent),
            OneOf(&[&[Word("memory")], &[Word("descriptors")], &[Word("waiting"), Value(Name("pool"))]]),
        ],
        "New clients get the `full` reply above this share of the memory for messages under way, of the descriptors that the process \
         may have, or of a pool's room for transactions that wait (all of it when no server of the pool serves). Whatever is said \
         here, they get it when there is no memory left and above 95% of the descriptors.",
        "pressure above 80% waiting scanners",
    ),
    once(
        "full",
        REPLY,
        "The reply above `sessions` and under `pressure`. Default 421 4.3.2.",
        "full 421 4.3.2 \"busy, try again soon\"",
    ),
    once(
        "slots",
        &[
            Value(Int(1, COUNT_MAX)),
            Maybe(&[Comma, Word("waiting"), Value(Int(0, COUNT_MAX)), Word("for"), Value(Duration)]),
        ],
        "Most messages judged at once, and how many more wait how long for their turn; others get the `full` reply. No bound by \
         default.",
        "slots 25, waiting 50 for 20s",
    ),
    once(
        "budget",
        &[Value(Duration), Comma, Word("then"), Value(CodeIn(400, 599)), Value(Enhanced), Value(Template)],
        "Most time for the rules of one message, and the reply when it is over. Default 60s and 451 4.3.0.",
        "budget 30s, then 451 4.3.0 \"scan took too long\"",
    ),
    once(
        "commit",
        &[Word("after"), Word("next_hop")],
        "The client's 250 follows the next hop's 250 (or the fsync of a maildir): nothing is queued here. This is the default and \
         the only way so far; the line says it to readers.",
        "commit after next_hop",
    ),
];

const POOL: &[SettingSpec] = &[
    many(
        "server",
        &[
            Value(AnyWord),
            Value(Socket),
            AnyOrder(&[
                &[Word("weight"), Value(Int(1, 256))],
                &[Word("slots"), Value(Int(1, 65_535))],
                &[Word("backup")],
            ]),
        ],
        "A member: its name, its address, its share (default 1), how many transactions it takes at once (default 100), and \
         whether it only serves when no other can.",
        "server scan1 192.0.2.41:10024 weight 10 slots 25",
    ),
    many(
        "use",
        &[Value(Text)],
        "Members from files, one setting a line: one file a node, as Puppet writes them.",
        "use \"pool.d/scanners/*.server\"",
    ),
    once(
        "balance",
        &[OneOf(&[&[Word("least_busy")], &[Word("round_robin")]])],
        "How a transaction's server is chosen: `least_busy`, open transactions against slots times weight (default), or \
         `round_robin`, in turn by weight.",
        "balance least_busy",
    ),
    once(
        "check",
        &[
            Word("smtp"),
            Word("every"),
            Value(Duration),
            AnyOrder(&[
                &[Word("fast"), Value(Duration)],
                &[Word("rise"), Value(Int(1, 100))],
                &[Word("fall"), Value(Int(1, 100))],
                &[Word("ehlo"), Value(Text)],
                &[Word("timeout"), Value(Duration)],
            ]),
        ],
        "Health check: connect, read 220, EHLO, QUIT. `fast` is the interval while a server is changing state (default: as \
         `every`); `rise` good or `fall` bad ones in a row change it (2, 3); `timeout` bounds one check (5s). Without `check` \
         a server is taken to be up.",
        "check smtp every 2s, fast 500ms, rise 2, fall 3",
    ),
    once(
        "retry",
        &[Value(Int(0, 10)), Word("on"), Word("other"), Word("server")],
        "How many other servers are tried for a transaction when one fails before it has answered for the message. Default 2.",
        "retry 2 on other server",
    ),
    once(
        "waiting",
        &[Value(Int(0, COUNT_MAX)), Word("for"), Value(Duration)],
        "How many transactions wait for a slot when all are taken, and how long. Default 500 for 20s.",
        "waiting 500 for 20s",
    ),
    once(
        "reuse",
        &[Value(Int(1, COUNT_MAX)), Word("transactions"), Maybe(&[Comma, Value(Duration), Word("idle")])],
        "How many transactions one connection carries, and how long it is kept without any. Default 1000, 30s.",
        "reuse 100 transactions, 30s idle",
    ),
    once(
        "timeouts",
        &[AnyOrder(&[
            &[Word("connect"), Value(Duration)],
            &[Word("command"), Value(Duration)],
            &[Word("data"), Value(Duration)],
            &[Word("dot"), Value(Duration)],
        ])],
        "How long to wait for the connection (default 5s), a reply to a command (5m), the server to take the message (3m) and \
         the reply to the final dot (10m); RFC 5321, 4.5.3.2.",
        "timeouts connect 2s, dot 10m",
    ),
    once(
        "client",
        &[OneOf(&[&[Word("proxy_v1")], &[Word("proxy_v2")], &[Word("xclient")], &[Word("xforward")]])],
        "How the servers are told whose a message is. `proxy_v1`, `proxy_v2`: a PROXY header in front of each connection, which carries \
         one message then; checks say that they are ours (`UNKNOWN`, `LOCAL`). `xclient`, `xforward`: that command before each \
         message, on kept connections, with the attributes that the server takes. A server that does not offer XCLIENT counts as \
         failed; one that does not offer XFORWARD gets the message all the same, which is said once in the log. They are told nothing \
         by default.",
        "client proxy_v2",
    ),
    once(
        "extensions",
        WITHHELD,
        "Extensions that are not used with these servers, whatever they offer.",
        "extensions without CHUNKING",
    ),
    once(
        "tls",
        &[OneOf(&[
            &[Word("off")],
            &[Word("opportunistic"), AnyOrder(&[SNI, CERTIFICATE, MINIMUM])],
            &[Word("required"), TLS_STRICT],
            &[Word("implicit"), TLS_STRICT],
        ])],
        "TLS to the servers: `off` (default; Postfix's `none`), `opportunistic` (`may`: STARTTLS where it is offered; a server that \
         refuses it, or whose handshake fails, is spoken to in plain), `required` (`encrypt`: STARTTLS or no mail), `implicit` (TLS from \
         the first byte on). `verify \"NAME\"` takes only servers whose certificate holds for that name, signed by those that the host \
         trusts or by those in `ca \"FILE\"`; without it any certificate will do. `sni` is the name that is asked for, that of \
         `verify` by default. `cert` says who we are. Health checks of `required` and `implicit` do the handshake too.",
        "tls required, verify \"mail.example.org\", ca \"/etc/weir/tls/ca.pem\"",
    ),
    once(
        "empty",
        REPLY,
        "The reply when no server can take the message. Default 451 4.3.2.",
        "empty 451 4.3.2 \"no scanner available, try again\"",
    ),
];

const DNSBL: &[SettingSpec] = &[
    once("zone", &[Value(Text)], "The domain below which the list answers.", "zone \"zen.example.org\""),
    many(
        "file",
        &[
            Value(Text),
            Word("format"),
            OneOf(&[&[Word("ip4set")], &[Word("ip4trie")], &[Word("ip6trie")], &[Word("dnset")]]),
        ],
        "Instead of `zone`: a zone file of rbldnsd(8), held in memory and read anew when it changes, whole or not at all. Several \
         files, one setting a line, are one list. About 4 bytes an IPv4 address, 8 an IPv6 network, 8 and its name a domain.",
        "file \"lists/own.ip4set\" format ip4set",
    ),
    once(
        "listed",
        &[Repeat(&[Value(Quad)])],
        "The replies that mean listed: addresses, ranges by octet, networks. Default 127.0.0.2-254.",
        "listed 127.0.0.2-11",
    ),
    once(
        "bits",
        &[Repeat(&[OneOf(&[&[Value(Int(1, 255))], &[Value(Ip)]])])],
        "Instead of `listed`: bits of the last octet, or with an address such as 0.0.4.0 those of any, any of which means listed. \
         Lists with one zone and other bits ask one question together.",
        "bits 8, 64",
    ),
    once(
        "error",
        &[Repeat(&[Value(Quad)])],
        "The replies that mean the list did not answer the question (quota, blocked resolver): `unknown`. 127.255.255.0/24 always is.",
        "error 127.255.255.0/24",
    ),
    once(
        "timeout",
        &[Value(Duration)],
        "How long to wait before the answer is `unknown`. Default 2s.",
        "timeout 2s",
    ),
    once(
        "server",
        &[Value(Socket)],
        "The name server to ask; the host's resolver by default.",
        "server 127.0.0.1:530",
    ),
    once(
        "probe",
        &[OneOf(&[
            &[Word("off")],
            &[
                Value(Duration),
                AnyOrder(&[&[Word("listed"), Repeat(TEST_POINT)], &[Word("clean"), Repeat(TEST_POINT)]]),
            ],
        ])],
        "How often, at most each second, the list is asked for what each list has and what none has: 127.0.0.2 and 127.0.0.1, `test` and `invalid` for \
         domains (RFC 5782, 5), or what stands behind `listed` and `clean`. A list that lists what none has, lacks what each has, \
         answers with errors or not at all is off, `unknown` without being asked, until a probe finds it well. Off by default.",
        "probe 10m, listed \"dbltest.com\"",
    ),
];

/// What a probe asks for.
const TEST_POINT: &[Part] = &[OneOf(&[&[Value(Ip)], &[Value(Text)]])];

const CALLFORWARD: &[SettingSpec] = &[
    required("pool", &[Value(Name("pool"))], "Whose servers are asked.", "pool inside"),
    once(
        "valid",
        &[Value(Duration)],
        "How long it is known that a recipient is taken. Default 24h.",
        "valid 1d",
    ),
    once(
        "invalid",
        &[Value(Duration)],
        "How long it is known that a recipient is refused; short, so that a new mailbox soon gets mail. Default 1h.",
        "invalid 10m",
    ),
    once(
        "timeout",
        &[Value(Duration)],
        "How long to wait before the answer is `unknown`; that is known for 10s, so that not everybody waits. Default 10s.",
        "timeout 5s",
    ),
    once(
        "sender",
        &[Value(Text)],
        "The sender that is named; `<>` by default, as for a bounce (RFC 5321, 4.5.5).",
        "sender \"postmaster@example.org\"",
    ),
];

const CLAMD: &[SettingSpec] = &[
    required(
        "hosts",
        &[Repeat(&[Value(Text)])],
        "Where clamd answers: `unix:/path` or `address:port`, tried in this order.",
        "hosts \"unix:/run/clamav/clamd.ctl\", \"192.0.2.9:3310\"",
    ),
    once("connect", &[Value(Duration)], "How long to wait for a connection. Default 1s.", "connect 1s"),
    once("scan", &[Value(Duration)], "How long to wait for a verdict. Default 20s.", "scan 20s"),
    once(
        "size",
        &[Value(Size)],
        "Larger messages are not scanned and `unknown`; keep it at clamd's StreamMaxLength. Default 25MB.",
        "size 25MB",
    ),
    once("slots", &[Value(Int(1, 10_000))], "Most scans at once, over all cores. Default 25.", "slots 25"),
];

const GREYLIST: &[SettingSpec] = &[
    once("after", &[Value(Duration)], "Who comes again earlier still waits. Default 5m.", "after 5m"),
    once("within", &[Value(Duration)], "Who comes again later is new. Default 48h.", "within 2d"),
    once(
        "keep",
        &[Value(Duration)],
        "How long one who has passed is known, from when he last came. Default 35d.",
        "keep 35d",
    ),
];

const STORE_FILE: &[SettingSpec] = &[required(
    "path",
    &[Value(Text)],
    "The file, below the rule file's folder unless it begins with `/`. Its folder must be writable.",
    "path \"/var/lib/weir/tables.redb\"",
)];

const STORE_REDIS: &[SettingSpec] = &[
    required(
        "server",
        &[OneOf(&[&[Value(Socket)], &[Value(Text)]])],
        "Where it is: an address with a port, or `\"unix:/path\"`.",
        "server 192.0.2.9:6379",
    ),
    once(
        "timeout",
        &[Value(Duration)],
        "How long to wait for an answer before it is `unknown`. Default 200ms.",
        "timeout 200ms",
    ),
    once(
        "prefix",
        &[Value(Text)],
        "What all keys begin with: hosts with the same one share what they know. Default `weir:`.",
        "prefix \"mx:\"",
    ),
    once(
        "database",
        &[Value(Int(0, 65_535))],
        "The number of the server's database. Default 0.",
        "database 2",
    ),
    once(
        "password",
        &[Value(Text)],
        "A file that holds the password, below the rule file's folder unless it begins with `/`; read at each connect.",
        "password \"/etc/weir/redis.password\"",
    ),
];
