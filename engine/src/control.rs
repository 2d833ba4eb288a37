//! The process: its shards, the generation that serves, and what is done to both.
//!
//! ```text
//! signals, admin socket -> Control::reload -> check, test, bind -> publish -> every shard has taken it -> done
//! ```
//! Nothing is changed until all that can go wrong has gone right.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::AbortHandle;
use weir_lang::fileset::Files;

use crate::clock::Clock;
use crate::config::{self, Base, Overrides, Secrets};
use crate::generation::{Generation, Reread, ZoneFile};
use crate::limits::{LISTEN_BACKLOG, RELOAD_POLL, RELOAD_TAKEN_WITHIN};
use crate::log::{Log, Writer};
use crate::metrics::names;
use crate::probe::Probes;
use crate::process::Process;
use crate::ring;
use crate::session::Room;
use crate::shard::{self, Progress, Served, Sockets, Start};
use crate::simulate;
use crate::store::{Keeper, Place};
use crate::upstream::check;
use crate::upstream::pool::{CheckSpec, Pool, PoolTls, Server};

/// Where rule files are.
#[derive(Clone)]
pub enum RuleFiles {
    /// Files and folders of this host.
    Disk(Vec<PathBuf>),
    /// Somewhere else.
    Given {
        /// The first file.
        root: &'static str,
        /// How it and those that it names are read.
        files: Arc<dyn Files + Send + Sync>,
    },
}

/// What a process is started with.
pub struct Setup {
    /// The rule files.
    pub files: RuleFiles,
    /// Addresses that stand in for those of the files.
    pub overrides: Overrides,
    /// How many shards.
    pub shards: u16,
    /// Whether the `test` blocks must pass.
    pub tested: bool,
    /// Where quarantined messages are kept.
    pub state: PathBuf,
    /// The name server for look-ups that name none.
    pub resolver: Option<SocketAddr>,
    /// Most memory for messages that the sessions of one shard hold at once, in MiB.
    pub message_memory_mib: u32,
    /// Most time for transactions to finish at the end.
    pub stop_timeout: Duration,
}

/// Why a generation does not serve.
#[derive(Debug)]
pub enum Refused {
    /// The rule files have faults, or their tests fail: the text to show.
    Rules(String),
    /// An address cannot be bound, or a thread not be started.
    Unavailable(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rules(text) | Self::Unavailable(text) => out.write_str(text),
        }
    }
}

/// A running process.
pub struct Control {
    setup: Setup,
    clock: Clock,
    /// What all shards share.
    pub process: Arc<Process>,
    /// Control's own access to the log.
    pub log: std::rc::Rc<Log>,
    served: watch::Sender<Served>,
    progress: Vec<Arc<Progress>>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
    checks: Mutex<Vec<Check>>,
    probes: Probes,
    reloading: tokio::sync::Mutex<()>,
    /// The generation that served before this one.
    before: Mutex<Option<Arc<Generation>>>,
    /// What keeps the tables over a restart, and where.
    keeper: Mutex<(Keeper, Place)>,
}

/// A server that is being checked.
struct Check {
    server: Arc<Server>,
    spec: CheckSpec,
    tls: PoolTls,
    task: AbortHandle,
}

impl Check {
    /// Whether this pool wants its server checked, and just so.
    fn is_wanted(&self, pool: &Pool) -> bool {
        pool.spec.check.as_ref() == Some(&self.spec)
            && pool.spec.tls.is(&self.tls)
            && pool.members.iter().any(|member| Arc::ptr_eq(&member.server, &self.server))
    }
}

impl Control {
    /// Loads the rule files and starts the shards.
    pub fn start(setup: Setup, writer: &Writer, clock: &Clock) -> Result<Self, Refused> {
        let process = Arc::new(Process::new(config::host_name(), setup.state.clone()));
        let served = first(&setup, &process)?;
        let place = place(&served.generation, &setup);
        let keeper =
            Keeper::start(Arc::clone(&process.tables), place.clone(), writer.lane()).map_err(|error| {
                Refused::Unavailable(format!("cannot start the thread of the store: {error}"))
            })?;
        let (sender, receiver) = watch::channel(served);
        let log = std::rc::Rc::new(writer.lane());
        let mut control = Self {
            probes: Probes::new(setup.resolver, std::rc::Rc::clone(&log)),
            log,
            progress: (0..setup.shards).map(|_| Arc::default()).collect(),
            threads: Mutex::default(),
            checks: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
            before: Mutex::default(),
            keeper: Mutex::new((keeper, place)),
            served: sender,
            clock: clock.clone(),
            process,
            setup,
        };
        for index in 0..control.setup.shards {
            control.start_shard(index, &receiver, writer, clock)?;
        }
        crate::export::process(&control.process.metrics, clock.unix_s(), writer.lost());
        crate::export::reload(&control.process.metrics, clock.unix_s(), true);
        crate::export::store(&control.process.metrics, &control.process.tables);
        control.export();
        Ok(control)
    }

    fn start_shard(
        &mut self,
        index: u16,
        served: &watch::Receiver<Served>,
        writer: &Writer,
        clock: &Clock,
    ) -> Result<(), Refused> {
        let start = Start {
            index,
            process: Arc::clone(&self.process),
            log: writer.lane(),
            clock: clock.clone(),
            served: served.clone(),
            progress: self.progress.get(usize::from(index)).cloned().unwrap_or_default(),
            resolver: self.setup.resolver,
            message_memory: usize::try_from(self.setup.message_memory_mib)
                .map_or(usize::MAX, |mib| mib << 20),
            stop_timeout: self.setup.stop_timeout,
        };
        let run = move || {
            if let Err(refused) = ring::run(shard::run(start)) {
                eprintln!("weir: shard {index}: {refused}");
            }
        };
        let thread = std::thread::Builder::new()
            .name(format!("shard-{index}"))
            .spawn(run)
            .map_err(|error| Refused::Unavailable(format!("cannot start shard {index}: {error}")))?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// What serves now.
    pub fn served(&self) -> Served {
        self.served.borrow().clone()
    }

    /// The time, in seconds since 1970.
    pub fn unix_s(&self) -> u64 {
        self.clock.unix_s()
    }

    /// Open sessions on all shards.
    pub fn sessions(&self) -> usize {
        self.progress.iter().map(|progress| progress.sessions.load(Relaxed)).sum()
    }

    /// Serves these lists from now on, if their generation still does: `change` makes them from those that serve.
    pub fn publish_lists(&self, generation: u64, change: impl FnOnce(&Reread) -> Reread) {
        self.served.send_if_modified(|served| {
            let serves = served.generation.number == generation;
            if serves {
                served.reread = Arc::new(Reread { generation, ..change(&served.reread) });
            }
            serves
        });
    }

    /// Loads the rule files anew and returns when every shard serves them. On any fault of theirs all stays as it was.
    pub async fn reload(&self) -> Result<Arc<Generation>, Refused> {
        let _one_at_a_time = self.reloading.lock().await;
        let reloaded = match self.load_next().await {
            Ok(served) => self.publish(served).await,
            Err(refused) => Err(refused),
        };
        self.report(&reloaded);
        reloaded
    }

    /// Serves the rules again that served before the last reload, as they were loaded then; the rule files are not read, those of
    /// lists and maps are, at the second look ([`crate::limits::LISTS_EVERY`]). A second
    /// roll-back takes the first one back.
    pub async fn roll_back(&self) -> Result<Arc<Generation>, Refused> {
        let _one_at_a_time = self.reloading.lock().await;
        let before = lock(&self.before).clone();
        let Some(before) = before else {
            return Err(Refused::Unavailable(String::from("no rules served before these")));
        };
        let now = self.served();
        let rules = Rules {
            plan: Arc::clone(&before.plan),
            zones: before.zones.clone(),
            secrets: Secrets::of(&before),
        };
        let served = publishable(self.next_of(rules, &now), Some(&now), self.setup.shards)?;
        // Its lists may be old by now: all of their files are read.
        let served = Served { loaded: SystemTime::UNIX_EPOCH, ..served };
        let rolled_back = self.publish(served).await;
        self.report(&rolled_back);
        rolled_back
    }

    /// The generation that rules make after the one that serves.
    fn next_of(&self, rules: Rules, now: &Served) -> Generation {
        let base = Base {
            number: now.generation.number + 1,
            older: Some(&now.generation),
            host_name: &self.process.host_name,
            overrides: &self.setup.overrides,
        };
        config::serving(rules.plan, rules.zones, &rules.secrets, &base)
    }

    /// Counts a change of the rules and says it in the log.
    fn report(&self, reloaded: &Result<Arc<Generation>, Refused>) {
        let result = if reloaded.is_ok() { "ok" } else { "failed" };
        self.process.metrics.counter(&names::RELOADS, &[result]).increment();
        crate::export::reload(&self.process.metrics, self.clock.unix_s(), reloaded.is_ok());
        let event = self.log.event("reload").field("result", result);
        match reloaded {
            Ok(generation) => {
                event.field("gen", generation.number).field("digest", generation.digest()).emit();
            }
            Err(refused) => event.field("reason", refused.to_string()).emit(),
        }
    }

    /// Serves this from now on, unless the process is ending.
    async fn publish(&self, served: Served) -> Result<Arc<Generation>, Refused> {
        let generation = Arc::clone(&served.generation);
        let published = self.served.send_if_modified(|now| {
            let goes_on = !now.stopping;
            if goes_on {
                *lock(&self.before) = Some(Arc::clone(&now.generation));
                let reread = Arc::new(carried(now, &served.generation));
                *now = Served { reread, ..served };
            }
            goes_on
        });
        if !published {
            return Err(Refused::Unavailable(String::from("weir is stopping")));
        }
        self.adjust_checks();
        self.adjust_store();
        self.export();
        self.wait_taken(generation.number).await?;
        Ok(generation)
    }

    async fn load_next(&self) -> Result<Served, Refused> {
        let now = self.served();
        let files = self.setup.files.clone();
        let tested = self.setup.tested;
        let began = SystemTime::now();
        // Reading and compiling takes as long as the lists are; checks and the admin socket go on meanwhile.
        // Those that were read anew since hold what their files do.
        let newest = [&now.reread.zones, &now.generation.zones].into_iter().find(|zones| !zones.is_empty());
        let zones = newest.cloned().unwrap_or_default();
        let rules = tokio::task::spawn_blocking(move || load(&files, &zones, tested))
            .await
            .map_err(|error| Refused::Rules(format!("loading ended early: {error}")))??;
        let served = publishable(self.next_of(rules, &now), Some(&now), self.setup.shards)?;
        Ok(Served { loaded: began, ..served })
    }

    /// Every shard has taken this generation.
    async fn wait_taken(&self, number: u64) -> Result<(), Refused> {
        let until = tokio::time::Instant::now() + RELOAD_TAKEN_WITHIN;
        while self.progress.iter().any(|progress| progress.generation.load(Relaxed) < number) {
            if tokio::time::Instant::now() > until {
                return Err(Refused::Unavailable(format!(
                    "generation {number} is loaded, but a shard has not taken it in {} s",
                    RELOAD_TAKEN_WITHIN.as_secs()
                )));
            }
            tokio::time::sleep(RELOAD_POLL).await;
        }
        Ok(())
    }

    /// Every shard serves the first generation: the sockets are open.
    pub async fn ready(&self) -> Result<(), Refused> {
        self.wait_taken(1).await?;
        self.adjust_checks();
        let generation = self.served().generation;
        self.log
            .event("ready")
            .field("gen", generation.number)
            .field("digest", generation.digest())
            .field("role", generation.plan.role().unwrap_or("none"))
            .field("shards", self.setup.shards)
            .emit();
        Ok(())
    }

    /// Keeps the tables where the rules that serve now say.
    fn adjust_store(&self) {
        let wanted = place(&self.served().generation, &self.setup);
        let mut keeper = lock(&self.keeper);
        if keeper.1 != wanted {
            keeper.0.move_to(wanted.clone());
            keeper.1 = wanted;
        }
    }

    /// Where the tables are kept.
    pub fn store(&self) -> Place {
        lock(&self.keeper).1.clone()
    }

    /// Checks the servers that serve now, and probes the DNS lists. A check that is wanted as before is left alone, so that it keeps its count.
    fn adjust_checks(&self) {
        let generation = self.served().generation;
        self.probes.adjust(&generation);
        let mut checks = lock(&self.checks);
        checks.retain(|check| {
            let stays = generation.pools.iter().any(|pool| check.is_wanted(pool));
            if !stays {
                check.task.abort();
            }
            stays
        });
        for pool in &generation.pools {
            // Transactions that wait look again: there may be other servers now.
            pool.wake();
            for member in &pool.members {
                let Some(spec) = &pool.spec.check else {
                    member.server.set_up(true);
                    continue;
                };
                if !checks.iter().any(|check| Arc::ptr_eq(&check.server, &member.server)) {
                    checks.push(self.check(pool, &member.server, spec));
                }
            }
        }
    }

    fn check(&self, pool: &Arc<Pool>, server: &Arc<Server>, spec: &CheckSpec) -> Check {
        let watching = check::watch(
            Arc::clone(pool),
            Arc::clone(server),
            spec.clone(),
            self.process.host_name.clone(),
            std::rc::Rc::clone(&self.log),
        );
        let task = tokio::task::spawn_local(watching).abort_handle();
        Check { server: Arc::clone(server), spec: spec.clone(), tls: pool.spec.tls.clone(), task }
    }

    /// What serves, for one who looks from another thread.
    pub fn watch(&self) -> watch::Receiver<Served> {
        self.served.subscribe()
    }

    /// Puts into the metrics what is asked for when the page is made.
    fn export(&self) {
        let served = self.served();
        crate::export::generation(&self.process.metrics, &served);
    }

    /// Accepts no more, lets transactions finish, ends the shards.
    pub async fn stop(&self) {
        self.log.event("stopping").field("sessions", self.sessions()).emit();
        self.served.send_modify(|served| served.stopping = true);
        let threads: Vec<_> = lock(&self.threads).drain(..).collect();
        // A shard that panicked has said so on its own.
        let _ended =
            tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| _ = thread.join()))
                .await;
        // After the last session has remembered what it had to.
        lock(&self.keeper).0.stop();
        self.log.event("stopped").emit();
    }
}

/// Nothing that holds these locks can panic half-way, so a poisoned lock guards sound data.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Where a generation's tables are kept: where it says, else in the state folder, if there is one.
fn place(generation: &Generation, setup: &Setup) -> Place {
    let has_state = !setup.state.as_os_str().is_empty();
    let default = || if has_state { Place::File(setup.state.join("tables.redb")) } else { Place::Memory };
    generation.memory.place.clone().unwrap_or_else(default)
}

/// Rules, and the files that were read with them.
struct Rules {
    plan: Arc<weir_lang::plan::Plan>,
    zones: Vec<ZoneFile>,
    secrets: Secrets,
}

/// Reads, checks and tests rule files; zone files that are as they were are not read.
fn load(files: &RuleFiles, zones: &[ZoneFile], tested: bool) -> Result<Rules, Refused> {
    let (mut loaded, files): (_, &dyn Files) = match files {
        RuleFiles::Disk(paths) => (config::load_after(paths, zones).map_err(Refused::Rules)?, &config::Disk),
        RuleFiles::Given { root, files } => (config::load_from_after([*root], &**files, zones), &**files),
    };
    let secrets = loaded.unlock(files);
    let shown = loaded.render(weir_lang::diagnostic::render::Style::Plain);
    let plan = loaded.plan.ok_or(Refused::Rules(shown))?;
    let rules = Rules { plan, zones: loaded.zones, secrets };
    if tested {
        let report = simulate::run_tests_with(&rules.plan, &rules.zones, None);
        if let Some(failures) = report.failures() {
            return Err(Refused::Rules(format!(
                "{failures}\nthe tests of the rule files fail; nothing was changed"
            )));
        }
    }
    Ok(rules)
}

fn first(setup: &Setup, process: &Process) -> Result<Served, Refused> {
    let began = SystemTime::now();
    let rules = load(&setup.files, &[], setup.tested)?;
    let base = Base { number: 1, older: None, host_name: &process.host_name, overrides: &setup.overrides };
    let generation = config::serving(rules.plan, rules.zones, &rules.secrets, &base);
    let served = publishable(generation, None, setup.shards)?;
    Ok(Served { loaded: began, ..served })
}

/// What an operator has put into lists, for the lists of the same name and type of the next generation.
fn carried(now: &Served, next: &Generation) -> Reread {
    let spec =
        |generation: &Generation, index| generation.plan.lists().nth(index).map(|(spec, _)| spec.clone());
    let added = now.reread.added.iter().filter_map(|(&index, entries)| {
        let old = spec(&now.generation, index)?;
        let index = next.plan.list(&old.name)?;
        (spec(next, index)?.of == old.of).then(|| (index, Arc::clone(entries)))
    });
    Reread { generation: next.number, added: added.collect(), ..Reread::default() }
}

/// Opens what a generation needs beyond the one before.
fn publishable(generation: Generation, older: Option<&Served>, shards: u16) -> Result<Served, Refused> {
    let open: Vec<SocketAddr> = older.map(|older| addresses(&older.generation)).unwrap_or_default();
    let new = addresses(&generation).into_iter().filter(|address| !open.contains(address));
    let sockets = sockets(&new.collect::<Vec<_>>(), shards)?;
    let rooms: HashMap<String, Arc<Room>> = generation
        .listeners
        .iter()
        .map(|listener| {
            let room = older.and_then(|older| older.rooms.get(&listener.label));
            (listener.label.clone(), Room::new(listener.slots, room))
        })
        .collect();
    Ok(Served {
        generation: Arc::new(generation),
        rooms: Arc::new(rooms),
        sockets: Arc::new(sockets),
        loaded: SystemTime::now(),
        reread: Arc::default(),
        stopping: false,
    })
}

/// All addresses at which a generation listens.
fn addresses(generation: &Generation) -> Vec<SocketAddr> {
    generation.listeners.iter().flat_map(|listener| listener.bind.iter().copied()).collect()
}

/// Listening sockets at these addresses, one of each for every shard. None of them takes a connection before all are bound: one
/// that was taken by then would be lost if the next address cannot be had.
fn sockets(addresses: &[SocketAddr], shards: u16) -> Result<Vec<Sockets>, Refused> {
    let mut bound = Vec::new();
    for &address in addresses {
        let refused = |error: std::io::Error| Refused::Unavailable(format!("cannot bind {address}: {error}"));
        check_free(address).map_err(refused)?;
        for shard in 0..usize::from(shards) {
            bound.push((shard, address, bind(address).map_err(refused)?));
        }
    }
    let sockets: Vec<Sockets> = (0..shards).map(|_| Sockets::default()).collect();
    for (shard, address, socket) in bound {
        socket
            .listen(LISTEN_BACKLOG)
            .map_err(|error| Refused::Unavailable(format!("cannot listen on {address}: {error}")))?;
        if let Some(shard) = sockets.get(shard) {
            lock(shard).push((address, socket.into()));
        }
    }
    Ok(sockets)
}

/// A socket that shares its address with those of the other shards.
fn bind(address: SocketAddr) -> std::io::Result<socket2::Socket> {
    let socket = socket_for(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Fails if another process listens there. What shards need, `SO_REUSEPORT`, would otherwise let a second weir of
/// the same user in without a word, and half of the mail would go to each.
fn check_free(address: SocketAddr) -> std::io::Result<()> {
    socket_for(address)?.bind(&address.into())
}

fn socket_for(address: SocketAddr) -> std::io::Result<socket2::Socket> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}
