//! A load of mail, in a closed loop (each session sends its next message when the last was answered) or an open one (messages
//! start when they are meant to, whatever the server does). One thread, weir's own ring and client machine.

mod letter;
mod load;
mod pace;
mod sample;
mod session;
mod tally;

use std::cell::{Cell, RefCell};
use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use tokio::sync::{Notify, Semaphore};
use weir::ring::{self, Watch};
use weir_smtp::{ClientConfig, Envelope, Mailbox};

use crate::Result;
use crate::dice::Dice;
use crate::value::{Share, duration, size};
use letter::{Letters, Sizes, sizes};
use pace::Rate;
use tally::Tally;

pub(crate) use sample::Sample;
pub(crate) use tally::histogram;

/// Most sessions at once: one operation of the ring for each.
const SESSIONS_MAX: u64 = 15_000;
/// Messages of a run that names neither their number nor a time.
const MESSAGES_DEFAULT: u64 = 10_000;
/// Pause of a session whose connection was refused, so that a dead server is not hammered.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);
/// How often the progress line changes.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

#[derive(Args)]
#[command(
    args_override_self = true,
    after_help = "\
Exit status 0 when the run has ended, whatever the server said; the summary says what became of the messages. Latency is from
the intended start to the reply to the dot, connecting included; slow writers and refused messages are not in it.

Examples:
  weir-bench source 127.0.0.1:2525 --messages 100000 --sessions 50
  weir-bench source 127.0.0.1:2525 --rate 2000 --for 60s --size 4KiB:80%,32KiB..256KiB:20% --json
  weir-bench source 127.0.0.1:2525 --rate 500..5000/500:10s --clients 127.1.0.0/16 --listed 127.0.0.2 --listed-share 30%
  weir-bench source 127.0.0.1:2525 --mail corpus/ --per-connection 1 --pregreet 5% --unknown 20% --slow 1% --drop 2%"
)]
pub(crate) struct Options {
    /// The server.
    #[arg(value_name = "IP:PORT")]
    to: SocketAddr,
    /// Attempts; without it and --for, 10000.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// End after this time.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    within: Option<Duration>,
    /// Sessions at once; in an open loop, the most.
    #[arg(long, short, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=SESSIONS_MAX))]
    sessions: u64,
    /// Open loop: messages per second, or steps FROM..TO/STEP:TIME.
    #[arg(long, value_name = "RATE")]
    rate: Option<Rate>,
    /// Messages on one connection; 0 is any number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    per_connection: u64,
    /// Send each command after the reply to the one before, even if the server offers PIPELINING.
    #[arg(long)]
    no_pipelining: bool,
    /// Connect from addresses of this network in 127.0.0.0/8, by chance; `127.1.0.0/16`.
    #[arg(long, value_name = "IP/PREFIX", value_parser = network)]
    clients: Option<(Ipv4Addr, u8)>,
    /// Addresses of listed clients, which a share of connections comes from.
    #[arg(long, value_name = "IP", value_delimiter = ',', requires = "listed_share")]
    listed: Vec<IpAddr>,
    /// That share; `30%`.
    #[arg(long, value_name = "SHARE", default_value = "0", requires = "listed")]
    listed_share: Share,
    /// Sizes of generated mail: one, a range, or entries with shares; `4KiB`, `1KiB..64KiB`, `4KiB:80%,1MiB:20%`.
    #[arg(long, value_name = "SIZES", default_value = "4KiB", value_parser = sizes_once)]
    size: Arc<Vec<Sizes>>,
    /// Send this mail instead: a folder of messages, an mbox, or one message.
    #[arg(long, value_name = "PATH", conflicts_with = "size")]
    mail: Option<PathBuf>,
    /// The sender.
    #[arg(long, value_name = "ADDRESS", default_value = "sender@example.org", value_parser = address)]
    from: String,
    /// The recipient.
    #[arg(long, value_name = "ADDRESS", default_value = "rcpt@example.net", value_parser = address)]
    rcpt: String,
    /// The name in EHLO.
    #[arg(long, value_name = "NAME", default_value = "client.example.org")]
    helo: String,
    /// The share of messages to unknown-SERIAL in the recipient's domain.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    unknown: Share,
    /// The share of attempts that only talk before the greeting, on a connection of their own.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    pregreet: Share,
    /// The share of messages that are written slowly.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    slow: Share,
    /// How slowly, per second.
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = size)]
    slow_rate: usize,
    /// The share of messages whose connection is dropped: before MAIL, before the message, or within it.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    drop: Share,
    /// How long a connect, a reply or a write may take.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    timeout: Duration,
    /// The same seed makes the same letters and throws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the summary as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Before it, a line of JSON each second about that second, with the latencies that were counted in it.
    #[arg(long, requires = "json")]
    samples: bool,
}

/// clap takes a `Vec` for several values; this is one.
fn sizes_once(text: &str) -> std::result::Result<Arc<Vec<Sizes>>, String> {
    sizes(text).map(Arc::new)
}

fn address(text: &str) -> std::result::Result<String, String> {
    Mailbox::parse(text).map_err(|fault| format!("`{text}` is no address: {fault:?}"))?;
    Ok(text.to_owned())
}

fn network(text: &str) -> std::result::Result<(Ipv4Addr, u8), String> {
    let wanted = || format!("`{text}` is no network of loopback: 127.X.Y.Z/8 to /32, such as 127.1.0.0/16");
    let (ip, prefix) = text.split_once('/').ok_or_else(wanted)?;
    let (ip, prefix) =
        (ip.parse::<Ipv4Addr>().map_err(|_| wanted())?, prefix.parse::<u8>().map_err(|_| wanted())?);
    if ip.is_loopback() && (8..=32).contains(&prefix) { Ok((ip, prefix)) } else { Err(wanted()) }
}

/// What the sessions of a run share.
struct Load {
    me: Weak<Self>,
    options: Options,
    /// Tells this run's messages from those of others.
    run: u64,
    client: Arc<ClientConfig>,
    watch: Watch,
    letters: Letters,
    envelope: Envelope,
    dice: RefCell<Dice>,
    tally: RefCell<Tally>,
    began: Instant,
    messages_max: u64,
    open: Option<Open>,
}

/// An open loop.
struct Open {
    /// Starts that have come and are not taken up.
    due: Semaphore,
    /// When they were meant to be, in their order.
    starts: RefCell<Starts>,
    /// No more will come.
    has_ended: Cell<bool>,
    ended: Notify,
}

type Starts = Box<dyn Iterator<Item = Duration> + Send>;

pub(crate) fn run(options: Options) -> Result<()> {
    let mut dice = Dice::new(options.seed);
    let letters = match &options.mail {
        Some(path) => Letters::read(path)?,
        None => Letters::generated(&options.size, &mut dice)?,
    };
    ring::run(drive(options, letters, dice))?
}

/// The intended starts of an open loop.
fn starts(options: &Options, rate: &Rate, messages_max: u64) -> Starts {
    let within = options.within.unwrap_or(Duration::MAX);
    let most = usize::try_from(messages_max).unwrap_or(usize::MAX);
    Box::new(rate.starts().take_while(move |start| *start < within).take(most))
}

async fn drive(options: Options, letters: Letters, dice: Dice) -> Result<()> {
    let default = if options.within.is_some() { u64::MAX } else { MESSAGES_DEFAULT };
    let messages_max = options.messages.unwrap_or(default);
    let began = Instant::now();
    let rate = options.rate.clone();
    let open = rate.as_ref().map(|rate| Open {
        due: Semaphore::new(0),
        starts: RefCell::new(starts(&options, rate, messages_max)),
        has_ended: Cell::new(false),
        ended: Notify::new(),
    });
    let envelope = load::envelope(&options.from, &options.rcpt).ok_or("sender or recipient is no address")?;
    // The clock is fine enough that two runs do not get the same number, and the seed must not decide it.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let load = Rc::new_cyclic(|me| Load {
        me: Weak::clone(me),
        run: Dice::new(now.as_secs() << 30 ^ u64::from(now.subsec_nanos())).bits(),
        client: Arc::new(ClientConfig { name: options.helo.clone() }),
        watch: Watch::start(),
        letters,
        envelope,
        dice: RefCell::new(dice),
        tally: RefCell::new(Tally::new()),
        began,
        messages_max,
        open,
        options,
    });
    if let Some(rate) = &rate {
        let ticks = pace::tick(starts(&load.options, rate, messages_max), began)?;
        ring::spawn(Rc::clone(&load).count(ticks));
    }
    finish(load).await
}

/// Runs all sessions to their end and prints what became of them.
async fn finish(load: Rc<Load>) -> Result<()> {
    let sessions: Vec<_> = (0..load.options.sessions).map(|_| ring::spawn(Rc::clone(&load).work())).collect();
    let is_watched = std::io::stderr().is_terminal() && !load.options.samples;
    let progress = is_watched.then(|| ring::spawn(Rc::clone(&load).show_progress()));
    let sampling = load.options.samples.then(|| ring::spawn(Rc::clone(&load).print_samples()));
    for session in sessions {
        session.await?;
    }
    if let Some(progress) = progress {
        progress.abort();
        eprint!("\r\x1b[K");
    }
    if let Some(sampling) = sampling {
        sampling.abort();
        load.print_sample();
    }
    let summary = load.tally.borrow().summary(load.run, load.began);
    if load.options.json {
        println!("{}", summary.0);
    } else {
        println!("{summary}");
    }
    Ok(())
}
