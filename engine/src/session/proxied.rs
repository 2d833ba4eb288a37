//! The header of the PROXY protocol in front of a session: read before anything is said, by its own deadline and bound.

use std::time::Duration;

use weir_smtp::proxy::{self, Header, ProxyFault, Version};

use crate::limits::RECEIVE_BUFFER_BYTES;
use crate::ring::{Stream, Watch};

/// How long a peer may take for its header, which it sends with the connection.
const HEADER_WITHIN: Duration = Duration::from_secs(5);

// A header fits into what is read at once, so that two reads never hold much more than it.
const _: () = assert!(proxy::HEADER_BYTES_MAX <= RECEIVE_BUFFER_BYTES);

/// Reads the header; what follows it stays to be read. The error is a word for log and counter.
pub async fn header(stream: &Stream, watch: &Watch, version: Version) -> Result<Header, &'static str> {
    let watched = stream.watch(watch);
    watched.arm_read(HEADER_WITHIN);
    let mut bytes = Vec::new();
    loop {
        let (read, buffer) = stream.read(bytes, RECEIVE_BUFFER_BYTES).await;
        bytes = buffer;
        match read {
            Ok(0) if watched.expired() => return Err("timeout"),
            Ok(0) | Err(_) => return Err("closed"),
            Ok(_) => {}
        }
        if let Some(header) = proxy::parse(&bytes, version).map_err(ProxyFault::word)? {
            bytes.drain(..header.bytes);
            stream.unread(bytes);
            return Ok(header);
        }
    }
}
