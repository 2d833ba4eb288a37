//! OpenSSL, from outside: certificates, and a client inside TLS.

use std::io::{self, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::client::{Reply, read_reply};
use crate::process::run;

/// A certificate that is signed with its own key, both in PEM.
pub struct Keys {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Both in one file.
    pub both: PathBuf,
}

impl Keys {
    /// Makes one for these names, the first of which is its subject, in files `folder/FILE.*`.
    pub fn make(folder: &Path, file: &str, names: &[&str]) -> Self {
        let path = |ending: &str| folder.join(format!("{file}.{ending}"));
        let keys = Self { certificate: path("crt"), key: path("key"), both: path("pem") };
        let subject = format!("/CN={}", names.first().expect("a name"));
        let dns: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let alternatives = format!("subjectAltName={}", dns.join(","));
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let output = run(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "30",
                "-subj",
                &subject,
                "-addext",
                &alternatives,
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-keyout",
                &text(&keys.key),
                "-out",
                &text(&keys.certificate),
            ],
        );
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        let read = |path| std::fs::read_to_string(path).expect("what openssl has written");
        std::fs::write(&keys.both, read(&keys.certificate) + &read(&keys.key)).expect("the file of both");
        keys
    }
}

/// What `openssl s_client` says of a handshake with this server, behind STARTTLS or from the first byte on.
pub fn s_client(to: SocketAddr, starttls: bool, arguments: &[&str]) -> String {
    let to = to.to_string();
    let mut all = vec!["s_client", "-connect", to.as_str()];
    if starttls {
        all.extend(["-starttls", "smtp"]);
    }
    all.extend(arguments);
    let output = run("openssl", &all);
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A client inside TLS, a line at a time.
pub struct TlsClient {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl TlsClient {
    /// Connects; STARTTLS is behind it, or the greeting still to be read.
    pub fn connect(to: SocketAddr, starttls: bool, arguments: &[&str]) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-connect", &to.to_string()]);
        if starttls {
            command.args(["-starttls", "smtp"]);
        }
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl; `tests/run` installs what is missing");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, stdin, stdout }
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdin.write_all(bytes)?;
        self.stdin.flush()
    }

    /// Reads a reply.
    pub fn reply(&mut self) -> io::Result<Reply> {
        read_reply(&mut self.stdout)
    }

    /// Sends a line and reads the reply.
    pub fn command(&mut self, line: &str) -> io::Result<Reply> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }
}

impl Drop for TlsClient {
    fn drop(&mut self) {
        // Both can only fail when it has just ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
