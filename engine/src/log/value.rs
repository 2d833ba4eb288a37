//! Values in a line: escaped so that no peer can forge a line or a field.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Format;
use crate::id::Id;
use crate::limits::LOG_VALUE_BYTES_MAX;

/// Where a value is written to.
#[derive(Debug)]
pub struct Out<'a> {
    pub(super) format: Format,
    pub(super) line: &'a mut Vec<u8>,
}

/// What can be the value of a field.
pub trait Loggable {
    /// Writes the value, escaped.
    fn write(&self, out: &mut Out<'_>);
}

impl Out<'_> {
    /// Writes text of any origin and any bytes.
    pub fn text(&mut self, text: &[u8]) {
        let cut = text.get(..LOG_VALUE_BYTES_MAX);
        let text = cut.unwrap_or(text);
        // Most values are whole and need no escaping, only a look at each byte.
        let needs = text.iter().fold(0, |needs, byte| needs | need_of(*byte));
        if cut.is_none() && needs & ESCAPES == 0 {
            let is_bare = needs == 0 && !text.is_empty() && self.format == Format::Logfmt;
            let quote: &[u8] = if is_bare { b"" } else { b"\"" };
            self.line.extend_from_slice(quote);
            self.line.extend_from_slice(text);
            self.line.extend_from_slice(quote);
            return;
        }
        self.line.push(b'"');
        for chunk in text.utf8_chunks() {
            chunk.valid().chars().for_each(|letter| self.letter(letter));
            chunk.invalid().iter().for_each(|byte| self.foreign(*byte));
        }
        self.line.extend_from_slice(if cut.is_some() { "…\"".as_bytes() } else { b"\"" });
    }

    fn letter(&mut self, letter: char) {
        match letter {
            '"' => self.line.extend_from_slice(b"\\\""),
            '\\' => self.line.extend_from_slice(b"\\\\"),
            '\n' => self.line.extend_from_slice(b"\\n"),
            '\r' => self.line.extend_from_slice(b"\\r"),
            '\t' => self.line.extend_from_slice(b"\\t"),
            hidden if is_hidden(hidden) => self.digits(format_args!("\\u{:04x}", u32::from(hidden))),
            plain => self.line.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }

    /// A byte that isn't UTF-8. JSON has no way to carry it.
    fn foreign(&mut self, byte: u8) {
        match self.format {
            Format::Logfmt => self.digits(format_args!("\\x{byte:02x}")),
            Format::Json => self.line.extend_from_slice(b"\\ufffd"),
        }
    }

    /// Writes what needs no escaping and is no string in JSON, such as a number.
    fn digits(&mut self, digits: fmt::Arguments<'_>) {
        // Writing to a Vec cannot fail.
        let _infallible = self.line.write_fmt(digits);
    }

    /// Lets `write` append what needs no escaping, between quotes where the format wants them.
    fn quoted(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let quotes = self.format == Format::Json;
        if quotes {
            self.line.push(b'"');
        }
        write(self.line);
        if quotes {
            self.line.push(b'"');
        }
    }

    /// Writes text that can't hold what needs escaping, quoted where the format wants it.
    fn safe(&mut self, text: fmt::Arguments<'_>) {
        match self.format {
            Format::Logfmt => self.digits(text),
            Format::Json => self.digits(format_args!("\"{text}\"")),
        }
    }
}

/// A byte for which logfmt wants quotes.
const QUOTES: u8 = 1;
/// A byte that may have to be escaped.
const ESCAPES: u8 = 2;

/// What a byte of a value needs.
const fn need_of(byte: u8) -> u8 {
    match byte {
        b'"' | b'\\' | 0x00..=0x1f | 0x7f.. => ESCAPES,
        b' ' | b'=' => QUOTES,
        _ => 0,
    }
}

/// Control characters, and those that break or turn around a line on a screen.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

impl Loggable for str {
    fn write(&self, out: &mut Out<'_>) {
        out.text(self.as_bytes());
    }
}

impl Loggable for String {
    fn write(&self, out: &mut Out<'_>) {
        out.text(self.as_bytes());
    }
}

impl Loggable for [u8] {
    fn write(&self, out: &mut Out<'_>) {
        out.text(self);
    }
}

impl<const N: usize> Loggable for [u8; N] {
    fn write(&self, out: &mut Out<'_>) {
        out.text(self);
    }
}

impl Loggable for Vec<u8> {
    fn write(&self, out: &mut Out<'_>) {
        out.text(self);
    }
}

/// Anything that can be displayed; costs an allocation, so it is for rare events.
impl Loggable for fmt::Arguments<'_> {
    fn write(&self, out: &mut Out<'_>) {
        let mut text = String::new();
        // A Display that fails has written what it could.
        let _partial = text.write_fmt(*self);
        out.text(text.as_bytes());
    }
}

impl Loggable for Id {
    fn write(&self, out: &mut Out<'_>) {
        out.quoted(|line| line.extend_from_slice(self.as_str().as_bytes()));
    }
}

impl Loggable for IpAddr {
    fn write(&self, out: &mut Out<'_>) {
        match self {
            Self::V4(address) => out.quoted(|line| {
                for (index, octet) in address.octets().into_iter().enumerate() {
                    if index > 0 {
                        line.push(b'.');
                    }
                    line.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
                }
            }),
            Self::V6(_) => out.safe(format_args!("{self}")),
        }
    }
}

impl Loggable for SocketAddr {
    fn write(&self, out: &mut Out<'_>) {
        out.safe(format_args!("{self}"));
    }
}

/// In seconds, with microseconds.
impl Loggable for Duration {
    fn write(&self, out: &mut Out<'_>) {
        out.digits(format_args!("{}.{:06}", self.as_secs(), self.subsec_micros()));
    }
}

impl<T: Loggable + ?Sized> Loggable for &T {
    fn write(&self, out: &mut Out<'_>) {
        (**self).write(out);
    }
}

impl Loggable for bool {
    fn write(&self, out: &mut Out<'_>) {
        out.line.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

macro_rules! numbers {
    ($($kind:ty),*) => {
        $(impl Loggable for $kind {
            fn write(&self, out: &mut Out<'_>) {
                out.line.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
            }
        })*
    };
}
numbers!(u8, u16, u32, u64, usize, i16, i32, i64);
