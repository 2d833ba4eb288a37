//! The look-ups of a session: each a task of the shard, begun when a rule can need it, its answer put into the facts.
//!
//! What a cache knows is answered at once, without a task. An answer that comes when its phase has begun anew (the next
//! `rcpt`, the next transaction) is dropped.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use weir_lang::eval::Scratch;
use weir_lang::plan::Plan;
use weir_lang::value::Slot;

use crate::clamd::Clamd;
use crate::clock::Clock;
use crate::counts::Counts;
use crate::decide::{Gather, unknown};
use crate::dns::{self, Dns, Upstream};
use crate::facts::{Answer, Facts};
use crate::generation::{Clamav, Dnsbl, Greet, Question};
use crate::limits::DNS_LOOKUP_WITHIN;
use crate::question;
use crate::ring::{Stream, Watch};
use crate::scheme::Phase;

/// Where a shard's look-ups go.
pub struct Sources {
    /// Its resolver and cache.
    pub dns: Dns,
    /// Its connections to virus scanners.
    pub clamd: Scanners,
    /// Its cells of the metrics.
    pub counts: Counts,
}

/// The virus scanners of a shard: each service of the rules that serve, with its connections.
pub struct Scanners {
    watch: Watch,
    clock: Clock,
    known: RefCell<Vec<(Arc<Clamav>, Clamd)>>,
}

impl Scanners {
    /// None yet.
    pub fn new(watch: Watch, clock: Clock) -> Self {
        Self { watch, clock, known: RefCell::default() }
    }

    /// The scanner of a service.
    fn of(&self, service: &Arc<Clamav>) -> Clamd {
        let mut known = self.known.borrow_mut();
        if let Some((_, clamd)) = known.iter().find(|(known, _)| Arc::ptr_eq(known, service)) {
            return clamd.clone();
        }
        // A service that only this list still holds is of a generation that is gone.
        known.retain(|(service, _)| Arc::strong_count(service) > 1);
        let clamd = Clamd::new(
            service.settings.clone(),
            Arc::clone(&service.slots),
            self.watch.clone(),
            self.clock.clone(),
        );
        known.push((Arc::clone(service), clamd.clone()));
        clamd
    }
}

/// The look-ups of a session.
pub struct Lookups {
    sources: Rc<Sources>,
    /// The client's connection; none when there is no client (`weir explain`).
    stream: Option<Rc<Stream>>,
    tasks: JoinSet<Found>,
    /// For each slot the round in which it was begun; 0 when it was not.
    begun: Vec<u32>,
    round: u32,
    waited: bool,
    took: Vec<(Slot, Duration)>,
}

/// What a task has found.
struct Found {
    slot: Slot,
    round: u32,
    answer: Answer,
    took: Duration,
}

impl Lookups {
    /// None yet.
    pub fn new(sources: Rc<Sources>, stream: Option<Rc<Stream>>) -> Self {
        Self {
            sources,
            stream,
            tasks: JoinSet::new(),
            begun: Vec::new(),
            round: 1,
            waited: false,
            took: Vec::new(),
        }
    }

    /// Drops what is under way for this phase and those after it.
    pub fn forget_from(&mut self, phase: Phase, plan: &Plan) {
        self.round += 1;
        for (begun, slot) in self.begun.iter_mut().zip(plan.slots()) {
            if slot.since >= phase.index() {
                *begun = 0;
            }
        }
    }

    /// Drops all that is under way: the slots of another generation are others.
    pub fn forget_all(&mut self) {
        self.begun.clear();
        self.round += 1;
        self.tasks.abort_all();
    }

    /// Whether the wait of `greet` has been made.
    pub fn has_waited(&self) -> bool {
        self.waited
    }

    /// Begins what later phases can need and what can be asked now, while the client talks.
    pub fn prefetch(&mut self, phase: Phase, facts: &mut Facts, scratch: &Scratch) {
        let generation = Arc::clone(&facts.generation);
        for &slot in generation.plan.prefetch(phase.index()) {
            if *facts.answer_of(slot) == Answer::Pending
                && let Some(answer) = self.start(facts, scratch, slot)
            {
                facts.settle(slot, answer);
            }
        }
    }

    fn spawn(&mut self, facts: &Facts, slot: Slot, task: impl Future<Output = Answer> + 'static) {
        let round = self.round;
        if let Some(begun) = self.begun.get_mut(usize::from(slot.0)) {
            *begun = round;
        }
        let (sources, generation) = (Rc::clone(&self.sources), Arc::clone(&facts.generation));
        self.tasks.spawn_local(async move {
            let began = Instant::now();
            let answer = task.await;
            let took = began.elapsed();
            sources.counts.lookup_took(generation.lookup_name(slot), took);
            sources.counts.lookup(&generation, slot, &answer, false);
            Found { slot, round, answer, took }
        });
    }

    fn ask(&mut self, facts: &Facts, scratch: &Scratch, slot: Slot) -> Option<Answer> {
        let generation = &facts.generation;
        match generation.question(slot) {
            Question::Dnsbl(list) => self.dnsbl(facts, slot, list),
            Question::Clamav(service) => self.clamd(facts, slot, service),
            Question::ReverseName => self.reverse(facts, slot),
            Question::SenderMx => self.mx(facts, slot),
            Question::SpokeEarly => self.spoke_early(facts, scratch, slot),
            Question::Unanswerable => Some(Answer::Unknown),
        }
    }

    /// The name server to ask; without one all answers are unknown.
    fn upstream(&self, server: Option<std::net::SocketAddr>) -> Option<Upstream> {
        self.sources.dns.upstream(server).ok()
    }

    fn dnsbl(&mut self, facts: &Facts, slot: Slot, list: &Arc<Dnsbl>) -> Option<Answer> {
        let Some(upstream) = self.upstream(list.server) else { return Some(unknown(facts, slot)) };
        let questions = list.questions(facts.generation.plan.slot_argument(slot, 0, facts));
        let cached = upstream.try_settled(|known| list.read_all(&questions, known));
        if cached.is_some() {
            return cached;
        }
        let list = Arc::clone(list);
        self.spawn(facts, slot, async move {
            // All are asked before the first is waited for.
            for question in &questions {
                upstream.begin(question);
            }
            upstream.settle(list.timeout, |known| list.read_all(&questions, known)).await
        });
        None
    }

    fn clamd(&mut self, facts: &Facts, slot: Slot, service: &Arc<Clamav>) -> Option<Answer> {
        let Some(message) = facts.message.clone() else { return Some(unknown(facts, slot)) };
        let clamd = self.sources.clamd.of(service);
        self.spawn(facts, slot, async move { question::scan(&clamd, &message).await });
        None
    }

    fn reverse(&mut self, facts: &Facts, slot: Slot) -> Option<Answer> {
        let client: IpAddr = facts.client;
        let Some(upstream) = self.upstream(None) else { return Some(Answer::Unknown) };
        if let Some(found) = upstream.try_settled(|known| dns::reverse(client, known)) {
            return Some(found.into());
        }
        self.spawn(facts, slot, async move {
            upstream.settle(DNS_LOOKUP_WITHIN, |known| dns::reverse(client, known)).await.into()
        });
        None
    }

    fn mx(&mut self, facts: &Facts, slot: Slot) -> Option<Answer> {
        let domain = match question::mail_domain(facts) {
            Ok(domain) => domain,
            Err(answer) => return Some(answer),
        };
        let Some(upstream) = self.upstream(None) else { return Some(unknown(facts, slot)) };
        if let Some(found) = upstream.try_settled(|known| dns::mx(&domain, known)) {
            return Some(found.into());
        }
        self.spawn(facts, slot, async move {
            upstream.settle(DNS_LOOKUP_WITHIN, |known| dns::mx(&domain, known)).await.into()
        });
        None
    }

    fn spoke_early(&mut self, facts: &Facts, scratch: &Scratch, slot: Slot) -> Option<Answer> {
        let (Some(greet), Some(stream)) = (question::greet(facts, scratch), self.stream.clone()) else {
            return Some(Answer::Bool(false));
        };
        self.waited = true;
        let wait = greet.wait(facts);
        self.spawn(facts, slot, async move {
            tokio::time::sleep(wait).await;
            Answer::Bool(stream.has_input())
        });
        None
    }
}

impl Gather for Lookups {
    fn start(&mut self, facts: &Facts, scratch: &Scratch, slot: Slot) -> Option<Answer> {
        self.begun.resize(facts.generation.plan.slots().len(), 0);
        if self.begun.get(usize::from(slot.0)).is_some_and(|begun| *begun > 0) {
            return None;
        }
        let answer = self.ask(facts, scratch, slot);
        if let Some(answer) = &answer {
            self.sources.counts.lookup(&facts.generation, slot, answer, true);
        }
        answer
    }

    async fn next(&mut self, until: Option<Instant>) -> Option<(Slot, Answer)> {
        loop {
            let joined = match until {
                None => self.tasks.join_next().await,
                Some(until) => tokio::time::timeout_at(until, self.tasks.join_next()).await.ok()?,
            };
            // A look-up that was aborted belongs to a phase that is over.
            let Ok(Found { slot, round, answer, took }) = joined? else { continue };
            if self.begun.get(usize::from(slot.0)) == Some(&round) {
                self.took.retain(|(known, _)| *known != slot);
                self.took.push((slot, took));
                return Some((slot, answer));
            }
        }
    }

    fn took(&self, slot: Slot) -> Option<Duration> {
        self.took.iter().find(|(known, _)| *known == slot).map(|(_, took)| *took)
    }
}

impl Greet {
    /// The wait that this client gets.
    pub fn wait(&self, facts: &Facts) -> Duration {
        if facts.passed {
            self.remembered
        } else if facts.stressed {
            self.stressed
        } else {
            self.after
        }
    }
}
