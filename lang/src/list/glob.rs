//! Globs over mailboxes: `*` is any text, `?` any one character, all else itself without case.

/// Globs of one list: each is tried in turn.
const GLOBS_MAX: usize = 10_000;
/// Bytes of one glob.
const GLOB_BYTES_MAX: usize = 512;
/// Bytes of a text that is looked at; no mailbox is longer (RFC 5321, 4.5.3.1), and a longer text fits no glob. With
/// [`GLOB_BYTES_MAX`] it bounds the time of one try.
const TEXT_BYTES_MAX: usize = 1024;

/// Globs.
#[derive(Debug, Default)]
pub struct GlobSet {
    globs: Vec<Box<[u8]>>,
}

impl GlobSet {
    /// Whether any of them fits the whole text.
    pub fn contains(&self, text: &[u8]) -> bool {
        text.len() <= TEXT_BYTES_MAX && self.globs.iter().any(|glob| fits(glob, text))
    }

    /// How many it has.
    pub fn len(&self) -> usize {
        self.globs.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.globs.is_empty()
    }

    /// Puts in an entry that [`parse_entry`] made.
    pub(super) fn insert(&mut self, entry: &str) -> Result<(), String> {
        if self.globs.len() >= GLOBS_MAX {
            return Err(format!(
                "more than {GLOBS_MAX} patterns: a list of addresses or domains has no such bound"
            ));
        }
        self.globs.push(entry.as_bytes().into());
        Ok(())
    }
}

/// A glob.
pub(super) fn parse_entry(entry: &str) -> Result<&str, String> {
    if entry.is_empty() {
        return Err(String::from("the pattern is empty"));
    }
    if entry.len() > GLOB_BYTES_MAX {
        return Err(format!("the pattern has {} bytes, at most {GLOB_BYTES_MAX}", entry.len()));
    }
    if entry.contains(char::is_whitespace) {
        return Err(format!("`{entry}` is no pattern of an address: it has white space"));
    }
    Ok(entry)
}

/// Whether a glob fits all of a text. After a mismatch only the last `*` takes one byte more: earlier ones need no
/// second try, so the time is at most the product of both lengths.
pub fn fits(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(seen) {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at + 1, seen));
                at += 1;
            }
            Some(b'?') => {
                at += 1;
                seen += char_length(text, seen);
            }
            Some(sign) if sign.eq_ignore_ascii_case(byte) => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((behind, taken)) = star else { return false };
                star = Some((behind, taken + 1));
                (at, seen) = (behind, taken + 1);
            }
        }
    }
    glob.get(at..).unwrap_or_default().iter().all(|sign| *sign == b'*')
}

/// Bytes of the character at `at`: continuation bytes belong to the one before them.
fn char_length(text: &[u8], at: usize) -> usize {
    let rest = text.get(at + 1..).unwrap_or_default();
    1 + rest.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count()
}
