//! Who sends to whom: the envelopes of a run, made once, with their digests.

use weir_smtp::{BodyType, Envelope, Mailbox, Path};

use crate::mark::envelope_digest;

/// An envelope and its digest.
pub(super) struct Addressed {
    pub(super) envelope: Envelope,
    pub(super) digest: u64,
}

/// The envelopes of most messages, for text of 7 and of 8 bits.
pub(super) struct Envelopes {
    seven_bit: Addressed,
    eight_bit: Addressed,
}

impl Envelopes {
    /// From one to several: the given recipients, and as many again under other names until there are `count`. `None` if one
    /// is no address.
    pub(super) fn new(from: &str, to: &[String], count: u64) -> Option<Self> {
        let mut envelope = Envelope::new();
        envelope.set_sender(Path::Mailbox(Mailbox::parse(from).ok()?));
        for recipient in to {
            envelope.push_recipient(Mailbox::parse(recipient).ok()?);
        }
        let first = Mailbox::parse(to.first()?).ok()?;
        let given = envelope.recipients().len() as u64;
        for number in given + 1..=count {
            let other = renamed(first, &format!("{}-{number}", first.local()));
            envelope.push_recipient(Mailbox::parse(&other).ok()?);
        }
        let digest = envelope_digest(&envelope);
        let mut eight_bit = envelope.clone();
        eight_bit.body = BodyType::EightBit;
        Some(Self {
            seven_bit: Addressed { envelope, digest },
            eight_bit: Addressed { envelope: eight_bit, digest },
        })
    }

    pub(super) const fn of(&self, is_eight_bit: bool) -> &Addressed {
        if is_eight_bit { &self.eight_bit } else { &self.seven_bit }
    }

    /// The same with a first recipient that nobody knows.
    pub(super) fn unknown(&self, is_eight_bit: bool, serial: u64) -> Option<Addressed> {
        let known = &self.of(is_eight_bit).envelope;
        let mut envelope = Envelope::new();
        envelope.set_sender(known.sender());
        envelope.body = known.body;
        let mut recipients = known.recipients();
        let unknown = renamed(recipients.next()?, &format!("unknown-{serial}"));
        envelope.push_recipient(Mailbox::parse(&unknown).ok()?);
        for recipient in recipients {
            envelope.push_recipient(recipient);
        }
        Some(Addressed { digest: envelope_digest(&envelope), envelope })
    }
}

/// Another local part in the same domain.
fn renamed(mailbox: Mailbox<'_>, local: &str) -> String {
    mailbox.domain().map_or_else(|| local.to_owned(), |domain| format!("{local}@{domain}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipients(addressed: &Addressed) -> Vec<String> {
        addressed.envelope.recipients().map(|recipient| recipient.to_string()).collect()
    }

    #[test]
    fn recipients_are_those_given_and_as_many_as_asked_for() {
        let to = ["a@example.net", "b@example.org"].map(String::from);
        let envelopes = Envelopes::new("s@example.org", &to, 4).unwrap();
        let all = ["a@example.net", "b@example.org", "a-3@example.net", "a-4@example.net"];
        assert_eq!(recipients(envelopes.of(false)), all);
        assert_eq!(envelopes.of(true).envelope.body, BodyType::EightBit);
        let unknown = envelopes.unknown(true, 7).unwrap();
        assert_eq!(recipients(&unknown)[..2], ["unknown-7@example.net", "b@example.org"]);
        assert_eq!(unknown.envelope.body, BodyType::EightBit);
        assert_ne!(unknown.digest, envelopes.of(true).digest);
        assert_eq!(recipients(Envelopes::new("s@example.org", &to, 1).unwrap().of(false)).len(), 2);
    }
}
