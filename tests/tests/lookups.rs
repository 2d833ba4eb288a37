//! Block lists by rbldnsd and viruses by clamd, and what happens when they are gone.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use weir_tests::{
    Clamd, Client, EICAR_SIGNATURE, Folder, Loopback, Rbldnsd, Reply, Sink, Weir, eicar, until,
};

const MESSAGE: &str = "Subject: one\r\n\r\nText.\r\n";

fn client(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// What RCPT is answered from this client.
fn rcpt(from: IpAddr, entry: SocketAddr) -> io::Result<Reply> {
    let mut client = Client::from(from, entry)?;
    assert_eq!(client.reply()?.code, 220);
    client.command("EHLO client.example.net")?;
    client.command("MAIL FROM:<a@example.net>")?;
    client.command("RCPT TO:<dev@example.org>")
}

fn blocking(entry: SocketAddr, end: SocketAddr, names: SocketAddr) -> String {
    format!(
        "weir 1\nrole mx\n\nlistener here {{\n  bind {entry}\n  name \"mx.example.org\"\n}}\n\n\
         pool next {{\n  server sink {end}\n}}\n\n\
         dnsbl zen {{\n  zone \"zen.example.org\"\n  listed 127.0.0.2-11\n  error 127.255.255.0/24\n  timeout 500ms\n  server {names}\n}}\n\n\
         on rcpt {{\n  reject 550 5.7.1 \"listed\" if zen(client.ip)\n  reject 550 5.7.2 \"clean\" if zen(client.ip) is clean\n\
         \x20 defer 451 4.7.1 \"unknown\" if zen(client.ip) is unknown\n}}\n\non data {{\n  send to next\n}}\n"
    )
}

#[test]
fn a_block_list_is_listed_clean_or_unknown() -> io::Result<()> {
    let (here, folder) = (Loopback::new(), Folder::new());
    let (entry, end, names) = (here.port(), here.port(), here.port());
    let entries = "127.0.0.7 :127.0.0.4:listed\n127.0.0.8 :127.255.255.254:over quota";
    let mut list = Rbldnsd::start(&folder, names, "zen.example.org", entries);
    // Each shard has its own cache; with one the last line does not depend on which of them serves.
    let _weir = Weir::with(&blocking(entry, end, names), entry, &["--shards", "1"]);

    assert_eq!(rcpt(client(7), entry)?.text, "550 5.7.1 listed");
    assert_eq!(rcpt(client(9), entry)?.text, "550 5.7.2 clean");
    assert_eq!(rcpt(client(8), entry)?.text, "451 4.7.1 unknown", "an error answer lists nobody");

    list.process.kill();
    assert_eq!(rcpt(client(10), entry)?.text, "451 4.7.1 unknown", "a dead server lists nobody");
    assert_eq!(rcpt(client(7), entry)?.text, "550 5.7.1 listed", "what is known stays known for its time");
    Ok(())
}

#[test]
fn a_silent_name_server_costs_its_timeout_and_no_more() -> io::Result<()> {
    let (here, folder) = (Loopback::new(), Folder::new());
    let (entry, end, names) = (here.port(), here.port(), here.port());
    let list = Rbldnsd::start(&folder, names, "zen.example.org", "127.0.0.7 :127.0.0.4:listed");
    let _weir = Weir::start(&blocking(entry, end, names), entry);
    list.process.signal("STOP");
    assert_eq!(rcpt(client(7), entry)?.text, "451 4.7.1 unknown");
    list.process.signal("CONT");
    until("an answer again", || rcpt(client(11), entry).is_ok_and(|reply| reply.text == "550 5.7.2 clean"));
    Ok(())
}

fn scanning(entry: SocketAddr, end: SocketAddr, hosts: &str) -> String {
    format!(
        "weir 1\nrole scanner\n\nlistener here {{\n  bind {entry}\n  name \"scan.example.org\"\n}}\n\n\
         pool next {{\n  server sink {end}\n}}\n\nservice av : clamd {{\n  hosts {hosts}\n  connect 1s\n  scan 20s\n}}\n\n\
         on message {{\n  let virus = av(message)\n  reject 554 5.7.1 \"virus: {{virus.name}}\" if virus is infected\n\
         \x20 defer 451 4.7.1 \"no virus scanner\" if virus is unknown\n  send to next\n}}\n"
    )
}

fn infected() -> String {
    format!("Subject: invoice\r\n\r\n{}\r\n", eicar())
}

#[test]
fn clamd_says_infected_clean_or_nothing() -> io::Result<()> {
    let (here, folder) = (Loopback::new(), Folder::new());
    let (entry, end) = (here.port(), here.port());
    let sink = Sink::start(end);
    let mut clamd = Clamd::start(&folder);
    let _weir = Weir::start(&scanning(entry, end, &format!("\"{}\"", clamd.host())), entry);
    let mut client = Client::session(entry)?;
    // Several in one session: the connection to clamd is kept and stays usable.
    for _ in 0..3 {
        let reply = client.message("a@example.net", "dev@example.org", &infected())?;
        assert_eq!(reply.code, 554);
        assert!(reply.text.contains(EICAR_SIGNATURE), "{}", reply.text);
        assert_eq!(client.message("a@example.net", "dev@example.org", MESSAGE)?.code, 250);
    }
    clamd.process.kill();
    let reply = client.message("a@example.net", "dev@example.org", MESSAGE)?;
    assert_eq!(reply.text, "451 4.7.1 no virus scanner", "unscanned mail does not pass");
    assert_eq!(sink.count(), 3);

    // It comes back without a word from an operator.
    std::fs::remove_file(&clamd.socket)?;
    let _clamd = Clamd::start(&folder);
    until("a scan again", || {
        client.message("a@example.net", "dev@example.org", MESSAGE).is_ok_and(|reply| reply.code == 250)
    });
    Ok(())
}

#[test]
fn a_second_clamd_stands_in_for_the_first() -> io::Result<()> {
    let (here, folder) = (Loopback::new(), Folder::new());
    let (entry, end, nobody) = (here.port(), here.port(), here.port());
    let _sink = Sink::start(end);
    let clamd = Clamd::start(&folder);
    let _weir = Weir::start(&scanning(entry, end, &format!("\"{nobody}\", \"{}\"", clamd.host())), entry);
    let mut client = Client::session(entry)?;
    assert_eq!(client.message("a@example.net", "dev@example.org", &infected())?.code, 554);
    assert_eq!(client.message("a@example.net", "dev@example.org", MESSAGE)?.code, 250);
    Ok(())
}
