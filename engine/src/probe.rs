//! Probes of DNS lists (RFC 5782, 5): each list with `probe` is asked for what it must have and what it must not, by the process
//! and not by each shard. What is found is in the list's [`Health`](crate::dns::Health), which shards read.
//!
//! ```text
//!       wrong answer, or twice no answer
//!   on ----------------------------------> off: unknown without asking
//!      <----------------------------------
//!                  all is well
//! ```

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::{AbortHandle, JoinSet};

use crate::dns::{self, Answer, Failure, Question, Unfit};
use crate::generation::{Dnsbl, Generation, Probe};
use crate::limits::{DNSBL_OFF_EVERY, DNSBL_PROBE_PAUSE};
use crate::log::Log;

/// The probes of a process.
pub struct Probes {
    /// The name server for lists that name none.
    resolver: Option<SocketAddr>,
    log: Rc<Log>,
    running: RefCell<Vec<(Arc<Dnsbl>, AbortHandle)>>,
}

impl Probes {
    /// None yet.
    pub fn new(resolver: Option<SocketAddr>, log: Rc<Log>) -> Self {
        Self { resolver, log, running: RefCell::default() }
    }

    /// Probes the lists of this generation, and no others. A list that was probed already is left alone.
    pub fn adjust(&self, generation: &Generation) {
        let mut running = self.running.borrow_mut();
        running.retain(|(list, task)| {
            let stays = generation.dns_lists().any(|wanted| Arc::ptr_eq(wanted, list));
            if !stays {
                task.abort();
            }
            stays
        });
        for list in generation.dns_lists() {
            if let Some(probe) = &list.probe
                && !running.iter().any(|(known, _)| Arc::ptr_eq(known, list))
            {
                let server = list.server.or(self.resolver);
                let watching = watch(Arc::clone(list), probe.clone(), server, Rc::clone(&self.log));
                running.push((Arc::clone(list), tokio::task::spawn_local(watching).abort_handle()));
            }
        }
    }
}

/// Probes a list for ever.
async fn watch(list: Arc<Dnsbl>, probe: Probe, server: Option<SocketAddr>, log: Rc<Log>) {
    let pause = probe.every.min(DNSBL_PROBE_PAUSE);
    let health = &list.health;
    let mut is_second = false;
    loop {
        let found = match once(&list, &probe, server).await {
            Ok(()) => Ok(()),
            // One lost question is not yet a dead list, if shards still get answers.
            Err(Unfit::Silent(_)) if !is_second && !health.is_off() && !health.has_failed() => {
                is_second = true;
                tokio::time::sleep(pause).await;
                continue;
            }
            Err(Unfit::Silent(reason) | Unfit::Wrong(reason)) => Err(reason),
        };
        is_second = false;
        let state = if found.is_ok() { "on" } else { "off" };
        let reason = found.clone().err();
        if health.set(found) {
            log.event("dnsbl")
                .field("list", &list.name)
                .field("health", state)
                .maybe("reason", reason)
                .emit();
        }
        tokio::time::sleep(pause).await;
        let every = if health.is_off() { probe.every.min(DNSBL_OFF_EVERY) } else { probe.every };
        health.suspicion(every.saturating_sub(pause)).await;
    }
}

/// One probe: all points at once.
async fn once(list: &Dnsbl, probe: &Probe, server: Option<SocketAddr>) -> Result<(), Unfit> {
    let mut asking = JoinSet::new();
    for question in probe.points.listed.iter().chain(&probe.points.clean) {
        let question = question.clone();
        asking.spawn_local(async move {
            let answer = dns::ask_anew(server, &question).await;
            (question, answer)
        });
    }
    let mut answers: Vec<(Question, Answer)> = Vec::new();
    while let Some(answered) = asking.join_next().await {
        answers.extend(answered.ok());
    }
    probe.points.judge(&list.listing, |question| {
        let found = answers.iter().find(|(asked, _)| asked == question);
        found.map_or(Answer::Failed(Failure::Server), |(_, answer)| answer.clone())
    })
}
