//! On a real file system.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::clock::Clock;
use crate::id::{Id, IdSource};
use crate::ring;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-spool-{name}-{}", std::process::id()));
        let _from_before = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn files(&self, folder: &str) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.0.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

fn ids() -> IdSource {
    IdSource::new(Clock::system(), 1, 0)
}

async fn deliver(folder: &Path, id: Id, message: &str) -> Result<(), SpoolError> {
    maildir::deliver(folder, "mx.example.org", id, message.into()).await
}

#[test]
fn a_message_arrives_in_new_and_nothing_stays_in_tmp() {
    let folder = Folder::new("deliver");
    let mailbox = folder.0.join("a/b/mailbox");
    let id = ids().next_id();
    ring::run(deliver(&mailbox, id, "Subject: x\r\n\r\n.dot\r\n")).unwrap().unwrap();
    assert_eq!(folder.files("a/b/mailbox"), BTreeSet::from(["cur", "new", "tmp"].map(String::from)));
    assert!(folder.files("a/b/mailbox/tmp").is_empty());
    let files = folder.files("a/b/mailbox/new");
    let name = files.first().unwrap();
    assert!(files.len() == 1 && name.contains(id.as_str()) && name.ends_with(".mx.example.org"), "{name}");
    let path = mailbox.join("new").join(name);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "Subject: x\n\n.dot\n");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn many_deliveries_at_once_all_arrive() {
    let folder = Folder::new("many");
    ring::run(async {
        let mut ids = ids();
        let tasks: Vec<_> = (0..4 * SPOOL_WRITES_MAX)
            .map(|n| {
                let (path, id) = (folder.0.join("box"), ids.next_id());
                ring::spawn(async move { deliver(&path, id, &format!("n: {n}\r\n\r\n")).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    })
    .unwrap();
    let new = folder.0.join("box/new");
    let bodies: BTreeSet<String> =
        folder.files("box/new").iter().map(|name| std::fs::read_to_string(new.join(name)).unwrap()).collect();
    assert_eq!(bodies.len(), 4 * SPOOL_WRITES_MAX);
    assert!(folder.files("box/tmp").is_empty());
}

#[test]
fn a_maildir_that_was_taken_away_is_made_again() {
    let folder = Folder::new("again");
    let (mailbox, mut ids) = (folder.0.join("mailbox"), ids());
    ring::run(async {
        deliver(&mailbox, ids.next_id(), "x").await.unwrap();
        std::fs::remove_dir_all(&mailbox).unwrap();
        deliver(&mailbox, ids.next_id(), "y").await.unwrap();
    })
    .unwrap();
    assert_eq!(folder.files("mailbox/new").len(), 1);
}

#[test]
fn a_folder_that_cannot_be_one_is_an_error_with_its_name() {
    let folder = Folder::new("failing");
    std::fs::write(folder.0.join("file"), "").unwrap();
    for name in ["file", "file/box"] {
        let error = ring::run(deliver(&folder.0.join(name), ids().next_id(), "x")).unwrap().unwrap_err();
        assert!(matches!(&error, SpoolError::Failed { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("failing") && text.ends_with("not a directory"), "{text}");
    }
}

#[test]
fn an_id_that_was_used_overwrites_nothing_while_it_is_written() {
    let folder = Folder::new("twice");
    std::fs::create_dir(folder.0.join("tmp")).unwrap();
    let id = ids().next_id();
    let name = format!("{}.{id}.mx.example.org", id.unix_s());
    std::fs::write(folder.0.join("tmp").join(&name), "of another").unwrap();
    let error = ring::run(deliver(&folder.0, id, "x")).unwrap().unwrap_err();
    assert!(error.to_string().contains("exists"), "{error}");
    assert_eq!(std::fs::read_to_string(folder.0.join("tmp").join(&name)).unwrap(), "of another");
}

#[test]
fn a_full_disk_is_told_from_a_broken_one() {
    let full = SpoolError::at(Path::new("x"))(io::Error::from_raw_os_error(libc::ENOSPC));
    let quota = SpoolError::at(Path::new("x"))(io::Error::from_raw_os_error(libc::EDQUOT));
    let broken = SpoolError::at(Path::new("x"))(io::Error::from_raw_os_error(libc::EIO));
    assert!(matches!(full, SpoolError::Full { .. }) && matches!(quota, SpoolError::Full { .. }));
    assert!(matches!(broken, SpoolError::Failed { .. }));
}

#[test]
fn a_message_is_kept_with_its_sheet() {
    let folder = Folder::new("quarantine");
    let id = ids().next_id();
    let sheet = serde_json::json!({ "rule": "EICAR", "score": { "content": 12.5 } });
    let message = b"Subject: x\r\n\r\n\xff\r\n".to_vec();
    ring::run(quarantine::keep(&folder.0, "virus", id, message.clone(), &sheet)).unwrap().unwrap();
    assert_eq!(folder.files("virus"), BTreeSet::from([format!("{id}.eml"), format!("{id}.json")]));
    let path = |extension| folder.0.join(format!("virus/{id}.{extension}"));
    assert_eq!(std::fs::read(path("eml")).unwrap(), message);
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(path("json")).unwrap()).unwrap();
    assert_eq!(kept, sheet);
}

#[test]
fn a_box_is_a_plain_name() {
    for name in ["virus", "spam-1", "A_b"] {
        assert!(quarantine::is_box(name), "{name}");
    }
    for name in ["", ".", "..", "a/b", "a.b", "a b", "ä", "a\0", &"x".repeat(65)] {
        assert!(!quarantine::is_box(name), "{name}");
    }
}
