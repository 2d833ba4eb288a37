//! The page of metrics and health: `/metrics`, `/healthz`, `/readyz` over HTTP/1.1, one request per connection.
//!
//! Layer 0, on plain tokio: it runs on the control thread and has nothing to do with a ring. It is meant for loopback
//! and keeps its bounds nevertheless: request size, time, connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::limits::{HTTP_CONNECTIONS_MAX, HTTP_REQUEST_BYTES_MAX, HTTP_TIMEOUT};

/// Where the pages come from.
pub trait Pages: Send + Sync + 'static {
    /// The text of `/metrics`.
    fn metrics(&self) -> String;
    /// `/readyz`: whether mail is taken, or in one line why not.
    fn ready(&self) -> Result<(), String>;
}

/// How long to wait when there are no descriptors for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests until the task is aborted. Must run inside a tokio runtime.
pub async fn serve(listener: TcpListener, pages: Arc<dyn Pages>) {
    serve_within(listener, pages, HTTP_TIMEOUT).await;
}

async fn serve_within(listener: TcpListener, pages: Arc<dyn Pages>, time: Duration) {
    let places = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
    loop {
        // The semaphore is never closed; whoever finds no place waits in the kernel's backlog.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let pages = Arc::clone(&pages);
                tokio::spawn(async move {
                    // A client that is too slow or goes away concerns nobody else.
                    let _gone = timeout(time, answer(stream, &*pages)).await;
                    drop(place);
                });
            }
            Err(_no_descriptors) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn answer(mut stream: TcpStream, pages: &dyn Pages) -> io::Result<()> {
    let reply = match read_head(&mut stream).await? {
        Some(head) => reply(&head, pages),
        None => Reply::text("431 Request Header Fields Too Large", "the request is too long\n").write(true),
    };
    stream.write_all(&reply).await?;
    stream.shutdown().await?;
    // Reads what is left, so that closing resets nothing that the client has not read yet.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// The request up to its empty line; `None` when it is too long.
async fn read_head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(HTTP_REQUEST_BYTES_MAX);
    while memchr::memmem::find(&head, b"\r\n\r\n").is_none() {
        if head.len() >= HTTP_REQUEST_BYTES_MAX {
            return Ok(None);
        }
        let room = HTTP_REQUEST_BYTES_MAX - head.len();
        let room = u64::try_from(room).unwrap_or_default();
        if (&mut *stream).take(room).read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(head))
}

struct Reply {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

impl Reply {
    fn text(status: &'static str, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    fn write(&self, with_body: bool) -> Vec<u8> {
        let Self { status, content_type, body } = self;
        let length = body.len();
        let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        let body = if with_body { body } else { "" };
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{allow}\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// The whole reply to a request, of which `head` is all up to its empty line.
pub fn reply(head: &[u8], pages: &dyn Pages) -> Vec<u8> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words.as_slice() else {
        return Reply::text("400 Bad Request", "expected: GET /metrics HTTP/1.1\n").write(true);
    };
    if !version.starts_with(b"HTTP/1.") {
        return Reply::text("505 HTTP Version Not Supported", "expected HTTP/1.1\n").write(true);
    }
    let with_body = match *method {
        b"GET" => true,
        b"HEAD" => false,
        _ => return Reply::text("405 Method Not Allowed", "only GET and HEAD\n").write(true),
    };
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    page(path, pages).write(with_body)
}

fn page(path: &[u8], pages: &dyn Pages) -> Reply {
    match path {
        b"/metrics" => Reply {
            status: "200 OK",
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            body: pages.metrics(),
        },
        b"/healthz" => Reply::text("200 OK", "alive\n"),
        b"/readyz" => match pages.ready() {
            Ok(()) => Reply::text("200 OK", "ready\n"),
            Err(reason) => Reply::text("503 Service Unavailable", format!("{reason}\n")),
        },
        _ => Reply::text("404 Not Found", "/metrics, /healthz or /readyz\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    struct Fixed;

    impl Pages for Fixed {
        fn metrics(&self) -> String {
            "weir_generation 7\n".into()
        }
        fn ready(&self) -> Result<(), String> {
            Err("no listener is open".into())
        }
    }

    /// What a client gets that sends `request` and waits for the end.
    fn check(request: &[u8], status: &str, body: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let reply = ask(started(HTTP_TIMEOUT).await, request).await;
            assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{reply}");
            assert_eq!(reply.split_once("\r\n\r\n").unwrap().1, body);
        });
    }

    async fn started(time: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_within(listener, Arc::new(Fixed), time));
        address
    }

    async fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(request).await.unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).await.unwrap();
        reply
    }

    #[test]
    fn pages_and_faults() {
        check(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "weir_generation 7\n");
        check(b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", "200 OK", "weir_generation 7\n");
        check(b"HEAD /metrics HTTP/1.1\r\n\r\n", "200 OK", "");
        check(b"GET /healthz HTTP/1.1\r\n\r\n", "200 OK", "alive\n");
        check(b"GET /readyz HTTP/1.1\r\n\r\n", "503 ", "no listener is open\n");
        check(b"GET /etc/passwd HTTP/1.1\r\n\r\n", "404 ", "/metrics, /healthz or /readyz\n");
        check(b"POST /metrics HTTP/1.1\r\n\r\n", "405 ", "only GET and HEAD\n");
        check(b"EHLO a\r\n\r\n", "400 ", "expected: GET /metrics HTTP/1.1\n");
        check(b"GET / HTTP/2\r\n\r\n", "505 ", "expected HTTP/1.1\n");
        check(&b"x".repeat(HTTP_REQUEST_BYTES_MAX), "431 ", "the request is too long\n");
    }

    #[test]
    fn silent_clients_take_all_places_only_for_a_while() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let time = Duration::from_millis(300);
            let address = started(time).await;
            let mut silent = Vec::new();
            for _ in 0..HTTP_CONNECTIONS_MAX {
                silent.push(TcpStream::connect(address).await.unwrap());
            }
            let begun = std::time::Instant::now();
            let reply = ask(address, b"GET /healthz HTTP/1.1\r\n\r\n").await;
            assert!(reply.ends_with("alive\n"));
            assert!(begun.elapsed() >= time / 2, "the places were taken");
        });
    }
}
