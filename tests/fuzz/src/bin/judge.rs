//! The shipped rules over a client, an envelope and a message of arbitrary bytes, with every look-up failed: no panic, an end, and
//! replies that are single lines of text.

#![no_main]

#[path = "common/panics.rs"]
mod panics;

use std::cell::OnceCell;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use tokio::time::Instant;
use weir::config::{self, Base, Overrides};
use weir::decide::{Gather, unknown};
use weir::facts::{Answer, Facts};
use weir::generation::Generation;
use weir::process::Process;
use weir::rehearse::{Mail, Rehearsal};
use weir_lang::eval::Scratch;
use weir_lang::value::Slot;

/// Nobody answers.
struct Nobody;

impl Gather for Nobody {
    fn start(&mut self, facts: &Facts, _: &Scratch, slot: Slot) -> Option<Answer> {
        Some(unknown(facts, slot))
    }

    async fn next(&mut self, _: Option<Instant>) -> Option<(Slot, Answer)> {
        None
    }
}

thread_local! {
    static RULES: OnceCell<[Arc<Generation>; 2]> = const { OnceCell::new() };
}

fn shipped(file: &str) -> Arc<Generation> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rules").join(file);
    let loaded = config::load(&[path]).expect("the shipped rules can be read");
    let plan = loaded.plan.expect("the shipped rules have no fault");
    let overrides = Overrides::default();
    let base = Base { number: 1, older: None, host_name: "mx.example.org", overrides: &overrides };
    Arc::new(config::generation(plan, &base))
}

fn judge(generation: &Arc<Generation>, mail: &Mail) {
    let process = Arc::new(Process::new("mx.example.org".into(), PathBuf::new()));
    let rehearsal = Rehearsal::new(&process, generation, mail, Nobody).expect("the rules have a listener");
    let survey = pin!(rehearsal.survey(mail, 1_768_478_400));
    let Poll::Ready((outcome, ..)) = survey.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nobody is waited for");
    };
    for said in outcome.said {
        assert!(!said.text.contains(['\r', '\n', '\0']), "{said:?}");
    }
}

fuzz_target!(init: panics::pass_over_mail_parser(), |data: &[u8]| {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (helo, sender, rcpt) = (text(), text(), text());
    let client = IpAddr::from([192, 0, 2, 1]);
    let mail = Mail {
        helo,
        sender,
        rcpts: vec![rcpt, String::from("postmaster@example.org")],
        stressed: data.len() & 1 == 1,
        ..Mail::of(client, lines.next().unwrap_or_default().to_vec())
    };
    RULES.with(|rules| {
        let rules = rules.get_or_init(|| ["mx.weir", "scanner.weir"].map(shipped));
        rules.iter().for_each(|generation| judge(generation, &mail));
    });
});
