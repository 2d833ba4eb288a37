//! The scenarios that come with this program. Their files are in it, and are written out to be run, so that there is one way
//! for them and for everybody's own.

use std::fs;
use std::path::{Path, PathBuf};

use super::Scenario;
use crate::Result;

/// The name of a scenario's file in its folder.
const FILE: &str = "scenario.toml";

/// Files of `bench/scenarios` by their path there.
macro_rules! files {
    ($($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../scenarios/", $path)))),*]
    };
}

const FILES: &[(&str, &str)] = files!(
    "balancer/balancer.weir"
    "balancer/scenario.toml"
    "chain/balancer.weir"
    "chain/common.weir"
    "chain/lists/phrases-seo.txt"
    "chain/mx.weir"
    "chain/scanner.weir"
    "drain/scenario.toml"
    "edge-burst/scenario.toml"
    "edge/mx.weir"
    "edge/scenario.toml"
    "edge/zen.example.org"
    "flow/scenario.toml"
    "idle/scenario.toml"
    "kill-scanner/scenario.toml"
    "large/scenario.toml"
    "mx-clean/mx.weir"
    "mx-clean/scenario.toml"
    "mx-reject/scenario.toml"
    "overload/overload.weir"
    "overload/scenario.toml"
    "reload-every-second/scenario.toml"
    "scanner/scenario.toml"
    "shards/scenario.toml"
    "sink/scenario.toml"
    "sink/sink.weir"
    "waiting/scenario.toml"
    "waiting/waiting.weir"
);

/// The names of the shipped scenarios.
fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(path, _)| path.strip_suffix(FILE)?.strip_suffix('/'))
}

/// Writes all of them below `folder`.
pub(crate) fn write(folder: &Path) -> Result<()> {
    for (path, text) in FILES {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap_or(folder))
            .and_then(|()| fs::write(&file, text))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// The scenario of this name or in this file. A shipped one is written into `folder` first.
pub(crate) fn load(name: &str, folder: &Path) -> Result<Scenario> {
    if names().any(|known| known == name) {
        write(folder)?;
        return Scenario::read(&folder.join(name).join(FILE));
    }
    let path = PathBuf::from(name);
    if path.is_dir() {
        return Scenario::read(&path.join(FILE));
    }
    if !path.is_file() {
        let names: Vec<&str> = names().collect();
        let ways = format!("a file, a folder with a {FILE}, or a shipped one: {}", names.join(", "));
        return Err(format!("there is no scenario `{name}`; name {ways}").into());
    }
    Scenario::read(&path)
}

/// The shipped scenarios by name, with what each shows.
pub(crate) fn list() -> Result<Vec<(&'static str, String)>> {
    let about = |name: &'static str| {
        let path = format!("{name}/{FILE}");
        let text = FILES.iter().find(|(known, _)| *known == path).map_or("", |(_, text)| text);
        let scenario = Scenario::parse(Path::new(&path), text).map_err(|fault| format!("{path}:{fault}"))?;
        Ok((name, scenario.about))
    };
    names().map(about).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All files below a folder, by their path from `root`.
    fn files(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
            }
        }
    }

    #[test]
    fn every_file_is_shipped_and_every_scenario_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut found = Vec::new();
        files(&root, &root, &mut found);
        // Configurations of peers are not scenarios.
        found.retain(|path| !path.starts_with("peers/"));
        found.sort();
        let mut shipped: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        shipped.sort_unstable();
        assert_eq!(shipped, found);
        for (name, _) in list().unwrap() {
            Scenario::read(&root.join(name).join(FILE)).unwrap();
        }
    }
}
