//! The demo's DNS: a name server on loopback that knows a few names.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, MX, SOA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// The client that the demo's DNS list has listed.
pub(super) const LISTED_CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 3, 66);

/// How long its answers last, in seconds.
const TTL: u32 = 300;

/// Starts it; the thread ends with the process.
pub(super) fn start() -> std::io::Result<SocketAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    std::thread::Builder::new().name(String::from("demo-dns")).spawn(move || serve(&socket))?;
    Ok(address)
}

fn serve(socket: &UdpSocket) {
    let mut packet = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut packet) {
        let answer = packet.get(..length).and_then(|packet| answer(&Message::from_vec(packet).ok()?));
        if let Some(answer) = answer {
            // Who asked will ask again.
            let _lost = socket.send_to(&answer, from);
        }
    }
}

fn answer(asked: &Message) -> Option<Vec<u8>> {
    let query = asked.queries.first()?;
    let mut reply = Message::response(asked.metadata.id, OpCode::Query);
    reply.queries.clone_from(&asked.queries);
    let name = query.name().to_ascii().to_ascii_lowercase();
    if let Some(data) = data(&name, query.query_type()) {
        reply.answers.push(Record::from_rdata(query.name().clone(), TTL, data));
    } else {
        reply.metadata.response_code = ResponseCode::NXDomain;
        let root = Name::from_ascii("example.org.").ok()?;
        let soa = SOA::new(root.clone(), root.clone(), 1, 3600, 600, 86_400, TTL);
        reply.authorities.push(Record::from_rdata(root, TTL, RData::SOA(soa)));
    }
    reply.to_vec().ok()
}

/// The test points of the lists of addresses.
const TEST_POINTS: [&str; 2] = ["2.0.0.127.zen.example.org.", "2.0.0.127.bl.example.net."];

/// An address record.
fn address(octets: [u8; 4]) -> RData {
    RData::A(A(octets.into()))
}

/// The zone.
fn data(name: &str, asked: RecordType) -> Option<RData> {
    let [a, b, c, d] = LISTED_CLIENT.octets();
    match asked {
        RecordType::A if name == format!("{d}.{c}.{b}.{a}.zen.example.org.") => Some(address([127, 0, 0, 4])),
        // What every list has, by which probes know it to be well (RFC 5782, 5).
        RecordType::A if TEST_POINTS.contains(&name) => Some(address([127, 0, 0, 2])),
        RecordType::A if name == "test.dbl.example.org." => Some(address([127, 0, 1, 2])),
        RecordType::A if name == "client.example.net." => Some(address([192, 0, 2, 10])),
        RecordType::TXT if name == "example.net." => {
            Some(RData::TXT(TXT::new(vec![String::from("v=spf1 ip4:127.0.0.0/8 -all")])))
        }
        RecordType::MX if name == "example.net." => {
            Some(RData::MX(MX::new(10, Name::from_ascii("mail.example.net.").ok()?)))
        }
        RecordType::MX if name == "nomail.example.net." => Some(RData::MX(MX::new(0, Name::root()))),
        _ => None,
    }
}
