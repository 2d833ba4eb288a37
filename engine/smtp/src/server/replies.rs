//! Every reply that the server gives on its own, in one place (RFC 5321, 4.2.2 and 4.2.3; RFC 3463 for the second code).

use crate::address::AddressFault;
use crate::body::BodyFault;
use crate::command::CommandFault;
use crate::reply::{Enhanced, Reply};

/// One line of the tables below.
const fn reply(code: u16, enhanced: (u8, u16, u16), text: &'static str) -> Reply<'static> {
    Reply::new(code, Enhanced::new(enhanced.0, enhanced.1, enhanced.2), text)
}

pub(super) const BYE: Reply<'static> = reply(221, (2, 0, 0), "Bye");
pub(super) const RESET: Reply<'static> = reply(250, (2, 0, 0), "Ok");
pub(super) const NOTHING_DONE: Reply<'static> = reply(250, (2, 0, 0), "Ok");
pub(super) const SENDER_OK: Reply<'static> = reply(250, (2, 1, 0), "Ok");
pub(super) const RECIPIENT_OK: Reply<'static> = reply(250, (2, 1, 5), "Ok");
pub(super) const GO_AHEAD: Reply<'static> = Reply::plain(354, "End data with <CR><LF>.<CR><LF>");
pub(super) const CHUNK_OK: Reply<'static> = reply(250, (2, 0, 0), "Chunk read");
pub(super) const TLS_READY: Reply<'static> = reply(220, (2, 0, 0), "Ready to start TLS");
pub(super) const MESSAGE_OK: Reply<'static> = reply(250, (2, 0, 0), "Ok");
pub(super) const HELP: Reply<'static> =
    reply(214, (2, 0, 0), "EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT\nSee RFC 5321");
pub(super) const NOT_VERIFIED: Reply<'static> =
    reply(252, (2, 5, 0), "Cannot verify the user, but will take the message and try to deliver it");

pub(super) const NO_EXPANSION: Reply<'static> = reply(502, (5, 5, 1), "Lists are not expanded here");
pub(super) const HELLO_FIRST: Reply<'static> = reply(503, (5, 5, 1), "Say EHLO or HELO first");
pub(super) const TLS_FIRST: Reply<'static> = reply(530, (5, 7, 0), "Must issue a STARTTLS command first");
pub(super) const MAIL_FIRST: Reply<'static> = reply(503, (5, 5, 1), "Say MAIL first");
pub(super) const MAIL_TWICE: Reply<'static> = reply(503, (5, 5, 1), "A sender was given already");
pub(super) const NO_RECIPIENTS: Reply<'static> = reply(554, (5, 5, 1), "No valid recipients");
pub(super) const NO_RECIPIENTS_YET: Reply<'static> = reply(503, (5, 5, 1), "No valid recipients");
pub(super) const IN_TRANSACTION: Reply<'static> = reply(503, (5, 5, 1), "Not within a transaction");
pub(super) const CHUNKS_BEGUN: Reply<'static> = reply(503, (5, 5, 1), "The message has begun; BDAT or RSET");
pub(super) const NOT_SERVED: Reply<'static> = reply(503, (5, 5, 1), "Not served; only QUIT is taken");
pub(super) const NEEDS_UTF8: Reply<'static> = reply(553, (5, 6, 7), "Address needs SMTPUTF8");
pub(super) const TOO_LARGE: Reply<'static> = reply(552, (5, 3, 4), "Message too large");
pub(super) const CHUNK_TOO_LARGE: Reply<'static> =
    reply(552, (5, 3, 4), "Chunk far larger than a message may be, closing");
pub(super) const TOO_MANY_RECIPIENTS: Reply<'static> = reply(452, (4, 5, 3), "Too many recipients");
pub(super) const TOO_MANY_ERRORS: Reply<'static> = reply(421, (4, 7, 0), "Too many errors");
pub(super) const TOO_MANY_IDLE: Reply<'static> = reply(421, (4, 7, 0), "Too many commands without a message");
pub(super) const LINE_ENDLESS: Reply<'static> = reply(421, (4, 7, 0), "Line without end");

/// What the client is told of a line that is no command.
pub(super) const fn command_fault(fault: CommandFault) -> Reply<'static> {
    match fault {
        CommandFault::IllegalByte => reply(550, (5, 5, 2), "Bare CR, bare LF or NUL in a command"),
        CommandFault::TooLong => reply(500, (5, 5, 2), "Line too long"),
        CommandFault::NotText => reply(500, (5, 5, 2), "Neither ASCII nor UTF-8"),
        CommandFault::Unknown => reply(500, (5, 5, 2), "Command not recognised"),
        CommandFault::NotSmtp => reply(521, (5, 5, 1), "This is SMTP, and what you speak is not"),
        CommandFault::NotImplemented => reply(502, (5, 5, 1), "Command not implemented"),
        CommandFault::Arguments => reply(501, (5, 5, 4), "Malformed arguments"),
        CommandFault::Sender(fault) => address_fault(fault, 7),
        CommandFault::Recipient(fault) => address_fault(fault, 3),
        CommandFault::NeedsUtf8 => NEEDS_UTF8,
        CommandFault::UnknownParameter => reply(555, (5, 5, 4), "Parameter not recognised"),
        CommandFault::Attribute => reply(501, (5, 5, 4), "Attribute not recognised, or its value"),
        CommandFault::Binary => reply(555, (5, 5, 4), "BINARYMIME is not taken; 8BITMIME is"),
        CommandFault::Chunk => reply(501, (5, 5, 4), "Malformed BDAT; its chunk has no known end"),
        CommandFault::ParameterValue => reply(501, (5, 5, 4), "Malformed parameter"),
    }
}

/// A malformed address: 5.1.7 for a sender, 5.1.3 for a recipient (RFC 3463, 3.2).
const fn address_fault(fault: AddressFault, detail: u16) -> Reply<'static> {
    let text = match fault {
        AddressFault::Brackets => "Address without matching angle brackets",
        AddressFault::Local => "Malformed local part",
        AddressFault::Domain => "Malformed domain",
        AddressFault::Route => "Malformed source route",
        AddressFault::LocalTooLong => "Local part too long",
        AddressFault::DomainTooLong => "Domain too long",
        AddressFault::PathTooLong => "Path too long",
    };
    reply(501, (5, 1, detail), text)
}

/// What the client is told at the end of a message that cannot be taken.
pub(super) const fn body_fault(fault: BodyFault) -> Reply<'static> {
    match fault {
        BodyFault::BareCr => reply(550, (5, 5, 2), "Bare CR in the message; lines end with CRLF"),
        BodyFault::BareLf => reply(550, (5, 5, 2), "Bare LF in the message; lines end with CRLF"),
        BodyFault::Nul => reply(550, (5, 5, 2), "NUL in the message"),
        BodyFault::LineTooLong => reply(550, (5, 6, 0), "Line too long in the message"),
        BodyFault::HeaderTooLarge => reply(552, (5, 3, 4), "Message header too large"),
        BodyFault::TooLarge => TOO_LARGE,
    }
}
