//! A message as rules see it and as it goes on: its MIME view, and changes of its header.

use std::fmt::Write as _;
use std::hint::black_box;
use std::rc::Rc;

use criterion::{Criterion, Throughput};
use weir::mail::Message;
use weir::rehearse::stuff;
use weir::session::Edits;
use weir::wire::{Chunk, Wire};

/// A message of a mail program: text and HTML with links, and an attachment of so many bytes in base64.
fn mail(attachment_bytes: usize) -> Vec<u8> {
    let mut mail = String::new();
    for hop in 0..4 {
        // Writing to a string does not fail.
        let _ = writeln!(
            mail,
            "Received: from h{hop}.example.net ([192.0.2.{hop}])\n\tby h{hop}.example.org with ESMTPS id {hop};\n\tThu, 15 Jan 2026 11:59:0{hop} +0000"
        );
    }
    mail.push_str(
        "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.net>\nTo: dev@example.org\nSubject: =?utf-8?b?TWludXRlcyDigJMgSmFudWFyeQ==?=\n\
         Date: Thu, 15 Jan 2026 11:59:00 +0000\nMessage-ID: <1@example.net>\nX-Spam-Flag: YES\nX-Spam-Status: Yes, score=12\n\
         MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=outer\n\n--outer\nContent-Type: multipart/alternative; boundary=inner\n\n\
         --inner\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n",
    );
    mail.push_str(
        &"See you on Monday at https://www.example.com/plan =E2=80=93 bring the numbers.\n".repeat(20),
    );
    mail.push_str("--inner\nContent-Type: text/html; charset=utf-8\n\n<html><body>\n");
    mail.push_str(
        &"<p>See you on <b>Monday</b> at <a href=\"https://shop.example.co.uk/plan\">the plan</a>.</p>\n"
            .repeat(20),
    );
    mail.push_str("</body></html>\n--inner--\n--outer\nContent-Type: application/pdf; name=plan.pdf\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"plan.pdf\"\n\n");
    let line = format!("{}\n", "JVBERi0xLjQK".repeat(6));
    mail.push_str(&line.repeat(attachment_bytes / line.len()));
    mail.push_str("--outer--\n");
    mail.into_bytes()
}

/// All that rules can ask of a message: header, parts, names, text and links. The number of things found.
fn seen(wire: &Rc<Vec<u8>>) -> usize {
    let message = Message::of_wire(wire, 0..wire.len());
    let header = usize::from(message.header("subject").is_some()) + message.hops();
    let parts = message.types().len() + message.attachment_names().len();
    header + parts + message.url_domains().len() + usize::from(!message.text().is_empty())
}

/// What `remove header "X-Spam-*"` and three added lines make of a message.
fn rewritten(wire: &Wire) -> (Vec<u8>, Vec<Chunk>) {
    let mut edits = Edits::default();
    edits.remove("X-Spam-*");
    edits.add("X-Virus-Scanned", b"weir on mx1.example.org");
    edits.add("X-Spam-Status", b"No, score=3.5 required=10.0 tests=BODY_SEO,FREEMAIL_REPLYTO,DATE_FUTURE");
    edits.add("X-Weir-Reputation", b"3 ZEN_LISTED(3.0)");
    (edits.added().to_vec(), edits.kept(wire).into_owned())
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, bytes) in [("6 KiB", 0), ("256 KiB", 250 * 1024)] {
        let text = Rc::new(stuff(&mail(bytes)));
        // Subject, 4 hops, 3 types, a file, 2 domains, text.
        assert_eq!(seen(&text), 1 + 4 + 3 + 1 + 2 + 1, "{name}");
        let mut group = criterion.benchmark_group("message");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("view/{name}"), |bencher| bencher.iter(|| seen(black_box(&text))));

        let mut wire = Wire::default();
        wire.keep(text.to_vec(), 0..text.len());
        let (added, kept) = rewritten(&wire);
        let kept_bytes: usize = kept.iter().map(|(_, range)| range.len()).sum();
        assert_eq!(text.len() - kept_bytes, "X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=12\r\n".len());
        assert_eq!(added.split(|byte| *byte == b'\n').count() - 1, 4, "three lines, one of them folded");
        group.bench_function(format!("edits/{name}"), |bencher| bencher.iter(|| rewritten(black_box(&wire))));
        group.finish();
    }
    criterion.final_summary();
}
