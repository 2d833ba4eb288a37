//! The demo's clients: each connects from an address of its own and sends one message.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// What a client sends.
pub(super) struct Letter {
    /// What it shows.
    pub(super) title: &'static str,
    /// The client's address.
    pub(super) client: Ipv4Addr,
    /// The sender.
    pub(super) from: &'static str,
    /// The recipient.
    pub(super) to: &'static str,
    /// The subject.
    pub(super) subject: &'static str,
    /// The text.
    pub(super) body: String,
    /// The code that it must get at last.
    pub(super) code: u16,
    /// A file of the chain that must have decided.
    pub(super) decided_in: &'static str,
}

/// How long a reply may take; the MX makes strangers wait before its greeting.
const REPLY_WITHIN: Duration = Duration::from_mins(1);

/// Sends a letter; the last reply.
pub(super) fn send(server: SocketAddr, letter: &Letter) -> std::io::Result<String> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((letter.client, 0)).into())?;
    socket.connect(&server.into())?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(REPLY_WITHIN))?;
    let mut read = BufReader::new(&stream);
    let mut last = reply(&mut read)?;
    let message = format!(
        "From: <{}>\r\nTo: <{}>\r\nSubject: {}\r\nMessage-ID: <demo-{}@example.net>\r\n\r\n{}\r\n.\r\n",
        letter.from, letter.to, letter.subject, letter.code, letter.body
    );
    let commands = [
        String::from("EHLO client.example.net\r\n"),
        format!("MAIL FROM:<{}>\r\n", letter.from),
        format!("RCPT TO:<{}>\r\n", letter.to),
        String::from("DATA\r\n"),
        message,
    ];
    for command in commands {
        if !last.starts_with(['2', '3']) {
            break;
        }
        (&stream).write_all(command.as_bytes())?;
        last = reply(&mut read)?;
    }
    // A server that has closed needs no farewell.
    let _gone = (&stream).write_all(b"QUIT\r\n");
    Ok(last)
}

/// A reply, its lines joined.
fn reply(read: &mut impl BufRead) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if read.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let is_last = line.as_bytes().get(3) != Some(&b'-');
        text.push_str(line.trim_end());
        if is_last {
            return Ok(text);
        }
        text.push(' ');
    }
}
