//! Where and when a run took place, for those who read its figures later.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use weir::clock::write_rfc3339;

use crate::result::Place;

impl Place {
    /// Here and now.
    pub(crate) fn here(versions: BTreeMap<String, String>) -> Self {
        Self { date: now(), commit: commit(), machine: machine(), versions }
    }
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut text = Vec::new();
    write_rfc3339(since.as_secs() * 1_000_000, &mut text);
    // To the second.
    String::from_utf8_lossy(&text).replace(".000000", "")
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn commit() -> Option<String> {
    let commit = output("git", &["rev-parse", "--short", "HEAD"])?;
    let is_changed = output("git", &["status", "--porcelain", "--untracked-files=no"])
        .is_none_or(|changes| !changes.is_empty());
    Some(if is_changed { commit + "+" } else { commit })
}

fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (processor, memory, kernel) =
        (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/sys/kernel/osrelease"));
    let model = field(&processor, "model name").unwrap_or("unknown processor");
    let memory_kib =
        field(&memory, "MemTotal").and_then(|value| value.split(' ').next()?.parse::<u64>().ok());
    let gib = memory_kib.unwrap_or_default().div_ceil(1 << 20);
    format!("{model}, {} cores, {gib} GiB, Linux {}", crate::cores::available(), kernel.trim())
}

/// The value behind `name` and a colon in a file of lines.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

/// The first line of what a program says of its version.
pub(crate) fn version(program: &str, argument: &str) -> String {
    let said = output(program, &[argument]).unwrap_or_default();
    said.lines().next().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_date_and_a_machine() {
        let place = Place::here(BTreeMap::new());
        assert!(
            place.date.starts_with("20") && place.date.ends_with('Z') && !place.date.contains('.'),
            "{}",
            place.date
        );
        assert!(place.machine.contains(" cores, ") && place.machine.contains("Linux "), "{}", place.machine);
        assert_eq!(field("model name\t: A 1\ncache : 2", "model name"), Some("A 1"));
    }
}
