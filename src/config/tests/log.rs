//! `[log] level`: an unknown word would switch the log off, errors too.

use tracing_subscriber::EnvFilter;

use super::*;

/// Checks the complaint or warning about a level, wherever it is written; an empty text means that it is accepted without a warning.
#[track_caller]
fn check(level: &str, expected: &str) {
    let line = format!("[log]\nlevel = {level:?}");
    let ways: [(&str, Result<Config, Problems>); 3] = [
        ("hookgate.toml:14", read(&format!("{MINIMAL}\n{line}"), &[], &[])),
        ("HOOKGATE_LOG__LEVEL", read(MINIMAL, &[("HOOKGATE_LOG__LEVEL", level)], &[])),
        ("command line", read(MINIMAL, &[], &[("log.level", level)])),
    ];
    for (origin, config) in ways {
        let said = match config {
            Ok(config) => config.warnings.join("\n"),
            Err(problems) => problems.to_string().replace(&format!("{origin}: [log] level: "), ""),
        };
        assert_eq!(said, expected, "{level:?} from {origin}");
    }
}

#[test]
fn words_that_are_no_level_are_refused() {
    for (word, level) in [
        ("warning", "warn"),
        ("Warning", "warn"),
        ("verbose", "debug"),
        ("infos", "info"),
        ("inf", "info"),
        ("debgu", "debug"),
        ("fatal", "error"),
        ("critical", "error"),
        ("notice", "info"),
    ] {
        let expected = format!("{word:?} is no level; did you mean {level:?}?");
        check(word, &expected);
        check(&format!("error,{word}"), &expected);
        check(&format!("error,hookgate::kafka={word}"), &expected);
    }
    let all = "there are off, error, warn, info, debug, trace";
    check("loud", &format!("\"loud\" is no level; {all}"));
    check("6", &format!("\"6\" is no level; {all}"));
    check("hookgate=", &format!("\"\" is no level; {all}"));
    check("", "is empty; write \"info\", or \"off\" for no lines at all");
    check(" , ", "is empty; write \"info\", or \"off\" for no lines at all");
    check("hookgate::kafka", "\"hookgate::kafka\" names no level; write \"hookgate::kafka=debug\"");
    check("info,hookgate", "\"hookgate\" names no level; write \"hookgate=debug\"");
    check("info,hokgate=debug", "there is no part \"hokgate\"; did you mean \"hookgate\"?");
    check("info,=debug", "\"=debug\" is not a directive, such as \"info\" or \"hookgate::kafka=debug\"");
    check(
        "info,hookgate[kafka]=debug",
        "\"hookgate[kafka]=debug\" filters by spans, and Hookgate's lines have none; write \"hookgate::kafka=debug\"",
    );
    check("warning,infos", "\"infos\" is no level; did you mean \"info\"?\n\"warning\" is no level; did you mean \"warn\"?");
}

#[test]
fn levels_that_show_errors_are_accepted_without_a_word() {
    for level in [
        "off,info",
        "error",
        "WARN",
        "info",
        "debug",
        "trace",
        "3",
        "info,hookgate::kafka=debug",
        "hookgate=info",
        "warn,rdkafka=off",
        "off,hookgate=error",
        "info,hookgate::kafka=off,hookgate::kafka=error",
    ] {
        check(level, "");
    }
    // The filter's own parser would take the blanks for parts of names.
    let config = accept(MINIMAL, &[("HOOKGATE_LOG__LEVEL", " warn , hookgate::kafka=debug,")], &[]);
    assert_eq!(config.log.level, "warn,hookgate::kafka=debug");
    assert_eq!(EnvFilter::try_new(&config.log.level).unwrap().to_string(), "hookgate::kafka=debug,warn");
}

#[test]
fn a_level_that_hides_errors_is_warned_of() {
    for level in [
        "off",
        "0",
        "hookgate::kafka=debug",
        "rdkafka=debug",
        "info,hookgate=off",
        "info,hookgate::kafka=off",
        "info,hookgate::http::deliver=OFF",
        "info,hookgate::kafka=0,hookgate::kafka::reload=debug",
        "off,hookgate::kafka=error",
    ] {
        let expected = format!(
            "[log] level: {level:?} hides errors of Hookgate's own; write \"error\" or another level in the place of \"off\", and one that is for all lines"
        );
        check(level, &expected);
    }
}
