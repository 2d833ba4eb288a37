//! What rules can ask of the client, the envelope and the message.

use weir_lang::scheme::{FieldSource, FieldSpec, Type};

use super::Phase;
pub use super::answers::{
    FCRDNS_ANSWER, HELO_ANSWER, HOSTS_ANSWER, LISTED_ANSWER, MX_ANSWER, RECIPIENT_ANSWER, VIRUS_ANSWER,
};
use super::auth::{ARC_ANSWER, DKIM_ANSWER, DMARC_ANSWER, SPF_ANSWER};

const CONNECT: usize = Phase::Connect.index();
const HELO: usize = Phase::Helo.index();
const MAIL: usize = Phase::Mail.index();
const RCPT: usize = Phase::Rcpt.index();
const DATA: usize = Phase::Data.index();
const MESSAGE: usize = Phase::Message.index();

const TEXTS: Type = Type::List(&Type::Text);
const DOMAINS: Type = Type::List(&Type::Domain);
const ADDRESSES: Type = Type::List(&Type::Address);

/// Who wrote the value.
#[derive(Clone, Copy, PartialEq)]
enum By {
    /// This host, the kernel or the operator.
    Us,
    /// The peer: the value is tainted.
    Peer,
}

const fn held(
    name: &'static str,
    ty: Type,
    since: usize,
    by: By,
    doc: &'static str,
    example: &'static str,
) -> FieldSpec {
    let tainted = matches!(by, By::Peer);
    FieldSpec { name, argument: None, ty, since, source: FieldSource::Held, tainted, doc, example }
}

const fn gathered(
    name: &'static str,
    ty: Type,
    since: usize,
    by: By,
    doc: &'static str,
    example: &'static str,
) -> FieldSpec {
    let tainted = matches!(by, By::Peer);
    FieldSpec { name, argument: None, ty, since, source: FieldSource::Gathered, tainted, doc, example }
}

const fn header(name: &'static str, ty: Type, doc: &'static str, example: &'static str) -> FieldSpec {
    FieldSpec {
        name,
        argument: Some("NAME"),
        ty,
        since: MESSAGE,
        source: FieldSource::Held,
        tainted: true,
        doc,
        example,
    }
}

/// All fields. [`crate::facts`] reads them by their place here.
pub const FIELDS: &[FieldSpec] = &[
    held(
        "client.ip",
        Type::Ip,
        CONNECT,
        By::Us,
        "The client's address: the true one, where the listener's `client` lets a peer say it.",
        "accept if client.ip in relay_nets",
    ),
    held(
        "client.net",
        Type::Net,
        CONNECT,
        By::Us,
        "The client's network: /24 for IPv4, /64 for IPv6.",
        "remember client.net for 7d as passed",
    ),
    held(
        "client.port",
        Type::Int,
        CONNECT,
        By::Us,
        "The client's port; `missing` when a peer that speaks for it does not know.",
        "note \"port {client.port}\"",
    ),
    held(
        "proxy.ip",
        Type::Ip,
        CONNECT,
        By::Us,
        "The address of the peer that connected and speaks for the client, by PROXY, XCLIENT or XFORWARD; `missing` when the client \
         connected itself.",
        "note \"came through {proxy.ip}\" if proxy.ip is present",
    ),
    gathered(
        "client.rdns",
        Type::Domain,
        CONNECT,
        By::Peer,
        "The client's reverse name whose address leads back to it (RFC 1912, 2.1). `missing` when there is none, `unknown` when \
         the resolver did not answer.",
        "rule NO_RDNS 1 \"no reverse DNS\" in reputation = client.rdns is missing",
    ),
    gathered(
        "client.fcrdns",
        Type::Answer(&FCRDNS_ANSWER),
        CONNECT,
        By::Us,
        "Whether one of the client's reverse names, the first 5, leads back to it (RFC 8601, 2.7.3); `unknown` when none of them does and there are more. Asks what `client.rdns` asks.",
        "rule FCRDNS_FAIL 1 \"reverse DNS does not lead back\" in reputation = client.fcrdns is fail",
    ),
    gathered(
        "client.spoke_early",
        Type::Bool,
        CONNECT,
        By::Us,
        "The client sent something before the greeting, within the wait of `greet`. False without a `greet`.",
        "drop 521 5.5.1 \"please wait for the greeting\" if client.spoke_early",
    ),
    held(
        "client.said_early",
        Type::Text,
        CONNECT,
        By::Peer,
        "The beginning of what the client sent before the greeting, at most 128 bytes; `missing` when it sent nothing, and before \
         `client.spoke_early` was asked. The log's `pregreet` line has it too.",
        "drop 521 5.5.1 \"this is no web server\" if client.spoke_early and client.said_early begins \"GET \"",
    ),
    gathered(
        "client.passed",
        Type::Bool,
        CONNECT,
        By::Us,
        "The client's network was kept by `remember client.net for ... as passed`. `unknown` when it is not known here and a shared \
         store does not answer.",
        "accept if client.passed",
    ),
    held(
        "listener.name",
        Type::Domain,
        CONNECT,
        By::Us,
        "The listener's `name`.",
        "reject 501 5.5.2 \"that name is mine\" if helo.name == listener.name",
    ),
    held(
        "host.name",
        Type::Text,
        CONNECT,
        By::Us,
        "This host's name, as the kernel has it.",
        "add header \"X-Scanned-By\" \"{host.name}\"",
    ),
    held(
        "session.stressed",
        Type::Bool,
        CONNECT,
        By::Us,
        "The listener holds more sessions than its `stressed above` says.",
        "drop 421 4.3.2 \"busy\" if session.stressed and not client.passed",
    ),
    held(
        "session.unknown_rcpts",
        Type::Int,
        CONNECT,
        By::Us,
        "How many recipients of this session were refused with a 5yz.",
        "drop 421 4.7.0 \"too many unknown recipients\" if session.unknown_rcpts > 10",
    ),
    held(
        "session.unknown_commands",
        Type::Int,
        CONNECT,
        By::Us,
        "How many lines of this session were no command of SMTP.",
        "drop 421 4.7.0 \"too many errors\" if session.unknown_commands > 2",
    ),
    held(
        "session.not_smtp",
        Type::Int,
        CONNECT,
        By::Us,
        "How many of those lines were of another protocol: HTTP, a message's header, TLS, SSH. More than the listener's `limits \
         not_smtp` end the session before any rule.",
        "drop 521 5.5.1 \"this is no web server\" if session.not_smtp > 0",
    ),
    held(
        "session.pipelined_early",
        Type::Bool,
        CONNECT,
        By::Us,
        "The client sent more before it could know the answer: behind EHLO, HELO or DATA, or behind any command without having been \
         offered PIPELINING (RFC 2920, 3.1).",
        "drop 521 5.5.1 \"please wait for the answer\" if session.pipelined_early",
    ),
    held(
        "session.errors",
        Type::Int,
        CONNECT,
        By::Us,
        "How many commands of this session were refused: by the rules, or because they were none or came out of turn.",
        "delay 5s if session.errors > 5",
    ),
    held(
        "session.messages",
        Type::Int,
        CONNECT,
        By::Us,
        "How many messages this session has sent before this one.",
        "delay 1s if session.messages > 100",
    ),
    held(
        "helo.name",
        Type::Text,
        HELO,
        By::Peer,
        "What the client calls itself (RFC 5321, 4.1.1.1).",
        "note \"{helo.name}\"",
    ),
    held(
        "helo.fqdn",
        Type::Bool,
        HELO,
        By::Us,
        "The name is a domain with a dot, or an address literal (RFC 5321, 2.3.5 and 4.1.3).",
        "shadow reject 501 5.5.2 \"not a host name\" if not helo.fqdn",
    ),
    held(
        "helo.literal",
        Type::Ip,
        HELO,
        By::Peer,
        "The address, when the name is an address literal such as `[192.0.2.1]` (RFC 5321, 4.1.3); else `missing`.",
        "reject 501 5.5.2 \"not your address\" if helo.literal is present and helo.literal != client.ip",
    ),
    held(
        "helo.bare_ip",
        Type::Bool,
        HELO,
        By::Us,
        "The name is an IP address without the brackets of an address literal.",
        "reject 501 5.5.2 \"an address has brackets here\" if helo.bare_ip",
    ),
    held(
        "helo.ours",
        Type::Bool,
        HELO,
        By::Us,
        "The name is that of one of our listeners or of this host.",
        "reject 501 5.5.2 \"that name is mine\" if helo.ours and client.ip not in our_hosts",
    ),
    gathered(
        "helo.address",
        Type::Answer(&HELO_ANSWER),
        HELO,
        By::Us,
        "Whether the name has the client's address (A, AAAA), or is it as an address literal.",
        "rule HELO_NOWHERE 0.5 \"EHLO with a name that has no address\" in reputation = helo.address is missing",
    ),
    held(
        "sender",
        Type::Address,
        MAIL,
        By::Peer,
        "The reverse-path; `missing` when it is `<>`.",
        "accept if sender is missing",
    ),
    held(
        "sender.local",
        Type::Text,
        MAIL,
        By::Peer,
        "What is before the `@` of the sender.",
        "note \"{sender.local}\"",
    ),
    held(
        "sender.domain",
        Type::Domain,
        MAIL,
        By::Peer,
        "What is behind the `@` of the sender; `missing` for `<>`.",
        "reject 550 5.7.1 \"no\" if sender.domain in deny_domains",
    ),
    gathered(
        "sender.domain.mx",
        Type::Answer(&MX_ANSWER),
        MAIL,
        By::Us,
        "Where mail to the sender's domain would go. `present` for `<>`.",
        "reject 550 5.7.27 \"{sender.domain} accepts no mail (null MX)\" if sender.domain.mx is null",
    ),
    gathered(
        "sender.domain.hosts",
        Type::Answer(&HOSTS_ANSWER),
        MAIL,
        By::Us,
        "Where the sender domain's mail exchangers are: the addresses of the first 5, or those of the domain when it has no MX. \
         `public` for `<>`.",
        "reject 550 5.1.8 \"{sender.domain} has no mail host on the internet\" if sender.domain.hosts is private",
    ),
    held(
        "sender.size",
        Type::Size,
        MAIL,
        By::Peer,
        "The size that the client declared (RFC 1870); `missing` when it did not.",
        "reject 552 5.3.4 \"too big\" if sender.size > 10MB",
    ),
    held(
        "rcpt",
        Type::Address,
        RCPT,
        By::Peer,
        "The recipient being named.",
        "reject 550 5.1.1 \"no such address\" if rcpt not in recipients",
    ),
    held(
        "rcpt.local",
        Type::Text,
        RCPT,
        By::Peer,
        "What is before the `@` of the recipient.",
        "accept if rcpt.local in [ \"postmaster\", \"abuse\" ]",
    ),
    held(
        "rcpt.domain",
        Type::Domain,
        RCPT,
        By::Peer,
        "What is behind the `@` of the recipient; `missing` for the bare `postmaster`.",
        "reject 550 5.7.1 \"relaying denied\" if rcpt.domain not in local_domains",
    ),
    held(
        "rcpts",
        ADDRESSES,
        DATA,
        By::Peer,
        "All accepted recipients.",
        "send to next_hop if all rcpts in list_commands",
    ),
    held(
        "rcpts.count",
        Type::Int,
        DATA,
        By::Us,
        "How many recipients were accepted.",
        "note \"many\" if rcpts.count > 50",
    ),
    held(
        "message",
        Type::Message,
        MESSAGE,
        By::Peer,
        "The message, as the argument of a service.",
        "let virus = av(message)",
    ),
    held(
        "message.size",
        Type::Size,
        MESSAGE,
        By::Us,
        "The message's size on the wire, in bytes.",
        "send to next_hop if message.size > 2MB",
    ),
    held(
        "message.hops",
        Type::Int,
        MESSAGE,
        By::Us,
        "How many `Received` lines it has (RFC 5321, 6.3).",
        "reject 554 5.4.6 \"mail loop\" if message.hops > 30",
    ),
    held(
        "message.id",
        Type::Text,
        MESSAGE,
        By::Peer,
        "Its `Message-ID` without the angle brackets.",
        "rule NO_MSGID 0.5 \"no Message-ID\" in content = message.id is missing",
    ),
    held(
        "message.types",
        TEXTS,
        MESSAGE,
        By::Peer,
        "The media types of its leaf parts, lower case.",
        "rule HTML_ONLY 0.3 \"no text part\" in content = message.types has only \"text/html\"",
    ),
    held(
        "message.parts",
        Type::Int,
        MESSAGE,
        By::Us,
        "How many leaf parts it has.",
        "note \"many parts\" if message.parts > 100",
    ),
    held(
        "message.too_complex",
        Type::Bool,
        MESSAGE,
        By::Us,
        "Its MIME structure is nested deeper or has more parts than weir takes apart; fields of its parts then show what was taken apart.",
        "reject 554 5.6.0 \"MIME structure too complex\" if message.too_complex",
    ),
    held(
        "message.urls",
        TEXTS,
        MESSAGE,
        By::Peer,
        "Links in its text and HTML parts; bounded, each once.",
        "rule SHORTENER 0.5 \"short link\" in content = any message.urls ~ /^https?:..bit\\.ly/i",
    ),
    held(
        "message.url_domains",
        DOMAINS,
        MESSAGE,
        By::Peer,
        "The registered domains of those links.",
        "rule URIBL_BLACK 4.0 \"link on URIBL black\" in content = uribl_black(message.url_domains)",
    ),
    header(
        "header",
        Type::Text,
        "The first header field of this name, unfolded and decoded (RFC 5322, RFC 2047).",
        "rule MAILLIST \"came through a list\" = header(\"List-Id\") is present",
    ),
    header(
        "header.time",
        Type::Time,
        "The date in the first header field of this name.",
        "rule DATE_FUTURE 1.5 \"date > 24 h ahead\" in content = header(\"Date\").time > now + 24h",
    ),
    header(
        "header.count",
        Type::Int,
        "How many header fields of this name there are.",
        "rule TWO_FROM 3.0 \"more than one From\" in content = header(\"From\").count > 1",
    ),
    held(
        "subject",
        Type::Text,
        MESSAGE,
        By::Peer,
        "The subject, decoded.",
        "rule SUBJ_WON 2.5 \"lottery subject\" in content = subject ~ /\\byou('ve)? won\\b/i",
    ),
    held("from", Type::Address, MESSAGE, By::Peer, "The first address of `From`.", "note \"{from}\""),
    held(
        "from.domain",
        Type::Domain,
        MESSAGE,
        By::Peer,
        "The domain of that address.",
        "rule FREEMAIL_FROM \"free mail sender\" = from.domain in freemail",
    ),
    held(
        "reply_to",
        Type::Address,
        MESSAGE,
        By::Peer,
        "The first address of `Reply-To`.",
        "note \"{reply_to}\"",
    ),
    held(
        "reply_to.domain",
        Type::Domain,
        MESSAGE,
        By::Peer,
        "The domain of that address.",
        "rule REPLYTO 1.5 \"replies go elsewhere\" in content = reply_to.domain != from.domain",
    ),
    held(
        "body",
        Type::Text,
        MESSAGE,
        By::Peer,
        "The text of all its text parts, HTML rendered; bounded.",
        "rule BODY_SEO 2.0 \"SEO offer\" in content = body has bad_phrases",
    ),
    held(
        "attachment.names",
        TEXTS,
        MESSAGE,
        By::Peer,
        "The file names of its parts, decoded.",
        "rule BANNED_FILE \"executable attachment\" = any attachment.names ~ /\\.(exe|vbs|scr)$/i",
    ),
    gathered(
        "spf",
        Type::Answer(&SPF_ANSWER),
        MAIL,
        By::Us,
        "Whether the sender's domain names the client as its own (RFC 7208); for `<>` the domain of `helo.name`.",
        "reject 550 5.7.23 \"{spf.domain} does not know {client.ip}\" if spf is fail",
    ),
    gathered(
        "dkim",
        Type::Answer(&DKIM_ANSWER),
        MESSAGE,
        By::Us,
        "Whether the message has a good signature (RFC 6376). The first 10 from the top are looked at; one with `l=` is none, since \
         anybody can append to such a message.",
        "rule SIGNED -0.1 \"signed by its author\" in content = any dkim.domains == from.domain",
    ),
    gathered(
        "dmarc",
        Type::Answer(&DMARC_ANSWER),
        MESSAGE,
        By::Us,
        "Whether SPF or DKIM speak for the domain in `From`, and what that asks for (RFC 9989: found by a walk up the tree; \
         `pct` counts no more).",
        "reject 550 5.7.26 \"{dmarc.domain} asks to refuse this\" if dmarc is fail and dmarc.policy == \"reject\"",
    ),
    gathered(
        "arc",
        Type::Answer(&ARC_ANSWER),
        MESSAGE,
        By::Us,
        "Whether the chain of seals of those that passed the message on is whole (RFC 8617). It says what they saw, which is worth \
         as much as they are.",
        "note \"sealed by {arc.sealer}\" if arc is pass and arc.sealer in trusted_sealers",
    ),
    held(
        "tls.version",
        Type::Text,
        HELO,
        By::Us,
        "The version of TLS that the session is inside of: `TLSv1.3` or `TLSv1.2`; missing when it is in plain. After STARTTLS the \
         client says EHLO again and `on helo` runs again.",
        "rule PLAIN \"not inside TLS\" = tls.version is missing",
    ),
    held(
        "tls.cipher",
        Type::Text,
        HELO,
        By::Us,
        "The cipher suite, as IANA names it: `TLS_AES_256_GCM_SHA384`.",
        "note \"{tls.version} {tls.cipher}\" if tls.version is present",
    ),
    held(
        "tls.sni",
        Type::Domain,
        HELO,
        By::Peer,
        "The name of a host that the client has asked for in its handshake (RFC 6066, 3); missing when it has named none.",
        "note \"came for {tls.sni}\" if tls.sni is present",
    ),
];
