//! The sending machine against a server that says arbitrary bytes: no panic, bounded memory, an end.

#![no_main]

#[path = "../../../../engine/smtp/tests/common/drive.rs"]
#[allow(dead_code, reason = "the other half drives the server")]
mod drive;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&size, said)) = data.split_first() else { return };
    drive::send(said.chunks(usize::from(size) + 1));
    // Line by line, as an honest server would speak, from an open session on.
    let open: [&[u8]; 2] = [b"220 x\r\n", b"250-x\r\n250 PIPELINING\r\n"];
    drive::send(open.into_iter().chain(said.split_inclusive(|&byte| byte == b'\n')));
    let chunking: [&[u8]; 2] = [b"220 x\r\n", b"250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n"];
    drive::send(chunking.into_iter().chain(said.split_inclusive(|&byte| byte == b'\n')));
});
