//! The value of an Authentication-Results header (RFC 8601, 2.2).
//!
//! Domains and selectors are written by whoever sent the message: what is no token stands in quotes, and nothing there ends
//! the quotes, the line or the header.

use super::{ArcState, Dkim, DkimState, Finding, Method};

/// The longest domain or other property that is written, in bytes (RFC 1035, 2.3.4); the rest is cut.
const PROPERTY_BYTES_MAX: usize = 255;

/// Appends the value: who says it, then what each method has found, in this order.
pub fn write<'a>(id: &[u8], findings: impl Iterator<Item = &'a Finding>, out: &mut Vec<u8>) {
    put_value(out, id);
    for finding in findings {
        match finding {
            Finding::Dkim(dkim) if !dkim.signatures.is_empty() => put_signatures(out, dkim),
            _ => put_finding(out, finding),
        }
    }
}

fn put_finding(out: &mut Vec<u8>, finding: &Finding) {
    put_result(out, finding.method(), finding.word(), finding.reason());
    match finding {
        Finding::Spf(spf) => {
            put_property(out, if spf.is_helo { "smtp.helo" } else { "smtp.mailfrom" }, spf.domain.as_bytes());
        }
        Finding::Dmarc(dmarc) => {
            if let Some(policy) = dmarc.policy {
                put_comment(out, &format!("p={policy}"));
            }
            put_property(out, "header.from", dmarc.domain.as_bytes());
        }
        Finding::Arc(arc) if arc.state != ArcState::None => {
            put_comment(out, &format!("i={}", arc.sets));
            put_property(out, "header.d", &arc.sealer);
        }
        Finding::Dkim(_) | Finding::Arc(_) => {}
    }
}

/// Each signature has its own result.
fn put_signatures(out: &mut Vec<u8>, dkim: &Dkim) {
    for signature in &dkim.signatures {
        let reason = signature.reason.as_deref().filter(|_| signature.state != DkimState::Pass);
        put_result(out, Method::Dkim, signature.word(), reason);
        put_property(out, "header.d", &signature.domain);
        put_property(out, "header.s", signature.selector.as_bytes());
        put_property(out, "header.b", signature.begins.as_bytes());
    }
}

fn put_result(out: &mut Vec<u8>, method: Method, word: &str, reason: Option<&str>) {
    out.extend_from_slice(b"; ");
    out.extend_from_slice(method.word().as_bytes());
    out.push(b'=');
    out.extend_from_slice(word.as_bytes());
    if let Some(reason) = reason {
        out.extend_from_slice(b" reason=");
        put_quoted(out, reason.as_bytes());
    }
}

fn put_property(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if value.is_empty() {
        return;
    }
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    put_value(out, value);
}

/// A comment of our own words.
fn put_comment(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b" (");
    out.extend_from_slice(text.as_bytes());
    out.push(b')');
}

/// A token as it is, all else in quotes.
fn put_value(out: &mut Vec<u8>, value: &[u8]) {
    if !value.is_empty() && value.len() <= PROPERTY_BYTES_MAX && value.iter().all(|byte| is_token(*byte)) {
        out.extend_from_slice(value);
    } else {
        put_quoted(out, value);
    }
}

fn put_quoted(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    for byte in value.iter().take(PROPERTY_BYTES_MAX) {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => out.push(*byte),
            _ => out.push(b'?'),
        }
    }
    out.push(b'"');
}

/// RFC 2045, 5.1.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}
