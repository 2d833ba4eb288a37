//! Rule files from arbitrary text: no panic, every fault lies in the text and can be shown, and what has no fault
//! prints and formats to the same tree.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_lang::ast::File;
use weir_lang::diagnostic::{self, Style};
use weir_lang::source::Sources;
use weir_lang::{format, parse, print};

/// The tree of a text that must have no fault.
fn tree(text: &str) -> File {
    let mut sources = Sources::default();
    let id = sources.add("fuzz.weir", text);
    let parsed = parse::file(&sources, id);
    assert!(parsed.faults.is_empty(), "{}", diagnostic::render_all(&parsed.faults, &sources, Style::Plain));
    parsed.tree
}

fuzz_target!(|data: &[u8]| {
    // Without the version, which is worth no search, everything has a fault.
    let Ok(text) = std::str::from_utf8(data) else { return };
    let text = format!("weir 1\n{text}");
    let mut sources = Sources::default();
    let id = sources.add("fuzz.weir", text.as_str());
    let parsed = parse::file(&sources, id);
    for fault in &parsed.faults {
        assert!(fault.span.start <= fault.span.end && fault.span.end as usize <= text.len(), "{fault:?}");
    }
    diagnostic::render_all(&parsed.faults, &sources, Style::Plain);
    match format::file(&sources, id) {
        Ok(formatted) => {
            let printed = print::file(&parsed.tree);
            assert_eq!(print::file(&tree(&printed)), printed, "printed from {text:?}");
            assert_eq!(print::file(&tree(&formatted)), printed, "formatted {formatted:?} from {text:?}");
            let mut again = Sources::default();
            let id = again.add("fuzz.weir", formatted.as_str());
            assert_eq!(format::file(&again, id).ok().as_ref(), Some(&formatted), "from {text:?}");
        }
        Err(faults) => assert!(!faults.is_empty()),
    }
});
