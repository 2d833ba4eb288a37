//! The time, for all who need it: no other module asks the system.
//!
//! Layer 0: used by all. A frozen clock makes tests of times exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time. Clones share it; reading it costs some 30 ns and no system call.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    System { started: Instant },
    Frozen { started_unix_us: u64, passed_us: AtomicU64 },
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Arc::new(Source::System { started: Instant::now() }))
    }

    /// A clock that stands at `unix_us` until it is [advanced](Self::advance).
    pub fn frozen(unix_us: u64) -> Self {
        Self(Arc::new(Source::Frozen { started_unix_us: unix_us, passed_us: AtomicU64::new(0) }))
    }

    /// Moves a frozen clock, and all its clones, forward.
    ///
    /// # Panics
    /// On the system's clock.
    pub fn advance(&self, by: Duration) {
        match &*self.0 {
            Source::System { .. } => panic!("only a frozen clock can be moved"),
            Source::Frozen { passed_us, .. } => {
                passed_us.fetch_add(micros(by), Ordering::Relaxed);
            }
        }
    }

    /// Milliseconds since the clock was made; never goes back.
    pub fn monotonic_ms(&self) -> u64 {
        self.monotonic_us() / 1000
    }

    /// Microseconds since the clock was made; never goes back.
    pub fn monotonic_us(&self) -> u64 {
        match &*self.0 {
            Source::System { started } => micros(started.elapsed()),
            Source::Frozen { passed_us, .. } => passed_us.load(Ordering::Relaxed),
        }
    }

    /// Microseconds since 1970 (UTC); goes back when someone sets the system's clock back.
    pub fn unix_us(&self) -> u64 {
        match &*self.0 {
            Source::System { .. } => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros),
            Source::Frozen { started_unix_us, passed_us } => {
                started_unix_us.saturating_add(passed_us.load(Ordering::Relaxed))
            }
        }
    }

    /// Seconds since 1970 (UTC).
    pub fn unix_s(&self) -> u64 {
        self.unix_us() / 1_000_000
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Appends a time as RFC 3339 has it, in UTC with microseconds: `2026-11-23T22:57:50.012345Z`.
pub fn write_rfc3339(unix_us: u64, out: &mut Vec<u8>) {
    let (seconds, us) = (unix_us / 1_000_000, unix_us % 1_000_000);
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Without the machinery of `write!`: every line of the log begins with this.
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let parts = [
        (year, 0..4),
        (month, 5..7),
        (day, 8..10),
        (hour, 11..13),
        (minute, 14..16),
        (second, 17..19),
        (us, 20..26),
    ];
    for (number, place) in parts {
        let mut rest = number;
        for digit in text.get_mut(place).unwrap_or_default().iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
    }
    out.extend_from_slice(&text);
}

/// The date that is `days` after 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counts from 1 March 0000, so that leap days end years, in eras of 400 years, which all have the same length.
pub fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(unix_us: u64, expected: &str) {
        let mut out = Vec::new();
        write_rfc3339(unix_us, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn times_read_as_rfc_3339() {
        check(0, "1970-01-01T00:00:00.000000Z");
        check(951_782_400_000_001, "2000-02-29T00:00:00.000001Z");
        check(951_868_799_999_999, "2000-02-29T23:59:59.999999Z");
        check(951_868_800_000_000, "2000-03-01T00:00:00.000000Z");
        check(1_795_474_670_012_345, "2026-11-23T22:57:50.012345Z");
        check(4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z");
    }

    #[test]
    fn a_frozen_clock_moves_only_by_hand() {
        let clock = Clock::frozen(1_000_000);
        let clone = clock.clone();
        clock.advance(Duration::from_millis(1500));
        assert_eq!((clone.monotonic_ms(), clone.unix_us(), clone.unix_s()), (1500, 2_500_000, 2));
        assert_eq!(clone.unix_us(), clock.unix_us());
    }

    #[test]
    fn the_system_clock_is_not_in_the_past() {
        let clock = Clock::system();
        assert!(clock.unix_s() > 1_700_000_000);
        assert!(clock.monotonic_us() <= clock.monotonic_us());
    }
}
