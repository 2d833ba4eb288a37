//! The stages of a conversation, which both sides go through.

/// A step that can be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The connection, before the greeting.
    Connect,
    /// HELO or EHLO.
    Helo,
    /// MAIL: the sender.
    Mail,
    /// RCPT: one recipient; those before it were accepted or refused.
    Rcpt,
    /// DATA: the envelope is complete, no byte of the message was sent.
    Data,
    /// The message itself, after CRLF.CRLF.
    Message,
}
