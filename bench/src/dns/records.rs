//! Records of the stand-in: `NAME TYPE DATA`, one a line.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use hickory_proto::rr::rdata::{A, AAAA, MX, PTR, TXT};
use hickory_proto::rr::{Name, RData, RecordType};

/// Longest text of one string of a TXT record (RFC 1035, 3.3.14).
const STRING_BYTES_MAX: usize = 255;

/// All records, by name.
#[derive(Debug, Default)]
pub(super) struct Records {
    names: HashMap<String, Vec<RData>>,
    /// Names that others are below: they exist, without records (RFC 8020).
    above: HashSet<String>,
}

/// A name as it is kept: small letters, no dot at the end.
pub(super) fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl Records {
    /// Reads lines of records. An error begins with the number of its line.
    pub(super) fn read(&mut self, text: &str) -> Result<(), String> {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let (name, data) = record(line).map_err(|why| format!("{}: {why}", at + 1))?;
            let dots = name.match_indices('.');
            self.above.extend(dots.filter_map(|(dot, _)| name.get(dot + 1..)).map(str::to_owned));
            self.names.entry(name).or_default().push(data);
        }
        Ok(())
    }

    /// The data of this type, none if the name has no such; `None` if there is no such name.
    pub(super) fn find(&self, name: &str, kind: RecordType) -> Option<Vec<RData>> {
        let above = || {
            let dots = name.char_indices().filter(|(_, letter)| *letter == '.');
            dots.filter_map(|(dot, _)| name.get(dot..)).find_map(|rest| self.names.get(&format!("*{rest}")))
        };
        let Some(all) = self.names.get(name).or_else(above) else {
            return self.above.contains(name).then(Vec::new);
        };
        let is_asked = |data: &&RData| kind == RecordType::ANY || data.record_type() == kind;
        Some(all.iter().filter(is_asked).cloned().collect())
    }
}

fn record(line: &str) -> Result<(String, RData), String> {
    let wanted =
        || format!("`{line}` is no record; write NAME TYPE DATA, such as `mail.example.net A 192.0.2.1`");
    let (name, rest) = line.split_once(char::is_whitespace).ok_or_else(wanted)?;
    let (kind, data) = rest.trim_start().split_once(char::is_whitespace).ok_or_else(wanted)?;
    let data = data.trim();
    let host = |text: &str| {
        Name::from_ascii(format!("{}.", plain(text))).map_err(|_| format!("`{text}` is no name"))
    };
    let address = || format!("`{data}` is no address of type {kind}");
    let data = match kind.to_ascii_uppercase().as_str() {
        "A" => RData::A(A(data.parse().map_err(|_| address())?)),
        "AAAA" => RData::AAAA(AAAA(data.parse().map_err(|_| address())?)),
        "PTR" => RData::PTR(PTR(host(data)?)),
        "TXT" => RData::TXT(TXT::new(strings(data))),
        "MX" => {
            let (preference, exchange) = data.split_once(char::is_whitespace).ok_or_else(wanted)?;
            let preference = preference.parse().map_err(|_| wanted())?;
            // `.` says that no mail is taken (RFC 7505).
            let exchange = exchange.trim();
            RData::MX(MX::new(preference, if exchange == "." { Name::root() } else { host(exchange)? }))
        }
        _ => return Err(format!("`{kind}` is no type that is served: A, AAAA, MX, TXT or PTR")),
    };
    let name = match name.parse::<IpAddr>() {
        Ok(ip) => plain(&Name::from(ip).to_ascii()),
        Err(_) => plain(name),
    };
    host(&name)?;
    Ok((name, data))
}

/// A text as strings that fit; quotes around it are taken off.
pub(super) fn strings(text: &str) -> Vec<String> {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let mut strings = Vec::new();
    let mut rest = text;
    loop {
        let (string, after) = rest.split_at(rest.floor_char_boundary(STRING_BYTES_MAX));
        strings.push(string.to_owned());
        if after.is_empty() {
            return strings;
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_by_name_and_type() {
        let mut records = Records::default();
        let lines = "; a zone\nExample.NET. MX 10 mail.example.net\nexample.net mx 0 .\nmail.example.net A 192.0.2.1\n\
                     mail.example.net AAAA 2001:db8::1\n192.0.2.1 PTR mail.example.net\n*.wild.example TXT \"v=spf1 -all\"\n";
        records.read(lines).unwrap();
        let count = |name, kind| records.find(name, kind).map(|data| data.len());
        assert_eq!(count("example.net", RecordType::MX), Some(2));
        assert_eq!(count("example.net", RecordType::A), Some(0));
        assert_eq!(count("mail.example.net", RecordType::ANY), Some(2));
        assert_eq!(count("1.2.0.192.in-addr.arpa", RecordType::PTR), Some(1));
        assert_eq!(count("a.b.wild.example", RecordType::TXT), Some(1));
        assert_eq!(count("wild.example", RecordType::TXT), Some(0), "it exists by what is below it");
        assert_eq!(count("other.example", RecordType::A), None);
        assert_eq!(strings(&"x".repeat(300)).len(), 2);
    }

    #[test]
    fn wrong_records_are_named() {
        for (wrong, word) in [
            ("example.net", "no record"),
            ("example.net A ::1", "no address"),
            ("example.net SRV 1 2 3", "no type"),
            ("example.net MX mail", "no record"),
            ("a..b A 192.0.2.1", "no name"),
        ] {
            let fault = Records::default().read(wrong).unwrap_err();
            assert!(fault.starts_with("1: ") && fault.contains(word), "{wrong}: {fault}");
        }
    }
}
