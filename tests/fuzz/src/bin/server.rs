//! The receiving machine over arbitrary bytes: no panic, bounded memory, the same result in any reads, and messages that end
//! where every other host sees their end.

#![no_main]

#[path = "../../../../engine/smtp/tests/common/drive.rs"]
#[allow(dead_code, reason = "the other half drives the client")]
mod drive;

use libfuzzer_sys::fuzz_target;
use weir_smtp::body::{BodyLimits, Scanner};
use weir_smtp::server::LineBreaks;

fuzz_target!(|data: &[u8]| {
    // The first byte chooses how the rest arrives, so that mutations of the rest keep it.
    let Some((&choice, rest)) = data.split_first() else { return };
    let line_breaks = if choice & 1 == 0 { LineBreaks::Refuse } else { LineBreaks::Normalise };
    let start: &[u8] =
        if choice & 2 == 0 { b"" } else { b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" };
    let config = drive::small_config(line_breaks);
    let bytes = [start, rest].concat();
    let whole = drive::serve(&config, &bytes, &[]);
    assert_eq!(drive::serve(&config, &bytes, &[usize::from(choice >> 2) + 1]), whole);
    for message in &whole.messages {
        let limits = BodyLimits { message_bytes_max: 60, header_bytes_max: 30, line_bytes_max: 20 };
        let mut scanner = Scanner::new(limits);
        let found = scanner.scan(message);
        assert_eq!((found.bytes, found.is_end, scanner.fault()), (message.len(), true, None));
    }
});
