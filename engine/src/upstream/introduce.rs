//! How the servers of a pool are told whose a message is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use weir_smtp::client::Client;
use weir_smtp::proxy::{self, Ends};
use weir_smtp::{Identity, Introduction};

/// The way of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introduce {
    /// By a PROXY header of version 1. A connection carries one message then, since it is one client's.
    ProxyV1,
    /// By one of version 2.
    ProxyV2,
    /// By XCLIENT, on kept connections. A server that does not offer it gets nothing.
    XClient,
    /// By XFORWARD, on kept connections. A server that does not offer it gets the message all the same, and judges us.
    XForward,
}

/// What is to be done before a transaction on an open session.
pub enum Step {
    /// Nothing, or nothing more.
    Ready,
    /// The client was told; an answer will come.
    Told,
    /// This server does not offer it, which is tolerated.
    Unsaid,
    /// This server does not offer it.
    Unable,
}

impl Introduce {
    /// Whether each connection is one client's.
    pub const fn is_proxy(self) -> bool {
        matches!(self, Self::ProxyV1 | Self::ProxyV2)
    }

    /// Whether a refusal before MAIL is one of the client, not of us.
    pub const fn is_judged_first(self) -> bool {
        !matches!(self, Self::XForward)
    }

    /// What a connection begins with: for a client, or for a check, which is ours.
    pub fn preface(self, client: Option<&Identity>, output: &mut Vec<u8>) {
        let ends = client.and_then(ends);
        match self {
            Self::ProxyV1 => proxy::print_v1(ends, output),
            Self::ProxyV2 => proxy::print_v2(ends, output),
            Self::XClient | Self::XForward => {}
        }
    }

    /// Tells an open session whose the next message is.
    pub fn tell(self, session: &mut Client, client: &Identity) -> Step {
        let how = match self {
            Self::ProxyV1 | Self::ProxyV2 => return Step::Ready,
            Self::XClient => Introduction::XClient,
            Self::XForward => Introduction::XForward,
        };
        if session.offered().has(how.extension()) {
            session.introduce(how, client);
            return Step::Told;
        }
        if self == Self::XForward { Step::Unsaid } else { Step::Unable }
    }
}

fn ends(client: &Identity) -> Option<Ends> {
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let end = |address, port: Option<u16>| SocketAddr::new(address, port.unwrap_or_default());
    Some(Ends {
        source: end(client.address?, client.port),
        destination: end(client.destination.unwrap_or(nowhere), client.destination_port),
    })
}
