//! Faults of declarations and statements that their forms cannot say. [`crate::config`] finds them, for `weir check` as for a
//! load, so that nothing that loads fails for its rule file when mail comes.

use weir_lang::diagnostic::Code;
use weir_lang::diagnostic::Severity::{Error, Warning};

/// A pool without a server.
pub static POOL_EMPTY: Code = Code {
    id: "W0701",
    severity: Error,
    title: "a pool without a server",
    doc: "Every message sent to it would be put off. A pool has at least one `server`, here or in a file that it uses.",
    example: "weir 1\npool p { balance least_busy }\non message { send to p }\n",
};

/// Two servers of one name.
pub static SERVER_TWICE: Code = Code {
    id: "W0702",
    severity: Error,
    title: "two servers of one name",
    doc: "Health, load and what an operator says of a server (`weir ctl drain POOL/SERVER`) go by its name.",
    example: "weir 1\npool p {\n  server s 192.0.2.1:25\n  server s 192.0.2.2:25\n}\non message { send to p }\n",
};

/// No address of a virus scanner.
pub static HOST: Code = Code {
    id: "W0703",
    severity: Error,
    title: "no address of a virus scanner",
    doc: "`unix:` and an absolute path, or an IP address with a port.",
    example: "weir 1\nservice av : clamd { hosts \"clamd.example.org:3310\" }\non message { discard }\n",
};

/// No name for a quarantine box.
pub static BOX: Code = Code {
    id: "W0704",
    severity: Error,
    title: "no name for a quarantine box",
    doc: "A box is a folder below the state folder: letters, digits, `-` and `_`, at most 64 of them.",
    example: "weir 1\non message {\n  quarantine \"../virus\"\n  discard\n}\n",
};

/// One address in two listeners.
pub static BIND_TWICE: Code = Code {
    id: "W0705",
    severity: Error,
    title: "an address is bound twice",
    doc: "The kernel would deal connections out to both listeners at random.",
    example: "weir 1\nlistener a { bind 192.0.2.25:25 }\nlistener b { bind 192.0.2.25:25 }\non message { discard }\n",
};

/// No domain of a DNS list.
pub static ZONE: Code = Code {
    id: "W0706",
    severity: Error,
    title: "no domain that can be asked",
    doc: "The zone of a DNS list is a domain; no question could be put to it otherwise.",
    example: "weir 1\ndnsbl zen { zone \"zen..example.org\" }\non message { discard }\n",
};

/// No name of a host.
pub static HOST_NAME: Code = Code {
    id: "W0707",
    severity: Error,
    title: "no name of a host",
    doc: "What a host calls itself in its greeting or in EHLO is a domain or an address literal (RFC 5321, 4.1.1.1).",
    example: "weir 1\nlistener a {\n  bind 192.0.2.25:25\n  name \"mail host\"\n}\non message { discard }\n",
};

/// No name of a header field.
pub static HEADER: Code = Code {
    id: "W0708",
    severity: Error,
    title: "no name of a header field",
    doc: "Printable ASCII without space and colon (RFC 5322, 3.6.8); the colon is put behind it. In `remove header` a `*` stands \
          for any characters.",
    example: "weir 1\non message {\n  add header \"X-Spam: \" \"yes\"\n  discard\n}\n",
};

/// Anybody may say who they are.
pub static CLIENT_FROM: Code = Code {
    id: "W0709",
    severity: Error,
    title: "everybody may say whose client they are",
    doc: "Who connects to a listener with `client` is believed when it says whose connection or message it passes on. So `from` must \
          name the lists of those who may: anybody else could come from any address that the rules trust.",
    example: "weir 1\nlistener a {\n  bind 192.0.2.25:25\n  client proxy\n}\non message { discard }\n",
};

/// A DNS list without a source, or with too much of it.
pub static DNSBL_SOURCE: Code = Code {
    id: "W0731",
    severity: Error,
    title: "a DNS list is in DNS or in files",
    doc: "A `dnsbl` has a `zone`, which a name server is asked about, or `file`s, which are held in memory. `timeout`, `server` and \
          `probe` are about a name server.",
    example: "weir 1\ndnsbl zen { listed 127.0.0.2 }\non message { discard }\n",
};

/// A zone file that cannot be taken.
pub static ZONE_FILE: Code = Code {
    id: "W0732",
    severity: Error,
    title: "a zone file that cannot be taken",
    doc: "A file with any line that is no entry of its format, comment, default value or directive is refused as a whole: what \
          else is wrong with it cannot be told. Formats are those of rbldnsd(8).",
    example: "weir 1\ndnsbl own { file \"own.ip4set\" format ip4set }\non message { discard }\n",
};

/// No address of a sender.
pub static ADDRESS: Code = Code {
    id: "W0713",
    severity: Error,
    title: "no address of a sender",
    doc: "A next hop that is asked about recipients is named a sender: a mailbox with a domain (RFC 5321, 4.1.2), or none at all, which \
          is `<>`.",
    example: "weir 1\npool p { server s 192.0.2.1:25 }\nservice verify : callforward {\n  pool p\n  sender \"postmaster\"\n}\n\
              on message { send to p }\n",
};

/// Two stores.
pub static STORE_TWICE: Code = Code {
    id: "W0740",
    severity: Error,
    title: "two stores",
    doc: "What is remembered, counted and greylisted is kept in one place.",
    example: "weir 1\nstore a : memory { }\nstore b : file { path \"b.redb\" }\non message { discard }\n",
};

/// No address of a store.
pub static STORE_SERVER: Code = Code {
    id: "W0741",
    severity: Error,
    title: "no address of a store",
    doc: "An IP address with a port, or in quotes `unix:` and an absolute path.",
    example: "weir 1\nstore s : redis { server \"redis.example.org:6379\" }\non message { discard }\n",
};

/// A greylist that nobody passes.
pub static GREYLIST_TIMES: Code = Code {
    id: "W0742",
    severity: Error,
    title: "a greylist that nobody passes",
    doc: "Who comes again passes from `after` on and until `within` is over, so `within` is longer; it is 48h when not given, and \
          `after` 5m.",
    example: "weir 1\ngreylist grey { after 5m  within 2m }\non message { discard }\n",
};

/// A certificate that cannot be used.
pub static TLS_FILE: Code = Code {
    id: "W0720",
    severity: Error,
    title: "a certificate that cannot be used",
    doc: "A file of a `tls` setting cannot be read, holds no certificate or key, or the key is another certificate's. `weir check` and \
          every load read them; `weir test` does not, so that rules can be tested where the keys are not.",
    example: "weir 1\nlistener a {\n  bind 192.0.2.25:25\n  tls  offered, cert \"none.pem\"\n}\non message { discard }\n",
};

/// A certificate out of its time.
pub static TLS_TIME: Code = Code {
    id: "W0721",
    severity: Warning,
    title: "a certificate that does not hold now",
    doc: "It has expired, or its time has not come. It is used all the same: clients that do not look at it go on, and one that is \
          renewed is taken up by itself.",
    example: "weir 1\nlistener a {\n  bind 192.0.2.25:25\n  tls  offered, cert \"expired.pem\"\n}\non message { discard }\n",
};

/// No name that a certificate can hold for.
pub static TLS_NAME: Code = Code {
    id: "W0722",
    severity: Error,
    title: "no name that a certificate can hold for",
    doc: "`verify` and `sni` take the name of a host; `verify` an IP address as well.",
    example: "weir 1\npool p {\n  server s 192.0.2.1:25\n  tls    required, verify \"mail host\"\n}\non message { send to p }\n",
};

/// All of them.
pub static ALL: &[&Code] = &[
    &POOL_EMPTY,
    &SERVER_TWICE,
    &HOST,
    &BOX,
    &BIND_TWICE,
    &ZONE,
    &DNSBL_SOURCE,
    &ZONE_FILE,
    &HOST_NAME,
    &HEADER,
    &CLIENT_FROM,
    &ADDRESS,
    &STORE_TWICE,
    &STORE_SERVER,
    &GREYLIST_TIMES,
    &TLS_FILE,
    &TLS_TIME,
    &TLS_NAME,
];
