//! Requests for the page of metrics from arbitrary bytes: no panic, and one whole reply of HTTP/1.1.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::http::{Pages, reply};

struct Fixed;

impl Pages for Fixed {
    fn metrics(&self) -> String {
        "weir_generation 7\n".into()
    }
    fn ready(&self) -> Result<(), String> {
        Err("no listener is open".into())
    }
}

fuzz_target!(|data: &[u8]| {
    let reply = String::from_utf8(reply(data, &Fixed)).expect("replies are text");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a reply has a head");
    assert!(head.starts_with("HTTP/1.1 "), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
    assert!(body.is_empty() || length.parse() == Ok(body.len()), "{reply}");
});
