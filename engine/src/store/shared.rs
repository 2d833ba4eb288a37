//! The store that several hosts share: a server that speaks the Redis protocol (Redis, Valkey), one connection, pipelined.
//!
//! A key is the prefix and the digest in hexadecimal, its value the count, its time to live that of the entry. The server's clock
//! alone says when an entry ends, so the hosts' clocks need not agree. The digests' secret is the one key that has a name:
//! `<prefix>secret`, made by whoever comes first. All keys end: those of hosts that are gone too.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use redis::{
    Client, Connection, ConnectionAddr, IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisError, Value,
};

use super::{Broken, Left, Request, Store};
use crate::table::Digest;

/// Where the server is and how to speak to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Where it is.
    pub server: Server,
    /// How long to wait for it.
    pub timeout: Duration,
    /// What all keys begin with.
    pub prefix: String,
    /// The number of its database.
    pub database: u16,
    /// The file with the password, if it wants one. Read whenever it is connected to.
    pub password: Option<PathBuf>,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// At an address.
    Address(SocketAddr),
    /// At a socket of this host.
    Socket(PathBuf),
}

impl Server {
    /// From `unix:` and an absolute path.
    pub fn parse(text: &str) -> Option<Self> {
        let path = text.strip_prefix("unix:").map(PathBuf::from)?;
        path.is_absolute().then_some(Self::Socket(path))
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(out),
            Self::Socket(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

/// How long the secret is kept after the last host has asked for it.
const SECRET_SECONDS: u64 = 400 * 86_400;

/// The connection to a server.
pub(super) struct Remote {
    shared: Shared,
    connection: Option<Connection>,
    secret: u128,
}

impl Remote {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared, connection: None, secret: 0 }
    }

    fn connect(&self) -> Result<Connection, String> {
        let mut settings = RedisConnectionInfo::default().set_db(self.shared.database.into());
        if let Some(path) = &self.shared.password {
            let password = std::fs::read_to_string(path)
                .map_err(|error| format!("password file {}: {error}", path.display()))?;
            settings = settings.set_password(password.trim());
        }
        let address = match &self.shared.server {
            Server::Address(address) => ConnectionAddr::Tcp(address.ip().to_string(), address.port()),
            Server::Socket(path) => ConnectionAddr::Unix(path.clone()),
        };
        let connected = || -> Result<Connection, RedisError> {
            let client = Client::open(address.into_connection_info()?.set_redis_settings(settings))?;
            let connection = client.get_connection_with_timeout(self.shared.timeout)?;
            connection.set_read_timeout(Some(self.shared.timeout))?;
            connection.set_write_timeout(Some(self.shared.timeout))?;
            Ok(connection)
        };
        connected().map_err(|fault| fault.to_string())
    }

    /// What the hosts have agreed on: `ours` when there was nothing.
    fn agree(&self, connection: &mut Connection, ours: u128) -> Result<u128, RedisError> {
        let key = format!("{}secret", self.shared.prefix);
        let mut asking = Pipeline::new();
        asking
            .cmd("SET")
            .arg(&key)
            .arg(format!("{ours:032x}"))
            .arg("NX")
            .arg("EX")
            .arg(SECRET_SECONDS)
            .ignore();
        asking.cmd("EXPIRE").arg(&key).arg(SECRET_SECONDS).ignore();
        asking.cmd("GET").arg(&key);
        let (secret,): (String,) = asking.query(connection)?;
        u128::from_str_radix(&secret, 16).map_err(|_| {
            RedisError::from((redis::ErrorKind::UnexpectedReturnType, "the key `secret` holds no secret"))
        })
    }

    fn ask(
        &self,
        connection: &mut Connection,
        requests: &[(Digest, Request)],
    ) -> Result<Vec<Option<Left>>, RedisError> {
        let mut asking = Pipeline::with_capacity(3 * requests.len());
        for (Digest(digest), request) in requests {
            let key = format!("{}{digest:032x}", self.shared.prefix);
            append(&mut asking, &key, request);
        }
        let values: Vec<Value> = asking.query(connection)?;
        let mut values = values.iter();
        Ok(requests.iter().map(|(_, request)| answer(request, &mut values)).collect())
    }

    /// Asks what can be asked twice; a count has no answer.
    fn ask_again(
        &self,
        connection: &mut Connection,
        requests: &[(Digest, Request)],
    ) -> Result<Vec<Option<Left>>, RedisError> {
        let again: Vec<_> = requests.iter().filter(|(_, request)| !counts(request)).copied().collect();
        let mut answers = self.ask(connection, &again)?.into_iter();
        let answer = |request| if counts(request) { None } else { answers.next().flatten() };
        Ok(requests.iter().map(|(_, request)| request).map(answer).collect())
    }
}

/// Whether to carry it out twice is not to carry it out once.
fn counts(request: &Request) -> bool {
    matches!(request, Request::Add { .. })
}

/// The commands of a request; those whose replies are of use are not ignored, two for each answer.
fn append(asking: &mut Pipeline, key: &str, request: &Request) {
    match request {
        Request::Put(Left { seconds, count }) => {
            asking.cmd("SET").arg(key).arg(count).arg("EX").arg((*seconds).max(1)).ignore();
        }
        Request::Forget => _ = asking.cmd("DEL").arg(key).ignore(),
        Request::Add { by, window } => {
            asking.cmd("SET").arg(key).arg(0).arg("NX").arg("EX").arg((*window).max(1)).ignore();
            asking.cmd("INCRBY").arg(key).arg(by);
            asking.cmd("PTTL").arg(key);
        }
        Request::Begin(Left { seconds, count }) => {
            asking.cmd("SET").arg(key).arg(count).arg("NX").arg("EX").arg((*seconds).max(1)).ignore();
            asking.cmd("GET").arg(key);
            asking.cmd("PTTL").arg(key);
        }
        Request::Read => {
            asking.cmd("GET").arg(key);
            asking.cmd("PTTL").arg(key);
        }
    }
}

/// What the replies to a request say.
fn answer<'a>(request: &Request, values: &mut impl Iterator<Item = &'a Value>) -> Option<Left> {
    if matches!(request, Request::Put(_) | Request::Forget) {
        return None;
    }
    let (count, milliseconds) = (number(values.next()?), number(values.next()?));
    // Below zero there is no such key, or one without an end, which is none of ours.
    let milliseconds = milliseconds.filter(|left| *left > 0)?;
    Some(Left { seconds: milliseconds.div_ceil(1000), count: count.filter(|count| *count > 0)? })
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}

impl Store for Remote {
    fn open(&mut self, ours: u128, _load: &mut dyn FnMut(Digest, Left)) -> Result<u128, String> {
        self.connection = None;
        let mut connection = self.connect()?;
        self.secret = self.agree(&mut connection, ours).map_err(|fault| fault.to_string())?;
        self.connection = Some(connection);
        Ok(self.secret)
    }

    fn exchange(&mut self, requests: &[(Digest, Request)]) -> Result<Vec<Option<Left>>, Broken> {
        let not_connected = || Broken::Before(String::from("not connected"));
        let mut connection = self.connection.take().ok_or_else(not_connected)?;
        let asked = if requests.is_empty() {
            self.look(&mut connection)
        } else {
            self.ask(&mut connection, requests)
        };
        let answers = match asked {
            // A server that was restarted has closed a connection that was idle: it is asked once more on a new one, but for counts,
            // which it may have taken before it went.
            Err(fault) if fault.is_connection_dropped() => {
                connection = self.connect().map_err(Broken::After)?;
                self.look(&mut connection).and_then(|_| self.ask_again(&mut connection, requests))
            }
            asked => asked,
        };
        let answers = answers.map_err(|fault| Broken::After(fault.to_string()))?;
        self.connection = Some(connection);
        Ok(answers)
    }
}

impl Remote {
    /// Whether the server is well, can be written to, and has the secret that we have; one that has lost it gets it again.
    fn look(&self, connection: &mut Connection) -> Result<Vec<Option<Left>>, RedisError> {
        if self.agree(connection, self.secret)? == self.secret {
            return Ok(Vec::new());
        }
        // It is opened anew then, and the other secret taken.
        Err(RedisError::from((
            redis::ErrorKind::UnexpectedReturnType,
            "the hosts have agreed on another secret",
        )))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// The words of a command; `None` at the end.
    fn command(from: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
        let mut line = || {
            let mut line = String::new();
            from.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
            Some(line.trim_end().to_owned())
        };
        let words: usize = line()?.strip_prefix('*')?.parse().ok()?;
        (0..words).map(|_| line().and_then(|_length| line())).collect()
    }

    /// Serves one connection, which ends with the first count; returns what was asked.
    fn serve(stream: TcpStream) -> Vec<String> {
        let mut replies = stream.try_clone().unwrap();
        let mut from = BufReader::new(stream);
        let mut asked = Vec::new();
        while let Some(words) = command(&mut from) {
            asked.push(words.join(" "));
            let reply = match (words[0].as_str(), words.last().unwrap().as_str()) {
                ("INCRBY", _) => return asked,
                ("GET", "secret") => format!("$32\r\n{:032x}\r\n", 7),
                ("GET", _) => String::from("$-1\r\n"),
                ("EXPIRE" | "DEL" | "PTTL", _) => String::from(":1\r\n"),
                _ => String::from("+OK\r\n"),
            };
            replies.write_all(reply.as_bytes()).unwrap();
        }
        asked
    }

    /// A server that broke the connection behind a count was told the count once more.
    #[test]
    fn what_cannot_be_asked_twice_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::Address(listener.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            let mut connections = listener.incoming().flatten().map(serve);
            [connections.next().unwrap(), connections.next().unwrap()]
        });
        let timeout = Duration::from_secs(10);
        let mut remote =
            Remote::new(Shared { server, timeout, prefix: String::new(), database: 0, password: None });
        assert_eq!(remote.open(7, &mut |_, _| {}).unwrap(), 7);
        let left = Left { seconds: 60, count: 5 };
        let requests = [
            (Digest(1), Request::Add { by: 1, window: 60 }),
            (Digest(2), Request::Put(left)),
            (Digest(3), Request::Read),
        ];
        assert_eq!(remote.exchange(&requests).unwrap(), [None; 3]);
        drop(remote);
        let [first, second] = serving.join().unwrap();
        let has = |asked: &[String], what: &str| asked.iter().any(|words| words.contains(what));
        assert!(has(&first, "INCRBY") && !has(&second, "INCRBY"), "{second:?}");
        let put = format!("SET {:032x} 5", 2);
        assert!(!has(&first, &put) && has(&second, &put), "{second:?}");
    }
}
