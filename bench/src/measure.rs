//! What a server takes besides CPU time ([`crate::cpu`]): memory and system calls, of all its processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::cpu::{of_tree, tree};
use crate::process::wait_until;

/// How long strace may take to attach to all processes, and to write its summary.
const STRACE_WITHIN: Duration = Duration::from_secs(20);

/// Memory of a process and all its descendants, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident now. A page that several processes share counts for each.
    pub(crate) rss: u64,
    /// The same, but a shared page counts once: what a server of many processes really takes.
    pub(crate) pss: u64,
    /// The most that each process alive now ever had, summed (`VmHWM`). What has ended is missing: for that, look often.
    pub(crate) rss_peak: u64,
}

/// Reads the whole tree below `root`.
pub(crate) fn memory(root: u32) -> Result<Memory> {
    let all = of_tree(root, of_process).map_err(|error| format!("memory of {error}"))?;
    Ok(all.into_iter().fold(Memory::default(), |sum, own| Memory {
        rss: sum.rss + own.rss,
        pss: sum.pss + own.pss,
        rss_peak: sum.rss_peak + own.rss_peak,
    }))
}

fn of_process(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    // One that has ended, and that nobody waited for yet, has no memory.
    let Some(rss) = kibibytes(&status, "VmRSS:") else { return Ok(Memory::default()) };
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let pss = kibibytes(&rollup, "Pss:").ok_or("no Pss in smaps_rollup")?;
    let rss_peak = kibibytes(&status, "VmHWM:").ok_or("no VmHWM in status")?;
    Ok(Memory { rss, pss, rss_peak })
}

/// The bytes of a line `NAME   12 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// A count of system calls under way. The processes are much slower meanwhile, so no other figure is taken from such a run.
pub(crate) struct Syscalls {
    strace: Child,
    summary: PathBuf,
}

impl Syscalls {
    /// Attaches to all processes below `root`, and to those that they start; its files are in `folder`.
    pub(crate) fn start(root: u32, folder: &Path) -> Result<Self> {
        let pids = tree(root)?;
        let (summary, log) = (folder.join("strace.summary"), folder.join("strace.log"));
        let list = pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let mut strace = Command::new("strace")
            .args(["-f", "-c", "-U", "calls,name", "-p", &list, "-o"])
            .arg(&summary)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| format!("strace: {error}; apt-get install strace"))?;
        let attached = || fs::read_to_string(&log).unwrap_or_default();
        let all = |text: &str| pids.iter().all(|pid| text.contains(&format!("Process {pid} attached")));
        let ready = wait_until(STRACE_WITHIN, || {
            // Also when it could not attach, which its log says.
            Ok(all(&attached()) || strace.try_wait()?.is_some())
        });
        let counting = Self { strace, summary };
        if ready? && all(&attached()) {
            return Ok(counting);
        }
        Err(format!("strace does not attach to {list}: {}", attached().trim()).into())
    }

    /// Lets the processes go; how many calls there were.
    pub(crate) fn finish(mut self) -> Result<u64> {
        // It detaches and writes its summary.
        Command::new("kill").args(["-INT", &self.strace.id().to_string()]).status()?;
        if !wait_until(STRACE_WITHIN, || Ok(self.strace.try_wait()?.is_some()))? {
            return Err("strace does not end".into());
        }
        let text = fs::read_to_string(&self.summary)
            .map_err(|error| format!("{}: {error}", self.summary.display()))?;
        // No call at all makes no table.
        if text.trim().is_empty() {
            return Ok(0);
        }
        total(&text).ok_or_else(|| format!("a summary of strace without a total: {text}").into())
    }
}

impl Drop for Syscalls {
    fn drop(&mut self) {
        // It may have ended by itself. The processes go on without it.
        drop(self.strace.kill());
        drop(self.strace.wait());
    }
}

/// The number in strace's last line, `203 total`.
fn total(summary: &str) -> Option<u64> {
    summary.lines().find_map(|line| line.trim().strip_suffix("total")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn memory_that_is_used_is_seen() {
        const BYTES: usize = 32 << 20;
        let before = memory(std::process::id()).unwrap();
        let mut taken = vec![0_u8; BYTES];
        taken.iter_mut().step_by(1024).for_each(|byte| *byte = 1);
        let after = memory(std::process::id()).unwrap();
        let peak = after.rss_peak;
        drop(std::hint::black_box(taken));
        assert!(after.rss >= before.rss + BYTES as u64 / 2, "{before:?} {after:?}");
        assert!(after.pss > before.pss && after.pss <= after.rss, "{before:?} {after:?}");
        assert!(peak >= after.rss - after.rss / 4, "{after:?}");
        let error = memory(u32::MAX).unwrap_err().to_string();
        assert!(error.starts_with("memory of process 4294967295: "), "{error}");
    }

    #[test]
    fn system_calls_are_counted() {
        const ROUNDS: u64 = 100;
        let folder = std::env::temp_dir().join(format!("weir-bench-strace-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut cat =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is a cat");
        let (mut stdin, mut stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
        let mut echo = || {
            stdin.write_all(b"x").unwrap();
            stdout.read_exact(&mut [0]).unwrap();
        };
        // Its start is over.
        echo();
        let counting = Syscalls::start(cat.id(), &folder).unwrap();
        (0..ROUNDS).for_each(|_| echo());
        let calls = counting.finish().unwrap();
        echo();
        drop(stdin);
        cat.wait().unwrap();
        fs::remove_dir_all(&folder).unwrap();
        // A read and a write for each; the read in which it is found and the one in which it is left may count or not.
        assert!((2 * ROUNDS - 2..=2 * ROUNDS + 2).contains(&calls), "{calls}");
    }

    #[test]
    fn a_process_that_is_not_there_cannot_be_traced() {
        let folder = std::env::temp_dir().join(format!("weir-bench-no-process-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let error = Syscalls::start(u32::MAX, &folder).err().unwrap().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(error.starts_with("strace does not attach to 4294967295: "), "{error}");
    }
}
