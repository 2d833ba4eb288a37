//! Messages on this host's disk: maildirs and the quarantine.
//!
//! Layer 2: below the session. Whoever gets `Ok` from here may answer 250: the file, its name and the folders on the
//! way to it have been synced. The work is done on threads and not on the ring, because a file per message with its
//! fsync is several times dearer through `io_uring` (its workers stand in line for the same folder).

pub mod maildir;
pub mod quarantine;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::limits::SPOOL_WRITES_MAX;

/// A message could not be stored.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpoolError {
    /// There is no room or no quota: 452 4.3.1.
    Full {
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder can't be used, or the disk fails: 451 4.3.0, and someone has to look.
    Failed {
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl SpoolError {
    fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path: path.to_owned(), source }
            }
            _ => Self::Failed { path: path.to_owned(), source },
        }
    }
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Full { path, source } | Self::Failed { path, source }) = self;
        write!(f, "{}: {source}", path.display())
    }
}

impl std::error::Error for SpoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let (Self::Full { source, .. } | Self::Failed { source, .. }) = self;
        Some(source)
    }
}

/// Places for writers; a burst waits here and not in a thousand threads.
static WRITERS: Semaphore = Semaphore::const_new(SPOOL_WRITES_MAX);

/// Does `work` on a thread. Whoever drops the future doesn't end the work: the message may be stored nevertheless.
async fn on_thread(
    path: &Path,
    work: impl FnOnce() -> Result<(), SpoolError> + Send + 'static,
) -> Result<(), SpoolError> {
    let failed = |error: &dyn fmt::Display| SpoolError::at(path)(io::Error::other(error.to_string()));
    let place = WRITERS.acquire().await.map_err(|closed| failed(&closed))?;
    let done = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(place);
        result
    });
    done.await.map_err(|ended| failed(&ended))?
}

/// Folders that are known to be durable; as many as rule files name.
static DURABLE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Makes the folder and those on the way to it, each synced into the one above. Syncs also what it finds, once: whoever
/// made it, in another thread or before a crash, may not have.
fn make_folder(folder: &Path) -> Result<(), SpoolError> {
    // The set is changed in one step, so a poisoned lock guards a sound one.
    let durable = || DURABLE.lock().unwrap_or_else(PoisonError::into_inner);
    if durable().contains(folder) && folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir())
    {
        make_folder(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(SpoolError::at(folder)(error));
        }
        Err(_) if !folder.is_dir() => {
            return Err(SpoolError::at(folder)(io::ErrorKind::NotADirectory.into()));
        }
        _ => sync_parent(folder)?,
    }
    durable().insert(folder.to_owned());
    Ok(())
}

fn sync_parent(path: &Path) -> Result<(), SpoolError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}

fn sync_folder(folder: &Path) -> Result<(), SpoolError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(SpoolError::at(folder))
}

/// Writes and syncs a new file. What was begun and failed is taken away.
fn write_new(path: &Path, content: &[u8]) -> Result<(), SpoolError> {
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = open.map_err(SpoolError::at(path))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|error| {
        remove(path);
        SpoolError::at(path)(error)
    })
}

/// Gives a written file its final name, which is durable once the folder is synced.
fn rename(from: &Path, to: &Path) -> Result<(), SpoolError> {
    std::fs::rename(from, to).map_err(|error| {
        remove(from);
        SpoolError::at(to)(error)
    })
}

/// What can't be removed is left to whoever cleans up: it was never reported as stored.
fn remove(path: &Path) {
    let _left_behind = std::fs::remove_file(path);
}

#[cfg(test)]
mod tests;
