//! The questions to a registry, over Confluent's REST interface, which all of them speak.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::schema::SchemaFile;
use crate::{
    config::SchemaRegistry,
    logged::printable,
    outbound::{self, OutboundAnswer, OutboundError},
};

/// The largest answer that is read. The largest schema has a few kilobytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// What a registry is quoted with at most.
const QUOTED_MAX: usize = 1000;

/// Why a question has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RegistryFailure {
    /// Nobody is there: no question would be answered.
    Unreachable(String),
    /// The registry has answered that it cannot answer: the same question may succeed later, and another one now.
    Unable(String),
    /// The registry has answered, and refuses.
    Refused(String),
}

/// A file as registered: what refers to it says so.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SchemaReference {
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) version: u32,
}

/// A schema as a registry is asked about it.
#[derive(Serialize)]
struct Schema<'a> {
    #[serde(rename = "schemaType")]
    kind: &'static str,
    #[serde(rename = "schema")]
    text: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    references: &'a [SchemaReference],
}

/// What is known of a schema that is registered.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Registered {
    pub(super) id: u32,
    pub(super) version: u32,
}

#[derive(Deserialize)]
struct Compatibility {
    is_compatible: bool,
    #[serde(default)]
    messages: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error_code: u32,
    message: String,
}

/// A client with the credentials and authorities as they were when it was made.
pub(super) struct RegistryClient<'a> {
    config: &'a SchemaRegistry,
    http: outbound::Client,
    authorization: Option<String>,
}

impl<'a> RegistryClient<'a> {
    pub(super) fn new(config: &'a SchemaRegistry) -> Result<Self, RegistryFailure> {
        let refused = |fault: String| RegistryFailure::Refused(format!("[schema_registry]: {fault}"));
        let authorization = config.authorization().map_err(refused)?;
        let authorities = config.authorities().map_err(refused)?;
        let http = outbound::Client::new(config.timeout, authorities.as_deref()).map_err(refused)?;
        Ok(Self { config, http, authorization })
    }

    /// Whether a subject holds this schema, and under which id.
    pub(super) fn look_up(
        &self,
        subject: &str,
        file: &SchemaFile,
        references: &[SchemaReference],
    ) -> Result<Option<Registered>, RegistryFailure> {
        let path = format!("/subjects/{}", encoded(subject));
        self.ask(&path, subject, file, references)
    }

    /// Registers the schema as the subject's newest, which must be permitted and compatible.
    pub(super) fn register(
        &self,
        subject: &str,
        file: &SchemaFile,
        references: &[SchemaReference],
    ) -> Result<(), RegistryFailure> {
        let path = format!("/subjects/{}/versions", encoded(subject));
        let answer: Option<serde_json::Value> = self.ask(&path, subject, file, references)?;
        answer
            .map(drop)
            .ok_or_else(|| RegistryFailure::Refused(format!("subject {subject}: the registry does not take new schemas")))
    }

    /// Why the schema cannot follow the subject's newest, if it cannot. A subject that does not exist takes any.
    pub(super) fn incompatible(
        &self,
        subject: &str,
        file: &SchemaFile,
        references: &[SchemaReference],
    ) -> Result<Option<String>, RegistryFailure> {
        let path = format!("/compatibility/subjects/{}/versions/latest?verbose=true", encoded(subject));
        let answer: Option<Compatibility> = self.ask(&path, subject, file, references)?;
        Ok(answer.filter(|answer| !answer.is_compatible).map(|answer| match answer.messages.join("; ") {
            told if told.is_empty() => "the registry does not tell why".into(),
            told => quoted(&told),
        }))
    }

    /// Posts a schema. Nothing where the registry says that what was asked about does not exist.
    fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        subject: &str,
        file: &SchemaFile,
        references: &[SchemaReference],
    ) -> Result<Option<T>, RegistryFailure> {
        let schema = Schema { kind: "PROTOBUF", text: &file.descriptor, references };
        let body = serde_json::to_vec(&schema).unwrap_or_default();
        let (mut failures, mut answered) = (Vec::new(), false);
        for url in &self.config.urls {
            let answer = match self.post(&format!("{url}{path}"), &body) {
                Ok(answer) => answer,
                Err(OutboundError::Unreachable(why) | OutboundError::Insecure(why)) => {
                    failures.push(format!("{url} cannot be reached: {why}"));
                    continue;
                }
                Err(OutboundError::Unusable(why)) => {
                    failures.push(format!("{url} is no schema registry: {why}"));
                    answered = true;
                    continue;
                }
            };
            answered = true;
            let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
            // Whatever else answers there, a proxy or a wrong path, has no message in this form, but may say what it is.
            let told = match [quoted(&refusal.message), first_line(&answer.body)].into_iter().find(|text| !text.is_empty()) {
                None => format!("{url} answered {}", answer.status),
                Some(message) => format!("{url} answered {}: {message}", answer.status),
            };
            match (answer.status, refusal.error_code) {
                (200, _) => {
                    let parsed = serde_json::from_slice(&answer.body);
                    let strange = |_| {
                        RegistryFailure::Refused(format!(
                            "{url} is no schema registry, or speaks another version: its answer begins with {:?}",
                            first_line(&answer.body)
                        ))
                    };
                    return parsed.map(Some).map_err(strange);
                }
                // No such subject, no such version, no such schema.
                (404, 40401..=40403) => return Ok(None),
                (401 | 403, _) => {
                    return Err(RegistryFailure::Refused(format!("subject {subject}: {told}; do the credentials permit it?")));
                }
                (404, _) => {
                    let hint = "is there a path missing, such as /apis/ccompat/v7?";
                    return Err(RegistryFailure::Refused(format!("subject {subject}: {told}; {hint}")));
                }
                (408 | 429 | 500.., _) => failures.push(told),
                _ => return Err(RegistryFailure::Refused(format!("subject {subject}: {told}"))),
            }
        }
        let why = failures.join("; ");
        Err(if answered { RegistryFailure::Unable(why) } else { RegistryFailure::Unreachable(why) })
    }

    fn post(&self, url: &str, body: &[u8]) -> Result<OutboundAnswer, OutboundError> {
        let mut headers = vec![("content-type", MEDIA_TYPE), ("accept", MEDIA_TYPE)];
        headers.extend(self.authorization.as_deref().map(|it| ("authorization", it)));
        self.http.post(url, &headers, body, ANSWER_BYTES_MAX)
    }
}

/// A subject as one part of a path: those of imported files hold slashes.
fn encoded(subject: &str) -> String {
    utf8_percent_encode(subject, NON_ALPHANUMERIC).to_string()
}

/// The first line of an answer that is no registry's: a page of a proxy or a login says there what it is.
fn first_line(body: &[u8]) -> String {
    // A line that never ends is not looked at further than it is shown; a character has at most four bytes.
    let begin = String::from_utf8_lossy(&body[..body.len().min(4 * QUOTED_MAX)]);
    quoted(begin.trim_start().lines().next().unwrap_or_default().trim_end())
}

/// What a registry says goes to the log and to terminals: no longer than needed, on one line.
fn quoted(text: &str) -> String {
    printable(&text.chars().take(QUOTED_MAX).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_registry_is_quoted_by_its_first_line() {
        let check = |body: &[u8], expected: &str| assert_eq!(first_line(body), expected, "{body:?}");
        check(b"<!DOCTYPE html>\n<html><body>Log in</body></html>", "<!DOCTYPE html>");
        check(b"\r\n  <html>\r\n", "<html>");
        check(b"", "");
        check(b"\n \n", "");
        check(b"a\x1b[2J\xff", "a\\u001b[2J\u{fffd}");
        check(&vec![b'x'; 100_000], &"x".repeat(QUOTED_MAX));
    }
}
