//! Going into TLS before the first transaction (RFC 3207).

use super::{Client, ClientFault, State};
use crate::extension::Extension;

/// Whether a session goes into TLS before it is used (RFC 3207).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartTls {
    /// It does not.
    #[default]
    Never,
    /// It does if the server offers and grants it, else it goes on as it is.
    IfOffered,
    /// It does; a server that does not offer or grant it is [`ClientFault::NoTls`].
    Always,
}

impl Client {
    /// Says whether to go into TLS; to be said before EHLO is answered.
    #[must_use]
    pub const fn with_start_tls(mut self, start_tls: StartTls) -> Self {
        self.start_tls = start_tls;
        self
    }

    /// The connection is inside TLS now: what the server has said of itself is forgotten, and it is asked anew (RFC 3207, 4.2).
    ///
    /// # Panics
    /// If the last [`next`](Self::next) did not say [`ClientNeed::Secure`](super::ClientNeed::Secure).
    pub fn secured(&mut self) {
        assert_eq!(self.state, State::Securing, "a connection is secured when it is asked for");
        self.start_tls = StartTls::Never;
        self.replies.clear();
        self.hello_again();
    }

    /// The session is open, or goes into TLS first; its greetings need not be kept.
    pub(super) fn open(&mut self) {
        self.replies.clear();
        if self.start_tls == StartTls::Never {
            self.state = State::Ready;
        } else if self.known.has(Extension::StartTls) {
            self.output.extend_from_slice(b"STARTTLS\r\n");
            self.state = State::StartTls;
        } else {
            self.go_without_tls();
        }
    }

    pub(super) fn go_without_tls(&mut self) {
        if self.start_tls == StartTls::Always {
            self.output.extend_from_slice(b"QUIT\r\n");
            return self.break_off(ClientFault::NoTls);
        }
        self.start_tls = StartTls::Never;
        self.open();
    }
}
