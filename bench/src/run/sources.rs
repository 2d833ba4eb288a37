//! The sources of a run: processes of their own, whose samples are read while they run.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Deserialize;
use serde_json::Value;

use super::proof::Sent;
use crate::Result;
use crate::cores::Cores;
use crate::figures::{FIGURES, Of};
use crate::process::{Process, Program, shown};
use crate::scenario::{Figures, Load, Term, braced};
use crate::source::{self, Sample};
use crate::value::real;

/// How long a source may go on when its time is over: its own bound for a reply, and a moment.
const END_WITHIN: Duration = Duration::from_secs(70);

/// All sources of a run.
pub(super) struct Sources {
    folder: PathBuf,
    pub(super) running: Vec<Source>,
    heard: Receiver<(usize, Heard)>,
    to_us: Sender<(usize, Heard)>,
}

/// A source and what it has said.
pub(super) struct Source {
    pub(super) name: String,
    process: Process,
    pub(super) began: Instant,
    ends_before: Instant,
    latency: Histogram<u64>,
    /// Its newest, which nobody has asked for yet.
    sample: Option<Sample>,
    pub(super) summary: Option<Value>,
    /// It has ended and its summary was read.
    pub(super) ended: Option<Instant>,
}

enum Heard {
    Line(String),
    End,
}

impl Sources {
    /// None yet; logs go into `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        let (to_us, heard) = channel();
        Self { folder: folder.to_owned(), running: Vec::new(), heard, to_us }
    }

    /// Starts a source under this name with options in which terms have their values.
    pub(super) fn start(
        &mut self,
        load: &Load,
        name: &str,
        to: SocketAddr,
        options: &[String],
        lasts: Duration,
    ) -> Result<()> {
        let own = std::env::current_exe()?.to_string_lossy().into_owned();
        let to = to.to_string();
        let time = format!("{}us", lasts.as_micros());
        let lasts_option = if load.holds { "--hold" } else { "--for" };
        let mut fixed = [&own, "source", &to, "--json", "--samples-to", "/dev/stdout", lasts_option, &time]
            .map(str::to_owned)
            .to_vec();
        fixed.extend(
            load.messages.iter().flat_map(|messages| ["--messages".to_owned(), messages.to_string()]),
        );
        let program = Program {
            words: &[fixed.as_slice(), options].concat(),
            cores: load.cores.and_then(Cores::here),
            folder: &self.folder,
            log: self.folder.join(format!("source-{name}.log")),
            is_read: true,
            environment: &[],
        };
        let mut process = Process::start(&format!("load `{name}`"), program)?;
        let output = process.take_output().ok_or("the source has no output")?;
        let (index, to_us) = (self.running.len(), self.to_us.clone());
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                // Nobody listens any more when the run has failed.
                let _gone = to_us.send((index, Heard::Line(line)));
            }
            let _gone = to_us.send((index, Heard::End));
        });
        let began = Instant::now();
        self.running.push(Source {
            name: name.to_owned(),
            process,
            began,
            ends_before: began + lasts + END_WITHIN,
            latency: source::histogram(),
            sample: None,
            summary: None,
            ended: None,
        });
        Ok(())
    }

    /// Takes in what the sources have said.
    pub(super) fn listen(&mut self) -> Result<()> {
        while let Ok((index, heard)) = self.heard.try_recv() {
            let Some(source) = self.running.get_mut(index) else { continue };
            match heard {
                Heard::Line(line) => match serde_json::from_str::<Sample>(&line) {
                    Ok(sample) => source.sample = Some(sample),
                    Err(_) => source.read_summary(&line)?,
                },
                Heard::End => source.end()?,
            }
        }
        for source in &self.running {
            if source.ended.is_none() && Instant::now() > source.ends_before {
                return Err(source.process.fault("does not end"));
            }
        }
        Ok(())
    }

    /// What the sources have said of the last second, together: their rates are summed up, and of the p99 the worst is told.
    pub(super) fn sample(&mut self) -> (f64, f64, f64) {
        let samples = self.running.iter_mut().filter_map(|source| source.sample.take());
        samples.fold((0.0, 0.0, 0.0), |(rate, p99, failures), sample| {
            (rate + sample.rate, sample.latency_p99_us.max(p99), failures + sample.failure_rate)
        })
    }

    /// Whether all that run have said something since they were asked last.
    pub(super) fn have_sampled(&self) -> bool {
        self.running.iter().all(|source| source.ended.is_some() || source.sample.is_some())
    }

    /// Whether all that were started have ended.
    pub(super) fn have_ended(&self) -> bool {
        self.running.iter().all(|source| source.ended.is_some())
    }

    /// What each says of its serials, if it has any.
    pub(super) fn sent(&self) -> Result<Vec<Sent>> {
        let summaries = self.running.iter().filter_map(|source| source.summary.as_ref());
        let summaries = summaries.filter(|summary| summary.get("serials").is_some());
        Ok(summaries.map(Sent::deserialize).collect::<std::result::Result<_, _>>()?)
    }
}

impl Source {
    fn read_summary(&mut self, line: &str) -> Result<()> {
        #[derive(Deserialize)]
        struct Latency {
            // A load that only holds connections has none.
            #[serde(default)]
            latency_histogram_us: Vec<(u64, u64)>,
        }
        let summary: Value =
            serde_json::from_str(line).map_err(|_| self.process.fault("says what is no summary"))?;
        for (us, count) in Latency::deserialize(&summary)?.latency_histogram_us {
            self.latency.saturating_record_n(us, count);
        }
        self.summary = Some(summary);
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let status = self.process.wait(END_WITHIN)?;
        if self.summary.is_none() || !status.is_some_and(|status| status.success()) {
            return Err(self.process.fault(&status.map_or("does not end".into(), shown)));
        }
        self.ended = Some(Instant::now());
        Ok(())
    }

    pub(super) fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// Its figures, without a prefix.
    pub(super) fn figures(&self) -> Figures {
        of_summaries([self].into_iter())
    }
}

/// The figures of several sources together; their time is from the first start to the last end.
pub(super) fn of_summaries<'a>(sources: impl Iterator<Item = &'a Source> + Clone) -> Figures {
    let mut figures = Figures::new();
    let mut latency = source::histogram();
    for source in sources.clone() {
        // Both have the same bounds.
        let _same = latency.add(source.latency());
        let Some(summary) = &source.summary else { continue };
        for name in FIGURES.iter().filter(|figure| figure.of == Of::Count).map(|figure| figure.name) {
            if let Some(count) = summary.get(name).and_then(Value::as_u64) {
                *figures.entry(name.to_owned()).or_default() += real(count);
            }
        }
        for (code, count) in summary.get("codes").and_then(Value::as_object).into_iter().flatten() {
            *figures.entry(format!("refused_{code}")).or_default() +=
                real(count.as_u64().unwrap_or_default());
        }
    }
    let began = sources.clone().map(|source| source.began).min();
    let ended = sources.filter_map(|source| source.ended).max();
    if let (Some(began), Some(ended)) = (began, ended) {
        let seconds = (ended - began).as_secs_f64();
        let accepted = figures.get("accepted").copied().unwrap_or_default();
        figures.insert("seconds".into(), seconds);
        let refused = figures.get("refused").copied().unwrap_or_default();
        if figures.contains_key("attempts") {
            figures.insert("messages_per_second".into(), accepted / seconds);
            figures.insert("attempts_per_second".into(), (accepted + refused) / seconds);
        }
    }
    if !latency.is_empty() {
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
            figures.insert(format!("latency_{name}_us"), real(latency.value_at_quantile(quantile)));
        }
        figures.insert("latency_max_us".into(), real(latency.max()));
    }
    figures
}

/// Options in which each `{TERM}` has become its value; the first term that has none yet is the error.
pub(super) fn filled(options: &[String], figures: &Figures) -> std::result::Result<Vec<String>, String> {
    let fill = |word: &String| {
        let mut word = word.clone();
        for text in braced(&word.clone()) {
            let value = text.parse::<Term>()?.value(figures);
            if !value.is_finite() {
                return Err(text.to_owned());
            }
            word = word.replace(&format!("{{{text}}}"), &format!("{value:.0}"));
        }
        Ok(word)
    };
    options.iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_become_their_values() {
        let figures = Figures::from([("peak.rate".to_owned(), 100.4)]);
        let options = ["--rate", "{2 * peak.rate}..{3 * peak.rate}/{50}:1s"].map(str::to_owned);
        assert_eq!(filled(&options, &figures).unwrap().join(" "), "--rate 201..301/50:1s");
        assert_eq!(filled(&options, &Figures::new()), Err("2 * peak.rate".to_owned()));
    }
}
