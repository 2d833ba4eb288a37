//! The service extensions that EHLO speaks of (RFC 5321, 2.2), as a set: what a server offers, what a next hop has.

/// One extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// Commands may follow each other without waiting (RFC 2920).
    Pipelining,
    /// The message's size is said with MAIL (RFC 1870).
    Size,
    /// Text with bytes above 127 is taken (RFC 6152).
    EightBitMime,
    /// Replies carry a code like 5.1.1 (RFC 2034).
    EnhancedStatusCodes,
    /// Addresses and headers may be UTF-8 (RFC 6531).
    SmtpUtf8,
    /// A message may come in chunks of a size that is said before (RFC 3030). BINARYMIME is not spoken.
    Chunking,
    /// The session can go on inside TLS (RFC 3207).
    StartTls,
    /// A sender says of what it wants to hear (RFC 3461).
    Dsn,
    /// The message goes over TLS on all its way, or not at all (RFC 8689). Only inside TLS.
    RequireTls,
    /// A trusted peer says who its client is, and the session begins anew as that client's.
    XClient,
    /// A trusted peer says whose the next message is.
    XForward,
    /// The HELP command (RFC 5321, 4.1.1.8).
    Help,
}

impl Extension {
    /// Every extension, in the order in which a server lists them.
    pub const ALL: [Self; 12] = [
        Self::Pipelining,
        Self::Size,
        Self::EightBitMime,
        Self::EnhancedStatusCodes,
        Self::SmtpUtf8,
        Self::Chunking,
        Self::StartTls,
        Self::Dsn,
        Self::RequireTls,
        Self::XClient,
        Self::XForward,
        Self::Help,
    ];

    /// The word of the wire.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Pipelining => "PIPELINING",
            Self::Size => "SIZE",
            Self::EightBitMime => "8BITMIME",
            Self::EnhancedStatusCodes => "ENHANCEDSTATUSCODES",
            Self::SmtpUtf8 => "SMTPUTF8",
            Self::Chunking => "CHUNKING",
            Self::StartTls => "STARTTLS",
            Self::Dsn => "DSN",
            Self::RequireTls => "REQUIRETLS",
            Self::XClient => "XCLIENT",
            Self::XForward => "XFORWARD",
            Self::Help => "HELP",
        }
    }

    /// The extension of a keyword, in any case of letters.
    pub fn parse(keyword: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|extension| extension.keyword().eq_ignore_ascii_case(keyword))
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// A set of extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions(u16);

impl Extensions {
    /// No extension: a peer that was greeted with HELO.
    pub const NONE: Self = Self(0);
    /// All that this crate speaks.
    pub const ALL: Self = Self((1 << Extension::ALL.len()) - 1);
    /// What a server offers unless it is told otherwise: TLS needs a certificate, and few peers may speak for others.
    pub const USUAL: Self =
        Self::ALL.without(Extension::StartTls).without(Extension::XClient).without(Extension::XForward);

    /// The set with one more member.
    #[must_use]
    pub const fn with(self, extension: Extension) -> Self {
        Self(self.0 | extension.bit())
    }

    /// The set without a member.
    #[must_use]
    pub const fn without(self, extension: Extension) -> Self {
        Self(self.0 & !extension.bit())
    }

    /// The members that both sets have.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the extension is a member.
    pub const fn has(self, extension: Extension) -> bool {
        self.0 & extension.bit() != 0
    }

    /// The members, in the order in which a server lists them.
    pub fn iter(self) -> impl Iterator<Item = Extension> {
        Extension::ALL.into_iter().filter(move |&extension| self.has(extension))
    }
}

#[cfg(test)]
mod tests {
    use super::{Extension, Extensions};

    #[test]
    fn sets_hold_what_was_put_in() {
        let set = Extensions::NONE.with(Extension::Size).with(Extension::Help);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Extension::Size, Extension::Help]);
        assert!(!set.without(Extension::Size).has(Extension::Size));
        assert_eq!(Extensions::ALL.iter().collect::<Vec<_>>(), Extension::ALL);
    }

    #[test]
    fn keywords_are_found_in_any_case() {
        for extension in Extension::ALL {
            assert_eq!(Extension::parse(&extension.keyword().to_lowercase()), Some(extension));
        }
        assert_eq!(Extension::parse("BINARYMIME"), None);
    }
}
