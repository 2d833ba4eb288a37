//! Sending a message to a pool: a server, and another one when it fails before it has answered for the message.
//!
//! ```text
//! acquire a slot -> deliver -> accepted, refused      the server's reply is the client's
//!                          -> busy, not taken         another server, within the pool's `retry`
//!                          -> unsure                  451, and a log line: SMTP's own window for a second copy
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::time::Instant;
use weir_smtp::{Envelope, Identity};

use crate::id::Id;
use crate::limits::RETRY_WITHIN;
use crate::local::Local;
use crate::log::Event;
use crate::upstream::connection::{self, Delivery, Sent};
use crate::upstream::pool::{FixedReply, Pool, Server};
use crate::wire::Chunk;

/// A message on its way.
pub struct Parcel<'a> {
    /// Who sends it to whom.
    pub envelope: &'a Envelope,
    /// The header lines put in front.
    pub head: &'a [u8],
    /// Whose it is, where the pool wants its servers to know.
    pub client: Option<&'a Identity>,
    /// What came in, less what was cut out.
    pub body: &'a [Chunk],
    /// No line of it is dot-stuffed.
    pub is_plain: bool,
    /// The transaction's id, for the log.
    pub id: Id,
    /// The session's, too.
    pub sid: Id,
    /// By which rules it is sent.
    pub generation: u64,
}

/// What became of it.
pub enum Handed {
    /// This server answered, inside TLS of this version or in plain.
    Answered(Arc<Server>, Option<&'static str>),
    /// None did; this is to be said.
    Failed(FixedReply),
}

/// Sends it to a server of the pool. The reply of the one that answered is then in `reply`, whole lines with CRLF.
pub async fn send(local: &Local, pool: &Arc<Pool>, parcel: &Parcel<'_>, reply: &mut Vec<u8>) -> Handed {
    let &Parcel { envelope, head, client, body, is_plain, id, sid, generation } = parcel;
    let event = |name| {
        let event = local.log.event(name).field("sid", sid.as_str()).field("qid", id.as_str());
        event.field("gen", generation).field("pool", &pool.spec.name)
    };
    let parcel = connection::Parcel { envelope, head, client, body, is_plain, is_probe: false };
    let mut tried = Vec::new();
    let mut busy = None;
    let first = Instant::now();
    for attempt in 0..=pool.spec.retry {
        if first.elapsed() > RETRY_WITHIN {
            break;
        }
        let ticket = match pool.acquire(&tried).await {
            Ok(ticket) => ticket,
            Err(reason) => {
                event("no_server").field("reason", reason.word()).emit();
                break;
            }
        };
        if attempt > 0 {
            pool.room.retries.fetch_add(1, Relaxed);
        }
        let server = Arc::clone(ticket.server());
        let began = Instant::now();
        let was_untold = server.is_untold.load(Relaxed);
        let Delivery { sent, tls, fallback } = local.connections.deliver(&ticket, &parcel, reply).await;
        if !was_untold && server.is_untold.load(Relaxed) {
            event("untold").field("server", &server.name).field("reason", "does not offer XFORWARD").emit();
        }
        if let Some(reason) = fallback {
            event("tls_fallback").field("server", &server.name).field("reason", reason).emit();
        }
        local.counts().server_took(&pool.spec.name, began.elapsed());
        match sent {
            Sent::Accepted => {
                server.accepted.fetch_add(1, Relaxed);
                return Handed::Answered(server, tls);
            }
            Sent::Refused => {
                server.refused.fetch_add(1, Relaxed);
                return Handed::Answered(server, tls);
            }
            Sent::Busy => {
                server.refused.fetch_add(1, Relaxed);
                busy = Some(Handed::Answered(server, tls));
            }
            Sent::NotTaken(reason) => broken(event("server_failed"), &server, "retry", &reason),
            Sent::Unsure(reason) => {
                broken(event("server_failed"), &server, "unsure", &reason);
                return Handed::Failed(FixedReply::new(
                    451,
                    (4, 4, 2),
                    "the next hop did not answer for the message, try again",
                ));
            }
        }
        tried.push(ticket.member());
    }
    // Those that failed after it have left its reply as it was.
    if let Some(busy) = busy {
        return busy;
    }
    pool.room.empty.fetch_add(1, Relaxed);
    Handed::Failed(pool.spec.empty.clone())
}

/// A server failed. `unsure` says that it may have the message, so that a client that tries again may make a second copy.
fn broken(event: Event<'_>, server: &Server, fate: &'static str, reason: &str) {
    server.broken.fetch_add(1, Relaxed);
    event.field("server", &server.name).field("fate", fate).field("reason", reason).emit();
}
