//! What must hold for any bytes: nothing panics, memory is bounded, the cut of the stream makes no difference, inverses invert.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is not there fails the test"
)]

#[path = "common/drive.rs"]
mod drive;

use drive::{send, serve, small_config};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use weir_smtp::body::{BodyFault, BodyLimits, Scanner, stuff, unstuff};
use weir_smtp::reply::ReplyScanner;
use weir_smtp::server::LineBreaks;
use weir_smtp::{Enhanced, Extension, Mailbox, Path, Reply, ServerConfig};

/// Pieces of a message, chosen so that breaks and dots meet in every way.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let pieces =
        ["a", "b", ".", ".", "\r", "\n", "\r\n", "\r\n", "\r\n.", "\0", "aaaaaaaaaa", "\r\n\r\n", ".\r\n"];
    vec(select(pieces.map(str::as_bytes).to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

/// Lines that end with CRLF.
fn message() -> impl Strategy<Value = Vec<u8>> {
    vec("[.a\u{e9}]{0,8}", 0..12)
        .prop_map(|lines| lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect())
}

/// Lines of a session, some of them noise.
fn session() -> impl Strategy<Value = Vec<u8>> {
    let lines = [
        "EHLO a\r\n",
        "HELO b\r\n",
        "MAIL FROM:<a@b>\r\n",
        "MAIL FROM:<> SIZE=10 BODY=8BITMIME\r\n",
        "RCPT TO:<c@d>\r\n",
        "RCPT TO:<\u{fc}@d>\r\n",
        "DATA\r\n",
        "DATA\r\n",
        "BDAT 9\r\n",
        "BDAT 3\r\n",
        "BDAT 5 LAST\r\n",
        "BDAT 0 LAST\r\n",
        "BDAT x\r\n",
        "RSET\r\n",
        "NOOP\r\n",
        "VRFY x\r\n",
        "HELP\r\n",
        "a: b\r\n",
        "\r\n",
        ".\r\n",
        ".\r\n",
        "\n.\n",
        "\r.\r",
        "..\r\n",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "\n",
        "\r",
        "\0",
        "QUIT\r\n",
    ];
    let start = Just(b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n".to_vec());
    let rest = vec(select(lines.map(str::as_bytes).to_vec()), 0..60).prop_map(|lines| lines.concat());
    (start, rest, any::<bool>())
        .prop_map(|(start, rest, open)| if open { [start, rest].concat() } else { rest })
}

fn scan(bytes: &[u8], sizes: &[usize]) -> (usize, bool, Option<BodyFault>, u64) {
    let limits = BodyLimits { message_bytes_max: 60, header_bytes_max: 30, line_bytes_max: 20 };
    let mut scanner = Scanner::new(limits);
    let mut at = 0;
    let mut sizes = sizes.iter().copied();
    while at < bytes.len() {
        let size = sizes.next().unwrap_or(bytes.len()).clamp(1, bytes.len() - at);
        let found = scanner.scan(&bytes[at..at + size]);
        at += found.bytes;
        if found.is_end {
            return (at, true, scanner.fault(), scanner.message_bytes());
        }
        assert_eq!(found.bytes, size);
    }
    (at, false, scanner.fault(), scanner.message_bytes())
}

/// What `normalise` should make of a message in wire form, said the slow way: undo the stuffing of the sender's lines, then make
/// every break whole.
fn normalised(wire: &[u8]) -> Vec<u8> {
    mended(&unstuff(wire))
}

/// A text with every line break made whole.
fn mended(broken: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut bytes = broken.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                text.extend_from_slice(b"\r\n");
            }
            b'\n' => text.extend_from_slice(b"\r\n"),
            _ => text.push(byte),
        }
    }
    text
}

proptest! {
    #[test]
    fn a_message_is_scanned_alike_however_it_is_cut(bytes in text(), sizes in vec(1_usize..6, 0..40)) {
        prop_assert_eq!(scan(&bytes, &sizes), scan(&bytes, &[]));
    }

    #[test]
    fn stuffing_is_undone_by_unstuffing(message in message()) {
        let wire = stuff(&message);
        prop_assert_eq!(unstuff(&wire).into_owned(), message.clone());
        let limits = BodyLimits { message_bytes_max: 10_000, header_bytes_max: 10_000, line_bytes_max: 998 };
        let mut scanner = Scanner::new(limits);
        let found = scanner.scan(&[wire.as_slice(), b"QUIT\r\n"].concat());
        prop_assert_eq!((found.bytes, found.is_end, scanner.fault()), (wire.len(), true, None));
        prop_assert_eq!(scanner.message_bytes(), message.len() as u64);
    }

    #[test]
    fn a_server_behaves_alike_however_its_input_is_cut(
        bytes in session(),
        sizes in vec(1_usize..30, 1..40),
        normalise in any::<bool>(),
    ) {
        let config = small_config(if normalise { LineBreaks::Normalise } else { LineBreaks::Refuse });
        let whole = serve(&config, &bytes, &[]);
        prop_assert_eq!(&serve(&config, &bytes, &sizes), &whole);
        prop_assert_eq!(&serve(&config, &bytes, &[1]), &whole);
        // What is passed on ends where every other host will see its end, and only there.
        for message in &whole.messages {
            let end = scan(message, &[]);
            prop_assert_eq!((end.0, end.1, end.2), (message.len(), true, None));
        }
    }

    #[test]
    fn a_server_survives_any_bytes(bytes in vec(any::<u8>(), 0..400), size in 1_usize..50) {
        serve(&small_config(LineBreaks::Normalise), &bytes, &[size]);
        serve(&small_config(LineBreaks::Refuse), &bytes, &[size]);
    }

    #[test]
    fn bare_breaks_are_made_whole(text in text(), sizes in vec(1_usize..6, 1..40)) {
        let text: Vec<u8> = text.into_iter().filter(|&byte| byte != 0).collect();
        let start = b"HELO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
        let bytes = [start, text.as_slice(), b"\r\n.\r\n"].concat();
        let mut config = ServerConfig::new("mx.example.org");
        config.line_breaks = LineBreaks::Normalise;
        let wire = [text.as_slice(), b"\r\n.\r\n"].concat();
        let (end, is_end, ..) = scan(&wire, &[]);
        prop_assert!(is_end);
        let taken = serve(&config, &bytes, &sizes).messages;
        prop_assert_eq!(taken.len(), 1);
        prop_assert_eq!(unstuff(&taken[0]).into_owned(), normalised(&wire[..end]));
    }

    #[test]
    fn chunks_give_the_message_that_data_would(
        text in text(),
        cuts in vec(0_usize..20, 0..8),
        sizes in vec(1_usize..6, 1..40),
        normalise in any::<bool>(),
    ) {
        let mut config = ServerConfig::new("mx.example.org");
        config.extensions = config.extensions.with(Extension::Chunking);
        config.line_breaks = if normalise { LineBreaks::Normalise } else { LineBreaks::Refuse };
        let envelope = b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
        let mut chunked = envelope.to_vec();
        let mut rest = text.as_slice();
        for cut in cuts {
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            chunked.extend_from_slice(format!("BDAT {}\r\n", chunk.len()).as_bytes());
            chunked.extend_from_slice(chunk);
            rest = after;
        }
        chunked.extend_from_slice(format!("BDAT {} LAST\r\n", rest.len()).as_bytes());
        chunked.extend_from_slice(rest);
        // What a client with DATA would have to send for the same text. A break is made whole first, since only then is it known
        // which dots begin lines.
        let whole = if normalise { mended(&text) } else { text };
        let with_data = [envelope.as_slice(), b"DATA\r\n", &stuff(&whole)].concat();
        let taken = serve(&config, &chunked, &sizes).messages;
        prop_assert_eq!(taken, serve(&config, &with_data, &[]).messages);
    }

    #[test]
    fn a_client_survives_any_server(
        lines in vec(select(vec![
            "220 x\r\n", "250 x\r\n", "250-x\r\n", "250 PIPELINING\r\n", "354 x\r\n", "421 x\r\n", "450 x\r\n", "550 x\r\n",
            "250-PIPELINING\r\n250 x\r\n", "250-PIPELINING\r\n250 CHUNKING\r\n", "550-x\r\n550 x\r\n", "x\r\n", "\n", "250\r\n", "999 x\r\n",
        ]), 0..40),
        noise in vec(any::<u8>(), 0..40),
        size in 1_usize..40,
    ) {
        let bytes = [lines.concat().as_bytes(), noise.as_slice()].concat();
        send(bytes.chunks(size));
        send(noise.chunks(size));
        // Line by line, as an honest server would speak.
        let open: [&[u8]; 2] = [b"220 x\r\n", b"250-x\r\n250 PIPELINING\r\n"];
        send(open.into_iter().chain(bytes.split_inclusive(|&byte| byte == b'\n')));
        let chunking: [&[u8]; 2] = [b"220 x\r\n", b"250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n"];
        send(chunking.into_iter().chain(bytes.split_inclusive(|&byte| byte == b'\n')));
    }

    #[test]
    fn a_printed_reply_is_read_as_it_was(
        code in 200_u16..600,
        subject in 0_u16..1000,
        detail in 0_u16..1000,
        enhanced in any::<bool>(),
        lines in vec("[a-z<][ -~]{0,60}", 1..4),
    ) {
        let class = u8::try_from(code / 100).unwrap();
        let enhanced = (enhanced && class != 3).then(|| Enhanced::new(class, subject, detail));
        let reply = Reply { code, enhanced, text: lines.join("\n").into() };
        let mut wire = Vec::new();
        reply.print(&mut wire);
        prop_assert_eq!(Reply::parse(&wire), Ok(reply));
        for cut in 0..wire.len() {
            let mut scanner = ReplyScanner::default();
            prop_assert_eq!(scanner.scan(&wire[..cut]), Ok(None));
            prop_assert_eq!(scanner.scan(&wire).unwrap().unwrap().bytes, wire.len());
        }
    }

    #[test]
    fn a_reply_of_any_text_stays_one_reply(text in any::<String>(), code in 200_u16..600) {
        let mut wire = Vec::new();
        Reply::plain(code, &text).print(&mut wire);
        let end = ReplyScanner::default().scan(&wire);
        let lines = text.split('\n').count() + text.len() / 400;
        if lines <= weir_smtp::reply::RECEIVED_LINES_MAX {
            prop_assert_eq!(end.unwrap().unwrap().bytes, wire.len());
        }
        prop_assert!(wire.split(|&byte| byte == b'\n').all(|line| line.len() < weir_smtp::reply::REPLY_LINE_BYTES_MAX));
    }

    #[test]
    fn a_printed_address_is_read_as_it_was(
        local in "[a-z!#$%+-]{1,10}(\\.[a-z\u{fc}]{1,5}){0,2}|\"([ !#-\\[\\]-~]|\\\\[ -~]){0,8}\"",
        domain in "[a-z0-9\u{fc}]{1,10}(\\.[a-z0-9][a-z0-9_-]{0,5}[a-z0-9]){0,3}|\\[192\\.0\\.2\\.[1-9]\\]|\\[IPv6:2001:db8::[1-9a-f]\\]",
        route in "(@[a-z]{1,5}(,@[a-z]{1,5}){0,2}:)?",
    ) {
        let written = format!("{local}@{domain}");
        let mailbox = Mailbox::parse(&written);
        prop_assert!(mailbox.is_ok(), "{}: {:?}", written, mailbox);
        let path = Path::Mailbox(mailbox.unwrap());
        prop_assert_eq!(path.to_string(), format!("<{written}>"));
        let routed = format!("<{route}{written}> SIZE=1");
        prop_assert_eq!(Path::parse(&routed), Ok((path, " SIZE=1")));
        let upper = format!("{local}@{}", domain.to_ascii_uppercase());
        prop_assert!(Mailbox::parse(&upper).is_ok_and(|other| other.is_same(&path.mailbox().unwrap())));
    }

    #[test]
    fn any_text_that_is_an_address_prints_as_itself(text in "<[@a\".\\\\ \\[\\]:,>\u{fc}-]{0,20}>") {
        if let Ok((path, rest)) = Path::parse(&text) {
            let printed = path.to_string();
            prop_assert_eq!(Path::parse(&printed), Ok((path, "")));
            prop_assert!(text.ends_with(rest));
        }
    }
}
