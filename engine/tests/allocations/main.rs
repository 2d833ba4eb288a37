//! What the way of a message through weir allocates: a whole weir in this process, a client and a next hop that allocate nothing.

mod peers;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::sync::oneshot;
use weir::clock::Clock;
use weir::config::Overrides;
use weir::control::{Control, RuleFiles, Setup};
use weir::log::{Format, Sink, Writer};

use peers::{CHUNKING, Client, PLAIN, start_sink};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// Allocations for a message that are let pass, where a buffer that grows counts as one. The bound that weir promises is 5; it takes
/// one, the room in which a message is judged and sent on, and the log's thread may add a part of one.
const ALLOCATIONS_MAX: f64 = 1.5;
/// Until buffers have their size, and connections are kept.
const WARM_UP: u32 = 300;
/// Messages of the shorter run.
const MESSAGES: u32 = 200;
/// The thread of the log, which wakes by time, may fall into a run.
const TRIES: usize = 3;
/// How long weir may take to start and to end.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// How both sides of weir speak.
struct Case {
    name: &'static str,
    client_pipelines: bool,
    sink_offers: &'static [u8],
}

const CASES: [Case; 4] = [
    Case { name: "step by step, to DATA", client_pipelines: false, sink_offers: PLAIN },
    Case { name: "step by step, to BDAT", client_pipelines: false, sink_offers: CHUNKING },
    Case { name: "pipelined, to DATA", client_pipelines: true, sink_offers: PLAIN },
    Case { name: "pipelined, to BDAT", client_pipelines: true, sink_offers: CHUNKING },
];

/// All cases in one test: what is counted is what the whole process allocates.
#[test]
fn a_relayed_message_takes_few_allocations() {
    for case in CASES {
        let (sink, ended) = start_sink(case.sink_offers);
        let weir = Weir::start(sink);
        let mut client = Client::connect(weir.address, case.client_pipelines);
        client.send(WARM_UP);
        let taken: Vec<f64> = (0..TRIES).map(|_| allocations_per_message(&mut client)).collect();
        let least = taken.iter().copied().fold(f64::INFINITY, f64::min);
        println!("{}: {least:.2} allocations for a message", case.name);
        let sent = client.sent;
        drop(client);
        weir.stop();
        assert_eq!(
            ended.join().expect("the sink ends in peace"),
            sent,
            "{}: messages at the sink",
            case.name
        );
        assert!(least <= ALLOCATIONS_MAX, "{}: {taken:?} allocations for a message", case.name);
    }
}

/// From a run and one of twice as many messages, so that what a run itself takes does not count.
fn allocations_per_message(client: &mut Client) -> f64 {
    let single = allocations(client, MESSAGES);
    let double = allocations(client, 2 * MESSAGES);
    (double - single).max(0.0) / f64::from(MESSAGES)
}

fn allocations(client: &mut Client, messages: u32) -> f64 {
    let before = ALLOCATOR.stats();
    client.send(messages);
    let taken = ALLOCATOR.stats() - before;
    f64::from(u32::try_from(taken.allocations + taken.reallocations).expect("few"))
}

/// A weir that sends all that it gets to one server.
struct Weir {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Weir {
    fn start(sink: SocketAddr) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let folder = std::env::temp_dir().join(format!("weir-allocations-{}", address.port()));
        std::fs::create_dir_all(&folder).expect("a folder for the rule file");
        let file = folder.join("relay.weir");
        std::fs::write(&file, rules(address, sink)).expect("the rule file is written");
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            serve(file, ready, stopped);
            std::fs::remove_dir_all(folder).expect("the folder is removed");
        });
        is_ready.recv_timeout(WAIT_MAX).expect("weir is ready");
        Self { address, stop, thread }
    }

    fn stop(self) {
        self.stop.send(()).expect("weir still runs");
        self.thread.join().expect("weir ends in peace");
    }
}

fn rules(listener: SocketAddr, sink: SocketAddr) -> String {
    format!(
        "weir 1\nrole balancer\n\
         listener l {{ bind {listener} name \"host.example.org\" commit after next_hop }}\n\
         pool sinks {{ server a {sink} reuse 100000 transactions, 30s idle empty 451 4.3.2 \"none\" }}\n\
         on data {{ send to sinks }}\n"
    )
}

fn serve(file: PathBuf, ready: std::sync::mpsc::Sender<()>, stopped: oneshot::Receiver<()>) {
    let clock = Clock::system();
    let log = Sink::File(file.with_extension("log"));
    let writer = Writer::start(log, Format::Logfmt, clock.clone()).expect("the log");
    let setup = Setup {
        state: file.with_extension("state"),
        files: RuleFiles::Disk(vec![file]),
        overrides: Overrides::default(),
        shards: 1,
        tested: false,
        resolver: None,
        message_memory_mib: 16,
        stop_timeout: WAIT_MAX,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let control = Control::start(setup, &writer, &clock).expect("the rules are good");
        control.ready().await.expect("weir serves");
        ready.send(()).expect("the test waits");
        stopped.await.expect("the test says so");
        control.stop().await;
    });
}
