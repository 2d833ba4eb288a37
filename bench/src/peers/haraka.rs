//! Haraka, from npm: Debian has no package of it.

use std::path::PathBuf;
use std::{env, fs};

use super::server::{Launch, Server, find, first_line};
use super::{Setup, configuration, write};
use crate::Result;

/// The folder in which `npm install Haraka` was run.
const FOLDER_VARIABLE: &str = "WEIR_BENCH_HARAKA";

/// Its start script, within the package.
const SCRIPT: &str = "bin/haraka";

/// What `haraka -i` copies from the package into a new installation; Haraka does not work without them.
const DEFAULTS: [&str; 2] = ["config/connection.ini", "config/log.ini"];

/// Its configuration files and their names.
const FILES: [(&str, &str); 4] = [
    ("config/smtp.ini", include_str!("../../scenarios/peers/haraka/smtp.ini")),
    ("config/plugins", include_str!("../../scenarios/peers/haraka/plugins")),
    ("config/host_list_regex", include_str!("../../scenarios/peers/haraka/host_list_regex")),
    ("config/smtp_proxy.ini", include_str!("../../scenarios/peers/haraka/smtp_proxy.ini")),
];

/// Its package, and the program that runs it.
pub(super) fn programs() -> Result<(PathBuf, PathBuf)> {
    Ok((package()?, find("node", "apt-get install nodejs")?))
}

pub(super) fn start(setup: &Setup<'_>) -> Result<Server> {
    let (package, node) = programs()?;
    let script = package.join(SCRIPT).to_string_lossy().into_owned();
    for (name, text) in FILES {
        write(setup, name, &configuration(text, setup))?;
    }
    for name in DEFAULTS {
        let file = package.join(name);
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        write(setup, name, &text)?;
    }
    // `Haraka.js - Version: 3.3.4`, in colours.
    let line = first_line(&node, &[&script, "--version"])?;
    let version = format!("Haraka {}", line.rsplit(' ').next().unwrap_or_default());
    let folder = setup.folder.to_string_lossy();
    Launch::new("haraka", &node, version, setup).arguments([&script, "-c", &folder]).start()
}

/// Its package, in the folder that the environment names or else in the user's cache.
fn package() -> Result<PathBuf> {
    let cache = || Some(PathBuf::from(env::var_os("HOME")?).join(".cache/weir-bench/haraka"));
    let folder = env::var_os(FOLDER_VARIABLE).map(PathBuf::from).or_else(cache);
    let folder =
        folder.ok_or_else(|| format!("there is neither {FOLDER_VARIABLE} nor HOME in the environment"))?;
    let package = folder.join("node_modules/Haraka");
    if package.join(SCRIPT).is_file() {
        return Ok(package);
    }
    let folder = folder.display();
    Err(format!(
        "haraka is not installed: npm install --prefix {folder} Haraka, or name another folder in {FOLDER_VARIABLE}"
    )
    .into())
}
