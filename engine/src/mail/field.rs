//! Header fields as stretches of bytes (RFC 5322, 2.2): of the message's header and of those of its parts.

use std::ops::Range;

use memchr::memchr;
use weir_lang::list::glob_fits;

/// A header field, as ranges of the text that it was found in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: Range<usize>,
    /// What is behind the colon, folded as it came, without the last line end.
    pub value: Range<usize>,
    /// All its lines, with their line ends.
    pub lines: Range<usize>,
}

/// The fields of a header, up to the empty line that ends it. Lines that are no field are passed over.
#[derive(Clone, Debug)]
pub struct Fields<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Fields<'t> {
    /// The header that `text` begins with.
    pub fn new(text: &'t [u8]) -> Self {
        Self::at(text, 0)
    }

    /// The header that begins at an offset.
    pub(super) fn at(text: &'t [u8], at: usize) -> Self {
        Self { text, at }
    }

    /// Where the body begins, once all fields were taken.
    pub(super) fn body(&self) -> usize {
        self.at
    }

    /// The end of the line at an offset, line end included.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        memchr(b'\n', rest).map_or(self.text.len(), |feed| at + feed + 1)
    }

    fn is_folded(&self, at: usize) -> bool {
        matches!(self.text.get(at), Some(b' ' | b'\t'))
    }
}

impl Iterator for Fields<'_> {
    type Item = Field;

    fn next(&mut self) -> Option<Field> {
        loop {
            let start = self.at;
            let first_end = self.line_end(start);
            let line = self.text.get(start..first_end)?;
            if line.is_empty() {
                return None;
            }
            if matches!(line, b"\n" | b"\r\n") {
                // The empty line belongs to the header; a second call must not read on behind it.
                self.at = first_end;
                self.text = self.text.get(..first_end)?;
                return None;
            }
            let mut end = first_end;
            while self.is_folded(end) {
                end = self.line_end(end);
            }
            self.at = end;
            let Some(colon) = memchr(b':', line) else { continue };
            let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
            if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
                continue;
            }
            let name = start..start + name.len();
            let mut value = start + colon + 1..end;
            while value.end > value.start && matches!(self.text.get(value.end - 1), Some(b'\r' | b'\n')) {
                value.end -= 1;
            }
            return Some(Field { name, value, lines: start..end });
        }
    }
}

/// Where the body of a message begins: behind the first empty line, or at its end.
pub fn header_end(message: &[u8]) -> usize {
    let mut fields = Fields::new(message);
    while fields.next().is_some() {}
    fields.body()
}

/// The lines at the top that continue a field which is not there: with anything in front, they would become a part of that.
pub fn orphan_lines(message: &[u8]) -> Range<usize> {
    let fields = Fields::new(message);
    let mut end = 0;
    while fields.is_folded(end) {
        end = fields.line_end(end);
    }
    0..end
}

/// The lines of all fields whose name fits one of the globs (`X-Spam-*`, any case), in order, as ranges of `message`: a
/// message's content, or a [`super::Header`], which knows where they are in the wire form.
pub fn header_ranges(message: &[u8], globs: &[&str]) -> Vec<Range<usize>> {
    let fits = |field: &Field| {
        let name = message.get(field.name.clone()).unwrap_or_default();
        globs.iter().any(|glob| glob_fits(glob.as_bytes(), name))
    };
    Fields::new(message).filter(fits).map(|field| field.lines).collect()
}
