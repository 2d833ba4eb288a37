//! weir itself: started from a rule text or from the shipped files, asked by `weir ctl`, ended with its test.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::folder::{Folder, repository};
use crate::process::Process;
use crate::wait::until;

/// The `weir` that was built from this tree.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| built("weir"))
}

/// A program that was built from this tree, in this profile; a stale one is never tested. All are built by one command,
/// since Cargo builds what they share anew when it is asked for them one by one.
pub(crate) fn built(name: &str) -> PathBuf {
    static PROFILE: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let test = std::env::current_exe().expect("the path of this test");
        let profile = test.parent().and_then(Path::parent).expect("tests lie in PROFILE/deps");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "weir", "--package", "weir-bench", "--bins"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let output = build.current_dir(repository()).output().expect("cargo");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        profile.to_owned()
    };
    PROFILE.get_or_init(build).join(name)
}

/// `weir` with arguments, run to its end.
pub fn weir_command(arguments: &[&str]) -> Output {
    crate::process::run(binary(), arguments)
}

/// A running weir.
pub struct Weir {
    process: Process,
    folder: Folder,
    rules: PathBuf,
}

impl Weir {
    /// Writes `rules` to a file and serves it; returns when `listen` takes connections.
    pub fn start(rules: &str, listen: SocketAddr) -> Self {
        Self::with(rules, listen, &[])
    }

    /// As [`Weir::start`], with more arguments.
    pub fn with(rules: &str, listen: SocketAddr, arguments: &[&str]) -> Self {
        let folder = Folder::new();
        let file = folder.write("main.weir", rules);
        Self::serve(folder, file, listen, arguments)
    }

    /// Serves `rules`, a file in `folder`.
    pub fn serve(folder: Folder, rules: PathBuf, listen: SocketAddr, arguments: &[&str]) -> Self {
        let mut command = Self::command(&folder, &rules);
        command.args(arguments);
        Self::run(folder, rules, listen, command)
    }

    /// As [`Weir::start`], with at most so many descriptors.
    pub fn with_descriptors(rules: &str, listen: SocketAddr, most: u32) -> Self {
        let folder = Folder::new();
        let rules = folder.write("main.weir", rules);
        let weir = Self::command(&folder, &rules);
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={most}:{most}")).arg(weir.get_program()).args(weir.get_args());
        Self::run(folder, rules, listen, command)
    }

    fn run(folder: Folder, rules: PathBuf, listen: SocketAddr, mut command: Command) -> Self {
        let process = Process::start("weir", folder.path(), &mut command);
        let mut weir = Self { process, folder, rules };
        until(&format!("weir to listen on {listen}"), || {
            assert!(weir.process.ended().is_none(), "weir has ended: {}", weir.process.output());
            TcpStream::connect(listen).is_ok()
        });
        weir
    }

    /// `weir run` with the folder's admin socket and state, to be started by the caller.
    pub fn command(folder: &Folder, rules: &Path) -> Command {
        let mut command = Command::new(binary());
        command.arg("run").arg(rules).arg("--admin").arg(folder.join("admin.sock"));
        command.arg("--state").arg(folder.join("state"));
        command
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its folder: rule file, state, admin socket.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Log lines with all of these texts.
    pub fn lines(&self, texts: &[&str]) -> Vec<String> {
        let log = self.log();
        log.lines().filter(|line| texts.iter().all(|text| line.contains(text))).map(str::to_owned).collect()
    }

    /// `weir ctl ...` to this weir.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        let socket = self.folder.join("admin.sock");
        let socket = socket.to_str().expect("a path in UTF-8");
        weir_command(&[&["ctl", "--admin", socket], arguments].concat())
    }

    /// As [`Weir::ctl`]; it must exit with 0. Returns what it prints.
    #[track_caller]
    pub fn ctl_ok(&self, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Puts another text in the place of the rule file; nothing is loaded.
    pub fn write_rules(&self, rules: &str) {
        // A rename, so that a reload never reads half a file.
        let new = self.folder.write("main.weir.new", rules);
        fs::rename(new, &self.rules).expect("the rule file's new text");
    }
}

/// A copy of `rules/` in which addresses, and nothing else, are other ones.
pub struct Shipped {
    folder: Folder,
}

impl Shipped {
    /// Copies `rules/`; every `(shipped, here)` is replaced in all files.
    pub fn with(addresses: &[(&str, String)]) -> Self {
        let folder = Folder::new();
        copy(&repository().join("rules"), folder.path(), addresses);
        Self { folder }
    }

    /// Starts one of its files.
    pub fn start(self, file: &str, listen: SocketAddr, arguments: &[&str]) -> Weir {
        let path = self.folder.join(file);
        Weir::serve(self.folder, path, listen, arguments)
    }
}

fn copy(from: &Path, to: &Path, addresses: &[(&str, String)]) {
    for entry in fs::read_dir(from).expect("the shipped rules") {
        let path = entry.expect("an entry of the shipped rules").path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            fs::create_dir_all(&target).expect("a folder of the copy");
            copy(&path, &target, addresses);
            continue;
        }
        let mut text = fs::read_to_string(&path).expect("a shipped file");
        for (shipped, here) in addresses {
            text = text.replace(shipped, here);
        }
        fs::write(target, text).expect("a file of the copy");
    }
}
