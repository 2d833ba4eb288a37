//! Deadlines of connections: a register per shard, swept by one task.
//!
//! A wait that takes too long is ended by shutting the socket down, never by dropping its operation. Time is counted
//! in sweeps: when the shard itself is held up, sweeps are late and deadlines move with them, so a peer is never
//! blamed for our own delay.

use std::cell::{Cell, RefCell};
use std::net::Shutdown;
use std::num::NonZeroU64;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{Socket, spawn};
use crate::limits::WATCH_TICK;

/// The register of a shard's connections. A clone is the same register.
#[derive(Clone)]
pub struct Watch(Rc<Register>);

#[derive(Default)]
struct Register {
    entries: RefCell<Vec<Rc<Entry>>>,
    sweeps: Cell<u64>,
    leaving: Cell<bool>,
}

struct Entry {
    /// The register must not keep a connection open.
    socket: Weak<Socket>,
    place: Cell<usize>,
    wait: Cell<Wait>,
    expired: Cell<bool>,
    interruptible: Cell<bool>,
    woken: Cell<bool>,
}

/// A time, in sweeps of a register: never the first, so that an `Option` of it takes no more room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due(NonZeroU64);

/// What a connection waits for, and the number of the sweep that finds it overdue.
#[derive(Clone, Copy)]
enum Wait {
    Nothing,
    Input(u64),
    Output(u64),
}

impl Watch {
    /// A register whose sweeps are made by a task of this thread's ring, until the last clone is gone.
    ///
    /// # Panics
    /// Outside of [`run`](super::run).
    pub fn start() -> Self {
        let register = Rc::new(Register::default());
        spawn(sweep_always(Rc::downgrade(&register)));
        Self(register)
    }

    pub(super) fn enter(&self, socket: &Rc<Socket>) -> Watched {
        let mut entries = self.0.entries.borrow_mut();
        let entry = Rc::new(Entry {
            socket: Rc::downgrade(socket),
            place: Cell::new(entries.len()),
            wait: Cell::new(Wait::Nothing),
            expired: Cell::new(false),
            interruptible: Cell::new(false),
            woken: Cell::new(false),
        });
        entries.push(Rc::clone(&entry));
        Watched { register: Rc::clone(&self.0), entry }
    }

    /// Wakes all connections that wait where they may be interrupted, and from now on each that begins such a wait:
    /// their reads give `Ok(0)` and [`Watched::woken`] is true. For an orderly end of the shard.
    pub fn wake_interruptible(&self) {
        self.0.leaving.set(true);
        for entry in self.0.entries.borrow().iter().filter(|entry| entry.interruptible.get()) {
            entry.wake();
        }
    }

    /// How many connections are registered.
    pub fn connections(&self) -> usize {
        self.0.entries.borrow().len()
    }
}

async fn sweep_always(register: Weak<Register>) {
    let mut ticks = tokio::time::interval(WATCH_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(register) = register.upgrade() else { return };
        register.sweep();
    }
}

impl Register {
    fn sweep(&self) {
        let now = self.sweeps.get() + 1;
        self.sweeps.set(now);
        for entry in self.entries.borrow().iter() {
            match entry.wait.get() {
                Wait::Input(due) if due <= now => entry.expire(Shutdown::Read),
                Wait::Output(due) if due <= now => entry.expire(Shutdown::Both),
                _ => {}
            }
        }
    }

    /// The sweep that comes at least `after` from now: the next one may be due at once, hence one more.
    fn due(&self, after: Duration) -> u64 {
        let ticks = after.as_millis().div_ceil(WATCH_TICK.as_millis());
        self.sweeps.get() + u64::try_from(ticks).unwrap_or(u64::MAX / 2) + 1
    }
}

impl Entry {
    fn expire(&self, how: Shutdown) {
        self.wait.set(Wait::Nothing);
        let again = self.expired.replace(true);
        let Some(socket) = self.socket.upgrade() else { return };
        if again || how == Shutdown::Both {
            // What the peer does not take must not stay in the kernel's memory after the close.
            let _gone = socket.options().set_linger(Some(Duration::ZERO));
            socket.shutdown(Shutdown::Both);
        } else {
            socket.shutdown(Shutdown::Read);
        }
    }

    fn wake(&self) {
        self.woken.set(true);
        if let Some(socket) = self.socket.upgrade() {
            socket.shutdown(Shutdown::Read);
        }
    }
}

/// A connection's entry in the register; leaves it when dropped.
pub struct Watched {
    register: Rc<Register>,
    entry: Rc<Entry>,
}

impl Watched {
    /// The time that comes `after` from now.
    pub fn due(&self, after: Duration) -> Due {
        Due(NonZeroU64::MIN.saturating_add(self.register.due(after) - 1))
    }

    /// The reads that follow must end within `within`, all together, else the input is shut down: a read gives
    /// `Ok(0)`, [`expired`](Self::expired) is true, and a last reply can still be written. Replaces the deadline
    /// before it.
    pub fn arm_read(&self, within: Duration) {
        self.entry.wait.set(Wait::Input(self.register.due(within)));
    }

    /// As [`Self::arm_read`], and at `due` at the latest.
    pub fn arm_read_until(&self, within: Duration, due: Due) {
        self.entry.wait.set(Wait::Input(self.register.due(within).min(due.0.get())));
    }

    /// The writes that follow must end within `within`, else the connection is reset and they fail.
    pub fn arm_write(&self, within: Duration) {
        self.entry.wait.set(Wait::Output(self.register.due(within)));
    }

    /// There is no deadline.
    pub fn disarm(&self) {
        self.entry.wait.set(Wait::Nothing);
    }

    /// Whether a deadline has passed. A second one resets the connection, whatever it was for.
    pub fn expired(&self) -> bool {
        self.entry.expired.get()
    }

    /// Says whether the reads that follow may be ended by [`Watch::wake_interruptible`].
    pub fn set_interruptible(&self, interruptible: bool) {
        self.entry.interruptible.set(interruptible);
        if interruptible && self.register.leaving.get() {
            self.entry.wake();
        }
    }

    /// Whether [`Watch::wake_interruptible`] has ended the input.
    pub fn woken(&self) -> bool {
        self.entry.woken.get()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut entries = self.register.entries.borrow_mut();
        let place = self.entry.place.get();
        entries.swap_remove(place);
        if let Some(moved) = entries.get(place) {
            moved.place.set(place);
        }
    }
}

#[cfg(test)]
mod tests;
