//! When a file is to be read: not while somebody writes to it.

use crate::config::Unread;
use crate::generation::Stamp;
use crate::limits::LISTS_RESTLESS_LOOKS;

/// What is known of a file. Without a stamp it is not there, or is to be read.
///
/// ```text
/// as read --another--> another --the same at the next look--> read --the same still--> as read
///                         ^-------------another-------------------/
/// ```
pub(super) struct Looked {
    /// As it was when it was read.
    read: Option<Stamp>,
    /// As it was at the last look.
    seen: Option<Stamp>,
    /// Why it cannot be read, as it was told last.
    told: Option<String>,
    /// Looks in a row at which it was another than before.
    restless: u32,
}

/// What is said of a file that is another at each look, for [`LISTS_RESTLESS_LOOKS`]: its entries of before go on to serve.
pub(super) const RESTLESS: &str =
    "it changes so often that it is never at rest; write it less often, or to another name and rename it";

impl Looked {
    /// One that was read when it was so.
    pub(super) fn new(read: Option<Stamp>) -> Self {
        Self { read, seen: None, told: None, restless: 0 }
    }

    /// Whether it is to be read now that it is so: half a list would be a list too, so it is when it was the same at the look before.
    pub(super) fn is_due(&mut self, now: Option<Stamp>) -> bool {
        let is_at_rest = std::mem::replace(&mut self.seen, now) == now;
        self.restless = if is_at_rest { 0 } else { self.restless.saturating_add(1) };
        is_at_rest && now != self.read
    }

    /// Whether it is to be told now that it never is at rest.
    pub(super) fn is_restless(&self) -> bool {
        self.restless == LISTS_RESTLESS_LOOKS
    }

    /// What is to be done with what was read or with the fault of it, when it is so after that. One that has changed meanwhile is read
    /// again, and so is one that could not be read, which is told once.
    pub(super) fn outcome<T>(
        &mut self,
        now: Option<Stamp>,
        read: Result<T, Unread>,
    ) -> Option<Result<T, String>> {
        if now != self.seen {
            self.seen = now;
            return None;
        }
        let told = self.told.take();
        if let Err(Unread::Io(reason)) = read {
            self.read = None;
            let is_known = told.as_ref() == Some(&reason);
            self.told = Some(reason.clone());
            return (!is_known).then_some(Err(reason));
        }
        self.read = now;
        Some(read.map_err(Unread::reason))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::generation::stamp;

    struct File(PathBuf);

    impl File {
        fn new(name: &str) -> Self {
            let file = Self(std::env::temp_dir().join(format!("weir-looked-{name}-{}", std::process::id())));
            file.write("a@example.org\n");
            file
        }

        fn write(&self, text: &str) {
            std::fs::write(&self.0, text).unwrap();
        }

        fn now(&self) -> Option<Stamp> {
            stamp(self.0.to_str().unwrap())
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _gone = std::fs::remove_file(&self.0);
        }
    }

    /// A list was read as soon as it was another, and half a list of recipients refuses the other half.
    #[test]
    fn a_file_that_is_being_written_is_not_read() {
        let file = File::new("written");
        let mut looked = Looked::new(file.now());
        assert!(!looked.is_due(file.now()) && !looked.is_due(file.now()), "it has not changed");
        for text in ["a@example.org\nb@", "a@example.org\nb@example.org\nc"] {
            file.write(text);
            assert!(!looked.is_due(file.now()), "it may not be whole");
        }
        assert!(looked.is_due(file.now()));
        file.write("written while it was read");
        assert_eq!(looked.outcome(file.now(), Ok(())), None);
        assert!(looked.is_due(file.now()));
        assert_eq!(looked.outcome(file.now(), Ok(())), Some(Ok(())));
        assert!(!looked.is_due(file.now()));
    }

    /// Its entries of before served for ever, and nobody heard why.
    #[test]
    fn a_file_that_never_rests_is_told_once() {
        let file = File::new("restless");
        let mut looked = Looked::new(file.now());
        let mut told = 0;
        for number in 0..2 * usize::try_from(LISTS_RESTLESS_LOOKS).unwrap() {
            file.write(&"a".repeat(number));
            assert!(!looked.is_due(file.now()));
            told += usize::from(looked.is_restless());
        }
        assert_eq!(told, 1);
        assert!(looked.is_due(file.now()) && !looked.is_restless());
    }

    /// A file that could not be read, for want of a descriptor, was not tried again.
    #[test]
    fn what_could_not_be_read_is_tried_again() {
        let file = File::new("failed");
        let mut looked = Looked::new(None);
        let io = || Err::<(), _>(Unread::Io(String::from("too many open files")));
        assert!(!looked.is_due(file.now()));
        for told in [Some(Err(String::from("too many open files"))), None] {
            assert!(looked.is_due(file.now()));
            assert_eq!(looked.outcome(file.now(), io()), told, "told once");
        }
        assert!(looked.is_due(file.now()));
        let fault = Err::<(), _>(Unread::Fault(String::from("line 1")));
        assert_eq!(looked.outcome(file.now(), fault), Some(Err(String::from("line 1"))));
        assert!(!looked.is_due(file.now()), "it says the same the next time");
    }
}
