//! The commands that look at rule files and end: `check`, `test`, `fmt`, `doc`.

use std::io::{IsTerminal, Write};

use weir_lang::diagnostic::render::{self, Style};
use weir_lang::diagnostic::{Diagnostic, Severity};
use weir_lang::source::Sources;
use weir_lang::{format, manual};

use crate::cli::{Check, Doc, Exit, Fmt, Form, Test};
use crate::config::{self, Loaded};
use crate::scheme::SCHEME;
use crate::simulate;

/// `weir check`
pub fn check(args: &Check) -> Exit {
    let mut loaded = match config::load(&args.files.files) {
        Ok(loaded) => loaded,
        Err(reason) => return failed(&reason),
    };
    // Only what is wrong with them is of interest here.
    drop(loaded.unlock(&config::Disk));
    match args.format {
        Form::Human => say(&loaded.render(style())),
        Form::Json => loaded
            .diagnostics
            .iter()
            .for_each(|fault| say(&format!("{}\n", render::json(fault, &loaded.sources)))),
    }
    let count = |severity| loaded.diagnostics.iter().filter(|fault| fault.code.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors > 0 || (args.strict && warnings > 0) {
        return failed(&format!("{errors} errors, {warnings} warnings"));
    }
    if let Some(plan) = &loaded.plan {
        if args.cost {
            say(&format!("{}\n", plan.cost()));
        }
        if !args.quiet && args.format == Form::Human {
            let warned = if warnings > 0 { format!(", {warnings} warnings") } else { String::new() };
            say(&format!(
                "ok: {} rules, {} statements, {} tests{warned}, digest {:016x}\n",
                plan.rules().len(),
                plan.statements().len(),
                plan.tests().len(),
                plan.digest()
            ));
        }
    }
    Exit::Ok
}

/// `weir test`
pub fn test(args: &Test) -> Exit {
    let loaded = match config::load(&args.files.files) {
        Ok(loaded) => loaded,
        Err(reason) => return failed(&reason),
    };
    let Some(plan) = &loaded.plan else { return refused(&loaded) };
    let report = simulate::run_tests_with(plan, &loaded.zones, args.filter.as_deref());
    say(&report.to_string());
    if args.coverage {
        say(&report.coverage(plan));
    }
    if report.failures().is_some() { Exit::Failed } else { Exit::Ok }
}

/// Prints why a file set does not load.
pub fn refused(loaded: &Loaded) -> Exit {
    let errors: Vec<Diagnostic> = loaded.diagnostics.clone();
    eprint!("{}", render::render_all(&errors, &loaded.sources, style_of(std::io::stderr().is_terminal())));
    Exit::Failed
}

/// `weir fmt`
pub fn fmt(args: &Fmt) -> Exit {
    let mut exit = Exit::Ok;
    for path in &args.files {
        let shown = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                exit = failed(&format!("{shown}: {error}"));
                continue;
            }
        };
        let mut sources = Sources::default();
        let file = sources.add(shown.to_string(), text.as_str());
        match format::file(&sources, file) {
            Err(faults) => {
                let shown = render::render_all(&faults, &sources, style_of(std::io::stderr().is_terminal()));
                exit = failed(&shown);
            }
            Ok(styled) if styled == text => {}
            Ok(_) if args.check => {
                exit = failed(&format!("{shown} is not in style; `weir fmt {shown}` mends it"));
            }
            Ok(styled) => {
                if let Err(error) = replace(path, &styled) {
                    exit = failed(&format!("{shown}: {error}"));
                }
            }
        }
    }
    exit
}

/// Writes beside the file, then renames: a rule file is never half there.
fn replace(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".weir-fmt");
    std::fs::write(&name, text)?;
    std::fs::set_permissions(&name, std::fs::metadata(path)?.permissions())?;
    std::fs::rename(&name, path)
}

/// `weir doc`
pub fn doc(args: &Doc) -> Exit {
    let Some(word) = &args.word else {
        say(&manual::page(&SCHEME));
        return Exit::Ok;
    };
    if let Some(text) = manual::topic(&SCHEME, word) {
        say(&text);
        return Exit::Ok;
    }
    let near = manual::suggestion(&SCHEME, word);
    let hint = near
        .map_or_else(|| String::from("; `weir doc` prints all"), |near| format!("; did you mean `{near}`?"));
    failed(&format!("no word `{word}`{hint}"))
}

/// Says on standard error what is wrong.
pub fn failed(reason: &str) -> Exit {
    eprintln!("weir: {}", reason.trim_end());
    Exit::Failed
}

/// Prints. A reader that has gone (`| head`) has had enough.
pub fn say(text: &str) {
    let _gone = std::io::stdout().lock().write_all(text.as_bytes());
}

fn style() -> Style {
    style_of(std::io::stdout().is_terminal())
}

fn style_of(terminal: bool) -> Style {
    if terminal { Style::Coloured } else { Style::Plain }
}
