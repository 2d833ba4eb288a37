//! Runs each dialog of `dialogs/client` against the client, twice: each group of server lines in one read, and byte by byte.
//!
//! Marks: `S` server's line (CRLF is added), `R` server's raw bytes, `C` the client's next line, `E` a transaction starts
//! (`sender ret=... envid=... recipient notify=... size=N 8bit utf8 tls chunk probe`), `T` the handshake of TLS is done (`T: if offered`,
//! `T: always` at the start of a dialog: whether it is wanted), `V` its name was proved, `N` a client is introduced (`xclient`, `xforward`), `M` the shell writes
//! the message, `D` the transaction's end (`accepted reply`, `refused stage reply`, `unfit why reply`, `broken stage why`), `P` the next
//! reply to RCPT, `I` the session is ready, `Q` QUIT is
//! asked for, `X` the connection is closed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

mod common;

use std::sync::Arc;

use common::Line;
use weir_smtp::client::Unfit;
use weir_smtp::command::RcptParameters;
use weir_smtp::envelope::Notices;
use weir_smtp::notify::{Notify, Return};
use weir_smtp::{
    BodyType, Client, ClientConfig, ClientNeed, Envelope, Identity, Input, Introduction, Mailbox, Outcome,
    Path, StartTls,
};

struct Session {
    client: Client,
    input: Input,
    commands: Vec<u8>,
    recipient: usize,
    /// An outcome that came while bytes were still fed.
    early: Option<ClientNeed>,
    name: String,
}

impl Session {
    fn next(&mut self) -> ClientNeed {
        if let Some(need) = self.early.take() {
            return need;
        }
        let need = self.client.next(&mut self.input);
        self.commands.append(self.client.output());
        need
    }

    fn run(&mut self, line: &Line, one_by_one: bool) {
        let place = format!("{}:{}", self.name, line.number);
        if line.mark != 'C' && line.mark != 'P' {
            assert_eq!(
                String::from_utf8_lossy(&self.commands),
                "",
                "{place}: commands that the dialog lacks"
            );
        }
        match line.mark {
            'S' => self.receive(&[line.text.as_slice(), b"\r\n"].concat(), one_by_one),
            'R' => self.receive(&line.text, one_by_one),
            'C' => {
                if self.commands.is_empty() {
                    self.next();
                }
                let end = memchr::memmem::find(&self.commands, b"\r\n")
                    .unwrap_or_else(|| panic!("{place}: no command"));
                let command: Vec<u8> = self.commands.drain(..end + 2).collect();
                assert_eq!(String::from_utf8_lossy(&command).trim_end(), line.text(), "{place}");
            }
            'E' => {
                assert_eq!(self.next(), ClientNeed::Ready, "{place}");
                let (envelope, bytes) = envelope(line.text());
                if line.text().ends_with(" chunk") {
                    self.client.start_chunk(&envelope, bytes);
                } else if line.text().ends_with(" probe") {
                    self.client.start_probe(&envelope);
                } else {
                    self.client.start(&envelope, bytes);
                }
                self.recipient = 0;
            }
            'N' => self.introduce(line, &place),
            'V' => self.client.trust_tls(),
            'M' => {
                assert_eq!(self.next(), ClientNeed::Message, "{place}");
                self.client.sent();
            }
            'D' => {
                let ClientNeed::Done(outcome) = self.next() else { panic!("{place}: not done") };
                assert_eq!(self.describe(outcome), line.text(), "{place}");
            }
            'P' => {
                if self.client.recipient_replies().len() <= self.recipient {
                    self.next();
                }
                let reply = self.client.recipient_replies().nth(self.recipient).unwrap();
                assert_eq!(String::from_utf8_lossy(reply).trim_end(), line.text(), "{place}");
                self.recipient += 1;
            }
            'I' => assert_eq!(self.next(), ClientNeed::Ready, "{place}"),
            'Q' => {
                assert_eq!(self.next(), ClientNeed::Ready, "{place}");
                self.client.quit();
            }
            'T' => self.secure(line.text(), &place),
            'X' => assert_eq!(self.next(), ClientNeed::Close, "{place}"),
            other => panic!("{place}: no mark {other}"),
        }
    }

    fn secure(&mut self, wanted: &str, place: &str) {
        let start_tls = match wanted {
            "if offered" => StartTls::IfOffered,
            "always" => StartTls::Always,
            _ => {
                assert_eq!(self.next(), ClientNeed::Secure, "{place}");
                return self.client.secured();
            }
        };
        self.client = Client::new(config()).with_start_tls(start_tls);
    }

    fn introduce(&mut self, line: &Line, place: &str) {
        assert_eq!(self.next(), ClientNeed::Ready, "{place}");
        let identity = Identity {
            address: Some([192, 0, 2, 7].into()),
            port: Some(40_000),
            helo: Some(String::from("a+b")),
            ..Identity::default()
        };
        let how = if line.text() == "xclient" { Introduction::XClient } else { Introduction::XForward };
        self.client.introduce(how, &identity);
    }

    fn receive(&mut self, bytes: &[u8], one_by_one: bool) {
        for chunk in bytes.chunks(if one_by_one { 1 } else { bytes.len() }) {
            // Between two whole replies the machine is not asked: it could not tell an early one from a slow one.
            if one_by_one && self.early.is_none() && !matches!(self.input.unread().last(), None | Some(b'\n'))
            {
                self.early = Some(self.next()).filter(|need| matches!(need, ClientNeed::Done(_)));
            }
            self.input.push(chunk);
        }
    }

    fn describe(&self, outcome: Outcome) -> String {
        let reply = String::from_utf8_lossy(self.client.reply()).trim_end().replace("\r\n", "|");
        match outcome {
            Outcome::Accepted => format!("accepted {reply}"),
            Outcome::Refused(stage) => format!("refused {stage:?} {reply}").to_lowercase(),
            Outcome::Unfit(Unfit::TooLarge) => format!("unfit size {reply}"),
            Outcome::Unfit(Unfit::NeedsUtf8) => format!("unfit utf8 {reply}"),
            Outcome::Unfit(Unfit::NeedsTls) => format!("unfit tls {reply}"),
            Outcome::Unfit(Unfit::NeedsEightBit) => format!("unfit 8bit {reply}"),
            Outcome::Broken(stage, fault) => {
                format!("broken {} {fault}", format!("{stage:?}").to_lowercase())
            }
        }
    }
}

fn config() -> Arc<ClientConfig> {
    Arc::new(ClientConfig { name: "mx.example.org".into() })
}

fn envelope(text: &str) -> (Envelope, u64) {
    let mut envelope = Envelope::new();
    let mut bytes = 100;
    let mut notices = Notices::default();
    for (at, word) in text.split(' ').enumerate() {
        match (at, word) {
            (0, "<>") => {}
            (0, sender) => envelope.set_sender(Path::Mailbox(Mailbox::parse(sender).unwrap())),
            (_, "chunk" | "probe") => {}
            (_, "8bit") => envelope.body = BodyType::EightBit,
            (_, "utf8") => envelope.is_utf8 = true,
            (_, "tls") => envelope.requires_tls = true,
            (_, word) if word.starts_with("ret=") => notices.returns = Return::parse(&word[4..]),
            (_, word) if word.starts_with("envid=") => notices.envid = Some(word[6..].to_owned()),
            (_, word) if word.starts_with("notify=") => envelope.set_notice(RcptParameters {
                notify: Notify::parse(&word[7..]),
                orcpt: Some("rfc822;b@example.net"),
            }),
            (_, word) if word.starts_with("size=") => bytes = word[5..].parse().unwrap(),
            (_, recipient) => envelope.push_recipient(Mailbox::parse(recipient).unwrap()),
        }
    }
    envelope.set_notices(notices);
    (envelope, bytes)
}

#[test]
fn dialogs_are_the_same_in_any_reads() {
    for path in common::files("client") {
        for one_by_one in [false, true] {
            let mut session = Session {
                client: Client::new(config()),
                input: Input::default(),
                commands: Vec::new(),
                recipient: 0,
                early: None,
                name: format!("{}{}", path.display(), if one_by_one { " byte by byte" } else { "" }),
            };
            for line in common::read(&path) {
                session.run(&line, one_by_one);
            }
            assert_eq!(String::from_utf8_lossy(&session.commands), "", "{}: commands left", session.name);
        }
    }
}
