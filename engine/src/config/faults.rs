//! Faults that the forms of the scheme cannot say: what loads must also serve.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use weir_lang::diagnostic::{Code, Diagnostic};
use weir_lang::plan::{Arg, Declared, Operand, Plan, Setting, Statement};
use weir_lang::source::{FileId, Location, Sources, Span};
use weir_smtp::Mailbox;
use weir_smtp::address::{is_domain, is_literal};

use super::args::Args;
use super::memory;
use crate::clamd::Host;
use crate::dns;
use crate::scheme::codes;
use crate::scheme::verbs::Verb;
use crate::spool::quarantine::is_box;
use crate::tls::server_name;

/// All that is wrong.
pub(super) fn of(plan: &Plan, sources: &Sources) -> Vec<Diagnostic> {
    let mut finder = Finder { sources, found: Vec::new() };
    plan.declared("pool").for_each(|(_, pool)| finder.pool(pool));
    plan.declared("service").for_each(|(_, service)| finder.service(service));
    plan.declared("dnsbl").for_each(|(_, list)| finder.dnsbl(list));
    finder.stores(plan);
    finder.listeners(plan.declared("listener").map(|(_, listener)| listener));
    plan.statements().iter().for_each(|statement| finder.statement(statement));
    finder.found
}

/// A fault of `culprit` in the line of `location`.
pub(super) fn report(
    sources: &Sources,
    code: &'static Code,
    location: &Location,
    culprit: &str,
    message: String,
) -> Diagnostic {
    let nowhere = Span { file: FileId(u32::MAX), start: 0, end: 0 };
    let line = sources.line(location).unwrap_or(nowhere);
    Diagnostic::new(code, sources.find(line, culprit), message)
}

struct Finder<'a> {
    sources: &'a Sources,
    found: Vec<Diagnostic>,
}

impl Finder<'_> {
    /// Reports a fault of `culprit` in the line of `location`.
    fn report(&mut self, code: &'static Code, location: &Location, culprit: &str, message: String) {
        self.found.push(report(self.sources, code, location, culprit, message));
    }

    fn pool(&mut self, pool: &Declared) {
        let mut names = HashSet::new();
        for setting in of_word(pool, "server") {
            let name = Args(&setting.args).word().unwrap_or_default();
            if !names.insert(name) {
                let message = format!("pool `{}` has two servers `{name}`", pool.name);
                self.report(&codes::SERVER_TWICE, &setting.location, name, message);
            }
        }
        if names.is_empty() {
            let message = format!("pool `{}` has no server", pool.name);
            self.report(&codes::POOL_EMPTY, &pool.location, &pool.name, message);
        }
        for setting in of_word(pool, "tls") {
            for word in ["verify", "sni"] {
                let name = Args(&setting.args).after(word).and_then(Args::text);
                if let Some(name) = name.filter(|name| server_name(name).is_none()) {
                    let message = format!("`{name}` is no name that a certificate can hold for");
                    self.report(&codes::TLS_NAME, &setting.location, name, message);
                }
            }
        }
        for setting in of_word(pool, "check") {
            self.host_name(setting, Args(&setting.args).after("ehlo").and_then(Args::text));
        }
    }

    fn service(&mut self, service: &Declared) {
        for setting in of_word(service, "sender") {
            let sender = Args(&setting.args).text().unwrap_or_default();
            if !sender.is_empty() && Mailbox::parse(sender).map_or(true, |sender| sender.domain().is_none()) {
                let message = format!("sender `{sender}` is no mailbox with a domain");
                self.report(&codes::ADDRESS, &setting.location, sender, message);
            }
        }
        for setting in of_word(service, "hosts") {
            for text in Args(&setting.args).texts() {
                if let Err(expected) = Host::parse(text) {
                    self.report(&codes::HOST, &setting.location, text, expected);
                }
            }
        }
    }

    fn dnsbl(&mut self, list: &Declared) {
        let first = |word| of_word(list, word).next();
        let of_server = ["timeout", "server", "probe"].into_iter().find_map(first);
        match (first("zone"), first("file"), of_server) {
            (None, None, _) => {
                let message = format!("dnsbl `{}` has neither `zone` nor `file`", list.name);
                self.report(&codes::DNSBL_SOURCE, &list.location, &list.name, message);
            }
            (Some(zone), Some(_), _) => {
                let message = format!("dnsbl `{}` has both `zone` and `file`", list.name);
                self.report(&codes::DNSBL_SOURCE, &zone.location, "zone", message);
            }
            (None, Some(_), Some(setting)) => {
                let message = format!("`{}` has no meaning for a list in files", setting.word);
                self.report(&codes::DNSBL_SOURCE, &setting.location, &setting.word, message);
            }
            _ => {}
        }
        for setting in of_word(list, "zone") {
            let zone = Args(&setting.args).text().unwrap_or_default();
            let name = dns::domain_name("example", zone);
            if !is_domain(zone.trim_end_matches('.')) || dns::Question::new(dns::Kind::A, &name).is_none() {
                let message = format!("zone `{zone}` is no domain");
                self.report(&codes::ZONE, &setting.location, zone, message);
            }
        }
    }

    fn listeners<'a>(&mut self, listeners: impl Iterator<Item = &'a Declared>) {
        let mut bound: HashMap<SocketAddr, &str> = HashMap::new();
        for listener in listeners {
            for setting in of_word(listener, "bind") {
                for address in Args(&setting.args).sockets() {
                    if let Some(other) = bound.insert(address, &listener.name) {
                        let message = format!("{address} is bound by listener `{other}` already");
                        self.report(&codes::BIND_TWICE, &setting.location, &address.to_string(), message);
                    }
                }
            }
            if of_word(listener, "from").next().is_none() {
                of_word(listener, "client").for_each(|setting| self.client_of_anybody(listener, setting));
            }
            for setting in of_word(listener, "name") {
                self.host_name(setting, Args(&setting.args).text());
            }
        }
    }

    fn client_of_anybody(&mut self, listener: &Declared, setting: &Setting) {
        let message =
            format!("listener `{}` believes everybody who says whose client they are", listener.name);
        self.report(&codes::CLIENT_FROM, &setting.location, "client", message);
        if let Some(fault) = self.found.pop() {
            self.found.push(fault.with_help("add `from LIST`, a list of the networks that may say it"));
        }
    }

    fn stores(&mut self, plan: &Plan) {
        let mut stores = plan.declared("store");
        let first = stores.next();
        for (_, other) in stores {
            let message = format!("`{}` is a second store", other.name);
            self.report(&codes::STORE_TWICE, &other.location, &other.name, message);
        }
        for setting in first.iter().flat_map(|(_, store)| of_word(store, "server")) {
            if memory::server(Args(&setting.args)).is_none() {
                let text = Args(&setting.args).text().unwrap_or_default();
                let message = format!("`{text}` is no address of a store");
                self.report(&codes::STORE_SERVER, &setting.location, text, message);
            }
        }
        for (_, declared) in plan.declared("greylist") {
            let list = memory::greylist(declared);
            if list.after >= list.within {
                let message = format!("nobody passes `{}`: its `within` ends before its `after`", list.name);
                self.report(&codes::GREYLIST_TIMES, &declared.location, &list.name, message);
            }
        }
    }

    fn host_name(&mut self, setting: &Setting, name: Option<&str>) {
        if let Some(name) = name.filter(|name| !is_domain(name) && !is_literal(name)) {
            let message = format!("`{name}` is no domain or address literal");
            self.report(&codes::HOST_NAME, &setting.location, name, message);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        let verb = Verb::at(statement.verb);
        for operand in &statement.args {
            let Operand::Arg(Arg::Text(text)) = operand else { continue };
            match verb {
                Some(Verb::Quarantine) if !is_box(text) => {
                    let message = format!("`{text}` is no name of a quarantine box");
                    self.report(&codes::BOX, &statement.location, text, message);
                }
                Some(Verb::Add | Verb::Remove) => {
                    if !is_field_name(text) || (verb == Some(Verb::Add) && text.contains('*')) {
                        let message = format!("`{text}` is no name of a header field");
                        self.report(&codes::HEADER, &statement.location, text, message);
                    }
                    // What follows in `add` is the value.
                    if verb == Some(Verb::Add) {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
}

/// Longest name of a header field: a line with its colon has 998 characters at most (RFC 5322, 2.1.1).
const FIELD_NAME_BYTES_MAX: usize = 900;

fn is_field_name(name: &str) -> bool {
    (1..=FIELD_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

fn of_word<'a>(declared: &'a Declared, word: &'static str) -> impl Iterator<Item = &'a Setting> {
    declared.settings.iter().filter(move |setting| setting.word == word)
}

#[cfg(test)]
mod tests {
    use weir_lang::diagnostic::{Severity, Style};

    use crate::config::tls::tests::KeyFiles;
    use crate::config::{OneFile, load_from};
    use crate::scheme::codes;

    #[test]
    fn each_example_has_its_fault_and_no_plan() {
        for code in codes::ALL {
            let mut loaded = load_from(["t.weir"], &OneFile(code.example));
            loaded.unlock(&KeyFiles);
            let of_it = loaded.diagnostics.iter().filter(|fault| fault.code.severity == code.severity);
            let found: Vec<&str> = of_it.map(|fault| fault.code.id).collect();
            assert_eq!(found, [code.id], "{}", loaded.render(Style::Plain));
            assert_eq!(loaded.plan.is_none(), code.severity == Severity::Error);
        }
    }

    #[test]
    fn a_fault_is_shown_in_its_place() {
        let loaded = load_from(["t.weir"], &OneFile(codes::BOX.example));
        assert_eq!(
            loaded.render(Style::Plain).trim_end(),
            "error[W0704]: `../virus` is no name of a quarantine box\n \
             --> t.weir:3:15\n  |\n3 |   quarantine \"../virus\"\n  |               ^^^^^^^^"
        );
    }

    #[test]
    fn a_reply_that_refuses_has_the_code_of_a_refusal() {
        for setting in ["full 250 2.0.0 \"ok\"", "budget 30s, then 250 2.0.0 \"ok\""] {
            let text =
                format!("weir 1\nlistener l {{ bind 192.0.2.1:25 {setting} }}\non message {{ discard }}\n");
            let loaded = load_from(["t.weir"], &OneFile(Box::leak(text.into_boxed_str())));
            assert!(loaded.plan.is_none(), "{setting}");
        }
    }
}
