//! One TLS connection without I/O: records go in and plaintext comes out, and the other way round.

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error};

/// What a record adds to its content at most: its header, the type of its content, a nonce, a tag (RFC 8446, 5.2; RFC 5288, 3).
const RECORD_OVERHEAD_BYTES: usize = 5 + 1 + 8 + 16;
/// Content of a record (RFC 8446, 5.1).
const RECORD_CONTENT_BYTES: usize = 16 << 10;

/// A connection.
///
/// A record that is not whole waits in `received`: rustls refuses one of more than 18 KiB by its header, so that what waits is bounded by
/// that and one arrival. Key updates, renegotiation and alerts without end are refused by rustls too.
pub struct Records {
    side: Side,
    /// Records that have come, as far as they are not opened.
    received: Vec<u8>,
    /// What was opened and not yet read.
    opened: Vec<u8>,
    /// Records that are to go, in their order.
    sealed: Vec<u8>,
    has_ended: bool,
    /// rustls has refused what came. It must not be asked to go on: it would look for bytes that are gone, and panic.
    is_broken: bool,
}

enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// What is to be done when the connection can take content.
#[derive(Clone, Copy)]
enum Wish<'a> {
    Nothing,
    Seal(&'a [u8]),
    Close,
}

/// How a step ended.
#[derive(Debug, PartialEq)]
enum Step {
    /// There may be more to do.
    Again,
    /// It waits for the peer, or has nothing to do.
    Waits,
    /// The wish was carried out.
    Granted,
    /// The peer says nothing more.
    Ended,
    /// The connection is closed on both sides.
    Closed,
}

impl From<UnbufferedServerConnection> for Records {
    fn from(connection: UnbufferedServerConnection) -> Self {
        Self::new(Side::Server(connection))
    }
}

impl From<UnbufferedClientConnection> for Records {
    fn from(connection: UnbufferedClientConnection) -> Self {
        Self::new(Side::Client(connection))
    }
}

impl Records {
    const fn new(side: Side) -> Self {
        Self {
            side,
            received: Vec::new(),
            opened: Vec::new(),
            sealed: Vec::new(),
            has_ended: false,
            is_broken: false,
        }
    }

    /// What has been agreed on so far.
    pub fn state(&self) -> &CommonState {
        match &self.side {
            Side::Server(connection) => connection,
            Side::Client(connection) => connection,
        }
    }

    /// Whether the handshake is not finished.
    pub fn is_handshaking(&self) -> bool {
        self.state().is_handshaking()
    }

    /// Whether the peer has said that it says nothing more.
    pub const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes what has come from the socket and opens what is whole. Gives back a buffer that is not needed.
    ///
    /// # Errors
    /// When it is no TLS; what is then in [`sealed`](Self::sealed) says so to the peer.
    pub fn take(&mut self, arrived: Vec<u8>) -> Result<Vec<u8>, Error> {
        let spare = if self.received.is_empty() {
            std::mem::replace(&mut self.received, arrived)
        } else {
            self.received.extend_from_slice(&arrived);
            arrived
        };
        self.advance()?;
        // What waits holds no buffer.
        let used_up = if self.received.is_empty() { std::mem::take(&mut self.received) } else { Vec::new() };
        Ok(if spare.capacity() > 0 { spare } else { used_up })
    }

    /// Goes on as far as what has come allows: the client's first words need nothing.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn advance(&mut self) -> Result<(), Error> {
        self.run(Wish::Nothing).map(|_| ())
    }

    /// Appends `plaintext` to what is to go. Only after the handshake.
    ///
    /// # Errors
    /// When the connection is closed.
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<(), Error> {
        if plaintext.is_empty() || self.run(Wish::Seal(plaintext))? == Step::Granted {
            return Ok(());
        }
        Err(Error::General(String::from("the connection is closed")))
    }

    /// Says that nothing more is said: a farewell, whose failure means that the peer has gone.
    pub fn close(&mut self) {
        let _gone = self.run(Wish::Close);
    }

    /// Records that are to be written, in their order and before all others.
    pub const fn sealed(&mut self) -> &mut Vec<u8> {
        &mut self.sealed
    }

    /// What was opened and not yet read; take it from the front.
    pub const fn opened(&mut self) -> &mut Vec<u8> {
        &mut self.opened
    }

    /// Bytes of records that are not whole.
    #[cfg(test)]
    pub(super) fn received_bytes(&self) -> usize {
        self.received.len()
    }

    fn run(&mut self, wish: Wish<'_>) -> Result<Step, Error> {
        if self.is_broken {
            return Err(Error::General(String::from("the connection is broken")));
        }
        let mut used = 0;
        loop {
            let (discard, step) = self.step_at(used, wish);
            used += discard;
            match step {
                Ok(Step::Again) => {}
                // Said once; a wish can still be granted.
                Ok(Step::Ended) => self.has_ended = true,
                Err(error) => {
                    self.break_off();
                    return Err(error);
                }
                end => {
                    self.received.drain(..used.min(self.received.len()));
                    return end;
                }
            }
        }
    }

    /// Seals the alert that says why. While there is one to be sealed, what has come is not looked at.
    fn break_off(&mut self) {
        self.is_broken = true;
        self.received = Vec::new();
        while self.state().wants_write() {
            let (_, step) = self.step_at(0, Wish::Nothing);
            if step != Ok(Step::Again) {
                return;
            }
        }
    }

    fn step_at(&mut self, used: usize, wish: Wish<'_>) -> (usize, Result<Step, Error>) {
        let Self { side, received, opened, sealed, .. } = self;
        let incoming = received.get_mut(used..).unwrap_or_default();
        match side {
            Side::Server(connection) => {
                settle(connection.process_tls_records(incoming), wish, opened, sealed)
            }
            Side::Client(connection) => {
                settle(connection.process_tls_records(incoming), wish, opened, sealed)
            }
        }
    }
}

/// Does what a status asks for; says how much of the input is used up.
fn settle<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    wish: Wish<'_>,
    opened: &mut Vec<u8>,
    sealed: &mut Vec<u8>,
) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut step = Ok(Step::Again);
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        opened.extend_from_slice(record.payload);
                    }
                    Err(error) => step = Err(error),
                }
            }
            step
        }
        Ok(ConnectionState::EncodeTlsData(data)) => encode(data, sealed),
        // All that is sealed goes before whatever is sealed later, so it is as good as sent.
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::WriteTraffic(traffic)) => grant(traffic, wish, sealed),
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::Waits),
        Ok(ConnectionState::PeerClosed) => Ok(Step::Ended),
        Ok(ConnectionState::Closed) => Ok(Step::Closed),
        // Early data is never accepted.
        Ok(_) => Err(Error::General(String::from("a state of TLS that was not asked for"))),
    };
    (discard, step)
}

fn encode<Data>(mut data: EncodeTlsData<'_, Data>, sealed: &mut Vec<u8>) -> Result<Step, Error> {
    let start = sealed.len();
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        sealed.resize(start + needed.required_size, 0);
        let room = sealed.get_mut(start..).unwrap_or_default();
        let written = data.encode(room).map_err(|error| Error::General(error.to_string()))?;
        sealed.truncate(start + written);
    }
    Ok(Step::Again)
}

fn grant<Data>(
    mut traffic: WriteTraffic<'_, Data>,
    wish: Wish<'_>,
    sealed: &mut Vec<u8>,
) -> Result<Step, Error> {
    let content = match wish {
        Wish::Nothing => return Ok(Step::Waits),
        Wish::Seal(content) => content,
        Wish::Close => &[],
    };
    let mut write = |room: &mut [u8]| match wish {
        Wish::Close => traffic.queue_close_notify(room),
        _ => traffic.encrypt(content, room),
    };
    let start = sealed.len();
    let records = content.len() / RECORD_CONTENT_BYTES + 1;
    // An alert has two bytes of content.
    let mut room = content.len().max(2) + records * RECORD_OVERHEAD_BYTES;
    loop {
        sealed.resize(start + room, 0);
        match write(sealed.get_mut(start..).unwrap_or_default()) {
            Ok(written) => {
                sealed.truncate(start + written);
                return Ok(Step::Granted);
            }
            Err(EncryptError::InsufficientSize(needed)) if needed.required_size > room => {
                room = needed.required_size;
            }
            Err(error) => {
                sealed.truncate(start);
                return Err(Error::General(error.to_string()));
            }
        }
    }
}
