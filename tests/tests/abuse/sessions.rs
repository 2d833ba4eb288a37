//! The hand-written sessions: what a client does, and what must come of it.

use std::time::Duration;

use weir_tests::rogue::Step::{
    self, Bytewise, Flood, HalfClose, Hang, Hear, Pause, Reset, Say, Times, Trickle,
};
use weir_tests::rogue::say;

use super::Ends::{self, Codes, Gone, Hears};

macro_rules! hello {
    ($($more:expr),*) => { concat!("EHLO rogue.example.net\r\n" $(, $more)*) };
}
macro_rules! mail {
    ($($more:expr),*) => { hello!("MAIL FROM:<rogue@example.net>\r\n" $(, $more)*) };
}
macro_rules! rcpt {
    ($($more:expr),*) => { mail!("RCPT TO:<dev@example.org>\r\n" $(, $more)*) };
}
macro_rules! data {
    ($($more:expr),*) => { rcpt!("DATA\r\n" $(, $more)*) };
}

const TIMED_OUT: Ends = Hears("421 4.4.2 timed out");
const ENDLESS: Ends = Hears("421 4.7.0 Line without end");
const ERRORS: Ends = Hears("421 4.7.0 Too many errors");
const IDLE: Ends = Hears("421 4.7.0 Too many commands without a message");
const OTHER: Ends = Hears("521 5.5.1 This is SMTP, and what you speak is not");
const NO_CHUNK: Ends = Hears("501 5.5.4 Malformed BDAT");
/// A transaction that is accepted, and QUIT.
const ACCEPTED: Ends = Codes(&[220, 250, 250, 250, 354, 250, 221]);
const LINES: &[u8] = &[b'\n'; 4096];
const NULS: &[u8] = &[0; 4096];
const LETTERS: &[u8] = &[b'a'; 4096];
const HIGH: &[u8] = &[0xff; 4096];

/// A name, what is done, and what comes of it.
pub(crate) type Session = (&'static str, &'static [Step<'static>], Ends);

/// Who holds a seat for as long as it can: ended by the time limit of what it should be doing.
const SLOW: &[Session] = &[
    ("says nothing", &[], TIMED_OUT),
    ("half a command", &[say("EHL")], TIMED_OUT),
    ("a byte now and then", &[Trickle(b"N")], TIMED_OUT),
    ("a NUL now and then", &[Trickle(b"\0")], TIMED_OUT),
    ("a CR now and then", &[Trickle(b"\r")], TIMED_OUT),
    ("EHLO and no more", &[say(hello!())], TIMED_OUT),
    ("MAIL and no more", &[say(mail!())], TIMED_OUT),
    ("RCPT and no more", &[say(rcpt!())], TIMED_OUT),
    ("DATA and no more", &[say(data!())], TIMED_OUT),
    ("half a message", &[say(data!("Subject: x\r\n\r\nhalf"))], TIMED_OUT),
    ("a message without its dot", &[say(data!("Subject: x\r\n\r\nwhole\r\n"))], TIMED_OUT),
    ("a dot without its line end", &[say(data!("Subject: x\r\n\r\nwhole\r\n."))], TIMED_OUT),
    ("a dot with half of its line end", &[say(data!("Subject: x\r\n\r\nwhole\r\n.\r"))], TIMED_OUT),
    ("a header byte by byte", &[say(data!()), Trickle(b"X-A: b\r\n")], TIMED_OUT),
    ("a line byte by byte", &[say(data!("\r\n")), Trickle(b"x")], TIMED_OUT),
    ("dots byte by byte", &[say(data!("\r\n")), Trickle(b"..\r\n")], TIMED_OUT),
    ("a spoiled message byte by byte", &[say(data!("a\nb")), Trickle(b"x\r\n")], TIMED_OUT),
    ("a chunk that does not come", &[say(rcpt!("BDAT 1000 LAST\r\n"))], TIMED_OUT),
    ("half a chunk", &[say(rcpt!("BDAT 10 LAST\r\nhalf"))], TIMED_OUT),
    ("a chunk and no more", &[say(rcpt!("BDAT 4\r\nhalf"))], TIMED_OUT),
    ("a chunk byte by byte", &[say(rcpt!("BDAT 1000 LAST\r\n")), Trickle(b"x")], TIMED_OUT),
    ("chunks of a byte", &[say(rcpt!()), Trickle(b"BDAT 1\r\nx")], TIMED_OUT),
    ("a refused chunk byte by byte", &[say(hello!("BDAT 1000 LAST\r\n")), Trickle(b"x")], TIMED_OUT),
    ("a spoiled chunk byte by byte", &[say(rcpt!("BDAT 1000 LAST\r\na\nb")), Trickle(b"x")], TIMED_OUT),
    ("NOOP now and then", &[Trickle(b"NOOP\r\n")], TIMED_OUT),
    ("RSET now and then", &[say(mail!()), Trickle(b"RSET\r\n")], TIMED_OUT),
    ("nonsense now and then", &[Trickle(b"XYZZY nothing happens\r\n")], TIMED_OUT),
    (
        "a transaction begun again and again",
        &[say(hello!()), Trickle(b"MAIL FROM:<>\r\nRSET\r\n")],
        TIMED_OUT,
    ),
    ("a tarpit and no more", &[say("EHLO tarpit.example.net\r\n")], TIMED_OUT),
    ("a tarpit byte by byte", &[say("EHLO tarpit.example.net\r\n"), Trickle(b"N")], TIMED_OUT),
    (
        "patience in the tarpit",
        &[say("EHLO tarpit.example.net\r\n"), Hear(2), say("QUIT\r\n")],
        Codes(&[220, 250, 221]),
    ),
    (
        "gone from the tarpit",
        &[say("EHLO tarpit.example.net\r\n"), Pause(Duration::from_millis(50)), Reset],
        Gone,
    ),
];

/// Who sends without an end: read over to a bound, in place, then ended.
const ENDLESS_SESSIONS: &[Session] = &[
    ("an endless line", &[Flood(LETTERS)], ENDLESS),
    ("an endless line of NULs", &[Flood(NULS)], ENDLESS),
    ("an endless line of high bytes", &[Flood(HIGH)], ENDLESS),
    ("an endless line of CRs", &[Flood(b"\r\r\r\r\r\r\r\r")], ENDLESS),
    ("an endless address", &[say(hello!("MAIL FROM:<")), Flood(LETTERS)], ENDLESS),
    ("an endless parameter", &[say(hello!("MAIL FROM:<> SIZE=")), Flood(LETTERS)], ENDLESS),
    ("lines of nothing", &[Flood(b"\r\n\r\n\r\n\r\n")], ERRORS),
    ("bare LFs", &[Flood(LINES)], ERRORS),
    ("nonsense without an end", &[Flood(b"XYZZY\r\n")], ERRORS),
    ("HTTP without an end", &[Flood(b"GET / HTTP/1.1\r\nHost: mx.example.org\r\n\r\n")], OTHER),
    ("NOOP without an end", &[Flood(b"NOOP\r\n")], IDLE),
    ("RSET without an end", &[Flood(b"RSET\r\n")], IDLE),
    ("HELP without an end", &[Flood(b"HELP\r\n")], IDLE),
    ("VRFY without an end", &[Flood(b"VRFY root\r\n")], IDLE),
    ("EHLO without an end", &[Flood(b"EHLO rogue.example.net\r\n")], IDLE),
    ("EXPN without an end", &[Flood(b"EXPN all\r\n")], ERRORS),
    ("MAIL without an end", &[Flood(b"MAIL FROM:<>\r\n")], ERRORS),
    ("DATA without an end", &[say(hello!()), Flood(b"DATA\r\n")], ERRORS),
    (
        "transactions without an end",
        &[say(hello!()), Flood(b"MAIL FROM:<>\r\nRCPT TO:<dev@example.org>\r\nRSET\r\n")],
        IDLE,
    ),
    ("QUIT without an end", &[Flood(b"QUIT\r\n")], Codes(&[220, 221])),
    (
        "100,000 recipients",
        &[say(mail!()), Times(100_000, "RCPT TO:<dev@example.org>\r\n")],
        Hears("452 4.5.3 Too many recipients\r\n421 4.7.0 Too many errors"),
    ),
    (
        "100,000 recipients that are none",
        &[say(mail!()), Times(100_000, "RCPT TO:<nobody@example.org>\r\n")],
        ERRORS,
    ),
    (
        "100,000 malformed recipients",
        &[say(mail!()), Times(100_000, "RCPT TO:<dev@@example.org>\r\n")],
        ERRORS,
    ),
    ("an endless header line", &[say(data!("X-Endless: ")), Flood(LETTERS)], Hears("550 5.6.0")),
    ("an endless header", &[say(data!()), Flood(b"X-Endless: yes\r\n")], Hears("552 5.3.4")),
    ("an endless folded header", &[say(data!("X-Endless:\r\n")), Flood(b" yes\r\n")], Hears("552 5.3.4")),
    ("an endless body", &[say(data!("\r\n")), Flood(b"Endless, endless, endless.\r\n")], Hears("552 5.3.4")),
    ("an endless body of dots", &[say(data!("\r\n")), Flood(b"..\r\n")], Hears("552 5.3.4")),
    ("an endless line in the body", &[say(data!("\r\n")), Flood(LETTERS)], Hears("550 5.6.0")),
    ("an endless body of NULs", &[say(data!("\r\n")), Flood(NULS)], Hears("550 5.5.2")),
    ("an endless body of LFs", &[say(data!("\r\n")), Flood(LINES)], Hears("550 5.5.2")),
    ("an endless body of look-alikes", &[say(data!("\r\n")), Flood(b"\n.\n")], Hears("550 5.5.2")),
    ("empty chunks without an end", &[say(rcpt!()), Flood(b"BDAT 0\r\n")], IDLE),
    ("chunks of a byte without an end", &[say(rcpt!()), Flood(b"BDAT 1\r\nx")], ERRORS),
    ("chunks before MAIL without an end", &[say(hello!()), Flood(b"BDAT 6\r\nQUIT\r\n")], ERRORS),
    (
        "a chunk of all there is",
        &[say(rcpt!("BDAT 18446744073709551615 LAST\r\n")), Flood(LETTERS)],
        Hears("552 5.3.4"),
    ),
];

/// What is no SMTP, or not quite.
const WRONG: &[Session] = &[
    ("a chunk of more than there is", &[say(rcpt!("BDAT 18446744073709551616 LAST\r\nQUIT\r\n"))], NO_CHUNK),
    ("a chunk of less than nothing", &[say(rcpt!("BDAT -1 LAST\r\nQUIT\r\n"))], NO_CHUNK),
    ("a chunk in hexadecimal", &[say(rcpt!("BDAT 0x10 LAST\r\nQUIT\r\n"))], NO_CHUNK),
    ("a chunk without a size", &[say(rcpt!("BDAT\r\nQUIT\r\n"))], NO_CHUNK),
    ("a chunk with a word too many", &[say(rcpt!("BDAT 4 LAST LAST\r\nQUIT\r\n"))], NO_CHUNK),
    (
        "DATA behind a chunk",
        &[say(rcpt!("BDAT 3\r\nabcDATA\r\nQUIT\r\n"))],
        Codes(&[220, 250, 250, 250, 250, 503, 221]),
    ),
    (
        "a recipient behind a chunk",
        &[say(rcpt!("BDAT 3\r\nabcRCPT TO:<dev@example.org>\r\nQUIT\r\n"))],
        Codes(&[220, 250, 250, 250, 250, 503, 221]),
    ),
    ("TLS", &[Say(b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03\0\0\n\x80")], OTHER),
    ("SSH", &[say("SSH-2.0-OpenSSH_9.2\r\nQUIT\r\n")], OTHER),
    ("HTTP", &[say("POST / HTTP/1.1\r\nHost: a\r\n\r\nMAIL FROM:<>\r\nQUIT\r\n")], OTHER),
    ("high bytes for a command", &[Say(b"\xff\xfe\xfd\xfc a\r\nQUIT\r\n")], Codes(&[220, 500, 221])),
    ("high bytes for a name", &[Say(b"EHLO \xff\xfe\r\nQUIT\r\n")], Codes(&[220, 500, 221])),
    (
        "an address in UTF-8 without SMTPUTF8",
        &[say(hello!("MAIL FROM:<\u{fc}@example.net>\r\nQUIT\r\n"))],
        Codes(&[220, 250, 553, 221]),
    ),
    (
        "an address in Latin-1",
        &[Say(b"EHLO a\r\nMAIL FROM:<\xfc@example.net> SMTPUTF8\r\nQUIT\r\n")],
        Codes(&[220, 250, 500, 221]),
    ),
    (
        "an overlong slash in UTF-8",
        &[Say(b"EHLO a\r\nMAIL FROM:<\xc0\xaf@example.net> SMTPUTF8\r\nQUIT\r\n")],
        Codes(&[220, 250, 500, 221]),
    ),
    ("a NUL in EHLO", &[say("EHLO a\0b\r\nQUIT\r\n")], Codes(&[220, 550, 221])),
    (
        "a NUL in MAIL",
        &[say(hello!("MAIL FROM:<a\0@example.net>\r\nQUIT\r\n"))],
        Codes(&[220, 250, 550, 221]),
    ),
    ("a NUL in front of a command", &[say("\0QUIT\r\nQUIT\r\n")], Codes(&[220, 550, 221])),
    ("a CR in a command", &[say("EHLO a\rMAIL FROM:<>\r\nQUIT\r\n")], Codes(&[220, 550, 221])),
    ("a bare LF behind a command", &[say("EHLO a\nMAIL FROM:<>\nQUIT\r\n")], Codes(&[220, 550, 550, 221])),
    ("an escape sequence for a name", &[say("EHLO \x1b[2J\x07\r\nQUIT\r\n")], Codes(&[220, 501, 221])),
    (
        "a line of 2,049 bytes",
        &[say("NOOP "), Times(2042, "x"), say("\r\nQUIT\r\n")],
        Codes(&[220, 500, 221]),
    ),
    (
        "a command of 513 bytes",
        &[say("NOOP "), Times(506, "x"), say("\r\nQUIT\r\n")],
        Codes(&[220, 500, 221]),
    ),
    (
        "a path of 257 bytes",
        &[say(hello!("MAIL FROM:<a@")), Times(126, "x."), say("xx>\r\nQUIT\r\n")],
        Codes(&[220, 250, 501, 221]),
    ),
    (
        "a size beyond all numbers",
        &[say(hello!("MAIL FROM:<> SIZE=99999999999999999999999\r\nQUIT\r\n"))],
        Codes(&[220, 250, 501, 221]),
    ),
    (
        "a size that is too large",
        &[say(hello!("MAIL FROM:<> SIZE=1000001\r\nQUIT\r\n"))],
        Codes(&[220, 250, 552, 221]),
    ),
    (
        "a size that is a lie",
        &[
            say(hello!("MAIL FROM:<> SIZE=1\r\nRCPT TO:<dev@example.org>\r\nDATA\r\nSubject: x\r\n\r\n")),
            Times(30_000, "Not one byte, but many.\r\n"),
            say(".\r\nQUIT\r\n"),
        ],
        ACCEPTED,
    ),
    ("MAIL twice", &[say(mail!("MAIL FROM:<>\r\nQUIT\r\n"))], Codes(&[220, 250, 250, 503, 221])),
    (
        "nobody to send to",
        &[say(mail!("RCPT TO:<nobody@example.org>\r\nDATA\r\nQUIT\r\n"))],
        Codes(&[220, 250, 250, 550, 554, 221]),
    ),
    (
        "a NUL in the message",
        &[say(data!("Subject: x\0\r\n\r\n.\r\nQUIT\r\n"))],
        Codes(&[220, 250, 250, 250, 354, 550, 221]),
    ),
    (
        "a line of 999 bytes in the message",
        &[say(data!("\r\n")), Times(999, "x"), say("\r\n.\r\nQUIT\r\n")],
        Codes(&[220, 250, 250, 250, 354, 550, 221]),
    ),
    ("a message of nothing", &[say(data!(".\r\nQUIT\r\n"))], ACCEPTED),
    ("a message of dots", &[say(data!("..\r\n...\r\n....\r\n.\r\nQUIT\r\n"))], ACCEPTED),
    (
        "10,000 header fields",
        &[say(data!()), Times(10_000, "X-A: b\r\n"), say("\r\n.\r\nQUIT\r\n")],
        ACCEPTED,
    ),
    (
        "900 nested parts",
        &[
            say(data!()),
            Times(900, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"),
            say(".\r\nQUIT\r\n"),
        ],
        ACCEPTED,
    ),
    (
        "900 nested messages",
        &[say(data!()), Times(900, "Content-Type: message/rfc822\r\n\r\n"), say(".\r\nQUIT\r\n")],
        ACCEPTED,
    ),
];

/// How packets and connections come and go.
const PACKETS: &[Session] = &[
    ("a byte a packet", &[Bytewise(data!("Subject: x\r\n\r\n..\r\n.\r\nQUIT\r\n"))], ACCEPTED),
    (
        "a chunk a byte a packet",
        &[Bytewise(rcpt!("BDAT 19 LAST\r\nSubject: x\r\n\r\n.\r\n\r\nQUIT\r\n"))],
        Codes(&[220, 250, 250, 250, 250, 221]),
    ),
    ("all at once", &[say(data!("Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n"))], ACCEPTED),
    (
        "its end at half-time",
        &[say(data!("Subject: x\r\n\r\nx\r\n.\r\n")), HalfClose],
        Codes(&[220, 250, 250, 250, 354, 250]),
    ),
    ("an end before a word", &[HalfClose], Hears("")),
    ("an end in a command", &[say("EHL"), HalfClose], Hears("")),
    ("an end in a message", &[say(data!("Subject: x\r\n\r\nhalf")), HalfClose], Hears("354")),
    ("an end in a chunk", &[say(rcpt!("BDAT 100 LAST\r\nhalf")), HalfClose], Hears("250")),
    ("a reset before a word", &[Reset], Gone),
    ("a reset in a command", &[say("EHL"), Reset], Gone),
    ("a reset behind EHLO", &[say(hello!()), Hear(2), Reset], Gone),
    ("a reset behind RCPT", &[say(rcpt!()), Hear(4), Reset], Gone),
    ("a reset behind DATA", &[say(data!()), Hear(5), Reset], Gone),
    ("a reset in a message", &[say(data!("\r\n")), Times(5000, "Half of a message.\r\n"), Reset], Gone),
    ("a reset in a line", &[say(data!("\r\nhalf")), Hear(5), Reset], Gone),
    ("a reset in a spoiled message", &[say(data!("a\nb")), Hear(5), Reset], Gone),
    (
        "a reset in a chunk",
        &[say(rcpt!("BDAT 100000 LAST\r\n")), Times(1000, "Half of it.\r\n"), Reset],
        Gone,
    ),
    ("a reset between chunks", &[say(rcpt!("BDAT 4\r\nhalf")), Hear(5), Reset], Gone),
    ("a reset behind 421", &[Flood(b"QUIT\r\n"), Reset], Gone),
    ("gone before a word", &[Hang], Gone),
    ("gone in a message", &[say(data!("\r\nhalf")), Hear(5), Hang], Gone),
    ("gone in a chunk", &[say(rcpt!("BDAT 100 LAST\r\nhalf")), Hear(4), Hang], Gone),
];

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = Session> {
    [SLOW, ENDLESS_SESSIONS, WRONG, PACKETS].into_iter().flatten().copied()
}
