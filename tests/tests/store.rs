//! What is remembered: over a restart in a file, over several hosts on a server, and what happens when the server is gone.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir_tests::{Client, Folder, Loopback, Redis, Reply, Weir, until};

const MESSAGE: &str = "Subject: one\r\n\r\nText.\r\n";

/// One listener, and what it is to do.
fn rules(entry: SocketAddr, store: &str, phases: &str) -> String {
    format!(
        "weir 1\nlistener here {{ bind {entry}  name \"mx.example.org\" }}\n{store}\n{phases}\non message {{\n  \
         remember client.net for 7d as passed\n  remember sender.domain for 1h as writes\n  discard\n}}\n"
    )
}

/// What is known of the client is in the reply to RCPT.
const ASKING: &str = "on rcpt {\n\
     \x20 reject 550 5.7.1 \"passed\" if client.passed and rcpt.local == \"passed\"\n\
     \x20 defer 451 4.7.1 \"unknown\" if client.passed is unknown and rcpt.local == \"passed\"\n\
     \x20 reject 550 5.7.1 \"writes\" if remembered(sender.domain, \"writes\") and rcpt.local == \"writes\"\n\
     \x20 defer 451 4.7.1 \"unknown\" if remembered(sender.domain, \"writes\") is unknown and rcpt.local == \"writes\"\n}\n";

/// What RCPT is answered in a new session.
fn rcpt(entry: SocketAddr, from: &str, to: &str) -> io::Result<Reply> {
    let mut client = Client::session(entry)?;
    client.command(&format!("MAIL FROM:<{from}>"))?;
    client.command(&format!("RCPT TO:<{to}@example.org>"))
}

fn asked_of(entry: SocketAddr, from: &str, to: &str) -> String {
    rcpt(entry, from, to).map_or_else(|error| error.to_string(), |reply| reply.text)
}

fn asked(entry: SocketAddr, to: &str) -> String {
    asked_of(entry, FROM, to)
}

const FROM: &str = "a@example.net";

const NEW: &str = "250 2.1.5 Ok";

/// A message that is taken.
fn pass(entry: SocketAddr) -> io::Result<()> {
    pass_from(entry, FROM)
}

fn pass_from(entry: SocketAddr, from: &str) -> io::Result<()> {
    let reply = Client::session(entry)?.message(from, "dev@example.org", MESSAGE)?;
    assert_eq!(reply.code, 250, "{}", reply.text);
    Ok(())
}

#[test]
fn who_has_passed_is_known_after_a_restart() -> io::Result<()> {
    let (entry, folder) = (Loopback::new().port(), Folder::new());
    let file = folder.join("tables.redb");
    let text = rules(entry, &format!("store s : file {{ path \"{}\" }}", file.display()), ASKING);
    let start = || Weir::start(&text, entry);
    let mut weir = start();
    assert_eq!(asked(entry, "passed"), NEW);
    pass(entry)?;
    assert_eq!((asked(entry, "passed"), asked(entry, "writes")), known());
    weir.process().signal("TERM");
    assert_eq!(weir.process().wait(), 0);

    let mut weir = start();
    assert_eq!((asked(entry, "passed"), asked(entry, "writes")), known(), "after a stop");
    let shown = weir.ctl_ok(&["show", "store"]);
    assert!(shown.contains("healthy     yes") && shown.contains("entries     2/"), "{shown}");
    assert!(
        weir.ctl_ok(&["store", "show", "writes", "example.net"]).contains("is remembered as writes for 3")
    );
    assert!(weir.ctl_ok(&["store", "forget", "passed", "127.0.0.1"]).contains("127.0.0.0/24 is forgotten"));
    assert_eq!(asked(entry, "passed"), NEW);
    assert!(!weir.ctl(&["store", "show", "passed", "127.0.0.0/24"]).status.success());
    pass(entry)?;
    until("the file to be written", || weir.ctl_ok(&["show", "store"]).contains("untold      0"));
    weir.process().kill();

    let _weir = start();
    // The kernel takes connections for the killed one until it has cleared its ring away.
    until("who has passed to be known after a kill", || {
        (asked(entry, "passed"), asked(entry, "writes")) == known()
    });
    Ok(())
}

fn known() -> (String, String) {
    (String::from("550 5.7.1 passed"), String::from("550 5.7.1 writes"))
}

#[test]
fn a_file_that_cannot_be_had_is_said_and_stops_no_mail() -> io::Result<()> {
    let entry = Loopback::new().port();
    let weir =
        Weir::start(&rules(entry, "store s : file { path \"/proc/none/tables.redb\" }", ASKING), entry);
    pass(entry)?;
    until("the log to say so", || !weir.lines(&["event=store", "state=down", "/proc/none"]).is_empty());
    assert_eq!(asked(entry, "passed"), "550 5.7.1 passed", "it is in memory all the same");
    assert!(weir.ctl_ok(&["show", "store"]).contains("healthy     no"));
    // A reload can name another place.
    let folder = Folder::new();
    let file = folder.join("tables.redb");
    weir.write_rules(&rules(entry, &format!("store s : file {{ path \"{}\" }}", file.display()), ASKING));
    weir.ctl_ok(&["reload"]);
    until("the other file", || weir.ctl_ok(&["show", "store"]).contains("healthy     yes"));
    assert!(file.exists());
    // Without a declaration it is in the state folder.
    weir.write_rules(&rules(entry, "", ASKING));
    weir.ctl_ok(&["reload"]);
    until("the file of the state folder", || weir.folder().join("state/tables.redb").exists());
    assert_eq!(weir.lines(&["event=store", "state=down"]).len(), 1, "said once");
    Ok(())
}

/// Two hosts with one store.
struct Two {
    redis: Redis,
    folder: Folder,
    first: SocketAddr,
    second: SocketAddr,
    weirs: [Weir; 2],
}

impl Two {
    fn start(phases: &str) -> Self {
        let (here, folder) = (Loopback::new(), Folder::new());
        let (first, second) = (here.port(), here.port());
        let redis = Redis::start(&folder, here.port());
        // Long, so that a busy machine answers in time.
        let store = redis.declared(&folder, "30s");
        let weirs = [first, second].map(|entry| Weir::start(&rules(entry, &store, phases), entry));
        Self { redis, folder, first, second, weirs }
    }
}

#[test]
fn who_has_passed_on_one_host_is_known_on_the_other() -> io::Result<()> {
    let two = Two::start(ASKING);
    assert_eq!(asked(two.second, "passed"), NEW);
    pass(two.first)?;
    until("the other host to know", || asked(two.second, "passed") == "550 5.7.1 passed");
    until("the other host to know", || asked(two.second, "writes") == "550 5.7.1 writes");
    assert!(two.weirs.iter().all(|weir| weir.ctl_ok(&["show", "store"]).contains("healthy     yes")));
    // Each key ends, and none has a name that a peer wrote.
    let keys = two.redis.ask(&["KEYS", "*"]);
    assert!(keys.contains("weir:secret") && !keys.contains("example"), "{keys}");
    for key in keys.lines().filter(|line| line.starts_with("weir:")) {
        assert!(!two.redis.ask(&["TTL", key.trim()]).contains(":-1"), "{key}");
    }
    two.weirs[1].ctl_ok(&["store", "forget", "passed", "127.0.0.1"]);
    until("both hosts to forget", || two.redis.ask(&["KEYS", "*"]).matches("weir:").count() == 2);
    Ok(())
}

#[test]
fn a_greeting_waits_for_nobody_who_has_passed_on_the_other_host() -> io::Result<()> {
    let two = Two::start("on connect { greet after 60s, remembered 0s }\n");
    // The second host has no wait until it asks, and the first none at all.
    let store = two.redis.declared(&two.folder, "30s");
    two.weirs[0].write_rules(&rules(two.first, &store, ""));
    two.weirs[0].ctl_ok(&["reload"]);
    pass(two.first)?;
    until("the first host to tell", || two.redis.ask(&["KEYS", "*"]).matches("weir:").count() == 3);
    let began = Instant::now();
    pass(two.second)?;
    assert!(began.elapsed() < Duration::from_secs(50), "it was greeted at once");
    Ok(())
}

#[test]
fn a_greylisted_client_may_come_again_at_the_other_host() {
    let two = Two::start(
        "greylist grey { after 1s  within 1h }\non rcpt {\n  \
         defer 451 4.7.1 \"waiting\" if grey(client.net, sender.domain, rcpt) is waiting\n}\n",
    );
    assert_eq!(asked(two.first, "dev"), "451 4.7.1 waiting");
    assert_eq!(asked(two.first, "other"), "451 4.7.1 waiting", "each recipient for itself");
    until("the other host to let pass", || asked(two.second, "dev") == NEW);
    until("the first host to know", || asked(two.first, "dev") == NEW);
}

#[test]
fn a_limit_counts_on_all_hosts() {
    let two = Two::start("on rcpt { limit 10 per 1h by client.net, else drop 421 4.7.0 \"too many\" }\n");
    for _ in 0..5 {
        assert_eq!((asked(two.first, "dev"), asked(two.second, "dev")), (NEW.into(), NEW.into()));
    }
    until("both counts to be one", || asked(two.first, "dev") == "421 4.7.0 too many");
    until("both counts to be one", || asked(two.second, "dev") == "421 4.7.0 too many");
}

#[test]
fn errors_count_over_sessions_and_hosts() -> io::Result<()> {
    // Both files have the same `limit`; connections alone are no errors.
    let two = Two::start(
        "on connect { limit 6 errors per 1h by client.net, else drop 421 4.7.0 \"too many errors\" }\n\
         on rcpt { reject 550 5.1.1 \"no such address\" if rcpt.local == \"nobody\" }\n",
    );
    for _ in 0..20 {
        assert_eq!(asked(two.first, "dev"), NEW);
    }
    for entry in [two.first, two.second] {
        let mut client = Client::session(entry)?;
        assert_eq!(client.command("BOO")?.code, 500);
        client.command("MAIL FROM:<a@example.net>")?;
        for _ in 0..3 {
            assert_eq!(client.command("RCPT TO:<nobody@example.org>")?.code, 550);
        }
    }
    for entry in [two.first, two.second] {
        until("the client to be dropped", || {
            Client::connect(entry).is_ok_and(|(_, reply)| reply.text == "421 4.7.0 too many errors")
        });
    }
    Ok(())
}

#[test]
fn a_dead_store_stops_no_mail_and_is_used_again_when_it_is_back() -> io::Result<()> {
    let mut two = Two::start(ASKING);
    pass(two.first)?;
    until("the other host to know", || asked(two.second, "passed") == "550 5.7.1 passed");
    let address = two.redis.address;
    two.redis.process.kill();

    let weir = &two.weirs[1];
    until("the log to say so", || !weir.lines(&["event=store", "state=down"]).is_empty());
    let from = "a@other.example";
    assert_eq!(asked_of(two.second, from, "writes"), "451 4.7.1 unknown");
    assert_eq!(asked(two.second, "passed"), "550 5.7.1 passed", "what is known here is known");
    pass_from(two.second, from)?;
    assert_eq!(asked_of(two.second, from, "writes"), "550 5.7.1 writes");
    assert!(weir.ctl_ok(&["show", "store"]).contains("healthy     no"));

    // It comes back empty; what it was to be told meanwhile it is told then.
    let _redis = Redis::start(&two.folder, address);
    until("the store to be used again", || asked_of(two.first, from, "writes") == "550 5.7.1 writes");
    until("the log to say so", || !weir.lines(&["event=store", "state=up"]).is_empty());
    assert_eq!(weir.lines(&["event=store", "state=down"]).len(), 1, "said once");
    Ok(())
}

#[test]
fn a_silent_store_costs_its_timeout_and_no_more() {
    let (here, folder) = (Loopback::new(), Folder::new());
    let entry = here.port();
    let redis = Redis::start(&folder, here.port());
    let _weir = Weir::start(&rules(entry, &redis.declared(&folder, "300ms"), ASKING), entry);
    redis.process.signal("STOP");
    // Far more sessions than would have an end if each waited for a minute, or for its turn.
    for _ in 0..50 {
        assert_eq!(asked(entry, "passed"), "451 4.7.1 unknown");
    }
    redis.process.signal("CONT");
    until("an answer again", || asked(entry, "passed") == NEW);
}
