//! What a source tells while it runs, for who watches several of them.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Load, PROGRESS_EVERY};

/// The time since the sample before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Since the source began.
    pub(crate) seconds: f64,
    pub(crate) accepted: u64,
    /// Refused, not taken and unsure.
    pub(crate) failed: u64,
    /// Latencies and how many messages had them, in the steps of [`super::histogram`].
    pub(crate) latency_us: Vec<(u64, u64)>,
}

impl Load {
    pub(super) async fn print_samples(self: Rc<Self>) {
        loop {
            tokio::time::sleep(PROGRESS_EVERY).await;
            self.print_sample();
        }
    }

    pub(super) fn print_sample(&self) {
        let sample = self.tally.borrow_mut().sample(self.began.elapsed().as_secs_f64());
        if let Ok(line) = serde_json::to_string(&sample) {
            println!("{line}");
        }
    }
}
