//! Who speaks in an Authentication-Results field (RFC 8601, 2.2): its authserv-id, however it is written.

use std::ops::Range;

use super::{Field, Fields};

/// The field's name.
pub const RESULTS: &str = "Authentication-Results";

/// The authserv-id of a field's value, in lower case, without comments, quotes and the version behind it; `None` when there is
/// none.
pub fn results_id(value: &[u8]) -> Option<Vec<u8>> {
    let mut rest = without_comments(value);
    let mut id = Vec::new();
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let mut bytes = quoted.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => break,
                b'\\' => id.extend(bytes.next()),
                // A line that is folded within quotes.
                b'\r' | b'\n' => {}
                byte => id.push(*byte),
            }
        }
    } else {
        while let Some((byte, behind)) = rest.split_first() {
            if byte.is_ascii_whitespace() || b";(\"".contains(byte) {
                break;
            }
            id.push(*byte);
            rest = behind;
        }
    }
    id.make_ascii_lowercase();
    (!id.is_empty()).then_some(id)
}

/// What is behind white space and comments, which nest (RFC 5322, 3.2.2).
fn without_comments(mut text: &[u8]) -> &[u8] {
    let mut depth = 0_usize;
    while let Some((byte, rest)) = text.split_first() {
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b'\\' if depth > 0 => {
                text = rest.get(1..).unwrap_or_default();
                continue;
            }
            byte if depth > 0 || byte.is_ascii_whitespace() => {}
            _ => break,
        }
        text = rest;
    }
    text
}

/// The lines of all Authentication-Results fields that claim one of these ids, in order, as ranges of `message`, as
/// [`super::header_ranges`] has them.
pub fn results_ranges(message: &[u8], ids: &[Vec<u8>]) -> Vec<Range<usize>> {
    let claims = |field: &Field| {
        let name = message.get(field.name.clone()).unwrap_or_default();
        name.eq_ignore_ascii_case(RESULTS.as_bytes())
            && results_id(message.get(field.value.clone()).unwrap_or_default())
                .is_some_and(|id| ids.contains(&id))
    };
    Fields::new(message).filter(claims).map(|field| field.lines).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_however_they_are_written() {
        for (value, id) in [
            ("mx.example.org; spf=pass", "mx.example.org"),
            (" MX.Example.ORG 1; none", "mx.example.org"),
            ("\r\n\t(a (nested) \\) comment)\r\n mx.example.org(1);", "mx.example.org"),
            ("\"mx.\\example.org\";spf=pass", "mx.example.org"),
            ("\"mx.exam\r\nple.org\" 1;", "mx.example.org"),
            ("mx.example.org", "mx.example.org"),
            ("mx.example.org.evil.example; dkim=pass", "mx.example.org.evil.example"),
        ] {
            assert_eq!(results_id(value.as_bytes()).as_deref(), Some(id.as_bytes()), "{value}");
        }
        for value in ["", " ", "(only a comment", "; spf=pass", "\"\";", "(\\"] {
            assert_eq!(results_id(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn only_fields_of_these_ids_are_found() {
        let message = b"Authentication-Results: mx.example.org; spf=pass\r\n\tsmtp.mailfrom=x\r\n\
            authentication-results : (x) \"MX.example.org\";\r\n dkim=pass\r\n\
            Authentication-Results: other.example; spf=pass\r\n\
            ARC-Authentication-Results: i=1; mx.example.org; spf=pass\r\n\
            Subject: mx.example.org\r\n\r\nAuthentication-Results: mx.example.org; x\r\n";
        let found = results_ranges(message, &[b"mx.example.org".to_vec()]);
        let found: Vec<_> = found.into_iter().map(|lines| String::from_utf8_lossy(&message[lines])).collect();
        assert_eq!(found.len(), 2);
        assert!(
            found[0].ends_with("smtp.mailfrom=x\r\n") && found[1].starts_with("authentication-results :")
        );
    }

    proptest! {
        /// Whatever is written there.
        #[test]
        fn nothing_panics(value in proptest::collection::vec(proptest::sample::select(b"()\\\"; \r\nmx.1".to_vec()), 0..40)) {
            let _ = results_id(&value);
        }
    }
}
