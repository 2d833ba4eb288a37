//! One handler per command, and what an accepted or refused verdict does to the transaction.

use super::{Hello, Server, State, Transaction, replies};
use crate::address::{Mailbox, Path};
use crate::body::{BodyFault, Scanner};
use crate::command::{Command, MailParameters, RcptParameters};
use crate::envelope::Notices;
use crate::extension::{Extension, Extensions};
use crate::identity::{Attribute, Identity};
use crate::reply::{Reply, code_of};
use crate::stage::Stage;

impl Server {
    /// Serves a well-formed command.
    pub(super) fn serve(&mut self, command: Command<'_>) {
        if self.config.tls_required && !self.is_secure && !is_for_strangers(&command) {
            return match command {
                Command::Bdat { bytes, is_last } => self.refuse_bdat(bytes, is_last, replies::TLS_FIRST),
                _ => self.say(&replies::TLS_FIRST),
            };
        }
        match command {
            Command::Mail(sender, parameters) => self.mail(sender, parameters),
            Command::Rcpt(recipient, parameters) => self.rcpt(recipient, parameters),
            Command::Data => self.data(),
            Command::Bdat { bytes, is_last } => self.bdat(bytes, is_last),
            Command::StartTls => self.start_tls(),
            Command::XClient(attributes) => self.xclient(attributes),
            Command::XForward(attributes) => self.xforward(attributes),
            Command::Ehlo(name) => self.judge_hello(Hello::Ehlo, name),
            Command::Helo(name) => self.judge_hello(Hello::Helo, name),
            Command::Rset => self.rset(),
            Command::Noop => self.idle(&replies::NOTHING_DONE),
            Command::Vrfy(_) => self.idle(&replies::NOT_VERIFIED),
            Command::Help => self.idle(&replies::HELP),
            Command::Expn => self.say(&replies::NO_EXPANSION),
            Command::Quit => self.close(&replies::BYE),
        }
    }

    fn judge_hello(&mut self, hello: Hello, name: &str) {
        if self.count_idle() {
            return;
        }
        self.hello_judged = hello;
        self.helo_judged.clear();
        self.helo_judged.push_str(name);
        self.state = State::Judging(Stage::Helo);
    }

    fn mail(&mut self, sender: Path<'_>, parameters: MailParameters<'_>) {
        match self.transaction {
            Transaction::Stranger => return self.say(&replies::HELLO_FIRST),
            Transaction::HasSender | Transaction::HasRecipients | Transaction::InChunks => {
                return self.say(&replies::MAIL_TWICE);
            }
            Transaction::Idle => {}
        }
        if parameters.declared_bytes.is_some_and(|bytes| bytes > self.config.limits.body.message_bytes_max) {
            return self.say(&replies::TOO_LARGE);
        }
        self.envelope.clear();
        self.envelope.set_sender(sender);
        self.envelope.declared_bytes = parameters.declared_bytes;
        self.envelope.body = parameters.body.unwrap_or_default();
        self.envelope.is_utf8 = parameters.is_utf8;
        self.envelope.requires_tls = parameters.requires_tls;
        let envid = parameters.envid.map(str::to_owned);
        self.envelope.set_notices(Notices { returns: parameters.returns, envid });
        self.state = State::Judging(Stage::Mail);
    }

    fn rcpt(&mut self, recipient: Mailbox<'_>, said: RcptParameters<'_>) {
        if !self.in_transaction() {
            return self.say(&replies::MAIL_FIRST);
        }
        if self.transaction == Transaction::InChunks {
            return self.say(&replies::CHUNKS_BEGUN);
        }
        let is_utf8 = recipient.is_utf8() || said.orcpt.is_some_and(|orcpt| !orcpt.is_ascii());
        if is_utf8 && !self.envelope.is_utf8 {
            return self.say(&replies::NEEDS_UTF8);
        }
        if self.envelope.recipients().len() >= self.config.limits.recipients_max {
            return self.excess_recipient();
        }
        self.envelope.push_recipient(recipient);
        self.envelope.set_notice(said);
        self.state = State::Judging(Stage::Rcpt);
    }

    /// An honest client sends the recipients that are over the limit again with another message, so they are errors only
    /// when there are very many of them.
    fn excess_recipient(&mut self) {
        self.tally.recipients_excess += 1;
        if self.tally.recipients_excess > self.config.limits.recipients_excess_max {
            self.say(&replies::TOO_MANY_RECIPIENTS);
        } else {
            self.print(&replies::TOO_MANY_RECIPIENTS);
        }
    }

    fn data(&mut self) {
        match self.transaction {
            Transaction::Stranger => self.say(&replies::HELLO_FIRST),
            Transaction::Idle => self.say(&replies::MAIL_FIRST),
            Transaction::HasSender => self.say(&replies::NO_RECIPIENTS),
            Transaction::HasRecipients => self.state = State::Judging(Stage::Data),
            // Not both in one transaction (RFC 3030, 4.2).
            Transaction::InChunks => self.say(&replies::CHUNKS_BEGUN),
        }
    }

    fn start_tls(&mut self) {
        if self.count_idle() {
            return;
        }
        self.print(&replies::TLS_READY);
        self.state = State::Securing;
    }

    fn rset(&mut self) {
        if self.in_transaction() {
            self.end_transaction();
        }
        self.end_forwarding();
        self.idle(&replies::RESET);
    }

    /// Answers a command that brings no message nearer.
    fn idle(&mut self, reply: &Reply<'_>) {
        if !self.count_idle() {
            self.say(reply);
        }
    }

    /// True if it was one too many, and the connection is closed.
    pub(super) fn count_idle(&mut self) -> bool {
        self.tally.idle_commands += 1;
        let over = self.tally.idle_commands > self.config.limits.idle_commands_max;
        if over {
            self.close(&replies::TOO_MANY_IDLE);
        }
        over
    }

    /// The verdict on the connection: 220, or what the shell says. After a 4xx the connection is closed; after a 5xx the client
    /// may say QUIT first.
    pub(super) fn greet(&mut self, reply: Option<&Reply<'_>>) {
        match reply {
            None => self.print(&Reply::plain(220, &format!("{} ESMTP", self.config.host))),
            Some(reply) if reply.is_positive() => self.print(&Reply::plain(220, &reply.text)),
            Some(reply) if reply.code >= 500 => {
                self.state = State::NotServed;
                self.print(reply);
            }
            Some(reply) => self.close(reply),
        }
    }

    /// An accepted HELO or EHLO ends a transaction that was open (RFC 5321, 4.1.4).
    pub(super) fn accept_hello(&mut self) {
        std::mem::swap(&mut self.helo, &mut self.helo_judged);
        self.hello = self.hello_judged;
        self.end_transaction();
        let offered = self.offer();
        let (Hello::Ehlo, Some(last)) = (self.hello, offered.iter().last()) else {
            self.offered = Extensions::NONE;
            return self.line(b' ', |config, output| output.extend_from_slice(config.host.as_bytes()));
        };
        self.line(b'-', |config, output| output.extend_from_slice(config.host.as_bytes()));
        self.offered = offered;
        for extension in offered.iter() {
            let separator = if extension == last { b' ' } else { b'-' };
            self.line(separator, |config, output| {
                output.extend_from_slice(extension.keyword().as_bytes());
                if extension == Extension::Size {
                    let bytes = config.limits.body.message_bytes_max;
                    output.extend_from_slice(format!(" {bytes}").as_bytes());
                }
                for attribute in attributes_of(extension) {
                    output.push(b' ');
                    output.extend_from_slice(attribute.keyword().as_bytes());
                }
            });
        }
    }

    /// What EHLO speaks of: inside TLS, STARTTLS is not; who may not speak for others is not asked to.
    fn offer(&self) -> Extensions {
        let mut offered = self.config.extensions;
        if self.is_secure {
            offered = offered.without(Extension::StartTls);
        } else {
            offered = offered.without(Extension::RequireTls);
        }
        if !self.is_trusted {
            offered = offered.without(Extension::XClient).without(Extension::XForward);
        }
        offered
    }

    fn line(&mut self, separator: u8, text: impl FnOnce(&super::ServerConfig, &mut Vec<u8>)) {
        self.output.extend_from_slice(b"250");
        self.output.push(separator);
        text(&self.config, &mut self.output);
        self.output.extend_from_slice(b"\r\n");
    }

    /// The message may come.
    pub(super) fn start_body(&mut self) {
        if self.start_chunk() {
            return;
        }
        self.scanner = Scanner::new(self.config.limits.body);
        self.chunks.left_bytes = self.read_over_bytes_max().saturating_add(1);
        self.state = State::Body;
        self.print(&replies::GO_AHEAD);
    }

    /// Takes back what a refused verdict was about.
    pub(super) fn refuse_judged(&mut self, stage: Stage) {
        match stage {
            Stage::Rcpt => self.envelope.pop_recipient(),
            Stage::Mail => self.envelope.clear(),
            Stage::Data => self.end_transaction(),
            Stage::Connect | Stage::Helo | Stage::Message => {}
        }
    }

    /// The message was judged; with the reply the transaction ends, whatever it says.
    pub(super) fn finish(&mut self, reply: &Reply<'_>) {
        self.settle_message(reply.code);
        self.say(reply);
    }

    /// The message was judged by the next hop.
    pub(super) fn finish_relayed(&mut self, reply: &[u8]) {
        let code = code_of(reply);
        assert!(code > 0 && reply.ends_with(b"\r\n"), "a relayed reply is whole");
        self.settle_message(code);
        if self.count_error(code) {
            self.output.extend_from_slice(reply);
        }
    }

    /// The message was read to its end and has a fault.
    pub(super) fn finish_spoiled(&mut self, fault: BodyFault) {
        self.state = State::Commands;
        self.finish(&replies::body_fault(fault));
    }

    fn settle_message(&mut self, code: u16) {
        self.end_transaction();
        if (200..300).contains(&code) {
            self.tally = super::Tally::default();
        }
    }

    pub(super) fn end_transaction(&mut self) {
        self.transaction = Transaction::Idle;
        self.tally.recipients_excess = 0;
        self.envelope.clear();
        self.end_forwarding();
    }

    /// What XFORWARD said holds no longer.
    pub(super) fn end_forwarding(&mut self) {
        if let Some(spoken_for) = &mut self.spoken_for {
            spoken_for.forwarded = None;
        }
    }

    /// The peer speaks for a client from now on: what was said so far was not said by it.
    fn xclient(&mut self, attributes: &str) {
        let before = self.client().cloned();
        let Some(identity) = self.told(before, attributes, &Attribute::XCLIENT) else { return };
        let spoken_for = self.spoken_for.get_or_insert_default();
        spoken_for.client = Some(identity);
        spoken_for.forwarded = None;
        self.forget_session();
        // More may be said of the client, in commands that follow at once.
        self.offered = Extensions::NONE.with(Extension::XClient);
        self.state = State::Connect;
    }

    /// The peer's next message is this client's. Several commands say more of one client.
    fn xforward(&mut self, attributes: &str) {
        let before = self.forwarded().cloned();
        let Some(identity) = self.told(before, attributes, &Attribute::XFORWARD) else { return };
        self.spoken_for.get_or_insert_default().forwarded = Some(identity);
        self.print(&replies::RESET);
    }

    /// What was said of a client before, with what is said now.
    fn told(
        &mut self,
        before: Option<Identity>,
        arguments: &str,
        attributes: &[Attribute],
    ) -> Option<Identity> {
        if self.in_transaction() {
            self.say(&replies::IN_TRANSACTION);
            return None;
        }
        if self.count_idle() {
            return None;
        }
        let told = before.unwrap_or_default().told(arguments, attributes);
        told.inspect_err(|fault| self.bad_command(*fault, b"")).ok()
    }
}

/// What EHLO says behind an extension of this kind.
fn attributes_of(extension: Extension) -> &'static [Attribute] {
    match extension {
        Extension::XClient => &Attribute::XCLIENT,
        Extension::XForward => &Attribute::XFORWARD,
        _ => &[],
    }
}

/// What is served before TLS where that is required (RFC 3207, 4).
const fn is_for_strangers(command: &Command<'_>) -> bool {
    matches!(command, Command::Noop | Command::Ehlo(_) | Command::StartTls | Command::Quit)
}
