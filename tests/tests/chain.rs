//! The shipped rule files as a whole: smtp-source -> MX -> balancer -> two scanners -> smtp-sink, and dialogs by swaks.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use weir_tests::{
    Chain, Client, Folder, Loopback, Rbldnsd, Shipped, Sink, eicar, smtp_sink_count, smtp_source,
    start_smtp_sink, swaks, until,
};

/// A client from outside: not 127.0.0.1, which is one of our hosts.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
/// One that the block list knows.
const LISTED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));

/// A name server that knows one listed client and refuses all other zones.
fn resolver(folder: &Folder, here: Loopback) -> (Rbldnsd, std::net::SocketAddr) {
    let address = here.port();
    (
        Rbldnsd::start(
            folder,
            address,
            "zen.example.org",
            "127.0.0.2 :127.0.0.2:test\n127.0.0.66 :127.0.0.4:listed",
        ),
        address,
    )
}

#[test]
fn two_hundred_sessions_are_counted_exactly() {
    const MESSAGES: u64 = 2000;
    let (here, folder) = (Loopback::new(), Folder::new());
    let (_names, resolver) = resolver(&folder, here);
    let end = here.port();
    let sink = start_smtp_sink(&folder, end);
    let chain = Chain::start(here, end, resolver);
    smtp_source(chain.entry, 200, MESSAGES);
    // smtp-source has all its 250s, and the 250 follows the sink's: what is counted now is all there will be.
    until("smtp-sink's count", || smtp_sink_count(&sink) >= MESSAGES);
    assert_eq!(smtp_sink_count(&sink), MESSAGES);
    for scanner in &chain.scanners {
        until("both scanners to have done something", || !scanner.lines(&["status=sent"]).is_empty());
    }
}

#[test]
fn dialogs_by_swaks_meet_their_fates() {
    let (here, folder) = (Loopback::new(), Folder::new());
    let (_names, resolver) = resolver(&folder, here);
    let end = here.port();
    let sink = Sink::start(end);
    let chain = Chain::start(here, end, resolver);
    let send = |from: IpAddr, arguments: &[&str]| swaks(chain.entry, from, arguments);
    let gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

    // Our own host, so that no sender's domain has to be looked up.
    let ours = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (code, said) = send(ours, &["--to", "dev@example.org", "--from", "<>", "--body", "hello"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(sink.count(), 1);
    let received = sink.messages().remove(0);
    assert!(received.header("X-Spam-Status").is_some_and(|status| status.starts_with("No, score=")));
    assert!(received.header("X-Weir-Reputation").is_some());
    let hops = String::from_utf8_lossy(&received.wire).matches("\r\nReceived:").count();
    assert!(hops >= 2, "each host adds its Received line: {}", String::from_utf8_lossy(&received.wire));

    let pipelined = ["--pipeline", "--to", "dev@example.org", "--from", "<>"];
    assert_eq!(send(ours, &pipelined).0, 0);
    assert_eq!(sink.count(), 2);

    let refused = |from: IpAddr, arguments: &[&str], reply: &str| {
        let (code, said) = send(from, arguments);
        assert_ne!(code, 0, "{said}");
        assert!(said.contains(reply), "{reply}\n{said}");
    };
    let outside = |to| ["--from", "<>", "--to", to];
    refused(OUTSIDE, &outside("someone@example.com"), "550 5.7.1 relaying denied");
    refused(OUTSIDE, &outside("nobody@example.org"), "550 5.1.1 no such address");
    refused(LISTED, &outside("dev@example.org"), "ZEN_LISTED");
    assert_eq!(send(LISTED, &outside("postmaster@example.org")).0, 0, "postmaster is always reachable");
    let spam = ["--from", "<>", "--to", "dev@example.org", "--body", gtube];
    refused(ours, &spam, "554 5.7.1 looks like spam (GTUBE");
    let virus = eicar();
    let (code, said) = send(ours, &["--from", "<>", "--to", "dev@example.org", "--body", &virus]);
    assert_eq!(code, 0, "a virus is discarded: {said}");
    assert_eq!(sink.count(), 3, "neither spam nor virus arrives");
    until("the log to say what became of the virus", || {
        chain
            .scanners
            .iter()
            .any(|scanner| !scanner.lines(&["verdict=discard", "rule=scanner.weir:"]).is_empty())
    });
}

#[test]
fn an_early_talker_is_dropped() -> io::Result<()> {
    let (here, folder) = (Loopback::new(), Folder::new());
    let (_names, resolver) = resolver(&folder, here);
    let end = here.port();
    let _sink = Sink::start(end);
    let entry = here.port();
    let resolver = resolver.to_string();
    let mx = Shipped::with(&[("127.0.0.1:2525", entry.to_string()), ("127.0.0.1:10024", end.to_string())]);
    let _mx = mx.start("mx.weir", entry, &["--resolver", &resolver]);
    let mut client = Client::from(OUTSIDE, entry)?;
    client.write(b"EHLO early.example.net\r\n")?;
    assert_eq!(client.reply()?.code, 521);
    Ok(())
}

#[test]
fn the_whole_host_in_one_file_fills_a_maildir() -> io::Result<()> {
    let (here, mail) = (Loopback::new(), Folder::new());
    let entry = here.port();
    let maildir = mail.join("inbox");
    let addresses =
        [("127.0.0.1:2525", entry.to_string()), ("/var/mail/weir", maildir.to_string_lossy().into_owned())];
    let _weir = Shipped::with(&addresses).start("allinone.weir", entry, &[]);
    let mut client = Client::session(entry)?;
    let message = "From: a@example.net\r\nSubject: kept\r\n\r\n..a dot\r\nLast line.\r\n";
    assert_eq!(client.message("a@example.net", "ann@example.org", message)?.code, 250);
    let kept: Vec<_> = std::fs::read_dir(maildir.join("new"))?.collect();
    assert_eq!(kept.len(), 1);
    for entry in kept {
        let text = std::fs::read_to_string(entry?.path())?;
        assert!(
            text.contains("Subject: kept") && text.contains("\n.a dot") && text.contains("Last line."),
            "{text}"
        );
    }
    assert_eq!(std::fs::read_dir(maildir.join("tmp"))?.count(), 0);
    Ok(())
}
