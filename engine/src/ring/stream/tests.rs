//! Real sockets: what comes back, what is left behind.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;

use super::*;
use crate::ring::{Segment, run, spawn};

const SOON: Duration = Duration::from_secs(10);

/// A stream of ours and the standard library's end of the same connection.
async fn pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = Stream::connect(listener.local_addr().unwrap(), SOON).await.unwrap();
    (ours, listener.accept().unwrap().0)
}

fn on_ring<T>(test: impl Future<Output = T>) -> T {
    run(test).unwrap()
}

/// Drives other tasks and completions while a thread of the test works.
async fn joined<T>(thread: std::thread::JoinHandle<T>) -> T {
    while !thread.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    thread.join().unwrap()
}

#[test]
fn a_source_address_is_the_one_that_the_peer_sees() {
    on_ring(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let source = "127.0.0.9".parse().unwrap();
        let ours = Stream::connect_from(source, listener.local_addr().unwrap(), SOON).await.unwrap();
        assert_eq!(listener.accept().unwrap().1, ours.local().unwrap());
        assert_eq!(ours.local().unwrap().ip(), source);
        let strange = Stream::connect_from("192.0.2.1".parse().unwrap(), ours.peer().unwrap(), SOON).await;
        assert_eq!(strange.err().unwrap().kind(), io::ErrorKind::AddrNotAvailable);
    });
}

#[test]
fn a_read_appends_and_a_write_comes_back() {
    on_ring(async {
        let (ours, mut theirs) = pair().await;
        theirs.write_all(b"EHLO a").unwrap();
        let (count, buffer) = ours.read(b"kept ".to_vec(), 4096).await;
        assert_eq!((count.unwrap(), buffer.as_slice()), (6, b"kept EHLO a".as_slice()));
        theirs.write_all(b"0123456789").unwrap();
        let (count, buffer) = ours.read(Vec::with_capacity(4096), 4).await;
        assert_eq!((count.unwrap(), buffer.as_slice()), (4, b"0123".as_slice()), "at most four");
        let (written, buffer) = ours.write_all(b"250 ok\r\n".to_vec()).await;
        written.unwrap();
        assert_eq!(buffer, b"250 ok\r\n");
        let mut reply = [0; 8];
        theirs.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"250 ok\r\n");
        drop(theirs);
        let (rest, _) = ours.read(Vec::new(), 4096).await;
        assert_eq!(rest.unwrap(), 6, "what was sent before the end");
        let (end, _) = ours.read(Vec::new(), 4096).await;
        assert!(matches!(end, Ok(0) | Err(_)));
    });
}

#[test]
fn segments_arrive_in_order_through_a_slow_peer() {
    on_ring(async {
        let (ours, mut theirs) = pair().await;
        let body: Rc<Vec<u8>> = Rc::new((0..3_000_000_u32).flat_map(u32::to_le_bytes).collect());
        let mut segments = Segments::default();
        let mut expected = Vec::new();
        segments.push(Segment::Owned(b"Received: here\r\n".to_vec()));
        segments.push(Segment::Owned(Vec::new()));
        for start in (0..body.len()).step_by(100_000) {
            segments.push(Segment::Shared(Rc::clone(&body), start..start + 90_000));
        }
        for segment in &segments.list {
            expected.extend_from_slice(segment.bytes());
        }
        assert!(segments.list.len() > crate::limits::GATHER_PIECES_MAX, "more than one round");
        assert_eq!(segments.bytes(), expected.len());
        let reader = std::thread::spawn(move || {
            let mut seen = Vec::new();
            theirs.read_to_end(&mut seen).unwrap();
            seen
        });
        let (written, mut segments) = ours.write_segments(segments).await;
        written.unwrap();
        drop(ours);
        assert!(joined(reader).await == expected, "the bytes differ");
        assert!(
            matches!(segments.drain().next(), Some(Segment::Owned(first)) if first.starts_with(b"Received"))
        );
        assert_eq!(segments.bytes(), 0);
        assert_eq!(Rc::strong_count(&body), 1, "nobody keeps the body");
    });
}

#[test]
fn a_peer_that_has_gone_is_an_error_and_not_a_signal() {
    on_ring(async {
        let (ours, theirs) = pair().await;
        socket2::SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).unwrap();
        drop(theirs);
        let (read, _) = ours.read(Vec::new(), 10).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let mut segments = Segments::default();
        segments.push(Segment::Owned(b"x".to_vec()));
        assert_eq!(ours.write_segments(segments).await.0.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(ours.write_all(b"x".to_vec()).await.0.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(ours.peer().is_err());
        ours.shutdown(Shutdown::Both);
    });
}

#[test]
fn a_unix_socket_is_a_stream_too() {
    on_ring(async {
        let path = std::env::temp_dir().join(format!("weir-stream-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let ours = Stream::connect_unix(&path, SOON).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        ours.write_all(b"PING".to_vec()).await.0.unwrap();
        ours.shutdown(Shutdown::Write);
        let mut seen = String::new();
        theirs.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "PING");
        assert!(ours.peer().is_err());
        assert_eq!(Stream::connect_unix(&path, SOON).await.err().unwrap().kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn a_refused_connect_says_so() {
    on_ring(async {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = Stream::connect(address, SOON).await.err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    });
}

/// How many sockets of this host still try to reach `port`.
fn still_connecting(port: u16) -> usize {
    let remote = format!(":{port:04X} 02 ");
    std::fs::read_to_string("/proc/net/tcp").unwrap().lines().filter(|line| line.contains(&remote)).count()
}

/// A listener whose backlog is full, so that a connect to it gets no answer, and what fills it.
fn black_hole() -> (socket2::Socket, SocketAddr, Vec<TcpStream>) {
    let listener = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let filling = TcpStream::connect(address).unwrap();
    (listener, address, vec![filling])
}

#[test]
fn a_connect_without_answer_ends_in_time_and_leaves_no_socket() {
    on_ring(async {
        let (_listener, address, _filling) = black_hole();
        let timed_out = Stream::connect(address, Duration::from_millis(50)).await.err().unwrap();
        assert_eq!(timed_out.kind(), io::ErrorKind::TimedOut);
        assert_eq!(still_connecting(address.port()), 0);
    });
}

#[test]
fn an_aborted_connect_leaves_no_socket() {
    on_ring(async {
        let (_listener, address, _filling) = black_hole();
        let connecting = spawn(async move { Stream::connect(address, SOON).await.map(drop) });
        while still_connecting(address.port()) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        connecting.abort();
        while still_connecting(address.port()) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn an_aborted_task_closes_its_connection() {
    on_ring(async {
        let (ours, mut theirs) = pair().await;
        let reading = spawn(async move { ours.read(Vec::new(), 100).await.0 });
        tokio::task::yield_now().await;
        reading.abort();
        let eof = std::thread::spawn(move || theirs.read(&mut [0; 10]).unwrap());
        assert_eq!(joined(eof).await, 0, "the peer sees the end");
    });
}

#[test]
fn a_ring_that_ends_with_open_operations_closes_them() {
    let mut theirs = on_ring(async {
        let (ours, theirs) = pair().await;
        spawn(async move { ours.read(Vec::new(), 100).await.0 });
        let (_listener, address, _filling) = black_hole();
        spawn(async move { Stream::connect(address, SOON).await.map(drop) });
        tokio::task::yield_now().await;
        theirs
    });
    assert_eq!(theirs.read(&mut [0; 10]).unwrap(), 0);
}

#[test]
fn input_is_seen_before_it_is_read_and_its_end_is_none() {
    run(async {
        let (client, server) = std::os::unix::net::UnixStream::pair().unwrap();
        let stream = Stream::from_std(server).unwrap();
        assert!(!stream.has_input());
        (&client).write_all(b"E").unwrap();
        assert!(stream.has_input());
        let (read, _) = stream.read(Vec::new(), 16).await;
        assert_eq!(read.unwrap(), 1);
        drop(client);
        assert!(!stream.has_input());
    })
    .unwrap();
}

#[test]
fn what_nobody_reads_waits_with_the_peer_and_comes_whole() {
    const BYTES: u32 = 16 << 20;
    on_ring(async {
        let (ours, mut theirs) = pair().await;
        let content: Vec<u8> = (0..BYTES / 4).flat_map(u32::to_le_bytes).collect();
        let expected = content.clone();
        let writer = std::thread::spawn(move || theirs.write_all(&content).unwrap());
        let (_, mut seen) = ours.read(Vec::new(), 1).await;
        // The receive pauses when the inbox is full.
        while ours.inbox.arrived.borrow().len() < INBOX_BUFFERS_MAX
            || !matches!(ours.inbox.receiving.get(), Receiving::No)
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // What arrived in the turn in which it was full comes on top: no more than there are buffers.
        assert!(ours.inbox.arrived.borrow().len() <= INBOX_BUFFERS_MAX + crate::limits::RECEIVE_BUFFERS);
        while seen.len() < expected.len() {
            let (count, back) = ours.read(seen, 10_000).await;
            assert!((1..=10_000).contains(&count.unwrap()));
            seen = back;
        }
        joined(writer).await;
        assert!(seen == expected, "the bytes differ");
    });
}

/// More arrivals in one turn than there are buffers: those that found none were to be armed again.
#[test]
fn a_burst_over_all_buffers_reaches_everybody() {
    on_ring(async {
        let count = crate::limits::RECEIVE_BUFFERS + 50;
        let mut pairs = Vec::new();
        for _ in 0..count {
            pairs.push(pair().await);
        }
        let (ours, mut theirs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let readers: Vec<_> =
            ours.into_iter().map(|ours| spawn(async move { ours.read(Vec::new(), 10).await.1 })).collect();
        tokio::task::yield_now().await;
        for theirs in &mut theirs {
            theirs.write_all(b"x").unwrap();
        }
        for reader in readers {
            assert_eq!(reader.await.unwrap(), b"x");
        }
    });
}

#[test]
fn a_buffer_is_handed_on_without_a_copy_and_an_idle_stream_holds_none() {
    on_ring(async {
        let (ours, mut theirs) = pair().await;
        theirs.write_all(b"first").unwrap();
        let (_, first) = ours.read(Vec::with_capacity(7), 4096).await;
        assert_eq!(first.capacity(), crate::limits::RECEIVE_BUFFER_BYTES);
        theirs.write_all(b" second").unwrap();
        let (count, both) = ours.read(first, 4096).await;
        assert_eq!((count.unwrap(), both.as_slice()), (7, b"first second".as_slice()));
    });
}

/// More operations than the queue has places for are queued in one go: none may be lost on the way.
#[test]
fn a_full_queue_loses_nothing() {
    on_ring(async {
        let count = 3 * crate::limits::RING_ENTRIES as usize;
        let (ours, mut theirs) = pair().await;
        let ours = Rc::new(ours);
        let writers: Vec<_> = (0..count)
            .map(|_| {
                let ours = Rc::clone(&ours);
                spawn(async move { ours.write_all(b"x".to_vec()).await.0.unwrap() })
            })
            .collect();
        let reader = std::thread::spawn(move || {
            let mut seen = Vec::new();
            theirs.read_to_end(&mut seen).unwrap();
            seen.len()
        });
        for writer in writers {
            writer.await.unwrap();
        }
        drop(ours);
        assert_eq!(joined(reader).await, count);
    });
}

#[test]
fn connections_go_on_when_memory_is_given_back() {
    on_ring(async {
        let (ours, mut theirs) = pair().await;
        for round in 0..5 {
            let reading = ours.read(Vec::new(), 100);
            tokio::pin!(reading);
            // The receive is armed, with the buffers of before.
            tokio::select! {
                biased;
                _ = &mut reading => panic!("nothing was sent"),
                () = tokio::time::sleep(Duration::from_millis(3)) => {}
            }
            crate::ring::give_back_memory();
            tokio::time::sleep(Duration::from_millis(3)).await;
            theirs.write_all(&[b'0' + round; 7]).unwrap();
            assert_eq!(reading.await.1, [b'0' + round; 7]);
        }
    });
}
