//! Reading what follows a word. The checker has matched it against the word's form, so what is asked for here is there;
//! a default stands in for what a form leaves open.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use weir_lang::plan::{Arg, Declared, Setting};

use crate::upstream::pool::FixedReply;

/// The arguments of one setting or statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args<'a>(pub(crate) &'a [Arg]);

impl<'a> Args<'a> {
    /// What stands behind this word, up to the end.
    pub(crate) fn after(self, word: &str) -> Option<Self> {
        let index = self.0.iter().position(|arg| matches!(arg, Arg::Word(found) if found == word))?;
        self.0.get(index + 1..).map(Self)
    }

    /// Whether this word is there.
    pub(crate) fn has(self, word: &str) -> bool {
        self.after(word).is_some()
    }

    /// The first duration.
    pub(crate) fn duration(self) -> Option<Duration> {
        self.0.iter().find_map(|arg| match arg {
            Arg::Duration(milliseconds) => Some(Duration::from_millis(*milliseconds)),
            _ => None,
        })
    }

    /// The first address.
    pub(crate) fn ip(self) -> Option<IpAddr> {
        self.0.iter().find_map(|arg| match arg {
            Arg::Ip(ip) => Some(*ip),
            _ => None,
        })
    }

    /// All patterns of addresses.
    pub(crate) fn quads(self) -> Vec<[(u8, u8); 4]> {
        self.0
            .iter()
            .filter_map(|arg| match arg {
                Arg::Quad(octets) => Some(*octets),
                _ => None,
            })
            .collect()
    }

    /// The first whole number, or size in bytes, or percentage.
    pub(crate) fn number(self) -> Option<u64> {
        self.0.iter().find_map(|arg| match arg {
            Arg::Int(number) => u64::try_from(*number).ok(),
            Arg::Size(bytes) => Some(*bytes),
            Arg::Percent(percent) => Some(u64::from(*percent)),
            _ => None,
        })
    }

    /// The first whole number or size, as a count.
    pub(crate) fn count(self) -> Option<usize> {
        self.number().map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// The first text.
    pub(crate) fn text(self) -> Option<&'a str> {
        self.texts().next()
    }

    /// All texts.
    pub(crate) fn texts(self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|arg| match arg {
            Arg::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The first name of something declared.
    pub(crate) fn name(self) -> Option<&'a str> {
        self.names().next()
    }

    /// All names of things declared.
    pub(crate) fn names(self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|arg| match arg {
            Arg::Name(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The first word.
    pub(crate) fn word(self) -> Option<&'a str> {
        self.words().next()
    }

    /// All words.
    pub(crate) fn words(self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|arg| match arg {
            Arg::Word(word) => Some(word.as_str()),
            _ => None,
        })
    }

    /// All sockets.
    pub(crate) fn sockets(self) -> impl Iterator<Item = SocketAddr> + 'a {
        self.0.iter().filter_map(|arg| match arg {
            Arg::Socket(socket) => Some(*socket),
            _ => None,
        })
    }

    /// A code, an enhanced code and a text.
    pub(crate) fn reply(self) -> Option<FixedReply> {
        let code = self.0.iter().find_map(|arg| match arg {
            Arg::Code(code) => Some(*code),
            _ => None,
        })?;
        let enhanced = self.0.iter().find_map(|arg| match arg {
            Arg::Enhanced(class, subject, detail) => Some((*class, *subject, *detail)),
            _ => None,
        })?;
        Some(FixedReply::new(code, enhanced, self.text()?))
    }
}

/// The arguments of a declaration's setting, if it is there.
pub(crate) fn setting<'a>(declared: &'a Declared, word: &str) -> Option<Args<'a>> {
    settings(declared, word).next()
}

/// The arguments of each setting with this word.
pub(crate) fn settings<'a>(declared: &'a Declared, word: &str) -> impl Iterator<Item = Args<'a>> {
    declared
        .settings
        .iter()
        .filter(move |setting| setting.word == word)
        .map(|Setting { args, .. }| Args(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_a_word() {
        let args = [
            Arg::Word("smtp".into()),
            Arg::Word("every".into()),
            Arg::Duration(2000),
            Arg::Word("rise".into()),
            Arg::Int(2),
        ];
        let args = Args(&args);
        assert_eq!(args.after("every").and_then(Args::duration), Some(Duration::from_secs(2)));
        assert_eq!(args.after("rise").and_then(Args::count), Some(2));
        assert_eq!(args.after("fall").and_then(Args::count), None);
    }
}
