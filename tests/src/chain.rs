//! The shipped chain on addresses of its own: MX, balancer, two scanners, and whatever stands at its end.

use std::net::SocketAddr;

use crate::daemons::Clamd;
use crate::folder::Folder;
use crate::net::Loopback;
use crate::weir::{Shipped, Weir};

/// Its running hosts. Addresses are other ones than in `rules/`; all else is as shipped.
pub struct Chain {
    /// Where mail comes in.
    pub entry: SocketAddr,
    /// The MX.
    pub mx: Weir,
    /// The balancer.
    pub balancer: Weir,
    /// Both scanners.
    pub scanners: [Weir; 2],
    /// The virus scanner that they ask, and its folder.
    pub clamd: (Clamd, Folder),
}

impl Chain {
    /// Starts it in front of `end`, from the end to the front; `resolver` answers the MX's and scanners' questions.
    pub fn start(here: Loopback, end: SocketAddr, resolver: SocketAddr) -> Self {
        let (entry, middle, first, second) = (here.port(), here.port(), here.port(), here.port());
        let folder = Folder::new();
        let clamd = Clamd::start(&folder);
        let addresses = |scanner: SocketAddr| {
            [
                ("127.0.0.1:2525", entry.to_string()),
                ("127.0.0.1:10024", middle.to_string()),
                // A scanner's own port; the balancer's pool names both.
                ("127.0.0.1:10031", scanner.to_string()),
                ("127.0.0.1:10032", second.to_string()),
                ("127.0.0.1:2500", end.to_string()),
                ("unix:/run/clamav/clamd.ctl", clamd.host()),
            ]
        };
        let resolver = resolver.to_string();
        let asks = ["--resolver", resolver.as_str()];
        let scanners = [first, second]
            .map(|scanner| Shipped::with(&addresses(scanner)).start("scanner.weir", scanner, &asks));
        let balancer = Shipped::with(&addresses(first)).start("balancer.weir", middle, &asks);
        let mx = Shipped::with(&addresses(first)).start("mx.weir", entry, &asks);
        Self { entry, mx, balancer, scanners, clamd: (clamd, folder) }
    }
}
