//! Certificates and keys from PEM files, and which of them answers to a name.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::provider;
use crate::limits::TLS_FILE_BYTES_MAX;

/// Reads a text file; the error is a reason.
pub type Files<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The certificate and those that it is signed by, its own first.
    pub certificate: String,
    /// The key; in the same file when not given.
    pub key: Option<String>,
}

impl Pair {
    /// The files, each once.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.certificate.as_str()).chain(self.key.as_deref())
    }
}

/// Why a certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub help: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.file, self.reason)
    }
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Certificate {
    /// The file that it came from.
    pub file: String,
    /// The names of hosts for which it holds, in lower case; `*.` for one label.
    pub names: Vec<String>,
    /// When it begins to hold, in seconds since 1970,
    pub not_before: i64,
    /// and when it ends.
    pub not_after: i64,
    pub(super) key: Arc<CertifiedKey>,
}

impl Certificate {
    /// Reads it.
    ///
    /// # Errors
    /// When a file cannot be read, has no certificate or key, or the key is another's.
    pub fn read(pair: &Pair, files: Files<'_>) -> Result<Self, Fault> {
        // A file is read once: between two looks a renewal could exchange it.
        let certificate_text = text(&pair.certificate, files)?;
        let key_text = pair.key.as_ref().map(|key| text(key, files)).transpose()?;
        let chain = chain_in(&pair.certificate, &certificate_text)?;
        let key_file = pair.key.as_ref().unwrap_or(&pair.certificate);
        let key_text = key_text.as_ref().unwrap_or(&certificate_text);
        let key = PrivateKeyDer::from_pem_slice(key_text.as_bytes()).map_err(|error| Fault {
            file: key_file.clone(),
            reason: format!("no private key in it ({error})"),
            help: "a PEM file with PRIVATE KEY, without a passphrase; or name it: `cert \"FILE\" key \"FILE\"`",
        })?;
        let first = chain.first().cloned();
        let certified = CertifiedKey::from_der(chain, key, provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Fault {
                file: key_file.clone(),
                reason: format!("the key is not that of the certificate in {}", pair.certificate),
                help: "the files of one renewal belong together",
            },
            error => Fault {
                file: key_file.clone(),
                reason: format!("a key that cannot be used: {error}"),
                help: "RSA of at least 2048 bits, ECDSA P-256 or P-384, or Ed25519",
            },
        })?;
        let unreadable = |reason: String| Fault {
            file: pair.certificate.clone(),
            reason: format!("a certificate that cannot be read: {reason}"),
            help: "an X.509 certificate in PEM, the host's own first, then those that it is signed by",
        };
        let first = first.ok_or_else(|| unreadable(String::from("none")))?;
        let (_, parsed) = X509Certificate::from_der(&first).map_err(|error| unreadable(error.to_string()))?;
        Ok(Self {
            file: pair.certificate.clone(),
            names: names(&parsed),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            key: Arc::new(certified),
        })
    }

    /// Whether it can be used with one of these signatures.
    fn suits(&self, offered: &[SignatureScheme]) -> bool {
        self.key.key.choose_scheme(offered).is_some()
    }
}

fn text(file: &str, files: Files<'_>) -> Result<String, Fault> {
    let fault = |reason| Fault { file: file.to_owned(), reason, help: "a PEM file that weir may read" };
    let text = files(file).map_err(fault)?;
    if text.len() > TLS_FILE_BYTES_MAX {
        return Err(fault(format!("{} bytes, more than the {TLS_FILE_BYTES_MAX} that are read", text.len())));
    }
    Ok(text)
}

/// The certificates in a file, at least one.
pub(super) fn chain(file: &str, files: Files<'_>) -> Result<Vec<CertificateDer<'static>>, Fault> {
    chain_in(file, &text(file, files)?)
}

fn chain_in(file: &str, text: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let fault = |reason: String| Fault {
        file: file.to_owned(),
        reason,
        help: "a PEM file with BEGIN CERTIFICATE, the host's own first, then those that it is signed by",
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let chain = read.map_err(|error| fault(format!("no PEM: {error}")))?;
    if chain.is_empty() {
        return Err(fault(String::from("no certificate in it")));
    }
    Ok(chain)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = alternatives.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_lowercase()),
        _ => None,
    });
    names.collect()
}

/// The certificates of a listener, by name.
#[derive(Debug)]
pub struct Certificates {
    all: Vec<Certificate>,
    /// For each name, `*.example.org` for all directly below, those that hold for it, in the order of the rule file.
    by_name: HashMap<String, Vec<usize>>,
}

impl Certificates {
    /// Reads all, or says what is wrong with each that cannot be.
    ///
    /// # Errors
    /// All faults, and none of the certificates.
    pub fn read(pairs: &[Pair], files: Files<'_>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut all = Vec::new();
        for pair in pairs {
            match Certificate::read(pair, files) {
                Ok(certificate) => all.push(certificate),
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, certificate) in all.iter().enumerate() {
            for name in &certificate.names {
                by_name.entry(name.clone()).or_default().push(index);
            }
        }
        Ok(Self { all, by_name })
    }

    /// All, in the order of the rule file.
    pub fn all(&self) -> &[Certificate] {
        &self.all
    }

    /// The first that holds for the name and fits the client; for none, or an unknown one, the first of all that fits.
    pub(super) fn choose(&self, name: Option<&str>, offered: &[SignatureScheme]) -> Option<&Certificate> {
        let named = name.and_then(|name| {
            let above = || name.split_once('.').map(|(_, above)| format!("*.{above}"));
            self.by_name.get(name).or_else(|| self.by_name.get(&above()?))
        });
        let mut named = named.into_iter().flatten().filter_map(|&index| self.all.get(index));
        named
            .find(|certificate| certificate.suits(offered))
            .or_else(|| self.all.iter().find(|certificate| certificate.suits(offered)))
            .or_else(|| self.all.first())
    }
}
