//! What the allocator does with memory that was freed.

#![allow(unsafe_code, reason = "the allocator's own interface is C")]

use libmimalloc_sys::{mi_collect, mi_option_set_default, mi_option_t};

/// How long freed memory is kept for who asks next, in milliseconds, if nobody [gives it back](super::give_back_memory) before.
const KEPT_MS: std::ffi::c_long = 60_000;

/// `mi_option_purge_delay` of mimalloc 3, which its bindings do not name.
const PURGE_DELAY: mi_option_t = 15;

/// To be called once, when the program starts: freed memory is kept for a minute. By itself the allocator gives back each second what is
/// free at that moment; under a steady load sessions want it again a moment later and pay with a page fault each.
/// `MIMALLOC_PURGE_DELAY` in the environment, in milliseconds, goes before.
pub fn keep_freed_memory() {
    // SAFETY: it stores a number.
    unsafe { mi_option_set_default(PURGE_DELAY, KEPT_MS) };
}

/// Gives the system back all that is free on this thread.
pub(super) fn collect() {
    // SAFETY: it touches only the allocator's own free memory.
    unsafe { mi_collect(true) };
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    #[test]
    fn the_option_is_that_of_this_version() {
        // SAFETY: it reads a number.
        let before = unsafe { mi_option_get(PURGE_DELAY) };
        assert!(before == 1000 || before == KEPT_MS, "mimalloc's own delay is a second: {before}");
        keep_freed_memory();
        // SAFETY: as above.
        assert_eq!(unsafe { mi_option_get(PURGE_DELAY) }, KEPT_MS);
    }
}
