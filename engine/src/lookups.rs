//! The look-ups of a session: each a task of the shard, begun when a rule can need it, its answer put into the facts.
//!
//! What a cache knows is answered at once, without a task. When a phase begins anew (the next `rcpt`, the next transaction)
//! what is under way for it is aborted: nobody waits for it any more, and it holds the message and a scanner's slot.

mod authenticate;
mod memory;

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use weir_lang::eval::Scratch;
use weir_lang::plan::Plan;
use weir_lang::value::{Slot, Value};

use crate::auth::{Client, Finding, Method};
use crate::callout::Callouts;
use crate::clamd::Clamd;
use crate::clock::Clock;
use crate::counts::Counts;
use crate::decide::{Gather, unknown};
use crate::dns::{Dns, Upstream};
use crate::facts::{Answer, Facts};
use crate::generation::{Callforward, Clamav, Dnsbl, Greet, Names, Question};
use crate::limits::{DNS_LOOKUP_WITHIN, EARLY_BYTES_MAX};
use crate::mail::Message;
use crate::question;
use crate::ring::{Stream, Watch};
use crate::scheme::Phase;
use authenticate::{Authentication, Shared};

/// Where a shard's look-ups go.
pub struct Sources {
    /// Its resolver and cache.
    pub dns: Dns,
    /// Its connections to virus scanners.
    pub clamd: Scanners,
    /// What next hops say of recipients.
    pub callouts: Rc<Callouts>,
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
    /// None before the first: many wait for no more than their greeting.
    tasks: Option<JoinSet<Found>>,
    /// For each slot the task that was begun for it; empty before the first.
    begun: Vec<Option<AbortHandle>>,
    /// The wait before the greeting: it is no task, because very many clients may wait.
    greeting: Option<Greeting>,
    waited: bool,
    took: Vec<(Slot, Duration)>,
    /// What DKIM, DMARC and ARC have of the message in common.
    shared: Option<Shared>,
}

/// The wait of `greet`.
struct Greeting {
    slot: Slot,
    /// What is said at its beginning.
    teaser: Vec<u8>,
    until: Instant,
}

/// What a task has found.
struct Found {
    slot: Slot,
    answer: Answer,
    took: Duration,
}

/// A task's end.
type Ended = Result<(Id, Found), JoinError>;

impl Lookups {
    /// None yet.
    pub fn new(sources: Rc<Sources>, stream: Option<Rc<Stream>>) -> Self {
        Self {
            sources,
            stream,
            tasks: None,
            begun: Vec::new(),
            greeting: None,
            waited: false,
            took: Vec::new(),
            shared: None,
        }
    }

    /// Drops what is under way for this phase and those after it.
    pub fn forget_from(&mut self, phase: Phase, plan: &Plan) {
        self.shared = None;
        for (begun, slot) in self.begun.iter_mut().zip(plan.slots()) {
            if slot.since >= phase.index()
                && let Some(task) = begun.take()
            {
                task.abort();
            }
        }
    }

    /// Drops all that is under way: the slots of another generation are others.
    pub fn forget_all(&mut self) {
        self.shared = None;
        self.begun.clear();
        self.greeting = None;
        self.tasks = None;
    }

    /// Puts into the facts what has been found meanwhile, and lets go of the tasks that have ended.
    pub fn settle_found(&mut self, facts: &mut Facts) {
        while let Some(ended) = self.tasks.as_mut().and_then(JoinSet::try_join_next_with_id) {
            if let Some((slot, answer)) = self.found(ended) {
                facts.settle(slot, answer);
            }
        }
    }

    /// What an ended task has found, if it is still asked for.
    fn found(&mut self, ended: Ended) -> Option<(Slot, Answer)> {
        let (id, Found { slot, answer, took }) = ended.ok()?;
        let begun = self.begun.get(usize::from(slot.0))?.as_ref()?;
        if begun.id() != id {
            return None;
        }
        self.took.retain(|(known, _)| *known != slot);
        self.took.push((slot, took));
        Some((slot, answer))
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
        let (sources, generation) = (Rc::clone(&self.sources), Arc::clone(&facts.generation));
        let tasks = self.tasks.get_or_insert_default();
        let task = tasks.spawn_local(async move {
            let began = Instant::now();
            let answer = task.await;
            let took = began.elapsed();
            sources.counts.lookup_took(generation.lookup_name(slot), took);
            sources.counts.lookup(&generation, slot, &answer, false);
            Found { slot, answer, took }
        });
        self.begun.resize(facts.generation.plan.slots().len(), None);
        if let Some(begun) = self.begun.get_mut(usize::from(slot.0)) {
            *begun = Some(task);
        }
    }

    fn ask(&mut self, facts: &Facts, scratch: &Scratch, slot: Slot) -> Option<Answer> {
        let generation = &facts.generation;
        match generation.question(slot) {
            Question::Dnsbl(list) => self.dnsbl(facts, slot, list),
            Question::Clamav(service) => self.clamd(facts, slot, service),
            Question::Callforward(service) => self.callforward(facts, slot, service),
            Question::Names(names) => self.names(facts, slot, *names),
            Question::SpokeEarly => self.spoke_early(facts, scratch, slot),
            Question::Auth(method) => self.authenticate(facts, slot, *method),
            Question::Passed => self.recall(facts, slot, facts.passed_key(), Answer::Bool),
            Question::Remembered => self.recall(facts, slot, facts.asked_key(slot), question::remembered),
            Question::Greylist(list) => self.grey(facts, slot, list),
            Question::Unanswerable => Some(Answer::Unknown),
        }
    }

    /// The name server to ask; without one all answers are unknown.
    fn upstream(&self, server: Option<std::net::SocketAddr>) -> Option<Upstream> {
        self.sources.dns.upstream(server).ok()
    }

    fn dnsbl(&mut self, facts: &Facts, slot: Slot, list: &Arc<Dnsbl>) -> Option<Answer> {
        if list.health.is_off() {
            return Some(unknown(facts, slot));
        }
        let value = facts.generation.plan.slot_argument(slot, 0, facts);
        if !list.files.is_empty() {
            return Some(list.in_files(facts, value));
        }
        let Some(upstream) = self.upstream(list.server) else { return Some(unknown(facts, slot)) };
        let questions = list.questions(value);
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
            let answer = upstream.settle(list.timeout, |known| list.read_all(&questions, known)).await;
            list.count(&answer);
            answer
        });
        None
    }

    fn callforward(&mut self, facts: &Facts, slot: Slot, service: &Arc<Callforward>) -> Option<Answer> {
        let Value::Text(address) = facts.generation.plan.slot_argument(slot, 0, facts) else {
            return Some(unknown(facts, slot));
        };
        let known = self.sources.callouts.known(service, address);
        if known.is_some() {
            return known;
        }
        let (callouts, service) = (Rc::clone(&self.sources.callouts), Arc::clone(service));
        let address = address.to_vec();
        self.spawn(facts, slot, async move { callouts.ask(&service, &address).await });
        None
    }

    fn clamd(&mut self, facts: &Facts, slot: Slot, service: &Arc<Clamav>) -> Option<Answer> {
        let Some(message) = facts.message.clone() else { return Some(unknown(facts, slot)) };
        let clamd = self.sources.clamd.of(service);
        self.spawn(facts, slot, async move { question::scan(&clamd, &message).await });
        None
    }

    fn names(&mut self, facts: &Facts, slot: Slot, names: Names) -> Option<Answer> {
        let naming = match names.about(facts) {
            Ok(naming) => naming,
            Err(answer) => return Some(answer),
        };
        let Some(upstream) = self.upstream(None) else { return Some(unknown(facts, slot)) };
        let cached = upstream.try_settled(|known| naming.read(known));
        if cached.is_some() {
            return cached;
        }
        self.spawn(facts, slot, async move {
            upstream.settle(DNS_LOOKUP_WITHIN, |known| naming.read(known)).await
        });
        None
    }

    fn authenticate(&mut self, facts: &Facts, slot: Slot, method: Method) -> Option<Answer> {
        let Some(upstream) = self.upstream(None) else { return Some(unknown(facts, slot)) };
        if let Some(message) = &facts.message
            && !self.shared.as_ref().is_some_and(|shared| shared.is_of(message))
        {
            self.shared = Some(Shared::new(message));
        }
        let mail = Authentication::new(facts, upstream, self.shared.clone());
        if let Some(found) = mail.try_find(method) {
            return Some(authenticate::answer(found));
        }
        self.spawn(facts, slot, async move { authenticate::answer(mail.find(method).await) });
        None
    }

    fn spoke_early(&mut self, facts: &Facts, scratch: &Scratch, slot: Slot) -> Option<Answer> {
        let (Some(greet), Some(_)) = (question::greet(facts, scratch), &self.stream) else {
            return Some(Answer::Bool(false));
        };
        self.waited = true;
        let wait = greet.wait(facts);
        if wait.is_zero() {
            return Some(Answer::Bool(false));
        }
        self.greeting.get_or_insert_with(|| Greeting {
            slot,
            teaser: greet.teaser(facts),
            until: Instant::now() + wait,
        });
        None
    }

    /// The wait before the greeting is over, or the client has spoken.
    fn end_greeting(&mut self) -> Option<(Slot, Answer)> {
        let slot = self.greeting.take()?.slot;
        let said = self.stream.as_ref().map(|stream| stream.peek(EARLY_BYTES_MAX)).unwrap_or_default();
        Some((slot, if said.is_empty() { Answer::Bool(false) } else { Answer::Said(said.into()) }))
    }
}

impl Gather for Lookups {
    fn start(&mut self, facts: &Facts, scratch: &Scratch, slot: Slot) -> Option<Answer> {
        if self.begun.get(usize::from(slot.0)).is_some_and(Option::is_some) {
            return None;
        }
        let answer = self.ask(facts, scratch, slot);
        if let Some(answer) = &answer {
            self.sources.counts.lookup(&facts.generation, slot, answer, true);
        }
        answer
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn holds its arguments twice, and very many sessions wait in this one"
    )]
    fn next(&mut self, until: Option<Instant>) -> impl Future<Output = Option<(Slot, Answer)>> {
        async move {
            if let (Some(greeting), Some(stream)) = (&mut self.greeting, &self.stream)
                && !greeting.teaser.is_empty()
            {
                // Not posted: who waits would hold its buffer.
                let (_gone, _) = stream.write_all(std::mem::take(&mut greeting.teaser)).await;
            }
            loop {
                let greeted = self.greeting.as_ref().map(|greeting| greeting.until);
                let wake = until.into_iter().chain(greeted).min();
                let stream = self.stream.as_ref().filter(|_| greeted.is_some());
                let has_tasks = self.tasks.as_ref().is_some_and(|tasks| !tasks.is_empty());
                let ended = tokio::select! {
                    biased;
                    ended = poll_fn(|context| poll_tasks(&mut self.tasks, context)), if has_tasks => ended?,
                    () = stirs(stream), if stream.is_some() => return self.end_greeting(),
                    () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                        return if wake == greeted { self.end_greeting() } else { None };
                    }
                    else => return None,
                };
                // A look-up that was aborted belongs to a phase that is over.
                if let Some(found) = self.found(ended) {
                    return Some(found);
                }
            }
        }
    }

    async fn authenticate(&mut self, client: Client, message: &Rc<Message>) -> Vec<Finding> {
        let Some(upstream) = self.upstream(None) else {
            return Method::ALL.map(Method::unknown).into();
        };
        let mail = Authentication::whole(client, upstream, message);
        let find = |method| mail.find(method);
        let (spf, dkim, dmarc, arc) =
            tokio::join!(find(Method::Spf), find(Method::Dkim), find(Method::Dmarc), find(Method::Arc));
        vec![spf, dkim, dmarc, arc]
    }

    fn took(&self, slot: Slot) -> Option<Duration> {
        self.took.iter().find(|(known, _)| *known == slot).map(|(_, took)| *took)
    }
}

/// Begins the greeting and waits before the rest; what the client sends meanwhile ends the wait, and is given back as far as
/// [`EARLY_BYTES_MAX`].
pub async fn early(stream: &Stream, teaser: Vec<u8>, wait: Duration) -> Option<Vec<u8>> {
    let (_gone, _) = stream.write_all(teaser).await;
    tokio::time::timeout(wait, stream.has_come()).await.ok()?.then(|| stream.peek(EARLY_BYTES_MAX))
}

/// Waits until a client sends something or is gone.
async fn stirs(stream: Option<&Rc<Stream>>) {
    match stream {
        Some(stream) => _ = stream.has_come().await,
        None => std::future::pending().await,
    }
}

/// The next task that has ended; `None` when there is none.
fn poll_tasks(tasks: &mut Option<JoinSet<Found>>, context: &mut Context<'_>) -> Poll<Option<Ended>> {
    tasks.as_mut().map_or(Poll::Ready(None), |tasks| tasks.poll_join_next_with_id(context))
}

impl Greet {
    /// The first line of the greeting; empty when there is none.
    pub fn teaser(&self, facts: &Facts) -> Vec<u8> {
        let usual = || format!("{} ESMTP", facts.listener.name);
        match self.teaser.as_deref() {
            Some("") => Vec::new(),
            // It would have to be sealed, which the wait does not know how to.
            _ if facts.tls.is_some() => Vec::new(),
            Some(text) => format!("220-{text}\r\n").into_bytes(),
            None => format!("220-{}\r\n", usual()).into_bytes(),
        }
    }

    /// The wait that this client gets.
    pub fn wait(&self, facts: &Facts) -> Duration {
        if facts.is_introduced {
            // The peer, which is trusted, has waited already.
            Duration::ZERO
        } else if facts.passed {
            self.remembered
        } else if facts.stressed {
            self.stressed
        } else {
            self.after
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Base, OneFile, Overrides};
    use crate::process::Process;
    use crate::upstream::connection::Connections;

    /// The facts of a client of rules that ask a DNS list whose server is `server`.
    fn facts(server: std::net::SocketAddr) -> Facts {
        let text = format!(
            "weir 1\nlistener l {{ bind 127.0.0.1:0 }}\ndnsbl d {{ zone \"d.example.org\" server {server} timeout 1m }}\n\
             on rcpt {{ reject 550 5.7.1 \"no\" if d(rcpt.domain) is listed }}\non message {{ discard }}\n"
        );
        let plan = config::load_from(["t.weir"], &OneFile(text.leak())).plan.unwrap();
        let base =
            Base { number: 1, older: None, host_name: "host.example.org", overrides: &Overrides::default() };
        let generation = Arc::new(config::generation(plan, &base));
        let listener = Arc::clone(generation.listeners.first().unwrap());
        let process = Arc::new(Process::new("host.example.org".into(), std::path::PathBuf::new()));
        Facts::new(process, generation, listener, [192, 0, 2, 1].into(), 25)
    }

    /// A client that gives one recipient after the other kept the task of each: they were only taken when a decision waited.
    #[test]
    fn what_nobody_waits_for_is_let_go() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut facts = facts(silent.local_addr().unwrap());
        crate::ring::run(async {
            let (watch, clock) = (Watch::start(), Clock::system());
            let connections = Rc::new(Connections::new("host.example.org", watch.clone()));
            let sources = Rc::new(Sources {
                callouts: Rc::new(Callouts::new(connections, clock.clone())),
                dns: Dns::new(clock.clone(), None),
                clamd: Scanners::new(watch, clock),
                counts: Counts::new(&facts.process.metrics),
            });
            let mut lookups = Lookups::new(sources, None);
            let scratch = facts.generation.plan.scratch();
            for number in 0..100 {
                let generation = Arc::clone(&facts.generation);
                lookups.settle_found(&mut facts);
                lookups.forget_from(Phase::Rcpt, &generation.plan);
                facts.rcpt = crate::facts::Mailbox::new(format!("a@{number}.example.net").as_bytes());
                assert_eq!(lookups.start(&facts, &scratch, Slot(0)), None);
                tokio::task::yield_now().await;
            }
            let tasks = lookups.tasks.as_ref().map_or(0, JoinSet::len);
            assert!(tasks <= 2, "{tasks} tasks");
        })
        .unwrap();
    }
}
