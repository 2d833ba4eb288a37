//! Whether what was expected came.

use weir_lang::list::glob_fits;
use weir_lang::plan::{Arg, TestCase};
use weir_lang::score::Score;

use super::script::Script;
use crate::config::Args;
use crate::rehearse::{Destination, Outcome, Said};
use crate::scheme::Phase;
use crate::upstream::pool::FixedReply;

/// The faults of a test; none when all that was expected came.
pub(super) fn check(case: &TestCase, script: &Script, outcome: &Outcome) -> Vec<String> {
    let seen = Seen::new(script, outcome);
    let expectations = case.clauses.iter().filter(|clause| clause.word == "expect");
    let expectations: Vec<&[Arg]> =
        expectations.flat_map(|clause| clause.args.split(|arg| *arg == Arg::Comma)).collect();
    if expectations.is_empty() {
        return vec![String::from("nothing is expected")];
    }
    expectations.into_iter().filter_map(|args| seen.fault(Args(args))).collect()
}

/// What came of a test, with what pools answered.
struct Seen<'a> {
    outcome: &'a Outcome,
    said: Vec<Said>,
    /// The message left this host.
    sent: bool,
}

impl<'a> Seen<'a> {
    fn new(script: &Script, outcome: &'a Outcome) -> Self {
        let mut said = outcome.said.clone();
        let mut sent = matches!(outcome.destination, Some(Destination::Pool(_) | Destination::Maildir(_)));
        // What a pool answers is the reply to the message, whichever phase has decided.
        if let Some(last) = said.last_mut().filter(|_| outcome.destination.is_some()) {
            last.phase = Phase::Message;
            if let Some(Destination::Pool(name)) = &outcome.destination
                && let Some(answer) = script.pools.get(name)
            {
                let reply =
                    answer.clone().unwrap_or_else(|| FixedReply::new(451, (4, 3, 2), "no server available"));
                sent = reply.code < 300;
                (last.code, last.enhanced, last.text) = (reply.code, Some(reply.enhanced), reply.text);
            }
        }
        Self { outcome, said, sent }
    }

    fn fault(&self, args: Args<'_>) -> Option<String> {
        match args.word()? {
            "sent" => self.sent_to(args),
            "not" => self.sent.then(|| format!("expected not sent, but it goes to {}", self.goes())),
            "discarded" => (self.outcome.destination != Some(Destination::Discard))
                .then(|| format!("expected discarded, but it goes to {}", self.goes())),
            "closed" => (!self.outcome.closed).then(|| String::from("expected the connection to be closed")),
            "waited" => self.did("greet", "").err(),
            "quarantined" => self.did("quarantine", args.text()?).err(),
            "noted" => self.did("note", args.text()?).err(),
            "removed" => self.removed(args.text()?),
            "header" => self.header(args),
            "no" => self.absent(args),
            "hit" => self.hit(args.name()?),
            "score" => self.score(args),
            "would" => self.would(args),
            "lookup" => self.lookup(args),
            phase => self.reply(phase, args),
        }
    }

    fn goes(&self) -> String {
        match &self.outcome.destination {
            Some(Destination::Pool(pool)) => format!("pool {pool}"),
            Some(Destination::Maildir(folder)) => format!("maildir {folder}"),
            Some(Destination::Discard) => String::from("nowhere"),
            None => format!("nobody: {}", self.last()),
        }
    }

    fn last(&self) -> String {
        self.said.last().map_or_else(|| String::from("nothing was said"), show)
    }

    fn sent_to(&self, args: Args<'_>) -> Option<String> {
        let wanted = args.name();
        let fits = match (&self.outcome.destination, wanted) {
            (Some(Destination::Pool(pool)), Some(name)) => pool == name,
            (Some(Destination::Maildir(_)), None) => true,
            _ => false,
        };
        (!fits).then(|| {
            format!("expected sent to {}, but it goes to {}", wanted.unwrap_or("maildir"), self.goes())
        })
    }

    fn did(&self, verb: &str, what: &str) -> Result<(), String> {
        let mut done = self.outcome.did.iter().filter(|did| did.verb == verb && !did.shadow);
        if done.any(|did| did.what.contains(what)) {
            return Ok(());
        }
        let others: Vec<&str> =
            self.outcome.did.iter().filter(|did| did.verb == verb).map(|did| did.what.as_str()).collect();
        Err(format!("expected {verb} {what:?}; there is {others:?}"))
    }

    fn removed(&self, name: &str) -> Option<String> {
        let done = self.outcome.did.iter().filter(|did| did.verb == "remove" && !did.shadow);
        let globs: Vec<&str> = done.flat_map(|did| did.what.split(", ")).collect();
        let fits = globs.iter().any(|glob| glob_fits(glob.as_bytes(), name.as_bytes()));
        (!fits).then(|| format!("expected header {name:?} removed; what is removed is {globs:?}"))
    }

    fn header(&self, args: Args<'_>) -> Option<String> {
        let name = args.text()?;
        let value = args.after("has").and_then(Args::text).unwrap_or_default();
        let added = self.added(name);
        if added.iter().any(|line| line.contains(value)) {
            return None;
        }
        Some(format!("expected header {name:?} with {value:?}; there is {added:?}"))
    }

    /// The values of the header lines that were added under this name.
    fn added(&self, name: &str) -> Vec<&'a str> {
        let adds = self.outcome.did.iter().filter(|did| did.verb == "add" && !did.shadow);
        let lines = adds.filter_map(|did| did.what.split_once(": "));
        lines.filter(|(added, _)| added.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    fn absent(&self, args: Args<'_>) -> Option<String> {
        if let Some(rule) = args.name() {
            let hit = self.outcome.hits.iter().any(|hit| hit == rule);
            return hit.then(|| format!("expected no hit {rule}, but it hit"));
        }
        let name = args.text()?;
        let added = self.added(name);
        (!added.is_empty()).then(|| format!("expected no header {name:?}; there is {added:?}"))
    }

    fn hit(&self, rule: &str) -> Option<String> {
        let hit = self.outcome.hits.iter().any(|hit| hit == rule);
        (!hit).then(|| format!("expected hit {rule}; what hit is {:?}", self.outcome.hits))
    }

    fn score(&self, args: Args<'_>) -> Option<String> {
        let group = args.name()?;
        let bound = args.0.iter().find_map(|arg| match arg {
            Arg::Score(score) => Some(*score),
            Arg::Int(number) => Score::parse(&number.to_string()),
            _ => None,
        })?;
        let (_, score) = self.outcome.scores.iter().find(|(name, _)| name == group)?;
        let (fits, word) = if args.has("below") {
            (*score < bound, "below")
        } else if args.has("least") {
            (*score >= bound, "least")
        } else {
            (*score == bound, "exactly")
        };
        (!fits).then(|| {
            format!("expected score {group} {word} {bound}, got {score}; what hit is {:?}", self.outcome.hits)
        })
    }

    fn would(&self, args: Args<'_>) -> Option<String> {
        let verb = args.after("would").and_then(Args::word)?;
        let shadows: Vec<&str> =
            self.outcome.did.iter().filter(|did| did.shadow).map(|did| did.verb).collect();
        (!shadows.contains(&verb)).then(|| format!("expected would {verb}; shadows are {shadows:?}"))
    }

    fn lookup(&self, args: Args<'_>) -> Option<String> {
        let name = args.after("lookup").and_then(Args::word)?;
        let result = args.after(name).and_then(Args::word)?;
        let found: Vec<&str> = self
            .outcome
            .looked
            .iter()
            .filter(|looked| looked.name == name)
            .map(|looked| looked.result)
            .collect();
        (!found.contains(&result)).then(|| format!("expected lookup {name} {result}, got {found:?}"))
    }

    fn reply(&self, phase: &str, args: Args<'_>) -> Option<String> {
        let code = args.0.iter().find_map(|arg| match arg {
            Arg::Code(code) => Some(*code),
            _ => None,
        })?;
        let enhanced = args.0.iter().find_map(|arg| match arg {
            Arg::Enhanced(class, subject, detail) => Some((*class, *subject, *detail)),
            _ => None,
        });
        let text = args.after("text").and_then(Args::text).unwrap_or_default();
        let said: Vec<&Said> = self.said.iter().filter(|said| said.phase.name() == phase).collect();
        let fits = |said: &&&Said| {
            said.code == code && (enhanced.is_none() || said.enhanced == enhanced) && said.text.contains(text)
        };
        if said.iter().any(|said| fits(&said)) {
            return None;
        }
        let wanted = enhanced
            .map_or_else(String::new, |(class, subject, detail)| format!(" {class}.{subject}.{detail}"));
        let wanted_text = if text.is_empty() { String::new() } else { format!(" with text {text:?}") };
        let got = if said.is_empty() {
            format!("the session ended before: {}", self.last())
        } else {
            show_all(&said)
        };
        Some(format!("expected {phase} {code}{wanted}{wanted_text}, got {got}"))
    }
}

fn show(said: &Said) -> String {
    let enhanced = said
        .enhanced
        .map_or_else(String::new, |(class, subject, detail)| format!(" {class}.{subject}.{detail}"));
    let at = said.at.as_ref().map_or_else(String::new, |at| format!(" ({at})"));
    format!("{} {}{enhanced} {:?}{at}", said.phase.name(), said.code, said.text)
}

fn show_all(said: &[&Said]) -> String {
    said.iter().map(|said| show(said)).collect::<Vec<_>>().join("; ")
}
