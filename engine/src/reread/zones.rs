//! Zone files of DNS lists that have changed.

use super::looked::Looked;
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

impl Zones {
    /// The files of the generation that serves.
    pub(super) fn new(control: &Control) -> Self {
        let generation = control.served().generation;
        let watched = |file: &ZoneFile| {
            let lists = generation.dns_lists().filter(|list| list.files.contains(file));
            let lists = lists.map(|list| list.name.clone()).collect();
            Watched { lists, file: file.clone(), looked: Looked::new(file.stamp) }
        };
        let files = generation.zones.iter().map(watched).collect();
        Self { generation: generation.number, files }
    }

    /// Reads those that have changed, and publishes what was read.
    pub(super) async fn look(&mut self, control: &Control) {
        for index in 0..self.files.len() {
            let Some(watched) = self.files.get_mut(index) else { return };
            if !watched.looked.is_due(stamp(&watched.file.path)) {
                continue;
            }
            let (path, format) = (watched.file.path.clone(), watched.file.format);
            // Millions of entries take seconds; checks and the admin socket go on meanwhile.
            let read = tokio::task::spawn_blocking(move || read_zone_file(&Disk, &path, format)).await;
            let read = read.unwrap_or_else(|ended| Err(Unread::Fault(ended.to_string())));
            match watched.looked.outcome(stamp(&watched.file.path), read) {
                None => {}
                Some(Ok(file)) => {
                    watched.file = file;
                    self.publish(control, index);
                }
                Some(Err(reason)) => {
                    let name = watched.lists.first().map_or("", String::as_str);
                    super::report(control, name, &watched.file.path, &reason);
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
