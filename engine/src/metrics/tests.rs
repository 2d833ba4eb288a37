//! The page as Prometheus reads it.

use super::*;

static TRIALS: Metric =
    Metric { name: "weir_trials_total", help: "Trials.", labels: &["rule"], kind: Kind::Counter };
static WEIGHT: Metric = Metric {
    name: "weir_weight",
    help: "Weights.",
    labels: &[],
    kind: Kind::Histogram { bounds: &[-50, 0, 250], scale: 100 },
};

#[test]
fn cells_of_all_threads_are_summed() {
    let registry = Registry::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let cell = registry.counter(&TRIALS, &["A"]);
            scope.spawn(move || (0..1000).for_each(|_| cell.increment()));
        }
    });
    let kept = registry.counter(&TRIALS, &["B"]);
    kept.add(7);
    let page = "# HELP weir_trials_total Trials.\n# TYPE weir_trials_total counter\n\
                weir_trials_total{rule=\"A\"} 4000\nweir_trials_total{rule=\"B\"} 7\n";
    assert_eq!(registry.render(), page);
    assert_eq!(registry.render(), page, "what finished cells counted is counted once");
}

#[test]
fn labels_are_escaped() {
    let registry = Registry::default();
    let _cell = registry.counter(&TRIALS, &["a\"b\\c\nd"]);
    assert!(registry.render().contains(r#"{rule="a\"b\\c\nd"} 0"#));
}

#[test]
fn buckets_are_cumulative_and_exact() {
    let registry = Registry::default();
    let (one, two) = (registry.histogram(&WEIGHT, &[]), registry.histogram(&WEIGHT, &[]));
    one.observe(-50);
    one.observe(250);
    two.observe(251);
    two.observe(-51);
    drop(two);
    let expected = "weir_weight_bucket{le=\"-0.5\"} 2\nweir_weight_bucket{le=\"0\"} 2\n\
                    weir_weight_bucket{le=\"2.5\"} 3\nweir_weight_bucket{le=\"+Inf\"} 4\n\
                    weir_weight_sum 4\nweir_weight_count 4\n";
    assert!(registry.render().ends_with(expected), "{}", registry.render());
}

#[test]
fn a_gauge_forgets_cells_that_are_gone() {
    let registry = Registry::default();
    let (one, two) = (registry.gauge(&names::SESSIONS, &["mx"]), registry.gauge(&names::SESSIONS, &["mx"]));
    one.add(5);
    two.set(2);
    assert!(registry.render().contains("weir_sessions{listener=\"mx\"} 7\n"));
    drop(one);
    assert!(registry.render().contains("weir_sessions{listener=\"mx\"} 2\n"));
    drop(two);
    assert_eq!(registry.render(), "");
}

#[test]
fn a_pulled_value_is_asked_for_each_time() {
    let registry = Registry::default();
    let calls = std::cell::Cell::new(0.5);
    registry.pulled(&names::GENERATION, &[], move || {
        calls.set(calls.get() + 1.0);
        calls.get()
    });
    assert!(registry.render().ends_with("weir_generation 1.5\n"));
    assert!(registry.render().ends_with("weir_generation 2.5\n"));
}

#[test]
fn quantiles_are_over_all_cells() {
    let registry = Registry::default();
    let (one, two) = (
        registry.timer(&names::PHASE_DURATION, &["data"]),
        registry.timer(&names::PHASE_DURATION, &["data"]),
    );
    (1..=50).for_each(|ms| one.observe(Duration::from_millis(ms)));
    (51..=100).for_each(|ms| two.observe(Duration::from_millis(ms)));
    drop(one);
    let quantiles = registry.quantiles();
    assert_eq!(registry.quantiles(), quantiles, "asking changes nothing");
    let [summary] = quantiles.as_slice() else { panic!("{quantiles:?}") };
    assert_eq!((summary.name, summary.count), ("weir_phase_duration_seconds", 100));
    assert_eq!(summary.labels, ["data"]);
    for (got, expected_ms) in [(summary.p50, 50), (summary.p90, 90), (summary.p99, 99), (summary.max, 100)] {
        let expected = Duration::from_millis(expected_ms);
        assert!(got >= expected && got < expected + expected / 50, "{got:?} for {expected:?}");
    }
    let page = registry.render();
    assert!(page.contains("weir_phase_duration_seconds_bucket{phase=\"data\",le=\"0.05\"} 50\n"), "{page}");
    assert!(page.contains("weir_phase_duration_seconds_sum{phase=\"data\"} 5.05\n"), "{page}");
}

#[test]
fn series_are_bounded() {
    let registry = Registry::default();
    let cells: Vec<_> =
        (0..=METRIC_SERIES_MAX).map(|n| registry.counter(&TRIALS, &[&n.to_string()])).collect();
    cells.iter().for_each(Counter::increment);
    assert_eq!(registry.render().lines().count(), METRIC_SERIES_MAX + 2);
}

#[test]
fn names_follow_the_conventions() {
    let mut names: Vec<_> = names::ALL.iter().map(|metric| metric.name).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|a, b| a < b), "no name twice");
    for metric in names::ALL {
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(plain(metric.name) && metric.labels.iter().all(|label| plain(label)), "{}", metric.name);
        assert!(metric.name.starts_with("weir_"), "{}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        assert_eq!(metric.name.ends_with("_duration_seconds"), metric.kind == Kind::Timer, "{}", metric.name);
        assert!(metric.help.ends_with('.') && !metric.help.contains(['\n', '\\']), "{}", metric.help);
        if let Kind::Histogram { bounds, .. } = metric.kind {
            assert!(bounds.is_sorted_by(|a, b| a < b), "{}", metric.name);
        }
    }
}
