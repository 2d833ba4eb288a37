//! DMARC (RFC 9989): whether what SPF and DKIM have found is of the author's domain, and what that domain asks for.
//!
//! mail-auth reads the records; the walk up the tree is a step over known answers.

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::dmarc::{Alignment, Dmarc as Record, Policy, Psd};

use super::signed::{Dkim, DkimState};
use super::spf::{Spf, SpfResult};
use crate::dns::{Answer, Kind, Known, Question, Records};
use crate::mail::Message;

/// The results of RFC 8601, 2.7.6, in the order of [`crate::scheme::auth::DMARC_ANSWER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmarcState {
    /// Something that is good is of the author's domain.
    Pass,
    /// Nothing is.
    Fail,
    /// There is no policy, or no author.
    None,
    /// DNS has not answered.
    TempError,
    /// There is no one author's domain.
    PermError,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dmarc {
    /// The result.
    pub state: DmarcState,
    /// The author's domain, in ASCII and lower case.
    pub domain: Box<str>,
    /// What it asks for.
    pub policy: Option<&'static str>,
    /// Why it is no pass.
    pub reason: Option<Box<str>>,
}

/// The author's domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// The one that there is.
    Domain(Box<str>),
    /// There is none.
    None,
    /// There are several From fields, or several domains in it. The standard leaves such mail alone, and warns of who relies on that
    /// (RFC 9989, Denial of DMARC Processing Attacks): for rules it is a state of its own.
    Several,
    /// There may be more than is read of it.
    Endless,
}

impl Dmarc {
    /// When its look-up has come to nothing.
    pub fn unknown() -> Self {
        Self { state: DmarcState::TempError, domain: Box::default(), policy: None, reason: None }
    }
}

impl Author {
    /// Of a message.
    pub fn of(message: &Message) -> Self {
        if message.header_count("From") > 1 {
            return Self::Several;
        }
        if message.has_more_addresses("From") {
            return Self::Endless;
        }
        let mut author = Self::None;
        for address in message.addresses("From") {
            let Some(at) = memchr::memrchr(b'@', address) else { continue };
            let domain = String::from_utf8_lossy(address.get(at + 1..).unwrap_or_default());
            let Some(domain) = ascii(&domain) else { continue };
            match &author {
                Self::None => author = Self::Domain(domain),
                Self::Domain(known) if *known == domain => {}
                _ => return Self::Several,
            }
        }
        author
    }
}

/// A domain in the form in which equal ones are equal.
fn ascii(domain: &str) -> Option<Box<str>> {
    Question::new(Kind::Txt, domain).map(|question| question.name().into())
}

/// Checks a message by its author.
pub fn dmarc(author: &Author, spf: &Spf, dkim: &Dkim, known: Known<'_>) -> Result<Dmarc, Question> {
    let found = |state, domain: &str, policy, reason: Option<&str>| Dmarc {
        state,
        domain: domain.into(),
        policy,
        reason: reason.map(Into::into),
    };
    let domain = match author {
        Author::Domain(domain) => domain,
        Author::None => return Ok(found(DmarcState::None, "", None, Some("no author"))),
        Author::Several => return Ok(found(DmarcState::PermError, "", None, Some("several authors"))),
        Author::Endless => return Ok(found(DmarcState::PermError, "", None, Some("From is too long"))),
    };
    let unknown =
        || Ok(found(DmarcState::TempError, domain, None, Some("DNS has not answered for the policy")));
    let walk = match walk(domain, known) {
        Ok(walk) => walk,
        Err(Stop::Missing(question)) => return Err(question),
        Err(Stop::Temporary) => return unknown(),
    };
    let organization = organization(&walk, domain);
    let Some(applied) = applied(&walk, domain, organization) else {
        return Ok(found(DmarcState::None, domain, None, Some("no policy")));
    };
    let policy = match policy(applied, domain, known) {
        Ok(Some(policy)) => Some(word(policy)),
        Ok(None) => return Ok(found(DmarcState::None, domain, None, Some("no policy"))),
        Err(Stop::Missing(question)) => return Err(question),
        Err(Stop::Temporary) => return unknown(),
    };
    let mut aligned = Aligned { domain, organization, known };
    Ok(match aligned.any(spf, dkim, &applied.1) {
        Ok(true) => found(DmarcState::Pass, domain, policy, None),
        Ok(false) => found(DmarcState::Fail, domain, policy, Some("nothing good is of the author's domain")),
        Err(Stop::Missing(question)) => return Err(question),
        Err(Stop::Temporary) => found(DmarcState::TempError, domain, policy, Some("DNS has not answered")),
    })
}

enum Stop {
    Missing(Question),
    Temporary,
}

/// The records on the way from a domain up to its top, each with its domain (RFC 9989, 4.10).
type Walk<'d> = Vec<(&'d str, Record)>;

/// Labels of a long name that are looked at, behind the name itself: eight questions in all.
const WALK_LABELS_MAX: usize = 7;

fn walk<'d>(domain: &'d str, known: Known<'_>) -> Result<Walk<'d>, Stop> {
    let mut walk = Walk::new();
    let mut name = domain;
    loop {
        if let Some(record) = record(name, known)? {
            let stops = record.psd != Psd::Default;
            walk.push((name, record));
            if stops {
                break;
            }
        }
        let labels = name.split('.').count();
        if labels == 1 {
            break;
        }
        name = last_labels(name, (labels - 1).min(WALK_LABELS_MAX));
    }
    Ok(walk)
}

/// The one record of a domain; several are none.
fn record(domain: &str, known: Known<'_>) -> Result<Option<Record>, Stop> {
    let Some(question) = Question::new(Kind::Txt, &format!("_dmarc.{domain}")) else { return Ok(None) };
    let records = match known(&question) {
        None => return Err(Stop::Missing(question)),
        Some(Answer::Failed(_)) => return Err(Stop::Temporary),
        Some(Answer::None) => return Ok(None),
        Some(Answer::Found(records)) => records,
    };
    let Records::Texts(texts) = &*records else { return Ok(None) };
    let mut records = texts.iter().filter_map(|text| Record::parse(text).ok());
    Ok(records.next().filter(|_| records.next().is_none()))
}

/// The last labels of a name.
fn last_labels(name: &str, count: usize) -> &str {
    let skipped = name.split('.').count().saturating_sub(count);
    let mut rest = name;
    for _ in 0..skipped {
        rest = rest.split_once('.').map_or(rest, |(_, rest)| rest);
    }
    rest
}

/// The organizational domain (RFC 9989, 4.10.2).
fn organization<'d>(walk: &Walk<'d>, domain: &'d str) -> &'d str {
    for (name, record) in walk {
        match record.psd {
            Psd::No => return name,
            Psd::Yes if *name != domain => return last_labels(domain, name.split('.').count() + 1),
            _ => {}
        }
    }
    walk.last().map_or(domain, |(name, _)| name)
}

/// The record that counts: the domain's own, its organization's, its public suffix's.
fn applied<'w, 'd>(walk: &'w Walk<'d>, domain: &str, organization: &str) -> Option<&'w (&'d str, Record)> {
    let of = |name: &str| walk.iter().find(|(known, _)| *known == name);
    of(domain).or_else(|| of(organization)).or(walk.last())
}

/// What a record asks for; `None` when it does not say (RFC 9989, 4.10.1).
fn policy(applied: &(&str, Record), domain: &str, known: Known<'_>) -> Result<Option<Policy>, Stop> {
    let (of, record) = applied;
    let policy = if record.p == Policy::Unspecified {
        if record.rua.is_empty() {
            return Ok(None);
        }
        Policy::None
    } else if *of == domain {
        record.p
    } else if record.np != record.sp && !exists(domain, known)? {
        record.np
    } else {
        record.sp
    };
    // In test mode one step less is asked for (RFC 9989, 4.7).
    Ok(Some(match policy {
        Policy::Reject if record.t => Policy::Quarantine,
        Policy::Quarantine if record.t => Policy::None,
        policy => policy,
    }))
}

/// Whether there is anything under a name that mail could go to or come from. We can't tell a name without records from one
/// that is not there, so a name exists when it has an exchanger or an address.
fn exists(domain: &str, known: Known<'_>) -> Result<bool, Stop> {
    for question in [Kind::A, Kind::Aaaa, Kind::Mx].into_iter().filter_map(|kind| Question::new(kind, domain))
    {
        match known(&question) {
            None => return Err(Stop::Missing(question)),
            Some(Answer::Failed(_)) => return Err(Stop::Temporary),
            Some(Answer::Found(_)) => return Ok(true),
            Some(Answer::None) => {}
        }
    }
    Ok(false)
}

const fn word(policy: Policy) -> &'static str {
    match policy {
        Policy::Reject => "reject",
        Policy::Quarantine => "quarantine",
        Policy::None | Policy::Unspecified => "none",
    }
}

/// Compares domains with the author's (RFC 9989, 4.10.2).
struct Aligned<'a> {
    domain: &'a str,
    organization: &'a str,
    known: Known<'a>,
}

impl Aligned<'_> {
    /// Whether something that is good is of the author's domain; unknown when it might be.
    fn any(&mut self, spf: &Spf, dkim: &Dkim, record: &Record) -> Result<bool, Stop> {
        let mut unknown = false;
        let by_spf = match spf.result {
            SpfResult::Pass => Some((&*spf.domain, true)),
            SpfResult::TempError => Some((&*spf.domain, false)),
            _ => None,
        };
        let by_spf = by_spf.into_iter().map(|(domain, good)| (domain.to_owned(), good, record.aspf));
        let by_dkim = dkim.signatures.iter().filter_map(|signature| {
            let good = match signature.state {
                DkimState::Pass => true,
                DkimState::TempError => false,
                _ => return None,
            };
            Some((String::from_utf8_lossy(&signature.domain).into_owned(), good, record.adkim))
        });
        for (domain, good, alignment) in by_spf.chain(by_dkim) {
            match self.is_aligned(&domain, alignment) {
                Ok(true) if good => return Ok(true),
                Ok(true) | Err(Stop::Temporary) => unknown = true,
                Ok(false) => {}
                Err(missing) => return Err(missing),
            }
        }
        if unknown { Err(Stop::Temporary) } else { Ok(false) }
    }

    fn is_aligned(&mut self, domain: &str, alignment: Alignment) -> Result<bool, Stop> {
        let Some(domain) = ascii(domain) else { return Ok(false) };
        if *domain == *self.domain {
            return Ok(true);
        }
        let below = domain.strip_suffix(self.organization);
        let is_below = below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        if alignment == Alignment::Strict || !is_below {
            return Ok(false);
        }
        let walk = walk(&domain, self.known)?;
        Ok(organization(&walk, &domain) == self.organization)
    }
}
