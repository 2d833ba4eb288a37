//! SMTP without I/O (RFC 5321): both sides of the conversation as state machines.
//!
//! A shell owns the socket, the clock and the rules. It appends what it read to an [`Input`], asks a machine what is
//! [`Need`]ed next, and does that: read, decide, take a stretch of message, close. The machines never wait, never ask for the
//! time and never allocate more than their limits allow; what a peer sends can make them refuse, not panic.
//!
//! - [`server::Server`] receives mail: bytes in, verdicts asked for, replies out.
//! - [`client::Client`] sends mail: an [`Envelope`] in, commands out, the next hop's replies handed back as they are.
//! - [`command`], [`address`], [`reply`] and [`body`] are the words of the wire, each usable on its own.
//!
//! Lines end with CRLF and nothing else. A message ends with CRLF.CRLF and nothing else, so that no two hosts can disagree on
//! where a message ends (RFC 5321, 2.3.8 and 4.1.1.4).

//!
//! ```
//! use std::sync::Arc;
//! use weir_smtp::{Answer, Input, Need, Server, ServerConfig};
//!
//! let mut server = Server::new(Arc::new(ServerConfig::new("mx.example.org")));
//! let mut input = Input::default();
//! let mut reads = [b"HELO client.example\r\n".as_slice(), b"QUIT\r\n"].into_iter();
//! let mut wire = Vec::new();
//! loop {
//!     match server.next(&mut input) {
//!         Need::Bytes => {
//!             wire.append(server.output()); // one write
//!             input.push(reads.next().expect("the client says QUIT")); // one read
//!         }
//!         Need::Verdict(_stage) => server.answer(Answer::Accept), // ask the rules
//!         Need::Body(range) => println!("{} bytes of a message", input.bytes(range).len()),
//!         Need::Spoiled(fault) => println!("the message is dropped: {fault:?}"),
//!         Need::Secure | Need::Close => break,
//!     }
//! }
//! wire.append(server.output());
//! assert_eq!(wire, b"220 mx.example.org ESMTP\r\n250 mx.example.org\r\n221 2.0.0 Bye\r\n");
//! ```

pub mod address;
pub mod body;
pub mod client;
pub mod command;
pub mod envelope;
pub mod extension;
pub mod identity;
pub mod input;
mod normalise;
pub mod notify;
pub mod proxy;
pub mod reply;
pub mod server;
pub mod stage;
mod stuffer;
pub mod xtext;

pub use address::{Mailbox, Path};
pub use client::{Client, ClientConfig, ClientNeed, Outcome, StartTls};
pub use envelope::{BodyType, Envelope};
pub use extension::{Extension, Extensions};
pub use identity::{Identity, Introduction};
pub use input::Input;
pub use reply::{Enhanced, Reply};
pub use server::{Answer, Conduct, Need, Server, ServerConfig};
pub use stage::Stage;
