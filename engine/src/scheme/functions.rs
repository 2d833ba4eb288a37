//! What rules can ask by a call, beside what is declared.

use weir_lang::scheme::{AnswerSpec, FunctionSpec, StateSpec, Type};

/// Whether something is remembered.
pub static REMEMBERED_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        StateSpec { name: "yes", doc: "it is" },
        StateSpec { name: "unknown", doc: "it is not known here, and the shared store did not answer" },
        StateSpec { name: "no", doc: "it is not" },
    ],
    bare: Some(0),
    unknown: 1,
    members: &[],
};

/// What a greylist says.
pub static GREY_ANSWER: AnswerSpec = AnswerSpec {
    states: &[
        StateSpec { name: "waiting", doc: "new, or back too early: to be told to come again" },
        StateSpec { name: "passed", doc: "has come again in time, now or before" },
        StateSpec {
            name: "unknown",
            doc: "it is not known here, and the shared store did not answer; nothing is put down",
        },
    ],
    bare: None,
    unknown: 2,
    members: &[],
};

/// What `remember` can keep.
const KEY: &[Type] = &[Type::Ip, Type::Net, Type::Domain, Type::Address, Type::Text, Type::Int];

/// All functions.
pub const FUNCTIONS: &[FunctionSpec] = &[FunctionSpec {
    name: "remembered",
    parameters: &[KEY, &[Type::Text]],
    returns: Type::Answer(&REMEMBERED_ANSWER),
    doc: "Whether `remember` keeps this key under this name. With a shared store that is asked when the key is not known here; what \
          it does not answer in time is `unknown`.",
    example: "accept if remembered(client.net, \"retried\")",
}];
