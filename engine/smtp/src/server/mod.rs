//! The receiving side: turns a client's bytes into questions for the shell, and the answers into replies.
//!
//! ```text
//!  shell reads -> Input -> Server::next -> Need::Bytes    write the output in one go, then read
//!                                       -> Need::Verdict  decide, then Server::answer
//!                                       -> Need::Body     take this stretch of the message
//!                                       -> Need::Spoiled  drop what was taken: the machine will refuse it
//!                                       -> Need::Close    write the output, then close
//! ```
//!
//! Replies to pipelined commands gather in the output while input lasts, and leave together (RFC 2920, 3.2).

mod chunks;
mod commands;
mod conduct;
mod config;
mod replies;

use std::ops::Range;
use std::sync::Arc;

use memchr::memchr;

pub use conduct::Conduct;
pub use config::{LineBreaks, ServerConfig, ServerLimits};

use chunks::Chunks;
use conduct::Observed;
use config::READ_OVER_MAX;

use crate::address::Mailbox;
use crate::body::{BodyFault, Scanner};
use crate::command::{Command, CommandFault, is_other_protocol, is_tls};
use crate::envelope::Envelope;
use crate::extension::{Extension, Extensions};
use crate::identity::Identity;
use crate::input::Input;
use crate::normalise::{Normalised, Normaliser};
use crate::reply::Reply;
use crate::stage::Stage;

/// What the machine needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Write the output, if there is any, and read.
    Bytes,
    /// Judge and [`Server::answer`]. Asked again until answered. The arguments are in [`Server::helo`], [`Server::envelope`] and
    /// [`Server::recipient`]. At [`Stage::Connect`], unread input is a client that talks out of turn.
    Verdict(Stage),
    /// The next stretch of the message in wire form: dot-stuffed, and CRLF.CRLF at the end of the last. The range is good for
    /// [`Input::bytes`] and [`Input::detach`] until the machine or the input is called again. Each stretch is handed out once.
    /// A message begins after the verdict at [`Stage::Data`]; with BDAT, a client may give up what it has sent of one (RSET, EHLO),
    /// which is known when that verdict is asked for again.
    Body(Range<usize>),
    /// The message has this fault: what was handed out of it is worth nothing. The machine reads on to the real end and
    /// refuses by itself; no verdict is asked for.
    Spoiled(BodyFault),
    /// Write the output, do the handshake of TLS, then [`Server::secured`]. Only if STARTTLS is offered.
    Secure,
    /// Write the output, if there is any, and close.
    Close,
}

/// The shell's judgement.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// Go on, with the standard reply.
    Accept,
    /// Go on (2xx) or refuse this command (4xx, 5xx), in these words. EHLO and DATA have replies of their own, of which a 2xx
    /// changes nothing.
    Reply(&'a Reply<'a>),
    /// The next hop's final reply, whole lines with CRLF, passed on byte by byte. It says whether the message was taken.
    Relayed(&'a [u8]),
    /// Say this and close (421, 521, 554).
    Close(&'a Reply<'a>),
}

/// What the machine is doing.
///
/// ```text
///  Connect --220--> Commands <--verdict--> Judging(Helo, Mail, Rcpt)
///     |  |            |   ^  \---DATA---> Judging(Data) --354--> Body --CRLF.CRLF--> Judging(Message)
///     |  5xx          |   |                                       | fault                  |
///     |  v            |   +----------------- 5xx ------------- Spoiled                     |
///     | NotServed     |   +----------------------------- final reply ----------------------+
///     v  v            v     XCLIENT: Commands --> Connect
///   Closed: QUIT, 421, Answer::Close, too many errors, a spoiled message without an end; BDAT: see `chunks`
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was said yet.
    Connect,
    /// Commands are read and served.
    Commands,
    /// The greeting was a 5xx: every command but QUIT gets 503 (RFC 5321, 3.1).
    NotServed,
    /// The shell owes an answer.
    Judging(Stage),
    /// The message is read and handed out.
    Body,
    /// The message is read and dropped.
    Spoiled(BodyFault),
    /// A chunk of the message is read and handed out.
    Chunk,
    /// A chunk is read and dropped.
    Swallowing,
    /// The handshake of TLS is under way.
    Securing,
    /// Nothing more is read.
    Closed,
}

/// Where a transaction stands (RFC 5321, 4.1.4). The addresses are in [`Envelope`], which keeps its memory from message to message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    /// Neither HELO nor EHLO was accepted.
    Stranger,
    /// MAIL may come.
    Idle,
    /// MAIL was accepted.
    HasSender,
    /// At least one RCPT was accepted.
    HasRecipients,
    /// A part of the message was accepted with BDAT.
    InChunks,
}

/// Counts since the last accepted message.
#[derive(Debug, Default)]
struct Tally {
    bad_commands: u32,
    errors: u32,
    idle_commands: u32,
    recipients_excess: usize,
}

/// How the client said hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hello {
    /// `HELO`: SMTP of RFC 821.
    Helo,
    /// `EHLO`: with extensions.
    Ehlo,
}

/// The clients that a trusted peer speaks for.
#[derive(Debug, Default)]
struct SpokenFor {
    /// Since XCLIENT.
    client: Option<Identity>,
    /// In one transaction, since XFORWARD.
    forwarded: Option<Identity>,
}

/// One connection of a client.
#[derive(Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    state: State,
    transaction: Transaction,
    envelope: Envelope,
    hello: Hello,
    helo: String,
    /// The greeting under judgement: kind and name.
    hello_judged: Hello,
    helo_judged: String,
    /// Bytes of an over-long line that were read over so far.
    discarded_bytes: usize,
    tally: Tally,
    observed: Observed,
    /// All errors of the session.
    errors: u32,
    scanner: Scanner,
    normaliser: Normaliser,
    chunks: Chunks,
    /// What the last EHLO offered.
    offered: Extensions,
    is_secure: bool,
    /// Whether the peer may speak for other clients.
    is_trusted: bool,
    /// Whom the peer speaks for, if it does.
    spoken_for: Option<Box<SpokenFor>>,
    output: Vec<u8>,
}

impl Server {
    /// A connection that was just accepted.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        let scanner = Scanner::new(config.limits.body);
        Self {
            config,
            state: State::Connect,
            transaction: Transaction::Stranger,
            envelope: Envelope::new(),
            hello: Hello::Helo,
            helo: String::new(),
            hello_judged: Hello::Helo,
            helo_judged: String::new(),
            discarded_bytes: 0,
            tally: Tally::default(),
            observed: Observed::default(),
            errors: 0,
            scanner,
            normaliser: Normaliser::default(),
            chunks: Chunks::default(),
            offered: Extensions::NONE,
            is_secure: false,
            is_trusted: false,
            spoken_for: None,
            output: Vec::new(),
        }
    }

    /// Goes on as far as the input and the answers so far allow.
    pub fn next(&mut self, input: &mut Input) -> Need {
        loop {
            let need = match self.state {
                State::Connect => {
                    self.state = State::Judging(Stage::Connect);
                    None
                }
                State::Judging(stage) => Some(Need::Verdict(stage)),
                State::Commands | State::NotServed => self.read_command(input),
                State::Body | State::Spoiled(_) => self.read_body(input),
                State::Chunk => self.read_chunk(input),
                State::Swallowing => self.swallow_chunk(input),
                State::Securing => {
                    // What came with STARTTLS was said by whoever sits in between (RFC 3207, 6).
                    input.clear();
                    Some(Need::Secure)
                }
                State::Closed => Some(Need::Close),
            };
            if let Some(need) = need {
                return need;
            }
        }
    }

    /// Answers the question that [`next`](Self::next) asked.
    ///
    /// # Panics
    /// If no question is open, or a relayed reply is none or answers anything but a message: the shell and the machine would
    /// disagree on what was accepted.
    pub fn answer(&mut self, answer: Answer<'_>) {
        if self.state == State::Closed {
            // The shell closed while it was still judging; nobody hears the answer.
            return;
        }
        let State::Judging(stage) = self.state else {
            panic!("an answer without a question, in state {:?}", self.state);
        };
        self.state = State::Commands;
        let reply = match answer {
            Answer::Close(reply) => return self.close(reply),
            Answer::Relayed(reply) => {
                assert_eq!(stage, Stage::Message, "only a message has a final reply");
                return self.finish_relayed(reply);
            }
            Answer::Accept => None,
            Answer::Reply(reply) => Some(reply),
        };
        if let Some(refusal) = reply.filter(|reply| !reply.is_positive())
            && !matches!(stage, Stage::Connect | Stage::Message)
        {
            self.refuse_judged(stage);
            if !self.refuse_chunk(refusal) {
                self.say(refusal);
            }
            return;
        }
        match stage {
            Stage::Connect => self.greet(reply),
            Stage::Helo => self.accept_hello(),
            Stage::Mail => {
                self.transaction = Transaction::HasSender;
                self.say(reply.unwrap_or(&replies::SENDER_OK));
            }
            Stage::Rcpt => {
                self.transaction = Transaction::HasRecipients;
                self.say(reply.unwrap_or(&replies::RECIPIENT_OK));
            }
            Stage::Data => self.start_body(),
            Stage::Message => self.finish(reply.unwrap_or(&replies::MESSAGE_OK)),
        }
    }

    /// The connection is inside TLS now: everything said before is forgotten (RFC 3207, 4.2), and STARTTLS is not offered again.
    /// Either [`next`](Self::next) has just said [`Need::Secure`], or it was never called: TLS came before SMTP (RFC 8314, 3.3).
    ///
    /// # Panics
    /// At any other time.
    pub fn secured(&mut self) {
        self.is_secure = true;
        if self.state == State::Connect {
            return;
        }
        assert_eq!(self.state, State::Securing, "a connection is secured when it is asked for");
        self.state = State::Commands;
        self.end_forwarding();
        self.forget_session();
    }

    fn forget_session(&mut self) {
        self.transaction = Transaction::Stranger;
        self.offered = Extensions::NONE;
        self.envelope.clear();
        self.helo.clear();
    }

    /// The peer may speak for other clients, if XCLIENT or XFORWARD are among the listener's extensions.
    pub const fn trust(&mut self) {
        self.is_trusted = true;
    }

    /// Whom the peer speaks for since XCLIENT. Every XCLIENT begins the session anew: [`Stage::Connect`] is judged again.
    pub fn client(&self) -> Option<&Identity> {
        self.spoken_for.as_ref()?.client.as_ref()
    }

    /// Whom the peer speaks for in this transaction, or the next; it ends with the transaction, RSET or EHLO.
    pub fn forwarded(&self) -> Option<&Identity> {
        self.spoken_for.as_ref()?.forwarded.as_ref()
    }

    /// Takes other settings from the next command on (a reload). What EHLO offered before stays said.
    pub fn reconfigure(&mut self, config: Arc<ServerConfig>) {
        self.config = config;
    }

    /// Says this and closes, whatever the machine is doing: a timeout, or the host shuts down (RFC 5321, 3.8). An open question
    /// needs no answer any more.
    pub fn close(&mut self, reply: &Reply<'_>) {
        self.state = State::Closed;
        self.print(reply);
    }

    /// Replies not yet written. The shell takes them all in one write and leaves the buffer empty.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// The name that the client gave: the one under judgement, or the accepted one. Empty before.
    pub fn helo(&self) -> &str {
        if self.state == State::Judging(Stage::Helo) { &self.helo_judged } else { &self.helo }
    }

    /// How the client said hello: under judgement, or accepted.
    pub fn hello(&self) -> Hello {
        if self.state == State::Judging(Stage::Helo) { self.hello_judged } else { self.hello }
    }

    /// The envelope as far as it was accepted, with the sender from MAIL's verdict on and the recipient under judgement last.
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The recipient under judgement, or else the last accepted one.
    pub fn recipient(&self) -> Option<Mailbox<'_>> {
        self.envelope.last_recipient()
    }

    /// Whether the connection is inside TLS.
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Size of the message read so far, in whole lines, without dot-stuffing and final dot.
    pub const fn message_bytes(&self) -> u64 {
        self.scanner.message_bytes()
    }

    /// Whether a transaction is open, which a host that shuts down lets finish.
    pub const fn in_transaction(&self) -> bool {
        matches!(
            self.transaction,
            Transaction::HasSender | Transaction::HasRecipients | Transaction::InChunks
        )
    }

    /// Whether the client is sending its message, for which other timeouts hold (RFC 5321, 4.5.3.2).
    pub const fn in_body(&self) -> bool {
        matches!(self.state, State::Body | State::Spoiled(_) | State::Chunk | State::Swallowing)
    }

    /// Whether a part of the message was read, in which case what follows the replies is still the same message: with BDAT, each
    /// chunk is answered.
    pub const fn in_message(&self) -> bool {
        self.in_body() || matches!(self.transaction, Transaction::InChunks)
    }

    /// How the client has behaved so far.
    pub const fn conduct(&self) -> Conduct {
        self.observed.conduct
    }

    /// The beginning of the first line that was no command of SMTP, once.
    pub fn take_odd(&mut self) -> Option<Box<[u8]>> {
        self.observed.take_odd()
    }

    /// Commands and messages of this session that were answered with a 4yz or 5yz, by whoever refused them.
    pub const fn errors(&self) -> u32 {
        self.errors
    }

    /// Serves the next command line, if there is one.
    fn read_command(&mut self, input: &mut Input) -> Option<Need> {
        let unread = input.unread();
        if self.discarded_bytes == 0 && is_tls(unread) {
            // It waits for an answer that never comes, and its hello need not have a line end.
            let hello = input.consume(unread.len());
            self.bad_command(CommandFault::NotSmtp, input.bytes(hello));
            return None;
        }
        let Some(feed) = memchr(b'\n', unread) else {
            return self.wait_for_line(input);
        };
        let line_bytes = self.discarded_bytes + feed + 1;
        let line = input.consume(feed + 1);
        // The beginning of a line that was read over is not here, and its rest says nothing.
        let line = if std::mem::take(&mut self.discarded_bytes) == 0 { line } else { line.end..line.end };
        let limits = &self.config.limits;
        if line_bytes > limits.discarded_line_bytes_max && !self.announces_chunk(input.bytes(line.clone())) {
            self.close(&replies::LINE_ENDLESS);
        } else if line_bytes > limits.parameter_line_bytes_max {
            self.bad_command(CommandFault::TooLong, input.bytes(line));
        } else {
            let has_more = !input.unread().is_empty();
            self.serve_line(input.bytes(line), has_more);
        }
        None
    }

    /// No line is complete. A line that is too long already is read over, so that it cannot fill memory.
    fn wait_for_line(&mut self, input: &mut Input) -> Option<Need> {
        let limits = &self.config.limits;
        let unread_bytes = input.unread().len();
        if self.discarded_bytes > 0 || unread_bytes >= limits.parameter_line_bytes_max {
            let is_first = self.discarded_bytes == 0;
            self.discarded_bytes += unread_bytes;
            let line = input.consume(unread_bytes);
            if is_first && self.announces_chunk(input.bytes(line.clone())) {
                self.bad_command(CommandFault::TooLong, input.bytes(line));
                return None;
            }
            if self.discarded_bytes >= limits.discarded_line_bytes_max {
                self.close(&replies::LINE_ENDLESS);
                return None;
            }
        }
        Some(Need::Bytes)
    }

    /// Serves a line that has its LF. `has_more`: the client sent more behind it.
    fn serve_line(&mut self, line: &[u8], has_more: bool) {
        let line_bytes = line.len();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = match (line.strip_suffix(b"\r"), self.config.line_breaks) {
            (Some(line), _) => line,
            (None, LineBreaks::Normalise) => line,
            (None, LineBreaks::Refuse) => return self.bad_command(CommandFault::IllegalByte, line),
        };
        let command = Command::parse(line, self.understood());
        if has_more {
            self.note_pipelining(&command);
        }
        let has_parameters = matches!(
            command,
            Ok(Command::Mail(..) | Command::Rcpt(..) | Command::XClient(_) | Command::XForward(_))
        );
        if line_bytes > self.config.limits.command_line_bytes_max && !has_parameters {
            return self.bad_command(CommandFault::TooLong, line);
        }
        match command {
            Err(fault) => self.bad_command(fault, line),
            Ok(Command::Quit) => self.close(&replies::BYE),
            Ok(_) if self.state == State::NotServed => self.say(&replies::NOT_SERVED),
            Ok(command) => self.serve(command),
        }
    }

    /// Reads the next stretch of the message, or reads over it once it has a fault.
    fn read_body(&mut self, input: &mut Input) -> Option<Need> {
        let ready_bytes = match self.config.line_breaks {
            LineBreaks::Refuse => input.unread().len(),
            LineBreaks::Normalise => match self.normaliser.scan(input.unread()) {
                Normalised::Clean(bytes) => bytes,
                Normalised::Edited(bytes) => {
                    input.replace(bytes, self.normaliser.edited());
                    self.normaliser.edited().len()
                }
            },
        };
        if ready_bytes == 0 {
            return Some(Need::Bytes);
        }
        let scanned = self.scanner.scan(input.unread().get(..ready_bytes).unwrap_or_default());
        let range = input.consume(scanned.bytes);
        self.chunks.left_bytes = self.chunks.left_bytes.saturating_sub(scanned.bytes as u64);
        let Some(fault) = self.scanner.fault() else {
            if scanned.is_end {
                self.state = State::Judging(Stage::Message);
            }
            return Some(Need::Body(range));
        };
        let is_new = self.state == State::Body;
        self.state = State::Spoiled(fault);
        if self.chunks.left_bytes == 0 {
            self.close(&replies::body_fault(fault));
        } else if scanned.is_end {
            self.finish_spoiled(fault);
        }
        is_new.then_some(Need::Spoiled(fault))
    }

    /// How much of a message or a chunk that cannot be taken is read over.
    fn read_over_bytes_max(&self) -> u64 {
        self.config.limits.body.message_bytes_max.saturating_mul(READ_OVER_MAX)
    }

    /// Appends a reply, and counts it if it is an error. One too many is replaced by 421.
    fn say(&mut self, reply: &Reply<'_>) {
        if self.count_error(reply.code) {
            self.print(reply);
        }
    }

    /// Counts a reply that is an error. False if it was one too many and 421 was said instead of it. A 421 closes whoever says it.
    fn count_error(&mut self, code: u16) -> bool {
        if code < 400 {
            return true;
        }
        self.errors = self.errors.saturating_add(1);
        self.tally.errors += 1;
        let within = self.tally.errors <= self.config.limits.errors_max;
        if !within {
            self.close(&replies::TOO_MANY_ERRORS);
        } else if code == 421 {
            self.state = State::Closed;
        }
        within
    }

    /// What commands may say. Whether a chunk or TLS may follow one, who may speak for others, and what TLS alone lets one
    /// ask for, holds as EHLO offered it, through a
    /// reload too.
    fn understood(&self) -> Extensions {
        let framing = [
            Extension::Chunking,
            Extension::StartTls,
            Extension::RequireTls,
            Extension::XClient,
            Extension::XForward,
        ];
        framing.into_iter().fold(self.config.extensions, |extensions, framing| {
            if self.offered.has(framing) { extensions.with(framing) } else { extensions.without(framing) }
        })
    }

    /// Notes a client that sent more before it could know the answer to this command.
    fn note_pipelining(&mut self, command: &Result<Command<'_>, CommandFault>) {
        let is_last = match command {
            Ok(Command::Ehlo(_) | Command::Helo(_) | Command::Data) => true,
            Ok(Command::StartTls | Command::Quit) | Err(_) => false,
            Ok(_) => !self.offered.has(Extension::Pipelining),
        };
        self.observed.conduct.pipelined_early |= is_last;
    }

    /// Refuses a line that is no command.
    fn bad_command(&mut self, fault: CommandFault, line: &[u8]) {
        let is_unknown =
            matches!(fault, CommandFault::Unknown | CommandFault::NotText | CommandFault::IllegalByte);
        let fault = if is_unknown && is_other_protocol(line) { CommandFault::NotSmtp } else { fault };
        self.observed.note(fault, line);
        if self.observed.conduct.not_smtp > self.config.limits.not_smtp_max {
            return self.close(&replies::command_fault(CommandFault::NotSmtp));
        }
        if self.announces_chunk(line) {
            // What follows may be the chunk and must not be read as commands.
            return self.close(&replies::command_fault(fault));
        }
        self.tally.bad_commands += 1;
        if self.tally.bad_commands > self.config.limits.bad_commands_max {
            return self.close(&replies::TOO_MANY_ERRORS);
        }
        self.say(&replies::command_fault(fault));
    }

    fn print(&mut self, reply: &Reply<'_>) {
        if self.config.extensions.has(Extension::EnhancedStatusCodes) {
            reply.print(&mut self.output);
        } else {
            reply.print_bare(&mut self.output);
        }
    }
}
