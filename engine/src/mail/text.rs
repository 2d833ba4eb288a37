//! The text view of a message: what a reader sees, as far as patterns need it, and the links in its HTML.

use std::panic::catch_unwind;

use mail_parser::decoders::html::html_to_text;
use memchr::memchr_iter;

use super::decode;
use super::structure::{Part, Structure};
use super::url;
use crate::limits::{TEXT_BYTES_MAX, TEXT_PART_BYTES_MAX, URLS_MAX};

/// The text of all text parts.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// UTF-8, LF at line ends, parts separated by an empty line.
    pub(super) text: Vec<u8>,
    /// Values of attributes of HTML elements that are links, entities resolved.
    pub(super) links: Vec<Vec<u8>>,
}

impl Texts {
    pub(super) fn of(structure: &Structure, content: &[u8]) -> Self {
        let mut texts = Self::default();
        for part in structure.leaves().filter(|part| is_text(part)) {
            if texts.text.len() >= TEXT_BYTES_MAX {
                break;
            }
            texts.add(structure, part, content);
        }
        texts.text.truncate(TEXT_BYTES_MAX);
        texts
    }

    fn add(&mut self, structure: &Structure, part: &Part, content: &[u8]) {
        let bytes = part.encoding.decode(structure.body(part, content), TEXT_PART_BYTES_MAX);
        let text = decode::charset(bytes, part.charset.as_deref());
        if !self.text.is_empty() {
            self.text.extend_from_slice(b"\n\n");
        }
        if &*part.media_type == "text/html" {
            url::in_html(text.as_bytes(), &mut self.links, URLS_MAX);
            self.text.extend_from_slice(render(&text).as_bytes());
        } else {
            self.text.extend(text.bytes().filter(|byte| *byte != b'\r'));
        }
    }
}

/// Whether a leaf is text: a container without parts is shown as text too, an attached message without any content.
fn is_text(part: &Part) -> bool {
    ["text/", "multipart/"].iter().any(|kind| part.media_type.starts_with(kind))
}

/// HTML as text. The head is rendered apart from the body: one that is never closed would else hide all that follows,
/// which browsers show.
fn render(html: &str) -> String {
    let head = body_tag(html.as_bytes()).and_then(|at| html.split_at_checked(at));
    let render = |html: &str| catch_unwind(|| html_to_text(html)).unwrap_or_default();
    match head {
        Some((head, body)) => render(head) + &render(body),
        None => render(html),
    }
}

/// Where `<body` stands, in any case.
fn body_tag(html: &[u8]) -> Option<usize> {
    memchr_iter(b'<', html).find(|at| {
        let name = html.get(at + 1..at + 5);
        name.is_some_and(|name| name.eq_ignore_ascii_case(b"body"))
    })
}
