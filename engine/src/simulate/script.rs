//! What a test sets up: the client, the mail, and what look-ups answer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;
use weir_lang::eval::Scratch;
use weir_lang::plan::{Clause, TestCase};
use weir_lang::value::{Slot, Value};
use weir_smtp::Conduct;

use super::authenticate::Authentication;
use crate::auth::Method;
use crate::clamd::{Reason, Scan};
use crate::config::Args;
use crate::decide::{Gather, unknown};
use crate::dns;
use crate::facts::{Answer, Facts};
use crate::generation::Question;
use crate::question::{self, virus};
use crate::rehearse::Mail;
use crate::scheme::fields::RECIPIENT_ANSWER;
use crate::scheme::functions::GREY_ANSWER;
use crate::table::Digest;
use crate::tls::Agreed;
use crate::upstream::pool::FixedReply;

use super::world::{self, World};

/// How long a client that has passed is remembered: longer than a test lasts.
const PASSED_SECONDS: u64 = 400 * 86_400;

/// A test's set-up.
pub(super) struct Script {
    pub(super) mail: Mail,
    pub(super) sessions: u64,
    /// The time between them.
    pub(super) every: Duration,
    /// What pools answer, by name; `None` is down.
    pub(super) pools: HashMap<String, Option<FixedReply>>,
    passed: bool,
    answers: Rc<Answers>,
}

/// What look-ups answer.
#[derive(Default)]
struct Answers {
    /// What the client says before the greeting.
    early: Option<String>,
    names: World,
    /// What lists answer, by name; `None` is one that is off.
    lists: HashMap<String, Option<dns::Answer>>,
    services: HashMap<String, Scan>,
    auth: Authentication,
    /// What each call-forward says of every recipient.
    recipients: HashMap<String, &'static str>,
    /// Names under which anything is remembered.
    remembered: Vec<String>,
    /// What greylists say, by name.
    greylists: HashMap<String, String>,
    store_down: bool,
}

impl Script {
    /// Reads the clauses of a test.
    pub(super) fn read(case: &TestCase) -> Result<Self, String> {
        let mut script = Self {
            mail: Mail::of(IpAddr::from([192, 0, 2, 1]), message(&Composed::default())),
            sessions: 1,
            every: Duration::ZERO,
            pools: HashMap::new(),
            passed: false,
            answers: Rc::default(),
        };
        let mut answers = Answers::default();
        for clause in &case.clauses {
            script.take(clause, &mut answers)?;
        }
        script.answers = Rc::new(answers);
        Ok(script)
    }

    fn take(&mut self, clause: &Clause, answers: &mut Answers) -> Result<(), String> {
        let args = Args(&clause.args);
        let text = || args.text().unwrap_or_default().to_owned();
        match clause.word.as_str() {
            "client" => self.client(args, answers),
            "tls" => self.mail.tls = Some(agreed(args)),
            "helo" => self.mail.helo = text(),
            "mail" => self.mail.sender = text(),
            "rcpt" => self.mail.rcpts.extend(args.texts().map(str::to_owned)),
            "message" => self.mail.content = content(args, &clause.location.file)?,
            "dns" => answers.names.records(args),
            "lookup" => {
                let answer = (!args.has("off")).then(|| world::addresses(args));
                answers.lists.insert(args.name().unwrap_or_default().to_owned(), answer);
            }
            "mx" => answers.names.exchanger(args),
            "service" => {
                let name = args.word().unwrap_or_default().to_owned();
                match ["valid", "invalid"].into_iter().find(|state| args.has(state)) {
                    Some(state) => _ = answers.recipients.insert(name, state),
                    None => _ = answers.services.insert(name, verdict(args)),
                }
            }
            "pool" => {
                let name = args.name().unwrap_or_default().to_owned();
                self.pools.insert(name, args.reply());
            }
            "sessions" => {
                self.sessions = args.number().unwrap_or(1);
                self.every = args.duration().unwrap_or_default();
            }
            "remembered" => answers.remembered.push(text()),
            "greylist" => {
                let state = args.word().unwrap_or_default().to_owned();
                _ = answers.greylists.insert(args.name().unwrap_or_default().to_owned(), state);
            }
            "store" => answers.store_down = true,
            "stressed" => self.mail.stressed = true,
            "conduct" => self.mail.conduct = conduct(args),
            word => {
                if let Some(method) = Method::named(word) {
                    answers.auth.take(method, args);
                }
            }
        }
        Ok(())
    }

    fn client(&mut self, args: Args<'_>, answers: &mut Answers) {
        if let Some(ip) = args.ip() {
            self.mail.client = ip;
        }
        self.mail.via = args.after("via").and_then(Args::ip);
        answers.names.client(self.mail.client, args);
        let said = args.after("says").and_then(Args::text).unwrap_or_default();
        answers.early = args.has("early").then(|| said.to_owned());
        self.passed = args.has("passed");
        let errors = args.after("errors").and_then(Args::number);
        self.mail.errors = errors.and_then(|errors| u32::try_from(errors).ok()).unwrap_or(0);
    }

    /// What the host remembers before a session.
    pub(super) fn prepare(&self, facts: &Facts) {
        if self.passed {
            facts.process.tables.remember(facts.passed_key(), PASSED_SECONDS);
        }
    }

    /// The look-ups of one session.
    pub(super) fn gather(&self) -> Scripted {
        Scripted(Rc::clone(&self.answers))
    }
}

fn conduct(args: Args<'_>) -> Conduct {
    let count = |word| args.after(word).and_then(Args::number).unwrap_or(0);
    let not_smtp = u32::try_from(count("not_smtp")).unwrap_or(u32::MAX);
    let unknown = u32::try_from(count("unknown_commands")).unwrap_or(u32::MAX);
    Conduct {
        // Those of another protocol are unknown as well.
        unknown_commands: unknown.max(not_smtp),
        not_smtp,
        pipelined_early: args.has("pipelined_early"),
    }
}

fn agreed(args: Args<'_>) -> Agreed {
    let text = |word| args.after(word).and_then(Args::text).map(str::to_owned);
    let usual = Agreed::usual();
    Agreed {
        version: text("version").map_or(usual.version, Into::into),
        cipher: text("cipher").unwrap_or(usual.cipher),
        sni: text("sni").map(|name| name.to_lowercase().into_boxed_str()),
        resumed: false,
    }
}

fn verdict(args: Args<'_>) -> Scan {
    if args.has("infected") {
        Scan::Infected(args.text().unwrap_or_default().to_owned())
    } else if args.has("clean") {
        Scan::Clean
    } else {
        Scan::Unknown(Reason::NoHost(String::from("down")))
    }
}

/// The pieces of a message that a test makes.
#[derive(Default)]
struct Composed<'a> {
    subject: Option<&'a str>,
    body: Option<&'a str>,
    from: Option<&'a str>,
    header: Option<&'a str>,
}

fn content(args: Args<'_>, rule_file: &str) -> Result<Vec<u8>, String> {
    if let Some(path) = args.after("file").and_then(Args::text) {
        let path = Path::new(rule_file).parent().unwrap_or(Path::new("")).join(path);
        return std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()));
    }
    let of = |word| args.after(word).and_then(Args::text);
    Ok(message(&Composed {
        subject: of("subject"),
        body: of("body"),
        from: of("from"),
        header: of("header"),
    }))
}

/// A whole message; a header line that is given takes the place of the usual one.
fn message(composed: &Composed<'_>) -> Vec<u8> {
    let given = composed.header.unwrap_or_default();
    let usual = [
        ("Date", "Thu, 15 Jan 2026 12:00:00 +0000"),
        ("From", composed.from.unwrap_or("Sender <sender@example.net>")),
        ("To", "list@example.org"),
        ("Subject", composed.subject.unwrap_or("test")),
    ];
    let mut text = String::new();
    for (name, value) in usual {
        let is_given = given.lines().any(|line| {
            line.split_once(':').is_some_and(|(given, _)| name != "From" && given.eq_ignore_ascii_case(name))
        });
        if !is_given {
            text.extend([name, ": ", value, "\n"]);
        }
    }
    if !given.is_empty() {
        text.extend([given, "\n"]);
    }
    text.extend(["\n", composed.body.unwrap_or("A message."), "\n"]);
    text.into_bytes()
}

/// Answers from a test's clauses, all at once.
pub(super) struct Scripted(Rc<Answers>);

impl Gather for Scripted {
    fn start(&mut self, facts: &Facts, scratch: &Scratch, slot: Slot) -> Option<Answer> {
        let answers = &self.0;
        Some(match facts.generation.question(slot) {
            Question::Dnsbl(list) => {
                if let Some(given) = answers.lists.get(&list.name) {
                    return Some(
                        given.as_ref().map_or_else(|| unknown(facts, slot), |given| list.read(given)),
                    );
                }
                let value = facts.generation.plan.slot_argument(slot, 0, facts);
                if !list.files.is_empty() {
                    return Some(list.in_files(facts, value));
                }
                let questions = list.questions(value);
                let read = list.read_all(&questions, &mut |question| Some(answers.names.answer(question)));
                read.unwrap_or_else(|_| unknown(facts, slot))
            }
            Question::Callforward(service) => match answers.recipients.get(&service.name) {
                Some(state) => Answer::State(question::state_of(&RECIPIENT_ANSWER, state)),
                None => unknown(facts, slot),
            },
            Question::Clamav(service) => match answers.services.get(&service.name) {
                Some(scan) => virus(scan),
                None => unknown(facts, slot),
            },
            Question::Names(names) => names.about(facts).map_or_else(std::convert::identity, |naming| {
                let read = naming.read(&mut |question| Some(answers.names.answer(question)));
                read.unwrap_or_else(|_| unknown(facts, slot))
            }),
            Question::SpokeEarly => match &answers.early {
                Some(said)
                    if question::greet(facts, scratch).is_some_and(|greet| !greet.wait(facts).is_zero()) =>
                {
                    Answer::Said(said.as_bytes().into())
                }
                _ => Answer::Bool(false),
            },
            Question::Auth(method) => {
                Answer::Auth(Rc::new(answers.auth.find(*method, facts, &answers.names)))
            }
            Question::Passed => self.recalled(facts, slot, facts.passed_key(), Answer::Bool),
            Question::Remembered => match facts.generation.plan.slot_argument(slot, 1, facts) {
                Value::Text(name) if answers.remembered.iter().any(|given| given.as_bytes() == name) => {
                    question::remembered(true)
                }
                _ => self.recalled(facts, slot, facts.asked_key(slot), question::remembered),
            },
            Question::Greylist(list) => match answers.greylists.get(&list.name) {
                Some(state) => Answer::State(question::state_of(&GREY_ANSWER, state)),
                None if answers.store_down => unknown(facts, slot),
                None => {
                    let grey = facts.process.tables.grey(facts.grey_key(slot, list), list);
                    grey.map_or_else(|| unknown(facts, slot), question::grey)
                }
            },
            Question::Unanswerable => Answer::Unknown,
        })
    }

    async fn next(&mut self, _until: Option<Instant>) -> Option<(Slot, Answer)> {
        None
    }
}

impl Scripted {
    /// Whether a key is kept; one that is not is in the shared store, if that is down.
    fn recalled(&self, facts: &Facts, slot: Slot, key: Digest, say: fn(bool) -> Answer) -> Answer {
        match facts.process.tables.knows(key) {
            Some(true) => say(true),
            _ if self.0.store_down => unknown(facts, slot),
            _ => say(false),
        }
    }
}
