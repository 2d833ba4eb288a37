//! Replies from arbitrary bytes: no panic, the same end in any reads, and what was read can be printed and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_smtp::Reply;
use weir_smtp::reply::{RECEIVED_BYTES_MAX, RECEIVED_LINES_MAX, ReplyScanner};

fuzz_target!(|data: &[u8]| {
    let whole = ReplyScanner::default().scan(data);
    let mut scanner = ReplyScanner::default();
    let pieces = (0..=data.len()).find_map(|end| scanner.scan(&data[..end]).transpose());
    assert_eq!(pieces.transpose(), whole);
    if let Ok(reply) = Reply::parse(data) {
        let mut wire = Vec::new();
        reply.print(&mut wire);
        // Long lines are printed as several, so it may have become longer than what is read.
        let lines = wire.iter().filter(|byte| **byte == b'\n').count();
        if wire.len() <= RECEIVED_BYTES_MAX && lines <= RECEIVED_LINES_MAX {
            let again = Reply::parse(&wire);
            assert!(again.is_ok_and(|again| again.code == reply.code));
        }
    }
});
