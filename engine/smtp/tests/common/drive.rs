//! Drives the machines over arbitrary bytes, for the properties and the fuzz targets.

use std::sync::Arc;

use weir_smtp::server::LineBreaks;
use weir_smtp::{
    Answer, Client, ClientConfig, ClientNeed, Envelope, Extension, Input, Mailbox, Need, Outcome, Server,
    ServerConfig, Stage,
};

/// All that a client and a next hop would see of a session.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Transcript {
    /// What the client was told.
    pub(crate) replies: Vec<u8>,
    /// Messages that were taken, in wire form.
    pub(crate) messages: Vec<Vec<u8>>,
    /// Whether the server closed.
    pub(crate) is_closed: bool,
}

/// A listener with limits so small that arbitrary input meets them.
pub(crate) fn small_config(line_breaks: LineBreaks) -> ServerConfig {
    let mut config = ServerConfig::new("mx.example.org");
    config.line_breaks = line_breaks;
    config.extensions = config.extensions.with(Extension::XClient).with(Extension::XForward);
    config.limits.command_line_bytes_max = 40;
    config.limits.parameter_line_bytes_max = 60;
    config.limits.discarded_line_bytes_max = 120;
    config.limits.recipients_max = 2;
    config.limits.recipients_excess_max = 2;
    config.limits.body.message_bytes_max = 60;
    config.limits.body.header_bytes_max = 30;
    config.limits.body.line_bytes_max = 20;
    config
}

/// Feeds the bytes in chunks of the given sizes, the last repeated, and accepts everything.
pub(crate) fn serve(config: &ServerConfig, bytes: &[u8], sizes: &[usize]) -> Transcript {
    let mut server = Server::new(Arc::new(config.clone()));
    server.trust();
    let mut input = Input::default();
    let mut transcript = Transcript::default();
    let mut message = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().copied();
    let mut size = usize::MAX;
    loop {
        match server.next(&mut input) {
            Need::Bytes => {
                let unread = input.unread().len();
                assert!(unread <= config.limits.parameter_line_bytes_max, "{unread} bytes wait for more");
                if rest.is_empty() {
                    break;
                }
                size = sizes.next().unwrap_or(size).clamp(1, rest.len());
                let (chunk, after) = rest.split_at(size);
                input.push(chunk);
                rest = after;
            }
            Need::Verdict(stage) => {
                if stage == Stage::Data {
                    // A message begins; one that was given up between its chunks is not part of it.
                    message.clear();
                }
                if stage == Stage::Message {
                    transcript.messages.push(std::mem::take(&mut message));
                }
                server.answer(Answer::Accept);
            }
            Need::Body(range) => {
                assert!(!range.is_empty(), "an empty stretch");
                message.extend_from_slice(input.bytes(range));
            }
            Need::Spoiled(_) => message.clear(),
            Need::Secure => panic!("STARTTLS is not offered"),
            Need::Close => {
                transcript.is_closed = true;
                break;
            }
        }
    }
    transcript.replies.append(server.output());
    transcript
}

/// A client that sends message after message, to one recipient or several, to a server that says these chunks.
pub(crate) fn send<'a>(mut chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Outcome> {
    let mut client = Client::new(Arc::new(ClientConfig { name: "mx.example.org".into() }));
    let mut input = Input::default();
    let mut envelope = Envelope::new();
    let mut outcomes = Vec::new();
    loop {
        match client.next(&mut input) {
            ClientNeed::Bytes => {
                assert!(
                    input.unread().len() <= weir_smtp::reply::RECEIVED_BYTES_MAX,
                    "an endless reply waits for more"
                );
                let Some(chunk) = chunks.next() else { return outcomes };
                client.output().clear();
                input.push(chunk);
            }
            ClientNeed::Ready => {
                if envelope.recipients().len() > 2 {
                    envelope.clear();
                }
                envelope.push_recipient(Mailbox::parse("a@example.org").expect("it is an address"));
                if client.offered().has(Extension::Chunking) {
                    client.start_chunk(&envelope, 100);
                } else {
                    client.start(&envelope, 100);
                }
            }
            ClientNeed::Message => client.sent(),
            ClientNeed::Secure => client.secured(),
            ClientNeed::Done(outcome) => {
                outcomes.push(outcome);
                if matches!(outcome, Outcome::Unfit(_)) {
                    // So would be every further message.
                    return outcomes;
                }
            }
            ClientNeed::Close => return outcomes,
        }
    }
}
