//! A shard: one thread with one ring, its listeners, connections and caches.
//!
//! It shares nothing with the others but what [`Served`] holds: the published generation, tables and counters. Control tells it
//! by a watched value which generation serves; it says back which one it has taken.

mod pressure;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use weir_lang::value::Value;
use weir_smtp::proxy::{Ends, Version};
use weir_smtp::{Enhanced, Reply};

use crate::callout::Callouts;
use crate::clock::Clock;
use crate::counts::Counts;
use crate::dns::Dns;
use crate::facts::Facts;
use crate::generation::{Generation, Listener, Reread};
use crate::id::IdSource;
use crate::limits::{EBB_BYTES, STOP_POLL};
use crate::local::Local;
use crate::log::Log;
use crate::lookups::{Scanners, Sources};
use crate::process::Process;
use crate::ring::{self, Stream, Watch};
use crate::session::{Room, Seat, Session, proxied};
use crate::upstream::connection::Connections;
use crate::wire::Store;
use pressure::Descriptors;

/// What serves now: published by control, read by shards.
#[derive(Clone)]
pub struct Served {
    /// The rules.
    pub generation: Arc<Generation>,
    /// For each listener of the generation, by its label, the counts of its sessions.
    pub rooms: Arc<HashMap<String, Arc<Room>>>,
    /// Sockets that each shard opens for this generation: new addresses, one socket a shard.
    pub sockets: Arc<Vec<Sockets>>,
    /// When the reading of the generation's files began.
    pub loaded: SystemTime,
    /// Lists that were read anew since then.
    pub reread: Arc<Reread>,
    /// The process is ending: accept no more.
    pub stopping: bool,
}

impl Served {
    /// The listener that binds this address, and its room.
    fn at(&self, address: SocketAddr) -> Option<(&Arc<Listener>, &Arc<Room>)> {
        let listener = self.generation.listeners.iter().find(|listener| listener.bind.contains(&address))?;
        Some((listener, self.rooms.get(&listener.label)?))
    }
}

/// The sockets of one shard for one generation. Each is taken once.
pub type Sockets = std::sync::Mutex<Vec<(SocketAddr, TcpListener)>>;

/// What a shard tells control.
#[derive(Debug, Default)]
pub struct Progress {
    /// The number of the generation that it serves.
    pub generation: AtomicU64,
    /// Its open sessions.
    pub sessions: AtomicUsize,
}

/// A shard.
struct Shard {
    local: Rc<Local>,
    index: usize,
    progress: Arc<Progress>,
}

/// What a shard is started with.
pub struct Start {
    /// Its number, from 0.
    pub index: u16,
    /// What all share.
    pub process: Arc<Process>,
    /// The log's lane for this thread.
    pub log: Log,
    /// The clock.
    pub clock: Clock,
    /// What serves, and what will.
    pub served: watch::Receiver<Served>,
    /// Where it says how far it is.
    pub progress: Arc<Progress>,
    /// The name server for look-ups that name none.
    pub resolver: Option<SocketAddr>,
    /// Most bytes of messages that its sessions hold at once.
    pub message_memory: usize,
    /// Most time for transactions to finish when the process ends.
    pub stop_timeout: Duration,
}

/// Runs a shard until the process ends.
pub async fn run(start: Start) {
    let mut served = start.served.clone();
    let stop_timeout = start.stop_timeout;
    let shard = Rc::new(Shard::new(start, &served.borrow().clone()));
    let mut listening = Listening::new();
    ring::spawn(close_idle(Rc::downgrade(&shard)));
    loop {
        let now = served.borrow_and_update().clone();
        shard.take(&now, &mut listening);
        if now.stopping {
            break;
        }
        if served.changed().await.is_err() {
            break;
        }
    }
    shard.finish(stop_timeout).await;
}

/// The accept loops of a shard. An address that goes to another listener keeps its loop, so that no connection is lost.
type Listening = HashMap<SocketAddr, Rc<Accepting>>;

/// One accept loop.
struct Accepting {
    socket: ring::Listener,
    listener: RefCell<Arc<Listener>>,
    room: RefCell<Arc<Room>>,
}

impl Shard {
    fn new(start: Start, served: &Served) -> Self {
        let watch = Watch::start();
        let name = start.process.host_name.clone();
        let connections = Rc::new(Connections::new(&name, watch.clone()));
        let local = Local {
            sources: Rc::new(Sources {
                callouts: Rc::new(Callouts::new(Rc::clone(&connections), start.clock.clone())),
                dns: Dns::new(start.clock.clone(), start.resolver),
                clamd: Scanners::new(watch.clone(), start.clock.clone()),
                counts: Counts::new(&start.process.metrics),
            }),
            ids: RefCell::new(IdSource::new(start.clock.clone(), crate::id::host_byte(&name), start.index)),
            generation: RefCell::new(Arc::clone(&served.generation)),
            reread: RefCell::new(Arc::clone(&served.reread)),
            log: Rc::new(start.log),
            process: start.process,
            store: Store::new(start.message_memory),
            clock: start.clock,
            connections,
            watch,
        };
        Self { local: Rc::new(local), index: usize::from(start.index), progress: start.progress }
    }

    /// Serves this generation from now on: opens what is new, closes what is gone, tells the rest.
    fn take(self: &Rc<Self>, served: &Served, listening: &mut Listening) {
        *self.local.generation.borrow_mut() = Arc::clone(&served.generation);
        *self.local.reread.borrow_mut() = Arc::clone(&served.reread);
        listening.retain(|&address, accepting| {
            let stays = !served.stopping && accepting.adopt(address, served);
            if !stays {
                accepting.socket.stop();
            }
            stays
        });
        self.open_new(served, listening);
        self.progress.generation.store(served.generation.number, Relaxed);
    }

    fn open_new(self: &Rc<Self>, served: &Served, listening: &mut Listening) {
        let Some(sockets) = served.sockets.get(self.index) else { return };
        let mut sockets = sockets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (address, socket) in sockets.drain(..) {
            let Some((listener, room)) = served.at(address) else { continue };
            let socket = match ring::Listener::from_std(socket) {
                Ok(socket) => socket,
                Err(error) => {
                    let event = self.local.log.event("listen_failed").field("listener", &listener.label);
                    event.field("reason", error.to_string()).emit();
                    continue;
                }
            };
            let (listener, room) = (RefCell::new(Arc::clone(listener)), RefCell::new(Arc::clone(room)));
            let accepting = Rc::new(Accepting { socket, listener, room });
            ring::spawn(Rc::clone(&accepting).accept(Rc::clone(self)));
            listening.insert(address, accepting);
        }
    }

    /// Lets transactions finish, then ends.
    async fn finish(&self, within: Duration) {
        self.local.watch.wake_interruptible();
        let until = tokio::time::Instant::now() + within;
        while self.progress.sessions.load(Relaxed) > 0 && tokio::time::Instant::now() < until {
            tokio::time::sleep(STOP_POLL).await;
        }
        self.local.connections.close_all().await;
    }
}

impl Accepting {
    /// Takes over what serves now at this address; false when nothing does.
    fn adopt(&self, address: SocketAddr, served: &Served) -> bool {
        let Some((listener, room)) = served.at(address) else { return false };
        *self.listener.borrow_mut() = Arc::clone(listener);
        *self.room.borrow_mut() = Arc::clone(room);
        true
    }

    async fn accept(self: Rc<Self>, shard: Rc<Shard>) {
        let mut descriptors = Descriptors::default();
        while let Some(accepted) = self.socket.accept().await {
            match accepted {
                Ok((stream, peer)) => {
                    descriptors.wait(&self.socket).await;
                    self.receive(&shard, stream, peer, descriptors.are_short());
                }
                Err(error) => {
                    shard
                        .local
                        .log
                        .event("accept_failed")
                        .field("listener", &self.listener.borrow().label)
                        .field("reason", error.to_string())
                        .emit();
                    // Out of descriptors: those in use must end first.
                    tokio::time::sleep(STOP_POLL).await;
                }
            }
        }
    }

    fn receive(&self, shard: &Rc<Shard>, stream: Stream, peer: SocketAddr, are_short: bool) {
        let listener = Arc::clone(&self.listener.borrow());
        let room = Arc::clone(&self.room.borrow());
        shard.local.counts().connection(&listener.label);
        let mut facts = Facts::new(
            Arc::clone(&shard.local.process),
            shard.local.generation(),
            Arc::clone(&listener),
            peer.ip(),
            peer.port(),
        );
        facts.reread = shard.local.reread();
        if !serves(&facts) {
            let reply = Reply::new(554, Enhanced::new(5, 7, 1), "this listener does not serve you");
            return shard.turn_away(stream, &listener.label, peer, "not in `from`", &reply);
        }
        if let Some(reason) = pressure::pressure(&shard.local, &listener, &stream, are_short) {
            return shard.turn_away(stream, &listener.label, peer, &reason, &listener.full.reply());
        }
        let Some(seat) = Seat::take(&listener, &room) else {
            let reply = listener.full.reply();
            return shard.turn_away(stream, &listener.label, peer, "full", &reply);
        };
        facts.stressed = seat.stressed;
        match listener.client.proxy {
            None => shard.seat(stream, seat, facts, None),
            Some(version) => {
                ring::spawn(Rc::clone(shard).receive_proxied(stream, seat, Box::new(facts), version));
            }
        }
    }
}

/// Counts a session as open.
struct Open(Rc<Shard>);

impl Open {
    fn new(shard: &Rc<Shard>) -> Self {
        shard.progress.sessions.fetch_add(1, Relaxed);
        Self(Rc::clone(shard))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.progress.sessions.fetch_sub(1, Relaxed);
    }
}

impl Shard {
    /// Begins the session of a client that has connected, or of the one whose connection was passed on.
    fn seat(self: &Rc<Self>, stream: Stream, mut seat: Seat, facts: Facts, ends: Option<Ends>) {
        if !seat.admit(&facts.listener, facts.client) {
            let (label, reply) = (&facts.listener.label, facts.listener.full.reply());
            let client = SocketAddr::new(facts.client, facts.port);
            return self.turn_away(stream, label, client, "full", &reply);
        }
        // Behind a proxy everybody comes from it; whoever speaks for others must be in `from` itself.
        let is_trusted = !facts.listener.from.is_empty() && serves(&facts);
        let mut session = Box::new(Session::new(Rc::clone(&self.local), stream, seat, facts));
        if is_trusted {
            session.trust();
        }
        if let Some(ends) = ends {
            session.arrived_by(ends);
        }
        // In a box, because a task's own room is rounded up to a multiple of 128 bytes, and is larger by as many besides.
        ring::spawn(Box::pin(session.serve(Open::new(self))));
    }

    /// Reads whose connection this is, then begins its session. Who does not say it properly hears nothing.
    async fn receive_proxied(
        self: Rc<Self>,
        stream: Stream,
        seat: Seat,
        mut facts: Box<Facts>,
        version: Version,
    ) {
        let header = match proxied::header(&stream, &self.local.watch, version).await {
            Ok(header) => header,
            Err(reason) => {
                let label = &facts.listener.label;
                self.local.counts().proxy_error(label, reason);
                let event = self.local.log.event("proxy_error").field("listener", label);
                return event.field("peer_ip", facts.client).field("reason", reason).emit();
            }
        };
        if let Some(ends) = header.ends {
            facts.proxy = Some(Box::new(SocketAddr::new(facts.client, facts.port)));
            facts.set_client(ends.source.ip(), ends.source.port());
        }
        self.seat(stream, seat, *facts, header.ends);
    }

    /// Says why not and closes.
    fn turn_away(
        self: &Rc<Self>,
        stream: Stream,
        label: &str,
        peer: SocketAddr,
        reason: &str,
        reply: &Reply<'_>,
    ) {
        self.local.counts().refused(label, reason);
        self.local
            .log
            .event("turned_away")
            .field("listener", label)
            .field("client_ip", peer.ip())
            .field("reason", reason)
            .field("code", reply.code)
            .emit();
        let mut line = Vec::new();
        reply.print(&mut line);
        let watch = self.local.watch.clone();
        ring::spawn(async move {
            let watched = stream.watch(&watch);
            watched.arm_write(TURN_AWAY_WITHIN);
            // One that does not listen is turned away all the same.
            let (_gone, _) = stream.write_all(line).await;
        });
    }
}

/// How long a client that is turned away may take to hear it.
const TURN_AWAY_WITHIN: Duration = Duration::from_secs(5);

/// Whether the listener serves this client.
fn serves(facts: &Facts) -> bool {
    let plan = &facts.generation.plan;
    let from = &facts.listener.from;
    from.is_empty()
        || from.iter().any(|name| {
            plan.list(name).is_some_and(|list| plan.list_has(list, Value::Ip(facts.client), facts))
        })
}

/// How often unused connections are looked at.
const IDLE_EVERY: Duration = Duration::from_secs(1);

async fn close_idle(shard: std::rc::Weak<Shard>) {
    let mut tide = Tide::default();
    loop {
        tokio::time::sleep(IDLE_EVERY).await;
        let Some(shard) = shard.upgrade() else { return };
        shard.local.connections.close_idle().await;
        let sessions = shard.progress.sessions.load(Relaxed) * SESSION_BYTES;
        if tide.ebbs(sessions + shard.local.store.held()) {
            ring::give_back_memory();
        }
    }
}

/// About what an idle session takes.
const SESSION_BYTES: usize = 4 << 10;

/// The load of a shard, in bytes: when it has fallen to half of what it was, or there has been none for a while, much of what was freed
/// is free for good.
#[derive(Default)]
struct Tide {
    highest: usize,
    looks_without: u32,
}

/// So many looks without any load are a while.
const LOOKS_WITHOUT: u32 = 10;

impl Tide {
    fn ebbs(&mut self, load: usize) -> bool {
        self.looks_without = if load == 0 { self.looks_without.saturating_add(1) } else { 0 };
        let has_fallen = self.highest >= EBB_BYTES && load <= self.highest / 2;
        let has_ebbed = has_fallen || self.looks_without == LOOKS_WITHOUT;
        self.highest = if has_ebbed { load } else { self.highest.max(load) };
        has_ebbed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_when_the_load_has_fallen_to_half() {
        let mut tide = Tide::default();
        let mib = 1 << 20;
        let loads = [mib, 0, 10 * mib, 6 * mib, 5 * mib, 0, 0, 40 * mib, 19 * mib, 9 * mib, mib];
        let ebbs: Vec<bool> = loads.iter().map(|load| tide.ebbs(*load)).collect();
        let at: Vec<usize> = (0..ebbs.len()).filter(|&index| ebbs[index]).collect();
        assert_eq!(at, [4, 5, 8, 9, 10]);
    }

    #[test]
    fn memory_is_given_back_once_when_there_has_been_no_load_for_a_while() {
        let mut tide = Tide { looks_without: LOOKS_WITHOUT, ..Tide::default() };
        let mut loads = vec![1; 3];
        loads.extend([0; 25]);
        let at: Vec<usize> = (0..loads.len()).filter(|&index| tide.ebbs(loads[index])).collect();
        assert_eq!(at, [12]);
    }
}
