//! Cores of the machine that programs are bound to: `0`, `0,1`, `2-5`.

use std::fmt;
use std::str::FromStr;

/// Most cores: one bit each.
const CORES_MAX: usize = 128;

/// At least one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores(u128);

/// Cores that this process may use.
pub(crate) fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Cores {
    /// A single one; the last that there can be for a higher number.
    pub(crate) const fn one(core: usize) -> Self {
        Self(1 << if core < CORES_MAX { core } else { CORES_MAX - 1 })
    }

    fn each(self) -> impl Iterator<Item = usize> {
        (0..CORES_MAX).filter(move |core| self.0 & 1 << core != 0)
    }

    /// Itself, if the machine has all of them.
    pub(crate) fn here(self) -> Option<Self> {
        self.each().all(|core| core < available()).then_some(self)
    }

    /// The words before a command that bind it. `taskset` executes the command in its own place.
    pub(crate) fn pin(&self) -> [String; 3] {
        ["taskset".into(), "-c".into(), self.to_string()]
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores: Vec<String> = self.each().map(|core| core.to_string()).collect();
        out.write_str(&cores.join(","))
    }
}

impl FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            || format!("`{text}` names no cores: write numbers below {CORES_MAX}, such as 0, 0,1 or 2-5");
        let number =
            |text: &str| text.parse().ok().filter(|core: &usize| *core < CORES_MAX).ok_or_else(wanted);
        let mut bits = 0;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            for core in number(first)?..=number(last)? {
                bits |= 1 << core;
            }
        }
        if bits == 0 { Err(wanted()) } else { Ok(Self(bits)) }
    }
}

/// The cores of what is measured and those of everybody else: `0:1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) measured: Cores,
    pub(crate) others: Cores,
}

impl FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (measured, others) = text.split_once(':').ok_or_else(|| {
            format!("`{text}`: write the cores of the measured server and of the others, as 0:1")
        })?;
        Ok(Self { measured: measured.parse()?, others: others.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_read_and_written() {
        let shown = |text: &str| text.parse().map(|cores: Cores| cores.to_string());
        assert_eq!(
            [shown("0"), shown("3,1"), shown("2-4")],
            [Ok("0".into()), Ok("1,3".into()), Ok("2,3,4".into())]
        );
        for wrong in ["", "a", "128", "-1", "3-2"] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Cores::one(1).pin().join(" "), "taskset -c 1");
        assert_eq!((Cores::one(0).here(), Cores::one(CORES_MAX).here()), (Some(Cores::one(0)), None));
        let split: Split = "0:0,1".parse().unwrap();
        assert_eq!((split.measured.to_string(), split.others.to_string()), ("0".into(), "0,1".into()));
    }
}
