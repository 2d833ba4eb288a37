//! Mail that dkimpy has signed and sealed, judged by weir with a stand-in for DNS; and what weir tells of it.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use weir_tests::{Client, Folder, Loopback, Sink, StandIn, Weir, run, until, weir_command};

const MAIL: &str = "From: Ann <ann@example.net>\r\nTo: dev@example.org\r\nSubject: a test\r\nDate: Thu, 15 Jan 2026 12:00:00 +0000\r\n\
                    Message-ID: <1@example.net>\r\n\r\nDear all,\r\nhello\r\n";

/// A key for RSA, and the record for its public half.
fn key(folder: &Folder) -> (String, String) {
    let private = folder.join("s1.key").to_string_lossy().into_owned();
    assert!(run("openssl", &["genrsa", "-traditional", "-out", &private, "2048"]).status.success());
    let public = run("openssl", &["rsa", "-in", &private, "-pubout"]);
    let pem = String::from_utf8_lossy(&public.stdout).into_owned();
    let base64: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    (private, format!("v=DKIM1; k=rsa; p={base64}"))
}

/// What a program of dkimpy makes of a message.
fn through(program: &str, arguments: &[&str], mail: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; `tests/run` installs what is missing"));
    child.stdin.take().expect("its input").write_all(mail.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program} of python3-dkim, which seals with python3-authres alone");
    // It may print with bare line feeds; the wire has CRLF.
    String::from_utf8(output.stdout).expect("text").replace("\r\n", "\n").replace('\n', "\r\n")
}

fn signed(key: &str, mail: &str) -> String {
    through("dkimsign", &["--bcanon", "relaxed", "s1", "example.net", key], mail)
}

fn sealed(key: &str, mail: &str) -> String {
    let mail = format!("Authentication-Results: lists.example; dkim=pass header.d=example.net\r\n{mail}");
    through("arcsign", &["s1", "lists.example", key, "lists.example"], &mail)
}

fn records(key: &str) -> Vec<String> {
    vec![
        String::from("example.net TXT v=spf1 ip4:127.0.0.0/8 -all"),
        String::from("_dmarc.example.net TXT v=DMARC1; p=reject"),
        format!("s1._domainkey.example.net TXT {key}"),
        format!("s1._domainkey.lists.example TXT {key}"),
        String::from("other.example TXT v=spf1 -all"),
    ]
}

fn stand_in(records: &[String]) -> StandIn {
    let arguments: Vec<&str> = records.iter().flat_map(|record| ["--record", record]).collect();
    StandIn::start("dns", &arguments)
}

fn rules(entry: SocketAddr, end: SocketAddr) -> String {
    format!(
        "weir 1\nrole mx\n\nlistener here {{\n  bind {entry}\n  name \"mx.example.org\"\n}}\n\npool next {{\n  server sink {end}\n}}\n\n\
         on message {{\n  add header \"Authentication-Results\" auth_results(\"mx.example.org\", spf, dkim, dmarc, arc)\n\
         \x20 defer 451 4.7.5 \"try again\" if dmarc is temperror\n\
         \x20 reject 550 5.7.26 \"{{dmarc.domain}} asks for it\" if dmarc is fail and dmarc.policy == \"reject\"\n  send to next\n}}\n"
    )
}

#[test]
fn what_dkimpy_signs_is_verified_and_told_to_the_next_host() -> io::Result<()> {
    let (here, folder) = (Loopback::new(), Folder::new());
    let (entry, end) = (here.port(), here.port());
    let (private, public) = key(&folder);
    let mut dns = stand_in(&records(&public));
    let sink = Sink::start(end);
    let resolver = dns.address.to_string();
    let weir = Weir::with(&rules(entry, end), entry, &["--shards", "1", "--resolver", &resolver]);
    let mut client = Client::session(entry)?;
    let told = |sink: &Sink| {
        let last = sink.messages().pop().expect("a message");
        last.header("Authentication-Results").expect("the header")
    };

    // Forged, and not of this site: the first goes.
    let forged = "Authentication-Results: MX.example.org; dmarc=pass\r\n";
    let mail = format!("{forged}{}", signed(&private, MAIL));
    let reply = client.message("ann@example.net", "dev@example.org", &mail)?;
    assert_eq!(reply.code, 250, "{}", reply.text);
    let header = told(&sink);
    for part in [
        "mx.example.org; spf=pass smtp.mailfrom=example.net; dkim=pass header.d=example.net header.s=s1",
        "; dmarc=pass (p=reject) header.from=example.net; arc=none",
    ] {
        assert!(header.contains(part), "{part} is missing in {header}");
    }
    let wire = String::from_utf8_lossy(&sink.messages().pop().expect("a message").wire).into_owned();
    assert!(!wire.contains("MX.example.org; dmarc=pass"), "what was forged is gone: {wire}");

    // A list in between: SPF is of the list, DKIM alone speaks for the author, and the seal is whole.
    let reply = client.message(
        "list@lists.example",
        "dev@example.org",
        &sealed(&private, &signed(&private, MAIL)),
    )?;
    assert_eq!(reply.code, 250, "{}", reply.text);
    let header = told(&sink);
    assert!(
        header.contains("spf=none smtp.mailfrom=lists.example") || header.contains("spf=none reason="),
        "{header}"
    );
    assert!(
        header.contains("dmarc=pass") && header.contains("arc=pass (i=1) header.d=lists.example"),
        "{header}"
    );

    // Changed on the way.
    let changed = signed(&private, MAIL).replace("hello", "please pay");
    let reply = client.message("x@other.example", "dev@example.org", &changed)?;
    assert!(reply.text.contains("550 5.7.26 example.net asks for it"), "{}", reply.text);
    until("the log's line of it", || {
        weir.lines(&["verdict=reject", "spf=fail", "dkim=fail", "dmarc=fail"]).len() == 1
    });

    // A large one is verified beside the shard.
    let large = format!("{MAIL}{}", "some text of a long letter\r\n".repeat(8000));
    let reply = client.message("ann@example.net", "dev@example.org", &signed(&private, &large))?;
    assert_eq!(reply.code, 250, "{}", reply.text);
    assert!(told(&sink).contains("dkim=pass"));

    // Without DNS nothing is known, and the rules say what then.
    dns.order("servfail 100%");
    let fresh = MAIL.replace("ann@example.net", "ann@new.example");
    let reply = client.message("ann@new.example", "dev@example.org", &fresh)?;
    assert_eq!(reply.text, "451 4.7.5 try again");
    Ok(())
}

fn explained(message: &Path, rules: &Path, resolver: &str, more: &[&str]) -> Value {
    let (message, rules) = (message.to_string_lossy(), rules.to_string_lossy());
    let mut arguments = vec!["explain", &*message, "--rules", &*rules, "--resolver", resolver, "--json"];
    arguments.extend(more);
    let output = weir_command(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn explain_tells_of_it_whatever_the_rules_ask() {
    let folder = Folder::new();
    let (private, public) = key(&folder);
    let dns = stand_in(&records(&public));
    let resolver = dns.address.to_string();
    let rules = folder.write("r.weir", "weir 1\nlistener l { bind 192.0.2.25:25 }\non message { discard }\n");
    let message = folder.write("a.eml", sealed(&private, &signed(&private, MAIL)));
    let sheet = explained(
        &message,
        &rules,
        &resolver,
        &["--client", "192.0.2.7", "--from", "ann@example.net", "--rcpt", "dev@example.org"],
    );
    for (method, result) in [("spf", "fail"), ("dkim", "pass"), ("dmarc", "pass"), ("arc", "pass")] {
        assert_eq!(sheet[method]["result"], result, "{method}: {}", sheet[method]);
    }
    assert_eq!(sheet["spf"]["domain"], "example.net");
    assert_eq!(sheet["dkim"]["domains"], serde_json::json!(["example.net"]));
    assert_eq!(sheet["dkim"]["signatures"][0]["selector"], "s1");
    assert_eq!(
        (&sheet["dmarc"]["policy"], &sheet["arc"]["sealer"]),
        (&"reject".into(), &"lists.example".into())
    );
}
