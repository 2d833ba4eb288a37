//! Runs each dialog of `dialogs/server` three ways: line by line, all in one read, and byte by byte. Each must give the same.
//!
//! Marks: `C` client's line (CRLF is added), `R` client's raw bytes, `S` start of the next reply line, `U` line of a message that
//! was taken, in wire form without the final dot, `X` the server closes, `V` a verdict (`rcpt a@example.org -> 550 5.7.1 no`, the
//! argument may be left out; `close`, `relayed` before the reply), `L` a limit or setting.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

mod common;

use std::sync::Arc;

use common::Line;
use weir_smtp::server::LineBreaks;
use weir_smtp::{Answer, Extension, Input, Need, Reply, Server, ServerConfig, Stage};

#[derive(Clone, Copy, PartialEq)]
enum Way {
    LineByLine,
    AtOnce,
    ByteByByte,
}

struct Verdict {
    stage: String,
    argument: String,
    action: String,
    reply: Vec<u8>,
}

/// A connection with a shell that follows the dialog's verdicts and accepts the rest.
struct Session {
    server: Server,
    input: Input,
    verdicts: Vec<Verdict>,
    message: Vec<u8>,
    taken: Vec<u8>,
    replies: Vec<u8>,
    is_closed: bool,
}

impl Session {
    fn new(lines: &[Line]) -> Self {
        let mut config = ServerConfig::new("mx.example.org");
        let (trusted, settings): (Vec<&Line>, Vec<_>) =
            lines.iter().filter(|line| line.mark == 'L').partition(|line| line.text() == "trusted");
        for line in settings {
            set(&mut config, line.text());
        }
        let verdicts = lines.iter().filter(|line| line.mark == 'V').map(verdict).collect();
        let mut server = Server::new(Arc::new(config));
        if !trusted.is_empty() {
            server.trust();
        }
        Self {
            server,
            input: Input::default(),
            verdicts,
            message: Vec::new(),
            taken: Vec::new(),
            replies: Vec::new(),
            is_closed: false,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        if self.is_closed {
            return;
        }
        self.input.push(bytes);
        loop {
            match self.server.next(&mut self.input) {
                Need::Bytes => break,
                Need::Close => {
                    self.is_closed = true;
                    break;
                }
                Need::Body(range) => self.message.extend_from_slice(self.input.bytes(range)),
                Need::Spoiled(_) => self.message.clear(),
                Need::Secure => {
                    self.server.secured();
                    self.replies.append(self.server.output());
                    break;
                }
                Need::Verdict(stage) => self.judge(stage),
            }
        }
        self.replies.append(self.server.output());
    }

    fn judge(&mut self, stage: Stage) {
        let name = format!("{stage:?}").to_lowercase();
        let argument = match stage {
            Stage::Helo => self.server.helo().to_owned(),
            Stage::Mail => self.server.envelope().sender().to_string(),
            Stage::Rcpt => self.server.recipient().unwrap().to_string(),
            Stage::Connect | Stage::Data | Stage::Message => String::new(),
        };
        let matches = |verdict: &&Verdict| {
            verdict.stage == name && (verdict.argument.is_empty() || verdict.argument == argument)
        };
        if stage == Stage::Data {
            // A message begins; one that was given up between its chunks is not part of it.
            self.message.clear();
        }
        let message = if stage == Stage::Message { std::mem::take(&mut self.message) } else { Vec::new() };
        let Some(verdict) = self.verdicts.iter().find(matches) else {
            if stage == Stage::Message {
                self.taken
                    .extend_from_slice(message.strip_suffix(b".\r\n").expect("a message ends with a dot"));
            }
            return self.server.answer(Answer::Accept);
        };
        match verdict.action.as_str() {
            "relayed" => self.server.answer(Answer::Relayed(&verdict.reply)),
            "close" => self.server.answer(Answer::Close(&Reply::parse(&verdict.reply).unwrap())),
            _ => self.server.answer(Answer::Reply(&Reply::parse(&verdict.reply).unwrap())),
        }
    }
}

fn verdict(line: &Line) -> Verdict {
    let (question, answer) = line.text().split_once(" -> ").expect("a verdict has an arrow");
    let (stage, argument) = question.split_once(' ').unwrap_or((question, ""));
    let action =
        ["relayed", "close"].into_iter().find(|action| answer.starts_with(action)).unwrap_or_default();
    let reply = format!("{}\r\n", answer[action.len()..].trim_start()).into_bytes();
    Verdict { stage: stage.into(), argument: argument.into(), action: action.into(), reply }
}

fn set(config: &mut ServerConfig, setting: &str) {
    let (name, value) = setting.split_once(' ').unwrap();
    let limits = &mut config.limits;
    match name {
        "with" => config.extensions = config.extensions.with(Extension::parse(value).unwrap()),
        "without" => config.extensions = config.extensions.without(Extension::parse(value).unwrap()),
        "tls" => config.tls_required = value == "required",
        "line_breaks" if value == "normalise" => config.line_breaks = LineBreaks::Normalise,
        "recipients_max" => limits.recipients_max = value.parse().unwrap(),
        "recipients_excess_max" => limits.recipients_excess_max = value.parse().unwrap(),
        "message_bytes_max" => limits.body.message_bytes_max = value.parse().unwrap(),
        "header_bytes_max" => limits.body.header_bytes_max = value.parse().unwrap(),
        "bad_commands_max" => limits.bad_commands_max = value.parse().unwrap(),
        "not_smtp_max" => limits.not_smtp_max = value.parse().unwrap(),
        "errors_max" => limits.errors_max = value.parse().unwrap(),
        "idle_commands_max" => limits.idle_commands_max = value.parse().unwrap(),
        other => panic!("no setting {other}"),
    }
}

/// What the client sends with one line of the dialog.
fn sent(line: &Line) -> Option<Vec<u8>> {
    match line.mark {
        'C' => Some([line.text.as_slice(), b"\r\n"].concat()),
        'R' => Some(line.text.clone()),
        _ => None,
    }
}

fn check(path: &std::path::Path, way: Way) {
    let name = format!("{} {}", path.display(), ["line by line", "at once", "byte by byte"][way as usize]);
    let lines = common::read(path);
    let mut session = Session::new(&lines);
    session.feed(b"");
    if way != Way::LineByLine {
        let bytes: Vec<u8> = lines.iter().filter_map(sent).flatten().collect();
        let size = if way == Way::AtOnce { bytes.len().max(1) } else { 1 };
        bytes.chunks(size).for_each(|chunk| session.feed(chunk));
    }
    let mut taken = Vec::new();
    for line in &lines {
        match line.mark {
            'C' | 'R' if way == Way::LineByLine => {
                assert_eq!(
                    String::from_utf8_lossy(&session.replies),
                    "",
                    "{name}: before line {}",
                    line.number
                );
                session.feed(&sent(line).unwrap());
            }
            'S' => expect_line(&mut session.replies, line, &name),
            'U' => taken.extend([line.text.as_slice(), b"\r\n"].concat()),
            'X' => assert!(session.is_closed, "{name}:{}: still open", line.number),
            _ => {}
        }
    }
    assert_eq!(String::from_utf8_lossy(&session.replies), "", "{name}: replies left");
    assert_eq!(String::from_utf8_lossy(&session.taken), String::from_utf8_lossy(&taken), "{name}: messages");
    assert_eq!(session.is_closed, lines.iter().any(|line| line.mark == 'X'), "{name}: closed or not");
}

/// Takes the next reply line, of which the dialog may give only the start.
fn expect_line(replies: &mut Vec<u8>, line: &Line, name: &str) {
    let end =
        memchr::memmem::find(replies, b"\r\n").unwrap_or_else(|| panic!("{name}:{}: no reply", line.number));
    let found: Vec<u8> = replies.drain(..end + 2).collect();
    let found = String::from_utf8_lossy(&found);
    assert!(
        found.starts_with(line.text()),
        "{name}:{}: expected {:?}, got {found:?}",
        line.number,
        line.text()
    );
}

#[test]
fn dialogs_are_the_same_in_any_reads() {
    for path in common::files("server") {
        for way in [Way::LineByLine, Way::AtOnce, Way::ByteByByte] {
            check(&path, way);
        }
    }
}
