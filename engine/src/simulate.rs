//! `test` blocks: each clause sets something up, `expect` says what must come of it. No network, a frozen clock.

mod authenticate;
mod expect;
mod script;
mod world;

use std::fmt::{self, Write as _};
use std::sync::Arc;

use weir_lang::eval::Coverage;
use weir_lang::plan::{Plan, TestCase};

use crate::clock::Clock;
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
    let clock = Clock::frozen(u64::try_from(NOW).unwrap_or_default() * 1_000_000);
    let name = String::from("host.example.org");
    let process = Arc::new(Process::with_clock(name, std::path::PathBuf::new(), clock.clone()));
    let mut last = None;
    for session in 0..script.sessions {
        if session > 0 {
            clock.advance(script.every);
        }
        let Some(mut rehearsal) = Rehearsal::new(&process, generation, &script.mail, script.gather()) else {
            return vec![String::from("the file set has no listener, so nobody can connect")];
        };
        script.prepare(&rehearsal.facts);
        for &(rule, score) in &case.scores {
            rehearsal.scratch.set_score(rule, score);
        }
        // Scripted answers are there at once, so the run never waits.
        let now = i64::try_from(clock.unix_s()).unwrap_or(NOW);
        last = at_once(rehearsal.run(&script.mail, now, coverage));
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

#[cfg(test)]
mod tests {
    use crate::config::{OneFile, load_from};

    /// What rules remember, as a rule file's own tests show it.
    const MEMORY: &str = r#"weir 1
listener here { bind 192.0.2.25:25 }
store shared : redis { server "unix:/run/redis.sock" }
greylist grey { after 5m  within 2d  keep 35d }

on connect {
  greet after 6s, remembered 0s
  limit 3 errors per 10m by client.net, else drop 421 4.7.0 "too many errors"
  reject 554 5.7.1 "unknown" if client.passed is unknown and client.port == 1
}
on rcpt {
  reject 550 5.1.1 "no such address" if rcpt.local == "nobody"
  accept if remembered(sender.domain, "writes")
  defer 451 4.3.0 "no store" if remembered(sender.domain, "writes") is unknown
  limit 2 per 1h by rcpt, else defer 451 4.7.1 "too many"
  defer 451 4.7.1 "waiting" if grey(client.net, sender.domain, rcpt) is waiting and client.rdns is missing
  note "passed as {grey(client.net, sender.domain, rcpt)}" if client.passed
}
on message {
  remember sender.domain for 1h as writes
  discard
}

test "new clients wait" { rcpt "dev@example.org"  expect rcpt 451 text "waiting" }
test "who comes again passes" { rcpt "dev@example.org"  sessions 2 every 10m  expect message 250 }
test "too early still waits" { rcpt "dev@example.org"  sessions 2 every 299s  expect rcpt 451 text "waiting" }
test "too late is new" { rcpt "dev@example.org"  sessions 2 every 49h  expect rcpt 451 text "waiting" }
test "a name spares the greylist" { client 192.0.2.7 rdns "a.example.net"  rcpt "dev@example.org"  expect message 250 }
test "waiting by a clause" {
  rcpt "dev@example.org"  greylist grey waiting  sessions 2 every 10m
  expect rcpt 451 text "waiting", lookup grey waiting
}
test "passed by a clause" { client 192.0.2.7 passed  rcpt "dev@example.org"  greylist grey passed  expect message 250, noted "passed as passed" }
test "unknown by a clause lets pass" { rcpt "dev@example.org"  greylist grey unknown  expect message 250 }
test "remembered by a clause" { rcpt "dev@example.org"  remembered "writes"  expect message 250, lookup remembered yes }
test "another name is another memory" { rcpt "dev@example.org"  remembered "reads"  expect rcpt 451 text "waiting", lookup remembered no }
test "remembered by a session before" {
  client 192.0.2.7 rdns "a.example.net"  rcpt "dev@example.org"  sessions 9
  expect message 250, lookup remembered yes
}
test "remembered for its time" {
  client 192.0.2.7 rdns "a.example.net"  rcpt "dev@example.org"  sessions 2 every 61m
  expect message 250, lookup remembered no
}
test "a store that is down" { rcpt "dev@example.org"  store down  expect rcpt 451 text "no store" }
test "what is known here is known" { rcpt "dev@example.org"  store down  remembered "writes"  expect message 250 }
test "a limit" { rcpt "dev@example.org"  greylist grey waiting  sessions 3  expect rcpt 451 text "too many" }
test "errors of sessions before" { rcpt "nobody@example.org"  sessions 5  expect connect 421 text "too many errors" }
test "errors end" { rcpt "nobody@example.org"  sessions 9 every 5m  expect rcpt 550 text "no such address" }
test "errors of this client" { client 192.0.2.7 errors 4  rcpt "dev@example.org"  expect connect 421 text "too many errors" }
"#;

    #[test]
    fn what_rules_remember_is_tested_without_a_store() {
        let loaded = load_from(["t.weir"], &OneFile(MEMORY));
        let shown = loaded.render(weir_lang::diagnostic::Style::Plain);
        let report = super::run_tests(&loaded.plan.unwrap_or_else(|| panic!("{shown}")), None);
        assert_eq!(report.failures(), None);
        assert_eq!(report.results.len(), 18);
    }
}
