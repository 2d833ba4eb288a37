//! One session of the sink: weir's own server machine, answered by the faults and the ledger instead of rules.

use std::rc::Rc;
use std::time::Duration;

use weir::ring::Watched;
use weir::tls::Link;
use weir_smtp::{Answer, Enhanced, Input, Need, Reply, Server, Stage};

use super::Sink;
use super::fault::{Fate, Point};

/// How much is read at a time, in bytes.
const READ_BYTES: usize = 64 << 10;
/// The same until the first MAIL: connections that are only held are many.
const FIRST_READ_BYTES: usize = 1 << 10;
/// How long a client may be silent, and how long a stalled session is kept.
const SILENCE_MAX: Duration = Duration::from_mins(10);
/// How long a client may take to read replies.
const WRITE_WITHIN: Duration = Duration::from_mins(1);
/// A message's memory up to this size is kept for the next message, in bytes.
const KEPT_BYTES: usize = 256 << 10;

/// Whether a session goes on.
#[derive(PartialEq)]
enum Then {
    GoOn,
    End,
}

pub(super) struct Session {
    sink: Rc<Sink>,
    link: Link,
    watched: Watched,
    server: Server,
    input: Input,
    wire: Vec<u8>,
    bytewise: bool,
    read_bytes: usize,
}

impl Session {
    pub(super) fn new(sink: Rc<Sink>, link: Link) -> Self {
        let bytewise = sink.dice.borrow_mut().falls(sink.faults.borrow().bytewise);
        let watched = link.stream().watch(&sink.watch);
        let server = Server::new(std::sync::Arc::clone(&sink.server));
        Self {
            sink,
            link,
            watched,
            server,
            input: Input::default(),
            wire: Vec::new(),
            bytewise,
            read_bytes: FIRST_READ_BYTES,
        }
    }

    pub(super) async fn serve(mut self) {
        loop {
            let then = match self.server.next(&mut self.input) {
                Need::Bytes => self.exchange().await,
                Need::Verdict(stage) => self.judge(stage).await,
                Need::Body(range) => {
                    let is_first = self.wire.is_empty();
                    self.wire.extend_from_slice(self.input.bytes(range));
                    if is_first { self.meet(Point::Body).await } else { Then::GoOn }
                }
                Need::Spoiled(_) => {
                    self.sink.counts.borrow_mut().spoiled += 1;
                    self.wire.clear();
                    Then::GoOn
                }
                Need::Secure => self.secure().await,
                Need::Close => {
                    self.flush().await;
                    Then::End
                }
            };
            if then == Then::End {
                return;
            }
        }
    }

    async fn secure(&mut self) -> Then {
        let Some(keys) = self.sink.tls.clone() else { return Then::End };
        if self.flush().await == Then::End {
            return Then::End;
        }
        let secured = self.link.accept(&keys, Vec::new(), &self.watched, WRITE_WITHIN).await;
        let mut counts = self.sink.counts.borrow_mut();
        if secured.is_err() {
            counts.handshakes_failed += 1;
            return Then::End;
        }
        counts.secured += 1;
        self.server.secured();
        Then::GoOn
    }

    async fn exchange(&mut self) -> Then {
        if self.flush().await == Then::End {
            return Then::End;
        }
        self.watched.arm_read(SILENCE_MAX);
        let (read, buffer) = self.link.read(self.input.lend(self.read_bytes), self.read_bytes).await;
        self.watched.disarm();
        self.input.restore(buffer);
        if matches!(read, Ok(1..)) { Then::GoOn } else { Then::End }
    }

    async fn flush(&mut self) -> Then {
        if self.server.output().is_empty() {
            return Then::GoOn;
        }
        self.watched.arm_write(WRITE_WITHIN);
        let output = std::mem::take(self.server.output());
        let (written, mut output) = if self.bytewise {
            let mut written = Ok(());
            for byte in &output {
                written = written.and(self.link.write_all(vec![*byte]).await.0);
            }
            (written, output)
        } else {
            self.link.write_all(output).await
        };
        self.watched.disarm();
        output.clear();
        *self.server.output() = output;
        if written.is_ok() { Then::GoOn } else { Then::End }
    }

    async fn judge(&mut self, stage: Stage) -> Then {
        if stage == Stage::Mail {
            self.read_bytes = READ_BYTES;
        }
        if stage == Stage::Data {
            // A message begins; one that was given up between its chunks is gone.
            self.forget();
        }
        let latency = self.sink.faults.borrow().latency(stage);
        if !latency.is_zero() {
            // What was answered before does not wait with it.
            if self.flush().await == Then::End {
                return Then::End;
            }
            tokio::time::sleep(latency).await;
        }
        let fate = self.throw(Point::At(stage));
        if fate == Fate::GoOn && stage == Stage::Message {
            return self.take().await;
        }
        if stage == Stage::Message {
            self.forget();
        }
        match fate {
            Fate::GoOn => self.server.answer(Answer::Accept),
            Fate::Refuse(code) => {
                let class = if code < 500 { 4 } else { 5 };
                let reply = Reply::new(code, Enhanced::new(class, 3, 0), "refused as the sink was told");
                // A greeting of 4xx or 5xx is its end as well, so that the client comes anew.
                let answer =
                    if stage == Stage::Connect { Answer::Close(&reply) } else { Answer::Reply(&reply) };
                self.server.answer(answer);
            }
            Fate::Close | Fate::Stall => return self.suffer(fate).await,
        }
        Then::GoOn
    }

    /// The message is taken: what goes wrong from here on does not undo that.
    async fn take(&mut self) -> Then {
        self.sink.enter(&self.wire, self.server.envelope());
        self.forget();
        if self.meet(Point::Taken).await == Then::End {
            return Then::End;
        }
        self.server.answer(Answer::Accept);
        let fate = self.throw(Point::Replied);
        if fate == Fate::GoOn {
            return Then::GoOn;
        }
        self.suffer(fate).await
    }

    fn forget(&mut self) {
        self.wire.clear();
        self.wire.shrink_to(KEPT_BYTES);
    }

    fn throw(&self, point: Point) -> Fate {
        let fate = self.sink.faults.borrow().fate(point, &mut self.sink.dice.borrow_mut());
        let mut counts = self.sink.counts.borrow_mut();
        match fate {
            Fate::GoOn => {}
            Fate::Refuse(_) => counts.refused += 1,
            Fate::Close => counts.closed += 1,
            Fate::Stall => counts.stalled += 1,
        }
        fate
    }

    async fn meet(&mut self, point: Point) -> Then {
        let fate = self.throw(point);
        self.suffer(fate).await
    }

    /// A session that stalls reads what comes, so that it is the silence that the client meets and not a full socket.
    async fn suffer(&mut self, fate: Fate) -> Then {
        if fate == Fate::GoOn {
            return Then::GoOn;
        }
        // What was answered before was answered.
        if self.flush().await == Then::End {
            return Then::End;
        }
        if fate == Fate::Stall {
            self.watched.arm_read(SILENCE_MAX);
            let mut buffer = Vec::with_capacity(READ_BYTES);
            loop {
                let (read, mut back) = self.link.read(buffer, READ_BYTES).await;
                if !matches!(read, Ok(1..)) {
                    break;
                }
                back.clear();
                buffer = back;
            }
        }
        Then::End
    }
}
