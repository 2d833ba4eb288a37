//! Scenarios and comparisons as a user runs them: servers, load, events, proof, and exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use common::{bench, weir};
use serde_json::Value;

/// A folder for one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-bench-test-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A scenario of a relay between load and sink, with these lines at its head and this load.
    fn scenario(&self, head: &str, source: &str) -> String {
        let text = format!(
            "about = \"a test\"\nwarm_up = \"0s\"\n{head}\n\n\
             [[node]]\nname = \"relay\"\nat = \"127.0.0.1:2525\"\nweir = \"relay.weir\"\n\n\
             [[node]]\nname = \"sink\"\nat = \"127.0.0.1:2501\"\nsink = \"\"\n\n\
             [[load]]\nname = \"some\"\nto = \"relay\"\nfor = \"500ms\"\nsource = \"{source}\"\n"
        );
        let rules = "weir 1\nlistener l { bind 127.0.0.1:2525 }\npool p { server s 127.0.0.1:2501 }\n\
                     on rcpt { reject 550 5.1.1 \"nobody\" if rcpt.local begins \"unknown\" }\non data { send to p }\n";
        fs::write(self.0.join("relay.weir"), rules).unwrap();
        let path = self.0.join("scenario.toml");
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn run(arguments: &[&str]) -> Output {
    bench(arguments).args(["--weir", &weir().to_string_lossy()]).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The outcome of a run that must go well.
#[track_caller]
fn outcome(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}{}", text(&output.stderr), text(&output.stdout));
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

/// The outcome of a run whose expectations are for release builds and loads of full size.
#[track_caller]
fn found(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
}

#[test]
fn a_shipped_scenario_runs_and_proves_that_each_message_came_once() {
    let outcome = outcome(&["run", "balancer", "--for", "2300ms"]);
    assert_eq!((&outcome["format"], &outcome["scenario"]), (&Value::from(1), &Value::from("balancer")));
    let run = &outcome["runs"][0];
    let figure = |name: &str| run["figures"][name].as_f64().unwrap_or_else(|| panic!("{name} in {run}"));
    assert!(figure("accepted") > 0.0);
    // The warm-up has arrived too.
    assert!(figure("arrived") > figure("accepted"));
    let faults = ["lost", "doubled", "altered", "out_of_envelope", "unmarked", "foreign"].map(figure);
    assert!(faults.iter().sum::<f64>() < 0.5, "{run}");
    assert!(figure("cpu_us_per_message") > 0.0 && figure("lb.cpu_us_per_message") > 0.0);
    assert!(figure("rss_peak_bytes") > 1e6 && figure("latency_p50_us") > 0.0);
    let samples = run["samples"].as_array().unwrap();
    let sample = samples.iter().find(|sample| sample["rate"] != 0.0).unwrap_or_else(|| panic!("{run}"));
    assert!(
        sample["rate"].as_f64().unwrap() > 0.0 && sample["rss_bytes"].as_f64().unwrap() > 1e6,
        "{sample}"
    );
    assert!(run["latency_us"].as_array().unwrap().len() > 10);
    assert!(run["expectations"].as_array().unwrap().iter().all(|one| one["met"] == true));
}

#[test]
fn a_killed_scanner_loses_no_message() {
    let outcome = outcome(&["run", "kill-scanner", "--for", "3s"]);
    let events = outcome["runs"][0]["events"].as_array().unwrap();
    assert_eq!(events[0]["what"], "kill -9 scan1");
    assert_eq!(events.len(), 4, "{events:?}");
}

#[test]
fn an_expectation_that_is_not_met_fails_the_run_and_is_named() {
    let folder = Folder::new("unmet");
    let path = folder.scenario(
        "expect = [\"lost = 0\", \"refused_550 = 0\", \"some.accepted < 1000000000 * refused\"]",
        "--unknown 50%",
    );
    let output = run(&["run", &path]);
    assert_eq!(output.status.code(), Some(1));
    let (table, fault) = (text(&output.stdout), text(&output.stderr));
    let result = |expected: &str| {
        let line = table.lines().find(|line| line.contains(expected)).unwrap_or_else(|| panic!("{table}"));
        line.split('|').nth(3).unwrap().trim().to_owned()
    };
    assert_eq!([result(" lost = 0 "), result(" refused_550 = 0 ")], ["met", "FAILED in 1 of 1"]);
    assert_eq!(fault, "weir-bench: not met: refused_550 = 0\n");
}

#[test]
fn events_reach_their_nodes_and_bad_ones_end_the_run() {
    let folder = Folder::new("events");
    let head = "events = [\"0s reload relay\", \"100ms drain relay p/s\", \"200ms ready relay p/s\", \
                \"300ms blackhole sink\", \"400ms cont sink\", \"400ms tell sink latency dot=1ms\"]\n\
                expect = [\"lost = 0\", \"doubled = 0\", \"events = 6\"]";
    let outcome = outcome(&["run", &folder.scenario(head, "--sessions 3")]);
    assert_eq!(outcome["runs"][0]["events"].as_array().unwrap().len(), 6);

    let output = run(&["run", &folder.scenario("events = [\"0s drain relay p/nobody\"]", "")]);
    assert_eq!(output.status.code(), Some(1));
    let fault = text(&output.stderr);
    assert!(fault.starts_with("weir-bench: event `drain relay p/nobody`: exit status: 1"), "{fault}");
}

#[test]
fn a_clock_goes_ahead() {
    let folder = Folder::new("clock");
    let path = folder.scenario("events = [\"0s clock relay +1h\"]\nexpect = [\"lost = 0\"]", "--rate 20");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("weir =", "own_clock = true\nweir =", 1)).unwrap();
    let kept = folder.0.join("kept");
    outcome(&["run", &path, "--for", "3s", "--keep", &kept.to_string_lossy()]);
    let log = fs::read_to_string(kept.join("relay/log")).unwrap();
    // `ts=2026-11-26T08:21:35.1Z`: the hour.
    let hours: Vec<u32> =
        log.lines().filter_map(|line| line.strip_prefix("ts=")?.get(11..13)?.parse().ok()).collect();
    let ahead = (hours[hours.len() - 1] + 24 - hours[0]) % 24;
    // Two, if the run went over the full hour.
    assert!((1..=2).contains(&ahead), "{hours:?}");
}

#[test]
fn a_node_that_does_not_start_is_shown_with_its_last_words() {
    let folder = Folder::new("broken");
    let path = folder.scenario("", "");
    fs::write(folder.0.join("relay.weir"), "weir 1\non mail { rejekt }\n").unwrap();
    let output = run(&["run", &path]);
    let fault = text(&output.stderr);
    assert!(fault.contains("relay ended with exit status 78") && fault.contains("rejekt"), "{fault}");
}

#[test]
fn faults_of_a_scenario_file_are_golden() {
    let folder = Folder::new("golden");
    let path = folder.scenario("expekt = []", "");
    let fault = text(&run(&["run", &path]).stderr);
    let expected = format!(
        "weir-bench: {path}:3: unknown field `expekt`, expected one of `about`, `warm_up`, `rest`, `measure`, \
         `events`, `expect`, `expect_of_weir`, `node`, `load`\n"
    );
    assert_eq!(fault, expected);
    let path = folder.scenario("expect = [\"lots = 0\"]", "");
    let fault = text(&run(&["run", &path]).stderr);
    assert!(
        fault.starts_with(&format!("weir-bench: {path}:3: there is no figure `lots`; there are: ")),
        "{fault}"
    );
    let fault = text(&run(&["run", "balanser"]).stderr);
    let way = "name a file, a folder with a scenario.toml, or a shipped one: balancer, ";
    assert!(fault.starts_with(&format!("weir-bench: there is no scenario `balanser`; {way}")), "{fault}");
}

#[test]
fn nothing_stays_when_a_run_is_interrupted() {
    let folder = Folder::new("interrupt");
    let keep = folder.0.join("kept");
    let arguments = ["run", "balancer", "--keep", &keep.to_string_lossy()].map(str::to_owned);
    let mut child = bench(&arguments.each_ref().map(String::as_str))
        .args(["--weir", &weir().to_string_lossy()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = keep.join("source-warm-up.log");
    while !log.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "weir-bench: interrupted\n");
    let users = Command::new("ps").args(["ax", "-o", "args"]).output().unwrap();
    let users = text(&users.stdout);
    assert!(!users.lines().any(|line| line.contains(&*keep.to_string_lossy())), "{users}");
}

#[test]
fn shipped_scenarios_are_listed_and_written_out() {
    let folder = Folder::new("list");
    let output = bench(&["scenarios", "--write", &folder.0.to_string_lossy()]).output().unwrap();
    let names: Vec<String> =
        text(&output.stdout).lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    for name in
        ["balancer", "drain", "flow", "kill-scanner", "mx-clean", "mx-reject", "overload", "scanner", "sink"]
    {
        assert!(names.iter().any(|found| found == name), "{names:?}");
        assert!(folder.0.join(name).join("scenario.toml").is_file());
    }
}

#[test]
fn a_comparison_takes_turns_and_tells_ratios() {
    let folder = Folder::new("turns");
    let page = folder.0.join("sink.html");
    let html = page.to_string_lossy();
    let output =
        run(&["compare", "sink", "--with", "smtp-sink", "--rounds", "2", "--for", "300ms", "--html", &html]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let rounds: Vec<&str> = table.lines().filter(|line| line.starts_with("round ")).collect();
    let order: Vec<&str> = rounds.iter().map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert_eq!(order, ["weir", "smtp-sink", "weir", "smtp-sink"]);
    let ratios = table.split("Ratios").nth(1).unwrap_or_else(|| panic!("{table}"));
    for figure in
        ["CPU per message", "messages answered per second", "latency p99", "system calls per message"]
    {
        assert!(ratios.lines().any(|line| line.starts_with(&format!("| {figure} "))), "{table}");
    }
    assert!(fs::read_to_string(page).unwrap().contains("<h1>sink</h1>"));
}

#[test]
fn a_comparison_with_a_relay_has_every_message_at_the_sinks() {
    let arguments =
        ["compare", "balancer", "--with", "haproxy", "--rounds", "1", "--for", "300ms", "--no-syscalls"];
    let outcome = outcome(&[&arguments[..], &["--size", "64KiB", "--per-connection", "1"]].concat());
    let runs = outcome["runs"].as_array().unwrap();
    assert_eq!(
        runs.iter().map(|run| run["server"].as_str().unwrap()).collect::<Vec<_>>(),
        ["weir", "haproxy"]
    );
    for run in runs {
        let figure = |name: &str| run["figures"][name].as_f64().unwrap();
        assert!(
            figure("accepted") > 0.0 && figure("lost") < 0.5 && figure("cpu_us_per_message") > 0.0,
            "{run}"
        );
        assert!(figure("connections") >= figure("accepted"), "{run}");
    }
    assert!(outcome["place"]["versions"]["haproxy"].as_str().unwrap().contains("HAProxy"), "{outcome}");
}

#[test]
fn a_comparison_of_messages_that_are_lost_has_no_figure() {
    let folder = Folder::new("lossy");
    let head = "measure = { node = \"relay\" }\nexpect = [\"lost = 0\"]";
    let path = folder.scenario(head, "");
    let other = folder.0.join("lossy.weir");
    fs::write(&other, "weir 1\nlistener l { bind 127.0.0.1:2525 }\non data { discard }\n").unwrap();
    let with =
        ["compare", &path, "--with", "other", "--other-rules", &other.to_string_lossy()].map(str::to_owned);
    let output = run(&with.each_ref().map(String::as_str));
    assert_eq!(output.status.code(), Some(1));
    let fault = text(&output.stderr);
    assert!(
        fault.starts_with("weir-bench: round 1, other: no figure, for this is not met: lost = 0 (found "),
        "{fault}"
    );
}

#[test]
fn what_cannot_be_compared_is_said_at_once() {
    let fault = |arguments: &[&str]| text(&run(&[&["compare"], arguments].concat()).stderr);
    let said = fault(&["sink", "--with", "haproxy"]);
    assert!(said.contains("haproxy cannot stand in scenario `sink`, but these can: smtp-sink"), "{said}");
    let said = fault(&["scanner", "--with", "haproxy"]);
    assert!(
        said.contains("no peer can do what `scan` does in scenario `scanner`; compare it with `other`"),
        "{said}"
    );
    let said = fault(&["sink", "--with", "other"]);
    assert!(said.contains("`--with other` needs one of --other-weir, --other-rules"), "{said}");
    let said = fault(&["sink", "--with", "smtp-sink", "--html", "/nowhere/page.html"]);
    assert!(said.contains("/nowhere/page.html: No such file"), "{said}");
    let output =
        bench(&["compare", "balancer", "--with", "haproxy,haraka", "--weir", &weir().to_string_lossy()])
            .env("WEIR_BENCH_HARAKA", "/nowhere")
            .output()
            .unwrap();
    // Before the first round of the others.
    assert!(
        output.stdout.is_empty() && text(&output.stderr).contains("/nowhere"),
        "{}",
        text(&output.stderr)
    );
    let said = fault(&["sink", "--with", "sendmail"]);
    assert!(said.contains("`sendmail` is nothing to compare with; there are: other, "), "{said}");
}

#[test]
fn idle_connections_are_counted_with_what_each_holds() {
    let outcome = found(&["run", "idle", "--for", "2s", "--sessions", "600", "--cores", "0,1:0,1"]);
    let run = &outcome["runs"][0];
    let figure = |name: &str| run["figures"][name].as_f64().unwrap_or_else(|| panic!("{name} in {run}"));
    assert!((figure("connections") - 600.0).abs() < 0.5 && figure("connections_lost") < 0.5, "{run}");
    assert!(figure("rss_bytes_per_connection") > 0.0, "{run}");
    assert!(run["figures"].get("messages_per_second").is_none(), "no mail was sent: {run}");
    assert!(outcome["setup"].as_array().unwrap().contains(&Value::from("core 0,1: sink, idle")), "{outcome}");
}

#[test]
fn clients_that_wait_are_counted_at_each_edge() {
    let outcome = found(&["run", "waiting", "--for", "1s", "--sessions", "200", "--cores", "0,1:0,1"]);
    let run = &outcome["runs"][0];
    let figure = |name: &str| run["figures"][name].as_f64().unwrap_or_else(|| panic!("{name} in {run}"));
    assert!((figure("connections") - 600.0).abs() < 0.5 && figure("connections_lost") < 0.5, "{run}");
    for edge in ["mx1", "mx2", "mx3"] {
        let (more, each) = (
            figure(&format!("{edge}.rss_peak_bytes")) - figure(&format!("{edge}.rss_before_bytes")),
            figure(&format!("{edge}.rss_bytes_per_connection")),
        );
        assert!((more / 200.0 - each).abs() < 1.0, "of its own clients: {run}");
    }
}

/// With rbldnsd as the list, asked at `{rbldnsd.ip}/{rbldnsd.port}`.
#[test]
fn listed_clients_wait_at_the_edge_and_are_refused() {
    let arguments = ["run", "edge", "--for", "3s", "--sessions", "20", "--cores", "0,1:0,1"];
    let outcome = outcome(&arguments);
    let run = &outcome["runs"][0];
    let figure = |name: &str| run["figures"][name].as_f64().unwrap_or_else(|| panic!("{name} in {run}"));
    // Two loads, at least a turn of each session, 1 s long at least.
    assert!(figure("refused_550") >= 40.0 && figure("seconds") > 2.9, "{run}");
    assert!((figure("refused_550") - figure("attempts")).abs() < 0.5, "{run}");
    let met = |text: &str| {
        let all = run["expectations"].as_array().unwrap().iter();
        all.filter(|one| one["text"] == text).all(|one| one["met"] == true)
    };
    assert!(met("refused_550 = attempts"), "what is expected of weir: {run}");
}

#[test]
fn messages_are_scaled_as_times_are() {
    let outcome = found(&["run", "large", "--scale", "0.002", "--size", "100KiB"]);
    let run = &outcome["runs"][0];
    assert_eq!(
        (&run["figures"]["large.accepted"], &run["figures"]["lost"]),
        (&Value::from(20.0), &Value::from(0.0)),
        "{run}"
    );
    assert!(run["figures"]["rss_after_bytes"].as_f64().unwrap() > 1e6, "{run}");
}

#[test]
fn other_is_weir_with_another_load_or_other_arguments() {
    let folder = Folder::new("other");
    let path = folder.scenario("measure = { node = \"relay\" }\nexpect = [\"lost = 0\"]", "--sessions 2");
    let start = ["compare", &path, "--with", "other", "--rounds", "1", "--no-syscalls"];
    let outcome = outcome(
        &[&start[..], &["--other-source=--per-connection 1", "--other-arguments=--shards 1"]].concat(),
    );
    let [weir, other] = [0, 1].map(|index| &outcome["runs"][index]["figures"]);
    assert_eq!(weir["connections"], 2.0, "{outcome}");
    assert_eq!(other["connections"], other["attempts"], "{outcome}");
    assert!(
        other["cpu_busiest_thread_percent"].as_f64().unwrap()
            > weir["cpu_busiest_thread_percent"].as_f64().unwrap(),
        "{outcome}"
    );
}
