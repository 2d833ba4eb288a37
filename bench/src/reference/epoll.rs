//! The reference on epoll: tokio's runtime of one thread, a task for each connection.

use std::net::TcpListener;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::Count;
use super::dialog::{Dialog, GREETING};
use crate::Result;

/// What one read takes at most, in bytes.
const READ_BYTES: usize = 16 * 1024;

/// Serves until accepting fails.
pub(super) fn serve(listener: TcpListener, count: &Count) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _peer) = listener.accept().await.map_err(|error| format!("accept: {error}"))?;
            let count = count.clone();
            tokio::task::spawn_local(async move {
                // A client that breaks off ends its session and nothing else.
                drop(session(stream, &count).await);
            });
        }
    })
}

async fn session(mut stream: TcpStream, count: &Count) -> std::io::Result<()> {
    let (mut dialog, mut output, mut input) = (Dialog::new(), Vec::new(), vec![0; READ_BYTES]);
    stream.write_all(GREETING).await?;
    while !dialog.is_over() {
        let length = stream.read(&mut input).await?;
        if length == 0 {
            break;
        }
        count.add(dialog.feed(input.get(..length).unwrap_or_default(), &mut output));
        if !output.is_empty() {
            stream.write_all(&output).await?;
            output.clear();
        }
    }
    Ok(())
}
