//! The zone files of a generation's DNS lists.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Generation, Reread};
use crate::dns::{Zone, ZoneFormat};
use crate::limits::FILE_TIME_TICK;

/// A file as it was when it was read: another inode, size or time is another content, or it can be read by others.
///
/// The time is that of the last change of content or attributes (ctime), which nobody can set: what `cp -p` and `rsync -t` bring is
/// often older than what it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    size: u64,
    changed: SystemTime,
}

impl Stamp {
    /// Whether the file is as it was at a time.
    pub fn is_before(self, time: SystemTime) -> bool {
        self.changed.checked_add(FILE_TIME_TICK).is_some_and(|changed| changed < time)
    }
}

/// What a file is now; `None` when it cannot be had.
pub fn stamp(path: &str) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    let (seconds, nanoseconds) =
        (u64::try_from(found.ctime()).ok()?, u32::try_from(found.ctime_nsec()).ok()?);
    let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))?;
    Some(Stamp { inode: found.ino(), size: found.size(), changed })
}

/// A zone file as it was read.
#[derive(Clone, Debug)]
pub struct ZoneFile {
    /// Its path, as the host is asked for it.
    pub path: String,
    /// How its lines are read.
    pub format: ZoneFormat,
    /// What it was before it was read.
    pub stamp: Option<Stamp>,
    /// Its entries.
    pub zone: Arc<Zone>,
}

impl ZoneFile {
    /// Whether it is this one.
    pub fn is(&self, path: &str, format: ZoneFormat) -> bool {
        (self.path.as_str(), self.format) == (path, format)
    }
}

impl PartialEq for ZoneFile {
    /// The same file with the same content.
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.path, other.format) && Arc::ptr_eq(&self.zone, &other.zone)
    }
}

impl Reread {
    /// The entries of a zone file of this generation, as they are now.
    pub fn zone<'a>(&'a self, generation: &Generation, file: &'a ZoneFile) -> &'a Zone {
        let is_of_these = self.generation == generation.number;
        let now = self.zones.iter().find(|now| is_of_these && now.is(&file.path, file.format));
        &now.unwrap_or(file).zone
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A file of an older time was not seen, nor that one can be read at last.
    #[test]
    fn a_stamp_tells_every_change() {
        let path = std::env::temp_dir().join(format!("weir-stamp-{}", std::process::id()));
        let now = || stamp(path.to_str().unwrap()).unwrap();
        std::fs::write(&path, "192.0.2.1\n").unwrap();
        let changes: [&dyn Fn(); 2] = [
            &|| {
                File::options()
                    .write(true)
                    .open(&path)
                    .unwrap()
                    .set_modified(SystemTime::UNIX_EPOCH)
                    .unwrap();
            },
            &|| std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap(),
        ];
        for change in changes {
            let before = now();
            assert_eq!(before, now());
            let loaded = SystemTime::now();
            std::thread::sleep(2 * FILE_TIME_TICK);
            change();
            assert_ne!(before, now());
            assert!(!now().is_before(loaded));
        }
        assert!(now().is_before(SystemTime::now() + 2 * FILE_TIME_TICK));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(stamp(path.to_str().unwrap()), None);
    }
}
