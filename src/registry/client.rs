//! Requests to a schema registry, over Confluent's REST interface, which all registries support.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::schema::SchemaFile;
use crate::{
    config::SchemaRegistry,
    logged::printable,
    outbound::{self, OutboundAnswer, OutboundError},
};

/// The largest answer that is read, in bytes. The largest schema has a few kilobytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// The longest quotation of a registry's answer, in characters.
const QUOTED_MAX: usize = 1000;

/// Why a request to the registry failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RegistryFailure {
    /// No registry can be reached, so any other request would fail too.
    Unreachable(String),
    /// The registry has answered that it cannot answer: the same request may succeed later, and another one now.
    Unable(String),
    /// The registry has answered and refused the request.
    Refused(String),
}

/// A registered file, as schemas that import it refer to it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SchemaReference {
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) version: u32,
}

/// A schema in a request to the registry.
#[derive(Serialize)]
struct Schema<'a> {
    #[serde(rename = "schemaType")]
    kind: &'static str,
    #[serde(rename = "schema")]
    text: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    references: &'a [SchemaReference],
}

/// What the registry reports of a registered schema.
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

/// A client with the credentials and authorities of the time when it was made.
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

    /// Returns the id and version under which a subject holds this schema, or `None` if it does not.
    pub(super) fn look_up(
        &self,
        subject: &str,
        file: &SchemaFile,
        references: &[SchemaReference],
    ) -> Result<Option<Registered>, RegistryFailure> {
        let path = format!("/subjects/{}", encoded(subject));
        self.ask(&path, subject, file, references)
    }

    /// Registers the schema as the newest of the subject. The registry must permit that and find the schema compatible.
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

    /// Returns why the schema is not compatible with the newest of the subject, or `None` if it is. A subject that does not exist accepts
    /// any schema.
    pub(super) fn incompatible(
        &self,
        subject: &str,
        file: &SchemaFile,
        references: &[SchemaReference],
    ) -> Result<Option<String>, RegistryFailure> {
        let path = format!("/compatibility/subjects/{}/versions/latest?verbose=true", encoded(subject));
        let answer: Option<Compatibility> = self.ask(&path, subject, file, references)?;
        Ok(answer.filter(|answer| !answer.is_compatible).map(|answer| match answer.messages.join("; ") {
            reason if reason.is_empty() => "the registry does not say why".into(),
            reason => quoted(&reason),
        }))
    }

    /// Posts a schema to the configured URLs in turn, until one of them can answer. Returns `None` if the registry says that the subject,
    /// version or schema does not exist.
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
                Err(OutboundError::Unconnected(why) | OutboundError::Unreachable(why) | OutboundError::Insecure(why)) => {
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
            // If something else answers, such as a proxy or a wrong path, its answer has no message in this form, but its first line may
            // say what it is.
            let reason = match [quoted(&refusal.message), first_line(&answer.body)].into_iter().find(|text| !text.is_empty()) {
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
                // These codes mean: no such subject, no such version, no such schema.
                (404, 40401..=40403) => return Ok(None),
                (401 | 403, _) => {
                    return Err(RegistryFailure::Refused(format!("subject {subject}: {reason}; do the credentials permit it?")));
                }
                (404, _) => {
                    let hint = "is there a path missing, such as /apis/ccompat/v7?";
                    return Err(RegistryFailure::Refused(format!("subject {subject}: {reason}; {hint}")));
                }
                (408 | 429 | 500.., _) => failures.push(reason),
                _ => return Err(RegistryFailure::Refused(format!("subject {subject}: {reason}"))),
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

/// Returns a subject, encoded as one part of a path: the subjects of imported files contain slashes.
fn encoded(subject: &str) -> String {
    utf8_percent_encode(subject, NON_ALPHANUMERIC).to_string()
}

/// Returns the first line of an answer that is not a registry's: the page of a proxy or a login says there what it is.
fn first_line(body: &[u8]) -> String {
    // Of a line that never ends, only as much is read as is shown; a character has at most four bytes.
    let begin = String::from_utf8_lossy(&body[..body.len().min(4 * QUOTED_MAX)]);
    quoted(begin.trim_start().lines().next().unwrap_or_default().trim_end())
}

/// Returns a registry's text for the log and for terminals: bounded in length, and on one line.
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
