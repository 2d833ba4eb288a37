//! CPU time of a process and all that it started, from /proc.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Result;

/// What a process, its threads and its descendants have used since they started, with those that have ended meanwhile and were
/// waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    /// On a CPU, user and system together: exact (`task/*/schedstat`) for what still runs, in steps of 10 ms for what has ended.
    pub(crate) total: Duration,
    /// User and system in clock ticks of 10 ms (`stat`): good for their proportion.
    pub(crate) user_ticks: u64,
    /// See `user_ticks`.
    pub(crate) system_ticks: u64,
}

/// A clock tick of `/proc`.
const TICK_MS: u64 = 10;

impl Cpu {
    /// Of both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            user_ticks: self.user_ticks + other.user_ticks,
            system_ticks: self.system_ticks + other.system_ticks,
        }
    }

    /// What was used since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
        }
    }
}

/// Reads the whole tree below `root`. A descendant that ends between two readings is not lost: its parent has its time, once
/// it was waited for.
pub(crate) fn read(root: u32) -> Result<Cpu> {
    let nothing = Cpu { total: Duration::ZERO, user_ticks: 0, system_ticks: 0 };
    Ok(of_tree(root, of_process)?.into_iter().fold(nothing, Cpu::and))
}

/// What is read of `root` and each of its descendants.
pub(crate) fn of_tree<T>(root: u32, of_process: impl Fn(u32) -> Result<T>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for pid in tree(root)? {
        match of_process(pid) {
            Ok(own) => all.push(own),
            // It has ended since we saw it.
            Err(_) if pid != root && !exists(pid) => {}
            Err(error) => return Err(format!("process {pid}: {error}").into()),
        }
    }
    Ok(all)
}

/// A process alone, with the children that it waited for.
fn of_process(pid: u32) -> Result<Cpu> {
    // Of a thread that has ended since, `stat` has the time.
    let running: Duration = threads(pid).values().sum();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // proc(5): fields 14 to 17 are user, system and the same of children; the first behind the name is field 3.
    let mut fields = after_name(&stat).split(' ').skip(11);
    let (user, system) = (number(fields.next())?, number(fields.next())?);
    let (children_user, children_system) = (number(fields.next())?, number(fields.next())?);
    let ticks = |count: u64| Duration::from_millis(count * TICK_MS);
    // Threads that have ended are in the ticks only.
    let total = running.max(ticks(user + system)) + ticks(children_user + children_system);
    Ok(Cpu { total, user_ticks: user + children_user, system_ticks: system + children_system })
}

/// What each thread of a process has used, by its id; nothing when the process is gone.
pub(crate) fn threads(pid: u32) -> BTreeMap<u32, Duration> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let used = |task: fs::DirEntry| {
        let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanoseconds = number(schedstat.split(' ').next()).ok()?;
        Some((task.file_name().to_string_lossy().parse().ok()?, Duration::from_nanos(nanoseconds)))
    };
    tasks.filter_map(used).collect()
}

fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// User and system time of all children of this process that have ended and were waited for, in steps of 10 ms.
pub(crate) fn of_children() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // proc(5): fields 16 and 17; the first behind the name is field 3.
    let mut fields = after_name(&stat).split(' ').skip(13);
    let ticks = number(fields.next())? + number(fields.next())?;
    Ok(Duration::from_millis(ticks * TICK_MS))
}

/// `root` and all its descendants.
pub(crate) fn tree(root: u32) -> Result<Vec<u32>> {
    let mut parents: Vec<(u32, u32)> = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // A process may end while we look.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if let Some(parent) = after_name(&stat).split(' ').nth(1).and_then(|field| field.parse().ok()) {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, its_parent)| *its_parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    Ok(found)
}

/// When a process started, in ticks since the machine did; `None` when it has ended, be it that nobody waited for it yet.
pub(crate) fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // proc(5): the state is field 3, the first behind the name, and the start is field 22.
    let mut fields = after_name(&stat).split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The fields behind the name, which may itself have blanks and brackets.
fn after_name(stat: &str) -> &str {
    stat.rsplit_once(") ").map_or("", |(_, fields)| fields)
}

fn number(field: Option<&str>) -> Result<u64> {
    Ok(field.ok_or("a short line in /proc")?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn work_is_counted() {
        let before = read(std::process::id()).expect("our own /proc entry");
        let mut sum = 0_u64;
        let mut after = before;
        // Until the clock says so: how long it takes is the machine's business.
        while after.since(&before).total < Duration::from_millis(20) {
            sum = (0..100_000_u64).fold(sum, |sum, n| sum ^ n.wrapping_mul(sum | 1));
            after = read(std::process::id()).expect("our own /proc entry");
        }
        assert!(after.total > before.total, "{sum}");
        let threads = threads(std::process::id());
        assert!(
            threads.len() > 1 && threads.values().any(|used| *used >= Duration::from_millis(5)),
            "{threads:?}"
        );
    }

    #[test]
    fn work_of_children_is_counted() {
        let before = of_children().expect("our own /proc entry");
        // Until the clock says so, as above.
        while of_children().expect("our own /proc entry") < before + Duration::from_millis(20) {
            let count = ["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"];
            let status = Command::new("sh").args(count).status();
            assert!(status.expect("there is a shell").success());
        }
    }

    #[test]
    fn work_of_a_descendant_that_has_ended_is_not_lost() {
        // The shell waits for a child that works, says so, and stays.
        let script = "(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done); echo; read line";
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        shell.stdout.take().unwrap().read_exact(&mut [0]).expect("its line");
        let used = read(shell.id()).expect("it still runs");
        assert_eq!(tree(shell.id()).unwrap().len(), 1, "the child has ended");
        drop(shell.stdin.take());
        shell.wait().expect("it ends with its input");
        assert!(used.total >= Duration::from_millis(TICK_MS), "{used:?}");
        assert!(used.user_ticks + used.system_ticks > 0, "{used:?}");
    }

    #[test]
    fn a_name_with_brackets_is_skipped() {
        assert_eq!(after_name("7 (a) b) S 1 2"), "S 1 2");
    }
}
