//! Health checks: connect, read the greeting, EHLO, QUIT; polite, so that the server's log stays clean. Where mail goes inside TLS or not
//! at all, so does the check.
//!
//! ```text
//!        fall bad in a row
//!   up ---------------------> down
//!      <---------------------
//!        rise good in a row
//! ```

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::pool::{Admin, CheckSpec, Pool, Server};
use crate::log::Log;
use crate::tls::{Hop, Level, Records};

/// Most bytes of a reply that a check reads.
const REPLY_BYTES_MAX: usize = 8 * 1024;

/// Checks a server of a pool for ever; the caller aborts it when the pool goes.
pub async fn watch(pool: Arc<Pool>, server: Arc<Server>, check: CheckSpec, host_name: String, log: Rc<Log>) {
    let name = check.ehlo.clone().unwrap_or(host_name);
    let mut preface = Vec::new();
    if let Some(introduce) = pool.spec.client {
        introduce.preface(None, &mut preface);
    }
    let mut streak = Streak { up: server.is_up(), run: 0 };
    loop {
        if server.admin() == Admin::Maint {
            tokio::time::sleep(check.every).await;
            continue;
        }
        let found = once(server.address, &preface, &name, check.timeout, pool.spec.tls.hop()).await;
        if let Err(reason) = &found {
            server.check_failures.fetch_add(1, Relaxed);
            log.event("check_failed")
                .field("pool", &server.pool)
                .field("server", &server.name)
                .field("reason", reason)
                .emit();
        }
        let settled = streak.count(found.is_ok(), &check);
        if server.set_up(streak.up) {
            let state = if streak.up { "up" } else { "down" };
            log.event("server")
                .field("pool", &server.pool)
                .field("server", &server.name)
                .field("health", state)
                .emit();
            pool.wake();
        }
        tokio::time::sleep(if settled { check.every } else { check.fast }).await;
    }
}

/// A state and how many checks in a row spoke against it.
struct Streak {
    up: bool,
    run: u32,
}

impl Streak {
    /// Counts a check; true when the state is settled, false while it may be changing.
    fn count(&mut self, good: bool, check: &CheckSpec) -> bool {
        if good == self.up {
            self.run = 0;
            return true;
        }
        self.run += 1;
        if self.run >= if good { check.rise } else { check.fall } {
            *self = Self { up: good, run: 0 };
            return true;
        }
        false
    }
}

/// One check, which begins with `preface` and, where `hop` is given, goes into TLS; the error is a reason for the log.
pub async fn once(
    address: SocketAddr,
    preface: &[u8],
    name: &str,
    timeout: Duration,
    hop: Option<&Arc<Hop>>,
) -> Result<(), String> {
    match tokio::time::timeout(timeout, talk(address, preface, name, hop)).await {
        Ok(found) => found,
        Err(_) => Err(format!("no answer in {} ms", timeout.as_millis())),
    }
}

async fn talk(address: SocketAddr, preface: &[u8], name: &str, hop: Option<&Arc<Hop>>) -> Result<(), String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
    let mut session = Session { stream, read: Vec::new(), tls: None };
    session.say(preface).await?;
    // What is only opportunistic goes on in plain when it fails, so the check is in plain.
    let hop = hop.filter(|hop| hop.spec.level != Level::Opportunistic);
    if let Some(hop) = hop.filter(|hop| hop.spec.level == Level::Implicit) {
        session.secure(hop, address).await?;
    }
    session.expect("greeting", 220).await?;
    session.say(format!("EHLO {name}\r\n").as_bytes()).await?;
    session.expect("EHLO", 250).await?;
    if let Some(hop) = hop.filter(|hop| hop.spec.level == Level::Required) {
        session.say(b"STARTTLS\r\n").await?;
        session.expect("STARTTLS", 220).await?;
        // What came with it was not said inside TLS (RFC 3207, 6).
        session.read.clear();
        session.secure(hop, address).await?;
        session.say(format!("EHLO {name}\r\n").as_bytes()).await?;
        session.expect("EHLO", 250).await?;
    }
    session.say(b"QUIT\r\n").await?;
    // Some servers close without the 221; they are healthy all the same.
    let _ = session.expect("QUIT", 221).await;
    Ok(())
}

struct Session {
    stream: TcpStream,
    read: Vec<u8>,
    tls: Option<Box<Records>>,
}

impl Session {
    async fn secure(&mut self, hop: &Hop, server: SocketAddr) -> Result<(), String> {
        let tls = hop.connection(server.ip()).map_err(|error| format!("tls: {error}"))?;
        let tls = self.tls.insert(Box::new(tls));
        let mut advanced = tls.advance();
        loop {
            let tls = self.tls.as_mut().ok_or("no TLS")?;
            let is_done = !tls.is_handshaking();
            self.stream.write_all(tls.sealed()).await.map_err(|error| format!("tls: {error}"))?;
            tls.sealed().clear();
            advanced.map_err(|error| format!("tls: {error}"))?;
            if is_done {
                return Ok(());
            }
            let mut arrived = Vec::new();
            advanced = match self.stream.read_buf(&mut arrived).await {
                Ok(0) => return Err(String::from("tls: connection closed in the handshake")),
                Ok(_) => tls.take(arrived).map(drop),
                Err(error) => return Err(format!("tls: {error}")),
            };
        }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), String> {
        let of = |error: std::io::Error| format!("write: {error}");
        let Some(tls) = &mut self.tls else {
            return self.stream.write_all(bytes).await.map_err(of);
        };
        tls.seal(bytes).map_err(|error| format!("tls: {error}"))?;
        let written = self.stream.write_all(tls.sealed()).await.map_err(of);
        tls.sealed().clear();
        written
    }

    /// Reads what comes next; 0 at the end.
    async fn hear(&mut self) -> Result<usize, String> {
        let Some(tls) = &mut self.tls else {
            return self.stream.read_buf(&mut self.read).await.map_err(|error| error.to_string());
        };
        let mut arrived = Vec::new();
        let heard = self.stream.read_buf(&mut arrived).await.map_err(|error| error.to_string())?;
        tls.take(arrived).map_err(|error| format!("tls: {error}"))?;
        self.read.append(tls.opened());
        Ok(heard)
    }

    async fn expect(&mut self, what: &str, code: u16) -> Result<(), String> {
        loop {
            if let Some((found, used)) = last_line(&self.read) {
                self.read.drain(..used);
                return if found == code {
                    Ok(())
                } else {
                    Err(format!("{what} was answered by {found}, not {code}"))
                };
            }
            if self.read.len() > REPLY_BYTES_MAX {
                return Err(format!("{what}: reply over {REPLY_BYTES_MAX} bytes"));
            }
            match self.hear().await {
                Ok(0) => return Err(format!("{what}: connection closed")),
                Ok(_) => {}
                Err(error) => return Err(format!("{what}: {error}")),
            }
        }
    }
}

/// The code of a whole reply and how many bytes it has; 0 for a line without one.
fn last_line(bytes: &[u8]) -> Option<(u16, usize)> {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        let line = bytes.get(start..end)?;
        if line.get(3) != Some(&b'-') {
            let code = line
                .get(..3)
                .and_then(|code| std::str::from_utf8(code).ok())
                .and_then(|code| code.parse().ok());
            return Some((code.unwrap_or(0), end + 1));
        }
        start = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A server that says these lines, one after each line it reads, and gives back what it read.
    async fn serve(lines: &'static [&'static str]) -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            for line in lines {
                stream.write_all(line.as_bytes()).await.unwrap();
                let before = memchr::memchr_iter(b'\n', &read).count();
                while memchr::memchr_iter(b'\n', &read).count() == before {
                    if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
            }
            String::from_utf8(read).unwrap()
        });
        (address, task)
    }

    const SHORT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_check_is_polite() {
        let (address, server) =
            serve(&["220-two\r\n220 lines\r\n", "250-a\r\n250 b\r\n", "221 bye\r\n"]).await;
        once(address, b"", "lb1.example.org", SHORT, None).await.unwrap();
        assert_eq!(server.await.unwrap(), "EHLO lb1.example.org\r\nQUIT\r\n");
    }

    #[tokio::test]
    async fn reasons() {
        let (address, _server) = serve(&["554 no\r\n"]).await;
        assert_eq!(
            once(address, b"", "x", SHORT, None).await.unwrap_err(),
            "greeting was answered by 554, not 220"
        );
        let (address, _server) = serve(&[]).await;
        assert!(once(address, b"", "x", SHORT, None).await.unwrap_err().starts_with("greeting: "));
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        assert_eq!(
            once(address, b"", "x", Duration::from_millis(20), None).await.unwrap_err(),
            "no answer in 20 ms"
        );
    }

    #[test]
    fn rise_and_fall() {
        let check = CheckSpec { every: SHORT, fast: SHORT, rise: 2, fall: 3, ehlo: None, timeout: SHORT };
        let mut streak = Streak { up: true, run: 0 };
        let states: Vec<(bool, bool)> = [false, false, true, false, false, false, true, true]
            .iter()
            .map(|&good| (streak.count(good, &check), streak.up))
            .collect();
        let (up, down) = (true, false);
        assert_eq!(
            states,
            [
                (false, up),
                (false, up),
                (true, up),
                (false, up),
                (false, up),
                (true, down),
                (false, down),
                (true, up)
            ]
        );
    }
}
