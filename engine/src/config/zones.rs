//! The zone files of a file set's DNS lists: read with the rules, by whoever reads those, and taken over from the generation before
//! when they are the same files still.

use std::sync::Arc;

use weir_lang::diagnostic::Diagnostic;
use weir_lang::fileset::Files;
use weir_lang::plan::{Arg, Declared, Plan, Setting};
use weir_lang::source::{FileId, Sources, Span};

use super::Unread;
use super::args::Args;
use crate::dns::{Zone, ZoneFormat};
use crate::generation::{ZoneFile, stamp};
use crate::scheme::codes;

/// Reads the files of a plan's lists, apart from those of `older` that have not changed.
pub(super) fn read(
    plan: &Plan,
    older: &[ZoneFile],
    files: &dyn Files,
    sources: &Sources,
) -> Result<Vec<ZoneFile>, Vec<Diagnostic>> {
    let (mut read, mut faults) = (Vec::new(), Vec::new());
    for (_, list) in plan.declared("dnsbl") {
        for (setting, path, format) in named(list) {
            if find(&read, &path, format).is_some() {
                continue;
            }
            let known = find(older, &path, format);
            if let Some(known) = known.filter(|known| known.stamp.is_some() && known.stamp == stamp(&path)) {
                read.push(known.clone());
                continue;
            }
            match read_file(files, &path, format) {
                Ok(file) => read.push(file),
                Err(unread) => faults.push(fault(setting, &path, &unread.reason(), sources)),
            }
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

fn find<'a>(files: &'a [ZoneFile], path: &str, format: ZoneFormat) -> Option<&'a ZoneFile> {
    files.iter().find(|file| file.is(path, format))
}

/// The files of a list.
pub(super) fn of(list: &Declared, files: &[ZoneFile]) -> Vec<ZoneFile> {
    named(list).filter_map(|(_, path, format)| find(files, &path, format)).cloned().collect()
}

/// Reads one file.
pub(crate) fn read_file(files: &dyn Files, path: &str, format: ZoneFormat) -> Result<ZoneFile, Unread> {
    // Before it is read: what is changed meanwhile is read again.
    let stamp = stamp(path);
    let file = files.open(path).map_err(Unread::Io)?;
    let zone = Zone::read(format, file).map_err(|fault| Unread::Fault(fault.to_string()))?;
    Ok(ZoneFile { path: path.to_owned(), format, stamp, zone: Arc::new(zone) })
}

fn fault(setting: &Setting, path: &str, reason: &str, sources: &Sources) -> Diagnostic {
    let nowhere = Span { file: FileId(u32::MAX), start: 0, end: 0 };
    let line = sources.line(&setting.location).unwrap_or(nowhere);
    let written = Args(&setting.args).text().unwrap_or_default();
    Diagnostic::new(&codes::ZONE_FILE, sources.find(line, written), format!("`{path}`: {reason}"))
}

/// The files that a list names, their paths beside the rule file in which they stand.
fn named(list: &Declared) -> impl Iterator<Item = (&Setting, String, ZoneFormat)> {
    list.settings.iter().filter(|setting| setting.word == "file").filter_map(|setting| {
        let args = Args(&setting.args);
        let format = args.after("format")?.0.iter().find_map(|arg| match arg {
            Arg::Word(word) => ZoneFormat::ALL.into_iter().find(|format| format.name() == word),
            _ => None,
        })?;
        let folder = std::path::Path::new(&setting.location.file).parent()?;
        let path = folder.join(args.text()?);
        Some((setting, path.to_string_lossy().into_owned(), format))
    })
}
