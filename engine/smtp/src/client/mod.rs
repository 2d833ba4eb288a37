//! The sending side: an envelope goes in, commands come out, and the next hop's replies are handed back as they are.
//!
//! ```text
//!  shell reads -> Input -> Client::next -> ClientNeed::Bytes    write the output in one go, then read
//!                                       -> ClientNeed::Ready    Client::start a transaction, or Client::quit, or keep it for later
//!                                       -> ClientNeed::Message  write the output and the message in one go, then Client::sent
//!                                       -> ClientNeed::Secure   do the handshake of TLS, then Client::secured
//!                                       -> ClientNeed::Done     the transaction's end; call again until Ready or Close
//!                                       -> ClientNeed::Close    write the output, then close
//! ```
//!
//! A transaction is all or nothing: when one recipient is refused, nobody gets the message. A server is never sent what it did
//! not offer to take: a message that needs SMTPUTF8 or 8BITMIME is refused here, since nothing is converted on the way
//! (RFC 6531, 3.2; RFC 6152, 3), and so is one that is larger than the server's SIZE.

mod opening;
mod script;
mod start_tls;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::envelope::Envelope;
use crate::extension::{Extension, Extensions};
use crate::identity::{Attributes, Introduction};
use crate::input::Input;
use crate::reply::{Enhanced, Reply, ReplyFault, ReplyScanner, code_of};
use crate::stage::Stage;

use script::{Content, Script};

pub use start_tls::StartTls;

/// Most bytes of replies that are kept of one transaction. A server with so much to say is broken.
pub const REPLIES_BYTES_MAX: usize = 256 * 1024;

// A single reply of the longest kind fits.
const _: () = assert!(crate::reply::RECEIVED_BYTES_MAX <= REPLIES_BYTES_MAX);

/// What a sender is told once.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The name in EHLO and HELO: a domain or an address literal.
    pub name: String,
}

/// What the machine needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientNeed {
    /// Write the output, if there is any, and read.
    Bytes,
    /// The session is open and no transaction runs.
    Ready,
    /// Write the output, if there is any, and the message, then call [`Client::sent`]. After [`Client::start`] it is in wire form,
    /// with its final CRLF.CRLF; after [`Client::start_chunk`] it is the chunk, without stuffing and without an end.
    Message,
    /// Do the handshake of TLS, then call [`Client::secured`]. Only after [`Client::with_start_tls`].
    Secure,
    /// The transaction ended, or the session never came to one. Said once.
    Done(Outcome),
    /// Write the output, if there is any, and close.
    Close,
}

/// How a transaction ended. The reply that decided is [`Client::reply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop has taken the message.
    Accepted,
    /// The next hop refused at this stage, for now (4xx) or for good (5xx).
    Refused(Stage),
    /// This server cannot take such a message; nothing was sent. The reply is our own.
    Unfit(Unfit),
    /// The server does not speak SMTP as it should. At [`Stage::Message`] it may have taken the message all the same.
    Broken(Stage, ClientFault),
}

/// Why a message was not offered to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It is larger than the server's SIZE: 552 5.3.4.
    TooLarge,
    /// It needs SMTPUTF8: 550 5.6.7.
    NeedsUtf8,
    /// It needs 8BITMIME: 554 5.6.3.
    NeedsEightBit,
    /// It says REQUIRETLS, and the server does not offer that inside TLS: 550 5.7.30 (RFC 8689, 4.2.1).
    NeedsTls,
}

impl Unfit {
    const fn reply(self) -> Reply<'static> {
        match self {
            Self::TooLarge => Reply::new(552, Enhanced::new(5, 3, 4), "Message too large for the next hop"),
            Self::NeedsUtf8 => Reply::new(550, Enhanced::new(5, 6, 7), "The next hop does not take SMTPUTF8"),
            Self::NeedsEightBit => {
                Reply::new(554, Enhanced::new(5, 6, 3), "The next hop does not take 8BITMIME")
            }
            Self::NeedsTls => {
                Reply::new(550, Enhanced::new(5, 7, 30), "The next hop does not take REQUIRETLS over TLS")
            }
        }
    }
}

/// What a server did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientFault {
    /// It sent something that is no reply.
    Reply(ReplyFault),
    /// It sent a reply whose code has no meaning here.
    Code(u16),
    /// It sent a reply to a command that was not sent yet.
    OutOfTurn,
    /// Its replies to one transaction are longer than anything sensible.
    TooLong,
    /// It does not offer STARTTLS, or refuses it, where TLS must be.
    NoTls,
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(fault) => fault.fmt(f),
            Self::Code(code) => write!(f, "reply {code}, which means nothing here"),
            Self::OutOfTurn => f.write_str("reply to a command that was not sent yet"),
            Self::TooLong => f.write_str("replies that are too long"),
            Self::NoTls => f.write_str("no STARTTLS, which must be"),
        }
    }
}

/// What the machine is doing.
///
/// ```text
///  Greeting --220--> Ehlo --250--> Ready --start--> Commands --354--> Message --sent--> Final
///                     |  ^          ^ ^                 | \               (shell)         |
///                    5xx |          | |              4xx/5xx  354 without recipients      |
///                     v 250         | |                 v       v                         |
///                     Helo          | +- Resetting <- Finished <- LoneDot                 |
///                                   +------------------ Finished <------------------------+
///  with STARTTLS: Ehlo --250--> StartTls --220--> Securing --secured--> Ehlo
///  with BDAT: Commands --BDAT is in the output--> Message --sent--> Commands --all replies--> Finished
///  Ready --introduce--> Introducing --250 to XFORWARD--> Ready, --220 to XCLIENT--> Ehlo
///  everywhere: 421 or broken --> Finished --> Closed; Ready --quit--> Quitting --> Closed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits for the server's first words.
    Greeting,
    /// Waits for the reply to EHLO.
    Ehlo,
    /// Waits for the reply to HELO, from a server that does not know EHLO.
    Helo,
    /// Waits for the reply to STARTTLS.
    StartTls,
    /// The handshake of TLS is under way.
    Securing,
    /// No transaction runs.
    Ready,
    /// Waits for the reply to XCLIENT or XFORWARD.
    Introducing(Introduction),
    /// Waits for replies to the script; with BDAT, to the message too.
    Commands,
    /// The shell writes the message.
    Message,
    /// Waits for the reply to the message.
    Final,
    /// Waits for the reply to the dot that ends a transaction without recipients.
    LoneDot,
    /// The outcome is to be told, then the session goes on.
    Finished(Outcome, After),
    /// Waits for the reply to RSET.
    Resetting,
    /// Waits for the reply to QUIT.
    Quitting,
    /// Nothing more is said.
    Closed,
}

/// What follows a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Ready,
    Reset,
    Close,
}

/// The first reply that refused something.
#[derive(Debug, Clone)]
struct Refusal {
    stage: Stage,
    reply: Range<usize>,
}

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    config: Arc<ClientConfig>,
    state: State,
    usable: Extensions,
    /// All that the server offers and we know.
    known: Extensions,
    /// What of that may be used.
    offered: Extensions,
    is_secure: bool,
    /// The attributes that the server takes with XCLIENT,
    xclient: Attributes,
    /// and with XFORWARD.
    xforward: Attributes,
    start_tls: StartTls,
    /// The server's SIZE; 0 if it gave none.
    message_bytes_max: u64,
    script: Script,
    refusal: Option<Refusal>,
    scanner: ReplyScanner,
    /// The replies of the running or last transaction, one after the other.
    replies: Vec<u8>,
    recipient_replies: Vec<Range<usize>>,
    /// The reply that decided.
    decided: Range<usize>,
    output: Vec<u8>,
}

impl Client {
    /// A connection that was just opened.
    pub fn new(config: Arc<ClientConfig>) -> Self {
        Self {
            config,
            state: State::Greeting,
            usable: Extensions::ALL,
            known: Extensions::NONE,
            offered: Extensions::NONE,
            is_secure: false,
            xclient: Attributes::default(),
            xforward: Attributes::default(),
            start_tls: StartTls::Never,
            message_bytes_max: 0,
            script: Script::default(),
            refusal: None,
            scanner: ReplyScanner::default(),
            replies: Vec::new(),
            recipient_replies: Vec::new(),
            decided: 0..0,
            output: Vec::new(),
        }
    }

    /// Uses no extension but these from now on, whatever the server offers. A client that takes `PIPELINING` out sends each
    /// command after the reply to the one before.
    pub fn use_only(&mut self, usable: Extensions) {
        self.usable = usable;
        self.offered = self.known.common(usable);
    }

    /// Goes on as far as the input allows.
    pub fn next(&mut self, input: &mut Input) -> ClientNeed {
        loop {
            match self.state {
                State::Ready if input.unread().is_empty() => return ClientNeed::Ready,
                // A server that speaks while nothing was asked says that it closes, or is broken.
                State::Ready => self.state = State::Closed,
                State::Message => return ClientNeed::Message,
                State::Securing => return ClientNeed::Secure,
                State::Closed => return ClientNeed::Close,
                State::Finished(outcome, after) => {
                    self.go_on(after);
                    return ClientNeed::Done(outcome);
                }
                _ => match self.scanner.scan(input.unread()) {
                    Ok(None) => return ClientNeed::Bytes,
                    Ok(Some(end)) => {
                        let reply = self.keep(input, end.bytes);
                        self.take_reply(end.code, reply, input.unread().is_empty());
                    }
                    Err(fault) => self.break_off(ClientFault::Reply(fault)),
                },
            }
        }
    }

    /// Starts a transaction for a message of so many bytes in wire form.
    ///
    /// # Panics
    /// If the last [`next`](Self::next) did not say [`ClientNeed::Ready`], or the envelope has no recipient.
    pub fn start(&mut self, envelope: &Envelope, message_bytes: u64) {
        self.begin(envelope, Content::Stuffed, message_bytes);
    }

    /// Starts a transaction whose message goes as one chunk of so many bytes: the message itself, neither stuffed nor ended.
    ///
    /// With a single recipient and PIPELINING, all leaves in one write: [`next`](Self::next) says [`ClientNeed::Message`] at once,
    /// with the commands in the output. From the moment its last byte may have left, the server may take the message, unless
    /// [`is_refused`](Self::is_refused).
    ///
    /// # Panics
    /// As [`start`](Self::start), and if the server did not offer CHUNKING (see [`offered`](Self::offered)).
    pub fn start_chunk(&mut self, envelope: &Envelope, chunk_bytes: u64) {
        assert!(self.offered.has(Extension::Chunking), "chunks go to a server that offers to take them");
        self.begin(envelope, Content::Chunk, chunk_bytes);
    }

    /// Asks whether the envelope's recipients would be taken, and sends no message: RSET follows the replies to RCPT. The outcome is
    /// [`Outcome::Accepted`] when each was accepted, else refused at the stage that tells whose fault it is.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_probe(&mut self, envelope: &Envelope) {
        self.begin(envelope, Content::Nothing, 0);
    }

    fn begin(&mut self, envelope: &Envelope, content: Content, message_bytes: u64) {
        assert_eq!(self.state, State::Ready, "a transaction starts when the session is ready");
        assert!(envelope.last_recipient().is_some(), "a message goes to somebody");
        self.replies.clear();
        self.recipient_replies.clear();
        self.refusal = None;
        self.decided = 0..0;
        if let Some(unfit) = self.unfit(envelope, message_bytes) {
            unfit.reply().print(&mut self.replies);
            self.decided = 0..self.replies.len();
            self.state = State::Finished(Outcome::Unfit(unfit), After::Ready);
            return;
        }
        self.script.write(envelope, content, message_bytes, self.offered);
        self.send_commands();
    }

    fn send_commands(&mut self) {
        self.script.send(self.offered, &mut self.output);
        self.state = if self.script.is_chunk_due() { State::Message } else { State::Commands };
    }

    /// The shell has written the message, or could not and wants the reply that the server gave instead.
    ///
    /// # Panics
    /// If the last [`next`](Self::next) did not say [`ClientNeed::Message`].
    pub fn sent(&mut self) {
        assert_eq!(self.state, State::Message, "a message is sent when it is asked for");
        self.state = if self.script.is_chunk_due() { State::Commands } else { State::Final };
    }

    /// Whether something of the running transaction was refused: then the server has nothing that it may deliver, even if
    /// its last replies never come.
    pub const fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// Says QUIT; [`ClientNeed::Close`] follows its reply.
    ///
    /// # Panics
    /// If the last [`next`](Self::next) did not say [`ClientNeed::Ready`].
    pub fn quit(&mut self) {
        assert_eq!(self.state, State::Ready, "QUIT is said when the session is ready");
        self.output.extend_from_slice(b"QUIT\r\n");
        self.state = State::Quitting;
    }

    /// Commands not yet written. The shell takes them all in one write and leaves the buffer empty.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// The reply that decided the last outcome, whole lines with CRLF as the server sent them. Empty if what it sent was no reply.
    pub fn reply(&self) -> &[u8] {
        self.replies.get(self.decided.clone()).unwrap_or_default()
    }

    /// The code of that reply; 0 if there is none.
    pub fn code(&self) -> u16 {
        code_of(self.reply())
    }

    /// The replies to RCPT, in the order of the envelope's recipients, as far as they came.
    pub fn recipient_replies(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.recipient_replies.iter().map(|range| self.replies.get(range.clone()).unwrap_or_default())
    }

    /// What the server offers and may be used.
    pub const fn offered(&self) -> Extensions {
        self.offered
    }

    /// The stage whose reply is waited for, for the timeouts of RFC 5321, 4.5.3.2. RSET and QUIT count as HELO.
    pub fn stage(&self) -> Stage {
        match self.state {
            State::Greeting => Stage::Connect,
            State::Commands => self.script.stage(),
            State::Message | State::Final | State::LoneDot => Stage::Message,
            State::Finished(Outcome::Refused(stage) | Outcome::Broken(stage, _), _) => stage,
            _ => Stage::Helo,
        }
    }

    /// Moves a whole reply from the input to the replies that are kept.
    fn keep(&mut self, input: &mut Input, bytes: usize) -> Range<usize> {
        let range = input.consume(bytes);
        let start = self.replies.len();
        self.replies.extend_from_slice(input.bytes(range));
        start..self.replies.len()
    }

    /// Judges one reply. `is_last` says that no further input is there: the machine may speak again.
    fn take_reply(&mut self, code: u16, reply: Range<usize>, is_last: bool) {
        if self.replies.len() > REPLIES_BYTES_MAX {
            return self.break_off(ClientFault::TooLong);
        }
        if code == 421 {
            return self.hang_up(reply);
        }
        match self.state {
            // Behind the 220 to STARTTLS too: whoever sits in between may have put it there, and it would be taken for what was said
            // inside TLS (RFC 3207, 6).
            State::Greeting | State::Ehlo | State::Helo | State::StartTls if !is_last => {
                self.break_off(ClientFault::OutOfTurn);
            }
            State::Greeting if code == 220 => self.hello(State::Ehlo, b"EHLO "),
            State::Ehlo if code == 250 => {
                self.read_features(reply);
                self.open();
            }
            State::Ehlo if code >= 500 && self.start_tls != StartTls::Always => {
                self.hello(State::Helo, b"HELO ");
            }
            State::Helo | State::Introducing(Introduction::XForward) if code == 250 => self.open(),
            State::StartTls if code == 220 => self.state = State::Securing,
            State::StartTls if code >= 400 => self.go_without_tls(),
            State::Greeting | State::Ehlo | State::Helo if code >= 400 => {
                self.output.extend_from_slice(b"QUIT\r\n");
                self.finish(Outcome::Refused(self.stage()), reply, After::Close);
            }
            State::Commands => self.take_command_reply(code, reply, is_last),
            State::Final if code < 300 => self.finish(Outcome::Accepted, reply, After::Ready),
            State::Final if code >= 400 => self.finish(Outcome::Refused(Stage::Message), reply, After::Ready),
            State::LoneDot => self.finish_refused(After::Ready),
            State::Introducing(Introduction::XClient) if code == 220 && is_last => self.hello_again(),
            State::Introducing(_) if code >= 400 => {
                self.output.extend_from_slice(b"QUIT\r\n");
                self.finish(Outcome::Refused(Stage::Helo), reply, After::Close);
            }
            State::Resetting if code == 250 => self.state = State::Ready,
            State::Resetting | State::Quitting => self.state = State::Closed,
            _ => self.break_off(ClientFault::Code(code)),
        }
    }

    fn take_command_reply(&mut self, code: u16, reply: Range<usize>, is_last: bool) {
        let stage = self.script.stage();
        if stage == Stage::Rcpt {
            self.recipient_replies.push(reply.clone());
        }
        let expected = if stage == Stage::Data { code == 354 } else { code < 300 };
        if !expected && code < 400 {
            return self.break_off(ClientFault::Code(code));
        }
        self.script.answer();
        if !expected && self.refusal.is_none() {
            self.refusal = Some(Refusal { stage, reply: reply.clone() });
        }
        if !self.script.is_answered() {
            return;
        }
        if stage == Stage::Message {
            return self.take_chunk_reply(code, reply, expected);
        }
        if !is_last {
            return self.break_off(ClientFault::OutOfTurn);
        }
        match &self.refusal {
            None if self.script.is_done() && self.script.is_probe() => {
                self.finish(Outcome::Accepted, reply, After::Reset);
            }
            None if self.script.is_done() => self.state = State::Message,
            None => self.send_commands(),
            // DATA went together with a command that was refused, and was accepted: end it without a message (RFC 2920, 3.1).
            Some(refusal) if expected && stage == Stage::Data => {
                if refusal.stage == Stage::Mail {
                    // Recipients without a sender: an empty message might be delivered to them.
                    return self.break_off(ClientFault::Code(code));
                }
                self.output.extend_from_slice(b".\r\n");
                self.state = State::LoneDot;
            }
            Some(_) => self.finish_refused(After::Reset),
        }
    }

    /// Judges the reply to BDAT, with which all commands are answered.
    fn take_chunk_reply(&mut self, code: u16, reply: Range<usize>, accepted: bool) {
        match self.refusal {
            None => self.finish(Outcome::Accepted, reply, After::Ready),
            // Sender or recipient were refused and the message accepted: nobody knows for whom.
            Some(_) if accepted => self.break_off(ClientFault::Code(code)),
            Some(_) => self.finish_refused(After::Reset),
        }
    }

    fn finish_refused(&mut self, after: After) {
        if let Some(Refusal { stage, reply }) = self.refusal.clone() {
            self.finish(Outcome::Refused(stage), reply, after);
        }
    }

    fn finish(&mut self, outcome: Outcome, reply: Range<usize>, after: After) {
        self.decided = reply;
        self.state = State::Finished(outcome, after);
    }

    /// The server closes the session. It refuses what runs, unless something else had been refused before.
    fn hang_up(&mut self, reply: Range<usize>) {
        match self.state {
            State::Resetting | State::Quitting => self.state = State::Closed,
            _ if self.refusal.is_some() => self.finish_refused(After::Close),
            _ => self.finish(Outcome::Refused(self.stage()), reply, After::Close),
        }
    }

    fn break_off(&mut self, fault: ClientFault) {
        self.state = match self.state {
            State::Resetting | State::Quitting => State::Closed,
            _ => State::Finished(Outcome::Broken(self.broken_stage(), fault), After::Close),
        };
        self.decided = 0..0;
    }

    /// Where the server went wrong; with a chunk on its way that nothing refuses, at the message, which it may take.
    fn broken_stage(&self) -> Stage {
        let chunk_is_out = self.state == State::Commands && self.script.is_chunk_due();
        if chunk_is_out && self.refusal.is_none() { Stage::Message } else { self.stage() }
    }

    fn go_on(&mut self, after: After) {
        self.state = match after {
            After::Ready => State::Ready,
            After::Close => State::Closed,
            After::Reset => {
                self.output.extend_from_slice(b"RSET\r\n");
                State::Resetting
            }
        };
    }
}
