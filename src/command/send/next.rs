//! What to do about the answer of a daemon.

use std::path::Path;

use serde_json::Value;

use super::ConfigSource;
use crate::command::output::shell_word;

/// Returns sentences and commands: after a 200 the command that shows the event on its topic, and after a refusal what finds out why.
pub(super) fn steps(
    (status, answer): (u16, &str),
    source: &ConfigSource,
    request: Option<&Path>,
    topic: Option<&str>,
) -> Vec<String> {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    match (status, request, topic) {
        (200, _, Some(topic)) => {
            let (topic, id) = (shell_word(topic), shell_word(text("id")));
            vec![source.command(&format!("tail {topic} --id {id} --since -5m --exit"))]
        }
        (401, Some(file), _) => {
            let secret = if source.exists() { "" } else { " --secret env:NAME" };
            vec![source.command(&format!("verify --request {}{secret}", shell_word(&file.display().to_string())))]
        }
        (401, None, _) => {
            let why = match text("type").rsplit(':').next() {
                Some("stale") => "the daemon has another clock than this machine",
                Some("missing_signature") => {
                    "the daemon wants another kind of proof here: is this endpoint one of another provider?"
                }
                _ => "the daemon has other secrets for this endpoint than this command",
            };
            let look = if source.exists() {
                source.command("doctor")
            } else {
                "--dev has a running session of `hookgate dev` sign and send the sample, with its own secrets".into()
            };
            vec![why.to_owned(), look]
        }
        (404, ..) => vec!["the daemon has no endpoint at this path: compare it with the [endpoints] of its configuration".into()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_leads_to_the_next_command() {
        #[track_caller]
        fn check(status: u16, answer: &str, (file, request, topic): (&str, Option<&str>, Option<&str>), expected: &[&str]) {
            let source = ConfigSource { config: file.into(), brokers: None };
            assert_eq!(steps((status, answer), &source, request.map(Path::new), topic), expected);
        }
        let problem = |label: &str| format!(r#"{{"type":"urn:hookgate:problem:{label}","status":401}}"#);
        let (nowhere, there) = ("nosuch.toml", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let tail = "hookgate tail hookgate.uploadcare.file.stored --id 1-2 --since -5m --exit --config nosuch.toml";
        check(200, r#"{"id":"1-2"}"#, (nowhere, None, Some("hookgate.uploadcare.file.stored")), &[tail]);
        check(200, r#"{"id":"1-2"}"#, (nowhere, None, None), &[]);
        check(
            401,
            &problem("bad_signature"),
            (nowhere, Some("a b"), None),
            &["hookgate verify --request 'a b' --secret env:NAME --config nosuch.toml"],
        );
        check(
            401,
            &problem("bad_signature"),
            (there, Some("a b"), None),
            &[&format!("hookgate verify --request 'a b' --config {there}")],
        );
        let doctor = format!("hookgate doctor --config {there}");
        let secrets = "the daemon has other secrets for this endpoint than this command";
        check(401, &problem("bad_signature"), (there, None, Some("t")), &[secrets, &doctor]);
        let dev = "--dev has a running session of `hookgate dev` sign and send the sample, with its own secrets";
        check(401, &problem("bad_token"), (nowhere, None, None), &[secrets, dev]);
        check(401, &problem("stale"), (nowhere, None, None), &["the daemon has another clock than this machine", dev]);
        check(
            404,
            "<html>",
            (nowhere, None, None),
            &["the daemon has no endpoint at this path: compare it with the [endpoints] of its configuration"],
        );
        check(503, &problem("publish_failed"), (there, None, Some("t")), &[]);
        // What commands a shell is quoted.
        check(
            200,
            r#"{"id":"$(rm)"}"#,
            (nowhere, None, Some("t")),
            &["hookgate tail t --id '$(rm)' --since -5m --exit --config nosuch.toml"],
        );
    }
}
