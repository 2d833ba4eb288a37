//! Postfix's load tools, rbldnsd and clamd, each with its own configuration in the test's folder.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use crate::folder::Folder;
use crate::process::{Process, program, run};
use crate::wait::until;

/// The name under which clamd reports [`eicar`].
pub const EICAR_SIGNATURE: &str = "Eicar-Test-Signature";

/// The anti-virus test file of eicar.org, put together at run time so that no scanner finds it in these sources.
pub fn eicar() -> String {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-", "TEST-FILE!$H+H*"].concat()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("/proc").uid() == 0
}

/// Postfix's `smtp-sink`, which counts messages.
pub fn start_smtp_sink(folder: &Folder, address: SocketAddr) -> Process {
    let mut command = Command::new(program("smtp-sink"));
    if is_root() {
        command.args(["-u", "nobody"]);
    }
    let mut sink =
        Process::start("smtp-sink", folder.path(), command.args(["-c", &address.to_string(), "1024"]));
    until("smtp-sink to listen", || {
        assert!(sink.ended().is_none(), "smtp-sink has ended: {}", sink.output());
        TcpStream::connect(address).is_ok()
    });
    sink
}

/// How many messages a sink of [`start_smtp_sink`] has counted: the newest `mesg=N` that it wrote.
pub fn smtp_sink_count(sink: &Process) -> u64 {
    let output = sink.output();
    let newest = output.rsplit("mesg=").next().unwrap_or_default();
    newest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

/// Postfix's `smtp-source`; every message must be taken.
#[track_caller]
pub fn smtp_source(to: SocketAddr, sessions: usize, messages: u64) {
    let (sessions, messages) = (sessions.to_string(), messages.to_string());
    let to = to.to_string();
    let arguments = [
        "-s",
        &sessions,
        "-m",
        &messages,
        "-l",
        "4096",
        "-f",
        "sender@example.net",
        "-t",
        "dev@example.org",
        &to,
    ];
    let output = run(program("smtp-source"), &arguments);
    assert!(output.status.success(), "smtp-source: {}", String::from_utf8_lossy(&output.stderr));
}

/// HAProxy in TCP mode on `address`, in front of `server`, which it tells the client by `option`: `send-proxy`, `send-proxy-v2`.
pub fn start_haproxy(folder: &Folder, address: SocketAddr, server: SocketAddr, option: &str) -> Process {
    let configuration = folder.write(
        "haproxy.cfg",
        format!(
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\
             frontend front\n  bind {address}\n  default_backend back\n\
             backend back\n  server one {server} {option}\n"
        ),
    );
    let mut command = Command::new(program("haproxy"));
    let mut haproxy =
        Process::start("haproxy", folder.path(), command.args(["-db", "-f"]).arg(configuration));
    until("haproxy to listen", || {
        assert!(haproxy.ended().is_none(), "haproxy has ended: {}", haproxy.output());
        TcpStream::connect(address).is_ok()
    });
    haproxy
}

/// rbldnsd with one zone of addresses.
pub struct Rbldnsd {
    /// To be stopped, continued or killed.
    pub process: Process,
}

impl Rbldnsd {
    /// Serves `zone` on `address`; `entries` are lines of an `ip4set` (`127.0.0.9 :127.0.0.2:Listed`).
    pub fn start(folder: &Folder, address: SocketAddr, zone: &str, entries: &str) -> Self {
        Self::start_as(folder, address, zone, "ip4set", entries)
    }

    /// The same with the lines of any of its formats.
    pub fn start_as(folder: &Folder, address: SocketAddr, zone: &str, format: &str, entries: &str) -> Self {
        folder.write(
            "zone.list",
            format!("$SOA 300 ns.example.org. admin.example.org. 1 300 300 300 300\n{entries}\n"),
        );
        let mut command = Command::new(program("rbldnsd"));
        // -n stays in front, -f and -c 0 read the zone once, -u gives up root.
        command.args(["-n", "-c", "0", "-b", &format!("{}/{}", address.ip(), address.port())]);
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        command.args(["-w".as_ref(), folder.path().as_os_str()]);
        command.arg(format!("{zone}:{format}:zone.list"));
        let process = Process::start("rbldnsd", folder.path(), &mut command);
        process.wait_for("started");
        Self { process }
    }
}

/// clamd with one signature: [`eicar`], under [`EICAR_SIGNATURE`].
pub struct Clamd {
    /// To be killed.
    pub process: Process,
    /// Where it listens.
    pub socket: PathBuf,
}

impl Clamd {
    /// Starts it with a database of its own and waits for its socket.
    pub fn start(folder: &Folder) -> Self {
        let socket = folder.join("clamd.sock");
        // An extended signature for files of any type: the first half of the text, in hexadecimal.
        let hex: Vec<String> = eicar().bytes().map(|byte| format!("{byte:02x}")).collect();
        folder.write("signatures/test.ndb", format!("{EICAR_SIGNATURE}:0:*:{}\n", hex.concat()));
        let configuration = folder.write(
            "clamd.conf",
            format!(
                "LocalSocket {}\nDatabaseDirectory {}\nForeground yes\nLogTime no\nSelfCheck 3600\nMaxThreads 10\n\
                 StreamMaxLength 26M\nOfficialDatabaseOnly no\nDisableCache yes\n",
                socket.display(),
                folder.join("signatures").display()
            ),
        );
        let mut command = Command::new(program("clamd"));
        let process = Process::start("clamd", folder.path(), command.arg("--config-file").arg(configuration));
        let mut clamd = Self { process, socket };
        until("clamd to listen", || {
            assert!(clamd.process.ended().is_none(), "clamd has ended: {}", clamd.process.output());
            UnixStream::connect(&clamd.socket).is_ok()
        });
        clamd
    }

    /// As rule files name it.
    pub fn host(&self) -> String {
        format!("unix:{}", self.socket.display())
    }
}

/// A Redis server that several weirs share.
pub struct Redis {
    /// To be stopped, continued or killed.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Redis {
    /// Starts it empty on `address`, with a password; what it has is gone with it.
    pub fn start(folder: &Folder, address: SocketAddr) -> Self {
        let mut command = Command::new(program("redis-server"));
        command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--requirepass", REDIS_PASSWORD, "--dir"]);
        let mut process = Process::start("redis", folder.path(), command.arg(folder.path()));
        until("redis-server to listen", || {
            assert!(process.ended().is_none(), "redis-server has ended: {}", process.output());
            TcpStream::connect(address).is_ok()
        });
        Self { process, address }
    }

    /// Its declaration in a rule file; the password is read from a file of `folder`.
    pub fn declared(&self, folder: &Folder, timeout: &str) -> String {
        let password = folder.write("redis.password", format!("{REDIS_PASSWORD}\n"));
        format!(
            "store shared : redis {{\n  server {}\n  timeout {timeout}\n  password \"{}\"\n}}\n",
            self.address,
            password.display()
        )
    }

    /// What a command prints, as `redis-cli` would get it.
    pub fn ask(&self, words: &[&str]) -> String {
        use std::io::{Read, Write};
        let mut stream = TcpStream::connect(self.address).expect("a connection to redis-server");
        let command = words.join(" ");
        write!(stream, "AUTH {REDIS_PASSWORD}\r\n{command}\r\nQUIT\r\n").expect("redis-server to listen");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("redis-server to answer");
        answer
    }
}

const REDIS_PASSWORD: &str = "open-sesame";
