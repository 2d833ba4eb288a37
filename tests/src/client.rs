//! A plain SMTP client, a line at a time.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;

use socket2::{Domain, Socket, Type};

use crate::wait::PATIENCE;

/// An SMTP reply, its lines without line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 250
    pub code: u16,
    /// All lines, joined by `\n`.
    pub text: String,
}

impl Reply {
    /// 2yz and 3yz.
    pub fn is_good(&self) -> bool {
        self.code < 400
    }
}

/// A connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(to: SocketAddr) -> io::Result<(Self, Reply)> {
        let mut client = Self::without_greeting(TcpStream::connect_timeout(&to, PATIENCE)?)?;
        let greeting = client.reply()?;
        Ok((client, greeting))
    }

    /// Connects with a source address of its own; the greeting is still to be read.
    pub fn from(source: IpAddr, to: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect_timeout(&to.into(), PATIENCE)?;
        Self::without_greeting(socket.into())
    }

    fn without_greeting(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Connects, is greeted and says EHLO; anything but success is an error.
    pub fn session(to: SocketAddr) -> io::Result<Self> {
        let (mut client, greeting) = Self::connect(to)?;
        good(greeting)?;
        good(client.command("EHLO client.example.net")?)?;
        Ok(client)
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a line and reads the reply.
    pub fn command(&mut self, line: &str) -> io::Result<Reply> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Reads one line, without its line end.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Reads a reply, of several lines if it has them.
    pub fn reply(&mut self) -> io::Result<Reply> {
        read_reply(&mut self.stream)
    }

    /// MAIL, RCPT and DATA, each waited for; the first refusal comes back, else the 354.
    pub fn envelope(&mut self, from: &str, to: &str) -> io::Result<Reply> {
        for line in [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>")] {
            let reply = self.command(&line)?;
            if !reply.is_good() {
                return Ok(reply);
            }
        }
        self.command("DATA")
    }

    /// A whole transaction; returns the first refusal or the reply to the dot. `message` is in wire form without the
    /// final `.` line.
    pub fn message(&mut self, from: &str, to: &str, message: &str) -> io::Result<Reply> {
        let reply = self.envelope(from, to)?;
        if !reply.is_good() {
            return Ok(reply);
        }
        self.write(message.as_bytes())?;
        self.command(".")
    }
}

/// Reads a reply, of several lines if it has them.
pub(crate) fn read_reply(from: &mut impl BufRead) -> io::Result<Reply> {
    let mut lines: Vec<String> = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let last = line.as_bytes().get(3) != Some(&b'-');
        lines.push(line.trim_end().to_owned());
        if last {
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code = code.ok_or_else(|| io::Error::other(format!("no reply: {line:?}")))?;
            return Ok(Reply { code, text: lines.join("\n") });
        }
    }
}

fn good(reply: Reply) -> io::Result<Reply> {
    if reply.is_good() { Ok(reply) } else { Err(io::Error::other(reply.text)) }
}

/// Sends one message with swaks from a source address; returns the exit code and the transcript.
pub fn swaks(to: SocketAddr, from_ip: IpAddr, arguments: &[&str]) -> (i32, String) {
    let output = Command::new("swaks")
        .args(["--server", &to.ip().to_string(), "--port", &to.port().to_string()])
        .args(["--local-interface", &from_ip.to_string(), "--ehlo", "client.example.net"])
        .args(arguments)
        .output()
        .expect("swaks; `tests/run` installs what is missing");
    let code = output.status.code().expect("swaks ends by itself");
    (code, String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}
