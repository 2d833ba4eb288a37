//! Authentication on zones of a few lines.

mod dmarc;
mod hostile;
mod results;
mod signed;
mod spf;

use std::net::IpAddr;
use std::rc::Rc;

use crate::dns::{self, Failure, Kind, Question, Records};

/// What DNS says: lines of `NAME TYPE VALUE`; `NAME fails` is no answer. All other names have nothing.
struct Zone(Vec<(String, String, String)>);

impl Zone {
    fn new(lines: &[&str]) -> Self {
        let line = |line: &&str| {
            let mut words = line.splitn(3, ' ').map(str::to_owned);
            let mut next = || words.next().unwrap_or_default();
            (next(), next(), next())
        };
        Self(lines.iter().map(line).collect())
    }

    fn answer(&self, question: &Question) -> dns::Answer {
        let of_name: Vec<_> = self.0.iter().filter(|(name, ..)| name == question.name()).collect();
        if of_name.iter().any(|(_, kind, _)| kind == "fails") {
            return dns::Answer::Failed(Failure::Timeout);
        }
        let values = |wanted: &str| {
            let of_kind = of_name.iter().filter(|(_, kind, _)| kind == wanted);
            of_kind.map(|(_, _, value)| value.clone()).collect::<Vec<_>>()
        };
        let records = match question.kind() {
            Kind::A => Records::Addresses(addresses(&values("A"))),
            Kind::Aaaa => Records::Addresses(addresses(&values("AAAA"))),
            Kind::Ptr => Records::Names(values("PTR").into_iter().map(Into::into).collect()),
            Kind::Mx => Records::Exchanges(values("MX").into_iter().map(|host| (10, host.into())).collect()),
            Kind::Txt => {
                Records::Texts(values("TXT").into_iter().map(|text| text.into_bytes().into()).collect())
            }
        };
        let is_empty = match &records {
            Records::Addresses(all) => all.is_empty(),
            Records::Names(all) => all.is_empty(),
            Records::Exchanges(all) => all.is_empty(),
            Records::Texts(all) => all.is_empty(),
        };
        if is_empty { dns::Answer::None } else { dns::Answer::Found(Rc::new(records)) }
    }

    /// Takes a step until nothing is missing, as a resolver does; gives also how many questions that took.
    fn settle<T>(&self, step: impl Fn(dns::Known<'_>) -> Result<T, Question>) -> (T, usize) {
        let mut asked: Vec<Question> = Vec::new();
        loop {
            let known = &mut |question: &Question| asked.contains(question).then(|| self.answer(question));
            match step(known) {
                Ok(found) => return (found, asked.len()),
                Err(missing) => {
                    assert!(!asked.contains(&missing), "{missing:?} is asked twice");
                    asked.push(missing);
                }
            }
        }
    }
}

fn addresses(texts: &[String]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}
