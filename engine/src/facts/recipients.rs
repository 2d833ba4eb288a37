//! The accepted recipients of a message.

use std::cell::OnceCell;

/// Recipients in the order of their RCPT commands: one text, so that a cleared list takes the next message without allocating.
#[derive(Debug, Default)]
pub struct Recipients {
    text: Vec<u8>,
    /// Where each ends in the text.
    ends: Vec<usize>,
    /// As rules see them; made when one asks.
    texts: OnceCell<Vec<Box<[u8]>>>,
}

impl Recipients {
    /// Adds one.
    pub fn push(&mut self, address: &[u8]) {
        self.text.extend_from_slice(address);
        self.ends.push(self.text.len());
        self.texts.take();
    }

    /// Forgets all; memory is kept.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.texts.take();
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.text.get(start..end).unwrap_or_default())
    }

    /// The recipient, if there is but one.
    pub fn only(&self) -> Option<&[u8]> {
        (self.len() == 1).then_some(&self.text)
    }

    /// All, as the value of a field.
    pub fn texts(&self) -> &[Box<[u8]>] {
        self.texts.get_or_init(|| self.iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_comes_out() {
        let mut recipients = Recipients::default();
        assert!(recipients.is_empty() && recipients.texts().is_empty() && recipients.only().is_none());
        recipients.push(b"a@example.org");
        assert_eq!(recipients.only(), Some(&b"a@example.org"[..]));
        assert_eq!(recipients.texts().len(), 1);
        recipients.push(b"postmaster");
        assert_eq!(recipients.iter().collect::<Vec<_>>(), [&b"a@example.org"[..], b"postmaster"]);
        assert_eq!(recipients.texts(), [b"a@example.org"[..].into(), b"postmaster"[..].into()]);
        assert_eq!((recipients.len(), recipients.only()), (2, None));
        recipients.clear();
        assert!(recipients.is_empty() && recipients.texts().is_empty());
    }
}
