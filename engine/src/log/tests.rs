//! Lines as operators see them, and what happens when the writer can't follow.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::id::IdSource;

const NOW_US: u64 = 1_795_474_670_012_345;

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("weir-log-{name}-{}", std::process::id()))
}

/// What the log file holds after `write`.
fn logged(name: &str, format: Format, write: impl FnOnce(&Log, &Writer)) -> String {
    let path = file(name);
    let writer = Writer::start(Sink::File(path.clone()), format, Clock::frozen(NOW_US)).unwrap();
    write(&writer.lane(), &writer);
    drop(writer);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    text
}

#[test]
fn a_line_in_logfmt() {
    let text = logged("logfmt", Format::Logfmt, |log, _| {
        log.event("verdict")
            .field("sid", IdSource::new(Clock::frozen(NOW_US), 1, 2).next_id())
            .field("client_ip", std::net::IpAddr::from([192, 0, 2, 7]))
            .field("code", 550_u16)
            .field("time", Duration::from_micros(84_012))
            .field("at", "mx.weir:58")
            .field("from", "")
            .maybe("rdns", None::<&str>)
            .maybe("helo", Some("foo"))
            .field("final", true)
            .emit();
    });
    assert_eq!(
        text,
        "ts=2026-11-23T22:57:50.012345Z event=verdict sid=6hYLv426YP2Bt client_ip=192.0.2.7 code=550 \
         time=0.084012 at=mx.weir:58 from=\"\" helo=foo final=true\n"
    );
}

#[test]
fn a_line_in_json_is_json() {
    let hostile = b"a\"b\\c\r\nevent=forged\0\x1b[2J\xff\xe2\x80\xae\xc3\xa9";
    let text = logged("json", Format::Json, |log, _| {
        log.event("verdict").field("helo", hostile).field("size", 7_u64).emit();
    });
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["event"], "verdict");
    assert_eq!(json["ts"], "2026-11-23T22:57:50.012345Z");
    assert_eq!(json["size"], 7);
    assert_eq!(json["helo"], "a\"b\\c\r\nevent=forged\0\x1b[2J\u{fffd}\u{202e}é");
    assert!(!text.trim_end().contains(['\n', '\x1b', '\u{202e}']), "{text:?}");
}

#[test]
fn what_a_peer_says_forges_no_line_and_no_field() {
    let text = logged("hostile", Format::Logfmt, |log, _| {
        log.event("x").field("helo", b"a b=c\r\nevent=forged\x00\xff\"\\").emit();
    });
    assert_eq!(text.lines().count(), 1);
    assert!(text.trim_end().ends_with(r#" helo="a b=c\r\nevent=forged\u0000\xff\"\\""#), "{text}");
}

#[test]
fn long_values_and_long_lines_are_cut() {
    let long = "x".repeat(LOG_VALUE_BYTES_MAX + 1);
    let text = logged("long", Format::Json, |log, _| {
        let mut event = log.event("x").field("cut", "é".repeat(LOG_VALUE_BYTES_MAX));
        for _ in 0..100 {
            event = event.field("k", long.as_str());
        }
        event.emit();
    });
    assert!(text.len() < LOG_LINE_BYTES_MAX + 100, "{}", text.len());
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["k"], format!("{}…", "x".repeat(LOG_VALUE_BYTES_MAX)));
}

#[test]
fn an_event_within_an_event_is_a_line_of_its_own() {
    let text = logged("nested", Format::Logfmt, |log, _| {
        let outer = log.event("outer");
        log.event("inner").emit();
        outer.field("n", 1_u32).emit();
    });
    let events: Vec<_> =
        text.lines().filter_map(|line| line.split_once("event=")).map(|(_, rest)| rest).collect();
    assert_eq!(events, ["inner", "outer n=1"]);
}

#[test]
fn lanes_of_several_threads_all_arrive() {
    let text = logged("threads", Format::Logfmt, |_, writer| {
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let log = writer.lane();
                scope.spawn(move || {
                    for n in 0..1000_u64 {
                        log.event("n").field("t", thread).field("n", n).emit();
                    }
                });
            }
        });
    });
    assert_eq!(text.lines().count(), 4000);
    for thread in 0..4 {
        let mine: Vec<_> = text.lines().filter(|line| line.contains(&format!("t={thread} "))).collect();
        assert_eq!(mine.len(), 1000);
        assert!(mine.last().unwrap().ends_with("n=999"), "in order");
    }
}

#[test]
fn lost_lines_are_counted_and_reported() {
    let writer =
        Writer::start(Sink::File("/dev/full".into()), Format::Logfmt, Clock::frozen(NOW_US)).unwrap();
    let lost = writer.lost();
    let log = writer.lane();
    for _ in 0..3 {
        log.event("gone").emit();
    }
    while lost.load(Ordering::Relaxed) < 3 {
        std::thread::yield_now();
    }
    drop(writer);
    assert!(lost.load(Ordering::Relaxed) > 3, "the report of the loss is lost as well");
}

#[test]
fn a_full_lane_loses_lines_and_says_how_many() {
    let value = "x".repeat(1000);
    let lines = 3 * crate::limits::LOG_LANE_BYTES_MAX / 1000;
    let mut lost_count = 0;
    let text = logged("lane", Format::Logfmt, |log, writer| {
        for _ in 0..lines {
            log.event("x").field("v", value.as_str()).emit();
        }
        lost_count = usize::try_from(writer.lost().load(Ordering::Relaxed)).unwrap();
    });
    let written = text.lines().filter(|line| line.contains("event=x")).count();
    assert_eq!(written + lost_count, lines, "every line is written or counted");
    assert_eq!(lost_count > 0, text.contains("event=log_lost"));
}

#[test]
fn a_moved_file_is_opened_anew() {
    let moved = file("moved");
    let text = logged("rotate", Format::Logfmt, |log, writer| {
        log.event("before").emit();
        while !std::fs::read_to_string(file("rotate")).unwrap().contains("before") {
            std::thread::yield_now();
        }
        std::fs::rename(file("rotate"), &moved).unwrap();
        writer.reopen();
        while !file("rotate").exists() {
            std::thread::yield_now();
        }
        log.event("after").emit();
    });
    assert!(text.contains("event=after") && !text.contains("event=before"));
    assert!(std::fs::read_to_string(&moved).unwrap().contains("event=before"));
    std::fs::remove_file(&moved).unwrap();
}

#[test]
fn a_log_that_is_off_writes_nothing() {
    Log::off().event("x").field("a", 1_u32).emit();
}
