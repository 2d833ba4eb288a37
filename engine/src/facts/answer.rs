//! What a lookup found.

use std::net::IpAddr;
use std::rc::Rc;

use weir_lang::value::Value;

use crate::auth::Finding;

/// The answer of a slot. Sessions hold one for each look-up of the rules, therefore it is small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not asked, or not answered yet.
    Pending,
    /// It could not be had.
    Unknown,
    /// There is none.
    Missing,
    /// A text: a reverse name.
    Text(Box<[u8]>),
    /// Yes or no.
    Bool(bool),
    /// Yes, and with these words: what a client sent before the greeting.
    Said(Box<[u8]>),
    /// One of the states of a `static` [`weir_lang::scheme::AnswerSpec`], by index.
    State(u8),
    /// A state, and the addresses that a DNS list returned.
    Listed(u8, Box<[IpAddr]>),
    /// A state, and the signature that a virus scanner found.
    Named(u8, Box<[u8]>),
    /// What a way to authenticate mail has found.
    Auth(Rc<Finding>),
}

impl Answer {
    /// The state, of those that are declared as such.
    pub fn state(&self) -> Option<u8> {
        match self {
            Self::State(state) | Self::Listed(state, _) | Self::Named(state, _) => Some(*state),
            _ => None,
        }
    }

    /// As rules see it.
    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Pending => Value::Pending,
            Self::Unknown => Value::Unknown,
            Self::Missing => Value::Missing,
            Self::Text(text) => Value::Text(text),
            Self::Bool(yes) => Value::Bool(*yes),
            Self::Said(_) => Value::Bool(true),
            Self::State(state) | Self::Listed(state, _) | Self::Named(state, _) => Value::State(*state),
            Self::Auth(found) => Value::State(found.state()),
        }
    }

    /// A member: DNS lists and virus scanners have one each.
    pub fn member(&self, member: usize) -> Value<'_> {
        match self {
            Self::Pending => Value::Pending,
            Self::Auth(found) => found.member(member),
            Self::Listed(_, codes) => Value::Ips(codes),
            Self::Named(_, name) => Value::Text(name),
            _ => Value::Missing,
        }
    }
}
