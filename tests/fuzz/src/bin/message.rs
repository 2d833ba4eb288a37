//! What rules see of a message, from arbitrary bytes: no panic, everything within its bound, and header lines can be cut out of the
//! wire form without a harm to its end.

#![no_main]

#[path = "common/panics.rs"]
mod panics;

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use weir::limits::{HEADER_ADDRESSES_MAX, MIME_PARTS_MAX, TEXT_BYTES_MAX, TEXT_PART_BYTES_MAX, URLS_MAX};
use weir::mail::{Header, Message, header_ranges};
use weir_smtp::body::stuff;

/// Everything that can be asked.
fn look(message: &Message) {
    for name in ["Subject", "From", "To", "Date", "Content-Type"] {
        message.header(name);
        message.headers(name).count();
        message.header_raw(name);
        message.header_time(name);
        assert!(message.addresses(name).len() <= HEADER_ADDRESSES_MAX);
        message.address_domain(name);
    }
    message.hops();
    message.message_id();
    message.list_id();
    assert!(message.structure().parts.len() <= MIME_PARTS_MAX);
    assert!(message.types().len() <= MIME_PARTS_MAX);
    message.attachment_names();
    assert!(message.text().len() <= TEXT_BYTES_MAX + TEXT_PART_BYTES_MAX);
    assert!(message.urls().len() <= URLS_MAX && message.url_domains().len() <= URLS_MAX);
    assert!(message.body_bytes() <= message.content().len());
}

fuzz_target!(init: panics::pass_over_mail_parser(), |data: &[u8]| {
    look(&Message::of_content(data.to_vec()));
    let wire = Rc::new(stuff(data));
    look(&Message::of_wire(&wire, 0..wire.len()));
    let mut kept = Vec::new();
    let mut from = 0;
    let header = Header::of_wire(&wire);
    for range in header_ranges(header.text(), &["*"]) {
        let range = header.on_wire(&range);
        assert!(range.start >= from && range.end <= wire.len(), "{range:?}");
        assert!(range.start == 0 || wire[range.start - 1] == b'\n', "{range:?} begins inside of a line");
        kept.extend_from_slice(&wire[from..range.start]);
        from = range.end;
    }
    kept.extend_from_slice(&wire[from..]);
    assert!(kept.ends_with(b".\r\n"));
});
