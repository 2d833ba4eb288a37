//! The shipped rule files, inside the binary: the demo runs wherever weir does.

use weir_lang::fileset::Files;

macro_rules! shipped {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!(concat!("../../../rules/", $path)))),*] };
}

const FILES: &[(&str, &str)] = shipped![
    "balancer.weir",
    "common.weir",
    "lists/deny-nets.txt",
    "lists/freemail.txt",
    "lists/local-domains.txt",
    "lists/our-hosts.txt",
    "lists/own.ip4set",
    "lists/phrases-seo.txt",
    "lists/recipients.txt",
    "mailbox.weir",
    "mx.weir",
    "pool.d/scanners/scan1.server",
    "pool.d/scanners/scan2.server",
    "scanner.weir",
    "scores.d/50-site.scores",
];

/// The shipped rule files by their path below `rules/`.
#[derive(Debug)]
pub(super) struct Shipped;

impl Files for Shipped {
    fn read(&self, path: &str) -> Result<String, String> {
        let found = FILES.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| String::from("no such shipped file"))
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let pattern = glob::Pattern::new(pattern).map_err(|error| error.to_string())?;
        Ok(FILES
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| pattern.matches(name))
            .map(str::to_owned)
            .collect())
    }
}
