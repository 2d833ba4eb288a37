//! SPF (RFC 7208): whether a domain names a client as its own.
//!
//! mail-auth reads the records and expands their macros. Who asks what, and how often, is ours: the check is a step over
//! the answers that are known, which names the question that it misses, as every look-up here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::spf::{Macro, Mechanism, Qualifier, Spf as Record, Variables};

use crate::dns::{Answer, Kind, Known, Question, Records, address_name};
use crate::limits::{SPF_HOSTS_MAX, SPF_LOOKUPS_MAX, SPF_VOIDS_MAX};

/// Who is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub ip: IpAddr,
    /// What it calls itself.
    pub helo: String,
    /// The reverse-path; empty for `<>`.
    pub sender: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spf {
    /// The result.
    pub result: SpfResult,
    /// Whose record was asked for.
    pub domain: Box<str>,
    /// The domain is what the client calls itself, since there is no sender (RFC 7208, 2.4).
    pub is_helo: bool,
    /// Why, when it is an error.
    pub reason: Option<Box<str>>,
}

/// The results of RFC 7208, 2.6, in the order of [`crate::scheme::auth::SPF_ANSWER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpfResult {
    /// The client is the domain's own.
    Pass,
    /// It is not.
    Fail,
    /// It is probably not.
    SoftFail,
    /// The domain does not say.
    Neutral,
    /// There is no record.
    None,
    /// DNS has not answered.
    TempError,
    /// The record can't be used.
    PermError,
}

impl Spf {
    /// When its look-up has come to nothing.
    pub fn unknown() -> Self {
        Self { result: SpfResult::TempError, domain: Box::default(), is_helo: false, reason: None }
    }
}

impl Client {
    /// The identity that is checked: the domain of the sender, or without one what the client calls itself, which is then told.
    pub fn identity(&self) -> (&str, bool) {
        match self.sender.rsplit_once('@') {
            Some((_, domain)) if !domain.is_empty() => (domain, false),
            _ => (&self.helo, true),
        }
    }

    /// The mailbox for which macros stand (RFC 7208, 4.3): without a local part it is the postmaster's.
    fn mailbox(&self) -> String {
        let (domain, _) = self.identity();
        let local = self.sender.rsplit_once('@').map_or("", |(local, _)| local);
        format!("{}@{domain}", if local.is_empty() { "postmaster" } else { local })
    }
}

/// Checks a client.
pub fn spf(client: &Client, known: Known<'_>) -> Result<Spf, Question> {
    let (domain, is_helo) = client.identity();
    let found = |result, reason| Spf { result, domain: domain.into(), is_helo, reason };
    if !can_have_record(domain) {
        return Ok(found(SpfResult::None, Some("no domain that could have a record".into())));
    }
    let mut variables = Variables::new();
    let ip = client.ip.to_canonical();
    variables.set_ip(&ip);
    variables.set_sender(client.mailbox().into_bytes());
    variables.set_helo_domain(client.helo.clone().into_bytes());
    let mut check = Check { ip, variables, known, lookups: 0, voids: 0, has_validated: false };
    match check.domain(domain) {
        Ok(result) => Ok(found(result, None)),
        Err(Stop::Missing(question)) => Err(question),
        Err(Stop::Temporary(name)) => {
            Ok(found(SpfResult::TempError, Some(format!("DNS has not answered for {name}").into())))
        }
        Err(Stop::Permanent(reason)) => Ok(found(SpfResult::PermError, Some(reason.into()))),
    }
}

/// A domain of at least two labels, and no address literal (RFC 7208, 4.3).
fn can_have_record(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    domain.contains('.') && !domain.starts_with('[') && Question::new(Kind::Txt, domain).is_some()
}

/// A check under way.
struct Check<'a> {
    ip: IpAddr,
    variables: Variables<'static>,
    known: Known<'a>,
    lookups: usize,
    voids: usize,
    /// The variable `%{p}` has been set.
    has_validated: bool,
}

/// Why a check does not go on.
enum Stop {
    Missing(Question),
    /// DNS has not answered for this name.
    Temporary(Box<str>),
    /// The record is at fault.
    Permanent(&'static str),
}

impl Check<'_> {
    /// `check_host` (RFC 7208, 4). Nests with `include` and `redirect`, each of which is a look-up and so counted.
    fn domain(&mut self, domain: &str) -> Result<SpfResult, Stop> {
        let Some(record) = self.record(domain)? else { return Ok(SpfResult::None) };
        for directive in &record.directives {
            self.variables.set_domain(domain.as_bytes().to_vec());
            if self.matches(&directive.mechanism, domain)? {
                return Ok(match directive.qualifier {
                    Qualifier::Pass => SpfResult::Pass,
                    Qualifier::Fail => SpfResult::Fail,
                    Qualifier::SoftFail => SpfResult::SoftFail,
                    Qualifier::Neutral => SpfResult::Neutral,
                });
            }
        }
        let Some(target) = &record.redirect else { return Ok(SpfResult::Neutral) };
        self.count_lookup()?;
        self.variables.set_domain(domain.as_bytes().to_vec());
        let target = self.expand(target, domain)?;
        match self.domain(&target)? {
            SpfResult::None => Err(Stop::Permanent("a redirect leads to no record")),
            result => Ok(result),
        }
    }

    /// The one record of a domain (RFC 7208, 4.5).
    fn record(&mut self, domain: &str) -> Result<Option<Record>, Stop> {
        let Some(Records::Texts(texts)) = self.ask(Kind::Txt, domain)?.as_deref().cloned() else {
            return Ok(None);
        };
        let mut records = texts.iter().filter(|text| is_record(text));
        let Some(first) = records.next() else { return Ok(None) };
        if records.next().is_some() {
            return Err(Stop::Permanent("there are several records"));
        }
        let read = is_sound(first).then(|| Record::parse(first).ok()).flatten();
        read.map(Some).ok_or(Stop::Permanent("the record can't be read"))
    }

    fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Stop> {
        if mechanism.needs_ptr() {
            self.set_validated(domain)?;
        }
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4 { addr, mask } => Ok(is_within(self.ip, IpAddr::V4(*addr), *mask, 0)),
            Mechanism::Ip6 { addr, mask } => Ok(is_within(self.ip, IpAddr::V6(*addr), 0, *mask)),
            Mechanism::A { macro_string, ip4_mask, ip6_mask } => {
                self.count_lookup()?;
                let target = self.expand(macro_string, domain)?;
                let addresses = self.addresses(&target)?;
                self.count_void(addresses.is_empty())?;
                Ok(addresses.iter().any(|address| is_within(self.ip, *address, *ip4_mask, *ip6_mask)))
            }
            Mechanism::Mx { macro_string, ip4_mask, ip6_mask } => {
                self.count_lookup()?;
                let target = self.expand(macro_string, domain)?;
                self.mail_exchanger(&target, *ip4_mask, *ip6_mask)
            }
            Mechanism::Include { macro_string } => {
                self.count_lookup()?;
                let target = self.expand(macro_string, domain)?;
                match self.domain(&target)? {
                    SpfResult::Pass => Ok(true),
                    SpfResult::None => Err(Stop::Permanent("an include leads to no record")),
                    _ => Ok(false),
                }
            }
            Mechanism::Ptr { macro_string } => {
                self.count_lookup()?;
                let target = self.expand(macro_string, domain)?.to_ascii_lowercase();
                let target = target.strip_suffix('.').unwrap_or(&target).to_owned();
                Ok(self.validated()?.iter().any(|name| is_below(name, &target)))
            }
            Mechanism::Exists { macro_string } => {
                self.count_lookup()?;
                let target = self.expand(macro_string, domain)?;
                // Of IPv4, whatever the client has (RFC 7208, 5.7).
                let exists = self.ask(Kind::A, &target)?.is_some();
                self.count_void(!exists)?;
                Ok(exists)
            }
        }
    }

    fn mail_exchanger(&mut self, target: &str, ip4_mask: u32, ip6_mask: u128) -> Result<bool, Stop> {
        let found = self.ask(Kind::Mx, target)?;
        self.count_void(found.is_none())?;
        let Some(Records::Exchanges(hosts)) = found.as_deref().cloned() else { return Ok(false) };
        for (_, host) in hosts.iter().take(SPF_HOSTS_MAX) {
            let addresses = self.addresses(host)?;
            if addresses.iter().any(|address| is_within(self.ip, *address, ip4_mask, ip6_mask)) {
                return Ok(true);
            }
        }
        if hosts.len() > SPF_HOSTS_MAX {
            return Err(Stop::Permanent("a domain has more than 10 mail exchangers"));
        }
        Ok(false)
    }

    /// The names of the client that lead back to it (RFC 7208, 5.5). What can't be had does not count.
    fn validated(&mut self) -> Result<Vec<Box<str>>, Stop> {
        let zone = if self.ip.is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
        let names = match self.ask(Kind::Ptr, &address_name(self.ip, zone)) {
            Ok(Some(records)) => match &*records {
                Records::Names(names) => names.clone(),
                _ => Vec::new(),
            },
            Err(Stop::Missing(question)) => return Err(Stop::Missing(question)),
            Ok(None) | Err(_) => Vec::new(),
        };
        let mut validated = Vec::new();
        for name in names.into_iter().take(SPF_HOSTS_MAX) {
            match self.addresses(&name) {
                Ok(addresses) if addresses.contains(&self.ip) => validated.push(name),
                Err(Stop::Missing(question)) => return Err(Stop::Missing(question)),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(validated)
    }

    /// Sets `%{p}`: the domain itself if it is a name of the client, then one below it, then any (RFC 7208, 7.3).
    fn set_validated(&mut self, domain: &str) -> Result<(), Stop> {
        if !self.has_validated {
            let names = self.validated()?;
            let best = names
                .iter()
                .find(|name| name.eq_ignore_ascii_case(domain))
                .or_else(|| names.iter().find(|name| is_below(name, &domain.to_ascii_lowercase())))
                .or(names.first());
            let name = best.map_or("unknown", |name| name);
            self.variables.set_validated_domain(name.as_bytes().to_vec());
            self.has_validated = true;
        }
        Ok(())
    }

    /// The name that a term asks for: at most 253 characters, labels on the left are dropped (RFC 7208, 7.3).
    fn expand(&self, name: &Macro, domain: &str) -> Result<String, Stop> {
        let whole = name.eval(&self.variables, domain, false);
        let mut expanded = whole.strip_suffix('.').unwrap_or(&whole);
        while expanded.len() > 253 {
            let Some((_, rest)) = expanded.split_once('.') else {
                return Err(Stop::Permanent("a name is too long"));
            };
            expanded = rest;
        }
        Ok(expanded.to_owned())
    }

    /// The addresses of a host, of the client's family.
    fn addresses(&mut self, host: &str) -> Result<Vec<IpAddr>, Stop> {
        let kind = if self.ip.is_ipv4() { Kind::A } else { Kind::Aaaa };
        Ok(match self.ask(kind, host)?.as_deref() {
            Some(Records::Addresses(addresses)) => addresses.clone(),
            _ => Vec::new(),
        })
    }

    /// What there is of this kind under a name; a name that can't be has nothing.
    fn ask(&mut self, kind: Kind, name: &str) -> Result<Option<std::rc::Rc<Records>>, Stop> {
        let Some(question) = Question::new(kind, name) else { return Ok(None) };
        match (self.known)(&question) {
            None => Err(Stop::Missing(question)),
            Some(Answer::Found(records)) => Ok(Some(records)),
            Some(Answer::None) => Ok(None),
            Some(Answer::Failed(_)) => Err(Stop::Temporary(question.name().into())),
        }
    }

    fn count_lookup(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > SPF_LOOKUPS_MAX { Err(Stop::Permanent("more than 10 look-ups")) } else { Ok(()) }
    }

    fn count_void(&mut self, is_void: bool) -> Result<(), Stop> {
        self.voids += usize::from(is_void);
        if self.voids > SPF_VOIDS_MAX {
            return Err(Stop::Permanent("more than 2 look-ups for nothing"));
        }
        Ok(())
    }
}

/// `v=spf1`, and a space or nothing behind it.
fn is_record(text: &[u8]) -> bool {
    let version = text.get(..6).is_some_and(|version| version.eq_ignore_ascii_case(b"v=spf1"));
    version && matches!(text.get(6), None | Some(b' '))
}

/// What mail-auth lets pass and RFC 7208 does not: a record is of US-ASCII (3.1) and of known mechanisms (4.6.1), and addresses in
/// it are whole (5.6).
fn is_sound(text: &[u8]) -> bool {
    text.is_ascii() && str::from_utf8(text).is_ok_and(|text| text.split(' ').skip(1).all(is_sound_term))
}

fn is_sound_term(term: &str) -> bool {
    const MECHANISMS: [&str; 8] = ["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"];
    let Some(end) = term.find([':', '=', '/']) else {
        let name = term.trim_start_matches(['+', '-', '~', '?']);
        return term.is_empty() || MECHANISMS.iter().any(|known| name.eq_ignore_ascii_case(known));
    };
    let (name, value) = term.split_at(end);
    if value.starts_with('=') {
        return true;
    }
    let name = name.trim_start_matches(['+', '-', '~', '?']).to_ascii_lowercase();
    let value = value.strip_prefix(':').unwrap_or(value);
    let address = value.split('/').next().unwrap_or(value);
    match name.as_str() {
        "ip4" => address.parse::<Ipv4Addr>().is_ok(),
        "ip6" => address.parse::<Ipv6Addr>().is_ok(),
        name => MECHANISMS.contains(&name),
    }
}

/// Whether an address is in the network of another one of its family.
fn is_within(ip: IpAddr, net: IpAddr, ip4_mask: u32, ip6_mask: u128) -> bool {
    match (ip, net) {
        (IpAddr::V4(ip), IpAddr::V4(net)) => ip.to_bits() & ip4_mask == net.to_bits() & ip4_mask,
        (IpAddr::V6(ip), IpAddr::V6(net)) => ip.to_bits() & ip6_mask == net.to_bits() & ip6_mask,
        _ => false,
    }
}

/// Whether a name is that domain or below it; both in lower case.
fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
