//! A session goes into TLS: after STARTTLS, or before it has begun.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;
use crate::limits::TLS_HANDSHAKE_WITHIN;
use crate::scheme::Phase;
use crate::tls::{Agreed, HandshakeError, Mode};

impl Session {
    /// Whether the first byte of the client is one of TLS.
    pub(super) fn is_implicit(&self) -> bool {
        self.facts.listener.tls.as_ref().is_some_and(|tls| tls.mode == Mode::Implicit)
    }

    /// Does the handshake; false when there is no TLS, and the session is over: a client that wanted it is not to go on without.
    pub(super) async fn secure(&mut self) -> bool {
        let began = Instant::now();
        // A reload may have taken the certificates away since EHLO has offered them.
        let keys = self.facts.listener.tls.as_ref().and_then(|tls| tls.keys.clone());
        let Some(keys) = keys else {
            self.log_handshake(&Err(HandshakeError::Closed), began.elapsed());
            return false;
        };
        // What came behind STARTTLS is gone already: the machine has dropped it.
        let read_ahead = self.input.unread().to_vec();
        self.input.clear();
        self.watched.set_interruptible(true);
        let within = self.facts.listener.timeouts.command.min(TLS_HANDSHAKE_WITHIN);
        let done = self.link.accept(&keys, read_ahead, &self.watched, within).await;
        self.watched.set_interruptible(false);
        self.log_handshake(&done, began.elapsed());
        let Ok(agreed) = done else { return false };
        self.server.secured();
        // What was said in plain is forgotten (RFC 3207, 4.2), and what the rules made of it.
        self.facts.helo.clear();
        self.end_transaction();
        self.begin_anew(Phase::Helo);
        self.facts.tls = Some(Box::new(agreed));
        self.due = None;
        true
    }

    fn log_handshake(&self, done: &Result<Agreed, HandshakeError>, took: Duration) {
        let listener = &self.facts.listener.label;
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let event = self.event("tls").field("ms", took);
        match done {
            Ok(agreed) => {
                self.local.counts().handshake(listener, "ok", &agreed.version);
                event
                    .field("version", &*agreed.version)
                    .field("cipher", &agreed.cipher)
                    .maybe("sni", agreed.sni.as_deref())
                    .field("resumed", agreed.resumed)
                    .emit();
            }
            Err(error) => {
                self.local.counts().handshake(listener, "failed", "none");
                event.field("failed", error.to_string()).emit();
            }
        }
    }
}
