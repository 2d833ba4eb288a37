//! Deadlines on real sockets, and the arithmetic of sweeps.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;
use crate::ring::{Stream, run};

const BRIEF: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_hours(1);

fn pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (Stream::from_std(listener.accept().unwrap().0).unwrap(), theirs)
}

#[test]
fn a_silent_peer_gets_a_last_reply() {
    run(async {
        let (watch, (ours, mut theirs)) = (Watch::start(), pair());
        let watched = ours.watch(&watch);
        watched.arm_read(BRIEF);
        let (count, _) = ours.read(Vec::new(), 100).await;
        assert_eq!(count.unwrap(), 0);
        assert!(watched.expired() && !watched.woken());
        watched.arm_write(LONG);
        ours.write_all(b"421 too slow\r\n".to_vec()).await.0.unwrap();
        drop(ours);
        let mut seen = String::new();
        theirs.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "421 too slow\r\n");
    })
    .unwrap();
}

#[test]
fn a_peer_that_never_reads_is_reset() {
    run(async {
        let (watch, (ours, mut theirs)) = (Watch::start(), pair());
        let watched = ours.watch(&watch);
        watched.arm_write(BRIEF);
        let (written, buffer) = ours.write_all(vec![b'x'; 64 << 20]).await;
        assert!(written.is_err());
        assert_eq!(buffer.len(), 64 << 20, "the buffer comes back");
        assert!(watched.expired());
        drop((watched, ours));
        assert_eq!(watch.connections(), 0);
        let end = theirs.read_to_end(&mut Vec::new());
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "nothing lingers");
    })
    .unwrap();
}

#[test]
fn a_second_deadline_is_the_last() {
    run(async {
        let (watch, (ours, _theirs)) = (Watch::start(), pair());
        let watched = ours.watch(&watch);
        watched.arm_read(BRIEF);
        assert_eq!(ours.read(Vec::new(), 100).await.0.unwrap(), 0);
        watched.arm_read(BRIEF);
        watch.0.sweep();
        watch.0.sweep();
        assert!(ours.write_all(b"more".to_vec()).await.0.is_err());
    })
    .unwrap();
}

#[test]
fn a_disarmed_or_answered_wait_is_left_alone() {
    run(async {
        let (watch, (ours, mut theirs)) = (Watch::start(), pair());
        let watched = ours.watch(&watch);
        watched.arm_read(BRIEF);
        watched.disarm();
        for _ in 0..10 {
            watch.0.sweep();
        }
        theirs.write_all(b"here").unwrap();
        assert_eq!(ours.read(Vec::new(), 100).await.0.unwrap(), 4);
        assert!(!watched.expired());
    })
    .unwrap();
}

#[test]
fn a_deadline_is_never_early() {
    run(async {
        let (watch, (ours, _theirs)) = (Watch::start(), pair());
        let watched = ours.watch(&watch);
        watched.arm_read(WATCH_TICK * 3);
        for _ in 0..3 {
            watch.0.sweep();
            assert!(!watched.expired(), "the first sweep may come at once");
        }
        watch.0.sweep();
        assert!(watched.expired());
        watched.arm_read(Duration::MAX);
        watch.0.sweep();
        assert!(matches!(watched.entry.wait.get(), Wait::Input(_)), "the longest time does not overflow");
    })
    .unwrap();
}

#[test]
fn only_interruptible_waits_are_woken() {
    run(async {
        let watch = Watch::start();
        let (idle, _idle_peer) = pair();
        let (busy, mut busy_peer) = pair();
        let (late, _late_peer) = pair();
        let (idle_entry, busy_entry) = (idle.watch(&watch), busy.watch(&watch));
        idle_entry.set_interruptible(true);
        busy_entry.set_interruptible(true);
        busy_entry.set_interruptible(false);
        watch.wake_interruptible();
        assert_eq!(idle.read(Vec::new(), 100).await.0.unwrap(), 0);
        assert!(idle_entry.woken() && !idle_entry.expired() && !busy_entry.woken());
        busy_peer.write_all(b"end of data").unwrap();
        assert_eq!(busy.read(Vec::new(), 100).await.0.unwrap(), 11);
        let late_entry = late.watch(&watch);
        assert!(!late_entry.woken());
        late_entry.set_interruptible(true);
        assert!(late_entry.woken(), "whoever begins to wait later is woken as well");
        assert_eq!(late.read(Vec::new(), 100).await.0.unwrap(), 0);
    })
    .unwrap();
}

#[test]
fn entries_leave_in_any_order() {
    run(async {
        let watch = Watch::start();
        let pairs: Vec<_> = (0..5).map(|_| pair()).collect();
        let mut entries: Vec<_> = pairs.iter().map(|(ours, _)| ours.watch(&watch)).collect();
        for place in [0, 2, 1, 1] {
            entries.remove(place);
            assert_eq!(watch.connections(), entries.len());
        }
        entries.first().unwrap().arm_read(Duration::ZERO);
        watch.0.sweep();
        assert!(entries.first().unwrap().expired());
        drop(entries);
        assert_eq!(watch.connections(), 0);
    })
    .unwrap();
}
