//! Evaluation takes no memory: after a first message has warmed the caches of patterns, none of the next allocates.

mod toy;

use toy::facts::{Known, plan};
use weir_lang::plan::Step;
use weir_lang::value::Value;

const RULES: &str = r#"weir 1
dnsbl zen { zone "zen.example.org" }
list local  : domain  = [ ".example.org" ]
list people : address = [ "ann@example.org" ]
list phrases : phrase = [ "seo services", "cheap watches" ]
map  who : address -> text = [ "ann@example.org" -> "Ann" ]
group content { cap 40 }
rule ZEN     3 "listed"  in content = zen(client.ip)
rule LOTTERY 2 "lottery" in content = subject ~ /\b(you('ve)? won|lottery winner)\b/i
rule SEO     2 "seo"     in content = body has phrases
rule LINK    1 "link"    in content = any message.urls !~ /^https:/ and all message.urls ~ /example/
rule DATE    1 "date"    in content = header("Date").time > now + 24h
rule LOCAL = rcpt.domain in local and rcpt in people and rcpt in who
rule SIGNAL = LOTTERY and not LOCAL or client.rdns is missing
on rcpt {
  limit 60 by client.ip, else reject 450 4.7.1 "too many"
  reject 550 5.7.1 "no" if rcpt.domain not in local
}
on message {
  let bad = SIGNAL or score(content) >= 5
  note "{score(content)} {hits(content)} {client.rdns}"
  reject 550 5.7.1 "{hits(content)}" if bad
  discard
}
"#;

#[test]
fn evaluation_takes_no_memory() {
    let urls: &'static [Box<[u8]>] = Box::leak(Box::new([b"http://a.example/".to_vec().into()]));
    let plan = plan(RULES);
    let mut known = Known::default()
        .field("client.ip", Value::Ip("192.0.2.7".parse().expect("an address")))
        .field("rcpt", Value::Text(b"ann@example.org"))
        .field("rcpt.domain", Value::Text(b"lists.example.org"))
        .field("subject", Value::Text(b"You won the lottery, winner"))
        .field("body", Value::Text(b"cheap   watches and SEO services"))
        .field("message.urls", Value::Texts(urls))
        .field("header.time", Value::Time(1_800_000_000));
    let pending = Known { fields: known.fields.clone(), ..Known::default() };
    known.answer(&plan, "zen", Value::State(0));
    known.answer(&plan, "client.rdns", Value::Missing);
    let mut scratch = plan.scratch();
    for message in 0..20 {
        let taken = allocation_counter::measure(|| {
            assert!(matches!(plan.evaluate(1, &known, &mut scratch), Step::Decided(_)));
            assert_eq!(plan.evaluate(2, &pending, &mut scratch), Step::Needs);
            assert!(matches!(plan.evaluate(2, &known, &mut scratch), Step::Decided(_)));
            scratch.reset_transaction();
        })
        .count_total;
        assert!(message == 0 || taken == 0, "message {message} took {taken} allocations");
    }
}
