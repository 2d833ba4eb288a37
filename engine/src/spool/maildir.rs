//! A message into a maildir (maildir(5)): written to `tmp`, then renamed into `new`, where readers find it whole.

use std::path::{Path, PathBuf};

use memchr::memmem;

use super::{SpoolError, make_folder, on_thread, rename, sync_folder, write_new};
use crate::id::Id;

/// Delivers `message`, un-stuffed and with CRLF, to the maildir `folder`, which is made if it isn't there. The file has
/// Unix line ends. `Ok` means that it survives a crash.
///
/// `id` makes the file's name unique: no two deliveries may have the same one.
pub async fn deliver(folder: &Path, host: &str, id: Id, message: Vec<u8>) -> Result<(), SpoolError> {
    let name = file_name(host, id);
    let maildir = folder.to_owned();
    on_thread(folder, move || store(&maildir, &name, &unix_lines(message))).await
}

fn store(maildir: &Path, name: &str, content: &[u8]) -> Result<(), SpoolError> {
    let [tmp, new, cur] = ["tmp", "new", "cur"].map(|part| maildir.join(part));
    for folder in [&tmp, &new, &cur] {
        make_folder(folder)?;
    }
    let (written, delivered): (PathBuf, PathBuf) = (tmp.join(name), new.join(name));
    write_new(&written, content)?;
    rename(&written, &delivered)?;
    sync_folder(&new)
}

/// `seconds.id.host`, with what a file name or a maildir's flags can't hold written as octal digits.
fn file_name(host: &str, id: Id) -> String {
    let host = host.replace('/', "\\057").replace(':', "\\072").replace('\0', "");
    format!("{}.{id}.{host}", id.unix_s())
}

/// Takes the CR out of each CRLF.
fn unix_lines(message: Vec<u8>) -> Vec<u8> {
    let mut ends = memmem::find_iter(&message, b"\r\n").peekable();
    if ends.peek().is_none() {
        return message;
    }
    let mut lines = Vec::with_capacity(message.len());
    let mut copied = 0;
    for at in ends {
        lines.extend_from_slice(message.get(copied..at).unwrap_or_default());
        copied = at + 1;
    }
    lines.extend_from_slice(message.get(copied..).unwrap_or_default());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::id::IdSource;

    #[test]
    fn lines_end_as_on_unix() {
        let unix = |text: &str| String::from_utf8(unix_lines(text.into())).unwrap();
        assert_eq!(unix("a\r\nb\r\n\r\nc"), "a\nb\n\nc");
        assert_eq!(unix("a\r\r\nb\rc\n"), "a\r\nb\rc\n");
        assert_eq!(unix("\r\n"), "\n");
        assert_eq!(unix("no end"), "no end");
        assert_eq!(unix(""), "");
    }

    #[test]
    fn names_hold_no_separators() {
        let id = IdSource::new(Clock::frozen(1_795_474_670_000_000), 1, 2).next_id();
        assert_eq!(file_name("mx1.example.org", id), format!("1795474670.{id}.mx1.example.org"));
        assert_eq!(file_name("../a:b", id), format!("1795474670.{id}...\\057a\\072b"));
    }
}
