//! What a node has used, over restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cpu::{self, Cpu};
use crate::measure;

const NOTHING: Cpu = Cpu { total: Duration::ZERO, user_ticks: 0, system_ticks: 0 };

/// CPU and memory of a node.
#[derive(Debug)]
pub(crate) struct Meter {
    root: Option<u32>,
    /// Of the processes that it was before.
    before: Cpu,
    /// The last reading, which counts when the process is gone.
    last: Cpu,
    pub(crate) rss_bytes: u64,
    pub(crate) rss_peak_bytes: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self { root: None, before: NOTHING, last: NOTHING, rss_bytes: 0, rss_peak_bytes: 0 }
    }
}

impl Meter {
    /// Reads this process and its descendants from now on.
    pub(crate) fn follow(&mut self, root: u32) {
        self.root = Some(root);
    }

    /// The process is about to end.
    pub(crate) fn let_go(&mut self) {
        self.read();
        self.before = self.before.and(std::mem::replace(&mut self.last, NOTHING));
        self.root = None;
        self.rss_bytes = 0;
    }

    /// What each thread of its first process has used since that started.
    pub(crate) fn threads(&self) -> BTreeMap<u32, Duration> {
        self.root.map(cpu::threads).unwrap_or_default()
    }

    /// What was used since the first start. A process that is gone has its last reading.
    pub(crate) fn read(&mut self) -> Cpu {
        if let Some(root) = self.root {
            // The process may end while we look.
            if let Ok(cpu) = cpu::read(root) {
                self.last = cpu;
            }
            if let Ok(memory) = measure::memory(root) {
                // A page that several processes share counts once.
                self.rss_bytes = memory.pss;
                self.rss_peak_bytes = self.rss_peak_bytes.max(memory.pss);
            }
        }
        self.before.and(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Process, Program};

    fn busy() -> Process {
        let words = ["sh", "-c", "while :; do :; done"].map(str::to_owned);
        let folder = std::env::temp_dir();
        Process::start("a shell", Program::plain(&words, None, &folder, "/dev/null".into()))
            .expect("there is a shell")
    }

    #[test]
    fn what_was_used_before_a_restart_still_counts() {
        let mut meter = Meter::default();
        assert_eq!(meter.read().total, Duration::ZERO);
        let mut before = Duration::ZERO;
        for _restart in 0..2 {
            let process = busy();
            meter.follow(process.pid());
            // Until the clock says so: how long it takes is the machine's business.
            while meter.read().total < before + Duration::from_millis(20) {}
            assert!(meter.rss_bytes > 0 && meter.rss_peak_bytes >= meter.rss_bytes);
            before = meter.read().total;
            meter.let_go();
            assert!(meter.read().total >= before && meter.rss_bytes == 0);
        }
    }
}
