//! What a sink is told to do wrong, and how often.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use weir_smtp::Stage;

use crate::dice::Dice;
use crate::orders;
use crate::value::{Share, duration, pair};

/// A point of a session at which something can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// A command, or the message's final reply for [`Stage::Message`]: the message is not taken.
    At(Stage),
    /// Within the message, before its dot.
    Body,
    /// The message was taken and counted, its reply was not sent.
    Taken,
    /// The message was taken and its reply was sent.
    Replied,
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "connect" => Self::At(Stage::Connect),
            "helo" => Self::At(Stage::Helo),
            "mail" => Self::At(Stage::Mail),
            "rcpt" => Self::At(Stage::Rcpt),
            "data" => Self::At(Stage::Data),
            "dot" => Self::At(Stage::Message),
            "body" => Self::Body,
            "taken" => Self::Taken,
            "replied" => Self::Replied,
            _ => {
                return Err(format!(
                    "`{text}` is no point of a session: connect, helo, mail, rcpt, data, body, dot, taken or replied"
                ));
            }
        })
    }
}

fn at_point(text: &str) -> Result<(Point, Share), String> {
    let (point, share) = pair(text, "POINT=SHARE, such as body=1%")?;
    Ok((point.parse()?, share.parse()?))
}

fn at_stage(text: &str) -> Result<(Stage, &str), String> {
    let (point, rest) = pair(text, "COMMAND=VALUE")?;
    match point.parse()? {
        Point::At(stage) => Ok((stage, rest)),
        _ => Err(format!("`{point}` has no reply of its own: connect, helo, mail, rcpt, data or dot")),
    }
}

fn refusal(text: &str) -> Result<(Stage, u16, Share), String> {
    let (stage, rest) = at_stage(text)?;
    let wanted = || format!("`{text}` is not of the form COMMAND=CODE:SHARE, such as rcpt=450:5%");
    let (code, share) = rest.split_once(':').ok_or_else(wanted)?;
    let code = code.parse::<u16>().map_err(|_| wanted())?;
    if !(400..600).contains(&code) {
        return Err(format!("{code} refuses nothing: 400 to 599 do"));
    }
    Ok((stage, code, share.parse()?))
}

fn latency(text: &str) -> Result<(Option<Stage>, Duration), String> {
    if text.contains('=') {
        let (stage, time) = at_stage(text)?;
        return Ok((Some(stage), duration(time)?));
    }
    Ok((None, duration(text)?))
}

/// The faults. Each list is separated by commas or given by several options.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Faults")]
pub(crate) struct Faults {
    /// Wait before replies: TIME for all, or COMMAND=TIME; `--latency 2ms,dot=50ms`. Commands: connect (the greeting),
    /// helo, mail, rcpt, data, dot (the message's reply). One of a command comes on top of one for all.
    #[arg(long, value_name = "[COMMAND=]TIME", value_delimiter = ',', value_parser = latency)]
    latency: Vec<(Option<Stage>, Duration)>,
    /// Refuse a share of commands with a code of 4xx or 5xx; `--refuse rcpt=450:5%,dot=554:1%`. A 421 also closes.
    #[arg(long, value_name = "COMMAND=CODE:SHARE", value_delimiter = ',', value_parser = refusal)]
    refuse: Vec<(Stage, u16, Share)>,
    /// Close without a word, at the commands, or `body` (within the message), `dot` (the whole message is there, but not
    /// taken), `taken` (counted, but not answered), `replied` (counted and answered); `--close body=1%,taken=0.5%`.
    #[arg(long, value_name = "POINT=SHARE", value_delimiter = ',', value_parser = at_point)]
    close: Vec<(Point, Share)>,
    /// Say nothing more and keep the connection open, at the same points; `--stall rcpt=0.1%`.
    #[arg(long, value_name = "POINT=SHARE", value_delimiter = ',', value_parser = at_point)]
    stall: Vec<(Point, Share)>,
    /// The share of connections that write their replies byte by byte; `--bytewise 10%`.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    pub(crate) bytewise: Share,
}

impl orders::Faults for Faults {
    fn take(&mut self, word: &str, new: Self) -> bool {
        match word {
            "latency" => self.latency = new.latency,
            "refuse" => self.refuse = new.refuse,
            "close" => self.close = new.close,
            "stall" => self.stall = new.stall,
            "bytewise" => self.bytewise = new.bytewise,
            _ => return false,
        }
        true
    }
}

/// What happens to a session at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    GoOn,
    Refuse(u16),
    Close,
    Stall,
}

impl Faults {
    /// Throws for what happens at a point. A close comes before a stall, and both before a refusal.
    pub(crate) fn fate(&self, point: Point, dice: &mut Dice) -> Fate {
        let mut falls =
            |list: &[(Point, Share)]| list.iter().any(|(at, share)| *at == point && dice.falls(*share));
        if falls(&self.close) {
            return Fate::Close;
        }
        if falls(&self.stall) {
            return Fate::Stall;
        }
        let refused = self.refuse.iter().find(|(at, _, share)| Point::At(*at) == point && dice.falls(*share));
        refused.map_or(Fate::GoOn, |(_, code, _)| Fate::Refuse(*code))
    }

    /// How long the reply of a stage waits.
    pub(crate) fn latency(&self, stage: Stage) -> Duration {
        let applies = |at: Option<Stage>| at.is_none_or(|at| at == stage);
        self.latency.iter().filter(|(at, _)| applies(*at)).map(|(_, time)| *time).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_mistakes_are_named() {
        assert_eq!(refusal("rcpt=450:5%"), Ok((Stage::Rcpt, 450, "5%".parse().unwrap())));
        assert_eq!(latency("dot=5ms"), Ok((Some(Stage::Message), Duration::from_millis(5))));
        for (wrong, word) in
            [("rcpt=250:5%", "refuses nothing"), ("body=450:5%", "no reply"), ("rcpt=450", "form")]
        {
            assert!(refusal(wrong).unwrap_err().contains(word), "{wrong}");
        }
        assert!(at_point("eof=1%").unwrap_err().contains("no point"));
        assert!(at_point("dot").unwrap_err().contains("form"));
    }

    #[test]
    fn fates_happen_where_they_were_asked_for() {
        let faults = Faults {
            latency: vec![(None, Duration::from_millis(1)), (Some(Stage::Rcpt), Duration::from_millis(2))],
            refuse: vec![(Stage::Rcpt, 450, Share::ALL)],
            close: vec![(Point::Body, Share::ALL)],
            ..Faults::default()
        };
        let mut dice = Dice::new(1);
        assert_eq!(faults.fate(Point::At(Stage::Rcpt), &mut dice), Fate::Refuse(450));
        assert_eq!(faults.fate(Point::Body, &mut dice), Fate::Close);
        assert_eq!(faults.fate(Point::At(Stage::Mail), &mut dice), Fate::GoOn);
        assert_eq!(faults.latency(Stage::Rcpt), Duration::from_millis(3));
        assert_eq!(faults.latency(Stage::Data), Duration::from_millis(1));
    }

    #[test]
    fn orders_replace_what_they_name() {
        let mut faults = Faults::default();
        for order in ["latency 1ms", "refuse rcpt=450:100%,dot=554:1%", "latency dot=5ms", "bytewise 10%"] {
            assert_eq!(orders::change(&mut faults, order), Ok(()), "{order}");
        }
        assert_eq!(faults.latency, [(Some(Stage::Message), Duration::from_millis(5))]);
        assert_eq!((faults.refuse.len(), faults.bytewise), (2, "10%".parse().unwrap()));
        assert_eq!(orders::change(&mut faults, "refuse none"), Ok(()));
        assert_eq!((faults.refuse.len(), faults.latency.len()), (0, 1));
        for (wrong, word) in [
            ("refuse rcpt=250:5%", "refuses nothing"),
            ("jam 5%", "jam"),
            ("latency", "a word and a value"),
            ("help me", "help"),
        ] {
            assert!(orders::change(&mut faults, wrong).unwrap_err().contains(word), "{wrong}");
        }
        assert_eq!(faults.latency.len(), 1, "what is wrong changes nothing");
        assert_eq!(orders::change(&mut faults, "none"), Ok(()));
        assert!(faults.latency.is_empty() && faults.bytewise.is_none());
    }
}
