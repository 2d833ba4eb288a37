//! `weir explain`: one message through all phases, with every rule, value, time and place.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};
use weir_lang::eval::{RuleState, Scratch};
use weir_lang::plan::RuleSpec;

use crate::auth::{Finding, Method};
use crate::callout::Callouts;
use crate::cli::{Exit, Explain};
use crate::clock::Clock;
use crate::commands::{failed, refused, say};
use crate::config::{self, Base, Overrides};
use crate::counts::Counts;
use crate::dns::Dns;
use crate::facts::Facts;
use crate::generation::Generation;
use crate::lookups::{Lookups, Scanners, Sources};
use crate::process::Process;
use crate::rehearse::{Destination, Mail, Outcome, Rehearsal};
use crate::ring::{self, Watch};
use crate::tls::Agreed;
use crate::upstream::connection::Connections;

/// The largest message that is read.
const MESSAGE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Explains a message.
pub fn explain(args: &Explain) -> Exit {
    let content = match read(&args.message) {
        Ok(content) => content,
        Err(error) => return failed(&format!("{}: {error}", args.message.display())),
    };
    let mut loaded = match config::load(&args.rules) {
        Ok(loaded) => loaded,
        Err(reason) => return failed(&reason),
    };
    let Some(plan) = loaded.plan.clone() else { return refused(&loaded) };
    let host_name = config::host_name();
    let overrides = Overrides { dns: args.resolver, ..Overrides::default() };
    let base = Base { number: 1, older: None, host_name: &host_name, overrides: &overrides };
    // For servers that are asked about recipients inside TLS; what cannot be read here only makes them unknown.
    let secrets = loaded.unlock(&config::Disk);
    let generation = Arc::new(config::serving(plan, loaded.zones.clone(), &secrets, &base));
    let mail = Mail {
        tls: args.tls.clone().map(|version| Agreed { version: version.into(), ..Agreed::usual() }),
        helo: args.helo.clone(),
        sender: args.from.clone(),
        rcpts: args.rcpt.clone(),
        ..Mail::of(args.client, content)
    };
    // Virus scanners are reached over the ring, as in a session.
    let sheet = match ring::run(run(&generation, &mail, host_name, args.resolver)) {
        Ok(Some(sheet)) => sheet,
        Ok(None) => return failed("the rule files have no listener, so nobody can connect"),
        Err(refused) => {
            eprintln!("weir: {refused}");
            return Exit::Unavailable;
        }
    };
    say(&if args.json { format!("{:#}\n", sheet.json(&generation)) } else { sheet.text(&generation) });
    Exit::Ok
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path)?)
    };
    source.take(MESSAGE_BYTES_MAX).read_to_end(&mut content)?;
    Ok(content)
}

/// What is printed.
struct Sheet {
    outcome: Outcome,
    facts: Facts,
    scratch: Scratch,
}

async fn run(
    generation: &Arc<Generation>,
    mail: &Mail,
    host_name: String,
    resolver: Option<std::net::SocketAddr>,
) -> Option<Sheet> {
    let process = Arc::new(Process::new(host_name, std::path::PathBuf::new()));
    let clock = Clock::system();
    let watch = Watch::start();
    let connections = Rc::new(Connections::new(&process.host_name, watch.clone()));
    let sources = Rc::new(Sources {
        dns: Dns::new(clock.clone(), resolver),
        clamd: Scanners::new(watch, clock.clone()),
        callouts: Rc::new(Callouts::new(connections, clock.clone())),
        counts: Counts::new(&process.metrics),
    });
    let rehearsal = Rehearsal::new(&process, generation, mail, Lookups::new(sources, None))?;
    let now = i64::try_from(clock.unix_s()).unwrap_or(i64::MAX);
    let (outcome, facts, scratch) = rehearsal.survey(mail, now).await;
    Some(Sheet { outcome, facts, scratch })
}

impl Sheet {
    fn verdict(&self) -> &'static str {
        match (&self.outcome.destination, self.outcome.said.last().map_or(0, |said| said.code / 100)) {
            (Some(Destination::Discard), _) => "discard",
            (Some(_), _) => "send",
            (None, 4) => "defer",
            (None, 5) => "reject",
            (None, _) => "none",
        }
    }

    fn destination(&self) -> String {
        match &self.outcome.destination {
            Some(Destination::Pool(pool)) => format!("pool {pool}"),
            Some(Destination::Maildir(folder)) => format!("maildir {folder}"),
            Some(Destination::Discard) => String::from("discard"),
            None => String::from("nobody"),
        }
    }

    fn text(&self, generation: &Generation) -> String {
        let mut text = format!("verdict: {} ({})\n", self.verdict(), self.destination());
        section(&mut text, "phases", &self.outcome.said, |said| {
            let enhanced = said
                .enhanced
                .map_or_else(String::new, |(class, subject, detail)| format!("{class}.{subject}.{detail} "));
            let (took, at) = (milliseconds(said.took), said.at.as_deref().unwrap_or(""));
            format!("{:<8} {took:>9}  {} {enhanced}{}  {at}", said.phase.name(), said.code, said.text)
        });
        section(&mut text, "actions", &self.outcome.did, |did| {
            let shadow = if did.shadow { "shadow " } else { "" };
            format!("{:<8} {shadow}{} {}  {}", did.phase.name(), did.verb, did.what, did.at)
        });
        section(&mut text, "look-ups", &self.outcome.looked, |looked| {
            let took = looked.took.map_or_else(|| String::from("known"), milliseconds);
            format!("{:<20} {took:>9}  {:<10} {}", looked.name, looked.result, looked.argument)
        });
        section(&mut text, "authentication", &self.outcome.findings, |found| {
            let reason = found.reason().map_or_else(String::new, |reason| format!("  ({reason})"));
            format!("{:<6} {:<9} {}{reason}", found.method().word(), found.word(), of_whom(found))
        });
        section(&mut text, "scores", &self.outcome.scores, |(group, score)| format!("{group:<20} {score}"));
        let rules: Vec<(usize, &RuleSpec)> = generation.plan.rules().iter().enumerate().collect();
        section(&mut text, "rules", &rules, |(index, rule)| {
            let weight = rule.weight.map_or_else(String::new, |weight| weight.to_string());
            let said = rule.text.as_deref().unwrap_or("");
            format!(
                "{:<8} {:<24} {weight:>6}  {:<24} {said}",
                self.state(*index, rule),
                rule.name,
                rule.location.to_string()
            )
        });
        text
    }

    /// What a rule said.
    fn state(&self, index: usize, rule: &RuleSpec) -> &'static str {
        match self.scratch.rule(index) {
            _ if rule.off => "off",
            RuleState::Hit => "HIT",
            RuleState::Miss => "-",
            RuleState::Pending => "waiting",
            RuleState::Unrun => "not run",
        }
    }

    fn json(&self, generation: &Generation) -> Value {
        let outcome = &self.outcome;
        let message = self.facts.message.as_deref();
        let texts = |texts: &[Box<[u8]>]| {
            texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect::<Vec<_>>()
        };
        json!({
            "verdict": self.verdict(),
            "destination": self.destination(),
            "client": self.facts.client.to_string(),
            "rules_digest": generation.digest(),
            "replies": outcome.said.iter().map(|said| json!({
                "phase": said.phase.name(),
                "code": said.code,
                "enhanced": said.enhanced.map(|(class, subject, detail)| format!("{class}.{subject}.{detail}")),
                "text": said.text,
                "at": said.at,
                "us": micros(said.took),
            })).collect::<Vec<_>>(),
            "actions": outcome.did.iter().map(|did| json!({
                "phase": did.phase.name(), "verb": did.verb, "what": did.what, "shadow": did.shadow, "at": did.at,
            })).collect::<Vec<_>>(),
            "lookups": outcome.looked.iter().map(|looked| json!({
                "name": looked.name, "argument": looked.argument, "result": looked.result, "us": looked.took.map(micros),
            })).collect::<Vec<_>>(),
            "spf": authentication(outcome, Method::Spf),
            "dkim": authentication(outcome, Method::Dkim),
            "dmarc": authentication(outcome, Method::Dmarc),
            "arc": authentication(outcome, Method::Arc),
            "score": outcome.scores.iter().map(|(group, score)| (group.clone(), number(*score))).collect::<serde_json::Map<_, _>>(),
            "hits": outcome.hits,
            "rules": generation.plan.rules().iter().enumerate().map(|(index, rule)| json!({
                "name": rule.name,
                "state": self.state(index, rule),
                "weight": rule.weight.map(number),
                "text": rule.text,
                "at": rule.location.to_string(),
            })).collect::<Vec<_>>(),
            "parts": message.map(|message| message.structure().parts.iter().map(|part| json!({
                "type": part.media_type,
                "charset": part.charset,
                "names": part.names,
                "bytes": part.body.len(),
                "container": part.container,
            })).collect::<Vec<_>>()),
            "message": message.map(|message| json!({
                "size": message.wire_bytes(),
                "hops": message.hops(),
                "too_complex": message.is_too_complex(),
                "subject": message.header("Subject").map(|text| String::from_utf8_lossy(text).into_owned()),
                "from": message.address("From").map(|text| String::from_utf8_lossy(text).into_owned()),
                "urls": texts(message.urls()),
                "url_domains": texts(message.url_domains()),
            })),
        })
    }
}

/// What a method says, as JSON.
fn authentication(outcome: &Outcome, method: Method) -> Value {
    let Some(found) = outcome.findings.iter().find(|found| found.method() == method) else {
        return Value::Null;
    };
    let text = |bytes: &[u8]| (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned());
    let mut object = json!({ "result": found.word(), "reason": found.reason() });
    let more = match found {
        Finding::Spf(spf) => json!({
            "domain": text(spf.domain.as_bytes()),
            "identity": if spf.is_helo { "helo" } else { "mailfrom" },
        }),
        Finding::Dkim(dkim) => json!({
            "domains": dkim.domains.iter().filter_map(|domain| text(domain)).collect::<Vec<_>>(),
            "signatures": dkim.signatures.iter().map(|signature| json!({
                "result": signature.word(),
                "domain": text(&signature.domain),
                "selector": text(signature.selector.as_bytes()),
                "reason": signature.reason,
            })).collect::<Vec<_>>(),
        }),
        Finding::Dmarc(dmarc) => json!({ "domain": text(dmarc.domain.as_bytes()), "policy": dmarc.policy }),
        Finding::Arc(arc) => json!({ "sealer": text(&arc.sealer), "sets": arc.sets }),
    };
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

/// Of whom a method speaks.
fn of_whom(found: &Finding) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match found {
        Finding::Spf(spf) => text(spf.domain.as_bytes()),
        Finding::Dkim(dkim) => {
            let signers = dkim
                .signatures
                .iter()
                .map(|signature| format!("{}={}", text(&signature.domain), signature.word()));
            signers.collect::<Vec<_>>().join(" ")
        }
        Finding::Dmarc(dmarc) => {
            let policy = dmarc.policy.map_or_else(String::new, |policy| format!(" p={policy}"));
            format!("{}{policy}", dmarc.domain)
        }
        Finding::Arc(arc) => text(&arc.sealer),
    }
}

fn section<T>(text: &mut String, title: &str, rows: &[T], line: impl Fn(&T) -> String) {
    if rows.is_empty() {
        return;
    }
    _ = writeln!(text, "\n{title}");
    for row in rows {
        _ = writeln!(text, "  {}", line(row).trim_end());
    }
}

fn milliseconds(took: std::time::Duration) -> String {
    format!("{:.3} ms", took.as_secs_f64() * 1000.0)
}

fn micros(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// A score as a JSON number.
fn number(score: weir_lang::score::Score) -> Value {
    score.to_string().parse::<serde_json::Number>().map_or(Value::Null, Value::Number)
}
