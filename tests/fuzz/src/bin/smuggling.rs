//! A message of arbitrary bytes, by DATA and by BDAT: what the receiving machine accepts is one message to hops of every leniency.

#![no_main]

#[path = "../../../../engine/smtp/tests/common/drive.rs"]
#[allow(dead_code, reason = "the other half drives the client")]
mod drive;
#[path = "../../../../engine/smtp/tests/common/hop.rs"]
#[allow(dead_code, reason = "only its kinds are used here")]
mod hop;
#[path = "../../../../engine/smtp/tests/common/relay.rs"]
mod relay;

use libfuzzer_sys::fuzz_target;
use weir_smtp::server::LineBreaks;
use weir_smtp::{Extension, ServerConfig};

const ENVELOPE: &[u8] = b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

fuzz_target!(|data: &[u8]| {
    let Some((&choice, content)) = data.split_first() else { return };
    let mut config = ServerConfig::new("mx.example.org");
    config.extensions = config.extensions.with(Extension::Chunking);
    config.line_breaks = if choice & 1 == 0 { LineBreaks::Refuse } else { LineBreaks::Normalise };
    let session = if choice & 2 == 0 {
        [ENVELOPE, b"DATA\r\n", content, b"\r\n.\r\n"].concat()
    } else {
        let (first, second) = content.split_at(content.len().min(usize::from(choice >> 2)));
        let sizes = [format!("BDAT {}\r\n", first.len()), format!("BDAT {} LAST\r\n", second.len())];
        let [one, other] = sizes.each_ref().map(String::as_bytes);
        [ENVELOPE, one, first, other, second].concat()
    };
    for message in drive::serve(&config, &session, &[]).messages {
        relay::check_wire(&message);
    }
});
