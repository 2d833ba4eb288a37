//! The words of the wire: command lines, the stretches of a message, replies; and a whole transaction of the server machine.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use weir_smtp::body::{BodyLimits, Scanner, stuff, unstuff};
use weir_smtp::command::Command;
use weir_smtp::reply::ReplyScanner;
use weir_smtp::server::ServerLimits;
use weir_smtp::{Answer, Extensions, Input, Need, Reply, Server, ServerConfig, Stage};

/// What a message's body is measured with, in bytes.
const BODY_BYTES: usize = 1 << 20;
/// What the engine reads at once, in bytes.
const READ_BYTES: usize = 64 * 1024;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    commands(&mut criterion);
    bodies(&mut criterion);
    replies(&mut criterion);
    transactions(&mut criterion);
    criterion.final_summary();
}

fn commands(criterion: &mut Criterion) {
    let lines: [(&str, &[u8]); 5] = [
        ("ehlo", b"EHLO mail-wr1-f54.client.example.net"),
        ("mail", b"MAIL FROM:<bounces+1234-5678@lists.example.net> SIZE=41234 BODY=8BITMIME"),
        ("rcpt", b"RCPT TO:<firstname.lastname@department.example.org>"),
        ("data", b"DATA"),
        ("unknown", b"GET / HTTP/1.1"),
    ];
    let mut group = criterion.benchmark_group("command");
    for (name, line) in lines {
        assert_eq!(Command::parse(line, Extensions::ALL).is_ok(), name != "unknown", "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| Command::parse(black_box(line), Extensions::ALL).is_ok());
        });
    }
    group.finish();
}

/// An empty header, lines like this, and the end of the message.
fn body(line: &[u8]) -> Vec<u8> {
    let mut text = b"\r\n".to_vec();
    text.extend_from_slice(&line.repeat(BODY_BYTES.div_ceil(line.len())));
    text.extend_from_slice(b".\r\n");
    text
}

/// The machine's judgement of a message in reads of [`READ_BYTES`]: its size without dot-stuffing once it has ended.
fn scanned(wire: &[u8], limits: BodyLimits) -> Option<u64> {
    let mut scanner = Scanner::new(limits);
    let mut is_end = false;
    for read in wire.chunks(READ_BYTES) {
        is_end = scanner.scan(read).is_end;
    }
    (is_end && scanner.fault().is_none()).then(|| scanner.message_bytes())
}

fn bodies(criterion: &mut Criterion) {
    let lines: [(&str, &[u8]); 3] = [
        ("text", b"The quick brown fox jumps over the lazy dog, and the dog does not mind.\r\n"),
        ("dots", b"..\r\n"),
        ("long lines", &[&[b'a'; 996][..], b"\r\n"].concat()),
    ];
    let limits = ServerLimits::default().body;
    let mut group = criterion.benchmark_group("body");
    for (name, line) in lines {
        let wire = body(line);
        let plain = unstuff(&wire).into_owned();
        assert_eq!(scanned(&wire, limits), Some(plain.len() as u64), "{name}");
        assert!(stuff(&plain) == wire, "{name}");
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(format!("scan/{name}"), |bencher| {
            bencher.iter(|| scanned(black_box(&wire), limits));
        });
        group.bench_function(format!("unstuff/{name}"), |bencher| {
            bencher.iter(|| unstuff(black_box(&wire)).len());
        });
        group.bench_function(format!("stuff/{name}"), |bencher| {
            bencher.iter(|| stuff(black_box(&plain)).len());
        });
    }
    group.finish();
}

fn replies(criterion: &mut Criterion) {
    let reply: &[u8] = b"250 2.0.0 Ok: queued as 4Z1x2y3Z4w5V6u\r\n";
    let end = ReplyScanner::default().scan(reply).ok().flatten();
    assert!(end.is_some_and(|end| end.bytes == reply.len()));
    assert!(Reply::parse(reply).is_ok_and(|reply| reply.code == 250));
    let mut group = criterion.benchmark_group("reply");
    group.bench_function("scan", |bencher| {
        bencher.iter(|| ReplyScanner::default().scan(black_box(reply)).is_ok());
    });
    group.bench_function("parse", |bencher| bencher.iter(|| Reply::parse(black_box(reply)).is_ok()));
    group.finish();
}

/// Feeds one read and answers all questions; the stretches of a message that were handed out, and how many were judged.
fn fed(server: &mut Server, input: &mut Input, read: &[u8]) -> (usize, usize) {
    let (mut bytes, mut messages) = (0, 0);
    input.push(read);
    loop {
        match server.next(input) {
            Need::Verdict(stage) => {
                messages += usize::from(stage == Stage::Message);
                server.answer(Answer::Accept);
            }
            Need::Body(range) => bytes += input.bytes(range).len(),
            Need::Spoiled(_) => {}
            Need::Bytes | Need::Secure | Need::Close => break,
        }
    }
    server.output().clear();
    (bytes, messages)
}

fn transactions(criterion: &mut Criterion) {
    let envelope = b"MAIL FROM:<a@example.net> SIZE=4096\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
    let line = b"The quick brown fox jumps over the lazy dog, and the dog does not mind.\r\n";
    let message = [b"Subject: x\r\n\r\n".as_slice(), &line.repeat(55), b".\r\n"].concat();
    let mut server = Server::new(Arc::new(ServerConfig::new("mx.example.org")));
    let mut input = Input::default();
    fed(&mut server, &mut input, b"");
    fed(&mut server, &mut input, b"EHLO client.example.net\r\n");
    let mut transaction = || {
        fed(&mut server, &mut input, envelope);
        fed(&mut server, &mut input, &message)
    };
    assert_eq!(transaction(), (message.len(), 1));
    criterion.bench_function("transaction/4KiB", |bencher| bencher.iter(&mut transaction));
}
