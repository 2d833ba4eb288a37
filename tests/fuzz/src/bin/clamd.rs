//! Replies of a virus scanner from arbitrary bytes: no panic, and nothing that is no verdict counts as one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::clamd::{Scan, reply};

fuzz_target!(|data: &[u8]| {
    match reply::read(data, 1) {
        Ok(Scan::Clean) => assert_eq!(data, b"1: stream: OK"),
        Ok(Scan::Infected(name)) => {
            assert!(!name.is_empty() && !name.chars().any(char::is_control), "{name:?}");
            assert!(data.ends_with(b" FOUND"));
        }
        Ok(Scan::Unknown(_)) | Err(_) => {}
    }
});
