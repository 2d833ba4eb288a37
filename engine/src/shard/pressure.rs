//! Pressure: when this host or the next can hardly take more, new clients are asked to come again, so that those that are served
//! can be served to the end. A mail server tries the next MX at once.

use std::borrow::Cow;

use tokio::time::Instant;

use crate::generation::{Listener, Pressure};
use crate::limits::{ACCEPT_ALL_PERCENT_MAX, ACCEPT_PAUSE_MAX, ACCEPT_PERCENT_MAX, STOP_POLL};
use crate::local::Local;
use crate::ring::{self, Stream};

/// What speaks against another client of this listener, if anything does; `are_short` says that descriptors do.
pub(super) fn pressure(
    local: &Local,
    listener: &Listener,
    stream: &Stream,
    are_short: bool,
) -> Option<Cow<'static, str>> {
    if local.store.is_full() {
        return Some("memory".into());
    }
    // The kernel gives the lowest number that is free.
    let descriptors = percent(stream.descriptor().into(), ring::descriptors_max());
    if are_short {
        return Some("descriptors".into());
    }
    listener.pressure.iter().find_map(|limit| match limit {
        Pressure::Memory(most) => {
            let held = percent(local.store.held() as u64, local.store.most() as u64);
            (held >= u64::from(*most)).then(|| "memory".into())
        }
        Pressure::Descriptors(most) => (descriptors >= u64::from(*most)).then(|| "descriptors".into()),
        Pressure::Waiting(most, name) => {
            let generation = local.generation.borrow();
            let pool = generation.pool(name)?;
            let waiting = percent(pool.waiting() as u64, pool.spec.waiting as u64);
            (!pool.serves() || waiting >= u64::from(*most)).then(|| format!("pool {name}").into())
        }
    })
}

/// How the descriptors stand, as a listener sees it.
#[derive(Default)]
pub(super) struct Descriptors {
    /// Those that are no sockets of clients or next hops; they are counted when the first client comes.
    others: Option<u64>,
    /// Since when nothing has ended that would make room.
    short_since: Option<Instant>,
}

impl Descriptors {
    /// Waits while there are too few for the client that has come: those behind it wait in the kernel, or were accepted with it and
    /// wait in the listener. Where nothing ends for [`ACCEPT_PAUSE_MAX`], they are asked to come again.
    pub(super) async fn wait(&mut self, socket: &ring::Listener) {
        let used = |others| percent(ring::sockets_open() + others, ring::descriptors_max());
        let others = *self.others.get_or_insert_with(|| others(socket.accepted()));
        socket.set_one_by_one(used(others) >= ACCEPT_ALL_PERCENT_MAX);
        while used(others) >= ACCEPT_PERCENT_MAX && !socket.is_stopped() {
            let since = *self.short_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= ACCEPT_PAUSE_MAX {
                return;
            }
            tokio::time::sleep(STOP_POLL).await;
        }
        self.short_since = None;
    }

    /// Whether clients have waited in vain for others to end.
    pub(super) fn are_short(&self) -> bool {
        self.short_since.is_some()
    }
}

/// Descriptors of this process that are no sockets of a ring, of which `accepted` wait to become some.
fn others(accepted: usize) -> u64 {
    let all = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    (all.saturating_sub(accepted) as u64).saturating_sub(ring::sockets_open())
}

/// A share; of nothing there is nothing.
fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0)
}
