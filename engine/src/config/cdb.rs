//! Constant databases (cr.yp.to/cdb), as `postmap cdb:` and `cdb -c` write them: their records as the lines of a list or map file.
//!
//! ```text
//! 256 x (place, slots) of the hash tables | records: key bytes, value bytes, key, value | hash tables
//! ```
//! weir holds lists in memory, so the hash tables are of no use to it and are not looked at.

/// The part before the records: 256 pairs of two numbers of four bytes.
const HEADER_BYTES: usize = 256 * 8;

/// The records as text, a line each: the key, and a tab and the value if there is one. A byte of 0 at the end of either, as Postfix
/// writes it when asked to, is none of it.
///
/// # Errors
/// When it is no whole database, or a record could not be a line: which, and why.
pub(super) fn text(database: &[u8]) -> Result<String, String> {
    let end = end_of_records(database)
        .ok_or("no whole constant database: its header is cut off, not written yet or makes no sense")?;
    let mut rest = database.get(HEADER_BYTES..end).unwrap_or_default();
    let mut text = String::with_capacity(rest.len());
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let (key, value, behind) = record(rest).ok_or_else(|| format!("record {number} is cut off"))?;
        rest = behind;
        let key = line_part(key).filter(|key| !key.is_empty() && !key.contains([' ', '\t', '#']));
        let key = key.ok_or_else(|| format!("record {number}: its key is no text without blanks and `#`"))?;
        let value = line_part(value)
            .ok_or_else(|| format!("record {number} (`{key}`): its value is no line of text"))?;
        text.push_str(key);
        if !value.is_empty() {
            text.push('\t');
            text.push_str(value);
        }
        text.push('\n');
    }
    Ok(text)
}

/// Where the first hash table begins: those that are empty are said to be there as well, or nowhere. A header that says nothing of any
/// is that of a database which is still being written: it comes last, and one without records has their place too.
fn end_of_records(database: &[u8]) -> Option<usize> {
    let header = database.get(..HEADER_BYTES)?;
    let places = header.chunks_exact(8).filter_map(number);
    let end = places.filter(|place| *place > 0).min()?;
    (HEADER_BYTES..=database.len()).contains(&end).then_some(end)
}

/// The first record and what is behind it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (lengths, rest) = bytes.split_at_checked(8)?;
    let (key, rest) = rest.split_at_checked(number(lengths)?)?;
    let (value, rest) = rest.split_at_checked(number(lengths.get(4..)?)?)?;
    Some((key, value, rest))
}

fn number(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.first_chunk()?)).ok()
}

fn line_part(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes.strip_suffix(b"\0").unwrap_or(bytes)).ok()?;
    (!text.contains(['\n', '\r', '\0'])).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(records: &[(&str, &str)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (key, value) in records {
            for length in [key.len(), value.len()] {
                body.extend_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
            }
            body.extend_from_slice(key.as_bytes());
            body.extend_from_slice(value.as_bytes());
        }
        let end = u32::try_from(HEADER_BYTES + body.len()).unwrap().to_le_bytes();
        let mut database: Vec<u8> = [end, [0; 4]].concat().repeat(256);
        database.extend(body);
        database
    }

    #[test]
    fn records_become_lines() {
        let found =
            text(&database(&[("a@example.org", "OK"), ("b@example.org\0", "in two words\0"), ("c", "")]));
        assert_eq!(found.unwrap(), "a@example.org\tOK\nb@example.org\tin two words\nc\n");
        assert_eq!(text(&database(&[])).unwrap(), "");
    }

    /// `cdb -c` without a temporary file writes 2048 bytes of 0, then the records and tables, and then the header: read meanwhile, a
    /// list of recipients was empty and refused all of them.
    #[test]
    fn a_database_that_is_being_written_is_not_empty() {
        let mut database = database(&[("a@example.org", "OK")]);
        database[..HEADER_BYTES].fill(0);
        for bytes in [HEADER_BYTES, database.len()] {
            assert!(text(&database[..bytes]).unwrap_err().contains("not written yet"));
        }
    }

    #[test]
    fn what_is_no_database_is_said() {
        assert!(text(b"a@example.org OK\n").unwrap_err().contains("header"));
        let whole = database(&[("a@example.org", "OK")]);
        for cut in HEADER_BYTES..whole.len() {
            text(&whole[..cut]).unwrap_err();
        }
        assert!(text(&database(&[("a", "x"), ("b c", "x")])).unwrap_err().contains("record 2"));
        assert!(text(&database(&[("a", "x\ny")])).unwrap_err().contains("`a`"));
    }
}
