//! Pressure: when this host or the next can hardly take more, new clients are asked to come again, so that those that are served
//! can be served to the end. A mail server tries the next MX at once.

use std::borrow::Cow;

use crate::generation::{Listener, Pressure};
use crate::local::Local;
use crate::ring::{self, Stream};

/// Descriptors are given away up to this share of their limit in per cent, whatever a listener says: what is served needs some too.
const DESCRIPTORS_PERCENT_MAX: u64 = 95;

/// What speaks against another client of this listener, if anything does.
pub(super) fn pressure(local: &Local, listener: &Listener, stream: &Stream) -> Option<Cow<'static, str>> {
    if local.store.is_full() {
        return Some("memory".into());
    }
    // The kernel gives the lowest number that is free.
    let descriptors = percent(stream.descriptor().into(), ring::descriptors_max());
    if descriptors >= DESCRIPTORS_PERCENT_MAX {
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

/// A share; of nothing there is nothing.
fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0)
}
