//! A request as Markdown, for a colleague or an issue. `hookgate verify --request` reads it.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    commands::arrival,
    proof::{ProofStep, StepState},
};
use crate::{
    command::{dev::seen::SeenRequest, input::REPORT_TITLE},
    logged::{is_deceptive, printable},
};

/// A longer body is not written down.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Returns the report. `verify` is the command that reads it, if one can.
pub(super) fn markdown(request: &SeenRequest, row: &Value, steps: &[ProofStep], (verify, event): (&str, Option<&str>)) -> String {
    let mut out = format!("{REPORT_TITLE} {}\n\n", request.number);
    let status = if request.status() == 0 { "none".to_owned() } else { request.status().to_string() };
    let _in_memory =
        writeln!(out, "Arrived {}, answered {status} ({}).\n", arrival(request), row["outcome"].as_str().unwrap_or_default());
    let mut proof = String::new();
    for step in steps.iter().filter(|step| step.state != StepState::Skipped) {
        let _in_memory = writeln!(proof, "{} {}: {}", step.name, step.state.text(), one_line(&step.text));
        for hint in step.hint.lines() {
            let _in_memory = writeln!(proof, "  {}", one_line(hint));
        }
    }
    // Between fences, nothing that a sender wrote is a link or names a person.
    out += &fenced("", proof.trim_end());
    let _in_memory = writeln!(
        out,
        "\n## Request\n\nTokens of the URL and credentials are left out. A signature is not: who has it can send this delivery again.\n"
    );
    let whole = whole(request);
    out += &match &whole {
        Some(text) => fenced("http", text),
        None if request.what.has_body() => {
            "It is too long for this page, or copying would change it. The fixture has it.\n".to_owned()
        }
        None => "Its body was not read to the end.\n".to_owned(),
    };
    if whole.is_some() && !verify.is_empty() {
        let _in_memory = write!(out, "\nThis reads the report, and says the same:\n\n{}", fenced("sh", verify));
    }
    if let Some(event) = event {
        let _in_memory = write!(out, "\n## Event\n\n{}", fenced("", event));
    }
    out
}

/// Returns the request as text, if it is one.
fn whole(request: &SeenRequest) -> Option<String> {
    let what = &request.what;
    if !what.has_body() || what.request.body.len() > BODY_BYTES_MAX {
        return None;
    }
    // What another program would change or hide on its way is no text.
    let is_plain = |c: char| !is_deceptive(c) || matches!(c, '\n' | '\t');
    let text = String::from_utf8(what.whole().to_bytes()).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let text = format!("{}\n\n{body}", head.replace("\r\n", "\n"));
    text.chars().all(is_plain).then_some(text)
}

/// Returns a text between fences that are longer than every row of backticks in it.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{text}\n{fence}\n")
}

/// Returns a text in one line, without characters that hide something.
fn one_line(text: &str) -> String {
    printable(&text.lines().collect::<Vec<_>>().join("; "))
}
