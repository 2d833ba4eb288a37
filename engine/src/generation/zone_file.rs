//! The zone files of a generation's DNS lists.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Generation, Reread};
use crate::dns::{Zone, ZoneFormat};

/// A file as it was when it was read: another inode, size or time is another content.
pub type Stamp = (u64, u64, Option<SystemTime>);

/// What a file is now; `None` when it cannot be had.
pub fn stamp(path: &str) -> Option<Stamp> {
    let of = |found: Metadata| (found.ino(), found.size(), found.modified().ok());
    std::fs::metadata(path).ok().map(of)
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
