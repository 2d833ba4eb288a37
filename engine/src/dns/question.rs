//! What is asked.

use hickory_resolver::proto::rr::{Name, RecordType};

/// The type of the records that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Names of an address.
    Ptr,
    /// Mail exchangers.
    Mx,
    /// Text.
    Txt,
}

impl Kind {
    pub(super) fn record_type(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Ptr => RecordType::PTR,
            Self::Mx => RecordType::MX,
            Self::Txt => RecordType::TXT,
        }
    }
}

/// The longest name, in characters without the final dot (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A type and a name, in the one form in which equal names are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    kind: Kind,
    name: Box<str>,
}

impl Question {
    /// A question, unless there can't be such a name. Names may be in Unicode; case and a final dot don't count.
    pub fn new(kind: Kind, name: &str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let ascii = if name.is_ascii() {
            name.to_ascii_lowercase()
        } else {
            // No more characters than the longest name has, before anything is computed on them.
            let short = (name.len() <= 4 * NAME_BYTES_MAX).then_some(name)?;
            Name::from_utf8(short).ok()?.to_lowercase().to_ascii()
        };
        let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
        is_name(ascii).then(|| Self { kind, name: ascii.into() })
    }

    /// The type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name, in lower case, without a final dot.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is about a name of which no name server is asked (RFC 6761, RFC 7686).
    pub(super) fn stays_here(&self) -> bool {
        const LOOPBACK: &str = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa";
        ["localhost", "127.in-addr.arpa", LOOPBACK, "invalid", "onion"].iter().any(|zone| {
            let before = self.name.strip_suffix(zone);
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })
    }

    /// The final dot tells the resolver not to try search domains.
    pub(super) fn wire_name(&self) -> String {
        format!("{}.", self.name)
    }
}

/// Whether the text is a name as it stands, without escapes.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'@');
    text.len() <= NAME_BYTES_MAX
        && text
            .split('.')
            .all(|label| (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<&str>) {
        assert_eq!(Question::new(Kind::A, name).as_ref().map(Question::name), expected, "{name:?}");
    }

    #[test]
    fn names_have_one_form() {
        check("Mail.Example.ORG.", Some("mail.example.org"));
        check("bücher.example", Some("xn--bcher-kva.example"));
        check("_dmarc.example.org", Some("_dmarc.example.org"));
        check(&format!("{}.org", "x".repeat(63)), Some(&format!("{}.org", "x".repeat(63))));
    }

    #[test]
    fn some_names_leave_no_host() {
        for (name, stays) in [
            ("localhost", true),
            ("a.localhost", true),
            ("notlocalhost", false),
            ("1.0.0.127.in-addr.arpa", true),
            ("x.invalid", true),
            ("2.0.0.127.zen.example.org", false),
        ] {
            assert_eq!(Question::new(Kind::A, name).unwrap().stays_here(), stays, "{name}");
        }
    }

    #[test]
    fn what_is_no_name_is_not_asked() {
        for name in [
            "",
            ".",
            "a..b",
            ".a",
            "a b",
            "a\\.b",
            "a\0b",
            "a\r\nb",
            "x@y",
            &"ü".repeat(70),
            &"ü".repeat(9999),
        ] {
            check(name, None);
        }
        check(&format!("{}.org", "x".repeat(64)), None);
        check(&["x"; 128].join("."), None);
    }
}
