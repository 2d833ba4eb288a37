//! Clients that mean no good: each step of what they do is one of a few, and what must come of them can be seen from outside.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::wait::PATIENCE;

/// Between two bytes of a client that trickles: well below every time limit of a test.
const TRICKLE_EVERY: Duration = Duration::from_millis(40);

/// One thing that such a client does.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Sends this in one write.
    Say(&'a [u8]),
    /// Sends this so many times over, without reading a reply.
    Times(usize, &'a str),
    /// Sends this a byte a packet, without a pause.
    Bytewise(&'a str),
    /// Sends a byte of this now and then, from the front again at its end, until the other side closes.
    Trickle(&'a [u8]),
    /// Sends this over and over, as fast as it goes and reading nothing, until the other side closes.
    Flood(&'a [u8]),
    /// Reads until so many replies have come.
    Hear(usize),
    /// Says and reads nothing for a while.
    Pause(Duration),
    /// Ends its own direction.
    HalfClose,
    /// Is gone: the other side gets a reset.
    Reset,
    /// Is gone, in order.
    Hang,
}

/// Text, as a step.
pub const fn say(text: &str) -> Step<'_> {
    Step::Say(text.as_bytes())
}

/// What a session has heard.
#[derive(Debug, Default)]
pub struct Heard {
    /// All of it.
    pub text: String,
    /// The other side has closed, or reset.
    pub closed: bool,
    /// From the connect to the end.
    pub took: Duration,
}

impl Heard {
    /// The codes of all whole replies.
    pub fn codes(&self) -> Vec<u16> {
        let last = |line: &&str| line.as_bytes().get(3) == Some(&b' ');
        self.text.lines().filter(last).filter_map(|line| line.get(..3)?.parse().ok()).collect()
    }
}

/// A connection of such a client.
struct Rogue {
    stream: TcpStream,
    heard: Heard,
}

/// Connects, does all steps as far as the other side lets it, and reads until that closes, unless the client is gone by then.
///
/// # Errors
/// When there was no connection, or the other side has not closed within [`PATIENCE`].
pub fn rogue(to: SocketAddr, steps: &[Step<'_>]) -> io::Result<Heard> {
    let began = Instant::now();
    let stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut rogue = Rogue { stream, heard: Heard::default() };
    let mut gone = false;
    for step in steps {
        gone = matches!(step, Step::Reset | Step::Hang);
        if rogue.step(*step).is_err() {
            // What cannot be written any more may still have an answer that can be read.
            break;
        }
    }
    if !gone {
        while rogue.read()? {}
    }
    rogue.heard.took = began.elapsed();
    Ok(rogue.heard)
}

impl Rogue {
    fn step(&mut self, step: Step<'_>) -> io::Result<()> {
        match step {
            Step::Say(bytes) => self.stream.write_all(bytes),
            Step::Times(times, text) => self.stream.write_all(text.repeat(times).as_bytes()),
            Step::Bytewise(text) => {
                text.as_bytes().iter().try_for_each(|byte| self.stream.write_all(&[*byte]))
            }
            Step::Trickle(bytes) => self.trickle(bytes),
            Step::Flood(bytes) => {
                let began = Instant::now();
                while began.elapsed() < PATIENCE {
                    self.stream.write_all(bytes)?;
                }
                Err(ErrorKind::TimedOut.into())
            }
            Step::Hear(replies) => {
                let most = self.heard.codes().len() + replies;
                while self.heard.codes().len() < most && self.read()? {}
                Ok(())
            }
            Step::Pause(time) => {
                thread::sleep(time);
                Ok(())
            }
            Step::HalfClose => self.stream.shutdown(Shutdown::Write),
            Step::Reset => Socket::from(self.stream.try_clone()?).set_linger(Some(Duration::ZERO)),
            Step::Hang => Ok(()),
        }
    }

    /// Sends a byte now and then, and reads whatever comes in between.
    fn trickle(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.set_read_timeout(Some(TRICKLE_EVERY))?;
        let began = Instant::now();
        for byte in bytes.iter().cycle() {
            self.stream.write_all(&[*byte])?;
            match self.read() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
            if began.elapsed() > PATIENCE {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        self.stream.set_read_timeout(Some(PATIENCE))
    }

    /// Reads what is there; false at the end, in order or not.
    fn read(&mut self) -> io::Result<bool> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(count @ 1..) => {
                self.heard.text += &String::from_utf8_lossy(piece.get(..count).unwrap_or_default());
                Ok(true)
            }
            Ok(_) => {
                self.heard.closed = true;
                Ok(false)
            }
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                self.heard.closed = true;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
