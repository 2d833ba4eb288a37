//! The phases of the shipped rule files, with all facts in memory: what a decision costs apart from its look-ups.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use criterion::Criterion;
use weir::config::{self, Base, Overrides};
use weir::decide::unknown;
use weir::facts::{Answer, Facts, Mailbox};
use weir::generation::{Generation, Names, Question};
use weir::mail::Message;
use weir::process::Process;
use weir::question::state_of;
use weir::rehearse::stuff;
use weir::scheme::Phase;
use weir::scheme::fields::{LISTED_ANSWER, RECIPIENT_ANSWER, VIRUS_ANSWER};
use weir_lang::plan::{Ending, Step};
use weir_lang::value::Slot;

/// The clock of rules: 2026-01-15 12:00:00 UTC.
const NOW: i64 = 1_768_478_400;

const MAIL: &str = "\
Received: from a.example.net ([192.0.2.17])\n\tby b.example.net with ESMTP id 1;\n\tThu, 15 Jan 2026 11:59:00 +0000\n\
From: Ann <ann@example.net>\nTo: dev@example.org\nSubject: Minutes of the meeting\n\
Date: Thu, 15 Jan 2026 11:59:00 +0000\nMessage-ID: <1@example.net>\nX-Spam-Flag: NO\n\
MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n\
See you on Monday. The plan is at https://www.example.com/plan?id=17 as always.\n";

fn generation(file: &str) -> Result<Arc<Generation>, String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../rules").join(file);
    let loaded = config::load(&[path])?;
    let plan = loaded.plan.ok_or_else(|| format!("{file} does not load"))?;
    let overrides = Overrides::default();
    let base = Base { number: 1, older: None, host_name: "host.example.org", overrides: &overrides };
    Ok(Arc::new(config::generation(plan, &base)))
}

/// A client with nothing against it, and a message; every look-up is answered.
fn facts(generation: &Arc<Generation>, rcpt: &[u8]) -> Result<Facts, String> {
    let listener = generation.listeners.first().ok_or("no listener")?;
    let process = Arc::new(Process::new(String::from("host.example.org"), PathBuf::new()));
    let client = IpAddr::from([192, 0, 2, 17]);
    let mut facts = Facts::new(process, Arc::clone(generation), Arc::clone(listener), client, 40_000);
    facts.now = NOW;
    facts.helo = b"mail.example.net".to_vec();
    facts.sender = Mailbox::new(b"ann@example.net");
    facts.rcpt = Mailbox::new(rcpt);
    facts.rcpts.push(rcpt);
    let wire = Rc::new(stuff(MAIL.as_bytes()));
    facts.message = Some(Rc::new(Message::of_wire(&wire, 0..wire.len())));
    for index in 0..generation.plan.slots().len() {
        let slot = Slot(u16::try_from(index).map_err(|error| error.to_string())?);
        let answer = match generation.question(slot) {
            Question::Dnsbl(_) => Answer::State(state_of(&LISTED_ANSWER, "clean")),
            Question::Clamav(_) => Answer::State(state_of(&VIRUS_ANSWER, "clean")),
            Question::Callforward(_) => Answer::State(state_of(&RECIPIENT_ANSWER, "valid")),
            Question::SpokeEarly | Question::Passed => Answer::Bool(false),
            Question::Names(Names::Reverse) => Answer::Text(b"mail.example.net".as_slice().into()),
            // The first state of each of these is the good one.
            Question::Names(_) => Answer::State(0),
            Question::Auth(method) => Answer::Auth(Rc::new(method.unknown())),
            Question::Remembered | Question::Greylist(_) | Question::Unanswerable => unknown(&facts, slot),
        };
        facts.settle(slot, answer);
    }
    Ok(facts)
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("rules");
    let files: [(&str, &[u8]); 4] = [
        ("mx.weir", b"dev@example.org"),
        ("balancer.weir", b"dev@example.org"),
        ("scanner.weir", b"dev@example.org"),
        ("allinone.weir", b"ann@example.org"),
    ];
    for (file, rcpt) in files {
        let generation = generation(file).unwrap_or_else(|error| panic!("{error}"));
        for phase in Phase::ALL.into_iter().filter(|phase| generation.plan.has_phase(phase.index())) {
            let mut facts = facts(&generation, rcpt).unwrap_or_else(|error| panic!("{file}: {error}"));
            let mut scratch = generation.plan.scratch();
            let mut client = 0_u32;
            let mut decide = || {
                // Limits count by network, so each client comes from another one.
                client = client.wrapping_add(256) % 0x0100_0000;
                facts.client = IpAddr::V4(Ipv4Addr::from(0x0100_0000 + client));
                scratch.reset_transaction();
                generation.plan.evaluate(phase.index(), black_box(&facts), &mut scratch)
            };
            // Up to the message nobody is refused, and the message has a way to go.
            let expected = |step: &Step| match step {
                Step::Decided(Ending::Accepted(_)) => phase != Phase::Message,
                Step::Decided(Ending::Final(_)) => matches!(phase, Phase::Message | Phase::Data),
                Step::Needs => false,
            };
            let step = decide();
            assert!(expected(&step), "{file}, {}: {step:?}", phase.name());
            group.bench_function(format!("{file}/{}", phase.name()), |bencher| bencher.iter(&mut decide));
        }
    }
    group.finish();
    criterion.final_summary();
}
