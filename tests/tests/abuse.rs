//! Abuse: more than 100 sessions that somebody thought of and 1,000 that nobody did, all at once. Whatever they do, memory stays flat,
//! their seats are free again, others are served meanwhile, and nothing reaches the next hop that was not accepted.

#[path = "abuse/random.rs"]
mod random;
#[path = "abuse/sessions.rs"]
mod sessions;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use random::Script;
use weir_tests::rogue::rogue;
use weir_tests::{Loopback, Outcome, Plan, Received, Sender, Sink, Weir, until};

/// How a session ends.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// The server closes, and has said this.
    Hears(&'static str),
    /// The server closes, and its replies had these codes.
    Codes(&'static [u16]),
    /// The client is gone.
    Gone,
}

/// Memory that may stay behind of a round like the one before, in KiB: what the allocator keeps of pages in part use, and the log's.
const GROWTH_KIB_MAX: u64 = 12 * 1024;
/// Memory that a round may take while it lasts, in KiB: for each of its sessions what a connection may have read ahead.
const SURGE_KIB_MAX: u64 = 64 * 1024;

/// A weir whose patience is short, in front of a sink.
struct Stage {
    entry: SocketAddr,
    weir: Weir,
    sink: Sink,
}

impl Stage {
    fn start() -> Self {
        let here = Loopback::new();
        let (entry, end) = (here.port(), here.port());
        let rules = format!(
            "weir 1\nrole edge\n\nlistener here {{\n  bind {entry}\n  name \"mx.example.org\"\n  limits message 1000000B\n  \
             timeouts command 1s, data 1s, write 1s, whole 3s\n}}\n\npool next {{ server sink {end} }}\n\n\
             on helo {{ delay 1s if helo.name == \"tarpit.example.net\" }}\n\
             on rcpt {{ reject 550 5.1.1 \"no such address\" if rcpt == \"nobody@example.org\" }}\n\
             on message {{\n  add header \"X-Judged\" \"{{message.size}} {{message.parts}} {{subject}} {{helo.name}}\"\n  \
             add header \"X-Links\" \"yes\" if any message.urls ~ /example/i or body ~ /smuggled/i\n  send to next\n}}\n"
        );
        let sink = Sink::start(end);
        let weir = Weir::with(&rules, entry, &["--shards", "2"]);
        Self { entry, weir, sink }
    }

    /// An honest client that sends all the while; what it was told, once `abuse` is over.
    fn while_others_send(&self, abuse: impl FnOnce()) -> Outcome {
        let plan = Plan { to: self.entry, sessions: 2, messages: u64::MAX, body_bytes: 2000 };
        let sender = Sender::start(plan);
        until("the first message", || sender.acknowledged() > 0);
        abuse();
        sender.finish()
    }

    /// Everybody was served, each message arrived once, and all seats are free.
    fn check(&mut self, outcome: &Outcome, arrived: &[Received]) {
        assert!(self.weir.process().ended().is_none(), "weir has ended");
        assert!(outcome.in_doubt.is_empty() && outcome.refusals.is_empty(), "{outcome:?}");
        assert_eq!(outcome.broken, 0);
        let honest = arrived.iter().filter_map(Received::serial);
        let mut honest: Vec<u64> = honest.collect();
        honest.sort_unstable();
        assert!(honest.iter().eq(&outcome.acknowledged), "each message arrives once");
        until("all seats to be free", || self.weir.ctl_ok(&["show", "info"]).contains(" sessions 0/"));
        let log = self.weir.log();
        assert!(!log.contains("panicked"), "{}", self.weir.lines(&["panicked"]).join("\n"));
    }

    /// Plays a round twice: what the second leaves behind, beside the first, and takes meanwhile, is within bounds.
    fn twice(&mut self, round: impl Fn(&Self, usize) -> Outcome) {
        let mut before = 0;
        for number in 0..2 {
            let old = self.sink.count();
            let outcome = round(self, number);
            let arrived = self.sink.messages().split_off(old);
            self.check(&outcome, &arrived);
            let (_, most) = self.weir.process().resident_kib();
            let mut now = u64::MAX;
            // What was freed is kept for a while, and given back at rest.
            until(&format!("no more to be left than the {before} KiB that were before"), || {
                now = self.weir.process().resident_kib().0;
                number == 0 || now <= before + GROWTH_KIB_MAX
            });
            assert!(number == 0 || most <= before + SURGE_KIB_MAX, "{most} KiB were taken, {before} before");
            before = now;
        }
    }
}

/// Runs a session for each number below `sessions`, so many at a time.
fn at_once(sessions: usize, threads: usize, session: impl Fn(usize) -> Result<(), String> + Sync) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, SeqCst);
                    if number >= sessions {
                        return;
                    }
                    if let Err(reason) = session(number) {
                        failed.lock().expect("no poisoned lock").push(reason);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no poisoned lock");
    assert!(failed.is_empty(), "{} of {sessions}:\n{}", failed.len(), failed.join("\n"));
}

fn play(entry: SocketAddr, (name, steps, ends): sessions::Session) -> Result<(), String> {
    let heard = rogue(entry, steps).map_err(|error| format!("{name}: {error}"))?;
    let is_right = match ends {
        Ends::Hears(text) => heard.closed && heard.text.contains(text),
        Ends::Codes(codes) => heard.closed && heard.codes() == codes,
        Ends::Gone => true,
    };
    let end: String = heard.text.chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
    if is_right { Ok(()) } else { Err(format!("{name}: expected {ends:?}, heard ...{end:?}")) }
}

#[test]
fn every_hand_written_session_ends_as_it_should() {
    let mut stage = Stage::start();
    let all: Vec<_> = sessions::all().collect();
    assert!(all.len() >= 100, "{}", all.len());
    let session = |entry, number: usize| all.get(number).map_or(Ok(()), |session| play(entry, *session));
    stage.twice(|stage, _| {
        stage.while_others_send(|| at_once(all.len(), all.len(), |number| session(stage.entry, number)))
    });
}

/// Plays random sessions with these numbers; each has at the sink what it was told, and nothing of another's.
fn random_round(stage: &Stage, numbers: std::ops::Range<usize>) -> Outcome {
    let heard: Mutex<HashMap<String, usize>> = Mutex::default();
    let outcome = stage.while_others_send(|| {
        at_once(numbers.len(), 100, |index| {
            let number = numbers.start + index;
            let script = Script::new(number);
            let told =
                rogue(stage.entry, &script.steps()).map_err(|error| format!("session {number}: {error}"))?;
            for line in told.text.lines() {
                let is_reply = line.len() > 3 && line.as_bytes().iter().take(3).all(u8::is_ascii_digit);
                // Who half-closes or is closed may be cut off in a reply.
                if !is_reply && told.text.ends_with("\r\n") {
                    return Err(format!("session {number} heard {line:?}"));
                }
            }
            let taken = told.text.matches("250 2.0.0 taken").count();
            heard.lock().expect("no poisoned lock").insert(format!("d{number}@example.org"), taken);
            Ok(())
        });
    });
    let heard = heard.into_inner().expect("no poisoned lock");
    let mut arrived: HashMap<String, usize> = HashMap::new();
    for message in stage.sink.messages() {
        let own = message.rcpts.first().expect("a message is for somebody");
        assert!(message.rcpts.iter().all(|rcpt| rcpt == own), "for two sessions: {:?}", message.rcpts);
        *arrived.entry(own.clone()).or_default() += 1;
    }
    for number in numbers {
        let own = format!("d{number}@example.org");
        let script = Script::new(number);
        let (heard, arrived) = (heard.get(&own), arrived.get(&own).copied().unwrap_or_default());
        let heard = heard.copied().expect("each session was played");
        assert!(
            heard <= arrived && arrived <= script.ends(),
            "{number}: {heard} {arrived} {}",
            script.ends()
        );
        assert!(heard == arrived || !script.stays(), "{number} heard of {heard} and sent {arrived}");
    }
    outcome
}

#[test]
fn a_thousand_random_sessions_harm_nobody() {
    const SESSIONS: usize = 1000;
    let mut stage = Stage::start();
    stage.twice(|stage, round| random_round(stage, round * SESSIONS / 2..(round + 1) * SESSIONS / 2));
    let taken = stage
        .sink
        .messages()
        .iter()
        .filter(|message| message.rcpts.iter().all(|rcpt| rcpt.starts_with('d') && rcpt != "dev@example.org"))
        .count();
    assert!(taken > SESSIONS / 10, "hardly a message was taken, so hardly anything was tested: {taken}");
}
