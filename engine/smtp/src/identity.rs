//! Who a trusted peer says that its client is: the attributes of XCLIENT and XFORWARD (Postfix, `XCLIENT_README` and
//! `XFORWARD_README`), which are no standard but are spoken by Postfix, nginx, Haraka and others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::command::CommandFault;
use crate::extension::Extension;
use crate::xtext;

/// Longest text of an attribute that is kept, in bytes: that of a domain.
const TEXT_BYTES_MAX: usize = crate::address::DOMAIN_BYTES_MAX;

/// How a client is made known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introduction {
    /// By XCLIENT: the session begins anew as that client's.
    XClient,
    /// By XFORWARD, before each transaction.
    XForward,
}

impl Introduction {
    /// The extension that it needs.
    pub const fn extension(self) -> Extension {
        match self {
            Self::XClient => Extension::XClient,
            Self::XForward => Extension::XForward,
        }
    }

    const fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::XClient => &Attribute::XCLIENT,
            Self::XForward => &Attribute::XFORWARD,
        }
    }
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// The client's host name.
    Name,
    /// Its address.
    Addr,
    /// Its port.
    Port,
    /// `SMTP` or `ESMTP`.
    Proto,
    /// What it called itself in HELO or EHLO.
    Helo,
    /// As whom it logged in.
    Login,
    /// The address to which it connected.
    DestAddr,
    /// The port to which it connected.
    DestPort,
    /// The peer's own id of the message.
    Ident,
    /// `LOCAL` or `REMOTE`.
    Source,
}

impl Attribute {
    /// Those of XCLIENT, in the order in which EHLO lists them.
    pub const XCLIENT: [Self; 8] = [
        Self::Name,
        Self::Addr,
        Self::Port,
        Self::Proto,
        Self::Helo,
        Self::Login,
        Self::DestAddr,
        Self::DestPort,
    ];
    /// Those of XFORWARD.
    pub const XFORWARD: [Self; 7] =
        [Self::Name, Self::Addr, Self::Port, Self::Proto, Self::Helo, Self::Ident, Self::Source];

    /// The word of the wire.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::Addr => "ADDR",
            Self::Port => "PORT",
            Self::Proto => "PROTO",
            Self::Helo => "HELO",
            Self::Login => "LOGIN",
            Self::DestAddr => "DESTADDR",
            Self::DestPort => "DESTPORT",
            Self::Ident => "IDENT",
            Self::Source => "SOURCE",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// The attributes that a server offers to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(u16);

impl Attributes {
    /// Reads what follows `XCLIENT` or `XFORWARD` in the reply to EHLO. Unknown ones are not used.
    pub fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let all = Attribute::XCLIENT.into_iter().chain(Attribute::XFORWARD);
        words.fold(Self::default(), |set, word| {
            let known = all.clone().find(|attribute| attribute.keyword().eq_ignore_ascii_case(word));
            known.map_or(set, |attribute| Self(set.0 | attribute.bit()))
        })
    }

    /// Whether the attribute is offered.
    pub const fn has(self, attribute: Attribute) -> bool {
        self.0 & attribute.bit() != 0
    }
}

/// A client, as a peer knows it. What it does not know is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its address; one of IPv4 in IPv6 form is given as the IPv4 address that it is.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: Option<u16>,
    /// What it called itself, with `?` for what is no graphic character.
    pub helo: Option<String>,
    /// Its host name, likewise.
    pub name: Option<String>,
    /// As whom it logged in, likewise.
    pub login: Option<String>,
    /// The peer's own id of the message, likewise.
    pub ident: Option<String>,
    /// The address to which it connected.
    pub destination: Option<IpAddr>,
    /// The port to which it connected.
    pub destination_port: Option<u16>,
}

impl Identity {
    /// This identity with what the arguments of a command say, which may be any of `attributes`.
    pub(crate) fn told(&self, arguments: &str, attributes: &[Attribute]) -> Result<Self, CommandFault> {
        let mut told = self.clone();
        let mut words = arguments.split_ascii_whitespace().peekable();
        if words.peek().is_none() {
            return Err(CommandFault::Arguments);
        }
        for word in words {
            let (keyword, value) = word.split_once('=').ok_or(CommandFault::Arguments)?;
            let is = |attribute: &&Attribute| attribute.keyword().eq_ignore_ascii_case(keyword);
            let attribute = attributes.iter().find(is).ok_or(CommandFault::Attribute)?;
            let value = xtext::decode(value).ok_or(CommandFault::Attribute)?;
            told.set(*attribute, &value).ok_or(CommandFault::Attribute)?;
        }
        Ok(told)
    }

    /// Sets an attribute; `None` if its value makes no sense.
    fn set(&mut self, attribute: Attribute, value: &[u8]) -> Option<()> {
        let unknown = ["[UNAVAILABLE]", "[TEMPUNAVAIL]"];
        let value = Some(value)
            .filter(|value| unknown.iter().all(|unknown| !unknown.as_bytes().eq_ignore_ascii_case(value)));
        match attribute {
            Attribute::Addr => self.address = known(value, address)?,
            Attribute::DestAddr => self.destination = known(value, address)?,
            Attribute::Port => self.port = known(value, port)?,
            Attribute::DestPort => self.destination_port = known(value, port)?,
            Attribute::Helo => self.helo = value.map(graphic),
            Attribute::Name => self.name = value.map(graphic),
            Attribute::Login => self.login = value.map(graphic),
            Attribute::Ident => self.ident = value.map(graphic),
            Attribute::Proto => one_of(value, &[b"SMTP", b"ESMTP"])?,
            Attribute::Source => one_of(value, &[b"LOCAL", b"REMOTE"])?,
        }
        Some(())
    }

    /// Appends a command with each attribute that the server offers. What is not known is said to be so, or the server would take
    /// ours for it.
    pub(crate) fn write(&self, how: Introduction, offered: Attributes, output: &mut Vec<u8>) {
        output.extend_from_slice(how.extension().keyword().as_bytes());
        for &attribute in how.attributes().iter().filter(|attribute| offered.has(**attribute)) {
            output.push(b' ');
            output.extend_from_slice(attribute.keyword().as_bytes());
            output.push(b'=');
            xtext::encode(self.value(attribute).as_bytes(), output);
        }
        output.extend_from_slice(b"\r\n");
    }

    fn value(&self, attribute: Attribute) -> String {
        let address = |address: IpAddr| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("IPV6:{address}"),
        };
        let known = match attribute {
            Attribute::Addr => self.address.map(address),
            Attribute::DestAddr => self.destination.map(address),
            Attribute::Port => self.port.map(|port| port.to_string()),
            Attribute::DestPort => self.destination_port.map(|port| port.to_string()),
            Attribute::Helo => self.helo.clone(),
            Attribute::Name => self.name.clone(),
            Attribute::Ident => self.ident.clone(),
            Attribute::Login => self.login.clone(),
            Attribute::Proto => Some(String::from("ESMTP")),
            Attribute::Source => Some(String::from("REMOTE")),
        };
        known.unwrap_or_else(|| String::from("[UNAVAILABLE]"))
    }
}

/// A value that is said to be unknown, or one that makes sense.
#[allow(clippy::option_option, reason = "the outer one is malformed, the inner one unknown")]
fn known<T>(value: Option<&[u8]>, read: impl Fn(&[u8]) -> Option<T>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(value) => read(value).map(Some),
    }
}

fn address(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    let tagged = text.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPV6:")).and_then(|_| text.get(5..));
    let address = match tagged {
        Some(text) => text.parse::<Ipv6Addr>().ok()?.into(),
        None => text.parse::<Ipv4Addr>().ok()?.into(),
    };
    Some(IpAddr::to_canonical(&address))
}

fn port(value: &[u8]) -> Option<u16> {
    let digits = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// What a client says of itself may hold anything; a peer is not refused for what its client says.
fn graphic(value: &[u8]) -> String {
    let value = value.get(..TEXT_BYTES_MAX).unwrap_or(value);
    value.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}

fn one_of(value: Option<&[u8]>, words: &[&[u8]]) -> Option<()> {
    let is_known = value.is_none_or(|value| words.iter().any(|word| word.eq_ignore_ascii_case(value)));
    is_known.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(arguments: &str) -> Result<Identity, CommandFault> {
        Identity::default().told(arguments, &Attribute::XCLIENT)
    }

    #[test]
    fn what_is_said_of_a_client() {
        let identity =
            told("NAME=spike.example.org ADDR=168.100.189.2 port=1234 HELO=a+20b PROTO=ESMTP").unwrap();
        assert_eq!(identity.address, Some([168, 100, 189, 2].into()));
        assert_eq!((identity.port, identity.name.as_deref()), (Some(1234), Some("spike.example.org")));
        assert_eq!(identity.helo.as_deref(), Some("a?b"));
        let six = told("ADDR=IPv6:2001:db8::7 DESTADDR=192.0.2.25 DESTPORT=25 LOGIN=ann").unwrap();
        assert_eq!(six.address, Some("2001:db8::7".parse().unwrap()));
        assert_eq!((six.destination, six.destination_port), (Some([192, 0, 2, 25].into()), Some(25)));
        // An address in another form is no way around lists of IPv4 networks.
        assert_eq!(told("ADDR=IPV6:::ffff:192.0.2.7").unwrap().address, Some([192, 0, 2, 7].into()));
        let unknown = identity.told("ADDR=[UNAVAILABLE] HELO=[tempunavail]", &Attribute::XCLIENT).unwrap();
        assert_eq!((unknown.address, unknown.helo, unknown.port), (None, None, Some(1234)));
    }

    #[test]
    fn what_makes_no_sense_changes_nothing() {
        assert_eq!(told(""), Err(CommandFault::Arguments));
        assert_eq!(told("ADDR"), Err(CommandFault::Arguments));
        for bad in [
            "ADDR=",
            "ADDR=192.0.2.256",
            "ADDR=2001:db8::7",
            "ADDR=IPV6:192.0.2.7",
            "ADDR=host.example",
            "PORT=65536",
            "PORT=-1",
            "PORT=",
            "PROTO=LMTP",
            "HELO=a=b",
            "HELO=+2",
            "IDENT=x",
            "COLOUR=red",
        ] {
            assert_eq!(told(bad), Err(CommandFault::Attribute), "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let identity = Identity {
            address: Some("2001:db8::7".parse().unwrap()),
            port: Some(40_000),
            helo: Some("a+b=c".into()),
            ident: Some("6hZrhm8KCwqjS".into()),
            ..Identity::default()
        };
        let offered = Attributes::parse(["addr", "PORT", "HELO", "IDENT", "NAME", "COLOUR"].into_iter());
        let mut text = Vec::new();
        identity.write(Introduction::XForward, offered, &mut text);
        let text = String::from_utf8(text).unwrap();
        let (verb, text) = text.trim_end().split_at(8);
        assert_eq!(verb, "XFORWARD");
        assert_eq!(
            text,
            " NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 PORT=40000 HELO=a+2Bb+3Dc IDENT=6hZrhm8KCwqjS"
        );
        assert_eq!(Identity::default().told(text, &Attribute::XFORWARD), Ok(identity));
    }
}
