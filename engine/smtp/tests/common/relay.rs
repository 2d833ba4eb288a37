//! What is accepted goes on to hops of every leniency; none of them may find more in it.

use std::sync::Arc;

use weir_smtp::body::unstuff;
use weir_smtp::{Client, ClientConfig, ClientNeed, Envelope, Input, Mailbox, Outcome};

use crate::hop::{Hop, Leniency};

/// Sends a message on as weir does; what this hop makes of it.
fn relay(wire: &[u8], leniency: Leniency, as_chunk: bool) -> Hop {
    let mut hop = Hop::new(leniency);
    let mut client = Client::new(Arc::new(ClientConfig { name: "mx.example.org".into() }));
    let mut envelope = Envelope::new();
    envelope.push_recipient(Mailbox::parse("c@example.org").expect("it is an address"));
    let content = unstuff(wire);
    let mut input = Input::default();
    input.push(b"220 hop\r\n");
    let mut outcome = None;
    loop {
        match client.next(&mut input) {
            ClientNeed::Bytes => {
                let replies = hop.take(&std::mem::take(client.output()));
                assert!(!replies.is_empty(), "the hop waits for more: {hop:?}");
                input.push(replies.as_bytes());
            }
            ClientNeed::Ready if outcome.is_some() => break,
            ClientNeed::Ready if as_chunk => client.start_chunk(&envelope, content.len() as u64),
            ClientNeed::Ready => client.start(&envelope, wire.len() as u64),
            ClientNeed::Message => {
                let commands = std::mem::take(client.output());
                let message = if as_chunk { &content } else { wire };
                input.push(hop.take(&[&commands, message].concat()).as_bytes());
                client.sent();
            }
            ClientNeed::Done(done) => outcome = Some(done),
            ClientNeed::Secure | ClientNeed::Close => panic!("the hop said too much: {hop:?}"),
        }
    }
    assert_eq!(outcome, Some(Outcome::Accepted), "{hop:?}");
    hop
}

/// No hop finds more than one message in what is sent on, and it is for whom it was accepted for.
pub(crate) fn check_wire(wire: &[u8]) {
    let text = wire.escape_ascii();
    for (leniency, as_chunk) in Leniency::all().flat_map(|leniency| [(leniency, false), (leniency, true)]) {
        let hop = relay(wire, leniency, as_chunk);
        assert!(hop.nonsense.is_empty(), "{leniency:?} takes for commands {:?}: {text}", hop.nonsense);
        let rcpts: Vec<_> = hop.letters.iter().map(|letter| letter.rcpts.as_slice()).collect();
        assert_eq!(rcpts, [["<c@example.org>"]], "{leniency:?}: {text}");
    }
}
