//! SMTP smuggling: a message that holds what some server takes for its end, and behind that a second envelope.
//!
//! Every look-alike of the end of data up to a length goes through the receiving machine, then what it hands out through the sending
//! machine to hops of every leniency. There is one message, or a refusal, and no hop sees a second envelope.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

#[path = "common/drive.rs"]
#[allow(dead_code, reason = "the other half is used elsewhere")]
mod drive;
#[path = "common/hop.rs"]
mod hop;
#[path = "common/relay.rs"]
mod relay;

use drive::{Transcript, serve};
use hop::{Hop, Leniency};
use memchr::memmem;
use weir_smtp::server::LineBreaks;
use weir_smtp::{Extension, ServerConfig};

const ENVELOPE: [&str; 3] = ["EHLO a\r\n", "MAIL FROM:<a@example.net>\r\n", "RCPT TO:<c@example.org>\r\n"];
/// What a message begins with in front of the look-alike: something, or nothing.
const BEFORE: [&[u8]; 2] = [b"Subject: x\r\n\r\nfirst", b""];
const BEHIND: &[u8] = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.org>\r\nDATA\r\nsmuggled\r\n";
const END: &[u8] = b"\r\n.\r\n";

/// All texts of so many of these bytes.
fn texts(alphabet: &[u8], bytes: usize) -> Vec<Vec<u8>> {
    let mut texts = vec![Vec::new()];
    for _ in 0..bytes {
        texts =
            texts.iter().flat_map(|text| alphabet.iter().map(|byte| [text, &[*byte][..]].concat())).collect();
    }
    texts
}

/// CR, LF, NUL and dots in any order.
fn mixtures() -> Vec<Vec<u8>> {
    (1..=5).flat_map(|bytes| texts(b"\r\n\0.", bytes)).collect()
}

/// A dot with up to three of CR, LF and NUL on each side.
fn around_a_dot() -> Vec<Vec<u8>> {
    let sides: Vec<Vec<u8>> = (0..=3).flat_map(|bytes| texts(b"\r\n\0", bytes)).collect();
    sides.iter().flat_map(|before| sides.iter().map(|behind| [before, &b"."[..], behind].concat())).collect()
}

fn config(line_breaks: LineBreaks) -> ServerConfig {
    let mut config = ServerConfig::new("mx.example.org");
    config.extensions = config.extensions.with(Extension::Chunking);
    config.line_breaks = line_breaks;
    config
}

/// A session in which DATA has a look-alike, and where that begins.
fn with_data(before: &[u8], lookalike: &[u8]) -> (Vec<u8>, usize) {
    let start = [ENVELOPE.concat().as_bytes(), b"DATA\r\n", before].concat();
    let at = start.len();
    ([&start, lookalike, BEHIND, &END[2..], b"QUIT\r\n"].concat(), at)
}

/// The same with BDAT, and the chunk cut into two inside of the look-alike.
fn with_chunks(before: &[u8], lookalike: &[u8], cut: usize) -> Vec<u8> {
    let content = [before, lookalike, BEHIND].concat();
    let (first, second) = content.split_at(before.len() + cut);
    let mut session = ENVELOPE.concat().into_bytes();
    session.extend_from_slice(format!("BDAT {}\r\n", first.len()).as_bytes());
    session.extend_from_slice(first);
    session.extend_from_slice(format!("BDAT {} LAST\r\n", second.len()).as_bytes());
    session.extend_from_slice(second);
    session.extend_from_slice(b"QUIT\r\n");
    session
}

fn codes(transcript: &Transcript) -> Vec<u16> {
    let replies = std::str::from_utf8(&transcript.replies).unwrap();
    let last = replies.lines().filter(|line| line.as_bytes()[3] == b' ');
    last.map(|line| line[..3].parse().unwrap()).collect()
}

/// No hop finds more than one message in what is sent on, and another weir takes it as it is.
fn check_wire(wire: &[u8]) {
    relay::check_wire(wire);
    let start = [ENVELOPE.concat().as_bytes(), b"DATA\r\n"].concat();
    let scanner = serve(&config(LineBreaks::Refuse), &[&start, wire].concat(), &[]);
    assert_eq!(scanner.messages, [wire], "{}", wire.escape_ascii());
}

/// One message or a refusal; what is accepted holds all that was sent.
fn check_fate(lookalike: &[u8], transcript: &Transcript, replies: &[u16]) {
    let text = lookalike.escape_ascii();
    let found = codes(transcript);
    let fate = found[replies.len()];
    assert_eq!(found, [replies, &[fate, 221]].concat(), "{text}");
    match transcript.messages.as_slice() {
        [] => assert_eq!(fate, 550, "{text}"),
        [message] => {
            assert_eq!(fate, 250, "{text}");
            assert!(memmem::find(message, b"\r\nsmuggled\r\n.\r\n").is_some(), "{text}");
            check_wire(message);
        }
        more => panic!("{} messages from {text}", more.len()),
    }
}

/// The client itself has ended its message there and begun another: that is no smuggling here, and must be none further on.
fn is_true_end(before: &[u8], lookalike: &[u8]) -> bool {
    memmem::find(lookalike, END).is_some() || before.is_empty() && lookalike.starts_with(&END[2..])
}

fn check_data(lookalikes: &[Vec<u8>], line_breaks: LineBreaks) {
    for before in BEFORE {
        check_data_behind(before, lookalikes, line_breaks);
    }
}

fn check_data_behind(before: &[u8], lookalikes: &[Vec<u8>], line_breaks: LineBreaks) {
    let config = config(line_breaks);
    let mut one_by_one = config.clone();
    one_by_one.extensions = one_by_one.extensions.without(Extension::Pipelining);
    // A command at a time, as for a server without PIPELINING.
    let commands = [0, 1, 2].map(|at| ENVELOPE[at].len());
    for lookalike in lookalikes {
        let (session, at) = with_data(before, lookalike);
        let whole = serve(&config, &session, &[]);
        if is_true_end(before, lookalike) {
            whole.messages.iter().for_each(|message| check_wire(message));
        } else {
            check_fate(lookalike, &whole, &[220, 250, 250, 250, 354]);
        }
        let text = lookalike.escape_ascii();
        for cut in 0..=lookalike.len() + 1 {
            let split = serve(&config, &session, &[at + cut, session.len()]);
            assert_eq!(split, whole, "{text} cut at {cut}");
        }
        let bytes =
            [&commands[..], &[6, before.len().max(1)], &vec![1; lookalike.len() + 8], &[session.len()]];
        let slowly = serve(&one_by_one, &session, &bytes.concat());
        assert_eq!(slowly.messages, whole.messages, "{text} byte by byte");
        assert_eq!(codes(&slowly), codes(&whole), "{text} byte by byte");
    }
}

fn check_chunks(lookalikes: &[Vec<u8>], line_breaks: LineBreaks) {
    for before in BEFORE {
        check_chunks_behind(before, lookalikes, line_breaks);
    }
}

fn check_chunks_behind(before: &[u8], lookalikes: &[Vec<u8>], line_breaks: LineBreaks) {
    let config = config(line_breaks);
    for lookalike in lookalikes {
        for cut in 0..=lookalike.len() {
            let session = with_chunks(before, lookalike, cut);
            let whole = serve(&config, &session, &[]);
            let is_early = codes(&whole).get(4) != Some(&250);
            // What is spoiled by its first chunk has lost its transaction when the second comes.
            let replies: &[u16] =
                if is_early { &[220, 250, 250, 250, 550] } else { &[220, 250, 250, 250, 250] };
            if is_early {
                assert_eq!(codes(&whole), [replies, &[503, 221]].concat(), "{}", lookalike.escape_ascii());
                assert!(whole.messages.is_empty());
            } else if cut == 0 {
                check_fate(lookalike, &whole, replies);
            } else {
                // The same as from one chunk, or refused.
                let uncut = serve(&config, &with_chunks(before, lookalike, 0), &[]);
                assert_eq!(whole, uncut, "{} cut at {cut}", lookalike.escape_ascii());
            }
            let at = session.len() - BEHIND.len() - b"QUIT\r\n".len();
            let split = serve(&config, &session, &[at - cut, 1, 1, 1, session.len()]);
            assert_eq!(split, whole, "{} cut at {cut}", lookalike.escape_ascii());
        }
    }
}

#[test]
fn a_look_alike_in_data_is_refused() {
    check_data(&mixtures(), LineBreaks::Refuse);
    check_data(&around_a_dot(), LineBreaks::Refuse);
}

#[test]
fn a_mixture_in_data_is_made_harmless() {
    check_data(&mixtures(), LineBreaks::Normalise);
}

#[test]
fn a_dot_between_breaks_in_data_is_made_harmless() {
    check_data(&around_a_dot(), LineBreaks::Normalise);
}

#[test]
fn a_look_alike_in_chunks_is_refused() {
    check_chunks(&mixtures(), LineBreaks::Refuse);
    check_chunks(&around_a_dot(), LineBreaks::Refuse);
}

#[test]
fn a_look_alike_in_chunks_is_made_harmless() {
    check_chunks(&mixtures(), LineBreaks::Normalise);
    check_chunks(&around_a_dot(), LineBreaks::Normalise);
}

/// Without this the other tests might show nothing: here a message goes on as it came.
#[test]
fn the_hops_fall_for_what_they_should() {
    let fallen = |lookalike: &[u8], leniency: Leniency| {
        let mut hop = Hop::new(leniency);
        hop.take(&with_data(BEFORE[0], lookalike).0);
        hop.letters.len() == 2
    };
    let leniency = |lf, cr, nul| Leniency { lf, cr, nul };
    for (lookalike, falls) in [
        (&b"\r\n.\r\n"[..], leniency(false, false, false)),
        (b"\n.\n", leniency(true, false, false)),
        (b"\n.\r\n", leniency(true, false, false)),
        (b"\r\n.\n", leniency(true, false, false)),
        (b"\r.\r", leniency(false, true, false)),
        (b"\r\n.\r", leniency(false, true, false)),
        (b"\n.\r", leniency(true, true, false)),
        (b"\r\n\0.\r\n", leniency(false, false, true)),
        (b"\r\n.\0\r\n", leniency(false, false, true)),
        (b"\n\0.\0\n", leniency(true, false, true)),
    ] {
        for hop in Leniency::all() {
            let expected = (hop.lf || !falls.lf) && (hop.cr || !falls.cr) && (hop.nul || !falls.nul);
            assert_eq!(fallen(lookalike, hop), expected, "{hop:?} with {}", lookalike.escape_ascii());
        }
    }
}
