//! Orders on standard input, by which faults are changed while a stand-in runs: the words of its options, one a line.
//!
//! ```text
//! latency dot=20ms        as --latency dot=20ms, in the place of what was said of latency before
//! latency none            no latency
//! none                    no fault at all
//! ```

use std::io::{BufRead as _, IsTerminal as _};

use clap::Args;
use tokio::sync::mpsc;

use crate::Result;

/// Orders that wait to be obeyed; who writes more waits with them.
const WAITING_MAX: usize = 64;

/// Faults that orders can change.
pub(crate) trait Faults: Args + Default {
    /// Takes the faults of this word from `new`; false if there are no such.
    fn take(&mut self, word: &str, new: Self) -> bool;
}

/// Obeys the orders of standard input until it ends, and says of each on standard error what became of it.
pub(crate) async fn obey(mut order: impl FnMut(&str) -> std::result::Result<(), String>) -> Result<()> {
    let mut lines = lines()?;
    while let Some(line) = lines.recv().await {
        match order(line.trim()) {
            Ok(()) => eprintln!("done: {line}"),
            Err(why) => eprintln!("not done: {line}: {why}"),
        }
    }
    Ok(())
}

/// The lines of standard input, read by a thread.
fn lines() -> Result<mpsc::Receiver<String>> {
    let (sender, lines) = mpsc::channel(WAITING_MAX);
    if is_ours() {
        let read = move || {
            for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
                if !line.trim().is_empty() && sender.blocking_send(line).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name(String::from("orders")).spawn(read)?;
    }
    Ok(lines)
}

/// Whether standard input is there for us: a program in the background that reads from its terminal is stopped.
fn is_ours() -> bool {
    if !std::io::stdin().is_terminal() {
        return true;
    }
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ').collect();
    // proc(5): its process group is field 5, the foreground group of its terminal field 8; the first here is field 3.
    fields.get(2).is_some_and(|group| fields.get(5) == Some(group))
}

/// Obeys one order.
pub(crate) fn change<F: Faults>(faults: &mut F, line: &str) -> std::result::Result<(), String> {
    if line == "none" {
        *faults = F::default();
        return Ok(());
    }
    let (word, value) = line.split_once(' ').ok_or("an order is a word and a value, or `none`")?;
    let value = value.trim();
    let new = if value == "none" { F::default() } else { read(word, value)? };
    if faults.take(word, new) { Ok(()) } else { Err(format!("`{word}` is no fault")) }
}

/// Reads what would be said as `--word value`.
fn read<F: Faults>(word: &str, value: &str) -> std::result::Result<F, String> {
    let options = F::augment_args(clap::Command::new("order").no_binary_name(true).disable_help_flag(true));
    let said = |error: clap::Error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        first.trim_start_matches("error: ").to_owned()
    };
    let matches = options.try_get_matches_from([format!("--{word}"), value.to_owned()]).map_err(said)?;
    F::from_arg_matches(&matches).map_err(said)
}
