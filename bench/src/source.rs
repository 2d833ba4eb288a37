//! A load of mail, in a closed loop (each session sends its next message when the last was answered) or an open one (messages
//! start when they are meant to, whatever the server does). One thread, weir's own ring and client machine.

mod envelopes;
mod hold;
mod letter;
mod load;
mod network;
mod options;
mod pace;
mod samples;
mod session;
mod tally;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, Semaphore};
use weir::ring::{self, Watch};
use weir_smtp::ClientConfig;

use crate::Result;
use crate::dice::Dice;
use crate::tls;
use envelopes::Envelopes;
use letter::Letters;
pub(crate) use options::Options;
use pace::Rate;
use samples::Samples;
use tally::Tally;

pub(crate) use samples::Sample;
pub(crate) use tally::histogram;

/// Messages of a run that names neither their number nor a time.
const MESSAGES_DEFAULT: u64 = 10_000;
/// Pause of a session whose connection was refused, so that a dead server is not hammered.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);
/// Descriptors that are no sessions.
const DESCRIPTORS_OTHER: u64 = 50;

/// What the sessions of a run share.
struct Load {
    me: Weak<Self>,
    options: Options,
    /// Tells this run's messages from those of others.
    run: u64,
    client: Arc<ClientConfig>,
    watch: Watch,
    /// `None` without --starttls.
    tls: Option<Arc<weir::tls::Hop>>,
    letters: Letters,
    envelopes: Envelopes,
    dice: RefCell<Dice>,
    tally: RefCell<Tally>,
    samples: RefCell<Samples>,
    /// When the last sample was read.
    sampled: Cell<Instant>,
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

pub(crate) fn run(mut options: Options) -> Result<()> {
    if let Err(message) = options.check() {
        clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{message}\n")).exit();
    }
    let descriptors = ring::raise_descriptor_limit()?;
    let sessions_max = descriptors.saturating_sub(DESCRIPTORS_OTHER);
    if options.hold.is_some() && options.sessions > sessions_max {
        eprintln!(
            "{sessions_max} sessions, for this process may have no more than {descriptors} descriptors"
        );
        options.sessions = sessions_max;
    }
    if options.sessions > sessions_max {
        return Err(format!(
            "{} sessions need as many descriptors and {DESCRIPTORS_OTHER}, but this process may have {descriptors}; raise the limit (ulimit -n)",
            options.sessions
        )
        .into());
    }
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
    let envelopes = Envelopes::new(&options.from, &options.rcpt, options.rcpts)
        .ok_or("sender or recipient is no address")?;
    let known = (messages_max < u64::MAX && options.hold.is_none()).then_some(messages_max);
    let samples = Samples::new(options.samples_to.as_deref(), known)?;
    let tls = if options.starttls { Some(tls::client()?) } else { None };
    // The clock is fine enough that two runs do not get the same number, and the seed must not decide it.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let load = Rc::new_cyclic(|me| Load {
        me: Weak::clone(me),
        run: Dice::new(now.as_secs() << 30 ^ u64::from(now.subsec_nanos())).bits(),
        client: Arc::new(ClientConfig { name: options.helo.clone() }),
        watch: Watch::start(),
        letters,
        envelopes,
        tls,
        dice: RefCell::new(dice),
        tally: RefCell::new(Tally::new()),
        samples: RefCell::new(samples),
        sampled: Cell::new(began),
        began,
        messages_max,
        open,
        options,
    });
    if let Some(rate) = &rate {
        let ticks = pace::tick(starts(&load.options, rate, messages_max), began)?;
        ring::spawn(Rc::clone(&load).count(ticks));
    }
    match load.options.hold {
        Some(time) => load.hold(time).await,
        None => finish(load).await,
    }
}

/// Runs all sessions to their end and prints what became of them.
async fn finish(load: Rc<Load>) -> Result<()> {
    let sessions: Vec<_> = (0..load.options.sessions).map(|_| ring::spawn(Rc::clone(&load).work())).collect();
    let sampling = ring::spawn(Rc::clone(&load).sample_always());
    for session in sessions {
        session.await?;
    }
    sampling.abort();
    load.last_sample();
    let samples = load.samples.borrow();
    let summary = load.tally.borrow_mut().summary(load.run, load.began, &samples.list);
    if load.options.json {
        println!("{}", summary.0);
    } else {
        println!("{summary}");
    }
    Ok(())
}
