//! What the metrics page asks for when it is made: states of pools, listeners and the generation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::generation::Listener;
use crate::http::Pages;
use crate::metrics::{Metric, Registry, names};
use crate::shard::Served;
use crate::store::{Report, Tables};
use crate::upstream::pool::{Admin, Pool, Server};

/// The pages of a process.
pub struct Exported {
    /// What is counted.
    pub metrics: Arc<Registry>,
    /// What serves.
    pub served: tokio::sync::watch::Receiver<Served>,
}

impl Pages for Exported {
    fn metrics(&self) -> String {
        self.metrics.render()
    }

    fn ready(&self) -> Result<(), String> {
        if self.served.borrow().stopping { Err(String::from("stopping")) } else { Ok(()) }
    }
}

/// What is asked for when the page is made, under labels of the rule files.
static PULLED: &[&Metric] = &[
    &names::GENERATION_INFO,
    &names::POOL_WAITING,
    &names::POOL_RETRIES,
    &names::POOL_EMPTY,
    &names::SERVER_UP,
    &names::SERVER_TRANSACTIONS,
    &names::SERVER_TRANSACTIONS_TOTAL,
    &names::SERVER_CHECK_FAILURES,
    &names::SERVER_STATE,
    &names::SESSIONS,
    &names::LIST_ENTRIES,
    &names::DNSBL_HEALTHY,
    &names::TLS_CERTIFICATE_EXPIRY,
];

/// Registers what the process has.
pub fn process(registry: &Registry, started: u64, lost: Arc<AtomicU64>) {
    registry.pulled(&names::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], || 1.0);
    registry.pulled(&names::START_TIME, &[], move || whole(started));
    registry.pulled(&names::LOG_LOST, &[], move || whole(lost.load(Relaxed)));
}

/// Registers how the tables and their store do.
pub fn store(registry: &Registry, tables: &Arc<Tables>) {
    let of = |read: fn(Report) -> u64| {
        let tables = Arc::clone(tables);
        move || whole(read(tables.report()))
    };
    registry.pulled(&names::STORE_HEALTHY, &[], of(|report| u64::from(report.healthy)));
    registry.pulled(&names::STORE_ENTRIES, &[], of(|report| report.entries));
    registry.pulled(&names::STORE_EVICTED, &[], of(|report| report.evicted));
    registry.pulled(&names::STORE_LOST, &[], of(|report| report.lost));
    registry.pulled(&names::STORE_ASKED, &["answered"], of(|report| report.answered));
    registry.pulled(&names::STORE_ASKED, &["unanswered"], of(|report| report.unanswered));
}

/// Registers how the last attempt to load rules went.
pub fn reload(registry: &Registry, at: u64, ok: bool) {
    registry.pulled(&names::LAST_RELOAD_TIME, &[], move || whole(at));
    registry.pulled(&names::LAST_RELOAD_OK, &[], move || whole(u64::from(ok)));
}

/// Registers what this generation has.
pub fn generation(registry: &Registry, served: &Served) {
    // What the generation before had under labels of its own is gone with it.
    for metric in PULLED {
        registry.forget(metric);
    }
    let number = served.generation.number;
    registry.pulled(&names::GENERATION, &[], move || whole(number));
    registry.pulled(&names::GENERATION_INFO, &[&served.generation.digest()], || 1.0);
    for pool in &served.generation.pools {
        export_pool(registry, pool);
    }
    for list in served.generation.dns_lists().filter(|list| list.probe.is_some()) {
        let health = Arc::clone(&list.health);
        registry.pulled(&names::DNSBL_HEALTHY, &[&list.name], move || whole(u64::from(!health.is_off())));
    }
    for list in served.generation.dns_lists().filter(|list| !list.files.is_empty()) {
        dnsbl(registry, served, &list.name);
    }
    for listener in &served.generation.listeners {
        export_certificates(registry, listener);
    }
    for (label, room) in served.rooms.iter() {
        let room = Arc::clone(room);
        registry.pulled(&names::SESSIONS, &[label], move || whole(room.sessions() as u64));
    }
    for (spec, entries) in served.generation.plan.lists().filter(|(spec, _)| !spec.name.is_empty()) {
        list(registry, &spec.name, entries.len());
    }
}

/// Says how many entries a DNS list in files has now.
pub fn dnsbl(registry: &Registry, served: &Served, name: &str) {
    let generation = &served.generation;
    if let Some(of) = generation.dns_lists().find(|list| list.name == name) {
        let entries = of.files.iter().map(|file| served.reread.zone(generation, file).entries());
        list(registry, name, entries.sum());
    }
}

/// Says how many entries a list has.
pub fn list(registry: &Registry, name: &str, entries: usize) {
    registry.pulled(&names::LIST_ENTRIES, &[name], move || whole(entries as u64));
}

fn export_pool(registry: &Registry, pool: &Arc<Pool>) {
    let name = pool.spec.name.as_str();
    let of = |read: fn(&Pool) -> u64| {
        let pool = Arc::clone(pool);
        move || whole(read(&pool))
    };
    registry.pulled(&names::POOL_WAITING, &[name], of(|pool| pool.waiting() as u64));
    registry.pulled(&names::POOL_RETRIES, &[name, "failed"], of(|pool| pool.room.retries.load(Relaxed)));
    registry.pulled(&names::POOL_EMPTY, &[name], of(|pool| pool.room.empty.load(Relaxed)));
    for member in &pool.members {
        export_server(registry, name, &member.server);
    }
}

/// When each certificate ends to hold; they may be exchanged while the listener serves.
fn export_certificates(registry: &Registry, listener: &Listener) {
    let Some(keys) = listener.tls.as_ref().and_then(|tls| tls.keys.as_ref()) else { return };
    for (index, pair) in keys.pairs.iter().enumerate() {
        let keys = Arc::clone(keys);
        registry.pulled(&names::TLS_CERTIFICATE_EXPIRY, &[&listener.label, &pair.certificate], move || {
            let not_after = keys.certificates().all().get(index).map(|certificate| certificate.not_after);
            whole(not_after.and_then(|time| u64::try_from(time).ok()).unwrap_or_default())
        });
    }
}

fn export_server(registry: &Registry, pool: &str, server: &Arc<Server>) {
    let name = server.name.as_str();
    let of = |read: fn(&Server) -> u64| {
        let server = Arc::clone(server);
        move || whole(read(&server))
    };
    registry.pulled(&names::SERVER_UP, &[pool, name], of(|server| u64::from(server.is_up())));
    registry.pulled(&names::SERVER_TRANSACTIONS, &[pool, name], of(|server| u64::from(server.busy())));
    registry.pulled(
        &names::SERVER_CHECK_FAILURES,
        &[pool, name],
        of(|server| server.check_failures.load(Relaxed)),
    );
    let total = |result: &str, counter: fn(&Server) -> &AtomicU64| {
        let server = Arc::clone(server);
        registry.pulled(&names::SERVER_TRANSACTIONS_TOTAL, &[pool, name, result], move || {
            whole(counter(&server).load(Relaxed))
        });
    };
    total("accepted", |server| &server.accepted);
    total("refused", |server| &server.refused);
    total("broken", |server| &server.broken);
    for admin in [Admin::Ready, Admin::Drain, Admin::Maint] {
        let server = Arc::clone(server);
        registry.pulled(&names::SERVER_STATE, &[pool, name, admin.word()], move || {
            whole(u64::from(server.admin() == admin))
        });
    }
}

/// Prometheus numbers are floats; counts up to 2^53 are exact.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, which no count here reaches")]
fn whole(number: u64) -> f64 {
    number as f64
}
