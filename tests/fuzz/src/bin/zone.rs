//! Zone files of block lists from arbitrary bytes, in each format: no panic, faults that have a line, and answers to questions.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use weir::dns::{Zone, ZoneFormat};

fuzz_target!(|data: &[u8]| {
    let lines = data.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    for format in [ZoneFormat::Ip4Set, ZoneFormat::Ip4Trie, ZoneFormat::Ip6Trie, ZoneFormat::DnSet] {
        match Zone::read(format, data) {
            Err(fault) => assert!(fault.line <= lines, "{fault:?}"),
            Ok(zone) => {
                assert!(zone.entries() as u64 <= lines);
                for address in ["127.0.0.2", "192.0.2.255", "2001:db8::1"] {
                    let address: IpAddr = address.parse().expect("an address");
                    if let Some(found) = zone.of_address(address) {
                        found.addresses().count();
                        found.text("192.0.2.255");
                    }
                }
                if let Some(found) = zone.of_domain("a.example.net") {
                    found.text("a.example.net");
                }
            }
        }
    }
});
