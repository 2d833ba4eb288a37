//! The message: its turn, its verdict, where it goes, and the one reply that says so.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use weir_lang::plan::Ending;
use weir_lang::value::StatementId;
use weir_smtp::{Answer, Enhanced, Reply};

use super::ruling::Ruling;
use super::{NO_ROOM, Session};
use crate::decide::{TOO_MANY_FIELDS, decide};
use crate::generation::Act;
use crate::mail::Message;
use crate::relay::{self, Handed};
use crate::scheme::Phase;
use crate::spool;
use crate::upstream::pool::Pool;

/// A dot and its CRLF.
const FINAL_DOT_BYTES: u64 = 3;

const NOT_STORED: Reply<'static> =
    Reply::new(452, Enhanced::new(4, 3, 1), "the message could not be stored, try again later");

impl Session {
    /// Judges the message that is here, sends it on and answers.
    pub(super) async fn judge_message(&mut self) {
        if self.transaction.is_cut {
            self.log_refusal(Phase::Message, &NO_ROOM, "no room");
            return self.finish(Answer::Reply(&NO_ROOM));
        }
        let room = Arc::clone(self.seat.room());
        let Some(_turn) = room.turn().await else {
            let reply = self.facts.listener.full.reply();
            self.log_refusal(Phase::Message, &reply, "no slot");
            return self.finish(Answer::Reply(&reply));
        };
        if let Some(statement) = self.transaction.decided {
            return self.deliver(statement).await;
        }
        let (buffer, range) = self.transaction.wire.join();
        let message = Rc::new(Message::of_wire(&buffer, range));
        if message.has_too_many_fields() {
            self.log_refusal(Phase::Message, &TOO_MANY_FIELDS, "too many header fields");
            return self.finish(Answer::Reply(&TOO_MANY_FIELDS));
        }
        self.facts.message = Some(message);
        let budget = self.facts.listener.budget;
        let deciding = decide(Phase::Message, &mut self.facts, &mut self.scratch, &mut self.lookups);
        let Ok(ending) = tokio::time::timeout(budget, deciding).await else {
            let reply = self.facts.listener.over_budget.reply();
            self.log_refusal(Phase::Message, &reply, "over budget");
            return self.finish(Answer::Reply(&reply));
        };
        self.carry_out(Phase::Message).await;
        if !self.is_kept() {
            self.log_refusal(Phase::Message, &NOT_STORED, "quarantine failed");
            return self.finish(Answer::Reply(&NOT_STORED));
        }
        self.follow(ending).await;
    }

    async fn follow(&mut self, ending: Ending) {
        let ruling = Ruling::of(ending, &self.facts, &self.scratch);
        self.log_ruling(Phase::Message, &ruling, ending);
        match ruling {
            Ruling::Deliver(statement) => self.deliver(statement).await,
            Ruling::Refuse { closes: true, reply } => self.finish(Answer::Close(&reply)),
            Ruling::Refuse { reply, .. } => self.finish(Answer::Reply(&reply)),
            // The checker has proved that every path ends in a final verb; a message without one is not taken.
            Ruling::Accept => self.finish(Answer::Reply(&NOT_STORED)),
        }
    }

    async fn deliver(&mut self, statement: StatementId) {
        let generation = Arc::clone(&self.facts.generation);
        match generation.act(statement) {
            Act::SendPool(pool) => self.relay(statement, pool).await,
            Act::SendMaildir(folder) => self.store(statement, folder).await,
            _ => {
                let reply = self.queued();
                self.log_delivery(statement, "discard", None, &reply);
                self.finish(Answer::Reply(&reply));
            }
        }
    }

    async fn relay(&mut self, statement: StatementId, pool: &Arc<Pool>) {
        let mut head = std::mem::take(&mut self.transaction.head);
        let mut reply = std::mem::take(&mut self.transaction.reply);
        head.clear();
        self.append_head(&mut head);
        let client = pool.spec.client.map(|_| Box::new(self.identity()));
        let parcel = relay::Parcel {
            envelope: self.server.envelope(),
            head: &head,
            client: client.as_deref(),
            body: &self.transaction.edits.kept(&self.transaction.wire),
            is_plain: self.is_plain(),
            id: self.transaction_id(),
            sid: self.id,
            generation: self.facts.generation.number,
        };
        match relay::send(&self.local, pool, &parcel, &mut reply).await {
            Handed::Answered(server, tls) => {
                let server = Some((server.name.as_str(), tls));
                self.log_delivery(statement, &pool.spec.name, server, &parsed(&reply));
                self.finish(Answer::Relayed(&reply));
            }
            Handed::Failed(reply) => {
                let reply = reply.reply();
                self.log_delivery(statement, &pool.spec.name, None, &reply);
                self.finish(Answer::Reply(&reply));
            }
        }
        self.transaction.head = head;
        self.transaction.reply = reply;
    }

    /// Whether what came in has no stuffed dot: its wire form is longer than the message by the final dot alone.
    fn is_plain(&self) -> bool {
        self.transaction.wire.bytes() as u64 == self.server.message_bytes() + FINAL_DOT_BYTES
    }

    async fn store(&mut self, statement: StatementId, folder: &Path) {
        let mut text = self.return_path();
        self.append_head(&mut text);
        self.append_content(&mut text);
        let stored =
            spool::maildir::deliver(folder, &self.facts.process.host_name, self.transaction_id(), text).await;
        self.local.counts().delivery(if stored.is_ok() { "ok" } else { "failed" });
        let reply = match stored {
            Ok(()) => self.queued(),
            Err(error) => {
                self.log_storage(&error.to_string());
                NOT_STORED
            }
        };
        self.log_delivery(statement, "maildir", None, &reply);
        self.finish(Answer::Reply(&reply));
    }

    /// Answers for the message and leaves the transaction.
    fn finish(&mut self, answer: Answer<'_>) {
        self.server.answer(answer);
        self.facts.messages += 1;
        self.patience = self.watched.due(self.facts.listener.timeouts.whole);
        self.end_transaction();
    }
}

/// A server's reply, for the log.
fn parsed(reply: &[u8]) -> Reply<'_> {
    Reply::parse(reply).unwrap_or(NOT_STORED)
}
