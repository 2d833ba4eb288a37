//! Who may be written to: maps from text and from constant databases, and next hops that are asked.

use std::io;
use std::path::Path;

use weir_tests::{Client, Folder, Loopback, Weir, run, until};

/// Makes a constant database of lines `KEY VALUE` with a real tool.
fn make_database(folder: &Folder, name: &str, lines: &str) {
    let text = folder.write("entries.txt", lines);
    let new = folder.join("new.cdb");
    let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let made = run("cdb", &["-c", "-m", &path(&new), &path(&text)]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::rename(new, folder.join(name)).expect("the database in its place");
}

fn rules(listen: std::net::SocketAddr, phases: &str) -> String {
    format!("weir 1\nlistener here {{ bind {listen} }}\n{phases}\non message {{ discard }}\n")
}

const FROM_DATABASE: &str = "map recipients : address -> text = file \"recipients.cdb\"\n\
                             on rcpt { reject 550 5.1.1 \"no such address\" if rcpt not in recipients }\n";

#[test]
fn a_map_of_recipients_comes_from_a_constant_database_and_is_read_anew() -> io::Result<()> {
    let entry = Loopback::new().port();
    let folder = Folder::new();
    make_database(&folder, "recipients.cdb", "dev@example.org OK\n@lists.example.org any\n");
    let file = folder.write("main.weir", rules(entry, FROM_DATABASE));
    let weir = Weir::serve(folder, file, entry, &[]);
    let mut client = Client::session(entry)?;
    client.command("MAIL FROM:<a@example.net>")?;
    assert_eq!(client.command("RCPT TO:<dev@EXAMPLE.org>")?.code, 250);
    assert_eq!(client.command("RCPT TO:<anybody@lists.example.org>")?.code, 250);
    assert_eq!(client.command("RCPT TO:<new@example.org>")?.code, 550);

    make_database(weir.folder(), "recipients.cdb", "new@example.org OK\n");
    until("the new recipients", || {
        let reply = Client::session(entry).and_then(|mut client| {
            client.command("MAIL FROM:<a@example.net>")?;
            client.command("RCPT TO:<new@example.org>")
        });
        reply.is_ok_and(|reply| reply.code == 250)
    });
    Ok(())
}

#[test]
fn a_database_that_is_none_is_said_at_its_place() {
    let folder = Folder::new();
    folder.write("recipients.cdb", "dev@example.org OK\n");
    let file = folder.write("main.weir", rules(([192, 0, 2, 1], 25).into(), FROM_DATABASE));
    let output = weir_tests::weir_command(&["check", file.to_str().expect("a path in UTF-8")]);
    let text =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("main.weir:3") && text.contains("no whole constant database"), "{text}");
}

const ASKING: &str = "service verify : callforward { pool inside  timeout 5s }\n\
                      on rcpt {\n  reject 550 5.1.1 \"no such address there\" if verify(rcpt) is invalid\n  \
                      defer 451 4.4.3 \"cannot be asked now\" if verify(rcpt) is unknown\n}\n";

#[test]
fn a_next_hop_is_asked_about_recipients_and_what_it_says_is_known() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, inner) = (here.port(), here.port());
    let mailboxes = "on rcpt {\n  reject 550 5.1.1 \"unknown here\" if rcpt.local == \"nobody\"\n  \
                     defer 450 4.2.1 \"later\" if rcpt.local == \"full\"\n}\n";
    let mut inside = Weir::start(&rules(inner, mailboxes), inner);
    let asking = format!("pool inside {{\n  server mail {inner}\n  check smtp every 1m\n}}\n{ASKING}");
    // One shard: each knows for itself.
    let weir = Weir::with(&rules(entry, &asking), entry, &["--shards", "1"]);
    let ask = |local: &str| {
        let mut client = Client::session(entry)?;
        client.command("MAIL FROM:<a@example.net>")?;
        client.command(&format!("RCPT TO:<{local}@example.org>"))
    };
    assert_eq!(ask("dev")?.code, 250);
    assert_eq!(ask("nobody")?.text, "550 5.1.1 no such address there");
    assert_eq!(ask("full")?.text, "451 4.4.3 cannot be asked now");
    assert!(inside.lines(&["phase=message"]).is_empty(), "nothing was sent");
    until("the next hop to have been asked as a bounce would", || {
        !inside.lines(&["event=verdict", "from=\"\"", "rcpt=nobody@example.org"]).is_empty()
    });

    inside.process().kill();
    assert_eq!(ask("dev")?.code, 250, "it is known");
    assert_eq!(ask("nobody")?.code, 550);
    assert_eq!(ask("other")?.text, "451 4.4.3 cannot be asked now");
    until("its verdicts in the log", || weir.lines(&["event=verdict"]).len() >= 4);
    Ok(())
}

#[test]
fn what_a_next_hop_says_of_us_or_of_another_client_says_nothing_of_a_recipient() -> io::Result<()> {
    let here = Loopback::new();
    let (entry, inner, closed) = (here.port(), here.port(), here.port());
    let inside = format!(
        "weir 1\nlist ours : net = [ 127.0.0.0/8 ]\n\
         listener here {{ bind {inner}  from ours  client xclient }}\nlistener closed {{ bind {closed}  name \"closed.example\" }}\n\
         on connect {{ drop 554 5.3.2 \"no service\" if listener.name == \"closed.example\" }}\n\
         on rcpt {{ reject 554 5.7.1 \"client blocked\" if helo.name == \"bad.example\" }}\n\
         on message {{ discard }}\n"
    );
    let _inside = Weir::start(&inside, inner);
    let pool = |server| format!("pool inside {{\n  server mail {server}\n  client xclient\n}}\n{ASKING}");
    let outside = |server| {
        let pool = pool(server);
        format!(
            "weir 1\nlistener here {{ bind {entry}  commit after next_hop }}\n{pool}on message {{ send to inside }}\n"
        )
    };
    let weir = Weir::with(&outside(inner), entry, &["--shards", "1"]);
    let begin = |helo: &str, local: &str| {
        let (mut client, _greeting) = Client::connect(entry)?;
        client.command(&format!("EHLO {helo}"))?;
        client.command("MAIL FROM:<a@example.net>")?;
        let reply = client.command(&format!("RCPT TO:<{local}@example.org>"))?;
        io::Result::Ok((client, reply))
    };
    let (mut blocked, reply) = begin("bad.example", "ann")?;
    assert_eq!(reply.code, 250, "the recipient is asked about, not the client");
    assert_eq!(blocked.command("DATA")?.code, 354);
    assert_eq!(blocked.command("Subject: x\r\n\r\nx\r\n.")?.code, 554);
    assert_eq!(begin("good.example", "bob")?.1.code, 250, "not on the session of the client before");

    // The service asks others from now on: what is known is that of those before.
    weir.write_rules(&outside(closed));
    weir.ctl_ok(&["reload"]);
    assert_eq!(begin("good.example", "bob")?.1.text, "451 4.4.3 cannot be asked now");
    Ok(())
}

#[test]
fn test_blocks_say_what_a_next_hop_answers() {
    let folder = Folder::new();
    let block = |what: &str, answer: &str| {
        format!(
            "test \"{what}\" {{\n  service verify {what}\n  rcpt \"dev@example.org\"\n  expect rcpt {answer}\n}}\n"
        )
    };
    let rules = format!(
        "weir 1\nlistener here {{ bind 192.0.2.25:25 }}\npool inside {{ server mail 192.0.2.26:25 }}\n{ASKING}on message {{ discard }}\n{}{}{}",
        block("valid", "250"),
        block("invalid", "550 5.1.1"),
        block("down", "451 4.4.3")
    );
    let file = folder.write("main.weir", &rules);
    let output = weir_tests::weir_command(&["test", file.to_str().expect("a path in UTF-8")]);
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("3 passed"), "{text}");
}
