//! What a session holds of the message under way.

use std::ops::Range;

use weir_lang::value::StatementId;
use weir_smtp::{Envelope, Input, Mailbox as SmtpMailbox, Path};

use super::edits::Edits;
use crate::facts::Mailbox;
use crate::id::Id;
use crate::wire::Wire;

/// From MAIL to the reply to the message.
#[derive(Default)]
pub(super) struct Transaction {
    /// Its id, from MAIL's acceptance on.
    pub(super) id: Option<Id>,
    /// The message so far.
    pub(super) wire: Wire,
    /// What the rules change in its header.
    pub(super) edits: Edits,
    /// What the data phase decided, if it did.
    pub(super) decided: Option<StatementId>,
    /// A copy that the rules wanted kept could not be.
    pub(super) is_lost: bool,
}

impl Transaction {
    /// Takes a stretch of the message out of the input: the whole buffer where that is worth it, else a copy.
    pub(super) fn take(&mut self, input: &mut Input, range: Range<usize>) {
        let bytes = input.bytes(range.clone());
        if self.wire.keeps(bytes.len(), input.capacity()) {
            self.wire.keep(input.detach(Vec::new()), range);
        } else {
            self.wire.copy(bytes);
        }
    }
}

/// The sender as facts have it; empty for `<>`.
pub(super) fn sender_of(envelope: &Envelope) -> Mailbox {
    match envelope.sender() {
        Path::Null => Mailbox::default(),
        Path::Mailbox(mailbox) => mailbox_of(mailbox),
    }
}

/// A recipient as facts have it.
pub(super) fn mailbox_of(mailbox: SmtpMailbox<'_>) -> Mailbox {
    Mailbox::new(mailbox.to_string().as_bytes())
}
