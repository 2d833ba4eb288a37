//! From a plan's statements and slots to what the engine does and asks: constants are read once, here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use weir_lang::plan::{Arg, Operand, Plan, SlotSpec, Statement, Target};
use weir_smtp::Enhanced;

use super::Bindings;
use super::args::Args;
use super::memory;
use crate::auth::Method;
use crate::generation::{Act, Counted, Greet, Limit, Names, Question, Refusal};
use crate::scheme::verbs::{Verb, WAIT_MS_MAX};
use crate::upstream::pool::Pool;

/// What each statement of the plan does, by its id.
pub(super) fn acts(plan: &Plan, pools: &[Arc<Pool>]) -> Vec<Act> {
    let mut acts: Vec<Act> = plan.statements().iter().map(|statement| act(statement, pools)).collect();
    memory::identify_limits(plan, &mut acts);
    acts
}

fn act(statement: &Statement, pools: &[Arc<Pool>]) -> Act {
    let constants: Vec<Arg> = statement
        .args
        .iter()
        .filter_map(|operand| match operand {
            Operand::Arg(arg) => Some(arg.clone()),
            _ => None,
        })
        .collect();
    let args = Args(&constants);
    let last = statement.args.len().saturating_sub(1);
    let texts = || args.texts().map(str::to_owned);
    match Verb::at(statement.verb) {
        Some(Verb::Reject) => refuse(Refusal::Reject, args, last),
        Some(Verb::Defer) => refuse(Refusal::Defer, args, last),
        Some(Verb::Drop) => refuse(Refusal::Drop, args, last),
        Some(Verb::Discard) => Act::Discard,
        Some(Verb::Send) => send(args, pools),
        Some(Verb::Quarantine) => Act::Quarantine(texts().next().unwrap_or_default()),
        Some(Verb::Add) => Act::AddHeader { name: texts().next().unwrap_or_default(), value: last },
        Some(Verb::Remove) => Act::RemoveHeader(texts().collect()),
        Some(Verb::Greet) => Act::Greet(greet(args)),
        Some(Verb::Limit) => Act::Limit(Limit {
            id: 0,
            most: args.number().unwrap_or(u64::MAX),
            window: args.duration().unwrap_or_default().as_secs(),
            counted: if args.has("errors") { Counted::Errors } else { Counted::Times },
            key: first_value(statement),
        }),
        Some(Verb::Remember) => Act::Remember {
            key: first_value(statement),
            seconds: args.duration().unwrap_or_default().as_secs(),
            name: args.after("as").and_then(Args::word).unwrap_or_default().to_owned(),
        },
        Some(Verb::Delay) => Act::Delay(wait(args.duration())),
        Some(Verb::Note) => Act::Note { text: last },
        Some(Verb::Accept) | None => Act::Accept,
    }
}

fn refuse(how: Refusal, args: Args<'_>, text: usize) -> Act {
    let code = args.0.iter().find_map(|arg| match arg {
        Arg::Code(code) => Some(*code),
        _ => None,
    });
    let enhanced = args.0.iter().find_map(|arg| match arg {
        Arg::Enhanced(class, subject, detail) => Some(Enhanced::new(*class, *subject, *detail)),
        _ => None,
    });
    Act::Refuse {
        how,
        code: code.unwrap_or(451),
        enhanced: enhanced.unwrap_or_else(|| Enhanced::new(4, 3, 0)),
        text,
    }
}

fn send(args: Args<'_>, pools: &[Arc<Pool>]) -> Act {
    let pool = args.name().and_then(|name| pools.iter().find(|pool| pool.spec.name == name));
    match pool {
        Some(pool) => Act::SendPool(Arc::clone(pool)),
        None => Act::SendMaildir(PathBuf::from(args.text().unwrap_or_default())),
    }
}

fn greet(args: Args<'_>) -> Greet {
    let after = wait(args.duration());
    let of = |word| args.after(word).and_then(Args::duration).map_or(after, |given| wait(Some(given)));
    let teaser = args.after("teaser").and_then(Args::text).map(Box::from);
    Greet { teaser, after, stressed: of("stressed"), remembered: of("remembered") }
}

fn wait(given: Option<Duration>) -> Duration {
    given.unwrap_or_default().min(Duration::from_millis(WAIT_MS_MAX))
}

/// The index of the first operand that is computed: the key of `limit` and `remember`.
fn first_value(statement: &Statement) -> usize {
    statement.args.iter().position(|operand| matches!(operand, Operand::Value(_))).unwrap_or(0)
}

/// What each slot of the plan asks, by its index.
pub(super) fn questions(plan: &Plan, bindings: &Bindings) -> Vec<Question> {
    plan.slots().iter().map(|slot| question(slot, bindings)).collect()
}

fn question(slot: &SlotSpec, bindings: &Bindings) -> Question {
    match slot.target {
        Target::Declaration(index) => {
            bindings.questions.get(index).cloned().unwrap_or(Question::Unanswerable)
        }
        Target::Field(index) => match crate::scheme::fields::FIELDS.get(index).map(|field| field.name) {
            Some("client.spoke_early") => Question::SpokeEarly,
            Some("client.passed") => Question::Passed,
            Some(name) => match (Names::of(name), Method::named(name)) {
                (Some(names), _) => Question::Names(names),
                (None, Some(method)) => Question::Auth(method),
                (None, None) => Question::Unanswerable,
            },
            None => Question::Unanswerable,
        },
        Target::Function(index) => match crate::scheme::SCHEME.functions.get(index).map(|spec| spec.name) {
            Some("remembered") => Question::Remembered,
            _ => Question::Unanswerable,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{OneFile, load_from};

    fn limits(text: &'static str) -> Vec<u128> {
        let plan = load_from(["t.weir"], &OneFile(text)).plan.unwrap();
        let acts = acts(&plan, &[]);
        acts.iter()
            .filter_map(|act| if let Act::Limit(limit) = act { Some(limit.id) } else { None })
            .collect()
    }

    /// A field that nothing asks was `unknown` to all rules, and no rule file showed it.
    #[test]
    fn each_gathered_field_and_each_function_is_a_question() {
        let slot = |target| SlotSpec { target, since: 0, arguments: Vec::new(), name: None, late: false };
        let bindings = Bindings { questions: Vec::new() };
        let fields = crate::scheme::fields::FIELDS.iter().enumerate();
        let gathered = fields.filter(|(_, field)| field.source == weir_lang::scheme::FieldSource::Gathered);
        let functions = crate::scheme::SCHEME.functions.iter().enumerate();
        let asked = functions.filter(|(_, spec)| matches!(spec.returns, weir_lang::scheme::Type::Answer(_)));
        let targets = gathered.map(|(index, field)| (Target::Field(index), field.name));
        for (target, name) in targets.chain(asked.map(|(index, spec)| (Target::Function(index), spec.name))) {
            assert!(!matches!(question(&slot(target), &bindings), Question::Unanswerable), "{name}");
        }
    }

    /// Counts went by the number of the statement: after a reload a `limit` went on with the counts of another.
    #[test]
    fn a_limit_is_the_same_one_after_a_reload() {
        let first = limits(
            "weir 1\non connect {\n  limit 5 per 1m by client.ip, else drop 421 4.7.0 \"a\"\n  \
             limit 9 per 1h by client.net, else drop 421 4.7.0 \"b\"\n}\non message { discard }\n",
        );
        let second = limits(
            "weir 1\non connect {\n  note \"new\"\n  limit 7 per 1m by client.ip, else drop 421 4.7.0 \"c\"\n  \
             limit 5 per 1m by client.ip, else drop 421 4.7.0 \"a\"\n  \
             limit 9 per 1h by client.net, else drop 421 4.7.0 \"b\"\n}\non message { discard }\n",
        );
        assert_eq!(first, second[1..]);
        let equal = "weir 1\non connect {\n  limit 5 per 1m by client.ip, else drop 421 4.7.0 \"a\"\n  \
                     limit 5 per 1m by client.ip, else drop 421 4.7.0 \"a\"\n}\non message { discard }\n";
        let ids = limits(equal);
        assert_ne!(ids[0], ids[1]);
    }
}
