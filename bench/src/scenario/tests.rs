//! Scenario files and what is said of faulty ones.

use super::*;

const GOOD: &str = r#"about = "a test"
events = ["1s reload lb", "2s every 500ms blackhole sink1"]
expect = ["lost = 0", "a.latency_p99_us < 2 * b.latency_p99_us"]
measure = { node = "lb", as = "balancer", next_hops = ["sink1", "sink2"] }

[[node]]
name = "lb"
at = "127.0.0.1:10024"
weir = "lb.weir"
arguments = "--shards 1"

[[node]]
name = "sink"
count = 2
at = "127.0.0.1:2501"
sink = "--latency dot=1ms"

[[load]]
name = "a"
to = "lb"
for = "2s"
source = "--sessions 5"

[[load]]
name = "b"
to = "lb"
from = "2s"
for = "4s"
source = "--rate {2 * a.messages_per_second} --sessions 9"
"#;

fn parse(text: &str) -> std::result::Result<Scenario, String> {
    Scenario::parse(Path::new("good/scenario.toml"), text)
}

#[test]
fn a_scenario_is_what_its_file_says() {
    let scenario = parse(GOOD).unwrap();
    let names: Vec<&str> = scenario.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["lb", "sink1", "sink2"]);
    assert_eq!(scenario.nodes[2].written, "127.0.0.1:2502");
    assert_eq!(scenario.nodes[2].written_own, "127.0.0.1:2501");
    assert_eq!(scenario.loads[1].options, ["--rate", "{2 * a.messages_per_second}", "--sessions", "9"]);
    assert_eq!(scenario.lasts(), Duration::from_secs(6));
    assert!(scenario.expectations_of_weir.is_empty());
    let of_weir = parse(&GOOD.replacen("expect = ", "expect_of_weir = ", 1)).unwrap();
    assert_eq!((of_weir.expectations.len(), of_weir.expectations_of_weir.len()), (0, 2));
    let short = scenario.scaled(0.5);
    assert_eq!((short.lasts(), short.warm_up), (Duration::from_secs(3), Duration::from_millis(500)));
    assert_eq!(short.events[1].every, Some(Duration::from_millis(250)));
}

#[test]
fn faults_are_named_with_their_line_and_a_way_out() {
    let cases = [
        (
            "sink = \"--latency dot=1ms\"",
            "snik = \"\"",
            "16: unknown field `snik`, expected one of `name`, `count`",
        ),
        ("for = \"2s\"", "for = 2", "21: invalid type: integer `2`, expected a string"),
        ("about = \"a test\"", "", "missing field `about`"),
        ("1s reload lb", "1s relaod lb", "2: `relaod lb` is no event; there are: reload NODE"),
        ("1s reload lb", "1s reload ld", "2: no node is called `ld`; there are: lb, sink1, sink2"),
        ("1s reload lb", "1s reload sink1", "2: `reload sink1`: only a weir understands that"),
        (
            "1s reload lb",
            "1s kill -9 sink1",
            "2: `kill -9 sink1`: a sink's book of what arrived would be gone",
        ),
        ("1s reload lb", "7s reload lb", "2: `reload lb`: that is after the last load has ended"),
        ("1s reload lb", "1s clock lb +1h", "2: `clock lb +1h`: the node needs `own_clock = true`"),
        ("every 500ms", "every 1us", "without a pause"),
        ("lost = 0", "lots = 0", "3: there is no figure `lots`; there are: attempts_per_second, "),
        ("expect = [\"lost = 0", "expect_of_weir = [\"lots = 0", "3: there is no figure `lots`"),
        ("lost = 0", "lost 0", "3: `lost 0` is no expectation: write `lost = 0`"),
        ("next_hops = [\"sink1\"", "next_hops = [\"sink9\"", "4: no node is called `sink9`"),
        ("at = \"127.0.0.1:10024\"", "at = \"localhost\"", "8: `localhost` is no address: write IP:PORT"),
        ("at = \"127.0.0.1:10024\"", "", "6: node `lb` needs `at`"),
        ("name = \"lb\"", "name = \"l b\"", "7: `l b` cannot be a node's name"),
        (
            "weir = \"lb.weir\"\narguments",
            "command = \"true\"\narguments",
            "`arguments` are those of `weir run`",
        ),
        (
            "weir = \"lb.weir\"\narguments = \"--shards 1\"",
            "",
            "6: node `lb` needs one of: weir, sink, dns, clamd",
        ),
        ("weir = \"lb.weir\"", "weir = \"lb.weir\"\nsink = \"\"", "6: node `lb` needs one of: weir, sink"),
        ("127.0.0.1:2501", "127.0.0.1:10023", "two nodes are at 127.0.0.1:10024, the second is `sink2`"),
        ("count = 2", "count = 0", "14: `count` is 1 to 64"),
        ("dot=1ms", "dot=1", "16: invalid value 'dot=1' for '--latency"),
        ("--sessions 5", "--sesions 5", "22: unexpected argument '--sesions' found"),
        ("{2 * a.messages_per_second}", "{2 ** a.x}", "29: `2 ** a.x` is no value"),
        ("to = \"lb\"\nfor = \"2s\"", "to = \"bl\"\nfor = \"2s\"", "20: no node is called `bl`"),
        ("for = \"2s\"", "for = \"0s\"", "a load lasts longer than nothing"),
        ("for = \"2s\"", "for = \"2\"", "`2` is no time: write us, ms, s, m or h"),
        ("name = \"b\"", "name = \"a\"", "24: two loads or nodes are called `a`"),
    ];
    for (from, to, expected) in cases {
        assert!(GOOD.contains(from), "{from}");
        let fault = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(fault.contains(expected), "{from} -> {to}: {fault}");
    }
}

const MANUAL: &str = include_str!("../../README.md");

#[test]
fn the_example_of_the_manual_can_be_read() {
    let example = MANUAL.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let scenario = parse(example.expect("an example")).unwrap();
    assert_eq!((scenario.nodes.len(), scenario.expectations.len()), (9, 4));
}
