//! Every bound of the engine, in one place, so that they can be compared and checked against each other.
//!
//! Layer 0: used by all, uses nothing.

use std::time::Duration;

/// Entries of a shard's submission queue. A chain of linked operations must fit, and one loop turn of a busy
/// shard queues about one operation per session that woke.
pub const RING_ENTRIES: u32 = 1024;
/// Entries of a shard's completion queue: one operation in flight for each of this many sockets.
pub const RING_COMPLETIONS: u32 = 16 * 1024;
// The kernel demands room for at least as many completions as submissions.
const _: () = assert!(RING_COMPLETIONS >= 2 * RING_ENTRIES);

/// Receive buffers that a ring lends the kernel: as many arrivals fit into one turn. A power of two.
pub const RECEIVE_BUFFERS: usize = 256;
/// The size of one, in bytes: most messages arrive in one.
pub const RECEIVE_BUFFER_BYTES: usize = 16 << 10;
/// Receive buffers without use that a ring keeps; others are given back to the allocator.
pub const RECEIVE_SPARES_MAX: usize = 256;
/// Arrivals of one connection that wait to be read; then its receive pauses, and the peer waits. What arrives in the same turn, at
/// most [`RECEIVE_BUFFERS`], comes on top.
pub const INBOX_BUFFERS_MAX: usize = 8;
/// How often tokio gets its turn on a thread that has work all the time.
pub const GUEST_EVERY: Duration = Duration::from_millis(1);
/// How often tasks run in a row, at most 61 of them each time, before the ring has its turn.
pub const RUNS_PER_TURN_MAX: usize = 64;
/// How long a ring that ends waits for the kernel to let go of its memory.
pub const RING_END_WITHIN: Duration = Duration::from_secs(2);
/// Pieces that one gathered write hands to the kernel at once; more pieces take another round.
/// Below the kernel's `UIO_MAXIOV` of 1024.
pub const GATHER_PIECES_MAX: usize = 64;

/// What is kept of the words that a client sent before the greeting, in bytes.
pub const EARLY_BYTES_MAX: usize = 128;

/// How often a shard looks for overdue sessions; a deadline is late by at most two of these.
pub const WATCH_TICK: Duration = Duration::from_millis(100);

/// Shards of one process; their number is part of every id.
pub const SHARDS_MAX: u16 = 512;

/// Lines that one thread may have waiting for the log's writer, in bytes; what comes on top is lost and counted.
pub const LOG_LANE_BYTES_MAX: usize = 4 << 20;
/// One line of the log, in bytes; further fields are left out.
pub const LOG_LINE_BYTES_MAX: usize = 16 << 10;
/// One value in a line, in bytes before escaping; the rest is cut.
pub const LOG_VALUE_BYTES_MAX: usize = 1024;
/// How long a line waits for its company before it is written.
pub const LOG_FLUSH_EVERY: Duration = Duration::from_millis(50);
// The longest value (escaped at up to six bytes for one) and the line around it fit a lane many times.
const _: () = assert!(LOG_LANE_BYTES_MAX >= 16 * (LOG_LINE_BYTES_MAX + 6 * LOG_VALUE_BYTES_MAX));

/// Label sets of one metric; what comes on top is counted but not shown.
pub const METRIC_SERIES_MAX: usize = 10_000;

/// Connections to the page of metrics at once.
pub const HTTP_CONNECTIONS_MAX: usize = 16;
/// A request for that page, in bytes.
pub const HTTP_REQUEST_BYTES_MAX: usize = 8 << 10;
/// From the connect to the end of the reply.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers that a shard keeps for each name server; half of them may be old ones that nobody has asked for lately.
pub const DNS_CACHE_ENTRIES_MAX: usize = 50_000;
/// Questions that a shard has under way with one name server; those above wait for their turn.
pub const DNS_IN_FLIGHT_MAX: usize = 4096;
/// Questions that a shard has open with one name server, under way or waiting; above, an answer is unknown at once.
pub const DNS_OPEN_MAX: usize = 8 * DNS_IN_FLIGHT_MAX;
/// Sockets, each on a port of its own, over which a shard asks one name server; more questions than that share them.
pub const DNS_SOCKETS_MAX: usize = 16;
/// Questions for which one of them is used, and for how long: who would forge an answer has to guess its port anew.
pub const DNS_SOCKET_QUESTIONS_MAX: u32 = 500;
/// See above.
pub const DNS_SOCKET_TIME: Duration = Duration::from_secs(10);
/// The largest answer that is taken over UDP, in bytes: what fits an IPv6 packet of the least size that every network carries (1280).
pub const DNS_PACKET_BYTES: u16 = 1232;
/// Aliases that are followed within one answer.
pub const DNS_ALIASES_MAX: usize = 8;
/// How long a question is pursued, even if those who asked have given up: the answer is kept for the next.
pub const DNS_QUESTION_TIME_MAX: Duration = Duration::from_secs(10);
/// How long one packet's answer is waited for before the question is sent again.
pub const DNS_PACKET_TIME: Duration = Duration::from_millis(1500);
/// How often a question is sent.
pub const DNS_PACKETS_MAX: usize = 4;
/// An answer is kept at least this long, whatever its TTL says,
pub const DNS_TTL_MIN: Duration = Duration::from_secs(1);
/// and at most this long;
pub const DNS_TTL_MAX: Duration = Duration::from_hours(24);
/// an answer that there is nothing at most this long (RFC 2308, 5: one to three hours work well),
pub const DNS_NEGATIVE_TTL_MAX: Duration = Duration::from_hours(1);
/// and that there was no answer this long (RFC 2308, 7: five minutes at most), so that a dead server does not make
/// every session wait.
pub const DNS_FAILURE_TTL: Duration = Duration::from_secs(2);
/// What a shard remembers of recipients that it has asked next hops about.
pub const CALLOUTS_KNOWN_MAX: usize = 50_000;
/// How long it is remembered that a next hop did not say, so that not every client waits for one that is dead.
pub const CALLOUT_FAILURE_TTL: Duration = Duration::from_secs(10);

/// Records of one answer, more than anybody has use for; one with more is no answer.
pub const DNS_RECORDS_MAX: usize = 512;
/// Bytes of all records of one answer, in memory; one with more is no answer.
pub const DNS_ANSWER_BYTES_MAX: usize = 16 << 10;
/// An answer of more bytes than this, as by TCP alone, is kept among few,
pub const DNS_LARGE_BYTES: usize = 4 << 10;
/// of which a shard has so many for each name server.
pub const DNS_LARGE_ENTRIES_MAX: usize = 1000;
// Whoever has nothing but large answers fills no more memory with them than with small ones.
const _: () =
    assert!(DNS_LARGE_ENTRIES_MAX * DNS_ANSWER_BYTES_MAX <= DNS_CACHE_ENTRIES_MAX * DNS_LARGE_BYTES);
/// Reverse names of one address that are tried for a way back.
pub const DNS_REVERSE_NAMES_MAX: usize = 5;
const _: () = assert!(DNS_REVERSE_NAMES_MAX <= DNS_RECORDS_MAX);
/// Mail exchangers of one domain whose addresses are asked for.
pub const DNS_EXCHANGES_MAX: usize = 5;
const _: () = assert!(DNS_EXCHANGES_MAX <= DNS_RECORDS_MAX);

/// How much of a message goes to clamd in one write, in bytes, if it isn't in too many pieces.
pub const CLAMD_CHUNK_BYTES: usize = 256 << 10;
/// The longest reply of clamd; more is none.
pub const CLAMD_REPLY_BYTES_MAX: usize = 4096;
/// How long a connection is kept without a scan: below clamd's own `IdleTimeout` of 30 s.
pub const CLAMD_IDLE: Duration = Duration::from_secs(20);
/// How long a host that didn't take a connection is tried last.
pub const CLAMD_PAUSE: Duration = Duration::from_secs(5);
/// Scans on one connection, before it is made anew.
pub const CLAMD_SCANS_PER_CONNECTION: u32 = 1000;

/// Header fields of a message; one with more is refused before a rule looks at it, so that nothing hides behind them.
pub const HEADER_FIELDS_MAX: usize = 10_000;
/// Bytes of one header field that are decoded; the rest is cut.
pub const HEADER_DECODED_BYTES_MAX: usize = 64 << 10;
/// Bytes of a `Content-Type` or `Content-Disposition` that are read: its parameters take time with their square.
pub const PARAMETERS_BYTES_MAX: usize = 16 << 10;
/// Mailboxes in one header field.
pub const HEADER_ADDRESSES_MAX: usize = 1000;

/// Parts of a message, leaves and containers; more make it too complex.
pub const MIME_PARTS_MAX: usize = 1000;
/// How deep parts and attached messages may lie in each other; deeper makes a message too complex. Nothing
/// recurses: this bounds the boundaries that each line is compared with.
pub const MIME_DEPTH_MAX: usize = 30;
/// Encoded attached messages within each other that are taken apart; deeper makes a message too complex.
pub const MIME_ENCODED_LEVELS_MAX: usize = 3;
/// Bytes of all attached messages of a message that came encoded; more make it too complex.
pub const MIME_DECODED_BYTES_MAX: usize = 4 << 20;
/// Bytes of the header of one part; what is behind them is taken for its body.
pub const PART_HEADER_BYTES_MAX: usize = 64 << 10;
/// Bytes of one decoded text part that patterns see.
pub const TEXT_PART_BYTES_MAX: usize = 256 << 10;
/// Bytes of all decoded text parts that patterns see.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
// One part never fills the view alone: a first part of padding does not hide the second.
const _: () = assert!(TEXT_BYTES_MAX >= 2 * TEXT_PART_BYTES_MAX);
/// Links of a message.
pub const URLS_MAX: usize = 500;
/// Bytes of one link; the rest is cut.
pub const URL_BYTES_MAX: usize = 2048;

/// Messages that the process writes to disk at once, each on a thread of its own.
pub const SPOOL_WRITES_MAX: usize = 64;
/// The longest name of a quarantine box, in bytes.
pub const QUARANTINE_BOX_BYTES_MAX: usize = 64;
/// How much of all messages under way a shard holds, in MiB, if it is not told otherwise. What the rules look at is held
/// a second time, in one piece.
pub const MESSAGE_MEMORY_MIB: u32 = 256;
/// From the 354 to the final dot, and from one message to the next, if a listener is not told otherwise. RFC 5321, 4.5.3.2, bounds
/// each wait within; this bounds a client that sends a byte or a command now and then: the largest message that is taken by
/// default comes at 7 kB/s.
pub const MESSAGE_WITHIN: Duration = Duration::from_hours(1);
/// How long other servers are tried for a message: a client waits for ten minutes (RFC 5321, 4.5.3.2.6), and sends again what is
/// accepted after that.
pub const RETRY_WITHIN: Duration = Duration::from_mins(5);
/// How far the load of a shard must have risen, in bytes, for its memory to be given back when it falls to half.
pub const EBB_BYTES: usize = 4 << 20;
/// Connections that wait in the kernel to be accepted, for each listening socket: as many as `net.core.somaxconn` allows, since each
/// that finds no place is made to try again a second later, or never hears of it.
pub const LISTEN_BACKLOG: i32 = 65_535;
/// Up to this share of its descriptors, in per cent, a process accepts all connections that are there at once; above, one by one,
pub const ACCEPT_ALL_PERCENT_MAX: u64 = 75;
/// and from this on only when others have ended: the rest waits in the kernel,
pub const ACCEPT_PERCENT_MAX: u64 = 90;
/// for so long at most, while nothing ends; then it is asked to come again.
pub const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(10);
/// How long shards may take to serve a new generation: none of them waits for anything meanwhile.
pub const RELOAD_TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// How often that is looked at.
pub const RELOAD_POLL: Duration = Duration::from_millis(2);
/// How often a shard that ends looks whether its sessions have ended.
pub const STOP_POLL: Duration = Duration::from_millis(20);
/// How often the files of lists and maps are looked at for changes; one that has changed is read when it is the same at two looks.
pub const LISTS_EVERY: Duration = Duration::from_secs(2);
/// After so many looks at which a file was another each time, the log says that it cannot be read.
pub const LISTS_RESTLESS_LOOKS: u32 = 30;
/// How far the time of a file's change may lie before the clock: the kernel takes it at its tick, 100 times a second at least.
pub const FILE_TIME_TICK: Duration = Duration::from_millis(10);
/// Entries that an operator may have put into lists at once.
pub const EDITS_MAX: usize = 10_000;
/// How long the look-ups of a reverse name or of mail exchangers may take, all questions together.
pub const DNS_LOOKUP_WITHIN: Duration = Duration::from_secs(5);
/// Questions to a DNS list that go without an answer in a row before it is probed out of turn.
pub const DNSBL_FAILURES_IN_A_ROW: u32 = 10;
/// Answers of a DNS list after which their share of listings is looked at;
pub const DNSBL_WINDOW: u64 = 200;
/// from so many of them in a hundred on, the list is probed out of turn.
pub const DNSBL_LISTED_PERCENT: u64 = 95;
/// The shortest interval of a `probe`.
pub const DNSBL_PROBE_EVERY_MIN: Duration = Duration::from_secs(1);
/// The least time between two probes of a DNS list, whatever its answers look like, unless its `probe` is more often.
pub const DNSBL_PROBE_PAUSE: Duration = Duration::from_secs(5);
/// How often a DNS list that is off is probed, if its `probe` is not more often.
pub const DNSBL_OFF_EVERY: Duration = Duration::from_mins(1);
/// Entries of a zone file.
pub const ZONE_ENTRIES_MAX: usize = 100_000_000;
/// Values of one entry of a zone file; more are left out.
pub const ZONE_VALUES_MAX: usize = 32;
/// Bytes of the names of a zone file's domains.
pub const ZONE_NAMES_BYTES_MAX: usize = 2 << 30;
/// A line of a zone file, in bytes.
pub const ZONE_LINE_BYTES_MAX: usize = 8 << 10;
/// How long the look-ups of one way to authenticate mail may take, all questions together: SPF wants at least 20 s (RFC 7208, 4.6.4).
pub const AUTH_WITHIN: Duration = Duration::from_secs(20);
/// Terms of all records of a check that ask DNS (RFC 7208, 4.6.4),
pub const SPF_LOOKUPS_MAX: usize = 10;
/// those among them that may find nothing,
pub const SPF_VOIDS_MAX: usize = 2;
/// and hosts of one term.
pub const SPF_HOSTS_MAX: usize = 10;
const _: () = assert!(SPF_HOSTS_MAX < DNS_RECORDS_MAX);
/// DKIM signatures of a message that are looked at, from the top (RFC 6376, 6.1: a verifier may bound them).
pub const DKIM_SIGNATURES_MAX: usize = 10;
/// ARC sets of a message; a chain of more fails, and none of its keys is asked for (RFC 8617, 5.2).
pub const ARC_SETS_MAX: usize = 50;
/// The shortest RSA key that proves anything, in bits (RFC 8301, 3.2),
pub const KEY_BITS_MIN: usize = 1024;
/// and the longest: verifying costs with its square (a verifier must take 4096).
pub const KEY_BITS_MAX: usize = 4096;
/// A message with more than this, in bytes, is verified on a thread of its own, so that the others of its shard do not wait,
pub const AUTH_INLINE_BYTES_MAX: usize = 64 << 10;
/// and so is one that needs more keys than this.
pub const AUTH_INLINE_KEYS_MAX: usize = 4;
/// Messages that the process verifies on threads of their own at once; each is held a second time meanwhile.
pub const AUTH_THREADS_MAX: usize = 16;
/// The longest reason that is kept, in bytes.
pub const AUTH_REASON_BYTES_MAX: usize = 400;
/// Names about which a DNS list is asked for one message.
pub const DNSBL_NAMES_MAX: usize = 50;

/// What shards have told the keeper of the tables' store and it has not taken yet; more is lost to the store, and counted.
pub const STORE_QUEUE_MAX: usize = 8192;
/// Keys of which the store is still to be told something: while it is down they wait, to this bound.
pub const STORE_PENDING_MAX: usize = 65_536;
/// Requests that go to the store at once.
pub const STORE_BATCH_MAX: usize = 4096;
/// How often a store that is down is tried: nobody waits for it meanwhile.
pub const STORE_RETRY_EVERY: Duration = Duration::from_secs(1);
/// How often a store that has nothing to do is asked whether it is well.
pub const STORE_CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often changes are written to a file: as much is lost at most when the process is killed.
pub const STORE_WRITE_EVERY: Duration = Duration::from_secs(1);
/// Counts of shorter windows are not written to a file.
pub const STORE_KEPT_FROM: Duration = Duration::from_mins(1);
/// How often a file is looked through for entries that have ended.
pub const STORE_SWEEP_EVERY: Duration = Duration::from_mins(10);
/// Memory that the file's pages may take, in bytes.
pub const STORE_CACHE_BYTES: usize = 4 << 20;

/// How long a handshake of TLS may take, all of it, on either side; where a command is waited for less long, no longer than that.
pub const TLS_HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);
/// How much of a message is sealed before it is written, in bytes.
pub const TLS_WRITE_BYTES: usize = 64 << 10;
/// Room for records that is kept between writes, in bytes: that of replies.
pub const TLS_SPARE_BYTES: usize = 1 << 10;
/// The largest file of certificates or keys, in bytes: five times what a host trusts.
pub const TLS_FILE_BYTES_MAX: usize = 1 << 20;
/// Sessions of TLS with servers that a pool keeps to take them up again.
pub const TLS_SESSIONS_KEPT: usize = 256;
/// How often the files of certificates are looked at for changes.
pub const TLS_FILES_EVERY: Duration = Duration::from_secs(2);
