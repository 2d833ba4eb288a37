//! `test` blocks: each clause sets something up, `expect` says what must come of it. No network, a frozen clock.

mod authenticate;
mod expect;
mod script;
mod world;

use std::fmt::{self, Write as _};
use std::sync::Arc;

use weir_lang::eval::Coverage;
use weir_lang::plan::{Plan, TestCase};

use crate::config::{self, Base, Overrides};
use crate::generation::{Generation, ZoneFile};
use crate::process::Process;
use crate::rehearse::Rehearsal;
use script::Script;

/// The clock of tests: 2026-01-15 12:00:00 UTC, a Thursday.
pub const NOW: i64 = 1_768_478_400;

/// What came of the tests of a file set.
pub struct Report {
    results: Vec<TestResult>,
    coverage: Coverage,
}

struct TestResult {
    title: String,
    at: String,
    faults: Vec<String>,
}

impl Report {
    /// All that failed, as text; `None` when nothing did.
    pub fn failures(&self) -> Option<String> {
        let failed: Vec<String> =
            self.results.iter().filter(|result| !result.faults.is_empty()).map(ToString::to_string).collect();
        (!failed.is_empty()).then(|| failed.join(""))
    }

    /// The rules and statements that no test has reached.
    pub fn coverage(&self, plan: &Plan) -> String {
        let mut text = String::new();
        for index in self.coverage.rules_never_hit() {
            if let Some(rule) = plan.rules().get(index) {
                _ = writeln!(text, "never hit: rule {} ({})", rule.name, rule.location);
            }
        }
        for statement in self.coverage.statements_never_run() {
            let statement = plan.statement(statement);
            let verb =
                crate::scheme::verbs::Verb::at(statement.verb).map_or("?", crate::scheme::verbs::Verb::word);
            _ = writeln!(text, "never run: {verb} ({})", statement.location);
        }
        text
    }
}

impl fmt::Display for TestResult {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.faults.is_empty() {
            return writeln!(out, "ok    {}", self.title);
        }
        writeln!(out, "FAIL  {} ({})", self.title, self.at)?;
        self.faults.iter().try_for_each(|fault| writeln!(out, "      {fault}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.results.iter().try_for_each(|result| result.fmt(out))?;
        let failed = self.results.iter().filter(|result| !result.faults.is_empty()).count();
        writeln!(out, "{} passed, {failed} failed", self.results.len() - failed)
    }
}

/// Runs the tests whose title contains `filter`.
pub fn run_tests(plan: &Arc<Plan>, filter: Option<&str>) -> Report {
    run_tests_with(plan, &[], filter)
}

/// The same, with the zone files of the plan's DNS lists.
pub fn run_tests_with(plan: &Arc<Plan>, zones: &[ZoneFile], filter: Option<&str>) -> Report {
    let overrides = Overrides::default();
    let base = Base { number: 1, older: None, host_name: "host.example.org", overrides: &overrides };
    let generation = Arc::new(config::generation_with(Arc::clone(plan), zones.to_vec(), &base));
    let mut coverage = Coverage::new(plan);
    let wanted = plan.tests().iter().filter(|case| filter.is_none_or(|filter| case.title.contains(filter)));
    let results = wanted
        .map(|case| TestResult {
            title: case.title.clone(),
            at: case.location.to_string(),
            faults: run_test(case, &generation, &mut coverage),
        })
        .collect();
    Report { results, coverage }
}

fn run_test(case: &TestCase, generation: &Arc<Generation>, coverage: &mut Coverage) -> Vec<String> {
    let script = match Script::read(case) {
        Ok(script) => script,
        Err(fault) => return vec![fault],
    };
    let process = Arc::new(Process::new(String::from("host.example.org"), std::path::PathBuf::new()));
    script.prepare(&process);
    let mut last = None;
    for _ in 0..script.sessions {
        let Some(mut rehearsal) = Rehearsal::new(&process, generation, &script.mail, script.gather()) else {
            return vec![String::from("the file set has no listener, so nobody can connect")];
        };
        for &(rule, score) in &case.scores {
            rehearsal.scratch.set_score(rule, score);
        }
        // Scripted answers are there at once, so the run never waits.
        last = at_once(rehearsal.run(&script.mail, NOW, coverage));
    }
    let Some((outcome, ..)) = last else {
        return vec![String::from("the test waited for something that no clause gives")];
    };
    expect::check(case, &script, &outcome)
}

/// The result of a future that has nothing to wait for.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(result) => Some(result),
        std::task::Poll::Pending => None,
    }
}
