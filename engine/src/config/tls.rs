//! TLS of listeners and pools: what the rule files say of it, and the files that they name.
//!
//! Certificates are read when rules are checked or loaded to serve, and not when they are tested or explained: keys are where mail is
//! served, rules are tested anywhere.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use weir_lang::diagnostic::{Code, Diagnostic, Severity};
use weir_lang::fileset::Files;
use weir_lang::plan::{Arg, Declared, Plan, Setting};
use weir_lang::source::Sources;

use super::Loaded;
use super::args::{self, Args};
use super::faults::report;
use super::host_name;
use crate::clock::{Clock, write_rfc3339};
use crate::generation::{Generation, ListenerTls};
use crate::scheme::codes;
use crate::tls::{Authority, Certificates, Fault, Hop, HopSpec, Keyring, Level, Minimum, Mode, Pair};
use crate::upstream::pool::PoolTls;

/// The certificates and keys of a file set, by the listener or pool that they are of.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    keys: HashMap<String, Arc<Keyring>>,
    hops: HashMap<String, Arc<Hop>>,
}

impl Secrets {
    /// Those that a generation serves with.
    pub fn of(generation: &Generation) -> Self {
        let keys = generation.listeners.iter().filter_map(|listener| {
            let keys = listener.tls.as_ref()?.keys.as_ref()?;
            Some((listener.label.clone(), Arc::clone(keys)))
        });
        let hops = generation.pools.iter().filter_map(|pool| match &pool.spec.tls {
            PoolTls::By(hop) => Some((pool.spec.name.clone(), Arc::clone(hop))),
            PoolTls::Off | PoolTls::Unread => None,
        });
        Self { keys: keys.collect(), hops: hops.collect() }
    }

    /// What a listener speaks.
    pub(super) fn listener(&self, declared: &Declared) -> Option<ListenerTls> {
        let args = Args(&setting(declared)?.args);
        let mode = match args.word() {
            Some("required") => Mode::Required,
            Some("implicit") => Mode::Implicit,
            _ => Mode::Offered,
        };
        Some(ListenerTls { mode, keys: self.keys.get(&declared.name).cloned() })
    }

    /// What a pool speaks.
    pub(super) fn pool(&self, declared: &Declared) -> PoolTls {
        match (setting(declared).and_then(hop_spec), self.hops.get(&declared.name)) {
            (None, _) => PoolTls::Off,
            (Some(_), Some(hop)) => PoolTls::By(Arc::clone(hop)),
            (Some(_), None) => PoolTls::Unread,
        }
    }
}

impl Loaded {
    /// Reads the certificates and keys that the rule files name; what is wrong with them is added to the faults.
    pub fn unlock(&mut self, files: &dyn Files) -> Secrets {
        let Some(plan) = self.plan.clone() else { return Secrets::default() };
        let now = i64::try_from(Clock::system().unix_s()).unwrap_or(i64::MAX);
        let mut reader =
            Reader { sources: &self.sources, files, now, found: Vec::new(), secrets: Secrets::default() };
        reader.read(&plan);
        let Reader { found, secrets, .. } = reader;
        if found.iter().any(|fault| fault.code.severity == Severity::Error) {
            self.plan = None;
        }
        self.diagnostics.extend(found);
        weir_lang::diagnostic::render::sort(&mut self.diagnostics);
        secrets
    }
}

struct Reader<'a> {
    sources: &'a Sources,
    files: &'a dyn Files,
    now: i64,
    found: Vec<Diagnostic>,
    secrets: Secrets,
}

impl Reader<'_> {
    fn read(&mut self, plan: &Plan) {
        for (_, listener) in plan.declared("listener") {
            let Some(setting) = setting(listener) else { continue };
            let files = |file: &str| match file.strip_prefix(SELF_SIGNED) {
                Some(_) => self_signed(listener),
                None => self.files.read(file),
            };
            match Certificates::read(&pairs(setting), &files) {
                Ok(certificates) => self.keep_keys(listener, setting, certificates),
                Err(faults) => faults.iter().for_each(|fault| self.fault(setting, fault)),
            }
        }
        for (_, pool) in plan.declared("pool") {
            let Some((setting, spec)) = setting(pool).and_then(|found| Some((found, hop_spec(found)?)))
            else {
                continue;
            };
            match Hop::read(spec, &|file| self.files.read(file)) {
                Ok(hop) => _ = self.secrets.hops.insert(pool.name.clone(), Arc::new(hop)),
                Err(fault) => self.fault(setting, &fault),
            }
        }
    }

    fn keep_keys(&mut self, listener: &Declared, setting: &Setting, certificates: Certificates) {
        for certificate in certificates.all() {
            if let Some(reason) = out_of_time(certificate.not_before, certificate.not_after, self.now) {
                let message = format!("{}: {reason}", certificate.file);
                self.report(&codes::TLS_TIME, setting, &certificate.file, message, "renew it");
            }
        }
        // What was made is no file that could change.
        let files = pairs(setting).into_iter().filter(|pair| !pair.certificate.starts_with(SELF_SIGNED));
        match Keyring::new(files.collect(), minimum(Args(&setting.args)), certificates) {
            Ok(keys) => _ = self.secrets.keys.insert(listener.name.clone(), Arc::new(keys)),
            Err(error) => {
                let fault = Fault { file: listener.name.clone(), reason: error.to_string(), help: "" };
                self.fault(setting, &fault);
            }
        }
    }

    fn fault(&mut self, setting: &Setting, fault: &Fault) {
        self.report(&codes::TLS_FILE, setting, &fault.file, fault.to_string(), fault.help);
    }

    /// Reports what is wrong with a file, at the place where it is named; that may be relative to the rule file.
    fn report(&mut self, code: &'static Code, setting: &Setting, file: &str, message: String, help: &str) {
        let mut named = Args(&setting.args).texts();
        let culprit = named.find(|named| beside(setting, named) == file).unwrap_or("tls");
        self.found.push(report(self.sources, code, &setting.location, culprit, message).with_help(help));
    }
}

/// Why a certificate does not hold now.
pub fn out_of_time(not_before: i64, not_after: i64, now: i64) -> Option<String> {
    let shown = |time: i64| {
        let mut text = Vec::new();
        write_rfc3339(u64::try_from(time).unwrap_or_default().saturating_mul(1_000_000), &mut text);
        text.truncate("2026-01-15".len());
        String::from_utf8_lossy(&text).into_owned()
    };
    if now > not_after {
        return Some(format!("has expired on {}", shown(not_after)));
    }
    (now < not_before).then(|| format!("does not hold before {}", shown(not_before)))
}

fn setting(declared: &Declared) -> Option<&Setting> {
    declared.settings.iter().find(|setting| setting.word == "tls")
}

/// A path as the host is asked for it: relative to the file in which it stands.
fn beside(setting: &Setting, path: &str) -> String {
    let folder = Path::new(&setting.location.file).parent().unwrap_or(Path::new(""));
    folder.join(path).to_string_lossy().into_owned()
}

/// The certificates that a setting names, in its order.
fn pairs(setting: &Setting) -> Vec<Pair> {
    let given = setting.args.split(|arg| *arg == Arg::Comma);
    let pairs = given.filter_map(|args| {
        if Args(args).has("self_signed") {
            return Some(Pair { certificate: SELF_SIGNED.to_owned(), key: None });
        }
        let args = Args(args).after("cert")?;
        Some(Pair {
            certificate: beside(setting, args.text()?),
            key: args.after("key").and_then(Args::text).map(|key| beside(setting, key)),
        })
    });
    pairs.collect()
}

/// What stands for the file of a certificate that is made.
const SELF_SIGNED: &str = "self_signed:";

/// A certificate for a listener's name, signed by itself, and its key.
fn self_signed(listener: &Declared) -> Result<String, String> {
    let name = args::setting(listener, "name").and_then(Args::text).map_or_else(host_name, str::to_owned);
    let made = rcgen::generate_simple_self_signed([name]).map_err(|error| error.to_string())?;
    Ok(made.cert.pem() + &made.signing_key.serialize_pem())
}

fn minimum(args: Args<'_>) -> Minimum {
    if args.has("tls13") { Minimum::Tls13 } else { Minimum::Tls12 }
}

fn hop_spec(setting: &Setting) -> Option<HopSpec> {
    let args = Args(&setting.args);
    let level = match args.word()? {
        "opportunistic" => Level::Opportunistic,
        "required" => Level::Required,
        "implicit" => Level::Implicit,
        _ => return None,
    };
    let text = |word| args.after(word).and_then(Args::text).map(str::to_owned);
    Some(HopSpec {
        level,
        verify: text("verify"),
        sni: text("sni"),
        authority: text("ca").map_or(Authority::Host, |file| Authority::File(beside(setting, &file))),
        own: pairs(setting).into_iter().next(),
        minimum: minimum(args),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use weir_lang::diagnostic::render::Style;

    use super::*;
    use crate::config::{Base, OneFile, Overrides, load_from, serving};

    /// `NAME.pem`: a certificate for NAME.example.org with its key, expired if it is called so; `other.key`: another's key.
    pub(in crate::config) struct KeyFiles;

    impl Files for KeyFiles {
        fn read(&self, path: &str) -> Result<String, String> {
            let (name, kind) = path.rsplit_once('/').map_or(path, |(_, name)| name).split_once('.').unwrap();
            if name == "none" {
                return Err(String::from("no such file"));
            }
            let key = KeyPair::generate().unwrap();
            if kind == "key" {
                return Ok(key.serialize_pem());
            }
            let mut params = CertificateParams::new([format!("{name}.example.org")]).unwrap();
            params.not_after = rcgen::date_time_ymd(if name == "expired" { 2020 } else { 2999 }, 1, 15);
            Ok(params.self_signed(&key).unwrap().pem() + &key.serialize_pem())
        }

        fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
            Ok(vec![pattern.to_owned()])
        }
    }

    fn rules(listener: &str, pool: &str) -> &'static str {
        let text = format!(
            "weir 1\nlistener a {{\n  bind 192.0.2.25:25\n  {listener}\n}}\n\
             pool p {{\n  server s 192.0.2.1:25\n  {pool}\n}}\non message {{ send to p }}\n"
        );
        text.leak()
    }

    fn generation(listener: &str, pool: &str) -> Generation {
        let mut loaded = load_from(["/etc/weir/t.weir"], &OneFile(rules(listener, pool)));
        let secrets = loaded.unlock(&KeyFiles);
        let shown = loaded.render(Style::Plain);
        let base = Base { number: 1, older: None, host_name: "h", overrides: &Overrides::default() };
        serving(loaded.plan.expect(&shown), Vec::new(), &secrets, &base)
    }

    #[test]
    fn files_lie_beside_the_rule_file_and_the_key_where_it_is_said() {
        let generation = generation(
            "tls offered, cert \"tls/mx1.pem\", minimum tls13, cert \"/k/mx2.pem\"",
            "tls required, verify \"mail.example.org\", ca \"ca.pem\", cert \"mx1.pem\"",
        );
        let tls = generation.listeners[0].tls.as_ref().unwrap();
        let keys = tls.keys.as_ref().unwrap();
        assert_eq!((tls.mode, keys.minimum), (Mode::Offered, Minimum::Tls13));
        let files: Vec<&str> = keys.pairs.iter().flat_map(Pair::files).collect();
        assert_eq!(files, ["/etc/weir/tls/mx1.pem", "/k/mx2.pem"]);
        let spec = &generation.pools[0].spec.tls.hop().unwrap().spec;
        assert_eq!((spec.level, spec.verify.as_deref()), (Level::Required, Some("mail.example.org")));
        assert_eq!(spec.authority, Authority::File("/etc/weir/ca.pem".into()));
        assert_eq!(spec.own.as_ref().unwrap().certificate, "/etc/weir/mx1.pem");
    }

    #[test]
    fn what_starttls_is_to_a_listener() {
        use weir_smtp::Extension::StartTls;
        for (setting, offers, must) in [
            ("tls offered, cert \"a.pem\"", true, false),
            ("tls required, cert \"a.pem\"", true, true),
            ("tls implicit, cert \"a.pem\"", false, false),
            ("", false, false),
        ] {
            let generation = generation(setting, "");
            let server = &generation.listeners[0].server;
            assert_eq!((server.extensions.has(StartTls), server.tls_required), (offers, must), "{setting}");
        }
    }

    /// A file set that was never asked for its keys (`weir test`) must not send in plain what is to go inside TLS.
    #[test]
    fn a_pool_without_its_files_is_not_one_in_plain() {
        let plan = load_from(["t.weir"], &OneFile(rules("", "tls required"))).plan.unwrap();
        let base = Base { number: 1, older: None, host_name: "h", overrides: &Overrides::default() };
        let generation = crate::config::generation(plan, &base);
        assert_eq!(generation.pools[0].spec.tls, PoolTls::Unread);
    }

    #[test]
    fn a_fault_names_the_file_its_place_and_the_way_out() {
        let shown = |listener| {
            let mut loaded = load_from(["t.weir"], &OneFile(rules(listener, "")));
            loaded.unlock(&KeyFiles);
            loaded.render(Style::Plain)
        };
        let text = shown("tls offered, cert \"a.pem\" key \"other.key\"");
        assert!(
            text.starts_with("error[W0720]: other.key: the key is not that of the certificate in a.pem"),
            "{text}"
        );
        assert!(text.contains("t.weir:4:34") && text.contains("help: the files of one renewal"), "{text}");
        assert!(shown("tls offered, cert \"none.pem\"").contains("W0720]: none.pem: no such file"));
        assert!(shown("tls offered, cert \"a.key\"").contains("no certificate in it"));
        let text = shown("tls offered, cert \"expired.pem\"");
        assert!(text.starts_with("warning[W0721]: expired.pem: has expired on 2020-01-15"), "{text}");
    }
}
