//! The peers themselves: what the other tests rely on, without weir.

use std::io;
use std::net::Ipv4Addr;

use weir_tests::{
    Clamd, Client, Folder, Loopback, Plan, Rbldnsd, Sender, Sink, SinkReplies, eicar, run, smtp_sink_count,
    smtp_source, start_smtp_sink, swaks, until,
};

#[test]
fn sender_and_sink_agree_on_every_serial() {
    let address = Loopback::new().port();
    let sink = Sink::start(address);
    let sender = Sender::start(Plan { to: address, sessions: 8, messages: 200, body_bytes: 2000 });
    let outcome = sender.wait();
    assert_eq!(outcome.acknowledged.len(), 200);
    assert!(outcome.in_doubt.is_empty());
    assert!(sink.serials().into_iter().eq((0..200).map(|serial| (serial, 1))));
}

#[test]
fn a_message_in_doubt_arrives_twice_and_is_known() {
    let address = Loopback::new().port();
    let sink = Sink::start(address);
    sink.answer(SinkReplies::TakesAndHangsUp);
    let sender = Sender::start(Plan { to: address, sessions: 1, messages: 1, body_bytes: 10 });
    until("a message that was taken without a word", || sink.count() > 0);
    sink.answer(SinkReplies::Takes);
    let outcome = sender.wait();
    assert!(outcome.in_doubt.contains(&0) && outcome.acknowledged.contains(&0));
    assert!(sink.serials()[&0] > 1);
}

#[test]
fn the_sink_keeps_the_wire_form() -> io::Result<()> {
    let address = Loopback::new().port();
    let sink = Sink::start(address);
    let mut client = Client::session(address)?;
    let message = "X-Serial: 1\r\nSubject: folded\r\n here\r\n\r\n..a leading dot\r\n";
    assert_eq!(client.message("a@example.net", "b@example.org", message)?.code, 250);
    let received = sink.messages();
    assert_eq!(received[0].wire, message.as_bytes());
    assert_eq!(received[0].header("subject").as_deref(), Some("folded here"));
    Ok(())
}

#[test]
fn postfix_counts_what_postfix_sends() {
    let (folder, address) = (Folder::new(), Loopback::new().port());
    let sink = start_smtp_sink(&folder, address);
    smtp_source(address, 5, 50);
    until("50 messages in smtp-sink", || smtp_sink_count(&sink) == 50);
    let (code, transcript) =
        swaks(address, Ipv4Addr::new(127, 0, 0, 9).into(), &["--to", "dev@example.org", "--body", "hello"]);
    assert_eq!(code, 0, "{transcript}");
    until("51 messages in smtp-sink", || smtp_sink_count(&sink) == 51);
}

#[test]
fn rbldnsd_answers_for_its_zone() {
    let (folder, address) = (Folder::new(), Loopback::new().port());
    let mut list = Rbldnsd::start(&folder, address, "zen.example.org", "127.0.0.9 :127.0.0.4:listed");
    assert!(list.process.ended().is_none());
}

#[test]
fn clamd_finds_the_test_signature() {
    let folder = Folder::new();
    let clamd = Clamd::start(&folder);
    let file = folder.write("virus.eml", format!("Subject: x\r\n\r\n{}\r\n", eicar()));
    let file = file.to_str().expect("a path in UTF-8");
    let configuration = folder.join("clamd.conf");
    let configuration = format!("--config-file={}", configuration.display());
    let output = run("clamdscan", &[&configuration, "--stream", "--no-summary", file]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(weir_tests::EICAR_SIGNATURE), "{text}");
    drop(clamd);
}
