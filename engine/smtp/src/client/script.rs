//! The commands of one transaction, written down before the first is sent.

use crate::address::{Mailbox, Path};
use crate::envelope::{BodyType, Envelope};
use crate::extension::{Extension, Extensions};
use crate::notify::Return;
use crate::stage::Stage;

/// MAIL, RCPT for each recipient, DATA or BDAT; and how far they were sent and answered. Memory is kept from message to message.
#[derive(Debug, Default)]
pub(super) struct Script {
    text: Vec<u8>,
    /// Where each command ends in the text.
    ends: Vec<usize>,
    sent: usize,
    answered: usize,
    content: Content,
}

/// How the message follows its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Content {
    /// After DATA and its 354, in wire form.
    #[default]
    Stuffed,
    /// At once after BDAT, as one chunk (RFC 3030).
    Chunk,
    /// There is none: the recipients are asked about and nothing is sent.
    Nothing,
}

impl Script {
    /// Writes down the commands for an envelope, with the parameters that the server knows.
    pub(super) fn write(
        &mut self,
        envelope: &Envelope,
        content: Content,
        message_bytes: u64,
        offered: Extensions,
    ) {
        self.content = content;
        self.text.clear();
        self.ends.clear();
        self.sent = 0;
        self.answered = 0;
        self.text.extend_from_slice(b"MAIL FROM:");
        self.path(envelope.sender());
        if offered.has(Extension::Size) && content != Content::Nothing {
            self.text.extend_from_slice(b" SIZE=");
            self.number(message_bytes);
        }
        if offered.has(Extension::EightBitMime) && envelope.body == BodyType::EightBit {
            self.text.extend_from_slice(b" BODY=8BITMIME");
        }
        if offered.has(Extension::SmtpUtf8) && envelope.is_utf8 {
            self.text.extend_from_slice(b" SMTPUTF8");
        }
        if offered.has(Extension::RequireTls) && envelope.requires_tls {
            self.text.extend_from_slice(b" REQUIRETLS");
        }
        let has_dsn = offered.has(Extension::Dsn);
        if has_dsn {
            let notices = envelope.notices();
            self.parameter(b" RET=", notices.and_then(|notices| notices.returns).map(Return::word));
            self.parameter(b" ENVID=", notices.and_then(|notices| notices.envid.as_deref()));
        }
        self.end();
        for (recipient, said) in envelope.recipients().zip(envelope.wishes()) {
            self.text.extend_from_slice(b"RCPT TO:");
            self.mailbox(recipient);
            if has_dsn {
                if let Some(notify) = said.notify {
                    self.text.extend_from_slice(b" NOTIFY=");
                    notify.write(&mut self.text);
                }
                self.parameter(b" ORCPT=", said.orcpt);
            }
            self.end();
        }
        match content {
            Content::Stuffed => self.text.extend_from_slice(b"DATA"),
            Content::Chunk => {
                self.text.extend_from_slice(b"BDAT ");
                self.number(message_bytes);
                self.text.extend_from_slice(b" LAST");
            }
            Content::Nothing => return,
        }
        self.end();
    }

    fn parameter(&mut self, keyword: &[u8], value: Option<&str>) {
        if let Some(value) = value {
            self.text.extend_from_slice(keyword);
            self.text.extend_from_slice(value.as_bytes());
        }
    }

    fn path(&mut self, path: Path<'_>) {
        match path {
            Path::Null => self.text.extend_from_slice(b"<>"),
            Path::Mailbox(mailbox) => self.mailbox(mailbox),
        }
    }

    fn mailbox(&mut self, mailbox: Mailbox<'_>) {
        self.text.push(b'<');
        self.text.extend_from_slice(mailbox.local().as_bytes());
        if let Some(domain) = mailbox.domain() {
            self.text.push(b'@');
            self.text.extend_from_slice(domain.as_bytes());
        }
        self.text.push(b'>');
    }

    fn number(&mut self, number: u64) {
        self.text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn end(&mut self) {
        self.text.extend_from_slice(b"\r\n");
        self.ends.push(self.text.len());
    }

    /// Sends the next commands that may go without waiting.
    ///
    /// A message goes to all its recipients or to none. So DATA or BDAT waits until every RCPT was accepted; only with a single
    /// recipient it may go at once, since a transaction without recipients has nothing that could be delivered (RFC 2920, 3.1).
    pub(super) fn send(&mut self, offered: Extensions, output: &mut Vec<u8>) {
        let from = self.end_of(self.sent);
        let data = self.ends.len().saturating_sub(1);
        self.sent = if !offered.has(Extension::Pipelining) {
            self.sent + 1
        } else if self.sent == 0 && data > 2 {
            data
        } else {
            self.ends.len()
        };
        let to = self.end_of(self.sent);
        output.extend_from_slice(self.text.get(from..to).unwrap_or_default());
    }

    /// Where the first `count` commands end.
    fn end_of(&self, count: usize) -> usize {
        count.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default()
    }

    /// What the next reply answers.
    pub(super) fn stage(&self) -> Stage {
        match self.answered {
            0 => Stage::Mail,
            at if at + 1 >= self.ends.len() => match self.content {
                Content::Stuffed => Stage::Data,
                // The one reply to BDAT is that to the message.
                Content::Chunk => Stage::Message,
                Content::Nothing => Stage::Rcpt,
            },
            _ => Stage::Rcpt,
        }
    }

    /// Notes a reply.
    pub(super) fn answer(&mut self) {
        self.answered += 1;
    }

    /// Whether every command that was sent has its reply.
    pub(super) fn is_answered(&self) -> bool {
        self.answered >= self.sent
    }

    /// Whether recipients are asked about and no message is sent.
    pub(super) fn is_probe(&self) -> bool {
        self.content == Content::Nothing
    }

    /// Whether BDAT has gone: its chunk follows at once.
    pub(super) fn is_chunk_due(&self) -> bool {
        self.content == Content::Chunk && self.sent >= self.ends.len()
    }

    /// Whether DATA has its reply too.
    pub(super) fn is_done(&self) -> bool {
        self.answered >= self.ends.len()
    }
}
