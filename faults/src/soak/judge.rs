//! The verdict of the soak: resources that grow, and counts that differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{process::Sample, traffic::Tally};

/// The part of the time, at the beginning, in which memory may still grow: pools fill and caches warm up.
const WARM_UP: f64 = 0.2;
/// With fewer samples than this, a verdict means nothing.
const SAMPLES_MIN: usize = 20;
/// Memory counts as growing if two measures say so, in KiB: the line through all samples after the warm-up, which one peak does not tilt that
/// far, and the medians of two quarters, which a few peaks do not move. Normal allocators stay below both. The samples of one histogram that
/// is never folded, 24 bytes for each answer, exceed both in half an hour.
const RISE_MAX: f64 = 4.0 * 1024.0;
const SHIFT_MAX: u64 = 2 * 1024;
/// For descriptors and threads, the lowest values of two quarters are compared: on a busy machine there are more connections at a time, and
/// a blocking call has a thread of its own, but only for a while.
const DESCRIPTORS_SHIFT_MAX: u64 = 4;
const THREADS_SHIFT_MAX: u64 = 1;

/// The head of the table.
pub(super) const HEAD: &str = "| daemon | RSS MiB: begin | end | peak | anonymous MiB in each quarter | descriptors | threads | sent | 200 | refused as expected | unexpected | records | worst ms | |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|";

/// All that is known about one daemon after it has ended.
pub(super) struct Record {
    pub(super) tally: Tally,
    pub(super) samples: Vec<Sample>,
    /// The daemon's own metrics at the end.
    pub(super) metrics: String,
    pub(super) code: Option<i32>,
    /// Records on its topics.
    pub(super) stored: u64,
}

/// The verdict on one daemon.
pub(super) struct Verdict<'a> {
    record: &'a Record,
    /// The faults, in words.
    pub(super) faults: Vec<String>,
}

impl<'a> Verdict<'a> {
    pub(super) fn of(record: &'a Record) -> Result<Self, String> {
        let samples = &record.samples;
        if samples.len() < SAMPLES_MIN {
            return Err(format!("{} samples are too few for a verdict: soak longer", samples.len()));
        }
        let end = samples.last().map_or(0.0, |sample| sample.at);
        let warm: Vec<_> = samples.iter().filter(|sample| sample.at >= end * WARM_UP).copied().collect();
        let mut faults = growth(samples, slope(&warm) * (end - warm[0].at));
        faults.extend(disagreement(&record.tally, &record.metrics, record.stored));
        if record.code != Some(0) {
            faults.push(format!("SIGTERM ended it with the exit code {:?}", record.code));
        }
        Ok(Self { record, faults })
    }

    /// Returns the line of a daemon in the table.
    pub(super) fn line(&self, name: &str) -> String {
        let Record { tally, samples, stored, .. } = self.record;
        let rss: Vec<_> = samples.iter().map(|sample| sample.rss).collect();
        let mut line = format!("| {name}");
        for kib in [rss.first(), rss.last(), rss.iter().max()].into_iter().flatten() {
            let _infallible = write!(line, " | {}", mib(*kib));
        }
        // A slope looks like growth that continues. The medians show whether it does.
        let anonymous = [0, 1, 2, 3].map(|number| mib(quarter(samples, number, Place::Median, |sample| sample.anonymous)));
        let range = |of: fn(&Sample) -> u64| {
            let values = || samples.iter().map(of);
            format!("{}–{}", values().min().unwrap_or(0), values().max().unwrap_or(0))
        };
        let (descriptors, threads) = (range(|it| it.descriptors), range(|it| it.threads));
        let verdict = if self.faults.is_empty() { "ok" } else { "FAILED" };
        let _infallible = write!(
            line,
            " | {} | {descriptors} | {threads} | {} | {} | {} | {} | {stored} | {} | {verdict} |",
            anonymous.join(" "),
            tally.sent,
            tally.stored,
            tally.refused,
            tally.unexpected,
            tally.worst.as_millis(),
        );
        line
    }
}

/// Returns which resources of a daemon grow. `rise` is how much its memory grew from the warm-up to the end, in KiB.
fn growth(samples: &[Sample], rise: f64) -> Vec<String> {
    // The first quarter contains the warm-up.
    let shifted = |most: u64, place: Place, of: fn(&Sample) -> u64| {
        let (early, late) = (quarter(samples, 1, place, of), quarter(samples, 3, place, of));
        (late > early + most).then_some((early, late))
    };
    let mut faults = Vec::new();
    if let Some((early, late)) = shifted(SHIFT_MAX, Place::Median, |sample| sample.anonymous).filter(|_| rise > RISE_MAX) {
        faults.push(format!("its memory grows: from {early} to {late} KiB, by {rise:.0} KiB after the warm-up"));
    }
    if let Some((early, late)) = shifted(DESCRIPTORS_SHIFT_MAX, Place::Least, |sample| sample.descriptors) {
        faults.push(format!("its file descriptors grow: from {early} to {late}"));
    }
    if let Some((early, late)) = shifted(THREADS_SHIFT_MAX, Place::Least, |sample| sample.threads) {
        faults.push(format!("its threads grow: from {early} to {late}"));
    }
    faults
}

/// The place of a value among sorted values.
#[derive(Clone, Copy)]
enum Place {
    Least,
    Median,
}

/// Returns the value at a place among the sorted values of a quarter of the time. Quarters are numbered from 0.
fn quarter(samples: &[Sample], number: usize, place: Place, of: fn(&Sample) -> u64) -> u64 {
    let length = samples.len() / 4;
    let mut values: Vec<_> = samples[number * length..(number + 1) * length].iter().map(of).collect();
    values.sort_unstable();
    match place {
        Place::Least => values[0],
        Place::Median => values[length / 2],
    }
}

/// Returns a number of KiB as a text in MiB.
fn mib(kib: u64) -> String {
    format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024)
}

/// Returns the slope of the line that fits the memory best by least squares, in KiB a second.
#[expect(clippy::cast_precision_loss, reason = "sizes in KiB are far below 2^52")]
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (at, kib) = (mean(&|it| it.at), mean(&|it| it.anonymous as f64));
    let together = mean(&|it| (it.at - at) * (it.anonymous as f64 - kib));
    let alone = mean(&|it| (it.at - at).powi(2));
    if alone > 0.0 { together / alone } else { 0.0 }
}

/// Returns every difference between the deliveries sent, the daemon's counters and the records on the topics.
fn disagreement(tally: &Tally, metrics: &str, stored: u64) -> Vec<String> {
    let mut faults = tally.described.clone();
    if tally.unexpected > 0 {
        faults.push(format!("{} unexpected answers", tally.unexpected));
    }
    if stored != tally.stored {
        faults.push(format!("{} deliveries were answered 200, and {stored} records are on the topics", tally.stored));
    }
    let counted = deliveries(metrics);
    for place in counted.keys().chain(tally.answers.keys()).collect::<BTreeSet<_>>() {
        let [counted, sent] = [&counted, &tally.answers].map(|counts| counts.get(place).copied().unwrap_or(0));
        if counted != sent {
            faults.push(format!("/metrics counts {counted} of {place:?}, {sent} were sent"));
        }
    }
    let timed: u64 = values(metrics, "hookgate_answer_seconds_count").map(|(_, count)| count).sum();
    if timed != tally.sent {
        faults.push(format!("/metrics has the time of {timed} answers, {} were sent", tally.sent));
    }
    faults
}

/// Returns the counters that are not zero, by endpoint and outcome.
fn deliveries(metrics: &str) -> BTreeMap<(String, String), u64> {
    let label = |labels: &str, name: &str| {
        let (_, rest) = labels.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let counted = values(metrics, "hookgate_deliveries_total").filter(|(_, count)| *count > 0);
    counted.filter_map(|(labels, count)| Some(((label(labels, "endpoint")?, label(labels, "outcome")?), count))).collect()
}

/// Returns the labels and values of a metric.
fn values<'a>(metrics: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
    let lines = metrics.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} "));
    lines.filter_map(|(labels, value)| Some((labels, value.parse().ok()?)))
}

#[cfg(test)]
mod tests;
