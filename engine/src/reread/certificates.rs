//! Certificates are read anew by themselves when their files change: a renewal needs nobody, and open sessions do not notice.
//!
//! All of a listener's certificates are taken, or none: while a file is bad those before go on, it is counted and said in the log. A
//! certificate and its key are two files that cannot change at once, so a pair that does not fit is looked at once more before that.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use weir_lang::fileset::Files;

use super::{Stamp, stamp};
use crate::config::{Disk, out_of_time};
use crate::control::Control;
use crate::generation::Generation;
use crate::limits::TLS_FILES_EVERY;
use crate::metrics::names;
use crate::tls::{Certificates, Fault, Keyring, Pair};

/// The files of a listener's certificates, as they were when they were read.
type Stamps = Vec<(String, Option<Stamp>)>;

/// Looks at the files until the task is aborted.
pub async fn watch(control: Rc<Control>) {
    let mut known: HashMap<String, Known> = HashMap::new();
    let mut generation = 0;
    loop {
        let served = control.served();
        if served.generation.number != generation {
            generation = served.generation.number;
            known = listeners(&served.generation)
                .map(|(label, keys)| (label.to_owned(), Known::new(keys, served.loaded)))
                .collect();
            listeners(&served.generation)
                .for_each(|(label, keys)| say(&control, label, &keys.certificates()));
        }
        for (label, keys) in listeners(&served.generation) {
            if let Some(known) = known.get_mut(label) {
                known.look(&control, label, keys).await;
            }
        }
        tokio::time::sleep(TLS_FILES_EVERY).await;
    }
}

fn listeners(generation: &Generation) -> impl Iterator<Item = (&str, &Arc<Keyring>)> {
    generation.listeners.iter().filter_map(|listener| {
        let keys = listener.tls.as_ref()?.keys.as_ref()?;
        Some((listener.label.as_str(), keys))
    })
}

/// What is known of the files of one listener.
struct Known {
    stamps: Stamps,
    /// How often they were read as they are, and could not be taken.
    faults: u32,
}

impl Known {
    /// As they were when the generation was loaded; what was changed since is read at the next look.
    fn new(keys: &Keyring, loaded: std::time::SystemTime) -> Self {
        let unchanged = |stamp: &Stamp| stamp.is_before(loaded);
        let stamps = stamps(&keys.pairs).into_iter();
        Self { stamps: stamps.map(|(file, at)| (file, at.filter(unchanged))).collect(), faults: 0 }
    }

    async fn look(&mut self, control: &Control, label: &str, keys: &Arc<Keyring>) {
        if !self.is_due(stamps(&keys.pairs)) {
            return;
        }
        let pairs = keys.pairs.clone();
        let read = move || Certificates::read(&pairs, &|file| Disk.read(file));
        let read = tokio::task::spawn_blocking(read).await.unwrap_or_else(|ended| {
            let file = String::from("certificates");
            Err(vec![Fault { file, reason: ended.to_string(), help: "" }])
        });
        let is_told = self.outcome(read.is_ok());
        match read {
            Ok(certificates) => {
                keys.replace(certificates);
                say(control, label, &keys.certificates());
            }
            Err(faults) if is_told => faults.iter().for_each(|fault| complain(control, label, fault)),
            Err(_) => {}
        }
    }

    /// Whether they are to be read: they are others, or could not be taken. What the fault was may not show in the files, as when there
    /// was no descriptor.
    fn is_due(&mut self, now: Stamps) -> bool {
        if now != self.stamps {
            (self.stamps, self.faults) = (now, 0);
            return true;
        }
        self.faults > 0
    }

    /// Takes down how reading ended; whether a fault is to be told, once: when it is there at the second look too.
    fn outcome(&mut self, is_taken: bool) -> bool {
        self.faults = if is_taken { 0 } else { self.faults.saturating_add(1) };
        self.faults == 2
    }
}

fn stamps(pairs: &[Pair]) -> Stamps {
    pairs.iter().flat_map(Pair::files).map(|file| (file.to_owned(), stamp(file))).collect()
}

/// Says which certificates serve.
fn say(control: &Control, label: &str, certificates: &Certificates) {
    let now = i64::try_from(control.unix_s()).unwrap_or(i64::MAX);
    for certificate in certificates.all() {
        let fault = out_of_time(certificate.not_before, certificate.not_after, now);
        let event = control.log.event("certificate").field("listener", label);
        let event = event.field("file", &certificate.file).field("names", certificate.names.join(","));
        event.field("days", (certificate.not_after - now) / 86_400).maybe("fault", fault).emit();
    }
}

fn complain(control: &Control, label: &str, fault: &Fault) {
    control.process.metrics.counter(&names::TLS_CERTIFICATE_ERRORS, &[label, &fault.file]).increment();
    let event = control.log.event("certificate_error").field("listener", label);
    event.field("file", &fault.file).field("reason", &fault.reason).field("help", fault.help).emit();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After the second look they were left alone, though nothing was wrong with them but that no descriptor was free.
    #[test]
    fn what_was_not_taken_is_tried_until_it_is() {
        let mut known = Known { stamps: Vec::new(), faults: 0 };
        let pair = || vec![(String::from("mx.pem"), None)];
        assert!(!known.is_due(Vec::new()) && known.is_due(pair()));
        for is_told in [false, true, false, false] {
            assert_eq!(known.outcome(false), is_told);
            assert!(known.is_due(pair()));
        }
        assert!(!known.outcome(true) && !known.is_due(pair()));
    }
}
