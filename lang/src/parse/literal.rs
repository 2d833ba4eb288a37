//! Constants that begin with a digit, a sign or a colon: what they are, and why they are none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::ast::Literal;
use crate::score::Score;

/// Units of time, in milliseconds.
const DURATIONS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Units of size, in bytes.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// The constant, or what is wrong with it and what to write instead.
pub(super) fn literal(text: &str) -> Result<Literal, Refused> {
    if text.starts_with('[') {
        return socket(text);
    }
    if text.contains('/') {
        return net(text);
    }
    if text.matches(':').count() >= 2 {
        let address = text.parse().map_err(|_| Refused::new(text, "an IPv6 address"))?;
        return Ok(Literal::Ip(address));
    }
    if text.contains(':') {
        return socket(text);
    }
    if let Some(number) = text.strip_suffix('%') {
        let percent = number.parse().map_err(|_| Refused::new(text, "a percentage"))?;
        return Ok(Literal::Percent(percent));
    }
    let unsigned = text.trim_start_matches(['-', '+']);
    let digits = unsigned.len() - unsigned.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = unsigned.split_at(digits);
    if unsigned.len() < text.len() && !rest.is_empty() && !rest.starts_with('.') {
        return Err(Refused::new(text, "a number").help("only scores and whole numbers have a sign"));
    }
    match rest.as_bytes().first() {
        None => text.parse().map(Literal::Int).map_err(|_| Refused::new(text, "a number of 64 bits")),
        Some(b'.' | b'*' | b'-') => dotted(text),
        Some(_) => unit(text, number, rest),
    }
}

/// Why a constant was refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Refused {
    fn new(text: &str, meant: &str) -> Self {
        Self { message: format!("`{text}` is not {meant}"), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// `500ms`, `25MB`.
fn unit(text: &str, number: &str, unit: &str) -> Result<Literal, Refused> {
    let of = |units: &[(&str, u64)]| units.iter().find(|(name, _)| *name == unit).map(|(_, worth)| *worth);
    let large = || Refused::new(text, "within 64 bits");
    let times = |worth: u64| number.parse::<u64>().ok().and_then(|count| count.checked_mul(worth));
    if let Some(worth) = of(DURATIONS) {
        let milliseconds = times(worth).filter(|product| i64::try_from(*product).is_ok());
        return milliseconds.map(Literal::Duration).ok_or_else(large);
    }
    if let Some(worth) = of(SIZES) {
        return times(worth).map(Literal::Size).ok_or_else(large);
    }
    let known = DURATIONS.iter().chain(SIZES).map(|(name, _)| *name);
    let meant = match unit {
        "sec" | "secs" | "second" | "seconds" => Some("s"),
        "min" | "mins" | "minute" | "minutes" => Some("m"),
        "hour" | "hours" => Some("h"),
        "day" | "days" => Some("d"),
        "K" | "k" | "kb" => Some("KB"),
        "M" | "mb" => Some("MB"),
        "G" | "gb" => Some("GB"),
        _ => known.clone().find(|name| name.eq_ignore_ascii_case(unit)),
    };
    let refused = Refused::new(text, "a number, a duration or a size");
    Err(match meant {
        Some(meant) => refused.help(format!("write `{number}{meant}`")),
        None => refused.help("durations end in ms, s, m, h or d, sizes in B, KB, MB, GB, KiB, MiB or GiB"),
    })
}

/// Numbers with dots: scores, enhanced codes, addresses and patterns of them.
fn dotted(text: &str) -> Result<Literal, Refused> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.matches('.').count() {
        0 => Err(Refused::new(text, "a number")
            .help("a range stands only in a pattern of addresses: `127.0.0.2-11`")),
        1 => Score::parse(text)
            .map(Literal::Score)
            .ok_or_else(|| Refused::new(text, "a score").help("a score has at most two decimals")),
        2 => enhanced(text)
            .ok_or_else(|| Refused::new(text, "an enhanced status code").help("such as `5.7.1` (RFC 3463)")),
        3 if plain => {
            text.parse::<Ipv4Addr>().map(|address| Literal::Ip(IpAddr::V4(address))).map_err(|_| {
                Refused::new(text, "an address").help("its numbers are 0 to 255, without leading zeros")
            })
        }
        3 => quad(text).map(Literal::Quad).ok_or_else(|| {
            Refused::new(text, "a pattern of addresses")
                .help("such as `127.0.*.2-3`, with numbers from 0 to 255")
        }),
        _ => Err(Refused::new(text, "a number or an address")),
    }
}

/// `5.7.1`: class 2, 4 or 5, then two numbers up to 999 (RFC 3463, section 2).
fn enhanced(text: &str) -> Option<Literal> {
    let mut parts = text.split('.');
    let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
    let number =
        |part: &str| part.parse::<u16>().ok().filter(|value| *value <= 999 && part == value.to_string());
    let class: u8 = class.parse().ok().filter(|class| matches!(class, 2 | 4 | 5))?;
    Some(Literal::Enhanced(class, number(subject)?, number(detail)?))
}

/// `127.0.*.2-3`: a number, a range or `*` for each octet.
fn quad(text: &str) -> Option<[(u8, u8); 4]> {
    let mut ranges = [(0, 0); 4];
    let mut parts = text.split('.');
    for range in &mut ranges {
        let part = parts.next()?;
        let octet =
            |digits: &str| digits.parse::<u8>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        *range = match part.split_once('-') {
            None if part == "*" => (0, u8::MAX),
            None => (octet(part)?, octet(part)?),
            Some((first, last)) => (octet(first)?, octet(last)?),
        };
        if range.0 > range.1 {
            return None;
        }
    }
    Some(ranges)
}

/// `192.0.2.0/24`: no bits beyond the prefix.
fn net(text: &str) -> Result<Literal, Refused> {
    let refused = || Refused::new(text, "a network");
    let (address, length) = text.split_once('/').ok_or_else(refused)?;
    let address: IpAddr = address.parse().map_err(|_| refused())?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    let length: u8 = length
        .parse()
        .ok()
        .filter(|bits| *bits <= bits_max && length.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| refused().help(format!("its prefix length is 0 to {bits_max}")))?;
    let first = first_of(address, length);
    if first != address {
        return Err(refused().help(format!("it has bits beyond its prefix; write `{first}/{length}`")));
    }
    Ok(Literal::Net(address, length))
}

/// The first address of the network that holds `address`.
fn first_of(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((four.to_bits() & mask).into())
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((six.to_bits() & mask).into())
        }
    }
}

/// `10.40.0.8:10024`, `[::]:25`.
fn socket(text: &str) -> Result<Literal, Refused> {
    let socket: Result<SocketAddr, _> = text.parse();
    socket.map(Literal::Socket).map_err(|_| {
        Refused::new(text, "an address with a port").help("such as `192.0.2.1:25` or `[2001:db8::1]:25`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind() {
        for (text, expected) in [
            ("60", Literal::Int(60)),
            ("-4", Literal::Int(-4)),
            ("2.5", Literal::Score(Score::from_hundredths(250))),
            ("-4.0", Literal::Score(Score::from_hundredths(-400))),
            ("500ms", Literal::Duration(500)),
            ("7d", Literal::Duration(7 * 86_400_000)),
            ("15360000B", Literal::Size(15_360_000)),
            ("4KiB", Literal::Size(4096)),
            ("80%", Literal::Percent(80)),
            ("192.0.2.7", Literal::Ip("192.0.2.7".parse().unwrap())),
            ("2001:db8::1", Literal::Ip("2001:db8::1".parse().unwrap())),
            ("::", Literal::Ip("::".parse().unwrap())),
            ("192.0.2.0/24", Literal::Net("192.0.2.0".parse().unwrap(), 24)),
            ("0.0.0.0/0", Literal::Net("0.0.0.0".parse().unwrap(), 0)),
            ("2001:db8::/32", Literal::Net("2001:db8::".parse().unwrap(), 32)),
            ("0.0.0.0:25", Literal::Socket("0.0.0.0:25".parse().unwrap())),
            ("[::]:25", Literal::Socket("[::]:25".parse().unwrap())),
            ("127.0.*.2-3", Literal::Quad([(127, 127), (0, 0), (0, 255), (2, 3)])),
            ("127.0.0.2-11", Literal::Quad([(127, 127), (0, 0), (0, 0), (2, 11)])),
            ("5.7.1", Literal::Enhanced(5, 7, 1)),
        ] {
            assert_eq!(literal(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn refused() {
        for text in [
            "2sec",
            "5mb",
            "1.2.3.4.5",
            "256.1.1.1",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "3.7.1",
            "5.1000.1",
            "2.555",
            "1.2.3.4:99999",
            "[::1]:x",
            "127.0.3-2.1",
            "99999999999999999999",
            "99999999999999999d",
            "-5s",
            "1-2",
            "fe80::zz",
            "5.07.1",
            "1:2",
            "3x",
            "300.0.0.1",
            "1.2.3.",
            "-1%",
        ] {
            assert!(literal(text).is_err(), "{text}: {:?}", literal(text));
        }
        assert_eq!(literal("2sec").unwrap_err().help.unwrap(), "write `2s`");
        assert_eq!(
            literal("192.0.2.1/24").unwrap_err().help.unwrap(),
            "it has bits beyond its prefix; write `192.0.2.0/24`"
        );
    }
}
