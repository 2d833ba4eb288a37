//! What this host puts in front of a message, and the message as it is stored.

use std::io::Write as _;
use std::net::IpAddr;

use serde_json::json;
use weir_smtp::server::Hello;
use weir_smtp::{Enhanced, Reply};

use super::Session;
use crate::clock;
use crate::facts::Facts;
use crate::id::Id;
use crate::mail::Message;
use crate::spool;

/// Seconds of a day.
const DAY: u64 = 86_400;

impl Session {
    /// The transaction's id.
    pub(super) fn transaction_id(&self) -> Id {
        self.transaction.id.unwrap_or(self.id)
    }

    /// `250 2.0.0 queued as ID`: said when this host itself has answered for the message.
    pub(super) fn queued(&self) -> Reply<'static> {
        let text = format!("Ok: queued as {}", self.transaction_id().as_str());
        Reply { code: 250, enhanced: Some(Enhanced::new(2, 0, 0)), text: text.into() }
    }

    /// Appends the trace line and what the rules have added, whole lines (RFC 5321, 4.4).
    pub(super) fn append_head(&self, text: &mut Vec<u8>) {
        // RFC 3848 and RFC 6531, 4.3, name what was spoken; HELO inside TLS has no name, and gets Postfix's.
        let protocol = match (self.server.hello(), self.server.envelope().is_utf8, self.server.is_secure()) {
            (Hello::Helo, _, false) => "SMTP",
            (Hello::Helo, _, true) => "SMTPS",
            (Hello::Ehlo, false, false) => "ESMTP",
            (Hello::Ehlo, false, true) => "ESMTPS",
            (Hello::Ehlo, true, false) => "UTF8SMTP",
            (Hello::Ehlo, true, true) => "UTF8SMTPS",
        };
        append_received(text, &self.facts, protocol, self.transaction_id(), self.local.clock.unix_s());
        text.extend_from_slice(self.transaction.edits.added());
    }

    /// `Return-Path` and what was delivered for whom, which the last host writes (RFC 5321, 4.4).
    pub(super) fn return_path(&self) -> Vec<u8> {
        let mut lines = b"Return-Path: <".to_vec();
        lines.extend_from_slice(&self.facts.sender.address);
        lines.extend_from_slice(b">\r\n");
        for rcpt in self.facts.rcpts.iter() {
            lines.extend_from_slice(b"Delivered-To: ");
            lines.extend_from_slice(rcpt);
            lines.extend_from_slice(b"\r\n");
        }
        lines
    }

    /// Appends the message as it goes on, not dot-stuffed.
    pub(super) fn append_content(&self, text: &mut Vec<u8>) {
        let mut wire = Vec::with_capacity(self.transaction.wire.bytes());
        for (buffer, range) in &*self.transaction.edits.kept(&self.transaction.wire) {
            wire.extend_from_slice(buffer.get(range.clone()).unwrap_or_default());
        }
        let wire = std::rc::Rc::new(wire);
        text.extend_from_slice(Message::of_wire(&wire, 0..wire.len()).content());
    }

    /// Keeps a copy with its score sheet.
    pub(super) async fn quarantine(&mut self, folder: &str) {
        let Some(message) = self.facts.message.clone() else { return };
        let root = self.facts.process.state.join("quarantine");
        let sheet = self.sheet();
        let kept =
            spool::quarantine::keep(&root, folder, self.transaction_id(), message.content().to_vec(), &sheet)
                .await;
        match kept {
            Ok(()) => self.local.counts().quarantined(folder),
            Err(error) => {
                self.log_storage(&error.to_string());
                self.transaction.is_lost = true;
            }
        }
    }

    /// Why a copy was kept.
    fn sheet(&self) -> serde_json::Value {
        let facts = &self.facts;
        let plan = &facts.generation.plan;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let scores = plan.groups().iter().enumerate().map(|(index, group)| {
            let score = plan.score(index, facts, &self.scratch).to_string();
            (group.name.clone(), score.parse().map_or(serde_json::Value::Null, serde_json::Value::Number))
        });
        json!({
            "qid": self.transaction_id().as_str(),
            "sid": self.id.as_str(),
            "generation": facts.generation.number,
            "client_ip": facts.client.to_string(),
            "helo": text(&facts.helo),
            "from": text(&facts.sender.address),
            "rcpts": facts.rcpts.iter().map(text).collect::<Vec<_>>(),
            "score": scores.collect::<serde_json::Map<_, _>>(),
            "hits": super::report::hits(&facts.generation, &self.scratch),
        })
    }

    /// Whether what the rules wanted kept could be kept; if not the message must not be answered for.
    pub(super) fn is_kept(&self) -> bool {
        !self.transaction.is_lost
    }
}

/// Appends the trace line of this hop (RFC 5321, 4.4), folded. Each message has one, so it is put together without the machinery
/// of `write!`.
fn append_received(text: &mut Vec<u8>, facts: &Facts, protocol: &str, id: Id, unix_seconds: u64) {
    text.extend_from_slice(b"Received: from ");
    text.extend(facts.helo.iter().map(|byte| if byte.is_ascii_graphic() { *byte } else { b'?' }));
    text.extend_from_slice(b" ([");
    append_literal(text, facts.client);
    text.extend_from_slice(b"])");
    if let Some(tls) = &facts.tls {
        for piece in ["\r\n\t(using ", &tls.version, " with cipher ", &tls.cipher, ")"] {
            text.extend_from_slice(piece.as_bytes());
        }
    }
    text.extend_from_slice(b"\r\n\tby ");
    text.extend_from_slice(facts.listener.name.as_bytes());
    text.extend_from_slice(b" (weir) with ");
    text.extend_from_slice(protocol.as_bytes());
    text.extend_from_slice(b" id ");
    text.extend_from_slice(id.as_bytes());
    if let Some(only) = facts.rcpts.only() {
        text.extend_from_slice(b"\r\n\tfor <");
        text.extend_from_slice(only);
        text.push(b'>');
    }
    text.extend_from_slice(b";\r\n\t");
    append_date(text, unix_seconds);
    text.extend_from_slice(b"\r\n");
}

/// Appends what stands in an address literal (RFC 5321, 4.1.3).
fn append_literal(text: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    text.push(b'.');
                }
                text.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        IpAddr::V6(address) => {
            // Writing to memory does not fail.
            let _ = write!(text, "IPv6:{address}");
        }
    }
}

/// Appends a date-time (RFC 5322, 3.3), in UTC.
fn append_date(text: &mut Vec<u8>, unix_seconds: u64) {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, seconds) = (unix_seconds / DAY, unix_seconds % DAY);
    let (year, month, day) = clock::civil(days);
    let name = |names: &[&'static str], index: u64| {
        usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or("?")
    };
    text.extend_from_slice(name(&DAYS, days % 7).as_bytes());
    text.extend_from_slice(b", ");
    append_two_digits(text, day);
    text.push(b' ');
    text.extend_from_slice(name(&MONTHS, month - 1).as_bytes());
    text.push(b' ');
    text.extend_from_slice(itoa::Buffer::new().format(year).as_bytes());
    for (before, number) in [(b' ', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)] {
        text.push(before);
        append_two_digits(text, number);
    }
    text.extend_from_slice(b" +0000");
}

/// Appends a number below 100.
fn append_two_digits(text: &mut Vec<u8>, number: u64) {
    let digit = |value: u64| b'0' + u8::try_from(value % 10).unwrap_or_default();
    text.extend_from_slice(&[digit(number / 10), digit(number)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        append(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn dates() {
        let date = |unix_seconds| appended(|text| append_date(text, unix_seconds));
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(date(1_768_478_400), "Thu, 15 Jan 2026 12:00:00 +0000");
        assert_eq!(date(951_782_399), "Mon, 28 Feb 2000 23:59:59 +0000");
    }

    #[test]
    fn literals() {
        let literal = |address: &str| appended(|text| append_literal(text, address.parse().unwrap()));
        assert_eq!(literal("192.0.2.101"), "192.0.2.101");
        assert_eq!(literal("2001:db8::1"), "IPv6:2001:db8::1");
    }
}
