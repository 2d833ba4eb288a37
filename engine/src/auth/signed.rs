//! DKIM (RFC 6376) and ARC (RFC 8617): which signatures of a message are good.
//!
//! mail-auth reads the signatures and verifies them. Two steps: [`needs`] names the keys from the header alone; once DNS has
//! answered, [`verify`] does the whole work without waiting, on whatever thread.

use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use mail_auth::common::crypto::{Algorithm, CryptoError};
use mail_auth::common::headers::Header;
use mail_auth::common::verify::VerifySignature as _;
use mail_auth::dkim::Signature;
use mail_auth::{AuthenticatedMessage, DkimOutput, DkimResult, Error, MessageAuthenticator, Parameters};

use super::keys::Keys;
use crate::dns;
use crate::limits::{ARC_SETS_MAX, AUTH_REASON_BYTES_MAX, DKIM_SIGNATURES_MAX};
use crate::mail;
use crate::scheme::auth::DKIM_ANSWER;

/// The result of one signature, and of all of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DkimState {
    /// It is good.
    Pass,
    /// It does not fit the message, or has expired.
    Fail,
    /// None there.
    None,
    /// DNS has not answered.
    #[default]
    TempError,
    /// It can't be used.
    PermError,
}

/// One signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// What became of it.
    pub state: DkimState,
    /// `d=`; empty when it could not be read.
    pub domain: Box<[u8]>,
    /// `s=`
    pub selector: Box<str>,
    /// The first characters of `b=`, which tell it from others (RFC 6008).
    pub begins: Box<str>,
    /// Why it is not good.
    pub reason: Option<Box<str>>,
}

/// The signatures of a message, from the top, at most [`DKIM_SIGNATURES_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dkim {
    /// Each of them.
    pub signatures: Vec<Signed>,
    /// The domains of those that are good, in lower case.
    pub domains: Vec<Box<[u8]>>,
}

/// The result of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArcState {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// None there.
    None,
    /// DNS has not answered.
    TempError,
}

/// The chain of ARC sets of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arc {
    /// What became of it.
    pub state: ArcState,
    /// The domain of the last seal.
    pub sealer: Box<[u8]>,
    /// How many sets there are.
    pub sets: i64,
    /// Why it does not hold.
    pub reason: Option<Box<str>>,
}

/// What is to be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The DKIM signatures.
    pub dkim: bool,
    /// The chain.
    pub arc: bool,
}

/// What was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The DKIM signatures.
    pub dkim: Dkim,
    /// The chain.
    pub arc: Arc,
}

impl Signed {
    /// The state as headers name it.
    pub fn word(&self) -> &'static str {
        DKIM_ANSWER.states.get(self.state as usize).map_or("temperror", |state| state.name)
    }
}

impl Dkim {
    /// When its look-up has come to nothing.
    pub fn unknown() -> Self {
        Self { signatures: vec![Signed::default()], domains: Vec::new() }
    }

    /// Adds a signature; what is over the bound is let go.
    pub fn add(&mut self, signature: Signed) {
        if self.signatures.len() == DKIM_SIGNATURES_MAX {
            return;
        }
        if signature.state == DkimState::Pass && !self.domains.contains(&signature.domain) {
            self.domains.push(signature.domain.clone());
        }
        self.signatures.push(signature);
    }

    /// All signatures together: one that is good is enough (RFC 6376, 6.1).
    pub fn state(&self) -> DkimState {
        let has = |state| self.signatures.iter().any(|signature| signature.state == state);
        let order = [DkimState::Pass, DkimState::TempError, DkimState::Fail, DkimState::PermError];
        order.into_iter().find(|state| has(*state)).unwrap_or(DkimState::None)
    }

    /// Why it is no pass.
    pub fn reason(&self) -> Option<&str> {
        let state = self.state();
        self.signatures.iter().find(|signature| signature.state == state)?.reason.as_deref()
    }
}

impl Arc {
    /// When its look-up has come to nothing.
    pub fn unknown() -> Self {
        Self { state: ArcState::TempError, ..Self::default() }
    }
}

impl Verified {
    /// When nothing can be said.
    pub fn unknown() -> Self {
        Self { dkim: Dkim::unknown(), arc: Arc::unknown() }
    }
}

impl Default for Arc {
    fn default() -> Self {
        Self { state: ArcState::None, sealer: Box::default(), sets: 0, reason: None }
    }
}

/// The names under which the keys are, as [`Keys`] takes them; each once.
pub fn needs(content: &[u8], wanted: Wanted) -> Vec<String> {
    // The body is hashed when it is read, so that it is left out here.
    let header = content.get(..mail::header_end(content)).unwrap_or_default();
    let Some(message) = read(header, wanted) else { return Vec::new() };
    let mut names = Vec::new();
    let mut need = |name: String| {
        let name = name.to_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    };
    message.parsed.dkim_headers.iter().for_each(|header| need(header.header.domain_key()));
    if may_hold(&message.parsed) {
        message.parsed.ams_headers.last().into_iter().for_each(|header| need(header.header.domain_key()));
        message.parsed.as_headers.iter().for_each(|header| need(header.header.domain_key()));
    }
    names
}

/// Whether there is a chain that can hold: of others, mail-auth says so without a look at any key. Few sets have few keys.
fn may_hold(parsed: &AuthenticatedMessage<'_>) -> bool {
    let sets = parsed.as_headers.len();
    !parsed.has_arc_errors
        && (1..=ARC_SETS_MAX).contains(&sets)
        && parsed.ams_headers.len() == sets
        && parsed.aar_headers.len() == sets
}

/// Verifies a message, given the keys that it needs.
pub fn verify(content: &[u8], keys: &Keys, wanted: Wanted) -> Verified {
    let Some(message) = read(content, wanted) else {
        return Verified { dkim: Dkim::default(), arc: Arc::default() };
    };
    let dkim = if wanted.dkim { dkim(&message, keys) } else { Dkim::default() };
    let arc = if wanted.arc { arc(&message, keys) } else { Arc::default() };
    Verified { dkim, arc }
}

/// A message as mail-auth reads it, without the signatures that are not to be verified.
struct Read<'x> {
    parsed: AuthenticatedMessage<'x>,
    /// DKIM signatures that can't be used, with the reason.
    refused: Vec<Signed>,
}

fn read(content: &[u8], wanted: Wanted) -> Option<Read<'_>> {
    // Strict: with `l=` anybody can append to what was signed (RFC 6376, 8.2), so such a signature is none.
    let mut parsed = AuthenticatedMessage::parse_with_opts(content, None, true)?;
    if !wanted.arc {
        parsed.ams_headers.clear();
        parsed.as_headers.clear();
    }
    let mut refused = Vec::new();
    if !wanted.dkim {
        parsed.dkim_headers.clear();
        return Some(Read { parsed, refused });
    }
    let mut taken = 0;
    parsed.dkim_headers.retain(|header| {
        taken += 1;
        if taken > DKIM_SIGNATURES_MAX {
            return false;
        }
        let fault = fault(header);
        if let Some(reason) = fault {
            refused.push(signed(Some(&header.header), DkimState::PermError, Some(reason.into())));
        }
        fault.is_none()
    });
    Some(Read { parsed, refused })
}

/// What mail-auth lets pass and the standard does not.
fn fault(header: &Header<'_, Signature>) -> Option<&'static str> {
    let signature = &header.header;
    if signature.v != 1 {
        return Some("no version");
    }
    if signature.a == Algorithm::RsaSha1 {
        return Some("rsa-sha1 is no proof any more");
    }
    // RFC 6376, 5.4.
    if !signature.h.iter().any(|name| name.trim().eq_ignore_ascii_case("from")) {
        return Some("From is not signed");
    }
    None
}

fn dkim(message: &Read<'_>, keys: &Keys) -> Dkim {
    let output = at_once(|authenticator| authenticator.verify_dkim(parameters(&message.parsed, keys)));
    let mut dkim = Dkim::default();
    output.unwrap_or_default().iter().map(result).for_each(|signature| dkim.add(signature));
    message.refused.iter().cloned().for_each(|signature| dkim.add(signature));
    dkim
}

fn result(output: &DkimOutput<'_>) -> Signed {
    use mail_auth::dkim::DkimError::{FailedBodyHashMatch, SignatureExpired};
    let (state, error) = match output.result() {
        DkimResult::Pass => (DkimState::Pass, None),
        DkimResult::None => (DkimState::None, None),
        DkimResult::TempError(error) => (DkimState::TempError, Some(error)),
        DkimResult::Neutral(error @ Error::Dkim(FailedBodyHashMatch | SignatureExpired)) => {
            (DkimState::Fail, Some(error))
        }
        DkimResult::PermError(error) | DkimResult::Neutral(error) => (DkimState::PermError, Some(error)),
        DkimResult::Fail(error) => (DkimState::Fail, Some(error)),
    };
    signed(output.signature(), state, error.map(reason))
}

fn signed(signature: Option<&Signature>, state: DkimState, reason: Option<Box<str>>) -> Signed {
    let text = |read: fn(&Signature) -> &str| signature.map_or("", read);
    Signed {
        state,
        domain: text(|signature| &signature.d).to_lowercase().into_bytes().into(),
        selector: text(|signature| &signature.s).into(),
        begins: signature.map(|signature| begins(&signature.b)).unwrap_or_default(),
        reason,
    }
}

fn arc(message: &Read<'_>, keys: &Keys) -> Arc {
    let parsed = &message.parsed;
    let heads = parsed.ams_headers.len().max(parsed.as_headers.len()).max(parsed.aar_headers.len());
    let sealer = parsed.as_headers.last().map(|seal| seal.header.d.to_lowercase());
    let found = |state, reason| Arc {
        state,
        sealer: sealer.clone().unwrap_or_default().into_bytes().into(),
        sets: i64::try_from(heads).unwrap_or(i64::MAX),
        reason,
    };
    if heads == 0 && !parsed.has_arc_errors {
        return Arc::default();
    }
    // mail-auth takes a header without a message signature for one without a chain.
    if parsed.ams_headers.is_empty() && !parsed.has_arc_errors {
        return found(ArcState::Fail, Some("the chain is broken".into()));
    }
    let weak = parsed.ams_headers.last().is_some_and(|header| header.header.a == Algorithm::RsaSha1)
        || parsed.as_headers.iter().any(|header| header.header.a == Algorithm::RsaSha1);
    if weak {
        return found(ArcState::Fail, Some("rsa-sha1 is no proof any more".into()));
    }
    let Some(output) = at_once(|authenticator| authenticator.verify_arc(parameters(parsed, keys))) else {
        return found(ArcState::TempError, None);
    };
    match output.result() {
        DkimResult::Pass => found(ArcState::Pass, None),
        DkimResult::None => Arc::default(),
        DkimResult::TempError(error) => found(ArcState::TempError, Some(reason(error))),
        DkimResult::PermError(error) | DkimResult::Neutral(error) | DkimResult::Fail(error) => {
            found(ArcState::Fail, Some(reason(error)))
        }
    }
}

fn reason(error: &Error) -> Box<str> {
    let text = match error {
        // So a key is refused.
        Error::Io(why) => why.clone(),
        // What it says of a signature that does not fit is for those who read code.
        Error::Crypto(CryptoError::Library(_) | CryptoError::FailedVerification) => {
            String::from("the signature does not fit")
        }
        Error::Dns(mail_auth::DnsError::RecordNotFound(_) | mail_auth::DnsError::InvalidRecordType) => {
            String::from("no key")
        }
        Error::Dns(mail_auth::DnsError::Resolver(_)) => String::from("DNS has not answered for the key"),
        Error::Dkim(mail_auth::dkim::DkimError::SignatureLength) => {
            String::from("l= leaves content unsigned")
        }
        error => error.to_string(),
    };
    text.chars().take(AUTH_REASON_BYTES_MAX / char::MAX.len_utf8()).collect()
}

/// The first characters of a signature in base64: of 6 bytes, so that nothing is padded.
fn begins(signature: &[u8]) -> Box<str> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in signature.chunks_exact(3).take(2) {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for shift in [18, 12, 6, 0] {
            text.push(ALPHABET.get(bits >> shift & 63).map_or('?', |byte| char::from(*byte)));
        }
    }
    text.into()
}

/// What mail-auth makes of a chain: to seal it once more, in tests.
#[cfg(test)]
pub(super) fn arc_output<'x>(
    message: &'x AuthenticatedMessage<'x>,
    keys: &'x Keys,
) -> Option<mail_auth::ArcOutput<'x>> {
    at_once(|authenticator| authenticator.verify_arc(parameters(message, keys)))
}

type NoCache<K, V> = mail_auth::common::cache::NoCache<K, V>;

/// What mail-auth wants to know: a message, and as its cache all that DNS has said.
type With<'x> = Parameters<
    'x,
    &'x AuthenticatedMessage<'x>,
    Keys,
    NoCache<Box<str>, mail_auth::RecordSet<mail_auth::MX>>,
    NoCache<Box<str>, mail_auth::RecordSet<std::net::Ipv4Addr>>,
    NoCache<Box<str>, mail_auth::RecordSet<std::net::Ipv6Addr>>,
    NoCache<std::net::IpAddr, mail_auth::RecordSet<Box<str>>>,
>;

fn parameters<'x>(message: &'x AuthenticatedMessage<'x>, keys: &'x Keys) -> With<'x> {
    Parameters::new(message).with_txt_cache(keys)
}

/// Runs what mail-auth does without waiting: its cache has everything, and its resolver knows no server. `None` when it
/// wanted to wait after all.
fn at_once<'x, T, F: Future<Output = T>>(begin: impl FnOnce(&'x MessageAuthenticator) -> F) -> Option<T> {
    static AUTHENTICATOR: OnceLock<Option<MessageAuthenticator>> = OnceLock::new();
    let authenticator =
        AUTHENTICATOR.get_or_init(|| dns::without_servers().map(MessageAuthenticator)).as_ref()?;
    let future = pin!(begin(authenticator));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
