//! From `dnsbl` declarations to lists that can be asked: which replies count, and what a probe asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use weir_lang::plan::{Arg, Constant, Declared, Plan, Target, Term};
use weir_lang::scheme::Type;

use super::args::{Args, setting};
use crate::dns::{self, Health, Kind, Listing, Question, TestPoints};
use crate::generation::{Dnsbl, Probe, ZoneFile};
use crate::limits::DNSBL_PROBE_EVERY_MIN;
use crate::scheme::fields::FIELDS;

/// `dnsbl`
pub(super) fn dnsbl(plan: &Plan, index: usize, declared: &Declared, files: Vec<ZoneFile>) -> Dnsbl {
    let zone = setting(declared, "zone").and_then(Args::text).unwrap_or_default();
    Dnsbl {
        name: declared.name.clone(),
        zone: zone.to_owned(),
        files,
        listing: listing(declared),
        timeout: setting(declared, "timeout").and_then(Args::duration).unwrap_or(Duration::from_secs(2)),
        server: setting(declared, "server").and_then(|args| args.sockets().next()),
        probe: setting(declared, "probe").and_then(|args| probe(args, zone, asked_for(plan, index))),
        health: Arc::new(Health::default()),
    }
}

fn listing(declared: &Declared) -> Listing {
    let bits = setting(declared, "bits").map(bits).unwrap_or_default();
    let listed = match setting(declared, "listed").map(Args::quads) {
        Some(listed) => listed,
        None if bits > 0 => Vec::new(),
        None => Listing::default().listed,
    };
    Listing { listed, bits, error: setting(declared, "error").map(Args::quads).unwrap_or_default() }
}

fn bits(args: Args<'_>) -> u32 {
    args.0.iter().fold(0, |bits, arg| match arg {
        Arg::Int(number) => bits | u32::try_from(*number).unwrap_or(0),
        Arg::Ip(IpAddr::V4(mask)) => bits | u32::from(*mask),
        _ => bits,
    })
}

/// What a list is asked for by the rules.
#[derive(Clone, Copy, Default)]
struct AskedFor {
    addresses: bool,
    domains: bool,
}

fn asked_for(plan: &Plan, index: usize) -> AskedFor {
    let mut asked = AskedFor::default();
    for slot in plan.slots().iter().filter(|slot| slot.target == Target::Declaration(index)) {
        match slot.arguments.first().map(|term| is_address(plan, term)) {
            Some(true) => asked.addresses = true,
            Some(false) => asked.domains = true,
            None => {}
        }
    }
    asked
}

fn is_address(plan: &Plan, term: &Term) -> bool {
    let of_field = |spec: usize| FIELDS.get(spec).is_some_and(|field| matches!(field.ty, Type::Ip));
    match term {
        Term::Constant(constant) => matches!(constant, Constant::Ip(_)),
        Term::Held { spec, .. } => of_field(*spec),
        Term::Slot(slot) => match plan.slots().get(usize::from(slot.0)).map(|slot| slot.target) {
            Some(Target::Field(spec)) => of_field(spec),
            _ => false,
        },
        Term::Member { .. } | Term::Message => false,
    }
}

/// What RFC 5782, 5, says that each list has,
const LISTED: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))];
/// and what none has. That of IPv6 must not be there either, but a list of IPv4 alone lacks its counterpart.
const CLEAN: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1))];

/// `probe`: its interval, and its points in the place of those of RFC 5782.
fn probe(args: Args<'_>, zone: &str, asked: AskedFor) -> Option<Probe> {
    let every = args.duration()?.max(DNSBL_PROBE_EVERY_MIN);
    let usual = |addresses: &[IpAddr], domain| {
        let addresses = addresses.iter().filter(|_| asked.addresses || !asked.domains);
        let mut points: Vec<String> = addresses.map(|address| dns::address_name(*address, zone)).collect();
        if asked.domains {
            points.push(dns::domain_name(domain, zone));
        }
        points
    };
    let given = |word, other| {
        let behind = args.after(word)?;
        let end = behind.0.iter().position(|arg| matches!(arg, Arg::Word(word) if word == other));
        let points = behind.0.get(..end.unwrap_or(behind.0.len()))?.iter().filter_map(|arg| match arg {
            Arg::Ip(address) => Some(dns::address_name(*address, zone)),
            Arg::Text(domain) => Some(dns::domain_name(domain, zone)),
            _ => None,
        });
        Some(points.collect())
    };
    let listed: Vec<String> = given("listed", "clean").unwrap_or_else(|| usual(&LISTED, "test"));
    let clean: Vec<String> = given("clean", "listed").unwrap_or_else(|| usual(&CLEAN, "invalid"));
    let questions =
        |names: Vec<String>| names.iter().filter_map(|name| Question::new(Kind::A, name)).collect();
    Some(Probe { every, points: TestPoints { listed: questions(listed), clean: questions(clean) } })
}

#[cfg(test)]
mod tests {
    use crate::config::{Base, OneFile, Overrides, generation, load_from};
    use crate::generation::{Dnsbl, Generation};

    fn made(setting: &str, asked: &str, older: Option<&Generation>) -> Generation {
        let text = format!(
            "weir 1\ndnsbl d {{ zone \"d.example.org\" {setting} }}\n\
             on rcpt {{ reject 550 5.7.1 \"no\" if d({asked}) }}\non message {{ discard }}\n"
        );
        let loaded = load_from(["t.weir"], &OneFile(text.leak()));
        let shown = loaded.render(weir_lang::diagnostic::render::Style::Plain);
        let plan = loaded.plan.unwrap_or_else(|| panic!("{shown}"));
        generation(plan, &Base { number: 1, older, host_name: "host", overrides: &Overrides::default() })
    }

    fn list(generation: &Generation) -> &std::sync::Arc<Dnsbl> {
        generation.dns_lists().next().unwrap()
    }

    #[track_caller]
    fn check(setting: &str, asked: &str, listed: &[&str], clean: &[&str]) {
        let generation = made(setting, asked, None);
        let points = &list(&generation).probe.as_ref().unwrap().points;
        let names = |questions: &[crate::dns::Question]| -> Vec<String> {
            questions.iter().map(|question| question.name().replace(".d.example.org", "")).collect()
        };
        assert_eq!(
            (names(&points.listed), names(&points.clean)),
            (
                listed.iter().map(ToString::to_string).collect(),
                clean.iter().map(ToString::to_string).collect(),
            )
        );
    }

    #[test]
    fn what_a_probe_asks_goes_by_what_the_list_is_asked_for() {
        let never = "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0";
        check("probe 10m", "client.ip", &["2.0.0.127"], &["1.0.0.127", never]);
        check("probe 10m", "client.rdns", &["test"], &["invalid"]);
        check("probe 10m", "sender.domain", &["test"], &["invalid"]);
        check("probe 10m, listed 127.0.0.9", "client.ip", &["9.0.0.127"], &["1.0.0.127", never]);
        check(
            "probe 10m, listed \"dbltest.com\", \"other.example\", clean \"example.com\"",
            "rcpt.domain",
            &["dbltest.com", "other.example"],
            &["example.com"],
        );
        check("probe 10m, clean 127.0.0.3, listed 127.0.0.9", "client.ip", &["9.0.0.127"], &["3.0.0.127"]);
        assert!(list(&made("probe off", "client.ip", None)).probe.is_none());
        assert!(list(&made("", "client.ip", None)).probe.is_none());
    }

    #[test]
    fn a_list_that_is_off_stays_off_over_a_reload() {
        let first = made("probe 10m", "client.ip", None);
        list(&first).health.set(Err(String::from("dead")));
        let same = made("probe 10m", "client.ip", Some(&first));
        assert!(list(&same).health.is_off());
        let other = made("probe 10m timeout 1s", "client.ip", Some(&same));
        assert!(!list(&other).health.is_off(), "another list is given the benefit of the doubt");
    }
}
