//! The store of one host: a redb file.
//!
//! redb and not fjall: one file instead of a folder of them, no threads of its own, and no journal to be read again after a crash: a
//! transaction that was not finished never was. What an LSM tree is better at, many writes, does not come up: changes are gathered
//! and written once a second.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | `entries` | digest | second since 1970 in which it ends, count |
//! | `about` | `secret` | what goes into the digests |

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table as Rows, TableDefinition,
};

use super::{Broken, Left, Request, Store};
use crate::limits::{STORE_CACHE_BYTES, STORE_SWEEP_EVERY};
use crate::table::{Digest, ENTRIES_MAX};

const ENTRIES: TableDefinition<'_, u128, (u64, u64)> = TableDefinition::new("entries");
const ABOUT: TableDefinition<'_, &str, u128> = TableDefinition::new("about");

/// Entries of which the file makes room for others when it is full.
const SPARE: usize = ENTRIES_MAX / 8;

/// A file of this host.
pub(super) struct Local {
    path: PathBuf,
    database: Option<Database>,
    swept: Instant,
}

/// Why something of the file's was not done.
type Fault = redb::Error;

impl Local {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, database: None, swept: Instant::now() }
    }

    /// Opens the file. One that cannot be read is kept aside: what was remembered is lost then, and nothing else.
    fn database(&self) -> Result<Database, String> {
        let shown = self.path.display();
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        match self.try_open() {
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
                Err(format!("{shown}: another process has it open"))
            }
            Err(redb::DatabaseError::Storage(redb::StorageError::Io(error)))
                if error.kind() != std::io::ErrorKind::InvalidData =>
            {
                Err(format!("{shown}: {error}"))
            }
            Err(fault) => {
                let aside = self.path.with_extension("bad");
                std::fs::rename(&self.path, &aside)
                    .map_err(|error| format!("{shown}: {fault}; it cannot be kept aside: {error}"))?;
                Err(format!(
                    "{shown}: {fault}; it is kept aside as {} and begun anew in a moment",
                    aside.display()
                ))
            }
            Ok(database) => Ok(database),
        }
    }

    fn try_open(&self) -> Result<Database, redb::DatabaseError> {
        let mut builder = Database::builder();
        builder.set_cache_size(STORE_CACHE_BYTES).set_check_integrity_on_open(true).create(&self.path)
    }

    fn write(&mut self, requests: &[(Digest, Request)], now: u64) -> Result<(), Fault> {
        let Some(database) = &self.database else { return Ok(()) };
        let is_due = self.swept.elapsed() >= STORE_SWEEP_EVERY;
        if requests.is_empty() && !is_due {
            return Ok(());
        }
        let writing = database.begin_write()?;
        {
            let mut entries = writing.open_table(ENTRIES)?;
            for (Digest(key), request) in requests {
                match request {
                    Request::Put(left) => _ = entries.insert(key, (now + left.seconds, left.count))?,
                    Request::Forget => _ = entries.remove(key)?,
                    // What is asked and counted is known in memory: nobody asks a file.
                    Request::Add { .. } | Request::Read | Request::Begin(_) => {}
                }
            }
            if is_due || entries.len()? > ENTRIES_MAX as u64 {
                sweep(&mut entries, now)?;
                self.swept = Instant::now();
            }
        }
        writing.commit()?;
        Ok(())
    }
}

/// Takes out what has ended, and if that is not enough what ends next.
fn sweep(entries: &mut Rows<'_, u128, (u64, u64)>, now: u64) -> Result<(), Fault> {
    entries.retain(|_, (ends, _)| ends > now)?;
    if entries.len()? <= ENTRIES_MAX as u64 {
        return Ok(());
    }
    let mut ends = Vec::with_capacity(ENTRIES_MAX);
    for row in entries.iter()? {
        ends.push(row?.1.value().0);
    }
    let rest = ends.len() - (ENTRIES_MAX - SPARE);
    let (_, &mut from, _) = ends.select_nth_unstable(rest);
    entries.retain(|_, (ends, _)| ends > from)?;
    Ok(())
}

impl Store for Local {
    fn open(&mut self, ours: u128, load: &mut dyn FnMut(Digest, Left)) -> Result<u128, String> {
        // A database that failed is closed before the file is opened again.
        self.database = None;
        let database = self.database()?;
        let mut read = |database: &Database| -> Result<u128, Fault> {
            let writing = database.begin_write()?;
            let secret = {
                let mut about = writing.open_table(ABOUT)?;
                let known = about.get("secret")?.map(|secret| secret.value());
                if known.is_none() {
                    about.insert("secret", ours)?;
                }
                writing.open_table(ENTRIES)?;
                known.unwrap_or(ours)
            };
            writing.commit()?;
            let now = unix_seconds();
            for row in database.begin_read()?.open_table(ENTRIES)?.iter()? {
                let (key, value) = row?;
                let (ends, count) = value.value();
                if ends > now {
                    load(Digest(key.value()), Left { seconds: ends - now, count });
                }
            }
            Ok(secret)
        };
        let secret = read(&database).map_err(|fault| format!("{}: {fault}", self.path.display()))?;
        self.database = Some(database);
        Ok(secret)
    }

    fn exchange(&mut self, requests: &[(Digest, Request)]) -> Result<Vec<Option<Left>>, Broken> {
        // All of it is written or nothing.
        self.write(requests, unix_seconds())
            .map_err(|fault| Broken::Before(format!("{}: {fault}", self.path.display())))?;
        Ok(vec![None; requests.len()])
    }
}

/// The time on the wall: the file outlives the clock of the process.
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Digest {
        Digest((number as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    fn open(path: &std::path::Path) -> (Local, u128, Vec<(Digest, Left)>) {
        let mut local = Local::new(path.to_owned());
        let mut loaded = Vec::new();
        let secret = local.open(7, &mut |key, left| loaded.push((key, left))).unwrap();
        (local, secret, loaded)
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("weir-store-{name}-{}", std::process::id()));
        // Left by a test that failed.
        let _none = std::fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn what_is_written_is_there_when_it_is_opened_again() {
        let folder = folder("again");
        let path = folder.join("deep/tables.redb");
        let (mut local, secret, loaded) = open(&path);
        assert_eq!((secret, loaded.len()), (7, 0));
        let left = Left { seconds: 1000, count: 3 };
        let requests =
            [(key(1), Request::Put(left)), (key(2), Request::Put(left)), (key(2), Request::Forget)];
        assert_eq!(local.exchange(&requests).unwrap(), [None; 3]);
        let other = Local::new(path.clone()).database().err().unwrap();
        assert!(other.ends_with("another process has it open"), "{other}");
        drop(local);
        let mut again = Local::new(path);
        let mut loaded = Vec::new();
        assert_eq!(again.open(8, &mut |key, left| loaded.push((key, left))).unwrap(), 7);
        let [(one, left)] = loaded.as_slice() else { panic!("{loaded:?}") };
        assert!(*one == key(1) && left.count == 3 && (990..=1000).contains(&left.seconds), "{left:?}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_none_is_kept_aside_and_begun_anew() {
        let folder = folder("bad");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("tables.redb");
        std::fs::write(&path, b"this is no database, whatever its name says".repeat(1000)).unwrap();
        let mut local = Local::new(path.clone());
        let fault = local.open(7, &mut |_, _| {}).unwrap_err();
        assert!(fault.contains("kept aside as") && fault.contains("tables.bad"), "{fault}");
        assert_eq!(open(&path).1, 7);
        assert!(folder.join("tables.bad").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_whose_pages_were_changed_does_not_panic() {
        let folder = folder("changed");
        let path = folder.join("tables.redb");
        let (mut local, ..) = open(&path);
        let left = Left { seconds: 1000, count: 3 };
        let requests: Vec<_> = (0..2000).map(|number| (key(number), Request::Put(left))).collect();
        local.exchange(&requests).unwrap();
        drop(local);
        let mut bytes = std::fs::read(&path).unwrap();
        for byte in bytes.iter_mut().skip(4096).step_by(512) {
            *byte ^= 0x55;
        }
        std::fs::write(&path, bytes).unwrap();
        let fault = Local::new(path.clone()).open(7, &mut |_, _| {}).unwrap_err();
        assert!(fault.contains("kept aside"), "{fault}");
        assert_eq!(open(&path).2.len(), 0);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_full_file_makes_room_by_what_ends_first() {
        let folder = folder("full");
        let path = folder.join("tables.redb");
        let (mut local, ..) = open(&path);
        let put =
            |number: usize| (key(number), Request::Put(Left { seconds: 1000 + number as u64, count: 1 }));
        let all: Vec<_> = (0..ENTRIES_MAX).map(put).collect();
        local.exchange(&all).unwrap();
        local.exchange(&[(key(0), Request::Put(Left { seconds: 0, count: 1 })), put(ENTRIES_MAX)]).unwrap();
        drop(local);
        let (_, _, loaded) = open(&path);
        assert_eq!(loaded.len(), ENTRIES_MAX, "what has ended goes first");
        let (mut local, ..) = open(&path);
        local.exchange(&[put(ENTRIES_MAX + 1)]).unwrap();
        drop(local);
        let (_, _, loaded) = open(&path);
        assert!((ENTRIES_MAX - SPARE - 2..ENTRIES_MAX).contains(&loaded.len()), "{}", loaded.len());
        assert!(loaded.iter().any(|(found, _)| *found == key(ENTRIES_MAX + 1)));
        assert!(loaded.iter().all(|(_, left)| left.seconds > SPARE as u64));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
