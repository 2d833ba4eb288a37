//! Idle sessions: opened up to the reply to EHLO, left alone, and asked at the end whether they are still there. Or waiting ones,
//! which have heard but the first line of the greeting.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::{Semaphore, watch};
use weir::ring;
use weir_smtp::ClientNeed;

use super::Load;
use super::session::Session;
use crate::Result;

/// Sessions that are opened, or say QUIT, at once: more would not fit a server's backlog, and connect anew after a second.
const OPENING_MAX: usize = 128;

/// How the sessions stand.
struct Held {
    turns: Semaphore,
    opened: Cell<u64>,
    failed: Cell<u64>,
    /// The first reason for which one was not opened.
    reason: RefCell<Option<String>>,
    kept: Cell<u64>,
    all: u64,
    all_open: watch::Sender<bool>,
}

impl Load {
    /// Opens all sessions and keeps them for so long.
    pub(super) async fn hold(self: Rc<Self>, time: Duration) -> Result<()> {
        let held = Rc::new(Held {
            turns: Semaphore::new(OPENING_MAX),
            opened: Cell::default(),
            failed: Cell::default(),
            reason: RefCell::default(),
            kept: Cell::default(),
            all: self.options.sessions,
            all_open: watch::Sender::new(false),
        });
        let mut opening = held.all_open.subscribe();
        let sessions: Vec<_> =
            (0..held.all).map(|_| ring::spawn(hold_one(Rc::clone(&self), Rc::clone(&held), time))).collect();
        opening.wait_for(|all_open| *all_open).await?;
        let seconds_to_open = self.began.elapsed().as_secs_f64();
        eprintln!(
            "{} sessions are open, {} are not; idle for {time:?}",
            held.opened.get(),
            held.failed.get()
        );
        let idle = Instant::now();
        for session in sessions {
            session.await?;
        }
        let (opened, failed, kept) = (held.opened.get(), held.failed.get(), held.kept.get());
        let lost = opened - kept;
        let reason = held.reason.take();
        if self.options.json {
            let summary = json!({
                "sessions": held.all, "connections": opened, "not_taken": failed, "reason": reason, "held": kept,
                "connections_lost": lost,
                "seconds_to_open": seconds_to_open, "seconds_idle": idle.elapsed().as_secs_f64(),
            });
            println!("{summary}");
        } else {
            println!("{opened} of {} sessions opened in {seconds_to_open:.3} s", held.all);
            println!("{kept} were still there after {time:?}, {lost} were not");
            if let Some(reason) = reason {
                println!("{failed} were not opened, the first because: {reason}");
            }
        }
        Ok(())
    }
}

async fn hold_one(load: Rc<Load>, held: Rc<Held>, time: Duration) {
    let mut opening = held.all_open.subscribe();
    let session = {
        let Ok(_turn) = held.turns.acquire().await else { return };
        open(&load).await
    };
    let session = match session {
        Ok(session) => {
            held.opened.set(held.opened.get() + 1);
            Some(session)
        }
        Err(reason) => {
            held.failed.set(held.failed.get() + 1);
            held.reason.borrow_mut().get_or_insert(reason);
            None
        }
    };
    if held.opened.get() + held.failed.get() == held.all {
        held.all_open.send_replace(true);
    }
    let Some(mut session) = session else { return };
    if opening.wait_for(|all_open| *all_open).await.is_err() {
        return;
    }
    let is_there = if load.options.waiting {
        session.waits(time).await
    } else {
        tokio::time::sleep(time).await;
        let Ok(_turn) = held.turns.acquire().await else { return };
        session.farewell().await
    };
    held.kept.set(held.kept.get() + u64::from(is_there));
}

async fn open(load: &Rc<Load>) -> std::result::Result<Session, String> {
    let mut session = Session::open(load, load.origin()).await.map_err(|error| error.to_string())?;
    if load.options.waiting {
        session.begin_to_wait().await.map_err(|error| error.to_string())?;
        return Ok(session);
    }
    match session.greet().await {
        Ok(ClientNeed::Ready) => {
            session.rest();
            Ok(session)
        }
        Ok(need) => Err(format!("the server does not open the session: {need:?}")),
        Err(error) => Err(error.to_string()),
    }
}
