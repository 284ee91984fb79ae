//! Warnings are printed together with problems, because a warning often names the reason of a problem.

use super::*;

/// Every key of `check --json`.
const KEYS: [&str; 9] = [
    "problems",
    "deadlines",
    "memory_ceiling_bytes",
    "warnings",
    "brokers",
    "partitions",
    "schema_ids",
    "findings",
    "unreachable",
];

/// Checks that `check`, `check --json` and `serve` each report this problem and this warning once.
#[track_caller]
fn check_both(what: &str, file: &str, variables: &[(&str, &str)], problem: &str, warning: &str) {
    let folder = Folder::new();
    folder.write("hookgate.toml", file);
    let checked = run(&folder, variables, &["check"]);
    assert_eq!(checked.code, Some(64), "{what}: {checked:?}");
    let lines: Vec<&str> = checked.err.lines().collect();
    assert!(
        matches!(&*lines, [one, two] if one.contains(problem) && two.starts_with(&format!("warning: {warning}"))),
        "{what}: {lines:?}"
    );
    let json = run(&folder, variables, &["check", "--json"]);
    let report = json.json_lines().remove(0);
    assert_eq!(report.as_object().unwrap().keys().collect::<Vec<_>>(), KEYS, "{what}: {report}");
    for (key, expected) in [("problems", problem), ("warnings", warning)] {
        let texts = report[key].as_array().unwrap();
        assert!(matches!(&**texts, [one] if one.as_str().unwrap().contains(expected)), "{what}: {report}");
    }
    let served = run(&folder, variables, &["serve"]).err;
    let served: Vec<serde_json::Value> = served.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [warned, failed] = &*served else { panic!("{what}: {served:?}") };
    assert_eq!((&warned["level"], &failed["level"]), (&"WARN".into(), &"ERROR".into()), "{what}");
    assert!(warned["warning"].as_str().unwrap().starts_with(warning), "{what}: {warned}");
    assert!(failed["problem"].as_str().unwrap().contains(problem), "{what}: {failed}");
}

#[test]
fn warnings_are_printed_beside_problems() {
    let no_brokers = "[kafka] brokers: is missing";
    let underscores = "the variable HOOKGATE_KAFKA_BROKERS is not read; two underscores stand between table and key";
    let of_kafka = ("HOOKGATE_KAFKA_BROKERS", "k:9092");
    let endpoint = &GOOD[GOOD.find("[endpoints").unwrap()..];
    check_both("brokers in a variable that is not read", endpoint, &[of_kafka], no_brokers, underscores);
    let alone =
        [of_kafka, ("HOOKGATE_ENDPOINTS__CARE__PROVIDER", "uploadcare"), ("HOOKGATE_ENDPOINTS__CARE__SECRETS", "env:UPLOADCARE")];
    check_both("only variables", "", &alone, no_brokers, underscores);
    check_both("no TOML", "kafka: {}\n", &[of_kafka], "is YAML", underscores);
    let level = "[log] level: \"bad\" is no level";
    let log = ("HOOKGATE_LOG__LEVEL", "bad");
    check_both("one replica", GOOD, &[log, ("HOOKGATE_TOPICS__REPLICATION", "1")], level, "[topics] replication is 1: ");
    check_both(
        "a short secret",
        GOOD,
        &[log, ("UPLOADCARE", "short")],
        level,
        "[endpoints.care] secrets: env:UPLOADCARE is shorter",
    );
    // There is no warning about the default that replaces a wrong value.
    check_more("replicas", "[topics]\nreplication = \"5\"\nmin_insync_replicas = 3", 64, "replication: is in quotes");
    check_more(
        "in-sync replicas",
        "[topics]\nreplication = 1\nmin_insync_replicas = \"1\"",
        64,
        "min_insync_replicas: is in quotes",
    );
}

#[test]
fn a_file_that_is_not_there_and_a_variable_that_names_it() {
    let finished = run(&Folder::new(), &[("HOOKGATE_CONFIG", "/etc/hunter.toml")], &["check"]);
    assert_eq!(finished.code, Some(64), "{finished:?}");
    assert!(finished.err.contains("hookgate.toml: cannot be read: no such file; "), "{finished:?}");
    assert!(
        finished.err.contains("\nwarning: the variable HOOKGATE_CONFIG is not read; --config names the file\n"),
        "{finished:?}"
    );
}

#[test]
fn a_good_configuration_has_the_same_keys() {
    let folder = Folder::new();
    folder.write("hookgate.toml", GOOD);
    for (arguments, code) in [(&["check", "--json"][..], 0), (&["check", "--json", "--cluster"], 1)] {
        let finished = run(&folder, &[], arguments);
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert_eq!(finished.json_lines()[0].as_object().unwrap().keys().collect::<Vec<_>>(), KEYS, "{finished:?}");
    }
}
