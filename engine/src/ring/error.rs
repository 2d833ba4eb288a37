//! Why there is no ring, and what to do about it.

use std::fmt;
use std::io;

use io_uring::opcode;

/// The kernel does not give us a ring. Prints as one line: the reason, then the remedy.
#[derive(Debug)]
#[non_exhaustive]
pub enum RingError {
    /// A seccomp filter (the default one of container engines) or another security module forbids it.
    Filtered,
    /// The sysctl `kernel.io_uring_disabled` has this value: 1 forbids it to most, 2 to all.
    Disabled(u8),
    /// The kernel was built without it, or is older than 5.1.
    Missing,
    /// The kernel has it, but not this operation.
    TooOld(&'static str),
    /// Too many files are open, in this process or in the system.
    Files(io::Error),
    /// The memory that this process may lock is too small.
    Memory,
    /// Anything else.
    Other(io::Error),
}

impl RingError {
    /// Reads the reason out of the error that setting up the ring gave.
    pub(super) fn from_setup(error: io::Error) -> Self {
        Self::classify(error, || std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok())
    }

    /// Flags and buffers that the kernel does not know say that it is too old.
    fn of_old_kernel(self) -> Self {
        match self {
            Self::Other(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                Self::TooOld("deferred task work or buffer rings")
            }
            other => other,
        }
    }

    fn classify(error: io::Error, disabled: impl FnOnce() -> Option<String>) -> Self {
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                match disabled().and_then(|value| value.trim().parse::<u8>().ok()) {
                    Some(value) if value > 0 => Self::Disabled(value),
                    _ => Self::Filtered,
                }
            }
            Some(libc::ENOSYS) => Self::Missing,
            Some(libc::EMFILE | libc::ENFILE) => Self::Files(error),
            Some(libc::ENOMEM) => Self::Memory,
            _ => Self::Other(error),
        }
    }
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "io_uring unavailable: ")?;
        match self {
            Self::Filtered => write!(
                f,
                "EPERM, a seccomp filter forbids it; run outside the container's default profile, or allow \
                 io_uring_setup, io_uring_enter and io_uring_register in it"
            ),
            Self::Disabled(value) => write!(
                f,
                "EPERM, kernel.io_uring_disabled is {value}; set it to 0, or to 1 with weir's group in \
                 kernel.io_uring_group"
            ),
            Self::Missing => {
                write!(f, "ENOSYS, the kernel has no io_uring (or a filter hides it); use Linux 6.1 or newer")
            }
            Self::TooOld(operation) => {
                write!(f, "the kernel lacks the operation {operation}; use Linux 6.1 or newer")
            }
            Self::Files(error) => write!(f, "{error}; raise LimitNOFILE (ulimit -n)"),
            Self::Memory => write!(f, "ENOMEM, too little lockable memory; raise LimitMEMLOCK (ulimit -l)"),
            Self::Other(error) => write!(f, "{error}; `strace -e io_uring_setup` shows the call that fails"),
        }
    }
}

impl std::error::Error for RingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Files(error) | Self::Other(error) => Some(error),
            _ => None,
        }
    }
}

/// The operations that the flow is made of.
const NEEDED: [(u8, &str); 6] = [
    (opcode::Accept::CODE, "accept"),
    (opcode::Connect::CODE, "connect"),
    (opcode::Recv::CODE, "recv"),
    (opcode::Send::CODE, "send"),
    (opcode::SendMsg::CODE, "sendmsg"),
    (opcode::AsyncCancel::CODE, "async cancel"),
];

/// Tries to set up a ring and asks it for every operation that weir uses.
///
/// # Errors
/// The reason why shards could not start.
pub fn probe() -> Result<(), RingError> {
    let runtime = super::driver::runtime()?;
    drop(runtime);
    let driver = super::driver::Driver::new().map_err(RingError::of_old_kernel)?;
    drop(driver);
    let ring = io_uring::IoUring::new(2).map_err(RingError::from_setup)?;
    let mut probe = io_uring::Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(RingError::from_setup)?;
    match NEEDED.iter().find(|(code, _)| !probe.is_supported(*code)) {
        Some((_, name)) => Err(RingError::TooOld(name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(errno: i32, disabled: Option<&str>, expected: &str) {
        let error = RingError::classify(io::Error::from_raw_os_error(errno), || disabled.map(str::to_owned));
        let line = error.to_string();
        assert!(line.contains(expected), "{line:?} lacks {expected:?}");
        assert!(!line.contains('\n'), "{line:?} is more than one line");
    }

    #[test]
    fn each_refusal_names_its_remedy() {
        check(libc::EPERM, Some("0\n"), "seccomp");
        check(libc::EPERM, None, "seccomp");
        check(libc::EPERM, Some("2\n"), "kernel.io_uring_disabled is 2");
        check(libc::ENOSYS, None, "Linux 6.1");
        check(libc::EMFILE, None, "LimitNOFILE");
        check(libc::ENOMEM, None, "LimitMEMLOCK");
        check(libc::EINVAL, None, "strace");
    }

    #[test]
    fn this_kernel_serves() {
        probe().expect("the tests need io_uring");
    }
}
