//! What `weir ctl show` prints: plain tables, a line a thing.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use crate::control::Control;
use crate::dns::Zone;
use crate::facts;
use crate::generation::Probe;
use crate::table::ENTRIES_MAX;

/// Rows under a header, in columns as wide as their widest cell.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn print(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// `show info`
pub fn info(control: &Control) -> String {
    let served = control.served();
    let generation = &served.generation;
    let mut text = String::new();
    let mut line = |key: &str, value: String| _ = writeln!(text, "{key:<12}{value}");
    line("version", env!("CARGO_PKG_VERSION").to_owned());
    line("role", generation.plan.role().unwrap_or("none").to_owned());
    line("generation", generation.number.to_string());
    line("digest", generation.digest());
    line("uptime", format!("{} s", control.process.seconds()));
    line("sessions", control.sessions().to_string());
    for listener in &generation.listeners {
        let open = served.rooms.get(&listener.label).map_or(0, |room| room.sessions());
        let addresses: Vec<String> = listener.bind.iter().map(ToString::to_string).collect();
        line(
            "listener",
            format!("{} {} sessions {open}/{}", listener.label, addresses.join(","), listener.sessions),
        );
    }
    text.trim_end().to_owned()
}

/// `show pools`: what the rule file says, what the operator wants and what the checks found, apart.
pub fn pools(control: &Control) -> String {
    let mut table = Table::new(&[
        "SERVER",
        "ADDRESS",
        "CONFIG",
        "ADMIN",
        "HEALTH",
        "BUSY",
        "ACCEPTED",
        "REFUSED",
        "BROKEN",
        "CHECKS FAILED",
    ]);
    for pool in &control.served().generation.pools {
        for member in &pool.members {
            let (spec, server) = (&member.spec, &member.server);
            let backup = if spec.backup { " backup" } else { "" };
            table.row(vec![
                format!("{}/{}", pool.spec.name, spec.name),
                spec.address.to_string(),
                format!("weight {} slots {}{backup}", spec.weight, spec.slots),
                server.admin().word().to_owned(),
                String::from(if server.is_up() { "up" } else { "down" }),
                server.busy().to_string(),
                server.accepted.load(Relaxed).to_string(),
                server.refused.load(Relaxed).to_string(),
                server.broken.load(Relaxed).to_string(),
                server.check_failures.load(Relaxed).to_string(),
            ]);
        }
    }
    table.print()
}

/// `show lookups`: the DNS lists that rules ask.
pub fn lookups(control: &Control) -> String {
    let mut table = Table::new(&["LIST", "SOURCE", "ENTRIES", "MIB", "PROBE", "HEALTH", "REASON"]);
    let served = control.served();
    for list in served.generation.dns_lists() {
        let zones = || list.files.iter().map(|file| served.reread.zone(&served.generation, file));
        let (entries, bytes) =
            (zones().map(Zone::entries).sum::<usize>(), zones().map(Zone::memory_bytes).sum::<usize>());
        let of_files = |text: String| if list.files.is_empty() { String::from("-") } else { text };
        let paths: Vec<&str> = list.files.iter().map(|file| file.path.as_str()).collect();
        let every = |probe: &Probe| format!("every {} s", probe.every.as_secs_f64());
        table.row(vec![
            list.name.clone(),
            if list.files.is_empty() { list.zone.clone() } else { paths.join(" ") },
            of_files(entries.to_string()),
            of_files((bytes >> 20).to_string()),
            list.probe.as_ref().map_or_else(|| String::from("off"), every),
            String::from(match (&list.probe, list.health.is_off()) {
                (None, _) => "not probed",
                (Some(_), true) => "off",
                (Some(_), false) => "on",
            }),
            list.health.reason().unwrap_or_default(),
        ]);
    }
    table.print()
}

/// `show rules`
pub fn rules(control: &Control) -> String {
    let generation = control.served().generation;
    let plan = &generation.plan;
    let mut table = Table::new(&["RULE", "WEIGHT", "GROUP", "STATE", "AT", "TEXT"]);
    for rule in plan.rules() {
        let group =
            rule.group.and_then(|group| plan.groups().get(group)).map_or("-", |group| group.name.as_str());
        let state = match (rule.off, rule.shadow) {
            (true, _) => "off",
            (false, true) => "shadow",
            (false, false) => "on",
        };
        table.row(vec![
            rule.name.clone(),
            rule.weight.map_or_else(|| String::from("-"), |weight| weight.to_string()),
            group.to_owned(),
            state.to_owned(),
            rule.location.to_string(),
            rule.text.clone().unwrap_or_default(),
        ]);
    }
    table.print()
}

/// `show store`: where the tables are kept and how that does.
pub fn store(control: &Control) -> String {
    let report = control.process.tables.report();
    let mut text = String::new();
    let mut line = |key: &str, value: &dyn std::fmt::Display| _ = writeln!(text, "{key:<12}{value}");
    line("store", &control.store());
    line("healthy", if report.healthy { &"yes" } else { &"no" });
    line("entries", &format_args!("{}/{ENTRIES_MAX}", report.entries));
    line("evicted", &report.evicted);
    line("untold", &report.untold);
    line("lost", &report.lost);
    line("answered", &report.answered);
    line("unanswered", &report.unanswered);
    text.trim_end().to_owned()
}

/// `store show NAME KEY` and `store forget NAME KEY`: what `remember KEY ... as NAME` keeps on this host.
pub fn remembered(control: &Control, word: &str, name: &str, key: &str) -> Result<String, String> {
    let tables = &control.process.tables;
    let mut text = String::new();
    let mut is_kept = false;
    for (shown, digest) in facts::keys_of(tables, name, key) {
        let left = tables.left(digest);
        if word == "forget" {
            // A shared store may have one that is not known here.
            tables.forget(digest);
        }
        if let Some((seconds, _)) = left {
            is_kept = true;
            _ = match word {
                "forget" => writeln!(text, "{shown} is forgotten"),
                _ => writeln!(text, "{shown} is remembered as {name} for {seconds} s"),
            };
        }
    }
    match (is_kept, word) {
        (true, _) => Ok(text.trim_end().to_owned()),
        (false, "forget") => {
            Ok(format!("{key} is not remembered as {name} on this host; a shared store forgets it"))
        }
        (false, _) => Err(format!("{key} is not remembered as {name} on this host")),
    }
}

/// `show stat`: quantiles of all times that are measured, since the start.
pub fn stat(control: &Control) -> String {
    let mut table = Table::new(&["TIME", "OF", "COUNT", "P50 MS", "P90 MS", "P99 MS", "MAX MS"]);
    let milliseconds = |time: std::time::Duration| format!("{:.3}", time.as_secs_f64() * 1000.0);
    for summary in control.process.metrics.quantiles() {
        table.row(vec![
            summary.name.to_owned(),
            summary.labels.join(" "),
            summary.count.to_string(),
            milliseconds(summary.p50),
            milliseconds(summary.p90),
            milliseconds(summary.p99),
            milliseconds(summary.max),
        ]);
    }
    table.print()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["A", "LONG"]);
        table.row(vec![String::from("wide cell"), String::from("x")]);
        assert_eq!(table.print(), "A          LONG\nwide cell  x");
    }
}
