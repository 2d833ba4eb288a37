//! What a session holds of the message under way.

use std::ops::Range;
use std::rc::Rc;

use weir_lang::value::StatementId;
use weir_smtp::{Envelope, Input, Mailbox as SmtpMailbox, Path};

use super::edits::Edits;
use crate::facts::Mailbox;
use crate::id::Id;
use crate::ring;
use crate::wire::{Held, Store, Wire};

/// From MAIL to the reply to the message.
pub(super) struct Transaction {
    /// Its id, from MAIL's acceptance on.
    pub(super) id: Option<Id>,
    /// The message so far.
    pub(super) wire: Wire,
    /// Its part of the shard's room for messages.
    held: Held,
    /// There was no room for all of it: what came is gone.
    pub(super) is_cut: bool,
    /// What the rules change in its header.
    pub(super) edits: Edits,
    /// What the data phase decided, if it did.
    pub(super) decided: Option<StatementId>,
    /// A copy that the rules wanted kept could not be.
    pub(super) is_lost: bool,
}

impl Transaction {
    /// Nothing yet, of a shard with this room for messages.
    pub(super) fn new(store: &Rc<Store>) -> Self {
        Self {
            id: None,
            wire: Wire::default(),
            held: Held::new(store),
            is_cut: false,
            edits: Edits::default(),
            decided: None,
            is_lost: false,
        }
    }

    /// Drops what came of the message; the ring has its buffers again.
    pub(super) fn drop_message(&mut self) {
        std::mem::take(&mut self.wire).into_buffers().for_each(ring::recycle);
        self.held.clear();
    }

    /// Takes a stretch of the message out of the input: the whole buffer where that is worth it, else a copy.
    pub(super) fn take(&mut self, input: &mut Input, range: Range<usize>) {
        if self.is_cut || !self.held.grow(range.len()) {
            self.is_cut = true;
            return self.drop_message();
        }
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
    Mailbox::of_parts(mailbox.local().as_bytes(), mailbox.domain().map(str::as_bytes))
}
