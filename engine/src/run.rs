//! `weir run`: the daemon in the foreground, as an init system wants it.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::admin;
use crate::cli::{Exit, LogForm, Run};
use crate::clock::Clock;
use crate::config::Overrides;
use crate::control::{Control, Refused, RuleFiles, Setup};
use crate::edits::Edits;
use crate::export::Exported;
use crate::http;
use crate::limits::SHARDS_MAX;
use crate::log::{Format, Sink, Writer};
use crate::reread;
use crate::ring;

/// Serves until a signal ends it.
pub fn run(args: Run) -> Exit {
    if let Err(refused) = ring::probe() {
        eprintln!("weir: {refused}");
        return Exit::Unavailable;
    }
    ring::keep_freed_memory();
    // With fewer, clients wait in the kernel until others have gone.
    let _fewer = ring::raise_descriptor_limit();
    let clock = Clock::system();
    let format = if args.log == LogForm::Json { Format::Json } else { Format::Logfmt };
    let writer = match Writer::start(Sink::Stderr, format, clock.clone()) {
        Ok(writer) => writer,
        Err(error) => return unavailable(&format!("cannot start the log: {error}")),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return unavailable(&format!("cannot start the control loop: {error}")),
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, serve(args, &writer, &clock))
}

fn unavailable(reason: &str) -> Exit {
    eprintln!("weir: {reason}");
    Exit::Unavailable
}

async fn serve(args: Run, writer: &Writer, clock: &Clock) -> Exit {
    // Before anybody can see that we are up and send one.
    let mut signals = Signals::catch();
    let admin_socket = match admin::listen(&args.admin) {
        Ok(socket) => socket,
        Err(reason) => return unavailable(&reason),
    };
    let metrics_socket = match args.metrics.map(listen) {
        None => None,
        Some(Ok(socket)) => Some(socket),
        Some(Err(reason)) => return unavailable(&reason),
    };
    let control = match Control::start(setup(&args), writer, clock) {
        Ok(control) => Rc::new(control),
        Err(Refused::Rules(text)) => {
            eprintln!("{text}");
            return Exit::Config;
        }
        Err(Refused::Unavailable(reason)) => return unavailable(&reason),
    };
    if let Err(refused) = control.ready().await {
        return unavailable(&refused.to_string());
    }
    if let Some(socket) = metrics_socket {
        tokio::task::spawn_local(http::serve(
            socket,
            Arc::new(Exported { metrics: Arc::clone(&control.process.metrics), served: control.watch() }),
        ));
    }
    let edits = Rc::new(Edits::default());
    let serving =
        tokio::task::spawn_local(admin::serve(admin_socket, Rc::clone(&control), Rc::clone(&edits)));
    let rereading = tokio::task::spawn_local(reread::watch(Rc::clone(&control), edits));
    let renewing = tokio::task::spawn_local(reread::certificates::watch(Rc::clone(&control)));
    signals.wait_for_end(&control).await;
    for task in [serving, rereading, renewing] {
        task.abort();
        // It has let go of the control when it has ended.
        let _aborted = task.await;
    }
    stop(control).await;
    // A socket that is already gone needs no removing.
    let _gone = std::fs::remove_file(&args.admin);
    Exit::Ok
}

fn setup(args: &Run) -> Setup {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Setup {
        files: RuleFiles::Disk(args.files.files.clone()),
        overrides: Overrides::default(),
        shards: args.shards.unwrap_or_else(|| u16::try_from(cores).unwrap_or(SHARDS_MAX)).min(SHARDS_MAX),
        tested: !args.untested,
        state: args.state.clone(),
        resolver: args.resolver,
        message_memory_mib: args.message_memory,
        stop_timeout: Duration::from_secs(args.stop_timeout),
    }
}

fn listen(address: std::net::SocketAddr) -> Result<tokio::net::TcpListener, String> {
    let of = |error: std::io::Error| format!("metrics: cannot bind {address}: {error}");
    let socket = TcpListener::bind(address).map_err(of)?;
    socket.set_nonblocking(true).map_err(of)?;
    tokio::net::TcpListener::from_std(socket).map_err(of)
}

/// What an operator or an init system says.
struct Signals {
    hangup: Option<Signal>,
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl Signals {
    /// From here on a signal is kept for [`Self::wait_for_end`] instead of ending the process.
    fn catch() -> Self {
        let on = |kind| signal(kind).ok();
        Self {
            hangup: on(SignalKind::hangup()),
            terminate: on(SignalKind::terminate()),
            interrupt: on(SignalKind::interrupt()),
        }
    }

    /// Serves signals until one says to end.
    async fn wait_for_end(&mut self, control: &Rc<Control>) {
        loop {
            tokio::select! {
                () = next(&mut self.hangup) => {
                    let control = Rc::clone(control);
                    // What is wrong is in the log; nothing was changed.
                    tokio::task::spawn_local(async move { _ = control.reload().await });
                }
                () = next(&mut self.terminate) => return,
                () = next(&mut self.interrupt) => return,
            }
        }
    }
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Lets transactions finish; a second SIGINT ends at once.
async fn stop(control: Rc<Control>) {
    let mut interrupt = signal(SignalKind::interrupt()).ok();
    tokio::select! {
        () = control.stop() => {}
        () = next(&mut interrupt) => {}
    }
}
