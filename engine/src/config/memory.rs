//! What rules remember, from the declarations `store` and `greylist` and the statements that ask for it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use weir_lang::plan::{Arg, Declared, Expression, Operand, Plan, Statement, Term};
use weir_lang::value::StatementId;

use super::args::{Args, setting};
use crate::generation::{Act, Counted, Memory};
use crate::scheme::fields::FIELDS;
use crate::store::{Digester, Greylist, Place, Server, Shared};
use crate::table::Digest;

/// What the rules have remembered.
pub(super) fn memory(plan: &Plan, acts: &[Act]) -> Memory {
    let errors = (0..).map(StatementId).zip(acts).filter_map(|(statement, act)| match act {
        Act::Limit(limit) if limit.counted == Counted::Errors => Some(statement),
        _ => None,
    });
    let greets = |act: &Act| matches!(act, Act::Greet(greet) if greet.remembered != greet.after || greet.remembered != greet.stressed);
    Memory {
        place: plan.declared("store").next().map(|(_, declared)| place(declared)),
        errors: errors.collect(),
        greets_passed: acts.iter().any(greets),
    }
}

/// `store`
fn place(declared: &Declared) -> Place {
    let path = |word| setting(declared, word).and_then(Args::text).map(|path| beside(declared, path));
    match declared.sort.as_deref() {
        Some("file") => Place::File(path("path").unwrap_or_default()),
        Some("redis") => Place::Shared(Shared {
            server: setting(declared, "server").and_then(server).unwrap_or(Server::Socket(PathBuf::new())),
            timeout: setting(declared, "timeout")
                .and_then(Args::duration)
                .unwrap_or(Duration::from_millis(200)),
            prefix: setting(declared, "prefix").and_then(Args::text).unwrap_or("weir:").to_owned(),
            database: setting(declared, "database")
                .and_then(Args::number)
                .and_then(|number| u16::try_from(number).ok())
                .unwrap_or(0),
            password: path("password"),
        }),
        _ => Place::Memory,
    }
}

/// Where a server is; `None` when the text says no such place.
pub(super) fn server(args: Args<'_>) -> Option<Server> {
    args.sockets().next().map(Server::Address).or_else(|| Server::parse(args.text()?))
}

/// A path as the rule file has it, below the file's folder unless it begins with `/`.
fn beside(declared: &Declared, path: &str) -> PathBuf {
    let folder = Path::new(&declared.location.file).parent();
    folder.map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
}

/// `greylist`
pub(super) fn greylist(declared: &Declared) -> Greylist {
    let seconds =
        |word, or: Duration| setting(declared, word).and_then(Args::duration).unwrap_or(or).as_secs();
    Greylist {
        name: declared.name.clone(),
        after: seconds("after", Duration::from_mins(5)),
        within: seconds("within", Duration::from_hours(48)),
        keep: seconds("keep", Duration::from_hours(35 * 24)),
    }
}

/// Gives each `limit` its id: by the name of its file, bound, window and key, and among equal ones by their order. Neither the file's
/// folder nor the line goes in, so that it is the same on hosts that have the same rules.
pub(super) fn identify_limits(plan: &Plan, acts: &mut [Act]) {
    let mut seen: HashMap<u128, u64> = HashMap::new();
    for (statement, act) in plan.statements().iter().zip(acts) {
        let Act::Limit(limit) = act else { continue };
        let of = |nth: u64| {
            let mut digester = Digester::open();
            let file = Path::new(&statement.location.file).file_name().unwrap_or_default();
            digester.part(file.as_encoded_bytes()).part(key_text(statement, limit.key).as_bytes());
            digester.part(&[u8::from(limit.counted == Counted::Errors)]);
            for number in [limit.most, limit.window, nth] {
                digester.part(&number.to_le_bytes());
            }
            let Digest(id) = digester.finish();
            id
        };
        let nth = seen.entry(of(0)).or_default();
        *nth += 1;
        limit.id = of(*nth);
    }
}

/// A key as the rule file names it; the numbers of fields are others in another version.
fn key_text(statement: &Statement, key: usize) -> String {
    match statement.args.get(key) {
        Some(Operand::Value(Expression::Term(Term::Held { spec, argument }))) => {
            let name = FIELDS.get(*spec).map_or("?", |field| field.name);
            format!("{name} {}", argument.as_deref().unwrap_or_default())
        }
        Some(Operand::Arg(Arg::Text(text))) => text.clone(),
        other => format!("{other:?}"),
    }
}
