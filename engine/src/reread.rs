//! Lists and maps are read anew by themselves when their files change: nobody has to load rules to block an address.
//!
//! Each file is taken whole or not at all: it is read when it was the same at two looks, and once more when it has changed meanwhile. One
//! with a fault leaves the entries that were, is counted and is said in the log. Zone files of DNS lists are watched as lists are. Lists of
//! phrases are part of the pattern engine and wait for the next load of the rules.

mod looked;
mod zones;

pub mod certificates;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use weir_lang::list::{Fault, List, Map, Of};
use weir_lang::plan::{Origin, Plan};
use weir_lang::scheme::Type;

use crate::config::{Disk, Unread};
use crate::control::Control;
use crate::edits::Edits;
use crate::export;
use crate::generation::{Reread, Stamp, stamp};
use crate::limits::LISTS_EVERY;
use crate::metrics::names;
use looked::{Looked, RESTLESS};
use zones::Zones;

/// What is read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Which {
    List(usize),
    Map(usize),
}

/// A list or map in a file.
#[derive(Clone, Debug)]
struct Watched {
    which: Which,
    name: String,
    of: Of,
    path: String,
}

/// What was read.
enum Read {
    List(List),
    Map(Map),
}

/// Looks at the files until the task is aborted.
pub async fn watch(control: Rc<Control>, edits: Rc<Edits>) {
    let mut known = Known::new(&control);
    let mut zones = Zones::new(&control);
    loop {
        tokio::time::sleep(LISTS_EVERY).await;
        edits.expire(&control);
        let generation = control.served().generation;
        if generation.number != known.generation {
            known = Known::new(&control);
            zones = Zones::new(&control);
        }
        zones.look(&control).await;
        let due = known.due();
        for watched in known.restless() {
            report(&control, &watched.name, &watched.path, RESTLESS);
        }
        for watched in due {
            let (which, name, path) = (watched.which, watched.name.clone(), watched.path.clone());
            // A list may have millions of entries; checks and the admin socket go on meanwhile.
            let read = tokio::task::spawn_blocking(move || read(&watched)).await;
            let read = read.unwrap_or_else(|ended| Err(Unread::Fault(ended.to_string())));
            let looked = known.looked.get_mut(&which);
            match looked.and_then(|looked| looked.outcome(stamp(&path), read)) {
                None => {}
                Some(Ok(read)) => known.take(&control, which, &name, read),
                Some(Err(reason)) => report(&control, &name, &path, &reason),
            }
        }
    }
}

/// Counts a change of a file that cannot be taken, and says it in the log.
fn report(control: &Control, name: &str, path: &str, reason: &str) {
    control.process.metrics.counter(&names::LIST_ERRORS, &[name]).increment();
    let event = control.log.event("list_error").field("list", name).field("path", path);
    event.field("reason", reason).emit();
}

/// What is known of the files of one generation.
struct Known {
    generation: u64,
    files: Vec<Watched>,
    looked: HashMap<Which, Looked>,
    lists: HashMap<usize, Arc<List>>,
    maps: HashMap<usize, Arc<Map>>,
}

impl Known {
    /// The files of the generation that serves. One that was changed since the generation was loaded is read.
    fn new(control: &Control) -> Self {
        let served = control.served();
        let (generation, loaded) = (served.generation, served.loaded);
        let files = files(&generation.plan);
        let unchanged = |stamp: &Stamp| stamp.is_before(loaded);
        let looked = |file: &Watched| (file.which, Looked::new(stamp(&file.path).filter(unchanged)));
        let looked = files.iter().map(looked).collect();
        Self { generation: generation.number, files, looked, lists: HashMap::new(), maps: HashMap::new() }
    }

    /// The files that are to be read.
    fn due(&mut self) -> Vec<Watched> {
        let looked = &mut self.looked;
        let due = self.files.iter().filter(|file| {
            looked.get_mut(&file.which).is_some_and(|looked| looked.is_due(stamp(&file.path)))
        });
        due.cloned().collect()
    }

    /// The files of which it is to be told that they never are at rest.
    fn restless(&self) -> impl Iterator<Item = &Watched> {
        self.files.iter().filter(|file| self.looked.get(&file.which).is_some_and(Looked::is_restless))
    }

    /// Publishes what was read together with what had been read before.
    fn take(&mut self, control: &Control, which: Which, name: &str, read: Read) {
        let entries = match (which, read) {
            (Which::List(index), Read::List(list)) => {
                let entries = list.len();
                self.lists.insert(index, Arc::new(list));
                export::list(&control.process.metrics, name, entries);
                entries
            }
            (Which::Map(index), Read::Map(map)) => {
                let entries = map.len();
                self.maps.insert(index, Arc::new(map));
                entries
            }
            _ => return,
        };
        control.publish_lists(self.generation, |now| Reread {
            lists: self.lists.clone(),
            maps: self.maps.clone(),
            added: now.added.clone(),
            zones: now.zones.clone(),
            ..Reread::default()
        });
        control.log.event("list").field("list", name).field("entries", entries).emit();
    }
}

/// The lists and maps of a plan that are in files and can be exchanged.
fn files(plan: &Plan) -> Vec<Watched> {
    let lists = plan.lists().enumerate().filter_map(|(index, (spec, _))| {
        let of = Of::named(&spec.of).filter(|of| *of != Of::Phrase)?;
        watched(Which::List(index), &spec.name, of, &spec.origin)
    });
    let maps = plan.maps().enumerate().filter_map(|(index, (spec, _))| {
        watched(Which::Map(index), &spec.name, key(spec.key)?, &spec.origin)
    });
    lists.chain(maps).collect()
}

fn watched(which: Which, name: &str, of: Of, origin: &Origin) -> Option<Watched> {
    let Origin::File(path) = origin else { return None };
    Some(Watched { which, name: name.to_owned(), of, path: path.clone() })
}

/// How keys of a type are written.
fn key(ty: Type) -> Option<Of> {
    match ty {
        Type::Ip | Type::Net => Some(Of::Net),
        Type::Domain => Some(Of::Domain),
        Type::Address => Some(Of::Address),
        Type::Text => Some(Of::Text),
        _ => None,
    }
}

fn read(watched: &Watched) -> Result<Read, Unread> {
    let text = Disk::text(&watched.path)?;
    let first = |faults: Vec<Fault>| {
        let fault = faults.first().map(|fault| format!("line {}: {}", fault.line, fault.message));
        Unread::Fault(format!("{} ({} faults)", fault.unwrap_or_default(), faults.len()))
    };
    match watched.which {
        Which::List(_) => List::from_file(watched.of, &text).map(Read::List).map_err(first),
        Which::Map(_) => Map::from_file(watched.of, &text).map(Read::Map).map_err(first),
    }
}
