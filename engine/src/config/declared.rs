//! From declarations to what the engine serves with: listeners and pools.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use weir_lang::plan::Declared;
use weir_smtp::proxy::Version;
use weir_smtp::server::LineBreaks;
use weir_smtp::{Extension, Extensions, ServerConfig};

use super::Secrets;
use super::args::{Args, setting, settings};
use crate::clamd::{Host, Settings};
use crate::generation::{
    Callforward, Clamav, Introductions, Listener, Pressure, SessionKey, Slots, Timeouts,
};
use crate::upstream::introduce::Introduce;
use crate::upstream::pool::{self, Balance, CheckSpec, FixedReply, Pool, PoolSpec, ServerSpec};

/// `listener`
pub(super) fn listener(declared: &Declared, host_name: &str, secrets: &Secrets) -> Listener {
    let full = setting(declared, "full").and_then(Args::reply);
    let sessions = setting(declared, "sessions");
    let most = sessions.and_then(Args::count).unwrap_or(10_000);
    let stressed = setting(declared, "stressed").and_then(Args::count).unwrap_or(80);
    let budget = setting(declared, "budget");
    Listener {
        label: declared.name.clone(),
        bind: setting(declared, "bind").map(|args| args.sockets().collect()).unwrap_or_default(),
        name: setting(declared, "name").and_then(Args::text).unwrap_or(host_name).to_owned(),
        from: setting(declared, "from")
            .map(|args| args.names().map(str::to_owned).collect())
            .unwrap_or_default(),
        client: introductions(declared),
        tls: secrets.listener(declared),
        sessions: most,
        sessions_per: sessions.and_then(sessions_per),
        stressed_above: most.saturating_mul(stressed) / 100,
        server: Arc::new(server_config(declared, host_name)),
        pressure: settings(declared, "pressure").filter_map(pressure).collect(),
        delayed_rejection: setting(declared, "delayed_rejection").is_some(),
        timeouts: setting(declared, "timeouts").map(timeouts).unwrap_or_default(),
        full: full.unwrap_or_else(|| FixedReply::new(421, (4, 3, 2), "too many sessions, try again later")),
        slots: setting(declared, "slots").and_then(slots),
        budget: budget.and_then(Args::duration).unwrap_or(Duration::from_mins(1)),
        over_budget: budget
            .and_then(Args::reply)
            .unwrap_or_else(|| FixedReply::new(451, (4, 3, 0), "judging took too long, try again later")),
    }
}

fn sessions_per(args: Args<'_>) -> Option<(u64, SessionKey)> {
    let field = args.0.iter().find_map(|arg| match arg {
        weir_lang::plan::Arg::Field(field) => Some(field.as_str()),
        _ => None,
    })?;
    // The number before `per` is the second one.
    let most = Args(args.0.get(1..)?).number()?;
    Some((most, if field == "client.ip" { SessionKey::Ip } else { SessionKey::Net }))
}

/// What the SMTP machine of a listener is told.
fn server_config(declared: &Declared, host_name: &str) -> ServerConfig {
    let name = setting(declared, "name").and_then(Args::text).unwrap_or(host_name);
    let mut config = ServerConfig::new(name);
    if setting(declared, "line_breaks").is_some_and(|args| args.has("normalise")) {
        config.line_breaks = LineBreaks::Normalise;
    }
    let Introductions { xclient, xforward, .. } = introductions(declared);
    for (extension, is_taken) in [(Extension::XClient, xclient), (Extension::XForward, xforward)] {
        if is_taken {
            config.extensions = config.extensions.with(extension);
        }
    }
    match setting(declared, "tls").and_then(Args::word) {
        Some("offered") => config.extensions = config.extensions.with(Extension::StartTls),
        Some("required") => {
            config.extensions = config.extensions.with(Extension::StartTls);
            config.tls_required = true;
        }
        _ => {}
    }
    config.extensions = without_withheld(declared, config.extensions);
    let limits = &mut config.limits;
    limits.body.message_bytes_max = MESSAGE_BYTES_MAX;
    limits.bad_commands_max = BAD_COMMANDS_MAX;
    let Some(given) = setting(declared, "limits") else { return config };
    let of = |word| given.after(word);
    if let Some(bytes) = of("message").and_then(Args::number) {
        limits.body.message_bytes_max = bytes;
    }
    if let Some(bytes) = of("header").and_then(Args::number) {
        limits.body.header_bytes_max = bytes;
    }
    if let Some(bytes) = of("line").and_then(Args::number) {
        limits.body.line_bytes_max = bytes;
    }
    if let Some(rcpts) = of("rcpts").and_then(Args::count) {
        limits.recipients_max = rcpts;
    }
    if let Some(commands) = of("bad_commands").and_then(Args::number) {
        limits.bad_commands_max = small(commands);
    }
    if let Some(lines) = of("not_smtp").and_then(Args::number) {
        limits.not_smtp_max = small(lines);
    }
    config
}

/// `client` of a listener
fn introductions(declared: &Declared) -> Introductions {
    let Some(args) = setting(declared, "client") else { return Introductions::default() };
    let proxy = match (args.has("proxy"), args.has("proxy_v1"), args.has("proxy_v2")) {
        (false, false, false) => None,
        (false, true, false) => Some(Version::V1),
        (false, false, true) => Some(Version::V2),
        _ => Some(Version::Either),
    };
    Introductions { proxy, xclient: args.has("xclient"), xforward: args.has("xforward") }
}

/// `client` of a pool
fn introduce(word: &str) -> Option<Introduce> {
    Some(match word {
        "proxy_v1" => Introduce::ProxyV1,
        "proxy_v2" => Introduce::ProxyV2,
        "xclient" => Introduce::XClient,
        "xforward" => Introduce::XForward,
        _ => return None,
    })
}

/// What is left of extensions when those that `extensions without` names are gone.
fn without_withheld(declared: &Declared, extensions: Extensions) -> Extensions {
    let words = setting(declared, "extensions").into_iter().flat_map(Args::words);
    words.filter_map(Extension::parse).fold(extensions, Extensions::without)
}

/// The largest message that is taken when a listener does not say.
const MESSAGE_BYTES_MAX: u64 = 25_000_000;

/// Commands that are none, before a session ends, when a listener does not say.
const BAD_COMMANDS_MAX: u32 = 20;

fn pressure(args: Args<'_>) -> Option<Pressure> {
    let percent = args.number().map(small)?;
    Some(match args.name() {
        Some(pool) => Pressure::Waiting(percent, pool.to_owned()),
        None if args.has("memory") => Pressure::Memory(percent),
        None => Pressure::Descriptors(percent),
    })
}

fn timeouts(args: Args<'_>) -> Timeouts {
    let default = Timeouts::default();
    let of = |word, or| args.after(word).and_then(Args::duration).unwrap_or(or);
    Timeouts {
        command: of("command", default.command),
        data: of("data", default.data),
        write: of("write", default.write),
        stressed: args.after("stressed").and_then(Args::duration),
        whole: of("whole", default.whole),
    }
}

fn slots(args: Args<'_>) -> Option<Slots> {
    let waiting = args.after("waiting");
    Some(Slots {
        at_once: args.count()?,
        waiting: waiting.and_then(Args::count).unwrap_or(0),
        waiting_for: waiting.and_then(Args::duration).unwrap_or_default(),
    })
}

/// `pool`
pub(super) fn pool(declared: &Declared, secrets: &Secrets) -> PoolSpec {
    let waiting = setting(declared, "waiting");
    let reuse = setting(declared, "reuse");
    let round_robin = setting(declared, "balance").is_some_and(|args| args.has("round_robin"));
    PoolSpec {
        name: declared.name.clone(),
        servers: settings(declared, "server").filter_map(server).collect(),
        balance: if round_robin { Balance::RoundRobin } else { Balance::LeastBusy },
        check: setting(declared, "check").map(check),
        retry: setting(declared, "retry").and_then(Args::number).map_or(2, small),
        waiting: waiting.and_then(Args::count).unwrap_or(500),
        waiting_for: waiting.and_then(Args::duration).unwrap_or(Duration::from_secs(20)),
        reuse_transactions: reuse.and_then(Args::number).map_or(1000, small),
        reuse_idle: reuse.and_then(Args::duration).unwrap_or(Duration::from_secs(30)),
        client: setting(declared, "client").and_then(Args::word).and_then(introduce),
        usable: without_withheld(declared, Extensions::ALL),
        tls: secrets.pool(declared),
        timeouts: setting(declared, "timeouts").map(pool_timeouts).unwrap_or_default(),
        empty: setting(declared, "empty")
            .and_then(Args::reply)
            .unwrap_or_else(|| FixedReply::new(451, (4, 3, 2), "no server available, try again later")),
    }
}

fn server(args: Args<'_>) -> Option<ServerSpec> {
    Some(ServerSpec {
        name: args.word()?.to_owned(),
        address: args.sockets().next()?,
        weight: args.after("weight").and_then(Args::number).map_or(1, small),
        slots: args.after("slots").and_then(Args::number).map_or(100, small),
        // The server's own name is a word too.
        backup: Args(args.0.get(1..)?).has("backup"),
    })
}

fn check(args: Args<'_>) -> CheckSpec {
    let every = args.after("every").and_then(Args::duration).unwrap_or(Duration::from_secs(2));
    CheckSpec {
        every,
        fast: args.after("fast").and_then(Args::duration).unwrap_or(every),
        rise: args.after("rise").and_then(Args::number).map_or(2, small),
        fall: args.after("fall").and_then(Args::number).map_or(3, small),
        ehlo: args.after("ehlo").and_then(Args::text).map(str::to_owned),
        timeout: args.after("timeout").and_then(Args::duration).unwrap_or(Duration::from_secs(5)),
    }
}

fn pool_timeouts(args: Args<'_>) -> pool::Timeouts {
    let default = pool::Timeouts::default();
    let of = |word, or| args.after(word).and_then(Args::duration).unwrap_or(or);
    pool::Timeouts {
        connect: of("connect", default.connect),
        command: of("command", default.command),
        data: of("data", default.data),
        dot: of("dot", default.dot),
    }
}

/// The forms bound these numbers far below `u32::MAX`.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// `service : callforward`
pub(super) fn callforward(declared: &Declared, pools: &[Arc<Pool>]) -> Option<Callforward> {
    let pool = setting(declared, "pool").and_then(Args::name)?;
    let duration = |word, or| setting(declared, word).and_then(Args::duration).unwrap_or(or);
    let pool = pools.iter().find(|found| found.spec.name == pool).map(Arc::clone)?;
    let sender = setting(declared, "sender").and_then(Args::text).unwrap_or_default().to_owned();
    let mut id = DefaultHasher::new();
    (&declared.name, &sender, format!("{:?}{:?}", pool.spec.servers, pool.spec.client)).hash(&mut id);
    Some(Callforward {
        name: declared.name.clone(),
        id: id.finish(),
        pool,
        sender,
        timeout: duration("timeout", Duration::from_secs(10)),
        valid_for: duration("valid", Duration::from_hours(24)),
        invalid_for: duration("invalid", Duration::from_hours(1)),
    })
}

/// `service : clamd`
pub(super) fn clamd(declared: &Declared) -> Clamav {
    let duration = |word, or| setting(declared, word).and_then(Args::duration).unwrap_or(or);
    let hosts = setting(declared, "hosts")
        .map(|args| args.texts().filter_map(|text| Host::parse(text).ok()).collect())
        .unwrap_or_default();
    let at_once = setting(declared, "slots").and_then(Args::count).unwrap_or(25);
    Clamav {
        name: declared.name.clone(),
        at_once,
        slots: Arc::new(Semaphore::new(at_once)),
        settings: Settings {
            hosts,
            connect: duration("connect", Duration::from_secs(1)),
            scan: duration("scan", Duration::from_secs(20)),
            size_bytes_max: setting(declared, "size").and_then(Args::count).unwrap_or(25_000_000),
        },
    }
}
