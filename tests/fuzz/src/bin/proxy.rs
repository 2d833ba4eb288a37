//! PROXY headers and the attributes of XCLIENT and XFORWARD of arbitrary bytes: no panic, a header found early is the one found late,
//! what is printed is read.

#![no_main]

#[path = "../../../../engine/smtp/tests/common/drive.rs"]
#[allow(dead_code, reason = "the other half drives the client")]
mod drive;

use libfuzzer_sys::fuzz_target;
use weir_smtp::proxy::{HEADER_BYTES_MAX, Version, parse, print_v1, print_v2};
use weir_smtp::server::LineBreaks;

fuzz_target!(|data: &[u8]| {
    let whole = parse(data, Version::Either);
    for cut in 0..data.len().min(300) {
        let found = parse(&data[..cut], Version::Either);
        assert!(found == Ok(None) || found == whole, "{found:?} at {cut}, then {whole:?}");
    }
    if let Ok(Some(header)) = whole {
        assert!(header.bytes <= data.len().min(HEADER_BYTES_MAX));
        for print in [print_v1, print_v2] {
            let mut printed = Vec::new();
            print(header.ends, &mut printed);
            assert_eq!(parse(&printed, Version::Either).unwrap().unwrap().ends, header.ends);
        }
    }
    let mut config = drive::small_config(LineBreaks::Refuse);
    config.limits.command_line_bytes_max = 4096;
    config.limits.parameter_line_bytes_max = 4096;
    config.limits.discarded_line_bytes_max = 8192;
    for verb in [&b"XCLIENT "[..], b"XFORWARD "] {
        let dialog = [&b"EHLO a\r\n"[..], verb, data, b"\r\nMAIL FROM:<a@b>\r\n"].concat();
        let whole = drive::serve(&config, &dialog, &[]);
        assert_eq!(drive::serve(&config, &dialog, &[7]), whole);
    }
});
