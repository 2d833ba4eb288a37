//! How many system calls a server makes, counted by strace. That slows it down, so such a run has no other figures.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::process::{Process, Program};
use crate::{Result, cpu};

/// How long strace may take to attach, and to write its sums.
const WITHIN: Duration = Duration::from_secs(10);

/// strace at work.
pub(super) struct Trace {
    process: Process,
    sums: PathBuf,
}

impl Trace {
    /// Counts the calls of this process, its threads and all its descendants from now on.
    pub(super) fn start(root: u32, folder: &Path) -> Result<Self> {
        let sums = folder.join("strace.sums");
        let mut words = ["strace", "-f", "-c", "-o", &sums.to_string_lossy()].map(str::to_owned).to_vec();
        for pid in cpu::tree(root)? {
            words.extend(["-p".to_owned(), pid.to_string()]);
        }
        let program = Program {
            words: &words,
            core: None,
            folder,
            log: folder.join("strace.log"),
            is_read: false,
            environment: &[],
        };
        let mut process = Process::start("strace", program)?;
        process.until(WITHIN, "does not attach", |process| process.log().contains("attached"))?;
        Ok(Self { process, sums })
    }

    /// The number of calls so far.
    pub(super) fn end(mut self) -> Result<u64> {
        self.process.signal(Signal::INT)?;
        self.process.wait(WITHIN)?;
        let sums = fs::read_to_string(&self.sums).map_err(|_| self.process.fault("has written no sums"))?;
        total(&sums).ok_or_else(|| self.process.fault("has written sums without a total"))
    }
}

/// The calls in the last line: `100.00    0.170441           4     36520      1502 total`.
fn total(sums: &str) -> Option<u64> {
    let line = sums.lines().rev().find(|line| line.ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        let sums = "% time     seconds  usecs/call     calls    errors syscall\n\
                    ------ ----------- ----------- --------- --------- ----------------\n\
                    \x20 0.00    0.000000           0         2           read\n\
                    100.00    0.170441           4     36520      1502 total\n";
        assert_eq!(total(sums), Some(36_520));
        assert_eq!(total(""), None);
    }
}
