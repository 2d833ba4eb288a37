//! An outcome as a run makes it, for tests: two servers, five rounds, a time line with a kill, and noise from a fixed seed.

use std::collections::BTreeMap;

use crate::dice::Dice;
use crate::result::{Event, Expectation, FORMAT, Outcome, Place, Run, Sample};

/// What a server is like.
struct Nature {
    server: &'static str,
    cpu_us: f64,
    rate: f64,
    latency_us: f64,
    rss: f64,
    syscalls: f64,
}

const HAPROXY: Nature = Nature {
    server: "haproxy",
    cpu_us: 48.5,
    rate: 13_900.0,
    latency_us: 1_250.0,
    rss: 38.5e6,
    syscalls: 14.2,
};
const WEIR: Nature =
    Nature { server: "weir", cpu_us: 45.3, rate: 17_600.0, latency_us: 940.0, rss: 21.2e6, syscalls: 5.1 };

const ROUNDS: u32 = 5;
const SECONDS: u32 = 30;

/// The run that is looked at.
pub(crate) fn outcome() -> Outcome {
    made("58c7c6b", &[HAPROXY, WEIR], 1)
}

/// The same at another commit, where weir takes less.
pub(crate) fn better() -> Outcome {
    made("0a1b2c3", &[HAPROXY, Nature { cpu_us: 39.0, rate: 19_400.0, latency_us: 880.0, ..WEIR }], 2)
}

fn made(commit: &str, natures: &[Nature], seed: u64) -> Outcome {
    let mut dice = Dice::new(seed);
    let runs = (1..=ROUNDS)
        .flat_map(|round| natures.iter().map(move |nature| (round, nature)))
        .map(|(round, nature)| run(nature, round, &mut dice))
        .collect();
    let versions = [("haproxy", String::from("2.6.12")), ("weir", format!("0.1.0 ({commit})"))];
    Outcome {
        format: FORMAT,
        scenario: "kill-scanner".into(),
        about: "kill -9 of a scanner".into(),
        setup: vec!["5 rounds of 30.0 s".into(), "load world: --sessions 20".into()],
        place: Place {
            date: "2026-11-26T06:30:00Z".into(),
            commit: Some(commit.into()),
            machine: "AMD EPYC (2 cores), 23.4 GiB, Linux 6.18".into(),
            versions: versions.map(|(server, version)| (server.to_owned(), version)).into(),
        },
        runs,
    }
}

fn run(nature: &Nature, round: u32, dice: &mut Dice) -> Run {
    let mut near = |value: f64, spread: f64| value * (1.0 + spread * (dice.fraction() - 0.5));
    let latency = near(nature.latency_us, 0.08);
    let figures = [
        ("attempts_per_second", near(nature.rate, 0.06)),
        ("scan1.cpu_us_per_message", near(nature.cpu_us, 0.1)),
        ("scan1.rss_peak_bytes", nature.rss),
        ("refused", 0.0),
        ("cpu_us_per_message", near(nature.cpu_us, 0.05)),
        ("latency_p50_us", latency),
        ("latency_p90_us", latency * near(1.6, 0.05)),
        ("latency_p99_us", latency * near(3.4, 0.2)),
        ("latency_p999_us", latency * near(11.0, 0.5)),
        ("rss_peak_bytes", near(nature.rss, 0.03)),
        ("syscalls_per_message", near(nature.syscalls, 0.02)),
        ("accepted", (near(nature.rate, 0.06) * f64::from(SECONDS)).round()),
        ("lost", 0.0),
        ("doubled", 0.0),
        ("unsure", f64::from(round % 3)),
    ];
    let figures: BTreeMap<String, f64> =
        figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let p99 = figures.get("latency_p99_us").copied().unwrap();
    Run {
        server: nature.server.into(),
        round,
        latency_us: curve(latency, &mut near),
        samples: (1..=SECONDS).map(|second| sample(nature, f64::from(second), &mut near)).collect(),
        events: [(10.0, "reload balancer"), (15.0, "kill -9 scan1"), (18.0, "start scan1")]
            .map(|(seconds, what)| Event { seconds: seconds + 0.01 * f64::from(round), what: what.into() })
            .into(),
        expectations: vec![
            Expectation { text: "lost = 0".into(), found: Some(0.0), met: true },
            Expectation { text: "latency_p99_us < 4300".into(), found: Some(p99), met: p99 < 4300.0 },
        ],
        figures,
    }
}

fn curve(middle: f64, near: &mut impl FnMut(f64, f64) -> f64) -> Vec<(f64, f64)> {
    let points = [
        (0.0, 0.4),
        (25.0, 0.8),
        (50.0, 1.0),
        (75.0, 1.3),
        (90.0, 1.6),
        (95.0, 2.0),
        (99.0, 3.4),
        (99.9, 11.0),
        (99.99, 30.0),
        (100.0, 41.0),
    ];
    let mut highest: f64 = 0.0;
    points
        .map(|(percentile, factor)| {
            highest = highest.max(middle * near(factor, 0.1));
            (percentile, highest)
        })
        .into()
}

fn sample(nature: &Nature, seconds: f64, near: &mut impl FnMut(f64, f64) -> f64) -> Sample {
    let is_down = (15.0..18.0).contains(&seconds);
    let rate = near(nature.rate, 0.1) * if is_down { 0.7 } else { 1.0 };
    Sample {
        seconds,
        rate,
        latency_p99_us: near(nature.latency_us * 3.4, 0.3) * if is_down { 4.0 } else { 1.0 },
        failure_rate: if is_down { near(120.0, 0.5) } else { 0.0 },
        cpu_cores: rate * nature.cpu_us / 1e6,
        rss_bytes: nature.rss * (0.7 + 0.3 * (seconds / 8.0).min(1.0)),
    }
}
