//! What stands in for clamd when none answers: it speaks INSTREAM and knows one signature, the EICAR test file's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use memchr::memmem;

/// Longest stream that is taken, as clamd's own `StreamMaxLength`.
const STREAM_BYTES_MAX: usize = 100 * 1024 * 1024;

/// The EICAR test file, in two halves so that virus scanners do not find it in this program.
pub(super) fn eicar() -> String {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

/// Starts it; its threads end with the process.
pub(super) fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().name(String::from("demo-clamd")).spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks concerns that connection alone.
            std::thread::spawn(move || _ = serve(&stream));
        }
    })?;
    Ok(address)
}

fn serve(stream: &TcpStream) -> std::io::Result<()> {
    let mut read = BufReader::new(stream);
    let mut write = stream;
    let mut number = 0;
    loop {
        let mut command = Vec::new();
        if read.by_ref().take(64).read_until(0, &mut command)? == 0 {
            return Ok(());
        }
        match command.as_slice() {
            b"zIDSESSION\0" => {}
            b"zINSTREAM\0" => {
                number += 1;
                let verdict = scan(&mut read)?;
                write.write_all(format!("{number}: stream: {verdict}\0").as_bytes())?;
            }
            b"zPING\0" => write.write_all(b"PONG\0")?,
            _ => return Ok(()),
        }
    }
}

/// Reads chunks with their length in front up to the empty one.
fn scan(read: &mut impl Read) -> std::io::Result<&'static str> {
    let mut content = Vec::new();
    loop {
        let mut length = [0; 4];
        read.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length == 0 {
            let found = memmem::find(&content, eicar().as_bytes()).is_some();
            return Ok(if found { "Eicar-Test-Signature FOUND" } else { "OK" });
        }
        read.by_ref().take(length.into()).read_to_end(&mut content)?;
        if content.len() > STREAM_BYTES_MAX {
            return Ok("INSTREAM size limit exceeded. ERROR");
        }
    }
}
