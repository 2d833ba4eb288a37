//! Every metric of weir: one entry, from which the page and the manual are made.

use super::{Kind, Metric};

macro_rules! metrics {
    ($($(#[$doc:meta])* $id:ident: $kind:expr, $name:literal, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: Metric = Metric { name: $name, help: $help, labels: &[$($label),*], kind: $kind };
        )*
        /// All entries.
        pub static ALL: &[&Metric] = &[$(&$id),*];
    };
}

const SIZES: Kind = Kind::Histogram {
    bounds: &[1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000, 4_000_000, 16_000_000, 64_000_000],
    scale: 1,
};
/// In hundredths, as the language counts.
const SCORES: Kind =
    Kind::Histogram { bounds: &[-500, 0, 100, 200, 300, 500, 700, 1000, 1500, 2500], scale: 100 };

use Kind::{Counter, Gauge, Timer};

metrics! {
    BUILD_INFO: Gauge, "weir_build_info", ["version"], "Always 1; the version is in the label.";
    START_TIME: Gauge, "weir_start_time_seconds", [], "When the process started, in seconds since 1970.";
    GENERATION: Gauge, "weir_generation", [], "The number of the generation of rules that serves.";
    GENERATION_INFO: Gauge, "weir_generation_info", ["digest"], "Always 1; the digest of the rule files is in the label.";
    RELOADS: Counter, "weir_reload_total", ["result"], "Attempts to load rules anew.";
    LAST_RELOAD_TIME: Gauge, "weir_last_reload_timestamp_seconds", [], "When the last attempt was made.";
    LAST_RELOAD_OK: Gauge, "weir_last_reload_successful", [], "Whether the last attempt succeeded.";
    LOG_LOST: Counter, "weir_log_lost_total", [], "Log lines that could not be written.";

    CONNECTIONS: Counter, "weir_connections_total", ["listener"], "Connections accepted.";
    SESSIONS: Gauge, "weir_sessions", ["listener"], "Sessions that are open.";
    CONNECTIONS_REFUSED: Counter, "weir_connections_refused_total", ["listener", "reason"], "Connections turned away before a session.";
    PROXY_ERRORS: Counter, "weir_proxy_errors_total", ["listener", "reason"], "Connections without a proper PROXY header.";

    TLS_HANDSHAKES: Counter, "weir_tls_handshakes_total", ["listener", "result", "version"], "Handshakes of TLS with clients.";
    TLS_CERTIFICATE_EXPIRY: Gauge, "weir_tls_certificate_expiry_timestamp_seconds", ["listener", "file"], "When a certificate ends to hold, in seconds since 1970.";
    TLS_CERTIFICATE_ERRORS: Counter, "weir_tls_certificate_errors_total", ["listener", "file"], "Changes of a certificate's files that could not be taken; the one before stays.";

    MESSAGES: Counter, "weir_messages_total", ["listener", "verdict"], "Messages by what became of them.";
    RECIPIENTS: Counter, "weir_recipients_total", ["listener", "verdict"], "Recipients by what became of them.";
    MESSAGE_SIZE: SIZES, "weir_message_size_bytes", ["listener"], "Sizes of messages.";
    PHASE_DURATION: Timer, "weir_phase_duration_seconds", ["phase"], "From the command to its reply, by phase.";
    SESSION_DURATION: Timer, "weir_session_duration_seconds", ["listener"], "From the connect to the close.";
    PROTOCOL_ERRORS: Counter, "weir_protocol_errors_total", ["listener", "kind"], "What clients did against the protocol.";

    REJECTS: Counter, "weir_rejects_total", ["phase", "rule", "code"], "Refusals by the rule that made them.";
    RULE_HITS: Counter, "weir_rule_hits_total", ["rule"], "How often a rule was true.";
    RULE_SHADOW: Counter, "weir_rule_shadow_total", ["rule"], "How often a shadow statement would have acted.";
    SCORE: SCORES, "weir_score", ["group"], "Scores of messages.";

    LOOKUPS: Counter, "weir_lookups_total", ["lookup", "result", "cache"], "Lookups by their result, from the cache or not.";
    LOOKUP_DURATION: Timer, "weir_lookup_duration_seconds", ["lookup"], "How long lookups took that were not in the cache.";
    DNSBL_HEALTHY: Gauge, "weir_dnsbl_healthy", ["list"], "Whether the last probe of a DNS list found it well; 0 is off, its answers are unknown.";
    LIST_ERRORS: Counter, "weir_list_errors_total", ["list"], "Changes of a list's file that could not be taken; the entries before stay.";
    LIST_ENTRIES: Gauge, "weir_list_entries", ["list"], "Entries of a list.";

    SERVER_UP: Gauge, "weir_server_up", ["pool", "server"], "Whether a server of a pool takes mail.";
    SERVER_STATE: Gauge, "weir_server_state", ["pool", "server", "state"], "1 for the state that a server is in.";
    SERVER_TRANSACTIONS: Gauge, "weir_server_transactions", ["pool", "server"], "Transactions that run on a server.";
    SERVER_TRANSACTIONS_TOTAL: Counter, "weir_server_transactions_total", ["pool", "server", "result"], "Transactions by their result.";
    SERVER_CHECK_FAILURES: Counter, "weir_server_check_failures_total", ["pool", "server"], "Failed health checks.";
    SERVER_DURATION: Timer, "weir_server_duration_seconds", ["pool"], "From the choice of a server to its final reply.";
    POOL_WAITING: Gauge, "weir_pool_waiting", ["pool"], "Transactions that wait for a free server.";
    POOL_RETRIES: Counter, "weir_pool_retries_total", ["pool", "reason"], "Transactions that went to another server.";
    POOL_EMPTY: Counter, "weir_pool_empty_total", ["pool"], "Transactions for which no server was there.";

    STORE_HEALTHY: Gauge, "weir_store_healthy", [], "Whether the store of remembered and counted keys takes what it is told.";
    STORE_ENTRIES: Gauge, "weir_store_entries", [], "Keys that are remembered or counted on this host and have not ended.";
    STORE_EVICTED: Counter, "weir_store_evicted_total", [], "Keys that made room for others before their end.";
    STORE_LOST: Counter, "weir_store_lost_total", [], "Changes that the store was not told, because it was down for long or too slow.";
    STORE_ASKED: Counter, "weir_store_asked_total", ["result"], "Questions to the shared store, by whether it answered in time.";

    DELIVERIES: Counter, "weir_deliveries_total", ["result"], "Messages written to a maildir on this host.";
    QUARANTINED: Counter, "weir_quarantine_messages_total", ["box"], "Copies kept in a quarantine box.";
}
