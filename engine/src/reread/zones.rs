//! Zone files of DNS lists that have changed.

use super::looked::{Looked, RESTLESS};
use crate::config::{Disk, Unread, read_zone_file};
use crate::control::Control;
use crate::export;
use crate::generation::{Reread, ZoneFile, stamp};

/// The zone files of one generation, as they were at the last look.
pub(super) struct Zones {
    generation: u64,
    files: Vec<Watched>,
}

struct Watched {
    /// The lists that it is of.
    lists: Vec<String>,
    file: ZoneFile,
    looked: Looked,
}

impl Watched {
    /// The first of its lists, for the log.
    fn name(&self) -> &str {
        self.lists.first().map_or("", String::as_str)
    }
}

/// What is said of a file whose last line has no end.
const NOT_ENDED: &str = "its last line has no end, so it may be cut off";

/// rbldnsd takes such a file and warns, and so does a load of the rules. While the file's entries of before are at hand they are the
/// better choice: cut off, a network may be a thousand times as wide.
fn ended(file: ZoneFile) -> Result<ZoneFile, Unread> {
    if file.zone.is_ended() { Ok(file) } else { Err(Unread::Fault(String::from(NOT_ENDED))) }
}

impl Zones {
    /// The files of the generation that serves.
    pub(super) fn new(control: &Control) -> Self {
        let generation = control.served().generation;
        let watched = |file: &ZoneFile| {
            let lists = generation.dns_lists().filter(|list| list.files.contains(file));
            let lists = lists.map(|list| list.name.clone()).collect();
            Watched { lists, file: file.clone(), looked: Looked::new(file.stamp) }
        };
        let files: Vec<Watched> = generation.zones.iter().map(watched).collect();
        for watched in files.iter().filter(|watched| !watched.file.zone.is_ended()) {
            let event = control.log.event("list").field("list", watched.name());
            event.field("path", &watched.file.path).field("fault", NOT_ENDED).emit();
        }
        Self { generation: generation.number, files }
    }

    /// Reads those that have changed, and publishes what was read.
    pub(super) async fn look(&mut self, control: &Control) {
        for index in 0..self.files.len() {
            let Some(watched) = self.files.get_mut(index) else { return };
            if !watched.looked.is_due(stamp(&watched.file.path)) {
                if watched.looked.is_restless() {
                    super::report(control, watched.name(), &watched.file.path, RESTLESS);
                }
                continue;
            }
            let (path, format) = (watched.file.path.clone(), watched.file.format);
            // Millions of entries take seconds; checks and the admin socket go on meanwhile.
            let read = move || read_zone_file(&Disk, &path, format).and_then(ended);
            let read = tokio::task::spawn_blocking(read).await;
            let read = read.unwrap_or_else(|ended| Err(Unread::Fault(ended.to_string())));
            match watched.looked.outcome(stamp(&watched.file.path), read) {
                None => {}
                Some(Ok(file)) => {
                    watched.file = file;
                    self.publish(control, index);
                }
                Some(Err(reason)) => {
                    super::report(control, watched.name(), &watched.file.path, &reason);
                }
            }
        }
    }

    fn publish(&self, control: &Control, index: usize) {
        let Some(watched) = self.files.get(index) else { return };
        let zones: Vec<ZoneFile> = self.files.iter().map(|watched| watched.file.clone()).collect();
        control.publish_lists(self.generation, |now| Reread {
            lists: now.lists.clone(),
            maps: now.maps.clone(),
            added: now.added.clone(),
            zones,
            ..Reread::default()
        });
        for name in &watched.lists {
            export::dnsbl(&control.process.metrics, &control.served(), name);
            let zone = &watched.file.zone;
            let event = control.log.event("list").field("list", name).field("entries", zone.entries());
            event.field("bytes", zone.memory_bytes()).emit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dns::{Zone, ZoneFormat};

    /// `45.12.3.0/24`, cut off by a full disk, listed 45.0.0.0/8.
    #[test]
    fn a_zone_that_is_cut_off_is_not_taken_anew() {
        let read = |text: &str| {
            let zone = Zone::read(ZoneFormat::Ip4Trie, text.as_bytes()).unwrap();
            let (path, format) = (String::from("own.ip4trie"), ZoneFormat::Ip4Trie);
            ended(ZoneFile { path, format, stamp: None, zone: Arc::new(zone) })
        };
        for whole in ["", "45.12.3.0/24\n", "45.12.3.0/24\r\n\n# no more\n"] {
            assert!(read(whole).is_ok(), "{whole:?}");
        }
        for cut in ["127.0.0.1\n45", "127.0.0.1\n45.12.3", "127.0.0.1\n# the e"] {
            assert_eq!(read(cut).unwrap_err(), Unread::Fault(String::from(NOT_ENDED)));
        }
    }
}
