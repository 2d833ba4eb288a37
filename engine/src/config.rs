//! From rule files to a generation: read, parse, check, lower, then bind what the declarations name.

mod acts;
mod args;
mod cdb;
mod declared;
mod dnsbl;
mod faults;
mod memory;
mod tls;
mod zones;

pub(crate) use args::Args;
pub use tls::{Secrets, out_of_time};
pub(crate) use zones::read_file as read_zone_file;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_lang::diagnostic::{Diagnostic, Severity};
use weir_lang::fileset::{FileSet, Files};
use weir_lang::plan::Plan;
use weir_lang::source::Sources;
use weir_lang::{check, lower};

use crate::generation::{Generation, Listener, Question, ZoneFile};
use crate::scheme::SCHEME;
use crate::upstream::pool::{Pool, PoolSpec};

/// Rule files of this host's file system.
#[derive(Debug, Default)]
pub struct Disk;

/// The largest file that is read: ten million list entries.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Why a file was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It cannot be had now.
    Io(String),
    /// What it says cannot be taken.
    Fault(String),
}

impl Unread {
    /// For messages.
    pub(crate) fn reason(self) -> String {
        let (Self::Io(reason) | Self::Fault(reason)) = self;
        reason
    }
}

impl Disk {
    /// What a text or a constant database says.
    pub(crate) fn text(path: &str) -> Result<String, Unread> {
        let io = |error: std::io::Error| Unread::Io(error.to_string());
        let size = std::fs::metadata(path).map_err(io)?.len();
        if size > FILE_BYTES_MAX {
            let reason = format!("{size} bytes, more than the {FILE_BYTES_MAX} that are read");
            return Err(Unread::Fault(reason));
        }
        let bytes = std::fs::read(path).map_err(io)?;
        if Path::new(path).extension().is_some_and(|extension| extension == "cdb") {
            return cdb::text(&bytes).map_err(Unread::Fault);
        }
        String::from_utf8(bytes)
            .map_err(|error| Unread::Fault(format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to())))
    }
}

impl Files for Disk {
    fn read(&self, path: &str) -> Result<String, String> {
        Self::text(path).map_err(Unread::reason)
    }

    fn open(&self, path: &str) -> Result<Box<dyn std::io::BufRead>, String> {
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        Ok(Box::new(std::io::BufReader::with_capacity(1 << 20, file)))
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let paths = glob::glob(pattern).map_err(|error| error.to_string())?;
        paths
            .map(|found| match found {
                Ok(path) => Ok(path.to_string_lossy().into_owned()),
                Err(error) => Err(error.to_string()),
            })
            .collect()
    }
}

/// A file set as it was read: what is wrong with it, and its plan when nothing is.
pub struct Loaded {
    /// The texts, for messages.
    pub sources: Sources,
    /// All faults and warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// The plan, when there is no error.
    pub plan: Option<Arc<Plan>>,
    /// The zone files of its DNS lists.
    pub zones: Vec<ZoneFile>,
}

impl Loaded {
    /// Whether there are warnings or errors.
    pub fn is_clean(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// All faults with source line and caret.
    pub fn render(&self, style: weir_lang::diagnostic::render::Style) -> String {
        weir_lang::diagnostic::render::render_all(&self.diagnostics, &self.sources, style)
    }
}

/// Reads and checks rule files, or the `*.weir` files of a folder.
pub fn load(paths: &[PathBuf]) -> Result<Loaded, String> {
    load_after(paths, &[])
}

/// The same, with the zone files that have not changed since.
pub fn load_after(paths: &[PathBuf], older: &[ZoneFile]) -> Result<Loaded, String> {
    let roots = roots(paths)?;
    Ok(load_from_after(roots.iter().map(String::as_str), &Disk, older))
}

/// Reads and checks a file set from any place.
pub fn load_from<'a>(roots: impl IntoIterator<Item = &'a str>, files: &dyn Files) -> Loaded {
    load_from_after(roots, files, &[])
}

/// The same, with the zone files that have not changed since.
pub fn load_from_after<'a>(
    roots: impl IntoIterator<Item = &'a str>,
    files: &dyn Files,
    older: &[ZoneFile],
) -> Loaded {
    let set = FileSet::read(roots, files);
    let mut diagnostics = set.diagnostics.clone();
    let mut plan = None;
    // What was not read cannot be checked without faults that are none.
    if !set.has_errors() {
        let checked = check(&set, &SCHEME);
        diagnostics.extend(checked.diagnostics);
        plan = checked.hir.map(lower);
        diagnostics.extend(plan.iter().flat_map(|plan| faults::of(plan, &set.sources)));
    }
    let zones = plan.as_ref().map_or(Ok(Vec::new()), |plan| zones::read(plan, older, files, &set.sources));
    let zones = zones.unwrap_or_else(|faults| {
        diagnostics.extend(faults);
        Vec::new()
    });
    let refused = diagnostics.iter().any(|fault| fault.code.severity == Severity::Error);
    weir_lang::diagnostic::render::sort(&mut diagnostics);
    Loaded { sources: set.sources, diagnostics, plan: plan.filter(|_| !refused).map(Arc::new), zones }
}

/// The files that are named, or those of the folder that is.
fn roots(paths: &[PathBuf]) -> Result<Vec<String>, String> {
    let mut roots = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found = in_folder(path)?;
            if found.is_empty() {
                return Err(format!("{}: no *.weir file in this folder", path.display()));
            }
            roots.extend(found);
        } else if path.exists() {
            roots.push(path.to_string_lossy().into_owned());
        } else {
            return Err(format!("{}: no such file or folder", path.display()));
        }
    }
    Ok(roots)
}

fn in_folder(folder: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut found: Vec<String> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "weir"))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// What a generation takes from the one before it and from the command line.
pub struct Base<'a> {
    /// Its number.
    pub number: u64,
    /// The generation before, whose servers keep their state.
    pub older: Option<&'a Generation>,
    /// The host's name, where a listener has none.
    pub host_name: &'a str,
    /// Addresses that stand in for those of the files.
    pub overrides: &'a Overrides,
}

/// Addresses that stand in for those of the files, by name; for the demo and for tests, which share one host.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Where a listener listens.
    pub listeners: Vec<(String, SocketAddr)>,
    /// Where a server of a pool is, by `pool/server`.
    pub servers: Vec<(String, SocketAddr)>,
    /// The name server of every DNS list.
    pub dns: Option<SocketAddr>,
    /// Where every virus scanner is.
    pub clamd: Option<crate::clamd::Host>,
    /// Where maildirs are.
    pub maildir: Option<PathBuf>,
}

/// What the declarations of a plan are at run time.
pub(crate) struct Bindings {
    /// By declaration.
    questions: Vec<Question>,
}

/// Binds a plan's declarations, for one that does not serve: without certificates and keys, its DNS lists without zone files.
pub fn generation(plan: Arc<Plan>, base: &Base<'_>) -> Generation {
    generation_with(plan, Vec::new(), base)
}

/// Binds a plan's declarations, with the zone files that were read with it, for one that does not serve.
pub fn generation_with(plan: Arc<Plan>, zones: Vec<ZoneFile>, base: &Base<'_>) -> Generation {
    serving(plan, zones, &Secrets::default(), base)
}

/// Binds a plan's declarations to serve.
pub fn serving(plan: Arc<Plan>, zones: Vec<ZoneFile>, secrets: &Secrets, base: &Base<'_>) -> Generation {
    let listeners = plan.declared("listener").map(|(_, declared)| {
        let mut listener = declared::listener(declared, base.host_name, secrets);
        base.overrides.listener(&mut listener);
        Arc::new(listener)
    });
    let listeners: Vec<_> = listeners.collect();
    let pools: Vec<_> = plan
        .declared("pool")
        .map(|(_, declared)| {
            let mut spec = declared::pool(declared, secrets);
            base.overrides.pool(&mut spec);
            let older = base.older.and_then(|older| older.pool(&spec.name));
            Pool::new(spec, older.map(|pool| &**pool))
        })
        .collect();
    let bindings = bind(&plan, &zones, &pools, base);
    let mut acts = acts::acts(&plan, &pools);
    base.overrides.acts(&mut acts);
    let questions = acts::questions(&plan, &bindings);
    let memory = memory::memory(&plan, &acts);
    Generation { number: base.number, acts, questions, listeners, pools, memory, zones, plan }
}

fn bind(plan: &Plan, zones: &[ZoneFile], pools: &[Arc<Pool>], base: &Base<'_>) -> Bindings {
    let overrides = base.overrides;
    let mut bindings = Bindings { questions: vec![Question::Unanswerable; plan.declarations().len()] };
    for (index, declared) in plan.declared("dnsbl") {
        let mut list = dnsbl::dnsbl(plan, index, declared, zones::of(declared, zones));
        list.server = overrides.dns.or(list.server);
        let kept = base.older.and_then(|older| older.dns_lists().find(|older| older.is_like(&list)));
        let list = kept.map_or_else(|| Arc::new(list), Arc::clone);
        bindings.set(index, Question::Dnsbl(list));
    }
    for (index, declared) in plan.declared("greylist") {
        bindings.set(index, Question::Greylist(Arc::new(memory::greylist(declared))));
    }
    for (index, declared) in plan.declared("service") {
        if declared.sort.as_deref() == Some("callforward") {
            let service = declared::callforward(declared, pools);
            let question =
                service.map_or(Question::Unanswerable, |service| Question::Callforward(Arc::new(service)));
            bindings.set(index, question);
            continue;
        }
        let mut service = declared::clamd(declared);
        if let Some(host) = &overrides.clamd {
            service.settings.hosts = vec![host.clone()];
        }
        let kept = base.older.and_then(|older| older.scanner(&service)).map(Arc::clone);
        bindings.set(index, Question::Clamav(kept.unwrap_or_else(|| Arc::new(service))));
    }
    bindings
}

impl Bindings {
    fn set(&mut self, index: usize, question: Question) {
        if let Some(place) = self.questions.get_mut(index) {
            *place = question;
        }
    }
}

impl Overrides {
    fn listener(&self, listener: &mut Listener) {
        if let Some((_, address)) = self.listeners.iter().find(|(name, _)| *name == listener.label) {
            listener.bind = vec![*address];
        }
    }

    fn pool(&self, spec: &mut PoolSpec) {
        for server in &mut spec.servers {
            let name = format!("{}/{}", spec.name, server.name);
            if let Some((_, address)) = self.servers.iter().find(|(over, _)| *over == name) {
                server.address = *address;
            }
        }
    }

    fn acts(&self, acts: &mut [crate::generation::Act]) {
        let Some(folder) = &self.maildir else { return };
        for act in acts {
            if let crate::generation::Act::SendMaildir(path) = act {
                path.clone_from(folder);
            }
        }
    }
}

/// This host's name.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { String::from("localhost") } else { name.to_owned() }
}

#[cfg(test)]
pub(crate) fn test_listener() -> Listener {
    let loaded = load_from(["t.weir"], &OneFile(TEST_RULES));
    let plan = loaded.plan.expect("the rules of this test load");
    let base =
        Base { number: 1, older: None, host_name: "host.example.org", overrides: &Overrides::default() };
    (**generation(plan, &base).listeners.first().unwrap()).clone()
}

#[cfg(test)]
pub(crate) const TEST_RULES: &str = "weir 1\nlistener l { bind 127.0.0.1:0 }\non message { discard }\n";

/// One file that is not on the disk.
#[cfg(test)]
pub(crate) struct OneFile(pub(crate) &'static str);

#[cfg(test)]
impl Files for OneFile {
    fn read(&self, _path: &str) -> Result<String, String> {
        Ok(self.0.to_owned())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        Ok(vec![pattern.to_owned()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanner(slots: &str, older: Option<&Generation>) -> Generation {
        let text = format!(
            "weir 1\nservice av : clamd {{ hosts \"192.0.2.9:3310\"  slots {slots} }}\n\
             on message {{\n  defer 451 4.7.1 \"later\" if av(message) is unknown\n  discard\n}}\n"
        );
        let plan = load_from(["t.weir"], &OneFile(text.leak())).plan.unwrap();
        generation(plan, &Base { number: 1, older, host_name: "host", overrides: &Overrides::default() })
    }

    /// Each reload gave a scanner new slots and new connections, whatever the rule files said of it.
    #[test]
    fn a_scanner_outlives_a_reload() {
        let service = |generation: &Generation| match generation.questions.first() {
            Some(Question::Clamav(service)) => Arc::clone(service),
            other => panic!("{other:?}"),
        };
        let first = scanner("5", None);
        let same = scanner("5", Some(&first));
        let other = scanner("6", Some(&same));
        assert!(Arc::ptr_eq(&service(&first), &service(&same)));
        assert!(!Arc::ptr_eq(&service(&same), &service(&other)));
    }
}
