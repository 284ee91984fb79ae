//! The judge must see growth, and must not report the normal behaviour of allocators.

use super::*;

/// Returns the samples of half an hour, one every two seconds. `anonymous` returns the memory in KiB at a second.
fn samples(anonymous: impl Fn(u64) -> u64) -> Vec<Sample> {
    let at = |second: u64| Sample {
        at: f64::from(u32::try_from(second).unwrap_or(0)),
        rss: anonymous(second) + 5000,
        anonymous: anonymous(second),
        descriptors: 40,
        threads: 9,
    };
    (0..1800).step_by(2).map(at).collect()
}

const FLAT: u64 = 30 << 10;
const METRICS: &str = "\
# TYPE hookgate_deliveries_total counter
hookgate_deliveries_total{endpoint=\"frameio\",provider=\"frameio\",outcome=\"published\"} 7
hookgate_deliveries_total{endpoint=\"frameio\",provider=\"frameio\",outcome=\"stale\"} 0
hookgate_deliveries_total{endpoint=\"_unmatched\",provider=\"\",outcome=\"unknown_endpoint\"} 2
hookgate_answer_seconds_bucket{endpoint=\"frameio\",provider=\"frameio\",le=\"+Inf\"} 7
hookgate_answer_seconds_count{endpoint=\"frameio\",provider=\"frameio\"} 7
hookgate_answer_seconds_count{endpoint=\"_unmatched\",provider=\"\"} 2
";

/// Returns a run without a fault.
fn good() -> Record {
    let answers = [(("frameio", "published"), 7), (("_unmatched", "unknown_endpoint"), 2)];
    let answers = answers.map(|((endpoint, outcome), count)| ((endpoint.into(), outcome.into()), count)).into();
    let tally = Tally { answers, sent: 9, stored: 7, refused: 2, ..Tally::default() };
    Record { tally, samples: samples(|_| FLAT), metrics: METRICS.into(), code: Some(0), stored: 7 }
}

/// Changes a good run and judges it. `fault` is a part of the only fault, or `None` if there must be none.
#[track_caller]
fn check(change: impl Fn(&mut Record), fault: Option<&str>) {
    let mut record = good();
    change(&mut record);
    let verdict = Verdict::of(&record).expect("there are enough samples");
    match fault {
        None => assert!(verdict.faults.is_empty(), "{:?}", verdict.faults),
        Some(fault) => {
            assert!(verdict.faults.len() == 1 && verdict.faults[0].contains(fault), "{fault}: {:?}", verdict.faults);
            assert!(verdict.line("x").ends_with(" | FAILED |"));
        }
    }
}

#[test]
fn growing_memory_is_reported_and_noise_is_not() {
    let memory = |anonymous: fn(u64) -> u64, fault| check(|it| it.samples = samples(anonymous), fault);
    memory(|_| FLAT, None);
    memory(|second| FLAT + second * 10, Some("memory grows"));
    // 3 KiB a second are 4.2 MiB after the warm-up, 2 are 2.8.
    memory(|second| FLAT + second * 3, Some("memory grows"));
    memory(|second| FLAT + second * 2, None);
    memory(|second| FLAT.saturating_sub(second * 10), None);
    // The memory warms up, and then stays the same.
    memory(|second| FLAT + second.min(300) * 100, None);
    // The memory rises and falls, and has one peak at the worst moment.
    memory(|second| FLAT + second % 60 * 100, None);
    memory(|second| if second > 1780 { FLAT * 4 } else { FLAT }, None);
    // A step of 1 MiB in the middle is not yet a leak. A step of 20 MiB is one.
    memory(|second| FLAT + if second > 900 { 1 << 10 } else { 0 }, None);
    memory(|second| FLAT + if second > 900 { 20 << 10 } else { 0 }, Some("memory grows"));
}

#[test]
fn growing_descriptors_and_threads_are_reported() {
    let from = |change: fn(&mut Sample, u64), fault| {
        let of = |record: &mut Record| (0..).zip(&mut record.samples).for_each(|(number, it)| change(it, number));
        check(of, fault);
    };
    from(|sample, number| sample.descriptors += number / 30, Some("descriptors grow"));
    from(|sample, number| sample.descriptors += number % 12, None);
    // The peaks rise, but the lowest values do not.
    from(|sample, number| sample.descriptors += number % 10 * number / 100, None);
    from(|sample, number| sample.threads += number / 200, Some("threads grow"));
    from(|sample, number| sample.threads += number % 2, None);
}

#[test]
fn counts_that_differ_are_reported() {
    check(|_| (), None);
    check(|it| it.stored = 6, Some("6 records are on the topics"));
    check(|it| it.stored = 8, Some("8 records are on the topics"));
    check(|it| it.tally.unexpected = 1, Some("1 unexpected"));
    check(|it| it.code = Some(1), Some("exit code"));
    check(|it| it.code = None, Some("exit code"));
    let metrics = |from: &str, to: &str, fault| check(|it| it.metrics = METRICS.replace(from, to), fault);
    metrics("published\"} 7", "published\"} 6", Some("counts 6"));
    metrics("stale\"} 0", "stale\"} 1", Some("counts 1"));
    metrics("unknown_endpoint\"} 2", "unknown_endpoint\"} 0", Some("counts 0"));
    metrics("provider=\"frameio\"} 7", "provider=\"frameio\"} 8", Some("the time of 10 answers"));
}

#[test]
fn a_run_that_is_too_short_has_no_verdict() {
    let mut record = good();
    record.samples.truncate(SAMPLES_MIN - 1);
    assert!(Verdict::of(&record).is_err());
}

#[test]
fn the_line_shows_whether_memory_keeps_growing() {
    let mut record = good();
    record.samples = samples(|second| FLAT + second * 2);
    let line = Verdict::of(&record).expect("there are enough samples").line("x");
    // 2 KiB a second, and a quarter is 450 seconds.
    assert!(line.contains(" | 30.4 31.3 32.1 33.0 | 40–40 | 9–9 | 9 | 7 | 2 | 0 | 7 | 0 | ok |"), "{line}");
    assert_eq!(line.matches('|').count(), HEAD.lines().next().unwrap_or_default().matches('|').count());
}
