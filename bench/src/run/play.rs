//! A scenario from its first node to its last figure.

use std::collections::VecDeque;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::sources::{Sources, filled, of_summaries};
use super::stage::{Setting, Stage, Standing};
use super::{figures, proof};
use crate::cpu::Cpu;
use crate::measure::Syscalls;
use crate::result::{self, Run, Sample};
use crate::scenario::{EVENTS_MAX, Event, Figures, Kind, Load, Scenario};
use crate::value::real;
use crate::{Result, interrupt};

/// How often is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Between two samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// When in each second: a moment after the sources should have said theirs, and how long those that have not are waited for.
const SAMPLE_AFTER: Duration = Duration::from_millis(50);
const SAMPLE_LATE_MAX: Duration = Duration::from_millis(800);
/// A last sample of less time tells nothing.
const SAMPLE_LAST_MIN: Duration = Duration::from_millis(300);
/// How long a request to weir may take.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// A server that queues mail has delivered it when it has been idle this long; and how long it may take.
const IDLE_FOR: Duration = Duration::from_millis(500);
const IDLE_WITHIN: Duration = Duration::from_mins(2);
/// What an idle server uses in that time at most: health checks and timers.
const IDLE_CPU_MAX: Duration = Duration::from_millis(10);
/// How late a load may start because figures that it needs are not there yet.
const FIGURES_WITHIN: Duration = Duration::from_secs(75);

/// Told about each sample.
pub(crate) type Watcher<'a> = &'a dyn Fn(&Sample);

/// A run under way.
struct Play<'a> {
    scenario: &'a Scenario,
    setting: &'a Setting<'a>,
    stage: Stage<'a>,
    sources: Sources,
    /// In the order of their time.
    loads: VecDeque<&'a Load>,
    events: VecDeque<(Duration, &'a Event)>,
    requests: Vec<Request>,
    began: Instant,
    sampled: Instant,
    cpu_sampled: Duration,
    run: Run,
    /// What the nodes used while each load ran, in the order of the sources.
    costs: Vec<figures::Cost>,
    /// What they used in all that time.
    whole: figures::Cost,
}

/// A `weir ctl` that runs.
struct Request {
    child: Child,
    text: String,
    began: Instant,
}

/// What a run has found.
pub(crate) struct Played {
    pub(crate) run: Run,
    /// Of the peer, if one stood in.
    pub(crate) version: Option<String>,
    /// System calls of the measured node, if they were counted.
    pub(crate) calls: Option<u64>,
}

/// Runs a scenario once.
pub(crate) fn play(setting: &Setting<'_>, server: &str, round: u32, watcher: Watcher<'_>) -> Result<Played> {
    let scenario = setting.scenario;
    let mut stage = Stage::start(setting)?;
    let whole = figures::Cost::begin(&mut stage);
    let mut loads: Vec<&Load> = scenario.loads.iter().collect();
    loads.sort_by_key(|load| load.from);
    let mut play = Play {
        scenario,
        setting,
        stage,
        sources: Sources::new(setting.folder),
        loads: loads.into(),
        events: time_line(scenario),
        requests: Vec::new(),
        began: Instant::now(),
        sampled: Instant::now(),
        cpu_sampled: Duration::ZERO,
        run: Run {
            server: server.to_owned(),
            round,
            figures: Figures::new(),
            latency_us: Vec::new(),
            samples: Vec::new(),
            events: Vec::new(),
            expectations: Vec::new(),
        },
        costs: Vec::new(),
        whole,
    };
    play.warm_up()?;
    let trace = play.trace()?;
    play.load(watcher)?;
    let calls = trace.map(Syscalls::finish).transpose()?;
    let mut played = play.finish()?;
    played.calls = calls;
    Ok(played)
}

/// All events with their repetitions, in the order of their time.
fn time_line(scenario: &Scenario) -> VecDeque<(Duration, &Event)> {
    let lasts = scenario.lasts();
    let mut line = Vec::new();
    for event in &scenario.events {
        let mut at = event.at;
        while at <= lasts && line.len() < EVENTS_MAX {
            line.push((at, event));
            match event.every {
                Some(every) => at += every,
                None => break,
            }
        }
    }
    line.sort_by_key(|(at, _)| *at);
    line.into()
}

impl Play<'_> {
    /// The first load for a moment. It proves as much as the others, but is in no figure of time or cost.
    fn warm_up(&mut self) -> Result<()> {
        let Some(load) = self.loads.front().filter(|_| !self.scenario.warm_up.is_zero()) else {
            return Ok(());
        };
        let options = filled(&load.options, &Figures::new())
            .map_err(|term| format!("load `{}` is the first and cannot have {{{term}}}", load.name))?;
        let to = self.setting.addresses.of(&load.to)?;
        self.sources.start(load, "warm-up", to, &options, self.scenario.warm_up)?;
        while !self.sources.have_ended() {
            self.look()?;
        }
        let _of_warm_up = self.sources.sample();
        self.settle()?;
        Ok(())
    }

    /// Begins to count system calls, if they are wanted.
    fn trace(&self) -> Result<Option<Syscalls>> {
        let Some(measured) = self.scenario.measured.as_ref().filter(|_| self.setting.is_traced) else {
            return Ok(None);
        };
        let node = self.stage.standing.iter().find(|standing| standing.node.name == measured.node);
        let root = node.and_then(Standing::root);
        root.map(|root| Syscalls::start(root, self.setting.folder)).transpose()
    }

    /// Waits for a peer that answers first and delivers later. Its work for that is work for these messages.
    fn settle(&mut self) -> Result<()> {
        if self.setting.peer.is_none() {
            return Ok(());
        }
        let deadline = Instant::now() + IDLE_WITHIN;
        let (mut since, mut used) = (Instant::now(), self.cpu().total);
        while since.elapsed() < IDLE_FOR {
            self.look()?;
            let now = self.cpu().total;
            if now.saturating_sub(used) > IDLE_CPU_MAX {
                (since, used) = (Instant::now(), now);
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "the server is still at work {} s after the load",
                    IDLE_WITHIN.as_secs()
                )
                .into());
            }
        }
        Ok(())
    }

    /// One look at all that runs, and a pause.
    fn look(&mut self) -> Result<()> {
        interrupt::check()?;
        self.stage.must_run()?;
        self.sources.listen()?;
        thread::sleep(LOOK_EVERY);
        Ok(())
    }

    /// The time line, until the last load has ended and the last request is answered.
    fn load(&mut self, watcher: Watcher<'_>) -> Result<()> {
        self.began = Instant::now();
        self.sampled = self.began;
        self.cpu_sampled = self.cpu().total;
        self.whole = figures::Cost::begin(&mut self.stage);
        let mut next = SAMPLE_EVERY + SAMPLE_AFTER;
        while !self.loads.is_empty() || !self.sources.have_ended() || !self.requests.is_empty() {
            self.look()?;
            self.start_loads()?;
            self.end_costs();
            self.do_events()?;
            self.hear_requests()?;
            let late = self.began.elapsed().saturating_sub(next);
            if late > SAMPLE_LATE_MAX || !late.is_zero() && self.sources.have_sampled() {
                self.sample(watcher);
                next += SAMPLE_EVERY;
            }
        }
        if self.sampled.elapsed() >= SAMPLE_LAST_MIN {
            self.sample(watcher);
        }
        self.settle()?;
        let rested = Instant::now() + self.scenario.rest;
        while Instant::now() < rested {
            self.look()?;
        }
        self.whole.end(&mut self.stage);
        Ok(())
    }

    /// Sources that are part of the figures.
    fn warm_ups(&self) -> usize {
        usize::from(!self.scenario.warm_up.is_zero())
    }

    fn start_loads(&mut self) -> Result<()> {
        while let Some(load) = self.loads.front().filter(|load| load.from <= self.began.elapsed()) {
            let options = match filled(&load.options, &self.finished()) {
                Ok(options) => options,
                Err(term)
                    if self.began.elapsed() > load.from + FIGURES_WITHIN || self.sources.have_ended() =>
                {
                    let name = &load.name;
                    return Err(format!("load `{name}` needs {{{term}}}, which no load before it has").into());
                }
                Err(_) => return Ok(()),
            };
            let to = self.setting.addresses.of(&load.to)?;
            self.costs.push(figures::Cost::begin(&mut self.stage));
            self.sources.start(load, &load.name, to, &options, load.lasts)?;
            self.loads.pop_front();
        }
        Ok(())
    }

    /// The figures of loads that have ended.
    fn finished(&self) -> Figures {
        let mut figures = Figures::new();
        for source in
            self.sources.running.iter().skip(self.warm_ups()).filter(|source| source.ended.is_some())
        {
            figures.extend(
                source.figures().into_iter().map(|(name, value)| (format!("{}.{name}", source.name), value)),
            );
        }
        figures
    }

    fn end_costs(&mut self) {
        let sources = self.sources.running.iter().skip(self.warm_ups());
        for (cost, source) in self.costs.iter_mut().zip(sources) {
            if source.ended.is_some() {
                cost.end(&mut self.stage);
            }
        }
    }

    fn do_events(&mut self) -> Result<()> {
        while let Some((at, event)) =
            self.events.front().copied().filter(|(at, _)| *at <= self.began.elapsed())
        {
            self.events.pop_front();
            // What would come behind the end of the load would meet nothing.
            if self.loads.is_empty() && self.sources.have_ended() && at >= self.scenario.lasts() {
                continue;
            }
            let seconds = self.began.elapsed().as_secs_f64();
            let request =
                self.stage.act(&event.action).map_err(|error| format!("event `{}`: {error}", event.text))?;
            self.run.events.push(result::Event { seconds, what: event.text.clone() });
            if let Some(child) = request {
                self.requests.push(Request { child, text: event.text.clone(), began: Instant::now() });
            }
        }
        Ok(())
    }

    fn hear_requests(&mut self) -> Result<()> {
        for request in &mut self.requests {
            if request.child.try_wait()?.is_none() && request.began.elapsed() > REQUEST_WITHIN {
                request.child.kill()?;
                return Err(format!("event `{}` was not answered", request.text).into());
            }
        }
        let ended = |request: &mut Request| matches!(request.child.try_wait(), Ok(Some(_)));
        for request in self.requests.extract_if(.., ended) {
            let output = request.child.wait_with_output()?;
            if !output.status.success() {
                let [said, told] =
                    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
                return Err(format!("event `{}`: {}\n{said}{told}", request.text, output.status).into());
            }
        }
        Ok(())
    }

    /// What the measured node, or all weirs, have used.
    fn cpu(&mut self) -> Cpu {
        let measured = self.scenario.measured.as_ref().map(|measured| measured.node.as_str());
        let mut sum = Cpu { total: Duration::ZERO, user_ticks: 0, system_ticks: 0 };
        for standing in &mut self.stage.standing {
            let cpu = standing.meter.read();
            let counts = match measured {
                Some(name) => standing.node.name == name,
                None => matches!(standing.node.kind, Kind::Weir { .. }),
            };
            if counts {
                sum.total += cpu.total;
            }
        }
        sum
    }

    fn rss_bytes(&self) -> u64 {
        let measured = self.scenario.measured.as_ref().map(|measured| measured.node.as_str());
        let counts = self.stage.standing.iter().filter(|standing| match measured {
            Some(name) => standing.node.name == name,
            None => matches!(standing.node.kind, Kind::Weir { .. }),
        });
        counts.map(|standing| standing.meter.rss_bytes).sum()
    }

    fn sample(&mut self, watcher: Watcher<'_>) {
        let now = Instant::now();
        let since = (now - self.sampled).as_secs_f64();
        let cpu = self.cpu().total;
        let (rate, latency_p99_us, failure_rate) = self.sources.sample();
        let sample = Sample {
            seconds: (now - self.began).as_secs_f64(),
            rate,
            latency_p99_us,
            failure_rate,
            cpu_cores: cpu.saturating_sub(self.cpu_sampled).as_secs_f64() / since,
            rss_bytes: real(self.rss_bytes()),
        };
        (self.sampled, self.cpu_sampled) = (now, cpu);
        watcher(&sample);
        self.run.samples.push(sample);
    }

    /// Ends all and draws the sums.
    fn finish(mut self) -> Result<Played> {
        self.end_costs();
        let sources = self.sources.running.iter().skip(self.warm_ups());
        let mut figures = of_summaries(sources.clone());
        figures.extend(self.finished());
        figures::add_costs(&self.whole, &self.costs, &sources, self.scenario, &mut figures);
        self.run.latency_us = figures::curve(sources);
        figures.insert("events".into(), real(self.run.events.len() as u64));
        figures
            .insert("fate_unsure".into(), real(self.stage.logged(&["event=server_failed", "fate=unsure"])?));
        let version = self.stage.standing.iter().find_map(|standing| standing.version().map(str::to_owned));
        let books = self.stage.end()?;
        if self.scenario.has_sinks() {
            proof::prove(&self.sources.sent()?, &books, &mut figures)?;
        }
        let of_weir = self.scenario.expectations_of_weir.iter().filter(|_| self.setting.peer.is_none());
        let wanted = self.scenario.expectations.iter().chain(of_weir);
        self.run.expectations = wanted.map(|wanted| wanted.found(&figures)).collect();
        if let [load] = self.scenario.loads.as_slice() {
            // What one load did is what all did; said twice, it is only noise.
            figures.retain(|name, _| !name.starts_with(&format!("{}.", load.name)));
        }
        // What could not be calculated is not there.
        figures.retain(|_, value| value.is_finite());
        self.run.figures = figures;
        Ok(Played { run: self.run, version, calls: None })
    }
}
