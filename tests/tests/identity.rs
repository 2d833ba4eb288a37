//! Whose a connection is: PROXY, XCLIENT and XFORWARD, in and out, through real peers too.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use weir_tests::{Client, Folder, Hop, Loopback, Rbldnsd, Sink, Weir, start_haproxy, swaks, until};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LISTED: &str = "192.0.2.7";

/// A scanner that believes its own host, and refuses whom a DNS list at `dns` has.
fn scanner(listen: SocketAddr, next: SocketAddr, dns: SocketAddr, client: &str) -> String {
    format!(
        "weir 1\nlist balancers : net = [ \"127.0.0.0/8\" ]\nlist denied : net = [ \"203.0.113.0/24\" ]\n\
         dnsbl local {{ zone \"bl.example.org\" server {dns} timeout 5s }}\n\
         listener scan {{\n  bind {listen}\n  name \"scan.example.org\"\n  from balancers\n  client {client}\n}}\n\
         pool next {{ server sink {next} }}\n\
         on connect {{\n  drop 554 5.7.1 \"{{client.ip}} is denied\" if client.ip in denied\n}}\n\
         on rcpt {{\n  reject 550 5.7.1 \"{{client.ip}} by {{proxy.ip}} is listed\" if local(client.ip)\n}}\n\
         on message {{\n  add header \"X-Helo\" \"{{helo.name}}\"\n  send to next\n}}\n"
    )
}

/// A scanner in front of a sink, with its list.
struct Scan {
    entry: SocketAddr,
    sink: Sink,
    weir: Weir,
    _list: (Rbldnsd, Folder),
}

fn start(client: &str) -> Scan {
    let here = Loopback::new();
    let (entry, end, dns) = (here.port(), here.port(), here.port());
    let folder = Folder::new();
    let list = Rbldnsd::start(&folder, dns, "bl.example.org", &format!("{LISTED} :127.0.0.2:Listed"));
    let sink = Sink::start(end);
    let weir = Weir::start(&scanner(entry, end, dns, client), entry);
    Scan { entry, sink, weir, _list: (list, folder) }
}

/// What is said to a client that sends these pieces, each after the other has gone, until the server closes or says nothing more.
fn talk(to: SocketAddr, pieces: &[&[u8]]) -> io::Result<String> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    for piece in pieces {
        // One that is closed early on is told so by what is read.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Ok(_) => {}
        // A close with unread input is a reset.
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

fn v2_client(client: [u8; 4]) -> Vec<u8> {
    v2(0x21, 0x11, &[&client[..], &[127, 0, 0, 1, 0x9c, 0x40, 0, 25]].concat())
}

#[test]
fn a_proxy_says_whose_connection_it_is() -> io::Result<()> {
    let scan = start("proxy");
    let dialog =
        b"EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<dev@example.org>\r\nQUIT\r\n";
    let tlv = [&[192, 0, 2, 7, 127, 0, 0, 1, 0x9c, 0x40, 0, 25][..], &[0x04, 0, 1, 9]].concat();
    for header in [
        b"PROXY TCP4 192.0.2.7 127.0.0.1 40000 25\r\n".to_vec(),
        b"PROXY TCP6 ::ffff:192.0.2.7 ::1 40000 25\r\n".to_vec(),
        v2_client([192, 0, 2, 7]),
        v2(0x21, 0x11, &tlv),
    ] {
        // Together with what follows, and byte by byte.
        let whole = [&header[..], dialog].concat();
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        for pieces in [&[&whole[..]][..], &bytes] {
            let heard = talk(scan.entry, pieces)?;
            assert!(heard.starts_with("220 scan.example.org"), "{heard}");
            assert!(heard.contains("550 5.7.1 192.0.2.7 by 127.0.0.1 is listed\r\n"), "{heard}");
        }
    }
    // Another client is another, and one that the rules drop hears it as its greeting.
    let heard = talk(scan.entry, &[&v2_client([198, 51, 100, 1]), dialog])?;
    assert!(heard.contains("250 2.1.5"), "{heard}");
    assert_eq!(talk(scan.entry, &[&v2_client([203, 0, 113, 9])])?, "554 5.7.1 203.0.113.9 is denied\r\n");
    // A check speaks for itself.
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), v2(0x20, 0, &[]), v2(0x21, 0, &[])] {
        let heard = talk(scan.entry, &[&header, dialog])?;
        assert!(heard.contains("250 2.1.5"), "{heard}");
    }
    until("the lines of both kinds", || {
        !scan
            .weir
            .lines(&["event=connect", "client_ip=192.0.2.7", "client_port=40000", "proxy_ip=127.0.0.1"])
            .is_empty()
            && scan.weir.lines(&["event=verdict", "client_ip=192.0.2.7", "code=550"]).len() == 8
    });
    assert!(scan.weir.lines(&["event=proxy_error"]).iter().all(|line| line.contains("reason=closed")));
    Ok(())
}

#[test]
fn a_wrong_header_ends_the_connection_unanswered() -> io::Result<()> {
    let scan = start("proxy");
    for (bad, reason) in [
        (&b"EHLO client.example.net\r\n"[..], "signature"),
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 40000\r\nEHLO x\r\n", "line"),
        (b"PROXY TCP4 192.0.2.300 127.0.0.1 40000 25\r\n", "address"),
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 40000 99999\r\n", "port"),
        (b"PROXY UDP4 192.0.2.7 127.0.0.1 40000 25\r\n", "family"),
        (&[b'P'; 200], "signature"),
        (&[&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat(), "too_long"),
        (&v2(0x41, 0x11, &[0; 12]), "version"),
        (&v2(0x21, 0x11, &[0; 11]), "length"),
        (&v2(0x21, 0x31, &[0; 216]), "family"),
        (&v2(0x20, 0x00, &[0; 5000]), "too_long"),
        (b"PROXY TCP4 192.0", "timeout"),
    ] {
        let before = scan.weir.lines(&["event=proxy_error", &format!("reason={reason}")]).len();
        assert_eq!(talk(scan.entry, &[bad])?, "", "{reason}");
        until(reason, || scan.weir.lines(&["event=proxy_error", &format!("reason={reason}")]).len() > before);
    }
    Ok(())
}

#[test]
fn only_those_in_from_are_believed() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, end) = (here.port(), here.port());
    let rules = scanner(entry, end, here.port(), "proxy, xclient, xforward")
        .replace("\"127.0.0.0/8\"", "\"127.0.0.1\", \"198.51.100.1\"");
    let _weir = Weir::start(&rules, entry);
    let mut stranger = Client::from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)), entry)?;
    stranger.write(&v2_client([192, 0, 2, 7]))?;
    assert_eq!(stranger.reply()?.code, 554);
    // Behind a proxy, everybody comes from it: who is not in `from` may not speak for others.
    for (client, believed) in [([192, 0, 2, 8], false), ([198, 51, 100, 1], true)] {
        let heard = talk(
            entry,
            &[&v2_client(client), b"EHLO x.example.net\r\nXCLIENT ADDR=203.0.113.1\r\nQUIT\r\n"],
        )?;
        assert_eq!(heard.contains("250-XCLIENT "), believed, "{heard}");
        assert_eq!(heard.contains("554 5.7.1 203.0.113.1 is denied"), believed, "{heard}");
        assert_eq!(heard.contains("502 5.5.1"), !believed, "{heard}");
    }
    Ok(())
}

#[test]
fn xclient_begins_the_session_anew_as_the_clients() {
    let scan = start("xclient");
    let to = ["--from", "a@example.net", "--to", "dev@example.org"];
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let of = |client: &str, helo: &str| {
        let addr = format!("ADDR={client}");
        let helo = format!("HELO={helo}");
        let arguments = [&to[..], &["--xclient", &addr, "--xclient", &helo]].concat();
        swaks(scan.entry, local, &arguments)
    };
    let (_, refused) = of(LISTED, "listed.example.net");
    assert!(refused.contains("550 5.7.1 192.0.2.7 by 127.0.0.1 is listed"), "{refused}");
    let (_, denied) = of("203.0.113.9", "x.example.net");
    assert!(denied.contains("554 5.7.1 203.0.113.9 is denied"), "{denied}");
    let (code, taken) = of("198.51.100.7", "true.example.net");
    assert_eq!(code, 0, "{taken}");
    let received = scan.sink.messages().remove(0);
    assert_eq!(received.header("X-Helo").as_deref(), Some("true.example.net"));
    let trace = received.header("Received").expect("our header");
    assert!(trace.starts_with("from true.example.net ([198.51.100.7])"), "{trace}");
    until("the lines that say so", || {
        !scan.weir.lines(&["event=xclient", "client_ip=198.51.100.7", "proxy_ip=127.0.0.1"]).is_empty()
    });
}

#[test]
fn xforward_says_whose_the_next_message_is() -> io::Result<()> {
    let scan = start("xforward");
    let mut peer = Client::session(scan.entry)?;
    let message = "Subject: x\r\n\r\nText.\r\n";
    assert_eq!(
        peer.command(&format!("XFORWARD ADDR={LISTED} HELO=listed.example.net IDENT=4711"))?.code,
        250
    );
    let reply = peer.message("a@example.net", "dev@example.org", message)?;
    assert_eq!(reply.text, "550 5.7.1 192.0.2.7 by 127.0.0.1 is listed");
    assert_eq!(peer.command("RSET")?.code, 250);
    // It was said of that message alone.
    assert_eq!(peer.message("a@example.net", "dev@example.org", message)?.code, 250);
    assert_eq!(peer.command("XFORWARD ADDR=IPV6:2001:db8::7 HELO=six.example.net")?.code, 250);
    assert_eq!(peer.message("a@example.net", "dev@example.org", message)?.code, 250);
    let traces: Vec<String> =
        scan.sink.messages().iter().filter_map(|message| message.header("Received")).collect();
    assert!(traces[0].starts_with("from client.example.net ([127.0.0.1])"), "{traces:?}");
    assert!(traces[1].starts_with("from six.example.net ([IPv6:2001:db8::7])"), "{traces:?}");
    until("the lines that say so", || {
        scan.weir.lines(&["event=xforward", "client_ip=192.0.2.7", "ident=4711"]).len() == 1
    });
    Ok(())
}

/// A balancer that tells its server whose a message is, in the way of `how`.
fn balancer(listen: SocketAddr, next: SocketAddr, how: &str) -> String {
    format!(
        "weir 1\nlistener lb {{\n  bind {listen}\n  name \"lb.example.org\"\n}}\n\
         pool next {{\n  server one {next}\n  client {how}\n  check smtp every 200ms\n}}\non data {{ send to next }}\n"
    )
}

#[test]
fn a_scanner_behind_a_balancer_judges_the_true_client() -> io::Result<()> {
    for how in ["proxy_v1", "proxy_v2", "xclient", "xforward"] {
        let taken = if how.starts_with("proxy") { "proxy" } else { how };
        let scan = start(taken);
        let here = Loopback::new();
        let entry = here.port();
        // The client of the balancer is one that the list has.
        let client = IpAddr::V4(Ipv4Addr::new(127, 77, 0, 1));
        let _weir = Weir::start(&balancer(entry, scan.entry, how), entry);
        let listed = format!("{client} :127.0.0.2:Listed");
        let dns = here.port();
        let folder = Folder::new();
        let _list = Rbldnsd::start(&folder, dns, "bl.example.org", &listed);
        scan.weir.write_rules(&scanner(scan.entry, scan.sink.address(), dns, taken));
        scan.weir.ctl_ok(&["reload"]);
        let message = "Subject: x\r\n\r\nText.\r\n";
        let mut bad = Client::from(client, entry)?;
        bad.reply()?;
        bad.command("EHLO bad.example.net")?;
        for _ in 0..2 {
            let reply = bad.message("a@example.net", "dev@example.org", message)?;
            assert_eq!(reply.text, "550 5.7.1 127.77.0.1 by 127.0.0.1 is listed", "{how}");
        }
        let mut good = Client::session(entry)?;
        assert_eq!(good.message("a@example.net", "dev@example.org", message)?.code, 250, "{how}");
        let received = scan.sink.messages().remove(0);
        let trace = received.header("Received").unwrap_or_default();
        assert!(trace.contains("([127.0.0.1])"), "{how}: {trace}");
        // A PROXY header does not say what the client called itself.
        assert_eq!(trace.contains("client.example.net"), !how.starts_with("proxy"), "{how}: {trace}");
        // What asks whether the port is open says nothing.
        assert!(scan.weir.lines(&["event=proxy_error"]).iter().all(|line| line.contains("reason=closed")));
    }
    Ok(())
}

#[test]
fn what_a_next_hop_is_told_depends_on_what_it_offers() -> io::Result<()> {
    let message = "Subject: x\r\n\r\nText.\r\n";
    for (how, offers, code, said) in [
        ("xforward", "XFORWARD ADDR HELO PORT", 250, "XFORWARD ADDR=127.0.0.1 "),
        ("xforward", "8BITMIME", 250, "MAIL FROM:<a@example.net>"),
        ("xclient", "XCLIENT ADDR DESTPORT", 250, "XCLIENT ADDR=127.0.0.1 DESTPORT="),
        ("xclient", "8BITMIME", 451, "EHLO"),
    ] {
        let here = Loopback::new();
        let (entry, end) = (here.port(), here.port());
        let hop = Hop::start(end, &[offers]);
        let weir = Weir::start(&balancer(entry, end, how), entry);
        let mut client = Client::session(entry)?;
        for _ in 0..2 {
            let reply = client.message("a@example.net", "dev@example.org", message)?;
            assert_eq!(reply.code, code, "{how} {offers}: {}", reply.text);
        }
        assert!(hop.said(said).len() >= 2, "{how} {offers}: {:?}", hop.sessions());
        let lines = usize::from(how == "xforward" && offers == "8BITMIME");
        until("the line that says so once", || weir.lines(&["event=untold"]).len() == lines);
        let used =
            hop.sessions().iter().filter(|lines| lines.iter().any(|line| line.starts_with("MAIL"))).count();
        assert_eq!(used, usize::from(code == 250), "connections are kept");
    }
    Ok(())
}

#[test]
fn a_connection_behind_a_proxy_header_is_one_clients() -> io::Result<()> {
    for (how, ours, theirs) in [
        ("proxy_v1", "PROXY UNKNOWN", "PROXY TCP4 127.0.0.1 "),
        ("proxy_v2", "PROXY2 20000000", "PROXY2 2111000c7f000001"),
    ] {
        let here = Loopback::new();
        let (entry, end) = (here.port(), here.port());
        let hop = Hop::behind_proxy(end, &["PIPELINING"]);
        let _weir = Weir::start(&balancer(entry, end, how), entry);
        let mut client = Client::session(entry)?;
        for _ in 0..2 {
            let reply = client.message("a@example.net", "dev@example.org", "Subject: x\r\n\r\nText.\r\n")?;
            assert_eq!(reply.code, 250, "{}", reply.text);
        }
        assert_eq!(hop.said(theirs).len(), 2, "{:?}", hop.sessions());
        until("a check", || !hop.said(ours).is_empty());
    }
    Ok(())
}

#[test]
fn haproxy_in_front_passes_the_client_on() -> io::Result<()> {
    let scan = start("proxy");
    for send in ["send-proxy", "send-proxy-v2"] {
        let here = Loopback::new();
        let entry = here.port();
        let folder = Folder::new();
        let _haproxy = start_haproxy(&folder, entry, scan.entry, send);
        let mut client = Client::from(IpAddr::V4(Ipv4Addr::new(127, 88, 0, 1)), entry)?;
        client.reply()?;
        client.command("EHLO true.example.net")?;
        let reply = client.message("a@example.net", "dev@example.org", "Subject: x\r\n\r\nText.\r\n")?;
        assert_eq!(reply.code, 250, "{}", reply.text);
        let trace = scan.sink.messages().pop().and_then(|message| message.header("Received"));
        assert!(trace.is_some_and(|trace| trace.contains("true.example.net ([127.88.0.1])")));
    }
    Ok(())
}
