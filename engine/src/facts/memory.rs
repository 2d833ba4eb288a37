//! What rules remember, count and greylist: the keys under which a session's values stand in the tables of the process.

use std::net::IpAddr;

use weir_lang::value::{Slot, StatementId, Value};

use super::{Facts, net_bits, net_of};
use crate::generation::{Act, Counted};
use crate::store::{Digester, Greylist, Tables};
use crate::table::Digest;

/// The name under which `remember client.net ... as passed` keeps a network.
const PASSED: &str = "passed";

/// Puts a value into a key: what compares equal is one key, so texts are taken without case.
fn feed(value: Value<'_>, digester: &mut Digester) {
    match value {
        Value::Ip(ip) => _ = digester.part(b"ip").part(&ip.to_canonical_octets()),
        Value::Net(ip, bits) => _ = digester.part(b"net").part(&ip.to_canonical_octets()).part(&[bits]),
        Value::Text(text) => _ = digester.part(b"text").text(text),
        Value::Int(number) => _ = digester.part(b"int").part(&number.to_le_bytes()),
        _ => _ = digester.part(b"none"),
    }
}

trait Octets {
    fn to_canonical_octets(&self) -> [u8; 16];
}

impl Octets for IpAddr {
    /// An IPv4 address stands as the IPv6 address that is mapped to it; no client has that one itself.
    fn to_canonical_octets(&self) -> [u8; 16] {
        match self {
            Self::V4(ip) => ip.to_ipv6_mapped().octets(),
            Self::V6(ip) => ip.octets(),
        }
    }
}

impl Facts {
    /// The key of a value that is remembered under a name.
    pub fn remembered_key(&self, name: &[u8], value: Value<'_>) -> Digest {
        remembered_key(&self.process.tables, name, value)
    }

    /// The key of what a slot asks by `remembered(VALUE, NAME)`.
    pub fn asked_key(&self, slot: Slot) -> Digest {
        let plan = &self.generation.plan;
        let Value::Text(name) = plan.slot_argument(slot, 1, self) else {
            return self.remembered_key(b"", Value::Missing);
        };
        self.remembered_key(name, plan.slot_argument(slot, 0, self))
    }

    /// The key of the client's network among those that have passed.
    pub fn passed_key(&self) -> Digest {
        self.remembered_key(PASSED.as_bytes(), Value::Net(net_of(self.client), net_bits(self.client)))
    }

    /// The key of what a slot asks a greylist.
    pub fn grey_key(&self, slot: Slot, list: &Greylist) -> Digest {
        let plan = &self.generation.plan;
        self.process.tables.digest(|digester| {
            digester.part(b"greylist").part(list.name.as_bytes());
            for argument in 0..GREYLIST_ARGUMENTS {
                feed(plan.slot_argument(slot, argument, self), digester);
            }
        })
    }

    /// Does what `remember` says.
    pub fn remember(&self, statement: StatementId) {
        let Act::Remember { key, seconds, name } = self.generation.act(statement) else { return };
        let plan = &self.generation.plan;
        let Some(operand) = plan.statement(statement).args.get(*key) else { return };
        let key = self.remembered_key(name.as_bytes(), plan.operand(operand, self));
        self.process.tables.remember(key, *seconds);
    }

    /// Whether a `limit` is kept, its key counted once more if it counts that.
    pub(super) fn keeps_limit(&self, statement: StatementId) -> bool {
        let Some((key, limit)) = self.limit(statement) else { return true };
        let tables = &self.process.tables;
        let count = match limit.counted {
            Counted::Times => tables.count(key, 1, limit.window),
            Counted::Errors => tables.counted(key),
        };
        count <= limit.most
    }

    /// Counts that so many more commands of the client were refused, for each `limit` of errors.
    pub fn count_errors(&mut self, refused: u32) {
        let new = refused.saturating_sub(self.errors);
        if new == 0 {
            return;
        }
        self.errors = refused;
        for &statement in &self.generation.memory.errors {
            if let Some((key, limit)) = self.limit(statement) {
                self.process.tables.count(key, new.into(), limit.window);
            }
        }
    }

    fn limit(&self, statement: StatementId) -> Option<(Digest, &crate::generation::Limit)> {
        let Act::Limit(limit) = self.generation.act(statement) else { return None };
        let plan = &self.generation.plan;
        let operand = plan.statement(statement).args.get(limit.key)?;
        let value = plan.operand(operand, self);
        let key = self
            .process
            .tables
            .digest(|digester| feed(value, digester.part(b"limit").part(&limit.id.to_le_bytes())));
        Some((key, limit))
    }

    /// Whether the client's network has passed, when a `greet` wants to know that; `None` when only the store can tell.
    pub fn find_passed(&mut self) -> Option<()> {
        if self.generation.memory.greets_passed {
            self.passed = self.process.tables.knows(self.passed_key())?;
        }
        Some(())
    }

    /// As [`Self::find_passed`], from the store if need be. A client of whom it cannot tell has not passed.
    pub async fn recall_passed(&mut self) {
        self.passed = self.process.tables.recall(self.passed_key()).await == Ok(true);
    }
}

/// `NAME(client.net, sender.domain, rcpt)`
const GREYLIST_ARGUMENTS: usize = 3;

/// The keys that an operator can mean by a text, each as it is shown: an address is also its network.
pub fn keys_of(tables: &Tables, name: &str, text: &str) -> Vec<(String, Digest)> {
    let mut values = Vec::new();
    if let Ok(ip) = text.parse::<IpAddr>() {
        values.push((text.to_owned(), Value::Ip(ip)));
        values.push((format!("{}/{}", net_of(ip), net_bits(ip)), Value::Net(net_of(ip), net_bits(ip))));
    } else if let Some((Ok(ip), Ok(bits))) = text.split_once('/').map(|(ip, bits)| (ip.parse(), bits.parse()))
    {
        values.push((text.to_owned(), Value::Net(ip, bits)));
    } else {
        values.push((text.to_owned(), Value::Text(text.as_bytes())));
        values.extend(text.parse().map(|number| (text.to_owned(), Value::Int(number))));
    }
    values.into_iter().map(|(shown, value)| (shown, remembered_key(tables, name.as_bytes(), value))).collect()
}

fn remembered_key(tables: &Tables, name: &[u8], value: Value<'_>) -> Digest {
    tables.digest(|digester| feed(value, digester.part(b"remember").part(name)))
}
