//! Rule files for a run: the folder in which a node's rule file stands is copied, and in the copy this run's addresses take the
//! place of the written ones.

use std::fs;
use std::path::{Path, PathBuf};

use super::stage::Setting;
use crate::Result;

/// Bounds of what is copied for a node: a folder with more is not one of rule files.
const FILES_MAX: usize = 1000;
const BYTES_MAX: u64 = 256 << 20;
const DEPTH_MAX: usize = 20;

/// Copies the folder of `rules` to `target`.
pub(super) fn write(rules: &Path, target: &Path, node: &str, setting: &Setting<'_>) -> Result<()> {
    if !rules.exists() {
        return Err(format!("{}: no such rule file or folder, for node `{node}`", rules.display()).into());
    }
    let mut copy = Copy { node, setting, files: 0, bytes: 0 };
    copy.folder(folder(rules), target, 0)
}

/// Where the copy of `rules` is.
pub(super) fn written(rules: &Path, target: &Path) -> PathBuf {
    match rules.file_name() {
        Some(name) if !rules.is_dir() => target.join(name),
        _ => target.to_owned(),
    }
}

fn folder(rules: &Path) -> &Path {
    if rules.is_dir() { rules } else { rules.parent().unwrap_or(Path::new(".")) }
}

struct Copy<'a> {
    node: &'a str,
    setting: &'a Setting<'a>,
    files: usize,
    bytes: u64,
}

impl Copy<'_> {
    fn folder(&mut self, source: &Path, target: &Path, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(
                format!("{}: folders within folders, more than {DEPTH_MAX} deep", source.display()).into()
            );
        }
        fs::create_dir_all(target)?;
        for entry in fs::read_dir(source).map_err(|error| format!("{}: {error}", source.display()))? {
            let entry = entry?;
            let (from, to) = (entry.path(), target.join(entry.file_name()));
            let kind = fs::metadata(&from)?;
            if kind.is_dir() {
                // What this run writes may lie beside the rule files.
                if from.canonicalize()? != self.setting.folder {
                    self.folder(&from, &to, depth + 1)?;
                }
            } else if kind.is_file() {
                self.count(&from, kind.len())?;
                self.file(&from, &to)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, from: &Path, bytes: u64) -> Result<()> {
        self.files += 1;
        self.bytes += bytes;
        if self.files > FILES_MAX || self.bytes > BYTES_MAX {
            let folder = from.parent().unwrap_or(from).display();
            let bounds = format!("{FILES_MAX} files or {BYTES_MAX} bytes");
            return Err(format!(
                "{folder}: more than {bounds}; put the rule files into a folder of their own"
            )
            .into());
        }
        Ok(())
    }

    fn file(&self, from: &Path, to: &Path) -> Result<()> {
        let bytes = fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => {
                let Setting { scenario, addresses, .. } = self.setting;
                addresses.put_into(&text, scenario, self.node)?.into_bytes()
            }
            // Not a rule file, and without addresses.
            Err(error) => error.into_bytes(),
        };
        Ok(fs::write(to, bytes)?)
    }
}
