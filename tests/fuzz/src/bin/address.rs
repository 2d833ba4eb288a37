//! Paths and commands from arbitrary text: no panic, and what was read prints as what is read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_smtp::command::Command;
use weir_smtp::{Extensions, Path};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok((path, _)) = Path::parse(text)
    {
        let printed = path.to_string();
        assert!(printed.len() <= weir_smtp::address::PATH_BYTES_MAX);
        assert!(printed.bytes().all(|byte| byte >= b' '), "a control character in {printed:?}");
        assert_eq!(Path::parse(&printed), Ok((path, "")));
    }
    if let Ok(Command::Mail(path, parameters)) = Command::parse(data, Extensions::ALL) {
        assert!(parameters.is_utf8 || path.to_string().is_ascii());
    }
});
