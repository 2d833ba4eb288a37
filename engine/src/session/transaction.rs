//! What a session holds of the message under way.

use std::ops::Range;
use std::rc::Rc;

use weir_lang::value::StatementId;
use weir_smtp::{Input, Mailbox as SmtpMailbox, Path};

use super::edits::Edits;
use crate::facts::Mailbox;
use crate::id::Id;
use crate::ring;
use crate::wire::{Held, Store, Wire};

/// From MAIL to the reply to the message; a session has one, whose memory serves all its messages.
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
    /// The memory of the header lines that are put in front.
    pub(super) head: Vec<u8>,
    /// The memory of the next hop's reply.
    pub(super) reply: Vec<u8>,
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
            head: Vec::new(),
            reply: Vec::new(),
        }
    }

    /// Makes it that of the next message.
    pub(super) fn clear(&mut self) {
        self.drop_message();
        self.id = None;
        self.is_cut = false;
        self.edits.clear();
        self.decided = None;
        self.is_lost = false;
    }

    /// Drops what came of the message; the ring has its buffers again.
    pub(super) fn drop_message(&mut self) {
        self.wire.clear(ring::recycle);
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

/// Makes it the sender as facts have it; empty for `<>`.
pub(super) fn set_sender(mailbox: &mut Mailbox, sender: Path<'_>) {
    match sender {
        Path::Null => mailbox.clear(),
        Path::Mailbox(sender) => set_mailbox(mailbox, sender),
    }
}

/// Makes it this one as facts have it.
pub(super) fn set_mailbox(mailbox: &mut Mailbox, new: SmtpMailbox<'_>) {
    mailbox.set(new.local().as_bytes(), new.domain().map(str::as_bytes));
}
