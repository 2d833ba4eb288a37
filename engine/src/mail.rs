//! Layer 3: what rules ask of a message: header fields, mailboxes, dates, parts, text and links.
//!
//! ```text
//! wire form --content--> header fields --decode--> texts, mailboxes, dates
//!                    \-> parts (structure) -> text view -> links -> registered domains
//! ```
//! Everything is a view of bytes in memory, made when it is first asked for and kept for the message. No I/O.
//!
//! What a sender puts into a message costs bounded time and memory, and no call nests with it: parts are found by one
//! walk over the lines with a bounded stack of boundaries (`structure`), never by a recursive parser, since some 50,000
//! attached messages within each other overflow the stack of one, through base64 too. Of mail-parser only the parsers of
//! single fields and the character sets are used, behind `catch_unwind`.

mod decode;
mod field;
mod results;
mod structure;
#[cfg(test)]
mod tests;
mod text;
mod url;
mod wire;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;

pub use field::{Field, Fields, header_end, header_ranges, orphan_lines};
pub use results::{RESULTS, results_id, results_ranges};
pub use structure::{Part, Structure};
pub use wire::Header;

use crate::limits::{HEADER_ADDRESSES_MAX, HEADER_DECODED_BYTES_MAX, HEADER_FIELDS_MAX};
use text::Texts;
use url::Links;

/// A message as rules see it. For one thread; shares the buffer that it came in.
#[derive(Debug)]
pub struct Message {
    buffer: Rc<Vec<u8>>,
    /// Where the content is in the buffer.
    range: Range<usize>,
    wire_bytes: usize,
    views: Views,
}

/// All that was made so far.
#[derive(Debug, Default)]
struct Views {
    header: OnceCell<Vec<Entry>>,
    message_id: OnceCell<Option<Box<[u8]>>>,
    list_id: OnceCell<Option<Box<[u8]>>>,
    structure: OnceCell<Structure>,
    types: OnceCell<Vec<Box<[u8]>>>,
    names: OnceCell<Vec<Box<[u8]>>>,
    texts: OnceCell<Texts>,
    links: OnceCell<Links>,
}

/// A header field of the message, with what was decoded of it.
#[derive(Debug)]
struct Entry {
    name: Range<usize>,
    value: Range<usize>,
    decoded: OnceCell<Box<[u8]>>,
    addresses: OnceCell<Vec<Box<[u8]>>>,
}

impl Message {
    /// A message in wire form: dot-stuffed, with `CRLF.CRLF` at its end (RFC 5321, 4.5.2). Copied only if a line of it
    /// is stuffed.
    pub fn of_wire(buffer: &Rc<Vec<u8>>, range: Range<usize>) -> Self {
        let wire = buffer.get(range.clone()).unwrap_or_default();
        let wire_bytes = wire.len();
        match wire::content(wire) {
            Cow::Borrowed(content) => {
                let range = range.start..range.start + content.len();
                Self { buffer: Rc::clone(buffer), range, wire_bytes, views: Views::default() }
            }
            Cow::Owned(content) => Self { wire_bytes, ..Self::of_content(content) },
        }
    }

    /// A message as it lies in a file: no dot-stuffing, lines end with CRLF or LF.
    pub fn of_content(content: Vec<u8>) -> Self {
        let range = 0..content.len();
        Self { wire_bytes: content.len(), buffer: Rc::new(content), range, views: Views::default() }
    }

    /// The content (RFC 5322): header, empty line, body.
    pub fn content(&self) -> &[u8] {
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }

    /// The content as a range of the buffer that holds it.
    pub fn shared(&self) -> (&Rc<Vec<u8>>, Range<usize>) {
        (&self.buffer, self.range.clone())
    }

    /// Its size as it was given, in bytes.
    pub fn wire_bytes(&self) -> usize {
        self.wire_bytes
    }

    /// Bytes behind the empty line.
    pub fn body_bytes(&self) -> usize {
        self.content().len() - header_end(self.content())
    }

    /// The first field of this name, unfolded and decoded (RFC 5322, 2.2.3; RFC 2047).
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.entries(name).next().map(|entry| self.decoded(entry))
    }

    /// All fields of this name, from the top, decoded.
    pub fn headers<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        self.entries(name).map(|entry| self.decoded(entry))
    }

    /// The first field of this name as it came: folded, encoded, without its last line end.
    pub fn header_raw(&self, name: &str) -> Option<&[u8]> {
        self.content().get(self.entries(name).next()?.value.clone())
    }

    /// Whether its header has more fields than weir looks at; views then show those from the top.
    pub fn has_too_many_fields(&self) -> bool {
        Fields::new(self.content()).nth(HEADER_FIELDS_MAX).is_some()
    }

    /// How many fields of this name there are.
    pub fn header_count(&self, name: &str) -> usize {
        self.entries(name).count()
    }

    /// The date in the first field of this name, in seconds since 1970; `None` when it is none.
    pub fn header_time(&self, name: &str) -> Option<i64> {
        decode::time(self.header_raw(name)?)
    }

    /// The mailboxes in the first field of this name, groups resolved; at most
    /// [`HEADER_ADDRESSES_MAX`].
    pub fn addresses(&self, name: &str) -> &[Box<[u8]>] {
        self.entries(name).next().map_or(&[], |entry| {
            entry.addresses.get_or_init(|| {
                decode::addresses(self.content().get(entry.value.clone()).unwrap_or_default())
            })
        })
    }

    /// Whether there may be more in it than [`Self::addresses`] reads.
    pub fn has_more_addresses(&self, name: &str) -> bool {
        let is_long = |value: &[u8]| value.len() > HEADER_DECODED_BYTES_MAX;
        self.header_raw(name).is_some_and(is_long) || self.addresses(name).len() == HEADER_ADDRESSES_MAX
    }

    /// The first mailbox in the first field of this name.
    pub fn address(&self, name: &str) -> Option<&[u8]> {
        self.addresses(name).first().map(|address| &**address)
    }

    /// The domain of that mailbox, as written.
    pub fn address_domain(&self, name: &str) -> Option<&[u8]> {
        domain_of(self.address(name)?)
    }

    /// How many `Received` fields it has: the hops so far (RFC 5321, 6.3).
    pub fn hops(&self) -> usize {
        self.header_count("Received")
    }

    /// `Message-ID` without the angle brackets.
    pub fn message_id(&self) -> Option<&[u8]> {
        let id = || decode::bracketed(self.header_raw("Message-ID")?);
        self.views.message_id.get_or_init(id).as_deref()
    }

    /// `List-Id` without the description and the angle brackets (RFC 2919).
    pub fn list_id(&self) -> Option<&[u8]> {
        let id = || decode::bracketed(self.header_raw("List-Id")?);
        self.views.list_id.get_or_init(id).as_deref()
    }

    /// Its parts.
    pub fn structure(&self) -> &Structure {
        self.views.structure.get_or_init(|| Structure::of(self.content()))
    }

    /// Whether its parts are more or nest deeper than weir takes apart; views then show what was taken apart.
    pub fn is_too_complex(&self) -> bool {
        self.structure().too_complex
    }

    /// The media types of its leaf parts, lower case, in order.
    pub fn types(&self) -> &[Box<[u8]>] {
        self.views
            .types
            .get_or_init(|| self.structure().leaves().map(|part| part.media_type.as_bytes().into()).collect())
    }

    /// The file names of its parts, decoded (RFC 2231, RFC 2047), in order.
    pub fn attachment_names(&self) -> &[Box<[u8]>] {
        self.views.names.get_or_init(|| {
            let names = self.structure().parts.iter().flat_map(|part| part.names.iter());
            names.map(|name| name.as_bytes().into()).collect()
        })
    }

    /// The text of all its text parts, HTML rendered, in UTF-8 with LF at line ends; parts are separated by an empty
    /// line. At most [`crate::limits::TEXT_BYTES_MAX`] bytes and a little.
    pub fn text(&self) -> &[u8] {
        &self.texts().text
    }

    /// Links in its texts and its HTML, scheme and host in lower case, each once; at most
    /// [`crate::limits::URLS_MAX`].
    pub fn urls(&self) -> &[Box<[u8]>] {
        &self.links().urls
    }

    /// The registered domains of those links (`www.shop.example.co.uk` has `example.co.uk`), each once.
    pub fn url_domains(&self) -> &[Box<[u8]>] {
        &self.links().domains
    }

    fn texts(&self) -> &Texts {
        self.views.texts.get_or_init(|| Texts::of(self.structure(), self.content()))
    }

    fn links(&self) -> &Links {
        self.views.links.get_or_init(|| Links::of(self.texts()))
    }

    fn entries(&self, name: &str) -> impl Iterator<Item = &Entry> {
        let entries = self.views.header.get_or_init(|| self.read_header());
        entries.iter().filter(move |entry| {
            let written = self.content().get(entry.name.clone()).unwrap_or_default();
            written.eq_ignore_ascii_case(name.as_bytes())
        })
    }

    fn read_header(&self) -> Vec<Entry> {
        let fields = Fields::new(self.content()).take(HEADER_FIELDS_MAX);
        fields
            .map(|field| Entry {
                name: field.name,
                value: field.value,
                decoded: OnceCell::new(),
                addresses: OnceCell::new(),
            })
            .collect()
    }

    fn decoded<'s>(&'s self, entry: &'s Entry) -> &'s [u8] {
        entry.decoded.get_or_init(|| {
            decode::header(self.content().get(entry.value.clone()).unwrap_or_default()).into_boxed_slice()
        })
    }
}

/// What is behind the last `@` of a mailbox.
fn domain_of(address: &[u8]) -> Option<&[u8]> {
    let at = memchr::memrchr(b'@', address)?;
    let domain = address.get(at + 1..)?;
    Some(domain.strip_suffix(b".").unwrap_or(domain)).filter(|domain| !domain.is_empty())
}
