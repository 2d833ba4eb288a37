//! The envelope of a message: who sent it, who gets it, and what MAIL said about it.

use std::ops::Range;

use crate::address::{Mailbox, Path};
use crate::command::RcptParameters;
use crate::notify::{Notify, Return};

/// What the sender said of the message's text (RFC 6152).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyType {
    /// `BODY=7BIT`, or nothing said.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`.
    EightBit,
}

/// A mailbox inside the envelope's text.
#[derive(Debug, Clone)]
struct Span {
    local: Range<usize>,
    /// `None` for `postmaster` alone.
    domain: Option<Range<usize>>,
    /// What RCPT said with `NOTIFY=`,
    notify: Option<Notify>,
    /// and with `ORCPT=`.
    orcpt: Option<Range<usize>>,
}

/// An envelope. All addresses live in one text, so that a cleared envelope takes the next message without allocating.
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    text: String,
    /// `None` is the null sender.
    sender: Option<Span>,
    recipients: Vec<Span>,
    /// What MAIL said with `SIZE=`, in bytes.
    pub declared_bytes: Option<u64>,
    /// What MAIL said with `BODY=`.
    pub body: BodyType,
    /// Whether MAIL said `SMTPUTF8`.
    pub is_utf8: bool,
    /// Whether MAIL said `REQUIRETLS`.
    pub requires_tls: bool,
    /// What MAIL said of notices; few say it, so it has no room of its own.
    notices: Option<Box<Notices>>,
}

/// What MAIL says of the notices that its sender wants (RFC 3461).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    /// `RET=`.
    pub returns: Option<Return>,
    /// `ENVID=`, encoded.
    pub envid: Option<String>,
}

impl Envelope {
    /// The envelope of the null sender to nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes it a new envelope. Its memory is kept.
    pub fn clear(&mut self) {
        self.text.clear();
        self.sender = None;
        self.recipients.clear();
        self.declared_bytes = None;
        self.body = BodyType::SevenBit;
        self.is_utf8 = false;
        self.requires_tls = false;
        self.notices = None;
    }

    /// The reverse-path.
    pub fn sender(&self) -> Path<'_> {
        self.sender.as_ref().map_or(Path::Null, |span| Path::Mailbox(self.mailbox(span)))
    }

    /// Sets the reverse-path.
    pub fn set_sender(&mut self, sender: Path<'_>) {
        self.sender = sender.mailbox().map(|mailbox| self.store(mailbox));
    }

    /// What MAIL said of notices, if it did.
    pub fn notices(&self) -> Option<&Notices> {
        self.notices.as_deref()
    }

    /// Sets that.
    pub fn set_notices(&mut self, notices: Notices) {
        self.notices = (notices != Notices::default()).then(|| Box::new(notices));
    }

    /// What RCPT said of each recipient, in the same order.
    pub fn wishes(&self) -> impl Iterator<Item = RcptParameters<'_>> {
        self.recipients.iter().map(|span| RcptParameters {
            notify: span.notify,
            orcpt: span.orcpt.clone().and_then(|range| self.text.get(range)),
        })
    }

    /// What RCPT said of the recipient that came last.
    pub fn set_notice(&mut self, said: RcptParameters<'_>) {
        let orcpt = said.orcpt.map(|orcpt| self.append(orcpt));
        if let Some(last) = self.recipients.last_mut() {
            last.notify = said.notify;
            last.orcpt = orcpt;
        }
    }

    /// The recipients, in the order of their RCPT commands.
    pub fn recipients(&self) -> impl ExactSizeIterator<Item = Mailbox<'_>> {
        self.recipients.iter().map(|span| self.mailbox(span))
    }

    /// The recipient that came last.
    pub fn last_recipient(&self) -> Option<Mailbox<'_>> {
        self.recipients.last().map(|span| self.mailbox(span))
    }

    /// Adds a recipient.
    pub fn push_recipient(&mut self, recipient: Mailbox<'_>) {
        let span = self.store(recipient);
        self.recipients.push(span);
    }

    /// Takes back the recipient that came last.
    pub fn pop_recipient(&mut self) {
        if let Some(span) = self.recipients.pop() {
            self.text.truncate(span.local.start);
        }
    }

    fn store(&mut self, mailbox: Mailbox<'_>) -> Span {
        let local = self.append(mailbox.local());
        let domain = mailbox.domain().map(|domain| self.append(domain));
        Span { local, domain, notify: None, orcpt: None }
    }

    fn append(&mut self, part: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(part);
        start..self.text.len()
    }

    fn mailbox(&self, span: &Span) -> Mailbox<'_> {
        let part = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        Mailbox::from_parts(part(&span.local), span.domain.as_ref().map(part))
    }
}

#[cfg(test)]
mod tests {
    use super::Envelope;
    use crate::address::{Mailbox, Path};

    #[test]
    fn what_was_put_in_comes_out() {
        let mut envelope = Envelope::new();
        assert_eq!(envelope.sender(), Path::Null);
        let sender = Mailbox::parse("a@example.org").unwrap();
        envelope.set_sender(Path::Mailbox(sender));
        for recipient in ["postmaster", "b@example.org", "c@example.org"] {
            envelope.push_recipient(Mailbox::parse(recipient).unwrap());
        }
        envelope.pop_recipient();
        assert_eq!(envelope.sender(), Path::Mailbox(sender));
        let recipients: Vec<_> = envelope.recipients().map(|recipient| recipient.to_string()).collect();
        assert_eq!(recipients, ["postmaster", "b@example.org"]);
        assert_eq!(
            envelope.text.len(),
            "aexample.orgpostmasterbexample.org".len(),
            "what was taken back takes no room"
        );
        envelope.clear();
        assert_eq!(envelope.recipients().len(), 0);
        assert_eq!(envelope.sender(), Path::Null);
    }
}
