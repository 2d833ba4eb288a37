//! The reference on a bare `io_uring`: one loop over completions, which submits what they lead to with the call that waits
//! for the next ones. At saturation there is no other system call.

mod ring;

use std::net::TcpListener;

use super::Count;
use super::dialog::{Dialog, GREETING};
use crate::Result;
use ring::{Completion, Operation, Ring};

/// Most bytes of replies that a client may leave unread.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

struct Connection {
    dialog: Dialog,
    /// Replies that no send has taken yet.
    output: Vec<u8>,
    /// Whether there is a receive, and a send, that has not ended.
    receiving: bool,
    sending: bool,
    /// Nothing more is read from the client.
    ended: bool,
}

struct Server<'a> {
    ring: Ring,
    /// By slot of the ring's file table.
    connections: Vec<Option<Connection>>,
    count: &'a Count,
    open: usize,
    accepting: bool,
}

/// Serves until the ring fails; `sockets` is how many the process may have.
pub(super) fn serve(listener: &TcpListener, sockets: u64, count: &Count) -> Result<()> {
    let ring = Ring::new(listener, sockets).map_err(|error| format!("io_uring: {error}"))?;
    let connections = (0..ring.slots()).map(|_| None).collect();
    let mut server = Server { ring, connections, count, open: 0, accepting: false };
    let mut completions = Vec::new();
    loop {
        if !server.accepting && server.open < server.connections.len() {
            server.ring.accept()?;
            server.accepting = true;
        }
        server.ring.wait(&mut completions)?;
        for completion in completions.drain(..) {
            server.complete(&completion)?;
        }
    }
}

impl Server<'_> {
    fn complete(&mut self, completion: &Completion) -> Result<()> {
        match completion.operation {
            Operation::Accept => self.accepted(completion),
            Operation::Receive(slot) => self.received(slot, completion),
            Operation::Send(slot) => self.sent(slot, completion),
            Operation::Other => Ok(()),
        }
    }

    fn accepted(&mut self, completion: &Completion) -> Result<()> {
        self.accepting = completion.more;
        // A client that was gone at once, or one too many: that one is accepted when another has ended.
        let Ok(slot) = usize::try_from(completion.result) else { return Ok(()) };
        let place = self.connections.get_mut(slot).ok_or("a slot beyond the ring's table")?;
        *place = Some(Connection {
            dialog: Dialog::new(),
            output: GREETING.to_vec(),
            receiving: true,
            sending: false,
            ended: false,
        });
        self.open += 1;
        self.ring.receive(slot)?;
        self.settle(slot)
    }

    fn received(&mut self, slot: usize, completion: &Completion) -> Result<()> {
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        if let Some(buffer) = completion.buffer {
            if !connection.ended {
                let input = self.ring.bytes(buffer, completion.result);
                self.count.add(connection.dialog.feed(input, &mut connection.output));
            }
            self.ring.give_back(buffer);
        }
        // 0 is the client's end. Without buffers, the next receive waits until some were given back.
        connection.ended |= completion.result <= 0 && completion.result != -libc::ENOBUFS;
        connection.ended |= connection.dialog.is_over() || connection.output.len() > OUTPUT_BYTES_MAX;
        connection.receiving = completion.more;
        if !connection.receiving && !connection.ended {
            connection.receiving = true;
            self.ring.receive(slot)?;
        }
        self.settle(slot)
    }

    fn sent(&mut self, slot: usize, completion: &Completion) -> Result<()> {
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        connection.sending = false;
        // A send takes all, or the client is gone.
        if self.ring.take_back(slot) != completion.result {
            connection.ended = true;
            connection.output.clear();
        }
        self.settle(slot)
    }

    /// Sends what there is to send, and closes what has ended.
    fn settle(&mut self, slot: usize) -> Result<()> {
        let Some(place) = self.connections.get_mut(slot) else { return Ok(()) };
        let Some(connection) = place else { return Ok(()) };
        if connection.sending {
            return Ok(());
        }
        if !connection.output.is_empty() {
            connection.sending = true;
            self.ring.send(slot, &mut connection.output)?;
        } else if connection.ended && connection.receiving {
            // The receive's last completion comes back here.
            self.ring.stop_receiving(slot)?;
        } else if connection.ended {
            // Before the close, after which the slot can be the next client's.
            *place = None;
            self.open -= 1;
            self.ring.close(slot)?;
        }
        Ok(())
    }
}
