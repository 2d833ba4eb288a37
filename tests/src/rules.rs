//! Rule texts that several tests use.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// A relay: `listen` before a pool `next` of servers `s1`, `s2`, ..., with more settings of listener and pool.
pub fn relay(listen: SocketAddr, servers: &[SocketAddr], listener: &str, pool: &str) -> String {
    let mut members = String::new();
    for (index, server) in servers.iter().enumerate() {
        writeln!(members, "  server s{} {server}", index + 1).expect("memory");
    }
    format!(
        "weir 1\nrole relay\n\nlistener here {{\n  bind {listen}\n  name \"relay.example.org\"\n{listener}\n}}\n\n\
         pool next {{\n{members}{pool}\n}}\n\non data {{\n  send to next\n}}\n"
    )
}

/// A scanner that scores, before a pool `next` of one server. It has no virus scanner.
pub fn scanner(listen: SocketAddr, next: SocketAddr) -> String {
    format!(
        "weir 1\nrole scanner\n\nlistener here {{\n  bind {listen}\n  name \"scan.example.org\"\n}}\n\n\
         pool next {{\n  server sink {next}\n}}\n\ngroup content {{ cap 40 }}\n\
         rule DULL 1.5 \"a dull text\" in content = body ~ /all work and no play/i\n\n\
         on message {{\n  add header \"X-Score\" \"{{score(content)}} {{hits(content)}}\"\n  send to next\n}}\n"
    )
}
