//! What an operator puts into lists while weir runs, each entry for a time. The files are not touched; a reload keeps the
//! entries, a restart does not.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use weir_lang::list::{List, Of};

use crate::control::Control;
use crate::generation::Reread;
use crate::limits::EDITS_MAX;

/// The entries of all lists.
#[derive(Debug, Default)]
pub struct Edits(Mutex<Vec<Edit>>);

#[derive(Clone, Debug)]
struct Edit {
    list: String,
    entry: String,
    until: Instant,
}

impl Edits {
    /// Puts an entry into a list for a time such as `1h`.
    pub fn add(&self, control: &Control, list: &str, entry: &str, ttl: &str) -> Result<String, String> {
        let (_, of) = find(control, list)?;
        of.check_entry(entry)?;
        let ttl = time(ttl).ok_or_else(|| format!("`{ttl}` is no time, such as 90s, 30m, 1h or 7d"))?;
        let seconds = ttl.as_secs();
        let mut edits = self.lock();
        if edits.len() >= EDITS_MAX {
            return Err(format!("{EDITS_MAX} entries are in lists already; write more into their files"));
        }
        edits.retain(|edit| edit.list != list || edit.entry != entry);
        edits.push(Edit { list: list.to_owned(), entry: entry.to_owned(), until: Instant::now() + ttl });
        drop(edits);
        self.apply(control);
        let event = control.log.event("list_add").field("list", list);
        event.field("entry", entry).field("seconds", seconds).emit();
        Ok(format!("{list} has {entry} for {seconds} s"))
    }

    /// Takes an entry out again that was put in.
    pub fn delete(&self, control: &Control, list: &str, entry: &str) -> Result<String, String> {
        find(control, list)?;
        let mut edits = self.lock();
        let before = edits.len();
        edits.retain(|edit| edit.list != list || edit.entry != entry);
        if edits.len() == before {
            return Err(format!(
                "`{entry}` was not put into `{list}`; entries of its file are changed in the file"
            ));
        }
        drop(edits);
        self.apply(control);
        control.log.event("list_del").field("list", list).field("entry", entry).emit();
        Ok(format!("{entry} is taken out of {list}"))
    }

    /// What was put into a list, and for how long still.
    pub fn show(&self, control: &Control, list: &str) -> Result<String, String> {
        find(control, list)?;
        let now = Instant::now();
        let mut text = String::new();
        for edit in self.lock().iter().filter(|edit| edit.list == list && edit.until > now) {
            let left = edit.until.saturating_duration_since(now).as_secs();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} for {left} s", edit.entry);
        }
        Ok(if text.is_empty() { format!("nothing was put into {list}") } else { text.trim_end().to_owned() })
    }

    /// Drops what has had its time.
    pub fn expire(&self, control: &Control) {
        let now = Instant::now();
        let mut edits = self.lock();
        let before = edits.len();
        edits.retain(|edit| edit.until > now);
        let is_less = edits.len() < before;
        drop(edits);
        if is_less {
            self.apply(control);
        }
    }

    /// Makes the entries count for the generation that serves.
    fn apply(&self, control: &Control) {
        let generation = control.served().generation.number;
        let mut by_list: HashMap<String, Vec<String>> = HashMap::new();
        for edit in self.lock().iter() {
            by_list.entry(edit.list.clone()).or_default().push(edit.entry.clone());
        }
        let lists = by_list.iter().filter_map(|(name, entries)| {
            // A list that these rules do not have, or have otherwise, takes nothing.
            let (index, of) = find(control, name).ok()?;
            let list = List::from_entries(of, entries.iter().map(String::as_str)).ok()?;
            Some((index, Arc::new(list)))
        });
        let added: HashMap<usize, Arc<List>> = lists.collect();
        control.publish_lists(generation, |now| Reread {
            lists: now.lists.clone(),
            maps: now.maps.clone(),
            added,
            zones: now.zones.clone(),
            ..Reread::default()
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Edit>> {
        // Nothing that holds it can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A list that can be changed, by its name.
fn find(control: &Control, name: &str) -> Result<(usize, Of), String> {
    let plan = Arc::clone(&control.served().generation.plan);
    let known = || {
        let names = plan.lists().map(|(spec, _)| spec.name.as_str()).filter(|name| !name.is_empty());
        names.collect::<Vec<_>>().join(", ")
    };
    let index = plan.list(name).ok_or_else(|| format!("no list `{name}`; there are: {}", known()))?;
    let of = plan.lists().nth(index).and_then(|(spec, _)| Of::named(&spec.of));
    match of {
        Some(Of::Phrase) | None => Err(format!("`{name}` is a list of phrases; change its file and reload")),
        Some(of) => Ok((index, of)),
    }
}

/// `90s`, `30m`, `1h`, `7d`.
fn time(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
    Some(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(time("90s"), Some(Duration::from_secs(90)));
        assert_eq!(time("7d"), Some(Duration::from_hours(168)));
        for bad in ["", "h", "0s", "1", "1w", "-1h", "1.5h"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
