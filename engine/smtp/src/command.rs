//! Commands (RFC 5321, 4.1.1), read from one line without copying.

use memchr::memchr2;

use crate::address::{AddressFault, Mailbox, Path};
use crate::envelope::BodyType;
use crate::extension::{Extension, Extensions};
use crate::notify::{Notify, Return, is_envid, is_orcpt};

/// Longest name in HELO and EHLO: that of a domain.
const NAME_BYTES_MAX: usize = crate::address::DOMAIN_BYTES_MAX;
/// A size has at most 20 digits (RFC 1870, 4).
const SIZE_DIGITS_MAX: usize = 20;

/// One command. The pieces borrow from its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// `EHLO name`. Any name without blanks and control characters passes: what to make of it is for the rules to say.
    Ehlo(&'a str),
    /// `HELO name`.
    Helo(&'a str),
    /// `MAIL FROM:<path> parameters`.
    Mail(Path<'a>, MailParameters<'a>),
    /// `RCPT TO:<path> parameters`.
    Rcpt(Mailbox<'a>, RcptParameters<'a>),
    /// `DATA`.
    Data,
    /// `BDAT bytes` or `BDAT bytes LAST`: so many bytes of the message follow (RFC 3030, 2).
    Bdat {
        /// How many.
        bytes: u64,
        /// Whether the message ends with them.
        is_last: bool,
    },
    /// `STARTTLS`.
    StartTls,
    /// `XCLIENT attributes`.
    XClient(&'a str),
    /// `XFORWARD attributes`.
    XForward(&'a str),
    /// `RSET`.
    Rset,
    /// `NOOP`, with or without a word that means nothing.
    Noop,
    /// `QUIT`.
    Quit,
    /// `VRFY text`.
    Vrfy(&'a str),
    /// `EXPN text`.
    Expn,
    /// `HELP`, with or without a topic.
    Help,
}

/// The parameters of MAIL that were understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailParameters<'a> {
    /// `SIZE=`, in bytes.
    pub declared_bytes: Option<u64>,
    /// `BODY=`; `None` if it was not said.
    pub body: Option<BodyType>,
    /// `SMTPUTF8`.
    pub is_utf8: bool,
    /// `RET=`.
    pub returns: Option<Return>,
    /// `ENVID=`, encoded.
    pub envid: Option<&'a str>,
    /// `REQUIRETLS`.
    pub requires_tls: bool,
}

/// The parameters of RCPT that were understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RcptParameters<'a> {
    /// `NOTIFY=`.
    pub notify: Option<Notify>,
    /// `ORCPT=`, encoded.
    pub orcpt: Option<&'a str>,
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandFault {
    /// A bare CR, a bare LF or a NUL in the line.
    IllegalByte,
    /// The line is longer than the command may be.
    TooLong,
    /// Bytes that are no UTF-8.
    NotText,
    /// No command that anybody knows.
    Unknown,
    /// A line of another protocol: HTTP, a message's header, TLS, SSH.
    NotSmtp,
    /// A command of SMTP that is not spoken here.
    NotImplemented,
    /// The command has no room for arguments, or lacks one, or its argument is malformed.
    Arguments,
    /// The address of MAIL is malformed.
    Sender(AddressFault),
    /// The address of RCPT is malformed.
    Recipient(AddressFault),
    /// An address outside ASCII in a transaction without SMTPUTF8.
    NeedsUtf8,
    /// A parameter that is not known here.
    UnknownParameter,
    /// A known parameter with a value that makes no sense, or said twice.
    ParameterValue,
    /// `BODY=BINARYMIME` (RFC 3030, 3), which is not offered: lines would have no ends, and no next hop of ours may have it.
    Binary,
    /// An attribute of XCLIENT or XFORWARD that is unknown or whose value makes no sense.
    Attribute,
    /// A BDAT whose size cannot be read: nobody knows where its chunk ends and the next command begins.
    Chunk,
}

impl<'a> Command<'a> {
    /// Reads a line without its CRLF. Parameters are known only if their extension is among the offered ones.
    pub fn parse(line: &'a [u8], offered: Extensions) -> Result<Self, CommandFault> {
        if memchr2(b'\r', 0, line).is_some() || line.contains(&b'\n') {
            return Err(CommandFault::IllegalByte);
        }
        let text = std::str::from_utf8(line).map_err(|_| CommandFault::NotText)?.trim_ascii_end();
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut upper = [0; 4];
        let Some(letters) = verb.as_bytes().first_chunk::<4>().filter(|_| verb.len() == 4) else {
            return other(verb, rest, offered);
        };
        upper.copy_from_slice(letters);
        upper.make_ascii_uppercase();
        match &upper {
            b"MAIL" => mail(rest, offered),
            b"RCPT" => recipient(rest, offered),
            b"DATA" => alone(Self::Data, rest),
            b"EHLO" => Ok(Self::Ehlo(name(rest)?)),
            b"HELO" => Ok(Self::Helo(name(rest)?)),
            b"RSET" => alone(Self::Rset, rest),
            b"QUIT" => alone(Self::Quit, rest),
            b"NOOP" => Ok(Self::Noop),
            b"VRFY" | b"EXPN" if rest.is_empty() => Err(CommandFault::Arguments),
            b"VRFY" => Ok(Self::Vrfy(rest)),
            b"EXPN" => Ok(Self::Expn),
            b"BDAT" if offered.has(Extension::Chunking) => chunk(rest),
            b"HELP" if offered.has(Extension::Help) => Ok(Self::Help),
            _ => Err(unknown(verb)),
        }
    }
}

/// A command that has not four letters.
fn other<'a>(verb: &str, rest: &'a str, offered: Extensions) -> Result<Command<'a>, CommandFault> {
    if verb.eq_ignore_ascii_case("STARTTLS") && offered.has(Extension::StartTls) {
        return alone(Command::StartTls, rest);
    }
    if verb.eq_ignore_ascii_case("XCLIENT") && offered.has(Extension::XClient) {
        return Ok(Command::XClient(rest));
    }
    if verb.eq_ignore_ascii_case("XFORWARD") && offered.has(Extension::XForward) {
        return Ok(Command::XForward(rest));
    }
    Err(unknown(verb))
}

/// The argument of BDAT.
fn chunk<'a>(rest: &str) -> Result<Command<'a>, CommandFault> {
    let mut words = rest.split_ascii_whitespace();
    let bytes = words.next().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    // One above `u64` is refused as well: it would never end.
    let bytes = bytes.and_then(|word| word.parse().ok()).ok_or(CommandFault::Chunk)?;
    let is_last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(CommandFault::Chunk),
    };
    if words.next().is_some() { Err(CommandFault::Chunk) } else { Ok(Command::Bdat { bytes, is_last }) }
}

/// The methods of HTTP (RFC 9110, 9.3; RFC 5789): what comes by a browser or a proxy that was talked into it.
const HTTP_METHODS: [&str; 9] =
    ["GET", "POST", "HEAD", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Whether bytes from a line's beginning on are a handshake of TLS (RFC 8446, 5.1: a record's type and version).
pub(crate) fn is_tls(line: &[u8]) -> bool {
    line.starts_with(&[22, 3])
}

/// Whether a line that is no command is one of another protocol, by its first word.
pub(crate) fn is_other_protocol(line: &[u8]) -> bool {
    let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let is_header = || {
        let name = word.strip_suffix(b":").unwrap_or_default();
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    is_tls(line)
        || word.starts_with(b"SSH-")
        || HTTP_METHODS.iter().any(|method| word.eq_ignore_ascii_case(method.as_bytes()))
        || is_header()
}

/// The commands of other extensions are told apart from noise (502, not 500).
fn unknown(verb: &str) -> CommandFault {
    const ELSEWHERE: [&str; 12] = [
        "HELP", "TURN", "SEND", "SOML", "SAML", "ETRN", "ATRN", "BDAT", "AUTH", "STARTTLS", "XCLIENT",
        "XFORWARD",
    ];
    if ELSEWHERE.iter().any(|known| known.eq_ignore_ascii_case(verb)) {
        CommandFault::NotImplemented
    } else {
        CommandFault::Unknown
    }
}

fn alone<'a>(command: Command<'a>, rest: &str) -> Result<Command<'a>, CommandFault> {
    if rest.trim_ascii().is_empty() { Ok(command) } else { Err(CommandFault::Arguments) }
}

fn name(rest: &str) -> Result<&str, CommandFault> {
    let name = rest.trim_ascii();
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    if fits && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(name)
    } else {
        Err(CommandFault::Arguments)
    }
}

/// The text behind `FROM:` or `TO:`. A blank behind the colon is against the grammar and yet common; it cannot be misread.
fn after_keyword<'a>(rest: &'a str, keyword: &str) -> Result<&'a str, CommandFault> {
    match rest.trim_ascii_start().split_at_checked(keyword.len()) {
        Some((word, path)) if word.eq_ignore_ascii_case(keyword) => Ok(path.trim_ascii_start()),
        _ => Err(CommandFault::Arguments),
    }
}

fn mail(rest: &str, offered: Extensions) -> Result<Command<'_>, CommandFault> {
    let text = after_keyword(rest, "FROM:")?;
    let (path, rest) = Path::parse(text).map_err(CommandFault::Sender)?;
    let mut parameters = MailParameters::default();
    for parameter in split_parameters(rest).ok_or(CommandFault::Sender(AddressFault::Brackets))? {
        parameters.take(parameter, offered)?;
    }
    match path {
        Path::Mailbox(mailbox) if mailbox.domain().is_none() => {
            Err(CommandFault::Sender(AddressFault::Domain))
        }
        Path::Mailbox(mailbox) if mailbox.is_utf8() && !parameters.is_utf8 => Err(CommandFault::NeedsUtf8),
        _ => Ok(Command::Mail(path, parameters)),
    }
}

fn recipient(rest: &str, offered: Extensions) -> Result<Command<'_>, CommandFault> {
    let text = after_keyword(rest, "TO:")?;
    let (path, rest) = Path::parse(text).map_err(CommandFault::Recipient)?;
    let mut parameters = RcptParameters::default();
    for parameter in split_parameters(rest).ok_or(CommandFault::Recipient(AddressFault::Brackets))? {
        parameters.take(parameter, offered)?;
    }
    let mailbox = path.mailbox().ok_or(CommandFault::Recipient(AddressFault::Local))?;
    Ok(Command::Rcpt(mailbox, parameters))
}

/// The parameters behind a path, which a blank must separate from it.
fn split_parameters(rest: &str) -> Option<impl Iterator<Item = &str>> {
    let separated = rest.is_empty() || rest.starts_with(' ');
    separated.then(|| rest.split(' ').filter(|parameter| !parameter.is_empty()))
}

impl<'a> RcptParameters<'a> {
    fn take(&mut self, parameter: &'a str, offered: Extensions) -> Result<(), CommandFault> {
        let (keyword, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is = |name: &str| keyword.eq_ignore_ascii_case(name) && offered.has(Extension::Dsn);
        if is("NOTIFY") {
            let notify = Notify::parse(value).ok_or(CommandFault::ParameterValue)?;
            once(self.notify.replace(notify).is_none())
        } else if is("ORCPT") {
            let orcpt = Some(value).filter(|value| is_orcpt(value)).ok_or(CommandFault::ParameterValue)?;
            once(self.orcpt.replace(orcpt).is_none())
        } else {
            Err(CommandFault::UnknownParameter)
        }
    }
}

impl<'a> MailParameters<'a> {
    fn take(&mut self, parameter: &'a str, offered: Extensions) -> Result<(), CommandFault> {
        let (keyword, value) =
            parameter.split_once('=').map_or((parameter, None), |(key, value)| (key, Some(value)));
        let is = |name: &str, extension| keyword.eq_ignore_ascii_case(name) && offered.has(extension);
        if is("SIZE", Extension::Size) {
            let bytes = value.and_then(size).ok_or(CommandFault::ParameterValue)?;
            once(self.declared_bytes.replace(bytes).is_none())
        } else if is("BODY", Extension::EightBitMime) {
            let body = body_type(value.unwrap_or_default())?;
            once(self.body.replace(body).is_none())
        } else if is("SMTPUTF8", Extension::SmtpUtf8) {
            once(value.is_none() && !std::mem::replace(&mut self.is_utf8, true))
        } else if is("RET", Extension::Dsn) {
            let returns = value.and_then(Return::parse).ok_or(CommandFault::ParameterValue)?;
            once(self.returns.replace(returns).is_none())
        } else if is("ENVID", Extension::Dsn) {
            let envid = value.filter(|value| is_envid(value)).ok_or(CommandFault::ParameterValue)?;
            once(self.envid.replace(envid).is_none())
        } else if is("REQUIRETLS", Extension::RequireTls) {
            once(value.is_none() && !std::mem::replace(&mut self.requires_tls, true))
        } else {
            Err(CommandFault::UnknownParameter)
        }
    }
}

fn once(first: bool) -> Result<(), CommandFault> {
    if first { Ok(()) } else { Err(CommandFault::ParameterValue) }
}

/// A number of up to 20 digits. One above `u64` is over every limit all the same.
fn size(value: &str) -> Option<u64> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let fits = (1..=SIZE_DIGITS_MAX).contains(&value.len());
    (digits && fits).then(|| value.parse().unwrap_or(u64::MAX))
}

fn body_type(value: &str) -> Result<BodyType, CommandFault> {
    let is = |name: &str| value.eq_ignore_ascii_case(name);
    if is("7BIT") {
        Ok(BodyType::SevenBit)
    } else if is("8BITMIME") {
        Ok(BodyType::EightBit)
    } else if is("BINARYMIME") {
        Err(CommandFault::Binary)
    } else {
        Err(CommandFault::ParameterValue)
    }
}
