//! Whose a session is: the peer that connected, or the client that a trusted peer speaks for.
//!
//! ```text
//! connection -> PROXY header -> own client -> XCLIENT: session anew, until the next XCLIENT
//!                                          -> XFORWARD: the next transaction, from MAIL on
//! ```

use std::net::{IpAddr, SocketAddr};

use weir_smtp::proxy::Ends;
use weir_smtp::{Identity, Stage};

use super::Session;
use crate::facts::Facts;
use crate::generation::{Names, Question};
use crate::scheme::Phase;

/// Who has connected, kept while the session is another's.
pub(super) struct Own {
    client: IpAddr,
    port: u16,
    proxy: Option<SocketAddr>,
    /// Where the client connected, if a PROXY header has said it.
    destination: Option<SocketAddr>,
}

impl Own {
    fn of(facts: &Facts) -> Self {
        Self {
            client: facts.client,
            port: facts.port,
            proxy: facts.proxy.as_deref().copied(),
            destination: None,
        }
    }

    /// The other end of the connection.
    fn peer(&self) -> SocketAddr {
        self.proxy.unwrap_or_else(|| SocketAddr::new(self.client, self.port))
    }
}

impl Session {
    /// The connection was passed on by a proxy.
    pub fn arrived_by(&mut self, ends: Ends) {
        self.own = Some(Box::new(Own { destination: Some(ends.destination), ..Own::of(&self.facts) }));
    }

    /// The peer may speak for other clients where the listener lets it.
    pub fn trust(&mut self) {
        self.server.trust();
    }

    /// Takes into the facts whose the session is from this stage on. When that is another client than before, nothing that was found
    /// about the other is known any more.
    pub(super) fn identify(&mut self, stage: Stage) {
        let forwarded = self.server.forwarded().filter(|_| stage == Stage::Mail);
        if self.own.is_none() && forwarded.is_none() && self.server.client().is_none() {
            return;
        }
        let own = self.own.get_or_insert_with(|| Box::new(Own::of(&self.facts)));
        let told = [forwarded, self.server.client()];
        let mut addresses = told.iter().flatten().map(|told| Some((told.address?, told.port.unwrap_or(0))));
        let address = addresses.find_map(|address| address);
        let helo = told.iter().flatten().find_map(|told| told.helo.as_deref());
        let helo = helo.unwrap_or(self.server.helo()).as_bytes();
        let (client, port) = address.unwrap_or((own.client, own.port));
        let proxy = address.map(|_| own.peer()).or(own.proxy);
        let is_same = (self.facts.client, &*self.facts.helo) == (client, helo);
        let proxy = proxy.map(Box::new);
        self.facts.helo.clear();
        self.facts.helo.extend_from_slice(helo);
        self.facts.set_client(client, port);
        self.facts.proxy = proxy;
        if !is_same {
            self.begin_anew(Phase::Connect);
        }
        self.log_identity(stage);
    }

    /// After XCLIENT the session begins anew as the client's, at its seat; false when there is none for it.
    pub(super) fn begin_as_client(&mut self) -> bool {
        self.end_transaction();
        self.forget_held(Phase::Connect);
        self.identify(Stage::Connect);
        self.facts.is_introduced = true;
        self.facts.unknown_rcpts = 0;
        self.seat.admit(&self.facts.listener, self.facts.client)
    }

    /// The client as the next hop is told of it.
    pub(super) fn identity(&self) -> Identity {
        let facts = &self.facts;
        let told = self.server.client();
        let own = self.own.as_deref().and_then(|own| own.destination);
        let local = own.or_else(|| self.link.stream().local().ok());
        let helo = Some(&facts.helo).filter(|helo| !helo.is_empty());
        Identity {
            address: Some(facts.client),
            port: Some(facts.port).filter(|port| *port > 0),
            helo: helo.map(|helo| String::from_utf8_lossy(helo).into_owned()),
            name: self.reverse_name(),
            login: told.and_then(|told| told.login.clone()),
            ident: Some(self.transaction_id().as_str().to_owned()),
            destination: told.and_then(|told| told.destination).or(local.map(|local| local.ip())),
            destination_port: told.and_then(|told| told.destination_port).or(local.map(|local| local.port())),
        }
    }

    /// The client's reverse name, if a rule has asked for it.
    fn reverse_name(&self) -> Option<String> {
        let generation = &self.facts.generation;
        let asks = |question: &Question| matches!(question, Question::Names(Names::Reverse));
        let slot = generation.questions.iter().position(asks)?;
        let slot = weir_lang::value::Slot(u16::try_from(slot).ok()?);
        match self.facts.answer_of(slot) {
            crate::facts::Answer::Text(name) => Some(String::from_utf8_lossy(name).into_owned()),
            _ => None,
        }
    }
}
