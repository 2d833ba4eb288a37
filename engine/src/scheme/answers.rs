//! What look-ups answer: the states of each kind of answer, and what it carries.

use weir_lang::scheme::{AnswerSpec, MemberSpec, StateSpec, Type};

/// What the mail exchangers of a domain are (RFC 5321, 5.1; RFC 7505).
pub static MX_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        StateSpec { name: "present", doc: "an MX, or an address that stands in for one" },
        StateSpec { name: "null", doc: "the domain says that it takes no mail (RFC 7505)" },
        StateSpec { name: "missing", doc: "no such domain, or neither MX nor address" },
        StateSpec { name: "unknown", doc: "the resolver did not answer" },
    ],
    bare: None,
    unknown: 3,
    members: &[],
};

/// Whether a client's reverse name leads back to it.
pub static FCRDNS_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        StateSpec { name: "pass", doc: "an address of one of its names is the client's" },
        StateSpec { name: "fail", doc: "it has names, and none leads back" },
        StateSpec { name: "missing", doc: "it has no name" },
        StateSpec { name: "unknown", doc: "the resolver did not answer" },
    ],
    bare: None,
    unknown: 3,
    members: &[],
};

/// Where the name in EHLO leads.
pub static HELO_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        StateSpec { name: "match", doc: "to the client, among others" },
        StateSpec { name: "mismatch", doc: "to other hosts only" },
        StateSpec { name: "missing", doc: "there is no such name, or it has no address" },
        StateSpec { name: "unknown", doc: "the resolver did not answer" },
    ],
    bare: None,
    unknown: 3,
    members: &[],
};

/// Where the mail exchangers of a domain are.
pub static HOSTS_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        StateSpec { name: "public", doc: "one at least has an address of the internet" },
        StateSpec { name: "private", doc: "all have loopback, private or reserved addresses (RFC 6890)" },
        StateSpec { name: "missing", doc: "none has an address, or the domain takes no mail" },
        StateSpec { name: "unknown", doc: "the resolver did not answer" },
    ],
    bare: None,
    unknown: 3,
    members: &[],
};

/// What a DNS list says.
pub static LISTED_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        StateSpec { name: "listed", doc: "a reply that the declaration calls listed" },
        StateSpec { name: "unknown", doc: "no answer in time, or one that the list uses for errors" },
        StateSpec { name: "clean", doc: "no such name, or a reply that does not count" },
    ],
    bare: Some(0),
    unknown: 1,
    members: &[MemberSpec {
        name: "codes",
        ty: Type::List(&Type::Ip),
        doc: "the addresses that the list returned",
    }],
};

/// What a virus scanner says.
pub static VIRUS_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        StateSpec { name: "infected", doc: "a signature was found" },
        StateSpec { name: "unknown", doc: "no scanner answered, or the message is over a limit" },
        StateSpec { name: "clean", doc: "nothing was found" },
    ],
    bare: Some(0),
    unknown: 1,
    members: &[MemberSpec { name: "name", ty: Type::Text, doc: "the signature's name" }],
};

/// What a next hop says of a recipient.
pub static RECIPIENT_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        StateSpec { name: "valid", doc: "it would take mail for it" },
        StateSpec { name: "invalid", doc: "it refuses it for good (5yz)" },
        StateSpec {
            name: "unknown",
            doc: "it did not say: no server answered in time, or it put the question off (4yz)",
        },
    ],
    bare: None,
    unknown: 2,
    members: &[],
};
