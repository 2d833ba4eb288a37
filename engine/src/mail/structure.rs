//! The parts of a message (RFC 2045, RFC 2046), found in one walk over its lines.
//!
//! ```text
//!            header                 --boundary           --boundary--
//! Entity ------------> container ------------> Entity ...------------> container above it
//!                 \--> leaf: up to the next line that is a boundary of any container around it
//! ```
//! The walk keeps a stack of the containers around it. An attached message is an entity within an entity: the walk goes
//! on with its header, one level deeper. So depth costs a place on a bounded stack and not a call.

use std::ops::Range;

use mail_parser::ContentType;
use memchr::memmem;

use super::decode;
use super::field::Fields;
use crate::limits::{
    MIME_DECODED_BYTES_MAX, MIME_DEPTH_MAX, MIME_ENCODED_LEVELS_MAX, MIME_PARTS_MAX, PART_HEADER_BYTES_MAX,
};

/// How a part's body is encoded for transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not: 7bit, 8bit, binary, or a name that nobody knows.
    None,
    /// `base64`
    Base64,
    /// `quoted-printable`
    QuotedPrintable,
}

/// A part.
#[derive(Debug)]
pub struct Part {
    /// Its media type, lower case: `text/html`.
    pub media_type: Box<str>,
    /// The character set that it names.
    pub charset: Option<Box<str>>,
    /// The file names that it gives itself: in `Content-Disposition`, and in `Content-Type` if that is another.
    pub names: Vec<Box<str>>,
    /// How its body is encoded.
    pub encoding: Encoding,
    /// Its body, still encoded: a range of the text that [`Structure::body`] knows.
    pub body: Range<usize>,
    /// Where that text is: 0 is the message itself, others are attached messages that came encoded.
    source: usize,
    /// Encoded messages around it.
    encoded_levels: usize,
    /// Whether other parts lie in it.
    pub container: bool,
}

/// All parts of a message in the order of the text: a container before what is in it. Parts of attached messages that
/// came encoded stand behind all others.
#[derive(Debug, Default)]
pub struct Structure {
    /// The parts; at most [`MIME_PARTS_MAX`].
    pub parts: Vec<Part>,
    /// There are more parts, or parts that lie deeper than [`MIME_DEPTH_MAX`].
    pub too_complex: bool,
    /// Attached messages that came encoded, against the rule (RFC 2046, 5.2.1), but readers open them.
    decoded: Vec<Vec<u8>>,
}

/// A multipart around the walk.
#[derive(Debug)]
struct Container {
    part: usize,
    boundary: Vec<u8>,
    digest: bool,
    /// Levels of attached messages and containers around it.
    depth: usize,
}

/// Where the walk goes on.
enum Next {
    Entity(usize),
    End,
}

struct Walk<'t> {
    content: &'t [u8],
    source: usize,
    encoded_levels: usize,
    around: Vec<Container>,
    /// Parts whose end was not met yet: each lies in the one before it.
    open: Vec<usize>,
    parts: Vec<Part>,
    parts_max: usize,
    too_complex: bool,
    /// Levels around the entity that is read next.
    depth: usize,
}

impl Structure {
    pub(super) fn of(content: &[u8]) -> Self {
        let mut all = Self::default();
        all.walk(content, 0, 0);
        let mut at = 0;
        // Messages within decoded ones are found as their parts join the end; each takes from the same bounds.
        while let Some(part) = all.parts.get(at) {
            if part.is_message() && part.encoding != Encoding::None {
                let levels = part.encoded_levels + 1;
                if let Some(message) = all.decode(part, content) {
                    all.walk(&message, all.decoded.len() + 1, levels);
                    all.decoded.push(message);
                    all.open_up(at);
                } else {
                    all.too_complex = true;
                }
            }
            at += 1;
        }
        all
    }

    /// The body of a part of this message, still encoded.
    pub fn body<'s>(&'s self, part: &Part, content: &'s [u8]) -> &'s [u8] {
        let text = match part.source.checked_sub(1) {
            None => content,
            Some(decoded) => self.decoded.get(decoded).map(Vec::as_slice).unwrap_or_default(),
        };
        text.get(part.body.clone()).unwrap_or_default()
    }

    /// An encoded message, if it is within the bounds.
    fn decode(&self, part: &Part, content: &[u8]) -> Option<Vec<u8>> {
        let taken: usize = self.decoded.iter().map(Vec::len).sum();
        let left = MIME_DECODED_BYTES_MAX.checked_sub(taken)?;
        if part.encoded_levels >= MIME_ENCODED_LEVELS_MAX {
            return None;
        }
        let message = part.encoding.decode(self.body(part, content), left + 1);
        (message.len() <= left).then_some(message)
    }

    fn open_up(&mut self, at: usize) {
        if let Some(part) = self.parts.get_mut(at) {
            part.container = true;
        }
    }

    /// Adds the parts of a text.
    fn walk(&mut self, content: &[u8], source: usize, encoded_levels: usize) {
        let mut walk = Walk {
            content,
            source,
            encoded_levels,
            around: Vec::new(),
            open: Vec::new(),
            parts: Vec::new(),
            parts_max: MIME_PARTS_MAX.saturating_sub(self.parts.len()),
            too_complex: false,
            depth: 0,
        };
        let mut at = 0;
        while let Next::Entity(next) = walk.entity(at) {
            at = next;
        }
        reopen_empty(&mut walk.parts);
        self.too_complex |= walk.too_complex;
        self.parts.append(&mut walk.parts);
    }

    /// Parts without parts in them.
    pub fn leaves(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| !part.container)
    }
}

impl Part {
    fn is_message(&self) -> bool {
        matches!(&*self.media_type, "message/rfc822" | "message/global")
    }
}

impl Encoding {
    /// A body as it was before; at most so many bytes of it.
    pub(super) fn decode(self, body: &[u8], bytes_max: usize) -> Vec<u8> {
        match self {
            Self::None => decode::cut(body, bytes_max).to_vec(),
            Self::Base64 => decode::base64(body, bytes_max),
            Self::QuotedPrintable => decode::quoted_printable(body, bytes_max),
        }
    }
}

/// A multipart whose boundary never came has its text for itself: readers show it, so it is a leaf.
fn reopen_empty(parts: &mut [Part]) {
    let mut next_start = usize::MAX;
    for part in parts.iter_mut().rev() {
        if part.container && part.body.end <= next_start {
            part.container = false;
        }
        next_start = part.body.start;
    }
}

impl Walk<'_> {
    /// Reads the entity whose header begins at `at`.
    fn entity(&mut self, at: usize) -> Next {
        if self.parts.len() >= self.parts_max || self.depth > MIME_DEPTH_MAX {
            self.too_complex = true;
            return Next::End;
        }
        let digest =
            self.around.last().is_some_and(|container| container.digest && container.depth == self.depth);
        let (mut part, content_type) = self.header(at, digest);
        let body = part.body.start;
        if let Some(boundary) = boundary(&part, content_type.as_ref()) {
            let digest = &*part.media_type == "multipart/digest";
            part.container = true;
            let part = self.push(part);
            self.depth += 1;
            self.around.push(Container { part, boundary, digest, depth: self.depth });
            return self.next_part(body);
        }
        if part.is_message() && part.encoding == Encoding::None {
            part.container = true;
            self.push(part);
            self.depth += 1;
            return Next::Entity(body);
        }
        self.push(part);
        self.next_part(body)
    }

    /// The next line from `at` on that is a boundary: it ends the part before it, and containers within its own.
    fn next_part(&mut self, at: usize) -> Next {
        let mut from = at;
        while let Some((line, level, last)) = self.boundary_line(from, self.content.len()) {
            let end = self.before(line);
            let part = self.around.get(level).map_or(0, |container| container.part);
            self.end_parts(part + 1, end);
            self.around.truncate(level + 1);
            if last {
                self.end_parts(part, end);
                self.around.truncate(level);
                from = self.line_end(line);
                continue;
            }
            self.depth = self.around.get(level).map_or(0, |container| container.depth);
            return Next::Entity(self.line_end(line));
        }
        Next::End
    }

    fn push(&mut self, part: Part) -> usize {
        let index = self.parts.len();
        self.parts.push(part);
        self.open.push(index);
        index
    }

    /// Open parts from `first` on end here. Those that are still open at the end of the message end with it.
    fn end_parts(&mut self, first: usize, end: usize) {
        while let Some(index) = self.open.pop_if(|index| *index >= first) {
            if let Some(part) = self.parts.get_mut(index) {
                part.body.end = end.max(part.body.start);
            }
        }
    }

    /// The first line between `from` and `to` that is the boundary of a container around: its offset, which container,
    /// and whether it is the last (`--boundary--`). The innermost container whose boundary fits has it.
    fn boundary_line(&self, from: usize, to: usize) -> Option<(usize, usize, bool)> {
        if self.around.is_empty() {
            return None;
        }
        // A boundary may stand right at `from`, which is the begin of a line.
        let text = self.content.get(from..to)?;
        let first = text.starts_with(b"--").then_some(from);
        let others = memmem::find_iter(text, b"\n--").map(|at| from + at + 1);
        first.into_iter().chain(others).find_map(|line| {
            let rest = self.content.get(line + 2..)?;
            self.around.iter().enumerate().rev().find_map(|(level, container)| {
                let behind = rest.strip_prefix(&container.boundary[..])?;
                let last = behind.starts_with(b"--");
                let behind = if last { behind.get(2..)? } else { behind };
                is_blank_line(behind).then_some((line, level, last))
            })
        })
    }

    /// Where the header at `at` has to end: before a boundary within it, and after a bounded number of bytes, so that
    /// a thousand headers that never end do not each read the whole message. The message's own header is read once.
    fn header_limit(&self, at: usize) -> usize {
        if at == 0 {
            return self.content.len();
        }
        let limit = self.content.len().min(at + PART_HEADER_BYTES_MAX);
        let text = self.content.get(..limit).unwrap_or_default();
        let mut fields = Fields::at(text, at);
        while fields.next().is_some() {}
        self.boundary_line(at, fields.body()).map_or(limit, |(line, _, _)| line)
    }

    /// The part that a header describes; its body goes to the end of the message for now.
    fn header(&self, at: usize, digest: bool) -> (Part, Option<ContentType<'static>>) {
        let (mut content_type, mut disposition) = (None, None);
        let mut encoding = Encoding::None;
        let text = self.content.get(..self.header_limit(at)).unwrap_or_default();
        let mut fields = Fields::at(text, at);
        for field in &mut fields {
            let name = self.content.get(field.name).unwrap_or_default();
            let value = self.content.get(field.value).unwrap_or_default();
            if name.eq_ignore_ascii_case(b"Content-Type") && content_type.is_none() {
                content_type = decode::content_type(value);
            } else if name.eq_ignore_ascii_case(b"Content-Disposition") && disposition.is_none() {
                disposition = decode::content_type(value);
            } else if name.eq_ignore_ascii_case(b"Content-Transfer-Encoding") {
                encoding = encoding_named(value);
            }
        }
        let part = Part {
            media_type: media_type(content_type.as_ref(), digest),
            charset: content_type.as_ref().and_then(|value| value.attribute("charset")).map(Into::into),
            names: names(disposition.as_ref(), content_type.as_ref()),
            encoding,
            body: fields.body()..self.content.len(),
            source: self.source,
            encoded_levels: self.encoded_levels,
            container: false,
        };
        (part, content_type)
    }

    fn line_end(&self, at: usize) -> usize {
        let rest = self.content.get(at..).unwrap_or_default();
        memchr::memchr(b'\n', rest).map_or(self.content.len(), |feed| at + feed + 1)
    }

    /// The end of the line before a boundary: its line end belongs to the boundary (RFC 2046, 5.1.1).
    fn before(&self, line: usize) -> usize {
        let text = self.content.get(..line).unwrap_or_default();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        text.strip_suffix(b"\r").unwrap_or(text).len()
    }
}

fn is_blank_line(text: &[u8]) -> bool {
    let rest = text.trim_ascii_start();
    let blank = text.get(..text.len() - rest.len()).unwrap_or_default();
    rest.is_empty() || blank.contains(&b'\n')
}

fn encoding_named(value: &[u8]) -> Encoding {
    let value = value.trim_ascii();
    if value.eq_ignore_ascii_case(b"base64") {
        Encoding::Base64
    } else if value.eq_ignore_ascii_case(b"quoted-printable") {
        Encoding::QuotedPrintable
    } else {
        Encoding::None
    }
}

/// The media type, or the one that holds without a `Content-Type` (RFC 2045, 5.2; RFC 2046, 5.1.5).
fn media_type(value: Option<&ContentType<'_>>, digest: bool) -> Box<str> {
    match value {
        Some(value) => {
            let subtype = value.subtype().unwrap_or_default();
            format!("{}/{subtype}", value.ctype()).to_ascii_lowercase().into()
        }
        None if digest => "message/rfc822".into(),
        None => "text/plain".into(),
    }
}

/// The boundary of a multipart; one without is a leaf.
fn boundary(part: &Part, content_type: Option<&ContentType<'_>>) -> Option<Vec<u8>> {
    if !part.media_type.starts_with("multipart/") {
        return None;
    }
    let boundary = content_type?.attribute("boundary")?.trim_end();
    (!boundary.is_empty()).then(|| boundary.as_bytes().to_vec())
}

fn names(disposition: Option<&ContentType<'_>>, content_type: Option<&ContentType<'_>>) -> Vec<Box<str>> {
    let mut names: Vec<Box<str>> = Vec::new();
    let given = [
        disposition.and_then(|value| value.attribute("filename")),
        content_type.and_then(|value| value.attribute("name")),
    ];
    for name in given.into_iter().flatten() {
        // Encoded words have no place in a parameter (RFC 2047, 5), but this is how most senders write names.
        let name = String::from_utf8_lossy(&decode::header(name.as_bytes())).into_owned().into_boxed_str();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
