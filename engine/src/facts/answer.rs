//! What a lookup found.

use std::net::IpAddr;
use std::rc::Rc;

use weir_lang::value::Value;

use crate::auth::Finding;

/// The answer of a slot.
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
    /// One of the states of a `static` [`weir_lang::scheme::AnswerSpec`], by index, with what it carries.
    State {
        /// The state.
        state: u8,
        /// The addresses that a DNS list returned.
        codes: Vec<IpAddr>,
        /// The signature that a virus scanner found.
        name: Box<[u8]>,
    },
    /// What a way to authenticate mail has found.
    Auth(Rc<Finding>),
}

impl Answer {
    /// A state that carries nothing.
    pub fn state(state: u8) -> Self {
        Self::State { state, codes: Vec::new(), name: Box::default() }
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
            Self::State { state, .. } => Value::State(*state),
            Self::Auth(found) => Value::State(found.state()),
        }
    }

    /// A member: DNS lists and virus scanners have one each.
    pub fn member(&self, member: usize) -> Value<'_> {
        match self {
            Self::Pending => Value::Pending,
            Self::Auth(found) => found.member(member),
            Self::State { codes, .. } if !codes.is_empty() => Value::Ips(codes),
            Self::State { name, .. } if !name.is_empty() => Value::Text(name),
            _ => Value::Missing,
        }
    }
}
