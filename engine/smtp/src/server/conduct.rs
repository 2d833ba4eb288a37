//! How a client behaves, beside what it is answered: counts for rules and logs, over the whole connection.

use crate::command::CommandFault;

/// What a client did that a mail server does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conduct {
    /// Lines that are no command of SMTP: unknown words, bytes that are no text, lines of other protocols.
    pub unknown_commands: u32,
    /// Those among them that are of another protocol: HTTP, a message's header, TLS, SSH.
    pub not_smtp: u32,
    /// It sent more before it could know the answer: behind EHLO or HELO, behind DATA, or behind any command without having been
    /// offered PIPELINING (RFC 2920, 3.1).
    pub pipelined_early: bool,
}

/// What is kept of the first odd line, in bytes.
const ODD_BYTES_MAX: usize = 128;

/// The conduct so far, and the line that was not told yet.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) conduct: Conduct,
    /// The beginning of the first line that is no command of SMTP.
    odd: Option<Box<[u8]>>,
}

impl Observed {
    /// A line was refused for this fault.
    pub(super) fn note(&mut self, fault: CommandFault, line: &[u8]) {
        match fault {
            CommandFault::NotSmtp => self.conduct.not_smtp = self.conduct.not_smtp.saturating_add(1),
            CommandFault::Unknown | CommandFault::NotText | CommandFault::IllegalByte => {}
            _ => return,
        }
        if self.conduct.unknown_commands == 0 {
            self.odd = Some(line.get(..line.len().min(ODD_BYTES_MAX)).unwrap_or_default().into());
        }
        self.conduct.unknown_commands = self.conduct.unknown_commands.saturating_add(1);
    }

    /// The beginning of the first odd line, once.
    pub(super) fn take_odd(&mut self) -> Option<Box<[u8]>> {
        self.odd.take()
    }
}
