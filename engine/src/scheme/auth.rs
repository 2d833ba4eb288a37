//! What the authentication of mail can say: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 9989), ARC (RFC 8617).
//!
//! The states are the results of RFC 8601, 2.7. One that has to be tried again is `temperror`: that is their `unknown`.

use weir_lang::scheme::{AnswerSpec, MemberSpec, StateSpec, TextSpec, Type};

const fn state(name: &'static str, doc: &'static str) -> StateSpec {
    StateSpec { name, doc }
}

const fn member(name: &'static str, ty: Type, doc: &'static str) -> MemberSpec {
    MemberSpec { name, ty, doc }
}

const TEMPERROR: &str = "DNS has not answered in time";

const REASON: MemberSpec = member("reason", Type::Text, "why, in a few words, when it is no pass");

/// What SPF says of a client.
pub static SPF_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        state("pass", "the domain names this client as its own"),
        state("fail", "the domain says that this client is none of its own: `-all`"),
        state("softfail", "it is probably none: `~all`"),
        state("neutral", "the domain does not say"),
        state("none", "there is no record, or no domain that could have one"),
        state("temperror", TEMPERROR),
        state("permerror", "the record can't be read, or asks for more than is asked (RFC 7208, 4.6.4)"),
    ],
    bare: None,
    unknown: 5,
    members: &[member("domain", Type::Domain, "whose record was asked for"), REASON],
};

/// What the DKIM signatures of a message say together.
pub static DKIM_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        state("pass", "at least one signature is good"),
        state("fail", "none is good, and one does not fit the message or has expired"),
        state("none", "there is no signature"),
        state("temperror", TEMPERROR),
        state(
            "permerror",
            "no signature can be used: no key, a weak key or algorithm, a fault in it, or content that it leaves unsigned",
        ),
    ],
    bare: None,
    unknown: 3,
    members: &[member("domains", Type::List(&Type::Domain), "the domains whose signatures are good"), REASON],
};

/// What DMARC says of the domain in From.
pub static DMARC_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        state("pass", "SPF or a DKIM signature is good, and of the author's domain"),
        state("fail", "neither is, and the domain has a policy"),
        state("none", "the domain has no policy, or there is no author"),
        state("temperror", TEMPERROR),
        state(
            "permerror",
            "there are several From fields, authors of several domains, or more of them than are read: no one policy",
        ),
    ],
    bare: None,
    unknown: 3,
    members: &[
        member("domain", Type::Domain, "the author's domain"),
        member(
            "policy",
            Type::Text,
            "what the domain asks for mail that fails: `none`, `quarantine` or `reject`; `missing` without a record",
        ),
        REASON,
    ],
};

/// What the chain of ARC seals says.
pub static ARC_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        state("pass", "all seals and the last signature are good"),
        state("fail", "one is not, or the chain is broken"),
        state("none", "there is no chain"),
        state("temperror", TEMPERROR),
    ],
    bare: None,
    unknown: 3,
    members: &[
        member("sealer", Type::Domain, "the domain of the last seal, when the chain is good"),
        member("sets", Type::Int, "how many hosts have sealed it"),
        REASON,
    ],
};

/// The text that tells the next host what was found (RFC 8601).
pub const AUTH_RESULTS: TextSpec = TextSpec {
    name: "auth_results",
    head: "ID",
    of: &[&SPF_ANSWER, &DKIM_ANSWER, &DMARC_ANSWER, &ARC_ANSWER],
    doc: "The value of an Authentication-Results header (RFC 8601) that tells of these results, in this order; ID is the name under \
          which this site is trusted. It waits for those that it names. When such a header is added, those that the message came \
          with under the same ID are taken out: nobody else may speak for us (RFC 8601, 5).",
    example: "add header \"Authentication-Results\" auth_results(\"mx.example.org\", spf, dkim, dmarc)",
};
