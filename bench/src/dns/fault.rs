//! What goes wrong with a name server, and how often.

use std::net::Ipv4Addr;
use std::time::Duration;

use clap::Args;
use hickory_proto::op::ResponseCode;

use super::records::plain;
use crate::dice::Dice;
use crate::orders;
use crate::value::{Pause, Share};

/// What a list that has had enough of a client answers.
const OVER_QUOTA: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 254);
/// What a list that has been given up answers to everything.
const LISTED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A share of questions, of all or of a zone.
type Part = (Option<String>, Share);

fn part(text: &str) -> Result<Part, String> {
    match text.split_once('=') {
        Some((zone, share)) => Ok((Some(plain(zone)), share.parse()?)),
        None => Ok((None, text.parse()?)),
    }
}

/// The faults. A share may be that of a zone and all below it: `zen.example.org=50%`. Of those that fall together the first counts,
/// in the order of this list.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Faults")]
pub(crate) struct Faults {
    /// Answer after a time, or after one from a range by chance, a share of questions; `20ms`, `5ms..80ms:30%`. Several add up.
    #[arg(long, value_name = "TIME[..TIME][:SHARE]", value_delimiter = ',')]
    latency: Vec<Pause>,
    /// Say nothing.
    #[arg(long, value_name = "[ZONE=]SHARE", value_delimiter = ',', value_parser = part)]
    drop: Vec<Part>,
    /// Answer SERVFAIL: the server has failed.
    #[arg(long, value_name = "[ZONE=]SHARE", value_delimiter = ',', value_parser = part)]
    servfail: Vec<Part>,
    /// Answer REFUSED: the client may not ask.
    #[arg(long, value_name = "[ZONE=]SHARE", value_delimiter = ',', value_parser = part)]
    refused: Vec<Part>,
    /// Answer NXDOMAIN: there is no such name, whatever there is.
    #[arg(long, value_name = "[ZONE=]SHARE", value_delimiter = ',', value_parser = part)]
    nxdomain: Vec<Part>,
    /// Answer 127.255.255.254, with which lists say that a client asks too much; names below a list's zone only.
    #[arg(long, value_name = "[ZONE=]SHARE", value_delimiter = ',', value_parser = part)]
    quota: Vec<Part>,
    /// Answer 127.0.0.2, as lists that were given up do: everything is listed; names below a list's zone only.
    #[arg(long, value_name = "[ZONE=]SHARE", value_delimiter = ',', value_parser = part)]
    everything: Vec<Part>,
    /// Cut the answer off over UDP, so that the client comes again over TCP.
    #[arg(long, value_name = "[ZONE=]SHARE", value_delimiter = ',', value_parser = part)]
    truncate: Vec<Part>,
    /// Answer with another id than that of the question, as a forger does; the client must not believe it.
    #[arg(long, value_name = "[ZONE=]SHARE", value_delimiter = ',', value_parser = part)]
    wrong_id: Vec<Part>,
}

impl orders::Faults for Faults {
    fn take(&mut self, word: &str, new: Self) -> bool {
        match word {
            "latency" => self.latency = new.latency,
            "drop" => self.drop = new.drop,
            "servfail" => self.servfail = new.servfail,
            "refused" => self.refused = new.refused,
            "nxdomain" => self.nxdomain = new.nxdomain,
            "quota" => self.quota = new.quota,
            "everything" => self.everything = new.everything,
            "truncate" => self.truncate = new.truncate,
            "wrong-id" => self.wrong_id = new.wrong_id,
            _ => return false,
        }
        true
    }
}

/// What happens to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    GoOn,
    Drop,
    Code(ResponseCode),
    Listed(Ipv4Addr),
    Truncate,
    WrongId,
}

impl Fate {
    /// As it is counted.
    pub(super) const fn word(self) -> Option<&'static str> {
        match self {
            Self::GoOn => None,
            Self::Drop => Some("drop"),
            Self::Code(ResponseCode::ServFail) => Some("servfail"),
            Self::Code(ResponseCode::Refused) => Some("refused"),
            Self::Code(_) => Some("nxdomain"),
            Self::Listed(OVER_QUOTA) => Some("quota"),
            Self::Listed(_) => Some("everything"),
            Self::Truncate => Some("truncate"),
            Self::WrongId => Some("wrong_id"),
        }
    }
}

impl Faults {
    /// Throws for a question; `list` is the zone of the list that it asks.
    pub(super) fn fate(&self, name: &str, list: Option<&str>, over_udp: bool, dice: &mut Dice) -> Fate {
        let is_listing = list.is_some_and(|zone| name.len() > zone.len());
        let faults = [
            (&self.drop, Fate::Drop, true),
            (&self.servfail, Fate::Code(ResponseCode::ServFail), true),
            (&self.refused, Fate::Code(ResponseCode::Refused), true),
            (&self.nxdomain, Fate::Code(ResponseCode::NXDomain), true),
            (&self.quota, Fate::Listed(OVER_QUOTA), is_listing),
            (&self.everything, Fate::Listed(LISTED), is_listing),
            (&self.truncate, Fate::Truncate, over_udp),
            (&self.wrong_id, Fate::WrongId, true),
        ];
        let mut falls = |parts: &[Part]| {
            parts.iter().any(|(zone, share)| {
                zone.as_ref().is_none_or(|zone| is_within(name, zone)) && dice.falls(*share)
            })
        };
        let found = faults.into_iter().find(|(parts, _, applies)| *applies && falls(parts));
        found.map_or(Fate::GoOn, |(_, fate, _)| fate)
    }

    /// How long an answer waits.
    pub(super) fn latency(&self, dice: &mut Dice) -> Duration {
        Pause::sum(&self.latency, dice)
    }
}

/// Whether a name is a zone or below it.
fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_fall_where_they_were_asked_for() {
        let mut faults = Faults::default();
        let mut dice = Dice::new(1);
        for order in
            ["servfail zen.example.org=100%", "quota 100%", "truncate 100%", "latency 2ms..4ms:100%,1ms"]
        {
            assert_eq!(orders::change(&mut faults, order), Ok(()), "{order}");
        }
        let mut fate = |name, list, over_udp| faults.fate(name, list, over_udp, &mut dice).word();
        assert_eq!(fate("2.0.0.127.zen.example.org", Some("zen.example.org"), true), Some("servfail"));
        assert_eq!(fate("2.0.0.127.dbl.example.org", Some("dbl.example.org"), true), Some("quota"));
        assert_eq!(fate("dbl.example.org", Some("dbl.example.org"), true), Some("truncate"));
        assert_eq!(fate("frozen.example.org", None, false), None);
        for _ in 0..20 {
            let latency = faults.latency(&mut dice);
            assert!((3..=5).contains(&latency.as_millis()), "{latency:?}");
        }
        for (wrong, word) in
            [("latency 5ms..1ms", "backwards"), ("drop 5", "no share"), ("drop a=b", "no share")]
        {
            assert!(orders::change(&mut faults, wrong).unwrap_err().contains(word), "{wrong}");
        }
    }
}
