//! Pools: which server takes the next transaction.
//!
//! A [`Pool`] is made anew with each generation of the rules; a [`Server`] lives on as long as its pool, name and address
//! do, so that its health, its load and what an operator said of it outlive a reload.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use weir_smtp::{Enhanced, Extensions, Reply};

use super::introduce::Introduce;
use crate::tls::Hop;

/// The reply of a phase, as a rule file gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedReply {
    /// 200 to 599.
    pub code: u16,
    /// RFC 3463.
    pub enhanced: (u8, u16, u16),
    /// One line.
    pub text: String,
}

impl FixedReply {
    /// From its pieces.
    pub fn new(code: u16, enhanced: (u8, u16, u16), text: impl Into<String>) -> Self {
        Self { code, enhanced, text: text.into() }
    }

    /// As the wire has it.
    pub fn reply(&self) -> Reply<'static> {
        let (class, subject, detail) = self.enhanced;
        let enhanced = Some(Enhanced::new(class, subject, detail));
        Reply { code: self.code, enhanced, text: self.text.clone().into() }
    }
}

/// How a server is chosen among those that can take a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// The one with the fewest open transactions for its slots and weight.
    LeastBusy,
    /// In turn, by weight.
    RoundRobin,
}

/// How servers are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSpec {
    /// Interval while the state is settled.
    pub every: Duration,
    /// Interval while it is changing.
    pub fast: Duration,
    /// Good checks in a row that bring a server up.
    pub rise: u32,
    /// Bad checks in a row that take it down.
    pub fall: u32,
    /// The name in EHLO; the host's own when `None`.
    pub ehlo: Option<String>,
    /// Bound of one check.
    pub timeout: Duration,
}

/// What a rule file says of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// Its name, unique in the pool.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its share.
    pub weight: u32,
    /// Most transactions at once, over all shards.
    pub slots: u32,
    /// Serves only when no other server can.
    pub backup: bool,
}

/// Whether a pool's servers are spoken to inside TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolTls {
    /// They are not.
    Off,
    /// They are, but nobody has read the files that it takes: nothing is sent.
    Unread,
    /// They are, in this way.
    By(Arc<Hop>),
}

impl PoolTls {
    /// Whether both are of one load of the rules, or there is no TLS in either.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::By(one), Self::By(other)) => Arc::ptr_eq(one, other),
            _ => self == other,
        }
    }

    /// The way.
    pub fn hop(&self) -> Option<&Arc<Hop>> {
        match self {
            Self::By(hop) => Some(hop),
            Self::Off | Self::Unread => None,
        }
    }
}

/// What a rule file says of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Its name.
    pub name: String,
    /// Its members, in text order.
    pub servers: Vec<ServerSpec>,
    /// How one is chosen.
    pub balance: Balance,
    /// Health checks; none means always up.
    pub check: Option<CheckSpec>,
    /// How many other servers are tried for one transaction.
    pub retry: u32,
    /// How many transactions may wait for a slot.
    pub waiting: usize,
    /// How long each may wait.
    pub waiting_for: Duration,
    /// Transactions that one connection carries.
    pub reuse_transactions: u32,
    /// How long an unused connection is kept.
    pub reuse_idle: Duration,
    /// How its servers are told whose a message is; none tells them nothing.
    pub client: Option<Introduce>,
    /// Extensions of ESMTP that are used where a server offers them.
    pub usable: Extensions,
    /// Whether they are spoken to inside TLS.
    pub tls: PoolTls,
    /// Bounds of waits on a server.
    pub timeouts: Timeouts,
    /// The reply when no server can take the message.
    pub empty: FixedReply,
}

/// How long a server may take (RFC 5321, 4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect.
    pub connect: Duration,
    /// To answer a command.
    pub command: Duration,
    /// To take the message.
    pub data: Duration,
    /// To answer the final dot.
    pub dot: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            command: Duration::from_mins(5),
            data: Duration::from_mins(3),
            dot: Duration::from_mins(10),
        }
    }
}

/// What the operator wants of a server; set by `weir ctl`, kept over reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Admin {
    /// It serves.
    Ready = 0,
    /// Nothing new; what runs is finished. Checks go on.
    Drain = 1,
    /// As drain, and it is not checked.
    Maint = 2,
}

impl Admin {
    /// As `weir ctl` names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// A server's state, shared by all shards and by the generations that know it.
#[derive(Debug)]
pub struct Server {
    /// Its pool's name.
    pub pool: String,
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    busy: AtomicU32,
    down: AtomicU8,
    admin: AtomicU8,
    /// Transactions that it accepted.
    pub accepted: AtomicU64,
    /// Transactions that it refused.
    pub refused: AtomicU64,
    /// Transactions that broke, and connections that failed.
    pub broken: AtomicU64,
    /// Checks that failed.
    pub check_failures: AtomicU64,
    /// It is not told whose messages are, since it does not offer XFORWARD.
    pub is_untold: AtomicBool,
}

impl Server {
    fn new(pool: &str, spec: &ServerSpec) -> Self {
        Self {
            pool: pool.to_owned(),
            name: spec.name.clone(),
            address: spec.address,
            busy: AtomicU32::new(0),
            down: AtomicU8::new(0),
            admin: AtomicU8::new(Admin::Ready as u8),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            check_failures: AtomicU64::new(0),
            is_untold: AtomicBool::new(false),
        }
    }

    /// Open transactions.
    pub fn busy(&self) -> u32 {
        self.busy.load(Relaxed)
    }

    /// What the checks say.
    pub fn is_up(&self) -> bool {
        self.down.load(Relaxed) == 0
    }

    /// Says what the checks found; true when that is news.
    pub fn set_up(&self, up: bool) -> bool {
        self.down.swap(u8::from(!up), Relaxed) != u8::from(!up)
    }

    /// What the operator wants.
    pub fn admin(&self) -> Admin {
        match self.admin.load(Relaxed) {
            0 => Admin::Ready,
            1 => Admin::Drain,
            _ => Admin::Maint,
        }
    }

    /// Sets what the operator wants.
    pub fn set_admin(&self, admin: Admin) {
        self.admin.store(admin as u8, Relaxed);
    }

    fn serves(&self) -> bool {
        self.is_up() && self.admin() == Admin::Ready
    }
}

/// A server as a member of a pool of one generation.
#[derive(Debug)]
pub struct Member {
    /// What the rule file says.
    pub spec: ServerSpec,
    /// What is so.
    pub server: Arc<Server>,
}

impl Member {
    /// Takes a slot if there is one.
    fn take(&self) -> bool {
        let slots = self.spec.slots;
        self.server.busy.fetch_update(Relaxed, Relaxed, |busy| (busy < slots).then_some(busy + 1)).is_ok()
    }

    /// Whether this one is less loaded than the other: busy / (slots * weight), compared without division.
    fn is_freer_than(&self, other: &Self) -> bool {
        let room = |member: &Self| u64::from(member.spec.slots) * u64::from(member.spec.weight);
        u64::from(self.server.busy()) * room(other) < u64::from(other.server.busy()) * room(self)
    }
}

/// A pool of one generation.
#[derive(Debug)]
pub struct Pool {
    /// What the rule file says.
    pub spec: PoolSpec,
    /// Its members, in text order.
    pub members: Vec<Member>,
    /// Indices of members in the order of smooth weighted turns.
    schedule: Vec<u16>,
    turn: AtomicUsize,
    /// What all generations of it share.
    pub room: Arc<WaitingRoom>,
}

/// Those who wait for a slot of a pool, whatever its generation: a slot that a transaction of one generation gives back may be
/// what one of another waits for.
#[derive(Debug, Default)]
pub struct WaitingRoom {
    waiting: AtomicUsize,
    /// How many of those have been to some of the servers already, and so may not want the slot that has become free.
    choosy: AtomicUsize,
    freed: Notify,
    /// Transactions that went to another server after one failed.
    pub retries: AtomicU64,
    /// Transactions that found no server.
    pub empty: AtomicU64,
}

impl WaitingRoom {
    /// A slot is free: wakes who can take it.
    fn free(&self) {
        // Whoever enters after this look sees the slot that was given back before it.
        fence(SeqCst);
        if self.choosy.load(Relaxed) > 0 {
            self.freed.notify_waiters();
        } else if self.waiting.load(Relaxed) > 0 {
            self.freed.notify_one();
        }
    }
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSlot {
    /// No server that is up, ready and untried.
    NoneServes,
    /// The waiting room is full.
    RoomFull,
    /// No slot became free in time.
    WaitedInVain,
}

impl NoSlot {
    /// For the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoneServes => "no server is up that was not tried",
            Self::RoomFull => "waiting room full",
            Self::WaitedInVain => "no slot in time",
        }
    }
}

/// A slot on a server; given back when dropped.
#[derive(Debug)]
pub struct Ticket {
    pool: Arc<Pool>,
    member: usize,
    server: Arc<Server>,
}

impl Ticket {
    /// The server whose slot this is.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The pool it is of.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Its index among the pool's members.
    pub fn member(&self) -> usize {
        self.member
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.server.busy.fetch_sub(1, Relaxed);
        self.pool.room.free();
    }
}

/// Most turns of a schedule: 64 servers with the largest weight.
const TURNS_MAX: usize = 16_384;

impl Pool {
    /// A pool whose servers keep the state that an older generation's pool of this name has of them.
    pub fn new(spec: PoolSpec, older: Option<&Self>) -> Arc<Self> {
        let members: Vec<Member> = spec
            .servers
            .iter()
            .map(|server| Member {
                spec: server.clone(),
                server: older
                    .and_then(|pool| pool.server(&server.name))
                    .filter(|old| old.address == server.address)
                    .cloned()
                    .unwrap_or_else(|| Arc::new(Server::new(&spec.name, server))),
            })
            .collect();
        Arc::new(Self {
            schedule: schedule(&spec.servers),
            members,
            turn: AtomicUsize::new(0),
            room: older.map(|pool| Arc::clone(&pool.room)).unwrap_or_default(),
            spec,
        })
    }

    /// The server of this name.
    pub fn server(&self, name: &str) -> Option<&Arc<Server>> {
        self.members.iter().map(|member| &member.server).find(|server| server.name == name)
    }

    /// Transactions that wait for a slot now.
    pub fn waiting(&self) -> usize {
        self.room.waiting.load(Relaxed)
    }

    /// Whether a server takes transactions at all.
    pub fn serves(&self) -> bool {
        self.members.iter().any(|member| member.server.serves())
    }

    /// Wakes all who wait: a server came up, was made ready, or the pool is being replaced.
    pub fn wake(&self) {
        self.room.freed.notify_waiters();
    }

    /// A slot on the best server that is not among `tried`, waiting for one within the pool's bounds.
    pub async fn acquire(self: &Arc<Self>, tried: &[usize]) -> Result<Ticket, NoSlot> {
        match self.try_acquire(tried) {
            Some(ticket) => return Ok(ticket),
            None if !self.someone_serves(tried) => return Err(NoSlot::NoneServes),
            None => {}
        }
        let Some(_place) = WaitingPlace::take(self, tried) else { return Err(NoSlot::RoomFull) };
        let until = Instant::now() + self.spec.waiting_for;
        loop {
            let mut freed = std::pin::pin!(self.room.freed.notified());
            // Registered before the look, so that a slot freed in between wakes us.
            freed.as_mut().enable();
            if let Some(ticket) = self.try_acquire(tried) {
                return Ok(ticket);
            }
            if !self.someone_serves(tried) {
                return Err(NoSlot::NoneServes);
            }
            if tokio::time::timeout_at(until, freed).await.is_err() {
                return self.try_acquire(tried).ok_or(NoSlot::WaitedInVain);
            }
        }
    }

    fn someone_serves(&self, tried: &[usize]) -> bool {
        self.members
            .iter()
            .enumerate()
            .any(|(index, member)| !tried.contains(&index) && member.server.serves())
    }

    /// A slot now, or none.
    pub fn try_acquire(self: &Arc<Self>, tried: &[usize]) -> Option<Ticket> {
        let first = self.turn.fetch_add(1, Relaxed);
        // Another shard may take the last slot between the choice and the taking; each round loses one candidate.
        for _ in 0..=self.members.len() {
            let index =
                self.choose(first, tried, Backup::No).or_else(|| self.choose(first, tried, Backup::Yes))?;
            let member = self.members.get(index)?;
            if member.take() {
                return Some(Ticket {
                    pool: Arc::clone(self),
                    member: index,
                    server: Arc::clone(&member.server),
                });
            }
        }
        None
    }

    fn choose(&self, first: usize, tried: &[usize], backup: Backup) -> Option<usize> {
        let fits = |index: usize, member: &Member| {
            member.spec.backup == (backup == Backup::Yes)
                && member.server.serves()
                && member.server.busy() < member.spec.slots
                && !tried.contains(&index)
        };
        // The member whose turn it is comes first, so that it wins among equals; the others follow in text order.
        let pick = self.schedule.get(first % self.schedule.len().max(1)).map_or(0, |&pick| usize::from(pick));
        let mut best: Option<(usize, &Member)> = None;
        for index in (pick..self.members.len()).chain(0..pick) {
            let Some(member) = self.members.get(index).filter(|member| fits(index, member)) else { continue };
            if self.spec.balance == Balance::RoundRobin {
                return Some(index);
            }
            if best.is_none_or(|(_, other)| member.is_freer_than(other)) {
                best = Some((index, member));
            }
        }
        best.map(|(index, _)| index)
    }
}

/// Whether servers marked `backup` are looked at.
#[derive(Clone, Copy, PartialEq)]
enum Backup {
    No,
    Yes,
}

/// A place in the waiting room, given back when dropped.
struct WaitingPlace<'a> {
    room: &'a WaitingRoom,
    choosy: bool,
}

impl<'a> WaitingPlace<'a> {
    fn take(pool: &'a Pool, tried: &[usize]) -> Option<Self> {
        let (bound, room, choosy) = (pool.spec.waiting, &*pool.room, !tried.is_empty());
        let enter = |waiting: usize| (waiting < bound).then_some(waiting + 1);
        room.waiting.fetch_update(Relaxed, Relaxed, enter).ok()?;
        room.choosy.fetch_add(usize::from(choosy), Relaxed);
        fence(SeqCst);
        Some(Self { room, choosy })
    }
}

impl Drop for WaitingPlace<'_> {
    fn drop(&mut self) {
        self.room.waiting.fetch_sub(1, Relaxed);
        self.room.choosy.fetch_sub(usize::from(self.choosy), Relaxed);
        // A wake-up that came while we were leaving belongs to the next in line.
        self.room.free();
    }
}

/// Smooth weighted turns: each server as often as its weight, spread evenly.
fn schedule(servers: &[ServerSpec]) -> Vec<u16> {
    let divisor = servers.iter().map(|server| server.weight).fold(0, gcd).max(1);
    let weights: Vec<i64> = servers.iter().map(|server| i64::from(server.weight / divisor)).collect();
    let total: i64 = weights.iter().sum();
    let turns = usize::try_from(total).unwrap_or(0).min(TURNS_MAX.max(servers.len()));
    let mut credit = vec![0_i64; weights.len()];
    let mut order = Vec::with_capacity(turns);
    for _ in 0..turns {
        for (credit, weight) in credit.iter_mut().zip(&weights) {
            *credit += weight;
        }
        // The first of the largest, so that equal servers keep their text order.
        let Some(best) = (0..credit.len()).rev().max_by_key(|&index| credit.get(index).copied()) else {
            break;
        };
        if let Some(credit) = credit.get_mut(best) {
            *credit -= total;
        }
        order.push(u16::try_from(best).unwrap_or(u16::MAX));
    }
    order
}

fn gcd(left: u32, right: u32) -> u32 {
    if right == 0 { left } else { gcd(right, left % right) }
}

#[cfg(test)]
mod tests;
