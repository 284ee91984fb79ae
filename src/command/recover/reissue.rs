//! `hookgate recover filespin --reissue`: FileSpin sends its webhooks again. They come in through the daemon, and Hookgate publishes nothing
//! itself.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::json;

use super::Arguments;
use crate::{
    api::{self, Api, ApiError, filespin},
    command::{
        CommandResult, EXIT_FAILED, EXIT_FINDINGS, Failure,
        missing::{self, TimeWindow, options::providers},
        note,
        output::{LINE, Printout, ReportFormat, counted, wrapped},
        run::{can_ask, confirm, who},
        tail::watch,
    },
    config::{Config, Environment},
    event::timestamp,
};

/// The first and the last instant of upload of one request.
type Upload = (SystemTime, SystemTime);

pub(super) fn run(arguments: &Arguments, environment: &Environment, config: &Config, window: TimeWindow) -> CommandResult {
    if arguments.provider != "filespin" {
        return Err(Failure::Usage(format!("--reissue is for filespin only: {} has no such call", arguments.provider)));
    }
    providers(std::slice::from_ref(&arguments.provider), config)?;
    let Some(access) = &config.recover.filespin else { return Ok(true) };
    let windows = windows(window);
    plan(&mut io::stderr().lock(), &windows)?;
    if arguments.publication.dry_run {
        note(&format!("{} would be sent", requests(windows.len())));
        return Err(Failure::Reported(EXIT_FINDINGS));
    }
    let question = format!("Ask FileSpin in {} to send these webhooks again to every receiver?", requests(windows.len()));
    let stop = watch(EXIT_FAILED)?;
    // The answer of a person who reads this is worth more than a flag of an old script.
    if !confirm(&question, arguments.publication.yes && !can_ask(), &stop)? {
        return Err(Failure::Failed("nothing was asked for".into()));
    }
    let wait = |time, why: &str| missing::wait(&stop, time, why);
    let client = api::client(&config.recover, environment)?;
    let mut api = Api::new(client, &access.base_url, filespin::MANNERS, std::slice::from_ref(&access.api_key), &wait);
    note(&format!("{} asks FileSpin to send webhooks again, {}", who(environment), requests(windows.len())));
    let (mut out, format) = (Printout::new(), ReportFormat::of(arguments.format));
    for (done, upload) in windows.iter().enumerate() {
        match filespin::reissue(&mut api, access, *upload) {
            Ok(answer) => {
                let printed = out.print(|out| accepted(out, format, *upload, &answer));
                if printed.is_err() && done + 1 < windows.len() {
                    go_on(done + 1, &windows, &ApiError::Stopped);
                    return Ok(out.finish());
                }
            }
            Err(error) => {
                go_on(done, &windows, &error);
                return Err(match error {
                    ApiError::Stopped => Failure::Reported(EXIT_FAILED),
                    other => other.into(),
                });
            }
        }
    }
    note(&format!("FileSpin has accepted {}; it does not say when it has sent the webhooks", requests(windows.len())));
    Ok(out.finish())
}

fn requests(number: usize) -> String {
    counted(number as u64, "request")
}

/// Splits a time into windows that FileSpin takes: in whole seconds, and none longer than 7 days. A window begins where the one before it ends,
/// because it is not documented whether the last second counts.
fn windows(window: TimeWindow) -> Vec<Upload> {
    let since_epoch = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (since, until) = (since_epoch(window.since), since_epoch(window.until));
    let end = until.as_secs() + u64::from(until.subsec_nanos() > 0);
    let length = filespin::REISSUE_MAX.as_secs();
    let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
    let mut windows = Vec::new();
    let mut start = since.as_secs();
    while start < end {
        let next = end.min(start + length);
        windows.push((at(start), at(next)));
        start = next;
    }
    windows
}

/// Says what would happen, before anything does.
fn plan(out: &mut impl Write, windows: &[Upload]) -> io::Result<()> {
    wrapped(
        out,
        LINE,
        ("", ""),
        "filespin, webhooks of the assets that were uploaded in this time, in requests of at most 7 days:",
    )?;
    for (start, end) in windows {
        writeln!(out, "  {} to {}", timestamp(*start), timestamp(*end))?;
    }
    let reach = "FileSpin sends these webhooks again to every receiver in the settings of the account, and writes to its databases again: not \
                 only to Hookgate. The webhooks come in through the daemon. This command publishes nothing.";
    wrapped(out, LINE, ("", ""), reach)
}

/// Prints that FileSpin has accepted a request.
fn accepted(out: &mut impl Write, format: ReportFormat, (start, end): Upload, answer: &str) -> io::Result<()> {
    let (start, end) = (timestamp(start).to_string(), timestamp(end).to_string());
    let answer = crate::logged::printable(answer);
    match format {
        ReportFormat::Pretty => writeln!(out, "accepted  {start}  {end}  {answer}")?,
        ReportFormat::Json => writeln!(out, "{}", json!({ "accepted": { "start": start, "end": end, "answer": answer } }))?,
    }
    out.flush()
}

/// Says where another run can go on: with the request that FileSpin has not accepted, as far as is known.
fn go_on(done: usize, windows: &[Upload], error: &ApiError) {
    let (Some((next, _)), Some((_, until))) = (windows.get(done), windows.last()) else { return };
    if matches!(error, ApiError::Unclear(_)) {
        note(
            "FileSpin may have accepted the last request: look first whether its webhooks come, because going on would ask for them twice",
        );
    }
    let (next, until) = (timestamp(*next), timestamp(*until));
    note(&format!("accepted: {done} of {}; go on with --reissue --since {next} --until {until}", requests(windows.len())));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    fn of(since: u64, until: u64) -> Vec<Upload> {
        windows(TimeWindow { since: at(since), until: at(until) })
    }

    #[test]
    fn a_window_has_at_most_seven_days() {
        const DAY: u64 = 86_400_000;
        #[track_caller]
        fn check((since, until): (u64, u64), expected: &[(u64, u64)]) {
            let expected: Vec<_> = expected.iter().map(|(start, end)| (at(*start), at(*end))).collect();
            assert_eq!(of(since, until), expected);
        }
        check((0, 1000), &[(0, 1000)]);
        check((0, 7 * DAY), &[(0, 7 * DAY)]);
        check((0, 7 * DAY + 1000), &[(0, 7 * DAY), (7 * DAY, 7 * DAY + 1000)]);
        check((DAY, 20 * DAY), &[(DAY, 8 * DAY), (8 * DAY, 15 * DAY), (15 * DAY, 20 * DAY)]);
        // FileSpin takes whole seconds, so a window grows to them.
        check((1500, 1501), &[(1000, 2000)]);
        check((999, 7 * DAY + 1), &[(0, 7 * DAY), (7 * DAY, 7 * DAY + 1000)]);
    }

    proptest! {
        /// Together the windows are the whole time, none is too long, and two have nothing in common but the instant between them.
        #[test]
        fn windows_are_the_whole_time(since in 0_u64..2_000_000_000_000, length in 1_u64..100_000_000_000) {
            let windows = of(since, since + length);
            let (first, last) = (windows[0].0, windows[windows.len() - 1].1);
            prop_assert!(first <= at(since) && at(since) < first + Duration::from_secs(1));
            prop_assert!(at(since + length) <= last && last < at(since + length) + Duration::from_secs(1));
            for (start, end) in &windows {
                prop_assert!(start < end && *end <= *start + filespin::REISSUE_MAX);
                prop_assert_eq!(start.duration_since(UNIX_EPOCH).unwrap().subsec_nanos(), 0);
            }
            for pair in windows.windows(2) {
                prop_assert_eq!(pair[0].1, pair[1].0);
            }
        }
    }
}
