//! Look-ups in the tables of the process: what is known here is answered at once, what only a shared store knows is waited for.

use std::sync::Arc;

use weir_lang::value::Slot;

use super::Lookups;
use crate::decide::unknown;
use crate::facts::{Answer, Facts};
use crate::question;
use crate::store::Greylist;
use crate::table::Digest;

impl Lookups {
    /// Whether a key is kept; `say` makes the answer.
    pub(super) fn recall(
        &mut self,
        facts: &Facts,
        slot: Slot,
        key: Digest,
        say: fn(bool) -> Answer,
    ) -> Option<Answer> {
        let tables = Arc::clone(&facts.process.tables);
        if let Some(known) = tables.knows(key) {
            return Some(say(known));
        }
        let unknown = unknown(facts, slot);
        self.spawn(facts, slot, async move { tables.recall(key).await.map_or(unknown, say) });
        None
    }

    /// What a greylist says.
    pub(super) fn grey(&mut self, facts: &Facts, slot: Slot, list: &Arc<Greylist>) -> Option<Answer> {
        let tables = Arc::clone(&facts.process.tables);
        let key = facts.grey_key(slot, list);
        if let Some(grey) = tables.grey(key, list) {
            return Some(question::grey(grey));
        }
        let (unknown, list) = (unknown(facts, slot), Arc::clone(list));
        self.spawn(facts, slot, async move {
            tables.grey_asked(key, &list).await.map_or(unknown, question::grey)
        });
        None
    }
}
