//! The log: one line per event, in logfmt or JSON.
//!
//! Layer 0. A shard formats its line into a buffer of its own and appends it to a lane that only it and the writer's
//! thread know; it never waits for a file. When the writer can't keep up, lines are lost, counted, and the loss is
//! itself an event.

mod value;
mod writer;

use std::cell::Cell;
use std::sync::Arc;

pub use value::Loggable;
pub use writer::{Sink, Writer};

use crate::clock::{Clock, write_rfc3339};
use crate::limits::{LOG_LINE_BYTES_MAX, LOG_VALUE_BYTES_MAX};
use value::Out;
use writer::Lane;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `ts=2026-11-23T22:57:50.012345Z event=verdict sid=...`
    Logfmt,
    /// `{"ts":"2026-11-23T22:57:50.012345Z","event":"verdict","sid":"..."}`
    Json,
}

/// One thread's access to the log; see [`Writer::lane`].
pub struct Log {
    on: Option<Target>,
    /// The memory of a line, kept between events.
    line: Cell<Vec<u8>>,
}

struct Target {
    lane: Arc<Lane>,
    format: Format,
    clock: Clock,
}

impl Log {
    fn to_lane(lane: Arc<Lane>, format: Format, clock: Clock) -> Self {
        Self { on: Some(Target { lane, format, clock }), line: Cell::default() }
    }

    /// A log that writes nothing, at the cost of one comparison for each call.
    pub fn off() -> Self {
        Self { on: None, line: Cell::default() }
    }

    /// Begins the line of an event. Names of events and of fields are part of the interface: operators search for
    /// them.
    pub fn event(&self, name: &'static str) -> Event<'_> {
        let line = self.on.as_ref().map(|target| {
            let mut line = self.line.take();
            target.begin(name, &mut line);
            line
        });
        Event { log: self, line }
    }
}

impl Target {
    fn begin(&self, name: &'static str, line: &mut Vec<u8>) {
        line.clear();
        let (time, event) = match self.format {
            Format::Logfmt => ("ts=", " event="),
            Format::Json => ("{\"ts\":\"", "\",\"event\":"),
        };
        line.extend_from_slice(time.as_bytes());
        write_rfc3339(self.clock.unix_us(), line);
        line.extend_from_slice(event.as_bytes());
        Out { format: self.format, line }.text(name.as_bytes());
    }
}

/// A line that is being written. Nothing is logged without [`emit`](Self::emit).
#[must_use = "an event is logged by `emit`"]
pub struct Event<'a> {
    log: &'a Log,
    line: Option<Vec<u8>>,
}

impl Event<'_> {
    /// Adds a field. Control characters, quotes and bytes that aren't UTF-8 are escaped, values longer than
    /// [`LOG_VALUE_BYTES_MAX`] are cut, and a line that has reached [`LOG_LINE_BYTES_MAX`] takes no more fields.
    pub fn field(mut self, key: &'static str, value: impl Loggable) -> Self {
        if let (Some(target), Some(line)) = (&self.log.on, &mut self.line)
            && line.len() + LOG_VALUE_BYTES_MAX < LOG_LINE_BYTES_MAX
        {
            match target.format {
                Format::Logfmt => {
                    line.push(b' ');
                    line.extend_from_slice(key.as_bytes());
                    line.push(b'=');
                }
                Format::Json => {
                    line.extend_from_slice(b",\"");
                    line.extend_from_slice(key.as_bytes());
                    line.extend_from_slice(b"\":");
                }
            }
            value.write(&mut Out { format: target.format, line });
        }
        self
    }

    /// Adds a field if there is a value.
    pub fn maybe(self, key: &'static str, value: Option<impl Loggable>) -> Self {
        match value {
            Some(value) => self.field(key, value),
            None => self,
        }
    }

    /// Hands the line to the writer, or counts it as lost.
    pub fn emit(self) {
        if let (Some(target), Some(mut line)) = (&self.log.on, self.line) {
            line.extend_from_slice(if target.format == Format::Json { b"}\n" } else { b"\n" });
            target.lane.push(&line);
            self.log.line.set(line);
        }
    }
}

#[cfg(test)]
mod tests;
