//! What the sink and the stand-ins for DNS and clamd have in common.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::Result;
use crate::value::duration;

#[derive(Args)]
pub(crate) struct Common {
    /// End after this time.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) within: Option<Duration>,
    /// The same seed makes the same throws for faults.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print the summary as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Pause after an accept that failed, which is for want of descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Waits for SIGINT, SIGTERM or the end of the time.
pub(crate) async fn until_ended(within: Option<Duration>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let ended = async {
        match within {
            Some(within) => tokio::time::sleep(within).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
        () = ended => {}
    }
    Ok(())
}

/// Counts by name, for a human.
pub(crate) fn listed<K: Display>(counts: &BTreeMap<K, u64>) -> String {
    let words: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if words.is_empty() { String::from("none") } else { words.join(", ") }
}
