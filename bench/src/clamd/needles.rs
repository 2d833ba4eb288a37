//! What the stand-in finds: texts, in a stream that comes in pieces.

use memchr::memmem::Finder;

/// Longest text that is looked for, in bytes.
pub(super) const NEEDLE_BYTES_MAX: usize = 1000;

/// Texts and the names under which they are reported.
pub(super) struct Needles {
    list: Vec<(String, Finder<'static>)>,
    /// So many bytes of a piece may be the beginning of a text that goes on in the next.
    overlap: usize,
}

/// The state of one stream.
#[derive(Default)]
pub(super) struct Search {
    /// The end of what was looked at, and the piece that is looked at.
    window: Vec<u8>,
    found: Option<usize>,
}

impl Needles {
    /// The EICAR test file, and these.
    pub(super) fn new(others: &[(String, String)]) -> Self {
        // In two halves, so that virus scanners do not find it in this program.
        let eicar = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat();
        let all = [(String::from("Eicar-Test-Signature"), eicar)].into_iter().chain(others.iter().cloned());
        let list: Vec<_> =
            all.map(|(name, text)| (name, Finder::new(text.as_bytes()).into_owned())).collect();
        let longest = list.iter().map(|(_, finder)| finder.needle().len()).max();
        Self { list, overlap: longest.unwrap_or(0).saturating_sub(1) }
    }

    /// Looks at the next piece.
    pub(super) fn look(&self, search: &mut Search, piece: &[u8]) {
        if search.found.is_some() {
            return;
        }
        search.window.extend_from_slice(piece);
        search.found = self.list.iter().position(|(_, finder)| finder.find(&search.window).is_some());
        let done = search.window.len().saturating_sub(self.overlap);
        search.window.drain(..done);
    }

    /// The name of what was found.
    pub(super) fn found(&self, search: &Search) -> Option<&str> {
        self.list.get(search.found?).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_over_any_cut() {
        let needles = Needles::new(&[("Test.One".into(), "needle".into())]);
        let text = b"hay hay needle hay";
        for size in 1..text.len() {
            let mut search = Search::default();
            text.chunks(size).for_each(|piece| needles.look(&mut search, piece));
            assert_eq!(needles.found(&search), Some("Test.One"), "{size}");
            assert!(search.window.len() <= 68);
        }
        let mut search = Search::default();
        needles.look(&mut search, b"need");
        needles.look(&mut search, b"hay le");
        assert_eq!(needles.found(&search), None);
    }
}
