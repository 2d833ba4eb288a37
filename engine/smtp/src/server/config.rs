//! What a listener's server is told once: its name, what it offers and how much it takes.

use crate::body::{BodyLimits, TEXT_LINE_BYTES_MAX};
use crate::extension::Extensions;

/// What becomes of a bare CR or a bare LF in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineBreaks {
    /// The message is read to its end and refused with 550 5.5.2.
    #[default]
    Refuse,
    /// It becomes a CRLF. A command may end with a bare LF as well.
    Normalise,
}

/// What cannot be taken is read over to be refused in order, up to so many times the largest message: what is beyond would be read
/// for nothing for as long as its client liked.
pub(super) const READ_OVER_MAX: u64 = 2;

/// Limits of one connection. A count that is passed ends it with 421; the others refuse one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// Longest command line with its CRLF (RFC 5321, 4.5.3.1.4).
    pub command_line_bytes_max: usize,
    /// Longest line of MAIL or RCPT, which extensions lengthen.
    pub parameter_line_bytes_max: usize,
    /// Most bytes of an over-long line that are read over before the connection is closed.
    pub discarded_line_bytes_max: usize,
    /// Most recipients of one message (RFC 5321, 4.5.3.1.8: at least 100).
    pub recipients_max: usize,
    /// Most recipients beyond that which are answered with 452 before they count as errors.
    pub recipients_excess_max: usize,
    /// Limits of the message itself.
    pub body: BodyLimits,
    /// Most lines that are no command, or are malformed, since the last accepted message.
    pub bad_commands_max: u32,
    /// Most lines of another protocol (HTTP, a message's header, TLS, SSH) on the connection before 521 ends it.
    pub not_smtp_max: u32,
    /// Most replies of 4xx or 5xx since the last accepted message.
    pub errors_max: u32,
    /// Most commands that bring no message nearer (NOOP, RSET, VRFY, EHLO, HELP) since the last accepted message.
    pub idle_commands_max: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            command_line_bytes_max: 512,
            parameter_line_bytes_max: 2048,
            discarded_line_bytes_max: 64 * 1024,
            recipients_max: 100,
            recipients_excess_max: 1000,
            body: BodyLimits {
                message_bytes_max: 50 * 1024 * 1024,
                header_bytes_max: 256 * 1024,
                line_bytes_max: TEXT_LINE_BYTES_MAX,
            },
            bad_commands_max: 10,
            not_smtp_max: 0,
            errors_max: 50,
            idle_commands_max: 100,
        }
    }
}

/// The settings of a listener, shared by its connections.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The name in the greeting and in the replies to HELO and EHLO.
    pub host: String,
    /// What EHLO offers, and what is therefore understood.
    pub extensions: Extensions,
    /// How much is taken.
    pub limits: ServerLimits,
    /// What becomes of bare line breaks.
    pub line_breaks: LineBreaks,
    /// Nothing but NOOP, EHLO, STARTTLS and QUIT is served outside TLS (RFC 3207, 4).
    pub tls_required: bool,
}

impl ServerConfig {
    /// The usual extensions offered, default limits, bare line breaks refused.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            extensions: Extensions::USUAL,
            limits: ServerLimits::default(),
            line_breaks: LineBreaks::Refuse,
            tls_required: false,
        }
    }
}
