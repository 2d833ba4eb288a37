//! Folders of tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder for one test. It is removed when the test has passed, and stays to be read when it has not.
pub struct Folder(PathBuf);

impl Folder {
    /// A new, empty one that every user may read: daemons give up root.
    pub fn new() -> Self {
        let name = format!("weir-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder for the test");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .expect("permissions of the test's folder");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of `name` in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, with the folders on its way, and returns its path.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        let parent = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(parent).expect("a folder for a test's file");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("kept for reading: {}", self.0.display());
        } else {
            // A daemon's last file may still appear; an empty folder in /tmp is no reason to fail.
            drop(fs::remove_dir_all(&self.0));
        }
    }
}

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate has a parent folder").to_owned()
}
