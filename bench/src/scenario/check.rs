//! What is wrong with a scenario file beyond its form, and the scenario if nothing is.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use toml::Spanned;

use super::form::{Form, LoadForm, MeasureForm, NodeForm};
use super::{
    Action, EVENTS_MAX, Event, Expectation, Fault, Kind, LOADS_MAX, Load, Measured, NODES_MAX, Node,
    Scenario, Term, braced, figure,
};
use crate::cores::Cores;
use crate::peers::Role;
use crate::value::duration;

type Checked<T> = Result<T, Fault>;

/// Warm-up of a scenario that names none.
const WARM_UP: Duration = Duration::from_secs(1);

/// Makes a scenario of a file's content.
pub(super) fn check(form: Form, path: &Path) -> Checked<Scenario> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let named = folder.canonicalize().ok();
    let name =
        named.as_deref().and_then(Path::file_name).map_or("scenario".into(), |name| name.to_string_lossy());
    let nodes = nodes(&form.node, folder)?;
    let loads = loads(&form.load, &nodes)?;
    let measured = form.measure.map(|measure| measured(measure, &nodes)).transpose()?;
    let scenario = Scenario {
        name: name.into_owned(),
        folder: folder.to_owned(),
        about: form.about,
        warm_up: form.warm_up.map_or(Ok(WARM_UP), |text| time(&text))?,
        rest: form.rest.map_or(Ok(Duration::ZERO), |text| time(&text))?,
        measured,
        nodes,
        loads,
        events: Vec::new(),
        expectations: Vec::new(),
        expectations_of_weir: Vec::new(),
    };
    let events =
        form.events.iter().map(|event| checked_event(event, &scenario)).collect::<Checked<Vec<_>>>()?;
    check_repetitions(&events, &form.events, scenario.lasts())?;
    let expected = |texts: &[Spanned<String>]| {
        texts.iter().map(|text| expectation(text, &scenario)).collect::<Checked<Vec<_>>>()
    };
    let (expectations, expectations_of_weir) = (expected(&form.expect)?, expected(&form.expect_of_weir)?);
    Ok(Scenario { events, expectations, expectations_of_weir, ..scenario })
}

fn time(text: &Spanned<String>) -> Checked<Duration> {
    duration(text.get_ref()).map_err(|fault| Fault::new(text.span().start, fault))
}

/// Words of a command line. Blanks divide them, but not within braces or quotes; quotes are taken out.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut is_open) = (String::new(), false);
    let mut within = None;
    for character in text.chars() {
        match (within, character) {
            (Some(end), _) if character == end => within = None,
            (None, '"' | '\'') => within = Some(character),
            (None, '{') => within = Some('}'),
            (None, _) if character.is_whitespace() => {
                if is_open {
                    words.push(std::mem::take(&mut word));
                }
                is_open = false;
                continue;
            }
            _ => {}
        }
        is_open = true;
        if !matches!(character, '"' | '\'') {
            word.push(character);
        }
    }
    words.extend(is_open.then_some(word));
    words
}

fn nodes(forms: &[Spanned<NodeForm>], folder: &Path) -> Checked<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::new();
    for form in forms {
        let at = form.span().start;
        nodes.extend(group(form.get_ref(), at, folder)?);
        if nodes.len() > NODES_MAX {
            return Err(Fault::new(at, format!("more than {NODES_MAX} nodes")));
        }
    }
    let mut names = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    for node in &nodes {
        if !names.insert(&node.name) {
            return Err(Fault::new(0, format!("two nodes are called `{}`", node.name)));
        }
        if !node.written.is_empty() && !addresses.insert(&node.written) {
            return Err(Fault::new(
                0,
                format!("two nodes are at {}, the second is `{}`", node.written, node.name),
            ));
        }
    }
    if nodes.is_empty() {
        return Err(Fault::new(0, "no [[node]]: a scenario needs a server"));
    }
    Ok(nodes)
}

/// The nodes of one entry: `count` of them, with numbers behind the name and ports that count up.
fn group(form: &NodeForm, at: usize, folder: &Path) -> Checked<Vec<Node>> {
    let name = form.name.get_ref().clone();
    if !is_name(&name) || ["listen", "folder", "scenario"].contains(&name.as_str()) {
        let message = format!(
            "`{name}` cannot be a node's name: letters, digits, - and _, and not `listen`, `folder` or `scenario`"
        );
        return Err(Fault::new(form.name.span().start, message));
    }
    let first = form.at.as_ref().map(address).transpose()?;
    let kind = kind(form, at, folder)?;
    if first.is_none() && matches!(kind, Kind::Weir { .. }) {
        return Err(Fault::new(
            at,
            format!("node `{name}` needs `at`: the address that its rule file binds"),
        ));
    }
    let node = |name: String, address: Option<SocketAddr>| Node {
        name,
        written: address.map_or_else(String::new, |address| address.to_string()),
        written_own: first.map_or_else(String::new, |address| address.to_string()),
        kind: kind.clone(),
        cores: form.core.map(Cores::one),
        replace: form.replace.clone().into_iter().collect(),
        own_clock: form.own_clock,
    };
    let Some(count) = &form.count else { return Ok(vec![node(name, first)]) };
    if !(1..=NODES_MAX).contains(count.get_ref()) {
        return Err(Fault::new(count.span().start, format!("`count` is 1 to {NODES_MAX}")));
    }
    let numbered = (0_u16..).take(*count.get_ref()).map(|number| {
        let address = first.map(|first| SocketAddr::new(first.ip(), first.port().saturating_add(number)));
        node(format!("{name}{}", number + 1), address)
    });
    Ok(numbered.collect())
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

fn address(text: &Spanned<String>) -> Checked<SocketAddr> {
    let wanted = || format!("`{}` is no address: write IP:PORT, such as 127.0.0.1:2525", text.get_ref());
    text.get_ref().parse().map_err(|_| Fault::new(text.span().start, wanted()))
}

fn kind(form: &NodeForm, at: usize, folder: &Path) -> Checked<Kind> {
    let name = form.name.get_ref();
    let arguments = form.arguments.as_ref().map(|text| words(text.get_ref())).unwrap_or_default();
    let mut kinds = Vec::new();
    if let Some(rules) = &form.weir {
        kinds.push(Kind::Weir { rules: folder.join(rules), arguments });
    } else if let Some(text) = &form.arguments {
        return Err(Fault::new(
            text.span().start,
            "`arguments` are those of `weir run`, and this node is no weir",
        ));
    }
    if let Some(text) = &form.sink {
        kinds.push(Kind::Sink { arguments: options("sink", text)? });
    }
    for (command, text) in [("dns", &form.dns), ("clamd", &form.clamd)] {
        if let Some(text) = text {
            kinds.push(Kind::StandIn { command, arguments: options(command, text)? });
        }
    }
    if let Some(text) = &form.command {
        let ready = form.ready.as_ref().map(|text| text.get_ref().clone());
        kinds.push(Kind::Command { words: words(text.get_ref()), ready });
    } else if let Some(text) = &form.ready {
        return Err(Fault::new(text.span().start, "`ready` is for a node with a `command`"));
    }
    if let Some(text) = &form.address {
        kinds.push(Kind::External { address: address(text)? });
    }
    if let (Some(kind), true) = (kinds.pop(), kinds.is_empty()) {
        return Ok(kind);
    }
    Err(Fault::new(at, format!("node `{name}` needs one of: weir, sink, dns, clamd, command, address")))
}

/// Options of one of our own commands, which it must understand.
fn options(command: &str, text: &Spanned<String>) -> Checked<Vec<String>> {
    let words = words(text.get_ref());
    crate::understands(command, &words).map_err(|fault| Fault::new(text.span().start, fault))?;
    Ok(words)
}

fn known<'a>(name: &str, at: usize, nodes: &'a [Node]) -> Checked<&'a Node> {
    let names = || nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = nodes.iter().find(|node| node.name == name);
    found.ok_or_else(|| Fault::new(at, format!("no node is called `{name}`; there are: {}", names())))
}

fn loads(forms: &[Spanned<LoadForm>], nodes: &[Node]) -> Checked<Vec<Load>> {
    let mut loads: Vec<Load> = Vec::new();
    for (form, number) in forms.iter().zip(1..) {
        let at = form.span().start;
        let load = load(form.get_ref(), number, nodes)?;
        if loads.iter().any(|other| other.name == load.name)
            || nodes.iter().any(|node| node.name == load.name)
        {
            return Err(Fault::new(at, format!("two loads or nodes are called `{}`", load.name)));
        }
        loads.push(load);
        if loads.len() > LOADS_MAX {
            return Err(Fault::new(at, format!("more than {LOADS_MAX} loads")));
        }
    }
    if loads.is_empty() {
        return Err(Fault::new(0, "no [[load]]: write at least `to` and `for`"));
    }
    Ok(loads)
}

fn load(form: &LoadForm, number: usize, nodes: &[Node]) -> Checked<Load> {
    let to = known(form.to.get_ref(), form.to.span().start, nodes)?.name.clone();
    let (name, name_at) = match &form.name {
        Some(name) => (name.get_ref().clone(), name.span().start),
        None => (format!("load{number}"), 0),
    };
    if !is_name(&name) {
        return Err(Fault::new(
            name_at,
            format!("`{name}` cannot be a load's name: letters, digits, - and _"),
        ));
    }
    let lasts = time(&form.lasts)?;
    if lasts.is_zero() {
        return Err(Fault::new(form.lasts.span().start, "a load lasts longer than nothing"));
    }
    let at = form.source.span().start;
    let source = form.source.get_ref();
    let mut plain = source.clone();
    for term in braced(source) {
        term.parse::<Term>().map_err(|fault| Fault::new(at, fault))?;
        plain = plain.replace(&format!("{{{term}}}"), "1");
    }
    // As it will be called, as far as its other options depend on it.
    let start: &[&str] = if form.hold { &["127.0.0.1:25", "--hold", "1s"] } else { &["127.0.0.1:25"] };
    let start = start.iter().map(|word| (*word).to_owned());
    crate::understands("source", &start.chain(words(&plain)).collect::<Vec<_>>())
        .map_err(|fault| Fault::new(at, fault))?;
    let from = form.from.as_ref().map_or(Ok(Duration::ZERO), time)?;
    let messages = form.messages.as_ref().map(|messages| *messages.get_ref());
    if let Some(messages) = form.messages.as_ref().filter(|messages| *messages.get_ref() == 0 || form.hold) {
        return Err(Fault::new(
            messages.span().start,
            "`messages` is at least 1, and a load with `hold` has none",
        ));
    }
    Ok(Load {
        name,
        to,
        from,
        lasts,
        messages,
        holds: form.hold,
        options: words(source),
        cores: form.core.map(Cores::one),
    })
}

fn measured(form: Spanned<MeasureForm>, nodes: &[Node]) -> Checked<Measured> {
    let at = form.span().start;
    let MeasureForm { node, role, next_hops, dns } = form.into_inner();
    for name in next_hops.iter().chain(&dns).chain([&node]) {
        known(name, at, nodes)?;
    }
    let role = role
        .map(|role| Role::from_str(&role, false).map_err(|_| Fault::new(at, unknown_role(&role))))
        .transpose()?;
    Ok(Measured { node, role, next_hops, dns })
}

fn unknown_role(role: &str) -> String {
    let known = Role::value_variants()
        .iter()
        .filter_map(|role| Some(role.to_possible_value()?.get_name().to_owned()));
    format!("no server can be measured as `{role}`, but as {}", known.collect::<Vec<_>>().join(", "))
}

fn checked_event(text: &Spanned<String>, scenario: &Scenario) -> Checked<Event> {
    let at = text.span().start;
    let event: Event = text.get_ref().parse().map_err(|fault| Fault::new(at, fault))?;
    let node = known(event.action.node(), at, &scenario.nodes)?;
    let refuse = |why: &str| Err(Fault::new(at, format!("`{}`: {why}", event.text)));
    match (&event.action, &node.kind) {
        (_, Kind::External { .. }) => {
            refuse("that server is not started by us, so nothing can be done to it")
        }
        (Action::Ctl { .. }, kind) if !matches!(kind, Kind::Weir { .. }) => {
            refuse("only a weir understands that")
        }
        (Action::Clock { .. }, _) if !node.own_clock => refuse("the node needs `own_clock = true`"),
        (Action::Kill { .. } | Action::Restart { .. }, Kind::Sink { .. }) => {
            refuse("a sink's book of what arrived would be gone; use its faults, or `blackhole` and `cont`")
        }
        _ if event.at > scenario.lasts() => refuse("that is after the last load has ended"),
        _ => Ok(event),
    }
}

fn check_repetitions(events: &[Event], texts: &[Spanned<String>], lasts: Duration) -> Checked<()> {
    for (event, text) in events.iter().zip(texts) {
        let count = event.every.map_or(1.0, |every| lasts.saturating_sub(event.at).div_duration_f64(every));
        // The bound is small and exact as a number.
        #[allow(clippy::cast_precision_loss, reason = "said above")]
        if count > EVENTS_MAX as f64 {
            return Err(Fault::new(text.span().start, format!("more than {EVENTS_MAX} times")));
        }
    }
    Ok(())
}

fn expectation(text: &Spanned<String>, scenario: &Scenario) -> Checked<Expectation> {
    let at = text.span().start;
    let fault = |message| Fault::new(at, message);
    let expectation: Expectation = text.get_ref().parse().map_err(fault)?;
    let figures = figure::Known {
        loads: scenario.loads.iter().map(|load| load.name.as_str()).collect(),
        nodes: scenario.nodes.iter().map(|node| node.name.as_str()).collect(),
        has_sinks: scenario.has_sinks(),
        is_measured: scenario.measured.is_some(),
    };
    for name in [Some(expectation.left.as_str()), expectation.right.figure()].into_iter().flatten() {
        figures.check(name).map_err(fault)?;
    }
    Ok(expectation)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_keep_what_is_in_quotes_and_braces() {
        let text = "--record 'a.example MX 10 b' --rate {2 * peak.rate}  \"\" -s 5";
        assert_eq!(
            words(text),
            ["--record", "a.example MX 10 b", "--rate", "{2 * peak.rate}", "", "-s", "5"]
        );
        assert!(words("  ").is_empty());
    }
}
