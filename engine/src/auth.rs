//! The authentication of mail: SPF, DKIM, DMARC and ARC, and the header that tells of them.
//!
//! Layer 3: above the resolver, below the facts. The mail-auth crate reads records and signatures and does the cryptography.
//! It would bring a resolver of its own; who asks is ours, so that questions are cached, asked once, bounded, and answered by
//! a test:
//!
//! ```text
//! spf, dmarc   a step over known answers, which names the question that it misses (`Upstream::settle`)
//! dkim, arc    the header names all keys; DNS answers; then one pass without waiting, on a thread of its own if it is long
//! ```
//! All are of the message as it came, before anything is added or removed.

mod dmarc;
mod keys;
mod results;
mod signed;
mod spf;
#[cfg(test)]
mod tests;

use weir_lang::scheme::AnswerSpec;
use weir_lang::value::Value;

pub use dmarc::{Author, Dmarc, DmarcState, dmarc};
pub use keys::Keys;
pub use results::write as write_results;
pub use signed::{Arc, ArcState, Dkim, DkimState, Signed, Verified, Wanted, needs, verify};
pub use spf::{Client, Spf, SpfResult, spf};

use crate::scheme::auth::{ARC_ANSWER, DKIM_ANSWER, DMARC_ANSWER, SPF_ANSWER};

/// A way to authenticate mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// RFC 7208
    Spf,
    /// RFC 6376
    Dkim,
    /// RFC 9989
    Dmarc,
    /// RFC 8617
    Arc,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Spf, Self::Dkim, Self::Dmarc, Self::Arc];

    /// The one whose field has this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.word() == name)
    }

    /// Its field, and its name in the header.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Spf => "spf",
            Self::Dkim => "dkim",
            Self::Dmarc => "dmarc",
            Self::Arc => "arc",
        }
    }

    /// What it can say.
    pub fn answer(self) -> &'static AnswerSpec {
        match self {
            Self::Spf => &SPF_ANSWER,
            Self::Dkim => &DKIM_ANSWER,
            Self::Dmarc => &DMARC_ANSWER,
            Self::Arc => &ARC_ANSWER,
        }
    }

    /// What it says when its look-up has come to nothing.
    pub fn unknown(self) -> Finding {
        match self {
            Self::Spf => Finding::Spf(Spf::unknown()),
            Self::Dkim => Finding::Dkim(Dkim::unknown()),
            Self::Dmarc => Finding::Dmarc(Dmarc::unknown()),
            Self::Arc => Finding::Arc(Arc::unknown()),
        }
    }
}

/// What a method has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// By SPF.
    Spf(Spf),
    /// By DKIM.
    Dkim(Dkim),
    /// By DMARC.
    Dmarc(Dmarc),
    /// By ARC.
    Arc(Arc),
}

impl Finding {
    /// By which method.
    pub fn method(&self) -> Method {
        match self {
            Self::Spf(_) => Method::Spf,
            Self::Dkim(_) => Method::Dkim,
            Self::Dmarc(_) => Method::Dmarc,
            Self::Arc(_) => Method::Arc,
        }
    }

    /// The state, by its index in the table: the enums stand in its order.
    pub fn state(&self) -> u8 {
        match self {
            Self::Spf(spf) => spf.result as u8,
            Self::Dkim(dkim) => dkim.state() as u8,
            Self::Dmarc(dmarc) => dmarc.state as u8,
            Self::Arc(arc) => arc.state as u8,
        }
    }

    /// The state as rules and headers name it.
    pub fn word(&self) -> &'static str {
        let states = self.method().answer().states;
        states.get(usize::from(self.state())).map_or("temperror", |state| state.name)
    }

    /// A member, by its index in the table.
    pub fn member(&self, member: usize) -> Value<'_> {
        match (self, member) {
            (Self::Spf(spf), 0) => text(spf.domain.as_bytes()),
            (Self::Dkim(dkim), 0) => Value::Texts(&dkim.domains),
            (Self::Dmarc(dmarc), 0) => text(dmarc.domain.as_bytes()),
            (Self::Dmarc(dmarc), 1) => {
                dmarc.policy.map_or(Value::Missing, |policy| Value::Text(policy.as_bytes()))
            }
            (Self::Arc(arc), 0) if arc.state == ArcState::Pass => text(&arc.sealer),
            (Self::Arc(arc), 1) => Value::Int(arc.sets),
            (Self::Spf(_) | Self::Dkim(_), 1) | (Self::Dmarc(_) | Self::Arc(_), 2) => {
                self.reason().map_or(Value::Missing, |reason| text(reason.as_bytes()))
            }
            _ => Value::Missing,
        }
    }

    /// Why it is no pass.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Spf(spf) => spf.reason.as_deref(),
            Self::Dkim(dkim) => dkim.reason(),
            Self::Dmarc(dmarc) => dmarc.reason.as_deref(),
            Self::Arc(arc) => arc.reason.as_deref(),
        }
    }
}

fn text(bytes: &[u8]) -> Value<'_> {
    if bytes.is_empty() { Value::Missing } else { Value::Text(bytes) }
}
