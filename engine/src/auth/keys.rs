//! The public keys of signers: which names hold them, and what is read there (RFC 6376, 3.6).

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

use hickory_resolver::proto::op::ResponseCode;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::{DnsError, Error, ResolverCache, Txt};

use crate::dns::{Answer, Kind, Question, Records};
use crate::limits::{KEY_BITS_MAX, KEY_BITS_MIN};

/// The keys that a message needs, by name: what mail-auth takes for its cache of TXT records. It must hold all that is
/// asked, since behind it there is no name server.
#[derive(Default)]
pub struct Keys(HashMap<Box<str>, Txt>);

impl Keys {
    /// Takes what DNS said under a name, as mail-auth writes it: with a final dot.
    pub fn add(&mut self, name: &str, answer: &Answer) {
        self.0.insert(name.into(), read(answer));
    }

    /// The question for such a name, if it can be asked.
    pub fn question(name: &str) -> Option<Question> {
        Question::new(Kind::Txt, name)
    }
}

fn read(answer: &Answer) -> Txt {
    let texts = match answer {
        Answer::Found(records) => match &**records {
            Records::Texts(texts) => texts,
            _ => return no_record(),
        },
        Answer::None => return no_record(),
        Answer::Failed(_) => return Txt::Error(Error::Dns(DnsError::Resolver("no answer".into()))),
    };
    // Several records are undefined (RFC 6376, 3.6.2.2): the first that can be used is, as mail-auth has it.
    let mut fault = no_record();
    for text in texts {
        match key(text) {
            Ok(key) => return key.into(),
            Err(error) => fault = Txt::Error(error),
        }
    }
    fault
}

fn no_record() -> Txt {
    Txt::Error(Error::Dns(DnsError::RecordNotFound(ResponseCode::NXDomain)))
}

/// A key that is strong enough (RFC 8301, 3.2), not too costly, and meant for mail (RFC 6376, 3.6.1).
fn key(text: &[u8]) -> Result<DomainKey, Error> {
    let key = DomainKey::parse(text)?;
    let refused = |why: String| Err(Error::Io(why));
    match key.p.public_key_bits() {
        // An Ed25519 key has but one length.
        usize::MAX => {}
        bits if bits < KEY_BITS_MIN => return refused(format!("a key of {bits} bits is too short")),
        bits if bits > KEY_BITS_MAX => return refused(format!("a key of {bits} bits is too long")),
        _ => {}
    }
    if !allows(text, b"s", &[b"*", b"email"]) {
        return refused(String::from("the key is not for mail"));
    }
    if !allows(text, b"h", &[b"sha256"]) {
        return refused(String::from("the key is not for SHA-256"));
    }
    Ok(key)
}

/// Whether a tag that is a list, when it is there, has one of these in it.
fn allows(text: &[u8], tag: &[u8], values: &[&[u8]]) -> bool {
    let mut tags = text.split(|byte| *byte == b';').filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair.get(..equals)?.trim_ascii(), pair.get(equals + 1..)?))
    });
    tags.find(|(name, _)| *name == tag).is_none_or(|(_, list)| {
        list.split(|byte| *byte == b':')
            .any(|item| values.iter().any(|value| item.trim_ascii().eq_ignore_ascii_case(value)))
    })
}

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // Whatever else it asks for, a policy or a report's address, is not there.
        Some(self.0.get(name).cloned().unwrap_or_else(no_record))
    }

    fn remove<Q>(&self, _name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _name: Box<str>, _record: Txt, _until: Instant) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_are_lists() {
        for (text, allowed) in [
            (&b"v=DKIM1; p=AA"[..], true),
            (b"v=DKIM1; s=email; p=AA", true),
            (b"s = other : EMAIL ;p=AA", true),
            (b"s=*;p=AA", true),
            (b"s=tlsrpt;p=AA", false),
            (b"s=;p=AA", false),
        ] {
            assert_eq!(allows(text, b"s", &[b"*", b"email"]), allowed, "{}", String::from_utf8_lossy(text));
        }
    }
}
