//! What comes before a transaction: the greeting, what the server offers, and whom we speak for.

use std::ops::Range;

use super::{Client, State, Unfit};
use crate::envelope::{BodyType, Envelope};
use crate::extension::{Extension, Extensions};
use crate::identity::{Attributes, Identity, Introduction};

impl Client {
    /// Makes a client known to the server, for which the session or the next transaction is. [`ClientNeed::Ready`](super::ClientNeed::Ready)
    /// comes again when the server has taken it; one that refuses ends as a refusal at [`Stage::Helo`](crate::Stage::Helo).
    ///
    /// # Panics
    /// If the last [`next`](Self::next) did not say [`ClientNeed::Ready`](super::ClientNeed::Ready), or the server did not offer it (see
    /// [`offered`](Self::offered)).
    pub fn introduce(&mut self, how: Introduction, identity: &Identity) {
        assert_eq!(self.state, State::Ready, "a client is introduced when the session is ready");
        assert!(self.offered.has(how.extension()), "clients are introduced where that is offered");
        self.replies.clear();
        self.refusal = None;
        let offered = if how == Introduction::XClient { self.xclient } else { self.xforward };
        identity.write(how, offered, &mut self.output);
        self.state = State::Introducing(how);
    }

    /// The connection is inside TLS, by STARTTLS or from its beginning, to a server whose name was proved: REQUIRETLS may be said.
    pub const fn trust_tls(&mut self) {
        self.is_secure = true;
    }

    pub(super) fn unfit(&self, envelope: &Envelope, message_bytes: u64) -> Option<Unfit> {
        let lacks = |extension| !self.offered.has(extension);
        if self.message_bytes_max > 0 && !lacks(Extension::Size) && message_bytes > self.message_bytes_max {
            Some(Unfit::TooLarge)
        } else if envelope.is_utf8 && lacks(Extension::SmtpUtf8) {
            Some(Unfit::NeedsUtf8)
        } else if envelope.body == BodyType::EightBit && lacks(Extension::EightBitMime) {
            Some(Unfit::NeedsEightBit)
        } else if envelope.requires_tls && (!self.is_secure || lacks(Extension::RequireTls)) {
            Some(Unfit::NeedsTls)
        } else {
            None
        }
    }

    pub(super) fn hello(&mut self, state: State, verb: &[u8]) {
        self.output.extend_from_slice(verb);
        self.output.extend_from_slice(self.config.name.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        self.state = state;
    }

    /// After XCLIENT, or inside TLS, the server knows nothing of us, nor we of it.
    pub(super) fn hello_again(&mut self) {
        self.known = Extensions::NONE;
        self.offered = Extensions::NONE;
        self.message_bytes_max = 0;
        self.hello(State::Ehlo, b"EHLO ");
    }

    /// Reads the lines of the reply to EHLO behind the first.
    pub(super) fn read_features(&mut self, reply: Range<usize>) {
        let text = String::from_utf8_lossy(self.replies.get(reply).unwrap_or_default());
        for line in text.split_terminator("\r\n").skip(1) {
            let mut words = line.get(4..).unwrap_or_default().split_ascii_whitespace();
            let Some(extension) = words.next().and_then(Extension::parse) else { continue };
            self.known = self.known.with(extension);
            match extension {
                Extension::Size => {
                    self.message_bytes_max =
                        words.next().and_then(|bytes| bytes.parse().ok()).unwrap_or_default();
                }
                Extension::XClient => self.xclient = Attributes::parse(words),
                Extension::XForward => self.xforward = Attributes::parse(words),
                _ => {}
            }
        }
        self.offered = self.known.common(self.usable);
    }
}
