//! What clamd answers to a scan.

use super::{Reason, Scan};

/// What follows a found signature when a limit of clamd ended the scan (`AlertExceedsMax`): that is no virus.
const OVER_LIMIT: &str = "Heuristics.Limits.Exceeded";

/// Reads a reply, without its final NUL, to the scan of this number in its session: `1: stream: OK`.
///
/// # Errors
/// What clamd says is wrong, or [`Reason::Broken`] when it is no reply to this scan.
pub fn read(reply: &[u8], number: u32) -> Result<Scan, Reason> {
    let text = String::from_utf8_lossy(reply).replace(char::is_control, "?");
    let nonsense = || Reason::Broken(format!("unexpected reply `{text}`"));
    let Some((id, what)) = text.split_once(": ") else {
        // An error that concerns the session, such as `COMMAND READ TIMED OUT`, has no number.
        return Err(nonsense());
    };
    if id.parse() != Ok(number) {
        return Err(nonsense());
    }
    if let Some(error) = what.strip_suffix(" ERROR") {
        let too_large = error.contains("size limit exceeded");
        return Err(if too_large { Reason::TooLarge } else { Reason::Refused(error.to_owned()) });
    }
    match what.strip_prefix("stream: ") {
        Some("OK") => Ok(Scan::Clean),
        Some(found) => match found.strip_suffix(" FOUND") {
            Some(limit) if limit.starts_with(OVER_LIMIT) => Ok(Scan::Unknown(Reason::TooLarge)),
            Some(name) if !name.is_empty() => Ok(Scan::Infected(name.to_owned())),
            _ => Err(nonsense()),
        },
        None => Err(nonsense()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        let infected = |name: &str| Ok(Scan::Infected(name.into()));
        assert_eq!(read(b"1: stream: OK", 1), Ok(Scan::Clean));
        assert_eq!(read(b"12: stream: Eicar-Test-Signature FOUND", 12), infected("Eicar-Test-Signature"));
        assert_eq!(read(b"1: stream: a b\r\n FOUND", 1), infected("a b??"));
        assert_eq!(read(b"1: INSTREAM size limit exceeded. ERROR", 1), Err(Reason::TooLarge));
        assert_eq!(read(b"1: stream: no memory ERROR", 1), Err(Reason::Refused("stream: no memory".into())));
        let over = Ok(Scan::Unknown(Reason::TooLarge));
        assert_eq!(read(b"1: stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND", 1), over);
    }

    #[test]
    fn what_is_no_reply_breaks_the_conversation() {
        let hostile: [&[u8]; 8] = [
            b"",
            b"OK",
            b"2: stream: OK",
            b"1: stream:",
            b"1: stream:  FOUND",
            b"x: stream: OK",
            b"COMMAND READ TIMED OUT",
            b"\xff\xff",
        ];
        for reply in hostile {
            assert!(matches!(read(reply, 1), Err(Reason::Broken(_))), "{reply:?}");
        }
    }
}
