//! Copies of messages that someone may want to look at, with the score sheet that says why they are here.
//!
//! A box is a folder; a message in it is `ID.eml`, as it came over the wire but un-stuffed, and `ID.json`. Where there
//! is an `.eml`, its sheet is there too.

use std::path::Path;

use serde_json::Value;

use super::{SpoolError, make_folder, on_thread, rename, sync_folder, write_new};
use crate::id::Id;
use crate::limits::QUARANTINE_BOX_BYTES_MAX;

/// Whether a box may have this name: letters, digits, `-` and `_`, so that it names a folder and nothing else.
pub fn is_box(name: &str) -> bool {
    (1..=QUARANTINE_BOX_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Keeps `message` and its `sheet` in the box `name` of `folder`. `Ok` means that both survive a crash.
///
/// # Panics
/// When the name is none for a [box](is_box); rules with such a name don't load.
pub async fn keep(
    folder: &Path,
    name: &str,
    id: Id,
    message: Vec<u8>,
    sheet: &Value,
) -> Result<(), SpoolError> {
    assert!(is_box(name), "`{name}` is no name of a quarantine box");
    let folder = folder.join(name);
    let path = folder.clone();
    let sheet = format!("{sheet:#}\n");
    on_thread(&path, move || store(&folder, id, &message, sheet.as_bytes())).await
}

fn store(folder: &Path, id: Id, message: &[u8], sheet: &[u8]) -> Result<(), SpoolError> {
    make_folder(folder)?;
    for (extension, content) in [("json", sheet), ("eml", message)] {
        let written = folder.join(format!(".{id}.{extension}.new"));
        write_new(&written, content)?;
        rename(&written, &folder.join(format!("{id}.{extension}")))?;
        // Each on its own: the message must not be there before its sheet.
        sync_folder(folder)?;
    }
    Ok(())
}
