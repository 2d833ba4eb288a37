//! Hosts that behave, and hosts that don't. The real clamd is met in the end-to-end tests.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Mutex;
use std::time::Instant;

use memchr::memmem;

use super::*;
use crate::ring::run;

const SOON: Duration = Duration::from_secs(10);
const BRIEF: Duration = Duration::from_millis(150);

/// What a host has seen, and what it does.
#[derive(Default)]
struct Seen {
    messages: Vec<Vec<u8>>,
    connections: usize,
}

/// Takes a session apart as clamd does, and lets `judge` answer each message; `None` closes the connection.
fn serve(
    stream: &mut (impl Read + Write),
    seen: &Mutex<Seen>,
    judge: &impl Fn(&[u8], usize) -> Option<Vec<u8>>,
) -> std::io::Result<()> {
    seen.lock().unwrap().connections += 1;
    let mut command = [0; 11];
    stream.read_exact(&mut command)?;
    assert_eq!(&command, b"zIDSESSION\0");
    for number in 1.. {
        let mut command = [0; 10];
        stream.read_exact(&mut command)?;
        assert_eq!(&command, b"zINSTREAM\0");
        let mut message = Vec::new();
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            match u32::from_be_bytes(length) {
                0 => break,
                length => stream.take(length.into()).read_to_end(&mut message)?,
            };
        }
        let reply = judge(&message, number);
        seen.lock().unwrap().messages.push(message);
        match reply {
            Some(reply) => stream.write_all(&reply)?,
            None => return Ok(()),
        }
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "hosts that close the connection return nothing")]
fn honest(message: &[u8], number: usize) -> Option<Vec<u8>> {
    let verdict = if memmem::find(message, b"EICAR").is_some() { "Eicar FOUND" } else { "OK" };
    Some(format!("{number}: stream: {verdict}\0").into_bytes())
}

/// A host that does what `judge` says.
fn host(judge: impl Fn(&[u8], usize) -> Option<Vec<u8>> + Send + Sync + 'static) -> (Host, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (shared, judge) = (Arc::clone(&seen), Arc::new(judge));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, seen, judge): (TcpStream, _, _) =
                (stream.unwrap(), Arc::clone(&shared), Arc::clone(&judge));
            std::thread::spawn(move || serve(&mut stream, &seen, &*judge));
        }
    });
    (Host::Tcp(address), seen)
}

/// A host that takes no connection.
fn dead() -> Host {
    Host::Tcp(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

fn service(hosts: Vec<Host>, scan: Duration, slots: usize) -> Clamd {
    let settings = Settings { hosts, connect: SOON, scan, size_bytes_max: 1 << 20 };
    Clamd::new(settings, Arc::new(Semaphore::new(slots)), Watch::start(), Clock::system())
}

async fn scan(clamd: &Clamd, message: &[u8]) -> Scan {
    let message = Rc::new(message.to_vec());
    clamd.scan(message.len(), || Segment::unstuffed(&message, 0..message.len())).await
}

fn infected() -> Scan {
    Scan::Infected("Eicar".into())
}

#[test]
fn a_connection_is_kept_for_many_scans() {
    let (host, seen) = host(honest);
    run(async {
        let clamd = service(vec![host], SOON, 1);
        assert_eq!(scan(&clamd, b"clean\r\n").await, Scan::Clean);
        assert_eq!(scan(&clamd, b"EICAR\r\n").await, infected());
        assert_eq!(scan(&clamd, b"").await, Scan::Clean);
    })
    .unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.connections, 1);
    assert_eq!(seen.messages, [b"clean\r\n".to_vec(), b"EICAR\r\n".to_vec(), Vec::new()]);
}

#[test]
fn the_message_arrives_whole_without_stuffed_dots() {
    let (host, seen) = host(honest);
    let mut wire = b"..first\r\n".to_vec();
    let mut message = b".first\r\n".to_vec();
    for n in 0..1000 {
        let dot = n % 3 == 0;
        wire.extend_from_slice(format!("{}line {n} . ..\r\n", if dot { ".." } else { "" }).as_bytes());
        message.extend_from_slice(format!("{}line {n} . ..\r\n", if dot { "." } else { "" }).as_bytes());
    }
    wire.extend_from_slice(&b"x".repeat(500_000));
    message.extend_from_slice(&b"x".repeat(500_000));
    run(async {
        assert_eq!(scan(&service(vec![host], SOON, 1), &wire).await, Scan::Clean);
    })
    .unwrap();
    assert!(seen.lock().unwrap().messages == [message]);
}

#[test]
fn a_unix_socket_serves_as_well() {
    let path = std::env::temp_dir().join(format!("weir-clamd-{}", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || serve(&mut listener.accept().unwrap().0, &Mutex::default(), &honest));
    run(async {
        let clamd = service(vec![Host::parse(&format!("unix:{}", path.display())).unwrap()], SOON, 1);
        assert_eq!(scan(&clamd, b"EICAR").await, infected());
    })
    .unwrap();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_next_host_is_asked_when_one_is_dead_or_breaks_off() {
    let (breaking, broken) = host(|_, _| None);
    let (good, _) = host(honest);
    run(async {
        let clamd = service(vec![dead(), breaking, good], SOON, 1);
        assert_eq!(scan(&clamd, b"EICAR").await, infected());
        assert_eq!(scan(&clamd, b"clean").await, Scan::Clean);
    })
    .unwrap();
    assert_eq!(broken.lock().unwrap().messages.first().unwrap(), b"EICAR");
}

#[test]
fn a_kept_connection_that_was_closed_is_made_anew() {
    let (host, seen) = host(|message, number| honest(message, number).filter(|_| number == 1));
    run(async {
        let clamd = service(vec![host], SOON, 1);
        for _ in 0..3 {
            assert_eq!(scan(&clamd, b"EICAR").await, infected());
        }
    })
    .unwrap();
    assert_eq!(seen.lock().unwrap().connections, 3);
}

#[test]
fn a_silent_host_costs_the_time_of_a_scan() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Host::Tcp(silent.local_addr().unwrap());
    run(async {
        let clamd = service(vec![address], BRIEF, 1);
        let begun = Instant::now();
        assert_eq!(scan(&clamd, b"small").await, Scan::Unknown(Reason::Timeout));
        assert_eq!(scan(&clamd, &vec![b'x'; 1 << 20]).await, Scan::Unknown(Reason::Timeout));
        assert!(begun.elapsed() < Duration::from_secs(5));
    })
    .unwrap();
}

#[test]
fn all_slots_taken_is_busy() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Host::Tcp(silent.local_addr().unwrap());
    run(async {
        let clamd = service(vec![address], BRIEF, 1);
        let taken = Arc::clone(&clamd.0.slots).acquire_owned().await.unwrap();
        assert_eq!(scan(&clamd, b"x").await, Scan::Unknown(Reason::Busy));
        drop(taken);
        assert_eq!(scan(&clamd, b"x").await, Scan::Unknown(Reason::Timeout));
        assert_eq!(clamd.0.slots.available_permits(), 1);
    })
    .unwrap();
}

#[test]
fn hostile_replies_are_unknown() {
    for reply in [&b"1: stream: OK\0extra\0"[..], b"9: stream: OK\0", b"\0", &[b'x'; 10_000]] {
        let (host, _) = host(move |_, _| Some(reply.to_vec()));
        run(async {
            let got = scan(&service(vec![host], SOON, 1), b"x").await;
            assert!(matches!(got, Scan::Unknown(Reason::Broken(_))), "{got:?}");
        })
        .unwrap();
    }
}

#[test]
fn limits_are_unknown() {
    let (host, seen) = host(|_, _| Some(b"1: INSTREAM size limit exceeded. ERROR\0".to_vec()));
    run(async {
        let clamd = service(vec![host], SOON, 1);
        assert_eq!(scan(&clamd, &vec![b'x'; (1 << 20) + 1]).await, Scan::Unknown(Reason::TooLarge));
        assert_eq!(seen.lock().unwrap().connections, 0, "ours is not even tried");
        assert_eq!(scan(&clamd, b"x").await, Scan::Unknown(Reason::TooLarge));
    })
    .unwrap();
}

#[test]
fn hosts_are_read() {
    assert_eq!(Host::parse("192.0.2.9:3310").unwrap().to_string(), "192.0.2.9:3310");
    assert_eq!(Host::parse("unix:/run/clamd.ctl").unwrap().to_string(), "unix:/run/clamd.ctl");
    assert!(Host::parse("unix:clamd").unwrap_err().contains("absolute"));
    assert!(Host::parse("clamd.example.org:3310").unwrap_err().contains("192.0.2.9:3310"));
}
