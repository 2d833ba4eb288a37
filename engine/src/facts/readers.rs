//! How each held field is read, in the order of the scheme's table.

use std::net::IpAddr;

use weir_lang::value::Value;

use super::{Facts, net_bits, net_of};
use crate::mail::Message;
use crate::tls::Agreed;

type Reader = for<'a> fn(&'a Facts, Option<&str>) -> Value<'a>;

/// At each field's place its reader. A gathered field is never read here.
pub(super) const READERS: &[Reader] = &[
    |facts, _| Value::Ip(facts.client),
    |facts, _| Value::Net(net_of(facts.client), net_bits(facts.client)),
    |facts, _| if facts.port == 0 { Value::Missing } else { Value::Int(i64::from(facts.port)) },
    |facts, _| facts.proxy.as_ref().map_or(Value::Missing, |proxy| Value::Ip(proxy.ip())),
    |_, _| Value::Missing,
    |_, _| Value::Missing,
    |_, _| Value::Missing,
    |facts, _| facts.said_early().map_or(Value::Missing, Value::Text),
    |_, _| Value::Missing,
    |facts, _| Value::Text(facts.listener.name.as_bytes()),
    |facts, _| Value::Text(facts.process.host_name.as_bytes()),
    |facts, _| Value::Bool(facts.stressed),
    |facts, _| Value::Int(i64::from(facts.unknown_rcpts)),
    |facts, _| Value::Int(i64::from(facts.conduct.unknown_commands)),
    |facts, _| Value::Int(i64::from(facts.conduct.not_smtp)),
    |facts, _| Value::Bool(facts.conduct.pipelined_early),
    |facts, _| Value::Int(i64::from(facts.errors)),
    |facts, _| Value::Int(i64::from(facts.messages)),
    |facts, _| text(&facts.helo),
    |facts, _| Value::Bool(is_fqdn(&facts.helo)),
    |facts, _| literal(&facts.helo).map_or(Value::Missing, Value::Ip),
    |facts, _| Value::Bool(is_bare_ip(&facts.helo)),
    |facts, _| Value::Bool(is_ours(facts)),
    |_, _| Value::Missing,
    |facts, _| text(&facts.sender.address),
    |facts, _| text(facts.sender.local()),
    |facts, _| text(facts.sender.domain()),
    |_, _| Value::Missing,
    |_, _| Value::Missing,
    |facts, _| facts.declared_size.map_or(Value::Missing, Value::Size),
    |facts, _| text(&facts.rcpt.address),
    |facts, _| text(facts.rcpt.local()),
    |facts, _| text(facts.rcpt.domain()),
    |facts, _| Value::Texts(facts.rcpts.texts()),
    |facts, _| count(facts.rcpts.len()),
    |_, _| Value::Message,
    |facts, _| of(facts, |message| Value::Size(message.wire_bytes() as u64)),
    |facts, _| of(facts, |message| count(message.hops())),
    |facts, _| of(facts, |message| maybe(message.message_id())),
    |facts, _| of(facts, |message| Value::Texts(message.types())),
    |facts, _| of(facts, |message| count(message.structure().leaves().count())),
    |facts, _| of(facts, |message| Value::Bool(message.is_too_complex())),
    |facts, _| of(facts, |message| Value::Texts(message.urls())),
    |facts, _| of(facts, |message| Value::Texts(message.url_domains())),
    |facts, name| of(facts, |message| maybe(message.header(name.unwrap_or_default()))),
    |facts, name| {
        of(facts, |message| message.header_time(name.unwrap_or_default()).map_or(Value::Missing, Value::Time))
    },
    |facts, name| of(facts, |message| count(message.header_count(name.unwrap_or_default()))),
    |facts, _| of(facts, |message| maybe(message.header("Subject"))),
    |facts, _| of(facts, |message| maybe(message.address("From"))),
    |facts, _| of(facts, |message| maybe(message.address_domain("From"))),
    |facts, _| of(facts, |message| maybe(message.address("Reply-To"))),
    |facts, _| of(facts, |message| maybe(message.address_domain("Reply-To"))),
    |facts, _| of(facts, |message| maybe(Some(message.text()))),
    |facts, _| of(facts, |message| Value::Texts(message.attachment_names())),
    |_, _| Value::Missing,
    |_, _| Value::Missing,
    |_, _| Value::Missing,
    |_, _| Value::Missing,
    |facts, _| agreed(facts, |tls| Some(&tls.version)),
    |facts, _| agreed(facts, |tls| Some(&tls.cipher)),
    |facts, _| agreed(facts, |tls| tls.sni.as_deref()),
];

fn of<'a>(facts: &'a Facts, read: impl FnOnce(&'a Message) -> Value<'a>) -> Value<'a> {
    facts.message.as_deref().map_or(Value::Missing, read)
}

fn agreed<'a>(facts: &'a Facts, read: impl FnOnce(&'a Agreed) -> Option<&'a str>) -> Value<'a> {
    facts.tls.as_deref().and_then(read).map_or(Value::Missing, |text| Value::Text(text.as_bytes()))
}

fn text(bytes: &[u8]) -> Value<'_> {
    if bytes.is_empty() { Value::Missing } else { Value::Text(bytes) }
}

fn maybe(bytes: Option<&[u8]>) -> Value<'_> {
    bytes.map_or(Value::Missing, Value::Text)
}

fn count(number: usize) -> Value<'static> {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The address of an address literal of IP (RFC 5321, 4.1.3).
pub fn literal(name: &[u8]) -> Option<IpAddr> {
    let inside = std::str::from_utf8(name).ok()?.strip_prefix('[')?.strip_suffix(']')?;
    match inside.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")).and_then(|_| inside.get(5..)) {
        Some(ip) => ip.parse().ok().map(IpAddr::V6),
        None => inside.parse().ok().map(IpAddr::V4),
    }
}

/// Whether a name is an IP address that lacks its brackets.
pub fn is_bare_ip(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| name.parse::<IpAddr>().is_ok())
}

/// Whether the client calls itself what this host is called.
fn is_ours(facts: &Facts) -> bool {
    let name = facts.helo.strip_suffix(b".").unwrap_or(&facts.helo);
    let is = |own: &str| name.eq_ignore_ascii_case(own.trim_end_matches('.').as_bytes());
    let mut listeners = facts.generation.listeners.iter();
    listeners.any(|listener| is(&listener.name)) || is(&facts.process.host_name)
}

/// A domain with a dot inside, or an address literal (RFC 5321, 4.1.3).
pub(super) fn is_fqdn(name: &[u8]) -> bool {
    if name.starts_with(b"[") {
        return literal(name).is_some();
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    let label = |label: &[u8]| {
        (1..=63).contains(&label.len())
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || !byte.is_ascii())
    };
    // A name of digits alone is a bare address that lacks its brackets.
    let numeric = name.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    name.len() <= 255 && name.contains(&b'.') && !numeric && name.split(|byte| *byte == b'.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_for_names() {
        assert_eq!(literal(b"[192.0.2.1]"), Some([192, 0, 2, 1].into()));
        assert_eq!(literal(b"[ipv6:2001:db8::1]"), "2001:db8::1".parse().ok());
        for bad in ["192.0.2.1", "[192.0.2]", "[2001:db8::1]", "[IPv6:192.0.2.1]", "[]", "[", "[192.0.2.1"] {
            assert_eq!(literal(bad.as_bytes()), None, "{bad}");
        }
        assert!(is_bare_ip(b"192.0.2.1") && is_bare_ip(b"2001:db8::1"));
        assert!(!is_bare_ip(b"[192.0.2.1]") && !is_bare_ip(b"192.0.2") && !is_bare_ip(b"\xff"));
    }

    #[test]
    fn host_names() {
        for good in ["mail.example.net", "example.net.", "[192.0.2.1]", "[IPv6:2001:db8::1]", "a-b.example"] {
            assert!(is_fqdn(good.as_bytes()), "{good}");
        }
        for bad in
            ["localhost", "192.0.2.1", "", ".", "a..b", "-a.example", "[192.0.2]", "[IPv6:x]", "a_b.example"]
        {
            assert!(!is_fqdn(bad.as_bytes()), "{bad}");
        }
    }
}
