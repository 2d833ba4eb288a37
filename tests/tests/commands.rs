//! The command line: exit codes, and what scripts read.

use std::fs;
use std::process::Output;

use serde_json::Value;
use weir_tests::{Folder, Loopback, Rbldnsd, repository, weir_command};

/// Standard output and standard error.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn exits(code: i32, arguments: &[&str]) -> String {
    let output = weir_command(arguments);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "weir {arguments:?}\n{said}");
    said
}

fn shipped(name: &str) -> String {
    repository().join("rules").join(name).to_string_lossy().into_owned()
}

const GOOD: &str = "weir 1\n\nlistener here {\n  bind 127.0.0.1:2525\n}\n\non rcpt {\n  reject 550 5.7.1 \"no\" \
                    if rcpt.domain == \"example.com\"\n}\n\non data {\n  send to maildir \"/tmp/mail\"\n}\n\n\
                    test \"refused\" {\n  rcpt \"a@example.com\"\n  expect rcpt 550 5.7.1\n}\n\n\
                    test \"taken\" {\n  rcpt \"a@example.org\"\n  expect message 250, sent to maildir\n}\n";

#[test]
fn help_and_version_are_0_and_slips_are_64() {
    for arguments in [&["--help"][..], &["--version"], &["run", "--help"], &["ctl", "--help"]] {
        exits(0, arguments);
    }
    assert!(exits(0, &["check", "--help"]).contains("Examples:"));
    for arguments in [&[][..], &["chekc"], &["check", "--no-such-option"], &["explain"], &["ctl", "dance"]] {
        exits(64, arguments);
    }
}

#[test]
fn shipped_rules_are_strictly_good_and_pass_their_tests() {
    for name in ["mx.weir", "balancer.weir", "scanner.weir", "mailbox.weir", "allinone.weir"] {
        exits(0, &["check", "--strict", &shipped(name)]);
        exits(0, &["test", &shipped(name)]);
        exits(0, &["fmt", "--check", &shipped(name)]);
    }
    exits(0, &["fmt", "--check", &shipped("common.weir")]);
    assert!(exits(0, &["check", "--cost", &shipped("mx.weir")]).to_lowercase().contains("look"));
}

#[test]
fn check_reports_all_faults_with_their_places() {
    let folder = Folder::new();
    let bad = folder.write(
        "bad.weir",
        "weir 1\n\nlistener here {\n  bind 127.0.0.1:2525\n}\n\non rcpt {\n  reject 550 5.7.1 \"no\" if subject == \"x\"\n\
         \x20 reject 550 5.7.1 \"no\" if client.colour == \"red\"\n}\n\non data {\n  send to nowhere\n}\n",
    );
    let bad = bad.to_str().expect("a path in UTF-8");
    let said = exits(1, &["check", bad]);
    for expected in
        ["bad.weir:8", "bad.weir:9", "bad.weir:13", "error[W", "`subject`", "client.colour", "nowhere"]
    {
        assert!(said.contains(expected), "{expected} is missing\n{said}");
    }
    let json = weir_command(&["check", "--format", "json", bad]);
    assert_eq!(json.status.code(), Some(1));
    let lines = String::from_utf8_lossy(&json.stdout);
    let faults: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
    assert!(faults.len() >= 3, "{lines}");
    exits(1, &["check", "/nonexistent/mx.weir"]);
    exits(78, &["run", bad, "--admin", &folder.join("a.sock").to_string_lossy()]);
}

#[test]
fn strict_turns_warnings_into_errors() {
    let folder = Folder::new();
    let text = GOOD.replace("on rcpt", "list unused : net = [ 192.0.2.0/24 ]\n\non rcpt");
    let file = folder.write("main.weir", text);
    let file = file.to_str().expect("a path in UTF-8");
    assert!(exits(0, &["check", file]).contains("unused"));
    assert!(exits(1, &["check", "--strict", file]).contains("unused"));
}

#[test]
fn tests_in_rule_files_can_fail() {
    let folder = Folder::new();
    let good = folder.write("good.weir", GOOD);
    let good = good.to_str().expect("a path in UTF-8");
    assert!(exits(0, &["test", good]).contains('2'));
    exits(0, &["test", "--coverage", good]);
    let bad = folder.write("bad.weir", GOOD.replace("expect rcpt 550", "expect rcpt 551"));
    let bad = bad.to_str().expect("a path in UTF-8");
    let said = exits(1, &["test", bad]);
    assert!(said.contains("refused") && said.contains("bad.weir:"), "{said}");
    exits(0, &["test", "-k", "taken", bad]);
}

#[test]
fn fmt_brings_files_into_the_one_style_and_keeps_their_meaning() {
    let folder = Folder::new();
    let file = folder
        .write("main.weir", GOOD.replace("  reject", "        reject").replace("on data {", "on   data   {"));
    let file = file.to_str().expect("a path in UTF-8");
    assert!(exits(1, &["fmt", "--check", file]).contains("main.weir"));
    exits(0, &["fmt", file]);
    exits(0, &["fmt", "--check", file]);
    let once = fs::read_to_string(file).expect("the file");
    exits(0, &["fmt", file]);
    assert_eq!(fs::read_to_string(file).expect("the file"), once, "twice is as once");
    exits(0, &["test", file]);
}

#[test]
fn explain_says_what_decided_and_where() {
    let (folder, names) = (Folder::new(), Loopback::new().port());
    let _list = Rbldnsd::start(&folder, names, "zen.example.org", "127.0.0.66 :127.0.0.4:listed");
    let message =
        folder.write("a.eml", "From: a@example.net\r\nSubject: You won\r\n\r\nClaim your prize.\r\n");
    let (message, names) = (message.to_string_lossy().into_owned(), names.to_string());
    let rules = shipped("mx.weir");
    let mut arguments = vec!["explain", &message, "--rules", &rules, "--client", "127.0.0.66", "--from", ""];
    arguments.extend(["--rcpt", "dev@example.org", "--resolver", &names]);
    let said = exits(0, &arguments);
    assert!(said.contains("ZEN_LISTED") && said.contains("mx.weir:") && said.contains("550"), "{said}");

    arguments.push("--json");
    let output = weir_command(&arguments);
    assert_eq!(output.status.code(), Some(0));
    let sheet: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    for key in ["verdict", "score", "hits", "parts"] {
        assert!(sheet.get(key).is_some(), "no `{key}` in {sheet}");
    }
    assert!(sheet.to_string().contains("ZEN_LISTED"), "{sheet}");
    exits(1, &["explain", "/nonexistent.eml", "--rules", &rules, "--client", "192.0.2.1"]);
}

#[test]
fn the_manual_knows_every_shipped_word() {
    let manual = exits(0, &["doc"]);
    for word in ["reject", "client.rdns", "dnsbl", "least_busy", "quarantine", "maildir", "W0"] {
        assert!(manual.contains(word), "{word}");
    }
    assert!(exits(0, &["doc", "reject"]).contains("550"));
    exits(1, &["doc", "no_such_word"]);
}

#[test]
fn ctl_without_a_daemon_is_69() {
    let folder = Folder::new();
    let socket = folder.join("nobody.sock");
    exits(69, &["ctl", "--admin", socket.to_str().expect("a path in UTF-8"), "show", "info"]);
}

#[test]
fn the_demo_meets_its_promises() {
    let said = exits(0, &["demo", "--once"]);
    for expected in ["GTUBE", "relaying denied", "mx.weir:", "scanner.weir:"] {
        assert!(said.contains(expected), "{expected} is missing\n{said}");
    }
}
