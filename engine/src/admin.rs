//! The admin socket: one request a connection, one answer.
//!
//! ```text
//! client: reload\n
//! weir:   ok\n generation 7 serves ...          or          error\n error[W0207]: ...
//! ```

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::cli::{Exit, Request};
use crate::control::{Control, Refused};
use crate::edits::Edits;
use crate::generation::Generation;
use crate::show;
use crate::upstream::pool::Admin;

/// Longest request.
const REQUEST_BYTES_MAX: u64 = 4096;

/// Clients of the socket at once.
const CLIENTS_MAX: usize = 16;

/// How long a client of the socket may take to ask, and to read the answer.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// Opens the socket; an error when another weir answers on it.
pub fn listen(path: &Path) -> Result<UnixListener, String> {
    let of = |error: std::io::Error| format!("admin socket {}: {error}", path.display());
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(format!(
            "admin socket {}: another weir answers here; give this one --admin PATH",
            path.display()
        ));
    }
    if path.exists() {
        // Left by a process that is no more.
        std::fs::remove_file(path).map_err(of)?;
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(of)?;
    }
    let listener = UnixListener::bind(path).map_err(of)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(of)?;
    Ok(listener)
}

/// Serves the socket until the process ends.
pub async fn serve(listener: UnixListener, control: Rc<Control>, edits: Rc<Edits>) {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        // Never closed; whoever finds no place waits in the kernel's backlog.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let edits = Rc::clone(&edits);
        let control = Rc::clone(&control);
        tokio::task::spawn_local(async move {
            // A client that goes away needs no answer; what it asked for is done to its end.
            let _gone = answer(stream, &control, &edits).await;
            drop(place);
        });
    }
}

async fn answer(mut stream: UnixStream, control: &Control, edits: &Edits) -> std::io::Result<()> {
    let mut line = String::new();
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read.take(REQUEST_BYTES_MAX));
    let asked = tokio::time::timeout(REQUEST_WITHIN, lines.read_line(&mut line)).await;
    if !matches!(asked, Ok(Ok(1..))) {
        return Ok(());
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let (word, text) = match obey(&words, control, edits).await {
        Ok(text) => ("ok", text),
        Err(text) => ("error", text),
    };
    let answer = format!("{word}\n{text}\n");
    tokio::time::timeout(REQUEST_WITHIN, write.write_all(answer.as_bytes())).await?
}

async fn obey(words: &[&str], control: &Control, edits: &Edits) -> Result<String, String> {
    match words {
        ["reload"] => serving(control.reload().await),
        ["rollback"] => serving(control.roll_back().await),
        ["list", "add", name, entry, "ttl", ttl] => edits.add(control, name, entry, ttl),
        ["list", "del", name, entry] => edits.delete(control, name, entry),
        ["list", "show", name] => edits.show(control, name),
        ["drain", name] => set_admin(control, name, Admin::Drain),
        ["ready", name] => set_admin(control, name, Admin::Ready),
        ["maint", name] => set_admin(control, name, Admin::Maint),
        ["show", "info"] => Ok(show::info(control)),
        ["show", "pools"] => Ok(show::pools(control)),
        ["show", "lookups"] => Ok(show::lookups(control)),
        ["show", "rules"] => Ok(show::rules(control)),
        ["show", "stat"] => Ok(show::stat(control)),
        ["show", "store"] => Ok(show::store(control)),
        ["store", word @ ("show" | "forget"), name, key] => show::remembered(control, word, name, key),
        _ => Err(format!(
            "no request `{}`; there are: reload, rollback, list add NAME ENTRY ttl TIME, list del NAME ENTRY, list show NAME, drain|ready|maint POOL/SERVER, store show|forget NAME KEY, show info|pools|lookups|rules|stat|store",
            words.join(" ")
        )),
    }
}

/// What serves now, or why it does not.
fn serving(changed: Result<Arc<Generation>, Refused>) -> Result<String, String> {
    match changed {
        Ok(generation) => {
            Ok(format!("generation {} serves, digest {}", generation.number, generation.digest()))
        }
        Err(refused) => Err(refused.to_string()),
    }
}

fn set_admin(control: &Control, name: &str, admin: Admin) -> Result<String, String> {
    let generation = control.served().generation;
    let (pool_name, server_name) =
        name.split_once('/').ok_or_else(|| format!("`{name}` is no POOL/SERVER, such as scanners/scan1"))?;
    let pool = generation.pool(pool_name).ok_or_else(|| {
        let known: Vec<&str> = generation.pools.iter().map(|pool| pool.spec.name.as_str()).collect();
        format!("no pool `{pool_name}`; there are: {}", known.join(", "))
    })?;
    let server = pool.server(server_name).ok_or_else(|| {
        let known: Vec<&str> = pool.members.iter().map(|member| member.spec.name.as_str()).collect();
        format!("pool `{pool_name}` has no server `{server_name}`; there are: {}", known.join(", "))
    })?;
    server.set_admin(admin);
    pool.wake();
    control
        .log
        .event("server")
        .field("pool", pool_name)
        .field("server", server_name)
        .field("admin", admin.word())
        .emit();
    Ok(format!("{name} is {}, {} transactions open", admin.word(), server.busy()))
}

/// `weir ctl`: sends a request and prints the answer.
pub fn request(path: &Path, request: &Request) -> Exit {
    let line = match request {
        Request::Reload => String::from("reload"),
        Request::Rollback => String::from("rollback"),
        Request::List { words } => format!("list {}", words.join(" ")),
        Request::Store { words } => format!("store {}", words.join(" ")),
        Request::Drain(server) => format!("drain {}", server.name),
        Request::Ready(server) => format!("ready {}", server.name),
        Request::Maint(server) => format!("maint {}", server.name),
        Request::Show { what } => format!("show {}", what.word()),
    };
    match ask(path, &line) {
        Ok(answer) => match answer.split_once('\n') {
            Some(("ok", text)) => {
                print!("{text}");
                Exit::Ok
            }
            Some((_, text)) => {
                eprint!("{text}");
                Exit::Failed
            }
            None => {
                eprintln!("weir: the admin socket {} closed without an answer", path.display());
                Exit::Unavailable
            }
        },
        Err(error) => {
            eprintln!(
                "weir: admin socket {}: {error}; is weir running, and with this --admin?",
                path.display()
            );
            Exit::Unavailable
        }
    }
}

fn ask(path: &Path, line: &str) -> std::io::Result<String> {
    let mut stream = std::os::unix::net::UnixStream::connect(path)?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
