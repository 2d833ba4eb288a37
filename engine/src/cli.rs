//! The command line: what can be said, with examples, and the exit codes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::limits::MESSAGE_MEMORY_MIB;

/// How a command ends (sysexits where they exist).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// A check, a test or a request found something wrong.
    Failed = 1,
    /// The command line is wrong (`EX_USAGE`).
    Usage = 64,
    /// Something that weir needs cannot be had: `io_uring`, an address, a socket (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// The rule files do not load at start (`EX_CONFIG`).
    Config = 78,
}

/// Where the daemon and `weir ctl` meet.
pub const ADMIN_SOCKET: &str = "/run/weir/admin.sock";

/// Where quarantined messages and other state are kept.
pub const STATE_FOLDER: &str = "/var/lib/weir";

/// Where rule files are looked for when none is named.
pub const RULES_FOLDER: &str = "/etc/weir";

/// A mail dataplane: SMTP on `io_uring`, defined by rule files.
#[derive(Debug, Parser)]
#[command(
    name = "weir",
    version,
    about,
    after_help = "Exit codes: 0 ok, 1 failed, 64 usage, 69 io_uring or a socket is unavailable, 78 the rule files do not load.\n\n\
                  Begin with `weir demo`; read `weir doc`."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve: what this host does is in the rule files.
    #[command(
        after_help = "Examples:\n  weir run /etc/weir\n  weir run rules/mx.weir --admin /tmp/mx.sock --metrics 127.0.0.1:9480\n\n\
                            Signals: HUP reloads, TERM and INT finish what runs and end."
    )]
    Run(Run),
    /// Say everything that is wrong with rule files, without serving.
    #[command(
        after_help = "Examples:\n  weir check rules/mx.weir\n  weir check --strict --cost /etc/weir\n  weir check --format json rules/"
    )]
    Check(Check),
    /// Run the `test` blocks of rule files: no network, a frozen clock.
    #[command(
        after_help = "Examples:\n  weir test rules/mx.weir\n  weir test -k postmaster rules/mx.weir\n  weir test --coverage rules/"
    )]
    Test(Test),
    /// Judge one message and print every rule, value, time and place.
    #[command(
        after_help = "Examples:\n  weir explain msg.eml --client 192.0.2.7 --from a@example.net --rcpt dev@example.org\n  \
                            weir explain msg.eml --rules rules/scanner.weir --client 192.0.2.7 --json\n  \
                            weir explain msg.eml --client 192.0.2.7 --resolver 127.0.0.1:5353"
    )]
    Explain(Explain),
    /// Rewrite rule files in the one style.
    #[command(after_help = "Examples:\n  weir fmt rules/*.weir\n  weir fmt --check rules/*.weir")]
    Fmt(Fmt),
    /// Print the manual of the rule language, or of one word of it.
    #[command(
        after_help = "Examples:\n  weir doc\n  weir doc reject\n  weir doc client.rdns\n  weir doc W0207"
    )]
    Doc(Doc),
    /// Speak to a running weir over its admin socket.
    #[command(
        after_help = "Examples:\n  weir ctl reload\n  weir ctl drain scanners/scan1\n  weir ctl show pools\n  \
                            weir ctl --admin /tmp/mx.sock show info"
    )]
    Ctl(Ctl),
    /// Start a whole chain on loopback from the shipped rule files and send it mail.
    #[command(after_help = "Examples:\n  weir demo\n  weir demo --once")]
    Demo(Demo),
}

/// Rule files, or a folder of them.
#[derive(Debug, Args)]
pub struct Files {
    /// Rule files, or one folder whose `*.weir` files are one set.
    #[arg(default_value = RULES_FOLDER, value_name = "FILES|DIR")]
    pub files: Vec<PathBuf>,
}

/// `weir run`
#[derive(Debug, Args)]
pub struct Run {
    /// The rule file set.
    #[command(flatten)]
    pub files: Files,
    /// The admin socket, for `weir ctl`.
    #[arg(long, value_name = "PATH", default_value = ADMIN_SOCKET)]
    pub admin: PathBuf,
    /// Serve /metrics, /healthz and /readyz here.
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Threads, each with its own ring and listeners; one per core when not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub shards: Option<u16>,
    /// Where quarantined messages and other state are kept.
    #[arg(long, value_name = "DIR", default_value = STATE_FOLDER)]
    pub state: PathBuf,
    /// The form of the log on standard error.
    #[arg(long, value_enum, default_value_t = LogForm::Logfmt)]
    pub log: LogForm,
    /// The name server for all look-ups that name none.
    #[arg(long, value_name = "ADDR:PORT")]
    pub resolver: Option<SocketAddr>,
    /// Most memory for messages under way, in MiB for each thread; above it a client gets 452 and comes back later. Keep it well
    /// above the largest message that a listener takes.
    #[arg(long, value_name = "MIB", default_value_t = MESSAGE_MEMORY_MIB, value_parser = clap::value_parser!(u32).range(1..))]
    pub message_memory: u32,
    /// How long SIGTERM lets transactions finish, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub stop_timeout: u64,
    /// Do not require that the `test` blocks of a new generation pass.
    #[arg(long)]
    pub untested: bool,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// `ts=... event=... key=value`
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// `weir check`
#[derive(Debug, Args)]
pub struct Check {
    /// The rule file set.
    #[command(flatten)]
    pub files: Files,
    /// Warnings are errors.
    #[arg(long)]
    pub strict: bool,
    /// Print the worst case of a message: look-ups, patterns, statements.
    #[arg(long)]
    pub cost: bool,
    /// Say nothing when all is well.
    #[arg(long, short)]
    pub quiet: bool,
    /// The form of diagnostics.
    #[arg(long, value_enum, default_value_t = Form::Human)]
    pub format: Form,
}

/// The form of diagnostics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// With source line and caret.
    Human,
    /// One JSON object each.
    Json,
}

/// `weir test`
#[derive(Debug, Args)]
pub struct Test {
    /// The rule file set; several files are tested together as one set.
    #[command(flatten)]
    pub files: Files,
    /// Only tests whose title contains this.
    #[arg(short = 'k', value_name = "TEXT")]
    pub filter: Option<String>,
    /// List the rules and statements that no test hit.
    #[arg(long)]
    pub coverage: bool,
}

/// `weir explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// The message; `-` is standard input.
    #[arg(value_name = "MSG")]
    pub message: PathBuf,
    /// The rule file set.
    #[arg(long, value_name = "FILES|DIR", num_args = 1.., default_value = RULES_FOLDER)]
    pub rules: Vec<PathBuf>,
    /// The client's address.
    #[arg(long, value_name = "IP")]
    pub client: IpAddr,
    /// The client is inside TLS, of this version.
    #[arg(long, value_name = "VERSION", num_args = 0..=1, default_missing_value = "TLSv1.3")]
    pub tls: Option<String>,
    /// What the client says in EHLO.
    #[arg(long, value_name = "NAME", default_value = "client.example.net")]
    pub helo: String,
    /// The sender; empty for `<>`.
    #[arg(long, value_name = "ADDRESS", default_value = "sender@example.net")]
    pub from: String,
    /// A recipient; may be given several times.
    #[arg(long, value_name = "ADDRESS", default_value = "postmaster")]
    pub rcpt: Vec<String>,
    /// As one JSON object.
    #[arg(long)]
    pub json: bool,
    /// The name server for all look-ups.
    #[arg(long, value_name = "ADDR:PORT")]
    pub resolver: Option<SocketAddr>,
}

/// `weir fmt`
#[derive(Debug, Args)]
pub struct Fmt {
    /// Rule files.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Change nothing; exit 1 and name the files that are not in style.
    #[arg(long)]
    pub check: bool,
}

/// `weir doc`
#[derive(Debug, Args)]
pub struct Doc {
    /// A field, function, verb, kind, setting or diagnostic; the whole manual when not given.
    pub word: Option<String>,
}

/// `weir ctl`
#[derive(Debug, Args)]
pub struct Ctl {
    /// The admin socket.
    #[arg(long, value_name = "PATH", default_value = ADMIN_SOCKET)]
    pub admin: PathBuf,
    /// The request.
    #[command(subcommand)]
    pub request: Request,
}

/// What can be asked of a running weir.
#[derive(Clone, Debug, Subcommand)]
pub enum Request {
    /// Load the rule files anew; returns when the new generation serves, or prints what is wrong and exits 1.
    Reload,
    /// Serve the rules again that served before the last reload, at once; the files are not read.
    Rollback,
    /// Change a list for a time: `add NAME ENTRY ttl TIME`, `del NAME ENTRY`, `show NAME`. Kept over reloads, not over a restart.
    List {
        /// `add deny_nets 192.0.2.0/24 ttl 1h`
        #[arg(required = true, num_args = 2..=5)]
        words: Vec<String>,
    },
    /// See or forget what `remember` keeps: `show NAME KEY`, `forget NAME KEY`.
    Store {
        /// `show passed 192.0.2.0/24`
        #[arg(required = true, num_args = 3)]
        words: Vec<String>,
    },
    /// Send nothing new to a server; what runs is finished. Kept over reloads.
    Drain(ServerName),
    /// Let a server serve again.
    Ready(ServerName),
    /// As drain, and stop checking it.
    Maint(ServerName),
    /// Print state.
    Show {
        /// What.
        #[arg(value_enum)]
        what: Show,
    },
}

/// A server of a pool.
#[derive(Clone, Debug, Args)]
pub struct ServerName {
    /// `pool/server`
    #[arg(value_name = "POOL/SERVER")]
    pub name: String,
}

/// What `weir ctl show` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Show {
    /// Version, generation, digest, uptime, sessions.
    Info,
    /// Servers with their configured, admin and health state.
    Pools,
    /// DNS lists with their health.
    Lookups,
    /// The rules with weight, hits and place.
    Rules,
    /// Counters and latency percentiles.
    Stat,
    /// Where `remember`, `limit` and greylists keep what they know, and how that does.
    Store,
}

impl Show {
    /// As on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Pools => "pools",
            Self::Lookups => "lookups",
            Self::Rules => "rules",
            Self::Stat => "stat",
            Self::Store => "store",
        }
    }
}

/// `weir demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Send the messages, check their fates, end: 0 when each met the expected one.
    #[arg(long)]
    pub once: bool,
}
