//! Which records are read and shown: where reading begins and ends, and the filters.

use std::{collections::BTreeMap, time::SystemTime};

use clap::{Args, builder::PossibleValuesParser};
use prost_types::Timestamp;

use crate::{
    clock,
    command::{Failure, completions, spelling::spellings},
    config::suggestion,
    event::{instant, milliseconds},
    kafka::read::{Selection, Start, StoredRecord, matches},
    proto::{self, Origin},
    provider,
};

/// The units of relative times, in milliseconds.
const UNITS: &[(&str, i64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 7 * 86_400_000)];

/// Kinds whose events have another type than the one in the record's headers.
const COLLECTIVE: &[&str] = &["unclassified", "action", "quarantine"];

/// Reads a number of records.
fn records(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("a number of records is wanted, such as 10".into()),
    }
}

/// The flags that decide where reading begins and ends.
#[derive(Debug, Args)]
#[command(next_help_heading = "Range")]
pub(super) struct Range {
    /// Begin with the oldest record instead of the next one.
    #[arg(long, group = "start")]
    from_beginning: bool,
    /// Begin at a time: 2026-11-22T10:00:00Z, 2026-11-22 (UTC), -15m, '15m ago', or milliseconds since 1970.
    #[arg(long, value_name = "TIME", group = "start", allow_hyphen_values = true, value_parser = moment)]
    since: Option<i64>,
    /// Begin at an offset; with partitions before the offsets, read only those.
    #[arg(long, value_name = "[PARTITION:]OFFSET", group = "start", value_delimiter = ',', value_parser = offset)]
    offset: Vec<(Option<i32>, i64)>,
    /// Begin with the last records: this many in total that pass the filters, by their time.
    #[arg(long, value_name = "RECORDS", conflicts_with = "offset", value_parser = records)]
    last: Option<u64>,
    /// End at a time, which is not included; a future time is waited for.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = moment)]
    until: Option<i64>,
    /// End when everything that was there at the start has been read.
    #[arg(long)]
    exit: bool,
    /// End after this many records have been shown.
    #[arg(long, value_name = "RECORDS", value_parser = records)]
    pub(super) limit: Option<u64>,
    /// Read only these partitions.
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,
}

impl Range {
    /// Returns what to read. Without filters the last records can be found by offset.
    pub(super) fn selection(&self, topics: Vec<String>, filtered: bool) -> Result<Selection, Failure> {
        let until = self.until.filter(|until| *until <= now());
        let start = match (self.since, self.offset.as_slice(), self.last) {
            (Some(time), ..) => Start::Time(time),
            (None, [_, ..], _) => offsets(&self.offset)?,
            (None, [], Some(last)) if !filtered && until.is_none() && !self.from_beginning => {
                Start::Last { records: last, offsets: last }
            }
            (None, [], last) if last.is_some() || until.is_some() || self.from_beginning => Start::Beginning,
            _ => Start::End,
        };
        let follow = !self.exit && until.is_none();
        Ok(Selection { topics, partitions: self.partition.clone(), start, until, follow })
    }

    /// Returns how many of the latest records are wanted.
    pub(super) fn last(&self) -> Option<usize> {
        self.last.map(|last| usize::try_from(last).unwrap_or(usize::MAX))
    }

    /// Returns whether the time to end at has come.
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= now())
    }

    /// Returns whether a record's time is within the range. The topics' time index only decides where reading begins and ends.
    pub(super) fn admits(&self, stored: &StoredRecord) -> bool {
        let within = |time| self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until);
        stored.timestamp_ms.is_none_or(within)
    }
}

/// Returns the start at one offset for all partitions, or at an offset for each.
fn offsets(offsets: &[(Option<i32>, i64)]) -> Result<Start, Failure> {
    if let [(None, offset)] = offsets {
        return Ok(Start::Offset(*offset));
    }
    let of_partitions: Option<BTreeMap<i32, i64>> =
        offsets.iter().map(|(partition, offset)| Some(((*partition)?, *offset))).collect();
    match of_partitions {
        Some(of_partitions) if of_partitions.len() == offsets.len() => Ok(Start::Offsets(of_partitions)),
        _ => Err(Failure::Failed("--offset takes one offset, or one PARTITION:OFFSET for each partition".into())),
    }
}

fn offset(text: &str) -> Result<(Option<i32>, i64), String> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i64>().ok()).flatten();
    let parsed = match text.split_once(':') {
        None => number(text).map(|offset| (None, offset)),
        Some((partition, offset)) => number(partition)
            .and_then(|partition| i32::try_from(partition).ok())
            .and_then(|partition| Some((Some(partition), number(offset)?))),
    };
    parsed.ok_or_else(|| "an offset is a number, with or without a partition in front: 1201 or 3:1201".into())
}

fn now() -> i64 {
    milliseconds(clock::system())
}

/// Reads a time on the command line, in milliseconds since the epoch.
pub(in crate::command) fn moment(text: &str) -> Result<i64, String> {
    read(text, time)
}

/// Reads a time on the command line, with every digit of it.
pub(in crate::command) fn exact_moment(text: &str) -> Result<SystemTime, String> {
    read(text, |text, now| exact(text, now).and_then(instant))
}

fn read<T>(text: &str, time: impl Fn(&str, i64) -> Option<T>) -> Result<T, String> {
    let now = now();
    time(text, now).ok_or_else(|| {
        let hint = meant(text, now).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        format!(
            "a time is like 2026-11-22T10:00:00Z, 2026-11-22T11:00+01:00, 2026-11-22, now, -15m, '1h30m ago', +5m, or milliseconds since 1970{hint}"
        )
    })
}

/// Returns a time that a text without one may mean: people write other signs between the parts of a date, only hours, and units as words.
fn meant(text: &str, now: i64) -> Option<String> {
    let (text, mut short) = (text.trim(), text.trim().to_lowercase().replace([' ', '-'], "").replace("ago", ""));
    for (word, unit) in [("day", "d"), ("hour", "h"), ("minute", "m"), ("min", "m"), ("second", "s"), ("sec", "s")] {
        short = short.replace(&format!("{word}s"), unit).replace(word, unit);
    }
    [text.replace('/', "-"), format!("{text}:00"), short].into_iter().find(|it| time(it, now).is_some())
}

/// Reads a time, in milliseconds since the epoch.
fn time(text: &str, now: i64) -> Option<i64> {
    let time = exact(text, now)?;
    time.seconds.checked_mul(1_000)?.checked_add(i64::from(time.nanos) / 1_000_000)
}

/// Reads a time. One without a zone is UTC, so that it means the same for everybody who reads the command.
fn exact(text: &str, now: i64) -> Option<Timestamp> {
    let text = text.trim();
    match whole(text, now) {
        Some(milliseconds) => {
            let nanos = i32::try_from(milliseconds.rem_euclid(1_000)).ok()? * 1_000_000;
            Some(Timestamp { seconds: milliseconds.div_euclid(1_000), nanos })
        }
        None => with_seconds(text).as_deref().unwrap_or(text).parse().ok(),
    }
}

/// Reads what stands for whole milliseconds: now, a number, or a time before or after now.
fn whole(text: &str, now: i64) -> Option<i64> {
    if text == "now" {
        return Some(now);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = text.parse::<i64>().ok()?;
        return match text.len() {
            // These are seconds, as `date +%s` prints them.
            10 => Some(number * 1_000),
            13 => Some(number),
            _ => None,
        };
    }
    if let Some(later) = text.strip_prefix('+') {
        return now.checked_add(span(later)?);
    }
    let earlier = text.strip_prefix('-').or_else(|| Some(text.strip_suffix("ago")?.trim_end())).unwrap_or(text);
    now.checked_sub(span(earlier)?)
}

/// Returns a time with the seconds, which people leave out; nothing where they are there, or the text is none of these times.
fn with_seconds(text: &str) -> Option<String> {
    let (date, rest) = text.split_once(['T', ' '])?;
    let (clock, zone) = rest.split_at(rest.find(|c: char| c != ':' && !c.is_ascii_digit()).unwrap_or(rest.len()));
    (clock.len() == "10:00".len()).then(|| format!("{date}T{clock}:00{zone}"))
}

/// Reads a span such as "15m", "1h30m" or "2d 12h", in milliseconds.
pub(in crate::command) fn span(text: &str) -> Option<i64> {
    let (mut rest, mut sum) = (text, 0_i64);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let (unit, after) = after.split_at(after.bytes().take_while(u8::is_ascii_alphabetic).count());
        let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(*milliseconds)?)?;
        rest = after.trim_start();
    }
    (!text.is_empty()).then_some(sum)
}

/// The filters that decide which records are shown. Each filter takes several values, of which one must match; `*` stands for any
/// characters.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters (several values: any of them; `*` stands for any characters)")]
pub(super) struct Filters {
    /// Only events of these providers.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = PossibleValuesParser::new(provider::ALL.iter().map(|it| it.name)))]
    provider: Vec<String>,
    /// Only events of these types, such as scan.complete or filesafety.*, or unclassified, action, quarantine.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', add = completions::types())]
    types: Vec<String>,
    /// Only events about these assets, scans or resources.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    subject: Vec<String>,
    /// Only scans with these verdicts.
    #[arg(long, value_name = "VERDICT", value_delimiter = ',')]
    verdict: Vec<String>,
    /// Only events that came in on these endpoints.
    #[arg(long, value_name = "NAME", value_delimiter = ',', add = completions::endpoints())]
    endpoint: Vec<String>,
    /// Only events of this origin.
    #[arg(long, value_delimiter = ',', value_parser = ["webhook", "replayed", "recovered", "sample"])]
    origin: Vec<String>,
    /// Only events with these ids.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    id: Vec<String>,
}

/// Whether one of the values is one of those that are wanted; any is where none is named.
fn wanted<'a>(wanted: &[String], values: impl IntoIterator<Item = &'a str>) -> bool {
    wanted.is_empty() || values.into_iter().any(|value| wanted.iter().any(|wanted| matches(wanted, value)))
}

impl Filters {
    /// Returns whether any filter is set.
    pub(super) fn are_set(&self) -> bool {
        [&self.provider, &self.types, &self.subject, &self.verdict, &self.endpoint, &self.origin, &self.id]
            .iter()
            .any(|filter| !filter.is_empty())
    }

    /// Returns values that no record of this version has, each with what may be meant. Unclassified types have the provider's own names, so
    /// an unknown value is not an error.
    pub(super) fn doubts(&self, endpoints: Option<&[&str]>) -> Vec<String> {
        let of = |provider: &'static provider::Provider| {
            provider.names().chain(COLLECTIVE.iter().copied()).flat_map(|name| spellings(provider.name, name))
        };
        let types: Vec<String> = provider::ALL.iter().copied().flat_map(of).collect();
        let known = || types.iter().map(String::as_str);
        let mut doubts = Vec::new();
        for name in &self.types {
            if known().any(|known| matches(name, known)) {
                continue;
            }
            let meant = suggestion(name, known())
                .map_or_else(|| "`hookgate send PROVIDER --list` lists them".to_owned(), |name| format!("did you mean {name}?"));
            doubts.push(format!("--type {name}: no known type is called so; {meant}"));
        }
        for name in &self.endpoint {
            let Some(endpoints) = endpoints else { continue };
            if !endpoints.iter().any(|known| matches(name, known)) {
                doubts.push(format!(
                    "--endpoint {name}: the configuration has no such endpoint; there are {}",
                    endpoints.join(", ")
                ));
            }
        }
        doubts
    }

    /// Whether a record is to be shown. The headers answer where they can, without a look into the value. Where one is there several times,
    /// each of its values counts.
    pub(super) fn admit(&self, stored: &StoredRecord) -> bool {
        let all = |name: &'static str| stored.values(name).collect::<Vec<_>>();
        let kinds = stored.values("ce_type").filter_map(|kind| kind.strip_prefix("hookgate."));
        let kinds: Vec<(&str, &str)> = kinds.map(|kind| kind.split_once('.').unwrap_or(("", kind))).collect();
        let providers: Vec<&str> = kinds.iter().map(|(provider, _)| *provider).filter(|it| !it.is_empty()).collect();
        let (subjects, ids) = (all("ce_subject"), all("ce_id"));
        let key = std::str::from_utf8(stored.key_bytes()).ok().filter(|_| subjects.is_empty());
        let sources: Vec<&str> = stored.values("ce_source").filter_map(|source| source.strip_prefix("/hookgate/")).collect();
        let headers_match = wanted(&self.subject, subjects.into_iter().chain(key))
            && wanted(&self.verdict, stored.values("hookgate-verdict"))
            && (providers.is_empty() || wanted(&self.provider, providers.iter().copied()))
            && (sources.is_empty() || wanted(&self.endpoint, sources.iter().copied()))
            && (ids.is_empty() || wanted(&self.id, ids.iter().copied()));
        let type_matches = self.types.is_empty() || kinds.iter().any(|(provider, name)| self.takes_type(provider, name));
        let open = [
            providers.is_empty() && !self.provider.is_empty(),
            sources.is_empty() && !self.endpoint.is_empty(),
            ids.is_empty() && !self.id.is_empty(),
            !self.origin.is_empty(),
            !type_matches && kinds.iter().all(|(_, name)| COLLECTIVE.contains(name)),
        ];
        headers_match && if open.contains(&true) { self.admits_decoded(stored, type_matches) } else { type_matches }
    }

    /// Whether a type is wanted, in any spelling.
    fn takes_type(&self, provider: &str, name: &str) -> bool {
        wanted(&self.types, spellings(provider, name).iter().map(String::as_str))
    }

    /// Returns whether the decoded event should be shown. A value that is not an event matches nothing.
    fn admits_decoded(&self, stored: &StoredRecord, type_matches: bool) -> bool {
        let value = proto::unframe(stored.value_bytes()).map_or(stored.value_bytes(), |(_, event)| event);
        let Some(event) = proto::read_event(value) else { return false };
        let origin =
            Origin::try_from(event.origin).unwrap_or_default().as_str_name().trim_start_matches("ORIGIN_").to_lowercase();
        wanted(&self.provider, [&*event.provider])
            && wanted(&self.endpoint, [&*event.endpoint])
            && wanted(&self.id, [&*event.id])
            && wanted(&self.origin, [&*origin])
            && (type_matches || self.takes_type(&event.provider, &event.r#type))
    }
}

#[cfg(test)]
mod tests;
