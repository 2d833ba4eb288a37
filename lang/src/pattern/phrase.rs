//! A phrase: words in order, with any white space between them, standing alone.

use super::literal;

/// A phrase as it is compared: its words, ASCII letters in lower case.
#[derive(Debug)]
pub(super) struct Phrase {
    words: Vec<Box<[u8]>>,
    /// The word that the literal pass looks for: the rarest.
    pivot: usize,
}

impl Phrase {
    /// `None` without any word.
    pub(super) fn new(text: &[u8]) -> Option<Self> {
        let mut words = Vec::new();
        let mut rest = text;
        loop {
            rest = skip_space(rest);
            let length = word_length(rest);
            let Some((word, behind)) = rest.split_at_checked(length).filter(|_| length > 0) else { break };
            words.push(word.to_ascii_lowercase().into_boxed_slice());
            rest = behind;
        }
        let (pivot, _) = words.iter().enumerate().max_by_key(|(_, word)| literal::bits(word))?;
        Some(Self { words, pivot })
    }

    /// The word to look for.
    pub(super) fn literal(&self) -> &[u8] {
        self.words.get(self.pivot).map(|word| &**word).unwrap_or_default()
    }

    /// Whether the phrase stands where its literal begins at `at`. Looks at no more than its own words and the white
    /// space between them.
    pub(super) fn is_at(&self, text: &[u8], at: usize) -> bool {
        let (Some((before, after)), Some((head, tail))) =
            (text.split_at_checked(at), self.words.split_at_checked(self.pivot))
        else {
            return false;
        };
        let Some(behind) = words_ahead(after, tail) else { return false };
        let Some(before) = words_behind(before, head) else { return false };
        self.bounded(before, behind)
    }

    /// Whether the phrase stands anywhere.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        (0..text.len()).any(|at| self.is_at(text, at))
    }

    /// A phrase that begins or ends with a letter, digit or `_` does not stand within a longer word.
    fn bounded(&self, before: &[u8], behind: &[u8]) -> bool {
        let first = self.words.first().and_then(|word| first_char(word)).is_some_and(is_word);
        let last = self.words.last().and_then(|word| last_char(word)).is_some_and(is_word);
        !(first && last_char(before).is_some_and(is_word) || last && first_char(behind).is_some_and(is_word))
    }
}

/// What is behind the words, if `text` begins with them.
fn words_ahead<'t>(mut text: &'t [u8], words: &[Box<[u8]>]) -> Option<&'t [u8]> {
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            let rest = skip_space(text);
            if rest.len() == text.len() {
                return None;
            }
            text = rest;
        }
        let (head, rest) = text.split_at_checked(word.len())?;
        if !head.eq_ignore_ascii_case(word) {
            return None;
        }
        text = rest;
    }
    Some(text)
}

/// What is before the words, if `text` ends with them and white space.
fn words_behind<'t>(mut text: &'t [u8], words: &[Box<[u8]>]) -> Option<&'t [u8]> {
    for word in words.iter().rev() {
        let rest = skip_space_back(text);
        if rest.len() == text.len() {
            return None;
        }
        let (before, tail) = rest.split_at_checked(rest.len().checked_sub(word.len())?)?;
        if !tail.eq_ignore_ascii_case(word) {
            return None;
        }
        text = before;
    }
    Some(text)
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn word_length(text: &[u8]) -> usize {
    let mut length = 0;
    while let Some(rest) = text.get(length..)
        && !rest.is_empty()
    {
        match first_char(rest) {
            Some(char) if char.is_whitespace() => break,
            Some(char) => length += char.len_utf8(),
            None => length += 1,
        }
    }
    length
}

fn skip_space(mut text: &[u8]) -> &[u8] {
    while let Some(char) = first_char(text).filter(|char| char.is_whitespace()) {
        text = text.get(char.len_utf8()..).unwrap_or_default();
    }
    text
}

fn skip_space_back(mut text: &[u8]) -> &[u8] {
    while let Some(char) = last_char(text).filter(|char| char.is_whitespace()) {
        text = text.get(..text.len() - char.len_utf8()).unwrap_or_default();
    }
    text
}

/// The character that `text` begins with; `None` at the end and for what is no UTF-8.
fn first_char(text: &[u8]) -> Option<char> {
    let length = match text.first()? {
        byte @ 0..=0x7f => return Some(char::from(*byte)),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    std::str::from_utf8(text.get(..length)?).ok()?.chars().next()
}

/// The character that `text` ends with; `None` at the begin and for what is no UTF-8.
fn last_char(text: &[u8]) -> Option<char> {
    let last = *text.last()?;
    if last.is_ascii() {
        return Some(char::from(last));
    }
    (2..=4).find_map(|length| {
        let tail = text.get(text.len().checked_sub(length)?..)?;
        std::str::from_utf8(tail).ok()?.chars().next_back()
    })
}
