//! Encodings of mail: folded and encoded header fields, base64, quoted-printable, character sets.
//!
//! Senders make mistakes, on purpose too, and their readers' programs forgive them: so do these decoders. They take what
//! they understand and pass over the rest, and what comes out is no longer than its bound.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};
use memchr::{memchr, memmem, memrchr};

use crate::limits::{HEADER_ADDRESSES_MAX, HEADER_DECODED_BYTES_MAX, PARAMETERS_BYTES_MAX};

/// A value of a header field, unfolded, with its encoded words decoded (RFC 2047).
pub(super) fn header(raw: &[u8]) -> Vec<u8> {
    let raw = cut(raw, HEADER_DECODED_BYTES_MAX);
    if memmem::find(raw, b"=?").is_none() {
        return unfold(raw);
    }
    let text = parse(raw, |stream| match stream.parse_unstructured() {
        HeaderValue::Text(text) => Some(text.into_owned().into_bytes()),
        _ => None,
    });
    text.unwrap_or_else(|| unfold(raw))
}

/// The date in a header field, in seconds since 1970.
pub(super) fn time(raw: &[u8]) -> Option<i64> {
    parse(cut(raw, PARAMETERS_BYTES_MAX), |stream| {
        let value = stream.parse_date();
        value.as_datetime().filter(|date| date.is_valid()).map(mail_parser::DateTime::to_timestamp)
    })
}

/// The mailboxes in a header field.
pub(super) fn addresses(raw: &[u8]) -> Vec<Box<[u8]>> {
    let found = parse(cut(raw, HEADER_DECODED_BYTES_MAX), |stream| {
        let value = stream.parse_address();
        let addresses = value.as_address()?.iter().filter_map(|address| address.address());
        let trimmed = addresses.map(|address| address.trim().as_bytes().into());
        Some(trimmed.take(HEADER_ADDRESSES_MAX).collect())
    });
    found.unwrap_or_default()
}

/// What is between the last `<` and the `>` behind it, or all if there is none, without white space around.
pub(super) fn bracketed(raw: &[u8]) -> Option<Box<[u8]>> {
    let text = unfold(cut(raw, HEADER_DECODED_BYTES_MAX));
    let inner = memrchr(b'<', &text).and_then(|open| text.get(open + 1..));
    let inner = inner.map_or(&text[..], |inner| {
        inner.get(..memchr(b'>', inner).unwrap_or(inner.len())).unwrap_or_default()
    });
    let inner = inner.trim_ascii();
    (!inner.is_empty()).then(|| inner.into())
}

/// A `Content-Type` or `Content-Disposition` with its parameters (RFC 2045, RFC 2231).
pub(super) fn content_type(raw: &[u8]) -> Option<ContentType<'static>> {
    parse(cut(raw, PARAMETERS_BYTES_MAX), |stream| match stream.parse_content_type().into_owned() {
        HeaderValue::ContentType(value) => Some(value),
        _ => None,
    })
}

/// Runs one of mail-parser's parsers over a value. They want a line end behind it, and a fault of theirs must not cost
/// more than this one value.
fn parse<T>(raw: &[u8], parser: impl FnOnce(&mut MessageStream<'_>) -> Option<T>) -> Option<T> {
    let line = [raw, b"\r\n"].concat();
    catch_unwind(AssertUnwindSafe(|| parser(&mut MessageStream::new(&line)))).ok().flatten()
}

/// Takes line ends out (RFC 5322, 2.2.3) and white space off both ends.
fn unfold(raw: &[u8]) -> Vec<u8> {
    raw.trim_ascii().iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect()
}

pub(super) fn cut(text: &[u8], bytes_max: usize) -> &[u8] {
    text.get(..bytes_max).unwrap_or(text)
}

/// Base64, with anything else between its letters passed over. A `=` ends a group, not the text: some senders write
/// several texts one behind the other.
pub(super) fn base64(text: &[u8], bytes_max: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity((text.len() / 4 * 3).min(bytes_max));
    let (mut group, mut letters) = (0_u32, 0_u32);
    for &letter in text {
        let Some(value) = base64_value(letter) else {
            if letter == b'=' {
                close_group(&mut bytes, group, letters);
                (group, letters) = (0, 0);
            }
            continue;
        };
        group = group << 6 | u32::from(value);
        letters += 1;
        if letters == 4 {
            close_group(&mut bytes, group, letters);
            (group, letters) = (0, 0);
        }
        if bytes.len() >= bytes_max {
            break;
        }
    }
    close_group(&mut bytes, group, letters);
    bytes.truncate(bytes_max);
    bytes
}

/// Two letters make a byte, three two, four three.
fn close_group(bytes: &mut Vec<u8>, group: u32, letters: u32) {
    let whole = group << (6 * (4 - letters));
    let [_, first, second, third] = whole.to_be_bytes();
    match letters {
        4 => bytes.extend([first, second, third]),
        3 => bytes.extend([first, second]),
        2 => bytes.push(first),
        _ => {}
    }
}

fn base64_value(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Quoted-printable (RFC 2045, 6.7); a `=` that begins no code stands for itself.
pub(super) fn quoted_printable(text: &[u8], bytes_max: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len().min(bytes_max));
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        if bytes.len() >= bytes_max {
            break;
        }
        rest = behind;
        if byte != b'=' {
            bytes.push(byte);
            continue;
        }
        match behind {
            [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] => rest = after,
            [high, low, after @ ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => rest = soft_end(behind).unwrap_or_else(|| keep(&mut bytes, behind)),
            },
            _ => rest = keep(&mut bytes, behind),
        }
    }
    bytes
}

/// White space between `=` and the line end, as some relays add it.
fn soft_end(text: &[u8]) -> Option<&[u8]> {
    let blank = text.iter().take(8).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = text.get(blank..).filter(|_| blank > 0)?;
    rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))
}

fn keep<'t>(bytes: &mut Vec<u8>, behind: &'t [u8]) -> &'t [u8] {
    bytes.push(b'=');
    behind
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Text in a character set as UTF-8; in none, or one that is not known, invalid bytes are replaced.
pub(super) fn charset(bytes: Vec<u8>, name: Option<&str>) -> String {
    let unicode =
        name.is_none_or(|name| name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii"));
    let decoder = name.filter(|_| !unicode).and_then(|name| charset_decoder(name.trim().as_bytes()));
    if let Some(decoder) = decoder
        && let Ok(text) = catch_unwind(AssertUnwindSafe(|| decoder(&bytes)))
    {
        return text;
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
