//! What a shell may rely on and the dialogs do not show: when output leaves, what is asked when, what can be read meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

use std::sync::Arc;

use weir_smtp::body::BodyFault;
use weir_smtp::server::Hello;
use weir_smtp::{
    Answer, BodyType, Client, ClientConfig, ClientNeed, Enhanced, Envelope, Extension, Extensions, Input,
    Mailbox, Need, Outcome, Reply, Server, ServerConfig, Stage,
};

fn server() -> Server {
    Server::new(Arc::new(ServerConfig::new("mx.example.org")))
}

/// A session whose EHLO has been accepted.
fn greeted(mut server: Server) -> (Server, Input) {
    let mut input = Input::default();
    input.push(b"EHLO a\r\n");
    accept_until(&mut server, &mut input, Stage::Helo);
    server.answer(Answer::Accept);
    (server, input)
}

/// Accepts whatever is asked until the stage is reached.
fn accept_until(server: &mut Server, input: &mut Input, stage: Stage) {
    loop {
        match server.next(input) {
            Need::Verdict(asked) if asked == stage => return,
            Need::Verdict(_) => server.answer(Answer::Accept),
            Need::Body(_) => {}
            other => panic!("{other:?} before {stage:?}"),
        }
    }
}

#[test]
fn replies_to_a_pipelined_group_leave_together() {
    let (mut server, mut input) = (server(), Input::default());
    input.push(b"EHLO a\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
    accept_until(&mut server, &mut input, Stage::Data);
    server.answer(Answer::Accept);
    assert_eq!(server.next(&mut input), Need::Bytes);
    let output = String::from_utf8(std::mem::take(server.output())).unwrap();
    assert_eq!(output.lines().count(), 1 + 9 + 3);
    assert!(output.ends_with("354 End data with <CR><LF>.<CR><LF>\r\n"));
}

#[test]
fn each_stage_shows_what_it_is_about() {
    let (mut server, mut input) = (server(), Input::default());
    input.push(b"EHLO client.example\r\nMAIL FROM:<a@example.org> SIZE=9 BODY=8BITMIME\r\nRCPT TO:<b@example.org>\r\n");
    assert_eq!(server.next(&mut input), Need::Verdict(Stage::Connect));
    assert!(!input.unread().is_empty(), "the client talks out of turn, and the shell can see it");
    server.answer(Answer::Accept);

    assert_eq!(server.next(&mut input), Need::Verdict(Stage::Helo));
    assert_eq!(server.next(&mut input), Need::Verdict(Stage::Helo), "asked again until answered");
    assert_eq!((server.hello(), server.helo()), (Hello::Ehlo, "client.example"));
    server.answer(Answer::Accept);

    assert_eq!(server.next(&mut input), Need::Verdict(Stage::Mail));
    assert_eq!(server.helo(), "client.example");
    assert_eq!(server.envelope().sender().to_string(), "<a@example.org>");
    assert_eq!((server.envelope().declared_bytes, server.envelope().body), (Some(9), BodyType::EightBit));
    assert!(!server.in_transaction());
    server.answer(Answer::Accept);

    assert_eq!(server.next(&mut input), Need::Verdict(Stage::Rcpt));
    assert_eq!(server.recipient().unwrap().to_string(), "b@example.org");
    assert!(server.in_transaction());
    let refusal = Reply::new(550, Enhanced::new(5, 1, 1), "no such mailbox");
    server.answer(Answer::Reply(&refusal));
    assert_eq!(server.recipient(), None);
    assert_eq!(server.next(&mut input), Need::Bytes);
}

#[test]
fn a_message_is_handed_out_in_place_and_once() {
    let (mut server, mut input) = (server(), Input::default());
    input.push(b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
    accept_until(&mut server, &mut input, Stage::Data);
    server.answer(Answer::Accept);
    assert_eq!(server.next(&mut input), Need::Bytes);
    assert!(server.in_body());
    input.push(b"one\r\n");
    let Need::Body(range) = server.next(&mut input) else { panic!("no body") };
    assert_eq!(input.bytes(range), b"one\r\n");
    assert_eq!(server.next(&mut input), Need::Bytes);
    input.push(b"..two\r\n.\r\nQUIT\r\n");
    let Need::Body(range) = server.next(&mut input) else { panic!("no body") };
    let taken = input.detach(Vec::new());
    assert_eq!(&taken[range], b"..two\r\n.\r\n");
    assert_eq!(server.next(&mut input), Need::Verdict(Stage::Message));
    assert_eq!(server.message_bytes(), 11, "without the stuffed dot and the final one");
    server.answer(Answer::Accept);
    assert_eq!(server.next(&mut input), Need::Close);
}

#[test]
fn a_spoiled_message_is_told_at_once_and_refused_at_its_end() {
    let (mut server, mut input) = (server(), Input::default());
    input.push(b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\na\nb");
    accept_until(&mut server, &mut input, Stage::Data);
    server.answer(Answer::Accept);
    assert_eq!(server.next(&mut input), Need::Spoiled(BodyFault::BareLf));
    assert_eq!(server.next(&mut input), Need::Bytes);
    server.output().clear();
    input.push(b"more\r\n.\r\n");
    assert_eq!(server.next(&mut input), Need::Bytes);
    assert!(server.output().starts_with(b"550 5.5.2 Bare LF"));
}

#[test]
fn a_shell_may_close_at_any_time() {
    let timeout = Reply::new(421, Enhanced::new(4, 4, 2), "Timeout");
    for input_bytes in
        [b"".as_slice(), b"HELO a\r\n", b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\ntext"]
    {
        let (mut server, mut input) = (server(), Input::default());
        input.push(input_bytes);
        while let Need::Verdict(_) = server.next(&mut input) {
            server.answer(Answer::Accept);
        }
        server.output().clear();
        server.close(&timeout);
        assert_eq!(server.next(&mut input), Need::Close);
        assert_eq!(server.output(), b"421 4.4.2 Timeout\r\n");
    }
}

#[test]
fn an_answer_after_closing_is_not_heard() {
    let (mut server, mut input) = (server(), Input::default());
    assert_eq!(server.next(&mut input), Need::Verdict(Stage::Connect));
    server.close(&Reply::new(421, Enhanced::new(4, 3, 2), "Going down"));
    server.answer(Answer::Accept);
    assert_eq!(server.next(&mut input), Need::Close);
    assert_eq!(server.output(), b"421 4.3.2 Going down\r\n");
}

#[test]
fn new_settings_hold_from_the_next_command_on() {
    let (mut server, mut input) = (server(), Input::default());
    input.push(b"HELO a\r\n");
    accept_until(&mut server, &mut input, Stage::Helo);
    server.answer(Answer::Accept);
    let mut config = ServerConfig::new("mx.example.org");
    config.limits.body.message_bytes_max = 10;
    server.reconfigure(Arc::new(config));
    server.output().clear();
    input.push(b"MAIL FROM:<> SIZE=11\r\n");
    assert_eq!(server.next(&mut input), Need::Bytes);
    assert!(server.output().starts_with(b"552 5.3.4"));
}

#[test]
#[should_panic(expected = "an answer without a question")]
fn an_answer_needs_a_question() {
    server().answer(Answer::Accept);
}

#[test]
fn a_client_says_which_reply_it_waits_for() {
    let mut client = Client::new(Arc::new(ClientConfig { name: "mx.example.org".into() }));
    let mut input = Input::default();
    let mut envelope = Envelope::new();
    envelope.push_recipient(Mailbox::parse("a@example.org").unwrap());
    let mut expect = |client: &mut Client, said: &[u8], need: ClientNeed, stage: Stage| {
        input.push(said);
        assert_eq!((client.next(&mut input), client.stage()), (need, stage));
    };
    expect(&mut client, b"", ClientNeed::Bytes, Stage::Connect);
    expect(&mut client, b"220 x\r\n", ClientNeed::Bytes, Stage::Helo);
    expect(&mut client, b"250-x\r\n250 PIPELINING\r\n", ClientNeed::Ready, Stage::Helo);
    client.start(&envelope, 10);
    expect(&mut client, b"", ClientNeed::Bytes, Stage::Mail);
    expect(&mut client, b"250 x\r\n", ClientNeed::Bytes, Stage::Rcpt);
    expect(&mut client, b"250 x\r\n", ClientNeed::Bytes, Stage::Data);
    expect(&mut client, b"354 x\r\n", ClientNeed::Message, Stage::Message);
    client.sent();
    expect(&mut client, b"", ClientNeed::Bytes, Stage::Message);
    expect(&mut client, b"250 x\r\n", ClientNeed::Done(Outcome::Accepted), Stage::Helo);
    assert_eq!((client.reply(), client.code()), (b"250 x\r\n".as_slice(), 250));
}

#[test]
fn a_client_uses_only_what_it_may() {
    let without = Extensions::ALL.without(Extension::Pipelining).without(Extension::Size);
    let config = Arc::new(ClientConfig { name: "mx.example.org".into() });
    let mut client = Client::new(config);
    client.use_only(without);
    let mut input = Input::default();
    input.push(b"220 x\r\n");
    assert_eq!(client.next(&mut input), ClientNeed::Bytes);
    input.push(b"250-x\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 5\r\n");
    assert_eq!(client.next(&mut input), ClientNeed::Ready);
    assert_eq!(client.offered(), Extensions::NONE.with(Extension::EightBitMime));
    client.output().clear();
    let mut envelope = Envelope::new();
    envelope.push_recipient(Mailbox::parse("a@example.org").unwrap());
    client.start(&envelope, 10);
    assert_eq!(client.output(), b"MAIL FROM:<>\r\n", "one command at a time, and no SIZE");
}

#[test]
fn tls_begins_anew_and_listens_to_nothing_said_before() {
    let mut config = ServerConfig::new("mx.example.org");
    config.extensions = config.extensions.with(Extension::StartTls);
    let (mut server, mut input) = (Server::new(Arc::new(config)), Input::default());
    let mut say = |server: &mut Server, said: &[u8]| {
        input.push(said);
        loop {
            match server.next(&mut input) {
                Need::Verdict(_) => server.answer(Answer::Accept),
                need => return (need, String::from_utf8(std::mem::take(server.output())).unwrap()),
            }
        }
    };
    assert!(say(&mut server, b"STARTTLS\r\n").1.ends_with("502 5.5.1 Command not implemented\r\n"));
    assert!(say(&mut server, b"EHLO a\r\n").1.contains("250-STARTTLS\r\n"));
    let (need, replies) = say(&mut server, b"MAIL FROM:<>\r\nSTARTTLS\r\nRCPT TO:<injected@example.org>\r\n");
    assert_eq!((need, replies.lines().last()), (Need::Secure, Some("220 2.0.0 Ready to start TLS")));
    server.secured();
    assert!(!server.in_transaction());
    assert_eq!(server.helo(), "");
    let (need, replies) = say(&mut server, b"MAIL FROM:<>\r\nEHLO a\r\nSTARTTLS\r\n");
    assert_eq!(need, Need::Bytes);
    assert!(replies.starts_with("503 5.5.1 Say EHLO") && !replies.contains("STARTTLS"), "{replies}");
    assert!(replies.ends_with("502 5.5.1 Command not implemented\r\n"), "{replies}");
}

#[test]
fn a_chunk_holds_no_commands_even_if_a_reload_takes_chunking_away() {
    let mut config = ServerConfig::new("mx.example.org");
    config.extensions = config.extensions.with(Extension::Chunking);
    let (mut server, mut input) = (Server::new(Arc::new(config)), Input::default());
    input.push(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n");
    accept_until(&mut server, &mut input, Stage::Rcpt);
    server.answer(Answer::Accept);
    server.reconfigure(Arc::new(ServerConfig::new("mx.example.org")));
    input.push(b"BDAT 6 LAST\r\nQUIT\r\n");
    assert_eq!(server.next(&mut input), Need::Verdict(Stage::Data));
    assert_eq!(input.unread(), b"QUIT\r\n");
    server.answer(Answer::Accept);
    assert!(server.in_body());
    let Need::Body(range) = server.next(&mut input) else { panic!("no body") };
    assert_eq!(input.bytes(range), b"QUIT\r\n.\r\n");
    assert_eq!(server.next(&mut input), Need::Verdict(Stage::Message));
    server.answer(Answer::Accept);
    assert_eq!(server.next(&mut input), Need::Bytes);
}

#[test]
fn the_commands_of_a_chunk_and_its_content_leave_together() {
    let mut client = Client::new(Arc::new(ClientConfig { name: "mx.example.org".into() }));
    let mut input = Input::default();
    let mut envelope = Envelope::new();
    envelope.push_recipient(Mailbox::parse("a@example.org").unwrap());
    input.push(b"220 x\r\n");
    assert_eq!(client.next(&mut input), ClientNeed::Bytes);
    input.push(b"250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    assert_eq!(client.next(&mut input), ClientNeed::Ready);
    client.output().clear();
    client.start_chunk(&envelope, 10);
    assert_eq!(client.next(&mut input), ClientNeed::Message);
    assert_eq!(
        std::mem::take(client.output()),
        b"MAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nBDAT 10 LAST\r\n"
    );
    client.sent();
    assert_eq!(
        (client.next(&mut input), client.stage(), client.is_refused()),
        (ClientNeed::Bytes, Stage::Mail, false)
    );
    input.push(b"250 x\r\n550 x\r\n");
    assert_eq!(
        (client.next(&mut input), client.stage(), client.is_refused()),
        (ClientNeed::Bytes, Stage::Message, true)
    );
}

#[test]
#[should_panic(expected = "chunks go to a server that offers to take them")]
fn a_chunk_needs_a_server_that_takes_it() {
    let mut client = Client::new(Arc::new(ClientConfig { name: "mx.example.org".into() }));
    client.start_chunk(&Envelope::new(), 10);
}

/// What the client has done when these reads have come.
fn conduct(reads: &[&[u8]]) -> weir_smtp::Conduct {
    let mut server = Server::new(Arc::new(ServerConfig::new("mx.example.org")));
    let mut input = Input::default();
    for read in std::iter::once(&&b""[..]).chain(reads) {
        let mut buffer = input.lend(read.len());
        buffer.extend_from_slice(read);
        input.restore(buffer);
        loop {
            match server.next(&mut input) {
                Need::Verdict(_) => server.answer(Answer::Accept),
                Need::Bytes | Need::Close => break,
                _ => {}
            }
        }
    }
    server.conduct()
}

#[test]
fn who_sends_more_than_it_may_is_known() {
    let early = |reads: &[&[u8]]| conduct(reads).pipelined_early;
    assert!(early(&[b"EHLO a\r\nMAIL FROM:<a@example.net>\r\n"]));
    assert!(early(&[b"HELO a\r\nN"]));
    let envelope = b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
    assert!(!early(&[b"EHLO a\r\n", envelope]), "PIPELINING was offered");
    assert!(early(&[b"HELO a\r\n", envelope]), "to HELO nothing is offered");
    assert!(
        early(&[b"EHLO a\r\n", &[&envelope[..], b"Subject: x\r\n"].concat()]),
        "the 354 was not waited for"
    );
    assert!(!early(&[b"EHLO a\r\n", envelope, b"Subject: x\r\n\r\n.\r\nNOOP\r\nQUIT\r\n"]));
}

#[test]
fn odd_lines_are_counted_and_the_first_is_kept() {
    let found = conduct(&[b"EHLO a\r\nFROB\r\nMAIL\r\nGET / HTTP/1.1\r\n"]);
    assert_eq!((found.unknown_commands, found.not_smtp), (2, 1), "a malformed command is a command");
}

/// A line that is refused for its form announced its chunk all the same: what stood in that was served as commands.
#[test]
fn what_a_refused_bdat_announces_is_not_read_as_commands() {
    let blanks = |count| " ".repeat(count);
    let lines = [
        "BDAT 6 LAST\n".to_owned(),
        "bdat 6\0\r\n".to_owned(),
        "BDAT\t6\r\n".to_owned(),
        format!("BDAT{}6\r\n", blanks(600)),
        format!("BDAT{}6\r\n", blanks(3000)),
        format!("BDAT{}6\r\n", blanks(200_000)),
    ];
    for line in lines {
        for at_once in [true, false] {
            let (mut server, mut input) = (server(), Input::default());
            input.push(b"EHLO a\r\nMAIL FROM:<>\r\n");
            accept_until(&mut server, &mut input, Stage::Mail);
            server.answer(Answer::Accept);
            let (first, second) = line.split_at(if at_once { 0 } else { line.len() - 2 });
            input.push(first.as_bytes());
            server.next(&mut input);
            server.output().clear();
            input.push(format!("{second}RSET\r\n").as_bytes());
            assert_eq!(server.next(&mut input), Need::Close, "{line:?}");
            let output = String::from_utf8(std::mem::take(server.output())).unwrap();
            assert!(!output.contains("250"), "{line:?} {output}");
        }
    }
}

/// The rest of a line that is read over is no line of its own.
#[test]
fn a_bdat_in_the_middle_of_a_line_announces_nothing() {
    let (mut server, mut input) = greeted(server());
    input.push(&[b'x'; 3000]);
    assert_eq!(server.next(&mut input), Need::Bytes);
    server.output().clear();
    input.push(b"BDAT 6 LAST\r\nRSET\r\n");
    assert_eq!(server.next(&mut input), Need::Bytes);
    assert_eq!(server.output(), b"500 5.5.2 Line too long\r\n250 2.0.0 Ok\r\n");
}

/// Where chunks were not offered, nobody sends one.
#[test]
fn a_bdat_that_was_not_offered_is_no_command() {
    let mut config = ServerConfig::new("mx.example.org");
    config.extensions = config.extensions.without(Extension::Chunking);
    let (mut server, mut input) = greeted(Server::new(Arc::new(config)));
    input.push(b"BDAT 6 LAST\nRSET\r\n");
    assert_eq!(server.next(&mut input), Need::Bytes);
    assert!(server.output().ends_with(b"250 2.0.0 Ok\r\n"));
}
