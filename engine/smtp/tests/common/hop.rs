//! A next hop as smuggling needs one: besides CRLF it takes other breaks for the end of a line, as servers did and do.
//! Written apart from the machines, so that both can be held against it.

/// What a hop takes beyond RFC 5321. Whatever it calls the end of a line can make up the end of data, with a lone dot in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Leniency {
    /// A bare LF ends a line.
    pub(crate) lf: bool,
    /// A bare CR ends a line.
    pub(crate) cr: bool,
    /// A NUL is read over.
    pub(crate) nul: bool,
}

impl Leniency {
    /// Every mixture, the strict hop first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|bits| Self { lf: bits & 1 > 0, cr: bits & 2 > 0, nul: bits & 4 > 0 })
    }
}

/// A message as the hop understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    /// What stood behind `RCPT TO:`.
    pub(crate) rcpts: Vec<String>,
    /// Its lines without their ends and without stuffing; a chunk is one line.
    pub(crate) lines: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Commands,
    Data,
    Chunk(usize),
}

/// A hop and all that it was told on one connection.
#[derive(Debug, Default)]
pub(crate) struct Hop {
    leniency: Leniency,
    state: State,
    input: Vec<u8>,
    has_sender: bool,
    rcpts: Vec<String>,
    lines: Vec<Vec<u8>>,
    /// The messages that it took.
    pub(crate) letters: Vec<Letter>,
    /// Lines that it took for commands and that are none.
    pub(crate) nonsense: Vec<String>,
}

impl Hop {
    pub(crate) fn new(leniency: Leniency) -> Self {
        Self { leniency, ..Self::default() }
    }

    /// Reads on; what it replies.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> String {
        self.input.extend(bytes.iter().filter(|&&byte| byte != 0 || !self.leniency.nul));
        let mut replies = String::new();
        while let Some(reply) = self.step() {
            replies.push_str(reply);
        }
        replies
    }

    /// Takes one line or one chunk.
    fn step(&mut self) -> Option<&'static str> {
        if let State::Chunk(bytes) = self.state {
            let chunk = self.input.get(..bytes)?.to_vec();
            self.input.drain(..bytes);
            self.lines = vec![chunk];
            return Some(self.end());
        }
        let line = self.line()?;
        if self.state == State::Commands {
            return Some(self.command(&line));
        }
        if line == b"." {
            return Some(self.end());
        }
        self.lines.push(line.strip_prefix(b".").unwrap_or(&line).to_vec());
        Some("")
    }

    /// The next line, by whatever this hop calls the end of one.
    fn line(&mut self) -> Option<Vec<u8>> {
        let Leniency { lf, cr, .. } = self.leniency;
        let (mut at, mut end) = (0, 0);
        while end == 0 {
            end = match self.input.get(at..)? {
                [b'\r', b'\n', ..] => 2,
                // Its LF may be on the way.
                [b'\r'] | [] => return None,
                [b'\r', ..] if cr => 1,
                [b'\n', ..] if lf => 1,
                _ => 0,
            };
            at += 1;
        }
        let line = self.input.get(..at - 1)?.to_vec();
        self.input.drain(..at - 1 + end);
        Some(line)
    }

    fn end(&mut self) -> &'static str {
        self.state = State::Commands;
        self.has_sender = false;
        let (rcpts, lines) = (std::mem::take(&mut self.rcpts), std::mem::take(&mut self.lines));
        self.letters.push(Letter { rcpts, lines });
        "250 taken\r\n"
    }

    fn command(&mut self, line: &[u8]) -> &'static str {
        let line = String::from_utf8_lossy(line).into_owned();
        let rest = |prefix| line.strip_prefix(prefix);
        if line == "QUIT" {
            "221 bye\r\n"
        } else if line == "RSET" {
            self.has_sender = false;
            self.rcpts.clear();
            "250 forgotten\r\n"
        } else if rest("EHLO ").is_some() {
            "250-hop\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
        } else if rest("MAIL FROM:").is_some() {
            self.has_sender = true;
            "250 sender\r\n"
        } else if let Some(rcpt) = rest("RCPT TO:") {
            if !self.has_sender {
                return "503 no sender\r\n";
            }
            self.rcpts.push(rcpt.to_owned());
            "250 recipient\r\n"
        } else if self.rcpts.is_empty() {
            self.nonsense.push(line);
            "554 no recipients\r\n"
        } else if line == "DATA" {
            self.state = State::Data;
            "354 go on\r\n"
        } else if let Some(bytes) = rest("BDAT ").and_then(|size| size.strip_suffix(" LAST")?.parse().ok()) {
            self.state = State::Chunk(bytes);
            ""
        } else {
            self.nonsense.push(line);
            "500 what?\r\n"
        }
    }
}
