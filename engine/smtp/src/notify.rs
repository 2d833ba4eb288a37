//! What a sender wants to hear of a message's fate (RFC 3461): parameters of MAIL and RCPT, read with bounds and passed on as they are.

use crate::xtext;

/// Longest ENVID, in bytes (RFC 3461, 4.4).
const ENVID_BYTES_MAX: usize = 100;
/// Longest ORCPT, in bytes (RFC 3461, 4.2).
const ORCPT_BYTES_MAX: usize = 500;

/// How much of a message a notice of failure brings back: `RET=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// All of it.
    Full,
    /// Its header.
    Headers,
}

impl Return {
    /// Reads the value of `RET=`; `None` if it makes no sense.
    pub fn parse(value: &str) -> Option<Self> {
        [Self::Full, Self::Headers].into_iter().find(|known| known.word().eq_ignore_ascii_case(value))
    }

    /// The word of the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }
}

/// Of what a recipient's sender wants to hear: `NOTIFY=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify(u8);

impl Notify {
    /// Of nothing.
    pub const NEVER: Self = Self(0);
    /// Each event, and its bit.
    const EVENTS: [(&'static str, u8); 3] = [("SUCCESS", 1), ("FAILURE", 2), ("DELAY", 4)];

    /// Reads the value of `NOTIFY=`; `None` if it makes no sense.
    pub fn parse(value: &str) -> Option<Self> {
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(Self::NEVER);
        }
        value.split(',').try_fold(Self::NEVER, |notify, word| {
            let (_, bit) = Self::EVENTS.into_iter().find(|(event, _)| event.eq_ignore_ascii_case(word))?;
            (notify.0 & bit == 0).then_some(Self(notify.0 | bit))
        })
    }

    /// Appends the value.
    pub(crate) fn write(self, output: &mut Vec<u8>) {
        if self == Self::NEVER {
            return output.extend_from_slice(b"NEVER");
        }
        let mut separator: &[u8] = b"";
        for (event, _) in Self::EVENTS.iter().filter(|(_, bit)| self.0 & bit != 0) {
            output.extend_from_slice(separator);
            output.extend_from_slice(event.as_bytes());
            separator = b",";
        }
    }
}

/// Whether a text may be the value of `ENVID=`.
pub(crate) fn is_envid(value: &str) -> bool {
    (1..=ENVID_BYTES_MAX).contains(&value.len()) && xtext::is_encoded(value)
}

/// Whether a text may be the value of `ORCPT=`: a type and an address, encoded; one of type `utf-8` may be UTF-8 (RFC 6533, 3).
pub(crate) fn is_orcpt(value: &str) -> bool {
    let Some((kind, address)) = value.split_once(';') else { return false };
    let is_kind = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_address = if kind.eq_ignore_ascii_case("utf-8") {
        address.bytes().all(|byte| (byte.is_ascii_graphic() && byte != b'=') || !byte.is_ascii())
    } else {
        xtext::is_encoded(address)
    };
    value.len() <= ORCPT_BYTES_MAX && is_kind && is_address && !address.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read_and_written() {
        for (value, written) in
            [("never", "NEVER"), ("DELAY,success", "SUCCESS,DELAY"), ("FAILURE", "FAILURE")]
        {
            let mut text = Vec::new();
            Notify::parse(value).unwrap().write(&mut text);
            assert_eq!(String::from_utf8(text).unwrap(), written);
        }
        for bad in ["", ",", "NEVER,DELAY", "DELAY,DELAY", "DELAY,", "ALWAYS"] {
            assert_eq!(Notify::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn bounds_of_texts() {
        assert!(
            is_envid(&"x".repeat(100)) && !is_envid(&"x".repeat(101)) && !is_envid("") && !is_envid("a=b")
        );
        for good in [
            "rfc822;a+2Bb@example.org",
            "utf-8;j\u{f6}rg@example.org",
            "utf-8;j\\x{F6}rg@example.org",
            "x400;a",
        ] {
            assert!(is_orcpt(good), "{good}");
        }
        for bad in ["rfc822", "rfc822;", ";a", "rfc822;a=b", "rfc822;a+b", "rfc822;j\u{f6}rg", "utf-8;a=b"] {
            assert!(!is_orcpt(bad), "{bad}");
        }
        assert!(!is_orcpt(&format!("rfc822;{}", "x".repeat(494))));
    }
}
