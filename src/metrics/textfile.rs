//! Metrics of a command that ends: a file for the textfile collector of Prometheus' node exporter.

use std::{fmt::Write as _, time::SystemTime};

/// The metrics of `hookgate reconcile`: name, and help.
pub const RECONCILED: [(&str, &str); 4] = [
    ("hookgate_reconcile_missing", "Events that the provider knows of and the topics do not have."),
    ("hookgate_reconcile_unknown", "1 if not everything about the events of this type can be known."),
    ("hookgate_reconcile_timestamp_seconds", "When the provider was last compared with the topics."),
    ("hookgate_reconcile_failed", "1 if the last attempt to compare the provider with the topics has failed."),
];

/// What a run of `hookgate reconcile` knows of a provider.
#[derive(Clone, Debug)]
pub struct ReconciledProvider<'a> {
    /// The provider's name.
    pub name: &'a str,
    /// The types: name, how many events are missing, and whether something cannot be known. None if the provider could not be compared.
    pub types: Option<Vec<(&'a str, u64, bool)>>,
}

/// Returns the file. A provider that could not be compared now keeps its lines of `before`, the file of an earlier run, with the old time: an
/// alert on what is missing must not end because nobody could look. The endpoint, where only one was looked at, is a label: the runs for two
/// projects of one provider have a file each, and both files may be on one node.
pub fn reconciled<'a>(providers: &[ReconciledProvider<'a>], endpoint: Option<&str>, before: &str, now: SystemTime) -> String {
    let endpoint = endpoint.map(|name| format!(",endpoint=\"{name}\"")).unwrap_or_default();
    let values = |(name, number, open): &(_, u64, bool)| (*name, vec![*number, u64::from(*open)]);
    let rows = |it: &ReconciledProvider<'a>| {
        (format!("provider=\"{}\"{endpoint}", it.name), it.types.as_ref().map(|types| types.iter().map(values).collect()))
    };
    file(&RECONCILED, "type", &providers.iter().map(rows).collect::<Vec<_>>(), before, now)
}

/// The metrics of `hookgate subscriptions`: name, and help.
pub const SUBSCRIBED: [(&str, &str); 5] = [
    ("hookgate_subscription_off", "Subscriptions for the endpoint that are switched off at the provider."),
    (
        "hookgate_subscription_refused",
        "Subscriptions for the endpoint whose deliveries are refused: no secret, or a foreign one.",
    ),
    ("hookgate_subscription_missing", "Events that should be subscribed for the endpoint and are not."),
    ("hookgate_subscription_timestamp_seconds", "When the subscriptions at the provider were last read."),
    ("hookgate_subscription_failed", "1 if the last attempt to read the subscriptions at the provider has failed."),
];

/// What a run of `hookgate subscriptions` knows of a provider.
#[derive(Clone, Debug)]
pub struct SubscribedProvider<'a> {
    /// The provider's name.
    pub name: &'a str,
    /// The endpoints: name, and how many subscriptions are off, how many are refused, and how many events are missing. None if the provider
    /// could not be read.
    pub endpoints: Option<Vec<(&'a str, [usize; 3])>>,
}

/// Returns the file. A provider that could not be read now keeps its lines of `before`, as [`reconciled`] does.
pub fn subscribed<'a>(providers: &[SubscribedProvider<'a>], before: &str, now: SystemTime) -> String {
    let values = |(name, counts): &(_, [usize; 3])| (*name, counts.iter().map(|count| *count as u64).collect());
    let rows = |it: &SubscribedProvider<'a>| {
        (format!("provider=\"{}\"", it.name), it.endpoints.as_ref().map(|all| all.iter().map(values).collect()))
    };
    file(&SUBSCRIBED, "endpoint", &providers.iter().map(rows).collect::<Vec<_>>(), before, now)
}

/// What is known of a provider: the labels of all its lines, and for each value of the further label one number for each metric. None if it
/// could not be asked.
type ProviderRows<'a> = (String, Option<Vec<(&'a str, Vec<u64>)>>);

/// Returns the file. The last two metrics are when a provider was last asked, and whether that has failed now; the others have the label.
fn file(metrics: &[(&str, &str)], label: &str, providers: &[ProviderRows<'_>], before: &str, now: SystemTime) -> String {
    let (time, failed) = (metrics.len() - 2, metrics.len() - 1);
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut text = String::new();
    for (place, (name, help)) in metrics.iter().enumerate() {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (of, rows) in providers {
            match rows {
                _ if place == failed => {
                    let _ = writeln!(text, "{name}{{{of}}} {}", u64::from(rows.is_none()));
                }
                Some(_) if place == time => {
                    let _ = writeln!(text, "{name}{{{of}}} {seconds}");
                }
                Some(rows) => {
                    for (row, numbers) in rows {
                        let _ = writeln!(text, "{name}{{{of},{label}=\"{row}\"}} {}", numbers[place]);
                    }
                }
                None => keep(&mut text, before, (name, of), label),
            }
        }
    }
    text
}

/// Adds the lines of an earlier file for this metric and these labels.
fn keep(text: &mut String, before: &str, of: (&str, &str), label: &str) {
    for line in before.lines().filter(|line| is_of(line, of, label)) {
        let _ = writeln!(text, "{line}");
    }
}

/// Returns whether a line is one that Hookgate writes for this metric and these labels, with this further label after them or none.
fn is_of(line: &str, (name, of): (&str, &str), label: &str) -> bool {
    let labels = line.strip_prefix(name).and_then(|rest| rest.strip_prefix('{')?.split_once("} "));
    let Some((labels, value)) = labels else { return false };
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let further = |text: &str| {
        let value = text.strip_prefix(label).and_then(|rest| rest.strip_prefix("=\"")?.strip_suffix('"'));
        value.is_some_and(plain)
    };
    let of_these = labels.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.strip_prefix(',').is_some_and(further));
    of_these && !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn of<'a>(name: &'a str, types: Option<&[(&'a str, u64, bool)]>) -> ReconciledProvider<'a> {
        ReconciledProvider { name, types: types.map(<[_]>::to_vec) }
    }

    /// Returns the lines with values.
    fn values(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn the_file_has_each_provider_and_type() {
        let types = [("file.deleted", 3, true), ("file.stored", 0, false)];
        let text = reconciled(&[of("uploadcare", Some(&types)), of("frameio", Some(&[]))], None, "", at(7));
        assert!(text.starts_with("# HELP hookgate_reconcile_missing Events that"), "{text}");
        assert_eq!(text.matches("# TYPE hookgate_reconcile_").count(), RECONCILED.len());
        assert_eq!(
            values(&text),
            [
                "hookgate_reconcile_missing{provider=\"uploadcare\",type=\"file.deleted\"} 3",
                "hookgate_reconcile_missing{provider=\"uploadcare\",type=\"file.stored\"} 0",
                "hookgate_reconcile_unknown{provider=\"uploadcare\",type=\"file.deleted\"} 1",
                "hookgate_reconcile_unknown{provider=\"uploadcare\",type=\"file.stored\"} 0",
                "hookgate_reconcile_timestamp_seconds{provider=\"uploadcare\"} 7",
                "hookgate_reconcile_timestamp_seconds{provider=\"frameio\"} 7",
                "hookgate_reconcile_failed{provider=\"uploadcare\"} 0",
                "hookgate_reconcile_failed{provider=\"frameio\"} 0",
            ]
        );
    }

    #[test]
    fn a_provider_that_fails_keeps_its_last_numbers() {
        let missing = [("file.deleted", 3, false)];
        let first =
            reconciled(&[of("uploadcare", Some(&missing)), of("frameio", Some(&[("file.ready", 0, true)]))], None, "", at(7));
        let entries = [("file.ready", 1, true)];
        let second = reconciled(&[of("uploadcare", None), of("frameio", Some(&entries))], None, &first, at(8));
        let expected = [
            "hookgate_reconcile_missing{provider=\"uploadcare\",type=\"file.deleted\"} 3",
            "hookgate_reconcile_missing{provider=\"frameio\",type=\"file.ready\"} 1",
            "hookgate_reconcile_unknown{provider=\"uploadcare\",type=\"file.deleted\"} 0",
            "hookgate_reconcile_unknown{provider=\"frameio\",type=\"file.ready\"} 1",
            "hookgate_reconcile_timestamp_seconds{provider=\"uploadcare\"} 7",
            "hookgate_reconcile_timestamp_seconds{provider=\"frameio\"} 8",
            "hookgate_reconcile_failed{provider=\"uploadcare\"} 1",
            "hookgate_reconcile_failed{provider=\"frameio\"} 0",
        ];
        assert_eq!(values(&second), expected);
        // However often it fails.
        assert_eq!(reconciled(&[of("uploadcare", None), of("frameio", Some(&entries))], None, &second, at(8)), second);
        // One that is not asked any more is gone, and one that has never answered has no numbers.
        let third = reconciled(&[of("filespin", None)], None, &second, at(9));
        assert_eq!(values(&third), ["hookgate_reconcile_failed{provider=\"filespin\"} 1"]);
    }

    /// Prometheus takes no series twice.
    #[test]
    fn the_files_of_two_projects_have_no_series_in_common() {
        let types = [("file.deleted", 3, true)];
        let file = |endpoint, before: &str, types| reconciled(&[of("uploadcare", types)], endpoint, before, at(7));
        let [photos, banners, all] = [Some("photos"), Some("banners"), None].map(|it| file(it, "", Some(&types)));
        let series = |text: &str| -> Vec<String> {
            values(text).iter().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
        };
        let of_all: std::collections::HashSet<String> = [&photos, &banners, &all].into_iter().flat_map(|it| series(it)).collect();
        assert_eq!(of_all.len(), 3 * RECONCILED.len());
        assert!(photos.contains("missing{provider=\"uploadcare\",endpoint=\"photos\",type=\"file.deleted\"} 3"), "{photos}");
        // Each keeps its own.
        assert_eq!(series(&file(Some("photos"), &photos, None)), series(&photos));
        for (endpoint, before) in [(Some("banners"), &photos), (None, &photos), (Some("photos"), &all)] {
            assert_eq!(values(&file(endpoint, before, None)).len(), 1, "{endpoint:?} {before}");
        }
    }

    #[test]
    fn nothing_is_kept_that_hookgate_has_not_written() {
        fn check(line: &str, kept: bool) {
            let of = ("hookgate_reconcile_missing", "provider=\"uploadcare\"");
            assert_eq!(is_of(line, of, "type"), kept, "{line}");
        }
        check("hookgate_reconcile_missing{provider=\"uploadcare\",type=\"file.deleted\"} 3", true);
        for line in [
            "",
            "hookgate_reconcile_missing",
            "hookgate_reconcile_missing 3",
            "hookgate_reconcile_missing{provider=\"uploadcare\",type=\"file.deleted\"}",
            "hookgate_reconcile_missing{provider=\"uploadcare\",type=\"file.deleted\"} ",
            "hookgate_reconcile_missing{provider=\"uploadcare\",type=\"file.deleted\"} 3 1234",
            "hookgate_reconcile_missing{provider=\"uploadcare\",type=\"file.deleted\"} NaN",
            "hookgate_reconcile_missing{provider=\"uploadcare\",type=\"a\",type=\"b\"} 3",
            "hookgate_reconcile_missing{provider=\"uploadcare\",type=\"a\\\"b\"} 3",
            "hookgate_reconcile_missing{provider=\"frameio\",type=\"file.deleted\"} 3",
            "hookgate_reconcile_missing{provider=\"uploadcare\",endpoint=\"photos\",type=\"file.deleted\"} 3",
            "hookgate_reconcile_unknown{provider=\"uploadcare\",type=\"file.deleted\"} 3",
            "node_load1{provider=\"uploadcare\",type=\"file.deleted\"} 3",
        ] {
            check(line, false);
        }
    }

    #[test]
    fn the_file_has_each_endpoint_and_keeps_what_cannot_be_read() {
        let of = |name, endpoints: Option<&[(&'static str, [usize; 3])]>| SubscribedProvider {
            name,
            endpoints: endpoints.map(<[_]>::to_vec),
        };
        let first = subscribed(&[of("uploadcare", Some(&[("photos", [1, 2, 3])])), of("frameio", None)], "", at(7));
        assert_eq!(first.matches("# TYPE hookgate_subscription_").count(), SUBSCRIBED.len());
        assert_eq!(
            values(&first),
            [
                "hookgate_subscription_off{provider=\"uploadcare\",endpoint=\"photos\"} 1",
                "hookgate_subscription_refused{provider=\"uploadcare\",endpoint=\"photos\"} 2",
                "hookgate_subscription_missing{provider=\"uploadcare\",endpoint=\"photos\"} 3",
                "hookgate_subscription_timestamp_seconds{provider=\"uploadcare\"} 7",
                "hookgate_subscription_failed{provider=\"uploadcare\"} 0",
                "hookgate_subscription_failed{provider=\"frameio\"} 1",
            ]
        );
        let second = subscribed(&[of("uploadcare", None)], &first, at(8));
        let mut kept = values(&first);
        kept.truncate(4);
        kept.push("hookgate_subscription_failed{provider=\"uploadcare\"} 1");
        assert_eq!(values(&second), kept);
    }
}
